#include "engine/slab/slab.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/base/choices.h"
#include "engine/base/faults.h"

namespace parallax::slab {
namespace {

TEST(Slab, IdFindsItsEntryAndNullFindsNothing) {
  Slab<int> slab("number", 1);
  const uint64_t id = slab.add(42, "test");
  ASSERT_NE(slab.find(id), nullptr);
  EXPECT_EQ(*slab.find(id), 42);
  EXPECT_EQ(slab.find(0), nullptr);
  EXPECT_NE(id, 0u);
}

TEST(Slab, ForeignIdNamesBothOrigins) {
  Slab<int> mine("function", 7);
  Slab<int> other("host object", 9);
  const uint64_t foreign = other.add(1, "test");
  mine.add(1, "test");
  EXPECT_EQ(mine.find(foreign), nullptr);
  const std::string text = mine.explain(foreign, "call_ref");
  EXPECT_TRUE(text.starts_with("I1: id from different slab")) << text;
  EXPECT_NE(text.find("'host object' of store 9"), std::string::npos) << text;
  EXPECT_NE(text.find("'function'"), std::string::npos) << text;
  EXPECT_NE(text.find("store 7 at call_ref"), std::string::npos) << text;
}

TEST(Slab, ReleasedIdStaysStaleWhenTheSlotIsReused) {
  Slab<int> slab("number", 1);
  const uint64_t old = slab.add(1, "first site");
  slab.release(old);
  EXPECT_EQ(slab.find(old), nullptr);
  const uint64_t fresh = slab.add(2, "second site");
  EXPECT_EQ(SlabId{old}.index(), SlabId{fresh}.index()) << "freed slots are reused at once";
  EXPECT_EQ(slab.find(old), nullptr);
  EXPECT_EQ(*slab.find(fresh), 2);
  const std::string text = slab.explain(old, "lookup site");
  EXPECT_TRUE(text.starts_with("I1: stale id")) << text;
  EXPECT_NE(text.find("second site"), std::string::npos) << text;
}

TEST(Slab, OriginsAreFoundAmongManyAndForgottenBehindThem) {
  struct Nowhere final : OriginSource {
    uint64_t current_site() const override { return 0; }
    Place place_of(uint64_t) const override { return {}; }
    uint64_t collections_so_far() const override { return 3; }
  } source;
  Slab<int> slab("number", 4);
  slab.keep_origins(&source);
  const auto made = [&](uint64_t id) { return slab.explain(id, "test").find("the id was made as 'here'"); };
  const auto released = [&](uint64_t id) { return slab.explain(id, "test").find("the id was released"); };
  const uint64_t first = slab.add(0, "here");
  slab.release(first);
  EXPECT_NE(made(first), std::string::npos) << slab.explain(first, "test");
  EXPECT_NE(released(first), std::string::npos);
  std::vector<uint64_t> later;
  for (int i = 0; i < 20'000; ++i) later.push_back(slab.add(i, "here"));
  EXPECT_NE(made(first), std::string::npos) << "20,000 entries ago";
  for (const uint64_t id : later) slab.release(id);
  EXPECT_EQ(made(first), std::string::npos) << "the book has 32,768 entries";
  EXPECT_EQ(released(first), std::string::npos);
  for (const size_t i : {size_t{19'000}, later.size() - 1}) {
    EXPECT_NE(made(later[i]), std::string::npos) << i;
    EXPECT_NE(released(later[i]), std::string::npos) << i;
  }
}

TEST(Slab, AddressesStayWhileTheSlabGrows) {
  Slab<int> slab("number", 1);
  const uint64_t id = slab.add(5, "test");
  int* const address = slab.find(id);
  for (int i = 0; i < 1000; ++i) slab.add(i, "test");
  EXPECT_EQ(slab.find(id), address);
}

TEST(Slab, SlotWhoseGenerationsAreUsedUpIsRetired) {
  SlabCore core("number", 1);
  const SlabId first = core.allocate("test");
  core.release(first);
  for (uint32_t i = 1; i < 65535; ++i) {
    const SlabId id = core.allocate("test");
    ASSERT_EQ(id.index(), first.index());
    ASSERT_FALSE(core.check(first.bits));
    core.release(id);
  }
  EXPECT_NE(core.allocate("test").index(), first.index());
  EXPECT_FALSE(core.check(first.bits));
  EXPECT_EQ(core.verify(), "");
}

TEST(Slab, RandomAddAndReleaseAgreeWithAMap) {
  ChoiceStream choices(uint64_t{11});
  Slab<uint32_t> slab("number", 1);
  std::map<uint64_t, uint32_t> model;
  std::vector<uint64_t> dead;
  for (uint32_t step = 0; step < 5000; ++step) {
    if (model.empty() || choices.chance(3, 5)) {
      model[slab.add(step, "test")] = step;
    } else {
      auto it = std::next(model.begin(), choices.below(static_cast<uint32_t>(model.size())));
      slab.release(it->first);
      dead.push_back(it->first);
      model.erase(it);
    }
    ASSERT_EQ(slab.core().live(), model.size());
  }
  for (const auto& [id, value] : model) ASSERT_EQ(*slab.find(id), value);
  for (const uint64_t id : dead) ASSERT_EQ(slab.find(id), nullptr);
  EXPECT_EQ(slab.core().verify(), "");
}

TEST(Slab, PlantedFaultSL2LetsAStaleIdReachTheNextOccupant) {
  Slab<int> slab("number", 1);
  const uint64_t old = slab.add(1, "test");
  slab.release(old);
  ASSERT_TRUE(choose_fault("SL2"));
  EXPECT_EQ(slab.find(old), nullptr) << "a free slot is never an entry";
  slab.add(2, "test");
  ASSERT_NE(slab.find(old), nullptr);
  EXPECT_EQ(*slab.find(old), 2);
  g_fault = {};
  EXPECT_EQ(slab.find(old), nullptr);
}

}  // namespace
}  // namespace parallax::slab
