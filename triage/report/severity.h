// How bad it is for the engine concerned, after that engine's own published policy: rows in policies.def.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/oracle/judge.h"

namespace parallax::triage {

enum class Harm : uint8_t {
  kMemoryUnsafety,   // memory of host or heap was, or could be, read or written wrongly; an invalid module ran
  kDenialOfService,  // the process ended, hung, or took memory without bound
  kWrongBehaviour,   // a wrong value, trap or rejection that stays within the sandbox
};
const char* to_string(Harm harm);

enum class Route : uint8_t { kPrivate, kPublic };

struct Policy {
  const char* id;  // "wasmtime"
  const char* name;
  const char* page;
  const char* private_route;
  const char* tracker;
  Route memory, denial, behaviour;
  const char* remark;
  Route route(Harm harm) const;
};
const std::vector<Policy>& policies();

struct Severity {
  Harm harm = Harm::kWrongBehaviour;
  std::string reason;              // why that harm: one sentence
  const Policy* policy = nullptr;  // of the engine concerned; null: no policy known
};

// `invariant` is "I1", "I2", ... when a check named one. `executor` is the one that is suspected, as a spec.
Severity assess(fuzz::FindingClass kind, std::string_view invariant, std::string_view executor, bool died_by_signal);

// The policy of the engine behind an executor's spec ("jit:O2" is ours); null when none is known.
const Policy* policy_of(std::string_view executor);

}  // namespace parallax::triage
