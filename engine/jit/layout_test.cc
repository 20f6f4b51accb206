// Loops, frequencies, and the order of blocks: small machine functions by hand, random ones for the properties.
#include "engine/jit/layout.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/jit/flow.h"
#include "engine/jit/regalloc/global.h"
#include "engine/jit/regalloc/random_func.h"

namespace parallax::jit {
namespace {

// A function from its edges: block n goes to targets[n]; no targets return, {kTraps} traps.
constexpr uint32_t kTraps = ~0u;
void make(const std::vector<std::vector<uint32_t>>& targets, MFunc& out) {
  out.reset();
  for (size_t b = 0; b < targets.size(); ++b) out.add_block();
  const VReg condition = out.add_vreg(RegClass::kGpr);
  for (uint32_t b = 0; b < targets.size(); ++b) {
    const MBlockId id(b);
    out.begin_block(id);
    if (b == 0) {
      out.def_fixed(condition, kRax);
      out.append({.op = MOp::Entry});
    }
    const auto& to = targets[b];
    if (to.empty()) {
      out.append({.op = MOp::Ret});
    } else if (to[0] == kTraps) {
      out.append({.op = MOp::Trap});
    } else {
      if (to.size() > 1) out.use(condition);
      // Something to do, so that no block is empty.
      if (to.size() == 1) { out.append({.op = MOp::Budget}); }
      out.append({.op = to.size() > 1 ? MOp::BranchIf : MOp::Jump});
      for (const uint32_t t : to) out.add_edge(id, MBlockId(t));
    }
    out.end_block(id);
  }
}

struct Rig {
  MFunc func;
  Flow flow;
  GlobalAllocator allocator;
  Allocation allocation;
  Layout layout;

  std::vector<uint32_t> order(const std::vector<std::vector<uint32_t>>& targets) {
    make(targets, func);
    flow.run(func);
    EXPECT_TRUE(allocator.run(func, flow, allocation).has_value());
    layout.optimize(func, allocation, flow);
    return {layout.order().begin(), layout.order().end()};
  }
};

using Order = std::vector<uint32_t>;

TEST(FlowOfMachineIr, NestedLoopsHaveHeadsParentsAndDepths) {
  Rig s;
  s.order({{1}, {2, 5}, {3}, {3, 4}, {1}, {}});
  ASSERT_EQ(s.flow.loops().size(), 2u);
  EXPECT_EQ(s.flow.depth(0), 0u);
  EXPECT_EQ(s.flow.depth(1), 1u);
  EXPECT_EQ(s.flow.depth(3), 2u);
  EXPECT_EQ(s.flow.depth(4), 1u);
  EXPECT_EQ(s.flow.depth(5), 0u);
  EXPECT_TRUE(s.flow.is_head(1) && s.flow.is_head(3) && !s.flow.is_head(2));
  EXPECT_TRUE(s.flow.encloses(s.flow.loop_of(1), s.flow.loop_of(3)));
  EXPECT_EQ(s.flow.common(s.flow.loop_of(3), s.flow.loop_of(4)), s.flow.loop_of(1));
  EXPECT_GT(s.flow.frequency(3), s.flow.frequency(1));
}

TEST(FlowOfMachineIr, WhatLeadsToATrapIsCold) {
  Rig s;
  s.order({{1, 2}, {3}, {}, {kTraps}});
  EXPECT_TRUE(s.flow.is_cold(1) && s.flow.is_cold(3));
  EXPECT_FALSE(s.flow.is_cold(0) || s.flow.is_cold(2));
}

TEST(BlockLayout, ALoopThatTestsFirstIsTurned) {
  Rig s;
  // 1 tests and leaves, 2 is the body: one taken jump an iteration with 2 above 1.
  EXPECT_EQ(s.order({{1}, {2, 3}, {1}, {}}), (Order{0, 2, 1, 3}));
}

TEST(BlockLayout, ALoopThatTestsLastStaysAsItIs) {
  Rig s;
  EXPECT_EQ(s.order({{1}, {2}, {1, 3}, {}}), (Order{0, 1, 2, 3}));
}

TEST(BlockLayout, ColdBlocksComeLast) {
  Rig s;
  EXPECT_EQ(s.order({{1, 2}, {kTraps}, {3, 4}, {2}, {}}).back(), 1u);
}

TEST(BlockLayout, LoopsAreInOnePiece) {
  Rig s;
  // Block 2 leaves the loop 1, 3 in the middle of its numbers.
  const auto order = s.order({{1}, {2, 3}, {}, {1, 4}, {}});
  const auto at = [&](uint32_t b) { return std::find(order.begin(), order.end(), b) - order.begin(); };
  EXPECT_EQ(std::abs(at(1) - at(3)), 1);
}

// Every node once, block 0 first, threaded blocks left out, every jump to something that is written.
TEST(BlockLayout, OfRandomFunctionsIsComplete) {
  Rig s;
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    ChoiceStream choices(seed);
    make_random_func(choices, {.blocks = 2 + static_cast<uint32_t>(seed % 30), .insts_per_block = 3}, s.func);
    s.flow.run(s.func);
    ASSERT_TRUE(s.allocator.run(s.func, s.flow, s.allocation, {.chaos_seed = seed % 3}).has_value());
    for (const bool natural : {false, true}) {
      if (natural) {
        s.layout.natural(s.func, s.allocation);
      } else {
        s.layout.optimize(s.func, s.allocation, s.flow);
      }
      std::vector<uint32_t> times(s.func.blocks().size() + s.func.edges().size(), 0);
      for (const uint32_t node : s.layout.order()) ++times[node];
      ASSERT_EQ(s.layout.order()[0], 0u);
      ASSERT_LE(*std::max_element(times.begin(), times.end()), 1u);
      for (uint32_t e = 0; e < s.func.edges().size(); ++e) {
        const MBlock& from = s.func.block(s.func.edges()[e].from);
        ASSERT_EQ(times[s.layout.destination(e)], 1u) << seed;
        if (from.edges_count > 1) ASSERT_EQ(times[s.layout.target(e)], 1u) << seed;
        // Nothing may be lost on the way: with moves an edge is a node, or is written with its block.
        const bool moves = !s.allocation.moves(EdgeId(e)).empty();
        ASSERT_EQ(s.layout.is_edge(s.layout.target(e)), moves && from.edges_count > 1) << seed;
      }
      for (uint32_t b = 0; b < s.func.blocks().size(); ++b) {
        if (s.func.blocks()[b].landing) ASSERT_EQ(times[b], 1u) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace parallax::jit
