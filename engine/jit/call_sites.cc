#include "engine/jit/call_sites.h"

#include <algorithm>

#include "engine/base/check.h"

namespace parallax::jit {

void CallSites::add(CallSite site, std::span<const uint32_t> live) {
  CHECK(sites_.empty() || sites_.back().pc < site.pc, "I2: call site {:#x} out of order", site.pc);
  site.map_begin = static_cast<uint32_t>(slots_.size());
  site.map_count = static_cast<uint32_t>(live.size());
  slots_.insert(slots_.end(), live.begin(), live.end());
  sites_.push_back(site);
}

const CallSite* CallSites::search(uint32_t pc) const {
  if (pc < stubs_end_) return stubs_->find(pc);
  const CallSite* const at = find_after(pc);
  if (at == nullptr || at->pc != pc) return nullptr;
  known_[slot_of(pc)] = {pc, static_cast<uint32_t>(at - sites_.data())};
  return at;
}

const CallSite* CallSites::find_after(uint32_t pc) const {
  const auto at =
      std::lower_bound(sites_.begin(), sites_.end(), pc, [](const CallSite& s, uint32_t p) { return s.pc < p; });
  return at != sites_.end() ? &*at : nullptr;
}

}  // namespace parallax::jit
