// parallax wast PATH...: specification scripts on one or more executors; a table by file and by executor, JSON, JUnit.
//
// Failures that are known are data (--expect, triage/known_failures.h): they do not fail the run, and one that no longer
// happens does. What was run when Ctrl-C came is reported like a whole run, marked as interrupted.
#include <signal.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/wasm/features.h"
#include "engine/wasm/text/script_runner.h"
#include "fuzz/executors/executors.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"
#include "triage/junit.h"
#include "triage/known_failures.h"

namespace parallax::cli {

namespace {

using wasm::text::ScriptReport;

// Without an executor the front end is judged alone.
constexpr const char* kFrontEndOnly = "none";

struct WastArgs {
  std::vector<std::string> paths;
  std::vector<std::string> executors;
  std::vector<std::string> enable;
  std::string expect, junit, fault;
  bool json = false, quiet = false, verify = false, collect = false;
  size_t max_failures = 50;
  uint64_t fuel = UINT64_MAX;
};

struct Target {
  std::string name;
  wasm::text::MakeStore make;
};

// One script on one executor.
struct Row {
  std::string file;
  std::string executor;
  ScriptReport report;  // its failures are those that are not known
  struct Known {
    uint32_t line = 0;
    std::string command, what, why;
  };
  std::vector<Known> known;                      // failures that were expected
  std::vector<triage::KnownFailure> unexpected;  // listed as failures, and passed
  std::string unreadable;                        // why the script could not be run at all
  double seconds = 0;

  uint64_t failed() const { return report.failures.size() + unexpected.size() + (unreadable.empty() ? 0 : 1); }
};

struct Run {
  std::vector<Row> rows;
  uint64_t asked = 0;  // rows there would be without an interruption
  bool interrupted() const { return rows.size() < asked; }
};

volatile sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

Result<std::vector<Target>> targets_of(const WastArgs& args) {
  std::vector<std::string> list = args.executors;
  if (list.empty()) {
    for (const auto kind : {fuzz::ExecutorKind::kInterp, fuzz::ExecutorKind::kJit}) {
      if (fuzz::available(kind)) list.push_back(fuzz::to_string({.kind = kind}));
    }
    if (list.empty()) list = {kFrontEndOnly};
  }
  std::vector<Target> targets;
  for (const std::string& text : list) {
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

// Takes the known failures out of the report, and notes those that did not happen.
void expect_failures(Row& row, const std::vector<triage::KnownFailure>& list) {
  std::vector<const triage::KnownFailure*> expected = triage::known_failures_of(list, row.file, row.executor);
  std::vector<wasm::text::Failure> others;
  for (wasm::text::Failure& failure : row.report.failures) {
    const auto it = std::ranges::find(expected, failure.line, [](const auto* known) { return known->line; });
    if (it == expected.end()) {
      others.push_back(std::move(failure));
      continue;
    }
    row.known.push_back({failure.line, std::move(failure.command), std::move(failure.what), (*it)->why});
    expected.erase(it);
  }
  row.report.failures = std::move(others);
  for (const triage::KnownFailure* known : expected) row.unexpected.push_back(*known);
}

struct Total {
  uint64_t passed = 0, failed = 0, known = 0, skipped = 0, files = 0, clean = 0;
  std::map<std::string, uint64_t> reasons;

  void add(const Row& row) {
    passed += row.report.passed;
    failed += row.failed();
    known += row.known.size();
    skipped += row.report.skipped_total();
    files += 1;
    clean += row.failed() == 0;
    for (const auto& [reason, count] : row.report.skipped) reasons[reason] += count;
  }
};

// In the order in which executors were named.
std::vector<std::pair<std::string, Total>> totals_of(const std::vector<Row>& rows) {
  std::vector<std::pair<std::string, Total>> totals;
  for (const Row& row : rows) {
    auto it = std::ranges::find(totals, row.executor, [](const auto& total) { return total.first; });
    if (it == totals.end()) it = totals.insert(totals.end(), {row.executor, {}});
    it->second.add(row);
  }
  return totals;
}

// One line for every failure, as compilers write them.
std::vector<std::string> failures_of(const Row& row) {
  std::vector<std::string> lines;
  if (!row.unreadable.empty()) lines.push_back(text::format("{}: [{}] {}", row.file, row.executor, row.unreadable));
  for (const wasm::text::Failure& failure : row.report.failures) {
    lines.push_back(
        text::format("{}:{}: [{}] {}: {}", row.file, failure.line, row.executor, failure.command, failure.what));
  }
  for (const triage::KnownFailure& known : row.unexpected) {
    lines.push_back(text::format("{}:{}: [{}] passes now, but is listed as a known failure: {}", row.file, known.line,
                                 row.executor, known.why));
  }
  return lines;
}

void print_rows(const std::vector<Row>& rows, int file_width, int executor_width) {
  std::printf("%-*s %-*s %8s %8s %8s %8s\n", file_width, "file", executor_width, "executor", "passed", "failed",
              "known", "skipped");
  for (const Row& row : rows) {
    std::printf("%-*s %-*s %8u %8llu %8zu %8u\n", file_width, row.file.c_str(), executor_width, row.executor.c_str(),
                row.report.passed, static_cast<unsigned long long>(row.failed()), row.known.size(),
                row.report.skipped_total());
  }
}

void print_table(const Run& run, const WastArgs& args) {
  size_t file_width = 4, executor_width = 8;
  for (const Row& row : run.rows) {
    file_width = std::max(file_width, row.file.size());
    executor_width = std::max(executor_width, row.executor.size());
  }
  if (!args.quiet) print_rows(run.rows, static_cast<int>(file_width), static_cast<int>(executor_width));
  size_t shown = 0;
  for (const Row& row : run.rows) {
    for (const std::string& line : failures_of(row)) {
      if (shown++ == args.max_failures) std::printf("... (--max-failures shows more)\n");
      if (shown <= args.max_failures) std::printf("%s\n", line.c_str());
    }
  }
  for (const auto& [executor, total] : totals_of(run.rows)) {
    std::printf("%s\n",
                text::format("{}: {} passed, {} failed, {} known to fail, {} skipped; {} of {} files without a "
                             "failure",
                             executor, total.passed, total.failed, total.known, total.skipped, total.clean, total.files)
                    .c_str());
    for (const auto& [reason, count] : total.reasons) {
      std::printf("  skipped %6llu  %s\n", static_cast<unsigned long long>(count), reason.c_str());
    }
  }
  if (run.interrupted()) {
    std::printf("interrupted: %zu of %llu script runs done\n", run.rows.size(),
                static_cast<unsigned long long>(run.asked));
  }
}

nlohmann::json json_of(const Row& row) {
  using nlohmann::json;
  json failures = json::array(), known = json::array(), unexpected = json::array();
  for (const wasm::text::Failure& failure : row.report.failures) {
    failures.push_back({{"line", failure.line}, {"command", failure.command}, {"what", failure.what}});
  }
  for (const Row::Known& one : row.known) {
    known.push_back({{"line", one.line}, {"command", one.command}, {"what", one.what}, {"why", one.why}});
  }
  for (const triage::KnownFailure& one : row.unexpected) {
    unexpected.push_back({{"line", one.line}, {"why", one.why}});
  }
  json out = {{"file", row.file},
              {"executor", row.executor},
              {"passed", row.report.passed},
              {"failed", row.failed()},
              {"skipped", row.report.skipped_total()},
              {"skipped_by_reason", row.report.skipped},
              {"failures", failures},
              {"known_failures", known},
              {"unexpected_passes", unexpected},
              {"seconds", row.seconds}};
  if (!row.unreadable.empty()) out["unreadable"] = row.unreadable;
  return out;
}

void print_json(const Run& run) {
  nlohmann::json out = nlohmann::json::array();
  for (const Row& row : run.rows) out.push_back(json_of(row));
  std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

// Every script a suite; executors are part of the names, so that one file holds them all.
triage::TestSuite suite_of(const Row& row) {
  using triage::TestStatus;
  triage::TestSuite suite{.name = text::format("{} [{}]", row.file, row.executor), .seconds = row.seconds};
  const auto add = [&](TestStatus status, std::string name, std::string type, std::string message, uint32_t line) {
    suite.cases.push_back({.name = std::move(name),
                           .status = status,
                           .type = std::move(type),
                           .message = std::move(message),
                           .details = line == 0 ? "" : text::format("{}:{} on {}", row.file, line, row.executor),
                           .file = row.file,
                           .line = line});
  };
  suite.properties = {{"executor", row.executor},
                      {"passed", text::format("{}", row.report.passed)},
                      {"skipped", text::format("{}", row.report.skipped_total())}};
  if (!row.unreadable.empty()) add(TestStatus::kError, "script", "unreadable", row.unreadable, 0);
  if (row.report.passed > 0) {
    add(TestStatus::kPassed, text::format("{} commands that passed", row.report.passed), "", "", 0);
  }
  for (const wasm::text::Failure& failure : row.report.failures) {
    add(TestStatus::kFailed, text::format("line {}: {}", failure.line, failure.command), failure.command, failure.what,
        failure.line);
  }
  for (const triage::KnownFailure& known : row.unexpected) {
    add(TestStatus::kFailed, text::format("line {}", known.line), "unexpected pass",
        text::format("passes now, but is listed as a known failure: {}", known.why), known.line);
  }
  for (const Row::Known& known : row.known) {
    add(TestStatus::kSkipped, text::format("line {}: {}", known.line, known.command), "",
        text::format("known failure: {} ({})", known.why, known.what), known.line);
  }
  for (const auto& [reason, count] : row.report.skipped) {
    add(TestStatus::kSkipped, text::format("{} commands: {}", count, reason), "", reason, 0);
    suite.properties.emplace_back("skipped: " + reason, text::format("{}", count));
  }
  return suite;
}

Result<> write_junit(const std::string& path, const Run& run) {
  std::vector<triage::TestSuite> suites;
  for (const Row& row : run.rows) suites.push_back(suite_of(row));
  if (run.interrupted()) {
    suites.push_back(
        {.name = "parallax wast",
         .cases = {{.name = "whole run",
                    .status = triage::TestStatus::kError,
                    .type = "interrupted",
                    .message = text::format("interrupted: {} of {} script runs done", run.rows.size(), run.asked)}}});
  }
  return write_file(path, triage::to_junit("parallax wast", suites));
}

Row run_one(const std::string& file, const Target& target, const WastArgs& args) {
  using Clock = std::chrono::steady_clock;
  Row row{.file = file, .executor = target.name};
  const auto bytes = read_file(file);
  const auto options = options_of(args, file);
  if (!bytes || !options) {
    row.unreadable = (bytes ? options.error() : bytes.error()).message;
    return row;
  }
  const Clock::time_point begin = Clock::now();
  row.report = wasm::text::run_script_text(std::string(bytes->begin(), bytes->end()), target.make, *options);
  row.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return row;
}

Result<std::vector<std::string>> scripts_of(const WastArgs& args) {
  std::vector<std::string> files;
  for (const std::string& path : args.paths) {
    const auto found = TRY(files_below(path, ".wast"));
    files.insert(files.end(), found.begin(), found.end());
  }
  if (files.empty()) return fail(ErrorCode::kUsage, 0, "no .wast files there");
  return files;
}

Result<std::vector<triage::KnownFailure>> known_of(const WastArgs& args) {
  if (args.expect.empty()) return std::vector<triage::KnownFailure>{};
  const auto bytes = read_file(args.expect);
  if (!bytes && bytes.error().message == "is empty") return std::vector<triage::KnownFailure>{};
  if (!bytes) return fail(bytes.error().code, 0, text::format("{}: {}", args.expect, bytes.error().message));
  auto list = triage::parse_known_failures({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!list) return fail(ErrorCode::kUsage, 0, text::format("{}: {}", args.expect, list.error().message));
  return list;
}

int code_of(const Run& run) {
  int code = kDone;
  for (const Row& row : run.rows) {
    if (row.failed() != 0) code = std::max<int>(code, row.unreadable.empty() ? kFound : kUsage);
  }
  return run.interrupted() ? std::max<int>(code, kEnvironment) : code;
}

int wast(const WastArgs& args) {
  const auto targets = targets_of(args);
  if (!targets) return complain("", targets.error());
  if (const auto options = options_of(args, ""); !options) return complain("", options.error());
  if (!args.fault.empty() && !choose_fault(args.fault)) {
    return complain("", {ErrorCode::kUsage, 0, text::format("no such fault: '{}'", args.fault)});
  }
  const auto files = scripts_of(args);
  if (!files) return complain("", files.error());
  const auto known = known_of(args);
  if (!known) return complain("", known.error());

  struct sigaction action = {};
  action.sa_handler = interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends a script that does not end
  ::sigaction(SIGINT, &action, nullptr);
  Run run{.asked = files->size() * targets->size()};
  // Also when the run dies on the way: its file then says that it did not end.
  if (!args.junit.empty()) {
    if (const auto written = write_junit(args.junit, run); !written) return complain("", written.error()), kEnvironment;
  }
  for (const std::string& file : *files) {
    for (const Target& target : *targets) {
      if (g_interrupted != 0) break;
      run.rows.push_back(run_one(file, target, args));
      expect_failures(run.rows.back(), *known);
    }
  }
  if (args.json) {
    print_json(run);
  } else {
    print_table(run, args);
  }
  if (!args.junit.empty()) {
    if (const auto written = write_junit(args.junit, run); !written) return complain("", written.error()), kEnvironment;
  }
  return code_of(run);
}

}  // namespace

void add_wast(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<WastArgs>();
  command.add_option("PATH", args->paths, "scripts, or folders of scripts")->required();
  add_executors(command, args->executors,
                "executors, repeated or with commas between them; none: the front end alone (default: all of this "
                "build)");
  command.add_option("--expect", args->expect,
                     "list of known failures: script, line, where, why (see tests/spec/expected.txt); one that passes "
                     "fails the run");
  command.add_option("--junit", args->junit, "write the results as JUnit XML to this file");
  command.add_option("--enable", args->enable,
                     "features that are off by default, e.g. legacy-exceptions (on for paths with \"legacy\")");
  command.add_flag("--verify", args->verify, "let the store check itself after every command");
  command.add_flag("--collect", args->collect, "collect garbage after every command");
  command.add_option("--fuel", args->fuel, "calls and loop entries that one script may use (default: no limit)");
  command.add_option("--max-failures", args->max_failures, "failures to print")->capture_default_str();
  command.add_option("--fault", args->fault, "plant this fault, NAME or NAME:SITE (docs/faults.md)");
  command.add_flag("--quiet", args->quiet, "failures and totals only, no table");
  command.add_flag("--json", args->json, "print a report for programs");
  command.callback([args, &exit_code] { exit_code = wast(*args); });
}

}  // namespace parallax::cli
