// Judge of float operations that are free in the bits of their NaNs (Inst::sense of Compute) and of CanonicalNan.
//
// Properties:
//   * only scalar float operations whose NaNs the deterministic profile makes canonical are free;
//   * a value that may come from a free one, through parameters and selects too, reaches only arithmetic, comparisons and
//     truncations, which take all NaNs alike, and CanonicalNan;
//   * what reaches CanonicalNan, if NaN, is meant to be the canonical one: never bits from memory, a parameter or a call.
// Not judged: whether more operations could be free.
//
// Which operations are which is read off their names, and sets are grown over all instructions until nothing changes;
// the pass (opt/nans.cc) has tables and flows.
#pragma once

#include <string>

#include "engine/ir/func.h"

namespace parallax::ir {

// Empty, or what is wrong; `at` is then the instruction. Requires a function whose shape and types were verified.
std::string check_nans(const Func& func, InstId& at);

}  // namespace parallax::ir
