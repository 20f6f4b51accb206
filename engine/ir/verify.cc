// The verifier: shape, SSA, proofs; the rules of operations are in verify_rules.cc.
#include "engine/ir/verify.h"

#include <algorithm>
#include <vector>

#include "engine/base/text.h"
#include "engine/ir/cfg.h"
#include "engine/ir/text.h"
#include "engine/ir/verify_nans.h"
#include "engine/ir/verify_rules.h"

namespace parallax::ir {

namespace {

// Target counts of terminators that are not calls; -1: one or more.
int target_count(Op op) {
  switch (op) {
    case Op::Jump: return 1;
    case Op::Branch: return 2;
    case Op::Switch: return -1;
    default: return 0;
  }
}

bool may_invoke(Op op) { return op == Op::Call || op == Op::CallRef || op == Op::CallIndirect; }

class Verifier {
 public:
  Verifier(const Func& func, const char* pass) : func_(func), pass_(pass) {}

  Result<> run() {
    if (func_.failure)
      return fail(ErrorCode::kInvariant, 0, text::format("{} (pass {})", func_.failure->message, pass_));
    if (!shape()) return error();
    cfg_.compute(func_);
    checked_levels_.assign(func_.block_count(), 0);
    if (!edges()) return error();
    for (const BlockId b : cfg_.rpo()) {
      if (!block(b)) return error();
    }
    InstId seen;
    if (std::string problem = check_nans(func_, seen); !problem.empty()) {
      wrong(std::move(problem), func_.inst(seen).block, seen);
      return error();
    }
    return {};
  }

 private:
  bool wrong(std::string what, BlockId block, InstId inst = {}) {
    if (!problem_.empty()) return false;
    problem_ = std::move(what);
    at_block_ = block;
    at_inst_ = inst;
    return false;
  }

  Result<> error() const {
    std::string message = text::format("I3: after {}: {} in function {}", pass_, problem_, func_.index().raw);
    uint64_t offset = 0;
    if (at_inst_.valid()) {
      message += ": " + print(func_, at_inst_);
      offset = func_.inst(at_inst_).offset;
    }
    return fail(ErrorCode::kInvariant, offset, message + listing());
  }

  // The offending block, and a little before the offending instruction.
  std::string listing() const {
    if (!at_block_.valid() || at_block_.index() >= func_.block_count()) return {};
    std::string out = text::format("\n  in b{}:", at_block_.raw);
    InstId first = at_inst_;
    for (int back = 0; first.valid() && back < 12 && func_.inst(first).prev.valid(); ++back)
      first = func_.inst(first).prev;
    for (; first.valid(); first = func_.inst(first).next) {
      out += "\n    " + print(func_, first);
      if (first == at_inst_) return out + "   <--";
    }
    return out;
  }

  // --- Shape: what can be said without knowing predecessors.
  bool shape() {
    if (func_.order().empty() || func_.order()[0] != Func::kEntry) return wrong("the entry block is not first", {});
    position_.assign(func_.inst_count(), 0);
    std::vector<bool> seen(func_.block_count());
    for (const BlockId b : func_.order()) {
      if (!func_.block(b).live) continue;
      if (seen[b.index()]) return wrong("block stands twice", b);
      seen[b.index()] = true;
      if (!func_.block(b).last.valid()) return wrong("empty block", b);
      uint32_t position = 0;
      InstId prev;
      for (InstId i = func_.block(b).first; i.valid(); prev = i, i = func_.inst(i).next) {
        if (!shape_of(b, i, prev)) return false;
        position_[i.index()] = position++;
      }
      if (prev != func_.block(b).last) return wrong("broken list of instructions", b, prev);
    }
    for (const BlockId b : func_.order()) {
      if (!func_.block(b).live) continue;
      for (const BlockId target : func_.targets(func_.terminator(b))) {
        if (target.index() >= seen.size() || !seen[target.index()])
          return wrong("target is no block", b, func_.terminator(b));
        if (target == Func::kEntry) return wrong("branch to the entry block", b, func_.terminator(b));
      }
    }
    return true;
  }

  bool shape_of(BlockId b, InstId i, InstId prev) {
    const Inst& inst = func_.inst(i);
    if (inst.block != b || inst.prev != prev) return wrong("broken list of instructions", b, i);
    if (func_.is_terminator(inst) != !inst.next.valid())
      return wrong("terminator in the middle, or none at the end", b, i);
    const int expected = may_invoke(inst.op) ? (inst.targets_count == 0 ? 0 : 2) : target_count(inst.op);
    const bool fits = expected < 0 ? inst.targets_count >= 1 : inst.targets_count == static_cast<uint32_t>(expected);
    if (!fits) return wrong("wrong number of targets", b, i);
    for (const ValueId arg : func_.args(i)) {
      if (arg.index() >= func_.value_count() || func_.resolve(arg) != arg) return wrong("operand is no value", b, i);
    }
    const bool first = !prev.valid();
    if ((inst.op == Op::CaughtExn) != (first && func_.block(b).landing)) {
      return wrong("CaughtExn must begin landing blocks, and only them", b, i);
    }
    const bool slot_op = inst.op == Op::HomeStore || inst.op == Op::HomeLoad;
    if (slot_op && !func_.has_maps) return wrong("home slot before the safepoint pass", b, i);
    return true;
  }

  // --- Predecessors.
  bool edges() {
    for (const BlockId b : cfg_.rpo()) {
      const InstId end = func_.terminator(b);
      const Inst& inst = func_.inst(end);
      const auto targets = func_.targets(end);
      for (size_t n = 0; n < targets.size(); ++n) {
        const BlockId to = targets[n];
        const bool invoke = may_invoke(inst.op);
        if (inst.op != Op::Jump && func_.block(to).params_count != 0)
          return wrong("only jump passes arguments", b, end);
        if (invoke && cfg_.preds(to).size() != 1) return wrong("target of an invoke has other predecessors", b, end);
        if (func_.block(to).landing != (invoke && n == 1)) return wrong("landing block reached in another way", b, end);
      }
    }
    return true;
  }

  // --- One reachable block.
  bool block(BlockId b) {
    if (!budget(b)) return false;
    checked_levels_[b.index()] = b == Func::kEntry ? 0 : checked_levels_[cfg_.idom(b).index()];
    InstId safepoint;
    for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
      for (const ValueId arg : func_.args(i)) {
        if (!defined_before(arg, b, i)) {
          return wrong(text::format("v{} is not defined on every path to its use", arg.raw), b, i);
        }
      }
      std::string problem = check_rule(func_, i);
      if (!problem.empty()) return wrong(std::move(problem), b, i);
      if (!proof(b, i, safepoint) || !depth(b, i)) return false;
      if (func_.is_safepoint(func_.inst(i))) safepoint = i;
    }
    return true;
  }

  bool budget(BlockId b) {
    if (b != Func::kEntry && !cfg_.is_loop_head(b)) return true;
    InstId i = func_.block(b).first;
    while (func_.inst(i).op == Op::HomeStore || func_.inst(i).op == Op::HomeLoad) i = func_.inst(i).next;
    return func_.inst(i).op == Op::Budget || wrong("I4: entry or loop head without budget", b, i);
  }

  // Inlined calls count like real ones: Budget follows the check of depth, which dominates what the body calls.
  bool depth(BlockId b, InstId i) {
    const Inst& inst = func_.inst(i);
    uint64_t& checked = checked_levels_[b.index()];
    if (inst.op == Op::DepthCheck) {
      checked = std::max<uint64_t>(checked, inst.a);
      return (inst.next.valid() && func_.inst(inst.next).op == Op::Budget) ||
             wrong("I4: inlined call without budget", b, i);
    }
    return !may_invoke(inst.op) || inst.imm <= checked || wrong("I4: call deeper than what was checked", b, i);
  }

  bool defined_before(ValueId v, BlockId use_block, InstId use) const {
    const Value& value = func_.value(v);
    if (value.block.valid()) {
      const auto params = func_.params(value.block);
      if (value.index >= params.size() || params[value.index] != v) return false;
      return func_.block(value.block).live && cfg_.reachable(value.block) && cfg_.dominates(value.block, use_block);
    }
    if (!value.inst.valid() || !func_.inst(value.inst).block.valid()) return false;
    const Inst& def = func_.inst(value.inst);
    if (def.targets_count == 2 && may_invoke(def.op)) {  // an invoke's results exist on the normal way only
      return cfg_.reachable(def.block) && cfg_.dominates(func_.targets(value.inst)[0], use_block);
    }
    if (def.block == use_block) return position_[value.inst.index()] < position_[use.index()];
    return cfg_.reachable(def.block) && cfg_.dominates(def.block, use_block);
  }

  // --- Proofs.
  bool proof(BlockId b, InstId i, InstId last_safepoint) {
    const Inst& inst = func_.inst(i);
    switch (inst.op) {
      case Op::Refine: {
        const ValueId test = origin(func_, func_.args(i)[1]);
        const ValueId tested = func_.args(func_.value(test).inst)[0];
        if (origin(func_, tested) != origin(func_, func_.args(i)[0]))
          return wrong("refined by a test of something else", b, i);
        return decided(b, inst.sense != 0, [&](ValueId v) { return origin(func_, v) == test; }) ||
               wrong("refined where its test is not decided", b, i);
      }
      case Op::ExnGet: {
        const ValueId exn = origin(func_, func_.args(i)[0]);
        const auto tests_it = [&](ValueId v) {
          const Inst* def = func_.def(v);
          return def != nullptr && def->op == Op::ExnTest && def->a == inst.a &&
                 origin(func_, func_.args(func_.value(v).inst)[0]) == exn;
        };
        return decided(b, true, tests_it) || wrong("payload of an exception whose tag was not found", b, i);
      }
      case Op::FieldInit:
      case Op::ElemInit:
      case Op::ArrayInitFill:
      case Op::ExnInit: {
        const InstId alloc = func_.value(func_.args(i)[0]).inst;
        return (alloc.valid() && alloc == last_safepoint && func_.inst(alloc).a == inst.a &&
                (info(func_.inst(alloc).op).flags & kSafepoint) != 0) ||
               wrong("initialising store away from its allocation", b, i);
      }
      default: return true;
    }
  }

  // Whether on the way from the entry to `b` some branch on a value that `is_test` admits was decided so.
  template <class IsTest>
  bool decided(BlockId b, bool sense, IsTest&& is_test) const {
    for (BlockId at = b; at != Func::kEntry; at = cfg_.idom(at)) {
      const auto preds = cfg_.preds(at);
      if (preds.size() != 1) continue;
      const InstId end = func_.terminator(preds[0]);
      if (func_.inst(end).op != Op::Branch || !is_test(func_.args(end)[0])) continue;
      if (func_.targets(end)[sense ? 0 : 1] == at) return true;
    }
    return false;
  }

  const Func& func_;
  const char* pass_;
  Cfg cfg_;
  std::vector<uint32_t> position_;        // within its block
  std::vector<uint64_t> checked_levels_;  // by block: the most that a DepthCheck on the way to its end admits
  std::string problem_;
  BlockId at_block_;
  InstId at_inst_;
};

}  // namespace

Result<> verify(const Func& func, const char* pass) { return Verifier(func, pass).run(); }

}  // namespace parallax::ir
