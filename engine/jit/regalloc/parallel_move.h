// Turns moves that happen at once (those of a control-flow edge) into a sequence.
//
// A move is emitted when nobody still needs its destination's old value; what then remains are cycles, each broken through
// the class's scratch register. General and vector moves are sequenced one after the other, constants come last, so that
// the scratch registers never hold two things.
#pragma once

#include <vector>

#include "engine/jit/regalloc/allocation.h"

namespace parallax::jit {

class ParallelMove {
 public:
  // Locations are below `loc_count`.
  void reset(uint32_t loc_count);
  // Each destination at most once.
  void add(Loc dst, Loc src, VReg v, RegClass cls);
  void add_const(Loc dst, VReg v);
  // Appends the sequence to `out` and forgets the moves.
  void resolve(std::vector<Item>& out);

 private:
  void resolve_class(RegClass cls, std::vector<Item>& out);

  struct Move {
    Loc dst;
    Loc src;
    VReg v;
    RegClass cls;
    bool done;
  };
  std::vector<Move> moves_;
  std::vector<Item> consts_;
  std::vector<uint32_t> readers_;  // by location: pending moves that read it
  std::vector<uint32_t> writer_;   // by location: pending move that writes it, + 1
  std::vector<uint32_t> ready_;
};

}  // namespace parallax::jit
