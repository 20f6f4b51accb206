// The generational collector: what is old, what is remembered, what stays where it is, and how much room there is.
#include <gtest/gtest.h>

#include <set>

#include "engine/gc/test_model.h"

namespace parallax::gc {
namespace {

using namespace test;  // NOLINT: what the tests are written in

constexpr uint32_t kField = 8;  // the first reference of a pair

HeapOptions generational(ZealMode mode = ZealMode::kNone) { return options_of(GcKind::kGenerational, mode); }

// Minor collections until everything reachable is old.
void grow_old(World& world) {
  for (const uint64_t before = world.heap.stats().minor_collections; world.heap.stats().minor_collections < before + 2;)
    world.pair(0);
}

TEST(Generational, AnObjectIsCopiedTwiceAndThenStays) {
  World world(generational());
  world.roots = {world.pair(7)};
  std::set<uint32_t> names;
  for (int i = 0; i < 5; ++i) {
    names.insert(world.roots[0].bits);
    grow_old(world);
  }
  EXPECT_LE(names.size(), 3u);
  EXPECT_EQ(world.heap.load<uint32_t>(world.roots[0], kPairNumber), 7u);
}

TEST(Generational, OldObjectsKeepTheYoungOnesThatWereStoredIntoThem) {
  World world(generational());
  world.roots = {world.pair(1)};
  grow_old(world);
  world.heap.store_ref(world.roots[0], kField, world.pair(2));
  EXPECT_EQ(world.heap.verify(), "");
  for (int i = 0; i < 3; ++i) grow_old(world);
  EXPECT_EQ(world.heap.verify(), "");
  EXPECT_EQ(world.heap.load<uint32_t>(world.heap.load<Ref>(world.roots[0], kField), kPairNumber), 2u);
  EXPECT_GT(world.heap.stats().remembered, 0u);
}

TEST(Generational, TheVerifierFindsAStoreWithoutBarrier) {
  World world(generational());
  world.roots = {world.pair(1)};
  grow_old(world);
  const Ref young = world.pair(2);
  world.heap.store(world.roots[0], kField, young);
  const std::string text = world.heap.verify();
  EXPECT_TRUE(text.starts_with("I9: old object")) << text;
  EXPECT_NE(text.find("is not remembered"), std::string::npos) << text;
}

TEST(Generational, TheVerifierFindsAnObjectThatNoStoreWillRemember) {
  World world(generational());
  world.roots = {world.pair(1)};
  grow_old(world);
  world.heap.header(world.roots[0]).meta &= ~uint32_t{kWatched};
  EXPECT_NE(world.heap.verify().find("no store will put it there"), std::string::npos) << world.heap.verify();
}

TEST(Generational, AStrangerOnTheListIsAViolationNotACrash) {
  for (const uint32_t bits : {0x8u, 0x7fffff8u, 0xfffffff8u}) {
    World world(generational(ZealMode::kEveryAlloc));
    world.roots = {world.pair(1)};
    uint32_t* const end = *world.remembered();
    *end = bits;
    ++*world.remembered();
    for (int i = 0; i < 8 && world.heap.violation().empty(); ++i) world.pair(2);
    EXPECT_TRUE(world.heap.violation().starts_with("I9: ")) << world.heap.violation();
  }
}

TEST(Generational, LargeObjectsStayWhereTheyAreAndGoWhenTheyDie) {
  World world(generational());
  world.roots = {world.array(kRefArray, 10000)};
  world.roots.push_back(world.array(kByteArray, 50000));
  const std::vector<Ref> names = world.roots;
  world.heap.store_ref(world.roots[0], kHeaderBytes + 4 * 9999, world.pair(3));
  for (int i = 0; i < 4; ++i) grow_old(world);
  world.heap.collect();
  EXPECT_EQ(world.roots, names);
  const Ref held = world.heap.load<Ref>(world.roots[0], kHeaderBytes + 4 * 9999);
  EXPECT_EQ(world.heap.load<uint32_t>(held, kPairNumber), 3u);
  world.roots.clear();
  world.heap.collect();
  EXPECT_EQ(world.heap.stats().live_bytes_after_last, 0u);
  EXPECT_EQ(world.heap.verify(), "");
  const Ref again = world.array(kByteArray, 60000);
  for (uint32_t i = 0; i < 60000; ++i) ASSERT_EQ(*world.heap.at(again, kHeaderBytes + i), 0);
}

TEST(Generational, InitialisingALargeObjectNeedsNoBarrier) {
  World world(generational());
  world.roots = {world.array(kRefArray, 10000)};
  world.heap.store(world.roots[0], kHeaderBytes, world.pair(5));
  EXPECT_EQ(world.heap.verify(), "");
  grow_old(world);
  EXPECT_EQ(world.heap.load<uint32_t>(world.heap.load<Ref>(world.roots[0], kHeaderBytes), kPairNumber), 5u);
}

TEST(Generational, ZealTakesThreeMinorCollectionsForAFullOneUnlessToldOtherwise) {
  const auto minors = [](bool minor, bool full) {
    HeapOptions options = generational(ZealMode::kEveryAlloc);
    options.zeal.minor = minor;
    options.zeal.full = full;
    World world(options);
    for (int i = 0; i < 100; ++i) world.pair(i);
    EXPECT_EQ(world.heap.stats().collections, 100u);
    return world.heap.stats().minor_collections;
  };
  EXPECT_EQ(minors(false, false), 75u);
  EXPECT_EQ(minors(true, false), 100u);
  EXPECT_EQ(minors(false, true), 0u);
}

TEST(Generational, MemoryOfAPeakIsGivenBack) {
  HeapOptions options = generational();
  options.heap_bytes = 256 << 20;
  options.collect_after_bytes = 1 << 20;
  options.zeal.poison = false;
  World world(options);
  world.roots.resize(1);
  for (int i = 0; i < 1'000'000; ++i) {
    const Ref link = world.pair(i);
    world.heap.store_ref(link, kField, world.roots[0]);
    world.roots[0] = link;
  }
  EXPECT_GT(world.heap.resident_bytes(), 24u << 20);
  world.roots[0] = kNullRef;
  world.heap.collect();
  world.heap.collect();
  EXPECT_LT(world.heap.resident_bytes(), 10u << 20);  // mostly the young
}

// Heaps from the smallest up, objects of every size, alive and dead, until there is no room and beyond: never a violation,
// never another graph than the model's, and room again once things are dead.
TEST(GenerationalStress, SmallHeapsAgainstTheModel) {
  for (uint64_t seed = 1; seed <= 160; ++seed) {
    ChoiceStream choices(seed * 7919);
    HeapOptions options = generational();
    options.heap_bytes = (uint64_t{64} << choices.below(6)) * 1024 + choices.below(16) * kPage;
    options.collect_after_bytes = uint64_t{4096} << choices.below(5);
    options.zeal.mode = static_cast<ZealMode>(choices.below(4));
    options.zeal.n = 1 + choices.below(9);
    options.zeal.poison = choices.chance(1, 2);
    options.zeal.protect = choices.chance(1, 4);
    options.zeal.pages = options.heap_bytes > (1 << 20) && choices.chance(1, 8);
    options.zeal.minor = choices.chance(1, 4);
    options.zeal.full = choices.chance(1, 8);
    options.zeal.tiny = choices.chance(1, 4);
    options.zeal.verify_before = options.zeal.verify_after = choices.chance(1, 2);
    World world(options);
    ASSERT_TRUE(world.heap.ok());
    Mutator mutator(world, seed, 1u << (6 + choices.below(10)));
    for (int i = 0; i < 1200; ++i) {
      mutator.step();
      if (i % 100 == 0) mutator.expect_same_graph();
      if (i % 200 == 77) world.heap.collect();
      ASSERT_EQ(world.heap.violation(), "") << "seed " << seed << ", step " << i;
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << ", step " << i;
    }
    mutator.expect_same_graph();
    ASSERT_EQ(world.heap.verify(), "") << "seed " << seed;
    std::fill(world.roots.begin(), world.roots.end(), kNullRef);
    world.heap.collect();
    ASSERT_FALSE(world.pair(1).is_null()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace parallax::gc
