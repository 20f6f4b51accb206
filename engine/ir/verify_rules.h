// The typing rule of every operation, as the verifier states it. Internal to verify.cc.
#pragma once

#include <string>

#include "engine/ir/func.h"

namespace parallax::ir {

// What is wrong with operands, results and immediates of `inst` by its operation's rule; empty when nothing.
// Control flow, dominance and proofs are not looked at. Requires that operands are existing values.
std::string check_rule(const Func& func, InstId inst);

// The value that a HomeLoad chain stands for; other values stand for themselves.
ValueId origin(const Func& func, ValueId v);

}  // namespace parallax::ir
