// IrSource: IR from somewhere else than a WebAssembly body, for tests of everything behind translation. Calls between such
// functions are not inlined or devirtualised, because what the passes ask about the module (opt/callees.h) are its bodies.
#pragma once

#include <functional>

#include "engine/ir/func.h"

namespace parallax::jit {

// Makes `out` the function `func` of the module, or answers false: then its body is translated.
using IrSource = std::function<bool(const wasm::Module& module, wasm::FuncIndex func, ir::Func& out)>;

}  // namespace parallax::jit
