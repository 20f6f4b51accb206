// Numbers, variables, comparisons, vectors.
#include <array>
#include <cstddef>
#include <cstring>

#include "engine/base/check.h"
#include "engine/jit/baseline/state.h"
#include "engine/jit/vectors.h"

namespace parallax::jit {

using wasm::Opcode;
using wasm::TrapKind;

static constexpr bool is_wide_width(Width width) { return width == Width::k64 || width == Width::kF64; }

// --- Constants and variables ---------------------------------------------------------------------------------------

void Baseline::on_nop(const Event&) {}

void Baseline::on_drop(const Event&) { drop(); }

void Baseline::on_const(const Event& e) {
  const ValType type = e.types.pushed[0];
  const bool narrow = type == wasm::kI32 || type == wasm::kF32;
  push_const(type, narrow ? e.instr.bits & 0xffffffffu : e.instr.bits);
}

void Baseline::on_v128_const(const Event& e) {
  uint64_t half[2];
  std::memcpy(half, e.instr.v128.data(), 16);
  const PReg d = alloc(RegClass::kXmm);
  if ((half[0] | half[1]) == 0) {
    code_.xorps(d, d);
  } else {
    em_.a_.movaps(x64::xmm(d), em_.pool(half[0], half[1]));
  }
  push_reg(wasm::kV128, d);
}

void Baseline::on_local_get(const Event& e) {
  const uint32_t index = e.instr.a;
  push(locals_[index].type, Kind::kLocal).local = index;
  ++locals_[index].pending;
}

void Baseline::on_local_set(const Event& e) {
  const Entry value = pop();
  const uint32_t index = e.instr.a;
  if (value.kind == Kind::kLocal && value.local == index) return;
  Local& local = locals_[index];
  if (local.pending != 0) save_uses(index);
  const Addr slot = slot_of(local.rep, local.slot);
  int32_t ignored = 0;
  if (immediate(value, is_wide(value.rep), ignored)) {
    store_entry(slot, value);
    if (local.reg != kNoReg) forget_local(local.reg);
    return;
  }
  const PReg reg = reg_of(value);
  store(slot, local.rep, reg);
  remember_local(index, reg);
}

void Baseline::on_local_tee(const Event& e) {
  const uint32_t index = e.instr.a;
  Local& local = locals_[index];
  if (top().kind == Kind::kLocal && top().local == index) return;
  const Entry value = pop();
  if (local.pending != 0) save_uses(index);
  const Addr slot = slot_of(local.rep, local.slot);
  if (value.kind == Kind::kConst) {
    store_entry(slot, value);
    if (local.reg != kNoReg) forget_local(local.reg);
    push_const(e.types.pushed[0], value.bits);
    return;
  }
  const PReg reg = reg_of(value);
  store(slot, local.rep, reg);
  remember_local(index, reg);
  push(e.types.pushed[0], Kind::kLocal).local = index;
  ++local.pending;
}

void Baseline::on_global_get(const Event& e) {
  const ValType type = e.types.pushed[0];
  const Rep rep = rep_of(type);
  const PReg d = alloc_for(rep);
  code_.imm(kScratchGpr, instance_->globals[e.instr.a]);
  load(d, rep, {.base = kScratchGpr});
  push_reg(type, d);
  if (in_.armed) armed_check(d, type);
}

void Baseline::on_global_set(const Event& e) {
  const Entry value = pop();
  const PReg reg = reg_of(value);
  code_.imm(kScratchGpr, instance_->globals[e.instr.a]);
  store({.base = kScratchGpr}, value.rep, reg);
}

// --- Integers ------------------------------------------------------------------------------------------------------

// The hardware's numbers. ORDER: AluOp, without kMul.
static constexpr uint8_t kAluCodes[] = {0, 5, 4, 1, 6};
// ORDER: ShiftOp.
static constexpr uint8_t kShiftCodes[] = {4, 5, 7, 0, 1};

void Baseline::on_alu(const Event& e) {
  const ComputeRow& row = row_->compute;
  const bool wide = row.width == Width::k64;
  const auto op = row.kind == ComputeKind::kSub ? AluOp::kSub : static_cast<AluOp>(row.sub);
  const bool commutes = op != AluOp::kSub;
  const ValType type = e.types.pushed[0];
  Entry b = pop();
  Entry a = pop();
  if (commutes && a.kind == Kind::kConst) std::swap(a, b);
  int32_t imm = 0;
  if (immediate(b, wide, imm) && !(op == AluOp::kSub && imm == INT32_MIN)) {
    const PReg s = reg_of(a);
    if (op == AluOp::kAdd || op == AluOp::kSub || op == AluOp::kMul) {  // three operands
      release(s);
      const PReg d = (used_ & bit(s)) == 0 && (cached_ & bit(s)) == 0 ? s : alloc(RegClass::kGpr);
      if (op == AluOp::kMul) {
        code_.imul_imm(d, s, imm, wide);
      } else {
        code_.lea(d, {.base = s, .disp = op == AluOp::kAdd ? imm : -imm}, wide);
      }
      return push_reg(type, d);
    }
    const PReg d = own_reg_of(a);
    code_.alu_imm(kAluCodes[static_cast<size_t>(op)], d, imm, wide);
    return push_reg(type, d);
  }
  const PReg other = reg_of(b);
  const PReg first = reg_of(a);
  const auto is_ours = [&](PReg reg) { return ((used_ | cached_) & bit(reg)) == 0; };
  if (commutes && !is_ours(first) && is_ours(other)) {
    op == AluOp::kMul ? code_.imul(other, first, wide)
                      : code_.alu(kAluCodes[static_cast<size_t>(op)], other, first, wide);
    return push_reg(type, other);
  }
  const PReg d = is_ours(first) ? first : alloc(RegClass::kGpr);
  if (op == AluOp::kAdd && d != first) {
    code_.lea(d, {.base = first, .index = other}, wide);
    return push_reg(type, d);
  }
  if (d != first) code_.mov(d, first);
  op == AluOp::kMul ? code_.imul(d, other, wide) : code_.alu(kAluCodes[static_cast<size_t>(op)], d, other, wide);
  push_reg(type, d);
}

void Baseline::on_shift(const Event& e) {
  const bool wide = row_->compute.width == Width::k64;
  const uint8_t code = kShiftCodes[row_->compute.sub];
  const Entry count = pop();
  const Entry value = pop();
  if (count.kind == Kind::kConst) {
    const PReg d = own_reg_of(value);
    code_.shift_imm(code, d, static_cast<uint8_t>(count.bits & (wide ? 63 : 31)), wide);
    return push_reg(e.types.pushed[0], d);
  }
  hold(kRcx);
  const PReg by = reg_of(count);
  PReg d = own_reg_of(value);
  if (d == kRcx || d == by) {
    const PReg other = alloc(RegClass::kGpr);
    code_.mov(other, d);
    d = other;
  }
  if (by != kRcx) {
    vacate(kRcx);
    code_.mov32(kRcx, by);
  }
  code_.shift(code, d, wide);
  push_reg(e.types.pushed[0], d);
}

// rax / divisor, with the traps before the machine would: zero first, then overflow of the one quotient without a value.
void Baseline::on_divide(const Event& e) {
  const bool wide = row_->compute.width == Width::k64;
  const auto op = static_cast<DivOp>(row_->compute.sub);
  const bool is_signed = op == DivOp::kDivS || op == DivOp::kRemS;
  const Entry by = pop();
  const Entry value = pop();
  int32_t known = 0;
  const bool is_known = immediate(by, wide, known);
  hold(kRax);
  hold(kRdx);
  PReg divisor = reg_of(by);
  if (divisor == kRax || divisor == kRdx) {
    const PReg other = alloc(RegClass::kGpr);
    code_.mov(other, divisor);
    divisor = other;
  }
  const PReg dividend = reg_of(value);
  vacate(kRax);
  vacate(kRdx);
  if (dividend != kRax) code_.mov(kRax, dividend);
  if (!is_known || known == 0) {
    code_.test(divisor, divisor, wide);
    trap_if(Cc::kE, TrapKind::kIntegerDivideByZero);
  }
  uint32_t done = 0;
  if (is_signed && (!is_known || known == -1)) {
    uint32_t plain = 0;
    code_.alu_imm(7, divisor, -1, wide);
    code_.jcc(Cc::kNe, plain);
    if (op == DivOp::kDivS) {
      code_.unary(3, kRax, wide);
      trap_if(Cc::kO, TrapKind::kIntegerOverflow);
    } else {
      code_.imm(kRdx, uint64_t{0});
    }
    code_.jmp(done);
    code_.bind(plain);
  }
  if (is_signed) {
    code_.sign_extend_rax(wide);
    code_.unary(7, divisor, wide);
  } else {
    code_.imm(kRdx, uint64_t{0});
    code_.unary(6, divisor, wide);
  }
  code_.bind(done);
  push_reg(e.types.pushed[0], op == DivOp::kDivS || op == DivOp::kDivU ? kRax : kRdx);
}

void Baseline::on_extend(const Event& e) {
  const PReg s = pop_reg();
  release(s);
  const PReg d = ((used_ | cached_) & bit(s)) == 0 ? s : alloc(RegClass::kGpr);
  switch (static_cast<ExtendOp>(row_->compute.sub)) {
    case ExtendOp::kS8To32: code_.rr(0, 0x0fbe, false, d, s, true); break;
    case ExtendOp::kS16To32: code_.rr(0, 0x0fbf, false, d, s); break;
    case ExtendOp::kS8To64: code_.rr(0, 0x0fbe, true, d, s, true); break;
    case ExtendOp::kS16To64: code_.rr(0, 0x0fbf, true, d, s); break;
    case ExtendOp::kS32To64: code_.rr(0, 0x63, true, d, s); break;
    case ExtendOp::kU8: code_.movzx8(d, s); break;
    case ExtendOp::kU16: code_.rr(0, 0x0fb7, false, d, s); break;
    case ExtendOp::kU32: code_.mov32(d, s); break;
  }
  push_reg(e.types.pushed[0], d);
}

// i32 values are zero-extended in their registers.
void Baseline::on_alias(const Event& e) {
  if (top().kind == Kind::kConst) {
    const uint64_t bits = pop().bits;
    return push_const(e.types.pushed[0], bits);
  }
  push_reg(e.types.pushed[0], own_reg_of(pop()));
}

void Baseline::on_count_bits(const Event& e) {
  const ComputeRow& row = row_->compute;
  const PReg s = pop_reg();
  const PReg d = alloc(RegClass::kGpr);
  if (row.mop == MOp::Popcnt && !in_.cpu.popcnt) {
    bridge({.op = row.mop, .width = row.width}, {d, s, alloc(RegClass::kGpr)});
  } else {
    bridge({.op = row.mop, .width = row.width}, {d, s});
  }
  push_reg(e.types.pushed[0], d);
}

// --- Comparisons ---------------------------------------------------------------------------------------------------

void Baseline::hold_condition() {
  hold(cond_.a);
  if (cond_.b != kNoReg) hold(cond_.b);
}

void Baseline::push_condition(const Condition& c) {
  cond_ = c;
  push(wasm::kI32, Kind::kCond);
}

void Baseline::compare(const Condition& c) {
  switch (c.form) {
    case Condition::kRegReg: code_.alu(7, c.a, c.b, c.wide); return;
    case Condition::kRegImm: code_.alu_imm(7, c.a, c.imm, c.wide); return;
    case Condition::kTest: code_.test(c.a, c.a, c.wide); return;
    case Condition::kFloat: code_.rr(c.wide ? 0x66 : 0, 0x0f2e, false, Code::x(c.a), Code::x(c.b)); return;
  }
}

Baseline::Condition Baseline::opposite(Condition c) {
  switch (c.two) {
    case Condition::kOne: c.cc = negate(c.cc); break;
    case Condition::kOrderedEqual: c.two = Condition::kUnorderedNotEqual; break;
    case Condition::kUnorderedNotEqual: c.two = Condition::kOrderedEqual; break;
  }
  return c;
}

void Baseline::jump_if(const Condition& c, uint32_t& chain) {
  if (c.two == Condition::kOne) return code_.jcc(c.cc, chain);
  if (c.two == Condition::kUnorderedNotEqual) {
    code_.jcc(Cc::kP, chain);
    return code_.jcc(Cc::kNe, chain);
  }
  uint32_t unordered = 0;
  code_.jcc(Cc::kP, unordered);
  code_.jcc(Cc::kE, chain);
  code_.bind(unordered);
}

void Baseline::jump_if_to(const Condition& c, uint32_t target) {
  uint32_t chain = 0;
  jump_if(c, chain);
  code_.bind_to(chain, target);
}

// Turns the comparison on top of the stack into a number.
void Baseline::settle() {
  hold_condition();
  pop();
  const Condition c = cond_;
  const PReg d = alloc(RegClass::kGpr);
  compare(c);
  if (c.two == Condition::kOne) {
    code_.setcc(c.cc, d);
  } else {
    const bool equal = c.two == Condition::kOrderedEqual;
    code_.setcc(equal ? Cc::kNp : Cc::kP, kScratchGpr);
    code_.setcc(equal ? Cc::kE : Cc::kNe, d);
    code_.alu(equal ? 4 : 1, d, kScratchGpr, false);  // the bytes count
  }
  code_.movzx8(d, d);
  push_reg(wasm::kI32, d);
}

// "The top is not zero", taken off the stack.
Baseline::Condition Baseline::take_condition() {
  if (top_is_condition()) {
    hold_condition();
    pop();
    return cond_;
  }
  return {.a = pop_reg()};
}

void Baseline::on_compare_int(const Event&) {
  // ORDER: Cond.
  static constexpr Cc kCodes[] = {Cc::kE, Cc::kNe, Cc::kL, Cc::kGe, Cc::kLe, Cc::kG, Cc::kB, Cc::kAe, Cc::kBe, Cc::kA};
  Condition c{.cc = kCodes[row_->compute.sub], .wide = row_->compute.width == Width::k64};
  const Entry b = pop();
  const Entry a = pop();
  int32_t imm = 0;
  c.a = reg_of(a);
  if (immediate(b, c.wide, imm)) {
    c.form = Condition::kRegImm;
    c.imm = imm;
    if (imm == 0 && (c.cc == Cc::kE || c.cc == Cc::kNe)) c.form = Condition::kTest;
  } else {
    c.form = Condition::kRegReg;
    c.b = reg_of(b);
  }
  push_condition(c);
}

void Baseline::on_eqz(const Event&) {
  if (top_is_condition()) {
    cond_ = opposite(cond_);
    return;
  }
  push_condition({.cc = Cc::kE, .wide = row_->compute.width == Width::k64, .a = pop_reg()});
}

void Baseline::on_compare_float(const Event&) {
  const ComputeRow& row = row_->compute;
  Condition c{.form = Condition::kFloat, .wide = row.width == Width::kF64};
  switch (static_cast<Cond>(row.sub)) {
    case Cond::kFloatEq: c.two = Condition::kOrderedEqual; break;
    case Cond::kFloatNe: c.two = Condition::kUnorderedNotEqual; break;
    case Cond::kA: c.cc = Cc::kA; break;
    default: c.cc = Cc::kAe; break;
  }
  c.b = pop_reg();
  c.a = pop_reg();
  if (row.flag != 0) std::swap(c.a, c.b);
  push_condition(c);
}

void Baseline::on_select(const Event& e) {
  const Condition c = take_condition();
  const Entry if_false = pop();
  const Entry if_true = pop();
  const PReg other = reg_of(if_true);
  const PReg from = reg_of(if_false);
  const PReg d = alloc_for(if_false.rep);
  const bool general = class_of(if_false.rep) == RegClass::kGpr;
  general ? code_.mov(d, from) : code_.movaps(d, from);
  compare(c);
  if (general && c.two == Condition::kOne) {
    code_.cmov(c.cc, d, other);
  } else {
    uint32_t skip = 0;
    jump_if(opposite(c), skip);
    general ? code_.mov(d, other) : code_.movaps(d, other);
    code_.bind(skip);
  }
  push_reg(e.types.pushed[0], d);
}

// --- Floats --------------------------------------------------------------------------------------------------------

void Baseline::canonicalize(PReg reg, bool wide) {
  ColdNan cold{.reg = reg, .wide = wide};
  code_.rr(wide ? 0x66 : 0, 0x0f2e, false, Code::x(reg), Code::x(reg));
  code_.jcc(Cc::kP, cold.chain);
  cold.back = code_.here();
  nans_.push_back(cold);
}

void Baseline::on_float_alu(const Event& e) {
  static constexpr uint32_t kOps[] = {0x0f58, 0x0f5c, 0x0f59, 0x0f5e};  // ORDER: FAluOp
  const bool wide = row_->compute.width == Width::kF64;
  const PReg b = pop_reg();
  const Entry a = pop();
  const PReg d = own_reg_of(a);
  code_.rr(wide ? 0xf2 : 0xf3, kOps[row_->compute.sub], false, Code::x(d), Code::x(b));
  canonicalize(d, wide);
  push_reg(e.types.pushed[0], d);
}

// Square root, demotion, promotion.
void Baseline::on_float_unary(const Event& e) {
  const MOp op = row_->compute.kind == ComputeKind::kFSqrt ? MOp::FSqrt : MOp::FResize;
  const PReg s = pop_reg();
  const PReg d = alloc(RegClass::kXmm);
  bridge({.op = op, .width = row_->compute.width}, {d, s});
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_float_round(const Event& e) {
  if (!in_.cpu.sse41) return numeric_by_call(e.instr.op, 1, e.types.pushed[0], 0, 0);
  const PReg s = pop_reg();
  const PReg d = alloc(RegClass::kXmm);
  bridge({.op = MOp::FRound, .width = row_->compute.width, .sub = row_->compute.sub}, {d, s});
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_float_min_max(const Event& e) {
  const PReg b = pop_reg();
  const PReg from = pop_reg();
  const PReg d = alloc(RegClass::kXmm);
  code_.movaps(d, from);
  bridge({.op = MOp::FMinMax, .width = row_->compute.width, .flag = row_->compute.flag}, {d, d, b});
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_float_abs_neg(const Event& e) {
  const PReg d = own_reg_of(pop());
  bridge({.op = MOp::FAbsNeg, .width = row_->compute.width, .flag = row_->compute.flag}, {d, d});
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_float_copysign(const Event& e) {
  const PReg b = pop_reg();
  const PReg a = pop_reg();
  const PReg d = alloc(RegClass::kXmm);
  bridge({.op = MOp::FCopysign, .width = row_->compute.width}, {d, a, b, alloc(RegClass::kXmm)});
  push_reg(e.types.pushed[0], d);
}

static bool needs_temporary(uint8_t flag) { return (flag & kConv64) != 0 && (flag & kConvUnsigned) != 0; }

void Baseline::on_from_int(const Event& e) {
  const ComputeRow& row = row_->compute;
  const PReg s = pop_reg();
  const PReg d = alloc(RegClass::kXmm);
  if (needs_temporary(row.flag)) {
    bridge({.op = MOp::FromInt, .width = row.width, .flag = row.flag}, {d, s, alloc(RegClass::kGpr)});
  } else {
    const bool from_64 = row.flag != 0;  // unsigned ones of 32 bits are zero-extended
    code_.xorps(d, d);
    code_.rr(row.width == Width::kF64 ? 0xf2 : 0xf3, 0x0f2a, from_64, Code::x(d), s);
  }
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_to_int(const Event& e) {
  const ComputeRow& row = row_->compute;
  const PReg s = pop_reg();
  const PReg d = alloc(RegClass::kGpr);
  if (needs_temporary(row.flag)) {
    bridge({.op = MOp::ToInt, .width = row.width, .flag = row.flag}, {d, s, alloc(RegClass::kXmm)});
  } else {
    bridge({.op = MOp::ToInt, .width = row.width, .flag = row.flag}, {d, s});
  }
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_reinterpret(const Event& e) {
  const bool wide = is_wide_width(row_->compute.width);
  const PReg s = pop_reg();
  if (row_->compute.kind == ComputeKind::kToXmm) {
    const PReg d = alloc(RegClass::kXmm);
    code_.to_xmm(d, s, wide);
    return push_reg(e.types.pushed[0], d);
  }
  const PReg d = alloc(RegClass::kGpr);
  code_.to_gpr(d, s, wide);
  push_reg(e.types.pushed[0], d);
}

// --- Vectors -------------------------------------------------------------------------------------------------------

static Addr numeric_slot(size_t n) {
  return {.base = kStoreReg,
          .disp = static_cast<int32_t>(offsetof(runtime::StoreContext, arg_area) + sizeof(runtime::Slot) * n)};
}

// The front end's function, with the top `count` entries as its operands.
void Baseline::numeric_by_call(Opcode op, size_t count, ValType pushed, uint64_t low, uint64_t high) {
  for (size_t n = 0; n < count; ++n) store_entry(numeric_slot(n), top(count - 1 - n));
  for (size_t n = 0; n < count; ++n) pop();
  builtin(runtime::Builtin::Numeric, {imm(static_cast<uint64_t>(op)), imm(low), imm(high)});
  held_ = 0;
  const Rep rep = rep_of(pushed);
  const PReg d = alloc_for(rep);
  load(d, rep, numeric_slot(0));
  push_reg(pushed, d);
}

// One row of the table of vector operations, on the top entries.
void Baseline::numeric(Opcode op, std::span<const ValType> popped, ValType pushed, uint64_t low, uint64_t high) {
  const size_t count = popped.size();
  const uint32_t row = find_vector_row(op, in_.cpu);
  if (row == kNoVectorRow) return numeric_by_call(op, count, pushed, low, high);
  const SequenceInfo& sequence = jit::info(vector_row(row).sequence);
  std::array<PReg, 3> args{};
  for (size_t n = count; n-- > 0;) args[n] = pop_reg();
  if (sequence.order == OperandOrder::Exchanged && count > 1) std::swap(args[0], args[1]);
  const PReg d = alloc_for(rep_of(pushed));
  const bool three = in_.cpu.avx && vector_row(row).three_operands;
  if (sequence.definition == Definition::Same && !three) {
    jit::class_of(d) == RegClass::kGpr ? code_.mov(d, args[0]) : code_.movaps(d, args[0]);
    args[0] = d;
  }
  operand_regs_.clear();
  operand_regs_.push_back(d);
  operand_regs_.insert(operand_regs_.end(), args.begin(), args.begin() + static_cast<ptrdiff_t>(count));
  if (op == Opcode::I8x16Shuffle) {
    // Where each byte comes from, for each of the two sources; with the highest bit set where it comes from the other.
    constexpr uint64_t kSecond = 0x1010101010101010u;
    const uint64_t halves[] = {low, high};
    for (const uint64_t other : {uint64_t{0}, kSecond << 3}) {
      uint64_t mask[2];
      for (int half = 0; half < 2; ++half) {
        mask[half] = (halves[half] & ~kSecond) | ((halves[half] & kSecond) << 3 ^ other);
      }
      operand_regs_.push_back(alloc(RegClass::kXmm));
      em_.a_.movaps(x64::xmm(operand_regs_.back()), em_.pool(mask[0], mask[1]));
    }
  }
  for (uint8_t n = 0; n < sequence.temporaries; ++n) operand_regs_.push_back(alloc(RegClass::kXmm));
  bridge({.op = MOp::Vector, .aux = row, .imm = static_cast<int64_t>(low)}, operand_regs_);
  push_reg(pushed, d);
}

void Baseline::on_numeric(const Event& e) {
  uint64_t low = 0, high = 0;
  const wasm::ImmKind immediates = wasm::info(e.instr.op).immediates;
  if (immediates == wasm::ImmKind::Shuffle) {
    std::memcpy(&low, e.instr.v128.data(), 8);
    std::memcpy(&high, e.instr.v128.data() + 8, 8);
  } else if (immediates == wasm::ImmKind::Lane) {
    low = e.instr.lane;
  }
  numeric(e.instr.op, e.types.popped, e.types.pushed[0], low, high);
}

}  // namespace parallax::jit
