// The worker's side of a campaign: see campaign.h.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/replay.h"
#include "triage/finding.h"

namespace parallax::cli {

using fuzz::Stage;
using fuzz::VerdictKind;

void WorkerSlot::count_reason(std::string_view prefix, std::string_view reason) {
  const std::string text = text::format("{}: {}", prefix, reason).substr(0, sizeof(ReasonRow::text) - 1);
  for (size_t i = 0; i < reasons.size(); ++i) {
    ReasonRow& row = reasons[i];
    const bool free = row.count.load(std::memory_order_relaxed) == 0;
    const bool last = i + 1 == reasons.size();
    if (!free && !last && text != row.text) continue;
    if (free) std::strcpy(row.text, last ? "other reasons" : text.c_str());
    row.count.fetch_add(1, std::memory_order_release);
    return;
  }
}

Result<fuzz::Case> case_at(const CampaignOptions& options, const std::vector<std::string>& corpus_files,
                           uint64_t index) {
  fuzz::Case subject;
  if (index < corpus_files.size()) {
    const auto bytes = TRY(read_module(corpus_files[index]));
    subject = TRY(fuzz::read_envelope(bytes));
    subject.origin = corpus_files[index];
  } else {
    subject = TRY(fuzz::generate_at(options.generator, options.seed, index - corpus_files.size()));
  }
  if (!options.executors.empty()) subject.configuration.executors = options.executors;
  return subject;
}

namespace {

class Worker {
 public:
  Worker(const CampaignOptions& options, WorkerSlot& slot, std::vector<std::string> corpus)
      : options_(options), slot_(slot), corpus_(std::move(corpus)) {
    progress_ = {&slot.stage, &slot.executor};
  }

  int loop() {
    for (uint64_t index = slot_.next.load(); index < options_.runs; index += options_.jobs) {
      if (slot_.leave.load(std::memory_order_relaxed) != 0) return kDone;
      slot_.index.store(index, std::memory_order_relaxed);
      one(index);
      slot_.next.store(index + options_.jobs, std::memory_order_relaxed);
    }
    return kDone;
  }

 private:
  void one(uint64_t index) {
    progress_.at(Stage::kGenerate);
    auto subject = case_at(options_, corpus_, index);
    slot_.count(Count::kCases);
    if (!subject) {
      slot_.count(Count::kRejected);
      return slot_.count_reason("rejected", subject.error().message);
    }
    const auto executors = fuzz::executors_of(*subject, options_.seed ^ index * 0x9e3779b97f4a7c15ull);
    if (!executors) {
      slot_.count(Count::kRejected);
      return slot_.count_reason("rejected", executors.error().message);
    }
    count(index, *subject, judge(*subject, {.executors = *executors, .progress = progress_}));
    progress_.at(Stage::kIdle);
  }

  void count(uint64_t index, fuzz::Case& subject, fuzz::Verdict verdict) {
    slot_.count(Count::kCalls, verdict.calls);
    slot_.count(Count::kReturned, verdict.returned);
    slot_.count(Count::kTrapped, verdict.trapped);
    slot_.count(Count::kThrew, verdict.threw);
    slot_.count(Count::kExhausted, verdict.exhausted);
    slot_.count(Count::kObjects, verdict.objects);
    slot_.count(Count::kCollections, verdict.collections);
    slot_.counts[static_cast<size_t>(Count::kFaultReached)].store(g_fault.reached, std::memory_order_relaxed);
    slot_.counts[static_cast<size_t>(Count::kFaultInfected)].store(g_fault.infected, std::memory_order_relaxed);
    switch (verdict.kind) {
      case VerdictKind::kAgreed: return slot_.count(Count::kAgreed);
      case VerdictKind::kInconclusive:
        slot_.count(Count::kInconclusive);
        return slot_.count_reason("inconclusive", verdict.reason);
      case VerdictKind::kRejected: slot_.count(Count::kRejected); return slot_.count_reason("rejected", verdict.reason);
      case VerdictKind::kFinding: break;
    }
    slot_.count(Count::kFindings);
    write(index, subject, verdict.finding);
  }

  void write(uint64_t index, fuzz::Case& subject, const fuzz::Finding& finding) {
    progress_.at(Stage::kWrite);
    subject.configuration.executors = finding.executors;
    const std::vector<uint8_t> envelope = write_envelope(subject);
    triage::Record record{.kind = finding.kind,
                          .signature = finding.signature,
                          .symptom = finding.signature,
                          .difference = finding.difference,
                          .executors = finding.executors,
                          .origin = subject.origin,
                          .seed = options_.seed,
                          .index = index,
                          .fault = options_.fault,
                          .version = kVersion};
    std::string log = finding.log;
    // A second look costs a process: spent on the first findings only, a flood is not worth it.
    if (looks_left_ > 0) {
      --looks_left_;
      if (const auto cause = replay_armed(envelope, finding.executors, options_.fault)) {
        record.kind = cause->kind;
        record.signature = cause->signature;
        record.difference = text::format("{}; symptom: {}", cause->difference, finding.difference);
        log = text::format("{}\n== all checks on ==\n{}", log, cause->log);
      }
    }
    // The supervisor reads this line: a finding is news, its file a detail.
    std::string folder = "-";
    if (!options_.findings.empty()) {
      const auto written = triage::write_finding(options_.findings, record, envelope, log);
      folder = written ? written->folder : text::format("!{}", written.error().message);
    }
    std::printf("%s\t%s\t%s\n", record.signature.c_str(), folder.c_str(), fuzz::one_line(record.difference).c_str());
    std::fflush(stdout);
  }

  const CampaignOptions& options_;
  WorkerSlot& slot_;
  std::vector<std::string> corpus_;
  fuzz::Progress progress_;
  uint32_t looks_left_ = 64;
};

}  // namespace

int run_worker(const CampaignOptions& options, int fd, uint32_t number) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);
  const size_t size = sizeof(WorkerSlot) * options.jobs;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED || number >= options.jobs) {
    complain("worker: no shared memory (this command is for parallax itself)");
    return kEnvironment;
  }
  if (!options.fault.empty() && !choose_fault(options.fault)) return kUsage;
  std::vector<std::string> corpus;
  if (!options.corpus.empty()) {
    if (auto files = cases_below(options.corpus)) corpus = std::move(*files);
  }
  return Worker(options, static_cast<WorkerSlot*>(memory)[number], std::move(corpus)).loop();
}

}  // namespace parallax::cli
