// Judge of I3 and of the IR's shape.
//
// Properties:
//   * shape: the entry block first; every block ends with its only terminator; targets are live blocks; only Jump passes
//     arguments, as many as the target has parameters; landing blocks and normal targets of invokes have one predecessor
//     and no parameters, CaughtExn stands first in landing blocks and nowhere else;
//   * SSA: every operand is defined on every path to its use;
//   * types: every operand matches what the operation's rule admits, and every result type admits what the rule gives;
//     whatever is looked into is non-null; block arguments match parameters; indices are in range;
//   * proofs: Refine stands where its test was decided so, ExnGet where its tag was found, initialising stores stand
//     between their allocation and the next safepoint;
//   * NaNs: whose bits are not canonical are not seen (verify_nans.h);
//   * I4: the entry and every loop head begin with Budget; a DepthCheck is followed by one, and calls inside inlined
//     bodies are dominated by a check of at least their depth.
// Not judged: reachability of code, effects that were removed or reordered (executions tell), blocks that cannot be
// reached (shape only), home slots and stack maps (verify_refs).
//
// Shares the data structures of the IR and the matching of types with what it judges, no algorithm: in particular it
// does not use join, meet or refined_type.
#pragma once

#include "engine/base/result.h"
#include "engine/ir/func.h"

namespace parallax::ir {

// Requires committed replacements. The error is kInvariant, "I3: after <pass>: <problem>: <instruction>" and a listing.
Result<> verify(const Func& func, const char* pass);

}  // namespace parallax::ir
