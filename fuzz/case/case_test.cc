#include "fuzz/case/case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace parallax::fuzz {
namespace {

std::vector<uint8_t> empty_module() { return {0, 'a', 's', 'm', 1, 0, 0, 0}; }

Case rich_case() {
  Case subject;
  subject.modules = {empty_module(), {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 1, 0}};
  subject.plan = {
      {.kind = StepKind::kInstantiate, .module = 1},
      {.kind = StepKind::kInstantiate, .links = {0}},
      {.kind = StepKind::kCall,
       .instance = 1,
       .keep = true,
       .name = std::string("odd \" \xc3\xa9 name"),
       .args = {{ArgKind::kI31, 5}, {ArgKind::kNumber, ~0ull, 7}, {ArgKind::kKept, 0}}},
      {.kind = StepKind::kRelease, .kept = 0},
      {.kind = StepKind::kProbeRoot, .kept = 0},
  };
  subject.configuration.executors = {"interp", "jit:O2"};
  subject.configuration.fuel = 77;
  subject.origin = "test";
  subject.claims_valid = true;
  subject.claims_invalid = true;
  return subject;
}

TEST(Envelope, KeepsEverything) {
  const Case subject = rich_case();
  const auto again = read_envelope(write_envelope(subject));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, subject);
}

TEST(Envelope, BeginsWithTheFirstModuleUnchanged) {
  const Case subject = rich_case();
  const auto bytes = write_envelope(subject);
  EXPECT_TRUE(std::equal(subject.modules[0].begin(), subject.modules[0].end(), bytes.begin()));
}

TEST(Envelope, OfAnotherFormatIsRefused) {
  auto bytes = write_envelope(rich_case());
  const std::string_view key = "\"format\":1";
  const auto at = std::search(bytes.begin(), bytes.end(), key.begin(), key.end());
  ASSERT_NE(at, bytes.end());
  at[9] = '2';
  const auto read = read_envelope(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_NE(read.error().message.find("format is 2"), std::string::npos) << read.error().message;
}

TEST(Envelope, PlainModuleIsACaseWithTheDefaultPlan) {
  const auto subject = read_envelope(empty_module());
  ASSERT_TRUE(subject.has_value());
  EXPECT_EQ(subject->modules.front(), empty_module());
  EXPECT_TRUE(subject->plan.empty());
}

TEST(Envelope, IsTotalOnDamagedBytes) {
  const auto good = write_envelope(rich_case());
  for (size_t at = 0; at < good.size(); ++at) {
    for (const uint8_t change : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      auto bad = good;
      bad[at] = change;
      (void)read_envelope(bad);
    }
    (void)read_envelope(std::span(good).first(at));
  }
}

TEST(DefaultPlan, InstantiatesAndCallsEveryFunctionInOrder) {
  wasm::Module module;
  module.exports = {
      {"a", wasm::ExternKind::kFunc, 0}, {"m", wasm::ExternKind::kMemory, 0}, {"b", wasm::ExternKind::kFunc, 1}};
  const auto plan = default_plan(module, {});
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0].kind, StepKind::kInstantiate);
  EXPECT_EQ(plan[1].name, "a");
  EXPECT_EQ(plan[2].name, "b");
}

}  // namespace
}  // namespace parallax::fuzz
