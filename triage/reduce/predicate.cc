// The test by a shell command: a file each, several children at once.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>

#include "engine/base/text.h"
#include "triage/reduce/reduce.h"

namespace parallax::triage::reduce {

namespace {

using Clock = std::chrono::steady_clock;

std::string quoted_for_shell(const std::string& path) {
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string command_for(const std::string& command, const std::string& path) {
  const std::string word = quoted_for_shell(path);
  std::string out = command;
  if (out.find("{}") == std::string::npos) return out + " " + word;
  for (size_t at = out.find("{}"); at != std::string::npos; at = out.find("{}", at + word.size()))
    out.replace(at, 2, word);
  return out;
}

pid_t start(const std::string& command) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, fd);
  ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
  ::_exit(127);
}

bool write_bytes(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return false;
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

bool CommandTest::interesting(const fuzz::Case& subject) {
  std::vector<bool> answers;
  interesting(std::span(&subject, 1), answers);
  return answers[0];
}

void CommandTest::interesting(std::span<const fuzz::Case> subjects, std::vector<bool>& answers) {
  struct Running {
    pid_t pid = -1;
    std::string path;
  };
  answers.assign(subjects.size(), false);
  std::vector<Running> running(subjects.size());
  for (size_t i = 0; i < subjects.size(); ++i) {
    running[i].path = text::format("{}/candidate-{}.wasm", settings_.folder, number_++);
    const auto bytes = settings_.plain ? subjects[i].modules.front() : write_envelope(subjects[i]);
    if (write_bytes(running[i].path, bytes)) running[i].pid = start(command_for(settings_.command, running[i].path));
  }
  const auto begin = Clock::now();
  size_t open = 0;
  for (const Running& one : running) open += one.pid > 0 ? 1 : 0;
  for (useconds_t pause = 100; open > 0; pause = std::min<useconds_t>(pause * 2, 5000)) {
    const bool late = std::chrono::duration<double>(Clock::now() - begin).count() > settings_.seconds;
    for (size_t i = 0; i < running.size(); ++i) {
      Running& one = running[i];
      if (one.pid <= 0) continue;
      // The whole group: the shell and what it started.
      if (late) ::kill(-one.pid, SIGKILL);
      int status = 0;
      const pid_t ended = ::waitpid(one.pid, &status, late ? 0 : WNOHANG);
      if (ended == 0 || (ended < 0 && errno == EINTR)) continue;
      answers[i] = !late && ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
      timeouts_ += late ? 1 : 0;
      one.pid = -1;
      --open;
    }
    if (open > 0) ::usleep(pause);
  }
  for (const Running& one : running) ::unlink(one.path.c_str());
}

}  // namespace parallax::triage::reduce
