// The assembler: the only door to asmjit.
//
// The commonest instructions it writes itself, in the bytes that asmjit would choose, because asmjit takes a few hundred of
// them for one: moves, integer operations, comparisons and lea of registers, memory and constants. Everything else, and
// everything while operands are judged, goes to asmjit.
//
// An Asm writes one piece of code straight into the code space's writable mapping, knowing the executable address it will
// have, so that nothing has to be copied or relocated. Errors (no room, an operand that cannot be encoded, an unbound
// label) are sticky and come out of finish().
#pragma once

#include <asmjit/x86.h>

#include <string>

#include "engine/base/result.h"
#include "engine/jit/code_space.h"
#include "engine/jit/disassemble.h"
#include "engine/jit/x64/regs.h"
#include "engine/runtime/options.h"

namespace parallax::jit::x64 {

namespace x86 = asmjit::x86;
using asmjit::imm;
using asmjit::Label;

inline x86::Gp gp64(PReg r) { return x86::gpq(r); }
inline x86::Gp gp32(PReg r) { return x86::gpd(r); }
inline x86::Gp gp16(PReg r) { return x86::gpw(r); }
inline x86::Gp gp8(PReg r) { return x86::gpb(r); }
inline x86::Xmm xmm(PReg r) { return x86::xmm(r - kXmm0); }

// What the machine can do beyond SSE2.
struct CpuFeatures {
  bool popcnt = false;
  bool lzcnt = false;
  bool bmi1 = false;
  bool bmi2 = false;
  bool sse41 = false;  // and SSSE3
  bool sse42 = false;
  bool avx = false;  // AVX and AVX2: three operands
  static CpuFeatures host();
  // What the host has, as far as the level admits it.
  static CpuFeatures of(runtime::CpuLevel level);
};

class Asm : public x86::Assembler {
 public:
  Asm();
  // Starts a piece of code at space.next_code(). `validate`: have every
  // instruction's operands judged by asmjit's own database.
  void start(CodeSpace& space, bool validate = false);
  // Ends it: commits the bytes. Error kLimit when the space is full, kInvariant for anything else.
  Result<const uint8_t*> finish();

  // Whether a jump in its short form turned out to be too long.
  bool out_of_reach() const { return errors_.first == asmjit::kErrorInvalidDisplacement; }

  // Offset in the code space of the next byte / of a bound label.
  uint32_t here() const { return base_offset_ + static_cast<uint32_t>(offset()); }
  uint32_t place(const Label& label) const { return base_offset_ + static_cast<uint32_t>(holder_.labelOffset(label)); }
  // Where the next byte goes, for who writes instructions himself: take it, write less than up to buffer_end(), give it
  // back.
  uint8_t* cursor() { return _bufferPtr; }
  const uint8_t* buffer_end() const { return _bufferEnd; }
  void set_cursor(uint8_t* at) { _bufferPtr = at; }
  asmjit::Error _emit(asmjit::InstId id, const asmjit::Operand_& o0, const asmjit::Operand_& o1,
                      const asmjit::Operand_& o2, const asmjit::Operand_* more) override;
  // What was noted since start(), if a listing was asked for.
  const std::vector<CodeNote>& notes() const { return notes_; }
  void note(std::string text) { notes_.push_back({here(), std::move(text)}); }

 private:
  class Errors : public asmjit::ErrorHandler {
   public:
    void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) override {
      if (first == asmjit::kErrorOk) {
        first = error;
        text = message;
      }
    }
    asmjit::Error first = asmjit::kErrorOk;
    std::string text;
  };

  CodeSpace* space_ = nullptr;
  uint32_t base_offset_ = 0;
  asmjit::CodeHolder holder_;
  Errors errors_;
  std::vector<CodeNote> notes_;
};

}  // namespace parallax::jit::x64
