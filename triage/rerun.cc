#include "triage/rerun.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "triage/child.h"

namespace parallax::triage {

namespace {

using fuzz::FindingClass;
using fuzz::Verdict;
using fuzz::VerdictKind;
using Clock = std::chrono::steady_clock;

constexpr size_t kKeptOutput = 256 << 10;

Verdict inconclusive(std::string reason) { return {.kind = VerdictKind::kInconclusive, .reason = std::move(reason)}; }

Verdict found(FindingClass kind, std::string signature, std::string difference) {
  Verdict verdict{.kind = VerdictKind::kFinding};
  verdict.finding.kind = kind;
  verdict.finding.signature = std::move(signature);
  verdict.finding.difference = std::move(difference);
  return verdict;
}

Result<std::vector<fuzz::ExecutorSpec>> specs_for(const fuzz::Case& subject, const RerunSettings& settings) {
  const auto& texts = settings.executors.empty() ? subject.configuration.executors : settings.executors;
  if (texts.empty()) return fuzz::standard_executors();
  std::vector<fuzz::ExecutorSpec> specs;
  for (const std::string& text : texts) specs.push_back(TRY(fuzz::parse_spec(text)));
  return specs;
}

// In whatever process this is.
Verdict judge_here(const fuzz::Case& subject, const RerunSettings& settings, const fuzz::Progress& progress) {
  auto specs = specs_for(subject, settings);
  if (!specs) return inconclusive(text::format("executors: {}", specs.error().message));
  return fuzz::judge(subject, {.executors = std::move(*specs), .progress = progress, .with_log = settings.with_log});
}

// --- Verdicts as bytes --------------------------------------------------------------------------------------------------

class Writer {
 public:
  void number(uint64_t value) { out_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view text) {
    number(text.size());
    out_.append(text);
  }
  std::string take() && { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  uint64_t number() {
    uint64_t value = 0;
    if (in_.size() < sizeof value) return ok_ = false, 0;
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    const uint64_t size = number();
    if (size > in_.size()) return ok_ = false, std::string();
    std::string out(in_.substr(0, size));
    in_.remove_prefix(size);
    return out;
  }
  bool ok() const { return ok_; }

 private:
  std::string_view in_;
  bool ok_ = true;
};

std::string pack(const Verdict& v) {
  Writer out;
  out.number(static_cast<uint64_t>(v.kind));
  out.text(v.reason);
  out.number(static_cast<uint64_t>(v.finding.kind));
  out.text(v.finding.signature);
  out.text(v.finding.difference);
  out.text(v.finding.log);
  out.number(v.finding.executors.size());
  for (const std::string& spec : v.finding.executors) out.text(spec);
  for (const uint64_t n : {v.calls, v.returned, v.trapped, v.threw, v.exhausted, v.objects, v.collections})
    out.number(n);
  return std::move(out).take();
}

bool unpack(std::string_view bytes, Verdict& v) {
  Reader in(bytes);
  v.kind = static_cast<VerdictKind>(in.number());
  v.reason = in.text();
  v.finding.kind = static_cast<FindingClass>(in.number());
  v.finding.signature = in.text();
  v.finding.difference = in.text();
  v.finding.log = in.text();
  for (uint64_t count = in.number(); count > 0 && in.ok(); --count) v.finding.executors.push_back(in.text());
  for (uint64_t* n : {&v.calls, &v.returned, &v.trapped, &v.threw, &v.exhausted, &v.objects, &v.collections})
    *n = in.number();
  return in.ok();
}

// --- Whole messages over a socket ---------------------------------------------------------------------------------------

bool send_all(int fd, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = ::send(fd, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int fd, void* data, size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::recv(fd, at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool send_message(int fd, const void* data, uint64_t size) {
  return send_all(fd, &size, sizeof size) && send_all(fd, data, size);
}

bool receive_message(int fd, std::string& out) {
  uint64_t size = 0;
  if (!receive_all(fd, &size, sizeof size) || size > (uint64_t{1} << 32)) return false;
  out.resize(size);
  return receive_all(fd, out.data(), size);
}

// Where a run is: written by the child, read by the parent after its death.
struct Place {
  std::atomic<uint32_t> stage;
  std::atomic<uint32_t> executor;
};

// A failed check has said all there is to say: no core, no unwinding.
[[noreturn]] void leave_at_check(std::string_view text, const char* file, int line) {
  std::fprintf(stderr, "ASSERTION FAILED: %.*s\n  at %s:%d\n", static_cast<int>(text.size()), text.data(), file, line);
  std::fflush(stderr);
  ::_exit(134);
}

// The child's side: one case after the other, until the parent hangs up.
[[noreturn]] void serve(int socket, int output, Place* place, const RerunSettings& settings) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::dup2(output, STDERR_FILENO);
  ::dup2(output, STDOUT_FILENO);
  set_check_handler(leave_at_check);
  if (!settings.fault.empty() && !choose_fault(settings.fault)) ::_exit(2);
  const fuzz::Progress progress{&place->stage, &place->executor};
  std::string request;
  while (receive_message(socket, request)) {
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(request.data()), request.size());
    const auto subject = fuzz::read_envelope(bytes);
    const Verdict verdict =
        subject ? judge_here(*subject, settings, progress) : inconclusive("envelope: " + subject.error().message);
    progress.at(fuzz::Stage::kIdle);
    const std::string answer = pack(verdict);
    if (!send_message(socket, answer.data(), answer.size())) break;
  }
  ::_exit(0);
}

}  // namespace

struct Rerunner::Child {
  int pid = -1;
  int socket = -1;
  int output = -1;  // memory file with what it printed
  Place* place = nullptr;

  ~Child() {
    if (socket >= 0) ::close(socket);
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
    }
    if (output >= 0) ::close(output);
    if (place != nullptr) ::munmap(place, sizeof(Place));
  }
};

Result<> check(const RerunSettings& settings) {
  for (const std::string& spec : settings.executors) TRY(fuzz::parse_spec(spec));
  if (settings.executors.size() == 1)
    return fail(ErrorCode::kUsage, 0, "comparing needs at least two executors, the reference first");
  if (!settings.fault.empty()) {
    const FaultState before = g_fault;
    const bool known = choose_fault(settings.fault);
    g_fault = before;
    if (!known) return fail(ErrorCode::kUsage, 0, text::format("no such fault: '{}'", settings.fault));
  }
  return {};
}

Rerunner::Rerunner(RerunSettings settings) : settings_(std::move(settings)) {}
Rerunner::~Rerunner() = default;

void Rerunner::stop() { child_.reset(); }

bool Rerunner::start() {
  auto child = std::make_unique<Child>();
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  child->socket = pair[0];
  child->output = ::memfd_create("parallax-rerun", MFD_CLOEXEC);
  void* shared = ::mmap(nullptr, sizeof(Place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared != MAP_FAILED) child->place = new (shared) Place();
  if (child->output < 0 || child->place == nullptr) return ::close(pair[1]), false;
  child->pid = ::fork();
  if (child->pid == 0) {
    ::close(pair[0]);
    serve(pair[1], child->output, child->place, settings_);
  }
  ::close(pair[1]);
  if (child->pid < 0) return false;
  child_ = std::move(child);
  return true;
}

// The child is gone, or is to go: what that means.
Verdict Rerunner::explain(bool timed_out, bool over_memory) {
  ++deaths_;
  const std::unique_ptr<Child> child = std::move(child_);
  const auto stage = static_cast<fuzz::Stage>(child->place->stage.load());
  const std::string where = to_string(stage);
  if (timed_out || over_memory) {
    const FindingClass kind = timed_out ? FindingClass::kHang : FindingClass::kMemory;
    return found(kind, to_string(kind),
                 timed_out ? text::format("no end after {} s", settings_.seconds) : "more memory than allowed");
  }
  int status = 0;
  while (::waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {}
  child->pid = -1;
  std::string output(kKeptOutput, '\0');
  const ssize_t got = ::pread(child->output, output.data(), output.size(), 0);
  output.resize(got > 0 ? static_cast<size_t>(got) : 0);
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  Death death = explain_death(signal, code, output, where);
  Verdict verdict = found(death.kind, std::move(death.signature), std::move(death.difference));
  verdict.finding.log = std::move(output);
  return verdict;
}

Verdict Rerunner::ask(const fuzz::Case& subject) {
  if (child_ == nullptr && !start())
    return inconclusive(text::format("environment: no process: {}", std::strerror(errno)));
  child_->place->stage.store(static_cast<uint32_t>(fuzz::Stage::kLoad));
  const std::vector<uint8_t> envelope = write_envelope(subject);
  const auto begin = Clock::now();
  bool alive = send_message(child_->socket, envelope.data(), envelope.size());
  while (alive) {
    pollfd fd{child_->socket, POLLIN, 0};
    const int ready = ::poll(&fd, 1, 20);
    if (ready > 0) break;
    if (ready < 0 && errno != EINTR) break;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (seconds > settings_.seconds) return explain(true, false);
    if (resident_bytes(child_->pid) > settings_.rss_bytes) return explain(false, true);
  }
  std::string answer;
  Verdict verdict;
  if (alive && receive_message(child_->socket, answer) && unpack(answer, verdict)) return verdict;
  Verdict death = explain(false, false);
  if (death.finding.executors.empty()) {
    death.finding.executors = settings_.executors.empty() ? subject.configuration.executors : settings_.executors;
  }
  return death;
}

Verdict Rerunner::run(const fuzz::Case& subject) {
  ++runs_;
  if (subject.modules.empty()) return inconclusive("a case without modules");
  if (settings_.isolation == Isolation::kChild) return ask(subject);
  const FaultState before = g_fault;
  if (!settings_.fault.empty()) choose_fault(settings_.fault);
  Verdict verdict = judge_here(subject, settings_, {});
  if (!settings_.fault.empty()) g_fault = before;
  return verdict;
}

Verdict Rerunner::run_fresh(const fuzz::Case& subject) {
  if (settings_.isolation == Isolation::kChild) stop();
  return run(subject);
}

bool same_finding(const Verdict& a, const Verdict& b) {
  return a.kind == VerdictKind::kFinding && b.kind == VerdictKind::kFinding && a.finding.kind == b.finding.kind &&
         a.finding.signature == b.finding.signature;
}

}  // namespace parallax::triage
