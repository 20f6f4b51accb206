// The vote of an external engine: what it did with a case, as tokens like those of our own executors.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "fuzz/external/js_case.h"
#include "fuzz/oracle/observation.h"

namespace parallax::fuzz {

struct ExternalEnd {
  enum class Kind : uint8_t { kDone, kCrashed, kHung } kind = Kind::kDone;
  std::string what;     // kCrashed: signal or exit code, and the end of its standard error
  std::string message;  // what the engine said when it refused a module
};

// Runs the case on engine number `engine` (external_engines()) in a process that is kept for the next case. `out` is
// emptied first; what could not be judged is Observation::inconclusive. Errors: the engine is not there or does not start.
Result<ExternalEnd> observe_external(const JsCase& subject, uint32_t engine, Observation& out);

// Ends the processes that this thread's votes have started; the next vote starts a new one.
void stop_externals();

// Why what our reference did cannot be asked of another engine: it met a limit that is ours. Empty when it can.
std::string own_limit(const Observation& reference);

// Brings an observation into the form in which two engines have to agree: canonical NaNs, kinds of traps in the groups
// that messages of engines can be told apart by. `guide`, if given, replaces traps of unknown kind.
void project(Observation& out, const Observation* guide = nullptr);

// Why a difference in this component judges nothing; empty when it does.
std::string excuse(const Freedom& freedom, std::string_view component);

}  // namespace parallax::fuzz
