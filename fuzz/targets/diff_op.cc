// One instruction at a time on corner values: bytes are choices for the generator of single operations.
#include "fuzz/generators/generators.h"
#include "fuzz/targets/support/judging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  const auto subject = fuzz::generate(fuzz::GeneratorKind::kOp, {data, size});
  if (subject) fuzz::judge_or_die(*subject, {data, size});
  return 0;
}
