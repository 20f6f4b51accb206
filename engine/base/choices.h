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

  // A number in [0, n). Requires n > 0. Uses one byte for n <= 256, more for larger n. Here, so that the division by a
  // constant becomes a multiplication: generators ask a thousand times for each kilobyte of module.
  uint32_t below(uint32_t n) {
    if (n - 2 <= 254) [[likely]]
      return byte() % n;
    return n == 1 ? 0 : below_many(n);
  }
  // A number in [low, high], both included.
  int64_t between(int64_t low, int64_t high);
  // True with probability numerator / denominator.
  bool chance(uint32_t numerator, uint32_t denominator) { return below(denominator) < numerator; }
  uint8_t byte() {
    if (decisions_++ >= fuel_) return 0;
    if (position_ < bytes_.size()) return bytes_[position_++];
    return static_cast<uint8_t>(next_random());
  }
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
  // For n above 256, and the refusal of 0.
  uint32_t below_many(uint32_t n);
  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t next_random() {
    state_ += 0x9e3779b97f4a7c15ull;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  uint64_t state_;
  uint64_t fuel_;
  uint64_t decisions_ = 0;
};

}  // namespace parallax
