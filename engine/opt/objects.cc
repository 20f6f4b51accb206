// Scalar replacement: an object that nobody else can see becomes the values of its fields.
//
// Objects are structs, and arrays of a small constant length whose elements are named by constants. An object escapes
// when it is used for anything but reading and writing its own fields; one that is only stored into an object that was
// replaced is found in the next round. What a field holds is followed backwards along the graph from each
// read, to the last store or to the allocation; where ways with different values meet, a block parameter joins them.
// Reads of packed fields wrap and extend what was stored, as memory would.
//
// The allocation still counts: AllocCharge takes its declared bytes and its unit from the budgets, in the same place.  [keeps I4]
// Bounded by kMaxSteps per function; objects beyond that stay objects.
#include <algorithm>
#include <optional>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Type;
using ir::ValueId;
using wasm::Opcode;
using wasm::Packed;

constexpr int kMaxRounds = 3;
constexpr size_t kMaxFields = 24;
constexpr size_t kMaxBlocks = 4'000;  // the search for a value recurses over joins
constexpr uint64_t kMaxSteps = 400'000;

class Objects {
 public:
  explicit Objects(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    if (cfg_.rpo().size() > kMaxBlocks || !joins_are_jumps()) return;
    rows_.assign(func_.block_count(), {});
    for (int round = 0; round < kMaxRounds; ++round) {
      gather();
      size_t replaced = 0;
      for (uint32_t n = 0; n < candidates_.size(); ++n) replaced += replace(n) ? 1 : 0;
      if (replaced == 0 || replaced == candidates_.size()) return;
    }
  }

 private:
  static constexpr uint32_t kNone = ~0u;
  static constexpr uint32_t kAll = ~1u;
  struct Candidate {
    InstId alloc;
    uint32_t size = 0;  // fields or elements
    bool escapes = false;
    uint32_t uses_begin = 0;
    uint32_t uses_end = 0;
  };

  // Whether values can be joined wherever ways meet.
  bool joins_are_jumps() const {
    return std::ranges::all_of(cfg_.rpo(), [&](BlockId b) {
      const auto preds = cfg_.preds(b);
      return std::ranges::all_of(
          preds, [&](BlockId pred) { return pred == preds[0] || (is_jump(pred) && is_jump(preds[0])); });
    });
  }
  bool is_jump(BlockId b) const { return func_.inst(func_.terminator(b)).op == Op::Jump; }

  // --- Gathering: allocations, and their uses in the order of reverse postorder, where a definition comes first.
  void gather() {
    candidates_.clear();
    found_.clear();
    number_.assign(func_.value_count(), kNone);
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        for (uint32_t n = 0; n < inst.args_count; ++n) {
          const uint32_t number = number_[func_.arg(i, n).index()];
          if (number != kNone) note_use(number, i, n);
        }
        const size_t size = size_of(i);
        if (size > kMaxFields) continue;
        number_[inst.first_result.index()] = static_cast<uint32_t>(candidates_.size());
        candidates_.push_back({.alloc = i, .size = static_cast<uint32_t>(size)});
      }
    }
    sort_uses();
  }

  void note_use(uint32_t number, InstId i, uint32_t n) {
    Candidate& c = candidates_[number];
    if (!is_own_field(c, i, n)) c.escapes = true;
    ++c.uses_end;
    found_.push_back({number, i});
  }

  // By candidate.
  void sort_uses() {
    uint32_t begin = 0;
    for (Candidate& c : candidates_) {
      c.uses_begin = begin;
      begin += c.uses_end;
      c.uses_end = c.uses_begin;
    }
    uses_.resize(begin);
    for (const Use& use : found_) uses_[candidates_[use.candidate].uses_end++] = use.inst;
  }

  // How many fields an allocation has; more than kMaxFields when it is none, or one of unknown length.
  size_t size_of(InstId i) const {
    const Inst& inst = func_.inst(i);
    if (inst.op == Op::StructAlloc) return type_of_object(inst).fields.size();
    const auto length = inst.op == Op::ArrayAlloc ? constant(func_.arg(i, 0)) : std::nullopt;
    return length ? *length : kMaxFields + 1;
  }
  std::optional<uint32_t> constant(ValueId v) const {
    const Inst* def = func_.def(v);
    if (def == nullptr || def->op != Op::Const) return {};
    return static_cast<uint32_t>(def->imm);
  }
  const wasm::SubType& type_of_object(const Inst& alloc) const { return func_.types().get(wasm::TypeId(alloc.a)); }

  // Which field a use is about: kAll for all of them, kNone when it is about more than fields.
  uint32_t field_of(InstId use) const {
    const Inst& inst = func_.inst(use);
    switch (inst.op) {
      case Op::FieldInit:
      case Op::StructGet:
      case Op::StructSet:
      case Op::ElemInit: return inst.b;
      case Op::ArrayGet:
      case Op::ArraySet: {
        const auto index = constant(func_.arg(use, 1));
        return index && *index < kMaxFields ? *index : kNone;
      }
      case Op::ArrayInitFill: return kAll;
      default: return kNone;
    }
  }
  static bool is_read(Op op) { return op == Op::StructGet || op == Op::ArrayGet; }
  ValueId stored(InstId use) const { return func_.arg(use, func_.inst(use).args_count - 1); }

  // Types in a tree of subtypes share the indices of common fields.
  bool is_own_field(const Candidate& c, InstId use, uint32_t operand) const {
    const uint32_t field = field_of(use);
    if (field == kNone || (field != kAll && field >= c.size)) return false;
    if (operand == 0) return true;
    return func_.inst(use).op == Op::StructSet && operand == 1 && fault_fires(Fault::kESC1);
  }

  // --- One object.
  bool replace(uint32_t number) {
    const Candidate& c = candidates_[number];
    const ValueId object = func_.result(c.alloc);
    if (c.escapes || steps_ > kMaxSteps || !gate_.allow(Rewrite::kScalars, object)) return false;
    alloc_ = c.alloc;
    defaults_.assign(c.size, ValueId());
    ++serial_;
    held_.clear();
    const std::span uses = std::span(uses_).subspan(c.uses_begin, c.uses_end - c.uses_begin);
    for (const InstId use : uses) {
      const Inst& inst = func_.inst(use);
      if (is_read(inst.op) || func_.arg(use, 0) != object) continue;
      for_each_field(use, [&](uint32_t f) { value(kAtEnd, inst.block, f) = stored(use); });
    }
    read_fields(uses);
    for (const InstId use : uses) func_.remove(use);
    func_.insert_before(alloc_, func_.make({.op = Op::AllocCharge,
                                            .a = func_.inst(alloc_).a,
                                            .imm = func_.inst(alloc_).op == Op::ArrayAlloc ? c.size : 0,
                                            .offset = func_.inst(alloc_).offset},
                                           {}, {}));
    func_.remove(alloc_);
    return true;
  }

  template <class Body>
  void for_each_field(InstId use, Body&& body) {
    const uint32_t field = field_of(use);
    if (field != kAll) {
      body(field);
      return;
    }
    for (uint32_t f = 0; f < defaults_.size(); ++f) body(f);
  }

  // Walks the uses block by block with what each field holds.
  void read_fields(std::span<const InstId> uses) {
    BlockId block;
    for (const InstId use : uses) {
      const Inst inst = func_.inst(use);
      if (inst.block != block) now_.assign(defaults_.size(), ValueId());
      block = inst.block;
      if (!is_read(inst.op)) {
        if (func_.arg(use, 0) == func_.result(alloc_)) for_each_field(use, [&](uint32_t f) { now_[f] = stored(use); });
        continue;
      }
      const uint32_t field = field_of(use);
      if (!now_[field].valid()) {
        const ValueId found = is_alloc_block(block) ? initial(field) : start_of(block, field);
        now_[field] = found;
      }
      func_.replace(func_.result(use), unpacked(use, field, now_[field]));
    }
  }

  bool is_alloc_block(BlockId b) const { return b == func_.inst(alloc_).block; }

  const wasm::StorageType& storage(uint32_t field) const {
    const wasm::SubType& type = type_of_object(func_.inst(alloc_));
    return type.fields[type.kind == wasm::CompositeKind::kArray ? 0 : field].storage;
  }

  // What reading a packed field gives of a value that was stored.
  ValueId unpacked(InstId get, uint32_t field, ValueId held) {
    const Packed packed = storage(field).packed;
    if (packed == Packed::kNone || fault_fires(Fault::kESC2)) return held;
    const bool byte = packed == Packed::kI8;
    const Opcode opcode = func_.inst(get).opcode;
    if (opcode == Opcode::StructGetS || opcode == Opcode::ArrayGetS) {
      return computed(get, byte ? Opcode::I32Extend8S : Opcode::I32Extend16S, std::span(&held, 1));
    }
    const ValueId args[] = {held, constant_before(get, wasm::kI32, byte ? 0xff : 0xffff)};
    return computed(get, Opcode::I32And, args);
  }

  ValueId computed(InstId before, Opcode opcode, std::span<const ValueId> args) {
    const Type i32 = wasm::kI32;
    const InstId made = func_.make({.op = Op::Compute, .opcode = opcode, .offset = func_.inst(before).offset}, args,
                                   std::span(&i32, 1));
    func_.insert_before(before, made);
    return func_.result(made);
  }

  ValueId constant_before(InstId before, Type type, uint64_t bits) {
    const Inst proto{.op = type.is_ref() ? Op::RefNull : Op::Const, .imm = bits, .offset = func_.inst(before).offset};
    const InstId made = func_.make(proto, {}, std::span(&type, 1));
    func_.insert_before(before, made);
    return func_.result(made);
  }

  Type type_of(uint32_t field) const { return storage(field).unpacked; }

  // Of a field that the allocation left alone. A field without default is always initialised before it is read.
  ValueId initial(uint32_t field) {
    if (!defaults_[field].valid()) {
      const Type type = type_of(field);
      const Type zero = type.is_ref() ? Type::ref(type.heap(), true) : type;
      defaults_[field] = constant_before(alloc_, zero, 0);
    }
    return defaults_[field];
  }

  // --- What a field holds at the edges of blocks.
  enum Edge : uint32_t { kAtStart, kAtEnd };
  // Of the object being replaced; invalid while it is not known. The reference is valid until the next call.
  ValueId& value(Edge edge, BlockId block, uint32_t field) {
    ++steps_;
    Row& row = rows_[block.index()];
    if (row.serial != serial_) {
      row = {serial_, static_cast<uint32_t>(held_.size())};
      held_.resize(held_.size() + 2 * defaults_.size());
    }
    return held_[row.begin + edge * defaults_.size() + field];
  }

  ValueId end_of(BlockId b, uint32_t field) {
    const ValueId stored = value(kAtEnd, b, field);
    if (stored.valid()) return stored;
    return is_alloc_block(b) ? initial(field) : start_of(b, field);
  }

  // Requires a block that the allocation dominates and does not stand in.
  ValueId start_of(BlockId b, uint32_t field) {
    if (const ValueId known = value(kAtStart, b, field); known.valid()) return known;
    const auto preds = cfg_.preds(b);
    ValueId found;
    if (preds.size() == 1 || !is_jump(preds[0])) {
      found = end_of(preds[0], field);
      value(kAtStart, b, field) = found;
      return found;
    }
    found = func_.add_param(b, type_of(field));
    value(kAtStart, b, field) = found;
    for (const BlockId pred : preds) {
      const ValueId arg = end_of(pred, field);
      const InstId jump = func_.terminator(pred);
      args_.assign(func_.args(jump).begin(), func_.args(jump).end());
      args_.push_back(arg);
      func_.set_args(jump, args_);
    }
    return found;
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  uint64_t steps_ = 0;
  Scratch<Candidate> candidates_;
  Scratch<uint32_t> number_;  // by ValueId: of a candidate
  struct Use {
    uint32_t candidate;
    InstId inst;
  };
  Scratch<Use> found_;
  Scratch<InstId> uses_;

  // Of the object being replaced.
  InstId alloc_;
  Scratch<ValueId> defaults_;
  Scratch<ValueId> now_;
  struct Row {
    uint32_t serial = 0;  // of the object that it is about
    uint32_t begin = 0;   // in held_: its fields at the block's start, then at its end
  };
  uint32_t serial_ = 0;
  Scratch<Row> rows_;  // by block
  Scratch<ValueId> held_;
  Scratch<ValueId> args_;
};

}  // namespace

Result<> replace_objects(PassContext& context) {
  Objects(context).run();
  return {};
}

}  // namespace parallax::opt
