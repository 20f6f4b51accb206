#include "fuzz/oracle/sweep.h"

#include <algorithm>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/executors/probe.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

namespace {

class Sweep {
 public:
  Sweep(const Case& subject, const LoadedCase& loaded, const SweepOptions& options)
      : subject_(subject), loaded_(loaded), options_(options) {}

  SweepResult run() {
    ExecutorSpec spec = options_.executor;
    spec.zeal = Zeal::kOnly;
    spec.zeal_n = ~0u;  // polls everywhere, collects nowhere
    if (!count(spec)) return std::move(result_);
    const uint64_t points = std::min<uint64_t>(result_.safepoints, ~0u);
    const uint64_t runs = std::min(points, options_.cap);
    result_.complete = runs == points;
    for (uint64_t i = 0; i < runs; ++i) {
      if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) break;
      spec.zeal_n = static_cast<uint32_t>(runs == points ? i : i * points / runs);
      try_one(spec);
      ++result_.runs;
      if (options_.progress) options_.progress(result_.runs, runs);
      if (result_.findings.size() >= options_.findings) break;
    }
    result_.complete = result_.complete && result_.runs == points;
    return std::move(result_);
  }

 private:
  // How many safepoints there are; false when the executor cannot run the case.
  bool count(const ExecutorSpec& spec) {
    restart_fault_sites();
    const MakeStore make = [&] { return make_executor(spec, loaded_.types); };
    auto store = make();
    if (!store) {
      result_.refused = store.error().message;
      return false;
    }
    Observation seen;
    observe(loaded_, **store, make, seen);
    if (seen.inconclusive) {
      result_.refused = seen.inconclusive_reason;
      return false;
    }
    result_.safepoints = safepoints_passed(spec, **store);
    return true;
  }

  // The judge compares; it runs the reference again, which costs little beside everything else and keeps one judgement.
  void try_one(const ExecutorSpec& spec) {
    Verdict verdict = judge(subject_, {.executors = {ExecutorSpec{}, spec}});
    if (verdict.kind != VerdictKind::kFinding) return;
    result_.findings.push_back({spec.zeal_n, std::move(verdict.finding)});
  }

  const Case& subject_;
  const LoadedCase& loaded_;
  const SweepOptions& options_;
  SweepResult result_;
};

}  // namespace

SweepResult sweep(const Case& subject, const SweepOptions& options) {
  if (options.executor.kind != ExecutorKind::kJit) return {.refused = "only the jit has safepoints to sweep"};
  const auto loaded = load_case(subject);
  if (!loaded) return {.refused = loaded.error().to_string()};
  return Sweep(subject, *loaded, options).run();
}

}  // namespace parallax::fuzz
