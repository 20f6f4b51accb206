// The host module "spectest" of the specification's scripts (appendix of its interpreter's README).
#pragma once

#include <map>
#include <string>

#include "engine/wasm/embed.h"

namespace parallax::wasm::text {

// Its members by name, made in `store`, whose types are `types`. Printing functions do nothing.
std::map<std::string, Extern> make_spectest(Embedding& store, TypeStore& types);

}  // namespace parallax::wasm::text
