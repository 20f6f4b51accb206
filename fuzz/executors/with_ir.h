// Executors that get their functions as IR instead of translating WebAssembly, for tests of everything behind translation.
#pragma once

#include "engine/jit/ir_source.h"
#include "fuzz/executors/executors.h"

namespace parallax::fuzz {

// A fresh store of kind kJit or kIr whose functions come from `source`. Error kUnsupported for other kinds, or when the
// build has no such executor.
Result<std::unique_ptr<wasm::Embedding>> make_executor_with_ir(const ExecutorSpec& spec,
                                                               std::shared_ptr<wasm::TypeStore> types,
                                                               jit::IrSource source);

}  // namespace parallax::fuzz
