// Values on the command line: "5", "-1", "0x10", "1.5", "nan", "null", "i31:5", "host:7".
#pragma once

#include <string>
#include <string_view>

#include "engine/wasm/embed.h"

namespace parallax::cli {

// The value of an argument for a parameter of this type. kUsage when the text is none.
Result<wasm::Value> parse_value(std::string_view text, wasm::ValType type, wasm::Embedding& store);
// "i32 5", "ref null", "i31 5", "struct of $type".
std::string print_value(const wasm::Value& value, wasm::Embedding& store, const wasm::TypeStore& types);
// "returned i32 5", "trap: null reference", "exception ...", "rejected: ...".
std::string print_outcome(const wasm::Outcome& outcome, wasm::Embedding& store, const wasm::TypeStore& types);

}  // namespace parallax::cli
