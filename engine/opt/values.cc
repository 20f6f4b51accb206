// Value numbering: a computation that a dominating block already made, with the same operands, becomes that one.
//
// Only operations whose result depends on their operands alone: pure ones, and those that at most trap (the earlier one
// would have trapped, so the kind of trap does not matter). Reads of immutable fields count as pure. One hash table over the whole function, visited in
// reverse postorder; an entry that does not dominate is overwritten, which loses some equalities and keeps it linear.
#include "engine/base/faults.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;

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
      ir::for_each_inst(func_, b, [&](InstId i) {
        if (is_candidate(func_.inst(i))) visit(i);
      });
    }
  }

 private:
  bool is_candidate(const Inst& inst) const {
    if (inst.results_count != 1) return false;
    if (inst.op == Op::StructGet) { return !func_.types().get(wasm::TypeId(inst.a)).fields[inst.b].is_mutable; }
    if (inst.op == Op::StructAlloc && func_.inst(inst.next).op != Op::FieldInit && fault_fires(Fault::kOPT7))
      return true;
    return (func_.flags(inst) & ~ir::kTraps) == 0;
  }

  uint64_t hash(InstId i) const {
    const Inst& inst = func_.inst(i);
    uint64_t h = static_cast<uint64_t>(inst.op) << 32 | static_cast<uint64_t>(inst.opcode);
    const auto mix = [&](uint64_t x) { h = (h ^ x) * 0x9e3779b97f4a7c15u, h ^= h >> 29; };
    mix(static_cast<uint64_t>(inst.a) << 32 | inst.b);
    mix(inst.imm);
    if (inst.high != 0) mix(inst.high);
    mix(static_cast<uint64_t>(inst.type.bits()) << 8 | inst.sense);
    for (uint32_t n = 0; n < inst.args_count; ++n) mix(func_.arg(i, n).raw);
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
    for (uint32_t n = 0; n < a.args_count; ++n) {
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
