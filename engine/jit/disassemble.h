// Machine code as text, for people: bytes decoded by Zydis, not by the assembler that wrote them, with what is known of
// each place beside it.
//
//   ; @0x3c8 call_builtin.1 def v3:rax v0:rsi ; is v7
//   0007c  call 0x7f..                        ; map s0 s2, lands at 00136
//
// Offsets are hexadecimal and count from the function's first byte. Debugging only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/jit/call_sites.h"

namespace parallax::jit {

// Something to say before the instruction at an offset in the code space.
struct CodeNote {
  uint32_t offset = 0;
  std::string text;
};

// `base` is the offset of the code's first byte in the code space. Notes in order of their offsets. Bytes that are no
// instruction (jump tables) are shown as data.
std::string disassemble(std::span<const uint8_t> code, uint32_t base, std::span<const CodeNote> notes,
                        const CallSites& sites);

}  // namespace parallax::jit
