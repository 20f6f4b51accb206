// A fuzzing campaign: one supervisor, worker processes, and the memory they share.
//
// Every case has a number. Worker w of J runs numbers w, w + J, w + 2J, ... after the campaign's first; it writes where
// it is into its slot before every step, so that the supervisor knows what a dead or silent worker was doing, without a
// system call per case. The first numbers are the seeds (files of the corpus folder), a share of the others mutates cases
// that reached something new (feedback.h), the rest is generated and follows from seed and number alone. A mutated case
// follows from what was found before, so the worker puts it into its slot before it is judged. A case that agreed is varied
// (fuzz/mutators/vary.h): its modules run again with other arguments and schedules. Variations are cases, counted as such
// and as where they come from, but they belong to the number of the case that they vary.
//
// A worker that dies is replaced behind its case; one that has grown is asked to leave between cases. Findings that a
// worker can describe itself (divergence, invariant, ...) it writes itself; deaths are written by the supervisor. Where
// the campaign is, what it counted and which features it saw stands in campaign.state in the folder of findings
// (campaign_state.h), written every few seconds: a campaign that was killed goes on with --resume.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/feedback/feature_map.h"
#include "fuzz/feedback/pool.h"
#include "fuzz/generators/generators.h"
#include "fuzz/mutators/mutate.h"
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
  kArmed,     // cases with an executor that makes run-time checks
  kVerified,  // cases with one whose compilations are judged
  kFaultReached,
  kFaultInfected,
  kCountEnd,
};
inline constexpr size_t kCounts = static_cast<size_t>(Count::kCountEnd);

struct ReasonRow {
  char text[120];
  std::atomic<uint64_t> count;
};

// Where cases come from. ORDER: kSourceNames.
enum class Source : uint8_t { kGc, kOp, kBinaryen, kSeed, kMutation, kVariation };
inline constexpr std::array<const char*, 6> kSourceNames = {"gc", "op", "binaryen", "seed", "mutation", "variation"};

// What may have made a case, and what it brought: sources, then the mutators in their order, then changes of plan and
// schedule. A mutation counts for each of its mutators.
inline constexpr size_t kMakers = kSourceNames.size() + fuzz::kMutatorCount + 2;
std::string maker_name(size_t maker);

struct Yield {
  uint64_t cases = 0, kept = 0, features = 0;  // features: new ones
  uint64_t nanoseconds = 0;                    // of processor time, making, running and comparing
};

struct WorkerSlot {
  std::atomic<uint64_t> index;  // being worked on
  std::atomic<uint64_t> next;   // to start with
  std::atomic<uint32_t> stage;  // fuzz::Stage
  std::atomic<uint32_t> executor;
  std::atomic<uint32_t> leave;  // asked to end after this case
  std::array<std::atomic<uint64_t>, kCounts> counts;
  struct YieldRow {
    std::atomic<uint64_t> cases, kept, features, nanoseconds;
    void add(const Yield& by) {
      const auto grow = [](std::atomic<uint64_t>& cell, uint64_t more) {
        cell.store(cell.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);  // one writer
      };
      grow(cases, by.cases), grow(kept, by.kept), grow(features, by.features), grow(nanoseconds, by.nanoseconds);
    }
    Yield get() const {
      return {cases.load(std::memory_order_relaxed), kept.load(std::memory_order_relaxed),
              features.load(std::memory_order_relaxed), nanoseconds.load(std::memory_order_relaxed)};
    }
  };
  std::array<YieldRow, kMakers> yields;
  std::array<ReasonRow, 48> reasons;  // written by the worker only; the last row takes what does not fit
  // The case being judged as an envelope, when it does not follow from seed and number; 0 bytes when it does.
  std::atomic<uint32_t> case_bytes;
  std::array<uint8_t, 256 << 10> case_data;

  void count(Count what, uint64_t by = 1) {
    auto& cell = counts[static_cast<size_t>(what)];
    cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);  // one writer
  }
  void count_reason(std::string_view prefix, std::string_view reason);
};

// What the workers of a campaign share besides their slots. Zeroed memory is a valid one.
struct Shared {
  fuzz::FeatureMap features;
  std::atomic<uint64_t> corpus_version;  // counts files added to the corpus folder
  std::atomic<uint64_t> corpus_cases, corpus_bytes;
};

// The shared memory of a campaign: Shared, then a slot for each worker.
struct CampaignMemory {
  Shared* shared = nullptr;
  WorkerSlot* slots = nullptr;
  static size_t size(uint32_t jobs) { return kSlots + sizeof(WorkerSlot) * jobs; }
  static CampaignMemory at(void* memory) {
    return {static_cast<Shared*>(memory), reinterpret_cast<WorkerSlot*>(static_cast<char*>(memory) + kSlots)};
  }

 private:
  static constexpr size_t kSlots = (sizeof(Shared) + 63) / 64 * 64;
};

// Which cases are kept to be mutated. Two are the controls of an ablation: as many cases as with feedback, but chosen by
// chance (the one that follows on a case with new features), and none but the seeds.
enum class Keep : uint8_t { kNew, kNext, kNone };

struct CampaignOptions {
  fuzz::GeneratorKind generator = fuzz::GeneratorKind::kMix;
  fuzz::GeneratorSet without = 0;  // left out of the mix
  uint64_t seed = 1;
  uint64_t runs = UINT64_MAX;
  double seconds = 0;  // 0: no limit
  uint32_t jobs = 1;
  std::vector<std::string> executors;  // empty: drawn per case
  std::string findings;                // folder; empty: findings are counted only
  std::string corpus;                  // folder of seeds, where new cases are kept too; empty: none
  std::string seeds;                   // another folder of seeds, which stays as it is; empty: none
  uint32_t schedules = 1;              // runs of the modules of each number: variations have no number of their own
  uint32_t mutate_percent = 50;        // of the cases that are not seeds, once there is something to mutate
  fuzz::DomainSet feedback = fuzz::kAllDomains;  // what a case must reach to be kept; none: nothing is kept
  Keep keep = Keep::kNew;
  fuzz::Pick pick = fuzz::Pick::kRare;
  bool adapt = true;              // the share of mutations follows what they bring
  uint32_t mutate_after = 4'000;  // if not: cases of a worker until mutation has its full share
  bool resume = false;            // go on with the campaign in `findings`
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
  double seconds_before = 0;  // of earlier starts
  std::array<uint64_t, kCounts> counts{};
  std::map<std::string, uint64_t> reasons;
  std::vector<FoundRow> found;  // in order of first appearance
  uint64_t unwritten = 0;       // findings that could not be put on disk
  uint64_t restarts = 0, recycled = 0;
  std::array<Yield, kMakers> yields{};
  std::array<uint64_t, fuzz::kDomainCount> features{};  // seen, by domain
  uint64_t corpus_cases = 0, corpus_bytes = 0;          // kept because they reached something new
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

// The files that take the first numbers: those of the corpus folder, without what campaigns added, and of the seeds.
std::vector<std::string> seed_files(const CampaignOptions& options);
inline constexpr std::string_view kKeptPrefix = "new-";
// The case of a number that is no mutation: generated, or a seed, with its executors filled in.
Result<fuzz::Case> case_at(const CampaignOptions& options, const std::vector<std::string>& seeds, uint64_t index);
// What draws the executors of a case that names none.
inline uint64_t executor_seed(const CampaignOptions& options, uint64_t index) {
  return options.seed ^ index * 0x9e3779b97f4a7c15ull;
}

}  // namespace parallax::cli
