#include "engine/gc/heap.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/base/choices.h"
#include "engine/gc/region.h"
#include "engine/gc/test_model.h"

namespace parallax::gc {
namespace {

using namespace test;  // NOLINT: what the tests are written in

struct Setting {
  const char* name;
  HeapOptions options;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  all.push_back({"moving", options_of(GcKind::kMoving)});
  all.push_back({"moving_plain", options_of(GcKind::kMoving, ZealMode::kNone, false)});
  all.push_back({"moving_zeal", options_of(GcKind::kMoving, ZealMode::kEveryAlloc)});
  HeapOptions protect = options_of(GcKind::kMoving, ZealMode::kEveryAlloc);
  protect.zeal.protect = true;
  all.push_back({"moving_protect", protect});
  HeapOptions nth = options_of(GcKind::kMoving, ZealMode::kNth);
  nth.zeal.n = 7;
  nth.zeal.verify_before = nth.zeal.verify_after = true;
  all.push_back({"moving_nth_verify", nth});
  all.push_back({"nonmoving", options_of(GcKind::kNonMoving)});
  all.push_back({"nonmoving_plain", options_of(GcKind::kNonMoving, ZealMode::kNone, false)});
  HeapOptions sweep = options_of(GcKind::kNonMoving, ZealMode::kEveryAlloc);
  sweep.zeal.verify_before = sweep.zeal.verify_after = true;
  all.push_back({"nonmoving_zeal_verify", sweep});
  all.push_back({"never", options_of(GcKind::kNever)});
  all.push_back({"gen", options_of(GcKind::kGenerational)});
  all.push_back({"gen_plain", options_of(GcKind::kGenerational, ZealMode::kNone, false)});
  all.push_back({"gen_zeal", options_of(GcKind::kGenerational, ZealMode::kEveryAlloc)});
  HeapOptions tiny = options_of(GcKind::kGenerational);
  tiny.zeal.tiny = tiny.zeal.verify_before = tiny.zeal.verify_after = true;
  all.push_back({"gen_tiny_verify", tiny});
  protect.collector = GcKind::kGenerational;
  all.push_back({"gen_protect", protect});
  protect.zeal.mode = ZealMode::kNone;
  all.push_back({"gen_protect_when_due", protect});
  protect.zeal.mode = ZealMode::kEveryAlloc;
  protect.zeal.pages = true;
  protect.zeal.minor = true;
  all.push_back({"gen_pages", protect});
  nth.collector = GcKind::kGenerational;
  all.push_back({"gen_nth_verify", nth});
  nth.zeal.minor = true;
  nth.zeal.n = 2;
  all.push_back({"gen_minor_verify", nth});
  nth.zeal.minor = false;
  nth.zeal.full = true;
  all.push_back({"gen_full_verify", nth});
  return all;
}

class Collectors : public testing::TestWithParam<Setting> {};
INSTANTIATE_TEST_SUITE_P(All, Collectors, testing::ValuesIn(settings()),
                         [](const auto& info) { return info.param.name; });

TEST_P(Collectors, RandomGraphStaysTheModelsGraph) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    World world(GetParam().options);
    ASSERT_TRUE(world.heap.ok());
    Mutator mutator(world, seed);
    for (int i = 0; i < 1500; ++i) {
      mutator.step();
      if (i % 50 == 0) mutator.expect_same_graph();
      if (HasFatalFailure()) return;
    }
    world.heap.collect();
    mutator.expect_same_graph();
    EXPECT_EQ(world.heap.violation(), "");
    EXPECT_EQ(world.heap.verify(), "");
    if (GetParam().options.collector != GcKind::kNever) EXPECT_GT(world.heap.stats().collections, 2u);
  }
}

TEST_P(Collectors, FreshObjectsAreZeroWhateverStoodThere) {
  World world(GetParam().options);
  for (int i = 0; i < 3000; ++i) {
    const Ref ref = world.array(kByteArray, 100);
    ASSERT_FALSE(ref.is_null());
    for (uint32_t b = 0; b < 100; ++b) ASSERT_EQ(*world.heap.at(ref, kHeaderBytes + b), 0) << i;
    std::memset(world.heap.at(ref, kHeaderBytes), 0xee, 100);
  }
}

TEST_P(Collectors, FullHeapAnswersNullAndStaysUsable) {
  HeapOptions options = GetParam().options;
  options.heap_bytes = 0;  // clamped to the smallest
  World world(options);
  world.roots.resize(1);
  uint32_t made = 0;
  for (; made < 100000; ++made) {
    const Ref ref = world.pair(made);
    if (ref.is_null()) break;
    world.heap.store(ref, 8, world.roots[0]);
    world.roots[0] = ref;
  }
  EXPECT_GT(made, options.zeal.pages ? 4u : 500u);
  EXPECT_LT(made, 100000u);
  EXPECT_EQ(world.heap.violation(), "");
  EXPECT_EQ(world.heap.verify(), "");
  EXPECT_TRUE(world.array(kByteArray, 1u << 30).is_null());
  if (options.collector == GcKind::kNever) return;
  world.roots[0] = kNullRef;
  EXPECT_FALSE(world.pair(1).is_null());
}

TEST_P(Collectors, HandlesAndHostBoxesFollowTheirObjects) {
  World world(GetParam().options);
  Rooted kept(world.heap, world.pair(77));
  Rooted box(world.heap, world.heap.allocate_box(1234));
  world.heap.allocate_box(5678);  // garbage at once
  for (int i = 0; i < 4; ++i) world.heap.collect();
  EXPECT_EQ(world.heap.load<uint32_t>(kept.ref, kPairNumber), 77u);
  EXPECT_EQ(world.heap.load<uint64_t>(box.ref, kHostBoxIdOffset), 1234u);
  if (GetParam().options.collector == GcKind::kNever) return;
  EXPECT_EQ(world.dead_hosts, std::vector<uint64_t>{5678});
  EXPECT_EQ(world.heap.box_count(), 1u);
}

TEST_P(Collectors, RootOutsideTheHeapIsAViolationNotACrash) {
  for (const uint32_t bits : {0x10u, 0xfffffff8u, 0x1004u, 0xd5d5d5d4u}) {
    World world(GetParam().options);
    world.pair(1);
    world.roots = {Ref{bits}};
    EXPECT_TRUE(world.heap.verify().starts_with("I1: root (global, site 0x0)")) << world.heap.verify();
    world.heap.collect();
    if (GetParam().options.collector != GcKind::kNever) EXPECT_TRUE(world.heap.violation().starts_with("I1: ")) << bits;
  }
}

TEST_P(Collectors, CorruptFieldIsFoundByTheVerifier) {
  World world(GetParam().options);
  world.roots = {world.pair(1)};
  world.heap.store(world.roots[0], 12, Ref{world.roots[0].bits + 8});  // interior
  const std::string text = world.heap.verify();
  EXPECT_NE(text.find("at offset 12, not an object start"), std::string::npos) << text;
}

TEST_P(Collectors, RandomCorruptionIsReportedOrHarmlessButNeverFollowed) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    World world(GetParam().options);
    Mutator mutator(world, seed);
    for (int i = 0; i < 120; ++i) mutator.step();
    world.heap.allocate_box(seed);
    ChoiceStream choices(seed * 77);
    const std::vector<ByteRange> spaces = world.heap.spaces();
    for (uint32_t hits = 1 + choices.below(6); hits > 0 && !spaces.empty(); --hits) {
      const ByteRange& space = spaces[choices.below(static_cast<uint32_t>(spaces.size()))];
      if (space.empty()) continue;
      world.heap.base()[space.begin + choices.below(static_cast<uint32_t>(space.bytes()))] = choices.byte();
    }
    const std::string verdict = world.heap.verify();
    EXPECT_TRUE(verdict.empty() || verdict.starts_with("I1: ")) << verdict;
    for (int i = 0; i < 100; ++i) world.heap.plausible(Ref{choices.u32()});
    world.heap.collect();
    world.pair(1);
    world.heap.collect();
    world.heap.verify();
  }
}

TEST_P(Collectors, CorruptHeaderIsFoundByTheVerifier) {
  World world(GetParam().options);
  world.roots = {world.pair(1)};
  world.heap.header(world.roots[0]).meta = ObjectHeader::make_meta(999);
  EXPECT_TRUE(world.heap.verify().starts_with("I1: ")) << world.heap.verify();
}

TEST(Moving, EveryCollectionUnderZealMovesToPlacesNotSeenBefore) {
  World world(options_of(GcKind::kMoving, ZealMode::kEveryAlloc));
  world.roots = {world.pair(1)};
  std::set<uint32_t> names;
  for (int i = 0; i < 200; ++i) {
    world.heap.collect();
    EXPECT_TRUE(names.insert(world.roots[0].bits).second);
  }
}

TEST(Moving, StaleNameIsNotPlausibleAfterACollection) {
  World world(options_of(GcKind::kMoving));
  const Ref stale = world.pair(1);
  EXPECT_TRUE(world.heap.plausible(stale));
  world.heap.collect();
  EXPECT_FALSE(world.heap.plausible(stale));
}

TEST(Moving, WriteIntoRetiredSpaceIsSeenByVerifierAndByReuse) {
  World world(options_of(GcKind::kMoving));
  const Ref stale = world.pair(1);
  world.heap.collect();
  world.heap.store(stale, kPairNumber, 5);
  EXPECT_NE(world.heap.verify().find("retired space"), std::string::npos) << world.heap.verify();
  for (int i = 0; i < 10000 && world.heap.violation().empty(); ++i) world.pair(2);
  EXPECT_NE(world.heap.violation().find("retired space was written"), std::string::npos) << world.heap.violation();
}

TEST(MovingDeathTest, ProtectedRetiredSpaceFaults) {
  HeapOptions options = options_of(GcKind::kMoving, ZealMode::kEveryAlloc);
  options.zeal.protect = true;
  World world(options);
  const Ref stale = world.pair(1);
  world.heap.collect();
  EXPECT_DEATH(world.heap.store(stale, kPairNumber, 5), "");
}

TEST(MovingDeathTest, NamesBeyondTheHeapFault) {
  World world(options_of(GcKind::kMoving));
  EXPECT_DEATH(world.heap.store(Ref{0xfffffff0u}, 0, 1), "");
  EXPECT_DEATH(world.heap.store(Ref{8}, 0, 1), "");
  EXPECT_DEATH(world.heap.store(Ref{0xfffffff0u}, uint64_t{0xd5d5d5d5} * 16, 1), "");
}

TEST(NonMoving, FreedCellIsReusedByTheNextAllocation) {
  World world(options_of(GcKind::kNonMoving));
  const Ref first = world.pair(1);
  const Ref second = world.pair(2);
  world.roots = {second};
  world.heap.collect();
  EXPECT_EQ(world.pair(3), first);
  EXPECT_EQ(world.heap.load<uint32_t>(second, kPairNumber), 2u);
}

TEST(NonMoving, WriteIntoAFreedCellIsSeenByVerifierAndByReuse) {
  World world(options_of(GcKind::kNonMoving));
  const Ref stale = world.pair(1);
  world.roots = {world.pair(2)};
  world.heap.collect();
  world.heap.store(stale, kPairNumber, 9);
  EXPECT_NE(world.heap.verify().find("freed cell"), std::string::npos) << world.heap.verify();
  EXPECT_TRUE(world.pair(3).is_null());
  EXPECT_NE(world.heap.violation().find("retired space was written"), std::string::npos);
}

TEST(NonMoving, RootThatNamesAFreedCellIsAViolation) {
  World world(options_of(GcKind::kNonMoving));
  const Ref stale = world.pair(1);
  world.pair(2);
  world.heap.collect();
  world.roots = {stale};
  world.heap.collect();
  EXPECT_NE(world.heap.violation().find("a freed cell"), std::string::npos) << world.heap.violation();
}

TEST(Zeal, OnlyNthCollectsAtExactlyThatPoint) {
  HeapOptions options = options_of(GcKind::kMoving, ZealMode::kOnlyNth);
  options.zeal.n = 3;
  World world(options);
  for (uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(world.heap.stats().collections, i > 3 ? 1u : 0u) << i;
    world.pair(i);
  }
}

TEST(Zeal, PollsCollectOnlyUnderEverySafepoint) {
  World every(options_of(GcKind::kMoving, ZealMode::kEverySafepoint));
  every.heap.poll();
  EXPECT_EQ(every.heap.stats().collections, 1u);
  World alloc(options_of(GcKind::kMoving, ZealMode::kEveryAlloc));
  alloc.heap.poll();
  EXPECT_EQ(alloc.heap.stats().collections, 0u);
}

TEST(Region, ReleasedRegionComesBackZeroed) {
  for (const uint64_t bytes : {uint64_t{4096}, uint64_t{8} << 20}) {
    {
      Region region = Region::acquire(RegionUse::kMemory, bytes);
      ASSERT_FALSE(region.empty());
      std::memset(region.base(), 0xab, bytes);
    }
    Region again = Region::acquire(RegionUse::kMemory, bytes);
    for (uint64_t i = 0; i < bytes; i += 7) ASSERT_EQ(again.base()[i], 0);
  }
}

TEST(Region, GrowsBeyondItsReservationAndKeepsItsContents) {
  Region region = Region::acquire(RegionUse::kFuncs, 4096);
  region.base()[5] = 42;
  ASSERT_TRUE(region.grow(uint64_t{1} << 30));
  EXPECT_EQ(region.base()[5], 42);
  region.base()[(1 << 30) - 1] = 1;
  region.set_dirty(1 << 30);
}

TEST(Region, LargestHeapIsAccepted) {
  HeapOptions options;
  options.heap_bytes = ~uint64_t{0};
  World world(options);
  ASSERT_TRUE(world.heap.ok());
  EXPECT_FALSE(world.array(kByteArray, 1u << 20).is_null());
}

}  // namespace
}  // namespace parallax::gc
