// The allocator against its checker: random functions, chaos, determinism, planted faults.
#include <gtest/gtest.h>

#include "engine/jit/flow.h"
#include "engine/jit/regalloc/allocate.h"
#include "engine/jit/regalloc/check.h"
#include "engine/jit/regalloc/global.h"
#include "engine/jit/regalloc/random_func.h"

namespace parallax::jit {
namespace {

enum class Allocator : uint8_t { kGreedy, kGlobal };

struct Rig {
  MFunc func;
  Flow flow;
  Allocation allocation;
  RegisterAllocator greedy;
  GlobalAllocator global;
  AllocationChecker checker;

  void make(uint64_t seed) {
    ChoiceStream choices(seed);
    RandomFuncLimits limits;
    limits.blocks = 2 + static_cast<uint32_t>(seed % 20);
    limits.insts_per_block = 2 + static_cast<uint32_t>(seed % 17);
    make_random_func(choices, limits, func);
  }
  Result<> run(Allocator which, const AllocatorOptions& options = {}) {
    if (which == Allocator::kGreedy) return greedy.run(func, allocation, options);
    flow.run(func);
    return global.run(func, flow, allocation, options);
  }
  bool planted(Allocator which) const {
    return which == Allocator::kGreedy ? greedy.fault_planted() : global.fault_planted();
  }
};

class RegisterAllocation : public testing::TestWithParam<Allocator> {};

TEST_P(RegisterAllocation, RandomFunctionsPassTheChecker) {
  Rig s;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    s.make(seed);
    const auto ran = s.run(GetParam());
    ASSERT_TRUE(ran.has_value()) << seed << ": " << ran.error().message;
    const auto checked = s.checker.check(s.func, s.allocation);
    ASSERT_TRUE(checked.has_value()) << seed << ": " << checked.error().message << "\n"
                                     << s.func.print() << print(s.func, s.allocation);
  }
}

TEST_P(RegisterAllocation, ChaosIsAsCorrectAsGoodChoices) {
  Rig s;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    s.make(seed);
    const auto ran = s.run(GetParam(), {.chaos_seed = seed});
    ASSERT_TRUE(ran.has_value()) << seed << ": " << ran.error().message;
    const auto checked = s.checker.check(s.func, s.allocation);
    ASSERT_TRUE(checked.has_value()) << seed << ": " << checked.error().message << "\n" << print(s.func, s.allocation);
  }
}

TEST_P(RegisterAllocation, SameInputGivesSameOutput) {
  Rig s;
  for (const uint64_t chaos : {0, 1, 2, 3, 4}) {
    s.make(7);
    ASSERT_TRUE(s.run(GetParam(), {.chaos_seed = chaos}).has_value());
    const std::string first = print(s.func, s.allocation);
    s.make(7);
    ASSERT_TRUE(s.run(GetParam(), {.chaos_seed = chaos}).has_value());
    EXPECT_EQ(first, print(s.func, s.allocation));
  }
}

INSTANTIATE_TEST_SUITE_P(Allocators, RegisterAllocation, testing::Values(Allocator::kGreedy, Allocator::kGlobal));

// Not every planted fault matters (a skipped move may be of a value that is not read again), but each kind must be
// caught, and often.
struct FaultOf {
  Allocator allocator;
  AllocatorFault fault;
};

class PlantedFault : public testing::TestWithParam<FaultOf> {};

TEST_P(PlantedFault, IsCaughtByTheChecker) {
  Rig s;
  uint32_t planted = 0;
  uint32_t caught = 0;
  const auto [allocator, fault] = GetParam();
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    s.make(seed);
    AllocatorOptions options{.fault = fault, .fault_site = static_cast<uint32_t>(seed % 5)};
    const auto ran = s.run(allocator, options);
    if (!s.planted(allocator)) continue;
    ++planted;
    caught += !ran.has_value() || !s.checker.check(s.func, s.allocation).has_value() ? 1 : 0;
  }
  EXPECT_GT(planted, 20u);
  EXPECT_GT(caught * 15, planted) << caught << " of " << planted;
}

INSTANTIATE_TEST_SUITE_P(Greedy, PlantedFault,
                         testing::Values(FaultOf{Allocator::kGreedy, AllocatorFault::kForgetSpill},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kForgetReload},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kSkipEdgeMove},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kSerializeEdge},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kShareSlots},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kIgnoreClobber},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kWrongFixed},
                                         FaultOf{Allocator::kGreedy, AllocatorFault::kNarrowSlot}));

INSTANTIATE_TEST_SUITE_P(Global, PlantedFault,
                         testing::Values(FaultOf{Allocator::kGlobal, AllocatorFault::kForgetSpill},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kForgetReload},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kSkipEdgeMove},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kSerializeEdge},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kShareSlots},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kIgnoreClobber},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kWrongFixed},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kNarrowSlot},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kForgetDropStore},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kForgetEdgeStore},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kSplitWithoutMove},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kWrongConstant},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kForgetBackReload},
                                         FaultOf{Allocator::kGlobal, AllocatorFault::kStaleSlot}));

}  // namespace
}  // namespace parallax::jit
