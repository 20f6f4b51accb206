// What a campaign says at its end, for people and for programs.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "tools/parallax/campaign.h"

namespace parallax::cli {

std::string to_json(const CampaignOptions& options, const CampaignReport& report) {
  using nlohmann::json;
  json found = json::array();
  for (const FoundRow& row : report.found) {
    found.push_back({{"signature", row.signature},
                     {"difference", row.difference},
                     {"folder", row.folder},
                     {"count", row.count},
                     {"first_seconds", row.first_seconds}});
  }
  const auto count = [&](Count what) { return report.count(what); };
  json sources = json::object(), features = json::object(), yields = json::object();
  for (size_t i = 0; i < kMakers; ++i) {
    const Yield& row = report.yields[i];
    if (row.cases == 0) continue;
    yields[maker_name(i)] = {{"cases", row.cases},
                             {"kept", row.kept},
                             {"features", row.features},
                             {"seconds", static_cast<double>(row.nanoseconds) / 1e9}};
  }
  for (size_t i = 0; i < kSourceNames.size(); ++i) sources[kSourceNames[i]] = report.yields[i].cases;
  for (size_t i = 0; i < fuzz::kDomainCount; ++i) features[fuzz::kDomains[i].name] = report.features[i];
  json out = {{"seconds", report.seconds},
              {"seconds_before", report.seconds_before},
              {"sources", sources},
              {"yields", yields},
              {"features", features},
              {"corpus_cases", report.corpus_cases},
              {"corpus_bytes", report.corpus_bytes},
              {"generator", to_string(options.generator)},
              {"seed", options.seed},
              {"jobs", options.jobs},
              {"cases", count(Count::kCases)},
              {"agreed", count(Count::kAgreed)},
              {"inconclusive", count(Count::kInconclusive)},
              {"rejected", count(Count::kRejected)},
              {"findings", count(Count::kFindings)},
              {"calls", count(Count::kCalls)},
              {"returned", count(Count::kReturned)},
              {"trapped", count(Count::kTrapped)},
              {"threw", count(Count::kThrew)},
              {"exhausted", count(Count::kExhausted)},
              {"objects", count(Count::kObjects)},
              {"collections", count(Count::kCollections)},
              {"armed", count(Count::kArmed)},
              {"verified", count(Count::kVerified)},
              {"reasons", report.reasons},
              {"found", found},
              {"restarts", report.restarts},
              {"unwritten", report.unwritten},
              {"recycled", report.recycled},
              {"rss_begin", report.rss_begin},
              {"rss_end", report.rss_end},
              {"interrupted", report.interrupted}};
  if (!options.fault.empty()) {
    out["fault"] = {
        {"name", options.fault}, {"reached", count(Count::kFaultReached)}, {"infected", count(Count::kFaultInfected)}};
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

namespace {

// New features per thousand cases and per second of processor time, of whatever made more than a few cases; best first.
std::string yields_text(const CampaignReport& report) {
  const auto per_second = [&](size_t i) {
    const Yield& row = report.yields[i];
    return row.nanoseconds == 0 ? 0.0 : static_cast<double>(row.features) * 1e9 / static_cast<double>(row.nanoseconds);
  };
  std::vector<size_t> order;
  for (size_t i = 0; i < kMakers; ++i) {
    if (report.yields[i].cases >= 20 && report.yields[i].features != 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return per_second(a) != per_second(b) ? per_second(a) > per_second(b) : a < b; });
  std::string out;
  for (const size_t i : order) {
    const Yield& row = report.yields[i];
    out += text::format("{} {} {:.0f}/{:.1f}", out.empty() ? "" : ",", maker_name(i),
                        1000.0 * static_cast<double>(row.features) / static_cast<double>(row.cases), per_second(i));
  }
  return out.empty() ? out : "  new features per 1000 cases/per second:" + out + "\n";
}

}  // namespace

std::string to_text(const CampaignOptions& options, const CampaignReport& report) {
  const auto count = [&](Count what) { return report.count(what); };
  const double seconds = report.seconds + report.seconds_before > 0 ? report.seconds + report.seconds_before : 1;
  std::string out =
      text::format("{} cases of seed {} in {:.1f} s ({:.0f} per second){}\n", count(Count::kCases), options.seed,
                   report.seconds + report.seconds_before, static_cast<double>(count(Count::kCases)) / seconds,
                   report.interrupted ? ", interrupted" : "");
  out +=
      text::format("  agreed {}, findings {} ({} distinct), inconclusive {}, rejected {}\n", count(Count::kAgreed),
                   count(Count::kFindings), report.found.size(), count(Count::kInconclusive), count(Count::kRejected));
  out +=
      text::format("  calls {}: returned {}, trapped {}, threw {}, exhausted {}; objects compared {}, collections {}\n",
                   count(Count::kCalls), count(Count::kReturned), count(Count::kTrapped), count(Count::kThrew),
                   count(Count::kExhausted), count(Count::kObjects), count(Count::kCollections));
  out += text::format("  with run-time checks {}, with verified compilation {}\n", count(Count::kArmed),
                      count(Count::kVerified));
  out += "  from";
  for (size_t i = 0; i < kSourceNames.size(); ++i) {
    if (report.yields[i].cases != 0) out += text::format(" {} {}", kSourceNames[i], report.yields[i].cases);
  }
  out += "; features";
  for (size_t i = 0; i < fuzz::kDomainCount; ++i)
    out += text::format(" {} {}", fuzz::kDomains[i].name, report.features[i]);
  out += text::format("; kept {} cases, {} KiB\n", report.corpus_cases, report.corpus_bytes >> 10);
  out += yields_text(report);
  for (const auto& [reason, times] : report.reasons) out += text::format("  {:>8}  {}\n", times, reason);
  out += text::format("  workers: {} restarted, {} recycled; resident memory of the first {} MiB, at the end {} MiB\n",
                      report.restarts, report.recycled, report.rss_begin >> 20, report.rss_end >> 20);
  if (report.unwritten != 0) out += text::format("  {} findings could not be written\n", report.unwritten);
  for (const FoundRow& row : report.found) {
    out += text::format("{} x{} after {:.1f} s\n    {}\n", row.signature, row.count, row.first_seconds, row.difference);
    if (row.folder != "-") out += text::format("    {}\n", row.folder);
  }
  return out;
}

}  // namespace parallax::cli
