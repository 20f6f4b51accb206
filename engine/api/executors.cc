#include "engine/api/executors.h"

#include <cstdlib>

#include "engine/jit/engine.h"
#include "interp/interp.h"

namespace parallax::api {

Executor default_executor() {
  const char* const named = std::getenv("PARALLAX_EXECUTOR");
  return named != nullptr && std::string_view(named) == "interp" ? Executor::kInterpreter : Executor::kJit;
}

const char* to_string(Executor executor) { return executor == Executor::kJit ? "jit" : "interp"; }

std::unique_ptr<wasm::Embedding> make_store(const Options& options, std::shared_ptr<wasm::TypeStore> types) {
  if (options.executor == Executor::kInterpreter) {
    interp::InterpOptions interp;
    interp.features.bits = ~0u;  // what a module may use was decided when it was loaded
    interp.collect_every = options.zeal;
    interp.max_heap_bytes = options.heap_bytes;
    interp.armed = options.armed;
    return interp::make_interpreter(std::move(types), interp);
  }
  runtime::EngineOptions engine;
  engine.level = options.level;
  engine.collector = options.collector;
  engine.heap_bytes = options.heap_bytes;
  engine.memory = options.memory;
  if (options.armed || options.zeal != 0 || options.level != runtime::OptLevel::kO2)
    engine.memory = runtime::MemoryChecks::kExplicit;
  engine.armed = options.armed;
  engine.verify = options.armed;
  if (options.zeal == 1) engine.zeal.mode = runtime::ZealMode::kEverySafepoint;
  if (options.zeal > 1) engine.zeal.mode = runtime::ZealMode::kNth;
  engine.zeal.n = options.zeal;
  return jit::make_engine(std::move(types), engine);
}

}  // namespace parallax::api
