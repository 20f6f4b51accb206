// Spill slots: the last step of both register allocators, which call the slot of a virtual register by its number.
//
// Slots are shared by values whose lifetimes, as ranges of instruction numbers, do not touch. Narrow slots come first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/jit/mir.h"
#include "engine/jit/regalloc/allocation.h"
#include "engine/jit/regalloc/liveness.h"
#include "engine/jit/regalloc/options.h"

namespace parallax::jit {

class SlotAssigner {
 public:
  // Gives every value with a mark in `spilled` a slot of its room, and renames Loc::slot(VReg) in all of `out`.
  void run(const MFunc& func, const Liveness& liveness, std::span<const uint8_t> spilled, Allocation& out,
           FaultSites& faults);

 private:
  void measure_lifetimes(const MFunc& func, const Liveness& liveness, std::span<const uint8_t> spilled);
  void assign(const MFunc& func, std::span<const uint8_t> spilled, Room room, Allocation& out, FaultSites& faults);
  void rename(Loc& loc) const {
    if (loc.is_slot()) loc = Loc::slot(slot_of_[loc.slot()]);
  }
  void rename_all(Allocation& out) const;

  std::vector<uint32_t> start_;  // by VReg
  std::vector<uint32_t> end_;
  std::vector<uint32_t> slot_of_;
  std::vector<VReg> order_;  // spilled values by start
  struct ActiveSlot {
    uint32_t end;
    uint32_t slot;
  };
  std::vector<ActiveSlot> active_;
};

}  // namespace parallax::jit
