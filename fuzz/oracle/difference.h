// The first difference between two observations, in words.
#pragma once

#include <optional>
#include <string>

#include "engine/wasm/types.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

struct Difference {
  std::string kind;  // short and free of numbers, for signatures: "trap: unreachable / null reference"
  std::string text;  // one sentence with place and both values
  size_t token = 0;
};

// Whether they are equal as far as both are conclusive: then there is no difference to find.
bool agree(const Observation& left, const Observation& right);

// Empty when equal as far as both are conclusive. `left` and `right` name the sides in the text.
std::optional<Difference> find_difference(const LoadedCase& subject, const Observation& left, const Observation& right,
                                          const std::string& left_name, const std::string& right_name);

// All tokens as lines of text, for logs and reports.
std::string print_observation(const LoadedCase& subject, const Observation& observation, size_t max_lines = 10'000);

}  // namespace parallax::fuzz
