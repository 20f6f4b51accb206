// Bytes to a case, the case on two or three executors, everything compared.
//
// Input that starts like a module is one (or an envelope, with its own plan and executors); anything else is choices for
// the generator of GC programs.
#include "fuzz/generators/generators.h"
#include "fuzz/targets/support/judging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  const std::span<const uint8_t> bytes(data, size);
  const auto subject =
      fuzz::is_module(bytes) ? fuzz::case_of_module(bytes) : fuzz::generate(fuzz::GeneratorKind::kGc, bytes);
  if (subject) fuzz::judge_or_die(*subject, bytes);
  return 0;
}
