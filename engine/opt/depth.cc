// Checks of depth that an earlier one implies go.
//
// The depth that a function has is the same everywhere in it, so a DepthCheck that another one dominates, of as many
// levels or more, cannot fail. One walk in reverse postorder.                                        [keeps I4]
#include <algorithm>

#include "engine/base/faults.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;

Result<> remove_depth_checks(PassContext& context) {
  Func& func = context.func;
  std::vector<uint32_t>& checked = context.numbers;  // by block: levels, at its end
  checked.assign(func.block_count(), 0);
  for (const BlockId b : context.cfg.rpo()) {
    uint32_t levels = b == Func::kEntry ? 0 : checked[context.cfg.idom(b).index()];
    ir::for_each_inst(func, b, [&](InstId i) {
      const Inst& inst = func.inst(i);
      if (inst.op != Op::DepthCheck) return;
      const bool implied = inst.a <= levels || (inst.a == levels + 1 && levels != 0 && fault_fires(Fault::kINL3));
      if (implied && context.gate.allow(Rewrite::kDepthKnown, {})) {
        func.remove(i);
      } else {
        levels = std::max(levels, inst.a);
      }
    });
    checked[b.index()] = levels;
  }
  return {};
}

}  // namespace parallax::opt
