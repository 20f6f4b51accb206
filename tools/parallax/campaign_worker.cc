// The worker's side of a campaign: see campaign.h.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <set>
#include <utility>

#include "engine/base/faults.h"
#include "engine/base/process_memory.h"
#include "engine/base/text.h"
#include "fuzz/feedback/feedback.h"
#include "fuzz/feedback/share.h"
#include "fuzz/mutators/mutate.h"
#include "fuzz/mutators/vary.h"
#include "fuzz/oracle/session.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/replay.h"
#include "triage/finding.h"

namespace parallax::cli {

namespace fs = std::filesystem;
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

namespace {

bool is_kept(const std::string& path) { return fs::path(path).filename().string().starts_with(kKeptPrefix); }

}  // namespace

std::string maker_name(size_t maker) {
  if (maker < kSourceNames.size()) return kSourceNames[maker];
  maker -= kSourceNames.size();
  if (maker < fuzz::kMutatorCount) return fuzz::kMutatorTable[maker].name;
  return maker == fuzz::kMutatorCount ? "change_plan" : "change_schedule";
}

std::vector<std::string> seed_files(const CampaignOptions& options) {
  std::vector<std::string> files;
  if (!options.corpus.empty()) {
    if (auto found = cases_below(options.corpus)) files = std::move(*found);
    std::erase_if(files, is_kept);
  }
  if (!options.seeds.empty()) {
    if (const auto more = cases_below(options.seeds)) files.insert(files.end(), more->begin(), more->end());
  }
  return files;
}

Result<fuzz::Case> case_at(const CampaignOptions& options, const std::vector<std::string>& seeds, uint64_t index) {
  fuzz::Case subject;
  if (index < seeds.size()) {
    const auto bytes = TRY(read_module(seeds[index]));
    subject = TRY(fuzz::read_envelope(bytes));
    subject.origin = seeds[index];
  } else {
    subject = TRY(fuzz::generate_at(options.generator, options.seed, index - seeds.size(), options.without));
  }
  if (!options.executors.empty()) subject.configuration.executors = options.executors;
  return subject;
}

namespace {

// Processor time of this thread.
uint64_t cpu_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

class Worker {
 public:
  Worker(const CampaignOptions& options, CampaignMemory memory, uint32_t number)
      : options_(options),
        shared_(*memory.shared),
        slot_(memory.slots[number]),
        seeds_(seed_files(options)),
        feedback_(options.feedback),
        pool_(options.pick),
        order_(options.seed ^ (uint64_t{number} << 32)) {
    progress_ = {&slot_.stage, &slot_.executor};
  }

  int loop() {
    keep_freed_memory();
    if (keeps()) read_kept();
    for (uint64_t index = slot_.next.load(); index < options_.runs; index += options_.jobs) {
      if (slot_.leave.load(std::memory_order_relaxed) != 0) return kDone;
      slot_.index.store(index, std::memory_order_relaxed);
      one(index);
      slot_.next.store(index + options_.jobs, std::memory_order_relaxed);
      if (keeps() && ++since_sync_ == kSyncAfter) synchronise();
    }
    return kDone;
  }

 private:
  bool keeps() const { return options_.feedback != 0; }

  void one(uint64_t index) {
    progress_.at(Stage::kGenerate);
    slot_.case_bytes.store(0, std::memory_order_relaxed);
    ChoiceStream choices(executor_seed(options_, index) ^ 0x6d757461);
    Source source = Source::kSeed;
    const uint64_t began = cpu_nanoseconds();
    trace_ = {};
    fresh_features_ = 0;
    kept_ = false;
    auto subject = next_case(index, choices, source);
    slot_.count(Count::kCases);
    const bool agreed = run(index, subject, source);
    note_yield(source, cpu_nanoseconds() - began);
    if (agreed && options_.schedules > 1) run_variations(index);
    session_.end();
    progress_.at(Stage::kIdle);
  }

  // Whether all executors agreed.
  bool run(uint64_t index, Result<fuzz::Case>& subject, Source source) {
    if (!subject) {
      slot_.count(Count::kRejected);
      slot_.count_reason("rejected", subject.error().message);
      return false;
    }
    const auto executors = fuzz::executors_of(*subject, executor_seed(options_, index));
    if (!executors) {
      slot_.count(Count::kRejected);
      slot_.count_reason("rejected", executors.error().message);
      return false;
    }
    if (source == Source::kMutation) publish(*subject, *executors);
    if (options_.schedules > 1) {
      base_ = *subject;
      base_executors_ = *executors;
    }
    return judge_counted(index, *subject, source, *executors);
  }

  bool judge_counted(uint64_t index, fuzz::Case& subject, Source source,
                     const std::vector<fuzz::ExecutorSpec>& executors) {
    const auto any = [&](auto&& has) { return std::any_of(executors.begin(), executors.end(), has); };
    if (any([](const fuzz::ExecutorSpec& spec) { return spec.armed; })) slot_.count(Count::kArmed);
    if (any([](const fuzz::ExecutorSpec& spec) { return spec.armed && !spec.unverified; }))
      slot_.count(Count::kVerified);
    fuzz::JudgeOptions judging{.executors = executors, .progress = progress_};
    if (keeps()) {
      feedback_.begin();
      judging.watcher = &feedback_;
    }
    const fuzz::Verdict verdict =
        options_.schedules > 1 ? session_.judge(subject, judging) : fuzz::judge(subject, judging);
    count(index, subject, source, verdict);
    return verdict.kind == VerdictKind::kAgreed;
  }

  // Runs the modules of the case judged last again, until something is found or nothing can be said.
  void run_variations(uint64_t index) {
    if (!session_.is_loaded()) return;
    const std::vector<fuzz::Step> plan = session_.plan();
    bool agreed = true;
    for (uint32_t k = 1; agreed && k < options_.schedules; ++k) {
      const uint64_t began = cpu_nanoseconds();
      trace_ = {};
      fresh_features_ = 0;
      kept_ = false;
      const uint64_t seed = (executor_seed(options_, index) + k) * 0xd1342543de82ef95ull;
      fuzz::Case varied = fuzz::vary(base_, plan, base_executors_, seed);
      const auto executors = fuzz::executors_of(varied, 0);
      if (!executors) return;
      slot_.count(Count::kCases);
      publish(varied, *executors);
      agreed = judge_counted(index, varied, Source::kVariation, *executors);
      note_yield(Source::kVariation, cpu_nanoseconds() - began);
    }
  }

  // A seed, a mutation of something kept, or a fresh one.
  Result<fuzz::Case> next_case(uint64_t index, ChoiceStream& choices, Source& source) {
    if (index >= seeds_.size()) {
      if (!pool_.empty() && choices.below(100) < mutate_percent()) {
        const fuzz::Case& parent = pool_.pick(choices);
        const fuzz::Case& donor = pool_.any(choices);
        auto mutated = fuzz::mutate_case(parent, &donor, choices, {.trace = &trace_});
        if (mutated) {
          source = Source::kMutation;
          if (!options_.executors.empty()) mutated->configuration.executors = options_.executors;
          return mutated;
        }
      }
      switch (fuzz::generator_at(options_.generator, options_.seed, index - seeds_.size(), options_.without)) {
        case fuzz::GeneratorKind::kOp: source = Source::kOp; break;
        case fuzz::GeneratorKind::kBinaryen: source = Source::kBinaryen; break;
        default: source = Source::kGc; break;
      }
    }
    return case_at(options_, seeds_, index);
  }

  // Fresh cases find more at first (docs/fuzzing.md), so mutation begins slowly.
  uint32_t mutate_percent() const {
    if (options_.adapt) return share_.percent(options_.mutate_percent);
    const uint64_t done = slot_.counts[static_cast<size_t>(Count::kCases)].load(std::memory_order_relaxed);
    if (done >= options_.mutate_after) return options_.mutate_percent;
    return static_cast<uint32_t>(options_.mutate_percent * done / options_.mutate_after);
  }

  void note_yield(Source source, uint64_t nanoseconds) {
    const Yield brought{1, kept_ ? 1u : 0u, fresh_features_, nanoseconds};
    slot_.yields[static_cast<size_t>(source)].add(brought);
    using Side = fuzz::MutationShare::Side;
    if (source != Source::kSeed && source != Source::kVariation)
      share_.note(source == Source::kMutation ? Side::kMutated : Side::kFresh, fresh_features_);
    if (source != Source::kMutation) return;
    for (const fuzz::Mutator mutator : trace_.mutators)
      slot_.yields[kSourceNames.size() + static_cast<size_t>(mutator)].add(brought);
    if (trace_.plan) slot_.yields[kMakers - 2].add(brought);
    if (trace_.schedule) slot_.yields[kMakers - 1].add(brought);
  }

  // What cannot be made again from its number stands in shared memory before it can hurt.
  void publish(const fuzz::Case& subject, const std::vector<fuzz::ExecutorSpec>& executors) {
    fuzz::Case complete = subject;
    complete.configuration.executors.clear();
    for (const fuzz::ExecutorSpec& spec : executors) complete.configuration.executors.push_back(to_string(spec));
    const std::vector<uint8_t> bytes = write_envelope(complete);
    if (bytes.size() > slot_.case_data.size()) return;
    std::memcpy(slot_.case_data.data(), bytes.data(), bytes.size());
    slot_.case_bytes.store(static_cast<uint32_t>(bytes.size()), std::memory_order_release);
  }

  void count(uint64_t index, fuzz::Case& subject, Source source, fuzz::Verdict verdict) {
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
      case VerdictKind::kAgreed: slot_.count(Count::kAgreed); return keep_if_new(subject, source);
      case VerdictKind::kInconclusive:
        slot_.count(Count::kInconclusive);
        return slot_.count_reason("inconclusive", verdict.reason);
      case VerdictKind::kRejected: slot_.count(Count::kRejected); return slot_.count_reason("rejected", verdict.reason);
      case VerdictKind::kFinding: break;
    }
    slot_.count(Count::kFindings);
    write(index, subject, verdict.finding);
  }

  // --- The corpus -----------------------------------------------------------------------------------------------------
  // Seeds are kept whatever they reach.
  void keep_if_new(fuzz::Case& subject, Source source) {
    if (!keeps() || subject.claims_invalid) return;
    pool_.ran(feedback_.features());
    fresh_features_ = shared_.features.add(feedback_.features());
    const bool fresh = fresh_features_ != 0;
    kept_ = options_.keep == Keep::kNew    ? fresh
            : options_.keep == Keep::kNext ? std::exchange(last_was_fresh_, fresh)
                                           : false;
    if (!kept_ && source != Source::kSeed) return;
    const std::vector<uint8_t> bytes = write_envelope(subject);
    if (kept_) write_kept(bytes);
    pool_.add(std::move(subject), bytes.size(), feedback_.features(), order_);
  }

  void write_kept(const std::vector<uint8_t>& bytes) {
    shared_.corpus_cases.fetch_add(1, std::memory_order_relaxed);
    shared_.corpus_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
    if (options_.corpus.empty()) return;
    const std::string name = text::format("{}{:016x}.wasm", kKeptPrefix, XXH3_64bits(bytes.data(), bytes.size()));
    if (!write_file(options_.corpus + "/" + name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      return slot_.count_reason("corpus", "a kept case could not be written");
    }
    known_.insert(name);
    shared_.corpus_version.fetch_add(1, std::memory_order_relaxed);
  }

  // What other workers found meanwhile, or an earlier campaign.
  void synchronise() {
    since_sync_ = 0;
    const uint64_t version = shared_.corpus_version.load(std::memory_order_relaxed);
    if (options_.corpus.empty() || version == seen_version_) return;
    seen_version_ = version;
    read_kept();
  }
  void read_kept() {
    if (options_.corpus.empty()) return;
    std::vector<std::string> fresh;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options_.corpus, error)) {
      std::string name = entry.path().filename().string();
      if (name.starts_with(kKeptPrefix) && name.ends_with(".wasm") && known_.insert(name).second) {
        fresh.push_back(std::move(name));
      }
    }
    std::sort(fresh.begin(), fresh.end());
    for (const std::string& name : fresh) {
      const auto bytes = read_file(options_.corpus + "/" + name);
      if (!bytes) continue;
      if (auto subject = fuzz::read_envelope(*bytes)) pool_.add(std::move(*subject), bytes->size(), {}, order_);
    }
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

  static constexpr uint32_t kSyncAfter = 512;  // cases
  const CampaignOptions& options_;
  Shared& shared_;
  WorkerSlot& slot_;
  std::vector<std::string> seeds_;
  fuzz::Progress progress_;
  fuzz::Feedback feedback_;
  fuzz::Pool pool_;
  fuzz::MutationShare share_;
  fuzz::Session session_;  // unused without variations
  fuzz::Case base_;        // what they are made of
  std::vector<fuzz::ExecutorSpec> base_executors_;
  ChoiceStream order_;
  // Of the case that is being run.
  fuzz::MutationTrace trace_;
  uint32_t fresh_features_ = 0;
  bool kept_ = false;
  bool last_was_fresh_ = false;  // the case before reached something new
  std::set<std::string> known_;  // names of kept cases that are in the pool
  uint64_t seen_version_ = 0;
  uint32_t since_sync_ = 0;
  uint32_t looks_left_ = 64;
};

}  // namespace

int run_worker(const CampaignOptions& options, int fd, uint32_t number) {
  // Signals to the whole group are the supervisor's business: it tells the workers to end.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  void* memory = ::mmap(nullptr, CampaignMemory::size(options.jobs), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED || number >= options.jobs) {
    complain("worker: no shared memory (this command is for parallax itself)");
    return kEnvironment;
  }
  if (!options.fault.empty() && !choose_fault(options.fault)) return kUsage;
  return Worker(options, CampaignMemory::at(memory), number).loop();
}

}  // namespace parallax::cli
