#include "engine/base/stable_list.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/repetition.h"

namespace parallax {
namespace {

TEST(StableList, TheNthStandsWhereTheNthStood) {
  StableList<std::string> list;
  std::vector<const std::string*> places;
  for (int i = 0; i < 100; ++i) places.push_back(&list.emplace_back(std::to_string(i)));
  list.clear();
  EXPECT_EQ(list.size(), 0u);
  for (size_t i = 0; i < 150; ++i) {
    const std::string& made = list.emplace_back(40, 'x');
    if (i < places.size()) EXPECT_EQ(&made, places[i]);
  }
  list.pop_back();
  size_t seen = 0;
  for (const std::string& each : list) seen += each.size();
  EXPECT_EQ(seen, 149u * 40);
}

TEST(Repetition, EndsAtTheFirstDifference) {
  Repetition repetition;
  const auto tell = [&](std::initializer_list<uint64_t> words) {
    for (const uint64_t word : words) repetition.add(word);
    return repetition.is_same();
  };
  EXPECT_FALSE(tell({1, 2, 3})) << "the first time";
  repetition.again();
  EXPECT_TRUE(tell({1, 2, 3}));
  repetition.again();
  EXPECT_TRUE(tell({1, 2}));
  repetition.again();
  EXPECT_TRUE(tell({1, 2, 3})) << "of the time before the last";
  EXPECT_FALSE(tell({4})) << "more than ever";
  repetition.again();
  EXPECT_FALSE(tell({1, 5}));
  repetition.again();
  EXPECT_TRUE(tell({1, 5}));
  EXPECT_FALSE(tell({3})) << "forgotten when it differed";
}

}  // namespace
}  // namespace parallax
