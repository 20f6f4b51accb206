// The loop tree of graphs written as text.
#include "engine/ir/loops.h"

#include <gtest/gtest.h>

#include "engine/ir/test_module.h"

namespace parallax::ir {
namespace {

struct Analysed {
  Func func;
  Cfg cfg;
  Loops loops;
};

Analysed analyse(const std::string& text) {
  Analysed out{func_of(text), {}, {}};
  out.cfg.compute(out.func);
  out.loops.compute(out.func, out.cfg);
  return out;
}

// b1 is a loop around the loop b2; b4 leaves the inner one, b5 both.
constexpr const char* kNested =
    "func 1 {\nb0(v0: i32):\n budget @1\n jump -> b1 @1\n"
    "b1:\n budget @2\n jump -> b2 @2\n"
    "b2:\n budget @3\n branch v0 -> b2 b3 @3\n"
    "b3:\n branch v0 -> b4 b5 @4\n"
    "b4:\n jump -> b1 @5\n"
    "b5:\n return v0 @6\n}";

TEST(Loops, FormATreeWithOuterLoopsFirst) {
  const std::string text = kNested;
  auto a = analyse(text);
  ASSERT_EQ(a.loops.all().size(), 2u);
  const Loop& outer = a.loops[LoopId(0)];
  const Loop& inner = a.loops[LoopId(1)];
  EXPECT_EQ(outer.head, BlockId(1));
  EXPECT_EQ(outer.preheader, BlockId(0));
  EXPECT_EQ(outer.blocks, 4u);
  EXPECT_TRUE(outer.has_inner);
  EXPECT_EQ(inner.head, BlockId(2));
  EXPECT_EQ(inner.preheader, BlockId(1));
  EXPECT_EQ(inner.parent, LoopId(0));
  EXPECT_EQ(inner.depth, 2u);
  EXPECT_EQ(inner.blocks, 1u);
  EXPECT_FALSE(inner.has_inner);
}

TEST(Loops, KnowWhatTheyContain) {
  auto a = analyse(kNested);
  EXPECT_TRUE(a.loops.contains(LoopId(0), BlockId(2)));
  EXPECT_TRUE(a.loops.contains(LoopId(0), BlockId(4)));
  EXPECT_FALSE(a.loops.contains(LoopId(1), BlockId(3)));
  EXPECT_FALSE(a.loops.contains(LoopId(0), BlockId(5)));
  EXPECT_FALSE(a.loops.of(BlockId(0)).valid());
  EXPECT_EQ(a.loops.common_depth(BlockId(2), BlockId(4)), 1u);
  EXPECT_EQ(a.loops.common_depth(BlockId(2), BlockId(5)), 0u);
  EXPECT_EQ(a.loops.enclosing(BlockId(2), 1), LoopId(0));
}

TEST(Loops, WithTwoWaysInHaveNoPreheader) {
  auto a = analyse(
      "func 1 {\nb0(v0: i32):\n budget @1\n branch v0 -> b1 b2 @1\nb1:\n jump -> b3 @2\nb2:\n jump -> b3 @2\n"
      "b3:\n budget @3\n branch v0 -> b3 b4 @3\nb4:\n return v0 @4\n}");
  ASSERT_EQ(a.loops.all().size(), 1u);
  EXPECT_FALSE(a.loops[LoopId(0)].preheader.valid());
}

TEST(Loops, OfIrreducibleGraphsAreNone) {
  auto a = analyse(
      "func 1 {\nb0(v0: i32):\n budget @1\n branch v0 -> b1 b2 @1\nb1:\n jump -> b2 @2\n"
      "b2:\n branch v0 -> b1 b3 @3\nb3:\n return v0 @4\n}");
  EXPECT_TRUE(a.loops.empty());
}

TEST(Loops, DeepNestsTakeNearLinearTime) {
  std::string text = "func 1 {\nb0(v0: i32):\n budget @1\n jump -> b1 @1\n";
  constexpr int kDepth = 2000;
  for (int n = 1; n <= kDepth; ++n) {
    text += "b" + std::to_string(n) + ":\n budget @1\n jump -> b" + std::to_string(n + 1) + " @1\n";
  }
  for (int n = kDepth; n >= 1; --n) {
    text += "b" + std::to_string(2 * kDepth - n + 1) + ":\n branch v0 -> b" + std::to_string(n) + " b" +
            std::to_string(2 * kDepth - n + 2) + " @2\n";
  }
  text += "b" + std::to_string(2 * kDepth + 1) + ":\n return v0 @3\n}";
  auto a = analyse(text);
  ASSERT_EQ(a.loops.all().size(), size_t{kDepth});
  EXPECT_EQ(a.loops.all().back().depth, uint32_t{kDepth});
  EXPECT_EQ(a.loops.all()[0].blocks, uint32_t{2 * kDepth});
}

}  // namespace
}  // namespace parallax::ir
