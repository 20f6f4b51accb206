// Helpers of this unit's tests: modules from text, and their verdicts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/wasm/module.h"
#include "engine/wasm/text/parse.h"

namespace parallax::wasm::testing {

inline Features all_features() {
  Features features;
  features.bits = ~uint32_t{0};
  return features;
}

// The module that `source` says. The text must parse; whether the module is valid is another matter.
inline std::vector<uint8_t> wat(std::string source) {
  auto bytes = text::parse_module(std::move(source), {.names = text::NameSection::kOmit});
  if (!bytes) ADD_FAILURE() << bytes.error().to_string();
  return bytes.value_or(std::vector<uint8_t>());
}

inline Result<Module> load_wat(std::string source, const Features& features = {}) {
  return load(wat(std::move(source)), std::make_shared<TypeStore>(), features);
}

// "" for a valid module, else the error's message.
inline std::string verdict(std::string source, const Features& features = {}) {
  const auto module = load_wat(std::move(source), features);
  return module ? "" : module.error().message;
}
inline std::string verdict_of(std::vector<uint8_t> bytes, const Features& features = {}) {
  const auto module = load(std::move(bytes), std::make_shared<TypeStore>(), features);
  return module ? "" : module.error().to_string();
}

}  // namespace parallax::wasm::testing
