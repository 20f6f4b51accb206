// As diff_module, with Binaryen's generator: its types are interned for ever, so run it with -fork=1 or a limit on runs.
#include "fuzz/generators/generators.h"
#include "fuzz/targets/support/judging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  const auto subject = fuzz::generate(fuzz::GeneratorKind::kBinaryen, {data, size});
  if (subject) fuzz::judge_or_die(*subject, {data, size});
  return 0;
}
