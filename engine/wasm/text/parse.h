// WebAssembly text format (.wat) to binary.
//
// Faithful: the result is the module that the text says, whether valid or not; what the text format's grammar does not
// admit is an error with code kSyntax, whose message starts with "line:column: " and whose offset is the byte offset in
// the text. Covers WebAssembly 3.0, the deprecated exception instructions, and the annotations @custom, @name and
// @metadata.code.branch_hint; unknown annotations are skipped. Time is linear, nesting is not limited by the machine's
// stack. Instructions of later proposals answer kUnsupported.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace parallax::wasm::text {

enum class NameSection : uint8_t { kOmit, kEmit };

struct ParseOptions {
  // Whether identifiers and @name annotations become a name section.
  NameSection names = NameSection::kEmit;
};

// `source` is "(module ...)" or the module's fields alone.
Result<std::vector<uint8_t>> parse_module(std::string source, const ParseOptions& options = {});

}  // namespace parallax::wasm::text
