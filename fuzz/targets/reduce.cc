// The editable module and the reducer's operators on any valid module.
//
// A valid module comes back valid from its editable form. Whatever operators are applied, one after the other, the module is
// valid again or the candidate is refused; operators that only remove what nobody needs are never refused. And the reducer
// ends, with a test that says yes and no at random.
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/choices.h"
#include "triage/reduce/operators.h"
#include "triage/reduce/reduce.h"

using namespace parallax;                  // NOLINT: glue
using namespace parallax::triage::reduce;  // NOLINT: glue

namespace {

constexpr size_t kMaxModule = 20'000;
constexpr int kSteps = 24;

// What these make of a valid module must be valid.
bool is_always_valid(std::string_view name) {
  static constexpr std::string_view kNames[] = {"decoration", "unused",   "exports",
                                                "dead-code",  "settings", "executors"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Answers by the module's bytes alone: the same question gets the same answer.
class Coin : public Test {
 public:
  explicit Coin(uint64_t first) : first_(first) {}
  using Test::interesting;
  bool interesting(const fuzz::Case& subject) override {
    const auto& bytes = subject.modules.front();
    const uint64_t hash = XXH64(bytes.data(), bytes.size(), 1);
    return asked_++ == 0 || (hash ^ first_) % 3 == 0;
  }

 private:
  uint64_t first_;
  uint64_t asked_ = 0;
};

State step(const State& state, ChoiceStream& choices) {
  size_t count = 0;
  const Operator* rows = operator_table(count);
  const Operator& row = rows[choices.below(static_cast<uint32_t>(count))];
  std::vector<Site> sites;
  row.sites(state, sites);
  if (sites.empty()) return state;
  State copy = state;
  if (!row.apply(copy, choices.pick(sites))) return state;
  const bool tidied = choices.chance(1, 2);
  const State before = copy;
  if (tidied) tidy(copy);
  const auto encoded = encode_case(copy);
  auto again = encoded ? lift_again(copy, *encoded) : Result<State>(std::unexpected(encoded.error()));
  if (again) return std::move(*again);
  CHECK(!is_always_valid(row.name), "operator {} makes a module invalid: {}", row.name, again.error().to_string());
  if (tidied) {
    // Tidying is always valid, so it is the operator that is refused.
    const auto untidied = encode_case(before);
    CHECK(!untidied || !lift_again(before, *untidied), "tidying makes a module invalid after {}: {}", row.name,
          again.error().to_string());
  }
  return state;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kMaxModule) return 0;
  const auto subject = fuzz::read_envelope({data, size});
  if (!subject) return 0;
  auto state = lift_case(*subject, false);
  if (!state) return 0;
  const auto encoded = encode_case(*state);
  CHECK(encoded.has_value(), "an editable module that nobody edited does not encode: {}", encoded.error().to_string());
  const auto same = lift_again(*state, *encoded);
  CHECK(same.has_value(), "a module is invalid after nothing but its editable form: {}", same.error().to_string());

  const uint64_t hash = XXH64(data, size, 0);
  ChoiceStream choices(hash);
  State at = std::move(*state);
  for (int i = 0; i < kSteps; ++i) at = step(at, choices);

  if (size > 2'000) return 0;
  Coin coin(hash);
  const auto reduced = reduce(*encoded, coin, {.max_runs = 200});
  CHECK(reduced.has_value(), "the reducer gives up: {}", reduced.error().to_string());
  CHECK(reduced->after.bytes <= reduced->before.bytes || !reduced->certificate.holds || reduced->accepted > 0,
        "the reducer made {} bytes from {}", reduced->after.bytes, reduced->before.bytes);
  return 0;
}
