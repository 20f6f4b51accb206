// Dead stores: what is overwritten before anybody can see it, and zeros written into new objects.
//
// Each block is walked backwards with the places that are written further down. A store to one of them goes, unless
// something between may read the place, or may leave the function: a trap, exhaustion or exception shows every store before
// it, to handlers, hosts, and the comparison of final states. Only stores that cannot trap themselves are looked at,
// because the next one's trap would come after other effects. Initialising stores of zero go always: new objects are zero.
#include <algorithm>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
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

constexpr size_t kMaxOverwritten = 16;

class Stores {
 public:
  explicit Stores(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    for (const BlockId b : cfg_.rpo()) {
      overwritten_.clear();
      for (InstId i = func_.block(b).last; i.valid();) {
        const InstId above = func_.inst(i).prev;
        visit(i);
        i = above;
      }
    }
  }

 private:
  // A place that is written before anything reads it.
  struct Overwritten {
    Op kind;  // StructSet or GlobalSet
    ValueId object;
    uint32_t index;
    Places places;
  };

  void visit(InstId i) {
    const Inst& inst = func_.inst(i);
    const uint16_t flags = func_.flags(inst);
    switch (inst.op) {
      case Op::StructSet: return store(i, {Op::StructSet, func_.arg(i, 0), inst.b, writes_of(func_, inst)});
      case Op::GlobalSet: return store(i, {Op::GlobalSet, {}, inst.a, writes_of(func_, inst)});
      case Op::FieldInit:
        if (is_zero(func_.arg(i, 1))) return drop(i, Rewrite::kInitDefault, func_.arg(i, 1));
        if (is_overwritten({Op::StructSet, func_.arg(i, 0), inst.b, {}}))
          drop(i, Rewrite::kStoreOverwritten, func_.arg(i, 1));
        return;
      case Op::ElemInit:
      case Op::ArrayInitFill:
        if (is_zero(func_.arg(i, 1))) drop(i, Rewrite::kInitDefault, func_.arg(i, 1));
        return;
      default: break;
    }
    if ((flags & (ir::kTraps | ir::kExits | ir::kThrows | ir::kTerminator)) != 0) {
      if ((flags & ~(ir::kTraps | ir::kReads | ir::kWrites)) == 0 && fault_fires(Fault::kDSE1)) return;
      overwritten_.clear();
      return;
    }
    if ((flags & ir::kReads) == 0) return;
    const Places reads = reads_of(func_, inst);
    std::erase_if(overwritten_, [&](const Overwritten& o) { return o.places.meets(reads); });
  }

  void store(InstId i, const Overwritten& place) {
    if (is_overwritten(place)) return drop(i, Rewrite::kStoreOverwritten, func_.arg(i, func_.inst(i).args_count - 1));
    if (overwritten_.size() < kMaxOverwritten) overwritten_.push_back(place);
  }

  bool is_overwritten(const Overwritten& place) const {
    return std::ranges::any_of(overwritten_, [&](const Overwritten& o) {
      return o.kind == place.kind && o.object == place.object && o.index == place.index;
    });
  }

  void drop(InstId i, Rewrite rewrite, ValueId value) {
    if (gate_.allow(rewrite, value)) func_.remove(i);
  }

  bool is_zero(ValueId v) const {
    const Inst* def = func_.def(v);
    return def != nullptr && (def->op == Op::RefNull || (def->op == Op::Const && def->imm == 0 && def->high == 0));
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  Scratch<Overwritten> overwritten_;
};

}  // namespace

Result<> remove_stores(PassContext& context) {
  Stores(context).run();
  return {};
}

}  // namespace parallax::opt
