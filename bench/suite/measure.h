// One measurement: one program, one executor, one round.
//
// What is measured is the same on all sides: start-up (bytes to an instance: decoding, validation, what the engine compiles
// before the first call), the first call at the tiny scale (which pays for lazy compilation), and the steady state: calls at
// the full scale for some time without looking at the clock's result, then calls for some time, whose mean counts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/suite/programs.h"
#include "engine/base/result.h"

namespace parallax::bench {

struct Sample {
  // Microseconds; what this side cannot tell is missing.
  std::optional<double> startup_us;
  std::optional<double> first_us;
  double steady_us = 0;
  uint64_t calls = 0;  // behind steady_us
};

struct Timing {
  double warm_seconds = 0.1;
  double seconds = 0.1;
};

// A program ready to run: its module, and the scale that is run.
struct Subject {
  const Program* program = nullptr;
  std::vector<uint8_t> bytes;
  std::string path;  // the module as a file, for peers; may be empty
  Scale scale;       // of the steady state
};

// A wrong checksum, as opposed to everything else that can go wrong.
inline constexpr std::string_view kWrongChecksum = "wrong checksum";
Error wrong_checksum(uint32_t got, const Scale& scale);

// On an executor of ours (fuzz/executors/executors.h), in this process, in a store of its own. A wrong checksum is
// kInvariant; a trap or anything else that ends a call is kInvariant too, what the executor cannot do kUnsupported.
Result<Sample> measure(std::string_view spec, const Subject& subject, const Timing& timing);

}  // namespace parallax::bench
