#include "fuzz/targets/support/judging.h"

#include <xxhash.h>

#include <cstring>

#include "engine/base/check.h"
#include "fuzz/feedback/feedback.h"
#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {

bool is_module(std::span<const uint8_t> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "\0asm", 4) == 0;
}

Result<Case> case_of_module(std::span<const uint8_t> bytes) {
  Case subject = TRY(read_envelope(bytes));
  subject.claims_valid = subject.claims_invalid = false;
  return subject;
}

void judge_or_die(const Case& subject, std::span<const uint8_t> bytes) {
  static Feedback feedback;
  const auto executors = executors_of(subject, XXH3_64bits(bytes.data(), bytes.size()));
  if (!executors || executors->size() < 2) return;
  feedback.begin();
  JudgeOptions options{.executors = *executors};
  options.watcher = &feedback;
  const Verdict verdict = judge(subject, options);
  publish(feedback);
  CHECK(verdict.kind != VerdictKind::kFinding, "{}\n{}\n{}", verdict.finding.signature, verdict.finding.difference,
        verdict.finding.log);
}

}  // namespace parallax::fuzz
