// The binary decoder on arbitrary bytes: total, and inverse to the encoder.
//
// What decodes as written is encoded again; that must decode, and encoding once more must give the same bytes.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/check.h"
#include "engine/wasm/encode.h"
#include "engine/wasm/module.h"
#include "engine/wasm/names.h"

using namespace parallax::wasm;  // NOLINT: glue

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> bytes(data, data + size);
  Features features;
  features.set(Feature::kLegacyExceptions, true);
  const DecodeOptions as_written{.features = features, .naming = TypeNaming::kModule};
  const auto module = decode(bytes, nullptr, as_written);
  if (!module) return 0;
  read_names(*module);
  const std::vector<uint8_t> encoded = encode(*module);
  const auto again = decode(encoded, nullptr, as_written);
  CHECK(again.has_value(), "I7: encoded module does not decode: {}", again.error().to_string());
  CHECK(encode(*again) == encoded, "I5: encode(decode(encode(m))) differs from encode(m)");
  return 0;
}
