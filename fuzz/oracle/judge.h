// The judgement of one case: load it, run it on its executors, compare everything.
//
// A verdict is a finding, an agreement, or a counted reason why nothing could be said. It never crashes on its own: what
// crashes, hangs or asserts is the code under test, in this process, and whoever runs many cases puts a process around.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "fuzz/case/case.h"
#include "fuzz/executors/executors.h"
#include "fuzz/oracle/difference.h"

namespace parallax::fuzz {

enum class FindingClass : uint8_t {
#define FINDING(id, name, summary) id,
#include "fuzz/oracle/findings.def"
#undef FINDING
};
const char* to_string(FindingClass kind);
const char* summary_of(FindingClass kind);
bool parse_finding_class(std::string_view name, FindingClass& out);

struct Finding {
  FindingClass kind = FindingClass::kDivergence;
  std::string signature;   // class, component and enumerators: equal for equal causes as far as symptoms tell
  std::string difference;  // one sentence, with values
  std::vector<std::string> executors;  // specs, the reference first
  std::string log;                     // the observations, or the output of a child
};

enum class VerdictKind : uint8_t { kAgreed, kInconclusive, kRejected, kFinding };

struct Verdict {
  VerdictKind kind = VerdictKind::kAgreed;
  std::string reason;  // kInconclusive, kRejected: short and countable
  Finding finding;     // kFinding
  // What the reference executor saw, for the health line.
  uint64_t calls = 0, returned = 0, trapped = 0, threw = 0, exhausted = 0, objects = 0, collections = 0;
};

// Where a case is, for a watcher in another process.
enum class Stage : uint32_t { kIdle, kGenerate, kLoad, kExecute, kCompare, kWrite };
const char* to_string(Stage stage);

struct Progress {
  std::atomic<uint32_t>* stage = nullptr;
  std::atomic<uint32_t>* executor = nullptr;  // position in the list, during kExecute
  void at(Stage s, uint32_t e = 0) const {
    if (executor != nullptr) executor->store(e, std::memory_order_relaxed);
    if (stage != nullptr) stage->store(static_cast<uint32_t>(s), std::memory_order_relaxed);
  }
};

// Wraps the store of one executor before it is used: how the oracle's self-test makes an executor lie.
using Decorate = std::function<std::unique_ptr<wasm::Embedding>(std::unique_ptr<wasm::Embedding>)>;

// Looks on while a case is judged, for feedback: changes nothing that could be seen.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void loaded(const LoadedCase& subject) = 0;
  // The same modules as in the case before, in another plan (session.h).
  virtual void again(const LoadedCase& subject) { loaded(subject); }
  // The store of one executor, before and after it ran the plan.
  virtual void begins(const ExecutorSpec& spec, wasm::Embedding& store) = 0;
  virtual void ran(const ExecutorSpec& spec, wasm::Embedding& store, const Observation& seen) = 0;
};

struct JudgeOptions {
  std::vector<ExecutorSpec> executors;  // the first is the reference; required
  Progress progress;
  bool with_log = true;    // print the observations into a finding's log
  Decorate decorate_last;  // applied to the last executor
  Watcher* watcher = nullptr;
};

// Never throws. Requires: at least one executor and one module.
Verdict judge(const Case& subject, const JudgeOptions& options);

// The executors that a case names, or else those drawn for `seed`.
Result<std::vector<ExecutorSpec>> executors_of(const Case& subject, uint64_t seed);

// Text without what varies between runs of the same failure: numbers, addresses.
std::string normalise(std::string_view text);
// Line breaks and tabs become spaces.
std::string one_line(std::string text);

}  // namespace parallax::fuzz
