// Where the time of a campaign's cases goes: what a worker of `parallax fuzz` does, stage by stage and by executor.
//
// Cases and executors are those of a campaign with the same seed and generator, judged by fuzz::judge(); only keeping and
// mutating are left out. Times are processor time of this thread, shared out by the stage clock (engine/base/case_clock.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/case_clock.h"
#include "engine/base/result.h"
#include "fuzz/generators/generators.h"

namespace parallax::bench {

struct CaseOptions {
  fuzz::GeneratorKind generator = fuzz::GeneratorKind::kMix;
  uint64_t seed = 1;
  uint64_t cases = 2'000;  // judged
  uint32_t schedules = 1;  // judge each case, and so many less one variations of it (fuzz/mutators/vary.h)
  uint64_t around = 0;     // only cases whose modules have about so many bytes (a quarter more or less); 0: all
  std::vector<std::string> executors;  // empty: as a campaign draws them
};

struct CaseTimes {
  uint64_t judged = 0, inconclusive = 0, findings = 0;
  uint64_t loaded = 0;     // of the judged, those that are no variation of the one before
  uint64_t rewound = 0;    // stores that went on instead of being made
  uint64_t bytes = 0;      // of all modules
  uint64_t functions = 0;  // compiled to machine code
  double seconds = 0;      // of judged cases, generating included
  // Microseconds per judged case. Lanes: shared by all executors, then the first to the fourth.
  std::array<std::array<double, kCaseStages>, CaseClock::kLanes> us{};
  double cases_per_second() const { return static_cast<double>(judged) / seconds; }
};

Result<CaseTimes> measure_cases(const CaseOptions& options);

// One row per stage, one column per lane; what takes no time is left out.
std::string print_cases(const CaseOptions& options, const CaseTimes& times, bool markdown);

}  // namespace parallax::bench
