// The control-flow graph of a Func as arrays: predecessors, reverse postorder, dominators.
//
// A snapshot: computed from the terminators, stale after any edit of control flow. Reused between functions, e log b for
// e edges and b blocks. Blocks that cannot be reached from the entry are not in rpo() and have no dominator.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ir/func.h"

namespace parallax::ir {

class Cfg {
 public:
  void compute(const Func& func);

  std::span<const BlockId> rpo() const { return rpo_; }
  bool reachable(BlockId b) const { return nodes_[b.index()].rpo_number != kUnreached; }
  // Position in rpo().
  uint32_t rpo_number(BlockId b) const { return nodes_[b.index()].rpo_number; }
  // One entry per edge from a reachable block, in the order of rpo(): a block that branches twice here stands twice.
  std::span<const BlockId> preds(BlockId b) const {
    const Node& node = nodes_[b.index()];
    return std::span(preds_).subspan(node.preds_begin, node.preds_count);
  }
  // Immediate dominator; the entry's is itself.
  BlockId idom(BlockId b) const { return nodes_[b.index()].idom; }
  // Whether every path to `b` goes through `a` (true for a == b). Constant time.
  bool dominates(BlockId a, BlockId b) const {
    const Node& above = nodes_[a.index()];
    const Node& below = nodes_[b.index()];
    return above.dom_in <= below.dom_in && below.dom_out <= above.dom_out;
  }
  // Whether some edge leads to a block that does not stand behind its source in rpo(): without one there are no loops.
  bool has_cycles() const { return has_cycles_; }
  // Whether some predecessor of `b` is dominated by it: a loop head.
  bool is_loop_head(BlockId b) const;

 private:
  static constexpr uint32_t kUnreached = ~0u;
  void order_blocks(const Func& func);
  void collect_preds(const Func& func);
  void find_dominators();
  void iterate_dominators();
  void set_idom(BlockId b, BlockId above);
  BlockId common_dominator(BlockId a, BlockId b) const;
  void number_dominator_tree();

  struct Node {
    uint32_t rpo_number = kUnreached;
    uint32_t preds_begin = 0;  // in preds_
    uint32_t preds_count = 0;
    BlockId idom{};
    uint32_t depth = 0;  // in the dominator tree
    BlockId jump{};      // some ancestor further up
    // Interval numbering of the dominator tree. Unreachable blocks dominate only each other, and are dominated by every block.
    uint32_t dom_in = ~0u;
    uint32_t dom_out = 0;
    uint32_t scratch = 0;
  };
  Node& node(BlockId b) { return nodes_[b.index()]; }
  const Node& node(BlockId b) const { return nodes_[b.index()]; }

  std::vector<Node> nodes_;  // by BlockId
  std::vector<BlockId> rpo_;
  std::vector<BlockId> preds_;
  struct Visit {
    BlockId block;
    uint32_t next;
  };
  std::vector<Visit> stack_;
  bool has_cycles_ = false;
};

}  // namespace parallax::ir
