#include "triage/junit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::triage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Junit, AttributesCountTheElementsThatAreThere) {
  const TestSuite suites[] = {
      {.name = "a.wast",
       .cases = {{.name = "12 passed"}, {.name = "line 7", .status = TestStatus::kFailed, .line = 7}}},
      {.name = "b.wast",
       .cases = {{.name = "x", .status = TestStatus::kSkipped, .message = "unsupported"},
                 {.name = "y", .status = TestStatus::kError, .message = "unreadable"}}}};
  const std::string xml = to_junit("wast", suites);
  EXPECT_THAT(xml, HasSubstr(R"(<testsuites name="wast" tests="4" failures="1" errors="1" skipped="1")"));
  EXPECT_THAT(xml, HasSubstr(R"(<testsuite name="a.wast" tests="2" failures="1" errors="0" skipped="0")"));
  EXPECT_THAT(xml, HasSubstr(R"(line="7")"));
  EXPECT_THAT(xml, HasSubstr(R"(<skipped message="unsupported"/>)"));
}

TEST(Junit, AnyBytesGiveTextThatXmlAdmits) {
  EXPECT_EQ(escape_xml("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape_xml(std::string_view("\0\x01\x1f\n", 4)), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
  EXPECT_EQ(escape_xml("\xc3\xa4\xf0\x9f\x98\x80"), "\xc3\xa4\xf0\x9f\x98\x80");
  EXPECT_EQ(escape_xml("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd");  // longer than needed
  EXPECT_EQ(escape_xml("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(escape_xml("\xef\xbf\xbf"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(escape_xml("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");  // cut off
}

TEST(Junit, APassedCaseHasNoChild) {
  const TestSuite suites[] = {{.name = "s", .cases = {{.name = "fine"}}}};
  EXPECT_THAT(to_junit("n", suites), Not(HasSubstr("</testcase>")));
}

}  // namespace
}  // namespace parallax::triage
