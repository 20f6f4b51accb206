#include "engine/jit/guard_sites.h"

#include <algorithm>

#include "engine/base/check.h"

namespace parallax::jit {

void GuardSites::add(const GuardSite& site) {
  CHECK(sites_.empty() || sites_.back().end <= site.begin, "fault site {:#x} out of order", site.begin);
  sites_.push_back(site);
}

const GuardSite* GuardSites::find(uint32_t pc) const {
  const auto behind =
      std::upper_bound(sites_.begin(), sites_.end(), pc, [](uint32_t p, const GuardSite& s) { return p < s.begin; });
  if (behind == sites_.begin()) return nullptr;
  const GuardSite& site = *std::prev(behind);
  return pc < site.end ? &site : nullptr;
}

}  // namespace parallax::jit
