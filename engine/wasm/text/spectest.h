// Host modules that scripts import: "spectest" of the specification's, and the few others.
#pragma once

#include <map>
#include <string>

#include "engine/wasm/embed.h"

namespace parallax::wasm::text {

// Its members by name, made in `store`, whose types are `types`. Printing functions do nothing.
std::map<std::string, Extern> make_spectest(Embedding& store, TypeStore& types);

// The module "wasmtime" of that engine's scripts: gc.
std::map<std::string, Extern> make_wasmtime_host(Embedding& store, TypeStore& types);

}  // namespace parallax::wasm::text
