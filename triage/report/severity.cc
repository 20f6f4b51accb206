#include "triage/report/severity.h"

#include "engine/base/text.h"

namespace parallax::triage {

namespace {

using fuzz::FindingClass;

struct Assessed {
  Harm harm;
  const char* reason;
};

Assessed assess_class(FindingClass kind) {
  switch (kind) {
    case FindingClass::kDivergence:
      return {Harm::kWrongBehaviour,
              "two executors disagree about values, traps or the heap, and no check of memory failed"};
    case FindingClass::kInvariant:
    case FindingClass::kAssertion:
      return {Harm::kDenialOfService, "a check of the engine failed before anything went wrong visibly"};
    case FindingClass::kVerify:
      return {Harm::kMemoryUnsafety, "the heap or the tables of the store were found unsound"};
    case FindingClass::kMisuse:
      return {Harm::kMemoryUnsafety, "a handle that is stale or foreign was accepted, or a good one refused"};
    case FindingClass::kRejected: return {Harm::kWrongBehaviour, "a valid module is rejected"};
    case FindingClass::kAccepted:
      return {Harm::kMemoryUnsafety, "an invalid module is accepted; compiled code relies on what validation promises"};
    case FindingClass::kExpectation: return {Harm::kWrongBehaviour, "a program that knows its answer got another one"};
    case FindingClass::kSanitizer: return {Harm::kMemoryUnsafety, "a sanitizer reported the access"};
    case FindingClass::kCrash: return {Harm::kMemoryUnsafety, "the process died by a signal"};
    case FindingClass::kHang: return {Harm::kDenialOfService, "the case does not end although its budget is used up"};
    case FindingClass::kMemory: return {Harm::kDenialOfService, "the case takes memory beyond its budget"};
  }
  return {Harm::kWrongBehaviour, ""};
}

}  // namespace

const char* to_string(Harm harm) {
  switch (harm) {
    case Harm::kMemoryUnsafety: return "memory unsafety";
    case Harm::kDenialOfService: return "denial of service";
    case Harm::kWrongBehaviour: return "wrong behaviour within the sandbox";
  }
  return "?";
}

Route Policy::route(Harm harm) const {
  switch (harm) {
    case Harm::kMemoryUnsafety: return memory;
    case Harm::kDenialOfService: return denial;
    case Harm::kWrongBehaviour: return behaviour;
  }
  return Route::kPrivate;
}

const std::vector<Policy>& policies() {
  static const std::vector<Policy> rows = {
#define POLICY(id, name, page, private_route, tracker, memory, denial, behaviour, remark) \
  {id, name, page, private_route, tracker, Route::memory, Route::denial, Route::behaviour, remark},
#include "triage/report/policies.def"
#undef POLICY
  };
  return rows;
}

const Policy* policy_of(std::string_view executor) {
  const std::string_view engine = executor.substr(0, executor.find(':'));
  const bool is_ours = engine == "interp" || engine == "jit" || engine == "ir";
  const std::string_view id = is_ours ? "parallax" : engine;
  for (const Policy& row : policies()) {
    if (id == row.id) return &row;
  }
  return nullptr;
}

Severity assess(FindingClass kind, std::string_view invariant, std::string_view executor, bool died_by_signal) {
  const Assessed assessed = assess_class(kind);
  Severity severity{.harm = assessed.harm, .reason = assessed.reason, .policy = policy_of(executor)};
  if (severity.harm == Harm::kMemoryUnsafety) return severity;
  if (died_by_signal) {
    severity.harm = Harm::kMemoryUnsafety;
    severity.reason = "one side died by a signal";
  } else if (invariant == "I1" || invariant == "I2" || invariant == "I9") {
    severity.harm = Harm::kMemoryUnsafety;
    severity.reason = text::format(
        "{} is violated: {}", invariant,
        invariant == "I1"   ? "a reference or id names something that it must not"
        : invariant == "I9" ? "a young object that an old one refers to is missed by the collector"
                            : "a live reference is missed by the collector, or something else is taken for one");
  }
  return severity;
}

}  // namespace parallax::triage
