// The text format on arbitrary input: parser and script parser are total, printer and parser are inverse.
//
// Input that starts like a binary is decoded, printed and parsed; everything else is parsed as text, as a script too.
// What the printer prints must parse back to the same module, names included, and print the same again.   [I5]
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "engine/wasm/encode.h"
#include "engine/wasm/module.h"
#include "engine/wasm/text/parse.h"
#include "engine/wasm/text/print.h"
#include "engine/wasm/text/script.h"

namespace wat = parallax::wasm::text;
using namespace parallax::wasm;  // NOLINT: glue

namespace {

DecodeOptions as_written() {
  DecodeOptions options;
  options.features.bits = ~0u;
  options.naming = TypeNaming::kModule;
  return options;
}

// Other custom sections keep their content, but not always their place: empty sections between them are not written.
wat::PrintOptions as_printed() { return {.features = as_written().features, .customs = false}; }

// Without what the text cannot say: other custom sections, and a data count that nothing needs.
std::vector<uint8_t> essence(Module module) {
  module.customs.clear();
  module.data_count.reset();
  return encode(module);
}

void check_round_trip(const std::vector<uint8_t>& bytes) {
  const auto module = decode(bytes, nullptr, as_written());
  if (!module) return;
  const auto text = wat::print_module(*module, as_printed());
  if (!text) return;  // a body that cannot be read
  const auto parsed = wat::parse_module(*text);
  CHECK(parsed.has_value(), "I5: printed module does not parse: {}", parsed.error().message);
  const auto again = decode(*parsed, nullptr, as_written());
  CHECK(again.has_value(), "I5: printed module does not decode: {}", again.error().to_string());
  // Bodies may have used longer encodings than ours: compare what the parser made with what it makes of its own print.
  const auto text_again = wat::print_module(*again, as_printed());
  CHECK(text_again.has_value() && *text_again == *text, "I5: print(parse(print(m))) differs from print(m)");
  const auto fixed = wat::parse_module(*text_again);
  CHECK(fixed.has_value() && *fixed == *parsed, "I5: parse(print(m)) is not a fixed point");
  CHECK(essence(*again).size() <= essence(*module).size(), "I5: printing and parsing made the module larger");
}

void check_script(const std::string& source) {
  const auto script = wat::parse_script(source);
  if (!script) return;
  for (const wat::Command& command : script->commands) {
    if (command.module) (void)script->binary(*command.module);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] == 0) {
    check_round_trip({data, data + size});
    return 0;
  }
  const std::string source(reinterpret_cast<const char*>(data), size);
  check_script(source);
  const auto bytes = wat::parse_module(source);
  if (bytes) check_round_trip(*bytes);
  return 0;
}
