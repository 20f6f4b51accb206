// Control flow of machine IR: an order of blocks, loops, and how often each block is expected to run.
//
// The order is a reverse post-order in which the likelier successor comes first: definitions before uses, and at a join
// the hot predecessor before the cold one. Loops are found from back edges of that walk, inner ones first; a region with
// several entries counts as a loop of its first one. Frequencies are guesses from shape alone: a loop runs eight times, an
// exit from it is taken once in eight, ends in traps, throws and handlers almost never. They decide about speed only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/jit/mir.h"

namespace parallax::jit {

class Flow {
 public:
  static constexpr uint32_t kNone = ~0u;

  struct Loop {
    uint32_t head = 0;        // block
    uint32_t parent = kNone;  // loop
    uint32_t depth = 1;
  };

  void run(const MFunc& func);

  // All blocks; unreachable ones last.
  std::span<const uint32_t> order() const { return order_; }
  uint32_t position(uint32_t block) const { return position_[block]; }
  // Inner loops before outer ones.
  std::span<const Loop> loops() const { return loops_; }
  // The innermost loop around a block, or kNone.
  uint32_t loop_of(uint32_t block) const { return loop_of_[block]; }
  uint32_t depth(uint32_t block) const { return loop_of_[block] == kNone ? 0 : loops_[loop_of_[block]].depth; }
  bool is_head(uint32_t block) const { return loop_of_[block] != kNone && loops_[loop_of_[block]].head == block; }
  bool encloses(uint32_t outer, uint32_t inner) const;
  // The innermost loop around both, kNone for the function.
  uint32_t common(uint32_t a, uint32_t b) const;
  // Edges into a block; exceptions are none.
  std::span<const uint32_t> in_edges(uint32_t block) const {
    return {in_edges_.data() + in_begin_[block], in_begin_[block + 1] - in_begin_[block]};
  }
  bool is_back_edge(const MEdge& e) const { return position_[e.from.raw] >= position_[e.to.raw]; }
  // Runs per run of the function.
  float frequency(uint32_t block) const { return frequency_[block]; }
  float edge_frequency(uint32_t edge) const { return edge_frequency_[edge]; }
  // Leads to the function's abnormal end, or is a handler.
  bool is_cold(uint32_t block) const { return cold_[block] != 0; }

 private:
  void index_edges(const MFunc& func);
  void find_cold(const MFunc& func);
  void walk(const MFunc& func);
  void find_loops(const MFunc& func);
  void collect_loop(uint32_t head);
  void guess_frequencies(const MFunc& func);
  uint32_t outermost(uint32_t block);

  std::vector<uint32_t> order_;
  std::vector<uint32_t> position_;
  std::vector<uint32_t> in_begin_;
  std::vector<uint32_t> in_edges_;
  std::vector<uint32_t> pred_begin_;  // blocks, those of exceptions too
  std::vector<uint32_t> preds_;
  std::vector<Loop> loops_;
  std::vector<uint32_t> loop_of_;
  std::vector<uint32_t> outermost_;  // by block: a block of the largest known loop around it, towards its head
  std::vector<float> frequency_;
  std::vector<float> edge_frequency_;
  std::vector<uint8_t> cold_;
  std::vector<uint32_t> work_;
  struct Visit {
    uint32_t block;
    uint32_t next;  // of its successors, in succs_
    uint32_t end;
  };
  std::vector<Visit> visits_;
  std::vector<uint32_t> succs_;
};

}  // namespace parallax::jit
