// The executors of the embedding APIs behind one factory: this unit ties the engine and the interpreter together, and
// executors.cc is the only file of it that sees either.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/runtime/options.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/types.h"

namespace parallax::api {

enum class Executor : uint8_t { kJit, kInterpreter };
// What the environment variable PARALLAX_EXECUTOR says ("jit", "interp"); the JIT when it is not set or says anything else.
Executor default_executor();
const char* to_string(Executor executor);

struct Options {
  Executor executor = default_executor();
  runtime::OptLevel level = runtime::OptLevel::kO2;            // JIT
  runtime::GcKind collector = runtime::GcKind::kGenerational;  // JIT; the interpreter's never moves
  // JIT: guard pages install a handler of SIGSEGV for the process, which passes on what is not its own. Never with `armed` or
  // `zeal`, nor below level O2.
  runtime::MemoryChecks memory = runtime::kFastMemoryChecks;
  uint64_t heap_bytes = uint64_t{1} << 30;  // address space for objects of one store
  bool armed = false;                       // run-time checks of the runtime itself
  uint32_t zeal = 0;                        // n: collect at every n-th place where it may happen
};

// A fresh store. Never null; when the machine refuses memory, runs end with kOutOfMemory.
std::unique_ptr<wasm::Embedding> make_store(const Options& options, std::shared_ptr<wasm::TypeStore> types);

}  // namespace parallax::api
