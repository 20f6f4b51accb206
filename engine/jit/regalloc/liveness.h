// Which virtual registers are live into which block.
//
// Only registers used outside the block that defines them ("global" ones) take part, renumbered densely, so that the bit
// sets stay small. Constants are never live: they are materialised at each use. Given the flow, those used in loops are,
// within the outermost loops around their uses: there a register may be worth keeping.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "engine/base/result.h"
#include "engine/jit/flow.h"
#include "engine/jit/mir.h"

namespace parallax::jit {

class Liveness {
 public:
  // Error kLimit when the sets would take too much memory.
  Result<> run(const MFunc& func, const Flow* flow = nullptr);
  uint32_t global_count() const { return static_cast<uint32_t>(globals_.size()); }

  bool is_live_in(MBlockId block, VReg v) const {
    const uint32_t g = global_of_[v.index()];
    return g != kLocal && (in_[block.index() * words_ + g / 64] >> (g % 64) & 1) != 0;
  }
  template <class Body>
  void for_each_live_in(MBlockId block, Body&& body) const {
    for_each(in_.data() + block.index() * words_, body);
  }
  template <class Body>
  void for_each_live_out(MBlockId block, Body&& body) const {
    for_each(out_.data() + block.index() * words_, body);
  }

 private:
  static constexpr uint32_t kLocal = ~0u;

  template <class Body>
  void for_each(const uint64_t* set, Body&& body) const {
    for (uint32_t w = 0; w < words_; ++w) {
      for (uint64_t bits = set[w]; bits != 0; bits &= bits - 1) {
        body(globals_[w * 64 + static_cast<uint32_t>(std::countr_zero(bits))]);
      }
    }
  }
  void number_globals(const MFunc& func);
  void note_use(const MFunc& func, VReg v, uint32_t block, bool is_arg);
  bool in_loop(uint32_t block) const { return flow_ != nullptr && flow_->loop_of(block) != Flow::kNone; }
  void gather(const MFunc& func);
  void kill_constants(const MFunc& func);
  bool propagate(const MFunc& func, uint32_t block);

  const Flow* flow_ = nullptr;
  std::vector<uint32_t> def_block_;
  std::vector<uint32_t> global_of_;
  std::vector<VReg> globals_;
  std::vector<uint64_t> in_;
  std::vector<uint64_t> out_;
  std::vector<uint64_t> kill_;
  std::vector<uint64_t> constants_;
  uint32_t words_ = 0;
};

}  // namespace parallax::jit
