// Judge of register allocation: executes the allocated function symbolically.   [judges I2, second half]
//
// Every location (register or slot) holds the name of one virtual register, or nothing known; block entry states are the
// agreement of all predecessors. Shares only the output format with the allocator. Properties:
//   1. every use reads a location that holds its virtual register on every path; parameters of a block receive their
//      arguments on every edge
//   2. constraints: register class, room of slots (a value of 16 bytes is never in 8), fixed registers, same-register
//      definitions, reserved registers never assigned
//   3. definitions, temporaries and clobbers do not overwrite uses that the instruction still reads, nor each other
//   4. calls leave nothing in registers; landing blocks rely on slots only
//   5. a definition invalidates older copies of the same virtual register (loops)
//   6. every instruction is present exactly once, in order; slots are within the frame
// Not checked: that a commuting instruction's operands were exchanged only where that is allowed (the flag is trusted).
#pragma once

#include <vector>

#include "engine/base/result.h"
#include "engine/jit/mir.h"
#include "engine/jit/regalloc/allocation.h"

namespace parallax::jit {

class AllocationChecker {
 public:
  // Error kInvariant ("I2: regalloc ...") with the first violation; kLimit when the function is too large to be judged.
  Result<> check(const MFunc& func, const Allocation& allocation);

 private:
  using State = std::vector<uint32_t>;  // by Loc::raw: VReg::raw, or kUnknown
  static constexpr uint32_t kUnknown = ~0u;

  Result<> check_shape();
  Result<> check_item(const Item& item);
  Result<> check_loc(Loc loc, const MInst* inst);
  Result<> check_room(Loc loc, VReg v);
  void flow_block(uint32_t b);
  Result<> judge_block(uint32_t b);
  void apply_item(const Item& item, State& state);
  void apply_inst(const MInst& inst, State& state);
  void enter_edge(const MEdge& e, State& state);
  Result<> judge_inst(const MInst& inst, const State& state);
  Result<> judge_edge(const MEdge& e, const State& state);
  void merge(MBlockId to, const State& from, bool registers);
  void define(State& state, VReg v, Loc loc);
  std::unexpected<Error> bad(std::string what) const;

  const MFunc* func_ = nullptr;
  const Allocation* allocation_ = nullptr;
  uint32_t locs_ = 0;
  std::vector<State> in_;
  std::vector<uint8_t> reached_;
  std::vector<uint8_t> dirty_;
  State state_;
  State scratch_;
};

}  // namespace parallax::jit
