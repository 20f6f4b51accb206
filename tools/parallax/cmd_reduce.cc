// parallax reduce: the smallest case that still shows the same finding, or for which a command still says yes.
//
// The input is a finding's folder, a case (envelope), a module as .wasm or .wat, a script (.wast), or a raw input of a fuzz
// target. Without --predicate the executors decide: the case runs three times first, and unless all three show the same
// finding there is nothing to keep. The result of a finding goes into its folder, of a file beside it or to --out.
#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/base/text.h"
#include "engine/wasm/text/print.h"
#include "engine/wasm/text/script.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"
#include "triage/finding.h"
#include "triage/reduce/reduce.h"

namespace parallax::cli {

namespace {

namespace fs = std::filesystem;
using triage::reduce::Reduced;

struct ReduceArgs {
  std::string path;
  std::string predicate;
  std::vector<std::string> executors;
  std::string fault;
  std::string out;
  double seconds = 300;
  double case_seconds = 10;
  unsigned jobs = 0;
  bool json = false, quiet = false, fresh = false;
};

std::atomic<bool> g_stop{false};

// What is to be reduced, and where the result goes.
struct Input {
  fuzz::Case subject;
  std::optional<triage::Record> record;
  std::string folder;      // of a finding
  bool is_module = false;  // nothing but a module was given
};

// Modules and calls of a script, as a case: what asserts expect is not part of it.
Result<fuzz::Case> case_of_script(const std::string& path) {
  const auto bytes = TRY(read_file(path));
  const auto script = TRY(wasm::text::parse_script(std::string(bytes.begin(), bytes.end())));
  fuzz::Case subject;
  std::vector<std::pair<std::string, uint32_t>> named;
  uint32_t instances = 0;
  for (const wasm::text::Command& command : script.commands) {
    if (command.kind == wasm::text::CommandKind::kModule && command.module) {
      auto module = script.binary(*command.module);
      if (!module) continue;
      fuzz::Step step{.kind = fuzz::StepKind::kInstantiate, .module = static_cast<uint32_t>(subject.modules.size())};
      for (uint32_t i = 0; i < instances; ++i) step.links.push_back(i);
      subject.modules.push_back(std::move(*module));
      subject.plan.push_back(std::move(step));
      named.push_back({command.module->name, instances++});
    }
    if (!command.action || command.action->kind != wasm::text::Action::Kind::kInvoke || instances == 0) continue;
    fuzz::Step step{
        .kind = fuzz::StepKind::kCall, .instance = instances - 1, .keep = true, .name = command.action->name};
    for (const auto& [name, instance] : named) {
      if (!name.empty() && name == command.action->module) step.instance = instance;
    }
    for (const wasm::text::ConstantValue& value : command.action->args) {
      using Kind = wasm::text::ConstantValue::Kind;
      if (value.kind == Kind::kNumber)
        step.args.push_back({fuzz::ArgKind::kNumber, value.number.low, value.number.high});
      else if (value.kind == Kind::kHost) step.args.push_back({fuzz::ArgKind::kHost, value.host_value, 0});
      else step.args.push_back({});
    }
    subject.plan.push_back(std::move(step));
  }
  if (subject.modules.empty()) return fail(ErrorCode::kUsage, 0, "the script has no module");
  return subject;
}

Result<Input> read_input(const std::string& path) {
  Input input;
  std::string file = path;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    input.folder = path;
    file = path + "/case.wasm";
    if (!fs::exists(file, error)) return fail(ErrorCode::kUsage, 0, "is a folder, but no finding: it has no case.wasm");
    if (!fs::exists(path + "/finding.json", error))
      return fail(ErrorCode::kUsage, 0, "is a folder, but no finding: it has no finding.json");
    input.record = TRY(triage::read_finding(path));
  } else if (fs::path(path).filename() == "case.wasm" &&
             fs::exists(fs::path(path).parent_path() / "finding.json", error)) {
    input.folder = fs::path(path).parent_path().string();
    if (input.folder.empty()) input.folder = ".";
    input.record = TRY(triage::read_finding(input.folder));
  }
  if (path.ends_with(".wast")) {
    input.subject = TRY(case_of_script(path));
    return input;
  }
  const auto bytes = TRY(read_module(file));
  input.subject = TRY(fuzz::read_envelope(bytes));
  input.is_module = input.subject.modules.size() == 1 && input.subject.plan.empty() &&
                    input.subject.configuration == fuzz::Configuration();
  return input;
}

// --- The finding before -------------------------------------------------------------------------------------------------

constexpr int kFirstRuns = 3;

// The verdict of all of the first runs; an error says what they saw instead.
Result<fuzz::Verdict> first_verdict(triage::Rerunner& rerun, const fuzz::Case& subject) {
  std::vector<fuzz::Verdict> seen;
  for (int i = 0; i < kFirstRuns; ++i) seen.push_back(rerun.run_fresh(subject));
  const auto shown = [](const fuzz::Verdict& v) -> std::string {
    switch (v.kind) {
      case fuzz::VerdictKind::kAgreed: return "the executors agreed";
      case fuzz::VerdictKind::kInconclusive: return "inconclusive: " + v.reason;
      case fuzz::VerdictKind::kRejected: return "rejected: " + v.reason;
      case fuzz::VerdictKind::kFinding: return v.finding.signature;
    }
    return "?";
  };
  for (const fuzz::Verdict& v : seen) {
    if (shown(v) != shown(seen[0])) {
      std::string all;
      for (const fuzz::Verdict& each : seen) all += text::format("\n  {}", shown(each));
      return fail(ErrorCode::kUsage, 0, "the finding is not stable: three runs saw" + all);
    }
  }
  if (seen[0].kind != fuzz::VerdictKind::kFinding)
    return fail(ErrorCode::kUsage, 0, text::format("there is no finding to keep (three runs): {}", shown(seen[0])));
  const fuzz::FindingClass kind = seen[0].finding.kind;
  if (kind == fuzz::FindingClass::kRejected || kind == fuzz::FindingClass::kAccepted)
    return fail(ErrorCode::kUnsupported, 0,
                text::format("{}: a module that is not valid by all accounts cannot be edited", shown(seen[0])));
  return seen[0];
}

// --- Answers ------------------------------------------------------------------------------------------------------------

std::string summary(const Reduced& r) {
  std::string out = text::format(
      "{} -> {} bytes, {} -> {} instructions, {} -> {} executed, {} -> {} steps; {:.2f} s, {} runs, {} of {} "
      "candidates "
      "taken\n",
      r.before.bytes, r.after.bytes, r.before.instructions, r.after.instructions, r.before.executed, r.after.executed,
      r.before.steps, r.after.steps, r.seconds, r.runs, r.accepted, r.candidates);
  if (r.certificate.holds) {
    out += text::format("1-minimal: {} operators at {} sites tried since, none succeeded\n", r.certificate.operators,
                        r.certificate.sites);
  } else {
    out += text::format("not minimal: ended by {}; run again to go on\n", r.ended);
  }
  return out;
}

Result<> write_results(const Input& input, const ReduceArgs& args, const Reduced& reduced, const std::string& json) {
  const bool plain = !args.predicate.empty() && input.is_module;
  const auto bytes = plain ? reduced.subject.modules.front() : write_envelope(reduced.subject);
  const auto printed = wasm::text::print_binary(reduced.subject.modules.front());
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!args.out.empty()) return write_file(args.out, args.out.ends_with(".wat") && printed ? *printed : content);
  // What a command keeps is another thing than what the finding's report looks for.
  std::string stem = input.folder + (args.predicate.empty() ? "/reduced" : "/reduced-by-predicate");
  if (input.folder.empty()) {
    const fs::path path(args.path);
    stem = (path.parent_path() / path.stem()).string() + ".reduced";
  }
  TRY(write_file(stem + ".wasm", content));
  if (printed) TRY(write_file(stem + ".wat", *printed));
  // In a finding's folder the name is fixed: reports look for it.
  const bool is_report = !input.folder.empty() && args.predicate.empty();
  return write_file(is_report ? input.folder + "/reduce.json" : stem + ".json", json);
}

void show_progress(const triage::reduce::Progress& p) {
  std::fprintf(stderr, "\r\033[K%.1f s  round %llu  %-12s %llu bytes, %llu instructions, %llu steps  %llu runs",
               p.seconds, static_cast<unsigned long long>(p.round), p.operator_name,
               static_cast<unsigned long long>(p.size.bytes), static_cast<unsigned long long>(p.size.instructions),
               static_cast<unsigned long long>(p.size.steps), static_cast<unsigned long long>(p.runs));
}

triage::reduce::Options options_for(const ReduceArgs& args, const Input& input) {
  triage::reduce::Options options{
      .seconds = args.seconds, .plain = !args.predicate.empty() && input.is_module, .stop = &g_stop};
  if (!input.folder.empty())
    options.state_file = input.folder + (args.predicate.empty() ? "/reduce.state" : "/reduce-by-predicate.state");
  if (args.fresh && !options.state_file.empty()) std::remove(options.state_file.c_str());
  if (!args.quiet && !args.json && ::isatty(STDERR_FILENO) != 0) {
    options.progress = [last = 0.0](const triage::reduce::Progress& p) mutable {
      if (p.seconds - last < 0.1) return;
      last = p.seconds;
      show_progress(p);
    };
  }
  return options;
}

int finish(const Input& input, const ReduceArgs& args, const Result<Reduced>& reduced, const std::string& signature) {
  if (!args.quiet && !args.json && ::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
  if (!reduced) return complain(args.path, reduced.error());
  const std::string json = to_json(*reduced, signature);
  if (const auto written = write_results(input, args, *reduced, json); !written) {
    complain("", written.error());
    return kEnvironment;
  }
  if (args.json) {
    std::fputs(json.c_str(), stdout);
  } else {
    if (!signature.empty()) std::printf("%s\n", signature.c_str());
    std::fputs(summary(*reduced).c_str(), stdout);
    const auto printed = wasm::text::print_binary(reduced->subject.modules.front());
    if (printed && printed->size() < 4000 && !args.quiet) {
      std::fputs(printed->c_str(), stdout);
      for (const fuzz::Step& step : reduced->subject.plan) std::printf(";; %s\n", describe(step).c_str());
      for (const std::string& spec : reduced->subject.configuration.executors) std::printf(";; on %s\n", spec.c_str());
    }
  }
  return kDone;
}

// --- The two ways -------------------------------------------------------------------------------------------------------

int by_executors(Input input, const ReduceArgs& args) {
  std::string fault = args.fault.empty() && input.record ? input.record->fault : args.fault;
  if (fault == "none") fault.clear();
  triage::RerunSettings settings{.executors = args.executors, .fault = fault, .seconds = args.case_seconds};
  if (const auto usable = check(settings); !usable) return complain("", usable.error());
  if (!args.executors.empty()) input.subject.configuration.executors = args.executors;
  settings.executors.clear();  // from here on the case says
  triage::Rerunner rerun(settings);
  const auto before = first_verdict(rerun, input.subject);
  if (!before) return complain(args.path, before.error());
  const fuzz::Finding& finding = before->finding;
  if (finding.executors.size() > 1) input.subject.configuration.executors = finding.executors;
  if (input.record && input.record->symptom != finding.signature &&
      !input.record->symptom.starts_with(finding.signature))
    complain(text::format("{}: shows another finding than it was filed under: {}", args.path, finding.signature));
  triage::reduce::FindingTest test(settings, *before);
  return finish(input, args, triage::reduce::reduce(input.subject, test, options_for(args, input)), finding.signature);
}

int by_predicate(const Input& input, const ReduceArgs& args) {
  std::string folder = (fs::temp_directory_path() / "parallax-reduce-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    complain("cannot make a temporary folder");
    return kEnvironment;
  }
  triage::reduce::CommandTest test(
      {.command = args.predicate,
       .seconds = args.case_seconds,
       .jobs = args.jobs != 0 ? args.jobs : std::max(1u, std::thread::hardware_concurrency()),
       .folder = folder,
       .plain = input.is_module});
  int yes = 0;
  for (int i = 0; i < kFirstRuns; ++i) yes += test.interesting(input.subject) ? 1 : 0;
  int code = kUsage;
  if (yes == kFirstRuns) {
    code = finish(input, args, triage::reduce::reduce(input.subject, test, options_for(args, input)), "");
  } else if (yes == 0) {
    complain(text::format("{}: the command does not say yes to the input to begin with{}: {}", args.path,
                          test.timeouts() > 0 ? " (it ran into --case-timeout)" : "", args.predicate));
  } else {
    complain(text::format("{}: the command is not stable: it said yes {} times of {}", args.path, yes, kFirstRuns));
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return code;
}

// A result that nobody can write is found out before the work, not after it.
Result<> check_place(const Input& input, const ReduceArgs& args) {
  std::error_code error;
  if (fs::is_directory(args.out, error))
    return fail(ErrorCode::kIo, 0, text::format("{}: is a folder, expected a file", args.out));
  if (fs::exists(args.out, error) && !fs::is_regular_file(args.out, error)) return {};  // a device, a pipe
  std::string folder = input.folder;
  if (!args.out.empty() || folder.empty())
    folder = fs::path(args.out.empty() ? args.path : args.out).parent_path().string();
  if (folder.empty()) folder = ".";
  if (::access(folder.c_str(), W_OK) != 0)
    return fail(ErrorCode::kIo, 0, text::format("no place for the result: {}: {}", folder, std::strerror(errno)));
  return {};
}

int run(const ReduceArgs& args) {
  const auto input = read_input(args.path);
  if (!input) return complain(args.path, input.error());
  if (const auto place = check_place(*input, args); !place) return complain("", place.error()), kEnvironment;
  std::signal(SIGINT, [](int) { g_stop = true; });
  std::signal(SIGTERM, [](int) { g_stop = true; });
  return args.predicate.empty() ? by_executors(*input, args) : by_predicate(*input, args);
}

}  // namespace

void add_reduce(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<ReduceArgs>();
  command.add_option("INPUT", args->path, "a finding's folder, a case, a module (.wasm, .wat) or a script (.wast)")
      ->required();
  command.add_option(
      "--predicate", args->predicate,
      "instead of the executors: a shell command that ends with 0 while the file is worth keeping; {} is "
      "the file's path, else it is appended");
  add_executors(command, args->executors,
                "instead of those that the case names, the first is the reference; see `parallax diff --help`");
  command.add_option("--fault", args->fault, "plant this fault, or none (default: the one that was on)");
  command.add_option("--time", args->seconds, "seconds after which the best so far is the result (0: no limit)")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  command.add_option("--case-timeout", args->case_seconds, "seconds after which one run counts as hanging")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  command.add_option("-j,--jobs", args->jobs, "predicates at once (default: as many as processors)")
      ->check(CLI::Range(1, 256));
  command.add_option("-o,--out", args->out,
                     "where the result goes (.wasm or .wat; default: into the finding's folder, or "
                     "INPUT.reduced.wasm, .wat and .json)");
  command.add_flag("--restart", args->fresh, "forget what an interrupted reduction of this finding had reached");
  command.add_flag("--quiet", args->quiet, "no progress and no listing");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
