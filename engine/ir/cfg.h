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
  bool reachable(BlockId b) const { return rpo_number_[b.index()] != kUnreached; }
  // Position in rpo().
  uint32_t rpo_number(BlockId b) const { return rpo_number_[b.index()]; }
  // One entry per edge from a reachable block, in the order of rpo(): a block that branches twice here stands twice.
  std::span<const BlockId> preds(BlockId b) const {
    return std::span(preds_).subspan(pred_begin_[b.index()], pred_begin_[b.index() + 1] - pred_begin_[b.index()]);
  }
  // Immediate dominator; the entry's is itself.
  BlockId idom(BlockId b) const { return idom_[b.index()]; }
  // Whether every path to `b` goes through `a` (true for a == b). Constant time.
  bool dominates(BlockId a, BlockId b) const {
    return dom_in_[a.index()] <= dom_in_[b.index()] && dom_out_[b.index()] <= dom_out_[a.index()];
  }
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

  std::vector<BlockId> rpo_;
  std::vector<uint32_t> rpo_number_;
  std::vector<uint32_t> pred_begin_;
  std::vector<BlockId> preds_;
  std::vector<BlockId> idom_;
  std::vector<uint32_t> depth_;   // in the dominator tree
  std::vector<BlockId> jump_;     // some ancestor further up
  std::vector<uint32_t> dom_in_;  // interval numbering of the dominator tree
  std::vector<uint32_t> dom_out_;
  struct Visit {
    BlockId block;
    uint32_t next;
  };
  std::vector<Visit> stack_;
  std::vector<uint32_t> cursor_;
};

}  // namespace parallax::ir
