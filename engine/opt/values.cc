// Value numbering: a computation that a dominating block already made, with the same operands, becomes that one.
//
// Only operations whose result depends on their operands alone: pure ones, reads of what never changes, and those that at
// most trap (the earlier one would have trapped, so the kind of trap does not matter). Operands of commutative operations
// count in any order. Null constants stay apart: kept over safepoints they would need homes. One hash table over the whole
// function, visited in reverse postorder; an entry that does not dominate is overwritten, which loses some equalities and
// keeps it linear. Parameters of one block that always receive the same values are one.
#include <algorithm>
#include <array>

#include "engine/base/faults.h"
#include "engine/opt/passes.h"
#include "engine/opt/places.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;
using wasm::Opcode;

// Results of floating-point operations are the same in either order, because NaNs are canonical.
constexpr Opcode kCommutative[] = {
    Opcode::I32Add, Opcode::I32Mul, Opcode::I32And, Opcode::I32Or,  Opcode::I32Xor, Opcode::I32Eq,
    Opcode::I32Ne,  Opcode::I64Add, Opcode::I64Mul, Opcode::I64And, Opcode::I64Or,  Opcode::I64Xor,
    Opcode::I64Eq,  Opcode::I64Ne,  Opcode::F32Add, Opcode::F32Mul, Opcode::F32Eq,  Opcode::F32Ne,
    Opcode::F64Add, Opcode::F64Mul, Opcode::F64Eq,  Opcode::F64Ne,
};
constexpr auto kIsCommutative = [] {
  std::array<bool, wasm::kOpcodeCount> table{};
  for (const Opcode op : kCommutative) table[static_cast<size_t>(op)] = true;
  return table;
}();

class Values {
 public:
  explicit Values(PassContext& context)
      : func_(context.func), cfg_(context.cfg), gate_(context.gate), table_(context.numbers) {}

  void run() {
    size_t size = 64;
    while (size < func_.inst_count() * 2) size *= 2;
    mask_ = size - 1;
    table_.assign(size, kEmpty);
    for (const BlockId b : cfg_.rpo()) {
      if (func_.params(b).size() > 1 && b != Func::kEntry) unite_params(b);
      ir::for_each_inst(func_, b, [&](InstId i) {
        if (is_candidate(func_.inst(i))) visit(i);
      });
    }
  }

 private:
  bool is_candidate(const Inst& inst) const {
    if (inst.results_count != 1) return false;
    if (inst.op == Op::RefNull) return false;
    if (inst.op == Op::StructAlloc && func_.inst(inst.next).op != Op::FieldInit && fault_fires(Fault::kOPT7))
      return true;
    const uint16_t flags = func_.flags(inst);
    if ((flags & ~(ir::kTraps | ir::kReads)) != 0) return false;
    return (flags & ir::kReads) == 0 || reads_of(func_, inst).empty();
  }

  // Two parameters that receive equal values on every edge. Few parameters are compared, each with those before it.
  void unite_params(BlockId b) {
    constexpr size_t kMostParams = 16;
    constexpr size_t kMostEdges = 64;
    const auto params = func_.params(b);
    const auto preds = cfg_.preds(b);
    if (params.size() > kMostParams || preds.size() > kMostEdges) return;
    for (size_t n = 1; n < params.size(); ++n) {
      for (size_t m = 0; m < n; ++m) {
        if (func_.resolve(params[m]) != params[m] || !receive_equal(preds, n, m)) continue;
        if (!func_.types().matches(func_.type(params[m]), func_.type(params[n]))) continue;
        if (gate_.allow(Rewrite::kSameValue, params[n])) func_.replace(params[n], params[m]);
        break;
      }
    }
  }
  bool receive_equal(std::span<const BlockId> preds, size_t n, size_t m) const {
    return std::ranges::all_of(preds, [&](BlockId pred) {
      const InstId jump = func_.terminator(pred);
      return func_.arg(jump, n) == func_.arg(jump, m);
    });
  }

  bool is_commutative(const Inst& inst) const {
    return inst.op == Op::Compute && inst.args_count == 2 && kIsCommutative[static_cast<size_t>(inst.opcode)];
  }

  uint64_t hash(InstId i) const {
    const Inst& inst = func_.inst(i);
    uint64_t h = static_cast<uint64_t>(inst.op) << 32 | static_cast<uint64_t>(inst.opcode);
    const auto mix = [&](uint64_t x) { h = (h ^ x) * 0x9e3779b97f4a7c15u, h ^= h >> 29; };
    mix(static_cast<uint64_t>(inst.a) << 32 | inst.b);
    mix(inst.imm);
    if (inst.high != 0) mix(inst.high);
    mix(static_cast<uint64_t>(inst.type.bits()) << 8 | inst.sense);
    if (is_commutative(inst)) {
      mix(std::min(func_.arg(i, 0).raw, func_.arg(i, 1).raw));
      mix(std::max(func_.arg(i, 0).raw, func_.arg(i, 1).raw));
    } else {
      for (uint32_t n = 0; n < inst.args_count; ++n) mix(func_.arg(i, n).raw);
    }
    if (inst.args_count == 0) mix(func_.type(inst.first_result).bits());
    return h;
  }

  bool equal(InstId i, InstId j) const {
    const Inst& a = func_.inst(i);
    const Inst& b = func_.inst(j);
    if (a.op != b.op || a.opcode != b.opcode || a.a != b.a || a.b != b.b || a.imm != b.imm || a.high != b.high ||
        a.type != b.type || a.sense != b.sense || a.args_count != b.args_count) {
      return false;
    }
    const bool swapped = is_commutative(a) && func_.arg(i, 0) == func_.arg(j, 1) && func_.arg(i, 1) == func_.arg(j, 0);
    for (uint32_t n = 0; n < a.args_count && !swapped; ++n) {
      if (func_.arg(i, n) != func_.arg(j, n)) return false;
    }
    return func_.types().matches(func_.type(a.first_result), func_.type(b.first_result));
  }

  void visit(InstId i) {
    constexpr size_t kProbes = 4;
    const uint64_t start = hash(i);
    size_t free = ~size_t{0};
    for (size_t probe = 0; probe < kProbes; ++probe) {
      const size_t at = (start + probe) & mask_;
      if (table_[at] == kEmpty) {
        if (free == ~size_t{0}) free = at;
        break;
      }
      const InstId known(table_[at]);
      if (!equal(known, i)) continue;
      if (!cfg_.dominates(func_.inst(known).block, func_.inst(i).block)) {
        free = at;
        break;
      }
      const ValueId result = func_.result(i);
      if (gate_.allow(Rewrite::kSameValue, result)) {
        func_.replace(result, func_.result(known));
        // The earlier one does all that this one did, its trap included.
        func_.remove(i);
      }
      return;
    }
    table_[free != ~size_t{0} ? free : start & mask_] = i.raw;
  }

  static constexpr uint32_t kEmpty = ~0u;
  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  std::vector<uint32_t>& table_;
  size_t mask_ = 0;
};

}  // namespace

Result<> number_values(PassContext& context) {
  Values(context).run();
  return {};
}

}  // namespace parallax::opt
