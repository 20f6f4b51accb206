// The judgement of one external engine: what it did, compared with what a reference of ours did with the same case.
//
// Both run the case as an embedder in JavaScript can run it (fuzz/external/js_case.h), which is not quite the case that
// our own executors compare; so the reference runs it again. What an engine may do differently is no finding.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "fuzz/case/case.h"
#include "fuzz/executors/executors.h"
#include "fuzz/external/js_case.h"
#include "fuzz/oracle/judge.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

class ExternalVote {
 public:
  // `reference` is one of our own executors. `subject` must outlive the vote and be valid.
  ExternalVote(const Case& subject, const ExecutorSpec& reference) : subject_(subject), reference_(reference) {}

  // Agreement, inconclusive with a reason, or a finding: a difference, a crash, a hang of the engine.
  Verdict ask(const ExecutorSpec& engine);

  // Both observations of the last vote as text; empty when there was none to compare.
  std::string log(const ExecutorSpec& engine) const;

 private:
  // Prepares the case and runs the reference; once for all engines. A reason if that cannot be.
  std::optional<std::string> prepare();

  const Case& subject_;
  ExecutorSpec reference_;
  bool is_prepared_ = false;
  std::optional<std::string> obstacle_;
  JsCase js_;
  LoadedCase loaded_;
  Observation ours_, theirs_;
};

}  // namespace parallax::fuzz
