// Safepoint sweep: a case once per safepoint, collecting at exactly that one.
//
// Zeal collects everywhere at once, which finds most and hides some: a second collection may repair what the first one
// broke, and a name that is always moved on the spot never meets a later tenant. The sweep is complete where zeal is
// blunt: first the safepoints that the executor passes are counted, then each run collects at one of them (zeal=onlyN)
// and is compared with the reference. What it finds names the one collection that matters and is replayed by its
// executor's text alone.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {

struct SweepOptions {
  ExecutorSpec executor;   // its schedule is replaced
  uint64_t cap = 10'000;   // runs at most; more safepoints than that are sampled evenly
  uint64_t findings = 10;  // ends after so many
  std::function<void(uint64_t done, uint64_t total)> progress;  // after every run
  const std::atomic<bool>* stop = nullptr;
};

struct SweepFinding {
  uint64_t safepoint = 0;
  Finding finding;
};

struct SweepResult {
  uint64_t safepoints = 0;  // that the case passes on this executor
  uint64_t runs = 0;
  bool complete = false;  // every safepoint was tried
  std::vector<SweepFinding> findings;
  std::string refused;  // why nothing could be said, otherwise empty
};

// Requires: a case with a module, and an executor of kind jit. Deterministic.
SweepResult sweep(const Case& subject, const SweepOptions& options);

}  // namespace parallax::fuzz
