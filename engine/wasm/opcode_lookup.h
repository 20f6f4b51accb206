// From encoding to opcode in constant time: dense tables per prefix, built at compile time from opcodes.def.
//
// Internal to the readers of code (func_walk_rules.h inlines it); everyone else calls find_opcode of instr.h.
#pragma once

#include <bit>
#include <string_view>

#include "engine/wasm/instr.h"

namespace parallax::wasm::detail {

struct Encoding {
  uint8_t prefix;
  uint16_t code;
};

inline constexpr Encoding kEncodings[kOpcodeCount] = {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) {prefix, code},
#include "engine/wasm/opcodes.def"
#undef OPCODE
};

// Codes of one prefix. Size: past the largest code of that prefix.
template <uint8_t kPrefix>
struct OpcodePage {
  static constexpr size_t kSize = [] {
    size_t size = 0;
    for (const Encoding e : kEncodings) {
      if (e.prefix == kPrefix && e.code >= size) size = e.code + 1u;
    }
    return kPrefix == 0 ? size_t{256} : size;
  }();
  std::array<Opcode, kSize> opcodes;

  consteval OpcodePage() {
    opcodes.fill(kNoOpcode);
    for (size_t op = 0; op < kOpcodeCount; ++op) {
      if (kEncodings[op].prefix == kPrefix) opcodes[kEncodings[op].code] = static_cast<Opcode>(op);
    }
  }
  constexpr Opcode find(uint32_t code) const { return code < kSize ? opcodes[code] : kNoOpcode; }
};

inline constexpr OpcodePage<0x00> kPlainOpcodes;
inline constexpr OpcodePage<0xfb> kGcOpcodes;
inline constexpr OpcodePage<0xfc> kMiscOpcodes;
inline constexpr OpcodePage<0xfd> kSimdOpcodes;

constexpr bool is_prefix(uint8_t byte) { return byte >= 0xfb && byte <= 0xfd; }

constexpr Opcode lookup_opcode(uint8_t prefix, uint32_t code) {
  switch (prefix) {
    case 0x00: return kPlainOpcodes.find(code);
    case 0xfb: return kGcOpcodes.find(code);
    case 0xfc: return kMiscOpcodes.find(code);
    case 0xfd: return kSimdOpcodes.find(code);
    default: return kNoOpcode;
  }
}

inline constexpr Feature kFeatures[kOpcodeCount] = {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) Feature::feature,
#include "engine/wasm/opcodes.def"
#undef OPCODE
};

// --- What the instruction's name says about memory and lanes -----------------------------------------------------------

constexpr uint8_t log2_of(uint32_t n) { return static_cast<uint8_t>(std::bit_width(n) - 1); }

constexpr uint32_t leading_number(std::string_view& text) {
  uint32_t n = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    n = n * 10 + static_cast<uint32_t>(text[0] - '0');
    text.remove_prefix(1);
  }
  return n;
}

// "i64.load32_s" 32 bits, "v128.load8x8_s" 8 times 8, "f64.store" as its type, "v128.load64_lane" 64.
constexpr uint8_t access_log2_of_text(std::string_view text) {
  std::string_view type = text.substr(1);
  const size_t dot = text.find('.');
  std::string_view rest = text.substr(dot + 1);
  rest.remove_prefix(rest.starts_with("load") ? 4 : 5);
  uint32_t bits = leading_number(rest);
  if (bits == 0) bits = leading_number(type);
  if (rest.starts_with('x')) {
    rest.remove_prefix(1);
    bits *= leading_number(rest);
  }
  return log2_of(bits / 8);
}

// "i16x8.replace_lane" 8 lanes.
constexpr uint8_t lanes_of_text(std::string_view text) {
  text.remove_prefix(text.find('x') + 1);
  return static_cast<uint8_t>(leading_number(text));
}

struct Shape {
  uint8_t access_log2 = 0;
  uint8_t lanes = 0;
};
constexpr Shape shape_of(std::string_view text, ImmKind kind) {
  Shape shape;
  if (kind == ImmKind::MemArg || kind == ImmKind::MemArgLane) shape.access_log2 = access_log2_of_text(text);
  if (kind == ImmKind::MemArgLane) shape.lanes = static_cast<uint8_t>(16 >> shape.access_log2);
  if (kind == ImmKind::Lane) shape.lanes = lanes_of_text(text);
  return shape;
}
inline constexpr Shape kShapes[kOpcodeCount] = {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) shape_of(text, ImmKind::immediates),
#include "engine/wasm/opcodes.def"
#undef OPCODE
};

}  // namespace parallax::wasm::detail
