// Buckets: folders become rows, states live on, what was fixed reappears, suppressions run out.
#include "triage/buckets.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "triage/finding.h"
#include "triage/narrow.h"

namespace parallax::triage {
namespace {

constexpr const char* kToday = "2026-11-20";

class BucketsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/buckets-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string add(const std::string& signature) {
    const uint8_t bytes[] = {0};
    const auto written = write_finding(folder_, {.signature = signature, .difference = "d"}, bytes, "");
    EXPECT_TRUE(written.has_value());
    return written->folder;
  }
  void give_id(const std::string& finding, const std::string& id) {
    ASSERT_TRUE(write_narrowed(finding, {.bug_class = "result", .signature = "s", .id = id}).has_value());
  }
  std::vector<Bucket> list() {
    auto opened = Buckets::open(folder_);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return opened->list(kToday).value();
  }
  void mark(const std::string& id, BucketState state) {
    ASSERT_TRUE(Buckets::open(folder_)->mark(id, state, "").has_value());
  }

  std::string folder_;
};

TEST_F(BucketsTest, FindingsOfOneIdAreOneBucket) {
  give_id(add("a"), "optimiser-1");
  give_id(add("b"), "optimiser-1");
  add("c");
  const auto buckets = list();
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0].id, "optimiser-1");
  EXPECT_EQ(buckets[0].findings.size(), 2u);
  EXPECT_FALSE(buckets[0].provisional);
  EXPECT_TRUE(buckets[1].provisional);
  EXPECT_EQ(buckets[1].state, BucketState::kNew);
}

TEST_F(BucketsTest, WhatWasFixedReappears) {
  give_id(add("a"), "x-1");
  list();
  mark("x-1", BucketState::kFixed);
  EXPECT_EQ(list()[0].state, BucketState::kFixed);
  add("a");
  EXPECT_EQ(list()[0].state, BucketState::kReappeared);
  EXPECT_EQ(list()[0].occurrences(), 2u);
}

TEST_F(BucketsTest, WhatPeopleSaidSurvivesNarrowing) {
  const std::string finding = add("a");
  mark(list()[0].id, BucketState::kKnown);
  give_id(finding, "x-2");
  const auto buckets = list();
  ASSERT_EQ(buckets.size(), 1u);
  EXPECT_EQ(buckets[0].id, "x-2");
  EXPECT_EQ(buckets[0].state, BucketState::kKnown);
}

TEST_F(BucketsTest, SuppressionsHoldUntilTheirLastDay) {
  give_id(add("a"), "x-3");
  std::ofstream(folder_ + "/suppressions.txt") << "# why\nx-*  2026-11-20  waits\ny-1 2026-11-19 old\n";
  EXPECT_EQ(list()[0].suppressed, "waits");
  const auto lines = Buckets::open(folder_)->review(kToday);
  ASSERT_TRUE(lines.has_value());
  ASSERT_EQ(lines->size(), 1u);
  EXPECT_EQ((*lines)[0], "line 3: y-1 ran out on 2026-11-19 (old)");
  EXPECT_EQ(Buckets::open(folder_)->find("x", "2026-11-21")->suppressed, "");
}

TEST_F(BucketsTest, BadInputIsRefused) {
  EXPECT_FALSE(Buckets::open(folder_ + "/none").has_value());
  add("a");
  EXPECT_FALSE(Buckets::open(folder_)->mark("nobody", BucketState::kKnown, "").has_value());
  std::ofstream(folder_ + "/suppressions.txt") << "x-1 tomorrow because\n";
  EXPECT_FALSE(Buckets::open(folder_).has_value());
}

}  // namespace
}  // namespace parallax::triage
