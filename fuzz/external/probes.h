// Probes: see js_case.h. This file changes modules, js_case.cc describes them.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/wasm/module.h"
#include "fuzz/external/js_case.h"

namespace parallax::fuzz {

// Whether a value of this type can be passed between JavaScript and WebAssembly.
bool crosses_js_boundary(wasm::ValType type);

// The names of probes, as the driver knows them:
//   parallax:type (anyref) -> i32        type index of a struct or array, -1 for anything else
//   parallax:functype (funcref) -> i32   type index of a function, -1 if it is of another module
//   parallax:f:T:I[:H] (anyref) -> bits  field I of struct type T; v128 as two halves H
//   parallax:l (anyref) -> i32           length of an array
//   parallax:e:T[:H] (anyref, i32)       element of array type T
//   parallax:i:N, parallax:t:N           imported function N, tag N
// Numbers come as i32 or i64 bits, so that the sign of zero and halves of NaN do not get lost on the way.
//
// `module` is under TypeNaming::kModule. The result is the same module with probes, with imports renamed to their
// numbers if `numbered_imports` (JavaScript gives one value per name, a module may import one name twice).
std::vector<uint8_t> with_probes(wasm::Module module, bool numbered_imports);

}  // namespace parallax::fuzz
