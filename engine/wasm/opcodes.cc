// The opcode table, and what can be proved about it at compile time.
#include <string_view>

#include "engine/wasm/features.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/opcode_lookup.h"

namespace parallax::wasm {

constexpr OpcodeInfo kOpcodeTable[kOpcodeCount] = {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) \
  {text, prefix, code, ImmKind::immediates, signature, static_cast<uint16_t>(effects), Feature::feature},
#include "engine/wasm/opcodes.def"
#undef OPCODE
};

namespace {

// Every row can be found by its encoding: no two rows share one, and prefixes are known.
consteval bool encodings_are_unique() {
  for (size_t op = 0; op < kOpcodeCount; ++op) {
    const detail::Encoding e = detail::kEncodings[op];
    if (detail::lookup_opcode(e.prefix, e.code) != static_cast<Opcode>(op)) return false;
    if (e.prefix == 0 && detail::is_prefix(static_cast<uint8_t>(e.code))) return false;
  }
  return true;
}
static_assert(encodings_are_unique());

consteval bool is_signature(std::string_view signature) {
  if (signature == "*") return true;
  size_t colons = 0;
  for (const char c : signature) {
    if (c == ':') {
      ++colons;
    } else if (std::string_view("ilfdvp").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return colons == 1;
}

consteval bool names_memory(ImmKind kind) {
  return kind == ImmKind::MemArg || kind == ImmKind::MemArgLane || kind == ImmKind::Memory ||
         kind == ImmKind::DataMemory || kind == ImmKind::MemoryMemory;
}

consteval bool rows_are_consistent() {
  for (const OpcodeInfo& row : kOpcodeTable) {
    const std::string_view signature = row.signature;
    if (!is_signature(signature)) return false;
    // The address type is that of the memory that the immediates name.
    if (signature.find('p') != std::string_view::npos && !names_memory(row.immediates)) return false;
    if ((row.feature == Feature::kSimd || row.feature == Feature::kRelaxedSimd) != (row.prefix == 0xfd)) return false;
    if ((row.prefix == 0xfb) && row.feature != Feature::kGc) return false;
  }
  return true;
}
static_assert(rows_are_consistent());
static_assert(kOpcodeCount < 1024, "handlers and coverage counters are sized by it");

static_assert(detail::shape_of("i64.load32_s", ImmKind::MemArg).access_log2 == 2);
static_assert(detail::shape_of("v128.load8x8_u", ImmKind::MemArg).access_log2 == 3);
static_assert(detail::shape_of("v128.load16_splat", ImmKind::MemArg).access_log2 == 1);
static_assert(detail::shape_of("v128.store", ImmKind::MemArg).access_log2 == 4);
static_assert(detail::shape_of("v128.store8_lane", ImmKind::MemArgLane).lanes == 16);
static_assert(detail::shape_of("f64x2.extract_lane", ImmKind::Lane).lanes == 2);

struct FeatureRow {
  Feature feature;
  const char* name;
};
constexpr FeatureRow kFeatureRows[] = {
#define FEATURE(id, name, on) {Feature::id, name},
#include "engine/wasm/features.def"
#undef FEATURE
};
static_assert(kFeatureCount <= 32, "Features holds them in 32 bits");

}  // namespace

Opcode find_opcode(uint8_t prefix, uint32_t code) { return detail::lookup_opcode(prefix, code); }

uint8_t access_log2(Opcode op) { return detail::kShapes[static_cast<size_t>(op)].access_log2; }
uint8_t lane_count(Opcode op) { return detail::kShapes[static_cast<size_t>(op)].lanes; }

const char* to_string(Feature feature) { return kFeatureRows[static_cast<size_t>(feature)].name; }

std::optional<Feature> find_feature(std::string_view name) {
  for (const FeatureRow& row : kFeatureRows) {
    if (name == row.name) return row.feature;
  }
  return std::nullopt;
}

}  // namespace parallax::wasm
