// parallax findings: a folder of findings as buckets (triage/buckets.h): list, show, mark.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "triage/buckets.h"
#include "triage/finding.h"
#include "triage/narrow.h"

namespace parallax::cli {

namespace {

struct FindingsArgs {
  std::string folder, action = "list", name, state, note;
  bool all = false, json = false;
};

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  return text::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

nlohmann::json to_json(const triage::Bucket& bucket) {
  nlohmann::json findings = nlohmann::json::array();
  for (const triage::BucketRow& row : bucket.findings) {
    findings.push_back({{"folder", row.folder},
                        {"signature", row.signature},
                        {"difference", row.difference},
                        {"origin", row.origin},
                        {"fault", row.fault},
                        {"occurrences", row.occurrences},
                        {"narrowed", row.narrowed}});
  }
  return {{"id", bucket.id},
          {"class", bucket.bug_class},
          {"state", to_string(bucket.state)},
          {"note", bucket.note},
          {"provisional", bucket.provisional},
          {"suppressed", bucket.suppressed},
          {"occurrences", bucket.occurrences()},
          {"findings", findings}};
}

void print_json(const nlohmann::json& value) {
  std::printf("%s\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print_row(const triage::Bucket& bucket) {
  std::printf("%-12s %-36s %-20s %4zu findings %8llu cases  %s\n", to_string(bucket.state), bucket.id.c_str(),
              bucket.bug_class.c_str(), bucket.findings.size(), static_cast<unsigned long long>(bucket.occurrences()),
              bucket.suppressed.empty() ? bucket.findings.front().signature.c_str()
                                        : ("suppressed: " + bucket.suppressed).c_str());
}

// New and reappeared buckets that nobody suppressed are what a script must hear of.
bool is_news(const triage::Bucket& bucket) {
  return bucket.suppressed.empty() &&
         (bucket.state == triage::BucketState::kNew || bucket.state == triage::BucketState::kReappeared);
}

int list(const FindingsArgs& args, const triage::Buckets& buckets) {
  const auto rows = buckets.list(today());
  if (!rows) return complain("", rows.error());
  int code = kDone;
  nlohmann::json out = nlohmann::json::array();
  for (const triage::Bucket& bucket : *rows) {
    if (is_news(bucket)) code = kFound;
    if (!args.all && (!bucket.suppressed.empty() || bucket.state == triage::BucketState::kFixed)) continue;
    if (args.json) {
      out.push_back(to_json(bucket));
    } else {
      print_row(bucket);
    }
  }
  if (args.json) print_json(out);
  // What cannot be read is in no bucket; a script must not take it for gone.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(args.folder, error)) {
    const std::string path = entry.path().string();
    if (entry.path().filename().string().starts_with('.') || !std::filesystem::exists(path + "/finding.json", error))
      continue;
    if (const auto record = triage::read_finding(path); !record) complain(path, record.error());
  }
  const auto review = buckets.review(today());
  if (!review) return complain("", review.error());
  for (const std::string& line : *review) complain("suppressions.txt, " + line);
  return code;
}

int show(const FindingsArgs& args, const triage::Buckets& buckets) {
  const auto bucket = buckets.find(args.name, today());
  if (!bucket) return complain("", bucket.error());
  if (args.json) return print_json(to_json(*bucket)), kDone;
  print_row(*bucket);
  if (!bucket->note.empty()) std::printf("  note: %s\n", bucket->note.c_str());
  if (bucket->provisional) std::printf("  provisional: run parallax narrow on its findings\n");
  for (const triage::BucketRow& row : bucket->findings) {
    std::printf("  %s/%s (%llu cases%s)\n    %s\n    %s\n    %s\n", args.folder.c_str(), row.folder.c_str(),
                static_cast<unsigned long long>(row.occurrences), row.narrowed ? ", narrowed" : "",
                row.signature.c_str(), row.difference.substr(0, row.difference.find('\n')).c_str(), row.origin.c_str());
  }
  return kDone;
}

int run(const FindingsArgs& args) {
  triage::BucketState state = triage::BucketState::kNew;
  const bool marks = args.action == "mark";
  if ((args.action == "show" || marks) && args.name.empty())
    return complain(args.action + ": which bucket? (an id, the beginning of one, or a finding's folder)"), kUsage;
  if (marks && !parse_bucket_state(args.state, state))
    return complain("mark: as what? (new, known, fixed, reappeared)"), kUsage;
  if ((args.action == "list" && !args.name.empty()) || (!marks && !args.state.empty()))
    return complain(args.action + ": too many words"), kUsage;
  if (!marks && !args.note.empty()) return complain(args.action + ": --note is for mark"), kUsage;
  auto buckets = triage::Buckets::open(args.folder);
  if (!buckets) return complain("", buckets.error());
  if (args.action == "list") return list(args, *buckets);
  if (args.action == "show") return show(args, *buckets);
  const auto marked = buckets->mark(args.name, state, args.note);
  return marked ? show(args, *buckets) : complain("", marked.error());
}

}  // namespace

void add_findings(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<FindingsArgs>();
  command.add_option("DIR", args->folder, "the folder of findings")->required();
  command.add_option("ACTION", args->action, "list, show or mark")
      ->check(CLI::IsMember({"list", "show", "mark"}))
      ->capture_default_str();
  command.add_option("BUCKET", args->name, "an id, the beginning of one, or a finding's folder");
  command.add_option("STATE", args->state, "mark: new, known, fixed or reappeared");
  command.add_option("--note", args->note, "mark: what there is to say about it");
  command.add_flag("--all", args->all, "list: suppressed and fixed ones too");
  command.add_flag("--json", args->json, "answer as JSON");
  command.footer(
      "Exit code: list answers 1 while there is a bucket that is new or reappeared and not suppressed.\n"
      "DIR/suppressions.txt: lines of id (or beginning*), last day (YYYY-MM-DD), reason.");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
