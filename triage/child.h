// Runs a program in a child process with a watch on time and memory, and says what its death means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/oracle/judge.h"

namespace parallax::triage {

struct ChildLimits {
  double seconds = 20;
  uint64_t rss_bytes = uint64_t{2} << 30;
};

struct ChildResult {
  int exit_code = -1;  // when it ended by itself
  int signal = 0;      // when a signal ended it
  bool timed_out = false;
  bool over_memory = false;
  std::string out;  // standard output and error, the last 256 KiB of each
  std::string err;
  double seconds = 0;
  bool ended_well() const { return signal == 0 && !timed_out && !over_memory; }
};

// kIo when no process could be made.
Result<ChildResult> run_child(const std::vector<std::string>& command, const ChildLimits& limits);

// The path of this program, to start it again.
std::string own_program();
// Resident memory of a process; 0 when it is gone.
uint64_t resident_bytes(int pid);
// Processor time that a process has used, in seconds; 0 when it is gone.
double cpu_seconds(int pid);

// What a process that died this way has to tell: class, signature, one sentence. Requires: it did not end well, or its
// output holds a report.
struct Death {
  fuzz::FindingClass kind = fuzz::FindingClass::kCrash;
  std::string signature;
  std::string difference;
};
Death explain_death(int signal, int exit_code, std::string_view output, std::string_view where);

}  // namespace parallax::triage
