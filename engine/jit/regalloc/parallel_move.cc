#include "engine/jit/regalloc/parallel_move.h"

namespace parallax::jit {

void ParallelMove::reset(uint32_t loc_count) {
  moves_.clear();
  consts_.clear();
  readers_.assign(loc_count, 0);
  writer_.assign(loc_count, 0);
}

void ParallelMove::add(Loc dst, Loc src, VReg v, RegClass cls) {
  if (dst == src) return;
  moves_.push_back({dst, src, v, cls, false});
}

void ParallelMove::add_const(Loc dst, VReg v) { consts_.push_back({Item::Kind::kConst, v.raw, dst, {}}); }

void ParallelMove::resolve_class(RegClass cls, std::vector<Item>& out) {
  uint32_t pending = 0;
  ready_.clear();
  for (uint32_t m = 0; m < moves_.size(); ++m) {
    if (moves_[m].cls != cls) continue;
    ++pending;
    ++readers_[moves_[m].src.raw];
    writer_[moves_[m].dst.raw] = m + 1;
  }
  for (uint32_t m = 0; m < moves_.size(); ++m) {
    if (moves_[m].cls == cls && readers_[moves_[m].dst.raw] == 0) ready_.push_back(m);
  }
  const auto emit = [&](uint32_t m) {
    Move& move = moves_[m];
    out.push_back({Item::Kind::kMove, move.v.raw, move.dst, move.src});
    move.done = true;
    --pending;
    writer_[move.dst.raw] = 0;
    if (--readers_[move.src.raw] == 0 && writer_[move.src.raw] != 0) ready_.push_back(writer_[move.src.raw] - 1);
  };
  const Loc scratch = Loc::reg(cls == RegClass::kGpr ? kScratchGpr : kScratchXmm);
  uint32_t next = 0;  // search position for cycles
  while (pending != 0) {
    while (!ready_.empty()) {
      const uint32_t m = ready_.back();
      ready_.pop_back();
      emit(m);
    }
    if (pending == 0) break;
    // Only cycles are left, so every pending source has exactly one reader: free one by saving it.
    while (moves_[next].done || moves_[next].cls != cls) ++next;
    Move& move = moves_[next];
    out.push_back({Item::Kind::kMove, move.v.raw, scratch, move.src});
    readers_[move.src.raw] = 0;
    ready_.push_back(writer_[move.src.raw] - 1);
    move.src = scratch;
    readers_[scratch.raw] = 1;
  }
  readers_[scratch.raw] = 0;
}

void ParallelMove::resolve(std::vector<Item>& out) {
  if (!moves_.empty()) {
    resolve_class(RegClass::kGpr, out);
    resolve_class(RegClass::kXmm, out);
  }
  out.insert(out.end(), consts_.begin(), consts_.end());
  moves_.clear();
  consts_.clear();
}

}  // namespace parallax::jit
