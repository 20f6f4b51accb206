// parallax wast PATH...: specification scripts on one or more executors, a table by file.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "engine/wasm/features.h"
#include "engine/wasm/text/script_runner.h"
#include "fuzz/executors/executors.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

using wasm::text::ScriptReport;

// Without an executor the front end is judged alone.
constexpr const char* kFrontEndOnly = "none";

struct WastArgs {
  std::vector<std::string> paths;
  std::string executors;
  std::vector<std::string> enable;
  bool json = false, quiet = false, verify = false, collect = false;
  size_t max_failures = 50;
  uint64_t fuel = UINT64_MAX;
};

struct Target {
  std::string name;
  wasm::text::MakeStore make;
};

struct Row {
  std::string file;
  std::string executor;
  ScriptReport report;
};

Result<std::vector<Target>> targets_of(const WastArgs& args) {
  std::string list = args.executors;
  if (list.empty()) {
    for (const auto kind : {fuzz::ExecutorKind::kInterp, fuzz::ExecutorKind::kJit}) {
      if (fuzz::available(kind)) list += (list.empty() ? "" : ",") + fuzz::to_string({.kind = kind});
    }
    if (list.empty()) list = kFrontEndOnly;
  }
  std::vector<Target> targets;
  for (const std::string& text : CLI::detail::split(list, ',')) {
    if (text == kFrontEndOnly) {
      targets.push_back({text, {}});
      continue;
    }
    const fuzz::ExecutorSpec spec = TRY(fuzz::parse_spec(text));
    std::string why;
    if (!fuzz::available(spec.kind, &why)) return fail(ErrorCode::kUnsupported, 0, why);
    targets.push_back(
        {text, [spec](std::shared_ptr<wasm::TypeStore> types) { return make_executor(spec, std::move(types)); }});
  }
  return targets;
}

Result<wasm::text::RunnerOptions> options_of(const WastArgs& args, const std::string& file) {
  wasm::text::RunnerOptions options = wasm::text::options_for_path(file);
  for (const std::string& name : args.enable) {
    const auto feature = wasm::find_feature(name);
    if (!feature) return fail(ErrorCode::kUsage, 0, text::format("no feature is called '{}'", name));
    options.features.set(*feature, true);
  }
  if (args.verify) options.verify = wasm::text::Verify::kAfterEachCommand;
  options.collect_after_each_command = args.collect;
  options.budget.fuel = args.fuel;
  return options;
}

void print_table(const std::vector<Row>& rows, const WastArgs& args) {
  size_t width = 4;
  for (const Row& row : rows) width = std::max(width, row.file.size());
  if (!args.quiet) {
    std::printf("%-*s %-12s %8s %8s %8s\n", static_cast<int>(width), "file", "executor", "passed", "failed", "skipped");
  }
  struct Total {
    uint64_t passed = 0, failed = 0, skipped = 0, files = 0, clean = 0;
    std::map<std::string, uint64_t> reasons;
  };
  std::map<std::string, Total> totals;
  for (const Row& row : rows) {
    Total& total = totals[row.executor];
    total.passed += row.report.passed;
    total.failed += row.report.failed();
    total.skipped += row.report.skipped_total();
    total.files += 1;
    total.clean += row.report.failed() == 0;
    for (const auto& [reason, count] : row.report.skipped) total.reasons[reason] += count;
    if (args.quiet) continue;
    std::printf("%-*s %-12s %8u %8u %8u\n", static_cast<int>(width), row.file.c_str(), row.executor.c_str(),
                row.report.passed, row.report.failed(), row.report.skipped_total());
  }
  size_t shown = 0;
  for (const Row& row : rows) {
    for (const wasm::text::Failure& failure : row.report.failures) {
      if (shown++ == args.max_failures) std::printf("... (--max-failures shows more)\n");
      if (shown > args.max_failures) continue;
      std::printf("%s:%u: [%s] %s: %s\n", row.file.c_str(), failure.line, row.executor.c_str(), failure.command.c_str(),
                  failure.what.c_str());
    }
  }
  for (const auto& [executor, total] : totals) {
    std::printf("%s: %llu passed, %llu failed, %llu skipped; %llu of %llu files without a failure\n", executor.c_str(),
                static_cast<unsigned long long>(total.passed), static_cast<unsigned long long>(total.failed),
                static_cast<unsigned long long>(total.skipped), static_cast<unsigned long long>(total.clean),
                static_cast<unsigned long long>(total.files));
    for (const auto& [reason, count] : total.reasons) {
      std::printf("  skipped %6llu  %s\n", static_cast<unsigned long long>(count), reason.c_str());
    }
  }
}

void print_json(const std::vector<Row>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const Row& row : rows) {
    nlohmann::json failures = nlohmann::json::array();
    for (const wasm::text::Failure& failure : row.report.failures) {
      failures.push_back({{"line", failure.line}, {"command", failure.command}, {"what", failure.what}});
    }
    out.push_back({{"file", row.file},
                   {"executor", row.executor},
                   {"passed", row.report.passed},
                   {"failed", row.report.failed()},
                   {"skipped", row.report.skipped_total()},
                   {"skipped_by_reason", row.report.skipped},
                   {"failures", failures}});
  }
  std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

int wast(const WastArgs& args) {
  const auto targets = targets_of(args);
  if (!targets) return complain("", targets.error());
  std::vector<std::string> files;
  for (const std::string& path : args.paths) {
    const auto found = files_below(path, ".wast");
    if (!found) return complain("", found.error());
    files.insert(files.end(), found->begin(), found->end());
  }
  if (files.empty()) {
    complain("no .wast files there");
    return kUsage;
  }
  std::vector<Row> rows;
  bool failed = false;
  for (const std::string& file : files) {
    const auto bytes = read_file(file);
    if (!bytes) return complain(file, bytes.error());
    const auto options = options_of(args, file);
    if (!options) return complain("", options.error());
    for (const Target& target : *targets) {
      Row row{file, target.name,
              wasm::text::run_script_text(std::string(bytes->begin(), bytes->end()), target.make, *options)};
      failed = failed || row.report.failed() != 0;
      rows.push_back(std::move(row));
    }
  }
  if (args.json) {
    print_json(rows);
  } else {
    print_table(rows, args);
  }
  return failed ? kFound : kDone;
}

}  // namespace

void add_wast(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<WastArgs>();
  command.add_option("PATH", args->paths, "scripts, or folders of scripts")->required();
  command.add_option("--executor", args->executors,
                     "executors, with commas between them; none: the front end alone (default: all of this build)");
  command.add_option("--enable", args->enable,
                     "features that are off by default, e.g. legacy-exceptions (on for paths with \"legacy\")");
  command.add_flag("--verify", args->verify, "let the store check itself after every command");
  command.add_flag("--collect", args->collect, "collect garbage after every command");
  command.add_option("--fuel", args->fuel, "calls and loop entries that one script may use (default: no limit)");
  command.add_option("--max-failures", args->max_failures, "failures to print")->capture_default_str();
  command.add_flag("--quiet", args->quiet, "failures and totals only, no table");
  command.add_flag("--json", args->json, "print a report for programs");
  command.callback([args, &exit_code] { exit_code = wast(*args); });
}

}  // namespace parallax::cli
