// Every row of zeal.def: when it collects, what it does to retired space, and that no result changes.
#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>

#include "engine/gc/heap.h"

namespace parallax::gc {
namespace {

constexpr LayoutId kPair = 1;  // two references and a number
constexpr uint32_t kPairBytes = 24;
constexpr uint32_t kNumber = 16;

struct World final : HeapClient {
  LayoutTable layouts;
  uint64_t next = 0;
  uint64_t limit = 0;
  std::vector<Ref> roots;
  Heap heap;

  static HeapOptions small(GcKind kind, const Zeal& zeal) {
    return {.collector = kind, .zeal = zeal, .heap_bytes = 4 << 20, .collect_after_bytes = 1 << 20};
  }
  World(GcKind kind, const Zeal& zeal) : heap(small(kind, zeal), with_pair(), *this, {&next, &limit}) {}
  const LayoutTable& with_pair() {
    layouts.define(kPair, {.kind = LayoutKind::kFixed, .bytes = kPairBytes, .ref_offsets = {8, 12}});
    return layouts;
  }
  void visit_roots(RootVisitor& visitor) override {
    for (size_t i = 0; i < roots.size(); ++i) visitor.visit(&roots[i], RootKind::kGlobal, i);
  }
  void host_box_died(uint64_t) override {}
  Ref pair(uint32_t number) {
    const Ref ref = heap.allocate(kPair, 0, kPairBytes);
    heap.store(ref, kNumber, number);
    return ref;
  }
  uint64_t collections() const { return heap.stats().collections; }
};

constexpr GcKind kCollecting[] = {GcKind::kMoving, GcKind::kNonMoving, GcKind::kGenerational};

TEST(ZealMode, NoneCollectsOnlyWhenDue) {
  World world(GcKind::kMoving, {});
  for (uint32_t i = 0; i < 100; ++i) world.pair(i), world.heap.poll();
  EXPECT_EQ(world.collections(), 0u);
}

TEST(ZealMode, AllocCollectsBeforeEveryAllocationAndAtNoPoll) {
  World world(GcKind::kMoving, {.mode = ZealMode::kEveryAlloc});
  for (uint32_t i = 0; i < 10; ++i) world.pair(i);
  world.heap.poll();
  EXPECT_EQ(world.collections(), 10u);
}

TEST(ZealMode, EveryCollectsAtAllocationsAndPolls) {
  World world(GcKind::kMoving, {.mode = ZealMode::kEverySafepoint});
  for (uint32_t i = 0; i < 10; ++i) world.pair(i), world.heap.poll();
  EXPECT_EQ(world.collections(), 20u);
}

TEST(ZealMode, NthCollectsAtEveryNthPoint) {
  World world(GcKind::kNonMoving, {.mode = ZealMode::kNth, .n = 3});
  for (uint32_t i = 0; i < 10; ++i) world.pair(i);
  EXPECT_EQ(world.collections(), 3u);
}

TEST(ZealMode, OnlyCollectsAtExactlyOnePoint) {
  for (const uint64_t n : {0, 4, 9, 10}) {
    World world(GcKind::kMoving, {.mode = ZealMode::kOnlyNth, .n = n});
    for (uint32_t i = 0; i < 10; ++i) {
      const uint64_t before = world.collections();
      world.pair(i);
      EXPECT_EQ(world.collections() - before, i == n ? 1u : 0u) << i;
    }
  }
}

TEST(ZealFlag, MoveNeverUsesANameAgainSoon) {
  World world(GcKind::kMoving, {.move_always = true});
  world.roots = {world.pair(7)};
  std::set<uint32_t> names = {world.roots[0].bits};
  for (int i = 0; i < 100; ++i) {
    world.heap.collect();
    EXPECT_TRUE(names.insert(world.roots[0].bits).second) << "after " << i << " collections";
  }
  EXPECT_EQ(world.heap.load<uint32_t>(world.roots[0], kNumber), 7u);
}

TEST(ZealFlag, WithoutMoveTheCollectorAlternatesBetweenTwoPlaces) {
  World world(GcKind::kMoving, {});
  world.roots = {world.pair(7)};
  std::set<uint32_t> names;
  for (int i = 0; i < 100; ++i) {
    world.heap.collect();
    names.insert(world.roots[0].bits);
  }
  EXPECT_LE(names.size(), 3u);
}

TEST(ZealFlag, PoisonFillsRetiredSpaceAndIsMissedWhenItIsGone) {
  for (const GcKind kind : kCollecting) {
    World world(kind, {.poison = true});
    const Ref stale = world.pair(7);
    world.pair(8);
    world.heap.collect();
    EXPECT_EQ(world.heap.load<uint32_t>(stale, kNumber), 0xd5d5d5d5u);
    EXPECT_EQ(world.heap.verify(), "");
    world.heap.store(stale, kNumber, 1);
    EXPECT_NE(world.heap.verify().find("was written"), std::string::npos);
  }
}

TEST(ZealFlagDeathTest, ProtectMakesRetiredPagesInaccessible) {
  for (const GcKind kind : kCollecting) {
    World world(kind, {.protect = true});
    Ref stale;
    for (int i = 0; i < 1000; ++i) {
      const Ref made = world.pair(i);
      if (i == 500) stale = made;  // in the middle: the pages at both ends may be shared with live space
    }
    world.heap.collect();
    EXPECT_FALSE(world.heap.plausible(stale));
    EXPECT_EQ(world.heap.verify(), "");
    EXPECT_DEATH(world.heap.store(stale, kNumber, 1), "");
  }
}

TEST(ZealFlagDeathTest, PagesGiveEveryObjectItsOwnAndTheDeadOneFaults) {
  for (const GcKind kind : kCollecting) {
    World world(kind, {.pages = true});
    const Ref stale = world.pair(1);
    world.roots = {world.pair(2)};
    EXPECT_GE(world.roots[0].bits, stale.bits + kPage);
    EXPECT_EQ(world.heap.verify(), "");
    world.heap.collect();
    EXPECT_EQ(world.heap.verify(), "");
    EXPECT_EQ(world.heap.load<uint32_t>(world.roots[0], kNumber), 2u);
    EXPECT_FALSE(world.heap.plausible(stale));
    EXPECT_DEATH(world.heap.store(stale, kNumber, 1), "");
  }
}

TEST(ZealFlag, PagesGoOnWhenTheHeapWasFullOnce) {
  for (const GcKind kind : kCollecting) {
    World world(kind, {.pages = true});
    world.roots = {world.pair(1), world.pair(2)};
    for (uint32_t i = 0; i < 5000; ++i) {
      world.roots[1] = world.pair(i);
      ASSERT_TRUE(world.roots[1].is_object()) << i;
      ASSERT_EQ(world.heap.violation(), "") << i;
    }
    EXPECT_EQ(world.heap.verify(), "");
    EXPECT_EQ(world.heap.load<uint32_t>(world.roots[0], kNumber), 1u);
    EXPECT_EQ(world.heap.load<uint32_t>(world.roots[1], kNumber), 4999u);
  }
}

TEST(ZealFlag, VerifyBeforeAndAfterRunTheVerifierAroundEveryCollection) {
  for (const bool before : {false, true}) {
    for (const bool after : {false, true}) {
      World world(GcKind::kMoving, {.verify_before = before, .verify_after = after});
      world.heap.collect();
      world.heap.collect();
      EXPECT_EQ(world.heap.stats().verifications, 2u * (before + after));
    }
  }
}

// The flag itself is the frame walker's (engine/jit/frames.cc); its effect is tested with compiled code in tests/faults.
TEST(ZealFlag, ZapChangesNothingInTheHeap) {
  World world(GcKind::kMoving, {.zap = true});
  world.roots = {world.pair(7)};
  world.heap.collect();
  EXPECT_EQ(world.heap.load<uint32_t>(world.roots[0], kNumber), 7u);
}

// A chain of 300,000 live objects under every safepoint: quadratic without the budget of options.h.
TEST(ZealBudget, SpacesCollectionsOutOnceTheHeapIsLargeAndTheSameWayInEveryRun) {
  for (const GcKind kind : kCollecting) {
    uint64_t collections = 0;
    for (int run = 0; run < 2; ++run) {
      HeapOptions options = World::small(kind, {.mode = ZealMode::kEverySafepoint});
      options.heap_bytes = 64 << 20;
      World world(kind, {});
      struct Big final : HeapClient {
        const LayoutTable& layouts;
        uint64_t next = 0, limit = 0;
        Ref chain;
        Heap heap;
        Big(const HeapOptions& o, const LayoutTable& l) : layouts(l), heap(o, l, *this, {&next, &limit}) {}
        void visit_roots(RootVisitor& visitor) override { visitor.visit(&chain, RootKind::kGlobal, 0); }
        void host_box_died(uint64_t) override {}
      } big(options, world.layouts);
      for (uint32_t i = 0; i < 300'000; ++i) {
        const Ref link = big.heap.allocate(kPair, 0, kPairBytes);
        ASSERT_TRUE(link.is_object());
        big.heap.store_ref(link, 8, big.chain);
        big.chain = link;
      }
      EXPECT_EQ(big.heap.verify(), "");
      EXPECT_GT(big.heap.stats().collections, 1000u);
      EXPECT_LT(big.heap.stats().collections, 100'000u);
      if (run == 1) EXPECT_EQ(big.heap.stats().collections, collections);
      collections = big.heap.stats().collections;
    }
  }
}

TEST(Origins, TellWhereAnObjectThatIsGoneWasAllocated) {
  struct Source final : OriginSource {
    uint64_t current_site() const override { return 77; }
    Place place_of(uint64_t site) const override { return site == 77 ? Place{3, 0x41} : Place{}; }
    uint64_t collections_so_far() const override { return 0; }
  } source;
  for (const GcKind kind : kCollecting) {
    World world(kind, {.move_always = true, .poison = true});
    world.heap.keep_origins(&source);
    const Ref stale = world.pair(1);
    world.heap.collect();
    const std::string text = world.heap.describe(stale);
    EXPECT_NE(text.find("function 3 at 0x41, 0 collections in (now 1)"), std::string::npos) << text;
    EXPECT_FALSE(world.heap.is_object_start(stale));
    world.roots = {world.pair(2)};
    EXPECT_TRUE(world.heap.is_object_start(world.roots[0]));
    EXPECT_FALSE(world.heap.is_object_start(Ref{world.roots[0].bits + 8}));
    world.heap.collect();
    EXPECT_TRUE(world.heap.is_object_start(world.roots[0]));
    EXPECT_NE(world.heap.describe(world.roots[0]).find("an object of layout 1; it was allocated by function 3"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace parallax::gc
