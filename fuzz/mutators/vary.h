// Variations of a case: the same modules, called with other arguments and under other collection schedules.
//
// What a run costs is a third of what a case costs: the rest is generating, loading and compiling, which a variation needs
// not again (oracle/session.h). Executors stay what they are in everything that compiled code follows from; only when they
// collect, and what kind of collection, is drawn anew. A variation is a case like any other: it has its own plan and names
// its executors, and runs alone as it ran among others.
#pragma once

#include <span>

#include "fuzz/case/case.h"
#include "fuzz/executors/spec/spec.h"

namespace parallax::fuzz {

// `plan` is the subject's, or its default plan; `executors` are those that the subject was judged on. Follows from the
// arguments alone.
Case vary(const Case& subject, std::span<const Step> plan, std::span<const ExecutorSpec> executors, uint64_t seed);

}  // namespace parallax::fuzz
