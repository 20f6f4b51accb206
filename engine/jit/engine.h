// The engine: runtime plus JIT, as one wasm::Embedding.
//
//   auto types = std::make_shared<wasm::TypeStore>();
//   auto engine = jit::make_engine(types, {.level = runtime::OptLevel::kO1, .armed = true});
//
// One engine is one store. Not for several threads at once; different engines on different threads are independent, as
// long as they do not share a TypeStore that grows.
#pragma once

#include <memory>

#include "engine/runtime/options.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/types.h"

namespace parallax::jit {

using runtime::EngineOptions;

class JitCompiler;

// Never null. When the machine refuses address space for heap or code, calls end with kOutOfMemory. `compiler`, if given,
// receives the engine's compiler (compiler.h), which lives as long as the engine: bisection of rewrites (gate()), dumps
// of every stage (set_dump()), counters (stats()).
std::unique_ptr<wasm::Embedding> make_engine(std::shared_ptr<wasm::TypeStore> types, const EngineOptions& options = {},
                                             JitCompiler** compiler = nullptr);

}  // namespace parallax::jit
