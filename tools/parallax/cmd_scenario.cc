// parallax scenario: generated embedders against the embedding API, judged by a model and by both executors.
//
// Children play consecutive indices; each keeps what it does in shared memory, so that the parent can say which scenario
// a child died in. The parent starts a new child behind that one.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/generators/scenario/scenario.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

struct Args {
  uint64_t seed = 1, runs = 1000, index = 0, jobs = 1, keep = 10;
  std::string fault;
  bool print = false, json = false;
};

// What a child tells its parent while it lives.
struct Shared {
  std::atomic<uint64_t> index, played, actions, refusals;
  std::atomic<bool> found;
  char judge[16];
  char text[64 * 1024];
};

struct Found {
  uint64_t index;
  std::string judge, text;
};

struct Child {
  pid_t pid = 0;
  Shared* shared = nullptr;
};

// Plays every jobs-th index until the end or a finding.
void play_range(const Args& args, uint64_t from, Shared& shared) {
  for (uint64_t i = from; i < args.index + args.runs; i += args.jobs) {
    shared.index = i;
    restart_fault_sites();
    const fuzz::ScenarioVerdict verdict = fuzz::judge_scenario(fuzz::scenario_at(args.seed, i));
    ++shared.played;
    shared.actions += verdict.actions;
    shared.refusals += verdict.refusals;
    if (verdict.judge.empty()) continue;
    std::snprintf(shared.judge, sizeof(shared.judge), "%s", verdict.judge.c_str());
    std::snprintf(shared.text, sizeof(shared.text), "%s", verdict.text.c_str());
    shared.found = true;
    return;
  }
}

bool start(const Args& args, uint64_t from, Child& child) {
  child.shared->found = false;
  child.shared->index = from;
  std::fflush(stdout);
  child.pid = fork();
  if (child.pid == 0) {
    play_range(args, from, *child.shared);
    std::fflush(stderr);
    _exit(0);
  }
  return child.pid > 0;
}

// What the child found, or how it died.
std::vector<Found> outcome(const Child& child, int status) {
  const Shared& shared = *child.shared;
  if (shared.found) return {{shared.index, shared.judge, shared.text}};
  if (WIFSIGNALED(status)) {
    return {{shared.index, "crash", text::format("the process died: {}", strsignal(WTERMSIG(status)))}};
  }
  if (WEXITSTATUS(status) != 0) {
    return {{shared.index, "crash", text::format("the process ended with {}", WEXITSTATUS(status))}};
  }
  return {};
}

int report(const Args& args, const std::vector<Found>& findings, const std::vector<Child>& children, double seconds) {
  uint64_t played = 0, actions = 0, refusals = 0;
  for (const Child& child : children) {
    played += child.shared->played;
    actions += child.shared->actions;
    refusals += child.shared->refusals;
  }
  if (args.json) {
    nlohmann::json out = {{"seed", args.seed},
                          {"first", args.index},
                          {"played", played},
                          {"actions", actions},
                          {"refused_rightly", refusals},
                          {"seconds", seconds},
                          {"findings", nlohmann::json::array()}};
    for (const Found& f : findings) {
      out["findings"].push_back({{"index", f.index}, {"judge", f.judge}, {"text", f.text}});
    }
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    for (const Found& f : findings) {
      std::printf("FINDING seed %lu index %lu: %s\n%s\nagain: parallax scenario --seed %lu --index %lu --runs 1%s%s\n",
                  args.seed, f.index, f.judge.c_str(), f.text.c_str(), args.seed, f.index,
                  args.fault.empty() ? "" : " --fault ", args.fault.c_str());
    }
    std::printf("%lu scenarios on both executors, %lu actions, %lu refused as they must be, %zu findings, %.1f s\n",
                played, actions, refusals, findings.size(), seconds);
  }
  return findings.empty() ? kDone : kFound;
}

int run(const Args& args) {
  if (!args.fault.empty() && !choose_fault(args.fault)) return complain("there is no fault " + args.fault), kUsage;
  if (args.print) {
    for (uint64_t i = 0; i < args.runs; ++i) {
      std::printf("seed %lu index %lu\n%s\n", args.seed, args.index + i,
                  describe(fuzz::scenario_at(args.seed, args.index + i)).c_str());
    }
    return kDone;
  }
  const auto began = std::chrono::steady_clock::now();
  std::vector<Child> children(std::min(args.jobs, args.runs));
  Args shape = args;
  shape.jobs = children.size();
  for (size_t i = 0; i < children.size(); ++i) {
    void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return complain("no shared memory"), kEnvironment;
    children[i].shared = new (memory) Shared();
    if (!start(shape, args.index + i, children[i])) return complain("no process"), kEnvironment;
  }
  std::vector<Found> findings;
  for (size_t running = children.size(); running != 0;) {
    int status = 0;
    const pid_t pid = wait(&status);
    if (pid < 0) break;
    for (Child& child : children) {
      if (child.pid != pid) continue;
      const std::vector<Found> found = outcome(child, status);
      findings.insert(findings.end(), found.begin(), found.end());
      const uint64_t next = child.shared->index + shape.jobs;
      const bool more = !found.empty() && findings.size() < args.keep && next < args.index + args.runs;
      if (!more || !start(shape, next, child)) --running;
    }
  }
  std::sort(findings.begin(), findings.end(), [](const Found& a, const Found& b) { return a.index < b.index; });
  return report(args, findings, children,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
}

}  // namespace

void add_scenario(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<Args>();
  command.add_option("--seed", args->seed, "of the scenarios")->capture_default_str();
  command.add_option("--runs", args->runs, "how many scenarios")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--index", args->index, "number of the first one")->capture_default_str();
  command.add_option("-j,--jobs", args->jobs, "processes")
      ->check(CLI::Range(uint64_t{1}, uint64_t{256}))
      ->capture_default_str();
  command.add_option("--keep-going", args->keep, "findings after which it stops")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 30))
      ->capture_default_str();
  command.add_option("--fault", args->fault, "a planted fault (docs/faults.md)");
  command.add_flag("--print", args->print, "print the scenarios instead of playing them");
  command.add_flag("--json", args->json, "the result as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
