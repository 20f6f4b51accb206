// How often each instruction of a case runs: by counters in the module itself, so that no executor need know.
//
// Every instruction gets a counter, an exported global that is incremented before it; the plan then runs on the
// interpreter and the counters are read from its observation. The counted module differs from the one that failed, but not in
// what the interpreter does up to its counters.
#pragma once

#include <cstdint>
#include <vector>

#include "triage/reduce/state.h"

namespace parallax::triage::reduce {

struct Coverage {
  bool known = false;
  // By module, function and node; 0: never begun.
  std::vector<std::vector<std::vector<uint64_t>>> counts;
  uint64_t executed = 0;
};
// Not known when the counted modules cannot be run (too many instructions, or the plan instantiates nothing).
Coverage count_executed(const State& state);

}  // namespace parallax::triage::reduce
