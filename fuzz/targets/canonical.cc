// Canonical types: rec groups that are equal, or differ in one fact, in a store whose hashes all collide and in a normal
// one.
//
// Bytes draw a group and a change of it. Both stores must find the two groups equal exactly if no fact was changed, give
// members consecutive ids, and agree on every subtype question. The judge is the construction: it knows what it changed.
#include <memory>

#include "engine/base/check.h"
#include "engine/base/choices.h"
#include "engine/wasm/types.h"

namespace {

using namespace parallax;        // NOLINT: glue
using namespace parallax::wasm;  // NOLINT: glue

constexpr uint32_t kInner = TypeStore::kGroupBase;

ValType draw_type(ChoiceStream& choices, uint32_t known, uint32_t members, uint32_t self) {
  const bool nullable = choices.chance(3, 4);
  switch (choices.below(8)) {
    case 0: return kI32;
    case 1: return kI64;
    case 2: return kV128;
    case 3: return ValType::ref(static_cast<HeapKind>(choices.below(12)), nullable);
    case 4:
      if (known > 0) return ValType::ref(HeapType::concrete(choices.below(known)), nullable);
      return kAnyRef;
    default: return ValType::ref(HeapType::concrete(kInner + choices.below(members)), nullable);
  }
}

SubType draw_member(ChoiceStream& choices, uint32_t known, uint32_t members, uint32_t self) {
  SubType type{.kind = static_cast<CompositeKind>(choices.below(3)), .is_final = choices.chance(1, 2)};
  const auto list = [&](uint32_t most) {
    std::vector<ValType> types(choices.below(most));
    for (ValType& t : types) t = draw_type(choices, known, members, self);
    return types;
  };
  if (type.kind == CompositeKind::kFunc) {
    type.params = list(4);
    type.results = list(3);
    return type;
  }
  const uint32_t fields = type.kind == CompositeKind::kArray ? 1 : choices.below(5);
  for (uint32_t i = 0; i < fields; ++i) {
    const auto packed = static_cast<Packed>(choices.below(3));
    const ValType content = packed == Packed::kNone ? draw_type(choices, known, members, self) : kI32;
    type.fields.push_back({{content, packed}, choices.chance(1, 2)});
  }
  return type;
}

// Changes exactly one fact, if it can.
bool change(ChoiceStream& choices, std::vector<SubType>& group) {
  SubType& type = group[choices.below(static_cast<uint32_t>(group.size()))];
  const auto change_type = [&](ValType& t) {
    if (t.is_ref() && choices.chance(1, 2)) {
      t = ValType::ref(t.heap(), !t.nullable());
    } else if (t == kI32) {
      t = kI64;
    } else {
      t = kI32;
    }
    return true;
  };
  switch (choices.below(5)) {
    case 0: type.is_final = !type.is_final; return true;
    case 1:
      if (type.fields.empty()) return false;
      type.fields[0].is_mutable = !type.fields[0].is_mutable;
      return true;
    case 2: {
      if (type.fields.empty()) return false;
      StorageType& storage = type.fields[choices.below(static_cast<uint32_t>(type.fields.size()))].storage;
      if (storage.packed == Packed::kNone) return change_type(storage.unpacked);
      storage.packed = storage.packed == Packed::kI8 ? Packed::kI16 : Packed::kI8;
      return true;
    }
    case 3:
      if (!type.params.empty()) return change_type(choices.pick(type.params));
      if (!type.results.empty()) return change_type(choices.pick(type.results));
      return false;
    default:
      if (type.kind == CompositeKind::kArray) return false;
      if (type.kind == CompositeKind::kStruct) {
        type.fields.push_back({{kI32, Packed::kNone}, true});
      } else {
        type.results.push_back(kI32);
      }
      return true;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ChoiceStream choices(std::span(data, size));
  TypeStore weak(0), normal;
  uint32_t known = 0;
  for (uint32_t round = 0; round < 6; ++round) {
    const uint32_t members = 1 + choices.below(3);
    std::vector<SubType> group;
    for (uint32_t i = 0; i < members; ++i) group.push_back(draw_member(choices, known, members, i));
    // A supertype that is the same composite: matching is the caller's to know, so it must be equal here.
    if (members > 1 && choices.chance(1, 2)) {
      group[0].is_final = false;
      group[1] = group[0];
      group[1].has_super = true;
      group[1].super = kInner;
    }
    std::vector<SubType> other = group;
    const bool differs = choices.chance(1, 2) && change(choices, other);
    // A super must stay a supertype: changed groups have none.
    if (differs) {
      for (std::vector<SubType>* g : {&group, &other}) {
        for (SubType& type : *g) type.has_super = false, type.super = 0;
      }
    }
    if (differs && group == other) continue;
    const TypeId first = weak.intern(group), second = weak.intern(other), again = weak.intern(group);
    const TypeId first2 = normal.intern(group), second2 = normal.intern(other);
    CHECK((first == second) == !differs, "I3: {} rec groups are {} type", differs ? "different" : "equal",
          first == second ? "one" : "another");
    CHECK(first == again, "I3: a rec group is not found again");
    CHECK(first == first2 && second == second2 && weak.size() == normal.size(), "I3: colliding hashes change types");
    known = static_cast<uint32_t>(weak.size());
  }
  for (uint32_t a = 0; a < known; ++a) {
    for (uint32_t b = 0; b < known; ++b) {
      CHECK(weak.is_subtype(TypeId(a), TypeId(b)) == normal.is_subtype(TypeId(a), TypeId(b)),
            "I3: colliding hashes change subtyping of {} and {}", a, b);
    }
  }
  return 0;
}
