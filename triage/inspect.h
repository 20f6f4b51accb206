// Questions about one run of one case on one executor, each answered in a process of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/case/case.h"
#include "fuzz/executors/executors.h"
#include "triage/child.h"
#include "triage/narrow.h"

namespace parallax::triage {

struct InspectSettings {
  std::string fault;
  ChildLimits limits;
};

// How many rewrites the passes ask for, in all functions that the run compiles.
Result<uint64_t> count_rewrites(const fuzz::Case& subject, const fuzz::ExecutorSpec& spec,
                                const InspectSettings& settings);

// One rewrite, by its number: what it is, and the function after its pass without and with it.
Result<GuiltyRewrite> describe_rewrite(const fuzz::Case& subject, fuzz::ExecutorSpec spec, uint64_t number,
                                       const InspectSettings& settings);

// Indices that zeal=onlyN can name in this run.
Result<uint64_t> count_safepoints(const fuzz::Case& subject, fuzz::ExecutorSpec spec, const InspectSettings& settings);

// Where the collection of zeal=only<index> happens.
Result<GuiltyCollection> describe_collection(const fuzz::Case& subject, fuzz::ExecutorSpec spec, uint64_t index,
                                             const InspectSettings& settings);

// fuzz::localize, there.
Result<std::optional<DifferingEvent>> first_event(const fuzz::Case& subject, const fuzz::ExecutorSpec& reference,
                                                  const fuzz::ExecutorSpec& other, const InspectSettings& settings);

// What the stack maps of the case's modules leave out, as one short phrase that does not depend on the case:
// fuzz/executors/map_audit.h. Empty: nothing.
Result<std::string> map_pattern(const fuzz::Case& subject, const fuzz::ExecutorSpec& spec,
                                const InspectSettings& settings);

// The proposals that the case's modules cannot be valid without; names of features.def, "mvp" left out.
std::vector<std::string> needed_features(const fuzz::Case& subject);

}  // namespace parallax::triage
