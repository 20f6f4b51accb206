// A report as one HTML file that needs nothing else: pictures and reproducer are inside.
#include <algorithm>

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "triage/junit.h"
#include "triage/report/page.h"
#include "triage/report/report.h"

namespace parallax::triage {

namespace {

std::string esc(std::string_view text) { return escape_xml(text); }
std::string code(std::string_view text) { return text::format("<code>{}</code>", esc(text)); }
std::string pre(std::string_view text) {
  return text::format("<pre tabindex=\"0\"><code>{}</code></pre>\n", esc(text));
}

std::string section(std::string_view id, std::string_view title, std::string_view body) {
  return text::format("<section id=\"{0}\" aria-labelledby=\"h-{0}\"><h2 id=\"h-{0}\">{1}</h2>\n{2}</section>\n", id,
                      esc(title), body);
}

std::string folded(std::string_view title, std::string_view body) {
  return text::format("<details><summary>{}</summary>\n{}</details>\n", esc(title), body);
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"scroll\" tabindex=\"0\"><table>";
  if (!head.empty()) {
    out += "<thead><tr>";
    for (const std::string& cell : head) out += text::format("<th scope=\"col\">{}</th>", esc(cell));
    out += "</tr></thead>";
  }
  out += "<tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (const std::string& cell : row) out += text::format("<td>{}</td>", cell);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string head(const Report& report) {
  const bool is_private =
      report.severity.policy != nullptr && report.severity.policy->route(report.severity.harm) == Route::kPrivate;
  std::string out = text::format("<h1>{}</h1>\n<p>", esc(report.verdict));
  out += text::format("<span class=\"chip bad\">{}</span> ", to_string(report.record.kind));
  if (is_private) out += "<span class=\"chip warn\">report privately</span> ";
  if (!report.record.fault.empty()) {
    out += text::format("<span class=\"chip warn\">planted fault {}: no report for anybody</span> ",
                        esc(report.record.fault));
  }
  out += text::format("<span class=\"chip good\">reproduced in a fresh process</span></p>\n");
  std::vector<std::vector<std::string>> rows = {{"finding", code(report.id)},
                                                {"signature", code(report.record.signature)},
                                                {"seen again as", esc(report.reproduced)}};
  if (!report.record.origin.empty()) rows.push_back({"origin", esc(report.record.origin)});
  rows.push_back({"seen", text::format("{} times", report.record.occurrences)});
  return out + "<section>" + table({}, rows) + "</section>\n";
}

std::string reproduce(const Report& report) {
  std::string commands;
  for (const std::string& command : report.commands) commands += command + "\n";
  std::string out = pre(commands);
  out += text::format(
      "<p>The case, {}: <a download=\"reproducer.wasm\" href=\"data:application/wasm;base64,{}\">reproducer.wasm</a> "
      "({} bytes), a module that any engine can read.</p>\n",
      esc(report.case_origin), to_base64(report.wasm), report.wasm.size());
  std::string plan;
  for (const std::string& step : report.plan) plan += step + "\n";
  if (!plan.empty()) out += folded("What the embedder does", pre(plan));
  if (report.wat.empty()) return section("reproduce", "Reproduce", out);
  const auto lines = static_cast<size_t>(std::count(report.wat.begin(), report.wat.end(), '\n'));
  out += lines > 60 ? folded(text::format("The module as text ({} lines)", lines), pre(report.wat)) : pre(report.wat);
  return section("reproduce", "Reproduce", out);
}

std::string expected(const Report& report) {
  std::string out;
  if (!report.expected_value.empty() || !report.actual_value.empty()) {
    out += table({}, {{"where", esc(report.place)},
                      {"expected", text::format("<span class=\"good\">{}</span>", code(report.expected_value))},
                      {"seen", text::format("<span class=\"bad\">{}</span>", code(report.actual_value))}});
  }
  std::vector<std::vector<std::string>> rows;
  for (const Expectation& one : report.expected) {
    rows.push_back({code(one.rule->about), esc(one.rule->rule),
                    text::format("<a href=\"{}\">{}</a>", esc(one.rule->url()), esc(one.rule->section)), esc(one.why)});
  }
  out += rows.empty() ? "<p>No single rule of the specification could be named.</p>"
                      : table({"", "the specification says", "section", "named because of"}, rows);
  return section("expected", "Expected behaviour", out);
}

std::string votes(const Report& report) {
  if (report.votes.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Vote& vote : report.votes) {
    const char* kind = vote.inconclusive ? "warn" : vote.group == 0 ? "good" : "bad";
    rows.push_back({code(vote.executor), esc(vote.version), esc(vote.flags),
                    text::format("<span class=\"chip {}\">{}</span> {}", kind,
                                 vote.inconclusive ? std::string("no vote")
                                                   : std::string(1, static_cast<char>('A' + std::min(vote.group, 25u))),
                                 esc(vote.outcome))});
  }
  return section("votes", "Votes", table({"executor", "version", "settings", "what it did"}, rows));
}

std::string difference(const Report& report) {
  const auto lines = difference_lines(report);
  if (lines.empty())
    return section("difference", "First difference", "<p>Not known: one side left no observation.</p>");
  std::string out =
      text::format("<p><span class=\"good\">&lt;</span> {} &nbsp; <span class=\"bad\">&gt;</span> {}</p>\n",
                   code(report.left->executor), code(report.right->executor));
  out += "<pre class=\"diff\" tabindex=\"0\">";
  for (const auto& [mark, line] : lines) {
    out += text::format("<span class=\"{}\">{} {}</span>",
                        mark == ' '   ? 'c'
                        : mark == '<' ? 'l'
                                      : 'r',
                        mark == ' '   ? " "
                        : mark == '<' ? "&lt;"
                                      : "&gt;",
                        esc(line));
  }
  out += "</pre>\n";
  const HeapPictures pictures = draw_heaps(report);
  if (pictures.equal) return section("difference", "First difference", out + "<p>The heaps at the end are equal.</p>");
  const auto picture = [&](const std::string& svg, const std::string& executor) {
    if (svg.empty()) return;
    out += text::format("<h3>Heap at the end: {}</h3>\n<div class=\"scroll\" tabindex=\"0\">{}</div>\n", code(executor),
                        svg);
  };
  picture(pictures.left, report.left->executor);
  picture(pictures.right, report.right->executor);
  return section("difference", "First difference", out);
}

std::string cause(const Report& report) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [label, value] : setting_rows(report)) rows.push_back({esc(label), esc(value)});
  std::string out = table({}, rows);
  if (report.narrowed && !report.narrowed->vector.empty()) {
    std::vector<std::vector<std::string>> vector;
    for (const Setting& row : report.narrowed->vector) {
      vector.push_back({esc(row.name), code(row.spec), to_string(row.shown), esc(row.outcome)});
    }
    out += folded("Settings under which it shows and vanishes",
                  table({"setting", "executor", "shown", "outcome"}, vector));
  }
  rows.clear();
  for (const auto& [label, value] : report.reduction) rows.push_back({esc(label), esc(value)});
  if (!rows.empty()) out += folded("How it was reduced", table({}, rows));
  for (const Listing& listing : report.listings)
    out += text::format("<h3>{}</h3>\n{}", esc(listing.title), pre(listing.text));
  return section("cause", "Settings and cause", out);
}

std::string severity(const Report& report) {
  const Severity& severity = report.severity;
  std::string out = text::format("<p><strong>{}</strong>: {}.</p>\n", to_string(severity.harm), esc(severity.reason));
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](const Policy& policy) {
    const bool is_private = policy.route(severity.harm) == Route::kPrivate;
    rows.push_back({esc(policy.name),
                    text::format("<span class=\"chip {}\">{}</span>", is_private ? "warn" : "good",
                                 is_private ? "private" : "public"),
                    esc(is_private ? policy.private_route : policy.tracker), esc(policy.page), esc(policy.remark)});
  };
  const std::vector<std::string> columns = {"engine", "route", "where", "policy", "remark"};
  if (severity.policy != nullptr) {
    row(*severity.policy);
    out += table(columns, rows);
  } else {
    out += "<p>No published policy of this engine is known to us.</p>";
  }
  rows.clear();
  for (const Policy& policy : policies()) {
    if (&policy != severity.policy) row(policy);
  }
  out += folded("If another engine shows the same", table(columns, rows));
  return section("severity", "Severity and route", out);
}

std::string tests(const Report& report) {
  std::string out;
  for (const RegressionTest& test : report.tests) {
    if (test.text.empty()) {
      out += text::format("<p>{}: none; {}</p>\n", esc(test.format), esc(test.remark));
      continue;
    }
    out += text::format("<p>{}</p>\n", esc(test.remark));
    out += folded(text::format("{} ({})", test.file, test.format), pre(test.text));
  }
  return section("tests", "Regression tests", out);
}

std::string rest(const Report& report) {
  std::string out;
  if (report.duplicates.empty()) out += "<p>None among the findings beside it.</p>";
  std::vector<std::vector<std::string>> rows;
  for (const Duplicate& one : report.duplicates) {
    rows.push_back({code(one.folder), esc(one.why), text::format("{}", one.occurrences)});
  }
  if (!rows.empty()) out += table({"finding", "why", "seen"}, rows);
  std::string all = section("duplicates", "Known duplicates", out);
  rows.clear();
  for (const auto& [name, value] : report.environment) rows.push_back({esc(name), esc(value)});
  all += section("environment", "Environment", table({}, rows));
  if (report.unknown.empty()) return all;
  out = "<ul>";
  for (const std::string& line : report.unknown) out += text::format("<li>{}</li>", esc(line));
  return all + section("unknown", "Not known", out + "</ul>");
}

}  // namespace

std::string to_html(const Report& report) {
  return html_page(report.verdict, head(report) + reproduce(report) + expected(report) + votes(report) +
                                       difference(report) + cause(report) + severity(report) + tests(report) +
                                       rest(report));
}

}  // namespace parallax::triage
