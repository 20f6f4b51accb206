// ChoiceStream: the only source of randomness.
//
// Decisions are read from a byte string (a fuzzer's input); when the bytes are used up they continue from a small
// deterministic generator seeded from them, so that the same bytes always make the same decisions. `fuel` limits how
// many decisions may differ from the first alternative: with fuel n, byte n+1 and all later ones are 0. Bisection
// lowers the fuel.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace parallax {

class ChoiceStream {
 public:
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

  // `bytes` must outlive the stream.
  explicit ChoiceStream(std::span<const uint8_t> bytes, uint64_t fuel = kUnlimited);
  // A stream that is all generator: for campaigns that count cases instead of reading inputs.
  explicit ChoiceStream(uint64_t seed, uint64_t fuel = kUnlimited);

  // A number in [0, n). Requires n > 0. Uses one byte for n <= 256, more for larger n.
  uint32_t below(uint32_t n);
  // A number in [low, high], both included.
  int64_t between(int64_t low, int64_t high);
  // True with probability numerator / denominator.
  bool chance(uint32_t numerator, uint32_t denominator);
  uint8_t byte();
  uint32_t u32();
  uint64_t u64();

  // One of `items`, which must not be empty.
  template <class T, size_t N>
  const T& pick(const T (&items)[N]) {
    return items[below(static_cast<uint32_t>(N))];
  }
  template <class Range>
  decltype(auto) pick(Range&& items) {
    return items[below(static_cast<uint32_t>(items.size()))];
  }

  // Whether decisions still come from the given bytes.
  bool has_bytes() const { return position_ < bytes_.size(); }
  uint64_t decisions() const { return decisions_; }

 private:
  uint64_t next_random();

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  uint64_t state_;
  uint64_t fuel_;
  uint64_t decisions_ = 0;
};

}  // namespace parallax
