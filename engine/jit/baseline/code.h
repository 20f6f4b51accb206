// Code: writes the machine instructions that the baseline compiler uses all the time, a few stores each.
//
// Bytes go into the assembler's buffer, at its cursor, so that sequences of the emitter (x64/emit.h) and these
// instructions may alternate. A jump whose target is not known yet is a link of a chain through the displacements
// themselves: the chain's head is the offset of the youngest one, 0 is the end. Nothing is ever written beyond the buffer;
// full() then says that the bytes mean nothing.
#pragma once

#include <cstdint>
#include <cstring>

#include "engine/jit/x64/asm.h"
#include "engine/jit/x64/regs.h"

namespace parallax::jit {

// [base + index << scale + disp]; the index may be missing.
struct Addr {
  PReg base = kRsp;
  PReg index = kNoReg;
  uint8_t scale = 0;
  int32_t disp = 0;
  Addr at(int32_t more) const { return {base, index, scale, disp + more}; }
};

// Condition codes of the hardware.
enum class Cc : uint8_t { kO, kNo, kB, kAe, kE, kNe, kBe, kA, kS, kNs, kP, kNp, kL, kGe, kLe, kG };
constexpr Cc negate(Cc cc) { return static_cast<Cc>(static_cast<uint8_t>(cc) ^ 1); }

class Code {
 public:
  explicit Code(x64::Asm& a) : a_(a) {}
  void start() { full_ = false; }
  bool full() const { return full_; }
  uint32_t here() const { return static_cast<uint32_t>(a_.offset()); }
  x64::Asm& assembler() { return a_; }

  // --- Moves
  void mov(PReg to, PReg from) { rr(0, 0x8b, true, to, from); }
  void mov32(PReg to, PReg from) { rr(0, 0x8b, false, to, from); }
  void load64(PReg to, const Addr& m) { rm(0, 0x8b, true, to, m); }
  void load32(PReg to, const Addr& m) { rm(0, 0x8b, false, to, m); }
  void store64(const Addr& m, PReg from) { rm(0, 0x89, true, from, m); }
  void store32(const Addr& m, PReg from) { rm(0, 0x89, false, from, m); }
  void movaps(PReg to, PReg from) { rr(0, 0x0f28, false, x(to), x(from)); }
  void load_f32(PReg to, const Addr& m) { rm(0xf3, 0x0f10, false, x(to), m); }
  void load_f64(PReg to, const Addr& m) { rm(0xf2, 0x0f10, false, x(to), m); }
  void load_v128(PReg to, const Addr& m) { rm(0, 0x0f10, false, x(to), m); }
  void store_f32(const Addr& m, PReg from) { rm(0xf3, 0x0f11, false, x(from), m); }
  void store_f64(const Addr& m, PReg from) { rm(0xf2, 0x0f11, false, x(from), m); }
  void store_v128(const Addr& m, PReg from) { rm(0, 0x0f11, false, x(from), m); }
  void xorps(PReg to, PReg from) { rr(0, 0x0f57, false, x(to), x(from)); }
  void to_xmm(PReg to, PReg from, bool wide) { rr(0x66, 0x0f6e, wide, x(to), from); }
  void to_gpr(PReg to, PReg from, bool wide) { rr(0x66, 0x0f7e, wide, x(from), to); }
  // Leaves the flags alone.
  void imm(PReg to, uint64_t bits) {
    uint8_t* p = begin();
    if (bits >> 32 == 0) {
      if (to >= kR8) *p++ = 0x41;
      *p++ = static_cast<uint8_t>(0xb8 | (to & 7));
      p = put32(p, static_cast<uint32_t>(bits));
    } else if (static_cast<int64_t>(bits) == static_cast<int32_t>(bits)) {
      *p++ = static_cast<uint8_t>(0x48 | (to >> 3));
      *p++ = 0xc7;
      *p++ = static_cast<uint8_t>(0xc0 | (to & 7));
      p = put32(p, static_cast<uint32_t>(bits));
    } else {
      *p++ = static_cast<uint8_t>(0x48 | (to >> 3));
      *p++ = static_cast<uint8_t>(0xb8 | (to & 7));
      std::memcpy(p, &bits, 8);
      p += 8;
    }
    end(p);
  }
  void imm(PReg to, const void* address) { imm(to, reinterpret_cast<uint64_t>(address)); }
  // Sign-extends `value` when wide.
  void store_imm(const Addr& m, int32_t value, bool wide) {
    rm(0, 0xc7, wide, 0, m, 4);
    put32_here(static_cast<uint32_t>(value));
  }
  void store_imm8(const Addr& m, int32_t value) {
    rm(0, 0xc6, false, 0, m, 1);
    put8_here(static_cast<uint8_t>(value));
  }
  void store_imm16(const Addr& m, int32_t value) {
    rm(0x66, 0xc7, false, 0, m, 2);
    uint8_t* p = begin();
    *p++ = static_cast<uint8_t>(value);
    *p++ = static_cast<uint8_t>(value >> 8);
    end(p);
  }

  // --- Integers. `alu` is the hardware's number: 0 add, 1 or, 4 and, 5 sub, 6 xor, 7 cmp.
  void alu(uint8_t alu, PReg to, PReg from, bool wide) { rr(0, static_cast<uint32_t>(alu << 3 | 3), wide, to, from); }
  void alu(uint8_t alu, PReg to, const Addr& m, bool wide) { rm(0, static_cast<uint32_t>(alu << 3 | 3), wide, to, m); }
  void alu_imm(uint8_t alu, PReg to, int32_t value, bool wide) {
    if (value == static_cast<int8_t>(value)) {
      rr(0, 0x83, wide, alu, to);
      put8_here(static_cast<uint8_t>(value));
    } else {
      rr(0, 0x81, wide, alu, to);
      put32_here(static_cast<uint32_t>(value));
    }
  }
  void cmp_imm(const Addr& m, int32_t value, bool wide) {
    rm(0, 0x81, wide, 7, m, 4);
    put32_here(static_cast<uint32_t>(value));
  }
  void imul(PReg to, PReg from, bool wide) { rr(0, 0x0faf, wide, to, from); }
  void imul_imm(PReg to, PReg from, int32_t value, bool wide) {
    rr(0, 0x69, wide, to, from);
    put32_here(static_cast<uint32_t>(value));
  }
  void test(PReg a, PReg b, bool wide) { rr(0, 0x85, wide, b, a); }
  void test_imm8(PReg a, uint8_t bits) {
    rr(0, 0xf6, false, 0, a, true);
    put8_here(bits);
  }
  // `shift` is the hardware's number: 0 rol, 1 ror, 4 shl, 5 shr, 7 sar. By cl, or by `count`.
  void shift(uint8_t shift, PReg to, bool wide) { rr(0, 0xd3, wide, shift, to); }
  void shift_imm(uint8_t shift, PReg to, uint8_t count, bool wide) {
    rr(0, 0xc1, wide, shift, to);
    put8_here(count);
  }
  // The f7 group: 3 neg, 6 div, 7 idiv.
  void unary(uint8_t op, PReg to, bool wide) { rr(0, 0xf7, wide, op, to); }
  void sign_extend_rax(bool wide) {  // cdq, cqo
    uint8_t* p = begin();
    if (wide) *p++ = 0x48;
    *p++ = 0x99;
    end(p);
  }
  void lea(PReg to, const Addr& m, bool wide) { rm(0, 0x8d, wide, to, m); }
  void setcc(Cc cc, PReg to) { rr(0, 0x0f90u | static_cast<uint32_t>(cc), false, 0, to, true); }
  void movzx8(PReg to, PReg from) { rr(0, 0x0fb6, false, to, from, true); }
  void cmov(Cc cc, PReg to, PReg from) { rr(0, 0x0f40u | static_cast<uint32_t>(cc), true, to, from); }

  // --- Control. Chains as described above.
  void jcc(Cc cc, uint32_t& chain) {
    uint8_t* p = begin();
    *p++ = 0x0f;
    *p++ = static_cast<uint8_t>(0x80 | static_cast<uint8_t>(cc));
    link(p, chain);
  }
  void jmp(uint32_t& chain) {
    uint8_t* p = begin();
    *p++ = 0xe9;
    link(p, chain);
  }
  void jcc_to(Cc cc, uint32_t target) {
    uint8_t* p = begin();
    *p++ = 0x0f;
    *p++ = static_cast<uint8_t>(0x80 | static_cast<uint8_t>(cc));
    to(p, target);
  }
  void jmp_to(uint32_t target) {
    uint8_t* p = begin();
    *p++ = 0xe9;
    to(p, target);
  }
  // lea to, [rip + what the chain will be bound to]
  void lea_chain(PReg reg, uint32_t& chain) {
    uint8_t* p = begin();
    *p++ = static_cast<uint8_t>(0x48 | (reg >> 3) << 2);
    *p++ = 0x8d;
    *p++ = static_cast<uint8_t>(0x05 | (reg & 7) << 3);
    link(p, chain);
  }
  void jmp_reg(PReg reg) { rr(0, 0xff, false, 4, reg); }
  // Lets all links of the chain jump here.
  void bind(uint32_t& chain) { bind_to(chain, here()); }
  void bind_to(uint32_t& chain, uint32_t target) {
    uint32_t link = chain;
    chain = 0;
    while (link != 0 && !full_) {
      uint8_t* at = a_.bufferData() + link;
      uint32_t next;
      std::memcpy(&next, at, 4);
      const uint32_t distance = target - (link + 4);
      std::memcpy(at, &distance, 4);
      link = next;
    }
  }
  void data32(uint32_t word) { put32_here(word); }
  // Replaces the 32-bit words between these offsets that are `from`, or minus `from`, by `to`, or minus `to`.
  void patch(uint32_t begin, uint32_t end, uint32_t from, uint32_t to) {
    for (uint32_t at = begin; at + 4 <= end && !full_; ++at) {
      uint32_t word;
      uint8_t* p = a_.bufferData() + at;
      std::memcpy(&word, p, 4);
      if (word != from && word != 0 - from) continue;
      word = word == from ? to : 0 - to;
      std::memcpy(p, &word, 4);
    }
  }

  // --- Anything: prefix (0: none), opcode (with 0x0f in front), REX.W, register field, register or memory. `bytes`: the
  // registers are byte registers.
  void rr(uint8_t prefix, uint32_t op, bool wide, uint8_t reg, uint8_t rm, bool bytes = false) {
    uint8_t* p = begin();
    if (prefix != 0) *p++ = prefix;
    const auto rex = static_cast<uint8_t>((wide ? 8 : 0) | reg >> 3 << 2 | rm >> 3);
    if (rex != 0 || (bytes && (rm >= 4 || reg >= 4))) *p++ = static_cast<uint8_t>(0x40 | rex);
    p = opcode(p, op);
    *p++ = static_cast<uint8_t>(0xc0 | (reg & 7) << 3 | (rm & 7));
    end(p);
  }
  void rm(uint8_t prefix, uint32_t op, bool wide, uint8_t reg, const Addr& m, uint8_t = 0, bool bytes = false) {
    uint8_t* p = begin();
    if (prefix != 0) *p++ = prefix;
    const uint8_t index = m.index == kNoReg ? 0 : m.index;
    const auto rex = static_cast<uint8_t>((wide ? 8 : 0) | reg >> 3 << 2 | index >> 3 << 1 | m.base >> 3);
    if (rex != 0 || (bytes && reg >= 4)) *p++ = static_cast<uint8_t>(0x40 | rex);
    p = opcode(p, op);
    const uint8_t base = m.base & 7;
    const bool short_disp = m.disp == static_cast<int8_t>(m.disp);
    const uint8_t mod = m.disp == 0 && base != 5 ? 0 : short_disp ? 0x40 : 0x80;
    if (m.index == kNoReg && base != 4) {
      *p++ = static_cast<uint8_t>(mod | (reg & 7) << 3 | base);
    } else {
      *p++ = static_cast<uint8_t>(mod | (reg & 7) << 3 | 4);
      *p++ = static_cast<uint8_t>(m.scale << 6 | (m.index == kNoReg ? 4 : index & 7) << 3 | base);
    }
    if (mod == 0x40) {
      *p++ = static_cast<uint8_t>(m.disp);
    } else if (mod == 0x80) {
      p = put32(p, static_cast<uint32_t>(m.disp));
    }
    end(p);
  }
  static uint8_t x(PReg reg) { return static_cast<uint8_t>(reg - kXmm0); }

 private:
  static constexpr ptrdiff_t kMargin = 64;  // more than any instruction here

  uint8_t* begin() {
    uint8_t* p = a_.cursor();
    if (a_.buffer_end() - p < kMargin) [[unlikely]] {
      full_ = true;
      p = a_.bufferData();
    }
    return p;
  }
  void end(uint8_t* p) { a_.set_cursor(p); }
  static uint8_t* put32(uint8_t* p, uint32_t word) {
    std::memcpy(p, &word, 4);
    return p + 4;
  }
  void put32_here(uint32_t word) { end(put32(begin(), word)); }
  void put8_here(uint8_t byte) {
    uint8_t* p = begin();
    *p++ = byte;
    end(p);
  }
  static uint8_t* opcode(uint8_t* p, uint32_t op) {
    if (op > 0xffff) *p++ = static_cast<uint8_t>(op >> 16);
    if (op > 0xff) *p++ = static_cast<uint8_t>(op >> 8);
    *p++ = static_cast<uint8_t>(op);
    return p;
  }
  void link(uint8_t* p, uint32_t& chain) {
    end(put32(p, chain));
    chain = static_cast<uint32_t>(p - a_.bufferData());
  }
  void to(uint8_t* p, uint32_t target) { end(put32(p, target - static_cast<uint32_t>(p + 4 - a_.bufferData()))); }

  x64::Asm& a_;
  bool full_ = false;
};

}  // namespace parallax::jit
