// Dead code: computations without effect whose results nobody needs, and parameters that only feed such.
//
// Marks what is needed, starting from operations that have effects, traps included: a trap is observable, so removing a
// trapping operation would be wrong although every type stays right. Allocations stay too, because they count against
// the budget. Everything unmarked goes. Blocks that are never reached are dropped by the pipeline.
#include <algorithm>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::ValueId;

class Dce {
 public:
  explicit Dce(PassContext& context)
      : func_(context.func), cfg_(context.cfg), gate_(context.gate), work_(context.values), needed_(context.numbers) {}

  void run() {
    needed_.assign(func_.value_count(), 0);
    work_.clear();
    mark_roots();
    propagate();
    ask();
    sweep();
  }

 private:
  // What may be removed when its results are unused.
  bool is_removable(const Inst& inst) const {
    const uint16_t flags = func_.flags(inst);
    if ((flags & ~ir::kReads) == 0) return true;
    if (inst.sense != 0 && is_proven_safe(inst) && inst.results_count != 0) return true;
    return (flags & ~(ir::kReads | ir::kTraps)) == 0 && inst.results_count != 0 && fault_fires(Fault::kOPT6);
  }
  // What could trap but for a proof.
  static bool is_proven_safe(const Inst& inst) { return inst.op == ir::Op::ArrayGet || inst.op == ir::Op::Compute; }
  bool has_needed_result(const Inst& inst) const {
    for (uint32_t n = 0; n < inst.results_count; ++n) {
      if (needed_[inst.first_result.index() + n] != 0) return true;
    }
    return inst.results_count == 0;
  }

  void need(ValueId v) {
    if (needed_[v.index()] != 0) return;
    needed_[v.index()] = 1;
    work_.push_back(v);
  }

  void mark_roots() {
    keep_.assign(func_.inst_count(), false);
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if (inst.op == ir::Op::Jump) {  // its arguments are needed when the parameters are
          keep_[i.index()] = true;
          continue;
        }
        if (is_removable(inst)) continue;
        keep_[i.index()] = true;
        for (const ValueId arg : func_.args(i)) need(arg);
      }
    }
    for (const ValueId param : func_.params(Func::kEntry)) needed_[param.index()] = 1;
  }

  void propagate() {
    while (!work_.empty()) {
      const ValueId v = work_.back();
      work_.pop_back();
      const ir::Value& value = func_.value(v);
      if (value.inst.valid()) {
        for (const ValueId arg : func_.args(value.inst)) need(arg);
        continue;
      }
      for (const BlockId pred : cfg_.preds(value.block)) need(func_.args(func_.terminator(pred))[value.index]);
    }
  }

  // One query for everything that would go; what may not go is needed again.
  void ask() {
    for (const BlockId b : cfg_.rpo()) {
      for (const ValueId param : func_.params(b)) ask(param);
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if (!keep_[i.index()] && !has_needed_result(inst)) ask(inst.first_result);
      }
    }
  }
  void ask(ValueId v) {
    if (needed_[v.index()] != 0 || gate_.allow(Rewrite::kDead, v)) return;
    need(v);
    propagate();
  }

  void sweep() {
    for (const BlockId b : cfg_.rpo()) {
      const auto params = func_.params(b);
      if (std::ranges::any_of(params, [&](ValueId v) { return needed_[v.index()] == 0; })) drop_params(b);
      ir::for_each_inst(func_, b, [&](InstId i) {
        if (!keep_[i.index()] && !has_needed_result(func_.inst(i))) func_.remove(i);
      });
    }
  }

  void drop_params(BlockId b) {
    kept_.clear();
    const auto params = func_.params(b);
    for (uint32_t n = 0; n < params.size(); ++n) {
      if (needed_[params[n].index()] != 0) kept_.push_back(n);
    }
    const auto choose = [&](std::span<const ValueId> all) {
      chosen_.clear();
      for (const uint32_t n : kept_) chosen_.push_back(all[n]);
    };
    const size_t count = params.size();
    for (const BlockId pred : cfg_.preds(b)) {
      const InstId jump = func_.terminator(pred);
      if (func_.args(jump).size() != count) continue;
      choose(func_.args(jump));
      func_.set_args(jump, chosen_);
    }
    choose(func_.params(b));
    func_.set_params(b, chosen_);
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  std::vector<ValueId>& work_;
  std::vector<uint32_t>& needed_;
  Scratch<bool> keep_;
  Scratch<uint32_t> kept_;
  Scratch<ValueId> chosen_;
};

}  // namespace

Result<> remove_dead(PassContext& context) {
  Dce(context).run();
  return {};
}

}  // namespace parallax::opt
