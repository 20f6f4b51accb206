// The loop tree: inner loops first, each found by walking backwards from its back edges; a block that an inner loop has
// already is left by way of that loop's head.
#include "engine/ir/loops.h"

#include <algorithm>

namespace parallax::ir {

void Loops::compute(const Func& func, const Cfg& cfg) {
  loops_.clear();
  of_.assign(func.block_count(), {});
  if (!cfg.has_cycles()) return;
  for (const BlockId b : cfg.rpo()) {
    if (cfg.is_loop_head(b)) loops_.push_back({.head = b});
  }
  outer_.resize(loops_.size());
  for (size_t n = 0; n < loops_.size(); ++n) outer_[n] = LoopId(n);
  for (size_t n = loops_.size(); n-- > 0;) collect(LoopId(n), cfg);

  for (Loop& loop : loops_) {
    if (loop.parent.valid()) {
      loop.depth = loops_[loop.parent.index()].depth + 1;
      loops_[loop.parent.index()].has_inner = true;
    }
    size_t ways_in = 0;
    for (const BlockId pred : cfg.preds(loop.head)) {
      if (cfg.dominates(loop.head, pred)) continue;
      loop.preheader = pred;
      ++ways_in;
    }
    if (ways_in != 1 || func.inst(func.terminator(loop.preheader)).op != Op::Jump) loop.preheader = {};
  }
  for (size_t n = loops_.size(); n-- > 0;) {
    if (loops_[n].parent.valid()) loops_[loops_[n].parent.index()].blocks += loops_[n].blocks;
  }
}

LoopId Loops::outermost(LoopId loop) {
  while (outer_[loop.index()] != loop) {
    LoopId& next = outer_[loop.index()];
    next = outer_[next.index()];
    loop = next;
  }
  return loop;
}

void Loops::collect(LoopId id, const Cfg& cfg) {
  Loop& loop = loops_[id.index()];
  const auto reach = [&](BlockId b) {
    LoopId inner = of_[b.index()];
    if (!inner.valid()) {
      of_[b.index()] = id;
      ++loop.blocks;
      if (b != loop.head) work_.push_back(b);
      return;
    }
    inner = outermost(inner);
    if (inner == id) return;
    loops_[inner.index()].parent = outer_[inner.index()] = id;
    work_.push_back(loops_[inner.index()].head);
  };
  reach(loop.head);
  for (const BlockId pred : cfg.preds(loop.head)) {
    if (cfg.dominates(loop.head, pred)) reach(pred);
  }
  while (!work_.empty()) {
    const BlockId b = work_.back();
    work_.pop_back();
    for (const BlockId pred : cfg.preds(b)) {
      if (cfg.dominates(loop.head, pred)) reach(pred);
    }
  }
}

bool Loops::contains(LoopId loop, BlockId b) const {
  const uint32_t depth = loops_[loop.index()].depth;
  return this->depth(b) >= depth && enclosing(b, depth) == loop;
}

LoopId Loops::enclosing(BlockId b, uint32_t depth) const {
  LoopId at = of(b);
  while (loops_[at.index()].depth > depth) at = loops_[at.index()].parent;
  return at;
}

uint32_t Loops::common_depth(BlockId a, BlockId b) const {
  uint32_t depth = std::min(this->depth(a), this->depth(b));
  if (depth == 0) return 0;
  LoopId x = enclosing(a, depth);
  LoopId y = enclosing(b, depth);
  while (x != y) {
    x = loops_[x.index()].parent;
    y = loops_[y.index()].parent;
    if (--depth == 0) return 0;
  }
  return depth;
}

}  // namespace parallax::ir
