// Speed of the front end on given modules: decoding and validation in megabytes per second.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.h"

namespace parallax::bench {

struct FrontEndSample {
  uint64_t module_bytes = 0;
  uint64_t code_bytes = 0;  // of function bodies
  uint32_t functions = 0;
  double decode_us = 0;  // medians over the rounds
  double validate_us = 0;
  double decode_mb_per_s() const { return static_cast<double>(module_bytes) / decode_us; }
  double validate_mb_per_s() const { return static_cast<double>(code_bytes) / validate_us; }
};

// In processor time. Each round is repeated until it took some milliseconds. Deprecated exception instructions are on.
// Error: the module's own.
Result<FrontEndSample> measure_front_end(const std::vector<uint8_t>& bytes, uint32_t rounds);

}  // namespace parallax::bench
