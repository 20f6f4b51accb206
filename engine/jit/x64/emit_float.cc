// Floats: SSE2 scalar instructions, and what WebAssembly wants beyond them.
//
// Every operation that may produce a NaN compares its result with itself and replaces a NaN by the canonical one in a cold
// part (deterministic profile), unless it is free not to (kFreeNan).
#include "engine/base/check.h"
#include "engine/jit/x64/emit.h"

namespace parallax::jit::x64 {

using wasm::TrapKind;

static constexpr uint64_t sign_bit(Width width) { return width == Width::kF32 ? 0x80000000u : 0x8000000000000000u; }

// Flags stay as they are.
void Emitter::load_float(PReg to, Width width, uint64_t bits) {
  if (bits == 0) {
    a_.xorps(xmm(to), xmm(to));
    return;
  }
  x86::Mem m = pool(bits, 0);
  m.setSize(width == Width::kF32 ? 4 : 8);
  width == Width::kF32 ? a_.movss(xmm(to), m) : a_.movsd(xmm(to), m);
}

void Emitter::compare_floats(PReg a, PReg b, Width width) {
  width == Width::kF32 ? a_.ucomiss(xmm(a), xmm(b)) : a_.ucomisd(xmm(a), xmm(b));
}

// Requires that `reg` is operand 0 of the instruction being emitted.
void Emitter::canonicalize(PReg reg) {
  if (f().inst(current_).imm == kFreeNan) return;
  const Label back = a_.newLabel();
  compare_floats(reg, reg, f().inst(current_).width);
  a_.jp(cold(ColdKind::kCanonicalNan, 0, back));
  a_.bind(back);
}

void Emitter::falu(const MInst& inst) {
  static constexpr x86::Inst::Id kSingle[] = {x86::Inst::kIdAddss, x86::Inst::kIdSubss, x86::Inst::kIdMulss,
                                              x86::Inst::kIdDivss};  // ORDER: FAluOp
  static constexpr x86::Inst::Id kDouble[] = {x86::Inst::kIdAddsd, x86::Inst::kIdSubsd, x86::Inst::kIdMulsd,
                                              x86::Inst::kIdDivsd};
  static constexpr x86::Inst::Id kSingle3[] = {x86::Inst::kIdVaddss, x86::Inst::kIdVsubss, x86::Inst::kIdVmulss,
                                               x86::Inst::kIdVdivss};
  static constexpr x86::Inst::Id kDouble3[] = {x86::Inst::kIdVaddsd, x86::Inst::kIdVsubsd, x86::Inst::kIdVmulsd,
                                               x86::Inst::kIdVdivsd};
  const bool single = inst.width == Width::kF32;
  const x86::Xmm d = xmm(reg(inst, 0));
  const asmjit::Operand b = source(inst, 2, single ? 4 : 8);
  if (reg(inst, 0) == reg(inst, 1)) {
    a_.emit((single ? kSingle : kDouble)[inst.sub], d, b);
  } else {
    a_.emit((single ? kSingle3 : kDouble3)[inst.sub], d, xmm(reg(inst, 1)), b);
  }
  canonicalize(reg(inst, 0));
}

void Emitter::fminmax(const MInst& inst) {
  const PReg d = reg(inst, 0);
  const PReg b = reg(inst, 2);
  const bool max = inst.flag != 0;
  const Label different = a_.newLabel();
  const Label done = a_.newLabel();
  compare_floats(d, b, inst.width);
  a_.jne(different);
  a_.jp(cold(ColdKind::kCanonicalNan, 0, done));
  // Equal: the same, or zeros, whose signs decide.
  max ? a_.andps(xmm(d), xmm(b)) : a_.orps(xmm(d), xmm(b));
  a_.jmp(done);
  a_.bind(different);
  if (inst.width == Width::kF32) {
    max ? a_.maxss(xmm(d), xmm(b)) : a_.minss(xmm(d), xmm(b));
  } else {
    max ? a_.maxsd(xmm(d), xmm(b)) : a_.minsd(xmm(d), xmm(b));
  }
  a_.bind(done);
}

void Emitter::fabsneg(const MInst& inst) {
  const bool negate = inst.flag != 0;
  const uint64_t sign = sign_bit(inst.width);
  const PReg d = reg(inst, 0);
  negate ? a_.xorps(xmm(d), pool(sign, 0)) : a_.andps(xmm(d), pool(sign - 1, 0));
}

void Emitter::fcopysign(const MInst& inst) {
  const x86::Xmm d = xmm(reg(inst, 0));
  const x86::Xmm t = xmm(reg(inst, 3));
  const x86::Xmm mask = xmm(kScratchXmm);
  a_.movaps(mask, pool(sign_bit(inst.width), 0));
  a_.movaps(t, xmm(reg(inst, 2)));
  a_.andps(t, mask);
  a_.andnps(mask, xmm(reg(inst, 1)));
  a_.orps(mask, t);
  a_.movaps(d, mask);
}

void Emitter::fsqrt(const MInst& inst) {
  const bool single = inst.width == Width::kF32;
  const PReg d = reg(inst, 0);
  const asmjit::Operand s = source(inst, 1, single ? 4 : 8);
  if (inst.form == CmpForm::kRegMem) a_.xorps(xmm(d), xmm(d));  // as in from_int
  a_.emit(single ? x86::Inst::kIdSqrtss : x86::Inst::kIdSqrtsd, xmm(d), s);
  canonicalize(d);
}

void Emitter::fround(const MInst& inst) {
  const x86::Xmm d = xmm(reg(inst, 0));
  const x86::Xmm s = xmm(reg(inst, 1));
  const int mode = inst.sub | 8;  // no precision exception
  inst.width == Width::kF32 ? a_.roundss(d, s, imm(mode)) : a_.roundsd(d, s, imm(mode));
  canonicalize(reg(inst, 0));
}

void Emitter::fresize(const MInst& inst) {
  const bool to_single = inst.width == Width::kF32;
  const PReg d = reg(inst, 0);
  const asmjit::Operand s = source(inst, 1, to_single ? 8 : 4);
  if (inst.form == CmpForm::kRegMem) a_.xorps(xmm(d), xmm(d));  // as in from_int
  a_.emit(to_single ? x86::Inst::kIdCvtsd2ss : x86::Inst::kIdCvtss2sd, xmm(d), s);
  canonicalize(d);
}

void Emitter::from_int(const MInst& inst) {
  const bool single = inst.width == Width::kF32;
  const x86::Xmm d = xmm(reg(inst, 0));
  const bool wide = (inst.flag & kConv64) != 0;
  a_.xorps(d, d);  // the conversion writes the low part only: do not wait for the old one
  if (inst.form == CmpForm::kRegMem) {
    a_.emit(single ? x86::Inst::kIdCvtsi2ss : x86::Inst::kIdCvtsi2sd, d, source(inst, 1, wide ? 8 : 4));
    return;
  }
  const PReg s = reg(inst, 1);
  const auto convert = [&](const x86::Gp& from) { single ? a_.cvtsi2ss(d, from) : a_.cvtsi2sd(d, from); };
  if ((inst.flag & kConvUnsigned) == 0) {
    convert(wide ? gp64(s) : gp32(s));
    return;
  }
  if (!wide) {  // zero-extended: never negative as 64 bits
    convert(gp64(s));
    return;
  }
  // 2^63 and above: halve, keeping the lost bit for rounding, and double.
  const x86::Gp t = gp64(reg(inst, 2));
  const Label big = a_.newLabel();
  const Label done = a_.newLabel();
  a_.test(gp64(s), gp64(s));
  a_.js(big);
  convert(gp64(s));
  a_.jmp(done);
  a_.bind(big);
  a_.mov(x86::r11, gp64(s));
  a_.mov(t, gp64(s));
  a_.shr(x86::r11, 1);
  a_.and_(t, 1);
  a_.or_(x86::r11, t);
  convert(x86::r11);
  single ? a_.addss(d, d) : a_.addsd(d, d);
  a_.bind(done);
}

// Operands: integer, float, and for u64 a float temporary. What does not fit is decided in a cold part.
void Emitter::to_int(const MInst& inst) {
  const bool single = inst.width == Width::kF32;
  const PReg d = reg(inst, 0);
  const PReg s = reg(inst, 1);
  const Label back = a_.newLabel();
  const Label odd = cold(ColdKind::kTruncate, 0, back);
  const auto truncate = [&](PReg from) {
    single ? a_.cvttss2si(gp64(d), xmm(from)) : a_.cvttsd2si(gp64(d), xmm(from));
  };
  const bool is_unsigned = (inst.flag & kConvUnsigned) != 0;
  if ((inst.flag & kConv64) == 0) {
    // By 64 bits; the machine's "indefinite" integer does not fit 32 either.
    truncate(s);
    is_unsigned ? a_.mov(x86::r11d, gp32(d)) : a_.movsxd(x86::r11, gp32(d));
    a_.cmp(x86::r11, gp64(d));
    a_.jne(odd);
    if (!is_unsigned) a_.mov(gp32(d), gp32(d));
  } else if (!is_unsigned) {
    truncate(s);
    a_.cmp(gp64(d), 1);
    a_.jo(odd);
  } else {
    const PReg t = reg(inst, 2);
    const Label big = a_.newLabel();
    load_float(kScratchXmm, inst.width, single ? 0x5f000000u : 0x43e0000000000000u);  // 2^63
    compare_floats(s, kScratchXmm, inst.width);
    a_.jae(big);
    truncate(s);  // NaN comes here too
    a_.test(gp64(d), gp64(d));
    a_.js(odd);
    a_.jmp(back);
    a_.bind(big);
    a_.movaps(xmm(t), xmm(s));
    single ? a_.subss(xmm(t), xmm(kScratchXmm)) : a_.subsd(xmm(t), xmm(kScratchXmm));
    truncate(t);
    a_.test(gp64(d), gp64(d));
    a_.js(odd);
    a_.mov(x86::r11, imm(sign_bit(Width::kF64)));
    a_.xor_(gp64(d), x86::r11);
  }
  a_.bind(back);
}

void Emitter::cold_truncate(const Cold& cold) {
  const MInst& inst = f().inst(cold.inst);
  const PReg d = reg(inst, 0);
  const PReg s = reg(inst, 1);
  const bool is_unsigned = (inst.flag & kConvUnsigned) != 0;
  const bool wide = (inst.flag & kConv64) != 0;
  const Label not_a_number = a_.newLabel();
  compare_floats(s, s, inst.width);
  a_.jp(not_a_number);
  if ((inst.flag & kConvSaturate) == 0) {
    if (wide && !is_unsigned) {  // -2^63 itself is fine
      load_float(kScratchXmm, inst.width, inst.width == Width::kF32 ? 0xdf000000u : 0xc3e0000000000000u);
      compare_floats(s, kScratchXmm, inst.width);
      a_.je(cold.back);
    }
    a_.mov(x86::eax, imm(inst.offset));
    a_.jmp(trap_label(TrapKind::kIntegerOverflow));
    a_.bind(not_a_number);
    a_.mov(x86::eax, imm(inst.offset));
    a_.jmp(trap_label(TrapKind::kInvalidConversion));
    return;
  }
  const uint64_t max =
      wide ? (is_unsigned ? ~uint64_t{0} : ~uint64_t{0} >> 1) : (is_unsigned ? 0xffffffffu : 0x7fffffffu);
  const uint64_t min = is_unsigned ? 0 : wide ? sign_bit(Width::kF64) : sign_bit(Width::kF32);
  const Label negative = a_.newLabel();
  a_.xorps(xmm(kScratchXmm), xmm(kScratchXmm));
  compare_floats(s, kScratchXmm, inst.width);
  a_.jb(negative);
  a_.mov(gp64(d), imm(max));
  a_.jmp(cold.back);
  a_.bind(negative);
  a_.mov(gp64(d), imm(min));
  a_.jmp(cold.back);
  a_.bind(not_a_number);
  a_.xor_(gp32(d), gp32(d));
  a_.jmp(cold.back);
}

}  // namespace parallax::jit::x64
