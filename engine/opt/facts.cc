// Facts by branches: what a dominating branch on a test decided need not be checked again.
//
// Below the edge where a RefTest, RefIsNull or any other condition is known, a NullCheck or Cast of the same reference
// that the test covers becomes a Refine by that test, and a branch on the same condition becomes a jump. The usual
// source is `if (ref.test) ... ref.cast`. Relies on value numbering to have made equal tests one value. The proofs that
// Refine operations name stay in place: the deciding branch dominates them.                       [keeps I3]
//
// Facts by values: a NullCheck, Cast or Refine gave a narrower name to its reference, and where that name dominates it
// stands for the reference: a check that its type implies is it, a test that its type decides is decided.
#include "engine/base/faults.h"
#include "engine/base/scratch.h"
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
    names_of_.assign(func_.value_count(), kNone);
    for (const BlockId b : cfg_.rpo()) {
      ir::for_each_inst(func_, b, [&](InstId i) { visit(i, b); });
    }
  }

 private:
  static constexpr uint32_t kNone = ~0u;
  // At most this many facts are looked at for one check, so that the pass stays linear.
  static constexpr int kMaxLooks = 16;
  static constexpr int kMaxNamesUp = 4;

  // Below `block` the condition is known to be `sense`.
  struct Edge {
    BlockId block;
    ValueId condition;
    bool sense;
    uint32_t next_of_condition;
    uint32_t next_of_ref;
  };

  // A narrower name for a reference, from `block` on.
  struct Name {
    BlockId block;
    ValueId value;
    uint32_t next_of_ref;
  };

  void visit(InstId i, BlockId b) {
    switch (func_.inst(i).op) {
      case Op::NullCheck:
      case Op::Cast:
        if (by_name(i, b) || by_test(i, b)) return;
        ask_name(i, b);
        return add_name(i, b);
      case Op::Refine:
        follow_test(i);
        if (!by_name(i, b)) add_name(i, b);
        return;
      case Op::RefTest:
      case Op::RefIsNull: return test(i, b);
      case Op::Branch: return branch(i, b);
      default: return;
    }
  }

  // --- Names.
  void add_name(InstId i, BlockId b) {
    const ValueId result = func_.result(i);
    // Of the reference and of the names that it is a name of.
    ValueId ref = func_.arg(i, 0);
    for (int up = 0; up < kMaxNamesUp && ref.index() < names_of_.size(); ++up) {
      if (func_.type(ref) == func_.type(result)) return;
      names_.push_back({b, result, names_of_[ref.index()]});
      names_of_[ref.index()] = static_cast<uint32_t>(names_.size() - 1);
      const Inst* def = func_.def(ref);
      if (def == nullptr || (def->op != Op::NullCheck && def->op != Op::Cast && def->op != Op::Refine)) return;
      ref = func_.arg(func_.value(ref).inst, 0);
    }
  }

  // The first name of `ref` that dominates `b` and of which `admits` holds. Those in `b` itself stand before what is visited.
  template <class Admits>
  ValueId name_of(ValueId ref, BlockId b, Admits&& admits) const {
    int looks = 0;
    for (uint32_t n = ref.index() < names_of_.size() ? names_of_[ref.index()] : kNone; n != kNone && looks < kMaxLooks;
         n = names_[n].next_of_ref, ++looks) {
      if (cfg_.dominates(names_[n].block, b) && admits(func_.type(names_[n].value))) return names_[n].value;
    }
    return {};
  }

  // A check or refinement that a known name makes void.
  bool by_name(InstId i, BlockId b) {
    const ValueId result = func_.result(i);
    const ir::Type wanted = func_.type(result);
    const ValueId name = name_of(func_.arg(i, 0), b, [&](ir::Type type) {
      return func_.types().matches(type, wanted) || fault_fires(Fault::kCAST1);
    });
    if (!name.valid() || !gate_.allow(Rewrite::kCheckByName, result)) return false;
    func_.replace(result, name);
    func_.remove(i);
    return true;
  }

  // What asks about a reference asks about its narrowest known name, which the machine holds in the same register.
  // A test takes its refinements along, so that they go on refining what it tests.
  bool ask_name(InstId i, BlockId b) {
    const ValueId ref = func_.arg(i, 0);
    const ir::Type known = func_.type(ref);
    const ValueId name =
        name_of(ref, b, [&](ir::Type type) { return type != known && func_.types().matches(type, known); });
    if (!name.valid() || !gate_.allow(Rewrite::kNameForRef, func_.result(i))) return false;
    func_.set_arg(i, 0, name);
    return true;
  }

  void test(InstId i, BlockId b) {
    if (!ask_name(i, b)) return;
    if (renamed_.empty()) renamed_.assign(func_.value_count(), false);
    renamed_[func_.result(i).index()] = true;
  }

  void follow_test(InstId i) {
    const ValueId test = func_.arg(i, 1);
    if (test.index() >= renamed_.size() || !renamed_[test.index()]) return;
    func_.set_arg(i, 0, func_.arg(func_.value(test).inst, 0));
  }

  // --- Tests and branches.
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

  bool by_test(InstId i, BlockId b) {
    const ValueId ref = func_.arg(i, 0);
    int looks = 0;
    for (uint32_t e = ref.index() < of_ref_.size() ? of_ref_[ref.index()] : kNone; e != kNone && looks < kMaxLooks;
         e = edges_[e].next_of_ref, ++looks) {
      const Edge& edge = edges_[e];
      const ValueId result = func_.result(i);
      if (!cfg_.dominates(edge.block, b) || !covers(edge, func_.inst(i), func_.type(ref))) continue;
      const ValueId tested = func_.arg(func_.value(edge.condition).inst, 0);  // the reference by some name
      const ir::Type type = ir::refined_type(func_, tested, edge.condition, edge.sense);
      if (!func_.types().matches(type, func_.type(result))) continue;
      if (!gate_.allow(Rewrite::kCheckByTest, result)) return false;
      const ValueId args[] = {tested, edge.condition};
      const Inst refine{.op = Op::Refine, .sense = edge.sense, .offset = func_.inst(i).offset};
      const InstId made = func_.make(refine, args, std::span(&type, 1));
      func_.insert_before(i, made);
      func_.replace(result, func_.result(made));
      func_.remove(i);
      add_name(made, b);
      return true;
    }
    return false;
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
      func_.become(i, Op::Jump);
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
  Scratch<Edge> edges_;
  Scratch<uint32_t> of_condition_;
  Scratch<uint32_t> of_ref_;
  Scratch<Name> names_;
  Scratch<uint32_t> names_of_;  // by ValueId: the latest
  Scratch<bool> renamed_;       // by ValueId: tests that ask about a name
};

}  // namespace

Result<> use_facts(PassContext& context) {
  Facts(context).run();
  return {};
}

}  // namespace parallax::opt
