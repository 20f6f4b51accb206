#include "fuzz/feedback/share.h"

#include <algorithm>

namespace parallax::fuzz {

void MutationShare::note(Side side, uint32_t features) {
  Tally& row = side == Side::kFresh ? fresh_ : mutated_;
  ++row.cases;
  row.features += features;
  if (++cases_ % kHalfLife != 0) return;
  for (Tally* tally : {&fresh_, &mutated_}) tally->cases /= 2, tally->features /= 2;
}

uint32_t MutationShare::percent(uint32_t percent) const {
  if (percent == 0 || percent >= 100) return percent;
  const double asked = percent, all = fresh_.cases + mutated_.cases;
  const double mean = all > 0 ? (fresh_.features + mutated_.features) / all : 0;
  if (mean <= 0) return percent;
  const double by_mutation = asked * mutated_.rate(mean), by_fresh = (100 - asked) * fresh_.rate(mean);
  const double share = 100 * by_mutation / (by_mutation + by_fresh);
  return static_cast<uint32_t>(std::clamp(share, asked / 4, 100 - (100 - asked) / 4));
}

}  // namespace parallax::fuzz
