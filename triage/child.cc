#include "triage/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "engine/base/text.h"

namespace parallax::triage {

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kKeptOutput = 256 << 10;

struct Pipe {
  int read = -1, write = -1;
  bool open() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return false;
    read = fds[0];
    write = fds[1];
    return true;
  }
};

void keep(std::string& text, const char* data, size_t size) {
  text.append(data, size);
  if (text.size() > 2 * kKeptOutput) text.erase(0, text.size() - kKeptOutput);
}

// The line that starts at `at`, without what follows.
std::string_view line_at(std::string_view text, size_t at) { return text.substr(at, text.find('\n', at) - at); }

[[noreturn]] void become(const std::vector<std::string>& command, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

// Not the path behind the link: that may meanwhile be another build, or gone.
std::string own_program() { return "/proc/self/exe"; }

uint64_t resident_bytes(int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/statm", pid);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return 0;
  unsigned long long total = 0, resident = 0;
  const int read = std::fscanf(file, "%llu %llu", &total, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

double cpu_seconds(int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return 0;
  char text[1024];
  const size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  text[length] = '\0';
  // Fields 14 and 15, counted behind the program's name, which may hold anything.
  const char* behind = std::strrchr(text, ')');
  unsigned long long user = 0, system = 0;
  constexpr const char* kFields = ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu";
  if (behind == nullptr || std::sscanf(behind, kFields, &user, &system) != 2) return 0;
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Result<ChildResult> run_child(const std::vector<std::string>& command, const ChildLimits& limits) {
  Pipe out, err;
  if (!out.open() || !err.open()) return fail(ErrorCode::kIo, 0, text::format("no pipe: {}", std::strerror(errno)));
  const auto begin = Clock::now();
  const pid_t pid = ::fork();
  if (pid < 0) return fail(ErrorCode::kIo, 0, text::format("no process: {}", std::strerror(errno)));
  if (pid == 0) become(command, out.write, err.write);
  ::close(out.write);
  ::close(err.write);
  ChildResult result;
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  pollfd fds[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};
  bool killed = false;
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    ::poll(fds, 2, 50);
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[16384];
      const ssize_t got = ::read(fds[i].fd, buffer, sizeof buffer);
      if (got > 0) keep(i == 0 ? result.out : result.err, buffer, static_cast<size_t>(got));
      if (got == 0) fds[i].fd = -1;
    }
    if (killed) continue;
    result.timed_out = seconds() > limits.seconds;
    result.over_memory = resident_bytes(pid) > limits.rss_bytes;
    if (result.timed_out || result.over_memory) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
  }
  ::close(out.read);
  ::close(err.read);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  result.seconds = seconds();
  return result;
}

Death explain_death(int signal, int exit_code, std::string_view output, std::string_view where) {
  constexpr std::string_view kAssertion = "ASSERTION FAILED: ";
  if (const size_t at = output.find(kAssertion); at != std::string_view::npos) {
    const std::string text(line_at(output, at + kAssertion.size()));
    return {fuzz::FindingClass::kAssertion, "assertion|" + fuzz::normalise(text),
            text::format("ASSERTION FAILED: {} ({})", text, where)};
  }
  if (const size_t at = output.find("SUMMARY: "); at != std::string_view::npos) {
    std::string text(line_at(output, at + 9));
    // "AddressSanitizer: heap-use-after-free /path/file.cc:12:3 in function": the path is this machine's.
    std::string kept;
    size_t from = 0;
    while (from < text.size()) {
      const size_t to = std::min(text.find(' ', from), text.size());
      const std::string_view word = std::string_view(text).substr(from, to - from);
      const size_t slash = word.rfind('/');
      kept += text::format("{}{}", kept.empty() ? "" : " ",
                           slash == std::string_view::npos ? word : word.substr(slash + 1));
      from = to + 1;
    }
    return {fuzz::FindingClass::kSanitizer, "sanitizer|" + fuzz::normalise(kept), text::format("{} ({})", kept, where)};
  }
  if (signal != 0) {
    const char* name = ::sigabbrev_np(signal);
    const std::string text = text::format("SIG{}", name != nullptr ? name : "?");
    return {fuzz::FindingClass::kCrash, text::format("crash|{}|{}", text, where),
            text::format("the process died by {} ({})", text, where)};
  }
  return {fuzz::FindingClass::kCrash, text::format("crash|exit {}|{}", exit_code, where),
          text::format("the process ended with exit code {} ({})", exit_code, where)};
}

}  // namespace parallax::triage
