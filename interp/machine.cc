// Running: entering functions, host calls, unwinding, budgets.
//
// WebAssembly calls never recurse natively; host functions do, and each re-entry pushes a border record, so that the
// frames of one native run lie between two borders. A run ends at its border: by return, or with machine().exit saying
// why.
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "interp/ops.h"
#include "interp/store.h"
#include "interp/translate.h"

namespace parallax::interp {

using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::TrapKind;

namespace {

// Native stack that must remain for a host function and what it calls.
constexpr uint64_t kNativeReserve = 256 * 1024;
// 512 MiB of value stack, then kOutOfMemory.
constexpr uint64_t kMaxStackSlots = uint64_t{1} << 26;

// The lowest usable address of this thread's stack.
uint64_t native_stack_low_end() {
  thread_local const uint64_t low = [] {
    pthread_attr_t attributes;
    void* base = nullptr;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return uint64_t{0};
    pthread_attr_getstack(&attributes, &base, &size);
    pthread_attr_destroy(&attributes);
    return reinterpret_cast<uint64_t>(base);
  }();
  return low;
}

// Frames without anything that needs aligning: some sanitizers keep a base register that preserve_none does not save.
__attribute__((noinline, no_sanitize("address", "undefined", "coverage"))) void enter_handlers(const Ins* ip,
                                                                                               uint64_t* fp,
                                                                                               Machine* m) {
  ip->handler(ip, fp, m);
}

}  // namespace

const Safepoint* Code::find_safepoint(uint32_t at) const {
  const auto found = std::lower_bound(safepoints.begin(), safepoints.end(), at,
                                      [](const Safepoint& point, uint32_t i) { return point.ins < i; });
  return found != safepoints.end() && found->ins == at ? &*found : nullptr;
}

// --- Stacks ------------------------------------------------------------------------------------------------------

bool Store::native_stack_low() const {
  const auto here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  return here < native_stack_low_end() + kNativeReserve;
}

// Where a new run may put its arguments: above everything that the running frame uses.
uint64_t* Store::free_stack() const {
  const FrameRecord& top = *machine_.top;
  return top.code == nullptr ? top.fp : top.fp + top.code->frame_slots;
}

// Makes room for `slots` slots from fp. Moves the stack when it must; `fp` and every frame follow.
bool Store::ensure_stack(uint64_t*& fp, uint64_t slots) {
  const auto used = static_cast<uint64_t>(fp - stack_.get());
  if (used + slots <= stack_slots_) return true;
  const uint64_t wanted = std::max(stack_slots_ * 2, used + slots + 1024);
  if (wanted > kMaxStackSlots) return false;
  auto* grown = static_cast<uint64_t*>(std::realloc(stack_.get(), wanted * sizeof(uint64_t)));
  if (grown == nullptr) return false;
  uint64_t* old = stack_.release();
  stack_.reset(grown);
  for (FrameRecord* frame = frames_.data(); frame <= machine_.top; ++frame) frame->fp = grown + (frame->fp - old);
  fp = grown + used;
  stack_slots_ = wanted;
  machine_.stack_end = grown + wanted;
  return true;
}

// Keeps frames_end at the budget's depth or at the end of what is allocated.
void Store::refresh_limits() {
  const uint64_t allowed = uint64_t{1} + depth_borders_ + budget_.call_depth;
  machine_.frames_end = frames_.data() + std::min<uint64_t>(frames_.size(), allowed);
}

// Room for one more record. False when the budget's depth is reached.
bool Store::ensure_frames() {
  const auto next = static_cast<uint64_t>(machine_.top - frames_.data()) + 1;
  if (next >= uint64_t{1} + depth_borders_ + budget_.call_depth) return false;
  if (next >= frames_.size()) {
    frames_.resize(std::max<size_t>(frames_.size() * 2, next + 1));
    machine_.top = frames_.data() + next - 1;
  }
  refresh_limits();
  return true;
}

// --- Entering functions --------------------------------------------------------------------------------------------

bool Store::prepare_code(Func& func) {
  if (func.code != nullptr) return true;
  if (func.owned_code != nullptr) {  // of the run before
    func.code = func.owned_code.get();
    return true;
  }
  if (func.failure.empty()) {
    auto code = translate(*this, func);
    if (code.has_value()) {
      func.owned_code = std::move(*code);
      func.code = func.owned_code.get();
      return true;
    }
    func.failure = code.error().code == ErrorCode::kUnsupported
                       ? code.error().message
                       : text::format("function {} failed translation: {}", func.index.raw, code.error().to_string());
  }
  machine_.exit.kind = OutcomeKind::kUnsupported;
  machine_.exit.error = {ErrorCode::kUnsupported, 0, func.failure};
  return false;
}

const Ins* Store::enter_slowly(const Ins* ip, Func& callee, uint32_t args, bool tail) {
  uint64_t* arguments = machine_.top->fp + args;
  if (tail) {
    uint64_t* to = machine_.top->fp;
    std::memmove(to, arguments, callee.type->param_slots * sizeof(uint64_t));
    arguments = to;
    if (callee.is_host()) {
      // The frame is gone before the host runs; its results go where this frame's would have gone.
      --machine_.top;
      ip = machine_.top->ip;
    }
  }
  machine_.top->ip = ip;
  if (callee.is_host()) {
    const auto offset = arguments - stack_.get();
    if (!host_call(callee, arguments)) {
      if (machine_.exit.kind == OutcomeKind::kThrew) return unwind(machine_.top->ip, machine_.exit.exception);
      return nullptr;
    }
    static_cast<void>(offset);
    return machine_.top->ip + 1;
  }
  if (!tail && machine_.top + 1 >= machine_.frames_end && !ensure_frames()) {
    machine_.exit.kind = OutcomeKind::kStackExhausted;
    locate_exit(ip);
    return nullptr;
  }
  if (machine_.fuel == 0) {
    machine_.exit.kind = OutcomeKind::kFuelExhausted;
    locate_exit(ip);
    return nullptr;
  }
  if (!prepare_code(callee)) return nullptr;
  if (!ensure_stack(arguments, callee.code->frame_slots)) {
    machine_.exit.kind = OutcomeKind::kOutOfMemory;
    return nullptr;
  }
  --machine_.fuel;
  if (!tail) ++machine_.top;
  *machine_.top = {.func = &callee, .code = callee.code, .fp = arguments, .ip = callee.code->ins.data()};
  return callee.code->ins.data();
}

// --- Exits -------------------------------------------------------------------------------------------------------

void Store::locate_exit(const Ins* ip) {
  const FrameRecord& top = *machine_.top;
  if (top.code == nullptr) return;
  machine_.exit.func = top.func->index;
  machine_.exit.offset = top.code->offsets[static_cast<size_t>(ip - top.code->ins.data())];
  machine_.exit.located = true;
}

Outcome Store::exit_outcome() {
  Exit exit = std::exchange(machine_.exit, {});
  Outcome outcome{.kind = exit.kind, .trap = exit.trap, .error = std::move(exit.error)};
  if (exit.located) {
    outcome.func = exit.func;
    outcome.offset = exit.offset;
  }
  if (exit.kind == OutcomeKind::kThrew) {
    ExnCell* exn = exn_of(exit.exception);
    outcome.tag = any_extern_of(*exn->tag, wasm::ExternKind::kTag);
    const TypeInfo& type = *exn->tag->type;
    for (uint32_t i = 0; i < type.length(); ++i) {
      const uint64_t slots[2] = {exn->slots[i],
                                 type.fields[i].kind == FieldKind::kV128 ? exn->slots[type.length() + i] : 0};
      outcome.values.push_back(value_of(slots, type.fields[i].storage.unpacked));
    }
  }
  return outcome;
}

// A nested outcome that running code must pass on.
void Store::exit_with(const Outcome& outcome) {
  Exit& exit = machine_.exit;
  exit = {.kind = outcome.kind, .trap = outcome.trap, .error = outcome.error};
  if (outcome.func.valid()) {
    exit.func = outcome.func;
    exit.offset = outcome.offset;
    exit.located = true;
  }
}

const Ins* Store::unwind(const Ins* ip, Word exception) {
  machine_.top->ip = ip;
  machine_.exit = {};
  for (; machine_.top->code != nullptr; --machine_.top) {
    const FrameRecord& frame = *machine_.top;
    auto place = static_cast<uint32_t>(frame.ip - frame.code->ins.data());
    for (const TryRange& range : frame.code->tries) {
      if (place < range.begin || place >= range.end) continue;
      if (range.delegates) {
        place = range.delegate_place;
        continue;
      }
      for (const CatchTarget& clause : range.catches) {
        if (clause.tag != nullptr && clause.tag != exn_of(exception)->tag) continue;
        uint64_t* slot = frame.fp + clause.slot;
        if (clause.tag != nullptr) {
          const TypeInfo& type = *clause.tag->type;
          for (uint32_t i = 0; i < type.length(); ++i) {
            *slot++ = exn_of(exception)->slots[i];
            if (type.fields[i].kind == FieldKind::kV128) *slot++ = exn_of(exception)->slots[type.length() + i];
          }
        }
        if (clause.kind == wasm::CatchKind::kCatchRef || clause.kind == wasm::CatchKind::kCatchAllRef)
          *slot = exception;
        if (clause.exn_slot != ~0u) frame.fp[clause.exn_slot] = exception;
        return frame.code->ins.data() + clause.target;
      }
    }
  }
  machine_.exit.kind = OutcomeKind::kThrew;
  machine_.exit.exception = exception;
  return nullptr;
}

// --- Host functions ------------------------------------------------------------------------------------------------

Outcome Store::call_host(Func& func, std::span<const wasm::Value> args) {
  if (native_stack_low()) return Outcome::ended(OutcomeKind::kNativeStack);
  // A copy, because the function may drop the last handle of itself.
  const wasm::HostFunc host = func.host;
  return host(*this, args);
}

Outcome Store::call_host_checked(Func& func, std::span<const wasm::Value> args) {
  Outcome outcome = call_host(func, args);
  const TypeInfo* payload = nullptr;
  if (outcome.kind == OutcomeKind::kThrew) {
    const auto tag = get<Tag>(outcome.tag, wasm::ExternKind::kTag);
    if (!tag) return Outcome::ended(OutcomeKind::kMisuse, tag.error());
    payload = (*tag)->type;
  } else if (outcome.kind != OutcomeKind::kReturned) {
    return outcome;
  }
  std::vector<uint64_t> slots(payload != nullptr ? payload->param_slots : func.type->result_slots);
  const auto fits =
      payload != nullptr
          ? write_values(outcome.values, payload->sub->params, slots.data(), "payload of a host exception")
          : write_values(outcome.values, func.type->sub->results, slots.data(), "result of a host function");
  return fits ? outcome : Outcome::ended(OutcomeKind::kMisuse, fits.error());
}

bool Store::host_call(Func& func, uint64_t* slots) {
  const auto place = slots - stack_.get();
  const std::vector<wasm::Value> args = values_of(slots, func.type->sub->params);
  const TypeInfo& type = *func.type;
  const Outcome outcome = call_host(func, args);
  const auto misuse = [&](std::string message) {
    machine_.exit = {.kind = OutcomeKind::kMisuse, .error = {ErrorCode::kUsage, 0, std::move(message)}};
    return false;
  };
  switch (outcome.kind) {
    case OutcomeKind::kReturned: {
      uint64_t* results = stack_.get() + place;
      if (!ensure_stack(results, type.result_slots)) {
        machine_.exit = {.kind = OutcomeKind::kOutOfMemory};
        return false;
      }
      const auto written = write_values(outcome.values, type.sub->results, results, "result of a host function");
      return written.has_value() ? true : misuse(written.error().message);
    }
    case OutcomeKind::kThrew: {
      const auto tag = get<Tag>(outcome.tag, wasm::ExternKind::kTag);
      if (!tag) return misuse(tag.error().message);
      std::vector<uint64_t> payload((*tag)->type->param_slots);
      const auto written =
          write_values(outcome.values, (*tag)->type->sub->params, payload.data(), "payload of a host exception");
      if (!written) return misuse(written.error().message);
      const size_t roots = native_roots_.size();
      for (size_t i = 0, slot = 0; i < (*tag)->type->length(); ++i) {
        if ((*tag)->type->fields[i].is_ref) native_roots_.push_back(payload[slot]);
        slot += slot_count((*tag)->type->fields[i].storage.unpacked);
      }
      ExnCell* exn = new_exn(**tag);
      native_roots_.resize(roots);
      if (exn == nullptr) return false;
      for (size_t i = 0, slot = 0; i < (*tag)->type->length(); ++i) {
        exn->slots[i] = payload[slot++];
        if ((*tag)->type->fields[i].kind == FieldKind::kV128) exn->slots[(*tag)->type->length() + i] = payload[slot++];
      }
      machine_.exit = {.kind = OutcomeKind::kThrew, .exception = word_of(exn)};
      return false;
    }
    default: exit_with(outcome); return false;
  }
}

// --- Runs --------------------------------------------------------------------------------------------------------

Outcome Store::run(Func& func, std::span<const uint64_t> args) {
  if (native_stack_low()) return Outcome::ended(OutcomeKind::kNativeStack);
  const auto border = static_cast<size_t>(machine_.top - frames_.data()) + 1;
  uint64_t* base = free_stack();
  if (!ensure_stack(base, std::max<size_t>(args.size(), func.type->result_slots) + 16)) {
    return Outcome::ended(OutcomeKind::kOutOfMemory);
  }
  if (border >= frames_.size()) frames_.resize(frames_.size() * 2);
  machine_.top = frames_.data() + border;
  const Ins program[2] = {{.handler = op_call, .imm = reinterpret_cast<uint64_t>(&func)}, {.handler = op_leave_run}};
  *machine_.top = {.fp = base, .ip = program};
  ++depth_borders_;
  refresh_limits();
  std::copy(args.begin(), args.end(), base);

  machine_.exit = {};
  enter_handlers(program, base, &machine_);

  Outcome outcome;
  if (machine_.exit.kind == OutcomeKind::kReturned) {
    outcome = Outcome::ok(values_of(frames_[border].fp, func.type->sub->results));
  } else {
    outcome = exit_outcome();
  }
  machine_.top = frames_.data() + border - 1;
  --depth_borders_;
  refresh_limits();
  return outcome;
}

// --- Allocation ----------------------------------------------------------------------------------------------------

Cell* Store::allocate_slowly(CellKind kind, uint32_t type, uint64_t words, uint64_t charge, Heap::Fill fill) {
  if (charge > budget_.allocated_bytes - allocated_) {
    machine_.exit.kind = OutcomeKind::kHeapExhausted;
    return nullptr;
  }
  allocated_ += charge;
  ++allocations_;
  const bool is_object = kind == CellKind::kStruct || kind == CellKind::kArray || kind == CellKind::kExn;
  if (options_.on_roots && is_object) [[unlikely]]
    report_roots();
  const bool zeal = options_.collect_every != 0 && allocations_ % options_.collect_every == 0;
  if (heap_.allocated_since_sweep() >= collect_threshold_ || (zeal && zeal_can_pay())) collect();
  Cell* cell = heap_.allocate(kind, type, words, fill);
  if (cell == nullptr) {
    collect();
    cell = heap_.allocate(kind, type, words, fill);
  }
  if (cell == nullptr) machine_.exit.kind = OutcomeKind::kOutOfMemory;
  if (options_.on_roots && is_object) serials_[cell] = serial_++;
  return cell;
}

// Collections that `collect_every` asks for must not turn a large live heap into a hang: they may mark so many bytes in
// all, then every allocation earns some more. Counted, never timed, so that every run collects at the same allocations.
bool Store::zeal_can_pay() {
  constexpr uint64_t kBytesPerCell = 128;  // small cells cost more than their bytes
  zeal_credit_ += 1024;
  const uint64_t price = heap_.live_cells() * kBytesPerCell;
  if (price > zeal_credit_) return false;
  zeal_credit_ -= price;
  return true;
}

ArrayCell* Store::new_array(const TypeInfo& type, uint64_t length, Heap::Fill fill) {
  const uint64_t bytes = length * type.element().bytes;
  if (bytes > wasm::kMaxArrayBytes) {
    machine_.exit.kind = OutcomeKind::kTrapped;
    machine_.exit.trap = TrapKind::kAllocationSizeTooLarge;
    return nullptr;
  }
  const uint64_t words = 1 + length * (type.has_v128 ? 2 : 1);
  auto* array =
      static_cast<ArrayCell*>(allocate(CellKind::kArray, type.id.raw, words, wasm::kObjectCharge + bytes, fill));
  if (array != nullptr) array->length = length;
  return array;
}

ExnCell* Store::new_exn(Tag& tag) {
  auto* exn = static_cast<ExnCell*>(
      allocate(CellKind::kExn, tag.type->id.raw, uint64_t{1} + tag.type->slots, tag.type->charge, Heap::Fill::kNone));
  if (exn != nullptr) exn->tag = &tag;
  return exn;
}

HostCell* Store::new_host(uint64_t value) {
  auto* host = static_cast<HostCell*>(allocate(CellKind::kHost, kNoType, 1, 0, Heap::Fill::kNone));
  if (host != nullptr) host->value = value;
  return host;
}

// --- Hooks -------------------------------------------------------------------------------------------------------

void Store::call_hook(const std::function<void(const SafepointEvent&)>& hook, const Ins* ip, const uint64_t* fp) {
  const FrameRecord& top = *machine_.top;
  const auto ins = static_cast<uint32_t>(ip - top.code->ins.data());
  const Safepoint* point = top.code->find_safepoint(ins);
  SafepointEvent event{.func = top.func->index, .offset = top.code->offsets[ins]};
  const auto count = [&](uint32_t slot) {
    ++event.reference_slots;
    if (fp[slot] != kNullWord) ++event.non_null;
  };
  for (const uint32_t slot : top.code->ref_locals) count(slot);
  for (uint32_t i = 0; i < point->count; ++i) count(top.code->safepoint_slots[point->first + i]);
  hook(event);
}

namespace {
uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  hash *= 0xbf58476d1ce4e5b9ull;
  return hash ^ (hash >> 31);
}
}  // namespace

uint64_t Store::digest_word(Word word) const {
  if (word == kNullWord) return 1;
  if (is_i31(word)) return mix(2, i31_unsigned(word));
  const Cell* cell = cell_of(word);
  const bool typed = cell->kind == CellKind::kStruct || cell->kind == CellKind::kArray || cell->kind == CellKind::kFunc;
  return mix(3 + static_cast<uint64_t>(cell->kind), typed ? cell->type : 0);
}

uint64_t Store::digest(std::span<const wasm::ValType> types, const uint64_t* slots) {
  uint64_t hash = types.size();
  for (const wasm::ValType type : types) {
    hash = mix(hash, type.is_ref() ? digest_word(slots[0]) : slots[0]);
    if (slot_count(type) == 2) hash = mix(hash, slots[1]);
    slots += slot_count(type);
  }
  return hash;
}

}  // namespace parallax::interp
