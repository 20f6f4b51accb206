#include "tools/parallax/faultbench_buckets.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "engine/base/text.h"
#include "triage/narrower.h"
#include "triage/rerun.h"

namespace parallax::cli {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The cases of the campaign (seed, index) that show the fault, as findings name their executors.
std::vector<fuzz::Case> search(const BucketBenchOptions& options, const std::string& fault) {
  std::vector<fuzz::Case> found;
  triage::Rerunner rerun({.fault = fault, .seconds = options.case_seconds});
  const auto begin = Clock::now();
  for (uint64_t index = 0; found.size() < options.findings && seconds_since(begin) < options.limit; ++index) {
    auto subject = fuzz::generate_at(options.generator, options.seed, index);
    if (!subject) continue;
    const auto specs = fuzz::executors_of(*subject, options.seed ^ index * 0x9e3779b97f4a7c15ull);
    if (!specs) continue;
    subject->configuration.executors.clear();
    for (const auto& spec : *specs) subject->configuration.executors.push_back(to_string(spec));
    const fuzz::Verdict seen = rerun.run(*subject);
    if (seen.kind != fuzz::VerdictKind::kFinding) continue;
    if (!seen.finding.executors.empty()) subject->configuration.executors = seen.finding.executors;
    found.push_back(std::move(*subject));
  }
  return found;
}

Result<BucketedFinding> bucket(const BucketBenchOptions& options, const std::string& fault, const fuzz::Case& subject) {
  const auto begin = Clock::now();
  const triage::Narrowed narrowed = TRY(triage::narrow(subject, {.fault = fault,
                                                                 .seconds = options.narrow_seconds,
                                                                 .case_seconds = options.case_seconds,
                                                                 .steps = triage::kBucketSteps}));
  return BucketedFinding{.fault = fault,
                         .origin = subject.origin,
                         .signature = narrowed.signature,
                         .bug_class = narrowed.bug_class,
                         .id = narrowed.id,
                         .words = narrowed.words,
                         .seconds = seconds_since(begin),
                         .stable = narrowed.stability.stable()};
}

}  // namespace

void measure(BucketBenchReport& report) {
  std::map<std::string, std::map<std::string, size_t>> by_id, by_fault;
  size_t total = 0, pure = 0;
  for (const BucketedFinding& finding : report.findings) {
    if (!finding.stable) continue;
    ++total;
    ++by_id[finding.id][finding.fault];
    ++by_fault[finding.fault][finding.id];
  }
  const auto largest = [](const std::map<std::string, size_t>& counts) {
    size_t most = 0;
    for (const auto& [name, count] : counts) most = std::max(most, count);
    return most;
  };
  for (const auto& [id, faults] : by_id) pure += largest(faults);
  double complete = 0;
  for (const auto& [fault, ids] : by_fault) {
    size_t all = 0;
    for (const auto& [id, count] : ids) all += count;
    complete += static_cast<double>(largest(ids)) / static_cast<double>(all);
  }
  report.buckets = by_id.size();
  report.purity = total == 0 ? 0 : static_cast<double>(pure) / static_cast<double>(total);
  report.completeness = by_fault.empty() ? 0 : complete / static_cast<double>(by_fault.size());
}

Result<BucketBenchReport> bench_buckets(const BucketBenchOptions& options,
                                        const std::function<void(const BucketedFinding&)>& heard) {
  BucketBenchReport report;
  for (const std::string& fault : options.faults) {
    const auto cases = search(options, fault);
    if (cases.empty()) report.not_found.push_back(fault);
    for (const fuzz::Case& subject : cases) {
      report.findings.push_back(TRY(bucket(options, fault, subject)));
      if (heard) heard(report.findings.back());
    }
  }
  measure(report);
  return report;
}

}  // namespace parallax::cli
