// Matching of types by stable ids.
#include "fuzz/mutators/mutation.h"

namespace parallax::fuzz {

using wasm::CompositeKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::SubType;
using wasm::ValType;

namespace {

bool is_any_hierarchy(HeapKind kind) {
  return kind == HeapKind::kAny || kind == HeapKind::kEq || kind == HeapKind::kI31 || kind == HeapKind::kStruct ||
         kind == HeapKind::kArray || kind == HeapKind::kNone;
}

}  // namespace

bool Mutation::is_below(uint32_t sub, uint32_t super) const {
  const uint32_t wanted = module.types[super].canonical;
  for (;;) {
    if (module.types[sub].canonical == wanted) return true;
    if (!type(sub).has_super) return false;
    sub = type(sub).super;
  }
}

bool Mutation::matches(HeapType sub, HeapType super) const {
  if (sub == super) return true;
  if (sub.is_concrete() && super.is_concrete()) return is_below(sub.number(), super.number());
  if (super.is_concrete()) {
    const CompositeKind kind = type(super.number()).kind;
    return kind == CompositeKind::kFunc ? sub == HeapKind::kNoFunc : sub == HeapKind::kNone;
  }
  const HeapKind to = super.kind();
  if (sub.is_concrete()) {
    switch (type(sub.number()).kind) {
      case CompositeKind::kFunc: return to == HeapKind::kFunc;
      case CompositeKind::kStruct: return to == HeapKind::kStruct || to == HeapKind::kEq || to == HeapKind::kAny;
      case CompositeKind::kArray: return to == HeapKind::kArray || to == HeapKind::kEq || to == HeapKind::kAny;
    }
  }
  switch (sub.kind()) {
    case HeapKind::kNone: return is_any_hierarchy(to);
    case HeapKind::kNoFunc: return to == HeapKind::kFunc;
    case HeapKind::kNoExtern: return to == HeapKind::kExtern;
    case HeapKind::kNoExn: return to == HeapKind::kExn;
    case HeapKind::kI31:
    case HeapKind::kStruct:
    case HeapKind::kArray: return to == HeapKind::kEq || to == HeapKind::kAny;
    case HeapKind::kEq: return to == HeapKind::kAny;
    default: return false;
  }
}

bool Mutation::matches(ValType sub, ValType super) const {
  if (sub == super) return true;
  if (!sub.is_ref() || !super.is_ref()) return false;
  return (!sub.nullable() || super.nullable()) && matches(sub.heap(), super.heap());
}

bool Mutation::same(ValType a, ValType b) const { return matches(a, b) && matches(b, a); }

HeapType Mutation::top(HeapType heap) const {
  if (heap.is_concrete()) return type(heap.number()).kind == CompositeKind::kFunc ? HeapKind::kFunc : HeapKind::kAny;
  if (is_any_hierarchy(heap.kind())) return HeapKind::kAny;
  if (heap == HeapKind::kFunc || heap == HeapKind::kNoFunc) return HeapKind::kFunc;
  if (heap == HeapKind::kExn || heap == HeapKind::kNoExn) return HeapKind::kExn;
  return HeapKind::kExtern;
}

HeapType Mutation::bottom(HeapType heap) const {
  const HeapType of = top(heap);
  if (of == HeapKind::kFunc) return HeapKind::kNoFunc;
  if (of == HeapKind::kExtern) return HeapKind::kNoExtern;
  if (of == HeapKind::kExn) return HeapKind::kNoExn;
  return HeapKind::kNone;
}

std::vector<uint32_t> Mutation::types_of(CompositeKind kind) const {
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < module.types.size(); ++i) {
    if (module.types[i].alive && type(i).kind == kind) found.push_back(i);
  }
  return found;
}

bool Mutation::defaultable(const SubType& type) const {
  for (const wasm::FieldType& field : type.fields) {
    if (!field.storage.unpacked.is_defaultable()) return false;
  }
  return true;
}

ValType Mutation::related(ValType type) {
  const HeapType of = top(type.heap());
  std::vector<HeapType> known = {of, bottom(of)};
  if (of == HeapKind::kAny) {
    known.insert(known.end(), {HeapKind::kEq, HeapKind::kI31, HeapKind::kStruct, HeapKind::kArray});
  }
  for (uint32_t i = 0; i < module.types.size(); ++i) {
    if (module.types[i].alive && top(HeapType::concrete(i)) == of) known.push_back(HeapType::concrete(i));
  }
  return ValType::ref(choices.pick(known), choices.chance(1, 2));
}

ValType Mutation::above(ValType start) {
  HeapType heap = start.heap();
  do {
    if (heap.is_concrete()) {
      const SubType& def = type(heap.number());
      if (def.has_super) {
        heap = HeapType::concrete(def.super);
      } else {
        heap = def.kind == CompositeKind::kFunc     ? HeapKind::kFunc
               : def.kind == CompositeKind::kStruct ? HeapKind::kStruct
                                                    : HeapKind::kArray;
      }
    } else if (heap == HeapKind::kStruct || heap == HeapKind::kArray || heap == HeapKind::kI31) {
      heap = HeapKind::kEq;
    } else {
      heap = top(heap);
    }
  } while (choices.chance(1, 2) && heap != top(heap));
  return ValType::ref(heap, true);
}

}  // namespace parallax::fuzz
