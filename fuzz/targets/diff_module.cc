// Bytes to a case, the case on two or three executors, everything compared.
//
// Input that starts like a module is one (or an envelope, with its own plan and executors); anything else is choices for
// the generator of GC programs. A finding aborts with ASSERTION FAILED and the finding's signature, which is what crash
// triage buckets by.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "engine/base/check.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"

namespace {

using namespace parallax;

Result<fuzz::Case> case_from(std::span<const uint8_t> bytes) {
  const bool module = bytes.size() >= 4 && std::memcmp(bytes.data(), "\0asm", 4) == 0;
  if (!module) return fuzz::generate(fuzz::GeneratorKind::kGc, bytes);
  fuzz::Case subject = TRY(fuzz::read_envelope(bytes));
  // Mutation keeps what a generator claimed of its module, and breaks the module.
  subject.claims_valid = subject.claims_invalid = false;
  return subject;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  const auto subject = case_from(bytes);
  if (!subject) return 0;
  const auto executors = fuzz::executors_of(*subject, XXH3_64bits(data, size));
  if (!executors || executors->size() < 2) return 0;
  const fuzz::Verdict verdict = fuzz::judge(*subject, {.executors = *executors});
  CHECK(verdict.kind != fuzz::VerdictKind::kFinding, "{}\n{}\n{}", verdict.finding.signature,
        verdict.finding.difference, verdict.finding.log);
  return 0;
}
