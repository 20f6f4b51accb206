// The register allocator's answer: a location for every operand, and the moves between instructions.
//
// Items of a block come in execution order; those of an edge run after the branch decided for that edge. Emitter and
// checker read nothing else of the allocator.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/jit/mir.h"

namespace parallax::jit {

// A register or a spill slot. Slots below Allocation::narrow_slots are 8 bytes of the frame, the others 16, aligned.
struct Loc {
  static constexpr uint32_t kNoneRaw = ~0u;
  uint32_t raw = kNoneRaw;

  static constexpr Loc reg(PReg r) { return {r}; }
  static constexpr Loc slot(uint32_t index) { return {kRegCount + index}; }
  constexpr bool valid() const { return raw != kNoneRaw; }
  constexpr bool is_reg() const { return raw < kRegCount; }
  constexpr bool is_slot() const { return valid() && !is_reg(); }
  constexpr PReg reg() const { return static_cast<PReg>(raw); }
  constexpr uint32_t slot() const { return raw - kRegCount; }
  friend constexpr bool operator==(Loc, Loc) = default;
};
std::string to_string(Loc loc);

struct Item {
  enum class Kind : uint8_t {
    kNone,
    kInst,   // index = MInst
    kMove,   // dst <- src; index = the VReg it is about, whose class and room decide what is moved
    kConst,  // dst <- constant; index = its VReg
  };
  Kind kind = Kind::kNone;
  uint32_t index = 0;
  Loc dst;
  Loc src;
};

struct Allocation {
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  std::vector<Item> items;
  std::vector<Range> blocks;  // by MBlockId, into items
  std::vector<Item> edge_items;
  std::vector<Range> edges;     // by EdgeId, into edge_items
  std::vector<Loc> locs;        // by operand (MInst::operands_begin + n)
  std::vector<Loc> param_locs;  // by parameter (MBlock::params_begin + n)
  uint32_t slots = 0;           // spill slots used
  uint32_t narrow_slots = 0;    // of them, those of 8 bytes; they come first

  // Empty, with room for the blocks, edges, operands and parameters of `func`. Keeps memory.
  void reset(const MFunc& func);

  std::span<const Item> block_items(MBlockId b) const {
    return {items.data() + blocks[b.index()].begin, blocks[b.index()].end - blocks[b.index()].begin};
  }
  std::span<const Item> moves(EdgeId e) const {
    return {edge_items.data() + edges[e.index()].begin, edges[e.index()].end - edges[e.index()].begin};
  }
  Loc loc(const MInst& inst, uint32_t n) const { return locs[inst.operands_begin + n]; }
  Room room(Loc slot) const { return slot.slot() < narrow_slots ? Room::k8 : Room::k16; }
};

// Listing with locations, for messages.
std::string print(const MFunc& func, const Allocation& allocation);

}  // namespace parallax::jit
