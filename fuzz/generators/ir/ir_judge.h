// Judges random IR: the same functions interpreted as they were made, interpreted after the passes, and compiled.
//
// Whatever differs is the fault of a pass, of lowering, of register allocation or of what follows; the IR verifier judges
// every stage besides. References move under the compiled side only. Nothing is inlined (engine/jit/ir_source.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace parallax::fuzz {

struct IrVerdict {
  std::string problem;    // empty: agreed, or
  std::string undecided;  // why nothing could be said
  std::string listing;    // of the functions, with `problem`
  uint64_t calls = 0, returned = 0, trapped = 0, threw = 0, exhausted = 0;
};

// `bytes` choose settings, functions and arguments. Same bytes, same verdict.
IrVerdict judge_ir(std::span<const uint8_t> bytes);

}  // namespace parallax::fuzz
