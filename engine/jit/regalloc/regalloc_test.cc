// The allocator against its checker: random functions, chaos, determinism, planted faults.
#include <gtest/gtest.h>

#include "engine/jit/regalloc/allocate.h"
#include "engine/jit/regalloc/check.h"
#include "engine/jit/regalloc/random_func.h"

namespace parallax::jit {
namespace {

struct Rig {
  MFunc func;
  Allocation allocation;
  RegisterAllocator allocator;
  AllocationChecker checker;

  void make(uint64_t seed) {
    ChoiceStream choices(seed);
    RandomFuncLimits limits;
    limits.blocks = 2 + static_cast<uint32_t>(seed % 20);
    limits.insts_per_block = 2 + static_cast<uint32_t>(seed % 17);
    make_random_func(choices, limits, func);
  }
};

TEST(RegisterAllocation, RandomFunctionsPassTheChecker) {
  Rig s;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    s.make(seed);
    const auto ran = s.allocator.run(s.func, s.allocation);
    ASSERT_TRUE(ran.has_value()) << seed << ": " << ran.error().message;
    const auto checked = s.checker.check(s.func, s.allocation);
    ASSERT_TRUE(checked.has_value()) << seed << ": " << checked.error().message << "\n"
                                     << s.func.print() << print(s.func, s.allocation);
  }
}

TEST(RegisterAllocation, ChaosIsAsCorrectAsGoodChoices) {
  Rig s;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    s.make(seed);
    const auto ran = s.allocator.run(s.func, s.allocation, {.chaos_seed = seed});
    ASSERT_TRUE(ran.has_value()) << seed << ": " << ran.error().message;
    const auto checked = s.checker.check(s.func, s.allocation);
    ASSERT_TRUE(checked.has_value()) << seed << ": " << checked.error().message << "\n" << print(s.func, s.allocation);
  }
}

TEST(RegisterAllocation, SameInputGivesSameOutput) {
  Rig s;
  s.make(7);
  ASSERT_TRUE(s.allocator.run(s.func, s.allocation, {.chaos_seed = 3}).has_value());
  const std::string first = print(s.func, s.allocation);
  s.make(7);
  ASSERT_TRUE(s.allocator.run(s.func, s.allocation, {.chaos_seed = 3}).has_value());
  EXPECT_EQ(first, print(s.func, s.allocation));
}

// Not every planted fault matters (a skipped move may be of a value that is not read again), but each kind must be
// caught, and often.
class PlantedFault : public testing::TestWithParam<AllocatorFault> {};

TEST_P(PlantedFault, IsCaughtByTheChecker) {
  Rig s;
  uint32_t planted = 0;
  uint32_t caught = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    s.make(seed);
    AllocatorOptions options{.fault = GetParam(), .fault_site = static_cast<uint32_t>(seed % 5)};
    const auto ran = s.allocator.run(s.func, s.allocation, options);
    if (!s.allocator.fault_planted()) continue;
    ++planted;
    caught += !ran.has_value() || !s.checker.check(s.func, s.allocation).has_value() ? 1 : 0;
  }
  EXPECT_GT(planted, 20u);
  EXPECT_GT(caught * 15, planted) << caught << " of " << planted;
}

INSTANTIATE_TEST_SUITE_P(Kinds, PlantedFault,
                         testing::Values(AllocatorFault::kForgetSpill, AllocatorFault::kForgetReload,
                                         AllocatorFault::kSkipEdgeMove, AllocatorFault::kSerializeEdge,
                                         AllocatorFault::kShareSlots, AllocatorFault::kIgnoreClobber,
                                         AllocatorFault::kWrongFixed, AllocatorFault::kNarrowSlot));

}  // namespace
}  // namespace parallax::jit
