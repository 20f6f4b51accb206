// Vectors: the sequences of vectors.def.
//
// Legacy SSE encodings, which never touch the upper halves of the wide registers, so that they mix freely with the few
// VEX ones. xmm15 (s below) is scratch. A sequence whose definition is not Early must have read all uses before it writes
// the definition, or work on the first use in place; two operands may be one register.
//
// Results that may be NaN are made canonical without branches: lanes that are not equal to themselves become all ones,
// and flipping all bits but those of the canonical NaN leaves it.
#include "engine/base/check.h"
#include "engine/jit/vectors.h"
#include "engine/jit/x64/emit.h"

namespace parallax::jit::x64 {

using Id = x86::Inst::Id;

namespace {

struct Instructions {
  Id x, y, z;
};
constexpr Instructions kInstructions[] = {
#define VECTOR(opcode, needs, sequence, x, y, z, k) {x86::Inst::kId##x, x86::Inst::kId##y, x86::Inst::kId##z},
#include "engine/jit/vectors.def"
};

constexpr int kUnordered = 3;  // predicate of cmpps
constexpr int kAsIs = 8;       // rounding: no precision exception
constexpr int kUpperHalf = 0xee;
constexpr int kRoundTowardZero = 3;

}  // namespace

// Writes one sequence.
class VectorWriter {
 public:
  VectorWriter(Emitter& emitter, const MInst& inst)
      : emitter_(emitter),
        a_(emitter.a_),
        cpu_(emitter.input_.cpu),
        inst_(inst),
        row_(vector_row(inst.aux)),
        x_(kInstructions[inst.aux].x),
        y_(kInstructions[inst.aux].y),
        z_(kInstructions[inst.aux].z) {}

  void write();

 private:
  // --- Operands: definition, uses, temporaries.
  x86::Xmm vec(uint32_t n) const { return xmm(emitter_.reg(inst_, n)); }
  x86::Gp gen(uint32_t n) const { return gp32(emitter_.reg(inst_, n)); }
  x86::Gp gen64(uint32_t n) const { return gp64(emitter_.reg(inst_, n)); }
  x86::Xmm d() const { return vec(0); }
  x86::Xmm a() const { return vec(1); }
  x86::Xmm b() const { return vec(2); }
  x86::Xmm c() const { return vec(3); }
  x86::Mem pattern(uint64_t half) { return emitter_.pool(half, half); }
  uint32_t lane() const { return static_cast<uint32_t>(inst_.imm); }
  void copy(const x86::Xmm& to, const x86::Xmm& from) {
    if (to != from) a_.movaps(to, from);
  }
  void clear(const x86::Xmm& v) { a_.pxor(v, v); }

  // --- Parts
  void two();
  void complement();
  void canonical32(const x86::Xmm& v);
  void canonical64(const x86::Xmm& v);
  void float_compare();
  void then_equal();
  void flip();
  void min_max(bool max, bool wide);
  void madd(bool wide);
  void convert_u32();
  void trunc_s32();
  void trunc_u32();
  void trunc_s64();
  void trunc_u64();
  void abs_quads();
  void mul32();
  void mul64();
  void extmul_bytes();
  void pair_sums();
  void dot();
  void popcnt();
  void count_into(const x86::Xmm& v, int add);
  void shift_bytes();
  void shift_sign_bytes();
  void shift_sign_quads();
  void swizzle();
  void splat8();
  void extract8(bool is_signed);
  void extract32();
  void extract64();
  void insert_words(uint32_t lane);
  void replace64();
  void any_true();
  void all_true();
  void all_true_quads();
  void set(x86::CondCode cond);

  Emitter& emitter_;
  Asm& a_;
  const CpuFeatures& cpu_;
  const MInst& inst_;
  const VectorRow& row_;
  const Id x_, y_, z_;
  const x86::Xmm s_ = xmm(kScratchXmm);
};

// --- Parts of several sequences ------------------------------------------------------------------------------------

void VectorWriter::two() {
  if (cpu_.avx && row_.three_operands) {
    a_.emit(z_, d(), a(), b());
  } else {
    a_.emit(x_, d(), b());
  }
}

void VectorWriter::complement() {
  a_.pcmpeqd(s_, s_);
  a_.pxor(d(), s_);
}

void VectorWriter::canonical32(const x86::Xmm& v) {
  if (emitter_.input_.fault == EmitterFault::kKeepNans) return;
  a_.movaps(s_, v);
  a_.cmpps(s_, s_, kUnordered);
  a_.orps(v, s_);
  a_.andps(s_, pattern(0x803fffff803fffff));
  a_.xorps(v, s_);
}

void VectorWriter::canonical64(const x86::Xmm& v) {
  a_.movaps(s_, v);
  a_.cmppd(s_, s_, kUnordered);
  a_.orps(v, s_);
  a_.andps(s_, pattern(0x8007ffffffffffff));
  a_.xorps(v, s_);
}

void VectorWriter::float_compare() {
  if (cpu_.avx) {
    a_.emit(z_, d(), a(), b(), imm(row_.k));
  } else {
    a_.emit(x_, d(), b(), imm(row_.k));
  }
}

// --- Comparisons ---------------------------------------------------------------------------------------------------

void VectorWriter::then_equal() {
  a_.movaps(d(), a());
  a_.emit(x_, d(), b());
  a_.emit(y_, d(), a());
}

// Unsigned comparison as a signed one; b first, because the two may be one register.
void VectorWriter::flip() {
  a_.movaps(s_, pattern(row_.k));
  a_.pxor(s_, b());
  a_.pxor(d(), pattern(row_.k));
  a_.emit(x_, d(), s_);
}

// --- Floats --------------------------------------------------------------------------------------------------------

// The machine's minimum gives its second operand for NaNs and for two zeros, so both orders are taken. For min their
// union is right up to the NaN's payload. For max the difference of signs of zero is taken off again.
void VectorWriter::min_max(bool max, bool wide) {
  const Id id =
      max ? (wide ? x86::Inst::kIdMaxpd : x86::Inst::kIdMaxps) : (wide ? x86::Inst::kIdMinpd : x86::Inst::kIdMinps);
  a_.movaps(d(), a());
  a_.movaps(s_, b());
  a_.emit(id, d(), b());
  a_.emit(id, s_, a());
  if (max) {
    a_.xorps(d(), s_);
    a_.orps(s_, d());
    wide ? a_.subpd(s_, d()) : a_.subps(s_, d());
    a_.movaps(d(), s_);
  } else {
    a_.orps(d(), s_);
  }
  wide ? canonical64(d()) : canonical32(d());
}

// Two roundings, as the deterministic profile wants. A NaN of the product stays one.
void VectorWriter::madd(bool wide) {
  a_.movaps(d(), a());
  if (row_.k != 0) a_.xorps(d(), pattern(row_.k));
  wide ? a_.mulpd(d(), b()) : a_.mulps(d(), b());
  wide ? a_.addpd(d(), c()) : a_.addps(d(), c());
  wide ? canonical64(d()) : canonical32(d());
}

// Halves of 16 bits are exact; only the last addition rounds.
void VectorWriter::convert_u32() {
  a_.movaps(s_, d());
  a_.pand(s_, pattern(0x0000ffff0000ffff));
  a_.psrld(d(), 16);
  a_.cvtdq2ps(s_, s_);
  a_.cvtdq2ps(d(), d());
  a_.mulps(d(), pattern(0x4780000047800000));  // 65536
  a_.addps(d(), s_);
}

// What does not fit becomes 0x80000000; right for small values, and turned over for large ones.
void VectorWriter::trunc_s32() {
  a_.movaps(s_, d());
  a_.cmpps(s_, s_, 0);
  a_.andps(d(), s_);                           // NaN: 0
  a_.movaps(s_, pattern(0x4f0000004f000000));  // 2^31
  a_.cmpps(s_, d(), 2);
  a_.cvttps2dq(d(), d());
  a_.pxor(d(), s_);
}

// The sum of what is below 2^31 and of what is above, each saturated.
void VectorWriter::trunc_u32() {
  const x86::Xmm t = vec(2);
  a_.movaps(d(), a());
  clear(s_);
  a_.maxps(d(), s_);  // NaN: the second operand
  a_.movaps(t, d());
  a_.movaps(s_, pattern(0x4f0000004f000000));  // 2^31
  a_.subps(t, s_);
  a_.cmpps(s_, t, 2);
  a_.cvttps2dq(t, t);
  a_.pxor(t, s_);
  clear(s_);
  a_.pmaxsd(t, s_);
  a_.cvttps2dq(d(), d());
  a_.paddd(d(), t);
}

void VectorWriter::trunc_s64() {
  a_.movaps(s_, d());
  a_.cmppd(s_, s_, 0);
  a_.andps(s_, pattern(0x41dfffffffc00000));  // 2^31 - 1; 0 for NaN
  a_.minpd(d(), s_);                          // NaN: the second operand
  a_.cvttpd2dq(d(), d());
}

// Within range, truncated; then the integer stands in the low bits of 2^52 + x.
void VectorWriter::trunc_u64() {
  clear(s_);
  a_.maxpd(d(), s_);
  a_.minpd(d(), pattern(0x41efffffffe00000));  // 2^32 - 1
  a_.roundpd(d(), d(), kRoundTowardZero | kAsIs);
  a_.addpd(d(), pattern(0x4330000000000000));
  a_.shufps(d(), s_, 0x88);
}

// --- Integers ------------------------------------------------------------------------------------------------------

void VectorWriter::abs_quads() {
  a_.pshufd(s_, d(), 0xf5);
  a_.psrad(s_, 31);
  a_.pxor(d(), s_);
  a_.psubq(d(), s_);
}

// Even and odd lanes apart.
void VectorWriter::mul32() {
  const x86::Xmm t = vec(3);
  a_.movaps(s_, a());
  a_.pmuludq(s_, b());
  a_.movaps(d(), a());
  a_.psrlq(d(), 32);
  a_.movaps(t, b());
  a_.psrlq(t, 32);
  a_.pmuludq(d(), t);
  a_.pshufd(s_, s_, 0x08);
  a_.pshufd(d(), d(), 0x08);
  a_.punpckldq(s_, d());
  a_.movaps(d(), s_);
}

// low * low + ((high * low + low * high) << 32)
void VectorWriter::mul64() {
  a_.movaps(d(), a());
  a_.psrlq(d(), 32);
  a_.pmuludq(d(), b());
  a_.movaps(s_, b());
  a_.psrlq(s_, 32);
  a_.pmuludq(s_, a());
  a_.paddq(d(), s_);
  a_.psllq(d(), 32);
  a_.movaps(s_, a());
  a_.pmuludq(s_, b());
  a_.paddq(d(), s_);
}

void VectorWriter::extmul_bytes() {
  if (row_.k != 0) {
    a_.pshufd(s_, b(), kUpperHalf);
    a_.pshufd(d(), a(), kUpperHalf);
    a_.emit(x_, s_, s_);
    a_.emit(x_, d(), d());
  } else {
    a_.emit(x_, s_, b());
    a_.emit(x_, d(), a());
  }
  a_.pmullw(d(), s_);
}

void VectorWriter::pair_sums() {
  a_.movaps(s_, d());
  a_.emit(y_, s_, imm(row_.k));
  a_.emit(x_, s_, imm(row_.k));
  a_.emit(x_, d(), imm(row_.k));
  a_.emit(z_, d(), s_);
}

// Even and odd bytes as words; a product fits 16 bits, the sum of two saturates.
void VectorWriter::dot() {
  const bool add = row_.sequence == Sequence::DotAdd;
  const x86::Xmm t = vec(add ? 4 : 3);
  a_.movaps(d(), a());
  a_.movaps(s_, b());
  for (const x86::Xmm& v : {d(), s_}) a_.psllw(v, 8), a_.psraw(v, 8);
  a_.pmullw(d(), s_);
  a_.movaps(t, a());
  a_.movaps(s_, b());
  for (const x86::Xmm& v : {t, s_}) a_.psraw(v, 8);
  a_.pmullw(t, s_);
  a_.paddsw(d(), t);
  if (!add) return;
  a_.pmaddwd(d(), pattern(0x0001000100010001));
  a_.paddd(d(), c());
}

// Bits of each nibble by table.
void VectorWriter::popcnt() {
  const x86::Xmm t = vec(2);
  const x86::Mem table = emitter_.pool(0x0302020102010100, 0x0403030203020201);
  a_.movaps(d(), pattern(0x0f0f0f0f0f0f0f0f));
  a_.movaps(s_, a());
  a_.psrlw(s_, 4);
  a_.pand(s_, d());
  a_.pand(d(), a());
  a_.movaps(t, table);
  a_.pshufb(t, s_);
  a_.movaps(s_, table);
  a_.pshufb(s_, d());
  a_.movaps(d(), s_);
  a_.paddb(d(), t);
}

// --- Shifts --------------------------------------------------------------------------------------------------------

// v = the count of operand 2, masked, + `add`.
void VectorWriter::count_into(const x86::Xmm& v, int add) {
  a_.mov(x86::r11d, gen(2));
  a_.and_(x86::r11d, static_cast<int32_t>(row_.k));
  if (add != 0) a_.add(x86::r11d, add);
  a_.movd(v, x86::r11d);
}

// As words, then without the bits that came from the neighbour.
void VectorWriter::shift_bytes() {
  const bool left = row_.sequence == Sequence::ShiftLeftBytes;
  const x86::Xmm t = vec(3);
  count_into(s_, 0);
  a_.movaps(t, pattern(0x00ff00ff00ff00ff));
  if (left) {
    a_.psllw(d(), s_);
    a_.psllw(t, s_);
    a_.pand(t, pattern(0x00ff00ff00ff00ff));
  } else {
    a_.psrlw(d(), s_);
    a_.psrlw(t, s_);
  }
  a_.packuswb(t, t);
  a_.pand(d(), t);
}

// As the upper halves of words.
void VectorWriter::shift_sign_bytes() {
  const x86::Xmm t = vec(3);
  count_into(s_, 8);
  a_.movaps(t, d());
  a_.punpckhbw(t, t);
  a_.punpcklbw(d(), d());
  a_.psraw(d(), s_);
  a_.psraw(t, s_);
  a_.packsswb(d(), t);
}

// Logically, then the sign bit at its new place becomes the sign.
void VectorWriter::shift_sign_quads() {
  const x86::Xmm t = vec(3);
  count_into(s_, 0);
  a_.movaps(t, pattern(0x8000000000000000));
  a_.psrlq(t, s_);
  a_.psrlq(d(), s_);
  a_.pxor(d(), t);
  a_.psubq(d(), t);
}

// --- Lanes ---------------------------------------------------------------------------------------------------------

// pshufb looks at the low four bits unless the highest is set: 16 and above must get it.
void VectorWriter::swizzle() {
  a_.movaps(s_, b());
  if (emitter_.input_.fault != EmitterFault::kSwizzleWraps) a_.paddusb(s_, pattern(0x7070707070707070));
  a_.pshufb(d(), s_);
}

void VectorWriter::splat8() {
  a_.movd(d(), gen(1));
  if (cpu_.avx) {
    a_.vpbroadcastb(d(), d());
    return;
  }
  a_.punpcklbw(d(), d());
  a_.pshuflw(d(), d(), 0);
  a_.punpcklqdq(d(), d());
}

void VectorWriter::extract8(bool is_signed) {
  const x86::Gp to = gen(0);
  if (cpu_.sse41) {
    a_.pextrb(to, a(), lane());
    if (is_signed) a_.movsx(to, to.r8());
    return;
  }
  a_.pextrw(to, a(), lane() / 2);
  if (lane() % 2 != 0) a_.shr(to, 8);
  is_signed ? a_.movsx(to, to.r8()) : a_.movzx(to, to.r8());
}

void VectorWriter::extract32() {
  if (lane() == 0) {
    a_.movd(gen(0), a());
  } else if (cpu_.sse41) {
    a_.pextrd(gen(0), a(), lane());
  } else {
    a_.pshufd(s_, a(), lane());
    a_.movd(gen(0), s_);
  }
}

void VectorWriter::extract64() {
  if (lane() == 0) {
    a_.movq(gen64(0), a());
  } else if (cpu_.sse41) {
    a_.pextrq(gen64(0), a(), lane());
  } else {
    a_.pshufd(s_, a(), kUpperHalf);
    a_.movq(gen64(0), s_);
  }
}

// A lane of 32 bits from r11d, without pinsrd.
void VectorWriter::insert_words(uint32_t lane) {
  a_.pinsrw(d(), x86::r11d, 2 * lane);
  a_.shr(x86::r11d, 16);
  a_.pinsrw(d(), x86::r11d, 2 * lane + 1);
}

void VectorWriter::replace64() {
  if (cpu_.sse41) {
    a_.pinsrq(d(), gen64(2), lane());
    return;
  }
  a_.movq(s_, gen64(2));
  lane() == 0 ? a_.movsd(d(), s_) : a_.punpcklqdq(d(), s_);
}

// --- Tests ---------------------------------------------------------------------------------------------------------

void VectorWriter::set(x86::CondCode cond) {
  a_.set(cond, gen(0).r8());
  a_.movzx(gen(0), gen(0).r8());
}

void VectorWriter::any_true() {
  if (cpu_.sse41) {
    a_.ptest(a(), a());
    return set(x86::CondCode::kNotEqual);
  }
  clear(s_);
  a_.pcmpeqb(s_, a());
  a_.pmovmskb(gen(0), s_);
  a_.cmp(gen(0), 0xffff);
  set(x86::CondCode::kNotEqual);
}

void VectorWriter::all_true() {
  clear(s_);
  a_.emit(x_, s_, a());
  if (cpu_.sse41) {
    a_.ptest(s_, s_);
  } else {
    a_.pmovmskb(gen(0), s_);
    a_.test(gen(0), gen(0));
  }
  set(x86::CondCode::kEqual);
}

// A lane is zero when both its halves are.
void VectorWriter::all_true_quads() {
  clear(s_);
  a_.pcmpeqd(s_, a());
  a_.movmskps(x86::r11d, s_);
  a_.mov(gen(0), x86::r11d);
  a_.shr(gen(0), 1);
  a_.and_(gen(0), x86::r11d);
  a_.test(gen(0), 5);
  set(x86::CondCode::kEqual);
}

// --- All -----------------------------------------------------------------------------------------------------------

void VectorWriter::write() {
  switch (row_.sequence) {
    case Sequence::Two:
    case Sequence::TwoExchanged: two(); return;
    case Sequence::TwoNot:
    case Sequence::TwoNotExchanged: two(), complement(); return;
    case Sequence::FloatTwo32: two(), canonical32(d()); return;
    case Sequence::FloatTwo64: two(), canonical64(d()); return;
    case Sequence::FloatCompare:
    case Sequence::FloatCompareExchanged: float_compare(); return;
    case Sequence::One: a_.emit(x_, d(), a()); return;
    case Sequence::FloatOne32: a_.emit(x_, d(), a()), canonical32(d()); return;
    case Sequence::FloatOne64: a_.emit(x_, d(), a()), canonical64(d()); return;
    case Sequence::Round32: a_.emit(x_, d(), a(), imm(row_.k | kAsIs)), canonical32(d()); return;
    case Sequence::Round64: a_.emit(x_, d(), a(), imm(row_.k | kAsIs)), canonical64(d()); return;
    case Sequence::WithPattern: a_.emit(x_, d(), pattern(row_.k)); return;
    case Sequence::ThenEqual: then_equal(); return;
    case Sequence::ThenEqualNot: then_equal(), complement(); return;
    case Sequence::Flip:
    case Sequence::FlipExchanged: flip(); return;
    case Sequence::FlipNot:
    case Sequence::FlipNotExchanged: flip(), complement(); return;
    case Sequence::Min32: min_max(false, false); return;
    case Sequence::Min64: min_max(false, true); return;
    case Sequence::Max32: min_max(true, false); return;
    case Sequence::Max64: min_max(true, true); return;
    case Sequence::Madd32: madd(false); return;
    case Sequence::Madd64: madd(true); return;
    case Sequence::ConvertU32: convert_u32(); return;
    case Sequence::ConvertLowU32:
      a_.unpcklps(d(), pattern(0x4330000043300000));
      a_.subpd(d(), pattern(0x4330000000000000));
      return;
    case Sequence::TruncS32: trunc_s32(); return;
    case Sequence::TruncU32: trunc_u32(); return;
    case Sequence::TruncS64: trunc_s64(); return;
    case Sequence::TruncU64: trunc_u64(); return;
    case Sequence::Negate:
      clear(s_);
      a_.emit(x_, s_, a());
      a_.movaps(d(), s_);
      return;
    case Sequence::AbsShift:
      a_.movaps(s_, d());
      a_.emit(x_, s_, imm(row_.k));
      a_.pxor(d(), s_);
      a_.emit(y_, d(), s_);
      return;
    case Sequence::AbsBytes:  // of x and -x the smaller unsigned one
      clear(s_);
      a_.psubb(s_, d());
      a_.pminub(d(), s_);
      return;
    case Sequence::AbsQuads: abs_quads(); return;
    case Sequence::Mul32: mul32(); return;
    case Sequence::Mul64: mul64(); return;
    case Sequence::MulRoundSat:  // only -1 * -1 overflows, to 0x8000
      a_.pmulhrsw(d(), b());
      a_.movaps(s_, pattern(0x8000800080008000));
      a_.pcmpeqw(s_, d());
      a_.pxor(d(), s_);
      return;
    case Sequence::ExtmulBytes: extmul_bytes(); return;
    case Sequence::MulHighLow:
      a_.movaps(s_, d());
      a_.emit(x_, s_, b());
      a_.pmullw(d(), b());
      a_.emit(y_, d(), s_);
      return;
    case Sequence::MulDwords:
      a_.pshufd(s_, b(), static_cast<uint32_t>(row_.k));
      a_.pshufd(d(), a(), static_cast<uint32_t>(row_.k));
      a_.emit(x_, d(), s_);
      return;
    case Sequence::PairSums: pair_sums(); return;
    case Sequence::Dot:
    case Sequence::DotAdd: dot(); return;
    case Sequence::Popcnt: popcnt(); return;
    case Sequence::ExtendHigh:
      a_.pshufd(d(), a(), kUpperHalf);
      a_.emit(x_, d(), d());
      return;
    case Sequence::UnpackZero:
      clear(s_);
      copy(d(), a());
      a_.emit(x_, d(), s_);
      return;
    case Sequence::UnpackSelf:
      copy(d(), a());
      a_.emit(x_, d(), d());
      a_.emit(y_, d(), imm(row_.k));
      return;
    case Sequence::UnpackSign:
      a_.movaps(s_, a());
      a_.psrad(s_, 31);
      copy(d(), a());
      a_.emit(x_, d(), s_);
      return;
    case Sequence::Shift:
      count_into(s_, 0);
      a_.emit(x_, d(), s_);
      return;
    case Sequence::ShiftLeftBytes:
    case Sequence::ShiftRightBytes: shift_bytes(); return;
    case Sequence::ShiftSignBytes: shift_sign_bytes(); return;
    case Sequence::ShiftSignQuads: shift_sign_quads(); return;
    case Sequence::Bitselect:
      a_.movaps(d(), a());
      a_.pxor(d(), b());
      a_.pand(d(), c());
      a_.pxor(d(), b());
      return;
    case Sequence::Swizzle: swizzle(); return;
    case Sequence::Shuffle:
      a_.movaps(d(), a());
      a_.pshufb(d(), c());
      a_.movaps(s_, b());
      a_.pshufb(s_, vec(4));
      a_.por(d(), s_);
      return;
    case Sequence::Splat8: splat8(); return;
    case Sequence::Splat16:
      a_.movd(d(), gen(1));
      a_.pshuflw(d(), d(), 0);
      a_.punpcklqdq(d(), d());
      return;
    case Sequence::Splat32:
      a_.movd(d(), gen(1));
      a_.pshufd(d(), d(), 0);
      return;
    case Sequence::Splat64:
      a_.movq(d(), gen64(1));
      a_.punpcklqdq(d(), d());
      return;
    case Sequence::SplatFloat: a_.pshufd(d(), a(), static_cast<uint32_t>(row_.k)); return;
    case Sequence::Extract8S: extract8(true); return;
    case Sequence::Extract8U: extract8(false); return;
    case Sequence::Extract16S:
      a_.pextrw(gen(0), a(), lane());
      a_.movsx(gen(0), gen(0).r16());
      return;
    case Sequence::Extract16U: a_.pextrw(gen(0), a(), lane()); return;
    case Sequence::Extract32: extract32(); return;
    case Sequence::Extract64: extract64(); return;
    case Sequence::ExtractF32: lane() == 0 ? copy(d(), a()) : void(a_.pshufd(d(), a(), lane())); return;
    case Sequence::ExtractF64: lane() == 0 ? copy(d(), a()) : void(a_.pshufd(d(), a(), kUpperHalf)); return;
    case Sequence::Replace8: a_.pinsrb(d(), gen(2), lane()); return;
    case Sequence::Replace16: a_.pinsrw(d(), gen(2), lane()); return;
    case Sequence::Replace32:
      if (cpu_.sse41) {
        a_.pinsrd(d(), gen(2), lane());
        return;
      }
      a_.mov(x86::r11d, gen(2));
      insert_words(lane());
      return;
    case Sequence::Replace64: replace64(); return;
    case Sequence::ReplaceF32:
      if (cpu_.sse41) {
        a_.insertps(d(), b(), lane() << 4);
        return;
      }
      a_.movd(x86::r11d, b());
      insert_words(lane());
      return;
    case Sequence::ReplaceF64: lane() == 0 ? a_.movsd(d(), b()) : a_.punpcklqdq(d(), b()); return;
    case Sequence::AnyTrue: any_true(); return;
    case Sequence::AllTrue: all_true(); return;
    case Sequence::AllTrueQuads: all_true_quads(); return;
    case Sequence::Bitmask: a_.emit(x_, gen(0), a()); return;
    case Sequence::BitmaskWords:
      a_.movaps(s_, a());
      a_.packsswb(s_, s_);
      a_.pmovmskb(gen(0), s_);
      a_.movzx(gen(0), gen(0).r8());
      return;
  }
  UNREACHABLE("I2: vector sequence {}", static_cast<int>(row_.sequence));
}

void Emitter::vector(const MInst& inst) { VectorWriter(*this, inst).write(); }

}  // namespace parallax::jit::x64
