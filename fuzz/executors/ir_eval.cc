#include "fuzz/executors/ir_eval.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "engine/base/text.h"
#include "engine/gc/object.h"
#include "engine/ir/text.h"
#include "engine/jit/callees.h"
#include "engine/jit/translate.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/store.h"
#include "engine/wasm/numerics.h"

namespace parallax::fuzz {

namespace {

using ir::BlockId;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Rep;
using ir::ValueId;
using runtime::FieldRep;
using runtime::FuncEntry;
using runtime::Slot;
using runtime::Store;
using runtime::StoreContext;
using runtime::VmContext;
using wasm::Opcode;
using wasm::OutcomeKind;
using wasm::TrapKind;
using wasm::TypeId;
using wasm::V128;
namespace builtin = runtime::builtin;

uint64_t canonical_nan(bool single) { return single ? 0x7fc00000u : 0x7ff8'0000'0000'0000u; }

// How loads and stores of linear memory travel.
struct MemRow {
  Opcode opcode;
  uint8_t bytes;
  uint8_t sign_bits;  // loads: from how many bits the value is sign-extended; 0: zero-extended
  bool wide;          // loads: the result has 64 bits
};
constexpr MemRow kMemRows[] = {
    {Opcode::I32Load, 4, 0, false},     {Opcode::I64Load, 8, 0, true},     {Opcode::F32Load, 4, 0, false},
    {Opcode::F64Load, 8, 0, true},      {Opcode::I32Load8S, 1, 8, false},  {Opcode::I32Load8U, 1, 0, false},
    {Opcode::I32Load16S, 2, 16, false}, {Opcode::I32Load16U, 2, 0, false}, {Opcode::I64Load8S, 1, 8, true},
    {Opcode::I64Load8U, 1, 0, true},    {Opcode::I64Load16S, 2, 16, true}, {Opcode::I64Load16U, 2, 0, true},
    {Opcode::I64Load32S, 4, 32, true},  {Opcode::I64Load32U, 4, 0, true},  {Opcode::I32Store, 4, 0, false},
    {Opcode::I64Store, 8, 0, false},    {Opcode::F32Store, 4, 0, false},   {Opcode::F64Store, 8, 0, false},
    {Opcode::I32Store8, 1, 0, false},   {Opcode::I32Store16, 2, 0, false}, {Opcode::I64Store8, 1, 0, false},
    {Opcode::I64Store16, 2, 0, false},  {Opcode::I64Store32, 4, 0, false},
};

const MemRow* find_mem_row(Opcode opcode) {
  for (const MemRow& row : kMemRows) {
    if (row.opcode == opcode) return &row;
  }
  return nullptr;
}

uint64_t sign_extend(uint64_t value, uint32_t from_bits, bool wide) {
  const uint32_t shift = 64 - from_bits;
  const auto extended = static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
  return wide ? extended : extended & 0xffffffffu;
}

bool is_narrow(Rep rep) { return rep == Rep::kI32 || rep == Rep::kF32 || rep == Rep::kRef; }

OutcomeKind outcome_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvariant: return OutcomeKind::kInvariant;
    case ErrorCode::kIo: return OutcomeKind::kOutOfMemory;
    default: return OutcomeKind::kUnsupported;
  }
}

bool has_vectors(const ir::Func& func) {
  for (uint32_t v = 0; v < func.value_count(); ++v) {
    if (func.type(ValueId(v)).kind() == wasm::ValKind::kV128) return true;
  }
  return false;
}

// How an activation ended.
enum class End : uint8_t { kReturned, kThrew, kExit, kTailCall };

class IrEvaluator;

// One activation of one function.
class Frame {
 public:
  Frame(IrEvaluator& evaluator, const ir::Func& func, VmContext* ctx);

  // `slots` holds the arguments, and receives results, or the arguments of a tail call to tail_callee().
  End run(std::vector<Slot>& slots);
  FuncEntry* tail_callee() const { return tail_; }

 private:
  enum class Step : uint8_t { kNext, kJumped, kEnded };

  Step step(InstId id);
  Step terminator(InstId id);
  Step call(InstId id);
  bool object_op(const Inst& inst);
  bool state_op(const Inst& inst);
  bool reference_op(const Inst& inst);
  void compute(const Inst& inst);
  void mem_access(const Inst& inst, bool is_store);
  void homes(const Inst& inst);
  bool wrong_proof(const Inst& inst);
  void pass_safepoint(const Inst& inst);
  FuncEntry* callee(const Inst& inst);
  void jump(InstId id, size_t target);
  Step leave(End end) {
    end_ = end;
    return Step::kEnded;
  }

  Store& store() const { return *ctx_->store->store; }
  bool exiting() const { return ctx_->store->exit_kind != 0; }
  std::span<const ValueId> args() const { return func_.args(current_); }
  Slot& value(ValueId v) { return values_[v.index()]; }
  uint64_t arg(size_t n) { return value(args()[n]).low; }
  uint32_t arg32(size_t n) { return static_cast<uint32_t>(arg(n)); }
  gc::Ref ref(size_t n) { return {arg32(n)}; }
  void result(const Inst& inst, uint64_t low, size_t n = 0) {
    const ValueId v(inst.first_result.raw + static_cast<uint32_t>(n));
    value(v) = {is_narrow(func_.rep(v)) ? low & 0xffffffffu : low, 0};
  }
  void trap(TrapKind kind) { store().exit_trap(kind); }

  const runtime::TypeLayout& layout(uint32_t type) { return store().layouts().of(TypeId(type)); }
  const runtime::TypeLayout& tag_layout(uint32_t tag) { return store().layouts().of(func_.module().tags[tag].type_id); }
  bool check_object(const Inst& inst, wasm::ValType type);
  bool check_struct(const Inst& inst) {
    return check_object(inst, wasm::ValType::ref(wasm::HeapType::concrete(inst.a), false));
  }
  // Where the object's own type has the field, not where the type of the instruction says: layouts that disagree between
  // a type and its subtypes do no harm here, and so show themselves as the difference to compiled code.
  const runtime::FieldSlot& field_of(const Inst& inst) {
    return layout(store().heap().header(ref(0)).layout()).fields[inst.b];
  }
  uint64_t load(uint64_t offset, FieldRep rep, bool sign);
  void write(uint64_t offset, FieldRep rep, uint64_t bits);
  void read_field(const Inst& inst, const runtime::FieldSlot& field, bool sign) {
    result(inst, load(field.offset, field.rep, sign));
  }
  uint64_t element_offset(uint32_t index, FieldRep rep) const {
    return runtime::kArrayDataOffset + uint64_t{index} * runtime::kFieldBytes[static_cast<size_t>(rep)];
  }

  struct Home {
    Slot content;
    bool lost = false;  // a safepoint did not list it
  };

  IrEvaluator& evaluator_;
  const ir::Func& func_;
  VmContext* ctx_;
  std::vector<Slot> values_;
  std::vector<Home> homes_;
  std::vector<Slot>* slots_ = nullptr;
  InstId current_;
  BlockId block_;
  End end_ = End::kReturned;
  FuncEntry* tail_ = nullptr;
};

class IrEvaluator final : public runtime::Compiler {
 public:
  explicit IrEvaluator(const IrEvalOptions& options) : options_(options) {
    gate_.disabled = options.disabled;
    gate_.limit = options.limit;
  }

  const char* name() const override { return "ir"; }
  void attach(StoreContext& store) override { store_ = &store; }
  const void* initial_code(const FuncEntry&) override { return this; }
  Result<const void*> compile(FuncEntry&) override { return this; }
  void visit_frames(gc::RootVisitor&) override {}  // the store never collects

  OutcomeKind enter(FuncEntry& entry, Slot* slots) override {
    const wasm::SubType& type = store_->store->types().get(TypeId(entry.type));
    std::vector<Slot> values(slots, slots + type.params.size());
    const uint64_t depth = store_->depth_left;
    const End end = call(entry, values);
    store_->depth_left = depth;
    if (end == End::kThrew) return OutcomeKind::kThrew;
    if (end != End::kReturned) return static_cast<OutcomeKind>(store_->exit_kind);
    std::copy(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(type.results.size()), slots);
    return OutcomeKind::kReturned;
  }

  // Any function of the store; tail calls included. Answers kReturned, kThrew or kExit.
  End call(FuncEntry& entry, std::vector<Slot>& slots) {
    const uint64_t depth = store_->depth_left;
    FuncEntry* callee = &entry;
    End end = End::kTailCall;
    while (end == End::kTailCall) {
      store_->depth_left = depth;
      end = one(*callee, slots, callee);
    }
    store_->depth_left = depth;
    return end;
  }

  bool armed() const { return options_.armed; }

 private:
  End one(FuncEntry& entry, std::vector<Slot>& slots, FuncEntry*& tail) {
    if (entry.host != nullptr) return host(entry, slots);
    const ir::Func* func = function(entry);
    if (func == nullptr) return End::kExit;
    char here = 0;
    if (store_->depth_left == 0) return exit(OutcomeKind::kStackExhausted);
    if (static_cast<void*>(&here) < static_cast<char*>(store_->native_stack_limit) + kStackReserve)
      return exit(OutcomeKind::kNativeStack);
    --store_->depth_left;
    Frame frame(*this, *func, entry.ctx);
    const End end = frame.run(slots);
    tail = frame.tail_callee();
    return end;
  }

  End exit(OutcomeKind kind) {
    store_->store->exit_with(kind);
    return End::kExit;
  }

  End host(FuncEntry& entry, std::vector<Slot>& slots) {
    const wasm::SubType& type = store_->store->types().get(TypeId(entry.type));
    slots.resize(std::max(type.params.size(), type.results.size()) + 1);
    builtin::host_call(entry.ctx, &entry, slots.data());
    if (store_->exit_kind != 0) return End::kExit;
    return store_->pending_exception.is_null() ? End::kReturned : End::kThrew;
  }

  // The function after the passes; null after setting an exit.
  const ir::Func* function(FuncEntry& entry) {
    auto& known = functions_[&entry];
    if (known != nullptr) return known.get();
    auto made = std::make_unique<ir::Func>();
    const auto ready = prepare(entry, *made);
    if (ready) return (known = std::move(made)).get();
    store_->store->exit_with(outcome_of(ready.error().code), ready.error());
    return nullptr;
  }

  Result<> prepare(FuncEntry& entry, ir::Func& out) {
    const jit::TranslateOptions translate{.features = {.bits = ~0u}, .poll_at_budget = store_->zeal_polls != 0};
    const wasm::Module& module = *entry.ctx->instance->module;
    const wasm::FuncIndex index(entry.func_index);
    if (options_.source && options_.source(module, index, out)) {
      out.poll_at_budget = translate.poll_at_budget;
    } else {
      TRY(translator_.translate(module, index, translate, out));
    }
    if (has_vectors(out)) return fail(ErrorCode::kUnsupported, 0, "v128 in interpreted IR");
    callees_.start(translator_, *entry.ctx->instance->module, translate, entry.ctx->instance);
    TRY(pipeline_.run(out, {.level = options_.level,
                            .verify = options_.armed,
                            .gate = &gate_,
                            .callees = options_.source ? nullptr : &callees_}));
    if (has_vectors(out)) return fail(ErrorCode::kUnsupported, 0, "v128 in an inlined body of interpreted IR");
    return {};
  }

  // What one activation may need beyond the limit that the store set for compiled code.
  static constexpr ptrdiff_t kStackReserve = 64 << 10;

  IrEvalOptions options_;
  StoreContext* store_ = nullptr;
  opt::Gate gate_;
  jit::Translator translator_;
  jit::TranslatedCallees callees_;
  opt::Pipeline pipeline_;
  std::unordered_map<const FuncEntry*, std::unique_ptr<ir::Func>> functions_;  // never iterated
};

// --- Control -------------------------------------------------------------------------------------------------------

Frame::Frame(IrEvaluator& evaluator, const ir::Func& func, VmContext* ctx)
    : evaluator_(evaluator), func_(func), ctx_(ctx), values_(func.value_count()), homes_(func.slot_count()) {}

End Frame::run(std::vector<Slot>& slots) {
  slots_ = &slots;
  const auto params = func_.params(ir::Func::kEntry);
  for (size_t i = 0; i < params.size(); ++i) {
    value(params[i]) = slots[i];
    if (is_narrow(func_.rep(params[i]))) value(params[i]).low &= 0xffffffffu;
  }
  block_ = ir::Func::kEntry;
  current_ = func_.block(block_).first;
  for (;;) {
    const Step done = step(current_);
    if (exiting()) {
      if (ctx_->store->exit_offset == ~0u) {
        ctx_->store->exit_offset = func_.inst(current_).offset;
        ctx_->store->exit_func = func_.index().raw;
      }
      return End::kExit;
    }
    if (done == Step::kEnded) return end_;
    current_ = done == Step::kNext ? func_.inst(current_).next : func_.block(block_).first;
  }
}

void Frame::jump(InstId id, size_t target) {
  const BlockId to = func_.targets(id)[target];
  const auto params = func_.params(to);
  if (!params.empty()) {
    // All at once: arguments may be parameters of the same block.
    std::vector<Slot> moved;
    for (const ValueId v : func_.args(id)) moved.push_back(value(v));
    for (size_t i = 0; i < params.size() && i < moved.size(); ++i) value(params[i]) = moved[i];
  }
  block_ = to;
}

Frame::Step Frame::step(InstId id) {
  const Inst& inst = func_.inst(id);
  switch (inst.op) {
    case Op::Const: result(inst, inst.imm); return Step::kNext;
    case Op::Compute: compute(inst); return Step::kNext;
    case Op::CanonicalNan: {
      const bool single = func_.rep(inst.first_result) == Rep::kF32;
      const bool is_nan =
          single ? std::isnan(std::bit_cast<float>(arg32(0))) : std::isnan(std::bit_cast<double>(arg(0)));
      result(inst, is_nan ? canonical_nan(single) : arg(0));
      return Step::kNext;
    }
    case Op::Select: value(inst.first_result) = value(args()[arg32(2) != 0 ? 0 : 1]); return Step::kNext;
    case Op::MemLoad: mem_access(inst, false); return Step::kNext;
    case Op::MemStore: mem_access(inst, true); return Step::kNext;
    case Op::Budget:
      if (ctx_->store->fuel == 0) {
        store().exit_with(OutcomeKind::kFuelExhausted);
      } else {
        --ctx_->store->fuel;
      }
      pass_safepoint(inst);
      return Step::kNext;
    case Op::AllocCharge: {
      const uint64_t charge = layout(inst.a).charge + inst.imm * layout(inst.a).element_charge;
      builtin::charge_object(ctx_, static_cast<uint32_t>(charge));
      return Step::kNext;
    }
    case Op::DepthCheck:
      if (ctx_->store->depth_left < inst.a) store().exit_with(OutcomeKind::kStackExhausted);
      return Step::kNext;
    case Op::HomeStore:
    case Op::HomeLoad: homes(inst); return Step::kNext;
    case Op::CaughtExn:
      result(inst, ctx_->store->pending_exception.bits);
      ctx_->store->pending_exception = {};
      return Step::kNext;
    case Op::Call:
    case Op::CallRef:
    case Op::CallIndirect: return call(id);
    default: break;
  }
  if (func_.is_terminator(inst)) return terminator(id);
  if (!reference_op(inst) && !object_op(inst) && !state_op(inst)) {
    store().exit_with(OutcomeKind::kUnsupported,
                      {ErrorCode::kUnsupported, 0, text::format("{} in interpreted IR", ir::info(inst.op).text)});
  }
  if (!exiting()) pass_safepoint(inst);
  return Step::kNext;
}

Frame::Step Frame::terminator(InstId id) {
  const Inst& inst = func_.inst(id);
  switch (inst.op) {
    case Op::Jump: jump(id, 0); return Step::kJumped;
    case Op::Branch: jump(id, arg32(0) != 0 ? 0 : 1); return Step::kJumped;
    case Op::Switch: jump(id, std::min<size_t>(arg32(0), func_.targets(id).size() - 1)); return Step::kJumped;
    case Op::Return: {
      std::vector<Slot> results;
      for (const ValueId v : args()) results.push_back(value(v));
      *slots_ = std::move(results);
      return leave(End::kReturned);
    }
    case Op::Trap: trap(inst.trap); return leave(End::kExit);
    case Op::Throw: ctx_->store->pending_exception = ref(0); return leave(End::kThrew);
    default: break;
  }
  tail_ = callee(inst);
  if (tail_ == nullptr) return leave(End::kExit);
  const size_t count = inst.op == Op::ReturnCall ? args().size() : args().size() - 1;
  std::vector<Slot> given;
  for (size_t i = 0; i < count; ++i) given.push_back(value(args()[i]));
  *slots_ = std::move(given);
  return leave(End::kTailCall);
}

// Null after setting an exit.
FuncEntry* Frame::callee(const Inst& inst) {
  switch (inst.op) {
    case Op::Call:
    case Op::ReturnCall: return ctx_->funcs[inst.a];
    case Op::CallRef:
    case Op::ReturnCallRef: return builtin::func_deref(ctx_, arg(args().size() - 1), inst.a);
    default: return builtin::func_lookup(ctx_, inst.b, arg(args().size() - 1), inst.a);
  }
}

Frame::Step Frame::call(InstId id) {
  const Inst& inst = func_.inst(id);
  FuncEntry* const entry = callee(inst);
  if (entry == nullptr) return Step::kNext;
  const size_t count = inst.op == Op::Call ? args().size() : args().size() - 1;
  std::vector<Slot> slots;
  for (size_t i = 0; i < count; ++i) slots.push_back(value(args()[i]));
  ctx_->store->depth_left -= inst.imm;  // checked where the body was entered that the call stands in
  const End end = evaluator_.call(*entry, slots);
  ctx_->store->depth_left += inst.imm;
  if (exiting()) return Step::kNext;
  pass_safepoint(inst);
  if (end == End::kThrew) {
    if (!func_.is_invoke(inst)) return leave(End::kThrew);
    jump(id, 1);
    return Step::kJumped;
  }
  for (uint32_t n = 0; n < inst.results_count; ++n) result(inst, slots[n].low, n);
  if (!func_.is_invoke(inst)) return Step::kNext;
  jump(id, 0);
  return Step::kJumped;
}

// --- Homes ---------------------------------------------------------------------------------------------------------

void Frame::pass_safepoint(const Inst& inst) {
  if (!func_.is_safepoint(inst) || inst.map == Inst::kNoMap) return;
  const auto listed = func_.stack_map(inst);
  size_t next = 0;
  for (uint32_t slot = 0; slot < homes_.size(); ++slot) {
    if (next < listed.size() && listed[next].raw == slot) {
      ++next;
    } else {
      homes_[slot].lost = true;
    }
  }
}

void Frame::homes(const Inst& inst) {
  Home& home = homes_[inst.a];
  if (inst.op == Op::HomeStore) {
    home = {value(args()[0]), false};
    return;
  }
  const Slot& named = value(ValueId(inst.b));
  result(inst, named.low);
  if (!evaluator_.armed()) return;
  const char* wrong = home.lost                       ? "is not listed by the stack map of a safepoint it lives across"
                      : home.content.low != named.low ? "holds another reference than the one it is read for"
                                                      : nullptr;
  if (wrong == nullptr) return;
  store().exit_invariant(text::format("I2: home slot s{} {}, in function {} at offset {:#x}: {}", inst.a, wrong,
                                      func_.index().raw, inst.offset, ir::print(func_, current_)));
}

// --- Numbers and memory --------------------------------------------------------------------------------------------

void Frame::compute(const Inst& inst) {
  V128 operands[4];
  const size_t count = std::min<size_t>(args().size(), 4);
  for (size_t i = 0; i < count; ++i) operands[i] = V128::of_halves(arg(i), 0);
  const auto computed = wasm::evaluate({.op = inst.opcode}, std::span(operands, count));
  if (!computed) {
    if (inst.sense == 0) return trap(computed.error());
    wrong_proof(inst);
    return;
  }
  const uint64_t bits = computed->low();
  const bool single = func_.rep(inst.first_result) == Rep::kF32;
  // A NaN that is free in its bits gets some that would show.
  const bool is_float = single || func_.rep(inst.first_result) == Rep::kF64;
  const bool is_free = inst.sense != 0 && is_float && bits == canonical_nan(single);
  result(inst, is_free ? bits ^ (single ? 0x80012345u : 0x8000'0000'0001'2345u) : bits);
}

// An operation that a pass has proven not to fail fails.
bool Frame::wrong_proof(const Inst& inst) {
  store().exit_invariant(text::format("I3: {} fails although it was proven not to, in function {} at offset {:#x}",
                                      ir::print(func_, current_), func_.index().raw, inst.offset));
  return true;
}

void Frame::mem_access(const Inst& inst, bool is_store) {
  const MemRow* row = find_mem_row(inst.opcode);
  const runtime::MemoryDef& memory = *ctx_->memories[inst.a];
  const uint64_t address = arg(0);
  const uint64_t at = address + inst.imm;
  if (at < address || row->bytes > memory.bytes || at > memory.bytes - row->bytes)
    return trap(TrapKind::kMemoryOutOfBounds);
  if (is_store) {
    const uint64_t bits = arg(1);
    std::memcpy(memory.base + at, &bits, row->bytes);
    return;
  }
  uint64_t bits = 0;
  std::memcpy(&bits, memory.base + at, row->bytes);
  result(inst, row->sign_bits != 0 ? sign_extend(bits, row->sign_bits, row->wide) : bits);
}

bool Frame::state_op(const Inst& inst) {
  switch (inst.op) {
    case Op::MemorySize: result(inst, builtin::memory_size(ctx_, inst.a)); return true;
    case Op::MemoryGrow: result(inst, builtin::memory_grow(ctx_, inst.a, arg(0))); return true;
    case Op::MemoryFill: builtin::memory_fill(ctx_, inst.a, arg(0), arg32(1), arg(2)); return true;
    case Op::MemoryCopy: builtin::memory_copy(ctx_, inst.a, inst.b, arg(0), arg(1), arg(2)); return true;
    case Op::MemoryInit: builtin::memory_init(ctx_, inst.a, inst.b, arg(0), arg(1), arg(2)); return true;
    case Op::DataDrop: builtin::data_drop(ctx_, inst.a); return true;
    case Op::GlobalGet: result(inst, ctx_->globals[inst.a]->low); return true;
    case Op::GlobalSet: ctx_->globals[inst.a]->low = arg(0); return true;
    case Op::TableGet:
      result(inst, func_.rep(inst.first_result) == Rep::kFunc ? builtin::table_get_func(ctx_, inst.a, arg(0))
                                                              : builtin::table_get_ref(ctx_, inst.a, arg(0)).bits);
      return true;
    case Op::TableSet:
      if (func_.rep(args()[1]) == Rep::kFunc) {
        builtin::table_set_func(ctx_, inst.a, arg(0), arg(1));
      } else {
        builtin::table_set_ref(ctx_, inst.a, arg(0), ref(1));
      }
      return true;
    case Op::TableSize: result(inst, builtin::table_size(ctx_, inst.a)); return true;
    case Op::TableGrow: result(inst, builtin::table_grow(ctx_, inst.a, arg(0), arg(1))); return true;
    case Op::TableFill: builtin::table_fill(ctx_, inst.a, arg(0), arg(1), arg(2)); return true;
    case Op::TableCopy: builtin::table_copy(ctx_, inst.a, inst.b, arg(0), arg(1), arg(2)); return true;
    case Op::TableInit: builtin::table_init(ctx_, inst.a, inst.b, arg(0), arg(1), arg(2)); return true;
    case Op::ElemDrop: builtin::elem_drop(ctx_, inst.a); return true;
    default: return false;
  }
}

// --- References and objects ----------------------------------------------------------------------------------------

bool Frame::reference_op(const Inst& inst) {
  switch (inst.op) {
    case Op::RefNull: result(inst, 0); return true;
    case Op::RefFunc: result(inst, builtin::ref_func(ctx_, inst.a)); return true;
    case Op::Refine:
    case Op::Convert: value(inst.first_result) = value(args()[0]); return true;
    case Op::NullCheck:
      value(inst.first_result) = value(args()[0]);
      if (arg(0) == 0) trap(inst.trap);
      return true;
    case Op::Cast:
      result(inst, func_.rep(args()[0]) == Rep::kFunc ? builtin::func_cast(ctx_, arg(0), inst.type.bits())
                                                      : builtin::ref_cast(ctx_, ref(0), inst.type.bits()).bits);
      return true;
    case Op::RefTest:
      result(inst, func_.rep(args()[0]) == Rep::kFunc ? builtin::func_test(ctx_, arg(0), inst.type.bits())
                                                      : builtin::ref_test(ctx_, ref(0), inst.type.bits()));
      return true;
    case Op::RefIsNull: result(inst, arg(0) == 0 ? 1 : 0); return true;
    case Op::FuncIs: result(inst, arg(0) == builtin::ref_func(ctx_, inst.a) ? 1 : 0); return true;
    case Op::RefEq: result(inst, arg32(0) == arg32(1) ? 1 : 0); return true;
    case Op::RefI31: result(inst, gc::Ref::i31(arg32(0)).bits); return true;
    case Op::I31Get:
      result(inst, inst.opcode == Opcode::I31GetS ? static_cast<uint32_t>(ref(0).i31_signed()) : ref(0).i31_unsigned());
      return true;
    case Op::ExnTest:
      if (!check_object(inst, wasm::kExnRef.as_non_null())) return true;
      result(inst, load(gc::kExnTagOffset, FieldRep::kI64, false) == ctx_->tags[inst.a] ? 1 : 0);
      return true;
    default: return false;
  }
}

// The first operand is an object of the type that the operation relies on; sets an exit if not.
bool Frame::check_object(const Inst& inst, wasm::ValType type) {
  if (store().ref_matches(ref(0), type)) return true;
  store().exit_invariant(text::format("I3: {} is given {:#x}, which is not what it relies on, in function {} at {:#x}",
                                      ir::info(inst.op).text, arg32(0), func_.index().raw, inst.offset));
  return false;
}

// Of the first operand. Requires check_object.
uint64_t Frame::load(uint64_t offset, FieldRep rep, bool sign) {
  uint64_t bits = 0;
  const uint32_t bytes = runtime::kFieldBytes[static_cast<size_t>(rep)];
  std::memcpy(&bits, store().heap().at(ref(0), offset), std::min<size_t>(bytes, 8));
  return sign ? sign_extend(bits, bytes * 8, false) : bits;
}

void Frame::write(uint64_t offset, FieldRep rep, uint64_t bits) {
  std::memcpy(store().heap().at(ref(0), offset), &bits,
              std::min<size_t>(runtime::kFieldBytes[static_cast<size_t>(rep)], 8));
}

bool Frame::object_op(const Inst& inst) {
  switch (inst.op) {
    case Op::StructAlloc: result(inst, builtin::alloc_struct(ctx_, inst.a).bits); return true;
    case Op::FieldInit:
    case Op::StructSet:
      if (check_struct(inst)) write(field_of(inst).offset, field_of(inst).rep, arg(1));
      return true;
    case Op::StructGet:
      if (check_struct(inst)) read_field(inst, field_of(inst), inst.opcode == Opcode::StructGetS);
      return true;
    case Op::ArrayAlloc: result(inst, builtin::alloc_array(ctx_, inst.a, arg32(0)).bits); return true;
    case Op::ArrayNewData:
      result(inst, builtin::array_new_data(ctx_, inst.a, inst.b, arg32(0), arg32(1)).bits);
      return true;
    case Op::ArrayNewElem:
      result(inst, builtin::array_new_elem(ctx_, inst.a, inst.b, arg32(0), arg32(1)).bits);
      return true;
    case Op::ArrayInitFill:
      if (check_struct(inst)) builtin::array_fill(ctx_, ref(0), 0, arg(1), store().heap().header(ref(0)).length);
      return true;
    case Op::ElemInit:
      if (check_struct(inst)) write(element_offset(inst.b, layout(inst.a).element), layout(inst.a).element, arg(1));
      return true;
    case Op::ArrayGet:
    case Op::ArraySet: {
      if (!check_struct(inst)) return true;
      const FieldRep rep = layout(inst.a).element;
      if (arg32(1) >= store().heap().header(ref(0)).length) {
        if (inst.sense != 0) return wrong_proof(inst);
        trap(TrapKind::kArrayOutOfBounds);
      } else if (inst.op == Op::ArraySet) {
        write(element_offset(arg32(1), rep), rep, arg(2));
      } else {
        result(inst, load(element_offset(arg32(1), rep), rep, inst.opcode == Opcode::ArrayGetS));
      }
      return true;
    }
    case Op::ArrayLen:
      if (check_object(inst, wasm::ValType::ref(wasm::HeapKind::kArray, false)))
        result(inst, store().heap().header(ref(0)).length);
      return true;
    case Op::ArrayFill: builtin::array_fill(ctx_, ref(0), arg32(1), arg(2), arg32(3)); return true;
    case Op::ArrayCopy: builtin::array_copy(ctx_, ref(0), arg32(1), ref(2), arg32(3), arg32(4)); return true;
    case Op::ArrayInitData: builtin::array_init_data(ctx_, inst.b, ref(0), arg32(1), arg32(2), arg32(3)); return true;
    case Op::ArrayInitElem: builtin::array_init_elem(ctx_, inst.b, ref(0), arg32(1), arg32(2), arg32(3)); return true;
    case Op::ExnAlloc: result(inst, builtin::alloc_exn(ctx_, inst.a).bits); return true;
    case Op::ExnInit:
    case Op::ExnGet: {
      if (!check_object(inst, wasm::kExnRef.as_non_null())) return true;
      const runtime::FieldSlot& field = tag_layout(inst.a).fields[inst.b];
      if (inst.op == Op::ExnGet) {
        read_field(inst, field, false);
      } else {
        write(field.offset, field.rep, arg(1));
      }
      return true;
    }
    default: return false;
  }
}

}  // namespace

std::unique_ptr<runtime::Compiler> make_ir_evaluator(const IrEvalOptions& options) {
  return std::make_unique<IrEvaluator>(options);
}

}  // namespace parallax::fuzz
