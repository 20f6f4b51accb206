// Loop-invariant code motion: what a loop computes anew in every iteration, although nothing changes, moves in front of it.
//
// Only operations that neither trap nor write move, so that it does not matter whether the loop would have reached them:
// the Budget at the loop's head is an exit that comes before everything else in it. Reads move when the loop writes no
// place of their class (places.h). One walk in reverse postorder; operands come before their uses, so an expression moves
// as a whole, and at once to the outermost loop that leaves it unchanged.
//
// A moved value occupies a register, or a slot of the frame, during the whole loop. So comparisons stay with the branches
// that they are fused into, null constants and refinements stay (they cost nothing), cheap integer operations move only
// from where every iteration passes, only out of loops without calls, and every loop takes only so many values.
#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/ir/loops.h"
#include "engine/opt/passes.h"
#include "engine/opt/places.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::LoopId;
using ir::Op;
using ir::ValueId;
using wasm::Opcode;

// What it costs to compute a value again, compared with keeping it.
enum class Cost : uint8_t { kStays, kFree, kCheap, kDear };

constexpr uint32_t kMaxDepth = 32;  // blocks nested deeper are left alone: climbing stays bounded
constexpr uint32_t kMostCheap = 6;  // per loop
constexpr uint32_t kMostValues = 12;

class Licm {
 public:
  explicit Licm(PassContext& context)
      : func_(context.func), cfg_(context.cfg), loops_(context.loops()), gate_(context.gate) {}

  void run() {
    if (loops_.empty()) return;
    gather();
    for (const BlockId b : cfg_.rpo()) {
      const uint32_t depth = loops_.depth(b);
      if (depth == 0 || depth > kMaxDepth) continue;
      always_ = passed_always(b);
      ir::for_each_inst(func_, b, [&](InstId i) { visit(i, b, depth); });
    }
  }

 private:
  struct Facts {
    Places writes;
    bool calls = false;
    uint32_t moved = 0;  // values that live through the loop because of this pass
  };

  void gather() {
    facts_.assign(loops_.all().size(), {});
    for (const BlockId b : cfg_.rpo()) {
      if (!loops_.of(b).valid()) continue;
      Facts& facts = facts_[loops_.of(b).index()];
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        const uint16_t flags = func_.flags(inst);
        if ((flags & ir::kWrites) != 0) facts.writes |= writes_of(func_, inst);
        facts.calls |= (flags & ir::kThrows) != 0;
      }
    }
    for (size_t n = facts_.size(); n-- > 0;) {
      const LoopId parent = loops_.all()[n].parent;
      if (!parent.valid()) continue;
      facts_[parent.index()].writes |= facts_[n].writes;
      facts_[parent.index()].calls |= facts_[n].calls;
    }
  }

  // Whether every iteration of the innermost loop around `b` that goes on comes through `b`.
  bool passed_always(BlockId b) const {
    const BlockId head = loops_[loops_.of(b)].head;
    for (const BlockId pred : cfg_.preds(head)) {
      if (cfg_.dominates(head, pred) && !cfg_.dominates(b, pred)) return false;
    }
    return true;
  }

  Cost cost(InstId i) const {
    const Inst& inst = func_.inst(i);
    if (inst.results_count != 1 || inst.targets_count != 0) return Cost::kStays;
    if ((func_.flags(inst) & ~ir::kReads) != 0) return Cost::kStays;  // proven ones too: the proof is where they are
    switch (inst.op) {
      case Op::Const:
      case Op::RefFunc: return Cost::kFree;
      case Op::RefNull:  // as a value that lives over safepoints it would need a home
      case Op::Refine:   // true only where it stands, and no code
      case Op::ExnGet:
      case Op::Convert:
      case Op::RefIsNull:  // fused into its branch
      case Op::FuncIs:
      case Op::RefEq: return Cost::kStays;
      case Op::RefI31:
      case Op::I31Get: return Cost::kCheap;
      case Op::Compute: return compute_cost(inst);
      default: return Cost::kDear;
    }
  }

  Cost compute_cost(const Inst& inst) const {
    const Opcode op = inst.opcode;
    if (op >= Opcode::I32Eqz && op <= Opcode::F64Ge) return Cost::kStays;  // comparisons
    switch (op) {
      case Opcode::I32Add:
      case Opcode::I32Sub:
      case Opcode::I32And:
      case Opcode::I32Or:
      case Opcode::I32Xor:
      case Opcode::I32Shl:
      case Opcode::I32ShrS:
      case Opcode::I32ShrU:
      case Opcode::I64Add:
      case Opcode::I64Sub:
      case Opcode::I64And:
      case Opcode::I64Or:
      case Opcode::I64Xor:
      case Opcode::I64Shl:
      case Opcode::I64ShrS:
      case Opcode::I64ShrU:
      case Opcode::I32WrapI64:
      case Opcode::I64ExtendI32S:
      case Opcode::I64ExtendI32U: return Cost::kCheap;
      default: return Cost::kDear;
    }
  }

  void visit(InstId i, BlockId b, uint32_t depth) {
    const Cost cost = this->cost(i);
    if (cost == Cost::kStays || (cost == Cost::kCheap && !always_)) return;
    const LoopId to = target(i, b, depth, cost);
    if (!to.valid() || !gate_.allow(Rewrite::kHoisted, func_.result(i))) return;
    if (cost != Cost::kFree) {
      for (LoopId at = loops_.of(b);; at = loops_[at].parent) {
        ++facts_[at.index()].moved;
        if (at == to) break;
      }
    }
    func_.remove(i);
    func_.insert_before(func_.terminator(loops_[to].preheader), i);
  }

  // The outermost loop in front of which the operation may stand; invalid when it must stay.
  LoopId target(InstId i, BlockId b, uint32_t depth, Cost cost) const {
    uint32_t fixed = 0;  // depth of the innermost loop that it depends on
    for (uint32_t n = 0; n < func_.inst(i).args_count; ++n) {
      const BlockId def = ir::definition_block(func_, func_.arg(i, n));
      if (loops_.depth(def) > kMaxDepth) return {};
      fixed = std::max(fixed, loops_.common_depth(b, def));
      if (fixed == depth) return {};
    }
    const Places reads = reads_of(func_, func_.inst(i));
    LoopId found;
    for (LoopId at = loops_.of(b); at.valid() && loops_[at].depth > fixed; at = loops_[at].parent) {
      if (!may_leave(at, reads, cost)) break;
      found = at;
    }
    return found;
  }

  bool may_leave(LoopId loop, const Places& reads, Cost cost) const {
    const Facts& facts = facts_[loop.index()];
    if (!loops_[loop].preheader.valid()) return false;
    if (facts.writes.meets(reads) && !fault_fires(Fault::kLICM1)) return false;
    if (cost == Cost::kFree) return true;
    if (cost == Cost::kCheap && facts.calls) return false;
    return facts.moved < (cost == Cost::kCheap ? kMostCheap : kMostValues);
  }

  Func& func_;
  const ir::Cfg& cfg_;
  const ir::Loops& loops_;
  Gate& gate_;
  Scratch<Facts> facts_;
  bool always_ = false;
};

}  // namespace

Result<> hoist_invariants(PassContext& context) {
  Licm(context).run();
  return {};
}

}  // namespace parallax::opt
