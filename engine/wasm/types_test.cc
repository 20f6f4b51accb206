#include "engine/wasm/types.h"

#include <algorithm>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "engine/base/choices.h"
#include "engine/wasm/limits.h"

namespace parallax::wasm {
namespace {

constexpr uint32_t kSelf = TypeStore::kGroupBase;

SubType structure(std::vector<FieldType> fields) {
  SubType type;
  type.kind = CompositeKind::kStruct;
  type.fields = std::move(fields);
  return type;
}
SubType array(FieldType element) {
  SubType type = structure({element});
  type.kind = CompositeKind::kArray;
  return type;
}
SubType function(std::vector<ValType> params, std::vector<ValType> results) {
  SubType type;
  type.params = std::move(params);
  type.results = std::move(results);
  return type;
}
SubType open(SubType type) {
  type.is_final = false;
  return type;
}
SubType below(uint32_t super, SubType type) {
  type.has_super = true;
  type.super = super;
  type.is_final = false;
  return type;
}
FieldType field(ValType type, bool is_mutable = false) { return {{type, Packed::kNone}, is_mutable}; }
FieldType packed(Packed packed, bool is_mutable = false) { return {{kI32, packed}, is_mutable}; }
ValType ref(uint32_t number, bool nullable = false) { return ValType::ref(HeapType::concrete(number), nullable); }

using Group = std::vector<SubType>;

// --- Canonicalisation --------------------------------------------------------------------------------------------------

TEST(Canonicalisation, EqualGroupsAreOneGroup) {
  TypeStore store;
  const Group group = {structure({field(ref(kSelf + 1, true), true)}), function({ref(kSelf)}, {kI32})};
  const TypeId first = store.intern(group);
  EXPECT_EQ(store.intern(group), first);
  EXPECT_EQ(store.size(), 2u);
}

// Pairs that differ in exactly one fact must get different ids, whatever their hashes.
TEST(Canonicalisation, OneDifferentFactMakesAnotherType) {
  const FieldType base = field(ref(kSelf, true), true);
  const std::vector<Group> groups = {
      {structure({base})},
      {structure({field(ref(kSelf, false), true)})},  // nullability
      {structure({field(ref(kSelf, true), false)})},  // mutability
      {open(structure({base}))},                      // finality
      {structure({field(kI32, true)})},               // reference or number
      {structure({packed(Packed::kI8, true)})},       // packedness
      {structure({packed(Packed::kI16, true)})},
      {structure({field(kI64, true)})},
      {structure({field(kAnyRef, true)})},
      {structure({field(kEqRef, true)})},
      {array(base)},  // kind
      {array(packed(Packed::kI8))},
      {structure({base, base})},  // number of fields
      {structure({})},
      {function({}, {})},
      {function({kI32}, {})},  // parameter or result
      {function({}, {kI32})},
      {function({kI32, kI64}, {})},  // order
      {function({kI64, kI32}, {})},
      {structure({}), structure({base})},  // group membership and position
      {structure({base}), structure({})},
      {structure({field(ref(kSelf + 1, true), true)}), structure({base})},
      {structure({base}), structure({base})},
      {open(structure({})), below(kSelf, structure({}))},  // supertype
      {open(structure({})), open(structure({}))},
      {open(structure({})), below(kSelf, structure({})), below(kSelf, structure({}))},
      {open(structure({})), below(kSelf, structure({})), below(kSelf + 1, structure({}))},
  };
  for (const uint64_t mask : {~uint64_t{0}, uint64_t{1}, uint64_t{0}}) {
    TypeStore store(mask);
    std::vector<TypeId> ids;
    for (const Group& group : groups) ids.push_back(store.intern(group));
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(store.intern(groups[i]), ids[i]) << "group " << i << " is not found again, mask " << mask;
      for (size_t j = 0; j < i; ++j) EXPECT_NE(ids[i], ids[j]) << "groups " << j << " and " << i << ", mask " << mask;
    }
  }
}

// Iso-recursive: a reference into the own group is something else than a reference to an equal type outside of it.
TEST(Canonicalisation, RolledAndUnrolledTypesDiffer) {
  TypeStore store;
  const TypeId rolled = store.intern({structure({field(ref(kSelf))})});
  const TypeId unrolled = store.intern({structure({field(ref(rolled.raw))})});
  EXPECT_NE(rolled, unrolled);
  EXPECT_EQ(store.intern({structure({field(ref(rolled.raw))})}), unrolled);
  EXPECT_EQ(store.get(rolled).fields[0].storage.unpacked, ref(rolled.raw));
}

TEST(Canonicalisation, ReferencesOutsideTheGroupAreComparedByIdentity) {
  TypeStore store;
  const TypeId a = store.intern({structure({})});
  const TypeId b = store.intern({open(structure({}))});
  EXPECT_NE(store.intern({array(field(ref(a.raw)))}), store.intern({array(field(ref(b.raw)))}));
  EXPECT_EQ(store.intern({array(field(ref(a.raw)))}), store.intern({array(field(ref(a.raw)))}));
}

TEST(Canonicalisation, NumbersAreShiftedOnlyInsideTheGroup) {
  TypeStore store;
  const TypeId outer = store.intern({structure({})});
  const TypeId first =
      store.intern({structure({field(ref(outer.raw)), field(ref(kSelf + 1))}), function({ref(kSelf)}, {})});
  EXPECT_EQ(store.get(first).fields[0].storage.unpacked, ref(outer.raw));
  EXPECT_EQ(store.get(first).fields[1].storage.unpacked, ref(first.raw + 1));
  EXPECT_EQ(store.get(TypeId(first.raw + 1)).params[0], ref(first.raw));
}

// --- Matching ------------------------------------------------------------------------------------------------------------

TEST(Matching, AbstractHeapTypesFormFourTrees) {
  const TypeStore store;
  using enum HeapKind;
  const std::vector<std::pair<HeapKind, std::vector<HeapKind>>> supers = {{kAny, {}},
                                                                          {kEq, {kAny}},
                                                                          {kI31, {kEq, kAny}},
                                                                          {kStruct, {kEq, kAny}},
                                                                          {kArray, {kEq, kAny}},
                                                                          {kNone, {kI31, kStruct, kArray, kEq, kAny}},
                                                                          {kFunc, {}},
                                                                          {kNoFunc, {kFunc}},
                                                                          {kExtern, {}},
                                                                          {kNoExtern, {kExtern}},
                                                                          {kExn, {}},
                                                                          {kNoExn, {kExn}}};
  for (const auto& [sub, above] : supers) {
    for (const auto& [super, ignored] : supers) {
      const bool expected = sub == super || std::find(above.begin(), above.end(), super) != above.end();
      EXPECT_EQ(store.matches(HeapType(sub), HeapType(super)), expected)
          << to_string(HeapType(sub)) << " <: " << to_string(HeapType(super));
    }
  }
}

struct Family {
  TypeStore store;
  TypeId top = store.intern({open(structure({}))});
  TypeId middle = store.intern({below(top.raw, structure({field(kI32)}))});
  TypeId leaf = store.intern({below(middle.raw, structure({field(kI32), field(kI64)}))});
  TypeId cousin = store.intern({below(top.raw, structure({field(kF32)}))});
  TypeId list = store.intern({array(field(kI32))});
  TypeId func = store.intern_func({}, {});
  HeapType heap(TypeId id) { return HeapType::concrete(id); }
};

TEST(Matching, ConcreteTypesMatchTheirDeclaredAncestors) {
  Family f;
  EXPECT_TRUE(f.store.is_subtype(f.leaf, f.top));
  EXPECT_TRUE(f.store.is_subtype(f.leaf, f.leaf));
  EXPECT_FALSE(f.store.is_subtype(f.top, f.leaf));
  EXPECT_FALSE(f.store.is_subtype(f.leaf, f.cousin));
  EXPECT_FALSE(f.store.is_subtype(f.cousin, f.middle));
  EXPECT_EQ(f.store.depth(f.leaf), 2u);
  EXPECT_EQ(f.store.ancestors(f.leaf)[0], f.top);
}

TEST(Matching, ConcreteTypesStandBetweenTheirKindAndItsBottom) {
  Family f;
  using enum HeapKind;
  for (const HeapKind kind : {kStruct, kEq, kAny}) EXPECT_TRUE(f.store.matches(f.heap(f.leaf), kind));
  for (const HeapKind kind : {kArray, kI31, kNone, kFunc, kExtern, kExn})
    EXPECT_FALSE(f.store.matches(f.heap(f.leaf), kind));
  EXPECT_TRUE(f.store.matches(f.heap(f.list), kArray));
  EXPECT_FALSE(f.store.matches(f.heap(f.list), kStruct));
  EXPECT_TRUE(f.store.matches(f.heap(f.func), kFunc));
  EXPECT_FALSE(f.store.matches(f.heap(f.func), kAny));
  EXPECT_TRUE(f.store.matches(kNone, f.heap(f.leaf)));
  EXPECT_TRUE(f.store.matches(kNone, f.heap(f.list)));
  EXPECT_FALSE(f.store.matches(kNone, f.heap(f.func)));
  EXPECT_TRUE(f.store.matches(kNoFunc, f.heap(f.func)));
  for (const HeapKind kind : {kNoFunc, kStruct, kEq, kAny, kI31, kNoExtern, kNoExn}) {
    EXPECT_FALSE(f.store.matches(HeapType(kind), f.heap(f.leaf)));
  }
}

TEST(Matching, NullableDoesNotMatchNonNull) {
  const TypeStore store;
  EXPECT_TRUE(store.matches(kAnyRef.as_non_null(), kAnyRef));
  EXPECT_FALSE(store.matches(kAnyRef, kAnyRef.as_non_null()));
  EXPECT_FALSE(store.matches(kI32, kI64));
  EXPECT_FALSE(store.matches(kI32, kAnyRef));
  EXPECT_FALSE(store.matches(kAnyRef, kI32));
  EXPECT_FALSE(store.matches(kExternRef, kAnyRef));
}

TEST(Matching, UnreachableValuesMatchEverythingOfTheirKind) {
  const TypeStore store;
  EXPECT_TRUE(store.matches(kBottom, kI32));
  EXPECT_TRUE(store.matches(kBottom, kAnyRef));
  EXPECT_TRUE(store.matches(kBottomRef, kExnRef.as_non_null()));
  EXPECT_FALSE(store.matches(kBottomRef, kI32));
}

TEST(Matching, MutableFieldsAreInvariantAndOthersCovariant) {
  const TypeStore store;
  const auto matches = [&](FieldType a, FieldType b) { return store.matches(structure({a}), structure({b})); };
  EXPECT_TRUE(matches(field(kI31Ref), field(kEqRef)));
  EXPECT_FALSE(matches(field(kEqRef), field(kI31Ref)));
  EXPECT_FALSE(matches(field(kI31Ref, true), field(kEqRef, true)));
  EXPECT_TRUE(matches(field(kEqRef, true), field(kEqRef, true)));
  EXPECT_FALSE(matches(field(kEqRef, true), field(kEqRef, false)));
  EXPECT_FALSE(matches(packed(Packed::kI8), packed(Packed::kI16)));
  EXPECT_FALSE(matches(packed(Packed::kI8), field(kI32)));
  EXPECT_TRUE(store.matches(structure({field(kI32), field(kI64)}), structure({field(kI32)})));
  EXPECT_FALSE(store.matches(structure({}), structure({field(kI32)})));
  EXPECT_FALSE(store.matches(array(field(kI32)), structure({field(kI32)})));
}

TEST(Matching, FunctionsAreContravariantInParameters) {
  const TypeStore store;
  EXPECT_TRUE(store.matches(function({kAnyRef}, {kI31Ref}), function({kEqRef}, {kEqRef})));
  EXPECT_FALSE(store.matches(function({kI31Ref}, {}), function({kEqRef}, {})));
  EXPECT_FALSE(store.matches(function({}, {kAnyRef}), function({}, {kEqRef})));
  EXPECT_FALSE(store.matches(function({kI32, kI32}, {}), function({kI32}, {})));
}

TEST(Matching, DifferenceRemovesNullExactlyWhenTheTargetAdmitsIt) {
  const TypeStore store;
  EXPECT_EQ(store.difference(kAnyRef, kI31Ref), kAnyRef.as_non_null());
  EXPECT_EQ(store.difference(kAnyRef, kI31Ref.as_non_null()), kAnyRef);
  EXPECT_EQ(store.difference(kAnyRef.as_non_null(), kI31Ref), kAnyRef.as_non_null());
}

TEST(Matching, TopsAndBottomsFollowTheHierarchy) {
  Family f;
  EXPECT_EQ(f.store.top(f.heap(f.leaf)), HeapType(HeapKind::kAny));
  EXPECT_EQ(f.store.bottom(f.heap(f.leaf)), HeapType(HeapKind::kNone));
  EXPECT_EQ(f.store.top(f.heap(f.func)), HeapType(HeapKind::kFunc));
  EXPECT_EQ(f.store.bottom(HeapKind::kExtern), HeapType(HeapKind::kNoExtern));
  EXPECT_EQ(f.store.top(HeapKind::kNoExn), HeapType(HeapKind::kExn));
}

TEST(Types, AreSpelledAsInTheTextFormat) {
  EXPECT_EQ(to_string(kAnyRef), "anyref");
  EXPECT_EQ(to_string(kAnyRef.as_non_null()), "(ref any)");
  EXPECT_EQ(to_string(ref(7, true)), "(ref null 7)");
  EXPECT_EQ(to_string(ValType::ref(HeapKind::kNone, true)), "nullref");
  EXPECT_EQ(to_string(packed(Packed::kI16).storage), "i16");
  EXPECT_EQ(TypeStore().print(below(3, array(field(kI32, true)))), "(sub 3 (array (mut i32)))");
}

TEST(Types, AHundredThousandGroupsAreInternedInNoTime) {
  TypeStore store;
  for (uint32_t i = 0; i < 100'000; ++i) {
    std::vector<FieldType> fields;
    for (uint32_t bit = 0; bit < 17; ++bit) fields.push_back(field(kI32, (i >> bit & 1) != 0));
    store.intern({structure(std::move(fields))});
  }
  EXPECT_EQ(store.size(), 100'000u);
}

// --- Random groups against a naive judge -----------------------------------------------------------------------------------

// The judge: a type is the text of its whole group plus its position. References into the group are written as positions,
// others as the text of the type they name (shared through a table of texts, or the texts would grow without bound).
class Texts {
 public:
  uint32_t intern(const std::string& text) {
    return numbers_.try_emplace(text, static_cast<uint32_t>(numbers_.size())).first->second;
  }

  // The identities of the members of a normalised group; `outer` gives the identity of each TypeId that it may name.
  std::vector<uint32_t> group(const Group& group, const std::vector<uint32_t>& outer) {
    std::string text;
    for (const SubType& type : group) text += describe(type, outer) + "|";
    std::vector<uint32_t> identities;
    for (size_t i = 0; i < group.size(); ++i) identities.push_back(intern(std::to_string(i) + " of " + text));
    return identities;
  }

 private:
  static std::string number(uint32_t n, const std::vector<uint32_t>& outer) {
    return n >= kSelf ? "#" + std::to_string(n - kSelf) : "outer" + std::to_string(outer[n]);
  }
  static std::string describe(ValType type, const std::vector<uint32_t>& outer) {
    if (!type.is_ref() || !type.heap().is_concrete()) return to_string(type);
    return (type.nullable() ? "null " : "ref ") + number(type.heap().number(), outer);
  }
  static std::string describe(const SubType& type, const std::vector<uint32_t>& outer) {
    std::string text = std::to_string(static_cast<int>(type.kind)) + (type.is_final ? "final" : "open");
    if (type.has_super) text += "<" + number(type.super, outer);
    for (const ValType t : type.params) text += " p " + describe(t, outer);
    for (const ValType t : type.results) text += " r " + describe(t, outer);
    for (const FieldType& f : type.fields) {
      text += std::string(f.is_mutable ? " m" : " c") + std::to_string(static_cast<int>(f.storage.packed)) +
              describe(f.storage.unpacked, outer);
    }
    return text;
  }
  std::map<std::string, uint32_t> numbers_;
};

ValType random_type(ChoiceStream& choices, uint32_t known, size_t group) {
  switch (choices.below(4)) {
    case 0: return kI32;
    case 1: return ValType::ref(HeapKind::kEq, choices.chance(1, 2));
    case 2: return ref(kSelf + choices.below(static_cast<uint32_t>(group)), choices.chance(1, 2));
    default: return known == 0 ? kI64 : ref(choices.below(known), choices.chance(1, 2));
  }
}

Group random_group(ChoiceStream& choices, uint32_t known) {
  Group group(1 + choices.below(3));
  for (uint32_t i = 0; i < group.size(); ++i) {
    SubType& type = group[i];
    type.kind = static_cast<CompositeKind>(choices.below(3));
    type.is_final = choices.chance(1, 2);
    if (choices.chance(1, 3) && known + i > 0) {
      const uint32_t super = choices.below(known + i);
      type.has_super = true;
      type.super = super < known ? super : kSelf + (super - known);
    }
    const auto any = [&] { return random_type(choices, known, group.size()); };
    if (type.kind == CompositeKind::kFunc) {
      for (uint32_t n = choices.below(3); n > 0; --n) type.params.push_back(any());
      if (choices.chance(1, 2)) type.results.push_back(any());
    } else {
      const uint32_t fields = type.kind == CompositeKind::kArray ? 1 : choices.below(3);
      for (uint32_t n = 0; n < fields; ++n) {
        FieldType f = field(any(), choices.chance(1, 2));
        if (f.storage.unpacked == kI32) f.storage.packed = static_cast<Packed>(choices.below(3));
        type.fields.push_back(f);
      }
    }
  }
  return group;
}

TEST(RandomTypes, AreEqualExactlyWhenTheirTextsAre) {
  for (const uint64_t mask : {~uint64_t{0}, uint64_t{3}}) {
    TypeStore store(mask);
    Texts texts;
    ChoiceStream choices(uint64_t{7});
    std::vector<uint32_t> identities;  // by TypeId
    std::map<uint32_t, uint32_t> ids;  // the judge's identity -> TypeId
    int found_again = 0;
    for (int round = 0; round < 3000; ++round) {
      // References go to few types, so that equal groups occur often.
      const Group group = random_group(choices, std::min<uint32_t>(6, static_cast<uint32_t>(identities.size())));
      const auto deep = [&](const SubType& t) {
        return t.has_super && t.super < kSelf && store.depth(TypeId(t.super)) > 8;
      };
      if (std::any_of(group.begin(), group.end(), deep)) continue;
      const TypeId first = store.intern(group);
      if (first.index() < identities.size()) ++found_again;
      const std::vector<uint32_t> expected = texts.group(group, identities);
      for (uint32_t i = 0; i < group.size(); ++i) {
        if (first.raw + i == identities.size()) identities.push_back(expected[i]);
        EXPECT_EQ(identities[first.raw + i], expected[i]) << "round " << round;
        EXPECT_EQ(ids.try_emplace(expected[i], first.raw + i).first->second, first.raw + i) << "round " << round;
      }
    }
    EXPECT_GT(store.size(), 500u);
    EXPECT_GT(found_again, 300);
  }
}

TEST(RandomTypes, MatchingIsAPartialOrderThatFollowsDeclaredSupertypes) {
  TypeStore store;
  ChoiceStream choices(uint64_t{11});
  while (store.size() < 60) {
    Group group = random_group(choices, std::min<uint32_t>(6, static_cast<uint32_t>(store.size())));
    for (SubType& type : group) {  // a supertype is of the same kind: what validation would have seen to
      if (!type.has_super) continue;
      const SubType& super = type.super < kSelf ? store.get(TypeId(type.super)) : group[type.super - kSelf];
      type.has_super = super.kind == type.kind;
    }
    store.intern(std::move(group));
  }
  std::vector<HeapType> heaps;
  for (uint32_t i = 0; i < 60; ++i) heaps.push_back(HeapType::concrete(i));
  for (uint32_t kind = 0; kind < static_cast<uint32_t>(HeapKind::kConcrete); ++kind)
    heaps.push_back(static_cast<HeapKind>(kind));
  for (const HeapType a : heaps) {
    EXPECT_TRUE(store.matches(a, a));
    EXPECT_TRUE(store.matches(a, store.top(a)));
    EXPECT_TRUE(store.matches(store.bottom(a), a));
    if (a.is_concrete() && store.get(a.type_id()).has_super) {
      EXPECT_TRUE(store.matches(a, HeapType::concrete(store.get(a.type_id()).super)));
    }
    for (const HeapType b : heaps) {
      const bool below = store.matches(a, b);
      if (below) EXPECT_EQ(store.hierarchy(a), store.hierarchy(b));
      if (below && store.matches(b, a)) EXPECT_EQ(a, b);
      for (const HeapType c : heaps) {
        if (below && store.matches(b, c))
          EXPECT_TRUE(store.matches(a, c)) << to_string(a) << " " << to_string(b) << " " << to_string(c);
      }
    }
  }
}

}  // namespace
}  // namespace parallax::wasm
