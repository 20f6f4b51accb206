// Reduction: the smallest case that still shows the same finding.
//
// In process and valid by construction: a table of operators (reducers.def) changes copies of the case in its editable form;
// a candidate that is cheaper (state.h), validates and still shows the finding takes the case's place. Rounds over the
// operators, large things first and many at once, then one by one, until a whole round over all sites has no success: that
// round is the certificate of 1-minimality, and it counts what it tried.
//
// Deterministic: without a time limit the same case gives the same result. What is kept is the finding's class and
// signature, not merely a failure. The work can be stopped (time, `stop`) at any moment and gone on with from the state file.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/case/case.h"
#include "triage/reduce/state.h"
#include "triage/rerun.h"

namespace parallax::triage::reduce {

// What makes a case worth keeping.
class Test {
 public:
  virtual ~Test() = default;
  // Whether the case still shows it. May be wrong once in a while; confirm() is asked before it counts.
  virtual bool interesting(const fuzz::Case& subject) = 0;
  // The same, beyond doubt.
  virtual bool confirm(const fuzz::Case& subject) { return interesting(subject); }
  // How many can be asked at once, and asking them.
  virtual size_t width() const { return 1; }
  virtual void interesting(std::span<const fuzz::Case> subjects, std::vector<bool>& answers);
};

// The same class and signature as a finding, by running the case's executors in a child (triage/rerun.h).
class FindingTest : public Test {
 public:
  FindingTest(RerunSettings settings, fuzz::Verdict wanted);
  using Test::interesting;
  bool interesting(const fuzz::Case& subject) override;
  bool confirm(const fuzz::Case& subject) override;
  Rerunner& rerunner() { return rerunner_; }

 private:
  Rerunner rerunner_;
  fuzz::Verdict wanted_;
  uint32_t since_fresh_ = 0;
};

// A shell command that ends with 0 while the file is worth keeping: "{}" in it is the file's path, or else it is appended.
// The file is the module alone, or the envelope when the case has more than that. Several run at once.
struct CommandSettings {
  std::string command;
  double seconds = 20;
  size_t jobs = 1;
  std::string folder;  // for the files; made by the caller
  bool plain = true;
};
class CommandTest : public Test {
 public:
  explicit CommandTest(CommandSettings settings) : settings_(std::move(settings)) {}
  using Test::interesting;
  bool interesting(const fuzz::Case& subject) override;
  size_t width() const override { return settings_.jobs; }
  void interesting(std::span<const fuzz::Case> subjects, std::vector<bool>& answers) override;
  uint64_t timeouts() const { return timeouts_; }
  uint64_t runs() const { return number_; }

 private:
  CommandSettings settings_;
  uint64_t number_ = 0, timeouts_ = 0;
};

struct Progress {
  const char* operator_name = "";
  Size size;
  uint64_t runs = 0, accepted = 0, round = 0;
  double seconds = 0;
};

struct Options {
  double seconds = 0;      // 0: no limit
  uint64_t max_runs = 0;   // 0: no limit
  bool plain = false;      // only the first module counts: no plan, no settings
  std::string state_file;  // written while working, read at the beginning, removed at the end; empty: none
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const Progress&)> progress;  // after each success and now and then
};

struct OperatorCount {
  std::string name;
  uint64_t tried = 0;    // candidates made
  uint64_t invalid = 0;  // of them, refused by the encoder or the validator
  uint64_t accepted = 0;
};

struct Certificate {
  bool holds = false;      // the last round tried everything and nothing succeeded
  uint64_t operators = 0;  // with at least one site
  uint64_t sites = 0;
};

struct Reduced {
  fuzz::Case subject;
  Size before, after;
  double seconds = 0;
  uint64_t runs = 0;  // tests of candidates, confirmations included
  uint64_t candidates = 0, invalid = 0, dearer = 0, known = 0, accepted = 0, doubtful = 0, rounds = 0;
  std::vector<OperatorCount> operators;
  Certificate certificate;
  std::string ended;  // "minimal", "time", "runs", "stopped"
  bool resumed = false;
};

// Requires: `test` says yes to `start` (the caller has asked it). kInvalid when a module of the case does not validate: what
// is no valid module cannot be edited.
Result<Reduced> reduce(const fuzz::Case& start, Test& test, const Options& options);

// reduce.json: schema version, sizes before and after, seconds, runs, certificate, counts by operator.
std::string to_json(const Reduced& reduced, const std::string& signature);

}  // namespace parallax::triage::reduce
