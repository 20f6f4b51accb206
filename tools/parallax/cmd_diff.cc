// parallax diff FILE...: modules on several executors, everything compared.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/oracle/judge.h"
#include "fuzz/oracle/roots.h"
#include "fuzz/oracle/sweep.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"

namespace parallax::cli {

namespace {

struct DiffArgs {
  std::vector<std::string> paths;
  std::vector<std::string> executors;
  std::string fault;
  bool json = false, log = false, sweep = false, roots = false;
  uint64_t sweep_cap = 10'000;
};

const char* word_for(fuzz::VerdictKind kind) {
  static constexpr const char* kWords[] = {"agreed", "inconclusive", "rejected", "FINDING"};
  return kWords[static_cast<size_t>(kind)];
}

Result<fuzz::Case> read_case(const std::string& path) {
  const auto bytes = TRY(read_module(path));
  return fuzz::read_envelope(bytes);
}

// One line of progress on a terminal, none elsewhere.
void show_progress(const std::string& file, uint64_t done, uint64_t total) {
  if (::isatty(STDERR_FILENO) == 0 || (done % 16 != 0 && done != total)) return;
  std::fprintf(stderr, "\r%s: %llu of %llu safepoints%s", file.c_str(), static_cast<unsigned long long>(done),
               static_cast<unsigned long long>(total), done == total ? "\r\033[K" : "");
}

// Sweeps every file on every jit among the executors.
int run_sweep(const DiffArgs& args, const std::vector<fuzz::ExecutorSpec>& executors) {
  int code = kDone;
  nlohmann::json report = nlohmann::json::array();
  const auto one = [&](const std::string& file, const fuzz::Case& subject, const fuzz::ExecutorSpec& spec) {
    fuzz::SweepOptions options{.executor = spec, .cap = args.sweep_cap};
    options.progress = [&](uint64_t done, uint64_t total) { show_progress(file, done, total); };
    const fuzz::SweepResult result = fuzz::sweep(subject, options);
    if (!result.findings.empty()) code = std::max<int>(code, kFound);
    nlohmann::json row = {{"file", file},
                          {"executor", fuzz::to_string(spec)},
                          {"safepoints", result.safepoints},
                          {"runs", result.runs},
                          {"complete", result.complete},
                          {"refused", result.refused},
                          {"findings", nlohmann::json::array()}};
    for (const fuzz::SweepFinding& f : result.findings) {
      row["findings"].push_back({{"safepoint", f.safepoint},
                                 {"executor", f.finding.executors.back()},
                                 {"signature", f.finding.signature},
                                 {"difference", f.finding.difference}});
    }
    report.push_back(row);
    if (args.json) return;
    if (!result.refused.empty())
      return (void)std::printf("%s: inconclusive: %s\n", file.c_str(), result.refused.c_str());
    std::printf("%s: %s: %llu of %llu safepoints swept, %zu findings\n", file.c_str(), fuzz::to_string(spec).c_str(),
                static_cast<unsigned long long>(result.runs), static_cast<unsigned long long>(result.safepoints),
                result.findings.size());
    for (const fuzz::SweepFinding& f : result.findings) std::printf("  FINDING: %s\n", f.finding.difference.c_str());
  };
  for (const std::string& path : args.paths) {
    const auto files = cases_below(path);
    if (!files) return complain("", files.error());
    for (const std::string& file : *files) {
      const auto subject = read_case(file);
      if (!subject) {
        code = std::max<int>(code, complain(file, subject.error()));
        continue;
      }
      for (const fuzz::ExecutorSpec& spec : executors) {
        if (spec.kind == fuzz::ExecutorKind::kJit) one(file, *subject, spec);
      }
    }
  }
  if (args.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return code;
}

// Compares what stack maps list with what the interpreter's frames hold, for every file.
int run_roots(const DiffArgs& args) {
  int code = kDone;
  nlohmann::json report = nlohmann::json::array();
  for (const std::string& path : args.paths) {
    const auto files = cases_below(path);
    if (!files) return complain("", files.error());
    for (const std::string& file : *files) {
      const auto subject = read_case(file);
      const auto loaded = subject ? fuzz::load_case(*subject) : std::unexpected(subject.error());
      if (!loaded) {
        code = std::max<int>(code, complain(file, loaded.error()));
        continue;
      }
      const fuzz::RootsReport found = fuzz::compare_roots(*loaded);
      if (!found.problem.empty()) code = std::max<int>(code, kFound);
      report.push_back({{"file", file},
                        {"allocations", found.events},
                        {"frames", found.frames},
                        {"listed", found.listed},
                        {"live", found.live},
                        {"problem", found.problem},
                        {"refused", found.refused}});
      if (args.json) continue;
      const std::string text = !found.problem.empty() ? "FINDING: " + found.problem
                               : !found.refused.empty()
                                   ? "inconclusive: " + found.refused
                                   : text::format(
                                         "{} allocations, {} frames: {} references listed and held, {} live and "
                                         "listed",
                                         found.events, found.frames, found.listed, found.live);
      std::printf("%s: %s\n", file.c_str(), text.c_str());
    }
  }
  if (args.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return code;
}

int run(const DiffArgs& args) {
  if (!args.fault.empty() && !choose_fault(args.fault))
    return complain("", {ErrorCode::kUsage, 0, text::format("no planted fault '{}' (docs/faults.md)", args.fault)});
  if (args.roots) return run_roots(args);
  fuzz::JudgeOptions options;
  for (const std::string& text : args.executors) {
    const auto spec = fuzz::parse_spec(text);
    if (!spec) return complain("", spec.error());
    std::string why;
    if (!fuzz::available(spec->kind, &why)) return complain("", {ErrorCode::kUnsupported, 0, text + ": " + why});
    options.executors.push_back(*spec);
  }
  if (args.sweep) {
    if (options.executors.empty())
      options.executors = {{.kind = fuzz::ExecutorKind::kJit, .armed = true},
                           {.kind = fuzz::ExecutorKind::kJit, .collector = fuzz::Collector::kNonMoving, .armed = true}};
    const bool sweeps = std::ranges::any_of(
        options.executors, [](const fuzz::ExecutorSpec& spec) { return spec.kind == fuzz::ExecutorKind::kJit; });
    if (!sweeps) return complain("", {ErrorCode::kUsage, 0, "--sweep needs a jit among the --executors"});
    return run_sweep(args, options.executors);
  }
  if (args.executors.size() == 1)
    return complain("", {ErrorCode::kUsage, 0, "comparing needs at least two --executors"});
  if (options.executors.empty()) options.executors = fuzz::standard_executors();

  int code = kDone;
  nlohmann::json report = nlohmann::json::array();
  for (const std::string& path : args.paths) {
    const auto files = cases_below(path);
    if (!files) return complain("", files.error());
    for (const std::string& file : *files) {
      const auto subject = read_case(file);
      if (!subject) {
        code = std::max<int>(code, complain(file, subject.error()));
        continue;
      }
      const fuzz::Verdict verdict = fuzz::judge(*subject, options);
      if (verdict.kind == fuzz::VerdictKind::kFinding) code = std::max<int>(code, kFound);
      if (verdict.kind == fuzz::VerdictKind::kRejected) code = std::max<int>(code, kUsage);
      if (args.json) {
        report.push_back({{"file", file},
                          {"verdict", word_for(verdict.kind)},
                          {"reason", verdict.reason},
                          {"signature", verdict.finding.signature},
                          {"difference", verdict.finding.difference},
                          {"executors", verdict.finding.executors},
                          {"calls", verdict.calls}});
        continue;
      }
      const std::string detail =
          verdict.kind == fuzz::VerdictKind::kFinding ? verdict.finding.difference : verdict.reason;
      std::printf("%s: %s%s%s\n", file.c_str(), word_for(verdict.kind), detail.empty() ? "" : ": ", detail.c_str());
      if (args.log) std::fputs(verdict.finding.log.c_str(), stdout);
    }
  }
  if (args.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return code;
}

}  // namespace

void add_diff(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<DiffArgs>();
  command.add_option("FILE", args->paths, "modules, envelopes or folders of them")->required();
  CLI::Option* executors = add_executors(
      command, args->executors,
      "executors to compare, the first is the reference: interp[:zeal=every|N], "
      "jit[:O0|O1|O2][:moving|nonmoving|never|gen][:zeal=every|N|onlyN][:armed][:chaos=N][:cpu=sse4|baseline]");
  CLI::Option* sweep = command.add_flag(
      "--sweep", args->sweep,
      "run each file once per safepoint on every jit among the executors, collecting at exactly that one");
  command.add_option("--sweep-cap", args->sweep_cap, "runs per file and executor; more safepoints are sampled evenly")
      ->check(CLI::Range(uint64_t{1}, uint64_t{UINT32_MAX}))
      ->capture_default_str()
      ->needs(sweep);
  command
      .add_flag("--roots", args->roots,
                "at every allocation, compare the stack maps of the jit at O0 with the interpreter's frames and with "
                "liveness on the code as written")
      ->excludes(executors)
      ->excludes(sweep);
  command.add_option("--fault", args->fault, "plant this fault, NAME or NAME:SITE (docs/faults.md)");
  command.add_flag("--log", args->log, "print what each side did when they differ");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
