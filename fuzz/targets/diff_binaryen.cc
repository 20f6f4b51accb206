// As diff_module, with Binaryen's generator: its types are interned for ever, so run it with -fork=1 or a limit on runs.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>

#include "engine/base/check.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  const auto subject = fuzz::generate(fuzz::GeneratorKind::kBinaryen, {data, size});
  if (!subject) return 0;
  const fuzz::Verdict verdict = fuzz::judge(*subject, {.executors = fuzz::draw_executors(XXH3_64bits(data, size))});
  CHECK(verdict.kind != fuzz::VerdictKind::kFinding, "{}\n{}\n{}", verdict.finding.signature,
        verdict.finding.difference, verdict.finding.log);
  return 0;
}
