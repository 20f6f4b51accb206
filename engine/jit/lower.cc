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

// --- Preparation ---------------------------------------------------------------------------------------------------

void Lowering::count_uses() {
  uses_.assign(func_->value_count(), 0);
  epoch_.assign(func_->inst_count(), 0);
  for (const ir::BlockId b : func_->order()) {
    uint32_t epoch = 0;
    ir::for_each_inst(*func_, b, [&](ir::InstId i) {
      const Inst& inst = func_->inst(i);
      epoch_[i.index()] = epoch;
      if (func_->is_safepoint(inst)) ++epoch;
      const auto args = func_->args(i);
      // Refine's test is only a proof.
      const size_t count = inst.op == Op::Refine ? 1 : args.size();
      for (size_t n = 0; n < count; ++n) ++uses_[args[n].index()];
    });
  }
}

// Whether `value` is a comparison that its only reader `consumer` may evaluate itself.
bool Lowering::fusable(const Inst& consumer, ValueId value) const {
  const ir::Value& v = func_->value(value);
  if (!v.inst.valid() || uses_[value.index()] != 1) return false;
  const Inst& def = func_->inst(v.inst);
  if (def.block != consumer.block) return false;
  switch (def.op) {
    case Op::RefTest:
      if (func_->rep(func_->arg(v.inst, 0)) == Rep::kFunc) return false;
      [[fallthrough]];
    case Op::FuncIs: return true;  // not traced
    case Op::RefIsNull:
    case Op::RefEq:
    case Op::ExnTest: return epoch_[v.inst.index()] == epoch_[id_of(consumer).index()];
    case Op::Compute: {
      const ComputeKind kind = compute_row(def.opcode).kind;
      return kind == ComputeKind::kCompareInt || kind == ComputeKind::kCompareFloat || kind == ComputeKind::kEqz;
    }
    default: return false;
  }
}

void Lowering::fuse(const Inst& consumer, ValueId value) {
  if (!fusable(consumer, value)) return;
  const ir::InstId def = func_->value(value).inst;
  fused_[def.index()] = 1;
  const Inst& inst = func_->inst(def);
  // i32.eqz of a comparison is the opposite comparison. Of a type test it stays a test of its result.
  if (inst.op == Op::Compute && compute_row(inst.opcode).kind == ComputeKind::kEqz) {
    const ValueId inner = func_->arg(def, 0);
    const Inst* inner_def = func_->def(inner);
    if (inner_def != nullptr && inner_def->op != Op::RefTest) fuse(consumer, inner);
  }
}

void Lowering::find_fusions() {
  fused_.assign(func_->inst_count(), 0);
  for (const ir::BlockId b : func_->order()) {
    ir::for_each_inst(*func_, b, [&](ir::InstId i) {
      const Inst& inst = func_->inst(i);
      if (inst.op == Op::Branch) fuse(inst, func_->arg(i, 0));
      if (inst.op == Op::Select) {
        const ValueId condition = func_->arg(i, 2);
        const Inst* def = func_->def(condition);
        if (def != nullptr && def->op != Op::RefTest) fuse(inst, condition);
      }
    });
  }
}

// --- Values --------------------------------------------------------------------------------------------------------

ValueId Lowering::arg(const Inst& inst, size_t n) const { return func_->args(id_of(inst))[n]; }

RegClass Lowering::cls(ValueId v) const { return class_of(func_->rep(v)); }

// One virtual register per distinct constant, as far as a small table remembers it.
VReg Lowering::constant(uint64_t bits) {
  KnownConst& known = consts_[(bits * 0x9e3779b97f4a7c15u >> 40) % consts_.size()];
  if (!known.v.valid() || known.bits != bits) known = {bits, out_->add_const(RegClass::kGpr, bits)};
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
        if (compute_row(def->opcode).kind == ComputeKind::kAlias) return vregs_[v.index()] = vreg(arg(*def, 0));
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

Lowering::Condition Lowering::compare_ints(Width width, Cond cond, ValueId a, ValueId b) {
  Condition c{.width = width, .cond = cond};
  uint64_t ignored = 0;
  if (constant_bits(a, ignored) && !constant_bits(b, ignored)) {
    std::swap(a, b);
    c.cond = swap_operands(cond);
  }
  c.a = vreg(a);
  int64_t imm = 0;
  if (!immediate(b, width, imm)) {
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
              .b = vreg(arg(inst, 0)),
              .mem = {.base = MemBase::kHeap, .has_index = true, .disp = static_cast<int32_t>(gc::kExnTagOffset)}};
    default: break;
  }
  const ComputeRow& row = compute_row(inst.opcode);
  const auto cond = static_cast<Cond>(row.sub);
  if (row.kind == ComputeKind::kCompareInt) return compare_ints(row.width, cond, arg(inst, 0), arg(inst, 1));
  if (row.kind == ComputeKind::kCompareFloat) {
    const size_t first = row.flag;
    return {.form = CmpForm::kFloat,
            .width = row.width,
            .cond = cond,
            .a = vreg(arg(inst, first)),
            .b = vreg(arg(inst, 1 - first))};
  }
  // eqz
  const ValueId inner = arg(inst, 0);
  const Inst* def = def_of(inner);
  if (def != nullptr && fused_[func_->value(inner).inst.index()] != 0) {
    Condition c = compare(*def);
    c.cond = negate(c.cond);
    return c;
  }
  return {.form = CmpForm::kTestReg, .width = row.width, .cond = Cond::kE, .a = vreg(inner)};
}

// "v is not zero", through the comparison that v is if that was fused.
Lowering::Condition Lowering::condition(ValueId v) {
  const Inst* def = def_of(v);
  if (def != nullptr && fused_[func_->value(v).inst.index()] != 0) return compare(*def);
  return {.form = CmpForm::kTestReg, .width = Width::k32, .cond = Cond::kNe, .a = vreg(v)};
}

void Lowering::compare_operands(const Condition& c) {
  if (c.form != CmpForm::kMemImm) out_->use(c.a);
  if (c.form == CmpForm::kRegReg) {
    out_->use(c.b, Where::kAny);
  } else if (c.form == CmpForm::kFloat || c.form == CmpForm::kRegMem) {
    out_->use(c.b);
  } else if (c.form == CmpForm::kMemImm) {
    out_->use(c.a);
  }
}

void Lowering::set_condition(MInst& inst, const Condition& c) {
  inst.width = c.width;
  inst.cond = c.cond;
  inst.form = c.form;
  inst.mem = c.mem;
  inst.imm = c.imm;
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

void Lowering::unary(const Inst& inst, MOp op, Width width, uint8_t sub, uint8_t flag, bool same) {
  out_->def(define(inst), same ? Where::kSame : Where::kReg);
  out_->use(vreg(arg(inst, 0)));
  append({.op = op, .width = width, .sub = sub, .flag = flag, .imm = inst.sense != 0 ? kFreeNan : 0});
}

void Lowering::binary_float(const Inst& inst, MOp op, Width width, uint8_t sub, uint8_t flag) {
  out_->def(define(inst), Where::kSame);
  out_->use(vreg(arg(inst, 0)));
  out_->use(vreg(arg(inst, 1)), op == MOp::FAlu ? Where::kAny : Where::kReg);
  append({.op = op, .width = width, .sub = sub, .flag = flag, .imm = inst.sense != 0 ? kFreeNan : 0});
}

void Lowering::alu(const Inst& inst, Width width, AluOp op) {
  ValueId a = arg(inst, 0);
  ValueId b = arg(inst, 1);
  uint64_t ignored = 0;
  if (constant_bits(a, ignored)) std::swap(a, b);
  int64_t imm = 0;
  if (!immediate(b, width, imm)) {
    out_->def(define(inst), Where::kSame);
    out_->use(vreg(a));
    out_->use(vreg(b), Where::kAny);
    append({.op = MOp::Alu, .width = width, .sub = static_cast<uint8_t>(op)});
    return;
  }
  if (op == AluOp::kAdd) {
    out_->def(define(inst));
    out_->use(vreg(a));
    append({.op = MOp::Lea, .width = width, .mem = {.base = MemBase::kVReg, .disp = static_cast<int32_t>(imm)}});
    return;
  }
  out_->def(define(inst), op == AluOp::kMul ? Where::kReg : Where::kSame);
  out_->use(vreg(a));
  append({.op = MOp::AluImm, .width = width, .sub = static_cast<uint8_t>(op), .imm = imm});
}

void Lowering::sub(const Inst& inst, Width width) {
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
  append({.op = MOp::Sub, .width = width, .sub = static_cast<uint8_t>(AluOp::kSub)});
}

void Lowering::shift(const Inst& inst, Width width, ShiftOp op) {
  uint64_t count = 0;
  out_->def(define(inst), Where::kSame);
  out_->use(vreg(arg(inst, 0)));
  if (constant_bits(arg(inst, 1), count)) {
    const auto masked = static_cast<int64_t>(count & (width == Width::k64 ? 63 : 31));
    append({.op = MOp::ShiftImm, .width = width, .sub = static_cast<uint8_t>(op), .imm = masked});
    return;
  }
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
    case ComputeKind::kExtend: unary(inst, MOp::Extend, row.width, row.sub, 0); return {};
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
        append({.op = MOp::BranchType, .aux = def->type.bits()});
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
  consts_.assign(256, {});
  memory_bases_.assign(in_.instance->memories.size(), VReg());
  count_uses();
  find_fusions();
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
