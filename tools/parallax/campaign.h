// A fuzzing campaign: one supervisor, worker processes, and the memory they share.
//
// Cases are pure functions of (seed, index). Worker w of J runs indices w, w + J, w + 2J, ...; it writes where it is
// into its slot before every step, so that the supervisor knows what a dead or silent worker was doing, without a system
// call per case. A worker that dies is replaced at the next index; one that has grown is asked to leave between cases.
// Findings that a worker can describe itself (divergence, invariant, ...) it writes itself; deaths are written by the
// supervisor, which has the case made again in a child.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"

namespace parallax::cli {

// Counted by workers, in shared memory: they survive the worker.
enum class Count : uint8_t {
  kCases,
  kAgreed,
  kInconclusive,
  kRejected,
  kFindings,
  kCalls,
  kReturned,
  kTrapped,
  kThrew,
  kExhausted,
  kObjects,
  kCollections,
  kFaultReached,
  kFaultInfected,
  kCountEnd,
};
inline constexpr size_t kCounts = static_cast<size_t>(Count::kCountEnd);

struct ReasonRow {
  char text[120];
  std::atomic<uint64_t> count;
};

struct WorkerSlot {
  std::atomic<uint64_t> index;  // being worked on
  std::atomic<uint64_t> next;   // to start with
  std::atomic<uint32_t> stage;  // fuzz::Stage
  std::atomic<uint32_t> executor;
  std::atomic<uint32_t> leave;  // asked to end after this case
  std::array<std::atomic<uint64_t>, kCounts> counts;
  std::array<ReasonRow, 48> reasons;  // written by the worker only; the last row takes what does not fit

  void count(Count what, uint64_t by = 1) {
    auto& cell = counts[static_cast<size_t>(what)];
    cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);  // one writer
  }
  void count_reason(std::string_view prefix, std::string_view reason);
};

struct CampaignOptions {
  fuzz::GeneratorKind generator = fuzz::GeneratorKind::kMix;
  uint64_t seed = 1;
  uint64_t runs = UINT64_MAX;
  double seconds = 0;  // 0: no limit
  uint32_t jobs = 1;
  std::vector<std::string> executors;  // empty: drawn per case
  std::string findings;                // folder; empty: findings are counted only
  std::string corpus;                  // folder of cases to run before generating; empty: none
  std::string fault;
  double case_seconds = 20;  // watchdog
  uint64_t recycle_bytes = uint64_t{700} << 20;
  uint64_t limit_bytes = uint64_t{2} << 30;
  bool stop_at_first = false;
  bool quiet = false;
};

struct FoundRow {
  std::string signature, difference, folder;
  uint64_t count = 0;
  double first_seconds = 0;  // since the start of the campaign
};

struct CampaignReport {
  double seconds = 0;
  std::array<uint64_t, kCounts> counts{};
  std::map<std::string, uint64_t> reasons;
  std::vector<FoundRow> found;  // in order of first appearance
  uint64_t unwritten = 0;       // findings that could not be put on disk
  uint64_t restarts = 0, recycled = 0;
  uint64_t rss_begin = 0, rss_end = 0;  // of the first worker, after its first hundred cases and at the end
  bool interrupted = false;
  uint64_t count(Count what) const { return counts[static_cast<size_t>(what)]; }
};

// Runs until time or runs are used up, or a signal asks for the end. kIo when no worker can be started.
Result<CampaignReport> run_campaign(const CampaignOptions& options);

std::string to_json(const CampaignOptions& options, const CampaignReport& report);
std::string to_text(const CampaignOptions& options, const CampaignReport& report);

// The worker's main loop; `fd` is the shared memory. Returns the exit code.
int run_worker(const CampaignOptions& options, int fd, uint32_t number);

// The case at an index: generated, or from the corpus, with its executors filled in.
Result<fuzz::Case> case_at(const CampaignOptions& options, const std::vector<std::string>& corpus_files,
                           uint64_t index);

}  // namespace parallax::cli
