#include "engine/jit/regalloc/liveness.h"

#include "engine/base/text.h"

namespace parallax::jit {

// Bytes of one family of bit sets.
static constexpr uint64_t kMaxSetBytes = uint64_t{32} << 20;

void Liveness::note_use(const MFunc& func, VReg v, uint32_t block, bool is_arg) {
  if (def_block_[v.index()] == block || global_of_[v.index()] != kLocal) return;
  if (func.vreg(v).is_const && (is_arg || !in_loop(block))) return;
  global_of_[v.index()] = static_cast<uint32_t>(globals_.size());
  globals_.push_back(v);
}

void Liveness::number_globals(const MFunc& func) {
  def_block_.assign(func.vreg_count(), ~0u);
  global_of_.assign(func.vreg_count(), kLocal);
  globals_.clear();
  const auto blocks = func.blocks();
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    for (const VReg p : func.params(blocks[b])) def_block_[p.index()] = b;
    for (uint32_t i = blocks[b].first; i < blocks[b].end; ++i) {
      for (const Operand& op : func.operands(func.inst(i))) {
        if (op.role != Role::kUse) def_block_[op.vreg.index()] = b;
      }
    }
  }
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    for (uint32_t i = blocks[b].first; i < blocks[b].end; ++i) {
      for (const Operand& op : func.operands(func.inst(i))) {
        if (op.role == Role::kUse) note_use(func, op.vreg, b, false);
      }
    }
    for (const MEdge& e : func.edges(blocks[b])) {
      for (const VReg a : func.args(e)) note_use(func, a, b, true);
    }
  }
}

// Upward-exposed uses go to `in_`, definitions to `kill_`.
void Liveness::gather(const MFunc& func) {
  const auto blocks = func.blocks();
  in_.assign(blocks.size() * words_, 0);
  out_.assign(blocks.size() * words_, 0);
  kill_.assign(blocks.size() * words_, 0);
  const auto set = [&](std::vector<uint64_t>& sets, uint32_t b, VReg v) {
    const uint32_t g = global_of_[v.index()];
    if (g != kLocal) sets[b * words_ + g / 64] |= uint64_t{1} << (g % 64);
  };
  for (uint32_t b = 0; b < blocks.size(); ++b) {
    for (const VReg p : func.params(blocks[b])) set(kill_, b, p);
    for (uint32_t i = blocks[b].first; i < blocks[b].end; ++i) {
      for (const Operand& op : func.operands(func.inst(i))) {
        if (op.role != Role::kUse) {
          set(kill_, b, op.vreg);
        } else if (def_block_[op.vreg.index()] != b && (!func.vreg(op.vreg).is_const || in_loop(b))) {
          set(in_, b, op.vreg);
        }
      }
    }
    for (const MEdge& e : func.edges(blocks[b])) {
      for (const VReg a : func.args(e)) {
        if (def_block_[a.index()] != b && !func.vreg(a).is_const) set(in_, b, a);
      }
    }
  }
}

// Constants are not live outside loops.
void Liveness::kill_constants(const MFunc& func) {
  constants_.assign(words_, 0);
  for (uint32_t g = 0; g < globals_.size(); ++g) {
    if (func.vreg(globals_[g]).is_const) constants_[g / 64] |= uint64_t{1} << (g % 64);
  }
  for (uint32_t b = 0; b < func.blocks().size(); ++b) {
    if (in_loop(b)) continue;
    for (uint32_t w = 0; w < words_; ++w) kill_[size_t{b} * words_ + w] |= constants_[w];
  }
}

bool Liveness::propagate(const MFunc& func, uint32_t block) {
  const MBlock& b = func.blocks()[block];
  uint64_t* out = out_.data() + size_t{block} * words_;
  const auto join = [&](MBlockId succ) {
    const uint64_t* in = in_.data() + succ.index() * words_;
    for (uint32_t w = 0; w < words_; ++w) out[w] |= in[w];
  };
  for (const MEdge& e : func.edges(b)) join(e.to);
  if (b.exception_target.valid()) join(b.exception_target);
  uint64_t* in = in_.data() + size_t{block} * words_;
  const uint64_t* kill = kill_.data() + size_t{block} * words_;
  uint64_t changed = 0;
  for (uint32_t w = 0; w < words_; ++w) {
    const uint64_t added = out[w] & ~kill[w] & ~in[w];
    in[w] |= added;
    changed |= added;
  }
  return changed != 0;
}

Result<> Liveness::run(const MFunc& func, const Flow* flow) {
  flow_ = flow;
  number_globals(func);
  words_ = static_cast<uint32_t>((globals_.size() + 63) / 64);
  const size_t blocks = func.blocks().size();
  if (uint64_t{blocks} * words_ * 8 > kMaxSetBytes) {
    return fail(
        ErrorCode::kLimit, 0,
        text::format("function too large to allocate registers: {} blocks, {} live ranges", blocks, globals_.size()));
  }
  gather(func);
  if (flow != nullptr) kill_constants(func);
  for (bool again = words_ != 0; again;) {
    again = false;
    for (size_t b = blocks; b-- > 0;) again |= propagate(func, static_cast<uint32_t>(b));
  }
  return {};
}

}  // namespace parallax::jit
