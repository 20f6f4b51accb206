// The register allocators against their checker: bytes are choices for random machine functions.   [I2, second half]
#include "engine/base/check.h"
#include "engine/jit/flow.h"
#include "engine/jit/regalloc/allocate.h"
#include "engine/jit/regalloc/check.h"
#include "engine/jit/regalloc/global.h"
#include "engine/jit/regalloc/random_func.h"

namespace parallax::jit {
namespace {

void judge(const Result<>& ran, const MFunc& func, const Allocation& allocation) {
  static AllocationChecker checker;
  CHECK(ran.has_value(), "I2: allocation failed: {}\n{}", ran.error().message, func.print());
  const auto checked = checker.check(func, allocation);
  CHECK(checked.has_value() || checked.error().code == ErrorCode::kLimit, "{}\n{}{}", checked.error().message,
        func.print(), print(func, allocation));
}

}  // namespace
}  // namespace parallax::jit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  static jit::MFunc func;
  static jit::Flow flow;
  static jit::Allocation allocation;
  static jit::RegisterAllocator greedy;
  static jit::GlobalAllocator global;
  ChoiceStream choices(std::span(data, size));
  const jit::RandomFuncLimits limits{.blocks = 2 + choices.below(24), .insts_per_block = 1 + choices.below(20)};
  const uint64_t chaos = choices.chance(1, 2) ? choices.u32() : 0;
  jit::make_random_func(choices, limits, func);
  flow.run(func);
  jit::judge(global.run(func, flow, allocation, {.chaos_seed = chaos}), func, allocation);
  jit::judge(greedy.run(func, allocation, {.chaos_seed = chaos}), func, allocation);
  return 0;
}
