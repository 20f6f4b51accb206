// Labels, edges, joins and handlers: how control and locals become blocks and parameters.
//
// A forward label is a list of pending jumps, each with the values it carries and the locals that changed since the
// label was opened. When the label closes, one pending jump alone needs no block (its own block goes on); several get a
// block with a parameter for every value and local on which they differ.
//
// Exceptions. In the body of a try_table (or legacy try), a call ends its block as an invoke; its landing block jumps to
// the dispatch of the innermost handler like any other edge, with the exception as the value it carries. A throw is that
// jump itself. The dispatch, made when the body closes, tests the tags in order and goes on to the next outer handler
// when none matches.
#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/jit/translate_state.h"

namespace parallax::jit {

using wasm::LabelKind;
using wasm::Opcode;
using wasm::TrapKind;

namespace {

constexpr ir::Type kExnNonNull = ir::Type::ref(wasm::HeapKind::kExn, false);

}  // namespace

// --- Edges and joins -----------------------------------------------------------------------------------------------

Result<> Translator::State::add_edge(EdgeList& list, uint32_t log_begin, std::span<const ValueId> values) {
  const size_t changed = log_.size() - log_begin;
  TRY(spend_entries(changed + values.size() + 1));
  Edge edge;
  const BlockId nowhere;
  edge.jump = b_->jump(nowhere);
  edge.values_begin = static_cast<uint32_t>(edge_values_.size());
  edge.values_count = static_cast<uint32_t>(values.size());
  edge_values_.insert(edge_values_.end(), values.begin(), values.end());
  edge.snap_begin = static_cast<uint32_t>(snaps_.size());
  edge.snap_count = static_cast<uint32_t>(changed);
  for (size_t i = log_begin; i < log_.size(); ++i) snaps_.push_back({log_[i].local, local_[log_[i].local]});
  const auto index = static_cast<uint32_t>(edges_.size());
  edges_.push_back(edge);
  (list.count == 0 ? list.first : edges_[list.last].next) = index;
  list.last = index;
  ++list.count;
  become_dead();
  return {};
}

void Translator::State::undo_log(uint32_t log_begin) {
  while (log_.size() > log_begin) {
    const LogEntry& entry = log_.back();
    local_[entry.local] = entry.old_value;
    local_mark_[entry.local] = entry.old_mark;
    log_.pop_back();
  }
}

// A label that is left only through its end: what it changed, its parent changed.
void Translator::State::merge_log(const Control& control) {
  size_t kept = control.log_begin;
  for (size_t i = control.log_begin; i < log_.size(); ++i) {
    const LogEntry entry = log_[i];
    local_mark_[entry.local] = mark_;
    if (entry.old_mark != mark_) log_[kept++] = entry;
  }
  log_.resize(kept);
}

Result<> Translator::State::join(const EdgeList& list, std::span<const ir::Type> types, std::vector<ValueId>& out) {
  if (list.count == 0) {
    become_dead();
    return {};
  }
  if (list.count == 1) {
    const Edge& edge = edges_[list.first];
    const BlockId from = func_->inst(edge.jump).block;
    func_->remove(edge.jump);
    continue_at(from);
    for (uint32_t i = 0; i < edge.snap_count; ++i) {
      const LocalValue& at = snaps_[edge.snap_begin + i];
      if (local_[at.local] != at.value) set_local(at.local, at.value);
    }
    out.insert(out.end(), edge_values_.begin() + edge.values_begin,
               edge_values_.begin() + edge.values_begin + edge.values_count);
    return {};
  }

  // Which locals are mentioned, and do the edges agree?
  candidates_.clear();
  ++stamp_;
  uint32_t edge_number = 0;
  for (uint32_t e = list.first; e != kNone; e = edges_[e].next, ++edge_number) {
    const Edge& edge = edges_[e];
    for (uint32_t i = 0; i < edge.snap_count; ++i) {
      const LocalValue& at = snaps_[edge.snap_begin + i];
      if (candidate_stamp_[at.local] != stamp_) {
        candidate_stamp_[at.local] = stamp_;
        candidate_index_[at.local] = static_cast<uint32_t>(candidates_.size());
        candidates_.push_back({at.local, at.value});
      }
      Candidate& c = candidates_[candidate_index_[at.local]];
      if (c.last_edge == edge_number) continue;  // logged under two labels: the same current value
      c.last_edge = edge_number;
      ++c.edges;
      c.differs |= c.value != at.value;
      c.unset |= !at.value.valid();
    }
  }

  // Where they differ there is a parameter: for the carried values first, then for locals.
  const BlockId block = func_->add_block();
  const Edge& first = edges_[list.first];
  const size_t out_begin = out.size();
  for (uint32_t v = 0; v < first.values_count; ++v) {
    const ValueId value = edge_values_[first.values_begin + v];
    bool differs = false;
    for (uint32_t e = first.next; e != kNone; e = edges_[e].next) {
      differs |= edge_values_[edges_[e].values_begin + v] != value;
    }
    out.push_back(differs ? func_->add_param(block, types[v]) : value);
  }
  const size_t value_params = func_->params(block).size();
  std::vector<uint32_t>& param_locals = numbers_;
  param_locals.clear();
  values_scratch_.clear();  // values at the label's entry, by position in param_locals
  for (Candidate& c : candidates_) {
    const ValueId at_entry = local_[c.local];
    c.differs |= c.edges != list.count && c.value != at_entry;
    if (!c.differs) {
      candidate_index_[c.local] = kNone;
      if (at_entry != c.value) set_local(c.local, c.value);
      continue;
    }
    // A local without default that is not set on some way here cannot be read before it is set again.
    if (c.unset || (c.edges != list.count && !at_entry.valid())) {
      candidate_index_[c.local] = kNone;
      set_local(c.local, ValueId());
      continue;
    }
    candidate_index_[c.local] = static_cast<uint32_t>(param_locals.size());
    param_locals.push_back(c.local);
    values_scratch_.push_back(at_entry);
    set_local(c.local, func_->add_param(block, local_types_[c.local]));
  }

  // Now every edge knows its arguments.
  const size_t param_count = value_params + param_locals.size();
  TRY(spend_entries(param_count * list.count));
  for (uint32_t e = list.first; e != kNone; e = edges_[e].next) {
    const Edge& edge = edges_[e];
    args_.clear();
    for (uint32_t v = 0; v < edge.values_count; ++v) {
      const ValueId joined = out[out_begin + v];
      if (func_->value(joined).block == block) args_.push_back(edge_values_[edge.values_begin + v]);
    }
    args_.insert(args_.end(), values_scratch_.begin(), values_scratch_.end());
    for (uint32_t i = 0; i < edge.snap_count; ++i) {
      const LocalValue& at = snaps_[edge.snap_begin + i];
      const uint32_t position = candidate_index_[at.local];
      if (position != kNone) args_[value_params + position] = at.value;
    }
    func_->set_args(edge.jump, args_);
    func_->set_targets(edge.jump, std::span(&block, 1));
  }
  continue_at(block);
  return {};
}

// --- Labels --------------------------------------------------------------------------------------------------------

Translator::State::Control& Translator::State::push_control(LabelKind kind, size_t param_count, bool reachable) {
  Control control;
  control.kind = kind;
  control.dead = !reachable;
  control.handler = controls_.back().handler;
  if (reachable) {
    control.height = static_cast<uint32_t>(stack_.size() - param_count);
    control.log_begin = static_cast<uint32_t>(log_.size());
    if (kind != LabelKind::kLoop) mark_ = next_mark_++;
    control.mark = mark_;
  }
  controls_.push_back(control);
  return controls_.back();
}

// Everything that leaves by the label's end or branches to it meets here. The control is already popped.
Result<> Translator::State::close_label(const Control& closed, std::span<const ir::Type> results) {
  Control control = closed;
  mark_ = controls_.back().mark;
  if (reachable_ && control.edges.count == 0) {  // left through its end only
    merge_log(control);
    return {};
  }
  if (reachable_) { TRY(add_edge(control.edges, control.log_begin, top(results.size()))); }
  undo_log(control.log_begin);
  stack_.resize(control.height);
  return join(control.edges, results, stack_);
}

Result<> Translator::State::branch_to(uint32_t target, std::span<const ValueId> values) {
  Control& control = controls_[target];
  if (control.kind == LabelKind::kFunc) {
    b_->ret(values);
    become_dead();
    return {};
  }
  if (control.kind != LabelKind::kLoop) return add_edge(control.edges, control.log_begin, values);
  args_.assign(values.begin(), values.end());
  for (uint32_t i = 0; i < control.loop_locals_count; ++i) {
    args_.push_back(local_[loop_locals_[control.loop_locals_begin + i]]);
  }
  TRY(spend_entries(args_.size()));
  b_->jump(control.head, args_);
  become_dead();
  return {};
}

Result<> Translator::State::on_block(const Event& e) {
  push_control(LabelKind::kBlock, e.view.label(0).params.size(), reachable_);
  return {};
}

Result<> Translator::State::on_loop(const Event& e) {
  const auto params = e.view.label(0).params;
  if (!loops_scanned_) TRY(scan_loops(e.instr.offset));
  const LoopInfo info = loops_[next_loop_++];
  if (!reachable_) {
    push_control(LabelKind::kLoop, 0, false);
    return {};
  }
  TRY(spend_entries(info.end - info.begin + params.size()));

  const BlockId head = func_->add_block();
  func_->edit(head).loop_head = true;
  args_.assign(top(params.size()).begin(), top(params.size()).end());
  const auto locals_begin = static_cast<uint32_t>(loop_locals_.size());
  ++stamp_;
  for (uint32_t i = info.begin; i < info.end; ++i) {
    const uint32_t local = assigned_[i];
    if (candidate_stamp_[local] == stamp_) continue;
    candidate_stamp_[local] = stamp_;
    if (!local_[local].valid()) continue;  // unset at the head: cannot be read there
    loop_locals_.push_back(local);
    args_.push_back(local_[local]);
  }
  TRY(spend_entries(args_.size()));
  b_->jump(head, args_);

  stack_.resize(stack_.size() - params.size());
  for (const ir::Type type : params) push(func_->add_param(head, type));
  for (size_t i = locals_begin; i < loop_locals_.size(); ++i) {
    set_local(loop_locals_[i], func_->add_param(head, local_types_[loop_locals_[i]]));
  }
  continue_at(head);
  b_->budget();
  Control& control = push_control(LabelKind::kLoop, params.size(), true);
  control.head = head;
  control.loop_locals_begin = locals_begin;
  control.loop_locals_count = static_cast<uint32_t>(loop_locals_.size()) - locals_begin;
  return {};
}

Result<> Translator::State::on_if(const Event& e) {
  const size_t params = e.view.label(0).params.size();
  if (!reachable_) {
    push_control(LabelKind::kIf, 0, false);
    return {};
  }
  const ValueId condition = pop();
  const BlockId then_block = func_->add_block();
  const BlockId else_block = func_->add_block();
  b_->branch(condition, then_block, else_block);
  Control& control = push_control(LabelKind::kIf, params, true);
  control.else_block = else_block;
  control.saved_begin = static_cast<uint32_t>(saved_.size());
  control.saved_count = static_cast<uint32_t>(params);
  saved_.insert(saved_.end(), stack_.end() - static_cast<ptrdiff_t>(params), stack_.end());
  continue_at(then_block);
  return {};
}

Result<> Translator::State::on_else(const Event& e) {
  Control& control = controls_.back();
  if (control.dead) return {};
  if (reachable_) TRY(add_edge(control.edges, control.log_begin, top(e.types.closed->results.size())));
  undo_log(control.log_begin);
  stack_.resize(control.height);
  for (uint32_t i = 0; i < control.saved_count; ++i) push(saved_[control.saved_begin + i]);
  control.kind = LabelKind::kElse;
  continue_at(control.else_block);
  return {};
}

Result<> Translator::State::on_end(const Event& e) {
  if (controls_.back().dead) {
    controls_.pop_back();
    return {};
  }
  const auto results = e.types.closed->results;
  switch (controls_.back().kind) {
    case LabelKind::kFunc:
      if (reachable_) b_->ret(top(results.size()));
      become_dead();
      controls_.pop_back();
      return {};
    case LabelKind::kLoop: controls_.pop_back(); return {};
    case LabelKind::kIf:
      TRY(on_else(e));  // the missing else passes its parameters on
      break;
    case LabelKind::kTryTable: return finish_try_table(e);
    case LabelKind::kTry:
    case LabelKind::kCatch:
    case LabelKind::kCatchAll: TRY(finish_try(results.size(), controls_[controls_.size() - 2].handler)); break;
    case LabelKind::kBlock:
    case LabelKind::kElse: break;
  }
  const Control control = controls_.back();
  controls_.pop_back();
  return close_label(control, results);
}

Result<> Translator::State::on_unreachable(const Event&) {
  if (!reachable_) return {};
  b_->trap(TrapKind::kUnreachable);
  become_dead();
  return {};
}

// --- Branches ------------------------------------------------------------------------------------------------------

Result<> Translator::State::on_br(const Event& e) {
  if (!reachable_) return {};
  return branch_to(index_at(e.instr.a), top(e.view.label(e.instr.a).branch_types().size()));
}

Result<> Translator::State::on_br_if(const Event& e) {
  if (!reachable_) return {};
  const ValueId condition = pop();
  const BlockId taken = func_->add_block();
  const BlockId next = func_->add_block();
  b_->branch(condition, taken, next);
  continue_at(taken);
  TRY(branch_to(index_at(e.instr.a), top(e.view.label(e.instr.a).branch_types().size())));
  continue_at(next);
  return {};
}

// One block for every label that occurs, however often.
Result<> Translator::State::on_br_table(const Event& e) {
  if (!reachable_) return {};
  const ValueId index = pop();
  const auto labels = e.instr.labels;
  const size_t arity = e.view.label(labels.back()).branch_types().size();
  std::vector<uint32_t>& distinct = numbers_;
  distinct.assign(labels.begin(), labels.end());
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  const auto first = static_cast<uint32_t>(func_->block_count());
  for (size_t i = 0; i < distinct.size(); ++i) func_->add_block();
  blocks_scratch_.clear();
  for (const uint32_t label : labels) {
    const auto at = static_cast<uint32_t>(std::ranges::lower_bound(distinct, label) - distinct.begin());
    blocks_scratch_.push_back(BlockId(first + at));
  }
  b_->switch_on(index, blocks_scratch_);
  for (uint32_t i = 0; i < distinct.size(); ++i) {
    continue_at(BlockId(first + i));
    TRY(branch_to(index_at(distinct[i]), top(arity)));
  }
  return {};
}

Result<> Translator::State::on_return(const Event& e) {
  if (!reachable_) return {};
  b_->ret(top(e.view.type().results.size()));
  become_dead();
  return {};
}

// The reference as known after the test; itself when nothing more is known.
Translator::State::ValueId Translator::State::refined(ValueId ref, ValueId test, bool sense) {
  if (ir::refined_type(*func_, ref, test, sense) == func_->type(ref)) return ref;
  return b_->refine(ref, test, sense);
}

Result<> Translator::State::on_br_on_null(const Event& e) {
  if (!reachable_) return {};
  const ValueId ref = pop();
  if (!func_->type(ref).nullable()) {
    push(ref);
    return {};
  }
  const ValueId test = b_->ref_is_null(ref);
  const BlockId null_block = func_->add_block();
  const BlockId next = func_->add_block();
  b_->branch(test, null_block, next);
  continue_at(null_block);
  TRY(branch_to(index_at(e.instr.a), top(e.view.label(e.instr.a).branch_types().size())));
  continue_at(next);
  push(refined(ref, test, false));
  return {};
}

Result<> Translator::State::on_br_on_non_null(const Event& e) {
  if (!reachable_) return {};
  const size_t arity = e.view.label(e.instr.a).branch_types().size();
  const ValueId ref = stack_.back();
  if (!func_->type(ref).nullable()) return branch_to(index_at(e.instr.a), top(arity));
  const ValueId test = b_->ref_is_null(ref);
  const BlockId next = func_->add_block();
  const BlockId taken = func_->add_block();
  b_->branch(test, next, taken);
  continue_at(taken);
  stack_.back() = refined(ref, test, false);
  TRY(branch_to(index_at(e.instr.a), top(arity)));
  pop();
  continue_at(next);
  return {};
}

Result<> Translator::State::on_br_on_cast(const Event& e) {
  if (!reachable_) return {};
  const bool on_success = e.instr.op == Opcode::BrOnCast;
  const size_t arity = e.view.label(e.instr.a).branch_types().size();
  const ValueId ref = stack_.back();
  const ValueId test = b_->ref_test(ref, e.instr.target);
  const BlockId matches = func_->add_block();
  const BlockId differs = func_->add_block();
  b_->branch(test, matches, differs);
  continue_at(on_success ? matches : differs);
  stack_.back() = refined(ref, test, on_success);
  TRY(branch_to(index_at(e.instr.a), top(arity)));
  continue_at(on_success ? differs : matches);
  stack_.back() = refined(ref, test, !on_success);
  return {};
}

// --- Exceptions ----------------------------------------------------------------------------------------------------

// Ends the current block by throwing `exn` to the handler `handler` (index in controls_), or out of the function.
Result<> Translator::State::throw_to(uint32_t handler, ValueId exn) {
  if (handler != kNone) return add_edge(controls_[handler].throws, controls_[handler].log_begin, std::span(&exn, 1));
  b_->effect({.op = ir::Op::Throw}, {exn});
  become_dead();
  return {};
}

Result<> Translator::State::call_inst(const ir::Inst& proto, std::span<const ValueId> args,
                                      std::span<const ir::Type> results) {
  const uint32_t handler = controls_.back().handler;
  InstId call;
  if (handler == kNone) {
    call = b_->emit(proto, args, results);
  } else {
    const BlockId normal = func_->add_block();
    const BlockId landing = func_->add_block();
    func_->edit(landing).landing = true;
    const BlockId targets[] = {normal, landing};
    call = b_->emit(proto, args, results, targets);
    continue_at(landing);
    TRY(throw_to(handler, b_->value({.op = ir::Op::CaughtExn}, kExnNonNull)));
    continue_at(normal);
  }
  for (size_t i = 0; i < results.size(); ++i) push(func_->result(call, i));
  return {};
}

void Translator::State::payload(ValueId exn, wasm::TagIndex tag, std::vector<ValueId>& out) {
  uint32_t index = 0;
  for (const ir::Type type : module_->tag_type(tag).params) {
    out.push_back(b_->value({.op = ir::Op::ExnGet, .a = tag.raw, .b = index++}, type, {exn}));
  }
}

Result<> Translator::State::on_try_table(const Event& e) {
  Control& control = push_control(LabelKind::kTryTable, e.view.label(0).params.size(), reachable_);
  if (control.dead) return {};
  control.catches_begin = static_cast<uint32_t>(catches_.size());
  control.catches_count = static_cast<uint32_t>(e.instr.catches.size());
  catches_.insert(catches_.end(), e.instr.catches.begin(), e.instr.catches.end());
  if (control.catches_count != 0) control.handler = static_cast<uint32_t>(controls_.size() - 1);
  return {};
}

// The end of a try_table: first the dispatch with its branches to outer labels, then the label's own join.
Result<> Translator::State::finish_try_table(const Event& e) {
  const auto results = e.types.closed->results;
  const uint32_t log_begin = controls_.back().log_begin;
  if (reachable_) TRY(add_edge(controls_.back().edges, log_begin, top(results.size())));
  undo_log(log_begin);
  stack_.resize(controls_.back().height);
  const Control control = controls_.back();
  controls_.pop_back();
  if (control.throws.count != 0) {
    mark_ = next_mark_++;  // what the dispatch's join assigns is undone below
    caught_.clear();
    TRY(join(control.throws, std::span(&kExnNonNull, 1), caught_));
    const ValueId exn = caught_.back();
    for (uint32_t i = 0; i < control.catches_count && reachable_; ++i) {
      TRY(dispatch_catch(catches_[control.catches_begin + i], exn));
    }
    if (reachable_) TRY(throw_to(controls_.back().handler, exn));
    undo_log(log_begin);
  }
  mark_ = controls_.back().mark;
  return join(control.edges, results, stack_);
}

// One clause: its branch, and the block where it did not match as the current one.
Result<> Translator::State::dispatch_catch(const wasm::Catch& clause, ValueId exn) {
  const bool by_tag = clause.kind == wasm::CatchKind::kCatch || clause.kind == wasm::CatchKind::kCatchRef;
  const bool with_ref = clause.kind == wasm::CatchKind::kCatchRef || clause.kind == wasm::CatchKind::kCatchAllRef;
  BlockId next;
  std::vector<ValueId>& values = catch_values_;
  values.clear();
  if (by_tag) {
    next = match_tag(clause.tag, exn);
    payload(exn, clause.tag, values);
  }
  if (with_ref) values.push_back(exn);
  TRY(branch_to(index_at(clause.label), values));
  if (by_tag) continue_at(next);
  return {};
}

// Goes on where `exn` has the tag; returns the block where it has not.
Translator::State::BlockId Translator::State::match_tag(wasm::TagIndex tag, ValueId exn) {
  const ValueId test = b_->value({.op = ir::Op::ExnTest, .a = tag.raw}, wasm::kI32, {exn});
  const BlockId matches = func_->add_block();
  const BlockId next = func_->add_block();
  b_->branch(test, matches, next);
  continue_at(matches);
  return next;
}

Result<> Translator::State::on_throw(const Event& e) {
  if (!reachable_) return {};
  const wasm::TagIndex tag(e.instr.a);
  const ValueId exn = b_->value({.op = ir::Op::ExnAlloc, .a = tag.raw}, kExnNonNull);
  uint32_t index = 0;
  for (const ValueId value : pop_many(module_->tag_type(tag).params.size())) {
    b_->effect({.op = ir::Op::ExnInit, .a = tag.raw, .b = index++}, {exn, value});
  }
  return throw_to(controls_.back().handler, exn);
}

Result<> Translator::State::on_throw_ref(const Event&) {
  if (!reachable_) return {};
  return throw_to(controls_.back().handler, pop_non_null(TrapKind::kNullExceptionReference));
}

// --- Deprecated exception instructions -------------------------------------------------------------------------------

Result<> Translator::State::on_try(const Event& e) {
  Control& control = push_control(LabelKind::kTry, e.view.label(0).params.size(), reachable_);
  if (!control.dead) control.handler = static_cast<uint32_t>(controls_.size() - 1);
  return {};
}

// Ends the body of the innermost try: makes its dispatch, where the clauses will be tested one after the other.
Result<> Translator::State::start_catches(size_t result_count) {
  Control& control = controls_.back();
  if (reachable_) TRY(add_edge(control.edges, control.log_begin, top(result_count)));
  undo_log(control.log_begin);
  stack_.resize(control.height);
  control.handler = controls_[controls_.size() - 2].handler;
  control.mark = mark_ = next_mark_++;
  caught_.clear();
  TRY(join(control.throws, std::span(&kExnNonNull, 1), caught_));
  if (reachable_) {
    control.caught = caught_.back();
    control.chain = b_->block();
  }
  control.catch_log_begin = static_cast<uint32_t>(log_.size());
  become_dead();
  return {};
}

// Ends the clause before, if any; afterwards code is dead and locals are as at the dispatch.
Result<> Translator::State::finish_clause(size_t result_count) {
  Control& control = controls_.back();
  if (control.kind == LabelKind::kTry) return start_catches(result_count);
  if (reachable_) TRY(add_edge(control.edges, control.log_begin, top(result_count)));
  undo_log(control.catch_log_begin);
  stack_.resize(control.height);
  become_dead();
  return {};
}

Result<> Translator::State::on_catch(const Event& e) {
  if (controls_.back().dead) return {};
  TRY(finish_clause(e.types.closed->results.size()));
  Control& control = controls_.back();
  control.mark = mark_ = next_mark_++;
  const bool all = e.instr.op == Opcode::CatchAll;
  control.kind = all ? LabelKind::kCatchAll : LabelKind::kCatch;
  if (!control.chain.valid()) return {};  // nothing throws here, or an earlier clause catches all
  continue_at(control.chain);
  if (all) {
    control.chain = {};
    return {};
  }
  const wasm::TagIndex tag(e.instr.a);
  control.chain = match_tag(tag, control.caught);
  payload(control.caught, tag, stack_);
  return {};
}

// At the end of a try: what no clause caught goes on to the next handler.
Result<> Translator::State::finish_try(size_t result_count, uint32_t handler) {
  TRY(finish_clause(result_count));
  const Control& control = controls_.back();
  if (!control.chain.valid()) return {};
  continue_at(control.chain);
  return throw_to(handler, control.caught);
}

Result<> Translator::State::on_rethrow(const Event& e) {
  if (!reachable_) return {};
  return throw_to(controls_.back().handler, control_at(e.instr.a).caught);
}

// The label is counted from outside the try.
Result<> Translator::State::on_delegate(const Event& e) {
  if (controls_.back().dead) {
    controls_.pop_back();
    return {};
  }
  const auto results = e.types.closed->results;
  TRY(finish_try(results.size(), control_at(e.instr.a + 1).handler));
  const Control control = controls_.back();
  controls_.pop_back();
  return close_label(control, results);
}

}  // namespace parallax::jit
