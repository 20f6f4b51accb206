// Names of features, for the command line and for messages.
#pragma once

#include <optional>
#include <string_view>

#include "engine/wasm/instr.h"

namespace parallax::wasm {

// "gc", "legacy-exceptions", ...
const char* to_string(Feature feature);
std::optional<Feature> find_feature(std::string_view name);

inline constexpr size_t kFeatureCount = 0
#define FEATURE(id, name, on) +1
#include "engine/wasm/features.def"
#undef FEATURE
    ;

}  // namespace parallax::wasm
