// The order in which an allocated function's blocks are written, and where its jumps go.
//
// A node is a block, or an edge that has moves and starts where there are several: such an edge is a small block of its
// own. Blocks of nothing but a jump are threaded: jumps to them go where they lead.
//
// optimize() writes each loop in one piece, follows the likelier successor, turns a loop so that its last node leaves it
// (one taken jump an iteration instead of two) and puts what is cold behind everything else. natural() keeps the order of
// the blocks and costs next to nothing. Speed only: the emitter asks target() and order(), whatever they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/jit/flow.h"
#include "engine/jit/mir.h"
#include "engine/jit/regalloc/allocation.h"

namespace parallax::jit {

class Layout {
 public:
  // Node numbers: blocks first, then edges.
  void natural(const MFunc& func, const Allocation& allocation);
  void optimize(const MFunc& func, const Allocation& allocation, const Flow& flow);

  std::span<const uint32_t> order() const { return order_; }
  bool is_edge(uint32_t node) const { return node >= blocks_; }
  EdgeId edge_of(uint32_t node) const { return EdgeId(node - blocks_); }
  // Where a jump along the edge goes.
  uint32_t target(uint32_t edge) const {
    return own_node_[edge] != 0 ? blocks_ + edge : through_[func_->edges()[edge].to.index()];
  }
  // Where the edge ends, its moves done.
  uint32_t destination(uint32_t edge) const { return through_[func_->edges()[edge].to.index()]; }
  bool is_optimized() const { return optimized_; }

 private:
  // Nodes in a row; kNone ends it.
  struct Chain {
    uint32_t first = kNone;
    uint32_t last = kNone;
  };
  static constexpr uint32_t kNone = ~0u;

  void prepare(const MFunc& func, const Allocation& allocation);
  void thread_jumps(const Allocation& allocation);
  bool is_empty(const Allocation& allocation, uint32_t block) const;
  bool is_written(uint32_t block) const { return through_[block] == block; }
  void make_units();
  void place(uint32_t region);
  void append(Chain& chain, uint32_t unit);
  void append(Chain& chain, Chain more);
  uint32_t best_successor(uint32_t region, uint32_t node) const;
  uint32_t unit_of(uint32_t region, uint32_t node) const;
  void rotate(uint32_t loop);
  uint32_t function() const { return static_cast<uint32_t>(flow_->loops().size()); }
  uint32_t parent(uint32_t loop) const {
    const uint32_t outer = flow_->loops()[loop].parent;
    return outer == Flow::kNone ? function() : outer;
  }
  template <class Body>
  void for_each_arc(uint32_t node, Body&& body) const;  // body(target node, frequency)

  const MFunc* func_ = nullptr;
  const Flow* flow_ = nullptr;
  uint32_t blocks_ = 0;
  uint32_t nodes_ = 0;
  std::vector<uint32_t> order_;
  std::vector<uint32_t> through_;  // by block: where a jump to it ends up
  std::vector<uint8_t> own_node_;  // by edge
  bool optimized_ = false;

  // Regions are loops, numbered as in Flow, and the function, which has the last number. A unit of a region is a node, or
  // nodes_ + number of a loop directly in it.
  struct Unit {
    uint32_t region;
    uint32_t unit;
  };
  std::vector<Unit> found_;
  std::vector<uint32_t> unit_begin_;  // by region, into units_
  std::vector<uint32_t> units_;
  std::vector<uint8_t> placed_;   // by unit
  std::vector<uint32_t> region_;  // by node
  std::vector<float> frequency_;  // by node
  std::vector<uint32_t> next_;    // by node: chains
  std::vector<Chain> chains_;     // by region
  Chain cold_;
};

}  // namespace parallax::jit
