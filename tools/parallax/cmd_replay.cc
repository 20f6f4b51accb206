// parallax replay: findings, corpora, scripts and single modules run again, several at once (replay_pool.h).
//
// A finding is reproduced when the same class appears again (and says whether the signature is the same too). Anything
// else has no expectation: it agrees, or it is a finding. Two files change what counts:
//
//   --expect FILE   known bugs, one a line: end of a path, what is expected (agreed, finding, or the beginning of a
//                   signature), why. What is listed must happen: a listed finding that agrees fails as well.
//   --state FILE    what every item did the last time; what drifted since is said, and the file is brought up to date.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"
#include "tools/parallax/replay_pool.h"
#include "triage/child.h"
#include "triage/junit.h"

namespace parallax::cli {

using nlohmann::json;

namespace {

struct ReplayArgs {
  std::vector<std::string> paths;
  std::vector<std::string> executors;
  std::string fault, target, targets, expect, state, junit;
  double seconds = 20;
  uint32_t jobs = std::max(1u, std::thread::hardware_concurrency());
  bool json = false, log = false, quiet = false;
};

volatile sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

// --- Expectations and drift ------------------------------------------------------------------------------------------

struct Expectation {
  std::string path, outcome, why;
};

Result<std::vector<Expectation>> read_expectations(const std::string& file) {
  std::vector<Expectation> rows;
  if (file.empty()) return rows;
  std::error_code error;
  if (std::filesystem::is_regular_file(file, error) && std::filesystem::file_size(file, error) == 0) return rows;
  const auto bytes = read_file(file);
  if (!bytes) return fail(ErrorCode::kIo, 0, text::format("{}: {}", file, bytes.error().message));
  const std::string all(bytes->begin(), bytes->end());
  uint32_t number = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    std::istringstream line(all.substr(at, end - at));
    at = end + 1;
    ++number;
    Expectation row;
    if (!(line >> row.path) || row.path.starts_with('#')) continue;
    line >> row.outcome;
    std::getline(line >> std::ws, row.why);
    if (row.why.empty()) {
      return fail(ErrorCode::kUsage, number,
                  text::format("{}, line {}: expected a path, an outcome and a reason", file, number));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

const Expectation* expectation_for(const std::vector<Expectation>& rows, const std::string& path) {
  for (const Expectation& row : rows) {
    if (path == row.path || path.ends_with("/" + row.path)) return &row;
  }
  return nullptr;
}

// Empty: as expected; else what came instead.
std::string judge_expectation(const Expectation& expected, const ReplayRow& row) {
  const bool finding = row.code == kFound;
  const bool met = expected.outcome == "agreed"    ? row.word == "agreed"
                   : expected.outcome == "finding" ? finding
                                                   : finding && row.signature.starts_with(expected.outcome);
  return met ? "" : text::format("expected {} ({})", expected.outcome, expected.why);
}

// What an item did, in one word that can be compared with the last time.
std::string outcome_of(const ReplayRow& row) { return row.code == kFound ? row.signature : row.word; }

using State = std::map<std::string, std::string>;

// A file that is not there yet, or empty, is a state that is about to begin; any other file is not to be overwritten.
Result<State> read_state(const std::string& file) {
  State state;
  std::error_code error;
  if (file.empty() || !std::filesystem::exists(file, error)) return state;
  if (std::filesystem::is_directory(file, error))
    return fail(ErrorCode::kIo, 0, text::format("{}: is a folder, expected a file", file));
  std::ifstream in(file, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  if (content.empty()) return state;
  const json from = json::parse(content, nullptr, false);
  if (!from.is_object()) return fail(ErrorCode::kUsage, 0, text::format("{}: is no state of a replay", file));
  for (const auto& [path, outcome] : from.items()) {
    if (outcome.is_string()) state[path] = outcome.get<std::string>();
  }
  return state;
}

struct Drift {
  std::string path, before, now;
};

// --- One replay --------------------------------------------------------------------------------------------------------

struct Replay {
  std::vector<ReplayItem> items;
  std::vector<ReplayRow> rows;
  std::vector<std::string> unexpected;  // by row: empty as expected
  std::vector<const Expectation*> expectations;
  std::vector<Drift> drifts;
  double seconds = 0;
  bool interrupted = false;
};

Result<> judge_rows(const ReplayArgs& args, const std::vector<Expectation>& expectations, State state, Replay& replay) {
  for (const ReplayRow& row : replay.rows) {
    const std::string& path = replay.items[row.item].shown;
    const Expectation* expected = expectation_for(expectations, path);
    replay.expectations.push_back(expected);
    replay.unexpected.push_back(expected != nullptr ? judge_expectation(*expected, row) : "");
    const auto last = state.find(path);
    if (last != state.end() && last->second != outcome_of(row))
      replay.drifts.push_back({path, last->second, outcome_of(row)});
    state[path] = outcome_of(row);
  }
  if (args.state.empty()) return {};
  return write_file(args.state, json(state).dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

int code_of(const Replay& replay) {
  int code = kDone;
  for (size_t i = 0; i < replay.rows.size(); ++i) {
    const bool listed = replay.expectations[i] != nullptr;
    code = std::max(code, !listed ? replay.rows[i].code : replay.unexpected[i].empty() ? kDone : kFound);
  }
  return code;
}

void print_rows(const ReplayArgs& args, const Replay& replay) {
  for (size_t i = 0; i < replay.rows.size(); ++i) {
    const ReplayRow& row = replay.rows[i];
    const bool known = replay.expectations[i] != nullptr && replay.unexpected[i].empty();
    std::printf("%s: %s%s\n", replay.items[row.item].shown.c_str(), row.word.c_str(),
                known                               ? " (as expected)"
                : replay.expectations[i] != nullptr ? (", " + replay.unexpected[i]).c_str()
                                                    : "");
    if (row.code == kFound && !known) {
      std::printf("  %s\n  %s\n", row.signature.c_str(), row.difference.c_str());
      if (!row.invariant.empty() && row.invariant != row.difference)
        std::printf("  with all checks on: %s\n", row.invariant.substr(0, row.invariant.find('\n')).c_str());
    }
    if (args.log) std::fputs(row.log.c_str(), stdout);
  }
  for (const Drift& drift : replay.drifts) {
    std::printf("drifted: %s: was %s, is %s\n", drift.path.c_str(), drift.before.c_str(), drift.now.c_str());
  }
}

void print_summary(const Replay& replay) {
  std::map<std::string, size_t> words;
  for (const ReplayRow& row : replay.rows) ++words[row.word.substr(0, row.word.find(':'))];
  std::string out;
  for (const auto& [word, count] : words) out += text::format("{}{} {}", out.empty() ? "" : ", ", count, word);
  std::fprintf(stderr, "%zu of %zu in %.1f s: %s; %zu drifted%s\n", replay.rows.size(), replay.items.size(),
               replay.seconds, out.c_str(), replay.drifts.size(), replay.interrupted ? "; interrupted" : "");
}

void print_json(const Replay& replay) {
  json rows = json::array(), drifts = json::array();
  for (size_t i = 0; i < replay.rows.size(); ++i) {
    const ReplayRow& row = replay.rows[i];
    const ReplayItem& item = replay.items[row.item];
    rows.push_back({{"path", item.shown},
                    {"result", row.word},
                    {"signature", row.signature},
                    {"difference", row.difference},
                    {"invariant", row.invariant},
                    {"expected", item.expected ? item.expected->signature : ""},
                    {"fault", item.expected ? item.expected->fault : ""},
                    {"known", replay.expectations[i] != nullptr ? replay.expectations[i]->why : ""},
                    {"unexpected", replay.unexpected[i]},
                    {"seconds", row.seconds}});
  }
  for (const Drift& drift : replay.drifts)
    drifts.push_back({{"path", drift.path}, {"before", drift.before}, {"now", drift.now}});
  const json out = {
      {"items", rows}, {"drifts", drifts}, {"seconds", replay.seconds}, {"interrupted", replay.interrupted}};
  std::printf("%s\n", out.dump(2, ' ', false, json::error_handler_t::replace).c_str());
}

Result<> write_junit(const std::string& file, const Replay& replay) {
  triage::TestSuite suite{.name = "replay", .seconds = replay.seconds};
  for (size_t i = 0; i < replay.rows.size(); ++i) {
    const ReplayRow& row = replay.rows[i];
    const ReplayItem& item = replay.items[row.item];
    triage::TestCase test{.name = item.shown, .file = item.file, .seconds = row.seconds};
    const bool listed = replay.expectations[i] != nullptr;
    test.message = listed && !replay.unexpected[i].empty() ? replay.unexpected[i] : row.word;
    test.type = row.signature.substr(0, row.signature.find('|'));
    test.details = text::format("{}\n{}\n{}", row.signature, row.difference, row.invariant);
    if (listed ? !replay.unexpected[i].empty() : row.code == kFound) {
      test.status = triage::TestStatus::kFailed;
    } else if (!listed && row.code != kDone) {
      test.status = triage::TestStatus::kError;
    } else if (row.word.starts_with("not judged")) {
      test.status = triage::TestStatus::kSkipped;
    }
    suite.cases.push_back(std::move(test));
  }
  return write_file(file, triage::to_junit("parallax replay", std::span(&suite, 1)));
}

int run(const ReplayArgs& args) {
  int code = kDone;
  for (const std::string& spec : args.executors) {
    if (const auto known = fuzz::parse_spec(spec); !known) return complain("", known.error());
  }
  if (!args.fault.empty() && args.fault != "none") {
    const FaultState before = g_fault;
    const bool known = choose_fault(args.fault);
    g_fault = before;
    if (!known) return complain(text::format("no such fault: '{}'", args.fault)), kUsage;
  }
  const auto expectations = read_expectations(args.expect);
  if (!expectations) return complain("", expectations.error());
  auto state = read_state(args.state);
  if (!state) return complain("", state.error());
  Replay replay;
  for (const std::string& path : args.paths) {
    auto items = replay_items(path, args.target);
    if (!items) {
      code = std::max<int>(code, complain("", items.error()));
      continue;
    }
    for (ReplayItem& item : *items) replay.items.push_back(std::move(item));
  }
  ::signal(SIGINT, interrupt);
  size_t done = 0;
  const bool terminal = ::isatty(STDERR_FILENO) != 0 && !args.quiet;
  ReplayOptions options{.executors = args.executors,
                        .fault = args.fault,
                        .targets = args.targets,
                        .case_seconds = args.seconds,
                        .jobs = args.jobs,
                        .with_log = args.log,
                        .stop = [] { return g_interrupted != 0; }};
  if (terminal) {
    options.heard = [&](const ReplayRow&) { std::fprintf(stderr, "\r\x1b[K%zu of %zu", ++done, replay.items.size()); };
  }
  const auto begin = std::chrono::steady_clock::now();
  auto rows = replay_all(replay.items, options);
  if (terminal) std::fprintf(stderr, "\r\x1b[K");
  if (!rows) return complain("", rows.error());
  replay.rows = std::move(*rows);
  replay.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  replay.interrupted = g_interrupted != 0;
  const auto remembered = judge_rows(args, *expectations, std::move(*state), replay);
  if (args.json) {
    print_json(replay);
  } else {
    print_rows(args, replay);
    if (!args.quiet) print_summary(replay);
  }
  // A misspelt path would pass for a bug that is gone.
  for (const Expectation& row : *expectations) {
    if (!replay.interrupted && std::ranges::find(replay.expectations, &row) == replay.expectations.end())
      complain(text::format("{}: no item is '{}'", args.expect, row.path));
  }
  if (!remembered) {
    complain(remembered.error().message);
    code = kEnvironment;
  }
  if (!args.junit.empty()) {
    if (const auto written = write_junit(args.junit, replay); !written)
      return complain(written.error().message), kEnvironment;
  }
  if (replay.rows.size() < replay.items.size() && !replay.interrupted)
    return complain("some items were not run: a process of replay itself died"), kEnvironment;
  return std::max(code, code_of(replay));
}

}  // namespace

void add_replay(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<ReplayArgs>();
  command
      .add_option("PATH", args->paths, "findings, cases, modules, scripts, raw inputs of fuzz targets, folders of them")
      ->required();
  add_executors(command, args->executors, "instead of those the case names");
  command.add_option("--fault", args->fault, "plant this fault, or none (default: the one that was on)");
  command.add_option("--target", args->target,
                     "the fuzz target whose raw inputs these are (default: name of their folder)");
  command.add_option("--targets", args->targets,
                     "folder with the fuzz_<target> programs, for raw inputs that are no cases");
  command.add_option("--jobs", args->jobs, "processes")->check(CLI::Range(1, 1024))->capture_default_str();
  command.add_option("--case-timeout", args->seconds, "seconds after which a case counts as hanging")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command.add_option("--expect", args->expect, "file of known bugs: end of a path, outcome, reason");
  command.add_option("--state", args->state, "file with what every item did the last time; says what drifted");
  command.add_option("--junit", args->junit, "write the results as JUnit XML");
  command.add_flag("--log", args->log, "print what each side did");
  command.add_flag("--quiet", args->quiet, "no progress and no summary on stderr");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
