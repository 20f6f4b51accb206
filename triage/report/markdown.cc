// A report as Markdown, for issue trackers. Pictures stand beside it as files.
#include <algorithm>

#include "engine/base/text.h"
#include "triage/report/report.h"

namespace parallax::triage {

namespace {

constexpr size_t kMaxListing = 400;  // lines

// Text in a table's cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += "\\|";
    else if (c == '\n') out += ' ';
    else if (c == '<') out += "&lt;";
    else out += c;
  }
  return out;
}

std::string code(std::string_view text) { return text.empty() ? std::string() : text::format("`{}`", cell(text)); }

std::string fenced(std::string_view language, std::string_view text) {
  // A fence longer than any in the text.
  size_t run = 0, longest = 2;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(longest + 1, '`');
  std::string body;
  size_t lines = 0;
  while (!text.empty() && lines < kMaxListing) {
    const size_t end = std::min(text.find('\n'), text.size());
    body += text.substr(0, end);
    body += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
    ++lines;
  }
  if (!text.empty()) body += "...\n";
  return text::format("{}{}\n{}{}\n\n", fence, language, body, fence);
}

std::string votes(const Report& report) {
  if (report.votes.empty()) return "";
  std::string out = "## Votes\n\n| executor | version | settings | what it did |\n|---|---|---|---|\n";
  for (const Vote& vote : report.votes) {
    const std::string outcome =
        vote.group == 0 || vote.inconclusive ? cell(vote.outcome) : "**" + cell(vote.outcome) + "**";
    out += text::format("| {} | {} | {} | {} |\n", code(vote.executor), cell(vote.version), cell(vote.flags), outcome);
  }
  return out + "\n";
}

std::string expected(const Report& report) {
  std::string out = "## Expected behaviour\n\n";
  if (!report.expected_value.empty() || !report.actual_value.empty()) {
    out += text::format("Place: {}\n\n- expected: {}\n- seen: {}\n\n", cell(report.place), code(report.expected_value),
                        code(report.actual_value));
  }
  for (const Expectation& one : report.expected) {
    out += text::format("- {} ({}): {}. [{}]({})\n", code(one.rule->about), one.why, cell(one.rule->rule),
                        one.rule->section, one.rule->url());
  }
  if (report.expected.empty()) out += "No single rule of the specification could be named.\n";
  return out + "\n";
}

std::string difference(const Report& report) {
  std::string out = "## First difference\n\n";
  const auto lines = difference_lines(report);
  if (lines.empty()) return out + "Not known: one side left no observation.\n\n";
  std::string body;
  for (const auto& [mark, text] : lines)
    body += text::format("{} {}\n", mark == ' ' ? ' ' : mark == '<' ? '-' : '+', text);
  out += text::format("`-` is {}, `+` is {}.\n\n", report.left->executor, report.right->executor);
  out += fenced("diff", body);
  const HeapPictures pictures = draw_heaps(report);
  if (pictures.equal) return out + "The heaps at the end are equal.\n\n";
  if (!pictures.left.empty()) out += text::format("![heap of {}](heap-left.svg)\n\n", report.left->executor);
  if (!pictures.right.empty()) out += text::format("![heap of {}](heap-right.svg)\n\n", report.right->executor);
  return out;
}

std::string settings(const Report& report) {
  std::string out = "## Settings and cause\n\n| | |\n|---|---|\n";
  for (const auto& [label, value] : setting_rows(report)) out += text::format("| {} | {} |\n", label, cell(value));
  for (const auto& [label, value] : report.reduction) out += text::format("| reduced: {} | {} |\n", label, cell(value));
  out += "\n";
  if (!report.narrowed) return out;
  if (!report.narrowed->vector.empty()) {
    out += "| setting | executor | shown |\n|---|---|---|\n";
    for (const Setting& row : report.narrowed->vector) {
      out += text::format("| {} | {} | {} |\n", cell(row.name), code(row.spec), to_string(row.shown));
    }
    out += "\n";
  }
  return out;
}

std::string severity(const Report& report) {
  const Severity& severity = report.severity;
  std::string out = text::format("## Severity\n\n{}: {}.\n\n", to_string(severity.harm), severity.reason);
  if (severity.policy == nullptr) return out + "No published policy of this engine is known to us.\n\n";
  const Policy& policy = *severity.policy;
  const bool is_private = policy.route(severity.harm) == Route::kPrivate;
  out += text::format("{} ({}): {}. Route: {}.\n\n{}\n\n", policy.name, policy.page,
                      is_private ? "**report privately**" : "a public issue",
                      is_private ? policy.private_route : policy.tracker, policy.remark);
  return out;
}

}  // namespace

std::string to_markdown(const Report& report) {
  std::string out = text::format("# {}\n\n", report.verdict);
  if (!report.record.fault.empty()) {
    out +=
        text::format("**Planted fault {}**: a deliberate bug, no report for anybody.\n\n", code(report.record.fault));
  }
  out += text::format("- finding: {} ({})\n- signature: {}\n- seen again in a fresh process: {}\n", code(report.id),
                      fuzz::summary_of(report.record.kind), code(report.record.signature), cell(report.reproduced));
  if (!report.record.origin.empty()) out += text::format("- origin: {}\n", report.record.origin);
  if (report.record.occurrences > 1) out += text::format("- seen {} times\n", report.record.occurrences);
  out += "\n## Reproduce\n\n";
  std::string commands;
  for (const std::string& command : report.commands) commands += command + "\n";
  out += fenced("sh", commands);
  out += text::format(
      "The case is [`reproducer.wasm`](reproducer.wasm) ({} bytes, {}), a module that any engine can read.\n\n",
      report.wasm.size(), report.case_origin);
  if (!report.plan.empty()) {
    std::string plan;
    for (const std::string& step : report.plan) plan += step + "\n";
    out += "What the embedder does:\n\n" + fenced("text", plan);
  }
  if (!report.wat.empty()) {
    const auto lines = static_cast<size_t>(std::count(report.wat.begin(), report.wat.end(), '\n'));
    out += lines > 150 ? text::format("[`reproducer.wat`](reproducer.wat) has {} lines.\n\n", lines)
                       : fenced("wat", report.wat);
  }
  out += expected(report) + votes(report) + difference(report) + settings(report);
  for (const Listing& listing : report.listings) {
    out += text::format("### {}\n\n{}", listing.title, fenced(listing.language, listing.text));
  }
  out += severity(report);
  out += "## Regression tests\n\n";
  for (const RegressionTest& test : report.tests) {
    out += test.text.empty() ? text::format("- {}: none; {}\n", test.format, test.remark)
                             : text::format("- [`{}`]({}): {}; {}\n", test.file, test.file, test.format, test.remark);
  }
  out += "\n## Known duplicates\n\n";
  if (report.duplicates.empty()) out += "None among the findings beside it.\n";
  for (const Duplicate& one : report.duplicates) {
    out += text::format("- {}: {} (seen {} times)\n", code(one.folder), one.why, one.occurrences);
  }
  out += "\n## Environment\n\n";
  for (const auto& [name, value] : report.environment) out += text::format("- {}: {}\n", name, cell(value));
  if (!report.unknown.empty()) {
    out += "\n## Not known\n\n";
    for (const std::string& line : report.unknown) out += text::format("- {}\n", cell(line));
  }
  return out;
}

}  // namespace parallax::triage
