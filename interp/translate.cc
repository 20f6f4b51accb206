// Entry of the translator, safepoints, families of simple instructions, and the table of rules.
#include "interp/translate.h"

#include "engine/base/case_clock.h"
#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/func_walk_rules.h"
#include "interp/translator.h"

namespace parallax::interp {

namespace {

// Beyond these a function is not executed (kUnsupported): they bound the memory a hostile body can make us spend.
constexpr uint32_t kMaxFrameSlots = 1u << 22;
constexpr size_t kMaxSafepointSlots = size_t{1} << 24;
constexpr size_t kMaxInstructions = size_t{1} << 22;

}  // namespace

// --- Buffers ------------------------------------------------------------------------------------------------------

void TranslatorBuffers::clear() {
  code_.ins.clear();
  code_.offsets.clear();
  code_.ref_locals.clear();
  code_.safepoints.clear();
  code_.safepoint_slots.clear();
  code_.tries.clear();
  code_.branch_tables.clear();
  code_.constants.clear();
  stack_.clear();
  refs_.clear();
  controls_.clear();
  fixups_.clear();
  local_slots_.clear();
  locals_.clear();
}

bool TranslatorBuffers::is_small() const {
  constexpr size_t kMost = 16 * 1024;
  return code_.ins.capacity() < kMost && code_.safepoint_slots.capacity() < kMost && stack_.capacity() < kMost &&
         controls_.capacity() < kMost && fixups_.capacity() < kMost && locals_.capacity() < kMost;
}

namespace {

TranslatorBuffers& idle_buffers() {
  static thread_local TranslatorBuffers buffers;
  return buffers;
}

}  // namespace

Translator::Translator(Store& store, const Func& func)
    : TranslatorBuffers(std::exchange(idle_buffers(), {})),
      store_(store),
      func_(func),
      instance_(*func.instance),
      module_(*func.instance->module) {}

Translator::~Translator() {
  if (!is_small()) return;
  clear();
  idle_buffers() = std::move(static_cast<TranslatorBuffers&>(*this));
}

// --- Begin and end ----------------------------------------------------------------------------------------------

Result<> Translator::on_begin(const WalkView& view) {
  uint32_t slot = 0;
  for (const ValType type : view.locals()) {
    local_slots_.push_back(slot);
    locals_.push_back(type);
    if (type.is_ref()) code_.ref_locals.push_back(slot);
    slot += slot_count(type);
  }
  code_.param_slots = func_.type->param_slots;
  operand_base_ = slot;
  high_water_ = std::max(slot, func_.type->result_slots);
  if (slot > code_.param_slots) {
    emit({.handler = op_zero_range, .a = code_.param_slots, .b = slot - code_.param_slots});
  }
  if (store_.options().trace != TraceLevel::kOff) emit({.handler = op_hook_enter, .imm = address(&func_)});
  Control function{
      .kind = LabelKind::kFunc, .base_slot = operand_base_, .results = func_.type->sub->results, .begin = here()};
  controls_.push_back(std::move(function));
  return {};
}

std::unique_ptr<Code> Translator::take() {
  auto code = std::make_unique<Code>();
  code->ins = code_.ins;
  code->offsets = code_.offsets;
  code->param_slots = code_.param_slots;
  code->frame_slots = high_water_;
  code->ref_locals = std::move(code_.ref_locals);
  code->safepoints = code_.safepoints;
  code->safepoint_slots = code_.safepoint_slots;
  code->tries = std::move(code_.tries);
  code->branch_tables = std::move(code_.branch_tables);
  code->constants = std::move(code_.constants);
  return code;
}

Result<> Translator::on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  offset_ = instr.offset;
  if (control_instr(instr, types, view) || !types.reachable) return {};
  const Rule rule = rules()[static_cast<size_t>(instr.op)];
  CHECK(rule != nullptr, "interpreter has no rule for {}", wasm::info(instr.op).text);
  (this->*rule)(instr, types, view);
  const auto too_much = [&](const char* what) { return fail(ErrorCode::kUnsupported, instr.offset, what); };
  if (high_water_ > kMaxFrameSlots) return too_much("frame of more than 2^22 slots");
  if (code_.safepoint_slots.size() > kMaxSafepointSlots) return too_much("more than 2^24 references at safepoints");
  if (code_.ins.size() > kMaxInstructions) return too_much("more than 2^22 translated instructions");
  if (store_.options().trace == TraceLevel::kValues && !types.pushed.empty() && !stack_.empty() &&
      stack_.back().where == Where::kHome && wasm::info(instr.op).immediates != wasm::ImmKind::Local &&
      (wasm::info(instr.op).effects & wasm::kControl) == 0) {
    emit({.handler = op_hook_value,
          .a = static_cast<uint32_t>(stack_.back().type.kind()),
          .b = stack_.back().home,
          .imm = address(&func_)});
  }
  return {};
}

// --- Safepoints --------------------------------------------------------------------------------------------------

void Translator::safepoint(size_t entries) {
  if (store_.options().on_safepoint) {
    record_safepoint(entries);
    emit({.handler = op_hook_safepoint, .imm = address(&func_)});
  }
  record_safepoint(entries);
}

void Translator::record_safepoint(size_t entries) {
  Safepoint point{.ins = here(), .first = static_cast<uint32_t>(code_.safepoint_slots.size())};
  for (const uint32_t position : refs_) {
    if (position >= entries) break;
    if (stack_[position].where == Where::kHome) code_.safepoint_slots.push_back(stack_[position].home);
  }
  point.count = static_cast<uint32_t>(code_.safepoint_slots.size()) - point.first;
  code_.safepoints.push_back(point);
}

// --- Families ----------------------------------------------------------------------------------------------------

void Translator::simple(Handler handler, size_t operands, ValType result, uint64_t imm) {
  uint32_t slots[3] = {};
  for (size_t i = operands; i-- > 0;) slots[i] = pop_slot();
  define({.handler = handler, .b = slots[0], .c = slots[1], .d = static_cast<int32_t>(slots[2]), .imm = imm}, result);
}

void Translator::effect(Handler handler, size_t operands, uint64_t imm) {
  uint32_t slots[3] = {};
  for (size_t i = operands; i-- > 0;) slots[i] = pop_slot();
  emit({.handler = handler, .a = slots[0], .b = slots[1], .c = slots[2], .imm = imm});
}

void Translator::bulk(Handler handler, size_t operands, uint64_t imm, uint32_t b, uint32_t c) {
  const uint32_t first = flush_top(operands);
  pop_many(operands);
  emit({.handler = handler, .a = first, .b = b, .c = c, .imm = imm});
}

void Translator::rule_numeric(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const OpHandlers& handlers = numeric_handlers(instr.op);
  // The negation of what was just asked is as good for a branch.
  const Entry& top = stack_.back();
  const bool negates = instr.op == Opcode::I32Eqz && top.where == Where::kHome && is_asked(top);
  const Condition asked = negates ? asked_ : Condition();
  const uint32_t asked_length = negates ? asked_length_ : 0;
  const size_t operands = types.popped.size();
  const ValType result = types.pushed[0];
  bool used_imm = false;
  if (operands == 2 && handlers.imm != nullptr && stack_.back().where == Where::kConst) {
    const uint64_t imm = pop().bits;
    const uint32_t b = pop_slot();
    define({.handler = handlers.imm, .b = b, .imm = imm}, result);
    used_imm = true;
  } else {
    uint64_t imm = instr.lane;
    if (wasm::info(instr.op).immediates == wasm::ImmKind::Shuffle) {
      auto lanes = std::make_unique<uint64_t[]>(2);
      std::memcpy(lanes.get(), instr.v128.data(), 16);
      imm = address(lanes.get());
      code_.constants.push_back(std::move(lanes));
    }
    simple(handlers.plain, operands, result, imm);
  }
  if (negates) {
    mark_asked(asked.negated(), asked_length + 1);
  } else if (handlers.branch.when != nullptr) {
    mark_asked(used_imm ? handlers.branch_imm : handlers.branch);
  }
}

void Translator::rule_memory_access(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const Memory* memory = instance_.memories[instr.mem.memory.index()];
  const bool cannot_wrap = !memory->type.limits.is_64 && instr.mem.offset <= UINT32_MAX;
  const Handler handler = memory_handler(instr.op, cannot_wrap);
  const bool lane = wasm::info(instr.op).immediates == wasm::ImmKind::MemArgLane;
  Ins ins{.handler = handler,
          .c = static_cast<uint32_t>(instr.mem.offset),
          .d = static_cast<int32_t>(static_cast<uint32_t>(instr.mem.offset >> 32)),
          .imm = address(memory)};
  const bool is_store = types.pushed.empty();
  const uint32_t value = is_store || lane ? pop_slot() : 0;
  ins.b = pop_slot();
  if (is_store) {
    ins.a = value;
    emit(ins);
  } else {
    define(ins, types.pushed[0]);
  }
  if (lane) emit({.a = value, .b = instr.lane});
}

// What cast handlers take from imm: a CastSite, for concrete types.
uint64_t Translator::cast_site(ValType type) {
  if (!type.heap().is_concrete()) return 0;
  auto words = std::make_unique<uint64_t[]>((sizeof(CastSite) + 7) / 8);
  const wasm::TypeId id = type.heap().type_id();
  const auto* site = new (words.get()) CastSite{.target = {.id = id, .depth = store_.infos().store().depth(id)}};
  code_.constants.push_back(std::move(words));
  return address(site);
}

// --- The table ---------------------------------------------------------------------------------------------------

// clang-format off
#define RULE_ROWS(X)                                                                                                   \
  X(Nop, nop) X(Drop, drop) X(Select, select) X(SelectTyped, select) X(LocalGet, local_get)                            \
  X(LocalSet, local_set) X(LocalTee, local_tee) X(GlobalGet, global_get) X(GlobalSet, global_set)                      \
  X(TableGet, table_get) X(TableSet, table_set) X(TableSize, table_size) X(TableGrow, table_grow)                      \
  X(TableFill, table_fill) X(TableCopy, table_copy) X(TableInit, table_init) X(ElemDrop, elem_drop)                    \
  X(MemorySize, memory_size) X(MemoryGrow, memory_grow) X(MemoryFill, memory_fill) X(MemoryCopy, memory_copy)          \
  X(MemoryInit, memory_init) X(DataDrop, data_drop) X(I32Const, i32_const) X(I64Const, i32_const)                      \
  X(F32Const, i32_const) X(F64Const, i32_const) X(V128Const, v128_const) X(RefNull, ref_null)                          \
  X(RefIsNull, ref_is_null) X(RefFunc, ref_func) X(RefEq, ref_eq) X(RefAsNonNull, ref_as_non_null)                     \
  X(RefI31, ref_i31) X(I31GetS, i31_get_s) X(I31GetU, i31_get_u) X(RefTest, ref_test) X(RefTestNull, ref_test)         \
  X(RefCast, ref_cast) X(RefCastNull, ref_cast) X(AnyConvertExtern, convert) X(ExternConvertAny, convert)              \
  X(StructNew, struct_new) X(StructNewDefault, struct_new_default) X(StructGet, struct_get)                            \
  X(StructGetS, struct_get) X(StructGetU, struct_get) X(StructSet, struct_set) X(ArrayNew, array_new)                  \
  X(ArrayNewDefault, array_new_default) X(ArrayNewFixed, array_new_fixed) X(ArrayNewData, array_new_data)              \
  X(ArrayNewElem, array_new_elem) X(ArrayGet, array_get) X(ArrayGetS, array_get) X(ArrayGetU, array_get)               \
  X(ArraySet, array_set) X(ArrayLen, array_len) X(ArrayFill, array_fill) X(ArrayCopy, array_copy)                      \
  X(ArrayInitData, array_init_data) X(ArrayInitElem, array_init_elem) X(Call, call)                                    \
  X(CallIndirect, call_indirect) X(CallRef, call_ref) X(ReturnCall, return_call)                                       \
  X(ReturnCallIndirect, return_call_indirect) X(ReturnCallRef, return_call_ref) X(Unreachable, unreachable)            \
  X(Throw, throw_tag) X(ThrowRef, throw_ref) X(Rethrow, rethrow) X(Br, br) X(BrIf, br_if) X(BrTable, br_table)         \
  X(Return, ret) X(BrOnNull, br_on_null) X(BrOnNonNull, br_on_non_null) X(BrOnCast, br_on_cast)                        \
  X(BrOnCastFail, br_on_cast)
// clang-format on

const std::array<Translator::Rule, wasm::kOpcodeCount>& Translator::rules() {
  static const auto kRules = [] {
    std::array<Rule, wasm::kOpcodeCount> rules{};
    for (size_t op = 0; op < rules.size(); ++op) {
      if (numeric_handlers(static_cast<Opcode>(op)).plain != nullptr) rules[op] = &Translator::rule_numeric;
      if (memory_handler(static_cast<Opcode>(op), false) != nullptr) rules[op] = &Translator::rule_memory_access;
    }
#define ROW(op, rule) rules[static_cast<size_t>(Opcode::op)] = &Translator::rule_##rule;
    RULE_ROWS(ROW)
#undef ROW
    return rules;
  }();
  return kRules;
}

Result<std::unique_ptr<Code>> translate(Store& store, const Func& func) {
  const InStage stage(CaseStage::kTranslate);
  Translator translator(store, func);
  TRY(wasm::walk_func(*func.instance->module, func.index, store.options().features, translator));
  return translator.take();
}

}  // namespace parallax::interp
