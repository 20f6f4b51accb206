// The search behind narrow.h: runs a case under many settings and writes down what it learns, step by step.
//
// Steps are independent and resumable: each adds to the diagnosis and to `done`, and `save` is called after every one, so
// that an interrupted search loses at most one step. The order is from what is believed most cheaply to what costs most.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/case/case.h"
#include "triage/narrow.h"

namespace parallax::triage {

struct NarrowOptions {
  // The reference and the other side. Empty: those of the case, or the first pair of the standard ones that differs.
  std::vector<std::string> executors;
  std::string fault;
  double seconds = 60;       // for everything; a step that began is finished
  double case_seconds = 10;  // for one run
  // The steps to take; empty: all. For bucketing alone: kBucketSteps.
  std::vector<std::string> steps;
  std::optional<Narrowed> resume;
  std::function<void(const std::string& what)> progress;
  std::function<bool()> stop;
  std::function<void(const Narrowed&)> save;
};

extern const std::vector<std::string> kBucketSteps;
// All steps, in order.
std::vector<std::string> narrow_steps();

// kUsage for executors or faults that mean nothing; kUnsupported when no process can be made. A finding that does not show
// again is an answer: stability.same == 0.
Result<Narrowed> narrow(const fuzz::Case& subject, const NarrowOptions& options);

}  // namespace parallax::triage
