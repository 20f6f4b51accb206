// Test results as JUnit XML, the dialect that continuous integration services read (Jenkins, GitLab, GitHub actions).
//
// Consumers count <testcase> elements, whatever the attributes say; so every count here is a count of elements, and what
// is only known as a number (passed assertions of a script) is one element that names the number, and a property.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parallax::triage {

// kError: the test could not be judged (unreadable file, no process), as opposed to judged and wrong.
enum class TestStatus : uint8_t { kPassed, kFailed, kError, kSkipped };

struct TestCase {
  std::string name;
  TestStatus status = TestStatus::kPassed;
  std::string type;     // of the failure: "divergence", "assert_return"; short
  std::string message;  // one line: what is wrong, why it was skipped
  std::string details;  // any text, shown when asked for
  std::string file;
  uint32_t line = 0;  // 0: unknown
  double seconds = 0;
};

struct TestSuite {
  std::string name;
  std::vector<TestCase> cases;
  std::vector<std::pair<std::string, std::string>> properties;
  double seconds = 0;
};

// The whole file. Total: any bytes in the texts give well-formed XML (what XML cannot hold is replaced by U+FFFD).
std::string to_junit(std::string_view name, std::span<const TestSuite> suites);

// Text for use between tags or in a quoted attribute of XML or HTML.
std::string escape_xml(std::string_view text);

}  // namespace parallax::triage
