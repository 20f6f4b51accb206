// Random machine functions for testing register allocation: any control flow, any constraints, never executed.
#pragma once

#include <vector>

#include "engine/base/choices.h"
#include "engine/jit/mir.h"

namespace parallax::jit {

struct RandomFuncLimits {
  uint32_t blocks = 12;
  uint32_t insts_per_block = 10;
  uint32_t params_per_block = 4;
};

// Ensures: SSA (definitions dominate uses), every block reachable, constraints satisfiable, block 0 without predecessors.
void make_random_func(ChoiceStream& choices, const RandomFuncLimits& limits, MFunc& out);

}  // namespace parallax::jit
