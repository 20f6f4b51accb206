// One factory per executor, each in its own file, which is the only one that includes that executor's headers.
#pragma once

#include "fuzz/executors/executors.h"
#include "fuzz/executors/probe.h"

namespace parallax::fuzz {

Result<std::unique_ptr<wasm::Embedding>> make_interp(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types);
bool rewind_interp(const ExecutorSpec& spec, wasm::Embedding& store);

Result<std::unique_ptr<wasm::Embedding>> make_jit(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types,
                                                  Probe* probe = nullptr);
Result<std::unique_ptr<wasm::Embedding>> make_ir(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types);
bool rewind_jit(const ExecutorSpec& spec, wasm::Embedding& store);
uint64_t jit_safepoints(wasm::Embedding& executor);
std::vector<CheckCount> jit_check_counts(wasm::Embedding& executor);

}  // namespace parallax::fuzz
