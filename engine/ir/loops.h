// The loops of a Func as a tree: heads, nesting, preheaders.
//
// A loop is the head of some back edge (an edge to a block that dominates its source) with all blocks that reach such an
// edge without passing the head. Loops of one head are one loop. What retreating edges of irreducible graphs enclose is
// no loop here. A snapshot like Cfg, on which it stands; near linear. Questions about enclosing loops climb the tree.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ir/cfg.h"
#include "engine/ir/func.h"

namespace parallax::ir {

using LoopId = Id<struct LoopIdTag>;

struct Loop {
  BlockId head;
  // The one way in: the only predecessor outside, which does nothing after its other instructions but jump to the head.
  // Invalid when there are several, or one that branches.
  BlockId preheader{};
  LoopId parent{};  // invalid: outermost
  uint32_t depth = 1;
  uint32_t blocks = 0;  // those of inner loops included
  bool has_inner = false;
};

class Loops {
 public:
  void compute(const Func& func, const Cfg& cfg);

  // Outer loops before those that they contain.
  std::span<const Loop> all() const { return loops_; }
  bool empty() const { return loops_.empty(); }
  const Loop& operator[](LoopId loop) const { return loops_[loop.index()]; }
  // The innermost loop that contains `b`; invalid when there is none.
  LoopId of(BlockId b) const { return of_[b.index()]; }
  uint32_t depth(BlockId b) const { return of(b).valid() ? loops_[of(b).index()].depth : 0; }
  bool contains(LoopId loop, BlockId b) const;
  // The loop of depth `depth` (from 1) around `b`. Requires depth <= depth(b).
  LoopId enclosing(BlockId b, uint32_t depth) const;
  // Depth of the innermost loop that contains both.
  uint32_t common_depth(BlockId a, BlockId b) const;

 private:
  void collect(LoopId loop, const Cfg& cfg);
  LoopId outermost(LoopId loop);

  std::vector<Loop> loops_;
  std::vector<LoopId> of_;
  std::vector<LoopId> outer_;  // some loop further out; itself when there is none yet
  std::vector<BlockId> work_;
};

// The block in which `v` is defined.
inline BlockId definition_block(const Func& func, ValueId v) {
  const Value& value = func.value(v);
  return value.block.valid() ? value.block : func.inst(value.inst).block;
}

}  // namespace parallax::ir
