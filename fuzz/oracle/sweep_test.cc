// The safepoint sweep: complete, capped, and seen to find what a single collection shows.
#include "fuzz/oracle/sweep.h"

#include <gtest/gtest.h>

#include "engine/base/faults.h"
#include "engine/wasm/text/parse.h"

namespace parallax::fuzz {
namespace {

Case case_of(const char* text) {
  Case subject;
  auto bytes = wasm::text::parse_module(text);
  EXPECT_TRUE(bytes) << bytes.error().to_string();
  if (bytes) subject.modules.push_back(std::move(*bytes));
  return subject;
}

// $x is live over one call only; the calls before and behind it collect as well.
constexpr const char* kOneHole = R"((module
  (type $s (struct (field i32)))
  (func $g (drop (struct.new $s (i32.const 1))))
  (func (export "f") (result i32) (local $x (ref null $s))
    (call $g)
    (local.set $x (struct.new $s (i32.const 7)))
    (call $g)
    (struct.get $s 0 (local.get $x))
    (call $g))))";

ExecutorSpec spec_of(const char* text) {
  const auto spec = parse_spec(text);
  EXPECT_TRUE(spec);
  return spec ? *spec : ExecutorSpec{};
}

TEST(Sweep, CollectsAtEverySafepointOnceAndFindsNothingInASoundEngine) {
  uint64_t told = 0;
  SweepOptions options{.executor = spec_of("jit:O1:moving:armed")};
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_LE(done, total);
    ++told;
  };
  const SweepResult result = sweep(case_of(kOneHole), options);
  EXPECT_EQ(result.refused, "");
  EXPECT_TRUE(result.complete);
  EXPECT_GE(result.safepoints, 7u);  // four allocations, four entries and their polls
  EXPECT_EQ(result.runs, result.safepoints);
  EXPECT_EQ(told, result.runs);
  EXPECT_TRUE(result.findings.empty());
}

TEST(Sweep, NamesTheOneCollectionThatMatters) {
  ASSERT_TRUE(choose_fault("SM1"));
  const SweepResult result = sweep(case_of(kOneHole), {.executor = spec_of("jit:O1:moving:poison:unverified")});
  g_fault = {};
  ASSERT_FALSE(result.findings.empty());
  EXPECT_LT(result.findings.size(), result.safepoints) << "only collections inside the second call show it";
  // The finding replays by its executor's text.
  const auto again = parse_spec(result.findings[0].finding.executors.at(1));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->zeal, Zeal::kOnly);
  EXPECT_EQ(again->zeal_n, result.findings[0].safepoint);
}

TEST(Sweep, SamplesEvenlyBeyondItsCap) {
  const SweepResult result = sweep(case_of(kOneHole), {.executor = spec_of("jit:O1"), .cap = 3});
  EXPECT_EQ(result.runs, 3u);
  EXPECT_FALSE(result.complete);
}

TEST(Sweep, RefusesWhatHasNoSafepoints) { EXPECT_NE(sweep(case_of(kOneHole), {}).refused, ""); }

}  // namespace
}  // namespace parallax::fuzz
