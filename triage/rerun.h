// Runs a case again and gives its verdict, whatever the code under test does to the process.
//
// What narrow, reduce and report ask thousands of times: "this case, these executors, this planted fault: which finding?"
// A verdict is always an answer: a death of the process, a hang or too much memory becomes a finding with the signature
// that triage/child.h gives it. Two ways to run:
//
//   kChild      in a process forked from this one, which serves one run after the other until one kills it; then the
//               next is forked. Costs some 50 microseconds a run more than kInProcess, a death about a millisecond.
//   kInProcess  here: only where the case is known not to kill (tests, verdicts that were computed before).
//
// Requires for kChild: this process has no other threads when a child is forked, and does not itself run executors
// between runs (compiled code lives in memory that parent and child share). A child that runs many cases may be left
// damaged by one that corrupted memory without dying: before a verdict is believed for good, ask run_fresh().
//
//   triage::Rerunner rerun({.executors = {"interp", "jit:O2:moving"}, .fault = "SM1"});
//   const fuzz::Verdict verdict = rerun.run(subject);
//   if (verdict.kind == fuzz::VerdictKind::kFinding && verdict.finding.signature == wanted) ...
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/case/case.h"
#include "fuzz/oracle/judge.h"

namespace parallax::triage {

enum class Isolation : uint8_t { kChild, kInProcess };

struct RerunSettings {
  // Executor specs, the reference first. Empty: those that the case names, or fuzz::standard_executors().
  std::vector<std::string> executors;
  std::string fault;  // NAME or NAME:SITE; empty: none
  double seconds = 10;
  uint64_t rss_bytes = uint64_t{2} << 30;
  Isolation isolation = Isolation::kChild;
  bool with_log = false;  // print the observations into a finding's log
};

// kUsage when an executor's spec or the fault's name means nothing.
Result<> check(const RerunSettings& settings);

class Rerunner {
 public:
  explicit Rerunner(RerunSettings settings);
  ~Rerunner();
  Rerunner(const Rerunner&) = delete;
  Rerunner& operator=(const Rerunner&) = delete;

  // The verdict. Inconclusive with reason "environment: ..." when no process can be made. Requires: check() is happy.
  fuzz::Verdict run(const fuzz::Case& subject);
  // The same in a process that has run nothing else (kInProcess: as run()).
  fuzz::Verdict run_fresh(const fuzz::Case& subject);

  uint64_t runs() const { return runs_; }
  uint64_t deaths() const { return deaths_; }
  const RerunSettings& settings() const { return settings_; }

 private:
  struct Child;
  fuzz::Verdict ask(const fuzz::Case& subject);
  fuzz::Verdict explain(bool timed_out, bool over_memory);
  bool start();
  void stop();

  RerunSettings settings_;
  std::unique_ptr<Child> child_;
  uint64_t runs_ = 0, deaths_ = 0;
};

// "the same finding": both findings, of the same class and signature.
bool same_finding(const fuzz::Verdict& a, const fuzz::Verdict& b);

}  // namespace parallax::triage
