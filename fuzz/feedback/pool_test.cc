#include "fuzz/feedback/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace parallax::fuzz {
namespace {

Case named(const std::string& name) {
  Case subject;
  subject.origin = name;
  return subject;
}

uint32_t feature(Domain domain, uint32_t slot) { return kDomains[static_cast<size_t>(domain)].first + slot; }

struct Fixture : testing::Test {
  ChoiceStream choices{7};
  Pool pool;
  const uint32_t common = feature(Domain::kShapes, 1), rare = feature(Domain::kShapes, 2),
                 other = feature(Domain::kPairs, 3);
  void keep(const std::string& name, size_t bytes, std::vector<uint32_t> features) {
    pool.ran(features);
    pool.add(named(name), bytes, features, choices);
  }
  std::map<std::string, int> picked(int times) {
    std::map<std::string, int> out;
    for (int i = 0; i < times; ++i) ++out[pool.pick(choices).origin];
    return out;
  }
};
using PoolTest = Fixture;

TEST_F(PoolTest, TheSmallestCaseStandsForAFeature) {
  keep("large", 100, {common, rare});
  keep("small", 50, {common});
  EXPECT_EQ(pool.standing_for(common)->origin, "small");
  EXPECT_EQ(pool.standing_for(rare)->origin, "large");
  EXPECT_EQ(pool.standing_for(other), nullptr);
  EXPECT_EQ(pool.size(), 2u);
}

TEST_F(PoolTest, ACaseThatStandsForNothingGoes) {
  keep("large", 100, {common, rare});
  keep("first", 50, {common});
  keep("second", 60, {rare});
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_FALSE(picked(200).contains("large"));
  // Its place is taken again, and nobody is confused with it.
  keep("third", 10, {other});
  EXPECT_EQ(pool.standing_for(common)->origin, "first");
  EXPECT_EQ(pool.standing_for(rare)->origin, "second");
  EXPECT_EQ(pool.standing_for(other)->origin, "third");
}

TEST_F(PoolTest, ACaseWithoutFeaturesStays) {
  pool.add(named("file"), 100, {}, choices);
  keep("small", 5, {common});
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_GT(picked(200)["file"], 20);
}

TEST_F(PoolTest, RareFeaturesArePickedMoreOften) {
  for (int i = 0; i < 50; ++i) keep("common" + std::to_string(i), 100, {common, feature(Domain::kShapes, 100 + i)});
  for (int i = 0; i < 50; ++i) {
    for (int again = 0; again < 30; ++again) pool.ran(std::vector<uint32_t>{feature(Domain::kShapes, 100 + i)});
  }
  keep("rare", 100, {rare});
  auto seen = picked(12'000);
  int most = 0;
  for (const auto& [name, times] : seen) most = name == "rare" ? most : std::max(most, times);
  EXPECT_GT(seen["rare"], most);
}

TEST_F(PoolTest, EvenPicksAreEven) {
  pool = Pool(Pick::kEven);
  for (int i = 0; i < 10; ++i) keep(std::to_string(i), 100, {feature(Domain::kShapes, 10 + i)});
  for (const auto& [name, times] : picked(10'000)) EXPECT_NEAR(times, 1000, 200) << name;
}

TEST_F(PoolTest, AFullPoolGoesOn) {
  for (int i = 0; i < 5'000; ++i) keep(std::to_string(i), 100, {feature(Domain::kShapes, static_cast<uint32_t>(i))});
  EXPECT_EQ(pool.size(), 4'096u);
  size_t standing = 0;
  for (uint32_t i = 0; i < 5'000; ++i) standing += pool.standing_for(feature(Domain::kShapes, i)) != nullptr;
  EXPECT_EQ(standing, 4'096u);
  (void)picked(1'000);
}

}  // namespace
}  // namespace parallax::fuzz
