#include "engine/jit/mir.h"

#include <utility>

#include "engine/base/check.h"
#include "engine/base/text.h"

namespace parallax::jit {

Cond negate(Cond cond) {
  // ORDER: pairs of Cond.
  return static_cast<Cond>(static_cast<uint8_t>(cond) ^ 1u);
}

Cond swap_operands(Cond cond) {
  switch (cond) {
    case Cond::kL: return Cond::kG;
    case Cond::kG: return Cond::kL;
    case Cond::kLe: return Cond::kGe;
    case Cond::kGe: return Cond::kLe;
    case Cond::kB: return Cond::kA;
    case Cond::kA: return Cond::kB;
    case Cond::kBe: return Cond::kAe;
    case Cond::kAe: return Cond::kBe;
    case Cond::kE:
    case Cond::kNe:
    case Cond::kFloatEq:
    case Cond::kFloatNe: return cond;
  }
  UNREACHABLE("condition {}", static_cast<int>(cond));
}

void MFunc::reset() {
  blocks_.clear();
  insts_.clear();
  operands_.clear();
  params_.clear();
  edges_.clear();
  edge_args_.clear();
  vregs_.clear();
  calls_.clear();
  map_slots.clear();
  home_slots = 0;
  pending_operands_ = 0;
}

void MFunc::add_param(MBlockId block, VReg param) {
  MBlock& b = blocks_[block.index()];
  if (b.params_count == 0) b.params_begin = static_cast<uint32_t>(params_.size());
  CHECK(b.params_begin + b.params_count == params_.size(), "mir: parameters of block {} not in a row", block.raw);
  params_.push_back(param);
  ++b.params_count;
}

void MFunc::begin_block(MBlockId block) {
  MBlock& b = blocks_[block.index()];
  b.first = static_cast<uint32_t>(insts_.size());
  b.edges_begin = static_cast<uint32_t>(edges_.size());
}

void MFunc::end_block(MBlockId block) { blocks_[block.index()].end = static_cast<uint32_t>(insts_.size()); }

MInst& MFunc::append(const MInst& inst) {
  insts_.push_back(inst);
  MInst& added = insts_.back();
  added.operands_begin = pending_operands_;
  added.operand_count = static_cast<uint16_t>(operands_.size() - pending_operands_);
  pending_operands_ = static_cast<uint32_t>(operands_.size());
  return added;
}

EdgeId MFunc::add_edge(MBlockId from, MBlockId to, std::span<const VReg> args) {
  edges_.push_back({from, to, static_cast<uint32_t>(edge_args_.size()), static_cast<uint32_t>(args.size())});
  edge_args_.insert(edge_args_.end(), args.begin(), args.end());
  ++blocks_[from.index()].edges_count;
  return EdgeId(edges_.size() - 1);
}

void MFunc::commute(const MInst& inst) {
  // Shape "DUU": only the virtual registers change places, the constraints stay.
  std::swap(operands_[inst.operands_begin + 1].vreg, operands_[inst.operands_begin + 2].vreg);
}

std::string print(const MFunc& func, const MInst& inst) {
  std::string out = info(inst.op).text;
  out += text::format(".{}", static_cast<int>(inst.sub));
  for (const Operand& op : func.operands(inst)) {
    static constexpr const char* kRoles[] = {"", "def ", "early ", "temp "};
    out += text::format(" {}v{}", kRoles[static_cast<int>(op.role)], op.vreg.raw);
    if (op.where == Where::kFixed) out += text::format(":{}", to_string(op.fixed));
    if (op.where == Where::kSame) out += ":same";
    if (op.where == Where::kAny) out += ":any";
  }
  if (inst.imm != 0) out += text::format(" #{}", inst.imm);
  return out;
}

std::string MFunc::print() const {
  std::string out;
  for (size_t v = 0; v < vregs_.size(); ++v) {
    if (!vregs_[v].is_const) continue;
    out += text::format("v{} = const {:#x}", v, vregs_[v].bits);
    if (vregs_[v].high != 0) out += text::format(" {:#x}", vregs_[v].high);
    out += "\n";
  }
  for (size_t b = 0; b < blocks_.size(); ++b) {
    out += text::format("b{}(", b);
    for (const VReg p : params(blocks_[b])) out += text::format(" v{}", p.raw);
    out += blocks_[b].landing ? ") landing\n" : ")\n";
    for (uint32_t i = blocks_[b].first; i < blocks_[b].end; ++i) {
      out += text::format("  {:4} {}\n", i, jit::print(*this, insts_[i]));
    }
    for (const MEdge& e : edges(blocks_[b])) {
      out += text::format("    -> b{}(", e.to.raw);
      for (const VReg a : args(e)) out += text::format(" v{}", a.raw);
      out += ")\n";
    }
  }
  return out;
}

}  // namespace parallax::jit
