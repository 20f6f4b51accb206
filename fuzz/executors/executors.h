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

}  // namespace parallax::fuzz
