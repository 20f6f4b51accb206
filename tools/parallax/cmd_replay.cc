// parallax replay: findings, corpora and single modules run again, each in a process of its own.
//
// A finding is reproduced when the same class appears again (and says whether the signature is the same too). A module
// without finding.json has no expectation: it agrees, or it is a finding.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/replay.h"
#include "triage/child.h"
#include "triage/finding.h"

namespace parallax::cli {

namespace fs = std::filesystem;

namespace {

struct ReplayArgs {
  std::vector<std::string> paths;
  std::vector<std::string> executors;
  std::string fault;
  double seconds = 20;
  bool json = false, log = false;
};

struct Item {
  std::string shown, file;
  std::optional<triage::Record> expected;
};

// What stands at a path: a finding, a folder of findings and cases, or one case.
Result<std::vector<Item>> items_at(const std::string& path) {
  std::vector<Item> items;
  if (fs::exists(path + "/finding.json")) {
    items.push_back({path, path + "/case.wasm", TRY(triage::read_finding(path))});
    return items;
  }
  for (const std::string& file : TRY(files_below(path))) {
    const std::string folder = fs::path(file).parent_path().string();
    const bool in_finding = fs::exists(folder + "/finding.json");
    if (in_finding && fs::path(file).filename() != "case.wasm") continue;
    if (!in_finding) {
      items.push_back({file, file, {}});
      continue;
    }
    items.push_back({folder, file, TRY(triage::read_finding(folder))});
  }
  if (items.empty()) return fail(ErrorCode::kUsage, 0, text::format("{}: no cases there", path));
  return items;
}

struct Told {
  int code = kDone;
  std::string word;
};

Told tell(const Item& item, const Replayed& seen) {
  if (!item.expected)
    return seen.finding ? Told{kFound, "FINDING"} : Told{kDone, seen.reason.empty() ? "agreed" : seen.reason};
  if (!seen.finding && seen.reason.starts_with("rejected")) return {kUsage, "not judged: " + seen.reason};
  if (!seen.finding) return {kDone, seen.reason.empty() ? "not reproduced" : "not reproduced: " + seen.reason};
  if (seen.signature == item.expected->symptom || seen.signature == item.expected->signature)
    return {kFound, "reproduced"};
  // The place of a death is coarser here than in a campaign: it lacks the executor.
  if (item.expected->symptom.starts_with(seen.signature + " ")) return {kFound, "reproduced"};
  const bool same_class =
      seen.kind == item.expected->kind || item.expected->symptom.starts_with(text::format("{}|", to_string(seen.kind)));
  return {kFound, same_class ? "reproduced (same class, other signature)" : "another finding"};
}

int run(const ReplayArgs& args) {
  int code = kDone;
  nlohmann::json report = nlohmann::json::array();
  for (const std::string& path : args.paths) {
    const auto items = items_at(path);
    if (!items) {
      code = std::max<int>(code, complain("", items.error()));
      continue;
    }
    for (const Item& item : *items) {
      const std::string wanted = !args.fault.empty() ? args.fault : item.expected ? item.expected->fault : "";
      const std::string fault = wanted == "none" ? "" : wanted;
      const auto seen = replay_case(item.file, fault, args.executors, args.seconds);
      if (!seen) {
        code = std::max<int>(code, complain(item.shown, seen.error()));
        continue;
      }
      const Told told = tell(item, *seen);
      code = std::max<int>(code, told.code);
      if (args.json) {
        report.push_back({{"path", item.shown},
                          {"result", told.word},
                          {"signature", seen->signature},
                          {"difference", seen->difference},
                          {"reason", seen->reason},
                          {"expected", item.expected ? item.expected->signature : ""},
                          {"fault", fault}});
        continue;
      }
      std::printf("%s: %s\n", item.shown.c_str(), told.word.c_str());
      if (seen->finding) std::printf("  %s\n  %s\n", seen->signature.c_str(), seen->difference.c_str());
      if (args.log) std::fputs(seen->log.c_str(), stdout);
      std::fflush(stdout);
    }
  }
  if (args.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return code;
}

}  // namespace

void add_replay(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<ReplayArgs>();
  command.add_option("PATH", args->paths, "findings, folders of findings, cases, modules")->required();
  command.add_option("--executors", args->executors, "instead of those the case names")->delimiter(',');
  command.add_option("--fault", args->fault, "plant this fault, or none (default: the one that was on)");
  command.add_option("--case-timeout", args->seconds, "seconds after which a case counts as hanging")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command.add_flag("--log", args->log, "print what each side did");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
