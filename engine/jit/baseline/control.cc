// Labels, branches, joins, exceptions.
//
// At a join every value is in its slot, but the result of a label that has exactly one: it is in rax or xmm0. What stands
// below a label on the stack was flushed when the label was opened, and nothing inside can change it. A handler of
// exceptions is entered by its landing pad, from calls, or by a jump, from throws; both bring the exception in rax.
#include <algorithm>
#include <cstddef>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/gc/object.h"
#include "engine/jit/baseline/state.h"

namespace parallax::jit {

using runtime::Builtin;
using wasm::LabelKind;
using wasm::Opcode;
using wasm::TrapKind;

namespace {

constexpr wasm::ValType kExnNonNull = wasm::ValType::ref(wasm::HeapKind::kExn, false);

constexpr PReg join_reg(RegClass cls) { return cls == RegClass::kGpr ? kRax : kXmm0; }

}  // namespace

// --- Labels --------------------------------------------------------------------------------------------------------

Baseline::Control& Baseline::push_control(LabelKind kind, size_t params) {
  Control control;
  control.kind = kind;
  control.dead = !reachable_;
  control.handler = controls_.back().handler;
  if (reachable_) {
    control.height = static_cast<uint32_t>(entries_.size() - params);
    control.num_base = num_top_;
    control.ref_base = ref_top_;
    for (size_t i = control.height; i < entries_.size(); ++i) {
      const Rep rep = entries_[i].rep;
      rep == Rep::kRef ? --control.ref_base : control.num_base -= rep == Rep::kV128 ? 2 : 1;
    }
  }
  controls_.push_back(control);
  return controls_.back();
}

// The top entries to where the label expects them. Changes no entry: another path may go on with them.
void Baseline::move_results(const Control& to, std::span<const ValType> types) {
  if (types.size() == 1 && to.kind != LabelKind::kLoop) { return load_entry(join_reg(class_of(top().rep)), top()); }
  uint32_t num = to.num_base;
  uint32_t ref = to.ref_base;
  // From the deepest: no value's place lies above where it stands now.
  for (size_t i = entries_.size() - types.size(); i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    uint32_t& next = e.rep == Rep::kRef ? ref : num;
    const uint32_t slot = next;
    next += e.rep == Rep::kV128 ? 2 : 1;
    if (e.kind != Kind::kSlot || e.slot != slot) store_entry(slot_of(e.rep, slot), e);
  }
}

void Baseline::emit_return(std::span<const ValType> types) {
  place_arguments(entries_.size() - types.size(), types, kNoReg);
  bridge({.op = MOp::Ret}, {});
}

void Baseline::emit_branch(Control& to, std::span<const ValType> types) {
  if (to.kind == LabelKind::kFunc) return emit_return(types);
  move_results(to, types);
  to.kind == LabelKind::kLoop ? code_.jmp_to(to.target) : code_.jmp(to.chain);
}

void Baseline::branch_on(const Condition& c, Control& to, std::span<const ValType> types) {
  compare(c);
  if (types.empty() && to.kind != LabelKind::kFunc) {
    to.kind == LabelKind::kLoop ? jump_if_to(c, to.target) : jump_if(c, to.chain);
    return;
  }
  uint32_t skip = 0;
  jump_if(opposite(c), skip);
  emit_branch(to, types);
  code_.bind(skip);
}

// `control` was taken off already.
void Baseline::close_label(Control control, std::span<const ValType> results) {
  if (control.chain == 0) {
    if (!reachable_) truncate(control.height);
    return;
  }
  if (reachable_) move_results(control, results);
  truncate(control.height);
  forget_locals();
  code_.bind(control.chain);
  reachable_ = true;
  if (results.size() == 1) {
    PReg from = join_reg(class_of(rep_of(results[0])));
    if (fault_fires(Fault::kBAS2)) from = static_cast<PReg>(from + 1);
    return push_reg(results[0], from);
  }
  for (const ValType type : results) push(type, Kind::kSlot);
}

void Baseline::on_block(const Event& e) {
  if (reachable_) flush(entries_.size());
  push_control(LabelKind::kBlock, e.view.label(0).params.size());
}

void Baseline::on_loop(const Event& e) {
  const auto types = e.view.label(0).params;
  const size_t params = types.size();
  if (reachable_) {
    flush(entries_.size());
    for (size_t i = entries_.size() - params; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      entry.type = types[i - (entries_.size() - params)];  // what comes back is not more than that
      if (entry.kind == Kind::kSlot) continue;
      store_entry(slot_of(entry.rep, entry.slot), entry);
      entry.kind = Kind::kSlot;
    }
    forget_locals();
  }
  Control& control = push_control(LabelKind::kLoop, params);
  if (control.dead) return;
  control.target = code_.here();
  budget();
}

void Baseline::on_if(const Event& e) {
  const size_t params = e.view.label(0).params.size();
  if (!reachable_) {
    push_control(LabelKind::kIf, 0);
    return;
  }
  const Condition c = take_condition();
  flush(entries_.size());
  Control& control = push_control(LabelKind::kIf, params);
  control.saved_begin = static_cast<uint32_t>(saved_.size());
  control.saved_count = static_cast<uint32_t>(params);
  saved_.insert(saved_.end(), entries_.end() - static_cast<ptrdiff_t>(params), entries_.end());
  compare(c);
  jump_if(opposite(c), control.else_chain);
}

void Baseline::on_else(const Event& e) {
  Control& control = controls_.back();
  if (control.dead) return;
  if (reachable_) emit_branch(control, e.types.closed->results);
  truncate(control.height);
  forget_locals();
  for (uint32_t i = 0; i < control.saved_count; ++i) {
    const Entry& saved = saved_[control.saved_begin + i];
    push(saved.type, saved.kind).bits = saved.bits;
  }
  saved_.resize(control.saved_begin);
  control.kind = LabelKind::kElse;
  code_.bind(control.else_chain);
  reachable_ = true;
}

void Baseline::on_end(const Event& e) {
  if (controls_.back().dead) {
    controls_.pop_back();
    return;
  }
  const auto results = e.types.closed->results;
  switch (controls_.back().kind) {
    case LabelKind::kFunc:
      if (reachable_) emit_return(results);
      reachable_ = false;
      controls_.pop_back();
      return;
    case LabelKind::kLoop: controls_.pop_back(); return;
    case LabelKind::kIf: on_else(e); break;  // the missing else passes its parameters on
    case LabelKind::kTryTable: return finish_try_table(e);
    case LabelKind::kTry:
    case LabelKind::kCatch:
    case LabelKind::kCatchAll: finish_try(results, controls_[controls_.size() - 2].handler); break;
    case LabelKind::kBlock:
    case LabelKind::kElse: break;
  }
  const Control control = controls_.back();
  controls_.pop_back();
  close_label(control, results);
}

void Baseline::on_unreachable(const Event&) {
  if (!reachable_) return;
  trap(TrapKind::kUnreachable);
  reachable_ = false;
}

// --- Branches ------------------------------------------------------------------------------------------------------

void Baseline::on_br(const Event& e) {
  if (!reachable_) return;
  emit_branch(control_at(e.instr.a), e.view.label(e.instr.a).branch_types());
  reachable_ = false;
}

void Baseline::on_br_if(const Event& e) {
  if (!reachable_) return;
  const Condition c = take_condition();
  branch_on(c, control_at(e.instr.a), e.view.label(e.instr.a).branch_types());
}

void Baseline::on_return(const Event& e) {
  if (!reachable_) return;
  emit_return(e.view.type().results);
  reachable_ = false;
}

// A table of the places where the branches are made: one for every label that occurs, however often.
void Baseline::on_br_table(const Event& e) {
  if (!reachable_) return;
  const auto labels = e.instr.labels;
  const size_t count = labels.size() - 1;
  const PReg index = pop_reg();
  if (count != 0) {
    uint32_t beyond = 0;
    code_.alu_imm(7, index, static_cast<int32_t>(count), false);
    code_.jcc(Cc::kAe, beyond);
    const PReg target = alloc(RegClass::kGpr);
    Table table{.begin = static_cast<uint32_t>(table_targets_.size()), .count = static_cast<uint32_t>(count)};
    code_.lea_chain(kScratchGpr, table.chain);
    code_.rm(0, 0x63, true, target, {.base = kScratchGpr, .index = index, .scale = 2});
    code_.alu(0, target, kScratchGpr, true);
    code_.jmp_reg(target);
    tables_.push_back(table);
    if (trampolines_.size() < controls_.size()) trampolines_.resize(controls_.size(), kNone);
    for (size_t i = 0; i < count && !code_.full(); ++i) {
      uint32_t& at = trampolines_[labels[i]];
      if (at == kNone) {
        at = code_.here();
        emit_branch(control_at(labels[i]), e.view.label(labels[i]).branch_types());
      }
      table_targets_.push_back(at);
    }
    for (size_t i = 0; i < count; ++i) trampolines_[labels[i]] = kNone;
    code_.bind(beyond);
  }
  emit_branch(control_at(labels.back()), e.view.label(labels.back()).branch_types());
  reachable_ = false;
}

void Baseline::on_br_on_null(const Event& e) {
  if (!reachable_ || !top().type.nullable()) return;
  const Entry ref = pop();
  const PReg reg = reg_of(ref);
  branch_on({.cc = Cc::kE, .wide = ref.rep == Rep::kFunc, .a = reg}, control_at(e.instr.a),
            e.view.label(e.instr.a).branch_types());
  const ValType type = ref.type.as_non_null();
  if (ref.kind != Kind::kLocal) return push_reg(type, reg);
  push(type, Kind::kLocal).local = ref.local;
  ++locals_[ref.local].pending;
}

void Baseline::on_br_on_non_null(const Event& e) {
  if (!reachable_) return;
  Control& to = control_at(e.instr.a);
  const auto types = e.view.label(e.instr.a).branch_types();
  if (!top().type.nullable()) {
    emit_branch(to, types);
    reachable_ = false;
    return;
  }
  const PReg reg = top_in_reg();
  branch_on({.wide = top().rep == Rep::kFunc, .a = reg}, to, types);
  pop();
}

void Baseline::on_br_on_cast(const Event& e) {
  if (!reachable_) return;
  const PReg reg = top_in_reg();
  const PReg t = alloc(RegClass::kGpr);
  if (top().rep == Rep::kFunc) {
    bridge({.op = MOp::FuncTypeTest, .aux = tested_type(e.instr.target)}, {t, reg, alloc(RegClass::kGpr)});
  } else {
    bridge({.op = MOp::TypeTest, .aux = tested_type(e.instr.target)}, {t, reg});
  }
  const Cc cc = e.instr.op == Opcode::BrOnCast ? Cc::kNe : Cc::kE;
  branch_on({.cc = cc, .a = t}, control_at(e.instr.a), e.view.label(e.instr.a).branch_types());
  top().type = e.view.stack().back();
}

// --- Exceptions ----------------------------------------------------------------------------------------------------

// To a handler of this function, or out of it.
void Baseline::throw_to(uint32_t handler, PReg exn) {
  if (handler != kNone) {
    if (exn != kRax) code_.mov32(kRax, exn);
    code_.jmp(controls_[handler].dispatch);
  } else {
    bridge({.op = MOp::Throw, .aux = mf_.add_call({}).raw}, {exn});
  }
  reachable_ = false;
}

void Baseline::on_throw(const Event& e) {
  if (!reachable_) return;
  const wasm::TypeId type = module_->tags[e.instr.a].type_id;
  const PReg exn = allocate_struct(type);
  code_.imm(kScratchGpr, instance_->tags[e.instr.a]);
  code_.store64({.base = kHeapReg, .index = exn, .disp = static_cast<int32_t>(gc::kExnTagOffset)}, kScratchGpr);
  object_from_stack(exn, in_.layouts->of(type).fields);
  throw_to(controls_.back().handler, exn);
}

void Baseline::on_throw_ref(const Event&) {
  if (!reachable_) return;
  const Entry ref = pop();
  const PReg reg = reg_of(ref);
  null_check(reg, ref.type, TrapKind::kNullExceptionReference);
  throw_to(controls_.back().handler, reg);
}

// Where calls and throws inside of `control` come to, with the exception in rax.
void Baseline::land(Control& control) {
  if (control.has_landing) {
    em_.a_.bind(em_.block_labels_[control.landing.index()]);
    const uint32_t begin = code_.here();
    em_.landing_entry();
    frame_sizes_.push_back({begin, code_.here()});
    bridge({.op = MOp::TakeException}, {kRax});
  }
  code_.bind(control.dispatch);
  if (in_.armed) armed_check(kRax, kExnNonNull);
}

// Goes on if the exception has the tag; answers the jumps for when it has not.
uint32_t Baseline::test_tag(PReg exn, wasm::TagIndex tag) {
  uint32_t other = 0;
  code_.imm(kScratchGpr, instance_->tags[tag.index()]);
  code_.alu(7, kScratchGpr, {.base = kHeapReg, .index = exn, .disp = static_cast<int32_t>(gc::kExnTagOffset)}, true);
  code_.jcc(Cc::kNe, other);
  return other;
}

void Baseline::push_payload(PReg exn, wasm::TagIndex tag) {
  const wasm::SubType& type = module_->tag_type(tag);
  const runtime::TypeLayout& layout = in_.layouts->of(module_->tags[tag.index()].type_id);
  for (size_t i = 0; i < type.params.size(); ++i) {
    held_ = bit(exn);
    const PReg d = alloc_for(rep_of(type.params[i]));
    const auto offset = static_cast<int32_t>(layout.fields[i].offset);
    load_field(d, layout.fields[i].rep, false, {.base = kHeapReg, .index = exn, .disp = offset});
    push_reg(type.params[i], d);
    if (in_.armed) armed_check(d, type.params[i]);
  }
  held_ = bit(exn);
}

void Baseline::on_try_table(const Event& e) {
  if (reachable_) flush(entries_.size());
  Control& control = push_control(LabelKind::kTryTable, e.view.label(0).params.size());
  if (control.dead || e.instr.catches.empty()) return;
  control.catches_begin = static_cast<uint32_t>(catches_.size());
  control.catches_count = static_cast<uint32_t>(e.instr.catches.size());
  catches_.insert(catches_.end(), e.instr.catches.begin(), e.instr.catches.end());
  open_handler(control);
}

void Baseline::open_handler(Control& control) {
  control.handler = static_cast<uint32_t>(controls_.size() - 1);
  control.landing = mf_.add_block();
  em_.block_labels_.push_back(em_.a_.newLabel());
}

void Baseline::finish_try_table(const Event& e) {
  const auto results = e.types.closed->results;
  Control control = controls_.back();
  controls_.pop_back();
  if (control.has_landing || control.dispatch != 0) {
    if (reachable_) {
      move_results(control, results);
      code_.jmp(control.chain);
    }
    truncate(control.height);
    forget_locals();
    land(control);
    reachable_ = true;
    push_reg(kExnNonNull, kRax);
    for (uint32_t i = 0; i < control.catches_count && reachable_; ++i) {
      const wasm::Catch clause = catches_[control.catches_begin + i];
      dispatch_clause(clause, e.view.label(clause.label).branch_types());
    }
    if (reachable_) throw_to(controls_.back().handler, kRax);
    truncate(control.height);
  }
  close_label(control, results);
}

// One clause: its branch, and what goes on where it did not match. The exception is the top, in rax.
void Baseline::dispatch_clause(const wasm::Catch& clause, std::span<const ValType> types) {
  const bool by_tag = clause.kind == wasm::CatchKind::kCatch || clause.kind == wasm::CatchKind::kCatchRef;
  const bool with_ref = clause.kind == wasm::CatchKind::kCatchRef || clause.kind == wasm::CatchKind::kCatchAllRef;
  const size_t exn = entries_.size() - 1;
  uint32_t other = 0;
  held_ = 0;
  if (by_tag) {
    other = test_tag(kRax, clause.tag);
    push_payload(kRax, clause.tag);
  }
  if (with_ref) {
    const PReg copy = alloc(RegClass::kGpr);
    code_.mov32(copy, kRax);
    push_reg(kExnNonNull, copy);
  }
  emit_branch(control_at(clause.label), types);
  truncate(exn);
  push_reg(kExnNonNull, kRax);
  code_.bind(other);
  reachable_ = by_tag;
}

// --- Deprecated exception instructions -----------------------------------------------------------------------------
//
// The exception stays in a home slot, as an entry below what the clauses push, for the next clause and for rethrow.

void Baseline::on_try(const Event& e) {
  if (reachable_) flush(entries_.size());
  Control& control = push_control(LabelKind::kTry, e.view.label(0).params.size());
  if (!control.dead) open_handler(control);
}

// Ends the body or a clause; afterwards code is dead, and the next clause may follow.
void Baseline::finish_clause(std::span<const ValType> results) {
  Control& control = controls_.back();
  if (reachable_) {
    move_results(control, results);
    code_.jmp(control.chain);
  }
  truncate(control.height);
  forget_locals();
  reachable_ = false;
  if (control.kind != LabelKind::kTry) return;
  control.kind = LabelKind::kCatch;
  control.handler = controls_[controls_.size() - 2].handler;
  if (!control.has_landing && control.dispatch == 0) return;
  land(control);
  control.clause_open = true;
  ref_max_ = std::max(ref_max_, control.ref_base + 1);
  code_.store32(home_slot(control.ref_base), kRax);
}

void Baseline::on_catch(const Event& e) {
  if (controls_.back().dead) return;
  finish_clause(e.types.closed->results);
  Control& control = controls_.back();
  if (!control.clause_open) return;
  code_.bind(control.clause);
  reachable_ = true;
  push(kExnNonNull, Kind::kSlot);
  if (e.instr.op == Opcode::CatchAll) {
    control.clause_open = false;
    return;
  }
  const wasm::TagIndex tag(e.instr.a);
  code_.load32(kRax, home_slot(control.ref_base));
  control.clause = test_tag(kRax, tag);
  push_payload(kRax, tag);
}

// What no clause caught goes on to the next handler.
void Baseline::finish_try(std::span<const ValType> results, uint32_t handler) {
  finish_clause(results);
  Control& control = controls_.back();
  if (!control.clause_open) return;
  code_.bind(control.clause);
  control.clause_open = false;
  code_.load32(kRax, home_slot(control.ref_base));
  throw_to(handler, kRax);
}

void Baseline::on_rethrow(const Event& e) {
  if (!reachable_) return;
  code_.load32(kRax, home_slot(control_at(e.instr.a).ref_base));
  throw_to(controls_.back().handler, kRax);
}

// The label is counted from outside the try.
void Baseline::on_delegate(const Event& e) {
  if (controls_.back().dead) {
    controls_.pop_back();
    return;
  }
  const auto results = e.types.closed->results;
  finish_try(results, control_at(e.instr.a + 1).handler);
  const Control control = controls_.back();
  controls_.pop_back();
  close_label(control, results);
}

}  // namespace parallax::jit
