// A valid module through every form it can take and back: encoded as decoded, lifted to editable trees and encoded, printed as
// text and parsed. All must be the same module.   [I5]
//
// Input that starts like a module is one; anything else is choices for the generator of GC programs.
#include "engine/base/check.h"
#include "engine/wasm/edit/module.h"
#include "engine/wasm/encode.h"
#include "engine/wasm/text/parse.h"
#include "engine/wasm/text/print.h"
#include "fuzz/generators/generators.h"
#include "fuzz/targets/support/judging.h"

namespace {

using namespace parallax;        // NOLINT: glue
using namespace parallax::wasm;  // NOLINT: glue

// Text is the measure: longer encodings of numbers and types that are the same are no difference.
std::string as_text(const std::vector<uint8_t>& bytes) {
  const auto module = decode(bytes, nullptr, {.naming = TypeNaming::kModule});
  CHECK(module.has_value(), "I5: a module that was written does not decode: {}", module.error().to_string());
  const auto printed = wasm::text::print_module(*module, {.customs = false});
  CHECK(printed.has_value(), "I5: a module that was written does not print: {}", printed.error().to_string());
  return *printed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  const auto subject =
      fuzz::is_module(bytes) ? fuzz::case_of_module(bytes) : fuzz::generate(fuzz::GeneratorKind::kGc, bytes);
  if (!subject) return 0;
  const std::vector<uint8_t>& original = subject->modules.front();
  const auto module = load(original, std::make_shared<TypeStore>());
  if (!module) return 0;
  const std::string wanted = as_text(original);
  const auto lifted = edit::lift(*module);
  if (!lifted) {
    CHECK(lifted.error().code == ErrorCode::kLimit, "I5: a valid module is not lifted: {}", lifted.error().to_string());
    return 0;
  }
  const auto encoded = edit::encode(*lifted);
  CHECK(encoded.has_value(), "I5: a lifted module is not encoded: {}", encoded.error().to_string());
  CHECK(as_text(*encoded) == wanted, "I5: encode(lift(m)) differs from m");
  const auto parsed = wasm::text::parse_module(wanted);
  CHECK(parsed.has_value(), "I5: a printed module does not parse: {}", parsed.error().message);
  CHECK(load(*parsed, std::make_shared<TypeStore>()).has_value(), "I5: a printed module is not valid");
  CHECK(as_text(*parsed) == wanted, "I5: print(parse(print(m))) differs from print(m)");
  return 0;
}
