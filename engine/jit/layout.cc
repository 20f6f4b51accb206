#include "engine/jit/layout.h"

#include "engine/base/faults.h"

namespace parallax::jit {

// A node that runs more seldom than its region's head by this factor stands behind the function.
static constexpr float kColdFactor = 200;
// A successor follows if no less than this share of its runs comes from here.
static constexpr float kFollowShare = 0.6f;

// --- Nodes ---------------------------------------------------------------------------------------------------------

// Nothing but a jump whose edge has no moves.
bool Layout::is_empty(const Allocation& allocation, uint32_t block) const {
  const MBlock& b = func_->blocks()[block];
  if (block == 0 || b.landing || b.edges_count != 1 || b.end != b.first + 1) return false;
  if (func_->inst(b.first).op != MOp::Jump) return false;
  if (!allocation.moves(EdgeId(b.edges_begin)).empty() && !fault_fires(Fault::kBL1)) return false;
  for (const Item& item : allocation.block_items(MBlockId(block))) {
    if (item.kind == Item::Kind::kMove || item.kind == Item::Kind::kConst) return false;
  }
  return true;
}

void Layout::thread_jumps(const Allocation& allocation) {
  through_.assign(blocks_, kNone);
  for (uint32_t b = 0; b < blocks_; ++b) {
    // Forwards to a block that is written; a round trip of empty blocks ends where it began, which is then written.
    uint32_t end = b;
    while (through_[end] == kNone && is_empty(allocation, end)) {
      through_[end] = end;
      end = func_->edges()[func_->blocks()[end].edges_begin].to.raw;
    }
    if (through_[end] == kNone) through_[end] = end;
    end = through_[end];
    for (uint32_t at = b; at != end && through_[at] == at;) {
      through_[at] = end;
      at = func_->edges()[func_->blocks()[at].edges_begin].to.raw;
    }
  }
}

void Layout::prepare(const MFunc& func, const Allocation& allocation) {
  func_ = &func;
  blocks_ = static_cast<uint32_t>(func.blocks().size());
  order_.clear();
  thread_jumps(allocation);
  own_node_.assign(func.edges().size(), 0);
  for (uint32_t e = 0; e < func.edges().size(); ++e) {
    if (func.block(func.edges()[e].from).edges_count > 1 && !allocation.moves(EdgeId(e)).empty()) own_node_[e] = 1;
  }
}

void Layout::natural(const MFunc& func, const Allocation& allocation) {
  prepare(func, allocation);
  optimized_ = false;
  for (uint32_t b = 0; b < blocks_; ++b) {
    if (!is_written(b)) continue;
    order_.push_back(b);
    // The last edge's moves where a branch falls through to; the others out of line.
    const MBlock& block = func.blocks()[b];
    const uint32_t last = block.edges_begin + block.edges_count - 1;
    if (block.edges_count != 0 && own_node_[last] != 0) order_.push_back(blocks_ + last);
  }
  for (uint32_t e = 0; e < own_node_.size(); ++e) {
    const MBlock& from = func.block(func.edges()[e].from);
    if (own_node_[e] != 0 && e != from.edges_begin + from.edges_count - 1) order_.push_back(blocks_ + e);
  }
}

template <class Body>
void Layout::for_each_arc(uint32_t node, Body&& body) const {
  if (is_edge(node)) {
    body(destination(node - blocks_), frequency_[node]);
    return;
  }
  const MBlock& block = func_->blocks()[node];
  for (uint32_t e = block.edges_begin; e < block.edges_begin + block.edges_count; ++e) {
    body(target(e), flow_->edge_frequency(e));
  }
}

// --- Units of regions ----------------------------------------------------------------------------------------------

// Lists region by region, in the order of the flow: nodes, and loops where their heads are.
void Layout::make_units() {
  const auto loops = flow_->loops();
  region_.assign(nodes_, function());
  frequency_.assign(nodes_, 0);
  found_.clear();
  const auto region = [&](uint32_t loop) { return loop == Flow::kNone ? function() : loop; };
  const auto add = [&](uint32_t node, uint32_t in, float frequency) {
    region_[node] = in;
    frequency_[node] = frequency;
    found_.push_back({in, node});
  };
  for (const uint32_t b : flow_->order()) {
    const uint32_t loop = flow_->loop_of(b);
    if (flow_->is_head(b)) found_.push_back({parent(loop), nodes_ + loop});
    if (is_written(b)) add(b, region(loop), flow_->frequency(b));
    const MBlock& block = func_->blocks()[b];
    for (uint32_t e = block.edges_begin; e < block.edges_begin + block.edges_count; ++e) {
      if (own_node_[e] == 0) continue;
      add(blocks_ + e, region(flow_->common(loop, flow_->loop_of(destination(e)))), flow_->edge_frequency(e));
    }
  }
  unit_begin_.assign(loops.size() + 3, 0);
  for (const Unit& u : found_) ++unit_begin_[u.region + 2];
  for (size_t r = 2; r < unit_begin_.size(); ++r) unit_begin_[r] += unit_begin_[r - 1];
  units_.resize(found_.size());
  for (const Unit& u : found_) units_[unit_begin_[u.region + 1]++] = u.unit;
}

// The unit of `region` that holds the node, or kNone when it is outside.
uint32_t Layout::unit_of(uint32_t region, uint32_t node) const {
  uint32_t at = region_[node];
  if (at == region) return node;
  while (at != function() && parent(at) != region) at = parent(at);
  return at == function() ? kNone : nodes_ + at;
}

void Layout::append(Chain& chain, Chain more) {
  if (more.first == kNone) return;
  if (chain.first == kNone) {
    chain = more;
  } else {
    next_[chain.last] = more.first;
    chain.last = more.last;
  }
}

void Layout::append(Chain& chain, uint32_t unit) {
  placed_[unit] = 1;
  append(chain, unit < nodes_ ? Chain{unit, unit} : chains_[unit - nodes_]);
}

// What had best stand behind `node`: what it goes to most often, unless that is more often reached from elsewhere.
uint32_t Layout::best_successor(uint32_t region, uint32_t node) const {
  uint32_t best = kNone;
  float most = 0;
  for_each_arc(node, [&](uint32_t to, float frequency) {
    const uint32_t unit = unit_of(region, to);
    if (unit == kNone || placed_[unit] != 0 || frequency <= most) return;
    if (unit < nodes_ && frequency < kFollowShare * frequency_[to]) return;
    best = unit;
    most = frequency;
  });
  return best;
}

// Loops inside were placed before.
void Layout::place(uint32_t region) {
  Chain& chain = chains_[region];
  float often = 0;
  const auto is_cold = [&](uint32_t unit) {
    const float runs = unit < nodes_ ? frequency_[unit] : flow_->frequency(flow_->loops()[unit - nodes_].head);
    return runs * kColdFactor < often;
  };
  for (uint32_t n = unit_begin_[region]; n < unit_begin_[region + 1]; ++n) {
    if (placed_[units_[n]] != 0) continue;
    uint32_t unit = units_[n];
    if (n == unit_begin_[region]) often = unit < nodes_ ? frequency_[unit] : 0;
    if (is_cold(unit)) {
      append(cold_, unit);
      continue;
    }
    while (unit != kNone) {
      append(chain, unit);
      unit = chain.last == kNone ? kNone : best_successor(region, chain.last);
      if (unit != kNone && is_cold(unit)) break;
    }
  }
}

// A loop whose last node jumps back unconditionally is turned so that a node which may leave it comes last.
void Layout::rotate(uint32_t loop) {
  Chain& chain = chains_[loop];
  if (chain.first == chain.last) return;
  uint32_t arcs = 0;
  bool back = false;
  for_each_arc(chain.last, [&](uint32_t to, float) {
    ++arcs;
    back = back || to == chain.first;
  });
  if (arcs != 1 || !back) return;
  uint32_t best = kNone;
  float most = 0;
  for (uint32_t node = chain.first; node != chain.last; node = next_[node]) {
    if (region_[node] != loop) continue;
    float leaves = 0;
    bool goes_on = false;
    for_each_arc(node, [&](uint32_t to, float frequency) {
      if (unit_of(loop, to) == kNone) leaves += frequency;
      goes_on = goes_on || to == next_[node];
    });
    if (!goes_on || leaves <= most) continue;
    best = node;
    most = leaves;
  }
  if (best == kNone) return;
  const uint32_t first = next_[best];
  next_[chain.last] = chain.first;
  next_[best] = kNone;
  chain = {first, best};
}

void Layout::optimize(const MFunc& func, const Allocation& allocation, const Flow& flow) {
  prepare(func, allocation);
  optimized_ = true;
  flow_ = &flow;
  nodes_ = blocks_ + static_cast<uint32_t>(own_node_.size());
  make_units();
  placed_.assign(nodes_ + flow.loops().size(), 0);
  next_.assign(nodes_, kNone);
  chains_.assign(function() + 1, {});
  cold_ = {};
  for (uint32_t r = 0; r <= function(); ++r) {
    place(r);
    if (r == function() || chains_[r].first == kNone) continue;
    rotate(r);
  }
  append(chains_[function()], cold_);
  for (uint32_t node = chains_[function()].first; node != kNone; node = next_[node]) order_.push_back(node);
}

}  // namespace parallax::jit
