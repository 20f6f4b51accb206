// Names of instructions: the text column of opcodes.def, indexed.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/wasm/instr.h"

namespace parallax::wasm::text {

// The instruction of this name, or kNoOpcode. Of instructions that share a name the one without the extra immediate:
// `select` is Select, `ref.test` RefTest; the parser goes on from there.
Opcode find_mnemonic(std::string_view name);

// The alignment (as a power of two) that a memory instruction has when none is written: its access width.
// Requires immediates MemArg or MemArgLane.
uint32_t natural_align_log2(Opcode op);

// The proposal that knows this instruction name although this build does not, or null.
const char* unsupported_proposal(std::string_view name);

}  // namespace parallax::wasm::text
