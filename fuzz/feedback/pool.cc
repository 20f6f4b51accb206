#include "fuzz/feedback/pool.h"

#include <utility>

namespace parallax::fuzz {

void Pool::ran(std::span<const uint32_t> features) {
  for (const uint32_t feature : features) hits_[feature] += hits_[feature] != UINT32_MAX;
}

void Pool::remove(uint32_t entry) {
  const uint32_t place = entries_[entry].place, last = live_.back();
  live_[place] = last;
  entries_[last].place = place;
  live_.pop_back();
  entries_[entry] = {};
  free_.push_back(entry);
}

void Pool::add(Case subject, size_t bytes, std::span<const uint32_t> features, ChoiceStream& choices) {
  if (live_.size() >= kMost) {
    const uint32_t victim = choices.pick(live_);
    for (uint32_t& by : stands_for_) by = by == victim + 1 ? 0 : by;
    remove(victim);
  }
  uint32_t entry = static_cast<uint32_t>(entries_.size());
  if (free_.empty()) {
    entries_.emplace_back();
  } else {
    entry = free_.back();
    free_.pop_back();
  }
  entries_[entry] = {.subject = std::move(subject),
                     .bytes = bytes,
                     .place = static_cast<uint32_t>(live_.size()),
                     .counted = !features.empty()};
  live_.push_back(entry);
  for (const uint32_t feature : features) {
    uint32_t& by = stands_for_[feature];
    if (by == entry + 1) continue;
    if (by != 0) {
      Entry& before = entries_[by - 1];
      if (before.bytes <= bytes) continue;
      if (--before.features == 0 && before.counted) remove(by - 1);
    }
    if (std::exchange(listed_[feature], 1) == 0) reached_[static_cast<size_t>(domain_of(feature))].push_back(feature);
    by = entry + 1;
    ++entries_[entry].features;
  }
}

const Case& Pool::pick(ChoiceStream& choices) const {
  if (policy_ == Pick::kEven || choices.chance(1, 2)) return any(choices);
  const auto& features = reached_[choices.below(static_cast<uint32_t>(kDomainCount))];
  if (features.empty()) return any(choices);
  uint32_t best = 0;
  for (uint32_t i = 0; i < kDrawn; ++i) {
    const uint32_t feature = choices.pick(features);
    if (stands_for_[feature] == 0) continue;
    if (best == 0 || hits_[feature] < hits_[best - 1]) best = feature + 1;
  }
  return best == 0 ? any(choices) : entries_[stands_for_[best - 1] - 1].subject;
}

}  // namespace parallax::fuzz
