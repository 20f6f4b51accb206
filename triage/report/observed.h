// What one executor was seen to do, as it arrives from the process that ran it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/oracle/observation.h"

namespace parallax::triage {

struct Observed {
  std::string executor;
  std::vector<fuzz::Token> tokens;
  std::vector<std::string> lines;  // one per token, in words (fuzz::print_observation)
  std::string inconclusive;        // why it ended early; empty: it did not
  std::string fault;               // what the executor said is wrong with itself; empty: nothing
  std::string died;                // how its process ended; empty: well
  bool complete() const { return inconclusive.empty() && died.empty(); }
};

std::string to_json(const Observed& seen);
// kSyntax when the text is not one; hostile numbers give tokens that mean nothing, never more than the text is long.
Result<Observed> observed_from_json(std::string_view text);

// The number of tokens that both have in common at their start.
size_t common_prefix(const Observed& left, const Observed& right);
// "divergence" between them: both say what they did, and it is not the same.
bool differ(const Observed& left, const Observed& right);

// The heading under which the token at `at` stands: the step, global, table or object before it; "" at the start.
std::string place_of(const Observed& seen, size_t at);

}  // namespace parallax::triage
