#include "engine/runtime/layouts.h"

#include <gtest/gtest.h>

#include "engine/base/choices.h"
#include "engine/base/faults.h"

namespace parallax::runtime {
namespace {

using wasm::FieldType;
using wasm::HeapKind;
using wasm::Packed;
using wasm::SubType;
using wasm::TypeId;
using wasm::TypeStore;
using wasm::ValType;

FieldType random_field(ChoiceStream& choices) {
  const wasm::StorageType kinds[] = {{wasm::kI32, Packed::kI8},       {wasm::kI32, Packed::kI16},
                                     {wasm::kI32, Packed::kNone},     {wasm::kI64, Packed::kNone},
                                     {wasm::kF32, Packed::kNone},     {wasm::kF64, Packed::kNone},
                                     {wasm::kV128, Packed::kNone},    {wasm::kAnyRef, Packed::kNone},
                                     {wasm::kFuncRef, Packed::kNone}, {wasm::kExternRef, Packed::kNone}};
  return {choices.pick(kinds), true};
}

// A chain of subtypes, each with more fields than the last.
std::vector<TypeId> random_chain(TypeStore& types, ChoiceStream& choices) {
  std::vector<TypeId> chain;
  SubType type{.kind = wasm::CompositeKind::kStruct, .is_final = false};
  for (int depth = 0; depth < 5; ++depth) {
    if (!chain.empty()) {
      type.has_super = true;
      type.super = chain.back().raw;
    }
    for (uint32_t n = choices.below(5); n > 0; --n) type.fields.push_back(random_field(choices));
    chain.push_back(types.intern({type}));
  }
  return chain;
}

TEST(Layouts, SubtypesExtendTheirSupertypesLayout) {
  ChoiceStream choices(uint64_t{5});
  for (int round = 0; round < 200; ++round) {
    TypeStore types;
    gc::LayoutTable table;
    Layouts layouts(types, table);
    const std::vector<TypeId> chain = random_chain(types, choices);
    for (size_t d = 1; d < chain.size(); ++d) {
      const TypeLayout& super = layouts.of(chain[d - 1]);
      const TypeLayout& sub = layouts.of(chain[d]);
      for (size_t i = 0; i < super.fields.size(); ++i) {
        ASSERT_EQ(sub.fields[i].offset, super.fields[i].offset);
        ASSERT_EQ(sub.fields[i].rep, super.fields[i].rep);
      }
      ASSERT_GE(sub.bytes, super.bytes);
    }
  }
}

TEST(Layouts, FieldsAreAlignedDisjointAndInsideTheObject) {
  ChoiceStream choices(uint64_t{6});
  for (int round = 0; round < 200; ++round) {
    TypeStore types;
    gc::LayoutTable table;
    Layouts layouts(types, table);
    const TypeId id = random_chain(types, choices).back();
    const TypeLayout& layout = layouts.of(id);
    std::vector<int> owner(layout.bytes, -1);
    size_t refs = 0;
    for (size_t i = 0; i < layout.fields.size(); ++i) {
      const uint32_t bytes = kFieldBytes[static_cast<size_t>(layout.fields[i].rep)];
      ASSERT_EQ(layout.fields[i].offset % std::min(bytes, 8u), 0u);
      ASSERT_GE(layout.fields[i].offset, gc::kHeaderBytes);
      for (uint32_t b = 0; b < bytes; ++b) {
        ASSERT_EQ(owner.at(layout.fields[i].offset + b), -1);
        owner[layout.fields[i].offset + b] = static_cast<int>(i);
      }
      if (layout.fields[i].rep == FieldRep::kRef) ++refs;
    }
    ASSERT_EQ(table.at(id.raw).ref_offsets.size(), refs);
    ASSERT_EQ(table.at(id.raw).bytes, layout.bytes);
    ASSERT_EQ(layout.bytes % gc::kObjectAlign, 0u);
  }
}

TEST(Layouts, ChargesFollowTheDeclaredSizes) {
  TypeStore types;
  gc::LayoutTable table;
  Layouts layouts(types, table);
  const TypeId pair =
      types.intern({SubType{.kind = wasm::CompositeKind::kStruct,
                            .fields = {{{wasm::kI32, Packed::kI8}}, {{wasm::kAnyRef}}, {{wasm::kV128}}}}});
  EXPECT_EQ(layouts.of(pair).charge, 16u + 1 + 8 + 16);
  const TypeId array = types.intern({SubType{.kind = wasm::CompositeKind::kArray, .fields = {{{wasm::kExternRef}}}}});
  EXPECT_EQ(layouts.of(array).element_charge, 8u);
  EXPECT_EQ(table.at(array.raw).element_bytes, 4u);
  EXPECT_TRUE(table.at(array.raw).elements_are_refs);
  const TypeId func = types.intern_func({wasm::kI32, wasm::kAnyRef}, {});
  EXPECT_EQ(layouts.of(func).charge, 16u + 4 + 8);
  EXPECT_EQ(layouts.of(func).fields[0].offset, gc::kExnTagOffset + 8);
}

TEST(Layouts, PlantedFaultLAY1MovesThePrefixOfSubtypesThatAddReferences) {
  ASSERT_TRUE(choose_fault("LAY1"));
  TypeStore types;
  gc::LayoutTable table;
  Layouts layouts(types, table);
  SubType type{.kind = wasm::CompositeKind::kStruct, .is_final = false, .fields = {{{wasm::kFuncRef}}}};
  const TypeId super = types.intern({type});
  type.has_super = true;
  type.super = super.raw;
  type.fields.push_back({{wasm::kAnyRef}});
  const TypeId sub = types.intern({type});
  EXPECT_NE(layouts.of(sub).fields[0].offset, layouts.of(super).fields[0].offset);
  g_fault = {};
}

}  // namespace
}  // namespace parallax::runtime
