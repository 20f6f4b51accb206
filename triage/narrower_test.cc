// Narrowing finds what was planted: the pass, the rewrite, the pattern of stack maps, the collection, the operation.
#include "triage/narrower.h"

#include <gtest/gtest.h>

#include "engine/wasm/text/parse.h"
#include "triage/isolate.h"
#include "triage/rerun.h"

namespace parallax::triage {
namespace {

fuzz::Case case_of(std::string_view wat) {
  fuzz::Case subject;
  subject.modules = {wasm::text::parse_module(std::string(wat)).value()};
  return subject;
}

Narrowed narrow_with(const fuzz::Case& subject, const std::string& fault, std::vector<std::string> executors) {
  const auto narrowed = narrow(subject, {.executors = std::move(executors), .fault = fault});
  EXPECT_TRUE(narrowed.has_value()) << narrowed.error().message;
  return narrowed.value_or(Narrowed{});
}

constexpr const char* kTwoAllocations = R"((module
  (type $s (struct (field (mut i32))))
  (func (export "f") (result i32)
    (ref.eq (struct.new_default $s) (struct.new_default $s)))))";

TEST(Narrow, TheGuiltyRewriteIsNamed) {
  const Narrowed n = narrow_with(case_of(kTwoAllocations), "OPT7", {"interp", "jit:O2:zeal=3:chaos=9"});
  EXPECT_TRUE(n.complete);
  EXPECT_TRUE(n.stability.stable());
  EXPECT_EQ(n.weakest.substr(0, 12), "jit:O2:never") << n.weakest;
  ASSERT_TRUE(n.rewrite.has_value());
  EXPECT_EQ(n.rewrite->pass, "values");
  EXPECT_EQ(n.rewrite->kind, "same_value");
  EXPECT_NE(n.rewrite->text.find("struct_alloc"), std::string::npos) << n.rewrite->text;
  EXPECT_NE(n.rewrite->ir_before, n.rewrite->ir_after);
  EXPECT_EQ(n.needed_passes, std::vector<std::string>{"values"});
  EXPECT_EQ(n.evaluator_pass, "values") << n.evaluator;
  EXPECT_EQ(n.features, std::vector<std::string>{"gc"});
  EXPECT_TRUE(n.id.starts_with("optimiser-")) << n.id;
}

TEST(Narrow, WhatTheBackEndDoesIsNotBlamedOnPasses) {
  const Narrowed n = narrow_with(case_of(R"((module
    (type $s (struct (field (mut i8))))
    (func (export "f") (result i32) (struct.get_u $s 0 (struct.new $s (i32.const 200))))))"),
                                 "LAY4", {"interp", "jit:O1"});
  EXPECT_FALSE(n.rewrite.has_value());
  EXPECT_EQ(n.evaluator_pass, "");
  ASSERT_TRUE(n.event.has_value());
  EXPECT_EQ(n.event->operation, "struct.get_u 0 0");
  EXPECT_EQ(n.words, (std::vector<std::string>{"operation", "extension of a packed get", "back end or collector"}));
}

TEST(Narrow, TheSingleCollectionIsFound) {
  const Narrowed n = narrow_with(case_of(R"((module
    (type $s (struct (field (mut i32))))
    (func $collects (drop (struct.new $s (i32.const 1))))
    (func (export "f") (result i32) (local $r (ref $s))
      (local.set $r (struct.new $s (i32.const 7)))
      (call $collects)
      (struct.get $s 0 (local.get $r)))))"),
                                 "SM1", {"interp", "jit:O0:zeal=every:armed:unverified"});
  EXPECT_EQ(n.map_pattern, "maps of calls are empty");
  ASSERT_TRUE(n.collection.has_value());
  EXPECT_GT(n.collection->total, n.collection->index);
  EXPECT_EQ(n.bug_class, "stack-map-coverage") << n.invariant_text;
  EXPECT_FALSE(n.neighbours.empty());
}

TEST(Narrow, WhatAgreesIsSaidToAgree) {
  const Narrowed n = narrow_with(case_of(kTwoAllocations), "", {"interp", "jit"});
  EXPECT_EQ(n.stability.same, 0u);
  EXPECT_FALSE(n.rewrite.has_value());
}

TEST(Narrow, AnInterruptedSearchGoesOn) {
  const auto subject = case_of(kTwoAllocations);
  NarrowOptions options{.executors = {"interp", "jit"}, .fault = "OPT7"};
  uint32_t steps = 0;
  options.stop = [&] { return steps++ >= 2; };
  const auto part = narrow(subject, options);
  ASSERT_TRUE(part.has_value());
  EXPECT_FALSE(part->complete);
  EXPECT_EQ(part->done.size(), 2u);
  options.stop = {};
  options.resume = *part;
  const auto whole = narrow(subject, options);
  ASSERT_TRUE(whole.has_value());
  EXPECT_TRUE(whole->complete);
  EXPECT_TRUE(whole->rewrite.has_value());
}

TEST(Narrow, BadInputIsRefused) {
  const auto subject = case_of(kTwoAllocations);
  EXPECT_FALSE(narrow(subject, {.executors = {"interp", "nobody"}}).has_value());
  EXPECT_FALSE(narrow(subject, {.fault = "NONE1"}).has_value());
  EXPECT_FALSE(narrow(subject, {.steps = {"guess"}}).has_value());
}

TEST(Isolated, DeathsAreErrors) {
  EXPECT_EQ(isolated([] { return std::string("answer"); }, "").value(), "answer");
  EXPECT_FALSE(isolated([]() -> std::string { std::abort(); }, "").has_value());
  EXPECT_FALSE(isolated(
                   []() -> std::string {
                     for (;;) {}
                   },
                   "", {.seconds = 0.2})
                   .has_value());
}

}  // namespace
}  // namespace parallax::triage
