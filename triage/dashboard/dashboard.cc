#include "triage/dashboard/dashboard.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/text.h"
#include "triage/dashboard/assets.h"
#include "triage/junit.h"
#include "triage/report/page.h"

namespace parallax::triage {

using nlohmann::json;

namespace {

// Every k-th sample and the last one, so that curves stay short.
std::vector<const Sample*> thinned(const std::vector<Sample>& samples) {
  std::vector<const Sample*> out;
  const size_t step = samples.size() / kMaxPoints + 1;
  for (size_t i = 0; i < samples.size(); i += step) out.push_back(&samples[i]);
  if (!samples.empty() && out.back() != &samples.back()) out.push_back(&samples.back());
  return out;
}

json curves(const std::vector<Sample>& samples) {
  const auto points = thinned(samples);
  json out = {{"total", samples.size()}};
  const auto column = [&](const char* name, auto&& value) {
    json values = json::array();
    for (const Sample* sample : points) values.push_back(value(*sample));
    out[name] = std::move(values);
  };
  column("seconds", [](const Sample& s) { return s.seconds; });
  column("per_second", [](const Sample& s) { return s.per_second; });
  column("cases", [](const Sample& s) { return s.cases; });
  column("agreed", [](const Sample& s) { return s.agreed; });
  column("inconclusive", [](const Sample& s) { return s.inconclusive; });
  column("rejected", [](const Sample& s) { return s.rejected; });
  column("findings", [](const Sample& s) { return s.findings; });
  column("distinct", [](const Sample& s) { return s.distinct; });
  column("corpus_cases", [](const Sample& s) { return s.corpus_cases; });
  column("rss_bytes", [](const Sample& s) { return s.rss_bytes; });
  std::set<std::string> kinds;
  for (const Sample* sample : points) {
    for (const auto& [kind, count] : sample->coverage) kinds.insert(kind);
  }
  out["coverage"] = json::object();
  for (const std::string& kind : kinds) {
    json values = json::array();
    for (const Sample* sample : points) {
      const auto it = sample->coverage.find(kind);
      values.push_back(it != sample->coverage.end() ? it->second : 0);
    }
    out["coverage"][kind] = std::move(values);
  }
  return out;
}

json starts_of(const CampaignLog& log) {
  json out = json::array();
  for (const CampaignStart& start : log.starts) {
    out.push_back({{"unix_seconds", start.unix_seconds},
                   {"version", start.version},
                   {"generator", start.generator},
                   {"seed", text::format("{}", start.seed)},  // beyond what a double holds
                   {"jobs", start.jobs},
                   {"executors", start.executors},
                   {"fault", start.fault}});
  }
  return out;
}

json findings_of(const Dashboard& dashboard) {
  json out = json::array();
  for (const DashboardFinding& finding : dashboard.findings) {
    const Record& record = finding.record;
    out.push_back({{"id", finding.id},
                   {"class", to_string(record.kind)},
                   {"summary", fuzz::summary_of(record.kind)},
                   {"signature", record.signature},
                   {"difference", record.difference},
                   {"executors", record.executors},
                   {"occurrences", record.occurrences},
                   {"fault", record.fault},
                   {"origin", record.origin},
                   {"bucket", finding.bucket},
                   {"verdict", finding.verdict},
                   {"harm", finding.harm},
                   {"route", finding.route},
                   {"votes", finding.votes},
                   {"picture", finding.picture},
                   {"page", finding.page}});
  }
  return out;
}

}  // namespace

std::string dashboard_json(const Dashboard& dashboard) {
  const std::vector<Sample>& samples = dashboard.log.samples;
  json out = {{"format", 1},
              {"title", dashboard.title},
              {"source", dashboard.source},
              {"starts", starts_of(dashboard.log)},
              {"samples", curves(samples)},
              {"findings", findings_of(dashboard)},
              {"damaged_lines", dashboard.log.damaged},
              {"remarks", dashboard.remarks}};
  out["last"] = samples.empty() ? json() : json::parse(to_line(samples.back()), nullptr, false);
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string dashboard_page(const Dashboard& dashboard) {
  std::string body = kDashboardBody;
  body += text::format("<script type=\"application/json\" id=\"data\">{}</script>\n",
                       json_for_script(dashboard_json(dashboard)));
  return html_page(dashboard.title, body, kDashboardStyle, kDashboardScript);
}

std::string finding_page(const DashboardFinding& finding, const std::string& log) {
  const Record& record = finding.record;
  std::string body = "<p><a href=\"../index.html\">Back to the campaign</a></p>\n";
  body += text::format("<h1>{}</h1>\n<section><p>{}</p><p>Signature: <code>{}</code></p><p>Executors:",
                       escape_xml(finding.id), escape_xml(record.difference), escape_xml(record.signature));
  for (const std::string& spec : record.executors) body += text::format(" <code>{}</code>", escape_xml(spec));
  body += text::format("</p><p>Origin: {}; seen {} times.</p>", escape_xml(record.origin), record.occurrences);
  if (!record.fault.empty()) body += text::format("<p>Planted fault: <code>{}</code></p>", escape_xml(record.fault));
  body += "<p class=\"soft\">There is no report yet: <code>parallax report</code> makes one.</p></section>\n";
  body += text::format("<section><h2>What each side did</h2><pre tabindex=\"0\"><code>{}</code></pre></section>",
                       escape_xml(log));
  return html_page(finding.id, body);
}

}  // namespace parallax::triage
