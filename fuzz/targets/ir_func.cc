// Random IR functions: bytes choose functions, passes and arguments; interpreted IR, IR after passes and machine code must
// do the same, and every judge of the IR must be content. See fuzz/generators/ir.   [I2, I3]
#include "engine/base/check.h"
#include "fuzz/generators/ir/ir_judge.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  const fuzz::IrVerdict verdict = fuzz::judge_ir(std::span(data, size));
  CHECK(verdict.problem.empty(), "I3: random IR: {}\n{}", verdict.problem, verdict.listing);
  return 0;
}
