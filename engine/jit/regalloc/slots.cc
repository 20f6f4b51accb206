#include "engine/jit/regalloc/slots.h"

#include <algorithm>

namespace parallax::jit {

void SlotAssigner::measure_lifetimes(const MFunc& func, const Liveness& liveness, std::span<const uint8_t> spilled) {
  start_.assign(func.vreg_count(), ~0u);
  end_.assign(func.vreg_count(), 0);
  const auto touch = [&](VReg v, uint32_t position) {
    if (spilled[v.index()] == 0) return;
    start_[v.index()] = std::min(start_[v.index()], position);
    end_[v.index()] = std::max(end_[v.index()], position);
  };
  const auto blocks = func.blocks();
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    const MBlock& block = blocks[b];
    for (const VReg p : func.params(block)) touch(p, block.first);
    liveness.for_each_live_in(MBlockId(b), [&](VReg v) { touch(v, block.first); });
    liveness.for_each_live_out(MBlockId(b), [&](VReg v) { touch(v, block.end); });
    for (uint32_t i = block.first; i < block.end; ++i) {
      for (const Operand& op : func.operands(func.inst(i))) touch(op.vreg, i);
    }
    for (const MEdge& e : func.edges(block)) {
      for (const VReg a : func.args(e)) touch(a, block.end);
      // Written by this edge's moves.
      for (const VReg p : func.params(func.block(e.to))) touch(p, block.end);
    }
  }
}

// Of the spilled values of one room: in the order in which lives begin, each takes a slot whose last user is dead.
void SlotAssigner::assign(const MFunc& func, std::span<const uint8_t> spilled, Room room, Allocation& out,
                          FaultSites& faults) {
  order_.clear();
  for (uint32_t v = 0; v < func.vreg_count(); ++v) {
    if (spilled[v] != 0 && slot_of_[v] == ~0u && func.vreg(VReg(v)).room == room) order_.push_back(VReg(v));
  }
  // Narrow slots come first, and a wide value among them has only half of what it needs.
  if (room == Room::k8) {
    for (uint32_t v = 0; v < func.vreg_count(); ++v) {
      const bool wide = spilled[v] != 0 && func.vreg(VReg(v)).room == Room::k16;
      if (wide && faults.fires(AllocatorFault::kNarrowSlot)) order_.push_back(VReg(v));
    }
  }
  std::sort(order_.begin(), order_.end(), [&](VReg a, VReg b) {
    return start_[a.index()] != start_[b.index()] ? start_[a.index()] < start_[b.index()] : a < b;
  });
  active_.clear();  // a heap, first to end on top
  const auto later = [](const ActiveSlot& a, const ActiveSlot& b) { return a.end > b.end; };
  for (const VReg v : order_) {
    uint32_t slot = out.slots;
    const bool wrong =
        !active_.empty() && active_.front().end >= start_[v.index()] && faults.fires(AllocatorFault::kShareSlots);
    if (!active_.empty() && (active_.front().end < start_[v.index()] || wrong)) {
      std::pop_heap(active_.begin(), active_.end(), later);
      slot = active_.back().slot;
      active_.pop_back();
    } else {
      ++out.slots;
    }
    slot_of_[v.index()] = slot;
    active_.push_back({end_[v.index()], slot});
    std::push_heap(active_.begin(), active_.end(), later);
  }
}

void SlotAssigner::rename_all(Allocation& out) const {
  for (Item& item : out.items) {
    if (item.kind == Item::Kind::kInst || item.kind == Item::Kind::kNone) continue;
    rename(item.dst);
    rename(item.src);
  }
  for (Item& item : out.edge_items) {
    rename(item.dst);
    rename(item.src);
  }
  for (Loc& loc : out.locs) rename(loc);
  for (Loc& loc : out.param_locs) rename(loc);
}

void SlotAssigner::run(const MFunc& func, const Liveness& liveness, std::span<const uint8_t> spilled, Allocation& out,
                       FaultSites& faults) {
  if (std::find(spilled.begin(), spilled.end(), uint8_t{1}) == spilled.end()) return;
  slot_of_.assign(func.vreg_count(), ~0u);
  measure_lifetimes(func, liveness, spilled);
  assign(func, spilled, Room::k8, out, faults);
  out.narrow_slots = out.slots;
  assign(func, spilled, Room::k16, out, faults);
  rename_all(out);
}

}  // namespace parallax::jit
