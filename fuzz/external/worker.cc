#include "fuzz/external/worker.h"

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
#include <cstring>

#include "engine/base/text.h"
#include "fuzz/external/js_case.h"

namespace parallax::fuzz {

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void become(const std::vector<std::string>& command, int in, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

// The end of what the process wrote to its standard error.
std::string last_errors(int fd) {
  constexpr off_t kKept = 16 << 10;
  const off_t size = ::lseek(fd, 0, SEEK_END);
  std::string text(static_cast<size_t>(std::min(size, kKept)), '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), std::max<off_t>(0, size - kKept));
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, got)));
  return text;
}

}  // namespace

ExternalWorker::~ExternalWorker() { stop(); }

Result<> ExternalWorker::start() {
  const std::vector<std::string> command = TRY(external_command(engine_));
  ::signal(SIGPIPE, SIG_IGN);  // a process that died is noticed by what write and read answer
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return fail(ErrorCode::kIo, 0, text::format("no pipe: {}", std::strerror(errno)));
  if (::pipe2(out, O_CLOEXEC) != 0) {
    ::close(in[0]);
    ::close(in[1]);
    return fail(ErrorCode::kIo, 0, text::format("no pipe: {}", std::strerror(errno)));
  }
  errors_ = ::memfd_create("errors", MFD_CLOEXEC);
  pid_ = ::fork();
  if (pid_ == 0) become(command, in[0], out[1], errors_);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  answered_ = 0;
  if (pid_ < 0) {
    stop();
    return fail(ErrorCode::kIo, 0, text::format("no process: {}", std::strerror(errno)));
  }
  constexpr double kStartSeconds = 30;  // on a loaded machine
  const bool sent = send(driver_greeting());
  const Reply ready = sent ? receive(kStartSeconds) : describe_death(Reply::End::kDied);
  if (ready.end == Reply::End::kAnswered) return {};
  stop();
  return fail(ErrorCode::kIo, 0, text::format("{} does not start: {}", engine_.name, ready.text));
}

void ExternalWorker::stop() {
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
  }
  for (int* fd : {&to_, &from_, &errors_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
  pid_ = -1;
}

bool ExternalWorker::send(const std::string& line) {
  const std::string text = line + '\n';
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t wrote = ::write(to_, text.data() + sent, text.size() - sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    sent += static_cast<size_t>(wrote);
  }
  return true;
}

Reply ExternalWorker::receive(double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  Reply reply;
  char buffer[65536];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return describe_death(Reply::End::kTimedOut);
    pollfd fd = {from_, POLLIN, 0};
    const int ready = ::poll(&fd, 1, static_cast<int>(std::min<int64_t>(left, 1000)));
    if (ready < 0 && errno != EINTR) return describe_death(Reply::End::kDied);
    if (ready <= 0) continue;
    const ssize_t got = ::read(from_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return describe_death(Reply::End::kDied);
    reply.text.append(buffer, static_cast<size_t>(got));
    if (reply.text.back() != '\n') continue;
    reply.text.pop_back();
    return reply;
  }
}

Reply ExternalWorker::describe_death(Reply::End end) {
  Reply reply{.end = end};
  reply.text = last_errors(errors_);
  if (end != Reply::End::kDied) return reply;
  int status = 0;
  pid_t gone = 0;
  while ((gone = ::waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {}
  if (gone != pid_) return reply;
  pid_ = -1;
  if (WIFSIGNALED(status)) reply.signal = WTERMSIG(status);
  if (WIFEXITED(status)) reply.exit_code = WEXITSTATUS(status);
  return reply;
}

Result<Reply> ExternalWorker::ask(const std::string& line, double seconds) {
  if (answered_ >= kRecycleAfter) stop();
  if (pid_ <= 0) TRY(start());
  Reply reply = send(line) ? receive(seconds) : describe_death(Reply::End::kDied);
  ++answered_;
  if (reply.end != Reply::End::kAnswered) stop();
  return reply;
}

}  // namespace parallax::fuzz
