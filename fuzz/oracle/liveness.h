// Which references of a WebAssembly frame are needed after each call and allocation: liveness on the typed walk itself.
// [half of a judge of I2; roots.h is the other half]
//
// Backwards data flow over the function as written, with locals and operand positions as variables. Copies (local.get,
// local.set, drop, branches, casts) are no uses: a variable is live only if its value reaches an instruction that
// consumes it, and behind br_on_* only if it is live on both ways (types may decide those). What is found live is therefore needed by every correct translation that optimises nothing; what is not
// found live may still be needed (results of tests whose reference the translator looks at again are not counted).
// Knows nothing of any IR, of SSA, or of the interpreter's code.
//
// Not covered: functions with legacy exception instructions (no answer), function references (not traced), i31 and null
// (need no root).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/module.h"

namespace parallax::fuzz {

// Frame slots as interp::HeldReference counts them, ascending.
using LiveSlots = std::vector<uint32_t>;

// By wasm offset of calls, allocations and throws. Empty for functions that it does not cover.
Result<std::map<wasm::WasmOffset, LiveSlots>> live_references(const wasm::Module& module, wasm::FuncIndex func);

}  // namespace parallax::fuzz
