// Random functions of the IR: what no translation of WebAssembly would ever make, but any pass may meet.
//
// Block parameters instead of locals, values used far from where they were made, refined values beside the originals,
// selects and joins of any type, invokes whose landing blocks test, unpack and rethrow, loops with several carried
// values. Valid by construction (the IR verifier judges that), ended by fuel at the latest. All functions stand for those
// of one module, whose own bodies trap: whoever runs them gives the executors the IR in their place (ir_source.h).
// No vectors, because the IR's evaluator has none.
#pragma once

#include "engine/base/choices.h"
#include "engine/ir/func.h"

namespace parallax::fuzz {

// The module that the functions are of: types, globals, tables, memory, segments, tags, and functions of several
// signatures, all exported.
const std::vector<uint8_t>& ir_module();

// Makes `out` a function for `func`, which must not be imported, of ir_module() as loaded.
void make_ir_func(ChoiceStream& choices, const wasm::Module& module, wasm::FuncIndex func, ir::Func& out);

}  // namespace parallax::fuzz
