// Classes and bucket ids: what decides, and what does not.
#include "triage/classify.h"

#include <gtest/gtest.h>

#include "triage/signature.h"

namespace parallax::triage {
namespace {

using fuzz::FindingClass;

TEST(Classify, SymptomsOfDivergencesHaveTheirClasses) {
  const auto of = [](const char* signature) { return classify(FindingClass::kDivergence, signature, ""); };
  EXPECT_EQ(of("divergence|outcome: unreachable / returned"), BugClass::kTrap);
  EXPECT_EQ(of("divergence|result: Values"), BugClass::kResult);
  EXPECT_EQ(of("divergence|number: I32"), BugClass::kResult);
  EXPECT_EQ(of("divergence|host call: HostCall / Outcome"), BugClass::kHostTrace);
  EXPECT_EQ(of("divergence|memory: MemoryChunk"), BugClass::kState);
  EXPECT_EQ(of("divergence|identity: Object / Seen"), BugClass::kObjectGraph);
}

TEST(Classify, InvariantsDecideOverSymptoms) {
  EXPECT_EQ(invariant_in("jit:O2:moving: I2: home slot s3"), "I2");
  EXPECT_EQ(invariant_in("invariant|I3: after dce"), "I3");
  EXPECT_EQ(invariant_in("VI2: no; I9: no; I2 no"), "");
  EXPECT_EQ(classify(FindingClass::kInvariant, "invariant|I1: x", ""), BugClass::kSlabProvenance);
  EXPECT_EQ(classify(FindingClass::kAssertion, "assertion|I3: x", ""), BugClass::kIrInvariant);
  Narrowed narrowed;
  narrowed.invariant = "I2";
  EXPECT_EQ(classify(FindingClass::kDivergence, "divergence|number: I32", "", narrowed), BugClass::kStackMapCoverage);
  EXPECT_EQ(classify(FindingClass::kSanitizer, "sanitizer|x", "", narrowed), BugClass::kSanitizer);
}

TEST(Classify, EveryClassHasAName) {
  BugClass bug{};
  EXPECT_TRUE(parse_bug_class("object-graph", bug));
  EXPECT_EQ(bug, BugClass::kObjectGraph);
  EXPECT_STREQ(to_string(BugClass::kMemory), "memory");
  EXPECT_FALSE(parse_bug_class("nonsense", bug));
}

TEST(Signature, OneRewriteIsOneBucketWhateverTheSymptom) {
  Narrowed a{.bug_class = "result", .signature = "divergence|number: I32"};
  a.rewrite = {.number = 5, .kind = "same_value", .pass = "values", .func = 3};
  a.vector = {{.name = "interpreted IR", .shown = Shown::kShows}};
  Narrowed b = a;
  b.bug_class = "trap";
  b.signature = "divergence|outcome: a / b";
  b.rewrite->number = 77;
  b.rewrite->func = 1;
  EXPECT_EQ(make_signature(FindingClass::kDivergence, a).id, make_signature(FindingClass::kCrash, b).id);
  b.rewrite->kind = "load_forwarded";
  EXPECT_NE(make_signature(FindingClass::kDivergence, a).id, make_signature(FindingClass::kDivergence, b).id);
}

TEST(Signature, PassesAreBlamedOnlyForWhatTheyDid) {
  EXPECT_EQ(blamed_pass("I3: after simplify: operand v3 has type"), "simplify");
  EXPECT_EQ(blamed_pass("I3: after translate: operand"), "");
  EXPECT_EQ(blamed_pass("I2: after safepoints: slot s1"), "");
  EXPECT_EQ(blamed_pass("I1: stale id"), "");
  // The rewrite that bisection found only changed the shape of the code: the interpreted IR is right.
  Narrowed narrowed{.bug_class = "result"};
  narrowed.rewrite = {.kind = "dead", .pass = "dce"};
  narrowed.vector = {{.name = "interpreted IR", .shown = Shown::kAgrees}};
  narrowed.event = {.operation = "struct.get_u 1 2"};
  EXPECT_EQ(make_signature(FindingClass::kDivergence, narrowed).words[0], "operation");
}

TEST(Signature, OperationsAreTakenByFamily) {
  EXPECT_EQ(family_of("struct.get_u 3 1"), "packed get");
  EXPECT_EQ(family_of("array.get_s 0"), "packed get");
  EXPECT_EQ(family_of("ref.cast (ref 3)"), "cast");
  EXPECT_EQ(family_of("i32.add"), "i32.add");
}

TEST(Signature, TheFormForCrashDeduplicatorsHasNoNumbersOfTheCase) {
  Narrowed narrowed;
  narrowed.rewrite = {.number = 41, .kind = "dead", .pass = "dce", .func = 12, .offset = 99};
  narrowed.vector = {{.name = "interpreted IR", .shown = Shown::kOther}};
  const std::string text = to_crash_text(make_signature(FindingClass::kDivergence, narrowed));
  EXPECT_TRUE(text.starts_with("ASSERTION FAILED: optimiser-")) << text;
  EXPECT_NE(text.find("#1 0x000000000002 in dce"), std::string::npos) << text;
  EXPECT_EQ(text.find("41"), std::string::npos);
}

}  // namespace
}  // namespace parallax::triage
