#include "engine/wasm/types.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace parallax::wasm
