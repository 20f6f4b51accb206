// parallax dashboard DIR -o OUT: a campaign, or a folder of findings, as a static web page.
//
// What a campaign wrote down (triage/campaign_log.h) and its findings, with their reports. Reports that are missing are
// made, up to a number. Something unreadable costs itself only and is named on the page. The page is written last.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/report_gather.h"
#include "triage/dashboard/dashboard.h"

namespace parallax::cli {

namespace fs = std::filesystem;
using nlohmann::json;
using triage::DashboardFinding;

namespace {

struct DashboardArgs {
  std::string folder, output, title;
  uint32_t reports = 20;
  double seconds = 10;
  bool json = false;
};

std::string text_of(const std::string& path) {
  const auto bytes = read_file(path);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

class Maker {
 public:
  explicit Maker(const DashboardArgs& args)
      : args_(args), output_(args.output.empty() ? args.folder + "/dashboard" : args.output) {}

  int make() {
    std::error_code error;
    if (!fs::is_directory(args_.folder, error)) {
      return complain("", {ErrorCode::kIo, 0, text::format("{}: no such folder", args_.folder)});
    }
    read_log();
    const std::vector<std::string> findings = finding_folders();
    if (findings.empty() && page_.log.samples.empty() && page_.log.starts.empty()) {
      for (const std::string& remark : page_.remarks) complain(remark);
      return complain("", {ErrorCode::kUsage, 0,
                           text::format("{}: neither samples of a campaign ({}) nor findings there", args_.folder,
                                        triage::kCampaignLogName)});
    }
    fs::create_directories(output_ + "/findings", error);
    if (error) return complain(text::format("no place for a page: {}: {}", output_, error.message())), kEnvironment;
    for (const std::string& folder : findings) {
      if (const auto added = add_finding(folder); !added) return complain("", added.error()), kEnvironment;
    }
    page_.source = args_.folder;
    page_.title = args_.title.empty()
                      ? text::format("Parallax: {}", fs::path(args_.folder).lexically_normal().filename().string())
                      : args_.title;
    if (report_interrupted()) page_.remarks.emplace_back("Interrupted: findings without a report have got none.");
    if (const auto written = write_file(output_ + "/index.html", triage::dashboard_page(page_)); !written) {
      return complain("", written.error()), kEnvironment;
    }
    return answer();
  }

 private:
  void read_log() {
    const std::string path = args_.folder + "/" + triage::kCampaignLogName;
    std::error_code error;
    if (!fs::exists(path, error)) return;
    auto log = triage::read_all(path);
    if (log) page_.log = std::move(*log);
    if (!log) page_.remarks.push_back(log.error().message);
  }

  // Folders with a finding.json: in DIR, one below, and where the campaign says that they are.
  std::vector<std::string> finding_folders() const {
    std::set<std::string> places = {args_.folder, args_.folder + "/findings"};
    for (const triage::CampaignStart& start : page_.log.starts) {
      if (start.findings.empty()) continue;
      places.insert(start.findings.starts_with('/') ? start.findings : args_.folder + "/" + start.findings);
    }
    std::vector<std::string> found;
    std::set<fs::path> seen;
    std::error_code error;
    for (const std::string& place : places) {
      for (auto entry = fs::directory_iterator(place, error); !error && entry != fs::directory_iterator();
           entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.starts_with('.') || !fs::exists(entry->path() / "finding.json", error)) continue;
        if (seen.insert(fs::weakly_canonical(entry->path(), error)).second) found.push_back(entry->path().string());
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // Errors: the page of the finding cannot be written. What cannot be read is a remark.
  Result<> add_finding(const std::string& folder) {
    auto record = triage::read_finding(folder);
    if (!record) {
      page_.remarks.push_back(text::format("{}: {}", folder, record.error().message));
      return {};
    }
    DashboardFinding finding{.id = fs::path(folder).filename().string(), .record = std::move(*record)};
    finding.bucket = finding.record.signature + "\n" + finding.record.fault;
    if (const auto narrowed = triage::read_narrowed(folder); narrowed && !narrowed->id.empty())
      finding.bucket = narrowed->id;
    std::string page = use_report(folder, finding);
    if (page.empty()) page = make_report(folder, finding);
    if (page.empty()) page = triage::finding_page(finding, text_of(folder + "/log.txt"));
    finding.page = text::format("findings/{}.html", finding.id);
    TRY(write_file(output_ + "/" + finding.page, page));
    page_.findings.push_back(std::move(finding));
    return {};
  }

  // The report that stands in the finding's folder; its page, or "" when there is none.
  static std::string use_report(const std::string& folder, DashboardFinding& finding) {
    const std::string page = text_of(folder + "/report/report.html");
    const json report = json::parse(text_of(folder + "/report/report.json"), nullptr, false);
    if (page.empty() || !report.is_object()) return "";
    const auto string_at = [](const json& from, const char* key) {
      const auto it = from.find(key);
      return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    finding.verdict = string_at(report, "verdict");
    if (const auto it = report.find("severity"); it != report.end() && it->is_object()) {
      finding.harm = string_at(*it, "harm");
      finding.route = string_at(*it, "route");
    }
    if (const auto it = report.find("votes"); it != report.end() && it->is_array()) {
      for (const json& vote : *it) {
        const auto group = vote.is_object() ? vote.find("group") : vote.end();
        if (vote.is_object() && group != vote.end() && group->is_number_unsigned())
          finding.votes.push_back(group->get<uint32_t>());
      }
    }
    finding.picture = text_of(folder + "/report/heap-right.svg");
    return page;
  }

  std::string make_report(const std::string& folder, DashboardFinding& finding) {
    if (made_ >= args_.reports || report_interrupted()) {
      ++without_;
      return "";
    }
    ++made_;
    const auto gathered = gather_report({.path = folder, .seconds = args_.seconds});
    if (!gathered || !gathered->report) {
      ++without_;
      const std::string why =
          gathered ? "does not show itself again: " + gathered->instead.what : gathered.error().message;
      page_.remarks.push_back(text::format("{}: {}", finding.id, why));
      return "";
    }
    const triage::Report& report = *gathered->report;
    finding.verdict = report.verdict;
    finding.harm = to_string(report.severity.harm);
    const bool is_private = report.severity.policy != nullptr &&
                            report.severity.policy->route(report.severity.harm) == triage::Route::kPrivate;
    finding.route = is_private ? "private" : "public";
    for (const triage::Vote& vote : report.votes) {
      if (!vote.inconclusive) finding.votes.push_back(vote.group);
    }
    const triage::HeapPictures pictures = triage::draw_heaps(report);
    if (!pictures.equal) finding.picture = pictures.right;
    return triage::to_html(report);
  }

  int answer() const {
    const std::string index = output_ + "/index.html";
    if (args_.json) {
      const json out = {{"page", index},
                        {"findings", page_.findings.size()},
                        {"samples", page_.log.samples.size()},
                        {"without_report", without_},
                        {"remarks", page_.remarks}};
      std::printf("%s\n", out.dump(2, ' ', false, json::error_handler_t::replace).c_str());
    } else {
      std::printf("%s: %zu findings (%u without a report), %zu samples\n", index.c_str(), page_.findings.size(),
                  without_, page_.log.samples.size());
      for (const std::string& remark : page_.remarks) std::printf("  %s\n", remark.c_str());
    }
    return report_interrupted() ? kEnvironment : kDone;
  }

  const DashboardArgs& args_;
  std::string output_;
  triage::Dashboard page_;
  uint32_t made_ = 0, without_ = 0;
};

}  // namespace

void add_dashboard(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<DashboardArgs>();
  command.add_option("DIR", args->folder, "folder of a campaign (with campaign.jsonl), or of findings")->required();
  command.add_option("-o,--output", args->output, "folder for the page (default: DIR/dashboard)");
  command.add_option("--title", args->title, "title of the page (default: the folder's name)");
  command.add_option("--reports", args->reports, "make up to so many missing reports; each runs its finding again")
      ->capture_default_str();
  command.add_option("--case-timeout", args->seconds, "seconds after which a run of a report counts as hanging")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command.add_flag("--json", args->json, "answer as JSON: what was written");
  command.callback([args, &exit_code] { exit_code = Maker(*args).make(); });
}

}  // namespace parallax::cli
