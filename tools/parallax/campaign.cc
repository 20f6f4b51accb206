// The supervisor's side of a campaign: see campaign.h.
#include "tools/parallax/campaign.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "engine/base/text.h"
#include "tools/parallax/campaign_state.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"
#include "tools/parallax/replay.h"
#include "triage/campaign_log.h"
#include "triage/child.h"
#include "triage/finding.h"
#include "triage/scratch.h"

namespace parallax::cli {

namespace {

using fuzz::Stage;
using Clock = std::chrono::steady_clock;

volatile sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

// Ctrl-C ends the campaign, not the process, while one of these lives.
class InterruptScope {
 public:
  InterruptScope() {
    g_interrupted = 0;
    struct sigaction action = {};
    action.sa_handler = interrupt;
    ::sigaction(SIGINT, &action, &old_int_);
    ::sigaction(SIGTERM, &action, &old_term_);
  }
  ~InterruptScope() {
    ::sigaction(SIGINT, &old_int_, nullptr);
    ::sigaction(SIGTERM, &old_term_, nullptr);
  }

 private:
  struct sigaction old_int_, old_term_;
};

struct WorkerProcess {
  pid_t pid = 0;
  int out = -1;      // its standard output: one line per finding
  int err = -1;      // its standard error, a file in memory
  std::string line;  // unfinished line of `out`
  uint64_t seen_index = ~uint64_t{0};
  double seen_at = 0;   // when the index was first seen
  double seen_cpu = 0;  // processor time used until then
  bool done = false;
};

class Supervisor {
 public:
  explicit Supervisor(const CampaignOptions& options)
      : options_(options), workers_(options.jobs), seeds_(seed_files(options).size()) {}
  ~Supervisor() {
    for (WorkerProcess& worker : workers_) {
      if (worker.pid > 0) ::kill(worker.pid, SIGKILL);
      while (worker.pid > 0 && ::waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {}
    }
    if (shared_memory_ != nullptr) ::munmap(shared_memory_, CampaignMemory::size(options_.jobs));
    if (shared_ >= 0) ::close(shared_);
  }

  Result<CampaignReport> run() {
    const InterruptScope interrupts;
    TRY(share_memory());
    if (options_.resume) {
      TRY(take_up());
    } else {
      put_aside();
    }
    if (!options_.findings.empty()) {
      std::error_code error;
      std::filesystem::create_directories(options_.findings, error);
      if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", options_.findings, error.message()));
    }
    log_start();
    for (uint32_t i = 0; i < options_.jobs; ++i) TRY(start(i));
    double next_status = status_period(), next_save = kSavePeriod;
    while (!finished()) {
      wait_for_news();
      for (uint32_t i = 0; i < options_.jobs; ++i) TRY(watch(i));
      if (seconds() >= next_status) {
        print_status(false);
        next_status = seconds() + status_period();
      }
      if (seconds() >= next_save) {
        save();
        next_save = seconds() + kSavePeriod;
      }
      if (ending_ == 0 && should_end()) ask_to_end();
    }
    save();
    finish_report();
    return std::move(report_);
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  static bool on_terminal() { return ::isatty(STDERR_FILENO) != 0; }
  static double status_period() { return on_terminal() ? 0.5 : 10.0; }

  Result<> share_memory() {
    shared_ = ::memfd_create("parallax-campaign", 0);  // inherited by workers, so not close-on-exec
    const size_t size = CampaignMemory::size(options_.jobs);
    if (shared_ < 0 || ::ftruncate(shared_, static_cast<off_t>(size)) != 0)
      return fail(ErrorCode::kIo, 0, "no shared memory");
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, shared_, 0);
    if (memory == MAP_FAILED) return fail(ErrorCode::kIo, 0, "no shared memory");
    shared_memory_ = memory;
    shared_state_ = CampaignMemory::at(memory).shared;
    slots_ = CampaignMemory::at(memory).slots;
    for (uint32_t i = 0; i < options_.jobs; ++i) slots_[i].next = i;
    return {};
  }

  std::vector<std::string> worker_command(uint32_t number) const {
    std::vector<std::string> command = {triage::own_program(),
                                        "worker",
                                        "--shm",
                                        std::to_string(shared_),
                                        "--number",
                                        std::to_string(number),
                                        "--jobs",
                                        std::to_string(options_.jobs),
                                        "--seed",
                                        std::to_string(options_.seed),
                                        "--runs",
                                        std::to_string(options_.runs),
                                        "--schedules",
                                        std::to_string(options_.schedules),
                                        "--mutate",
                                        std::to_string(options_.mutate_percent),
                                        "--mutate-after",
                                        std::to_string(options_.mutate_after),
                                        "--keep",
                                        keep_name(options_.keep),
                                        "--share",
                                        options_.adapt ? "adaptive" : "fixed",
                                        "--pick",
                                        pick_name(options_.pick),
                                        "--feedback-set",
                                        std::to_string(options_.feedback),
                                        "--generator",
                                        to_string(options_.generator)};
    const auto add = [&](const char* name, const std::string& value) {
      if (!value.empty()) command.insert(command.end(), {name, value});
    };
    for (const std::string& spec : options_.executors) add("--executors", spec);
    if (options_.without != 0) add("--without", fuzz::names_of(options_.without));
    add("--findings", options_.findings);
    add("--corpus", options_.corpus);
    add("--seeds", options_.seeds);
    add("--fault", options_.fault);
    return command;
  }

  Result<> start(uint32_t number) {
    WorkerProcess& worker = workers_[number];
    if (worker.err < 0) worker.err = ::memfd_create("parallax-worker-stderr", MFD_CLOEXEC);
    int out[2];
    if (worker.err < 0 || ::ftruncate(worker.err, 0) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
      return fail(ErrorCode::kIo, 0, text::format("cannot start a worker: {}", std::strerror(errno)));
    }
    ::lseek(worker.err, 0, SEEK_SET);
    slots_[number].leave = 0;
    const std::vector<std::string> command = worker_command(number);
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const pid_t supervisor = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(ErrorCode::kIo, 0, text::format("cannot start a worker: {}", std::strerror(errno)));
    if (pid == 0) {
      // Also when the supervisor died before this line.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != supervisor) ::_exit(127);
      ::setpgid(0, 0);
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(worker.err, STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::fcntl(out[0], F_SETFL, O_NONBLOCK);
    worker.pid = pid;
    worker.out = out[0];
    worker.seen_index = ~uint64_t{0};
    worker.seen_at = seconds();
    return {};
  }

  bool finished() const {
    return std::all_of(workers_.begin(), workers_.end(), [](const WorkerProcess& w) { return w.done; });
  }

  bool should_end() {
    if (g_interrupted != 0) report_.interrupted = true;
    return report_.interrupted || (options_.seconds > 0 && seconds() >= options_.seconds) ||
           (options_.stop_at_first && !report_.found.empty());
  }

  // Asks all workers to leave after their case.
  void ask_to_end() {
    ending_ = seconds() + 1e-9;
    for (uint32_t i = 0; i < options_.jobs; ++i) slots_[i].leave = 1;
  }

  void wait_for_news() {
    std::vector<pollfd> fds;
    for (const WorkerProcess& worker : workers_) {
      if (!worker.done) fds.push_back({worker.out, POLLIN, 0});
    }
    ::poll(fds.data(), fds.size(), 100);
  }

  Result<> watch(uint32_t number) {
    WorkerProcess& worker = workers_[number];
    if (worker.done) return {};
    read_lines(worker);
    int status = 0;
    const pid_t gone = ::waitpid(worker.pid, &status, WNOHANG);
    if (gone == worker.pid) {
      read_lines(worker);
      worker.pid = 0;
      return ended(number, status);
    }
    if (ending_ != 0 && seconds() - ending_ > kPatienceAtEnd) return abandon(worker);
    WorkerSlot& slot = slots_[number];
    const uint64_t index = slot.index.load(std::memory_order_relaxed) ^ slot.counts[0].load(std::memory_order_relaxed)
                                                                            << 32;
    const double now = seconds();
    if (index != worker.seen_index) {
      worker.seen_index = index;
      worker.seen_at = now;
      worker.seen_cpu = triage::cpu_seconds(worker.pid);
    } else if (hangs(worker, now)) {
      return kill_worker(number, fuzz::FindingClass::kHang);
    }
    if (now - last_memory_check_[number % kMemoryChecks] > 0.25) {
      last_memory_check_[number % kMemoryChecks] = now;
      const uint64_t resident = triage::resident_bytes(worker.pid);
      if (number == 0 && resident != 0) {
        if (report_.rss_begin == 0 && slot.counts[0].load() >= 100) report_.rss_begin = resident;
        report_.rss_end = resident;
      }
      if (resident > options_.limit_bytes) return kill_worker(number, fuzz::FindingClass::kMemory);
      if (resident > options_.recycle_bytes && slot.leave.load() == 0) {
        slot.leave = 2;
        ++report_.recycled;
      }
    }
    return {};
  }

  // Processor time decides, so that a busy machine makes no findings; a worker that sleeps is given a multiple.
  bool hangs(const WorkerProcess& worker, double now) const {
    const double wall = now - worker.seen_at;
    if (wall <= options_.case_seconds) return false;
    return triage::cpu_seconds(worker.pid) - worker.seen_cpu > options_.case_seconds ||
           wall > 10 * options_.case_seconds;
  }

  void read_lines(WorkerProcess& worker) {
    char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(worker.out, buffer, sizeof buffer)) > 0) {
      worker.line.append(buffer, static_cast<size_t>(got));
      for (size_t end; (end = worker.line.find('\n')) != std::string::npos;) {
        note_line(worker.line.substr(0, end));
        worker.line.erase(0, end + 1);
      }
    }
  }

  void note_line(const std::string& line) {
    const size_t first = line.find('\t');
    const size_t second = first == std::string::npos ? first : line.find('\t', first + 1);
    if (second == std::string::npos) return;
    note(line.substr(0, first), line.substr(second + 1), line.substr(first + 1, second - first - 1));
  }

  void note(const std::string& signature, const std::string& difference, const std::string& folder) {
    if (folder.starts_with('!')) {
      ++report_.unwritten;
      complain(text::format("a finding could not be written: {}", folder.substr(1)));
    }
    for (FoundRow& row : report_.found) {
      if (row.signature != signature) continue;
      ++row.count;
      return;
    }
    report_.found.push_back({signature, difference, folder, 1, seconds()});
    if (options_.quiet) return;
    clear_status();
    std::fprintf(stderr, "[%7.1f s] finding: %s\n", seconds(), signature.c_str());
    std::fprintf(stderr, "            %s\n", difference.c_str());
    if (folder != "-") std::fprintf(stderr, "            %s\n", folder.c_str());
  }

  // A worker ended by itself.
  Result<> ended(uint32_t number, int status) {
    WorkerProcess& worker = workers_[number];
    ::close(worker.out);
    WorkerSlot& slot = slots_[number];
    if (WIFEXITED(status) && WEXITSTATUS(status) == kDone) {
      const bool recycle = slot.leave.load() == 2 && ending_ == 0;
      if (recycle) return start(number);
      worker.done = true;
      return {};
    }
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (code == kUsage || code == kEnvironment || code == 127)
      return fail(ErrorCode::kIo, 0, text::format("a worker did not start: {}", error_output(worker)));
    note_death(number, signal, code, nullptr);
    return next(number);
  }

  Result<> kill_worker(uint32_t number, fuzz::FindingClass why) {
    WorkerProcess& worker = workers_[number];
    ::kill(worker.pid, SIGKILL);
    while (::waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {}
    worker.pid = 0;
    read_lines(worker);
    ::close(worker.out);
    note_death(number, SIGKILL, 0, &why);
    return next(number);
  }

  // The campaign is over and the worker's last case is not: it is not waited for, and nothing is said about the case.
  Result<> abandon(WorkerProcess& worker) {
    ::kill(worker.pid, SIGKILL);
    while (::waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {}
    worker.pid = 0;
    read_lines(worker);
    ::close(worker.out);
    worker.done = true;
    return {};
  }

  // Goes on behind the case that ended the worker.
  Result<> next(uint32_t number) {
    WorkerSlot& slot = slots_[number];
    slot.next = slot.index.load() + options_.jobs;
    ++report_.restarts;
    if (ending_ != 0 || slot.next.load() >= options_.runs) {
      workers_[number].done = true;
      return {};
    }
    return start(number);
  }

  std::string error_output(const WorkerProcess& worker) const {
    const off_t size = ::lseek(worker.err, 0, SEEK_END);
    const off_t kept = std::min<off_t>(size, 64 << 10);
    std::string text(static_cast<size_t>(kept), '\0');
    const ssize_t got = ::pread(worker.err, text.data(), text.size(), size - kept);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

  std::string place(const WorkerSlot& slot, const fuzz::Case* subject) const {
    const auto stage = static_cast<Stage>(slot.stage.load());
    if (stage != Stage::kExecute || subject == nullptr) return to_string(stage);
    const uint32_t executor = slot.executor.load();
    const auto& specs = subject->configuration.executors;
    // Kind only: settings vary between cases of one cause.
    const std::string spec = executor < specs.size() ? specs[executor] : "?";
    return text::format("execute {}", spec.substr(0, spec.find(':')));
  }

  // Death of a worker: the generator's own trouble is counted, everything else is a finding.
  void note_death(uint32_t number, int signal, int code, const fuzz::FindingClass* why) {
    WorkerSlot& slot = slots_[number];
    const uint64_t index = slot.index.load();
    const auto stage = static_cast<Stage>(slot.stage.load());
    const bool from_corpus = index < seeds_;
    const bool generating = stage == Stage::kGenerate;
    const bool binaryen = !from_corpus && fuzz::generator_at(options_.generator, options_.seed, index - seeds_,
                                                             options_.without) == fuzz::GeneratorKind::kBinaryen;
    if (generating && binaryen) {
      const char* reason = why == nullptr                      ? "generator-abort"
                           : *why == fuzz::FindingClass::kHang ? "generator-hang"
                                                               : "generator-memory";
      ++report_.reasons[text::format("rejected: {}", reason)];
      ++report_.counts[static_cast<size_t>(Count::kRejected)];
      return;
    }
    auto envelope =
        generating ? Result<std::vector<uint8_t>>(fail(ErrorCode::kIo, 0, "no case")) : remake(number, index);
    fuzz::Case subject;
    if (envelope) {
      if (auto read = fuzz::read_envelope(*envelope)) subject = std::move(*read);
    }
    const std::string where = place(slot, envelope ? &subject : nullptr);
    const std::string output = error_output(workers_[number]);
    triage::Death death = triage::explain_death(signal, code, output, where);
    const bool from_outside = signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
    if (from_outside && why == nullptr && (generating || (envelope && !dies_again(*envelope)))) {
      ++report_.reasons["inconclusive: worker killed from outside"];
      ++report_.counts[static_cast<size_t>(Count::kInconclusive)];
      return;
    }
    if (why != nullptr) {
      death = {*why, text::format("{}|{}", to_string(*why), where),
               *why == fuzz::FindingClass::kHang
                   ? text::format("no end after {} s ({})", options_.case_seconds, where)
                   : text::format("more than {} MiB resident ({})", options_.limit_bytes >> 20, where)};
    }
    ++report_.counts[static_cast<size_t>(Count::kFindings)];
    const std::string symptom = death.signature;
    if (why == nullptr && envelope && looks_left_ > 0) {
      --looks_left_;
      if (const auto cause = replay_armed(*envelope, subject.configuration.executors, options_.fault)) {
        death = {cause->kind, cause->signature, text::format("{}; symptom: {}", cause->difference, death.difference)};
      }
    }
    std::string folder = "-";
    if (!options_.findings.empty()) {
      const triage::Record record{
          .kind = death.kind,
          .signature = death.signature,
          .symptom = symptom,
          .difference = death.difference,
          .executors = subject.configuration.executors,
          .origin = subject.origin.empty()
                        ? text::format("{} seed {} index {}", to_string(options_.generator), options_.seed, index)
                        : subject.origin,
          .seed = options_.seed,
          .index = index,
          .fault = options_.fault,
          .version = kVersion,
          .stage = where};
      const std::vector<uint8_t> bytes = envelope ? std::move(*envelope) : std::vector<uint8_t>();
      const auto written = triage::write_finding(options_.findings, record, bytes, output);
      folder = written ? written->folder : text::format("!{}", written.error().message);
    }
    note(death.signature, fuzz::one_line(death.difference), folder);
  }

  // Whether a case ends its process again: such a signal may have come from anybody.
  bool dies_again(const std::vector<uint8_t>& envelope) {
    const triage::ScratchFile scratch(envelope);
    if (!scratch.ok()) return true;
    const auto seen = replay_case(scratch.path(), options_.fault, options_.executors, options_.case_seconds);
    return !seen || seen->finding;
  }

  // The case at an index as an envelope, made in a child: what killed the worker shall not kill us.
  Result<std::vector<uint8_t>> remake(uint32_t number, uint64_t index) {
    // A mutation was written down by the worker.
    const WorkerSlot& slot = slots_[number];
    const uint32_t bytes_there = slot.case_bytes.load(std::memory_order_acquire);
    if (bytes_there != 0 && bytes_there <= slot.case_data.size()) {
      return std::vector<uint8_t>(slot.case_data.begin(), slot.case_data.begin() + bytes_there);
    }
    const triage::ScratchFile scratch({});
    if (!scratch.ok()) return fail(ErrorCode::kIo, 0, "no room for the case to be made again");
    std::vector<std::string> command = {triage::own_program(),
                                        "generate",
                                        "--generator",
                                        to_string(options_.generator),
                                        "--seed",
                                        std::to_string(options_.seed),
                                        "--index",
                                        std::to_string(index),
                                        "--envelope",
                                        "--output",
                                        scratch.path()};
    if (options_.without != 0) command.insert(command.end(), {"--without", fuzz::names_of(options_.without)});
    if (!options_.corpus.empty()) command.insert(command.end(), {"--corpus", options_.corpus});
    if (!options_.seeds.empty()) command.insert(command.end(), {"--seeds", options_.seeds});
    for (const std::string& spec : options_.executors) command.insert(command.end(), {"--executors", spec});
    const auto child = TRY(triage::run_child(command, {}));
    return child.exit_code == kDone ? read_file(scratch.path())
                                    : fail(ErrorCode::kIo, 0, "the case could not be made again");
  }

  // --- Reporting --------------------------------------------------------------------------------------------------
  uint64_t total(Count what) const {
    uint64_t sum = report_.counts[static_cast<size_t>(what)];
    for (uint32_t i = 0; i < options_.jobs; ++i)
      sum += slots_[i].counts[static_cast<size_t>(what)].load(std::memory_order_relaxed);
    return sum;
  }

  void clear_status() const {
    if (on_terminal()) std::fputs("\r\033[K", stderr);
  }

  void print_status(bool last) {
    if (options_.quiet) return;
    const double now = seconds();
    const uint64_t cases = total(Count::kCases);
    const double rate = now > 0 ? static_cast<double>(cases - cases_before_) / now : 0;
    clear_status();
    std::fprintf(stderr,
                 "[%7.1f s] %llu cases, %.0f/s, agreed %llu, inconclusive %llu, rejected %llu, findings %llu (%zu "
                 "distinct), features %llu, kept %llu, calls returned %.0f%%%s",
                 now, static_cast<unsigned long long>(cases), rate,
                 static_cast<unsigned long long>(total(Count::kAgreed)),
                 static_cast<unsigned long long>(total(Count::kInconclusive)),
                 static_cast<unsigned long long>(total(Count::kRejected)),
                 static_cast<unsigned long long>(total(Count::kFindings)), report_.found.size(),
                 static_cast<unsigned long long>(features_seen()),
                 static_cast<unsigned long long>(shared_state_->corpus_cases.load()),
                 100.0 * static_cast<double>(total(Count::kReturned)) /
                     static_cast<double>(std::max<uint64_t>(1, total(Count::kCalls))),
                 on_terminal() && !last ? "" : "\n");
    std::fflush(stderr);
  }

  uint64_t features_seen() const {
    uint64_t seen = 0;
    for (size_t i = 0; i < fuzz::kDomainCount; ++i) seen += shared_state_->features.count(static_cast<fuzz::Domain>(i));
    return seen;
  }

  // --- On disk ----------------------------------------------------------------------------------------------------
  // What is behind every worker; the campaign can go on from there.
  uint64_t safe_next() const {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < options_.jobs; ++i) next = std::min(next, slots_[i].next.load());
    return next;
  }

  // Counts, reasons and sources of earlier starts stand in the report, those of this one in the slots.
  CampaignState state() const {
    CampaignState out{.identity = identity_of(options_), .next = safe_next()};
    out.seconds = report_.seconds_before + seconds();
    for (size_t i = 0; i < kCounts; ++i) out.counts[i] = total(static_cast<Count>(i));
    for (size_t i = 0; i < kMakers; ++i) out.yields[i] = total_yield(i);
    out.reasons = all_reasons();
    out.found = report_.found;
    for (const auto& seen : shared_state_->features.seen) out.features.push_back(seen.load(std::memory_order_relaxed));
    out.corpus_cases = shared_state_->corpus_cases.load();
    out.corpus_bytes = shared_state_->corpus_bytes.load();
    return out;
  }

  // A campaign that stands here and is not gone on with can be gone on with later, under its old name.
  void put_aside() {
    std::error_code error;
    const std::string path = state_path(options_);
    if (options_.findings.empty() || !std::filesystem::exists(path, error)) return;
    std::string aside = path + ".before";
    for (uint32_t n = 2; std::filesystem::exists(aside, error); ++n) aside = text::format("{}.before{}", path, n);
    std::filesystem::rename(path, aside, error);
    if (!error && !options_.quiet)
      complain(text::format("{} is of a campaign that is not gone on with (--resume); it is now {}", path, aside));
  }

  Result<> take_up() {
    CampaignState before = TRY(load_state(options_));
    for (uint32_t i = 0; i < options_.jobs; ++i) slots_[i].next = before.next + i;
    report_.seconds_before = before.seconds;
    report_.counts = before.counts;
    report_.yields = before.yields;
    report_.reasons = std::move(before.reasons);
    report_.found = std::move(before.found);
    cases_before_ = report_.count(Count::kCases);
    // What was kept in memory only must be found again: features count as seen only when the cases are there.
    if (!options_.corpus.empty()) {
      for (size_t i = 0; i < before.features.size() && i < fuzz::kFeatureCount; ++i) {
        shared_state_->features.seen[i] = before.features[i];
      }
      shared_state_->corpus_cases = before.corpus_cases;
      shared_state_->corpus_bytes = before.corpus_bytes;
    }
    return {};
  }

  void save() {
    if (options_.findings.empty()) return;
    if (const auto saved = save_state(options_, state()); !saved && !save_failed_) {
      save_failed_ = true;
      complain(text::format("the state of the campaign could not be written: {}", saved.error().message));
    }
    log_sample();
  }

  std::string log_path() const { return text::format("{}/{}", options_.findings, triage::kCampaignLogName); }

  void log_start() {
    if (options_.findings.empty()) return;
    (void)triage::append_line(log_path(), triage::CampaignStart{.unix_seconds = ::time(nullptr),
                                                                .version = kVersion,
                                                                .generator = to_string(options_.generator),
                                                                .seed = options_.seed,
                                                                .jobs = options_.jobs,
                                                                .executors = options_.executors,
                                                                .fault = options_.fault});
  }

  void log_sample() {
    triage::Sample sample;
    sample.seconds = report_.seconds_before + seconds();
    sample.cases = total(Count::kCases);
    const double passed = sample.seconds - last_sample_seconds_;
    sample.per_second = passed > 0 ? static_cast<double>(sample.cases - last_sample_cases_) / passed : 0;
    last_sample_seconds_ = sample.seconds;
    last_sample_cases_ = sample.cases;
    sample.agreed = total(Count::kAgreed);
    sample.inconclusive = total(Count::kInconclusive);
    sample.rejected = total(Count::kRejected);
    sample.findings = total(Count::kFindings);
    sample.distinct = report_.found.size();
    for (const auto& [reason, count] : all_reasons()) {
      const size_t colon = reason.find(": ");
      const std::string what = colon == std::string::npos ? reason : reason.substr(colon + 2);
      (reason.starts_with("rejected") ? sample.rejected_reasons : sample.inconclusive_reasons)[what] += count;
    }
    for (size_t i = 0; i < kSourceNames.size(); ++i) sample.generators[kSourceNames[i]] = total_yield(i).cases;
    for (size_t i = 0; i < kMakers; ++i) {
      const Yield row = total_yield(i);
      if (row.cases == 0) continue;
      sample.yield_cases[maker_name(i)] = row.cases;
      sample.yield_features[maker_name(i)] = row.features;
      sample.yield_microseconds[maker_name(i)] = row.nanoseconds / 1000;
    }
    sample.corpus_cases = shared_state_->corpus_cases.load();
    sample.corpus_bytes = shared_state_->corpus_bytes.load();
    for (size_t i = 0; i < fuzz::kDomainCount; ++i) {
      sample.coverage[fuzz::kDomains[i].name] = shared_state_->features.count(static_cast<fuzz::Domain>(i));
    }
    for (const WorkerProcess& worker : workers_) {
      if (worker.pid <= 0) continue;
      ++sample.workers;
      sample.rss_bytes += triage::resident_bytes(worker.pid);
    }
    sample.restarts = report_.restarts;
    (void)triage::append_line(log_path(), sample);
  }

  Yield total_yield(size_t maker) const {
    Yield sum = report_.yields[maker];
    for (uint32_t i = 0; i < options_.jobs; ++i) {
      const Yield here = slots_[i].yields[maker].get();
      sum.cases += here.cases, sum.kept += here.kept;
      sum.features += here.features, sum.nanoseconds += here.nanoseconds;
    }
    return sum;
  }

  std::map<std::string, uint64_t> all_reasons() const {
    std::map<std::string, uint64_t> reasons = report_.reasons;
    for (uint32_t w = 0; w < options_.jobs; ++w) {
      for (const ReasonRow& row : slots_[w].reasons) {
        const uint64_t count = row.count.load(std::memory_order_acquire);
        if (count != 0) reasons[row.text] += count;
      }
    }
    return reasons;
  }

  void finish_report() {
    clear_status();
    report_.seconds = seconds();
    report_.reasons = all_reasons();
    for (size_t i = 0; i < kMakers; ++i) report_.yields[i] = total_yield(i);
    for (size_t i = 0; i < fuzz::kDomainCount; ++i) {
      report_.features[i] = shared_state_->features.count(static_cast<fuzz::Domain>(i));
    }
    report_.corpus_cases = shared_state_->corpus_cases.load();
    report_.corpus_bytes = shared_state_->corpus_bytes.load();
    for (size_t i = 0; i < kCounts; ++i) {
      for (uint32_t w = 0; w < options_.jobs; ++w) report_.counts[i] += slots_[w].counts[i].load();
    }
  }

  static constexpr size_t kMemoryChecks = 64;
  static constexpr double kPatienceAtEnd = 5;  // seconds
  static constexpr double kSavePeriod = 2;
  const CampaignOptions& options_;
  std::vector<WorkerProcess> workers_;
  void* shared_memory_ = nullptr;
  Shared* shared_state_ = nullptr;
  WorkerSlot* slots_ = nullptr;
  uint64_t seeds_ = 0;         // the first cases are files
  uint64_t cases_before_ = 0;  // of earlier starts
  double last_sample_seconds_ = 0;
  uint64_t last_sample_cases_ = 0;
  bool save_failed_ = false;
  int shared_ = -1;
  Clock::time_point begin_ = Clock::now();
  uint32_t looks_left_ = 64;  // second, armed runs of cases that killed a worker
  double ending_ = 0;         // when the workers were asked to end; 0: not yet
  std::array<double, kMemoryChecks> last_memory_check_{};
  CampaignReport report_;
};

}  // namespace

Result<CampaignReport> run_campaign(const CampaignOptions& options) { return Supervisor(options).run(); }

}  // namespace parallax::cli
