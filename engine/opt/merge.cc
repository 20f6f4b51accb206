// Chains of blocks become one block.
//
// A block whose only predecessor does nothing but jump to it is the continuation of that predecessor: its parameters are
// the jump's arguments. Shorter chains mean fewer jumps and fewer reads of homes, which are per block. Proofs stay,
// because the target of a branch is never merged into the block that branches. Landing blocks are targets of invokes and
// stay as well.
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;

class Merge {
 public:
  explicit Merge(PassContext& context) : context_(context), func_(context.func) {}

  void run() {
    for (const BlockId b : context_.cfg.rpo()) {
      while (func_.block(b).live && absorb(b)) context_.control_changed = true;
    }
  }

 private:
  bool absorb(BlockId b) {
    const InstId jump = func_.terminator(b);
    if (func_.inst(jump).op != Op::Jump) return false;
    const BlockId next = func_.targets(jump)[0];
    if (next == b || next == Func::kEntry || context_.cfg.preds(next).size() != 1) return false;
    const auto params = func_.params(next);
    if (!context_.gate.allow(Rewrite::kMerge, params.empty() ? ValueId() : params[0])) return false;
    for (size_t n = 0; n < params.size(); ++n) func_.replace(params[n], func_.arg(jump, n));
    func_.remove(jump);
    func_.splice(b, next);
    return true;
  }

  PassContext& context_;
  Func& func_;
};

}  // namespace

Result<> merge_blocks(PassContext& context) {
  Merge(context).run();
  return {};
}

}  // namespace parallax::opt
