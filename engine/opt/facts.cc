// Facts by branches: what a dominating branch on a test decided need not be checked again.
//
// Below the edge where a RefTest, RefIsNull or any other condition is known, a NullCheck or Cast of the same reference
// that the test covers becomes a Refine by that test, and a branch on the same condition becomes a jump. The usual
// source is `if (ref.test) ... ref.cast`. Relies on value numbering to have made equal tests one value. The proofs that
// Refine operations name stay in place: the deciding branch dominates them.                       [keeps I3]
#include "engine/ir/builder.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;

class Facts {
 public:
  explicit Facts(PassContext& context)
      : context_(context), func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    gather();
    if (edges_.empty()) return;
    for (const BlockId b : cfg_.rpo()) {
      ir::for_each_inst(func_, b, [&](InstId i) {
        const Op op = func_.inst(i).op;
        if (op == Op::NullCheck || op == Op::Cast) check(i, b);
        if (op == Op::Branch) branch(i, b);
      });
    }
  }

 private:
  static constexpr uint32_t kNone = ~0u;
  // At most this many facts are looked at for one check, so that the pass stays linear.
  static constexpr int kMaxLooks = 16;

  // Below `block` the condition is known to be `sense`.
  struct Edge {
    BlockId block;
    ValueId condition;
    bool sense;
    uint32_t next_of_condition;
    uint32_t next_of_ref;
  };

  void gather() {
    of_condition_.assign(func_.value_count(), kNone);
    of_ref_.assign(func_.value_count(), kNone);
    for (const BlockId b : cfg_.rpo()) {
      const InstId end = func_.terminator(b);
      if (func_.inst(end).op != Op::Branch) continue;
      const ValueId condition = func_.args(end)[0];
      const Inst* test = func_.def(condition);
      const bool is_test = test != nullptr && (test->op == Op::RefTest || test->op == Op::RefIsNull);
      for (const bool sense : {true, false}) {
        const BlockId to = func_.targets(end)[sense ? 0 : 1];
        if (cfg_.preds(to).size() != 1) continue;
        const auto index = static_cast<uint32_t>(edges_.size());
        edges_.push_back({to, condition, sense, of_condition_[condition.index()], kNone});
        of_condition_[condition.index()] = index;
        if (!is_test) continue;
        const ValueId ref = func_.args(func_.value(condition).inst)[0];
        edges_.back().next_of_ref = of_ref_[ref.index()];
        of_ref_[ref.index()] = index;
      }
    }
  }

  // Whether the test says of its reference what the check demands.
  bool covers(const Edge& edge, const Inst& check, ir::Type ref_type) const {
    const Inst& test = *func_.def(edge.condition);
    const bool non_null_known = test.op == Op::RefIsNull ? !edge.sense : edge.sense != test.type.nullable();
    if (check.op == Op::NullCheck) return non_null_known;
    if (test.op == Op::RefTest && edge.sense) return func_.types().matches(test.type, check.type);
    // What fails is only null, and it is none.
    return non_null_known && func_.types().matches(ref_type.heap(), check.type.heap());
  }

  void check(InstId i, BlockId b) {
    const ValueId ref = func_.arg(i, 0);
    int looks = 0;
    for (uint32_t e = ref.index() < of_ref_.size() ? of_ref_[ref.index()] : kNone; e != kNone && looks < kMaxLooks;
         e = edges_[e].next_of_ref, ++looks) {
      const Edge& edge = edges_[e];
      const ValueId result = func_.result(i);
      if (!cfg_.dominates(edge.block, b) || !covers(edge, func_.inst(i), func_.type(ref))) continue;
      const ir::Type type = ir::refined_type(func_, ref, edge.condition, edge.sense);
      if (!func_.types().matches(type, func_.type(result))) continue;
      if (!gate_.allow(Rewrite::kCheckByTest, result)) return;
      const ValueId args[] = {ref, edge.condition};
      const Inst refine{.op = Op::Refine, .sense = edge.sense, .offset = func_.inst(i).offset};
      const InstId made = func_.make(refine, args, std::span(&type, 1));
      func_.insert_before(i, made);
      func_.replace(result, func_.result(made));
      func_.remove(i);
      return;
    }
  }

  void branch(InstId i, BlockId b) {
    const ValueId condition = func_.arg(i, 0);
    if (condition.index() >= of_condition_.size()) return;
    int looks = 0;
    for (uint32_t e = of_condition_[condition.index()]; e != kNone && looks < kMaxLooks;
         e = edges_[e].next_of_condition, ++looks) {
      const Edge& edge = edges_[e];
      if (!cfg_.dominates(edge.block, b)) continue;
      if (!gate_.allow(Rewrite::kBranchByTest, condition)) return;
      const BlockId target = func_.targets(i)[edge.sense ? 0 : 1];
      func_.edit(i).op = Op::Jump;
      func_.set_args(i, {});
      func_.set_targets(i, std::span(&target, 1));
      context_.control_changed = true;
      return;
    }
  }

  PassContext& context_;
  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  std::vector<Edge> edges_;
  std::vector<uint32_t> of_condition_;
  std::vector<uint32_t> of_ref_;
};

}  // namespace

Result<> use_facts(PassContext& context) {
  Facts(context).run();
  return {};
}

}  // namespace parallax::opt
