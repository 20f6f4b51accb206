// Translation of control: labels and branches, calls, exceptions.
#include <optional>

#include "interp/translator.h"

namespace parallax::interp {

// --- Control -----------------------------------------------------------------------------------------------------

void Translator::bind(const Control& label) {
  for (uint32_t i = label.fixups; i != ~0u; i = fixups_[i].next) {
    const Fixup& fixup = fixups_[i];
    const auto distance = static_cast<int32_t>(here() - fixup.ins);
    switch (fixup.kind) {
      case Fixup::Kind::kBranch: code_.ins[fixup.ins].d = distance; break;
      case Fixup::Kind::kTable: *fixup.table_entry = distance; break;
      case Fixup::Kind::kCatch: fixup.catch_target->target = here(); break;
    }
  }
  fence();
}

void Translator::aim(Control& target, Fixup fixup) {
  if (target.kind != LabelKind::kLoop) {
    fixup.next = target.fixups;
    target.fixups = static_cast<uint32_t>(fixups_.size());
    fixups_.push_back(fixup);
    return;
  }
  const auto distance = static_cast<int32_t>(target.begin - fixup.ins);
  switch (fixup.kind) {
    case Fixup::Kind::kBranch: code_.ins[fixup.ins].d = distance; break;
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
  if (entry.where == Where::kHome && is_asked(entry)) {
    code_.ins.resize(code_.ins.size() - asked_length_);
    code_.offsets.resize(code_.ins.size());
    fence();
    return asked_;
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
  Control opened{.kind = kind, .params = label.params, .results = label.results};
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
  if (closed.kind != LabelKind::kLoop) bind(closed);
  fence();
  reset_stack(closed.base_entries, closed.results);
}

// A new catch clause of a legacy try: [the exception itself, its payload].
void Translator::begin_legacy_catch(const Instr& instr, bool falls_through) {
  Control& label = controls_.back();
  if (falls_through) {
    emit_moves(label);
    emit_jump(label);
  }
  if (label.kind == LabelKind::kTry) label.range->end = here();
  label.kind = LabelKind::kCatch;
  fence();
  shrink(label.base_entries);
  label.exn_slot = push_home(wasm::kExnRef);
  CatchTarget target{
      .kind = wasm::CatchKind::kCatchAll, .slot = next_home(), .target = here(), .exn_slot = label.exn_slot};
  if (instr.op == Opcode::Catch) {
    target.kind = wasm::CatchKind::kCatch;
    target.tag = instance_.tags[instr.a];
    for (const ValType type : target.tag->type->sub->params) push_home(type);
  }
  flushed_ = stack_.size();
  label.range->catches.push_back(target);
}

namespace {

// The label that an instruction opens, if it does.
std::optional<LabelKind> opened_kind(Opcode op) {
  switch (op) {
    case Opcode::Block: return LabelKind::kBlock;
    case Opcode::Loop: return LabelKind::kLoop;
    case Opcode::If: return LabelKind::kIf;
    case Opcode::TryTable: return LabelKind::kTryTable;
    case Opcode::Try: return LabelKind::kTry;
    default: return std::nullopt;
  }
}

}  // namespace

// Instructions that open or close labels are seen in dead code too. True: nothing is left to do.
bool Translator::control_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  if (const auto kind = opened_kind(instr.op)) {
    if (types.reachable) {
      open_label(*kind, instr, view);
    } else {
      controls_.push_back({.kind = *kind, .dead = true});
    }
    return true;
  }
  if (types.closed == nullptr) return false;
  const bool is_last = instr.op == Opcode::End || instr.op == Opcode::Delegate;
  if (controls_.back().dead) {
    if (is_last) controls_.pop_back();
  } else if (is_last) {
    close_label(instr, types.falls_through);
  } else if (instr.op == Opcode::Else) {
    begin_else(types.falls_through);
  } else {
    begin_legacy_catch(instr, types.falls_through);
  }
  return true;
}

void Translator::open_label(LabelKind kind, const Instr& instr, const WalkView& view) {
  Condition condition;
  if (kind == LabelKind::kIf) condition = pop_condition();
  Control& opened = open(kind, view);
  if (kind == LabelKind::kIf) {
    opened.else_branch = emit_branch(condition.negated(), false);
    opened.begin = here();
  } else if (kind == LabelKind::kLoop) {
    emit({.handler = op_fuel});
  } else if (kind == LabelKind::kTryTable || kind == LabelKind::kTry) {
    // With legacy exceptions the place of a label must tell it from the labels around it (delegate).
    if (store_.options().features.has(wasm::Feature::kLegacyExceptions)) emit({.handler = op_jump, .d = 1});
    fence();
    opened.begin = here();
    opened.range = std::make_unique<TryRange>();
    opened.range->begin = here();
    aim_catches(instr.catches, *opened.range);
  }
}

// Clauses of a try_table are branches: payload goes straight to the home slots of the label's values.
void Translator::aim_catches(std::span<const wasm::Catch> clauses, TryRange& range) {
  range.catches.resize(clauses.size());  // complete now: elements stay where they are, also when the range moves
  for (size_t i = 0; i < clauses.size(); ++i) {
    const bool has_tag = clauses[i].kind == wasm::CatchKind::kCatch || clauses[i].kind == wasm::CatchKind::kCatchRef;
    Control& to = control(clauses[i].label + 1);  // the try_table's own label is the innermost now
    range.catches[i] = {.kind = clauses[i].kind,
                        .tag = has_tag ? instance_.tags[clauses[i].tag.index()] : nullptr,
                        .slot = to.base_slot};
    uint32_t end = to.base_slot;
    for (const ValType type : to.branch_types()) end += slot_count(type);
    high_water_ = std::max(high_water_, end);
    aim(to, {.kind = Fixup::Kind::kCatch, .catch_target = &range.catches[i]});
  }
}

void Translator::begin_else(bool falls_through) {
  Control& label = controls_.back();
  if (falls_through) {
    emit_moves(label);
    emit_jump(label);
  }
  bind_branch(label.else_branch);
  label.else_branch = ~0u;
  label.kind = LabelKind::kElse;
  reset_stack(label.base_entries, label.params);
}

// End or delegate.
void Translator::close_label(const Instr& instr, bool falls_through) {
  Control closed = std::move(controls_.back());
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
    code_.tries.push_back(std::move(*closed.range));
  }
  if (closed.kind != LabelKind::kFunc) return close(closed, falls_through);
  if (falls_through) emit_return();
  if (closed.fixups == ~0u) return;
  bind(closed);
  reset_stack(0, closed.results);
  emit_return();
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
  // Values that have to move do so in one stub per label: (label, its first instruction or kDirect), sorted.
  constexpr uint32_t kDirect = ~0u;
  std::vector<std::pair<uint32_t, uint32_t>> stubs;
  for (uint32_t i = 0; i < count; ++i) {
    Control& target = control(instr.labels[i]);
    auto stub = std::lower_bound(stubs.begin(), stubs.end(), std::pair(instr.labels[i], 0u));
    if (stub == stubs.end() || stub->first != instr.labels[i]) {
      const bool direct = !needs_moves(target);
      stub = stubs.insert(stub, {instr.labels[i], direct ? kDirect : here()});
      if (!direct) {
        emit_moves(target);
        emit_jump(target);
      }
    }
    if (stub->second == kDirect) {
      aim(target, {.kind = Fixup::Kind::kTable, .ins = at, .table_entry = &table[i]});
    } else {
      table[i] = static_cast<int32_t>(stub->second - at);
    }
  }
  code_.branch_tables.push_back(std::move(table));
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
  Condition condition{.handlers = cast_handlers(instr.target.heap().kind()).branch,
                      .b = stack_.back().home,
                      .c = instr.target.nullable(),
                      .imm = cast_site(instr.target)};
  if (instr.op == Opcode::BrOnCastFail) condition = condition.negated();
  conditional_branch(control(instr.a), condition);
  stack_.back().type = view.stack().back();
}

void Translator::rule_unreachable(const Instr&, const InstrTypes&, const WalkView&) {
  emit({.handler = op_unreachable});
}

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

}  // namespace parallax::interp
