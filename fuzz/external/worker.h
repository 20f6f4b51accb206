// One external engine as a process that answers one case after the other.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "fuzz/external/engines.h"

namespace parallax::fuzz {

// How a request ended.
struct Reply {
  enum class End : uint8_t { kAnswered, kDied, kTimedOut } end = End::kAnswered;
  std::string text;  // the answer; otherwise what the process wrote to its standard error
  int signal = 0;    // kDied: by this signal, or
  int exit_code = 0;
};

class ExternalWorker {
 public:
  explicit ExternalWorker(const ExternalEngine& engine) : engine_(engine) {}
  ~ExternalWorker();
  ExternalWorker(const ExternalWorker&) = delete;
  ExternalWorker& operator=(const ExternalWorker&) = delete;

  // Sends one line and waits for one line. Starts the process when there is none; a process that died or hung is started
  // anew by the next request, one that answered `kRecycleAfter` cases too. Errors: kUnsupported when the engine is not
  // there, kIo when it does not start.
  Result<Reply> ask(const std::string& line, double seconds);

 private:
  static constexpr uint32_t kRecycleAfter = 1000;

  Result<> start();
  void stop();
  bool send(const std::string& line);
  Reply receive(double seconds);
  Reply describe_death(Reply::End end);

  const ExternalEngine& engine_;
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1, errors_ = -1;
  uint32_t answered_ = 0;
};

}  // namespace parallax::fuzz
