// Block parameters get the least type of what they receive.
//
// Optimistic and to a fixpoint: a parameter starts without a type and takes the join of all incoming arguments, where
// arguments that are parameters count with what is known of them so far. At the fixpoint every argument matches, also on
// back edges; without one within kMaxRounds nothing is changed. A parameter whose narrowing the gate refuses keeps its
// type, and the fixpoint is computed again with that.                                            [keeps I3: joins see all edges]
#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Type;
using ir::ValueId;

constexpr int kMaxRounds = 32;

class RefineParams {
 public:
  explicit RefineParams(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    gather();
    if (params_.empty() || !solve()) return;
    bool refused = false;
    for (Param& p : params_) {
      if (!narrows(p) || gate_.allow(Rewrite::kNarrowParam, p.value)) continue;
      p.fixed = true;
      refused = true;
    }
    if (refused && !solve()) return;
    for (const Param& p : params_) {
      if (narrows(p)) func_.narrow(p.value, p.type);
    }
  }

 private:
  struct Param {
    ValueId value;
    BlockId block;
    uint32_t index;
    Type type = ir::kNone;
    bool fixed = false;
    bool entry_only = false;  // planted fault
  };

  void gather() {
    number_.assign(func_.value_count(), kNoParam);
    for (const BlockId b : cfg_.rpo()) {
      if (b == Func::kEntry) continue;
      const auto params = func_.params(b);
      for (uint32_t n = 0; n < params.size(); ++n) {
        if (!func_.type(params[n]).is_ref()) continue;
        number_[params[n].index()] = static_cast<uint32_t>(params_.size());
        params_.push_back({params[n], b, n});
        if (g_fault.active == Fault::kOPT1 && cfg_.is_loop_head(b))
          params_.back().entry_only = fault_fires(Fault::kOPT1);
      }
    }
  }

  bool narrows(const Param& p) const {
    return !p.fixed && p.type != ir::kNone && p.type != func_.type(p.value) &&
           func_.types().matches(p.type, func_.type(p.value));
  }

  bool solve() {
    for (Param& p : params_) p.type = p.fixed ? func_.type(p.value) : ir::kNone;
    for (int round = 0; round < kMaxRounds; ++round) {
      bool changed = false;
      for (Param& p : params_) {
        if (p.fixed) continue;
        const Type type = incoming(p);
        changed |= type != p.type;
        p.type = type;
      }
      if (!changed) return true;
    }
    return false;
  }

  Type incoming(const Param& p) const {
    Type type = ir::kNone;
    for (const BlockId pred : cfg_.preds(p.block)) {
      const ValueId arg = func_.args(func_.terminator(pred))[p.index];
      const uint32_t number = number_[arg.index()];
      type = ir::join(func_.types(), type, number == kNoParam ? func_.type(arg) : params_[number].type);
      if (p.entry_only) break;
    }
    return type;
  }

  static constexpr uint32_t kNoParam = ~0u;
  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  Scratch<uint32_t> number_;
  Scratch<Param> params_;
};

}  // namespace

Result<> refine_params(PassContext& context) {
  RefineParams(context).run();
  return {};
}

}  // namespace parallax::opt
