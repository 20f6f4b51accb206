// The executors of this build behind one interface: a fresh store for each spec (spec/spec.h).
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "engine/wasm/embed.h"
#include "fuzz/executors/spec/spec.h"

namespace parallax::fuzz {

// A fresh store. Error kUnsupported when the build has no such executor.
Result<std::unique_ptr<wasm::Embedding>> make_executor(const ExecutorSpec& spec,
                                                       std::shared_ptr<wasm::TypeStore> types);

// The store becomes as new for `to`, if it is of kind `from` and the two differ in nothing that code follows from; it keeps
// code for modules that are instantiated again in the same way. False: make another one; nothing has changed.
bool rewind_executor(wasm::Embedding& store, const ExecutorSpec& from, const ExecutorSpec& to);

}  // namespace parallax::fuzz
