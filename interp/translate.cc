// One pass from the typed walk to threaded code.
//
// The operand stack is virtual: an entry is at home (its fixed frame slot), an alias of a local, or a constant, and is
// brought home only where control flow joins, where a call or bulk operation wants its arguments in a row, or where the
// local it names is about to change. Comparisons fuse with the branch that follows, results of simple instructions are
// written straight into the local that the next instruction sets. Both look at the last emitted instruction only, and
// only when no branch can land behind it (last_def_).
//
// At every label all entries below and the label's own values are at home, so that branches only move values when
// the heights differ.
#include "interp/translate.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/func_walk.h"
#include "engine/wasm/func_walk_rules.h"
#include "interp/ops.h"
#include "interp/store.h"

namespace parallax::interp {

namespace {

using wasm::Instr;
using wasm::InstrTypes;
using wasm::LabelKind;
using wasm::Opcode;
using wasm::ValType;
using wasm::WalkView;

// Beyond these a function is not executed (kUnsupported): both bound the memory a hostile body can make us spend.
constexpr uint32_t kMaxFrameSlots = 1u << 22;
constexpr size_t kMaxSafepointSlots = size_t{1} << 26;

enum class Where : uint8_t { kHome, kLocal, kConst };

struct Entry {
  Where where = Where::kHome;
  ValType type;
  uint32_t home = 0;
  uint32_t local = 0;  // kLocal: slot
  uint64_t bits = 0;   // kConst
  uint32_t width() const { return slot_count(type); }
};

struct Fixup {
  enum class Kind : uint8_t { kBranch, kTable, kCatch } kind = Kind::kBranch;
  uint32_t ins = 0;                   // kBranch, and what kTable's distances count from
  int32_t* table_entry = nullptr;
  CatchTarget* catch_target = nullptr;
};

struct Control {
  LabelKind kind = LabelKind::kBlock;
  bool dead = false;
  uint32_t base_entries = 0;  // virtual stack below the parameters
  uint32_t base_slot = 0;     // home of the first value that a branch carries
  std::vector<ValType> params, results;
  uint32_t begin = 0;         // first instruction inside
  std::vector<Fixup> fixups;
  uint32_t else_branch = ~0u;
  std::unique_ptr<TryRange> range;
  uint32_t exn_slot = ~0u;    // legacy catch: where the caught exception is kept

  const std::vector<ValType>& branch_types() const { return kind == LabelKind::kLoop ? params : results; }
};

// A branch condition: handlers for both outcomes, and their operands.
struct Condition {
  BranchHandlers handlers;
  uint32_t b = 0, c = 0;
  uint64_t imm = 0;

  Condition negated() const {
    return {.handlers = {handlers.unless, handlers.when, handlers.unless_loop, handlers.when_loop}, .b = b, .c = c, .imm = imm};
  }
};

class Translator {
 public:
  static constexpr bool kWantsEvents = true;

  Translator(Store& store, const Func& func)
      : store_(store), func_(func), instance_(*func.instance), module_(*func.instance->module),
        code_(std::make_unique<Code>()) {}

  Result<> on_begin(const WalkView& view);
  Result<> on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view);
  Result<> on_finish(const WalkView&) { return {}; }

  std::unique_ptr<Code> take();

 private:
  using Rule = void (Translator::*)(const Instr&, const InstrTypes&, const WalkView&);
  static const std::array<Rule, wasm::kOpcodeCount>& rules();

  // --- Emission ---
  uint32_t here() const { return static_cast<uint32_t>(code_->ins.size()); }
  uint32_t emit(Ins ins) {
    code_->ins.push_back(ins);
    code_->offsets.push_back(offset_);
    last_def_ = false;
    compare_ = nullptr;
    return here() - 1;
  }
  // The instruction just emitted writes slot `a` and nothing else: the next one may redirect or remove it.
  void mark_def() { last_def_ = true; }
  void emit_constant(uint32_t slot, uint64_t bits) { emit({.handler = op_const, .a = slot, .imm = bits}); }
  void emit_copy(uint32_t to, uint32_t from, uint32_t width) {
    if (to != from) emit({.handler = width == 2 ? op_copy2 : op_copy, .a = to, .b = from});
  }
  template <class T>
  static uint64_t address(const T* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
  }

  // --- Virtual stack ---
  uint32_t next_home() const {
    return stack_.empty() ? operand_base_ : stack_.back().home + stack_.back().width();
  }
  Entry& push(Entry entry) {
    entry.home = next_home();
    high_water_ = std::max(high_water_, entry.home + entry.width());
    stack_.push_back(entry);
    return stack_.back();
  }
  uint32_t push_home(ValType type) { return push({.where = Where::kHome, .type = type}).home; }
  Entry pop() {
    Entry entry = stack_.back();
    stack_.pop_back();
    flushed_ = std::min(flushed_, stack_.size());
    return entry;
  }
  void pop_many(size_t n) {
    stack_.resize(stack_.size() - n);
    flushed_ = std::min(flushed_, stack_.size());
  }
  // Where the popped entry can be read; constants are brought home for it.
  uint32_t slot_of(const Entry& entry) {
    if (entry.where == Where::kLocal) return entry.local;
    if (entry.where == Where::kConst) emit_constant(entry.home, entry.bits);
    return entry.home;
  }
  uint32_t pop_slot() { return slot_of(pop()); }
  void bring_home(Entry& entry) {
    if (entry.where == Where::kConst) emit_constant(entry.home, entry.bits);
    if (entry.where == Where::kLocal) emit_copy(entry.home, entry.local, entry.width());
    entry.where = Where::kHome;
  }
  void flush_all() {
    for (size_t i = flushed_; i < stack_.size(); ++i) bring_home(stack_[i]);
    flushed_ = stack_.size();
  }
  // The top n entries stand in a row afterwards; the slot of the first (or of the next one, when n is 0).
  uint32_t flush_top(size_t n) {
    for (size_t i = stack_.size() - n; i < stack_.size(); ++i) bring_home(stack_[i]);
    return n == 0 ? next_home() : stack_[stack_.size() - n].home;
  }
  void flush_aliases_of(uint32_t local_slot) {
    for (size_t i = flushed_; i < stack_.size(); ++i) {
      if (stack_[i].where == Where::kLocal && stack_[i].local == local_slot) bring_home(stack_[i]);
    }
  }
  void reset_stack(size_t entries, std::span<const ValType> pushed) {
    stack_.resize(entries);
    for (const ValType type : pushed) push_home(type);
    flushed_ = stack_.size();
  }
  // Records the references in the first `entries` entries for the instruction that is emitted next.
  void safepoint(size_t entries);
  void hook_safepoint(size_t entries);

  // --- Control ---
  Control& control(uint32_t depth) { return controls_[controls_.size() - 1 - depth]; }
  void bind(std::vector<Fixup>& fixups);
  void bind_branch(uint32_t ins) {
    code_->ins[ins].d = static_cast<int32_t>(here() - ins);
    last_def_ = false;
  }
  void aim(Control& target, Fixup fixup);
  bool needs_moves(const Control& target) const;
  void emit_moves(const Control& target) { emit_moves(target, target.branch_types().size()); }
  void emit_moves(const Control& target, size_t n);
  void emit_jump(Control& target) {
    aim(target, {.ins = emit({.handler = target.kind == LabelKind::kLoop ? op_jump_loop : op_jump})});
  }
  Condition pop_condition();
  // Jumps by a distance to be filled in.
  uint32_t emit_branch(const Condition& condition, bool to_loop) {
    return emit({.handler = to_loop ? condition.handlers.when_loop : condition.handlers.when,
                 .b = condition.b, .c = condition.c, .imm = condition.imm});
  }
  void conditional_branch(Control& target, const Condition& condition);
  void emit_return();
  Control& open(LabelKind kind, const WalkView& view);
  void close(Control& closed, bool falls_through);
  bool control_instr(const Instr& instr, const InstrTypes& types, const WalkView& view);
  void begin_legacy_catch(const Instr& instr, const InstrTypes& types);

  // --- Generic families ---
  bool numeric(const Instr& instr, const InstrTypes& types);
  bool memory_access(const Instr& instr, const InstrTypes& types);
  void define(Ins ins, ValType type) {
    ins.a = push_home(type);
    emit(ins);
    mark_def();
  }
  // Pops `operands` into b, c, d (deepest first) and pushes one result into a.
  void simple(Handler handler, size_t operands, ValType result, uint64_t imm = 0);
  // As simple, but without result; operands in a, b, c.
  void effect(Handler handler, size_t operands, uint64_t imm = 0);
  // Operands in a row at a.
  void bulk(Handler handler, size_t operands, uint64_t imm = 0, uint32_t b = 0, uint32_t c = 0);
  void calls(Handler handler, const TypeInfo& type, Ins ins, bool tail);
  void allocate(Handler handler, size_t operands, const TypeInfo& type, Ins ins);

  const TypeInfo& type_info(uint32_t type_index) { return store_.infos().get(module_.type_ids[type_index]); }
  const TypeInfo& tag_info(uint32_t tag) { return *instance_.tags[tag]->type; }
  uint32_t local_slot(uint32_t local) const { return local_slots_[local]; }
  uint64_t cast_target(ValType type);
  void cast(Handler handler, const Instr& instr, ValType result);
  void i31_get(Handler plain, Handler with_cast);

  // --- Rules, one per instruction that is not in a family ---
#define RULES(X)                                                                                                     \
  X(nop) X(drop) X(select) X(local_get) X(local_set) X(local_tee) X(global_get) X(global_set) X(table_get) X(table_set) \
  X(table_size) X(table_grow) X(table_fill) X(table_copy) X(table_init) X(elem_drop) X(memory_size) X(memory_grow)     \
  X(memory_fill) X(memory_copy) X(memory_init) X(data_drop) X(i32_const) X(v128_const) X(ref_null) X(ref_is_null)      \
  X(ref_func) X(ref_eq) X(ref_as_non_null) X(ref_i31) X(i31_get_s) X(i31_get_u) X(ref_test) X(ref_cast) X(convert)     \
  X(struct_new) X(struct_new_default) X(struct_get) X(struct_set) X(array_new) X(array_new_default)                    \
  X(array_new_fixed) X(array_new_data) X(array_new_elem) X(array_get) X(array_set) X(array_len) X(array_fill)          \
  X(array_copy) X(array_init_data) X(array_init_elem) X(call) X(call_indirect) X(call_ref) X(return_call)              \
  X(return_call_indirect) X(return_call_ref) X(unreachable) X(throw_tag) X(throw_ref) X(rethrow) X(br) X(br_if)        \
  X(br_table) X(ret) X(br_on_null) X(br_on_non_null) X(br_on_cast)
#define DECLARE(name) void rule_##name(const Instr&, const InstrTypes&, const WalkView&);
  RULES(DECLARE)
#undef DECLARE

  Store& store_;
  const Func& func_;
  Instance& instance_;
  const wasm::Module& module_;
  std::unique_ptr<Code> code_;
  std::vector<Entry> stack_;
  size_t flushed_ = 0;  // entries below are at home
  std::vector<Control> controls_;
  std::vector<uint32_t> local_slots_;
  std::vector<ValType> locals_;
  uint32_t operand_base_ = 0;
  uint32_t high_water_ = 0;
  wasm::WasmOffset offset_ = 0;
  bool last_def_ = false;
  const OpHandlers* compare_ = nullptr;  // the last instruction is a comparison of this row
  bool compare_imm_ = false;
};

// --- Begin and end ----------------------------------------------------------------------------------------------

Result<> Translator::on_begin(const WalkView& view) {
  uint32_t slot = 0;
  for (const ValType type : view.locals()) {
    local_slots_.push_back(slot);
    locals_.push_back(type);
    if (type.is_ref()) code_->ref_locals.push_back(slot);
    slot += slot_count(type);
  }
  code_->param_slots = func_.type->param_slots;
  operand_base_ = slot;
  high_water_ = std::max(slot, func_.type->result_slots);
  if (slot > code_->param_slots) {
    emit({.handler = op_zero_range, .a = code_->param_slots, .b = slot - code_->param_slots});
  }
  if (store_.options().trace != TraceLevel::kOff) emit({.handler = op_hook_enter, .imm = address(&func_)});
  Control function{.kind = LabelKind::kFunc, .base_slot = operand_base_, .results = func_.type->sub->results, .begin = here()};
  controls_.push_back(std::move(function));
  return {};
}

std::unique_ptr<Code> Translator::take() {
  code_->frame_slots = high_water_;
  return std::move(code_);
}

Result<> Translator::on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  offset_ = instr.offset;
  if (control_instr(instr, types, view) || !types.reachable) return {};
  if (!numeric(instr, types) && !memory_access(instr, types)) {
    const Rule rule = rules()[static_cast<size_t>(instr.op)];
    CHECK(rule != nullptr, "interpreter has no rule for {}", wasm::info(instr.op).text);
    (this->*rule)(instr, types, view);
  }
  if (high_water_ > kMaxFrameSlots) return fail(ErrorCode::kUnsupported, instr.offset, "frame of more than 2^22 slots");
  if (code_->safepoint_slots.size() > kMaxSafepointSlots) {
    return fail(ErrorCode::kUnsupported, instr.offset, "more than 2^26 reference slots at safepoints");
  }
  if (store_.options().trace == TraceLevel::kValues && !types.pushed.empty() && !stack_.empty() &&
      stack_.back().where == Where::kHome && wasm::info(instr.op).immediates != wasm::ImmKind::Local &&
      (wasm::info(instr.op).effects & wasm::kControl) == 0) {
    emit({.handler = op_hook_value, .a = static_cast<uint32_t>(stack_.back().type.kind()), .b = stack_.back().home,
          .imm = address(&func_)});
  }
  return {};
}

// --- Safepoints --------------------------------------------------------------------------------------------------

void Translator::safepoint(size_t entries) {
  if (store_.options().on_safepoint) {
    hook_safepoint(entries);
  }
  Safepoint point{.ins = here(), .first = static_cast<uint32_t>(code_->safepoint_slots.size())};
  for (size_t i = 0; i < entries; ++i) {
    if (stack_[i].where == Where::kHome && stack_[i].type.is_ref()) code_->safepoint_slots.push_back(stack_[i].home);
  }
  point.count = static_cast<uint32_t>(code_->safepoint_slots.size()) - point.first;
  code_->safepoints.push_back(point);
}

void Translator::hook_safepoint(size_t entries) {
  Safepoint point{.ins = here(), .first = static_cast<uint32_t>(code_->safepoint_slots.size())};
  for (size_t i = 0; i < entries; ++i) {
    if (stack_[i].where == Where::kHome && stack_[i].type.is_ref()) code_->safepoint_slots.push_back(stack_[i].home);
  }
  point.count = static_cast<uint32_t>(code_->safepoint_slots.size()) - point.first;
  code_->safepoints.push_back(point);
  emit({.handler = op_hook_safepoint, .imm = address(&func_)});
}

// --- Control -----------------------------------------------------------------------------------------------------

void Translator::bind(std::vector<Fixup>& fixups) {
  for (const Fixup& fixup : fixups) {
    const auto distance = static_cast<int32_t>(here() - fixup.ins);
    switch (fixup.kind) {
      case Fixup::Kind::kBranch: code_->ins[fixup.ins].d = distance; break;
      case Fixup::Kind::kTable: *fixup.table_entry = distance; break;
      case Fixup::Kind::kCatch: fixup.catch_target->target = here(); break;
    }
  }
  fixups.clear();
  last_def_ = false;
}

void Translator::aim(Control& target, Fixup fixup) {
  if (target.kind != LabelKind::kLoop) {
    target.fixups.push_back(fixup);
    return;
  }
  const auto distance = static_cast<int32_t>(target.begin - fixup.ins);
  switch (fixup.kind) {
    case Fixup::Kind::kBranch: code_->ins[fixup.ins].d = distance; break;
    case Fixup::Kind::kTable: *fixup.table_entry = distance; break;
    case Fixup::Kind::kCatch: fixup.catch_target->target = target.begin; break;
  }
}

bool Translator::needs_moves(const Control& target) const {
  const size_t n = target.branch_types().size();
  uint32_t slot = target.base_slot;
  for (size_t i = stack_.size() - n; i < stack_.size(); ++i) {
    if (stack_[i].where != Where::kHome || stack_[i].home != slot) return true;
    slot += stack_[i].width();
  }
  return false;
}

// Copies the values of a branch to where the label expects them. Ascending order is right: a value's destination never
// lies above its home, and homes do not overlap.
void Translator::emit_moves(const Control& target, size_t n) {
  uint32_t slot = target.base_slot;
  for (size_t i = stack_.size() - n; i < stack_.size(); ++i) {
    const Entry& entry = stack_[i];
    if (entry.where == Where::kConst) {
      emit_constant(slot, entry.bits);
    } else {
      emit_copy(slot, entry.where == Where::kLocal ? entry.local : entry.home, entry.width());
    }
    slot += entry.width();
  }
  high_water_ = std::max(high_water_, slot);
}

Condition Translator::pop_condition() {
  const Entry entry = pop();
  if (entry.where == Where::kHome && last_def_ && compare_ != nullptr && code_->ins.back().a == entry.home) {
    const Ins compare = code_->ins.back();
    const Condition fused{.handlers = compare_imm_ ? compare_->branch_imm : compare_->branch,
                          .b = compare.b, .c = compare.c, .imm = compare.imm};
    code_->ins.pop_back();
    code_->offsets.pop_back();
    last_def_ = false;
    return fused;
  }
  return {.handlers = kBranchIf, .b = slot_of(entry)};
}

void Translator::conditional_branch(Control& target, const Condition& condition) {
  flush_top(target.branch_types().size());
  if (!needs_moves(target)) {
    aim(target, {.ins = emit_branch(condition, target.kind == LabelKind::kLoop)});
    return;
  }
  const uint32_t over = emit_branch(condition.negated(), false);
  if (target.kind == LabelKind::kFunc) {
    emit_return();
  } else {
    emit_moves(target);
    emit_jump(target);
  }
  bind_branch(over);
}

void Translator::emit_return() {
  const size_t n = func_.type->sub->results.size();
  const uint32_t slots = func_.type->result_slots;
  if (store_.options().trace != TraceLevel::kOff) {
    const uint32_t first = flush_top(n);
    emit({.handler = op_hook_leave, .b = first, .imm = address(&func_)});
  }
  if (n == 0) {
    emit({.handler = op_return0});
  } else if (slots == 1) {
    const uint32_t slot = slot_of(stack_.back());
    emit({.handler = op_return1, .b = slot});
  } else {
    const uint32_t first = flush_top(n);
    emit({.handler = op_return_n, .b = first, .c = slots});
  }
}

Control& Translator::open(LabelKind kind, const WalkView& view) {
  const wasm::Label& label = view.label(0);
  Control opened{.kind = kind};
  opened.params.assign(label.params.begin(), label.params.end());
  opened.results.assign(label.results.begin(), label.results.end());
  flush_all();
  opened.base_entries = static_cast<uint32_t>(stack_.size() - opened.params.size());
  opened.base_slot = opened.params.empty() ? next_home() : stack_[opened.base_entries].home;
  opened.begin = here();
  controls_.push_back(std::move(opened));
  return controls_.back();
}

// The label ends here for good: values home, branches bound, results pushed.
void Translator::close(Control& closed, bool falls_through) {
  if (falls_through) emit_moves(closed, closed.results.size());
  if (closed.else_branch != ~0u) bind_branch(closed.else_branch);
  if (closed.kind != LabelKind::kLoop) bind(closed.fixups);
  last_def_ = false;
  reset_stack(closed.base_entries, closed.results);
}

// A new catch clause of a legacy try: [the exception itself, its payload].
void Translator::begin_legacy_catch(const Instr& instr, const InstrTypes& types) {
  Control& label = controls_.back();
  if (types.falls_through) {
    emit_moves(label);
    emit_jump(label);
  }
  if (label.kind == LabelKind::kTry) label.range->end = here();
  label.kind = LabelKind::kCatch;
  last_def_ = false;
  stack_.resize(label.base_entries);
  label.exn_slot = push_home(wasm::kExnRef);
  CatchTarget target{.kind = wasm::CatchKind::kCatchAll, .slot = next_home(), .target = here(), .exn_slot = label.exn_slot};
  if (instr.op == Opcode::Catch) {
    target.kind = wasm::CatchKind::kCatch;
    target.tag = instance_.tags[instr.a];
    for (const ValType type : target.tag->type->sub->params) push_home(type);
  }
  flushed_ = stack_.size();
  label.range->catches.push_back(target);
}

// Instructions that open or close labels are seen in dead code too. True: nothing is left to do.
bool Translator::control_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  const auto open_kind = [&]() -> std::optional<LabelKind> {
    if (instr.op == Opcode::Block) return LabelKind::kBlock;
    if (instr.op == Opcode::Loop) return LabelKind::kLoop;
    if (instr.op == Opcode::If) return LabelKind::kIf;
    if (instr.op == Opcode::TryTable) return LabelKind::kTryTable;
    if (instr.op == Opcode::Try) return LabelKind::kTry;
    return std::nullopt;
  }();
  if (open_kind && !types.reachable) {
    controls_.push_back({.kind = *open_kind, .dead = true});
    return true;
  }
  if (open_kind) {
    Condition condition;
    if (*open_kind == LabelKind::kIf) condition = pop_condition();
    Control& opened = open(*open_kind, view);
    if (*open_kind == LabelKind::kIf) {
      opened.else_branch = emit_branch(condition.negated(), false);
      opened.begin = here();
    }
    if (*open_kind == LabelKind::kLoop) {
      last_def_ = false;
      emit({.handler = op_fuel});
    }
    if (*open_kind == LabelKind::kTryTable || *open_kind == LabelKind::kTry) {
      // With legacy exceptions the place of a label must tell it from the labels around it (delegate).
      if (store_.options().features.has(wasm::Feature::kLegacyExceptions)) emit({.handler = op_jump, .d = 1});
      opened.begin = here();
      opened.range = std::make_unique<TryRange>();
      opened.range->begin = here();
      for (const wasm::Catch& clause : instr.catches) {
        CatchTarget target{.kind = clause.kind};
        if (clause.kind == wasm::CatchKind::kCatch || clause.kind == wasm::CatchKind::kCatchRef) {
          target.tag = instance_.tags[clause.tag.index()];
        }
        target.slot = control(clause.label + 1).base_slot;
        opened.range->catches.push_back(target);
      }
      for (size_t i = 0; i < instr.catches.size(); ++i) {
        // The vector is complete: its elements stay where they are, also when the range moves.
        Control& to = control(instr.catches[i].label + 1);
        uint32_t end = opened.range->catches[i].slot;
        for (const ValType type : to.branch_types()) end += slot_count(type);
        high_water_ = std::max(high_water_, end);
        aim(to, {.kind = Fixup::Kind::kCatch, .catch_target = &opened.range->catches[i]});
      }
    }
    return true;
  }
  if (types.closed == nullptr) return false;

  Control& label = controls_.back();
  if (label.dead) {
    if (instr.op == Opcode::End || instr.op == Opcode::Delegate) controls_.pop_back();
    return true;
  }
  if (instr.op == Opcode::Catch || instr.op == Opcode::CatchAll) {
    begin_legacy_catch(instr, types);
    return true;
  }
  if (instr.op == Opcode::Else) {
    if (types.falls_through) {
      emit_moves(label);
      emit_jump(label);
    }
    bind_branch(label.else_branch);
    label.else_branch = ~0u;
    label.kind = LabelKind::kElse;
    reset_stack(label.base_entries, label.params);
    return true;
  }
  Control closed = std::move(label);
  controls_.pop_back();
  if (closed.range != nullptr) {
    if (closed.kind != LabelKind::kCatch) closed.range->end = here();
    if (instr.op == Opcode::Delegate) {
      const Control& target = control(instr.a);
      closed.range->delegates = true;
      if (target.kind != LabelKind::kFunc) {
        closed.range->delegate_place = target.kind == LabelKind::kCatch ? target.begin - 1 : target.begin;
      }
    }
    code_->tries.push_back(std::move(*closed.range));
  }
  if (closed.kind == LabelKind::kFunc) {
    if (types.falls_through) emit_return();
    if (!closed.fixups.empty()) {
      bind(closed.fixups);
      reset_stack(0, closed.results);
      emit_return();
    }
    return true;
  }
  close(closed, types.falls_through);
  return true;
}

void Translator::rule_br(const Instr& instr, const InstrTypes&, const WalkView&) {
  Control& target = control(instr.a);
  if (target.kind == LabelKind::kFunc) return emit_return();
  emit_moves(target);
  emit_jump(target);
}

void Translator::rule_br_if(const Instr& instr, const InstrTypes&, const WalkView&) {
  const Condition condition = pop_condition();
  conditional_branch(control(instr.a), condition);
}

void Translator::rule_br_table(const Instr& instr, const InstrTypes&, const WalkView&) {
  const uint32_t index = pop_slot();
  const auto count = static_cast<uint32_t>(instr.labels.size());
  auto table = std::make_unique<int32_t[]>(count);
  const uint32_t at = emit({.handler = op_br_table, .b = index, .c = count - 1, .imm = address(table.get())});
  std::vector<std::pair<uint32_t, uint32_t>> stubs;  // (label, first instruction), sorted by label
  for (uint32_t i = 0; i < count; ++i) {
    Control& target = control(instr.labels[i]);
    if (!needs_moves(target)) {
      aim(target, {.kind = Fixup::Kind::kTable, .ins = at, .table_entry = &table[i]});
      continue;
    }
    const std::pair<uint32_t, uint32_t> key{instr.labels[i], 0};
    auto stub = std::lower_bound(stubs.begin(), stubs.end(), key);
    if (stub == stubs.end() || stub->first != instr.labels[i]) {
      stub = stubs.insert(stub, {instr.labels[i], here()});
      emit_moves(target);
      emit_jump(target);
    }
    table[i] = static_cast<int32_t>(stub->second - at);
  }
  code_->branch_tables.push_back(std::move(table));
}

void Translator::rule_ret(const Instr&, const InstrTypes&, const WalkView&) { emit_return(); }

void Translator::rule_br_on_null(const Instr& instr, const InstrTypes& types, const WalkView&) {
  Entry ref = pop();
  const uint32_t slot = slot_of(ref);
  if (ref.where == Where::kConst) ref.where = Where::kHome;
  conditional_branch(control(instr.a), {.handlers = kBranchNull, .b = slot});
  ref.type = types.pushed.empty() ? ref.type : types.pushed.back();
  push(ref);
}

void Translator::rule_br_on_non_null(const Instr& instr, const InstrTypes&, const WalkView&) {
  flush_top(1);
  conditional_branch(control(instr.a), Condition{.handlers = kBranchNull, .b = stack_.back().home}.negated());
  pop();
}

void Translator::rule_br_on_cast(const Instr& instr, const InstrTypes&, const WalkView& view) {
  flush_top(1);
  Condition condition{.handlers = cast_handlers(instr.target.heap().kind()).branch, .b = stack_.back().home,
                      .c = instr.target.nullable(), .imm = cast_target(instr.target)};
  if (instr.op == Opcode::BrOnCastFail) condition = condition.negated();
  conditional_branch(control(instr.a), condition);
  stack_.back().type = view.stack().back();
}

void Translator::rule_unreachable(const Instr&, const InstrTypes&, const WalkView&) { emit({.handler = op_unreachable}); }

// --- Calls and exceptions ----------------------------------------------------------------------------------------

void Translator::calls(Handler handler, const TypeInfo& type, Ins ins, bool tail) {
  const size_t n = type.sub->params.size();
  ins.handler = handler;
  ins.a = flush_top(n);
  safepoint(stack_.size() - n);
  emit(ins);
  pop_many(n);
  if (tail) return;
  for (const ValType result : type.sub->results) push_home(result);
}

void Translator::rule_call(const Instr& instr, const InstrTypes&, const WalkView&) {
  Func* callee = instance_.funcs[instr.a];
  calls(op_call, *callee->type, {.imm = address(callee)}, false);
}
void Translator::rule_return_call(const Instr& instr, const InstrTypes&, const WalkView&) {
  Func* callee = instance_.funcs[instr.a];
  calls(op_tail_call, *callee->type, {.imm = address(callee)}, true);
}
void Translator::rule_call_indirect(const Instr& instr, const InstrTypes&, const WalkView&) {
  const TypeInfo& type = type_info(instr.a);
  const uint32_t index = pop_slot();
  calls(op_call_indirect, type, {.b = index, .c = type.id.raw, .imm = address(instance_.tables[instr.b])}, false);
}
void Translator::rule_return_call_indirect(const Instr& instr, const InstrTypes&, const WalkView&) {
  const TypeInfo& type = type_info(instr.a);
  const uint32_t index = pop_slot();
  calls(op_tail_call_indirect, type, {.b = index, .c = type.id.raw, .imm = address(instance_.tables[instr.b])}, true);
}
void Translator::rule_call_ref(const Instr& instr, const InstrTypes&, const WalkView&) {
  const uint32_t ref = pop_slot();
  calls(op_call_ref, type_info(instr.a), {.b = ref}, false);
}
void Translator::rule_return_call_ref(const Instr& instr, const InstrTypes&, const WalkView&) {
  const uint32_t ref = pop_slot();
  calls(op_tail_call_ref, type_info(instr.a), {.b = ref}, true);
}

void Translator::rule_throw_tag(const Instr& instr, const InstrTypes&, const WalkView&) {
  const size_t n = tag_info(instr.a).sub->params.size();
  const uint32_t first = flush_top(n);
  safepoint(stack_.size());
  emit({.handler = op_throw, .a = first, .imm = address(instance_.tags[instr.a])});
}
void Translator::rule_throw_ref(const Instr&, const InstrTypes&, const WalkView&) {
  emit({.handler = op_throw_ref, .b = pop_slot()});
}
void Translator::rule_rethrow(const Instr& instr, const InstrTypes&, const WalkView&) {
  emit({.handler = op_throw_ref, .b = control(instr.a).exn_slot});
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

bool Translator::numeric(const Instr& instr, const InstrTypes& types) {
  const OpHandlers& handlers = numeric_handlers(instr.op);
  if (handlers.plain == nullptr) return false;
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
      code_->constants.push_back(std::move(lanes));
    }
    simple(handlers.plain, operands, result, imm);
  }
  if (handlers.branch.when != nullptr) {
    compare_ = &handlers;
    compare_imm_ = used_imm;
  }
  return true;
}

bool Translator::memory_access(const Instr& instr, const InstrTypes& types) {
  const Handler handler = memory_handler(instr.op);
  if (handler == nullptr) return false;
  const bool lane = wasm::info(instr.op).immediates == wasm::ImmKind::MemArgLane;
  Ins ins{.handler = handler,
          .c = static_cast<uint32_t>(instr.mem.offset),
          .d = static_cast<int32_t>(static_cast<uint32_t>(instr.mem.offset >> 32)),
          .imm = address(instance_.memories[instr.mem.memory.index()])};
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
  return true;
}

// What cast handlers take from imm: a CastTarget, for concrete types.
uint64_t Translator::cast_target(ValType type) {
  if (!type.heap().is_concrete()) return 0;
  auto words = std::make_unique<uint64_t[]>((sizeof(CastTarget) + 7) / 8);
  const wasm::TypeId id = type.heap().type_id();
  const auto* target = new (words.get()) CastTarget{.id = id, .depth = store_.infos().store().depth(id)};
  code_->constants.push_back(std::move(words));
  return address(target);
}

// --- Variables, constants ----------------------------------------------------------------------------------------

void Translator::rule_nop(const Instr&, const InstrTypes&, const WalkView&) {}
void Translator::rule_drop(const Instr&, const InstrTypes&, const WalkView&) { pop(); }

void Translator::rule_select(const Instr&, const InstrTypes& types, const WalkView&) {
  const ValType type = types.pushed[0];
  simple(slot_count(type) == 2 ? op_select2 : op_select, 3, type);
}

void Translator::rule_local_get(const Instr& instr, const InstrTypes&, const WalkView&) {
  push({.where = Where::kLocal, .type = locals_[instr.a], .local = local_slot(instr.a)});
}

void Translator::rule_local_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  const uint32_t slot = local_slot(instr.a);
  const Entry value = pop();
  if (value.where == Where::kLocal && value.local == slot) return;
  bool aliased = false;
  for (size_t i = flushed_; i < stack_.size(); ++i) {
    aliased |= stack_[i].where == Where::kLocal && stack_[i].local == slot;
  }
  if (!aliased && value.where == Where::kHome && last_def_ && code_->ins.back().a == value.home) {
    code_->ins.back().a = slot;
    last_def_ = false;
    return;
  }
  flush_aliases_of(slot);
  if (value.where == Where::kConst) return emit_constant(slot, value.bits);
  emit_copy(slot, value.where == Where::kLocal ? value.local : value.home, value.width());
}

void Translator::rule_local_tee(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  rule_local_set(instr, types, view);
  rule_local_get(instr, types, view);
}

void Translator::rule_global_get(const Instr& instr, const InstrTypes&, const WalkView&) {
  const Global* global = instance_.globals[instr.a];
  const ValType type = global->type.value;
  if (slot_count(type) == 2) return define({.handler = op_global_get2, .imm = address(global)}, type);
  if (!global->type.is_mutable) {
    push({.where = Where::kConst, .type = type, .bits = global->low});
    return;
  }
  define({.handler = op_global_get, .imm = address(global)}, type);
}

void Translator::rule_global_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  const Global* global = instance_.globals[instr.a];
  const uint32_t slot = pop_slot();
  emit({.handler = slot_count(global->type.value) == 2 ? op_global_set2 : op_global_set, .b = slot, .imm = address(global)});
}

void Translator::rule_i32_const(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const bool is_32 = types.pushed[0] == wasm::kI32 || types.pushed[0] == wasm::kF32;
  push({.where = Where::kConst, .type = types.pushed[0], .bits = is_32 ? uint64_t{static_cast<uint32_t>(instr.bits)} : instr.bits});
}

void Translator::rule_v128_const(const Instr& instr, const InstrTypes&, const WalkView&) {
  auto words = std::make_unique<uint64_t[]>(2);
  std::memcpy(words.get(), instr.v128.data(), 16);
  define({.handler = op_const2, .imm = address(words.get())}, wasm::kV128);
  code_->constants.push_back(std::move(words));
}

// --- Tables and memories -----------------------------------------------------------------------------------------

void Translator::rule_table_get(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_table_get, 1, types.pushed[0], address(instance_.tables[instr.a]));
}
void Translator::rule_table_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  effect(op_table_set, 2, address(instance_.tables[instr.a]));
}
void Translator::rule_table_size(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_table_size, 0, types.pushed[0], address(instance_.tables[instr.a]));
}
void Translator::rule_table_grow(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_table_grow, 2, types.pushed[0], address(instance_.tables[instr.a]));
}
void Translator::rule_table_fill(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_table_fill, 3, address(instance_.tables[instr.a]));
}
void Translator::rule_table_copy(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_table_copy, 3, address(instance_.tables[instr.a]));
  emit({.imm = address(instance_.tables[instr.b])});
}
void Translator::rule_table_init(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_table_init, 3, address(&instance_), instr.b, instr.a);
}
void Translator::rule_elem_drop(const Instr& instr, const InstrTypes&, const WalkView&) {
  emit({.handler = op_elem_drop, .b = instr.a, .imm = address(&instance_)});
}
void Translator::rule_memory_size(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_memory_size, 0, types.pushed[0], address(instance_.memories[instr.a]));
}
void Translator::rule_memory_grow(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_memory_grow, 1, types.pushed[0], address(instance_.memories[instr.a]));
}
void Translator::rule_memory_fill(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_memory_fill, 3, address(instance_.memories[instr.a]));
}
void Translator::rule_memory_copy(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_memory_copy, 3, address(instance_.memories[instr.a]));
  emit({.imm = address(instance_.memories[instr.b])});
}
void Translator::rule_memory_init(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_memory_init, 3, address(&instance_), instr.a, instr.b);
}
void Translator::rule_data_drop(const Instr& instr, const InstrTypes&, const WalkView&) {
  emit({.handler = op_data_drop, .b = instr.a, .imm = address(&instance_)});
}

// --- References --------------------------------------------------------------------------------------------------

void Translator::rule_ref_null(const Instr&, const InstrTypes& types, const WalkView&) {
  push({.where = Where::kConst, .type = types.pushed[0], .bits = kNullWord});
}
void Translator::rule_ref_func(const Instr& instr, const InstrTypes& types, const WalkView&) {
  push({.where = Where::kConst, .type = types.pushed[0], .bits = instance_.funcs[instr.a]->word()});
}
void Translator::rule_ref_is_null(const Instr&, const InstrTypes&, const WalkView&) { simple(op_ref_is_null, 1, wasm::kI32); }
void Translator::rule_ref_eq(const Instr&, const InstrTypes&, const WalkView&) { simple(op_ref_eq, 2, wasm::kI32); }
void Translator::rule_ref_as_non_null(const Instr&, const InstrTypes& types, const WalkView&) {
  simple(op_ref_as_non_null, 1, types.pushed[0]);
}
void Translator::rule_ref_i31(const Instr&, const InstrTypes& types, const WalkView&) { simple(op_ref_i31, 1, types.pushed[0]); }
// A non-null cast to i31 right before disappears into the access: compilers write the two together.
void Translator::i31_get(Handler plain, Handler with_cast) {
  const Entry& top = stack_.back();
  Ins& last = code_->ins.back();
  if (top.where == Where::kHome && last_def_ && last.a == top.home && last.c == 0 &&
      last.handler == cast_handlers(wasm::HeapKind::kI31).cast) {
    last.handler = with_cast;
    stack_.back().type = wasm::kI32;
    return;
  }
  simple(plain, 1, wasm::kI32);
}
void Translator::rule_i31_get_s(const Instr&, const InstrTypes&, const WalkView&) { i31_get(op_i31_get_s, op_i31_cast_get_s); }
void Translator::rule_i31_get_u(const Instr&, const InstrTypes&, const WalkView&) { i31_get(op_i31_get_u, op_i31_cast_get_u); }

void Translator::cast(Handler handler, const Instr& instr, ValType result) {
  const uint32_t ref = pop_slot();
  define({.handler = handler, .b = ref, .c = instr.type.nullable(), .imm = cast_target(instr.type)}, result);
}
void Translator::rule_ref_test(const Instr& instr, const InstrTypes&, const WalkView&) {
  cast(cast_handlers(instr.type.heap().kind()).test, instr, wasm::kI32);
}
void Translator::rule_ref_cast(const Instr& instr, const InstrTypes& types, const WalkView&) {
  cast(cast_handlers(instr.type.heap().kind()).cast, instr, types.pushed[0]);
}
// any.convert_extern and extern.convert_any: the word stays the same.
void Translator::rule_convert(const Instr&, const InstrTypes& types, const WalkView&) { stack_.back().type = types.pushed[0]; }

// --- Aggregates --------------------------------------------------------------------------------------------------

// Operands in a row at b (filled in here), roots include them; the result goes to a.
void Translator::allocate(Handler handler, size_t operands, const TypeInfo& type, Ins ins) {
  ins.handler = handler;
  ins.b = flush_top(operands);
  ins.imm = address(&type);
  if (operands >= 2) ins.c = stack_.back().home;
  safepoint(stack_.size());
  pop_many(operands);
  define(ins, ValType::ref(wasm::HeapType::concrete(type.id), false));
}

void Translator::rule_struct_new(const Instr& instr, const InstrTypes&, const WalkView&) {
  const TypeInfo& type = type_info(instr.a);
  allocate(type.all_words ? op_struct_new : op_struct_new_any, type.length(), type, {});
}
void Translator::rule_struct_new_default(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_struct_new_default, 0, type_info(instr.a), {});
}

void Translator::rule_struct_get(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const FieldKind kind = type_info(instr.a).fields[instr.b].kind;
  const bool is_signed = instr.op == Opcode::StructGetS;
  Handler handler = op_struct_get;
  if (kind == FieldKind::kV128) handler = op_struct_get_v128;
  if (kind == FieldKind::kI8 && is_signed) handler = op_struct_get8_s;
  if (kind == FieldKind::kI16 && is_signed) handler = op_struct_get16_s;
  const uint32_t ref = pop_slot();
  define({.handler = handler, .b = ref, .c = instr.b}, types.pushed[0]);
}

void Translator::rule_struct_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  static constexpr Handler kHandlers[] = {op_struct_set, op_struct_set8, op_struct_set16, op_struct_set_v128};
  const FieldKind kind = type_info(instr.a).fields[instr.b].kind;
  const uint32_t value = pop_slot();
  const uint32_t ref = pop_slot();
  emit({.handler = kHandlers[static_cast<size_t>(kind)], .a = ref, .b = value, .c = instr.b});
}

void Translator::rule_array_new(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new, 2, type_info(instr.a), {});
}
void Translator::rule_array_new_default(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new_default, 1, type_info(instr.a), {});
}
void Translator::rule_array_new_fixed(const Instr& instr, const InstrTypes&, const WalkView&) {
  const TypeInfo& type = type_info(instr.a);
  const uint32_t first = flush_top(instr.b);
  safepoint(stack_.size());
  pop_many(instr.b);
  define({.handler = op_array_new_fixed, .b = first, .c = instr.b, .imm = address(&type)},
         ValType::ref(wasm::HeapType::concrete(type.id), false));
}
void Translator::rule_array_new_data(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new_data, 2, type_info(instr.a), {});
  emit({.a = instr.b, .imm = address(&instance_)});
}
void Translator::rule_array_new_elem(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new_elem, 2, type_info(instr.a), {});
  emit({.a = instr.b, .imm = address(&instance_)});
}

void Translator::rule_array_get(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const FieldKind kind = type_info(instr.a).element().kind;
  const bool is_signed = instr.op == Opcode::ArrayGetS;
  Handler handler = op_array_get;
  if (kind == FieldKind::kV128) handler = op_array_get_v128;
  if (kind == FieldKind::kI8 && is_signed) handler = op_array_get8_s;
  if (kind == FieldKind::kI16 && is_signed) handler = op_array_get16_s;
  simple(handler, 2, types.pushed[0]);
}

void Translator::rule_array_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  static constexpr Handler kHandlers[] = {op_array_set, op_array_set8, op_array_set16, op_array_set_v128};
  effect(kHandlers[static_cast<size_t>(type_info(instr.a).element().kind)], 3);
}

void Translator::rule_array_len(const Instr&, const InstrTypes&, const WalkView&) { simple(op_array_len, 1, wasm::kI32); }

void Translator::rule_array_fill(const Instr& instr, const InstrTypes&, const WalkView&) {
  // The value may take two slots, so the length's slot is given on its own.
  const uint32_t first = flush_top(4);
  const uint32_t length = stack_.back().home;
  pop_many(4);
  emit({.handler = op_array_fill, .a = first, .c = length, .imm = address(&type_info(instr.a))});
}
void Translator::rule_array_copy(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_array_copy, 5, address(&type_info(instr.a)));
}
void Translator::rule_array_init_data(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_array_init_data, 4, address(&type_info(instr.a)));
  emit({.a = instr.b, .imm = address(&instance_)});
}
void Translator::rule_array_init_elem(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_array_init_elem, 4, address(&type_info(instr.a)));
  emit({.a = instr.b, .imm = address(&instance_)});
}

// --- The table ---------------------------------------------------------------------------------------------------

#define RULE_ROWS(X)                                                                                                  \
  X(Nop, nop) X(Drop, drop) X(Select, select) X(SelectTyped, select) X(LocalGet, local_get) X(LocalSet, local_set)    \
  X(LocalTee, local_tee) X(GlobalGet, global_get) X(GlobalSet, global_set) X(TableGet, table_get)                     \
  X(TableSet, table_set) X(TableSize, table_size) X(TableGrow, table_grow) X(TableFill, table_fill)                   \
  X(TableCopy, table_copy) X(TableInit, table_init) X(ElemDrop, elem_drop) X(MemorySize, memory_size)                 \
  X(MemoryGrow, memory_grow) X(MemoryFill, memory_fill) X(MemoryCopy, memory_copy) X(MemoryInit, memory_init)         \
  X(DataDrop, data_drop) X(I32Const, i32_const) X(I64Const, i32_const) X(F32Const, i32_const) X(F64Const, i32_const)  \
  X(V128Const, v128_const) X(RefNull, ref_null) X(RefIsNull, ref_is_null) X(RefFunc, ref_func) X(RefEq, ref_eq)       \
  X(RefAsNonNull, ref_as_non_null) X(RefI31, ref_i31) X(I31GetS, i31_get_s) X(I31GetU, i31_get_u)                     \
  X(RefTest, ref_test) X(RefTestNull, ref_test) X(RefCast, ref_cast) X(RefCastNull, ref_cast)                         \
  X(AnyConvertExtern, convert) X(ExternConvertAny, convert) X(StructNew, struct_new)                                  \
  X(StructNewDefault, struct_new_default) X(StructGet, struct_get) X(StructGetS, struct_get)                          \
  X(StructGetU, struct_get) X(StructSet, struct_set) X(ArrayNew, array_new) X(ArrayNewDefault, array_new_default)     \
  X(ArrayNewFixed, array_new_fixed) X(ArrayNewData, array_new_data) X(ArrayNewElem, array_new_elem)                   \
  X(ArrayGet, array_get) X(ArrayGetS, array_get) X(ArrayGetU, array_get) X(ArraySet, array_set)                       \
  X(ArrayLen, array_len) X(ArrayFill, array_fill) X(ArrayCopy, array_copy) X(ArrayInitData, array_init_data)          \
  X(ArrayInitElem, array_init_elem) X(Call, call) X(CallIndirect, call_indirect) X(CallRef, call_ref)                 \
  X(ReturnCall, return_call) X(ReturnCallIndirect, return_call_indirect) X(ReturnCallRef, return_call_ref)            \
  X(Unreachable, unreachable) X(Throw, throw_tag) X(ThrowRef, throw_ref) X(Rethrow, rethrow) X(Br, br) X(BrIf, br_if) \
  X(BrTable, br_table) X(Return, ret) X(BrOnNull, br_on_null) X(BrOnNonNull, br_on_non_null)                          \
  X(BrOnCast, br_on_cast) X(BrOnCastFail, br_on_cast)

const std::array<Translator::Rule, wasm::kOpcodeCount>& Translator::rules() {
  static const auto kRules = [] {
    std::array<Rule, wasm::kOpcodeCount> rules{};
#define ROW(op, rule) rules[static_cast<size_t>(Opcode::op)] = &Translator::rule_##rule;
    RULE_ROWS(ROW)
#undef ROW
    return rules;
  }();
  return kRules;
}

}  // namespace

Result<std::unique_ptr<Code>> translate(Store& store, const Func& func) {
  Translator translator(store, func);
  TRY(wasm::walk_func(*func.instance->module, func.index, store.options().features, translator));
  return translator.take();
}

}  // namespace parallax::interp
