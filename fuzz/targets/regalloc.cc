// The register allocator against its checker: bytes are choices for random machine functions.   [I2, second half]
#include "engine/base/check.h"
#include "engine/jit/regalloc/allocate.h"
#include "engine/jit/regalloc/check.h"
#include "engine/jit/regalloc/random_func.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  static jit::MFunc func;
  static jit::Allocation allocation;
  static jit::RegisterAllocator allocator;
  static jit::AllocationChecker checker;
  ChoiceStream choices(std::span(data, size));
  const jit::RandomFuncLimits limits{.blocks = 2 + choices.below(24), .insts_per_block = 1 + choices.below(20)};
  const uint64_t chaos = choices.chance(1, 2) ? choices.u32() : 0;
  jit::make_random_func(choices, limits, func);
  const auto ran = allocator.run(func, allocation, {.chaos_seed = chaos});
  CHECK(ran.has_value(), "I2: allocation failed: {}\n{}", ran.error().message, func.print());
  const auto checked = checker.check(func, allocation);
  CHECK(checked.has_value() || checked.error().code == ErrorCode::kLimit, "{}\n{}{}", checked.error().message,
        func.print(), jit::print(func, allocation));
  return 0;
}
