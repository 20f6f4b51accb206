// The allocator against its checker: random functions, chaos, determinism, planted faults.
#include <gtest/gtest.h>

#include <array>

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

// --- What the global allocator is for ------------------------------------------------------------------------------

uint32_t count(std::span<const Item> items, Item::Kind kind) {
  uint32_t n = 0;
  for (const Item& item : items) n += item.kind == kind ? 1 : 0;
  return n;
}

// i = x; do { i = i + i + 0x123456789abc; } while (...); return i
TEST(GlobalAllocation, AConstantOfALoopIsMadeBeforeItAndTheWayBackHasNoMoves) {
  Rig s;
  s.func.reset();
  for (uint32_t b = 0; b < 3; ++b) s.func.add_block();
  const VReg x = s.func.add_vreg(RegClass::kGpr);
  const VReg constant = s.func.add_const(RegClass::kGpr, 0x123456789abc);
  const VReg i = s.func.add_vreg(RegClass::kGpr);
  const VReg twice = s.func.add_vreg(RegClass::kGpr);
  const VReg next = s.func.add_vreg(RegClass::kGpr);
  s.func.begin_block(MBlockId(0));
  s.func.def_fixed(x, kRax);
  s.func.append({.op = MOp::Entry});
  s.func.append({.op = MOp::Jump});
  s.func.add_edge(MBlockId(0), MBlockId(1), std::array{x});
  s.func.end_block(MBlockId(0));
  s.func.add_param(MBlockId(1), i);
  s.func.begin_block(MBlockId(1));
  s.func.def(twice, Where::kSame);
  s.func.use(i);
  s.func.use(i);
  s.func.append({.op = MOp::Alu});
  s.func.def(next, Where::kSame);
  s.func.use(twice);
  s.func.use(constant);
  s.func.append({.op = MOp::Alu});
  s.func.use(next);
  s.func.append({.op = MOp::BranchIf, .form = CmpForm::kTestReg});
  s.func.add_edge(MBlockId(1), MBlockId(1), std::array{next});
  s.func.add_edge(MBlockId(1), MBlockId(2));
  s.func.end_block(MBlockId(1));
  s.func.begin_block(MBlockId(2));
  s.func.use_fixed(next, kRax);
  s.func.append({.op = MOp::Ret});
  s.func.end_block(MBlockId(2));
  ASSERT_TRUE(s.run(Allocator::kGlobal).has_value());
  ASSERT_TRUE(s.checker.check(s.func, s.allocation).has_value());
  EXPECT_EQ(count(s.allocation.block_items(MBlockId(1)), Item::Kind::kConst), 0u);
  EXPECT_EQ(count(s.allocation.moves(EdgeId(0)), Item::Kind::kConst), 1u);
  EXPECT_TRUE(s.allocation.moves(EdgeId(1)).empty()) << print(s.func, s.allocation);
}

// if (x) call(); return x: the store for the call is where the call is.
TEST(GlobalAllocation, TheStoreForACallOnOneWayIsOnThatWay) {
  Rig s;
  s.func.reset();
  for (uint32_t b = 0; b < 3; ++b) s.func.add_block();
  const VReg x = s.func.add_vreg(RegClass::kGpr);
  s.func.begin_block(MBlockId(0));
  s.func.def_fixed(x, kRax);
  s.func.append({.op = MOp::Entry});
  s.func.use(x);
  s.func.append({.op = MOp::BranchIf, .form = CmpForm::kTestReg});
  s.func.add_edge(MBlockId(0), MBlockId(1));
  s.func.add_edge(MBlockId(0), MBlockId(2));
  s.func.end_block(MBlockId(0));
  s.func.begin_block(MBlockId(1));
  s.func.append({.op = MOp::CallFunc, .aux = s.func.add_call({}).raw});
  s.func.append({.op = MOp::Jump});
  s.func.add_edge(MBlockId(1), MBlockId(2));
  s.func.end_block(MBlockId(1));
  s.func.begin_block(MBlockId(2));
  s.func.use_fixed(x, kRax);
  s.func.append({.op = MOp::Ret});
  s.func.end_block(MBlockId(2));
  ASSERT_TRUE(s.run(Allocator::kGlobal).has_value());
  ASSERT_TRUE(s.checker.check(s.func, s.allocation).has_value());
  EXPECT_EQ(count(s.allocation.block_items(MBlockId(0)), Item::Kind::kMove), 0u) << print(s.func, s.allocation);
  EXPECT_EQ(count(s.allocation.block_items(MBlockId(1)), Item::Kind::kMove), 1u);
}

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
