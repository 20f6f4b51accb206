// Specs of executors: normal forms and refusals; and that interpreted IR agrees with the reference.
#include "fuzz/executors/executors.h"

#include <gtest/gtest.h>

namespace parallax::fuzz {
namespace {

std::string normal(std::string_view text) {
  const auto spec = parse_spec(text);
  if (!spec) return "error: " + spec.error().message;
  const auto again = parse_spec(to_string(*spec));
  EXPECT_TRUE(again && *again == *spec) << to_string(*spec);
  return to_string(*spec);
}

TEST(Specs, PassesHaveOneNormalForm) {
  EXPECT_EQ(normal("jit:passes=none"), "jit:O2:gen:passes=none");
  EXPECT_EQ(normal("jit:passes=all"), "jit:O2:gen");
  EXPECT_EQ(normal("jit:O1:passes=dce+values"), "jit:O1:gen:passes=values+dce");
  EXPECT_EQ(normal("jit:passes=-loads-facts"), "jit:O2:gen:passes=-loads-facts");
  EXPECT_EQ(normal("jit:limit=41:passes=-facts-loads"), "jit:O2:gen:passes=-loads-facts:limit=41");
  EXPECT_EQ(normal("jit:limit=0"), "jit:O2:gen:limit=0");
}

TEST(Specs, NothingIsChosenTwice) {
  for (const char* text : {"jit:O2:O1", "jit:moving:gen", "jit:armed:plain", "jit:zeal=every:zeal=3", "ir:O1:O2",
                           "jit:guard:explicit", "jit:cpu=sse4:cpu=host", "jit:chaos=1:chaos=1"}) {
    const auto spec = parse_spec(text);
    ASSERT_FALSE(spec.has_value()) << text;
    EXPECT_NE(spec.error().message.find("again"), std::string::npos) << spec.error().message;
  }
  EXPECT_EQ(normal("jit:minor:tiny"), normal("jit:tiny:minor"));  // flags add up
}

TEST(Specs, WordsOnTopOverride) {
  const auto spec = with_words(*parse_spec("jit:O2:zeal=every:moving"), "O0:gen");
  ASSERT_TRUE(spec.has_value());
  EXPECT_EQ(to_string(*spec), "jit:O0:gen:zeal=every");
  EXPECT_EQ(*with_words(*spec, ""), *spec);
  EXPECT_FALSE(with_words(*spec, "O0:O1").has_value());
  EXPECT_FALSE(with_words(*parse_spec("interp"), "O1").has_value());
}

TEST(Specs, TheCpuIsTheHostUnlessSaid) {
  EXPECT_EQ(normal("jit:cpu=baseline:O1"), "jit:O1:gen:cpu=baseline");
  EXPECT_EQ(normal("jit:cpu=sse4"), "jit:O2:gen:cpu=sse4");
  EXPECT_EQ(normal("jit:cpu=host"), "jit:O2:gen");
  for (const char* text : {"jit:cpu=", "jit:cpu=avx512", "interp:cpu=baseline"}) EXPECT_FALSE(parse_spec(text)) << text;
}

TEST(Specs, InterpretedIrHasNoCollector) {
  EXPECT_EQ(normal("ir"), "ir:O2");
  EXPECT_EQ(normal("ir:O1:armed:passes=dce:limit=3"), "ir:O1:armed:passes=dce:limit=3");
  for (const char* text : {"ir:moving", "ir:zeal=every", "ir:chaos=1"}) EXPECT_FALSE(parse_spec(text)) << text;
}

TEST(Specs, WhatCannotBeSwitchedOffIsRefused) {
  for (const char* text :
       {"jit:passes=", "jit:passes=gvn", "jit:passes=-safepoints", "jit:passes=safepoints", "jit:passes=values+",
        "jit:passes=values-dce", "jit:limit=", "jit:limit=x", "interp:passes=none", "interp:limit=1"}) {
    EXPECT_FALSE(parse_spec(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace parallax::fuzz
