// Test support: a module given as text, loaded with types of its own, for stores of several kinds.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "engine/wasm/module.h"
#include "engine/wasm/text/parse.h"

namespace parallax::jit {

struct Loaded {
  std::shared_ptr<wasm::TypeStore> types = std::make_shared<wasm::TypeStore>();
  std::shared_ptr<const wasm::Module> module;  // null, and the test has failed, when there is none
};

inline Loaded load(const std::string& source, const wasm::Features& features = {}) {
  Loaded loaded;
  auto bytes = wasm::text::parse_module(source);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().to_string();
    return loaded;
  }
  auto module = wasm::load(std::move(*bytes), loaded.types, features);
  if (!module) {
    ADD_FAILURE() << module.error().to_string();
    return loaded;
  }
  loaded.module = std::make_shared<wasm::Module>(std::move(*module));
  return loaded;
}

}  // namespace parallax::jit
