// A function in a forked process: its text is the answer, its death an error.
//
// For questions other than verdicts (those: rerun.h): which rewrites were made, where a collection happened, which event
// differs first. The function may run executors; this process must not, and must have no other threads.
#pragma once

#include <functional>
#include <string>

#include "engine/base/result.h"
#include "triage/child.h"

namespace parallax::triage {

// What `body` gives, computed in a child with `fault` planted (empty: none). Errors: kUnsupported when no process can be
// made, kLimit for a hang or too much memory, kInvariant with the last line of output for a death.
Result<std::string> isolated(const std::function<std::string()>& body, const std::string& fault,
                             const ChildLimits& limits = {});

}  // namespace parallax::triage
