#include "triage/isolate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "engine/base/faults.h"
#include "engine/base/text.h"

namespace parallax::triage {

namespace {

using Clock = std::chrono::steady_clock;

void write_all(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    done += static_cast<size_t>(wrote);
  }
}

// A complete answer ends with this: a process that died while writing has given none.
constexpr char kComplete = '\x04';

[[noreturn]] void answer(const std::function<std::string()>& body, const std::string& fault, int answer, int output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(output, STDERR_FILENO);
  ::dup2(output, STDOUT_FILENO);
  if (!fault.empty() && !choose_fault(fault)) ::_exit(2);
  restart_fault_sites();
  write_all(answer, body() + kComplete);
  ::_exit(0);
}

std::string last_line(int fd) {
  std::string text(64 << 10, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (const size_t at = text.find("ASSERTION FAILED: "); at != std::string::npos)
    return text.substr(at, text.find('\n', at) - at);
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

Result<std::string> isolated(const std::function<std::string()>& body, const std::string& fault,
                             const ChildLimits& limits) {
  int pipe[2] = {-1, -1};
  const int output = ::memfd_create("parallax-isolated", MFD_CLOEXEC);
  if (output < 0 || ::pipe2(pipe, O_CLOEXEC) != 0) {
    if (output >= 0) ::close(output);
    return fail(ErrorCode::kUnsupported, 0, text::format("no pipe: {}", std::strerror(errno)));
  }
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) answer(body, fault, pipe[1], output);
  ::close(pipe[1]);
  const auto begin = Clock::now();
  std::string text;
  const char* killed = nullptr;
  while (pid > 0) {
    pollfd fd{pipe[0], POLLIN, 0};
    if (::poll(&fd, 1, 20) > 0) {
      char buffer[65536];
      const ssize_t got = ::read(pipe[0], buffer, sizeof buffer);
      if (got > 0) text.append(buffer, static_cast<size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) break;
    }
    if (std::chrono::duration<double>(Clock::now() - begin).count() > limits.seconds) killed = "no end in time";
    if (resident_bytes(pid) > limits.rss_bytes) killed = "more memory than allowed";
    if (killed == nullptr) continue;
    ::kill(pid, SIGKILL);
    break;
  }
  ::close(pipe[0]);
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  const std::string last = last_line(output);
  ::close(output);
  if (pid < 0) return fail(ErrorCode::kUnsupported, 0, "no process");
  if (killed != nullptr) return fail(ErrorCode::kLimit, 0, killed);
  if (!text.ends_with(kComplete)) {
    return fail(ErrorCode::kInvariant, 0,
                text::format("the process died ({}): {}", WIFSIGNALED(status) ? "signal" : "exit", last));
  }
  text.pop_back();
  return text;
}

}  // namespace parallax::triage
