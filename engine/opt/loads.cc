// Load forwarding within a block: what is read again, or read after it was written, is known.
//
// A walk over each block with a small table of what is known: (object, field), (array, index value), global -> value. A
// store makes its own location known and forgets every location that may be the same one: the same field index of any
// object (layouts are prefixes of each other, so related types share indices), every element of every array, the same
// global; imported globals may be one another. Calls, bulk operations and whatever else writes forget everything. Objects
// and indices are compared by SSA value, which only ever finds too little. Packed storage is known only to reads of the
// same kind, never from stores. An element that was accessed is in bounds: its second bounds check goes as well.
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
using wasm::Opcode;

class Loads {
 public:
  explicit Loads(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    for (const BlockId b : cfg_.rpo()) {
      known_.clear();
      ir::for_each_inst(func_, b, [&](InstId i) { visit(i); });
    }
  }

 private:
  struct Known {
    Op kind;        // StructGet, ArrayGet or GlobalGet
    Opcode opcode;  // how it was read
    ValueId object;
    uint32_t index;  // field, global, or raw ValueId of an element's index
    ValueId value;
  };
  static constexpr size_t kMaxKnown = 32;

  void visit(InstId i) {
    const Inst& inst = func_.inst(i);
    switch (inst.op) {
      case Op::StructGet: return load(i, {Op::StructGet, inst.opcode, func_.arg(i, 0), inst.b, func_.result(i)});
      case Op::ArrayGet:
        return load(i, {Op::ArrayGet, inst.opcode, func_.arg(i, 0), func_.arg(i, 1).raw, func_.result(i)});
      case Op::ArraySet:
        forget_elements();
        if (!is_packed(inst.a, 0)) {
          remember({Op::ArrayGet, Opcode::ArrayGet, func_.arg(i, 0), func_.arg(i, 1).raw, func_.arg(i, 2)});
        }
        return;
      case Op::ArrayFill:
      case Op::ArrayCopy:
      case Op::ArrayInitData:
      case Op::ArrayInitElem:
        if (fault_fires(Fault::kOPT4)) return;
        return forget_elements();
      case Op::GlobalGet: return load(i, {Op::GlobalGet, {}, {}, inst.a, func_.result(i)});
      case Op::StructSet: forget_field(inst.b); [[fallthrough]];
      case Op::FieldInit:
        if (!is_packed(inst.a, inst.b))
          remember({Op::StructGet, Opcode::StructGet, func_.arg(i, 0), inst.b, func_.arg(i, 1)});
        return;
      case Op::GlobalSet: forget_global(inst.a); return remember({Op::GlobalGet, {}, {}, inst.a, func_.arg(i, 0)});
      // Writes to other places, or to objects that nobody else knows.
      case Op::MemStore:
      case Op::ElemInit:
      case Op::ArrayInitFill:
      case Op::ExnInit:
      case Op::TableSet: return;
      default:
        if ((func_.flags(inst) & ir::kWrites) != 0) known_.clear();
        return;
    }
  }

  bool is_packed(uint32_t type, uint32_t field) const {
    return func_.types().get(wasm::TypeId(type)).fields[field].storage.packed != wasm::Packed::kNone;
  }

  void load(InstId i, const Known& location) {
    for (const Known& known : known_) {
      const bool same = known.kind == location.kind && known.opcode == location.opcode &&
                        known.object == location.object && known.index == location.index;
      if (!same) continue;
      const ValueId result = func_.result(i);
      if (!func_.types().matches(func_.type(known.value), func_.type(result))) return;
      if (!gate_.allow(Rewrite::kLoadForwarded, result)) return;
      func_.replace(result, known.value);
      func_.remove(i);
      return;
    }
    remember(location);
  }

  void remember(const Known& known) {
    if (known_.size() == kMaxKnown) known_.erase(known_.begin());
    known_.push_back(known);
  }
  void forget_elements() {
    std::erase_if(known_, [](const Known& k) { return k.kind == Op::ArrayGet; });
  }
  void forget_field(uint32_t index) {
    std::erase_if(known_, [&](const Known& k) { return k.kind == Op::StructGet && k.index == index; });
  }
  void forget_global(uint32_t index) {
    const bool imported = func_.module().globals[index].imported;
    std::erase_if(known_, [&](const Known& k) {
      return k.kind == Op::GlobalGet && (k.index == index || (imported && func_.module().globals[k.index].imported));
    });
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  std::vector<Known> known_;
};

}  // namespace

Result<> forward_loads(PassContext& context) {
  Loads(context).run();
  return {};
}

}  // namespace parallax::opt
