// Which features a campaign has seen: one byte each, in memory that worker processes share.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "fuzz/feedback/feedback.h"

namespace parallax::fuzz {

// Lives in zeroed shared memory. Writers race harmlessly: a feature may be called new twice.
struct FeatureMap {
  std::atomic<uint8_t> seen[kFeatureCount];

  // Marks features as seen. Answers how many were new.
  uint32_t add(std::span<const uint32_t> features) {
    uint32_t fresh = 0;
    for (const uint32_t feature : features) {
      if (seen[feature].load(std::memory_order_relaxed) != 0) continue;
      fresh += seen[feature].exchange(1, std::memory_order_relaxed) == 0;
    }
    return fresh;
  }
  uint32_t count(Domain domain) const {
    const DomainInfo& row = kDomains[static_cast<size_t>(domain)];
    uint32_t found = 0;
    for (uint32_t i = 0; i < row.slots; ++i) found += seen[row.first + i].load(std::memory_order_relaxed) != 0;
    return found;
  }
};

}  // namespace parallax::fuzz
