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
  nodes_.assign(func.block_count(), {});
  stack_.clear();
  stack_.push_back({Func::kEntry, 0});
  node(Func::kEntry).rpo_number = 0;  // any number: seen
  size_t edges = 0;
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
    ++edges;
    ++node(to).preds_count;
    if (node(to).rpo_number != kUnreached) continue;
    node(to).rpo_number = 0;
    stack_.push_back({to, 0});
  }
  std::reverse(rpo_.begin(), rpo_.end());
  for (uint32_t i = 0; i < rpo_.size(); ++i) node(rpo_[i]).rpo_number = i;
  preds_.resize(edges);
}

void Cfg::collect_preds(const Func& func) {
  uint32_t begin = 0;
  for (const BlockId b : rpo_) {
    node(b).preds_begin = begin;
    begin += std::exchange(node(b).preds_count, 0);
  }
  for (const BlockId b : rpo_) {
    for (const BlockId to : func.targets(func.terminator(b))) {
      Node& target = node(to);
      preds_[target.preds_begin + target.preds_count++] = b;
    }
  }
}

// One pass over reverse postorder: a block's dominator is the nearest common ancestor, in the tree so far, of its
// predecessors that stand before it. Right for reducible graphs, which is all that WebAssembly makes; others (from text)
// are found by looking at the retreating edges, and iterated.
void Cfg::find_dominators() {
  node(Func::kEntry).idom = node(Func::kEntry).jump = Func::kEntry;
  has_cycles_ = !preds(Func::kEntry).empty();
  for (uint32_t n = 1; n < rpo_.size(); ++n) {
    const BlockId b = rpo_[n];
    BlockId best;
    for (const BlockId pred : preds(b)) {
      if (rpo_number(pred) >= n) {
        has_cycles_ = true;
        continue;
      }
      best = best.valid() ? common_dominator(best, pred) : pred;
    }
    set_idom(b, best);
  }
  if (!has_cycles_) return;
  for (const BlockId b : rpo_) {
    for (const BlockId pred : preds(b)) {
      if (rpo_number(pred) >= rpo_number(b) && common_dominator(b, pred) != b) return iterate_dominators();
    }
  }
}

// Ancestors are climbed by steps of one, or by jumps whose lengths follow the skew-binary numbers, so that any ancestor is
// a logarithmic number of steps away.
void Cfg::set_idom(BlockId b, BlockId above) {
  const Node& parent = node(above);
  const Node& jump = node(parent.jump);
  Node& made = node(b);
  made.idom = above;
  made.depth = parent.depth + 1;
  const uint32_t step = parent.depth - jump.depth;
  const uint32_t next_step = jump.depth - node(jump.jump).depth;
  made.jump = step == next_step ? jump.jump : above;
}

BlockId Cfg::common_dominator(BlockId a, BlockId b) const {
  if (node(a).depth < node(b).depth) std::swap(a, b);
  while (node(a).depth > node(b).depth) {
    const BlockId jump = node(a).jump;
    a = node(jump).depth >= node(b).depth ? jump : node(a).idom;
  }
  while (a != b) {
    const bool far = node(a).jump != node(b).jump;
    a = far ? node(a).jump : node(a).idom;
    b = far ? node(b).jump : node(b).idom;
  }
  return a;
}

void Cfg::iterate_dominators() {
  for (Node& n : nodes_) n.idom = {};
  node(Func::kEntry).idom = Func::kEntry;
  const auto intersect = [&](BlockId a, BlockId b) {
    while (a != b) {
      while (rpo_number(a) > rpo_number(b)) a = node(a).idom;
      while (rpo_number(b) > rpo_number(a)) b = node(b).idom;
    }
    return a;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t n = 1; n < rpo_.size(); ++n) {
      const BlockId b = rpo_[n];
      BlockId best;
      for (const BlockId pred : preds(b)) {
        if (!node(pred).idom.valid()) continue;
        best = best.valid() ? intersect(best, pred) : pred;
      }
      if (node(b).idom == best) continue;
      node(b).idom = best;
      changed = true;
    }
  }
}

// Counts every block's subtree bottom up, then hands out intervals top down; both along reverse postorder, where a
// dominator always stands before what it dominates. Scratch: first the size, then the next free number in the interval.
void Cfg::number_dominator_tree() {
  for (size_t n = rpo_.size(); n-- > 0;) {
    const uint32_t size = ++node(rpo_[n]).scratch;
    if (n > 0) node(node(rpo_[n]).idom).scratch += size;
  }
  for (size_t n = 0; n < rpo_.size(); ++n) {
    Node& at = node(rpo_[n]);
    at.dom_in = n == 0 ? 0 : std::exchange(node(at.idom).scratch, node(at.idom).scratch + at.scratch);
    at.dom_out = at.dom_in + at.scratch;  // one past the interval
    at.scratch = at.dom_in + 1;
  }
}

bool Cfg::is_loop_head(BlockId b) const {
  return std::ranges::any_of(preds(b), [&](BlockId pred) { return dominates(b, pred); });
}

}  // namespace parallax::ir
