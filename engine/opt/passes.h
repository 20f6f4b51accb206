// The passes as functions over one shared context. Each pass has its own .cc, which says what it relies on.
//
// A pass gathers, decides, rewrites; it does not verify, dump or time (pipeline.h does), and every rewrite asks the gate.
// Its arrays are scratch memory, which is gone when it returns (engine/base/scratch.h). It may leave replacements uncommitted and blocks unreachable in control flow only if it says so to the context.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.h"
#include "engine/ir/cfg.h"
#include "engine/ir/func.h"
#include "engine/ir/loops.h"
#include "engine/opt/callees.h"
#include "engine/opt/gate.h"

namespace parallax::opt {

struct PassContext {
  ir::Func& func;
  Gate& gate;
  // Up to date at the start of every pass.
  ir::Cfg& cfg;
  // Computed for the first pass that asks after a change of control flow.
  ir::Loops& loop_tree;
  bool& has_loop_tree;
  ir::Cfg& callee_cfg;  // scratch
  // Scratch that keeps its memory between passes and functions; contents are unspecified at the start of a pass.
  std::vector<uint32_t>& numbers;
  std::vector<ir::ValueId>& values;
  // Bodies of other functions; null when there are none to be had.
  Callees* callees = nullptr;
  // Set by a pass that changed terminators: the runner then recomputes the graph and drops unreachable blocks.
  bool control_changed = false;

  const ir::Loops& loops() {
    if (!has_loop_tree) loop_tree.compute(func, cfg);
    has_loop_tree = true;
    return loop_tree;
  }
};

#define PASS(id, name, function, level, needs, summary) Result<> function(PassContext& context);
#include "engine/opt/passes.def"
#undef PASS

}  // namespace parallax::opt
