#include "engine/base/choices.h"

#include <xxhash.h>

#include "engine/base/check.h"

namespace parallax {

ChoiceStream::ChoiceStream(std::span<const uint8_t> bytes, uint64_t fuel)
    : bytes_(bytes), state_(XXH64(bytes.data(), bytes.size(), 0x9e3779b97f4a7c15ull)), fuel_(fuel) {}

ChoiceStream::ChoiceStream(uint64_t seed, uint64_t fuel) : state_(seed), fuel_(fuel) {}

uint32_t ChoiceStream::u32() {
  uint32_t value = 0;
  for (int shift = 0; shift < 32; shift += 8) value |= static_cast<uint32_t>(byte()) << shift;
  return value;
}

uint64_t ChoiceStream::u64() {
  const uint64_t low = u32();
  return low | static_cast<uint64_t>(u32()) << 32;
}

uint32_t ChoiceStream::below_many(uint32_t n) {
  CHECK(n > 0, "below(0) asks for a choice among nothing");
  if (n <= 65536) {
    const uint32_t low = byte();
    return (low | static_cast<uint32_t>(byte()) << 8) % n;
  }
  return u32() % n;
}

int64_t ChoiceStream::between(int64_t low, int64_t high) {
  CHECK(low <= high, "between({}, {}) is an empty range", low, high);
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  if (range == 0) return static_cast<int64_t>(u64());
  const uint64_t raw = range <= UINT32_MAX ? below(static_cast<uint32_t>(range)) : u64() % range;
  return static_cast<int64_t>(static_cast<uint64_t>(low) + raw);
}

}  // namespace parallax
