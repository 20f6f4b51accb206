// Rules: references, structs, arrays, casts.
#pragma once

#include "engine/base/faults.h"
#include "engine/wasm/rules/support.h"

namespace parallax::wasm {

RULE(RefNull) { push(instr_.type); }
RULE(RefIsNull) {
  pop_ref();
  push(kI32);
}
RULE(RefFunc) {
  const Func& func = module_->funcs[instr_.a];
  // In a constant expression the occurrence itself is the declaration.
  if (!constant_ && !func.declared_ref) return invalid(text::format("undeclared function reference {}", instr_.a));
  push(concrete(func.type, false));
}
RULE(RefEq) {
  pop(kEqRef);
  pop(kEqRef);
  push(kI32);
}
RULE(RefAsNonNull) {
  const ValType ref = pop_ref();
  push(ref == kBottomRef ? ref : ref.as_non_null());
}
RULE(RefI31) {
  pop(kI32);
  push(kI31Ref.as_non_null());
}
RULE(I31GetS) {
  pop(kI31Ref);
  push(kI32);
}
RULE(I31GetU) {
  pop(kI31Ref);
  push(kI32);
}

// Nullness passes through. A value of unreachable code may be taken as non-null, which every use admits.
RULE(AnyConvertExtern) {
  const ValType ref = pop(kExternRef);
  push(ValType::ref(HeapKind::kAny, ref.is_ref() && ref.nullable()));
}
RULE(ExternConvertAny) {
  const ValType ref = pop(kAnyRef);
  push(ValType::ref(HeapKind::kExtern, ref.is_ref() && ref.nullable()));
}

// Casts admit any value of the target's hierarchy.
RULE(RefTest) {
  pop(ValType::ref(store_->top(instr_.type.heap()), true));
  push(kI32);
}
RULE(RefTestNull) { on(Op<Opcode::RefTest>{}); }
RULE(RefCast) {
  pop(ValType::ref(store_->top(instr_.type.heap()), true));
  push(instr_.type);
}
RULE(RefCastNull) { on(Op<Opcode::RefCast>{}); }

// --- Structs -----------------------------------------------------------------------------------------------------------

RULE(StructNew) {
  const SubType* type = composite(instr_.a, CompositeKind::kStruct);
  if (type == nullptr) return;
  pop_each(type->fields.size(), [&](size_t i) { return type->fields[i].storage.unpacked; });
  push(concrete(instr_.a, false));
}
RULE(StructNewDefault) {
  const SubType* type = composite(instr_.a, CompositeKind::kStruct);
  if (type == nullptr) return;
  if (const FieldType* field = field_without_default(instr_.a)) {
    return mismatch_of(text::format("field type {} has no default value", to_string(field->storage)));
  }
  push(concrete(instr_.a, false));
}
RULE(StructGet) { struct_get(false); }
RULE(StructGetS) { struct_get(true); }
RULE(StructGetU) { struct_get(true); }
RULE(StructSet) {
  const FieldType* field = struct_field(instr_.a, instr_.b);
  if (field == nullptr) return;
  require_mutable(*field, "field");
  pop(field->storage.unpacked);
  pop(concrete(instr_.a, true));
}

WALK(void)::struct_get(bool packed) {
  const FieldType* field = struct_field(instr_.a, instr_.b);
  if (field == nullptr) return;
  require_packed(*field, packed);
  pop(concrete(instr_.a, true));
  push(field->storage.unpacked);
}

// --- Arrays ------------------------------------------------------------------------------------------------------------

RULE(ArrayNew) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr) return;
  pop(kI32);
  pop(element->storage.unpacked);
  push(concrete(instr_.a, false));
}
RULE(ArrayNewDefault) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr) return;
  if (!element->storage.unpacked.is_defaultable()) {
    return mismatch_of(text::format("element type {} has no default value", to_string(element->storage)));
  }
  pop(kI32);
  push(concrete(instr_.a, false));
}
RULE(ArrayNewFixed) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr) return;
  if (instr_.b > kMaxArrayNewFixed) {
    return in().fail(ErrorCode::kLimit, instr_.offset, text::format("array.new_fixed of {} elements", instr_.b));
  }
  pop_each(instr_.b, [&](size_t) { return element->storage.unpacked; });
  push(concrete(instr_.a, false));
}
RULE(ArrayNewData) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr || !known_data(instr_.b)) return;
  require_array_of_bits(*element);
  pop(kI32);
  pop(kI32);
  push(concrete(instr_.a, false));
}
RULE(ArrayNewElem) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr || !known(instr_.b, module_->elems.size(), "elem segment")) return;
  const ValType segment = module_->elems[instr_.b].type;
  if (element->storage.packed != Packed::kNone || !matches(segment, element->storage.unpacked)) {
    return mismatch_of(text::format("segment {} holds {}, the array takes {}", instr_.b, to_string(segment),
                                    to_string(element->storage)));
  }
  pop(kI32);
  pop(kI32);
  push(concrete(instr_.a, false));
}
RULE(ArrayGet) { array_get(false); }
RULE(ArrayGetS) { array_get(true); }
RULE(ArrayGetU) { array_get(true); }
RULE(ArraySet) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr) return;
  require_mutable(*element, "array");
  pop(element->storage.unpacked);
  pop(kI32);
  pop(concrete(instr_.a, true));
}
RULE(ArrayLen) {
  pop(ValType::ref(HeapKind::kArray, true));
  push(kI32);
}
RULE(ArrayFill) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr) return;
  require_mutable(*element, "array");
  pop(kI32);
  pop(element->storage.unpacked);
  pop(kI32);
  pop(concrete(instr_.a, true));
}
RULE(ArrayCopy) {
  const FieldType* to = array_element(instr_.a);
  const FieldType* from = to == nullptr ? nullptr : array_element(instr_.b);
  if (from == nullptr) return;
  require_mutable(*to, "array");
  if (from->storage.packed != to->storage.packed || !matches(from->storage.unpacked, to->storage.unpacked)) {
    return invalid(
        text::format("array types do not match: from {} to {}", to_string(from->storage), to_string(to->storage)));
  }
  pop(kI32);
  pop(kI32);
  pop(concrete(instr_.b, true));
  pop(kI32);
  pop(concrete(instr_.a, true));
}
RULE(ArrayInitData) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr || !known_data(instr_.b)) return;
  require_mutable(*element, "array");
  require_array_of_bits(*element);
  pop(kI32);
  pop(kI32);
  pop(kI32);
  pop(concrete(instr_.a, true));
}
RULE(ArrayInitElem) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr || !known(instr_.b, module_->elems.size(), "elem segment")) return;
  require_mutable(*element, "array");
  const ValType segment = module_->elems[instr_.b].type;
  if (element->storage.packed != Packed::kNone || !matches(segment, element->storage.unpacked)) {
    return mismatch_of(text::format("segment {} holds {}, the array takes {}", instr_.b, to_string(segment),
                                    to_string(element->storage)));
  }
  pop(kI32);
  pop(kI32);
  pop(kI32);
  pop(concrete(instr_.a, true));
}

WALK(void)::array_get(bool packed) {
  const FieldType* element = array_element(instr_.a);
  if (element == nullptr) return;
  require_packed(*element, packed);
  pop(kI32);
  pop(concrete(instr_.a, true));
  push(element->storage.unpacked);
}

// --- Types and fields ------------------------------------------------------------------------------------------------

WALK(const SubType*)::composite(uint32_t type, CompositeKind kind) {
  if (!known(type, module_->types.size(), "type")) return nullptr;
  const SubType& found = module_->types[type];
  if (found.kind == kind) return &found;
  static constexpr const char* kKinds[] = {"a function", "a struct", "an array"};
  mismatch_of(text::format("type {} is {} type, the instruction needs {} type", type,
                           kKinds[static_cast<size_t>(found.kind)], kKinds[static_cast<size_t>(kind)]));
  return nullptr;
}

WALK(const FieldType*)::struct_field(uint32_t type, uint32_t field) {
  const SubType* found = composite(type, CompositeKind::kStruct);
  if (found == nullptr || !known(field, found->fields.size(), "field")) return nullptr;
  return &found->fields[field];
}

WALK(const FieldType*)::array_element(uint32_t type) {
  const SubType* found = composite(type, CompositeKind::kArray);
  return found == nullptr ? nullptr : &found->fields[0];
}

WALK(const FieldType*)::field_without_default(uint32_t type) {
  const std::vector<FieldType>& fields = module_->types[type].fields;
  const auto find = [&fields]() -> const FieldType* {
    const auto has_none = [](const FieldType& field) { return !field.storage.unpacked.is_defaultable(); };
    const auto it = std::find_if(fields.begin(), fields.end(), has_none);
    return it == fields.end() ? nullptr : &*it;
  };
  if (fields.size() <= 16) return find();
  const auto [it, is_new] = without_default_.try_emplace(type, nullptr);
  if (is_new) it->second = find();
  return it->second;
}

WALK(ValType)::concrete(uint32_t type, bool nullable) const {
  return ValType::ref(HeapType::concrete(module_->type_ids[type]), nullable);
}

WALK(void)::require_mutable(const FieldType& field, const char* what) {
  if (!field.is_mutable && !fault_fires(Fault::kVAL1)) invalid(text::format("immutable {}", what));
}

WALK(void)::require_packed(const FieldType& field, bool packed) {
  if ((field.storage.packed != Packed::kNone) == packed) return;
  mismatch_of(packed ? text::format("sign extension of the unpacked type {}", to_string(field.storage))
                     : text::format("packed type {} is read without sign extension", to_string(field.storage)));
}

WALK(void)::require_array_of_bits(const FieldType& element) {
  if (element.storage.unpacked.is_ref()) {
    invalid(text::format("array type is not numeric or vector: {}", to_string(element.storage)));
  }
}

}  // namespace parallax::wasm
