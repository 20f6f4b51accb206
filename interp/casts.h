// Whether a reference word is an instance of a heap type.
#pragma once

#include "interp/cell.h"
#include "interp/ops.h"
#include "interp/type_info.h"

namespace parallax::interp {

// Abstract heap types. Null is not asked here. A word of the wrong hierarchy cannot occur (validation), except that
// converted externrefs and anyrefs share their words.
inline bool is_abstract_instance(Word word, wasm::HeapKind kind) {
  switch (kind) {
    case wasm::HeapKind::kAny:
    case wasm::HeapKind::kExtern:
    case wasm::HeapKind::kFunc:
    case wasm::HeapKind::kExn: return true;
    case wasm::HeapKind::kI31: return is_i31(word);
    case wasm::HeapKind::kEq:
      return is_i31(word) || cell_of(word)->kind == CellKind::kStruct || cell_of(word)->kind == CellKind::kArray;
    case wasm::HeapKind::kStruct: return !is_i31(word) && cell_of(word)->kind == CellKind::kStruct;
    case wasm::HeapKind::kArray: return !is_i31(word) && cell_of(word)->kind == CellKind::kArray;
    case wasm::HeapKind::kNone:
    case wasm::HeapKind::kNoFunc:
    case wasm::HeapKind::kNoExtern:
    case wasm::HeapKind::kNoExn:
    case wasm::HeapKind::kConcrete: return false;
  }
  return false;
}

inline bool is_concrete_instance(Word word, const CastTarget& target, const TypeInfos& infos) {
  if (is_i31(word)) return false;
  const Cell* cell = cell_of(word);
  if (cell->kind != CellKind::kStruct && cell->kind != CellKind::kArray && cell->kind != CellKind::kFunc) return false;
  return cell->type == target.id.raw || infos.known(cell->type).is_subtype_of(target.id, target.depth);
}

}  // namespace parallax::interp
