// Orders and dominators of a Func's blocks.
#include "engine/ir/cfg.h"

#include <algorithm>
#include <utility>

namespace parallax::ir {

void Cfg::compute(const Func& func) {
  order_blocks(func);
  collect_preds(func);
  find_dominators();
  number_dominator_tree();
}

void Cfg::order_blocks(const Func& func) {
  rpo_.clear();
  rpo_number_.assign(func.block_count(), kUnreached);
  stack_.clear();
  stack_.push_back({Func::kEntry, 0});
  rpo_number_[Func::kEntry.index()] = 0;  // any number: seen
  while (!stack_.empty()) {
    Visit& top = stack_.back();
    const auto targets = func.targets(func.terminator(top.block));
    if (top.next == targets.size()) {
      rpo_.push_back(top.block);
      stack_.pop_back();
      continue;
    }
    // Last target first, so that the first one follows its branch in the reversed order.
    const BlockId to = targets[targets.size() - 1 - top.next++];
    if (rpo_number_[to.index()] != kUnreached) continue;
    rpo_number_[to.index()] = 0;
    stack_.push_back({to, 0});
  }
  std::reverse(rpo_.begin(), rpo_.end());
  for (uint32_t i = 0; i < rpo_.size(); ++i) rpo_number_[rpo_[i].index()] = i;
}

void Cfg::collect_preds(const Func& func) {
  pred_begin_.assign(func.block_count() + 1, 0);
  for (const BlockId b : rpo_) {
    for (const BlockId to : func.targets(func.terminator(b))) ++pred_begin_[to.index() + 1];
  }
  for (size_t i = 1; i < pred_begin_.size(); ++i) pred_begin_[i] += pred_begin_[i - 1];
  preds_.resize(pred_begin_.back());
  cursor_.assign(pred_begin_.begin(), pred_begin_.end() - 1);
  for (const BlockId b : rpo_) {
    for (const BlockId to : func.targets(func.terminator(b))) preds_[cursor_[to.index()]++] = b;
  }
}

// One pass over reverse postorder: a block's dominator is the nearest common ancestor, in the tree so far, of its
// predecessors that stand before it. Right for reducible graphs, which is all that WebAssembly makes; others (from text)
// are found by looking at the retreating edges, and iterated.
void Cfg::find_dominators() {
  const size_t count = rpo_number_.size();
  idom_.assign(count, BlockId());
  depth_.assign(count, 0);
  jump_.assign(count, Func::kEntry);
  idom_[Func::kEntry.index()] = Func::kEntry;
  for (size_t n = 1; n < rpo_.size(); ++n) {
    const BlockId b = rpo_[n];
    BlockId best;
    for (const BlockId pred : preds(b)) {
      if (rpo_number(pred) >= n) continue;
      best = best.valid() ? common_dominator(best, pred) : pred;
    }
    set_idom(b, best);
  }
  for (const BlockId b : rpo_) {
    for (const BlockId pred : preds(b)) {
      if (rpo_number(pred) >= rpo_number(b) && common_dominator(b, pred) != b) return iterate_dominators();
    }
  }
}

// Ancestors are climbed by steps of one, or by jumps whose lengths follow the skew-binary numbers, so that any ancestor is
// a logarithmic number of steps away.
void Cfg::set_idom(BlockId b, BlockId above) {
  const BlockId jump = jump_[above.index()];
  idom_[b.index()] = above;
  depth_[b.index()] = depth_[above.index()] + 1;
  const uint32_t step = depth_[above.index()] - depth_[jump.index()];
  const uint32_t next_step = depth_[jump.index()] - depth_[jump_[jump.index()].index()];
  jump_[b.index()] = step == next_step ? jump_[jump.index()] : above;
}

BlockId Cfg::common_dominator(BlockId a, BlockId b) const {
  if (depth_[a.index()] < depth_[b.index()]) std::swap(a, b);
  while (depth_[a.index()] > depth_[b.index()]) {
    const BlockId jump = jump_[a.index()];
    a = depth_[jump.index()] >= depth_[b.index()] ? jump : idom_[a.index()];
  }
  while (a != b) {
    const bool far = jump_[a.index()] != jump_[b.index()];
    a = far ? jump_[a.index()] : idom_[a.index()];
    b = far ? jump_[b.index()] : idom_[b.index()];
  }
  return a;
}

void Cfg::iterate_dominators() {
  std::ranges::fill(idom_, BlockId());
  idom_[Func::kEntry.index()] = Func::kEntry;
  const auto intersect = [&](BlockId a, BlockId b) {
    while (a != b) {
      while (rpo_number(a) > rpo_number(b)) a = idom_[a.index()];
      while (rpo_number(b) > rpo_number(a)) b = idom_[b.index()];
    }
    return a;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t n = 1; n < rpo_.size(); ++n) {
      const BlockId b = rpo_[n];
      BlockId best;
      for (const BlockId pred : preds(b)) {
        if (!idom_[pred.index()].valid()) continue;
        best = best.valid() ? intersect(best, pred) : pred;
      }
      if (idom_[b.index()] == best) continue;
      idom_[b.index()] = best;
      changed = true;
    }
  }
}

// Counts every block's subtree bottom up, then hands out intervals top down; both along reverse postorder, where a
// dominator always stands before what it dominates.
void Cfg::number_dominator_tree() {
  std::vector<uint32_t>& size = cursor_;
  size.assign(rpo_number_.size(), 0);
  for (size_t n = rpo_.size(); n-- > 0;) {
    const BlockId b = rpo_[n];
    ++size[b.index()];
    if (n > 0) size[idom_[b.index()].index()] += size[b.index()];
  }
  // Unreachable blocks dominate only each other, and are dominated by every block.
  dom_in_.assign(rpo_number_.size(), ~0u);
  dom_out_.assign(rpo_number_.size(), 0);
  for (size_t n = 0; n < rpo_.size(); ++n) {
    const BlockId b = rpo_[n];
    uint32_t in = 0;
    if (n > 0) {
      const BlockId above = idom_[b.index()];
      in = size[above.index()];  // next free number in the parent's interval
      size[above.index()] += dom_out_[b.index()] = size[b.index()];
    } else {
      dom_out_[b.index()] = size[b.index()];
    }
    dom_in_[b.index()] = in;
    dom_out_[b.index()] += in;  // one past the interval
    size[b.index()] = in + 1;
  }
}

bool Cfg::is_loop_head(BlockId b) const {
  return std::ranges::any_of(preds(b), [&](BlockId pred) { return dominates(b, pred); });
}

}  // namespace parallax::ir
