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

// The type of an object decides alone: exceptions cannot come here, and host objects have no type.
inline bool is_concrete_instance(Word word, const CastTarget& target, const TypeInfos& infos) {
  if (is_i31(word)) return false;
  const uint32_t type = cell_of(word)->type;
  if (type == target.id.raw) return true;
  return type != kNoType && infos.known(type).is_subtype_of(target.id, target.depth);
}

// The same for one place in the code, which mostly sees the types that it saw before.
inline bool is_concrete_instance(Word word, CastSite& site, const TypeInfos& infos) {
  if (is_i31(word)) return false;
  const uint32_t type = cell_of(word)->type;
  if (type == site.last_yes) return true;
  if (type == site.last_no) return false;
  const bool is_instance = is_concrete_instance(word, site.target, infos);
  (is_instance ? site.last_yes : site.last_no) = type;
  return is_instance;
}

}  // namespace parallax::interp
