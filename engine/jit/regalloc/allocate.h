// Register allocation: one forward pass over the blocks, a greedy choice at every instruction.
//
// Every block starts with the register contents that its first processed predecessor left (a loop head: minus what a call
// in the loop would drop anyway); later edges into it move values to where it expects them. Within a block, next-use
// distances from a backward scan decide which value loses its register. A value that loses it is stored to its spill slot
// once, right behind its definition, so that dropping a register costs nothing later and the slot is valid wherever the
// value is live. Constants are never stored but made again.
//
// Calls clobber everything; a landing block finds its values in their slots. Slots are shared by values whose lifetimes, as
// ranges of instruction numbers, do not touch. References need no care here: none is live across a safepoint (I2).
// Judge: check.h.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.h"
#include "engine/jit/mir.h"
#include "engine/jit/regalloc/allocation.h"
#include "engine/jit/regalloc/liveness.h"
#include "engine/jit/regalloc/options.h"
#include "engine/jit/regalloc/parallel_move.h"
#include "engine/jit/regalloc/slots.h"

namespace parallax::jit {

class RegisterAllocator {
 public:
  // Fills `out`. May exchange operands of commuting instructions of `func`. Error kLimit for functions that are too
  // large, kInvariant when an instruction's constraints cannot be met.
  Result<> run(MFunc& func, Allocation& out, const AllocatorOptions& options = {});
  // Whether the last run reached the fault's site.
  bool fault_planted() const { return faults_.planted(); }

 private:
  static constexpr uint32_t kDead = ~0u;     // no further use
  static constexpr uint32_t kFar = ~0u - 1;  // next use in another block

  void prepare(MFunc& func, Allocation& out);
  void index_edges();
  void scan_backwards(const MBlock& block, MBlockId id);
  void enter_block(MBlockId id);
  Result<> instruction(uint32_t index);
  bool place_fixed_uses(const MInst& inst);
  bool place_other_uses(const MInst& inst);
  bool place_temps(const MInst& inst);
  void take_first_use(const MInst& inst);
  void apply_clobbers(const MInst& inst, RegSet clobbered);
  bool place_defs(const MInst& inst);
  void save_for_landing(MBlockId landing);
  void maybe_commute(const MInst& inst);

  void edge(uint32_t e);
  void fix_entry(MBlockId to, const MEdge& via);
  bool loop_calls(uint32_t head) const;
  void hint_back_edges(MBlockId head);

  // Makes `reg` free: moves its value to a free register of `move_to`, or drops it to its slot.
  void vacate(PReg reg, RegSet move_to);
  PReg pick(RegClass cls, RegSet allowed, PReg hint);
  void load(PReg reg, VReg v);
  void bind(PReg reg, VReg v);
  void unbind(PReg reg);
  void unbind_all(VReg v);
  void spill(VReg v) { spilled_[v.index()] = 1; }
  bool is_const(VReg v) const { return func_->vreg(v).is_const; }
  RegClass cls(VReg v) const { return func_->vreg(v).cls; }
  Loc home(VReg v) const { return Loc::slot(v.raw); }  // virtual until assign_slots
  void push(Item::Kind kind, uint32_t index, Loc dst = {}, Loc src = {}) {
    out_->items.push_back({kind, index, dst, src});
  }
  void push_spill(VReg v, PReg reg);
  RegSet chosen(RegSet candidates);
  bool plant(AllocatorFault fault) { return faults_.fires(fault); }
  void drop_stores();

  MFunc* func_ = nullptr;
  Allocation* out_ = nullptr;
  AllocatorOptions options_;
  uint64_t random_ = 0;
  FaultSites faults_;
  Liveness liveness_;
  ParallelMove moves_;
  SlotAssigner slots_;

  // Registers now.
  VReg content_[kRegCount];
  RegSet occupied_ = 0;
  RegSet locked_ = 0;     // in use by the instruction at hand
  RegSet fixed_ = 0;      // wanted by fixed uses of the instruction at hand
  RegSet forbidden_ = 0;  // clobbered by the instruction at hand
  uint32_t position_ = 0;
  uint32_t next_call_ = 0;  // position of the next call in the block, or the block's end

  // By VReg.
  std::vector<RegSet> regs_;
  std::vector<uint32_t> next_;
  std::vector<uint8_t> spilled_;
  std::vector<PReg> hint_;
  // By operand.
  std::vector<uint32_t> op_next_;

  // Entry states.
  struct Resident {
    VReg v;
    PReg reg;
  };
  struct EntryState {
    bool fixed = false;
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  std::vector<EntryState> entry_;
  std::vector<Resident> residents_;
  std::vector<uint8_t> done_;  // by block
  // In-edges, as a flat list by block.
  std::vector<uint32_t> in_begin_;
  std::vector<uint32_t> in_edges_;
  std::vector<uint32_t> calls_before_;  // by block: blocks with calls below it
  std::vector<uint32_t> calls_;         // of the block at hand, last first
};

}  // namespace parallax::jit
