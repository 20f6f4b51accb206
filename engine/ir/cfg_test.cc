// Orders and dominators, against their definition on random graphs.
#include "engine/ir/cfg.h"

#include <gtest/gtest.h>

#include "engine/base/choices.h"
#include "engine/ir/builder.h"
#include "engine/ir/test_module.h"

namespace parallax::ir {
namespace {

// Blocks whose terminators are drawn from `choices`; `forward` only to later blocks and, rarely, to an earlier one.
Func random_graph(ChoiceStream& choices, uint32_t count, bool forward) {
  Func func;
  func.reset(test_module(), wasm::FuncIndex(0));
  Builder b(func);
  for (uint32_t i = 0; i < count; ++i) func.add_block();
  for (uint32_t i = 0; i < count; ++i) {
    b.set_block(BlockId(i));
    const auto target = [&] {
      const uint32_t low = forward && !choices.chance(1, 5) ? i + 1 : 1;
      return BlockId(low + choices.below(count - low));
    };
    if (i + 1 >= count) {
      b.ret({});
    } else if (choices.chance(2, 3)) {
      const ValueId condition = b.i32(1);
      const BlockId yes = target();
      b.branch(condition, yes, target());
    } else {
      b.jump(target());
    }
  }
  return func;
}

// Whether `b` can be reached from the entry without going through `without`.
bool reaches(const Func& func, BlockId b, BlockId without) {
  std::vector<bool> seen(func.block_count());
  std::vector<BlockId> work = {Func::kEntry};
  while (!work.empty()) {
    const BlockId at = work.back();
    work.pop_back();
    if (seen[at.index()] || at == without) continue;
    seen[at.index()] = true;
    for (const BlockId to : func.targets(func.terminator(at))) work.push_back(to);
  }
  return seen[b.index()];
}

TEST(Cfg, DominanceIsWhatItsDefinitionSays) {
  Cfg cfg;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    ChoiceStream choices(seed);
    const Func func = random_graph(choices, 2 + choices.below(14), seed % 2 == 0);
    cfg.compute(func);
    for (const BlockId b : func.order()) {
      EXPECT_EQ(cfg.reachable(b), reaches(func, b, BlockId()));
      if (!cfg.reachable(b)) continue;
      EXPECT_TRUE(cfg.dominates(cfg.idom(b), b));
      for (const BlockId a : func.order()) {
        if (!cfg.reachable(a)) continue;
        EXPECT_EQ(cfg.dominates(a, b), a == b || !reaches(func, b, a))
            << "seed " << seed << " b" << a.raw << " b" << b.raw;
      }
    }
  }
}

TEST(Cfg, ReversePostorderPutsDominatorsFirst) {
  Cfg cfg;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    ChoiceStream choices(seed);
    const Func func = random_graph(choices, 12, seed % 2 == 0);
    cfg.compute(func);
    for (const BlockId b : cfg.rpo()) {
      if (b != Func::kEntry) EXPECT_LT(cfg.rpo_number(cfg.idom(b)), cfg.rpo_number(b));
    }
  }
}

// Every block of a long chain may leave to one join: climbing the dominator tree must not take the length of the chain.
TEST(Cfg, AJoinOfAHundredThousandEdgesIsFast) {
  constexpr uint32_t kCount = 100'000;
  Func func;
  func.reset(test_module(), wasm::FuncIndex(0));
  Builder b(func);
  for (uint32_t i = 0; i <= kCount; ++i) func.add_block();
  const BlockId join(kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    b.set_block(BlockId(i));
    if (i + 1 < kCount) {
      b.branch(b.i32(1), join, BlockId(i + 1));
    } else {
      b.jump(join);
    }
  }
  b.set_block(join);
  b.ret({});
  Cfg cfg;
  cfg.compute(func);
  EXPECT_EQ(cfg.idom(join), Func::kEntry);
  EXPECT_EQ(cfg.preds(join).size(), kCount);
}

}  // namespace
}  // namespace parallax::ir
