// What each optimisation pass contributes: the suite run without it, beside the suite run with all of them.
//
// Passes that run several times ("simplify", "simplify_again") are switched off together. A ratio above 1 is what leaving the
// pass out costs; it depends on the other passes, so contributions do not add up.
#pragma once

#include <string>
#include <vector>

#include "bench/suite/results.h"

namespace parallax::bench {

struct Contribution {
  std::string pass;  // "all" for no pass at all
  std::string spec;  // the executor without it
};

// The executor with all passes of its level first, then one without each, then one without any. Requires: a level of 1 or 2.
std::vector<Contribution> contributions(uint8_t level);

// One row per pass: mean ratios by family, and the program that needs it most. Requires: sides of `results` begin with those
// of `rows`, the first being the baseline.
std::string print_contributions(const Results& results, const std::vector<Contribution>& rows, bool markdown);

}  // namespace parallax::bench
