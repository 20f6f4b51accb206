// The diagnosis of a finding travels through JSON and refuses what is none.
#include <gtest/gtest.h>

#include "triage/narrow.h"

namespace parallax::triage {
namespace {

TEST(Diagnosis, TravelsThroughJsonUnchanged) {
  Narrowed narrowed{.bug_class = "result", .signature = "divergence|result: I32", .weakest = "jit:O2:moving"};
  narrowed.stability = {3, 2, "signature"};
  narrowed.features = {"gc"};
  narrowed.vector = {{"O0", "jit:O0:moving", Shown::kAgrees, "agreed"}, {"armed", "jit:armed", Shown::kOther, "x"}};
  narrowed.rewrite = {.number = 7, .total = 99, .kind = "same_value", .ir_before = "a\nb\n"};
  narrowed.event = {.number = 12, .func = 3, .offset = 77, .operation = "struct.get", .left = "1", .right = "2"};
  narrowed.complete = true;
  narrowed.seconds = 1.5;
  const auto again = narrowed_from_json(to_json(narrowed));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, narrowed);
  EXPECT_FALSE(again->collection.has_value());
}

TEST(Diagnosis, RefusesWhatIsNone) {
  EXPECT_FALSE(narrowed_from_json("{}").has_value());
  EXPECT_FALSE(narrowed_from_json("[1").has_value());
  EXPECT_TRUE(narrowed_from_json(R"({"signature": 3, "stability": 4, "rewrite": [], "features": "gc"})").has_value());
}

}  // namespace
}  // namespace parallax::triage
