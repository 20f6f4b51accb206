// Memory known by value: what is read again, or read after it was written, is known, over the whole function.
//
// A forward walk in reverse postorder with a small table of what is known: place -> value, where a place is a field, an
// element, a global, a slot of a table or some bytes of linear memory. A block begins with what all its predecessors know;
// a loop head with what its preheader knows, less what the loop may write (places.h). A store makes its own place known
// and forgets what may be the same place:
//   * classes first (places.h); then objects by value: two allocations differ, an allocation differs from whatever was
//     known before it, and one whose reference goes nowhere differs from everything and outlives calls;
//   * types of which neither is a subtype of the other have no common objects;
//   * elements and bytes with one base and different constant offsets.
// When every way back to a loop's head knows a place that the loop reads, a parameter of the head carries it, and a second
// walk finds it there; in front of the loop it is read if it is not known and reading cannot trap.
//
// Objects are compared behind null checks, casts and refinements. Fields of a default allocation are known to be zero.
// What a place narrower than its value holds is that value cut down. A store of what is there already goes.
//
// A known element or byte was accessed, so it is in bounds: the check goes together with the load.
#include <algorithm>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/ir/builder.h"
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
using ir::Type;
using ir::ValueId;
using wasm::Opcode;

constexpr size_t kMaxKnown = 32;              // in one block
constexpr size_t kMaxKept = size_t{1} << 18;  // over all blocks; later ones begin with nothing known
constexpr uint32_t kMaxDefaults = 8;          // fields of a default allocation
constexpr size_t kMaxCarried = 8;             // in one function
constexpr uint8_t kWhole = 0xff;              // as many bytes as the value has

bool is_allocation(Op op) {
  return op == Op::StructAlloc || op == Op::ArrayAlloc || op == Op::ArrayNewData || op == Op::ArrayNewElem;
}

class Loads {
 public:
  explicit Loads(PassContext& context)
      : func_(context.func),
        cfg_(context.cfg),
        loops_(context.loops()),
        gate_(context.gate),
        escapes_(context.numbers) {}

  void run() {
    if (!gather()) return;
    when_.assign(func_.inst_count(), 0);
    walk();
    if (carry()) walk();
  }

 private:
  // What a read of one place gives.
  struct Known {
    Op kind;        // of the load: StructGet, GlobalGet, MemLoad, MemorySize, ...
    uint8_t log2;   // bytes: of linear memory, or of a packed field or element; else kWhole
    Opcode opcode;  // how it was read; kNoOpcode: `value` was stored
    uint32_t a;     // type, global, table or memory
    uint32_t field;
    ValueId object;  // or index into a table, or address
    uint64_t index;  // element: key of its index; memory: offset
    Places places;
    ValueId value;  // invalid: zero
  };
  struct Range {
    uint32_t begin = 0;
    uint32_t count = 0;
    bool known = false;
  };

  // --- Gathering: what loops write, which allocations stay here. False when nothing is ever read.
  bool gather() {
    loop_writes_.assign(loops_.all().size(), {});
    escapes_.assign(func_.value_count(), 0);
    bool useful = false;
    for (const BlockId b : cfg_.rpo()) {
      const LoopId loop = loops_.of(b);
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        const uint16_t flags = func_.flags(inst);
        useful |= (flags & (ir::kReads | ir::kWrites)) != 0;
        if (loop.valid() && (flags & ir::kWrites) != 0) loop_writes_[loop.index()] |= writes_of(func_, inst);
        note_escapes(i, inst);
      }
    }
    for (size_t n = loop_writes_.size(); n-- > 0;) {
      const LoopId parent = loops_.all()[n].parent;
      if (parent.valid()) loop_writes_[parent.index()] |= loop_writes_[n];
    }
    return useful;
  }

  void note_escapes(InstId i, const Inst& inst) {
    uint32_t n = 0;
    switch (inst.op) {
      case Op::FieldInit:
      case Op::StructGet:
      case Op::StructSet:
      case Op::ElemInit:
      case Op::ArrayInitFill:
      case Op::ArrayGet:
      case Op::ArraySet:
      case Op::ArrayLen:
      case Op::ArrayFill:
      case Op::ArrayInitData:
      case Op::ArrayInitElem:
      case Op::RefIsNull:
      case Op::RefEq:
      case Op::RefTest: n = inst.op == Op::RefEq ? 2 : 1; break;
      case Op::Return: return;
      default: break;
    }
    for (; n < inst.args_count; ++n) escapes_[func_.arg(i, n).index()] = 1;
  }

  void walk() {
    ends_.assign(func_.block_count(), {});
    kept_.clear();
    for (const BlockId b : cfg_.rpo()) {
      block_ = b;
      begin(b);
      for (const Carried& c : carried_) {
        if (c.param.valid() && loops_[c.loop].head == b) remember(c.place, c.param);
      }
      ir::for_each_inst(func_, b, [&](InstId i) {
        if (i.index() < when_.size()) when_[i.index()] = ++now_;
        visit(i);
      });
      end(b);
    }
  }

  // --- Blocks.
  void begin(BlockId b) {
    known_.clear();
    bool first = true;
    bool loops = false;
    for (const BlockId pred : cfg_.preds(b)) {
      if (cfg_.rpo_number(pred) >= cfg_.rpo_number(b)) {
        if (!cfg_.dominates(b, pred)) return known_.clear();  // irreducible
        loops = true;
        continue;
      }
      const Range& range = ends_[pred.index()];
      if (!range.known) return known_.clear();
      const auto known = std::span(kept_).subspan(range.begin, range.count);
      if (first) {
        known_.assign(known.begin(), known.end());
      } else {
        meet(known);
      }
      first = false;
      if (known_.empty()) return;
    }
    if (!loops || known_.empty()) return;
    const Places writes = loop_writes_[loops_.of(b).index()];
    std::erase_if(known_, [&](const Known& k) { return k.places.meets(writes); });
  }

  void meet(std::span<const Known> other) {
    size_t hint = 0;  // what both know mostly stands in the same order
    std::erase_if(known_, [&](const Known& k) {
      for (size_t looks = 0; looks < other.size(); ++looks) {
        const size_t at = (hint + looks) % other.size();
        if (!same_place(other[at], k) || other[at].opcode != k.opcode || other[at].value != k.value) continue;
        hint = at + 1;
        return false;
      }
      return true;
    });
  }

  void end(BlockId b) {
    if (kept_.size() + known_.size() > kMaxKept) return;
    ends_[b.index()] = {static_cast<uint32_t>(kept_.size()), static_cast<uint32_t>(known_.size()), true};
    kept_.insert(kept_.end(), known_.begin(), known_.end());
  }

  // --- Instructions.
  void visit(InstId i) {
    const Inst inst = func_.inst(i);
    switch (inst.op) {
      case Op::StructGet:
      case Op::ArrayGet:
      case Op::GlobalGet:
      case Op::MemorySize:
      case Op::TableSize:
      case Op::TableGet: return load(i, inst);
      case Op::MemLoad:
        if (inst.args_count == 1) load(i, inst);
        return;
      case Op::StructSet:
      case Op::ArraySet:
      case Op::GlobalSet:
      case Op::TableSet: return store(i, inst);
      case Op::MemStore:
        if (wasm::info(inst.opcode).immediates == wasm::ImmKind::MemArgLane) return forget(place(i, inst), inst);
        return store(i, inst);
      case Op::FieldInit:
      case Op::ElemInit: return remember(place(i, inst), func_.arg(i, 1));
      case Op::StructAlloc: return remember_defaults(i, inst);
      default:
        if ((func_.flags(inst) & ir::kWrites) == 0) return;
        if (is_bulk_of_array(inst.op) && fault_fires(Fault::kOPT4)) return;
        return forget(writes_of(func_, inst), inst);
    }
  }

  static bool is_bulk_of_array(Op op) {
    return op == Op::ArrayFill || op == Op::ArrayCopy || op == Op::ArrayInitData || op == Op::ArrayInitElem;
  }

  // The value behind operations that only say more about it.
  ValueId root(ValueId v) const {
    for (int steps = 0; steps < 8; ++steps) {
      const Inst* def = func_.def(v);
      if (def == nullptr || (def->op != Op::NullCheck && def->op != Op::Cast && def->op != Op::Refine)) break;
      v = func_.arg(func_.value(v).inst, 0);
    }
    return v;
  }

  // Indices and addresses: a constant is known by its value.
  static constexpr uint64_t kConstantKey = uint64_t{1} << 63;
  uint64_t key(ValueId v) const {
    const Inst* def = func_.def(v);
    return def != nullptr && def->op == Op::Const ? kConstantKey | (def->imm & 0xffffffffu) : v.raw;
  }

  static uint8_t log2_of(wasm::StorageType storage) {
    if (storage.packed == wasm::Packed::kNone) return kWhole;
    return storage.packed == wasm::Packed::kI8 ? 0 : 1;
  }

  // The place that a load, store or initialising store accesses; opcode and value are those of a store.
  Known place(InstId i, const Inst& inst) const {
    Known k{.kind = Op::StructGet,
            .log2 = kWhole,
            .opcode = wasm::kNoOpcode,
            .a = inst.a,
            .field = 0,
            .object = {},
            .index = 0,
            .places = {},
            .value = {}};
    Inst read = inst;  // the same place, read
    switch (inst.op) {
      case Op::StructGet:
      case Op::StructSet:
      case Op::FieldInit:
        k.field = inst.b;
        k.object = root(func_.arg(i, 0));
        k.log2 = log2_of(func_.types().get(wasm::TypeId(inst.a)).fields[inst.b].storage);
        break;
      case Op::ArrayGet:
      case Op::ArraySet:
      case Op::ElemInit:
        k.kind = Op::ArrayGet;
        k.object = root(func_.arg(i, 0));
        k.index = inst.op == Op::ElemInit ? kConstantKey | inst.b : key(func_.arg(i, 1));
        k.log2 = log2_of(func_.types().get(wasm::TypeId(inst.a)).fields[0].storage);
        break;
      case Op::TableGet:
      case Op::TableSet:
        k.kind = Op::TableGet;
        k.object = func_.arg(i, 0);
        break;
      case Op::MemLoad:
      case Op::MemStore:
        k.kind = Op::MemLoad;
        k.object = func_.arg(i, 0);
        k.index = inst.imm;
        k.log2 = wasm::access_log2(inst.opcode);
        break;
      case Op::MemorySize:
      case Op::TableSize: k.kind = inst.op; break;
      default: k.kind = Op::GlobalGet; break;
    }
    read.op = k.kind;
    k.places = reads_of(func_, read);
    return k;
  }

  static bool same_place(const Known& a, const Known& b) {
    if (a.kind != b.kind || a.object != b.object || a.index != b.index || a.log2 != b.log2) return false;
    if (a.kind == Op::StructGet) return a.field == b.field;
    return a.kind == Op::ArrayGet || a.a == b.a;
  }

  void load(InstId i, const Inst& inst) {
    Known wanted = place(i, inst);
    wanted.opcode = inst.opcode;
    const ValueId result = func_.result(i);
    for (const Known& k : known_) {
      if (!same_place(k, wanted)) continue;
      if (k.opcode == wasm::kNoOpcode) {
        if (use_stored(i, inst, k)) return;
      } else if (k.opcode == inst.opcode && func_.types().matches(func_.type(k.value), func_.type(result))) {
        return use(i, k.value);
      }
    }
    may_carry(wanted, i);
    remember(wanted, result);
  }

  void use(InstId i, ValueId value) {
    if (!gate_.allow(Rewrite::kLoadForwarded, func_.result(i))) return;
    func_.replace(func_.result(i), value);
    func_.remove(i);
  }

  // A load of what was stored. False when the value is of no use there.
  bool use_stored(InstId i, const Inst& inst, const Known& k) {
    const Type type = func_.type(func_.result(i));
    if (!k.value.valid()) {
      if (type.is_ref() && !type.nullable()) return false;
      if (gate_.allow(Rewrite::kLoadForwarded, func_.result(i))) substitute(i, zero(i, type));
      return true;
    }
    const Type stored = func_.type(k.value);
    if (k.log2 == kWhole || (k.kind == Op::MemLoad && k.log2 == bytes_log2(stored) && k.log2 == bytes_log2(type))) {
      if (!func_.types().matches(stored, type)) return false;
      use(i, k.value);
      return true;
    }
    if (stored != type || (type != wasm::kI32 && type != wasm::kI64)) return false;
    if (gate_.allow(Rewrite::kLoadForwarded, func_.result(i))) substitute(i, cut(i, inst.opcode, k));
    return true;
  }

  static uint8_t bytes_log2(Type type) {
    switch (type.kind()) {
      case wasm::ValKind::kI32:
      case wasm::ValKind::kF32: return 2;
      case wasm::ValKind::kI64:
      case wasm::ValKind::kF64: return 3;
      default: return 4;
    }
  }

  void substitute(InstId i, ValueId value) {
    func_.replace(func_.result(i), value);
    func_.remove(i);
  }

  ValueId insert(InstId before, const Inst& proto, std::span<const ValueId> args, Type type) {
    const InstId made = func_.make(proto, args, std::span(&type, 1));
    func_.insert_before(before, made);
    return func_.result(made);
  }

  ValueId zero(InstId before, Type type) {
    const Op op = type.is_ref() ? Op::RefNull : Op::Const;
    return insert(before, {.op = op, .offset = func_.inst(before).offset}, {}, type);
  }

  // The low bits of a stored value, extended as the load does.
  ValueId cut(InstId before, Opcode load, const Known& k) {
    const Type type = func_.type(k.value);
    const wasm::WasmOffset offset = func_.inst(before).offset;
    const bool wide = type == wasm::kI64;
    if (is_signed(load)) {
      static constexpr Opcode kExtend[2][3] = {{Opcode::I32Extend8S, Opcode::I32Extend16S, Opcode::I32Extend16S},
                                               {Opcode::I64Extend8S, Opcode::I64Extend16S, Opcode::I64Extend32S}};
      const ValueId args[] = {k.value};
      return insert(before, {.op = Op::Compute, .opcode = kExtend[wide ? 1 : 0][k.log2], .offset = offset}, args, type);
    }
    const uint64_t mask = (uint64_t{1} << (8u << k.log2)) - 1;
    const ValueId args[] = {k.value, insert(before, {.op = Op::Const, .imm = mask, .offset = offset}, {}, type)};
    const Opcode op = wide ? Opcode::I64And : Opcode::I32And;
    return insert(before, {.op = Op::Compute, .opcode = op, .offset = offset}, args, type);
  }

  static bool is_signed(Opcode load) {
    switch (load) {
      case Opcode::StructGetS:
      case Opcode::ArrayGetS:
      case Opcode::I32Load8S:
      case Opcode::I32Load16S:
      case Opcode::I64Load8S:
      case Opcode::I64Load16S:
      case Opcode::I64Load32S: return true;
      default: return false;
    }
  }

  void store(InstId i, const Inst& inst) {
    const Known target = place(i, inst);
    const ValueId value = func_.arg(i, inst.args_count - 1);
    for (const Known& k : known_) {
      if (!same_place(k, target) || k.value != value || !k.value.valid()) continue;
      // What a narrow place was read as, or what was stored in it, gives the same bits again.
      if (!gate_.allow(Rewrite::kStoreKnown, value)) break;
      func_.remove(i);
      return;
    }
    forget(target, inst);
    remember(target, value);
  }

  void remember(Known k, ValueId value) {
    k.value = value;
    if (known_.size() == kMaxKnown) known_.erase(known_.begin());
    known_.push_back(k);
  }

  // An object whose fields have their defaults, as far as no initialising store follows.
  void remember_defaults(InstId i, const Inst& inst) {
    if (func_.inst(inst.next).op == Op::FieldInit) return;
    const auto& fields = func_.types().get(wasm::TypeId(inst.a)).fields;
    for (uint32_t n = 0; n < fields.size() && n < kMaxDefaults; ++n) {
      Inst read{.op = Op::StructGet, .a = inst.a, .b = n};
      Known k{.kind = Op::StructGet,
              .log2 = log2_of(fields[n].storage),
              .opcode = wasm::kNoOpcode,
              .a = inst.a,
              .field = n,
              .object = func_.result(i),
              .index = 0,
              .places = reads_of(func_, read),
              .value = {}};
      remember(k, {});
    }
  }

  // --- Around loops. What every way back knows of a place may be carried to the loop's head in a parameter.
  struct Carried {
    LoopId loop;
    Known place;  // as the load would read it
    InstId load;
    ValueId param{};  // of the loop's head, once it is made
  };

  // Notes a load that found nothing, of a place that is the same in every iteration.
  void may_carry(const Known& wanted, InstId i) {
    const LoopId loop = loops_.of(block_);
    if (carrying_ || !loop.valid() || !loops_[loop].preheader.valid() || carried_.size() == kMaxCarried) return;
    if (wanted.object.valid() && loops_.contains(loop, ir::definition_block(func_, wanted.object))) return;
    if (wanted.kind == Op::ArrayGet && (wanted.index & kConstantKey) == 0 &&
        loops_.contains(loop, ir::definition_block(func_, ValueId(static_cast<uint32_t>(wanted.index))))) {
      return;
    }
    const auto same = [&](const Carried& c) {
      return c.loop == loop && same_place(c.place, wanted) && c.place.opcode == wanted.opcode;
    };
    if (std::ranges::none_of(carried_, same)) carried_.push_back({loop, wanted, i});
  }

  // Makes the parameters; false when there is none.
  bool carry() {
    carrying_ = true;
    bool any = false;
    for (Carried& c : carried_) any |= carry(c);
    return any;
  }

  bool carry(Carried& c) {
    const ir::Loop& loop = loops_[c.loop];
    const Type type = func_.type(func_.result(c.load));
    incoming_.clear();
    for (const BlockId pred : cfg_.preds(loop.head)) {
      if (func_.inst(func_.terminator(pred)).op != Op::Jump) return false;
      incoming_.push_back(known_at_end(pred, c.place, type));
      if (!incoming_.back().valid() && pred != loop.preheader) return false;
    }
    const bool before = can_read_before(c, loop.preheader, type);
    if (std::ranges::any_of(incoming_, [](ValueId v) { return !v.valid(); }) && !before) return false;
    if (!gate_.allow(Rewrite::kLoadCarried, func_.result(c.load))) return false;
    c.param = func_.add_param(loop.head, type);
    size_t n = 0;
    for (const BlockId pred : cfg_.preds(loop.head)) {
      const ValueId value = incoming_[n++];
      const InstId jump = func_.terminator(pred);
      args_.assign(func_.args(jump).begin(), func_.args(jump).end());
      args_.push_back(value.valid() ? value : read_before(c, jump, type));
      func_.set_args(jump, args_);
    }
    return true;
  }

  // The value of `place` at the end of a block, if it is one that the load could give as it is.
  ValueId known_at_end(BlockId b, const Known& place, Type type) const {
    const Range& range = ends_[b.index()];
    for (uint32_t n = 0; n < range.count; ++n) {
      const Known& k = kept_[range.begin + n];
      if (!same_place(k, place) || !k.value.valid()) continue;
      const ValueId value = func_.resolve(k.value);
      const bool whole = k.log2 == kWhole || (k.kind == Op::MemLoad && k.log2 == bytes_log2(type));
      const bool as_it_is = k.opcode == place.opcode || (k.opcode == wasm::kNoOpcode && whole);
      if (as_it_is && func_.types().matches(func_.type(value), type)) return value;
    }
    return {};
  }

  // Whether the load may stand at the end of the preheader: it cannot trap, and its object is known there.
  bool can_read_before(const Carried& c, BlockId preheader, Type type) const {
    if (c.place.kind == Op::GlobalGet) return true;
    if (c.place.kind != Op::StructGet) return false;
    const auto looked_into = Type::ref(wasm::HeapType::concrete(c.place.a), false);
    const ValueId object = func_.resolve(c.place.object);
    return type == func_.type(func_.result(c.load)) && func_.types().matches(func_.type(object), looked_into) &&
           cfg_.dominates(ir::definition_block(func_, object), preheader);
  }

  ValueId read_before(const Carried& c, InstId position, Type type) {
    const Inst& load = func_.inst(c.load);
    const Inst proto{.op = load.op, .opcode = load.opcode, .a = load.a, .b = load.b, .offset = load.offset};
    const ValueId object = c.place.object.valid() ? func_.resolve(c.place.object) : ValueId();
    return insert(position, proto, std::span(&object, object.valid() ? 1 : 0), type);
  }

  // --- Forgetting.
  void forget(const Known& written, const Inst&) {
    std::erase_if(known_, [&](const Known& k) { return k.places.meets(written.places) && may_be(k, written); });
  }
  void forget(const Places& writes, const Inst& inst) {
    const bool bulk = is_bulk_of_array(inst.op);
    std::erase_if(known_, [&](const Known& k) {
      if (!k.places.meets(writes)) return false;
      const bool in_object = k.kind == Op::StructGet || k.kind == Op::ArrayGet;
      return !in_object || bulk || !stays_here(k.object);
    });
  }

  // Whether two places of one class may be one place.
  bool may_be(const Known& k, const Known& written) const {
    if (k.kind != written.kind) return true;
    switch (k.kind) {
      case Op::StructGet:
        return k.field == written.field && related(k.a, written.a) && !distinct(k.object, written.object);
      case Op::ArrayGet:
        if ((k.index & written.index & kConstantKey) != 0 && k.index != written.index) return false;
        return related(k.a, written.a) && !distinct(k.object, written.object);
      case Op::GlobalGet:
        return k.a == written.a || (func_.module().globals[k.a].imported && func_.module().globals[written.a].imported);
      case Op::MemLoad: return k.a != written.a || overlap(k, written);
      default: return true;
    }
  }

  bool related(uint32_t a, uint32_t b) const {
    if (a == b) return true;
    if (fault_fires(Fault::kLOAD1)) return false;
    const auto x = Type::ref(wasm::HeapType::concrete(a), false);
    const auto y = Type::ref(wasm::HeapType::concrete(b), false);
    return func_.types().matches(x, y) || func_.types().matches(y, x);
  }

  bool stays_here(ValueId object) const {
    const Inst* def = func_.def(object);
    return def != nullptr && is_allocation(def->op) && object.index() < escapes_.size() &&
           escapes_[object.index()] == 0;
  }

  bool distinct(ValueId x, ValueId y) const {
    x = func_.resolve(x);  // a load that named an object may have been forwarded since
    y = func_.resolve(y);
    if (x == y) return false;
    const Inst* a = func_.def(x);
    const Inst* b = func_.def(y);
    const bool new_x = a != nullptr && is_allocation(a->op);
    const bool new_y = b != nullptr && is_allocation(b->op);
    if (new_x && new_y) return true;
    if (new_x) return stays_here(x) || is_older(y, x);
    if (new_y) return stays_here(y) || is_older(x, y);
    return false;
  }

  // Whether `v` is defined on every way to the allocation, so that it was known before the object existed.
  bool is_older(ValueId v, ValueId allocated) const {
    const ir::Value& value = func_.value(v);
    const InstId allocation = func_.value(allocated).inst;
    const BlockId at = func_.inst(allocation).block;
    if (value.block.valid()) return cfg_.dominates(value.block, at);
    const Inst& def = func_.inst(value.inst);
    if (def.targets_count != 0) return cfg_.dominates(func_.targets(value.inst)[0], at);
    if (def.block != at) return cfg_.dominates(def.block, at);
    return value.inst.index() < when_.size() && allocation.index() < when_.size() &&
           when_[value.inst.index()] < when_[allocation.index()];
  }

  // Bytes of one memory. Both accesses were in bounds, so that addresses are what they are modulo the size of the
  // address space: with one base, the difference of the offsets tells.
  bool overlap(const Known& k, const Known& written) const {
    uint64_t distance = k.index - written.index;
    const ValueId base = plus(k.object, distance, 1);
    if (base != plus(written.object, distance, -1)) return true;
    const bool wide = func_.type(k.object) == wasm::kI64;
    const uint64_t mask = wide ? ~uint64_t{0} : 0xffffffffu;
    const uint64_t size_of_k = uint64_t{1} << k.log2;
    const uint64_t size_of_written = uint64_t{1} << written.log2;
    return (distance & mask) < size_of_written || (-distance & mask) < size_of_k;
  }

  // Takes a constant addend off `address`; none() for a constant.
  ValueId plus(ValueId address, uint64_t& distance, uint64_t sign) const {
    const Inst* def = func_.def(address);
    if (def == nullptr) return address;
    if (def->op == Op::Const) {
      distance += sign * def->imm;
      return {};
    }
    if (def->op != Op::Compute || (def->opcode != Opcode::I32Add && def->opcode != Opcode::I64Add)) return address;
    const Inst* addend = func_.def(func_.arg(func_.value(address).inst, 1));
    if (addend == nullptr || addend->op != Op::Const) return address;
    distance += sign * addend->imm;
    return func_.arg(func_.value(address).inst, 0);
  }

  Func& func_;
  const ir::Cfg& cfg_;
  const ir::Loops& loops_;
  Gate& gate_;
  std::vector<uint32_t>& escapes_;
  Scratch<Places> loop_writes_;
  Scratch<Known> known_;
  Scratch<Known> kept_;
  Scratch<Carried> carried_;
  Scratch<ValueId> incoming_;
  Scratch<ValueId> args_;
  BlockId block_;
  bool carrying_ = false;
  Scratch<Range> ends_;
  Scratch<uint32_t> when_;  // by instruction: order of visits
  uint32_t now_ = 0;
};

}  // namespace

Result<> forward_loads(PassContext& context) {
  Loads(context).run();
  return {};
}

}  // namespace parallax::opt
