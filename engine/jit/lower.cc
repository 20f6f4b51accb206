#include "engine/jit/lower.h"

#include <cstddef>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/gc/object.h"
#include "engine/jit/lower_compute.h"
#include "engine/runtime/store.h"
#include "engine/wasm/numerics.h"

namespace parallax::jit {

using ir::Inst;
using ir::Op;
using ir::Rep;
using ir::ValueId;
using runtime::StoreContext;
using wasm::TrapKind;

static RegClass class_of(Rep rep) {
  return rep == Rep::kF32 || rep == Rep::kF64 || rep == Rep::kV128 ? RegClass::kXmm : RegClass::kGpr;
}

static Width width_of(Rep rep) {
  switch (rep) {
    case Rep::kI64:
    case Rep::kFunc: return Width::k64;
    case Rep::kF32: return Width::kF32;
    case Rep::kF64: return Width::kF64;
    case Rep::kV128: return Width::kV128;
    default: return Width::k32;
  }
}

// --- Values --------------------------------------------------------------------------------------------------------

ValueId Lowering::arg(const Inst& inst, size_t n) const { return func_->args(id_of(inst))[n]; }

RegClass Lowering::cls(ValueId v) const { return class_of(func_->rep(v)); }

// One virtual register per distinct constant, as far as a small table remembers it.
VReg Lowering::constant(uint64_t bits) {
  KnownConst& known = consts_[(bits * 0x9e3779b97f4a7c15u >> 40) % consts_.size()];
  if (known.run != run_ || known.bits != bits) known = {bits, out_->add_const(RegClass::kGpr, bits), run_};
  return known.v;
}

VReg Lowering::float_constant(uint64_t bits) { return out_->add_const(RegClass::kXmm, bits); }

// A register for a value of this representation.
VReg Lowering::fresh(Rep rep) { return out_->add_vreg(class_of(rep), rep == Rep::kV128 ? Room::k16 : Room::k8); }

VReg Lowering::vreg(ValueId v) {
  VReg& known = vregs_[v.index()];
  if (known.valid()) return known;
  const Inst* def = def_of(v);
  if (def != nullptr) {
    switch (def->op) {
      case Op::Const: {
        const Rep rep = func_->rep(v);
        if (rep == Rep::kV128) return known = out_->add_wide_const(def->imm, def->high);
        const uint64_t bits = rep == Rep::kI32 || rep == Rep::kF32 ? def->imm & 0xffffffffu : def->imm;
        return known = class_of(rep) == RegClass::kXmm ? float_constant(bits) : constant(bits);
      }
      case Op::RefNull: return known = constant(0);
      case Op::RefFunc: return known = constant(in_.instance->store->make_func_ref(*in_.instance->funcs[def->a]));
      case Op::Refine:
      case Op::Convert:
      case Op::NullCheck:
      case Op::Cast: return vregs_[v.index()] = vreg(arg(*def, 0));
      case Op::Compute:
        if (is_alias(*def)) return vregs_[v.index()] = vreg(arg(*def, 0));
        break;
      default: break;
    }
  }
  return known = fresh(func_->rep(v));
}

VReg Lowering::define(const Inst& inst, size_t n) {
  return vreg(ValueId(inst.first_result.raw + static_cast<uint32_t>(n)));
}

bool Lowering::is_zero(ValueId v) const {
  const Inst* def = def_of(v);
  return def != nullptr && (def->op == Op::RefNull || (def->op == Op::Const && def->imm == 0 && def->high == 0));
}

// Of a scalar.
bool Lowering::constant_bits(ValueId v, uint64_t& bits) const {
  const Inst* def = def_of(v);
  if (def == nullptr || func_->rep(v) == Rep::kV128) return false;
  if (def->op == Op::RefNull) {
    bits = 0;
    return true;
  }
  if (def->op != Op::Const) return false;
  bits = func_->rep(v) == Rep::kI32 || func_->rep(v) == Rep::kF32 ? def->imm & 0xffffffffu : def->imm;
  return true;
}

bool Lowering::immediate(ValueId v, Width width, int64_t& imm) const {
  uint64_t bits = 0;
  if (class_of(func_->rep(v)) != RegClass::kGpr || !constant_bits(v, bits)) return false;
  imm = width == Width::k64 ? static_cast<int64_t>(bits) : static_cast<int32_t>(bits);
  return imm == static_cast<int32_t>(imm);
}

// A value as 64 integer bits, for builtins that take any type.
VReg Lowering::as_bits(ValueId v) {
  if (cls(v) == RegClass::kGpr) return vreg(v);
  const VReg bits = out_->add_vreg(RegClass::kGpr);
  out_->def(bits);
  out_->use(vreg(v));
  append({.op = MOp::MoveToGpr, .width = func_->rep(v) == Rep::kF64 ? Width::k64 : Width::k32});
  return bits;
}

// --- Conditions ----------------------------------------------------------------------------------------------------

const Inst* Lowering::fused_def(ValueId v) const {
  const Inst* def = def_of(v);
  return def != nullptr && fused_[func_->value(v).inst.index()] != 0 ? def : nullptr;
}

const Inst* Lowering::fused_load(ValueId v) const {
  const Inst* def = fused_def(v);
  const bool is_load = def != nullptr && (def->op == Op::MemLoad || def->op == Op::StructGet ||
                                          def->op == Op::ArrayGet || def->op == Op::ArrayLen);
  return is_load ? def : nullptr;
}

void Lowering::fuse_loaded_conditions() {
  for (const ir::BlockId b : func_->order()) {
    ir::for_each_inst(*func_, b, [&](ir::InstId i) {
      const Inst& inst = func_->inst(i);
      const bool selects = inst.op == Op::Select && uses_[inst.first_result.index()] != 0;
      if (inst.op != Op::Branch && !selects) return;
      const ValueId condition = func_->arg(i, selects ? 2 : 0);
      if (fused_def(condition) == nullptr && !fuse_load(condition, Width::k32, inst, inst))
        fuse_load(condition, Width::k8, inst, inst);
    });
  }
}

Lowering::Condition Lowering::loaded_is_zero(const Inst& load, Width width) {
  if (load.opcode == wasm::Opcode::I32Load8U || load.opcode == wasm::Opcode::I64Load8U) width = Width::k8;
  const Access access = operand_access(load);
  return {.form = CmpForm::kMemImm, .width = width, .cond = Cond::kE, .access = access, .offset = load.offset};
}

// "x & y is not zero".
Lowering::Condition Lowering::bit_test(const Inst& inst) {
  ValueId a = arg(inst, 0);
  ValueId b = arg(inst, 1);
  uint64_t ignored = 0;
  if (constant_bits(a, ignored)) std::swap(a, b);
  Condition c{.form = CmpForm::kTestRegReg, .width = compute_row(inst.opcode).width, .cond = Cond::kNe, .a = vreg(a)};
  if (immediate(b, c.width, c.imm)) {
    c.form = CmpForm::kTestImm;
  } else {
    c.b = vreg(b);
  }
  return c;
}

// What is loaded stands on the left of `cond`.
Lowering::Condition Lowering::compare_loaded(Width width, Cond cond, const Inst& load, ValueId other) {
  Condition c{.width = width, .cond = cond, .access = operand_access(load), .offset = load.offset};
  if (load.opcode == wasm::Opcode::I32Load8U || load.opcode == wasm::Opcode::I64Load8U) c.width = Width::k8;
  if (immediate(other, width, c.imm)) {
    c.form = CmpForm::kMemImm;
  } else {
    c.form = CmpForm::kRegMem;
    c.cond = swap_operands(cond);
    c.a = vreg(other);
  }
  return c;
}

Lowering::Condition Lowering::compare_ints(Width width, Cond cond, ValueId a, ValueId b) {
  Condition c{.width = width, .cond = cond};
  uint64_t ignored = 0;
  if (constant_bits(a, ignored) && !constant_bits(b, ignored)) {
    std::swap(a, b);
    c.cond = swap_operands(cond);
  }
  if (const Inst* load = fused_load(a)) return compare_loaded(width, c.cond, *load, b);
  if (const Inst* load = fused_load(b)) return compare_loaded(width, swap_operands(c.cond), *load, a);
  const Inst* def = fused_def(a);
  int64_t imm = 0;
  const bool is_immediate = immediate(b, width, imm);
  if (def != nullptr && is_immediate) {  // (x & y) against zero
    Condition test = bit_test(*def);
    test.cond = c.cond;
    return test;
  }
  c.a = vreg(a);
  if (!is_immediate) {
    c.form = CmpForm::kRegReg;
    c.b = vreg(b);
  } else if (imm == 0 && (c.cond == Cond::kE || c.cond == Cond::kNe)) {
    c.form = CmpForm::kTestReg;
  } else {
    c.form = CmpForm::kRegImm;
    c.imm = imm;
  }
  return c;
}

// The comparison that `inst` is.
Lowering::Condition Lowering::compare(const Inst& inst) {
  switch (inst.op) {
    case Op::RefIsNull:
      return {.form = CmpForm::kTestReg,
              .width = width_of(func_->rep(arg(inst, 0))),
              .cond = Cond::kE,
              .a = vreg(arg(inst, 0))};
    case Op::FuncIs:
      return {.form = CmpForm::kRegReg,
              .width = Width::k64,
              .cond = Cond::kE,
              .a = vreg(arg(inst, 0)),
              .b = constant(in_.instance->store->make_func_ref(*in_.instance->funcs[inst.a]))};
    case Op::RefEq: return compare_ints(Width::k32, Cond::kE, arg(inst, 0), arg(inst, 1));
    case Op::ExnTest:
      return {.form = CmpForm::kRegMem,
              .width = Width::k64,
              .cond = Cond::kE,
              .a = constant(in_.instance->tags[inst.a]),
              .access = in_object(arg(inst, 0), gc::kExnTagOffset)};
    default: break;
  }
  const ComputeRow& row = compute_row(inst.opcode);
  const auto cond = static_cast<Cond>(row.sub);
  if (row.kind == ComputeKind::kAlu) return bit_test(inst);
  if (row.kind == ComputeKind::kCompareInt) return compare_ints(row.width, cond, arg(inst, 0), arg(inst, 1));
  if (row.kind == ComputeKind::kCompareFloat) {
    const size_t first = row.flag;
    if (const Inst* load = fused_load(arg(inst, 1 - first))) {
      const Access access = operand_access(*load);
      return {.form = CmpForm::kFloatMem,
              .width = row.width,
              .cond = cond,
              .a = vreg(arg(inst, first)),
              .access = access,
              .offset = load->offset};
    }
    return {.form = CmpForm::kFloat,
            .width = row.width,
            .cond = cond,
            .a = vreg(arg(inst, first)),
            .b = vreg(arg(inst, 1 - first))};
  }
  // eqz
  const ValueId inner = arg(inst, 0);
  if (const Inst* load = fused_load(inner)) return loaded_is_zero(*load, row.width);
  if (const Inst* def = fused_def(inner)) {
    Condition c = compare(*def);
    c.cond = negate(c.cond);
    return c;
  }
  return {.form = CmpForm::kTestReg, .width = row.width, .cond = Cond::kE, .a = vreg(inner)};
}

// "v is not zero", through the comparison that v is if that was fused.
Lowering::Condition Lowering::condition(ValueId v) {
  if (const Inst* load = fused_load(v)) {
    Condition c = loaded_is_zero(*load, Width::k32);
    c.cond = Cond::kNe;
    return c;
  }
  if (const Inst* def = fused_def(v)) return compare(*def);
  return {.form = CmpForm::kTestReg, .width = Width::k32, .cond = Cond::kNe, .a = vreg(v)};
}

void Lowering::compare_operands(const Condition& c) {
  switch (c.form) {
    case CmpForm::kRegReg:
      out_->use(c.a);
      out_->use(c.b, Where::kAny);
      return;
    case CmpForm::kTestRegReg:
    case CmpForm::kFloat:
      out_->use(c.a);
      out_->use(c.b);
      return;
    case CmpForm::kRegMem:
    case CmpForm::kFloatMem:
      out_->use(c.a);
      access_operands(c.access);
      return;
    case CmpForm::kMemImm: access_operands(c.access); return;
    case CmpForm::kRegImm:
    case CmpForm::kTestReg:
    case CmpForm::kTestImm: out_->use(c.a); return;
    case CmpForm::kNone: break;
  }
  UNREACHABLE("comparison without a form");
}

void Lowering::set_condition(MInst& inst, const Condition& c) {
  inst.width = c.width;
  inst.cond = c.cond;
  inst.form = c.form;
  inst.mem = c.access.mem;
  inst.imm = c.imm;
  inst.offset = c.offset;
}

void Lowering::set_from(VReg d, const Condition& c) {
  out_->def(d);
  compare_operands(c);
  MInst inst{.op = MOp::SetCond};
  set_condition(inst, c);
  append(inst);
}

void Lowering::trap_if(const Condition& c, TrapKind trap) {
  compare_operands(c);
  MInst inst{.op = MOp::TrapIf, .trap = trap};
  set_condition(inst, c);
  append(inst);
}

void Lowering::trap_if_zero(VReg v, Width width, TrapKind trap) {
  trap_if({.form = CmpForm::kTestReg, .width = width, .cond = Cond::kE, .a = v}, trap);
}

// --- Scalars -------------------------------------------------------------------------------------------------------

void Lowering::append_with_load(MInst m, const Inst& load, VReg d, Where where, VReg a) {
  const Access access = operand_access(load);
  out_->def(d, where);
  if (a.valid()) out_->use(a);
  access_operands(access);
  m.form = CmpForm::kRegMem;
  m.mem = access.mem;
  m.offset = load.offset;
  append(m);
}

void Lowering::unary(const Inst& inst, MOp op, Width width, uint8_t sub, uint8_t flag, bool same) {
  const MInst m{.op = op, .width = width, .sub = sub, .flag = flag, .imm = inst.sense != 0 ? kFreeNan : 0};
  if (const Inst* load = fused_load(arg(inst, 0))) return append_with_load(m, *load, define(inst), Where::kReg, VReg());
  out_->def(define(inst), same ? Where::kSame : Where::kReg);
  out_->use(vreg(arg(inst, 0)));
  append(m);
}

void Lowering::binary_float(const Inst& inst, MOp op, Width width, uint8_t sub, uint8_t flag) {
  const MInst m{.op = op, .width = width, .sub = sub, .flag = flag, .imm = inst.sense != 0 ? kFreeNan : 0};
  // With three operands the result may be anywhere.
  const Where where = op == MOp::FAlu && in_.cpu.avx ? Where::kReg : Where::kSame;
  for (const size_t n : {1, 0}) {
    if (const Inst* load = fused_load(arg(inst, n)))
      return append_with_load(m, *load, define(inst), where, vreg(arg(inst, 1 - n)));
  }
  out_->def(define(inst), where);
  out_->use(vreg(arg(inst, 0)));
  out_->use(vreg(arg(inst, 1)), op == MOp::FAlu ? Where::kAny : Where::kReg);
  append(m);
}

void Lowering::alu_with_load(const Inst& inst, Width width, AluOp op, const Inst& load, ValueId other) {
  const MInst m{.op = MOp::AluMem, .width = width, .sub = static_cast<uint8_t>(op)};
  append_with_load(m, load, define(inst), Where::kSame, vreg(other));
}

// x + (y << n).
bool Lowering::scaled_add(const Inst& inst, Width width) {
  for (const size_t n : {1, 0}) {
    const Inst* def = fused_def(arg(inst, n));
    uint8_t scale = 0;
    if (def == nullptr || !is_scaling(*def, scale)) continue;
    out_->def(define(inst));
    out_->use(vreg(arg(inst, 1 - n)));
    out_->use(vreg(arg(*def, 0)));
    append({.op = MOp::Lea, .width = width, .mem = {.base = MemBase::kVReg, .has_index = true, .scale_log2 = scale}});
    return true;
  }
  return false;
}

// x & ~y, x & (x - 1), x & -x.
bool Lowering::bit_trick(const Inst& inst, Width width) {
  for (const size_t n : {1, 0}) {
    const Inst* inner = fused_def(arg(inst, n));
    const BitTrick trick = inner == nullptr ? BitTrick::kNone : trick_of(inst, n);
    if (trick == BitTrick::kNone) continue;
    const VReg x = vreg(arg(inst, 1 - n));
    out_->def(define(inst));
    if (trick == BitTrick::kAndNot) {
      out_->use(vreg(arg(*inner, 0)));
      out_->use(x);
      append({.op = MOp::AndNot, .width = width});
    } else {
      out_->use(x);
      const BitOp op = trick == BitTrick::kReset ? BitOp::kReset : BitOp::kIsolate;
      append({.op = MOp::LowestBit, .width = width, .sub = static_cast<uint8_t>(op)});
    }
    return true;
  }
  return false;
}

void Lowering::multiply(const Inst& inst, Width width, ValueId a, int64_t imm) {
  if (imm == 3 || imm == 5 || imm == 9) {
    out_->def(define(inst));
    out_->use(vreg(a));
    out_->use(vreg(a));
    append({.op = MOp::Lea,
            .width = width,
            .mem = {.base = MemBase::kVReg,
                    .has_index = true,
                    .scale_log2 = static_cast<uint8_t>(imm == 3   ? 1
                                                       : imm == 5 ? 2
                                                                  : 3)}});
    return;
  }
  out_->def(define(inst));
  out_->use(vreg(a));
  append({.op = MOp::AluImm, .width = width, .sub = static_cast<uint8_t>(AluOp::kMul), .imm = imm});
}

// x & a mask of whole low bytes is a move that extends.
bool Lowering::mask(const Inst& inst, ValueId x, uint64_t bits) {
  if (bits != 0xff && bits != 0xffff && bits != 0xffffffffu) return false;
  const ExtendOp op = bits == 0xff ? ExtendOp::kU8 : bits == 0xffff ? ExtendOp::kU16 : ExtendOp::kU32;
  out_->def(define(inst));
  out_->use(vreg(x));
  append({.op = MOp::Extend, .sub = static_cast<uint8_t>(op)});
  return true;
}

void Lowering::alu(const Inst& inst, Width width, AluOp op) {
  const MInst m{.op = MOp::Alu, .width = width, .sub = static_cast<uint8_t>(op)};
  for (const size_t n : {1, 0}) {
    if (const Inst* load = fused_load(arg(inst, n))) return alu_with_load(inst, width, op, *load, arg(inst, 1 - n));
  }
  if (op == AluOp::kAdd && scaled_add(inst, width)) return;
  if (op == AluOp::kAnd && bit_trick(inst, width)) return;
  ValueId a = arg(inst, 0);
  ValueId b = arg(inst, 1);
  uint64_t ignored = 0;
  if (constant_bits(a, ignored)) std::swap(a, b);
  int64_t imm = 0;
  if (op == AluOp::kAnd && constant_bits(b, ignored) && mask(inst, a, ignored)) return;
  if (!immediate(b, width, imm)) {
    // The result overwrites one that nobody else reads, if there is one.
    if (uses_[a.index()] > 1 && uses_[b.index()] == 1) std::swap(a, b);
    if (op == AluOp::kAdd && uses_[a.index()] > 1 && !constant_bits(b, ignored)) {
      out_->def(define(inst));
      out_->use(vreg(a));
      out_->use(vreg(b));
      append({.op = MOp::Lea, .width = width, .mem = {.base = MemBase::kVReg, .has_index = true}});
      return;
    }
    out_->def(define(inst), Where::kSame);
    out_->use(vreg(a));
    out_->use(vreg(b), Where::kAny);
    append(m);
    return;
  }
  if (op == AluOp::kMul) return multiply(inst, width, a, imm);
  if (op == AluOp::kAdd) {
    out_->def(define(inst));
    out_->use(vreg(a));
    append({.op = MOp::Lea, .width = width, .mem = {.base = MemBase::kVReg, .disp = static_cast<int32_t>(imm)}});
    return;
  }
  out_->def(define(inst), Where::kSame);
  out_->use(vreg(a));
  append({.op = MOp::AluImm, .width = width, .sub = static_cast<uint8_t>(op), .imm = imm});
}

void Lowering::sub(const Inst& inst, Width width) {
  const MInst m{.op = MOp::Sub, .width = width, .sub = static_cast<uint8_t>(AluOp::kSub)};
  if (const Inst* load = fused_load(arg(inst, 1))) return alu_with_load(inst, width, AluOp::kSub, *load, arg(inst, 0));
  int64_t imm = 0;
  if (immediate(arg(inst, 1), width, imm) && imm != INT32_MIN) {
    out_->def(define(inst));
    out_->use(vreg(arg(inst, 0)));
    append({.op = MOp::Lea, .width = width, .mem = {.base = MemBase::kVReg, .disp = static_cast<int32_t>(-imm)}});
    return;
  }
  out_->def(define(inst), Where::kSame);
  out_->use(vreg(arg(inst, 0)));
  out_->use(vreg(arg(inst, 1)), Where::kAny);
  append(m);
}

void Lowering::shift(const Inst& inst, Width width, ShiftOp op) {
  uint64_t count = 0;
  const bool rotates = op == ShiftOp::kRol || op == ShiftOp::kRor;
  if (constant_bits(arg(inst, 1), count)) {
    const int64_t bits = width == Width::k64 ? 64 : 32;
    const auto masked = static_cast<int64_t>(count) & (bits - 1);
    if (rotates && in_.cpu.bmi2 && uses_[arg(inst, 0).index()] > 1) {
      out_->def(define(inst));
      out_->use(vreg(arg(inst, 0)));
      append(
          {.op = MOp::RotateImm, .width = width, .imm = op == ShiftOp::kRor ? masked : (bits - masked) & (bits - 1)});
      return;
    }
    out_->def(define(inst), Where::kSame);
    out_->use(vreg(arg(inst, 0)));
    append({.op = MOp::ShiftImm, .width = width, .sub = static_cast<uint8_t>(op), .imm = masked});
    return;
  }
  if (!rotates && in_.cpu.bmi2) {
    out_->def(define(inst));
    out_->use(vreg(arg(inst, 0)));
    out_->use(vreg(arg(inst, 1)));
    append({.op = MOp::ShiftAny, .width = width, .sub = static_cast<uint8_t>(op)});
    return;
  }
  out_->def(define(inst), Where::kSame);
  out_->use(vreg(arg(inst, 0)));
  out_->use_fixed(vreg(arg(inst, 1)), kRcx);
  append({.op = MOp::Shift, .width = width, .sub = static_cast<uint8_t>(op)});
}

void Lowering::divide(const Inst& inst, Width width, DivOp op) {
  int64_t checks = kDivCheckZero | kDivCheckMinusOne;
  uint64_t divisor = 0;
  if (constant_bits(arg(inst, 1), divisor)) {
    if (divisor != 0) checks &= ~kDivCheckZero;
    if (divisor != (width == Width::k64 ? ~uint64_t{0} : 0xffffffffu)) checks &= ~kDivCheckMinusOne;
  }
  if (inst.sense != 0 && !in_.armed) checks = 0;
  const bool quotient = op == DivOp::kDivS || op == DivOp::kDivU;
  out_->def_fixed(define(inst), quotient ? kRax : kRdx);
  out_->use_fixed(vreg(arg(inst, 0)), kRax);
  out_->use(vreg(arg(inst, 1)));
  append({.op = MOp::Divide,
          .width = width,
          .sub = static_cast<uint8_t>(op),
          .clobbers = bit(kRax) | bit(kRdx),
          .imm = checks});
}

void Lowering::select(const Inst& inst) {
  const Condition c = condition(arg(inst, 2));
  out_->def(define(inst), Where::kSame);
  out_->use(vreg(arg(inst, 1)));
  out_->use(vreg(arg(inst, 0)));
  compare_operands(c);
  MInst m{.op = MOp::Select};
  set_condition(m, c);
  append(m);
}

Result<> Lowering::compute(const Inst& inst) {
  const ComputeRow& row = compute_row(inst.opcode);
  switch (row.kind) {
    case ComputeKind::kNone:
      if (!wasm::has_numeric(inst.opcode) || (func_->flags(inst) & ir::kTraps) != 0) break;
      numeric(inst);
      return {};
    case ComputeKind::kAlias: vreg(inst.first_result); return {};
    case ComputeKind::kAlu: alu(inst, row.width, static_cast<AluOp>(row.sub)); return {};
    case ComputeKind::kSub: sub(inst, row.width); return {};
    case ComputeKind::kShift: shift(inst, row.width, static_cast<ShiftOp>(row.sub)); return {};
    case ComputeKind::kDivide: divide(inst, row.width, static_cast<DivOp>(row.sub)); return {};
    case ComputeKind::kCompareInt:
    case ComputeKind::kEqz:
    case ComputeKind::kCompareFloat: set_from(define(inst), compare(inst)); return {};
    case ComputeKind::kCountBits:
      if (row.mop == MOp::Popcnt && !in_.cpu.popcnt) {
        out_->def_early(define(inst));
        out_->use(vreg(arg(inst, 0)));
        out_->temp(RegClass::kGpr);
        append({.op = row.mop, .width = row.width});
      } else {
        unary(inst, row.mop, row.width, 0, 0);
      }
      return {};
    case ComputeKind::kExtend:
      if (is_alias(inst)) {
        vreg(inst.first_result);
        return {};
      }
      if (const Inst* load = fused_load(arg(inst, 0))) {
        const MInst m{.op = MOp::Load, .sub = static_cast<uint8_t>(LoadOp::kS32To64)};
        append_with_load(m, *load, define(inst), Where::kReg, VReg());
        return {};
      }
      unary(inst, MOp::Extend, row.width, row.sub, 0);
      return {};
    case ComputeKind::kFAlu: binary_float(inst, MOp::FAlu, row.width, row.sub, 0); return {};
    case ComputeKind::kFMinMax: binary_float(inst, MOp::FMinMax, row.width, 0, row.flag); return {};
    case ComputeKind::kFSqrt: unary(inst, MOp::FSqrt, row.width, 0, 0); return {};
    case ComputeKind::kFAbsNeg: unary(inst, MOp::FAbsNeg, row.width, 0, row.flag, true); return {};
    case ComputeKind::kFCopysign:
      out_->def(define(inst));
      out_->use(vreg(arg(inst, 0)));
      out_->use(vreg(arg(inst, 1)));
      out_->temp(RegClass::kXmm);
      append({.op = MOp::FCopysign, .width = row.width});
      return {};
    case ComputeKind::kFRound:
      if (!in_.cpu.sse41) {
        numeric(inst);
        return {};
      }
      unary(inst, MOp::FRound, row.width, row.sub, 0);
      return {};
    case ComputeKind::kFResize: unary(inst, MOp::FResize, row.width, 0, 0); return {};
    case ComputeKind::kFromInt:
    case ComputeKind::kToInt: {
      const bool to_int = row.kind == ComputeKind::kToInt;
      if (const Inst* load = fused_load(arg(inst, 0))) {
        const MInst m{.op = MOp::FromInt, .width = row.width, .flag = row.flag};
        append_with_load(m, *load, define(inst), Where::kReg, VReg());
        return {};
      }
      out_->def(define(inst));
      out_->use(vreg(arg(inst, 0)));
      if ((row.flag & kConv64) != 0 && (row.flag & kConvUnsigned) != 0)
        out_->temp(to_int ? RegClass::kXmm : RegClass::kGpr);
      append({.op = to_int ? MOp::ToInt : MOp::FromInt, .width = row.width, .flag = row.flag});
      return {};
    }
    case ComputeKind::kToXmm: unary(inst, MOp::MoveToXmm, row.width, 0, 0); return {};
    case ComputeKind::kToGpr: unary(inst, MOp::MoveToGpr, row.width, 0, 0); return {};
  }
  return fail(ErrorCode::kInvariant, inst.offset,
              text::format("I3: no lowering of compute {}", wasm::info(inst.opcode).text));
}

// --- Blocks --------------------------------------------------------------------------------------------------------

// Parameters in registers are defined by Entry; the others are read from the argument area before anything may use it.
void Lowering::entry_params() {
  ArgAssigner assigner;
  places_.clear();
  for (const ValueId p : func_->params(ir::Func::kEntry)) {
    const Rep rep = func_->rep(p);
    const auto place = assigner.next(class_of(rep));
    const VReg v = vreg(p);
    if (place.reg != kNoReg) {
      out_->def_fixed(v, place.reg);
    } else {
      places_.push_back({place, v, rep});
    }
  }
  append({.op = MOp::Entry});
  load_overflow(places_);
  if (!in_.armed) return;
  for (const ValueId p : func_->params(ir::Func::kEntry)) {
    if (func_->rep(p) == Rep::kRef) check_ref(vreg(p), func_->type(p));
  }
}

void Lowering::terminator(const Inst& inst, MBlockId b) {
  const auto targets = func_->targets(id_of(inst));
  const auto args = func_->args(id_of(inst));
  switch (inst.op) {
    case Op::Jump:
      append({.op = MOp::Jump});
      edge_args_.clear();
      for (const ValueId a : args) edge_args_.push_back(vreg(a));
      out_->add_edge(b, blocks_[targets[0].index()], edge_args_);
      return;
    case Op::Branch: {
      const ValueId v = args[0];
      const Inst* def = def_of(v);
      if (def != nullptr && def->op == Op::RefTest && fused_[func_->value(v).inst.index()] != 0) {
        out_->use(vreg(arg(*def, 0)));
        append({.op = MOp::BranchType,
                .aux = def->type.bits(),
                .imm = excluded(func_->types(), func_->type(arg(*def, 0)))});
      } else {
        const Condition c = condition(v);
        compare_operands(c);
        MInst m{.op = MOp::BranchIf};
        set_condition(m, c);
        append(m);
      }
      out_->add_edge(b, blocks_[targets[0].index()]);
      out_->add_edge(b, blocks_[targets[1].index()]);
      return;
    }
    case Op::Switch:
      out_->use(vreg(args[0]));
      out_->temp(RegClass::kGpr);
      append({.op = MOp::Switch});
      for (const ir::BlockId t : targets) out_->add_edge(b, blocks_[t.index()]);
      return;
    case Op::Return:
      store_overflow(args);
      use_in_places(args);
      append({.op = MOp::Ret});
      return;
    case Op::Trap: append({.op = MOp::Trap, .trap = inst.trap}); return;
    case Op::Throw:
      out_->use(vreg(args[0]));
      append({.op = MOp::Throw, .aux = add_call(&inst, {}).raw});
      return;
    case Op::ReturnCall:
    case Op::ReturnCallRef:
    case Op::ReturnCallIndirect: tail_call(inst); return;
    default:  // an invoke: the call is written, the normal target follows
      append({.op = MOp::Jump});
      out_->add_edge(b, blocks_[targets[0].index()]);
      return;
  }
}

Result<> Lowering::block(ir::BlockId b, uint32_t number) {
  const MBlockId id(number);
  out_->begin_block(id);
  forget_memory();
  out_->edit(id).landing = func_->block(b).landing;
  if (b == ir::Func::kEntry) {
    entry_params();
  } else {
    for (const ValueId p : func_->params(b)) out_->add_param(id, vreg(p));
  }
  Result<> ok;
  ir::for_each_inst(*func_, b, [&](ir::InstId i) {
    if (!ok) return;
    const Inst& current = func_->inst(i);
    offset_ = current.offset;
    const bool is_end = func_->is_terminator(current);
    if (!is_end || func_->is_invoke(current)) ok = inst(current);
    if (ok && is_end) {
      if (func_->is_invoke(current)) out_->edit(id).exception_target = blocks_[func_->targets(i)[1].index()];
      terminator(current, id);
    }
  });
  out_->end_block(id);
  return ok;
}

std::vector<uint32_t> Lowering::values_by_vreg() const {
  std::vector<uint32_t> values(out_->vreg_count(), ~0u);
  for (uint32_t v = 0; v < vregs_.size(); ++v) {
    if (vregs_[v].valid() && values[vregs_[v].index()] == ~0u) values[vregs_[v].index()] = v;
  }
  return values;
}

Result<> Lowering::run(const LowerInput& input, MFunc& out) {
  in_ = input;
  func_ = input.func;
  out_ = &out;
  out.reset();
  out.home_slots = static_cast<uint32_t>(func_->slot_count());
  vregs_.assign(func_->value_count(), VReg());
  if (++run_ == 0) consts_ = {}, run_ = 1;  // entries of earlier runs count no more
  memory_bases_.assign(in_.instance->memories.size(), VReg());
  prepare();
  fuse_loaded_conditions();
  blocks_.assign(func_->block_count(), MBlockId());
  for (const ir::BlockId b : func_->order()) blocks_[b.index()] = out.add_block();
  uint32_t number = 0;
  for (const ir::BlockId b : func_->order()) TRY(block(b, number++));
  for (const MEdge& e : out.edges()) {
    if (e.to.raw == 0) return fail(ErrorCode::kInvariant, 0, "I3: the entry block has a predecessor");
  }
  return {};
}

}  // namespace parallax::jit
