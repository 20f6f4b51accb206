// Block parameters that always receive the same value become that value.
//
// A parameter is redundant when every incoming argument is one value x or the parameter itself; x then dominates the
// block, because it is defined on every way in. Removing one can make others redundant, so blocks are visited until
// nothing changes; a pass over reverse postorder settles almost everything at once.
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::InstId;
using ir::ValueId;

class Params {
 public:
  explicit Params(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    constexpr int kMaxRounds = 8;  // each round is linear; what is left then only costs moves
    for (int round = 0; round < kMaxRounds; ++round) {
      bool changed = false;
      for (const BlockId b : cfg_.rpo()) {
        if (func_.block(b).params_count != 0 && b != Func::kEntry) changed |= simplify(b);
      }
      if (!changed) return;
    }
  }

 private:
  bool simplify(BlockId b) {
    keep_.clear();
    const uint32_t count = func_.block(b).params_count;
    for (uint32_t n = 0; n < count; ++n) {
      const ValueId param = func_.params(b)[n];
      const ValueId same = only_argument(b, n, param);
      if (!same.valid() || !gate_.allow(Rewrite::kRemoveParam, param)) {
        keep_.push_back(n);
        continue;
      }
      func_.replace(param, same);
    }
    if (keep_.size() == count) return false;
    drop_others(b);
    return true;
  }

  // The one value that parameter `n` receives besides itself; invalid when there are several, or none.
  ValueId only_argument(BlockId b, uint32_t n, ValueId param) const {
    ValueId only;
    for (const BlockId pred : cfg_.preds(b)) {
      const ValueId arg = func_.arg(func_.terminator(pred), n);
      if (arg == param || arg == only) continue;
      if (only.valid()) return {};
      only = arg;
    }
    return only;
  }

  void drop_others(BlockId b) {
    const auto kept = [&](std::span<const ValueId> all) {
      scratch_.clear();
      for (const uint32_t n : keep_) scratch_.push_back(all[n]);
    };
    for (const BlockId pred : cfg_.preds(b)) {
      const InstId jump = func_.terminator(pred);
      if (func_.args(jump).size() == keep_.size()) continue;
      kept(func_.args(jump));
      func_.set_args(jump, scratch_);
    }
    kept(func_.params(b));
    func_.set_params(b, scratch_);
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  Scratch<uint32_t> keep_;
  Scratch<ValueId> scratch_;
};

}  // namespace

Result<> remove_params(PassContext& context) {
  Params(context).run();
  return {};
}

}  // namespace parallax::opt
