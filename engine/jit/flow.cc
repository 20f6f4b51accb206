#include "engine/jit/flow.h"

#include <algorithm>

namespace parallax::jit {

static constexpr float kIterations = 8;
static constexpr float kColdShare = 1.0f / 1024;
static constexpr float kMostOften = 1e12f;
// Loops inside more than so many are no loops of their own, so that climbing out of loops stays cheap.
static constexpr uint32_t kMaxDepth = 32;

bool Flow::encloses(uint32_t outer, uint32_t inner) const {
  if (outer == kNone) return true;
  while (inner != kNone && loops_[inner].depth > loops_[outer].depth) inner = loops_[inner].parent;
  return inner == outer;
}

uint32_t Flow::common(uint32_t a, uint32_t b) const {
  while (a != b) {
    if (a == kNone || b == kNone) return kNone;
    uint32_t& deeper = loops_[a].depth >= loops_[b].depth ? a : b;
    deeper = loops_[deeper].parent;
  }
  return a;
}

void Flow::index_edges(const MFunc& func) {
  const auto blocks = func.blocks();
  const auto edges = func.edges();
  in_begin_.assign(blocks.size() + 2, 0);
  pred_begin_.assign(blocks.size() + 2, 0);
  in_edges_.resize(edges.size());
  // Counted two places up, so that filling in leaves each start where it belongs.
  for (const MEdge& e : edges) {
    ++in_begin_[e.to.index() + 2];
    ++pred_begin_[e.to.index() + 2];
  }
  for (const MBlock& b : blocks) {
    if (b.exception_target.valid()) ++pred_begin_[b.exception_target.index() + 2];
  }
  for (size_t b = 2; b < in_begin_.size(); ++b) {
    in_begin_[b] += in_begin_[b - 1];
    pred_begin_[b] += pred_begin_[b - 1];
  }
  preds_.resize(pred_begin_.back());
  for (uint32_t e = 0; e < edges.size(); ++e) {
    in_edges_[in_begin_[edges[e].to.index() + 1]++] = e;
    preds_[pred_begin_[edges[e].to.index() + 1]++] = edges[e].from.raw;
  }
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    if (blocks[b].exception_target.valid()) preds_[pred_begin_[blocks[b].exception_target.index() + 1]++] = b;
  }
}

void Flow::find_cold(const MFunc& func) {
  const auto blocks = func.blocks();
  cold_.assign(blocks.size(), 0);
  for (size_t b = blocks.size(); b-- > 0;) {
    const MBlock& block = blocks[b];
    bool cold = block.landing;
    if (!cold && block.end != block.first) {
      const MOp last = func.inst(block.end - 1).op;
      cold = last == MOp::Trap || last == MOp::Throw;
    }
    if (!cold && block.edges_count != 0) {
      cold = true;
      for (const MEdge& e : func.edges(block)) cold = cold && cold_[e.to.index()] != 0;
    }
    cold_[b] = cold && b != 0 ? 1 : 0;
  }
}

void Flow::walk(const MFunc& func) {
  const auto blocks = func.blocks();
  order_.clear();
  position_.assign(blocks.size(), kNone);  // kNone: not seen; kNone - 1: seen
  visits_.clear();
  succs_.clear();
  const auto visit = [&](uint32_t b) {
    position_[b] = kNone - 1;
    const auto begin = static_cast<uint32_t>(succs_.size());
    for (const MEdge& e : func.edges(blocks[b])) succs_.push_back(e.to.raw);
    if (blocks[b].exception_target.valid()) succs_.push_back(blocks[b].exception_target.raw);
    // What is visited last comes first in the order: cold ones now, then later blocks, then the next one.
    std::sort(succs_.begin() + begin, succs_.end(),
              [&](uint32_t x, uint32_t y) { return cold_[x] != cold_[y] ? cold_[x] > cold_[y] : x > y; });
    visits_.push_back({b, begin, static_cast<uint32_t>(succs_.size())});
  };
  visit(0);
  while (!visits_.empty()) {
    Visit& top = visits_.back();
    if (top.next == top.end) {
      order_.push_back(top.block);
      visits_.pop_back();
      succs_.resize(visits_.empty() ? 0 : visits_.back().end);
      continue;
    }
    const uint32_t next = succs_[top.next++];
    if (position_[next] == kNone) visit(next);
  }
  std::reverse(order_.begin(), order_.end());
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    if (position_[b] == kNone) order_.push_back(b);
  }
  for (uint32_t n = 0; n < order_.size(); ++n) position_[order_[n]] = n;
}

uint32_t Flow::outermost(uint32_t block) {
  while (outermost_[block] != block) {
    outermost_[block] = outermost_[outermost_[block]];
    block = outermost_[block];
  }
  return block;
}

// The loop of the back edges into `head`: what reaches them without passing the head.
void Flow::collect_loop(uint32_t head) {
  const auto loop = static_cast<uint32_t>(loops_.size());
  loops_.push_back({.head = head});
  while (!work_.empty()) {
    const uint32_t b = work_.back();
    work_.pop_back();
    if (b == head) continue;
    if (outermost_[b] != b) continue;  // came twice
    if (loop_of_[b] == kNone) {
      loop_of_[b] = loop;
    } else {
      uint32_t inner = loop_of_[b];  // b heads it
      while (loops_[inner].parent != kNone) inner = loops_[inner].parent;
      loops_[inner].parent = loop;
    }
    outermost_[b] = head;
    for (uint32_t n = pred_begin_[b]; n < pred_begin_[b + 1]; ++n) {
      const uint32_t p = outermost(preds_[n]);
      if (position_[p] > position_[head]) work_.push_back(p);
    }
  }
  if (loop_of_[head] == kNone) loop_of_[head] = loop;
}

void Flow::find_loops(const MFunc& func) {
  const size_t blocks = func.blocks().size();
  loops_.clear();
  loop_of_.assign(blocks, kNone);
  outermost_.resize(blocks);
  for (uint32_t b = 0; b < blocks; ++b) outermost_[b] = b;
  for (size_t n = blocks; n-- > 0;) {
    const uint32_t head = order_[n];
    work_.clear();
    bool found = false;
    for (uint32_t p = pred_begin_[head]; p < pred_begin_[head + 1]; ++p) {
      if (position_[preds_[p]] < n) continue;
      found = true;
      work_.push_back(outermost(preds_[p]));
    }
    if (found) collect_loop(head);
  }
  // From the outside in; blocks of loops that are too deep count as the deepest loop's that is not.
  work_.resize(loops_.size());
  for (size_t n = loops_.size(); n-- > 0;) {
    Loop& loop = loops_[n];
    loop.depth = loop.parent == kNone ? 1 : loops_[loop.parent].depth + 1;
    work_[n] = loop.depth <= kMaxDepth ? static_cast<uint32_t>(n) : work_[loop.parent];
  }
  for (uint32_t& loop : loop_of_) {
    if (loop != kNone) loop = work_[loop];
  }
}

void Flow::guess_frequencies(const MFunc& func) {
  const auto blocks = func.blocks();
  frequency_.assign(blocks.size(), 0);
  edge_frequency_.assign(func.edges().size(), 0);
  for (const uint32_t b : order_) {
    float sum = b == 0 ? 1.0f : 0.0f;
    for (uint32_t p = pred_begin_[b]; p < pred_begin_[b + 1]; ++p) {
      if (blocks[b].landing) sum += frequency_[preds_[p]] * kColdShare;
    }
    for (const uint32_t e : in_edges(b)) sum += edge_frequency_[e];  // those of back edges are still 0
    if (is_head(b)) sum *= kIterations;
    frequency_[b] = std::min(sum, kMostOften);
    const MBlock& block = blocks[b];
    const auto weight = [&](const MEdge& e) {
      if (cold_[e.to.index()] != 0) return kColdShare;
      return encloses(loop_of_[b], loop_of_[e.to.raw]) ? 1.0f : 1.0f / (kIterations - 1);
    };
    float total = 0;
    for (const MEdge& e : func.edges(block)) total += weight(e);
    for (uint32_t n = 0; n < block.edges_count; ++n) {
      const uint32_t e = block.edges_begin + n;
      edge_frequency_[e] = frequency_[b] * weight(func.edges()[e]) / total;
    }
  }
}

void Flow::run(const MFunc& func) {
  index_edges(func);
  find_cold(func);
  walk(func);
  find_loops(func);
  guess_frequencies(func);
}

}  // namespace parallax::jit
