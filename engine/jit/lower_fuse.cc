// Lowering, preparation: which operations their only reader emits, as part of itself.
//
//   * a comparison, bit test or type test becomes part of a branch or select;
//   * a load becomes the memory operand of an operation or comparison, or with its operation part of a store to the same
//     place;
//   * shifts and additions become part of an address or of one lea.
//
// What has effects keeps its place among effects: a load that may trap moves only over what neither traps nor writes nor
// exits; one that cannot, over no write. References are never read later than the next safepoint (I2). In 32 bits an
// address wraps and an x86 address does not, so a part of an address is only taken where a bound says that nothing wraps.
#include <algorithm>
#include <bit>

#include "engine/base/faults.h"
#include "engine/gc/region.h"
#include "engine/jit/lower.h"
#include "engine/jit/lower_compute.h"
#include "engine/runtime/layouts.h"

namespace parallax::jit {

using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Rep;
using ir::ValueId;
using runtime::FieldRep;
using wasm::Opcode;

void Lowering::prepare() {
  count_uses();
  fused_.assign(func_->inst_count(), 0);
  plan_.assign(func_->inst_count(), kNoPlan);
  plans_.clear();
  for (const ir::BlockId b : func_->order()) {
    ir::for_each_inst(*func_, b, [&](InstId i) {
      const Inst& inst = func_->inst(i);
      if (inst.op == Op::MemLoad || inst.op == Op::MemStore) plan_address(i);
    });
  }
  for (const ir::BlockId b : func_->order()) {
    ir::for_each_inst(*func_, b, [&](InstId i) {
      const Inst& inst = func_->inst(i);
      if (inst.op == Op::Branch) fuse(inst, func_->arg(i, 0));
      if (inst.op == Op::Select && uses_[inst.first_result.index()] != 0) {
        const ValueId condition = func_->arg(i, 2);
        const Inst* def = func_->def(condition);
        if (def != nullptr && def->op != Op::RefTest) fuse(inst, condition);
      }
      if (inst.op == Op::MemStore) fuse_update(i);
    });
  }
  for (const ir::BlockId b : func_->order()) {
    ir::for_each_inst(*func_, b, [&](InstId i) {
      const Inst& inst = func_->inst(i);
      if (inst.op != Op::Compute || fused_[i.index()] != 0 || uses_[inst.first_result.index()] == 0) return;
      fuse_operands(inst, inst);
    });
  }
}

void Lowering::count_uses() {
  uses_.assign(func_->value_count(), 0);
  places_before_.assign(func_->inst_count(), {});
  for (const ir::BlockId b : func_->order()) {
    Before before;
    ir::for_each_inst(*func_, b, [&](InstId i) {
      const Inst& inst = func_->inst(i);
      places_before_[i.index()] = before;
      if (func_->is_safepoint(inst)) ++before.safepoints;
      constexpr uint16_t kChanges = ir::kWrites | ir::kSafepoint | ir::kExits | ir::kThrows | ir::kPinned;
      const uint16_t flags = func_->flags(inst);
      if ((flags & kChanges) != 0) ++before.changes;
      if ((flags & (kChanges | ir::kTraps)) != 0) ++before.effects;
      const auto args = func_->args(i);
      // Refine's test is only a proof.
      const size_t count = inst.op == Op::Refine ? 1 : args.size();
      for (size_t n = 0; n < count; ++n) ++uses_[args[n].index()];
    });
  }
}

// The instruction that defines `v` if `reader`, in the same block, is all that needs it.
const Inst* Lowering::only_read_by(const Inst& reader, ValueId v) const {
  const ir::Value& value = func_->value(v);
  if (!value.inst.valid() || uses_[v.index()] != 1 || fused_[value.inst.index()] != 0) return nullptr;
  const Inst& def = func_->inst(value.inst);
  return def.block == reader.block ? &def : nullptr;
}

const Lowering::Before& Lowering::before(const Inst& inst) const { return places_before_[id_of(inst).index()]; }

// --- Conditions ----------------------------------------------------------------------------------------------------

// Whether `value` is a comparison that its only reader `consumer` may evaluate itself.
bool Lowering::fusable(const Inst& consumer, ValueId value) const {
  const Inst* def = only_read_by(consumer, value);
  if (def == nullptr) return false;
  switch (def->op) {
    case Op::FuncIs: return true;  // not traced
    case Op::RefTest:
      if (func_->rep(arg(*def, 0)) == Rep::kFunc) return false;
      [[fallthrough]];
    case Op::RefIsNull:
    case Op::RefEq:
    case Op::ExnTest: return before(*def).safepoints == before(consumer).safepoints;
    case Op::Compute: {
      const ComputeRow& row = compute_row(def->opcode);
      return row.kind == ComputeKind::kCompareInt || row.kind == ComputeKind::kCompareFloat ||
             row.kind == ComputeKind::kEqz || is_bit_test(row);
    }
    default: return false;
  }
}

// "and" is a condition too: test.
bool Lowering::is_bit_test(const ComputeRow& row) {
  return row.kind == ComputeKind::kAlu && static_cast<AluOp>(row.sub) == AluOp::kAnd;
}

void Lowering::fuse(const Inst& consumer, ValueId value) {
  if (!fusable(consumer, value)) return;
  const InstId def = func_->value(value).inst;
  fused_[def.index()] = 1;
  const Inst& inst = func_->inst(def);
  if (inst.op != Op::Compute) return;
  const ComputeRow& row = compute_row(inst.opcode);
  // i32.eqz of a comparison is the opposite comparison. Of a type test it stays a test of its result.
  if (row.kind == ComputeKind::kEqz) {
    const ValueId inner = func_->arg(def, 0);
    const Inst* inner_def = func_->def(inner);
    if (inner_def != nullptr && inner_def->op != Op::RefTest) fuse(consumer, inner);
  } else if (is_zero_compare(inst)) {
    const Inst* tested = only_read_by(consumer, func_->arg(def, 0));
    if (tested != nullptr && tested->op == Op::Compute && is_bit_test(compute_row(tested->opcode)))
      fused_[id_of(*tested).index()] = 1;
  }
  if (!is_bit_test(row)) fuse_operands(inst, consumer);
}

// x == 0 or x != 0.
bool Lowering::is_zero_compare(const Inst& inst) const {
  const ComputeRow& row = compute_row(inst.opcode);
  uint64_t bits = 1;
  return row.kind == ComputeKind::kCompareInt &&
         (row.sub == static_cast<uint8_t>(Cond::kE) || row.sub == static_cast<uint8_t>(Cond::kNe)) &&
         constant_bits(arg(inst, 1), bits) && bits == 0;
}

// --- Memory operands -----------------------------------------------------------------------------------------------

// What an instruction may take from memory instead of a register.
bool Lowering::is_operand_load(const Inst& load, Width width) const {
  const auto is_field = [&](FieldRep rep) {
    switch (rep) {
      case FieldRep::kI32: return width == Width::k32;
      case FieldRep::kI64: return width == Width::k64;
      case FieldRep::kF32: return width == Width::kF32;
      case FieldRep::kF64: return width == Width::kF64;
      default: return false;
    }
  };
  switch (load.op) {
    case Op::MemLoad:
      switch (load.opcode) {
        case Opcode::I32Load: return width == Width::k32;
        case Opcode::I64Load: return width == Width::k64;
        case Opcode::F32Load: return width == Width::kF32;
        case Opcode::F64Load: return width == Width::kF64;
        case Opcode::I32Load8U:
        case Opcode::I64Load8U: return width == Width::k8;
        default: return false;
      }
    case Op::StructGet: return is_field(in_.layouts->of(wasm::TypeId(load.a)).fields[load.b].rep);
    case Op::ArrayGet: return is_field(in_.layouts->of(wasm::TypeId(load.a)).element);
    case Op::ArrayLen: return width == Width::k32;
    default: return false;
  }
}

// Takes the load of `v` into `reader`, which `emitter` emits.
bool Lowering::fuse_load(ValueId v, Width width, const Inst& reader, const Inst& emitter) {
  const Inst* load = only_read_by(reader, v);
  if (load == nullptr || in_.armed || !is_operand_load(*load, width)) return false;
  const Before& from = before(*load);
  const Before& to = before(emitter);
  const bool traps = (func_->flags(*load) & ir::kTraps) != 0;
  const bool stays = from.changes == to.changes && (!traps || from.effects + 1 == to.effects);
  if (!stays && !fault_fires(Fault::kSEL1)) return false;
  fused_[id_of(*load).index()] = 1;
  return true;
}

void Lowering::fuse_operands(const Inst& inst, const Inst& emitter) {
  const ComputeRow& row = compute_row(inst.opcode);
  uint64_t ignored = 0;
  const auto load = [&](size_t n, Width width) { return fuse_load(arg(inst, n), width, inst, emitter); };
  const auto is_constant = [&](size_t n) { return constant_bits(arg(inst, n), ignored); };
  switch (row.kind) {
    case ComputeKind::kAlu:
      if (is_constant(0) || is_constant(1)) return;
      if (static_cast<AluOp>(row.sub) == AluOp::kAdd && fuse_scaled(inst)) return;
      if (is_bit_test(row) && in_.cpu.bmi1 && fuse_trick(inst)) return;
      if (!load(1, row.width)) load(0, row.width);
      return;
    case ComputeKind::kSub:
      if (!is_constant(1)) load(1, row.width);
      return;
    case ComputeKind::kFAlu: {
      const auto op = static_cast<FAluOp>(row.sub);
      if (!load(1, row.width) && (op == FAluOp::kAdd || op == FAluOp::kMul)) load(0, row.width);
      return;
    }
    case ComputeKind::kCompareInt: {
      if (is_constant(0)) return;
      if (!is_constant(1)) {
        if (!load(1, row.width)) load(0, row.width);
        return;
      }
      int64_t imm = 0;
      if (!immediate(arg(inst, 1), row.width, imm)) return;
      if (!load(0, row.width) && imm >= 0 && imm <= 255 && is_unsigned_or_equal(static_cast<Cond>(row.sub)))
        load(0, Width::k8);
      return;
    }
    case ComputeKind::kEqz:
      if (!load(0, row.width)) load(0, Width::k8);
      return;
    case ComputeKind::kCompareFloat: load(1 - row.flag, row.width); return;
    case ComputeKind::kFSqrt: load(0, row.width); return;
    case ComputeKind::kFResize: load(0, row.width == Width::kF32 ? Width::kF64 : Width::kF32); return;
    case ComputeKind::kFromInt:
      if ((row.flag & kConvUnsigned) == 0) load(0, (row.flag & kConv64) != 0 ? Width::k64 : Width::k32);
      return;
    case ComputeKind::kExtend:
      if (static_cast<ExtendOp>(row.sub) == ExtendOp::kS32To64) load(0, Width::k32);
      return;
    default: return;
  }
}

bool Lowering::is_unsigned_or_equal(Cond cond) {
  return cond == Cond::kE || cond == Cond::kNe || cond == Cond::kB || cond == Cond::kAe || cond == Cond::kBe ||
         cond == Cond::kA;
}

// x + (y << 1, 2 or 3) is one lea.
bool Lowering::fuse_scaled(const Inst& inst) {
  for (const size_t n : {1, 0}) {
    const Inst* def = only_read_by(inst, arg(inst, n));
    uint8_t scale = 0;
    if (def == nullptr || !is_scaling(*def, scale)) continue;
    fused_[id_of(*def).index()] = 1;
    return true;
  }
  return false;
}

// x & ~y, x & (x - 1), x & -x: instructions of BMI1.
bool Lowering::fuse_trick(const Inst& inst) {
  for (const size_t n : {1, 0}) {
    if (trick_of(inst, n) == BitTrick::kNone || only_read_by(inst, arg(inst, n)) == nullptr) continue;
    fused_[func_->value(arg(inst, n)).inst.index()] = 1;
    return true;
  }
  return false;
}

Lowering::BitTrick Lowering::trick_of(const Inst& inst, size_t n) const {
  const ValueId x = arg(inst, 1 - n);
  const Inst* def = def_of(arg(inst, n));
  if (def == nullptr || def->op != Op::Compute) return BitTrick::kNone;
  const ComputeRow& row = compute_row(def->opcode);
  const uint64_t ones = row.width == Width::k64 ? ~uint64_t{0} : 0xffffffffu;
  uint64_t bits = 0;
  const auto is = [&](size_t operand, uint64_t value) {
    return constant_bits(arg(*def, operand), bits) && bits == value;
  };
  if (row.kind == ComputeKind::kSub) {
    if (arg(*def, 0) == x && is(1, 1)) return BitTrick::kReset;
    return arg(*def, 1) == x && is(0, 0) ? BitTrick::kIsolate : BitTrick::kNone;
  }
  if (row.kind != ComputeKind::kAlu || !is(1, ones)) return BitTrick::kNone;
  if (static_cast<AluOp>(row.sub) == AluOp::kXor) return BitTrick::kAndNot;
  return static_cast<AluOp>(row.sub) == AluOp::kAdd && arg(*def, 0) == x ? BitTrick::kReset : BitTrick::kNone;
}

bool Lowering::is_scaling(const Inst& inst, uint8_t& scale) const {
  if (inst.op != Op::Compute) return false;
  const ComputeRow& row = compute_row(inst.opcode);
  uint64_t count = 0;
  if (row.kind != ComputeKind::kShift || static_cast<ShiftOp>(row.sub) != ShiftOp::kShl) return false;
  if (!constant_bits(arg(inst, 1), count) || count < 1 || count > 3) return false;
  scale = static_cast<uint8_t>(count);
  return true;
}

// store(p, load(p) op x): one instruction, when nothing can come between the two.
void Lowering::fuse_update(InstId id) {
  const Inst& store = func_->inst(id);
  const Width width = update_width(store.opcode);
  if (width == Width::kV128) return;
  const Inst* op = only_read_by(store, func_->arg(id, 1));
  if (op == nullptr || op->op != Op::Compute) return;
  const ComputeRow& row = compute_row(op->opcode);
  const bool commutes = row.kind == ComputeKind::kAlu && static_cast<AluOp>(row.sub) != AluOp::kMul;
  if (!commutes && row.kind != ComputeKind::kSub) return;
  for (size_t n = 0; n < (commutes ? 2u : 1u); ++n) {
    const Inst* load = only_read_by(*op, arg(*op, n));
    if (load == nullptr || load->op != Op::MemLoad || load->a != store.a || load->imm != store.imm) continue;
    if (func_->arg(id_of(*load), 0) != func_->arg(id, 0) || !is_update_load(load->opcode, width)) continue;
    if (before(*load).effects + 1 != before(store).effects) continue;
    fused_[id_of(*op).index()] = fused_[id_of(*load).index()] = 1;
    return;
  }
}

// The width of an update through this store; kV128: none.
Width Lowering::update_width(Opcode store) {
  switch (store) {
    case Opcode::I32Store8:
    case Opcode::I64Store8: return Width::k8;
    case Opcode::I32Store:
    case Opcode::I64Store32: return Width::k32;
    case Opcode::I64Store: return Width::k64;
    default: return Width::kV128;
  }
}

// Whether a load gives the low bytes that a store of this width writes, as they are.
bool Lowering::is_update_load(Opcode load, Width width) {
  switch (width) {
    case Width::k8:
      return load == Opcode::I32Load8U || load == Opcode::I32Load8S || load == Opcode::I64Load8U ||
             load == Opcode::I64Load8S;
    case Width::k32: return load == Opcode::I32Load || load == Opcode::I64Load32U || load == Opcode::I64Load32S;
    case Width::k64: return load == Opcode::I64Load;
    default: return false;
  }
}

// --- Addresses -----------------------------------------------------------------------------------------------------

// An upper bound of an integer as an unsigned number, by what the operations say themselves.
uint64_t Lowering::most(ValueId v, int depth) const {
  const uint64_t any = func_->rep(v) == Rep::kI64 ? ~uint64_t{0} : 0xffffffffu;
  const Inst* def = def_of(v);
  uint64_t bits = 0;
  if (constant_bits(v, bits)) return bits;
  if (def == nullptr || depth == 0) return any;
  const auto of = [&](size_t n) { return most(arg(*def, n), depth - 1); };
  const auto is_constant = [&](size_t n) { return constant_bits(arg(*def, n), bits); };
  switch (def->op) {
    case Op::MemLoad:
      switch (def->opcode) {
        case Opcode::I32Load8U:
        case Opcode::I64Load8U: return 0xff;
        case Opcode::I32Load16U:
        case Opcode::I64Load16U: return 0xffff;
        case Opcode::I64Load32U: return 0xffffffffu;
        default: return any;
      }
    case Op::StructGet:
      if (def->opcode != Opcode::StructGetU) return any;
      return in_.layouts->of(wasm::TypeId(def->a)).fields[def->b].rep == FieldRep::kI8 ? 0xff : 0xffff;
    case Op::ArrayGet:
      if (def->opcode != Opcode::ArrayGetU) return any;
      return in_.layouts->of(wasm::TypeId(def->a)).element == FieldRep::kI8 ? 0xff : 0xffff;
    case Op::Select: return std::max(of(0), of(1));
    case Op::RefIsNull:
    case Op::RefEq:
    case Op::RefTest:
    case Op::FuncIs:
    case Op::ExnTest: return 1;
    case Op::Compute: break;
    default: return any;
  }
  const ComputeRow& row = compute_row(def->opcode);
  switch (row.kind) {
    case ComputeKind::kAlu: {
      const uint64_t a = of(0);
      const uint64_t b = of(1);
      uint64_t sum = 0;
      switch (static_cast<AluOp>(row.sub)) {
        case AluOp::kAnd: return std::min(a, b);
        case AluOp::kOr:
        case AluOp::kXor: return (a | b) == 0 ? 0 : ~uint64_t{0} >> std::countl_zero(a | b);
        case AluOp::kAdd: return !__builtin_add_overflow(a, b, &sum) && sum <= any ? sum : any;
        case AluOp::kMul: return !__builtin_mul_overflow(a, b, &sum) && sum <= any ? sum : any;
        default: return any;
      }
    }
    case ComputeKind::kShift: {
      if (!is_constant(1)) return any;
      const auto count = static_cast<uint32_t>(bits & (row.width == Width::k64 ? 63 : 31));
      const uint64_t a = of(0);
      if (static_cast<ShiftOp>(row.sub) == ShiftOp::kShr) return a >> count;
      if (static_cast<ShiftOp>(row.sub) == ShiftOp::kShl) return a <= any >> count ? a << count : any;
      return any;
    }
    case ComputeKind::kDivide:
      if (!is_constant(1) || bits == 0) return any;
      if (static_cast<DivOp>(row.sub) == DivOp::kRemU) return std::min(bits - 1, of(0));
      if (static_cast<DivOp>(row.sub) == DivOp::kDivU) return of(0) / bits;
      return any;
    case ComputeKind::kCompareInt:
    case ComputeKind::kEqz:
    case ComputeKind::kCompareFloat: return 1;
    case ComputeKind::kCountBits: return 64;
    case ComputeKind::kAlias: return of(0);
    case ComputeKind::kExtend:
      return static_cast<ExtendOp>(row.sub) == ExtendOp::kU32 ? std::min<uint64_t>(of(0), 0xffffffffu) : any;
    default: return any;
  }
}

// Whether a computation gives its operand's register as it is: widening of what is zero-extended anyway, narrowing of what
// is narrow already.
bool Lowering::is_alias(const Inst& inst) const {
  const ComputeRow& row = compute_row(inst.opcode);
  if (row.kind == ComputeKind::kAlias) return true;
  if (row.kind != ComputeKind::kExtend) return false;
  if (static_cast<ExtendOp>(row.sub) == ExtendOp::kU32) return most(arg(inst, 0)) <= 0xffffffffu;
  return static_cast<ExtendOp>(row.sub) == ExtendOp::kS32To64 && most(arg(inst, 0)) <= 0x7fffffffu;
}

// Takes shifts and additions into the address of an access: index * scale + offset, all without wrapping.
void Lowering::plan_address(InstId id) {
  const Inst& access = func_->inst(id);
  AddressPlan plan{.index = func_->arg(id, 0), .scale_log2 = 0, .offset = access.imm};
  if (func_->rep(plan.index) != Rep::kI32 || access.imm >= gc::kGuardedOffsets) return;
  constexpr int kSteps = 4;
  bool any = false;
  for (int step = 0; step < kSteps && take_part(plan); ++step) any = true;
  if (!any) return;
  plan_[id.index()] = static_cast<uint32_t>(plans_.size());
  plans_.push_back(plan);
}

bool Lowering::take_part(AddressPlan& plan) {
  const ValueId v = plan.index;
  const Inst* def = def_of(v);
  if (def == nullptr || def->op != Op::Compute) return false;
  const ComputeRow& row = compute_row(def->opcode);
  uint64_t c = 0;
  if (row.width != Width::k32 || (row.kind != ComputeKind::kAlu && row.kind != ComputeKind::kShift) ||
      !constant_bits(arg(*def, 1), c) || constant_bits(arg(*def, 0), c)) {
    return false;
  }
  constant_bits(arg(*def, 1), c);
  const ValueId inner = arg(*def, 0);
  constexpr uint64_t kMost = 0xffffffffu;
  if (row.kind == ComputeKind::kAlu && static_cast<AluOp>(row.sub) == AluOp::kAdd) {
    if (most(inner) + c > kMost && !fault_fires(Fault::kSEL2)) return false;
    if (plan.offset + (c << plan.scale_log2) >= gc::kGuardedOffsets) return false;
    plan.offset += c << plan.scale_log2;
  } else if (uint8_t scale = 0; is_scaling(*def, scale) && plan.scale_log2 + scale <= 3) {
    if (most(inner) > kMost >> scale) return false;
    plan.scale_log2 = static_cast<uint8_t>(plan.scale_log2 + scale);
  } else {
    return false;
  }
  plan.index = inner;
  // The operation's reading of `inner` becomes the access's, unless others still need the operation.
  if (--uses_[v.index()] == 0) {
    fused_[func_->value(v).inst.index()] = 1;
  } else {
    ++uses_[inner.index()];
  }
  return true;
}

Lowering::AddressPlan Lowering::address_of(const Inst& access) const {
  const uint32_t plan = plan_[id_of(access).index()];
  return plan == kNoPlan ? AddressPlan{.index = arg(access, 0), .scale_log2 = 0, .offset = access.imm} : plans_[plan];
}

}  // namespace parallax::jit
