#include "triage/junit.h"

#include <array>

#include "engine/base/text.h"

namespace parallax::triage {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// The length of the character at the start of `text` if it is one that XML 1.0 admits, else 0.
size_t admitted_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r' ? 1 : 0;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;  // longer than needed
  if (lead == 0xf0 && byte(1) < 0x90) return 0;
  if (lead == 0xed && byte(1) >= 0xa0) return 0;                     // surrogates
  if (lead == 0xf4 && byte(1) >= 0x90) return 0;                     // beyond U+10FFFF
  if (lead == 0xef && byte(1) == 0xbf && byte(2) >= 0xbe) return 0;  // U+FFFE, U+FFFF
  return length;
}

struct Counts {
  uint64_t tests = 0;
  std::array<uint64_t, 4> by_status{};
  double seconds = 0;

  void add(const TestSuite& suite) {
    seconds += suite.seconds;
    for (const TestCase& test : suite.cases) {
      tests += 1;
      by_status[static_cast<size_t>(test.status)] += 1;
    }
  }
  std::string attributes() const {
    const auto of = [&](TestStatus status) { return by_status[static_cast<size_t>(status)]; };
    return text::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}" time="{:.3f}")", tests,
                        of(TestStatus::kFailed), of(TestStatus::kError), of(TestStatus::kSkipped), seconds);
  }
};

const char* element_of(TestStatus status) {
  switch (status) {
    case TestStatus::kPassed: return nullptr;
    case TestStatus::kFailed: return "failure";
    case TestStatus::kError: return "error";
    case TestStatus::kSkipped: return "skipped";
  }
  return nullptr;
}

std::string write_case(const TestSuite& suite, const TestCase& test) {
  std::string out = text::format(R"(    <testcase classname="{}" name="{}" time="{:.3f}")", escape_xml(suite.name),
                                 escape_xml(test.name), test.seconds);
  if (!test.file.empty()) out += text::format(R"( file="{}")", escape_xml(test.file));
  if (test.line != 0) out += text::format(R"( line="{}")", test.line);
  const char* element = element_of(test.status);
  if (element == nullptr) return out + "/>\n";
  out += text::format(">\n      <{}", element);
  if (!test.type.empty() && test.status != TestStatus::kSkipped)
    out += text::format(R"( type="{}")", escape_xml(test.type));
  out += text::format(R"( message="{}")", escape_xml(test.message));
  if (test.details.empty()) {
    out += "/>\n";
  } else {
    out += text::format(">{}</{}>\n", escape_xml(test.details), element);
  }
  return out + "    </testcase>\n";
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = admitted_length(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    if (length == 0) {
      out += kReplacement;
    } else if (character == "&") {
      out += "&amp;";
    } else if (character == "<") {
      out += "&lt;";
    } else if (character == ">") {
      out += "&gt;";
    } else if (character == "\"") {
      out += "&quot;";
    } else if (character == "'") {
      out += "&#39;";
    } else {
      out += character;
    }
    text.remove_prefix(character.size());
  }
  return out;
}

std::string to_junit(std::string_view name, std::span<const TestSuite> suites) {
  Counts all;
  for (const TestSuite& suite : suites) all.add(suite);
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += text::format("<testsuites name=\"{}\" {}>\n", escape_xml(name), all.attributes());
  for (const TestSuite& suite : suites) {
    Counts counts;
    counts.add(suite);
    out += text::format("  <testsuite name=\"{}\" {}>\n", escape_xml(suite.name), counts.attributes());
    if (!suite.properties.empty()) {
      out += "    <properties>\n";
      for (const auto& [key, value] : suite.properties) {
        out += text::format("      <property name=\"{}\" value=\"{}\"/>\n", escape_xml(key), escape_xml(value));
      }
      out += "    </properties>\n";
    }
    for (const TestCase& test : suite.cases) out += write_case(suite, test);
    out += "  </testsuite>\n";
  }
  return out + "</testsuites>\n";
}

}  // namespace parallax::triage
