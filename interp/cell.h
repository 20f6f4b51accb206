// Objects as the interpreter stores them: a header with the canonical type, then one 8-byte slot per field.
//
// There is no layout: field i of a struct is slot i, element i of an array is slot i, whatever their types. A v128 has
// its low half in slot i and its high half in slot length + i. Packed fields hold their bits zero-extended.
//
// A reference word is 0 for null, (bits << 1) | 1 for an i31, and otherwise the address of a Cell, which never moves.
// Words exist only inside the interpreter; embedders see names with tag and generation (heap.h, handles.h).
#pragma once

#include <cstdint>

#include "engine/wasm/types.h"

namespace parallax::interp {

struct Tag;

using Word = uint64_t;

enum class CellKind : uint8_t { kFree, kStruct, kArray, kHost, kExn, kFunc };

// The type of what has none: equal to no canonical type.
inline constexpr uint32_t kNoType = UINT32_MAX;

struct Cell {
  uint32_t type = kNoType;  // TypeId of kStruct, kArray, kFunc, and of the tag of kExn
  uint16_t generation = 0;
  CellKind kind = CellKind::kFree;
  uint8_t mark = 0;
};

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-empty-struct"
struct StructCell : Cell {
  uint64_t slots[];
};
#pragma clang diagnostic pop
struct ArrayCell : Cell {
  uint64_t length;
  uint64_t slots[];
};
struct ExnCell : Cell {
  Tag* tag;
  uint64_t slots[];
};
struct HostCell : Cell {
  uint64_t value;
};

inline constexpr Word kNullWord = 0;

inline bool is_i31(Word word) { return (word & 1) != 0; }
inline bool is_cell(Word word) { return word != kNullWord && !is_i31(word); }
inline Word i31_word(uint32_t bits) { return static_cast<Word>(bits & 0x7fffffffu) << 1 | 1; }
inline uint32_t i31_unsigned(Word word) { return static_cast<uint32_t>(word >> 1); }
inline uint32_t i31_signed(Word word) {
  return static_cast<uint32_t>(static_cast<int32_t>(static_cast<uint32_t>(word >> 1) << 1) >> 1);
}
inline Cell* cell_of(Word word) { return reinterpret_cast<Cell*>(word); }
inline Word word_of(const Cell* cell) { return reinterpret_cast<Word>(cell); }

inline StructCell* struct_of(Word word) { return static_cast<StructCell*>(cell_of(word)); }
inline ArrayCell* array_of(Word word) { return static_cast<ArrayCell*>(cell_of(word)); }
inline ExnCell* exn_of(Word word) { return static_cast<ExnCell*>(cell_of(word)); }
inline HostCell* host_of(Word word) { return static_cast<HostCell*>(cell_of(word)); }

}  // namespace parallax::interp
