// Join and meet on the subtype forest, and the representation of types.
#include "engine/ir/type.h"

#include <algorithm>

namespace parallax::ir {

using wasm::HeapKind;
using wasm::HeapType;
using wasm::Hierarchy;
using wasm::TypeStore;
using wasm::ValKind;

Rep rep_of(const TypeStore& types, Type type) {
  switch (type.kind()) {
    case ValKind::kI32: return Rep::kI32;
    case ValKind::kI64: return Rep::kI64;
    case ValKind::kF32: return Rep::kF32;
    case ValKind::kF64: return Rep::kF64;
    case ValKind::kRef: return types.hierarchy(type.heap()) == Hierarchy::kFunc ? Rep::kFunc : Rep::kRef;
    case ValKind::kV128: return Rep::kV128;
    case ValKind::kBottom: break;
  }
  return Rep::kNone;
}

const char* to_string(Rep rep) {
  switch (rep) {
    case Rep::kNone: return "none";
    case Rep::kI32: return "i32";
    case Rep::kI64: return "i64";
    case Rep::kF32: return "f32";
    case Rep::kF64: return "f64";
    case Rep::kV128: return "v128";
    case Rep::kRef: return "ref";
    case Rep::kFunc: return "func";
  }
  return "?";
}

namespace {

// The abstract type directly above a concrete type without supertype.
HeapKind kind_above(const TypeStore& types, wasm::TypeId id) {
  switch (types.get(id).kind) {
    case wasm::CompositeKind::kFunc: return HeapKind::kFunc;
    case wasm::CompositeKind::kStruct: return HeapKind::kStruct;
    case wasm::CompositeKind::kArray: return HeapKind::kArray;
  }
  return HeapKind::kAny;
}

// The next type up, or the type itself at the top of its hierarchy.
HeapType abstract_above(const TypeStore& types, HeapType heap) {
  switch (heap.kind()) {
    case HeapKind::kConcrete: return kind_above(types, heap.type_id());
    case HeapKind::kI31:
    case HeapKind::kStruct:
    case HeapKind::kArray: return HeapKind::kEq;
    default: return types.top(heap);
  }
}

HeapType join_heaps(const TypeStore& types, HeapType a, HeapType b) {
  if (types.matches(a, b)) return b;
  if (types.matches(b, a)) return a;
  if (a.is_concrete() && b.is_concrete()) {
    const auto above_a = types.ancestors(a.type_id());
    const auto above_b = types.ancestors(b.type_id());
    for (size_t depth = std::min(above_a.size(), above_b.size()); depth-- > 0;) {
      if (above_a[depth] == above_b[depth]) return HeapType::concrete(above_a[depth]);
    }
  }
  // Neither matches the other, so neither is a top: going up ends at the top of the common hierarchy at the latest.
  for (HeapType up = abstract_above(types, a);; up = abstract_above(types, up)) {
    if (types.matches(b, up)) return up;
    if (up == types.top(up)) return up;
  }
}

}  // namespace

Type join(const TypeStore& types, Type a, Type b) {
  if (a == b || b == kNone) return a;
  if (a == kNone) return b;
  if (!a.is_ref() || !b.is_ref() || types.hierarchy(a.heap()) != types.hierarchy(b.heap())) return kNone;
  return Type::ref(join_heaps(types, a.heap(), b.heap()), a.nullable() || b.nullable());
}

Type meet(const TypeStore& types, Type a, Type b) {
  const bool nullable = a.nullable() && b.nullable();
  if (types.matches(a.heap(), b.heap())) return Type::ref(a.heap(), nullable);
  if (types.matches(b.heap(), a.heap())) return Type::ref(b.heap(), nullable);
  return Type::ref(types.bottom(a.heap()), nullable);
}

}  // namespace parallax::ir
