// How well findings are told apart: many findings of every planted fault, each narrowed to a bucket id.
//
//   purity        share of findings that lie in a bucket whose majority is their own fault
//   completeness  share of a fault's findings that lie in the fault's largest bucket, averaged over faults
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/generators/generators.h"

namespace parallax::cli {

struct BucketBenchOptions {
  std::vector<std::string> faults;
  fuzz::GeneratorKind generator = fuzz::GeneratorKind::kGc;
  uint64_t seed = 1;
  uint32_t findings = 6;  // of each fault
  double limit = 30;      // seconds to search for those of one fault
  double case_seconds = 10;
  double narrow_seconds = 20;  // for one finding
};

struct BucketedFinding {
  std::string fault, origin, signature, bug_class, id;
  std::vector<std::string> words;
  double seconds = 0;
  bool stable = false;
};

struct BucketBenchReport {
  std::vector<BucketedFinding> findings;
  std::vector<std::string> not_found;  // faults without any finding in the time given
  uint64_t buckets = 0;
  double purity = 0, completeness = 0;
};

// Unstable findings are reported and not counted. `heard` is called for every finding.
Result<BucketBenchReport> bench_buckets(const BucketBenchOptions& options,
                                        const std::function<void(const BucketedFinding&)>& heard);

// The two measures of any list of (fault, id); unstable ones are left out.
void measure(BucketBenchReport& report);

}  // namespace parallax::cli
