// From encoding to opcode in constant time: dense tables per prefix, built at compile time from opcodes.def.
//
// Internal to the readers of code (func_walk_rules.h inlines it); everyone else calls find_opcode of instr.h.
#pragma once

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

}  // namespace parallax::wasm::detail
