// Rules: exceptions, and the deprecated exception instructions.
#pragma once

#include "engine/wasm/rules/support.h"

namespace parallax::wasm {

RULE(Throw) {
  pop_all(module_->tag_type(TagIndex(instr_.a)).params);
  become_unreachable();
}

RULE(ThrowRef) {
  pop(kExnRef);
  become_unreachable();
}

RULE(TryTable) {
  const Signature signature = block_signature(instr_.block);
  for (const Catch& clause : instr_.catches) check_catch(clause);
  open(LabelKind::kTryTable, signature);
}

// The values a clause passes must suit its label. Labels count from outside the try_table.
WALK(void)::check_catch(const Catch& clause) {
  const bool has_tag = clause.kind == CatchKind::kCatch || clause.kind == CatchKind::kCatchRef;
  const bool has_ref = clause.kind == CatchKind::kCatchRef || clause.kind == CatchKind::kCatchAllRef;
  if (has_tag && !known(clause.tag.raw, module_->tags.size(), "tag")) return;
  const Label* label = branch_target(clause.label);
  if (label == nullptr) return;
  const std::span<const ValType> payload =
      has_tag ? std::span<const ValType>(module_->tag_type(clause.tag).params) : std::span<const ValType>();
  const auto types = label->branch_types();
  const bool fits = types.size() == payload.size() + (has_ref ? 1 : 0) &&
                    all_match(payload, types.first(payload.size())) &&
                    (!has_ref || matches(kExnRef.as_non_null(), types.back()));
  if (!fits) {
    mismatch_of(text::format("catch clause passes {}{}, its label takes {}", list(payload),
                             has_ref ? " and an exception reference" : "", list(types)));
  }
}

// --- Deprecated ------------------------------------------------------------------------------------------------------

RULE(Try) { open(LabelKind::kTry, block_signature(instr_.block)); }

RULE(Catch) {
  const LabelKind kind = labels_.back().kind;
  if (kind != LabelKind::kTry && kind != LabelKind::kCatch) return invalid("type mismatch: catch without try");
  close();
  reopen(LabelKind::kCatch);
  push_all(module_->tag_type(TagIndex(instr_.a)).params);
}

RULE(CatchAll) {
  const LabelKind kind = labels_.back().kind;
  if (kind != LabelKind::kTry && kind != LabelKind::kCatch) return invalid("type mismatch: catch_all without try");
  close();
  reopen(LabelKind::kCatchAll);
}

// The label counts from outside the try that ends here.
RULE(Delegate) {
  if (labels_.back().kind != LabelKind::kTry) return invalid("type mismatch: delegate without try");
  close();
  if (!known(instr_.a, labels_.size(), "label")) return;
  reachable_ = reachable_ || closed_.branched_to;
  push_all(closed_.results);
}

RULE(Rethrow) {
  if (!known(instr_.a, labels_.size(), "label")) return;
  const LabelKind kind = label_at(instr_.a).kind;
  if (kind != LabelKind::kCatch && kind != LabelKind::kCatchAll) {
    return invalid(text::format("invalid rethrow label: {} is not a catch block", instr_.a));
  }
  become_unreachable();
}

}  // namespace parallax::wasm
