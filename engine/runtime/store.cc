#include "engine/runtime/store.h"
#include "engine/runtime/credit.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/base/faults.h"

namespace parallax::runtime {

using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

namespace {

gc::HeapOptions heap_options(const EngineOptions& options) {
  gc::HeapOptions heap;
  heap.collector = options.collector;
  heap.zeal = options.zeal;
  heap.zeal.poison |= options.armed;
  heap.heap_bytes = options.heap_bytes;
  heap.collect_after_bytes = options.collect_after_bytes;
  return heap;
}

// Whether compiled code asks at loop heads and entries.
bool polls(const Zeal& zeal) { return zeal.mode != ZealMode::kNone && zeal.mode != ZealMode::kEveryAlloc; }

// Whether two schedules differ only in when collections happen, what kind they are and what is verified: neither compiled
// code nor the layout of the heap follows from that.
bool same_code(const Zeal& a, Zeal b) {
  if (polls(a) != polls(b)) return false;
  b.mode = a.mode;
  b.n = a.n;
  b.minor = a.minor;
  b.full = a.full;
  b.verify_before = a.verify_before;
  b.verify_after = a.verify_after;
  return a == b;
}

// Native stack that must be left for the runtime's own functions, collections and host functions.
constexpr size_t kNativeReserve = 256 * 1024;

// Lowest address of this thread's stack that compiled code may use.
void* native_stack_limit() {
  thread_local void* limit = [] {
    pthread_attr_t attributes;
    void* low = nullptr;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return static_cast<void*>(nullptr);
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return static_cast<void*>(static_cast<char*>(low) + std::min(size / 2, kNativeReserve));
  }();
  return limit;
}

}  // namespace

Store::Store(std::shared_ptr<wasm::TypeStore> types, const EngineOptions& options, std::unique_ptr<Compiler> compiler)
    : types_(std::move(types)),
      options_(options),
      number_(slab::next_store_number()),
      layouts_(*types_, layout_table_),
      compiler_(std::move(compiler)),
      heap_names_("heap reference", number_),
      funcs_(number_),
      host_objects_("host object", number_),
      tags_("tag", number_),
      handles_("extern", number_),
      instance_ids_("instance", number_),
      roots_("root", number_),
      heap_(heap_options(options), layout_table_, *this,
            {&context_.alloc_next, &context_.alloc_limit, &context_.jit_words[kSpaceBeginWord], &context_.remembered,
             &context_.alloc_charged, &context_.allocation_left, &context_.allocated_objects}) {
  if (options.armed || options.zeal.pages) keep_origins();
  open();
  if (compiler_ != nullptr) compiler_->attach(context_);
}

// What every run begins with. Requires: a new context and heap.
void Store::open() {
  context_.heap_base = heap_.base();
  context_.jit_words[kOriginWord] = reinterpret_cast<uint64_t>(heap_.origin_base());
  context_.store = this;
  context_.armed = options_.armed ? 1 : 0;
  context_.zeal_polls = polls(options_.zeal) ? 1 : 0;
  // New objects do not stand behind all others there.
  if (options_.collector == GcKind::kGenerational) context_.jit_words[kSpaceEndWord] = heap_.bytes();
  root_context_.store = &context_;
  context_.root = &root_context_;
  set_budget(budget_);
  sync_types();
}

Store::~Store() {
  for (const Table::Storage& storage : table_storage_) std::free(storage.elems);
}

// --- Again ---------------------------------------------------------------------------------------------------------

bool Store::rewind(const Zeal& zeal) {
  using slab::SlabCore;
  const EngineOptions next = [&] {
    EngineOptions o = options_;
    o.zeal = zeal;
    return o;
  }();
  const gc::Zeal asked = heap_options(next).zeal;
  const bool in_use = !rooted_slots_.empty() || context_.entry_frame != nullptr || exiting();
  if (!ok() || in_use || !heap_.violation().empty() || !same_code(options_.zeal, zeal)) return false;
  if (compiler_ == nullptr || !compiler_->rewind(context_, {funcs_.entries(), funcs_.count()})) return false;
  options_ = next;
  for (size_t n = 0; n < tables_.size(); ++n) {
    if (n == table_storage_.size()) table_storage_.emplace_back();
    std::free(std::exchange(table_storage_[n], tables_[n].take_storage()).elems);
  }
  tables_.clear();
  memories_.clear();
  globals_.clear();
  instances_.clear();
  host_functions_.clear();
  func_handles_.clear();
  funcs_.restart();
  tags_.restart(SlabCore::Tags::kSame);  // compiled code has ids of functions and of tags
  heap_names_.restart(SlabCore::Tags::kOther);
  host_objects_.restart(SlabCore::Tags::kOther);
  handles_.restart(SlabCore::Tags::kOther);
  instance_ids_.restart(SlabCore::Tags::kOther);
  roots_.restart(SlabCore::Tags::kOther);
  exit_error_ = {};
  observer_ = nullptr;
  budget_ = {};
  root_context_ = {};
  const uint64_t compiler_word = context_.jit_words[0];
  context_ = {};
  context_.jit_words[0] = compiler_word;
  heap_.rewind(asked);
  open();
  repetition_.again();
  return true;
}

// Everything that decides which entities stand where is noted before they are made.
void Store::begin_making(uint64_t kind) {
  note_making(kind);
  for (const uint64_t count : {funcs_.count(), uint64_t{tables_.size()}, uint64_t{memories_.size()},
                               uint64_t{globals_.size()}, uint64_t{instances_.size()}, uint64_t{tags_.core().size()}}) {
    note_making(count);
  }
}

void Store::note_making(uint64_t word) {
  const bool was_same = repetition_.is_same();
  repetition_.add(word);
  if (was_same && !repetition_.is_same() && compiler_ != nullptr) compiler_->forget(funcs_.count());
}

const char* Store::name() const { return compiler_ == nullptr ? "engine" : compiler_->name(); }

void Store::set_budget(const wasm::Budget& budget) {
  heap_.settle();
  budget_ = budget;
  context_.fuel = budget.fuel;
  context_.depth_left = budget.call_depth;
  context_.allocation_left = budget.allocated_bytes;
  context_.jit_words[kCreditWord] = 0;
  context_.allocated_objects = 0;
  heap_.budget_changed();
}

wasm::StoreStats Store::stats() const {
  const uint64_t charged = context_.alloc_charged >> gc::kChargeShift;
  const uint64_t objects = context_.alloc_charged & ((uint64_t{1} << gc::kChargeShift) - 1);
  return {
      .collections = heap_.stats().collections,
      .live_bytes_after_last = heap_.stats().live_bytes_after_last,
      .allocated_bytes = budget_.allocated_bytes - context_.allocation_left - context_.jit_words[kCreditWord] + charged,
      .allocated_objects = context_.allocated_objects + objects,
      .fuel_used = budget_.fuel - context_.fuel};
}

std::vector<ArmedCount> Store::armed_counts() const {
  std::vector<ArmedCount> counts = {
#define ARMED_CHECK(id, invariant, summary) {#id, invariant, summary, 0},
#include "engine/runtime/checks.def"
#undef ARMED_CHECK
  };
  for (size_t i = 0; i < counts.size(); ++i) counts[i].evaluated = context_.armed_counts[i];
  const auto set = [&](ArmedCheck check, uint64_t value) { counts[static_cast<size_t>(check)].evaluated = value; };
  // Compiled code counts a name's check and its type's as one, unless the first fails.
  set(ArmedCheck::kRefType, context_.armed_counts[static_cast<size_t>(ArmedCheck::kRefName)]);
  set(ArmedCheck::kFuncType, context_.armed_counts[static_cast<size_t>(ArmedCheck::kFuncId)]);
  set(ArmedCheck::kFreshMemory, heap_.stats().poison_checked);
  set(ArmedCheck::kRootName, heap_.stats().names_admitted);
  uint64_t lookups = 0;
  for (const slab::SlabCore* core : {&funcs_.core(), &host_objects_.core(), &tags_.core(), &handles_.core(),
                                     &instance_ids_.core(), &roots_.core()}) {
    lookups += core->lookups();
  }
  set(ArmedCheck::kSlabId, lookups);
  return counts;
}

// --- Origins -------------------------------------------------------------------------------------------------------

void Store::keep_origins() {
  heap_.keep_origins(this);
  funcs_.keep_origins(this);
  host_objects_.keep_origins(this);
  tags_.keep_origins(this);
  handles_.keep_origins(this);
  instance_ids_.keep_origins(this);
  roots_.keep_origins(this);
}

// The innermost compiled frame called the builtin now running.
uint64_t Store::current_site() const {
  return context_.entry_frame == nullptr ? 0 : reinterpret_cast<uint64_t>(context_.last_pc);
}

Place Store::place_of(uint64_t site) const {
  return compiler_ == nullptr || site == 0 ? Place{} : compiler_->place_of(reinterpret_cast<const void*>(site));
}

// Types may have been added by decoding another module.
void Store::sync_types() {
  for (size_t i = type_rows_.size(); i < types_->size(); ++i) {
    const wasm::TypeId id(i);
    type_rows_.push_back({.ancestors = types_->ancestors(id).data(),
                          .depth = types_->depth(id),
                          .kind = static_cast<uint32_t>(types_->get(id).kind)});
  }
  context_.types = type_rows_.data();
  context_.type_count = type_rows_.size();
}

uint64_t Store::make_func_ref(const FuncEntry& entry) {
  if (fault_fires(Fault::kSL1)) {
    const slab::SlabId id{entry.id};
    return slab::SlabId::make(host_objects_.core().tag(), id.generation(), id.index()).bits;
  }
  return entry.id;
}

// --- Objects -------------------------------------------------------------------------------------------------------

gc::Ref Store::allocate(gc::LayoutId layout, uint32_t length, uint64_t bytes, uint64_t charge) {
  heap_.settle();
  return_credit(context_);
  if (charge > context_.allocation_left) {
    exit_with(OutcomeKind::kHeapExhausted);
    return gc::kNullRef;
  }
  context_.allocation_left -= charge;
  ++context_.allocated_objects;
  if (observer_ != nullptr) observer_->before_allocation(*this);
  const gc::Ref ref = heap_.allocate(layout, length, bytes);
  if (observer_ != nullptr) observer_->after_allocation(ref);
  if (!ref.is_null()) [[likely]]
    return ref;
  if (heap_is_sound()) {
    exit_with(OutcomeKind::kOutOfMemory,
              {ErrorCode::kLimit, 0,
               text::format("no room for an object of {} bytes in a heap of {}", bytes, heap_.bytes())});
  }
  return gc::kNullRef;
}

gc::Ref Store::new_struct(wasm::TypeId type) {
  const TypeLayout& layout = layouts_.of(type);
  return allocate(type.raw, 0, layout.bytes, layout.charge);
}

gc::Ref Store::new_array(wasm::TypeId type, uint64_t length) {
  const TypeLayout& layout = layouts_.of(type);
  uint64_t declared = length * layout.element_charge;
  if (declared > wasm::kMaxArrayBytes && fault_fires(Fault::kLAY3)) declared = static_cast<uint32_t>(declared);
  if (declared > wasm::kMaxArrayBytes) {
    exit_trap(wasm::TrapKind::kAllocationSizeTooLarge);
    return gc::kNullRef;
  }
  const auto count = static_cast<uint32_t>(length);
  uint64_t bytes = layout_table_.at(type.raw).size(count);
  if (declared < length * layout.element_charge) bytes = std::max<uint64_t>(static_cast<uint32_t>(bytes), 16);  // LAY3
  return allocate(type.raw, count, bytes, wasm::kObjectCharge + declared);
}

gc::Ref Store::new_exn(uint64_t tag) {
  const Tag* const entry = tags_.find(tag);
  if (entry == nullptr) {
    exit_invariant(tags_.explain(tag, "exception allocation"));
    return gc::kNullRef;
  }
  const TypeLayout& layout = layouts_.of(entry->type);
  const gc::Ref exn = allocate(entry->type.raw, 0, layout.bytes, layout.charge);
  if (!exn.is_null()) heap_.store(exn, gc::kExnTagOffset, tag);
  return exn;
}

// --- Roots ---------------------------------------------------------------------------------------------------------

void Store::visit_roots(gc::RootVisitor& visitor) {
  using gc::RootKind;
  const auto visit_slot = [&](Slot& slot, RootKind kind, uint64_t site) {
    visitor.visit(reinterpret_cast<gc::Ref*>(&slot.low), kind, site);
  };
  // Planted fault RT1 leaves a kind out.
  for (Global& global : globals_) {
    if (fault_fires(Fault::kRT1)) break;
    if (global.rep == FieldRep::kRef) visit_slot(global.cell, RootKind::kGlobal, global.number);
  }
  for (Table& table : tables_) {
    if (table.is_func()) continue;
    if (fault_fires(Fault::kRT1)) break;
    auto* const elements = static_cast<gc::Ref*>(table.elems);
    for (uint64_t i = 0; i < table.size; ++i) {
      if (elements[i].is_object()) visitor.visit(&elements[i], RootKind::kTable, table.number);
    }
  }
  for (Instance& instance : instances_) {
    for (size_t i = 0; i < instance.elems.size(); ++i) {
      if (fault_fires(Fault::kRT1)) break;
      for (gc::Ref& ref : instance.elems[i].refs) visitor.visit(&ref, RootKind::kElemSegment, i);
    }
  }
  roots_.for_each([&](uint64_t id, Root& root) {
    if (!root.is_func && !root.is_number) visitor.visit(&root.ref, RootKind::kHostRoot, slab::SlabId{id}.index());
  });
  for (const RootedSlots& rooted : rooted_slots_) {
    if (fault_fires(Fault::kRT1)) break;
    for (size_t i = 0; i < rooted.types.size(); ++i) {
      if (rooted.types[i].is_ref() && !is_func_type(rooted.types[i])) visit_slot(rooted.slots[i], RootKind::kHandle, i);
    }
  }
  visitor.visit(&context_.pending_exception, RootKind::kException, 0);
  if (compiler_ == nullptr) return;
  if (!options_.armed) return compiler_->visit_frames(visitor);

  struct Counting final : gc::RootVisitor {
    gc::RootVisitor& next;
    uint64_t& count;
    Counting(gc::RootVisitor& v, uint64_t& c) : next(v), count(c) {}
    void visit(gc::Ref* slot, gc::RootKind kind, uint64_t site) override {
      ++count;
      next.visit(slot, kind, site);
    }
  } counting(visitor, context_.armed_counts[static_cast<size_t>(ArmedCheck::kFrameSlot)]);
  compiler_->visit_frames(counting);
}

void Store::host_box_died(uint64_t host_id) {
  if (host_objects_.find(host_id) == nullptr) {
    heap_.set_violation(host_objects_.explain(host_id, "death of a host box"));
    return;
  }
  host_objects_.release(host_id);
}

// --- Ends of runs --------------------------------------------------------------------------------------------------

void Store::exit_with(OutcomeKind kind, Error error) {
  if (exiting()) return;
  exit_error_ = std::move(error);
  context_.exit_func = context_.exit_offset = ~0u;
  context_.exit_kind = static_cast<uint32_t>(kind);
}

void Store::exit_trap(wasm::TrapKind kind) {
  if (exiting()) return;
  context_.exit_trap = static_cast<uint32_t>(kind);
  exit_with(OutcomeKind::kTrapped);
}

void Store::exit_invariant(std::string text) {
  exit_with(OutcomeKind::kInvariant, {ErrorCode::kInvariant, 0, std::move(text)});
}

bool Store::heap_is_sound() {
  if (heap_.violation().empty()) [[likely]]
    return true;
  exit_invariant(heap_.violation());
  return false;
}

// Turns exit_kind into the outcome, and clears it.
Outcome Store::take_exit() {
  Outcome outcome = Outcome::ended(static_cast<OutcomeKind>(context_.exit_kind), std::exchange(exit_error_, {}));
  if (outcome.kind == OutcomeKind::kTrapped) outcome.trap = static_cast<wasm::TrapKind>(context_.exit_trap);
  if (context_.exit_func != ~0u) outcome.func = wasm::FuncIndex(context_.exit_func);
  if (context_.exit_offset != ~0u) outcome.offset = context_.exit_offset;
  context_.exit_kind = 0;
  context_.exit_func = context_.exit_offset = ~0u;
  context_.pending_exception = gc::kNullRef;
  return outcome;
}

// Turns the exception in flight into the outcome, and clears it.
Outcome Store::take_exception() {
  const gc::Ref exn = std::exchange(context_.pending_exception, gc::kNullRef);
  Outcome outcome{.kind = OutcomeKind::kThrew};
  const auto broken = [&](std::string text) {
    return Outcome::ended(OutcomeKind::kInvariant, {ErrorCode::kInvariant, 0, std::move(text)});
  };
  if (!exn.is_object() || !heap_.plausible(exn)) {
    return broken(text::format("I1: the exception in flight is {:#x}, not an exception object", exn.bits));
  }
  const auto tag_id = heap_.load<uint64_t>(exn, gc::kExnTagOffset);
  const Tag* const tag = tags_.find(tag_id);
  if (tag == nullptr) return broken(tags_.explain(tag_id, "exception that left the outermost call"));
  if (heap_.header(exn).layout() != tag->type.raw) {
    return broken(text::format("I3: exception {:#x} has layout {}, its tag's type is {}", exn.bits,
                               heap_.header(exn).layout(), tag->type.raw));
  }
  outcome.tag = tag_extern(tag_id);
  const TypeLayout& layout = layouts_.of(tag->type);
  const wasm::SubType& type = types_->get(tag->type);
  for (size_t i = 0; i < layout.fields.size(); ++i) {
    outcome.values.push_back(to_value(load_field(exn, layout.fields[i].offset, layout.fields[i].rep), type.params[i]));
  }
  return outcome;
}

// --- Calls ---------------------------------------------------------------------------------------------------------

void Store::set_native_stack_limit() { context_.native_stack_limit = native_stack_limit(); }

// Runs a WebAssembly function whose arguments are in `slots`.
Outcome Store::run(FuncEntry& entry, Slot* slots, const wasm::SubType& type) {
  if (compiler_ == nullptr) {
    return Outcome::ended(OutcomeKind::kUnsupported, {ErrorCode::kUnsupported, 0, "this store has no compiler"});
  }
  set_native_stack_limit();
  const OutcomeKind status = compiler_->enter(entry, slots);
  switch (status) {
    case OutcomeKind::kReturned: return Outcome::ok(to_values(slots, type.results));
    case OutcomeKind::kThrew: return take_exception();
    default: return take_exit();
  }
}

Outcome Store::call(wasm::Extern func, std::span<const Value> args) {
  const auto misuse = [](Error error) { return Outcome::ended(OutcomeKind::kMisuse, std::move(error)); };
  const auto found = find_entity<FuncEntry>(func, wasm::ExternKind::kFunc, "call");
  if (!found) return misuse(found.error());
  if (!heap_is_sound()) return take_exit();
  FuncEntry& entry = **found;
  const wasm::SubType& type = types_->get(wasm::TypeId(entry.type));
  if (entry.host != nullptr) {
    std::vector<Slot> checked(args.size());
    if (const auto fits = to_slots(args, type.params, checked.data(), "argument of call"); !fits)
      return misuse(fits.error());
    return invoke_host(entry, args);
  }
  constexpr size_t kFewSlots = 16;
  const size_t count = std::max(type.params.size(), type.results.size());
  Slot few[kFewSlots];
  std::vector<Slot> many(count > kFewSlots ? count : 0);
  Slot* const slots = count > kFewSlots ? many.data() : few;
  if (const auto fits = to_slots(args, type.params, slots, "argument of call"); !fits) return misuse(fits.error());
  return run(entry, slots, type);
}

// Calls the host and checks what it answers.
Outcome Store::invoke_host(FuncEntry& entry, std::span<const Value> args) {
  const wasm::SubType& type = types_->get(wasm::TypeId(entry.type));
  Outcome outcome = entry.host->call(*this, args);
  std::span<const wasm::ValType> expected;
  if (outcome.kind == OutcomeKind::kThrew) {
    const auto tag = find_handle(outcome.tag, wasm::ExternKind::kTag, "tag thrown by a host function");
    if (!tag) return Outcome::ended(OutcomeKind::kMisuse, tag.error());
    expected = types_->get(tags_.find((*tag)->tag)->type).params;
  } else if (outcome.kind == OutcomeKind::kReturned) {
    expected = type.results;
  } else {
    return outcome;
  }
  std::vector<Slot> checked(outcome.values.size());
  if (const auto fits = to_slots(outcome.values, expected, checked.data(), "result of a host function"); !fits) {
    return Outcome::ended(OutcomeKind::kMisuse, fits.error());
  }
  return outcome;
}

void Store::call_host(FuncEntry& entry, Slot* slots) {
  const wasm::SubType& type = types_->get(wasm::TypeId(entry.type));
  std::vector<Value> early;  // planted fault HOST2
  if (fault_fires(Fault::kHOST2)) early = to_values(slots, type.params);
  if (options_.zeal.mode != ZealMode::kNone) {
    rooted_slots_.push_back({slots, type.params});
    heap_.poll();
    rooted_slots_.pop_back();
    if (!heap_is_sound()) return;
  }
  const std::vector<Value> args = early.empty() ? to_values(slots, type.params) : std::move(early);
  apply_outcome(entry, invoke_host(entry, args), slots, type);
}

// What a host function's outcome means for the compiled code that called it.
void Store::apply_outcome(FuncEntry&, Outcome outcome, Slot* slots, const wasm::SubType& type) {
  switch (outcome.kind) {
    case OutcomeKind::kReturned:
      // Checked by invoke_host; nothing ran since.
      (void)to_slots(outcome.values, type.results, slots, "result of a host function");
      return;
    case OutcomeKind::kThrew: {
      const uint64_t tag = (*find_handle(outcome.tag, wasm::ExternKind::kTag, "throw"))->tag;
      const wasm::TypeId tag_type = tags_.find(tag)->type;
      const wasm::SubType& payload = types_->get(tag_type);
      std::vector<Slot> values(outcome.values.size());
      (void)to_slots(outcome.values, payload.params, values.data(), "payload");
      rooted_slots_.push_back({values.data(), payload.params});
      const gc::Ref exn = new_exn(tag);
      rooted_slots_.pop_back();
      if (exn.is_null()) return;
      const TypeLayout& layout = layouts_.of(tag_type);
      for (size_t i = 0; i < values.size(); ++i)
        store_field(exn, layout.fields[i].offset, layout.fields[i].rep, values[i]);
      context_.pending_exception = exn;
      return;
    }
    case OutcomeKind::kTrapped: exit_trap(outcome.trap); return;
    case OutcomeKind::kFuelExhausted:
    case OutcomeKind::kStackExhausted:
    case OutcomeKind::kHeapExhausted:
      if (!fault_fires(Fault::kEXC2)) break;
      std::fill_n(slots, type.results.size(), Slot{});
      return;
    default: break;
  }
  exit_with(outcome.kind, std::move(outcome.error));
}

}  // namespace parallax::runtime
