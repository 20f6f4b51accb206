// The reference interpreter as an executor.
#include "interp/interp.h"

#include "fuzz/executors/factories.h"

namespace parallax::fuzz {

static interp::InterpOptions options_of(const ExecutorSpec& spec) {
  interp::InterpOptions options;
  options.rewinds = true;
  options.features.bits = ~0u;  // what a module may use was decided when it was loaded
  if (spec.zeal == Zeal::kEvery) options.collect_every = 1;
  if (spec.zeal == Zeal::kNth) options.collect_every = spec.zeal_n;
  options.max_heap_bytes = uint64_t{1} << 30;
  options.armed = spec.zeal != Zeal::kNone;
  return options;
}

Result<std::unique_ptr<wasm::Embedding>> make_interp(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types) {
  return interp::make_interpreter(std::move(types), options_of(spec));
}

bool rewind_interp(const ExecutorSpec& spec, wasm::Embedding& store) {
  return interp::rewind_interpreter(store, options_of(spec));
}

}  // namespace parallax::fuzz
