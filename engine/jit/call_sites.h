// CallSites: what every return address in compiled code means.                       [carries I2's stack maps]
//
// A record says which home slots of the frame are live references there, and where an exception continues. Code is only
// appended, so the records are in address order and a lookup is a binary search; a small table of the latest answers,
// indexed by a hash of the address, makes it a comparison for frames that are walked again. Records of stubs, which outlive
// a store, are in a list of their own (stub_cache.h).
//
// Frame of compiled code, from rbp downwards:
//   +8 return address, 0 caller's rbp, -8 depth left for callees (after this call was counted),
//   -16 - 8 * i home slot i (a gc::Ref in the low 4 bytes), then spill slots
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/wasm/instr.h"

namespace parallax::jit {

inline constexpr int32_t kFrameDepth = -8;
inline constexpr int32_t kFrameHomes = -16;
constexpr int32_t home_offset(uint32_t slot) { return kFrameHomes - 8 * static_cast<int32_t>(slot); }

struct CallSite {
  static constexpr uint32_t kNone = ~0u;
  uint32_t pc = 0;           // return address, as an offset in the code space
  uint32_t landing = kNone;  // code offset of the landing pad
  uint32_t map_begin = 0;    // live home slots
  uint32_t map_count = 0;
  uint32_t homes = 0;     // home slots of the frame
  uint32_t func = kNone;  // FuncIndex, for messages
  wasm::WasmOffset offset = kNone;
};

class CallSites {
 public:
  void reset() {
    sites_.clear();
    slots_.clear();
    known_.fill({});
  }
  // Stubs stand below `end` and have their own list, which outlives this one's use; empty here.
  void set_stubs(const CallSites* stubs, uint32_t end) {
    stubs_ = stubs;
    stubs_end_ = end;
  }
  // Requires: addresses ascend.
  void add(CallSite site, std::span<const uint32_t> live);
  // Null when the address is not a known return address. Not for several threads at once.
  const CallSite* find(uint32_t pc) const {
    const Known& known = known_[slot_of(pc)];
    return known.pc == pc ? &sites_[known.index] : search(pc);
  }
  // The first one at or behind `pc`, or null. Not for stubs.
  const CallSite* find_after(uint32_t pc) const;
  std::span<const uint32_t> live(const CallSite& site) const {
    return {slots_.data() + site.map_begin, site.map_count};
  }
  size_t size() const { return sites_.size(); }
  std::span<const CallSite> all() const { return sites_; }

 private:
  struct Known {
    uint32_t pc = CallSite::kNone;
    uint32_t index = 0;
  };
  static constexpr uint32_t kKnownBits = 8;
  static constexpr uint32_t slot_of(uint32_t pc) { return pc * 0x9e3779b1u >> (32 - kKnownBits); }
  const CallSite* search(uint32_t pc) const;

  mutable std::array<Known, size_t{1} << kKnownBits> known_{};
  std::vector<CallSite> sites_;
  std::vector<uint32_t> slots_;
  const CallSites* stubs_ = nullptr;
  uint32_t stubs_end_ = 0;
};

}  // namespace parallax::jit
