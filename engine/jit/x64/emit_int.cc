// Integers, memory accesses, comparisons.
#include "engine/base/check.h"
#include "engine/jit/x64/emit.h"

namespace parallax::jit::x64 {

using wasm::TrapKind;

void Emitter::copy_between(const MInst& inst) {
  const bool wide = inst.width == Width::k64;
  if (inst.op == MOp::MoveToXmm) {
    wide ? a_.movq(xmm(reg(inst, 0)), gp64(reg(inst, 1))) : a_.movd(xmm(reg(inst, 0)), gp32(reg(inst, 1)));
  } else {
    wide ? a_.movq(gp64(reg(inst, 0)), xmm(reg(inst, 1))) : a_.movd(gp32(reg(inst, 0)), xmm(reg(inst, 1)));
  }
}

// The last operand of an instruction of `bytes`: a register, a spill slot, or in memory.
asmjit::Operand Emitter::source(const MInst& inst, uint32_t n, uint32_t bytes) const {
  if (inst.form != CmpForm::kRegMem && loc(inst, n).is_reg()) {
    const PReg r = reg(inst, n);
    if (class_of(r) == RegClass::kXmm) return xmm(r);
    return bytes == 8 ? gp64(r) : gp32(r);
  }
  x86::Mem m = inst.form == CmpForm::kRegMem ? mem(inst, n) : slot(loc(inst, n));
  m.setSize(bytes);
  return m;
}

static constexpr x86::Inst::Id kAluIds[] = {x86::Inst::kIdAdd, x86::Inst::kIdSub, x86::Inst::kIdAnd,
                                            x86::Inst::kIdOr,  x86::Inst::kIdXor, x86::Inst::kIdImul};  // ORDER: AluOp

// An addition in place is shorter, and its flags tell whether it gave zero.
void Emitter::lea(const MInst& inst) {
  const Mem& m = inst.mem;
  const PReg d = reg(inst, 0);
  const x86::Gp to = gp(d, inst.width);
  const bool sums = m.base == MemBase::kVReg && m.scale_log2 == 0 && (!m.has_index || m.disp == 0);
  if (sums && !m.has_index && reg(inst, 1) == d) {
    a_.add(to, imm(m.disp));
  } else if (sums && m.has_index && (reg(inst, 1) == d || reg(inst, 2) == d)) {
    a_.add(to, gp(reg(inst, 1) == d ? reg(inst, 2) : reg(inst, 1), inst.width));
  } else {
    a_.lea(to, mem(inst, 1));
    return;
  }
  tested_ = d;
  tested_width_ = inst.width;
}

void Emitter::alu(const MInst& inst) {
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  a_.emit(kAluIds[inst.sub], d, source(inst, 2, d.size()));
  if (static_cast<AluOp>(inst.sub) == AluOp::kMul) return;
  tested_ = reg(inst, 0);
  tested_width_ = inst.width;
}

void Emitter::update(const MInst& inst) {
  const bool has_value = inst.form == CmpForm::kRegMem;
  x86::Mem m = mem(inst, has_value ? 1 : 0);
  m.setSize(inst.width == Width::k8 ? 1 : inst.width == Width::k64 ? 8 : 4);
  if (!has_value) {
    a_.emit(kAluIds[inst.sub], m, imm(inst.width == Width::k8 ? static_cast<int8_t>(inst.imm) : inst.imm));
    return;
  }
  const PReg v = reg(inst, 0);
  a_.emit(kAluIds[inst.sub], m, inst.width == Width::k8 ? gp8(v) : gp(v, inst.width));
}

void Emitter::alu_imm(const MInst& inst) {
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  if (static_cast<AluOp>(inst.sub) != AluOp::kMul) {
    tested_ = reg(inst, 0);
    tested_width_ = inst.width;
  }
  switch (static_cast<AluOp>(inst.sub)) {
    case AluOp::kAdd: a_.add(d, imm(inst.imm)); return;
    case AluOp::kSub: a_.sub(d, imm(inst.imm)); return;
    case AluOp::kAnd: a_.and_(d, imm(inst.imm)); return;
    case AluOp::kOr: a_.or_(d, imm(inst.imm)); return;
    case AluOp::kXor: a_.xor_(d, imm(inst.imm)); return;
    case AluOp::kMul: a_.imul(d, gp(reg(inst, 1), inst.width), imm(inst.imm)); return;
  }
}

void Emitter::shift(const MInst& inst) {
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  static constexpr x86::Inst::Id kIds[] = {x86::Inst::kIdShl, x86::Inst::kIdShr, x86::Inst::kIdSar, x86::Inst::kIdRol,
                                           x86::Inst::kIdRor};  // ORDER: ShiftOp
  if (inst.op == MOp::ShiftImm) {
    a_.emit(kIds[inst.sub], d, imm(inst.imm));
  } else {
    a_.emit(kIds[inst.sub], d, x86::cl);  // the machine masks the count as WebAssembly does
  }
}

// The forms with three operands, which keep their sources and the flags.
void Emitter::shift_any(const MInst& inst) {
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  const x86::Gp s = gp(reg(inst, 1), inst.width);
  if (inst.op == MOp::RotateImm) {
    a_.rorx(d, s, imm(inst.imm));
    return;
  }
  const x86::Gp count = gp(reg(inst, 2), inst.width);
  switch (static_cast<ShiftOp>(inst.sub)) {
    case ShiftOp::kShl: a_.shlx(d, s, count); return;
    case ShiftOp::kShr: a_.shrx(d, s, count); return;
    case ShiftOp::kSar: a_.sarx(d, s, count); return;
    case ShiftOp::kRol:
    case ShiftOp::kRor: break;
  }
  UNREACHABLE("a rotation by a register");
}

void Emitter::bit_trick(const MInst& inst) {
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  const x86::Gp s = gp(reg(inst, 1), inst.width);
  if (inst.op == MOp::AndNot) {
    a_.andn(d, s, gp(reg(inst, 2), inst.width));
  } else {
    static_cast<BitOp>(inst.sub) == BitOp::kReset ? a_.blsr(d, s) : a_.blsi(d, s);
  }
}

// rax / divisor. Traps before the machine would: zero first, then overflow of the one signed quotient without a value.
void Emitter::divide(const MInst& inst) {
  const auto op = static_cast<DivOp>(inst.sub);
  const bool is_signed = op == DivOp::kDivS || op == DivOp::kRemS;
  const x86::Gp divisor = gp(reg(inst, 2), inst.width);
  const x86::Gp rax = gp(kRax, inst.width);
  if ((inst.imm & kDivCheckZero) != 0) {
    a_.test(divisor, divisor);
    a_.jz(cold(ColdKind::kTrap, static_cast<uint8_t>(TrapKind::kIntegerDivideByZero)));
  }
  if (!is_signed) {
    a_.xor_(x86::edx, x86::edx);
    a_.div(divisor);
    return;
  }
  const Label done = a_.newLabel();
  if ((inst.imm & kDivCheckMinusOne) != 0) {
    const Label divide = a_.newLabel();
    a_.cmp(divisor, imm(-1));
    a_.jne(divide);
    if (op == DivOp::kDivS) {
      a_.neg(rax);
      a_.jo(cold(ColdKind::kTrap, static_cast<uint8_t>(TrapKind::kIntegerOverflow)));
    } else {
      a_.xor_(x86::edx, x86::edx);
    }
    a_.jmp(done);
    a_.bind(divide);
  }
  inst.width == Width::k64 ? a_.cqo() : a_.cdq();
  a_.idiv(divisor);
  a_.bind(done);
}

void Emitter::extend(const MInst& inst) {
  const PReg d = reg(inst, 0);
  const PReg s = reg(inst, 1);
  switch (static_cast<ExtendOp>(inst.sub)) {
    case ExtendOp::kS8To32: a_.movsx(gp32(d), gp8(s)); return;
    case ExtendOp::kS16To32: a_.movsx(gp32(d), gp16(s)); return;
    case ExtendOp::kS8To64: a_.movsx(gp64(d), gp8(s)); return;
    case ExtendOp::kS16To64: a_.movsx(gp64(d), gp16(s)); return;
    case ExtendOp::kS32To64: a_.movsxd(gp64(d), gp32(s)); return;
    case ExtendOp::kU8: a_.movzx(gp32(d), gp8(s)); return;
    case ExtendOp::kU16: a_.movzx(gp32(d), gp16(s)); return;
    case ExtendOp::kU32: a_.mov(gp32(d), gp32(s)); return;
  }
}

void Emitter::count_bits(const MInst& inst) {
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  const x86::Gp s = gp(reg(inst, 1), inst.width);
  const x86::Gp scratch = gp(kScratchGpr, inst.width);
  const int bits = inst.width == Width::k64 ? 64 : 32;
  if (inst.op == MOp::Popcnt) {
    input_.cpu.popcnt ? void(a_.popcnt(d, s)) : popcount_by_hand(inst);
  } else if (inst.op == MOp::Clz && input_.cpu.lzcnt) {
    a_.lzcnt(d, s);
  } else if (inst.op == MOp::Ctz && input_.cpu.bmi1) {
    a_.tzcnt(d, s);
  } else if (inst.op == MOp::Clz) {
    a_.mov(x86::r11d, imm(2 * bits - 1));  // xor below makes it `bits`
    a_.bsr(d, s);
    a_.cmovz(d, scratch);
    a_.xor_(d, imm(bits - 1));
  } else {
    a_.mov(x86::r11d, imm(bits));
    a_.bsf(d, s);
    a_.cmovz(d, scratch);
  }
}

// Sums of bits in pairs, nibbles, bytes. The definition is apart from the operand (kDefEarly) in this case.
void Emitter::popcount_by_hand(const MInst& inst) {
  const bool wide = inst.width == Width::k64;
  const x86::Gp d = gp(reg(inst, 0), inst.width);
  const x86::Gp s = gp(reg(inst, 1), inst.width);
  const x86::Gp t = gp(reg(inst, 2), inst.width);
  const x86::Gp m = gp(kScratchGpr, inst.width);
  const auto mask = [&](uint64_t bits) { a_.mov(m, imm(wide ? bits : bits & 0xffffffffu)); };
  a_.mov(d, s);
  a_.mov(t, s);
  a_.shr(t, 1);
  mask(0x5555555555555555u);
  a_.and_(t, m);
  a_.sub(d, t);
  mask(0x3333333333333333u);
  a_.mov(t, d);
  a_.and_(d, m);
  a_.shr(t, 2);
  a_.and_(t, m);
  a_.add(d, t);
  a_.mov(t, d);
  a_.shr(t, 4);
  a_.add(d, t);
  mask(0x0f0f0f0f0f0f0f0fu);
  a_.and_(d, m);
  mask(0x0101010101010101u);
  a_.imul(d, m);
  a_.shr(d, wide ? 56 : 24);
}

// --- Memory --------------------------------------------------------------------------------------------------------

void Emitter::load(const MInst& inst) {
  const PReg d = reg(inst, 0);
  x86::Mem m = mem(inst, 1);
  switch (static_cast<LoadOp>(inst.sub)) {
    case LoadOp::kS8To32:
      m.setSize(1);
      a_.movsx(gp32(d), m);
      return;
    case LoadOp::kS16To32:
      m.setSize(2);
      a_.movsx(gp32(d), m);
      return;
    case LoadOp::kS8To64:
      m.setSize(1);
      a_.movsx(gp64(d), m);
      return;
    case LoadOp::kS16To64:
      m.setSize(2);
      a_.movsx(gp64(d), m);
      return;
    case LoadOp::kS32To64:
      m.setSize(4);
      a_.movsxd(gp64(d), m);
      return;
    case LoadOp::kU8:
      m.setSize(1);
      a_.movzx(gp32(d), m);
      return;
    case LoadOp::kU16:
      m.setSize(2);
      a_.movzx(gp32(d), m);
      return;
    case LoadOp::k32: a_.mov(gp32(d), m); return;
    case LoadOp::k64: a_.mov(gp64(d), m); return;
    case LoadOp::kF32: a_.movss(xmm(d), m); return;
    case LoadOp::kF64: a_.movsd(xmm(d), m); return;
    case LoadOp::kV128: a_.movups(xmm(d), m); return;  // objects and memory align nothing
  }
}

void Emitter::store(const MInst& inst) {
  static constexpr uint32_t kBytes[] = {1, 2, 4, 8, 4, 8, 16};  // ORDER: Width
  x86::Mem m = mem(inst, inst.op == MOp::Store ? 1 : 0);
  m.setSize(kBytes[static_cast<size_t>(inst.width)]);
  if (inst.op == MOp::StoreImm) {
    const int64_t value = inst.width == Width::k8    ? static_cast<int8_t>(inst.imm)
                          : inst.width == Width::k16 ? static_cast<int16_t>(inst.imm)
                                                     : inst.imm;
    a_.mov(m, imm(value));
    return;
  }
  const PReg v = reg(inst, 0);
  switch (inst.width) {
    case Width::k8: a_.mov(m, gp8(v)); return;
    case Width::k16: a_.mov(m, gp16(v)); return;
    case Width::k32: a_.mov(m, gp32(v)); return;
    case Width::k64: a_.mov(m, gp64(v)); return;
    case Width::kF32: a_.movss(m, xmm(v)); return;
    case Width::kF64: a_.movsd(m, xmm(v)); return;
    case Width::kV128: a_.movups(m, xmm(v)); return;
  }
}

// --- Conditions ----------------------------------------------------------------------------------------------------

// Sets the flags. `at` is the index of the comparison's first operand.
void Emitter::compare(const MInst& inst, uint32_t at) {
  const auto narrow = [&](x86::Mem m) {
    m.setSize(inst.width == Width::k64 ? 8 : inst.width == Width::k8 ? 1 : 4);
    return m;
  };
  switch (inst.form) {
    case CmpForm::kRegReg: {
      const x86::Gp a = gp(reg(inst, at), inst.width);
      loc(inst, at + 1).is_reg() ? a_.cmp(a, gp(reg(inst, at + 1), inst.width))
                                 : a_.cmp(a, narrow(slot(loc(inst, at + 1))));
      return;
    }
    case CmpForm::kRegImm: {
      const x86::Gp a = gp(reg(inst, at), inst.width);
      inst.imm == 0 ? a_.test(a, a) : a_.cmp(a, imm(inst.imm));  // the same flags
      return;
    }
    case CmpForm::kRegMem: a_.cmp(gp(reg(inst, at), inst.width), narrow(mem(inst, at + 1))); return;
    case CmpForm::kMemImm:
      a_.cmp(narrow(mem(inst, at)), imm(inst.width == Width::k8 ? static_cast<int8_t>(inst.imm) : inst.imm));
      return;
    case CmpForm::kTestReg: a_.test(gp(reg(inst, at), inst.width), gp(reg(inst, at), inst.width)); return;
    case CmpForm::kTestImm: a_.test(gp(reg(inst, at), inst.width), imm(inst.imm)); return;
    case CmpForm::kTestRegReg: a_.test(gp(reg(inst, at), inst.width), gp(reg(inst, at + 1), inst.width)); return;
    case CmpForm::kFloat: compare_floats(reg(inst, at), reg(inst, at + 1), inst.width); return;
    case CmpForm::kFloatMem: {
      const x86::Mem m = mem(inst, at + 1);
      inst.width == Width::kF32 ? a_.ucomiss(xmm(reg(inst, at)), m) : a_.ucomisd(xmm(reg(inst, at)), m);
      return;
    }
    case CmpForm::kNone: break;
  }
  UNREACHABLE("comparison without a form");
}

static x86::CondCode condition_code(Cond cond) {
  static constexpr x86::CondCode kCodes[] = {
      x86::CondCode::kEqual,      x86::CondCode::kNotEqual,  x86::CondCode::kSignedLT,   x86::CondCode::kSignedGE,
      x86::CondCode::kSignedLE,   x86::CondCode::kSignedGT,  x86::CondCode::kUnsignedLT, x86::CondCode::kUnsignedGE,
      x86::CondCode::kUnsignedLE, x86::CondCode::kUnsignedGT};  // ORDER: Cond
  return kCodes[static_cast<size_t>(cond)];
}

// Whether the comparison, whose operands begin at `at`, reads this register.
bool Emitter::compares(const MInst& inst, uint32_t at, PReg r) const {
  const auto count = static_cast<uint32_t>(f().operands(inst).size());
  for (uint32_t n = at; n < count; ++n) {
    if (loc(inst, n).is_reg() && reg(inst, n) == r) return true;
  }
  return false;
}

void Emitter::set_cond(const MInst& inst) {
  const PReg d = reg(inst, 0);
  const bool two_flags = inst.cond == Cond::kFloatEq || inst.cond == Cond::kFloatNe;
  // A register that is zero already needs no widening.
  const bool is_clear = !two_flags && !compares(inst, 1, d);
  if (is_clear) a_.xor_(gp32(d), gp32(d));
  compare(inst, 1);
  if (two_flags) {
    const bool equal = inst.cond == Cond::kFloatEq;  // equal: ZF and not PF
    equal ? a_.setnp(x86::r11b) : a_.setp(x86::r11b);
    equal ? a_.sete(gp8(d)) : a_.setne(gp8(d));
    equal ? a_.and_(gp8(d), x86::r11b) : a_.or_(gp8(d), x86::r11b);
  } else {
    a_.set(condition_code(inst.cond), gp8(d));
  }
  if (!is_clear) a_.movzx(gp32(d), gp8(d));
}

void Emitter::jump_if(Cond cond, Label to, bool is_near) {
  const auto jump = [&](x86::CondCode code) {
    if (is_near) a_.short_();
    a_.j(code, to);
  };
  if (cond == Cond::kFloatEq) {
    const Label unordered = a_.newLabel();
    a_.short_().jp(unordered);
    jump(x86::CondCode::kEqual);
    a_.bind(unordered);
  } else if (cond == Cond::kFloatNe) {
    jump(x86::CondCode::kParityEven);
    jump(x86::CondCode::kNotEqual);
  } else {
    jump(condition_code(cond));
  }
}

// The definition holds the value for "false"; it is overwritten if the condition holds.
void Emitter::select(const MInst& inst) {
  compare(inst, 3);
  const PReg d = reg(inst, 0);
  const PReg other = reg(inst, 2);
  const bool two_flags = inst.cond == Cond::kFloatEq || inst.cond == Cond::kFloatNe;
  if (class_of(d) == RegClass::kGpr && !two_flags) {
    a_.cmov(condition_code(inst.cond), gp64(d), gp64(other));
    return;
  }
  const Label skip = a_.newLabel();
  jump_if(negate(inst.cond), skip, true);
  move(Loc::reg(d), Loc::reg(other), class_of(d), Room::k8);  // between registers: all of it
  a_.bind(skip);
}

}  // namespace parallax::jit::x64
