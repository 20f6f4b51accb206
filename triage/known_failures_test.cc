#include "triage/known_failures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::triage {
namespace {

TEST(KnownFailures, ReadsRowsAndSkipsComments) {
  const auto list = parse_known_failures("# why\n\n a/b.wast 7 text no such text \n a/b.wast 9 jit:O0 slow\r\n");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].line, 7u);
  EXPECT_EQ((*list)[0].why, "no such text");
  EXPECT_EQ((*list)[1].where, "jit:O0");
  EXPECT_EQ((*list)[1].why, "slow");
}

TEST(KnownFailures, ARowThatSaysTooLittleIsRefusedWithItsLine) {
  for (const char* text : {"a.wast", "a.wast seven text x", "a.wast 7x text x", "a.wast 7 text", "a.wast -1 run x"}) {
    const auto list = parse_known_failures(std::string("# first\n") + text);
    ASSERT_FALSE(list) << text;
    EXPECT_THAT(list.error().message, ::testing::HasSubstr("line 2"));
  }
}

TEST(KnownFailures, ApplyWhereTheySay) {
  const auto list = parse_known_failures("s/a.wast 1 text x\ns/a.wast 2 run x\ns/a.wast 3 jit:O0 x\n");
  ASSERT_TRUE(list);
  EXPECT_EQ(known_failures_of(*list, "/suites/s/a.wast", "none").size(), 1u);
  EXPECT_EQ(known_failures_of(*list, "s/a.wast", "interp").size(), 2u);
  EXPECT_EQ(known_failures_of(*list, "s/a.wast", "jit:O0").size(), 3u);
  EXPECT_EQ(known_failures_of(*list, "xs/a.wast", "jit:O0").size(), 0u);  // whole components
}

}  // namespace
}  // namespace parallax::triage
