#include "engine/jit/engine.h"

#include "engine/jit/compiler.h"
#include "engine/runtime/store.h"

namespace parallax::jit {

std::unique_ptr<wasm::Embedding> make_engine(std::shared_ptr<wasm::TypeStore> types, const EngineOptions& options,
                                             JitCompiler** compiler) {
  auto jit = std::make_unique<JitCompiler>(options);
  if (compiler != nullptr) *compiler = jit.get();
  return std::make_unique<runtime::Store>(std::move(types), options, std::move(jit));
}

}  // namespace parallax::jit
