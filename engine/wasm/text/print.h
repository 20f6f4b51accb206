// A module as WebAssembly text.
//
// Readable, and exact: the printed text parses back to the same bytes, custom sections aside, if the module's binary
// uses the shortest encodings (as our own encoders do) and has a data count section only where one is needed. Names come from the name section; a name that the text format
// cannot say as an identifier (a duplicate) is kept as an annotation. Other custom sections become @custom annotations.
// The module need not be valid, but its bodies must be nested well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"

namespace parallax::wasm::text {

struct PrintOptions {
  Features features;
  // Comments with the offset of each function and instruction, for findings that name offsets.
  bool offsets = false;
  bool customs = true;
};

// Requires TypeNaming::kModule. Fails where a body cannot be read or is not nested well, and where a table's
// initialiser is empty.
Result<std::string> print_module(const Module& module, const PrintOptions& options = {});
// Decodes first.
Result<std::string> print_binary(std::vector<uint8_t> bytes, const PrintOptions& options = {});

}  // namespace parallax::wasm::text
