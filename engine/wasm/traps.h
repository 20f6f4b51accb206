// Reasons to trap, apart from the embedding interface so that numerics and compilers need not include it.
#pragma once

#include <cstdint>

namespace parallax::wasm {

// ORDER: the rows of traps.def.
enum class TrapKind : uint8_t {
#define TRAP(id, text) id,
#include "engine/wasm/traps.def"
#undef TRAP
};

// The specification suite's text, e.g. "integer divide by zero".
const char* to_string(TrapKind kind);

}  // namespace parallax::wasm
