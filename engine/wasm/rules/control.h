// Rules: blocks, branches, calls.
#pragma once

#include <algorithm>

#include "engine/wasm/rules/support.h"

namespace parallax::wasm {

RULE(Unreachable) { become_unreachable(); }

RULE(Block) { open(LabelKind::kBlock, block_signature(instr_.block)); }
RULE(Loop) { open(LabelKind::kLoop, block_signature(instr_.block)); }
RULE(If) {
  pop(kI32);
  open(LabelKind::kIf, block_signature(instr_.block));
}

RULE(Else) {
  if (labels_.back().kind != LabelKind::kIf) return invalid("type mismatch: else without if");
  close();
  reopen(LabelKind::kElse);
  push_all(closed_.params);
}

RULE(End) {
  const Label& label = labels_.back();
  // An if without else passes its parameters through.
  const bool one_armed = label.kind == LabelKind::kIf;
  if (one_armed && !all_match(label.params, label.results)) {
    return mismatch_of(text::format("if without else takes {} and gives {}", list(label.params), list(label.results)));
  }
  const bool end_reached = hidden_.back().end_reached;
  close();
  const bool by_branch = closed_.kind != LabelKind::kLoop && closed_.branched_to;
  reachable_ = reachable_ || by_branch || end_reached || (one_armed && closed_.reachable_at_entry);
  if (!labels_.empty()) push_all(closed_.results);
}

RULE(Br) { branch_always(instr_.a); }
RULE(BrIf) {
  pop(kI32);
  if (const Label* label = branch_target(instr_.a)) pass_branch_values(*label);
}

// Every target carries as many values; each distinct list of types is compared once, so that the cost is bounded by the
// types that the targets have, not by targets times values.
RULE(BrTable) {
  pop(kI32);
  const Label* last = branch_target(instr_.labels.back());
  if (last == nullptr) return;
  const auto types_of_last = last->branch_types();
  distinct_.clear();
  for (const uint32_t depth : instr_.labels) {
    const Label* label = branch_target(depth);
    if (label == nullptr) return;
    const auto types = label->branch_types();
    if (types.size() != types_of_last.size()) {
      return mismatch_of(text::format("br_table targets carry {} and {}", list(types_of_last), list(types)));
    }
    if (!types.empty() && (distinct_.empty() || distinct_.back() != types.data())) distinct_.push_back(types.data());
  }
  std::sort(distinct_.begin(), distinct_.end());
  distinct_.erase(std::unique(distinct_.begin(), distinct_.end()), distinct_.end());
  for (const ValType* types : distinct_) {
    const std::span<const ValType> carried(types, types_of_last.size());
    if (!top_matches(carried)) return mismatch("instruction", carried);
  }
  pop_all(types_of_last);
  become_unreachable();
}

RULE(Return) {
  pop_all(type_->results);
  become_unreachable();
}

RULE(Call) { call(module_->func_type(FuncIndex(instr_.a))); }
RULE(ReturnCall) { tail_call(module_->func_type(FuncIndex(instr_.a))); }

RULE(CallIndirect) {
  const SubType* type = nullptr;
  if (indirect_callee(type)) call(*type);
}
RULE(ReturnCallIndirect) {
  const SubType* type = nullptr;
  if (indirect_callee(type)) tail_call(*type);
}

RULE(CallRef) {
  const SubType* type = func_type(instr_.a);
  if (type == nullptr) return;
  pop(concrete(instr_.a, true));
  call(*type);
}
RULE(ReturnCallRef) {
  if (!features_.has(Feature::kTypedFuncRefs)) {
    return in().malformed(instr_.offset,
                          "illegal opcode 15: return_call_ref needs typed function references, which are off");
  }
  const SubType* type = func_type(instr_.a);
  if (type == nullptr) return;
  pop(concrete(instr_.a, true));
  tail_call(*type);
}

WALK(void)::branch_always(uint32_t depth) {
  const Label* label = branch_target(depth);
  if (label == nullptr) return;
  pop_all(label->branch_types());
  become_unreachable();
}

WALK(void)::call(const SubType& type) {
  pop_all(type.params);
  push_all(type.results);
}

WALK(void)::tail_call(const SubType& type) {
  if (!all_match(type.results, type_->results)) {
    return mismatch_of(
        text::format("tail call gives {}, the function must give {}", list(type.results), list(type_->results)));
  }
  pop_all(type.params);
  become_unreachable();
}

WALK(bool)::indirect_callee(const SubType*& type) {
  if (!known(instr_.b, module_->tables.size(), "table")) return false;
  type = func_type(instr_.a);
  if (type == nullptr) return false;
  const ValType element = module_->tables[instr_.b].type.element;
  if (!matches(element, kFuncRef)) {
    mismatch_of(text::format("instruction requires a table of funcref, table {} has {}", instr_.b, to_string(element)));
    return false;
  }
  pop(table_address(instr_.b));
  return true;
}

// --- Branches on references ----------------------------------------------------------------------------------------

RULE(BrOnNull) {
  const ValType ref = pop_ref();
  const Label* label = branch_target(instr_.a);
  if (label == nullptr) return;
  pass_branch_values(*label);
  push(ref == kBottomRef ? kBottomRef : ref.as_non_null());
}

RULE(BrOnNonNull) {
  const ValType ref = pop_ref();
  const Label* label = branch_target(instr_.a);
  if (label == nullptr) return;
  const auto types = label->branch_types();
  if (types.empty() || !matches(ref == kBottomRef ? ref : ref.as_non_null(), types.back())) {
    return mismatch_of(text::format("br_on_non_null passes {}, its label takes {}", to_string(ref), list(types)));
  }
  const auto below = types.first(types.size() - 1);
  pop_all(below);
  push_all(below);
}

RULE(BrOnCast) { branch_on_cast(true); }
RULE(BrOnCastFail) { branch_on_cast(false); }

WALK(void)::branch_on_cast(bool on_success) {
  const ValType from = instr_.type, to = instr_.target;
  if (!matches(to, from)) {
    return mismatch_of(text::format("cast target {} is no subtype of its source {}", to_string(to), to_string(from)));
  }
  pop(from);
  const Label* label = branch_target(instr_.a);
  if (label == nullptr) return;
  const ValType failed = store_->difference(from, to);
  const ValType taken = on_success ? to : failed;
  const auto types = label->branch_types();
  if (types.empty() || !matches(taken, types.back())) {
    return mismatch_of(text::format("branch passes {}, its label takes {}", to_string(taken), list(types)));
  }
  const auto below = types.first(types.size() - 1);
  pop_all(below);
  push_all(below);
  push(on_success ? failed : to);
}

}  // namespace parallax::wasm
