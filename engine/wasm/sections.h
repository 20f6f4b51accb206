// Sections of the binary format: ids and order, for reading and writing.
#pragma once

#include <array>
#include <cstdint>

namespace parallax::wasm {

inline constexpr uint8_t kCustomSection = 0;

// ORDER: as in a module.
enum class Section : uint8_t {
#define SECTION(id, code, text) id,
#include "engine/wasm/sections.def"
#undef SECTION
};

struct SectionRow {
  Section section;
  uint8_t code;
  const char* text;
};
inline constexpr SectionRow kSections[] = {
#define SECTION(id, code, text) {Section::id, code, text},
#include "engine/wasm/sections.def"
#undef SECTION
};
inline constexpr uint8_t code_of(Section section) { return kSections[static_cast<size_t>(section)].code; }
// Null when there is no section with this id.
constexpr const SectionRow* find_section(uint8_t code) {
  for (const SectionRow& row : kSections) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

}  // namespace parallax::wasm
