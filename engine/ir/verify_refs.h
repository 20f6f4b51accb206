// Judge of I2 in the IR, after the safepoint pass.
//
// Properties, for every instruction that is a safepoint:
//   * it has a stack map, and its map lists exactly the home slots that are read on some way after it before they are
//     stored again (missing ones lose references, surplus ones are garbage or leak);
//   * every listed slot holds the same value on every way to it, and every read of a home finds there the value that it
//     names (homes are shared by values whose lives do not meet);
//   * no traced value is defined before it and used after it: references survive only in homes.
// Slots hold traced values; instructions that are no safepoints have no map.
// Not judged: machine code and frames (the checker after register allocation), values that only machine code makes.
//
// Plain data flow over bit sets, blocks to a fixpoint; nothing is shared with the pass.
#pragma once

#include "engine/base/result.h"
#include "engine/ir/func.h"

namespace parallax::ir {

// Requires a function that verify accepts. Error kInvariant "I2: ...", or kLimit when the bit sets would be too large.
Result<> verify_refs(const Func& func);

}  // namespace parallax::ir
