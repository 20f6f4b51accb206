// One case run again in a process of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/oracle/judge.h"

namespace parallax::cli {

struct Replayed {
  bool finding = false;
  fuzz::FindingClass kind = fuzz::FindingClass::kDivergence;
  std::string signature, difference, log;
  std::string reason;  // without finding: why nothing could be said; empty: the executors agreed
};

// kUsage for a file that is no case, kUnsupported when no process could be started.
Result<Replayed> replay_case(const std::string& file, const std::string& fault,
                             const std::vector<std::string>& executors, double seconds);

// The same case with all run-time checks on: an invariant that breaks before the symptom shows names the cause. Empty when
// all executors were armed already or no check speaks up.
std::optional<Replayed> replay_armed(const std::vector<uint8_t>& envelope, const std::vector<std::string>& executors,
                                     const std::string& fault);

}  // namespace parallax::cli
