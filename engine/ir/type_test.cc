// Join and meet.
#include "engine/ir/type.h"

#include <gtest/gtest.h>

#include "engine/ir/test_module.h"

namespace parallax::ir {
namespace {

using wasm::HeapKind;
using wasm::HeapType;

const wasm::TypeStore& store() { return *test_module().store; }
HeapType concrete(uint32_t index) { return HeapType::concrete(test_module().type_ids[index]); }

std::vector<Type> some_types() {
  std::vector<Type> types = {kNone, wasm::kI32, wasm::kI64, wasm::kF32, wasm::kF64};
  for (const bool nullable : {false, true}) {
    for (uint8_t kind = 0; kind < static_cast<uint8_t>(HeapKind::kConcrete); ++kind) {
      types.push_back(Type::ref(static_cast<HeapKind>(kind), nullable));
    }
    for (uint32_t type = 0; type < test_module().types.size(); ++type)
      types.push_back(Type::ref(concrete(type), nullable));
  }
  return types;
}

TEST(Types, JoinIsTheLeastTypeThatBothMatch) {
  const auto types = some_types();
  for (const Type a : types) {
    for (const Type b : types) {
      const Type least = join(store(), a, b);
      EXPECT_EQ(least, join(store(), b, a));
      if (least == kNone) continue;
      EXPECT_TRUE(store().matches(a, least) && store().matches(b, least)) << to_string(a) << " " << to_string(b);
      for (const Type c : types) {
        if (c == kNone || !store().matches(a, c) || !store().matches(b, c)) continue;
        EXPECT_TRUE(store().matches(least, c)) << to_string(a) << " " << to_string(b) << " -> " << to_string(least);
      }
    }
  }
}

TEST(Types, MeetIsTheGreatestTypeThatMatchesBoth) {
  const auto types = some_types();
  for (const Type a : types) {
    for (const Type b : types) {
      if (!a.is_ref() || !b.is_ref() || store().hierarchy(a.heap()) != store().hierarchy(b.heap())) continue;
      const Type greatest = meet(store(), a, b);
      EXPECT_TRUE(store().matches(greatest, a) && store().matches(greatest, b)) << to_string(a) << " " << to_string(b);
      for (const Type c : types) {
        if (c == kNone || !store().matches(c, a) || !store().matches(c, b)) continue;
        EXPECT_TRUE(store().matches(c, greatest))
            << to_string(a) << " " << to_string(b) << " -> " << to_string(greatest);
      }
    }
  }
}

TEST(Types, OnlyReferencesOutsideTheFunctionHierarchyAreTraced) {
  EXPECT_TRUE(is_traced(rep_of(store(), wasm::kAnyRef)));
  EXPECT_TRUE(is_traced(rep_of(store(), wasm::kExternRef)));
  EXPECT_TRUE(is_traced(rep_of(store(), wasm::kExnRef)));
  EXPECT_TRUE(is_traced(rep_of(store(), Type::ref(concrete(0), false))));
  EXPECT_FALSE(is_traced(rep_of(store(), wasm::kFuncRef)));
  EXPECT_FALSE(is_traced(rep_of(store(), Type::ref(concrete(3), false))));
  EXPECT_FALSE(is_traced(rep_of(store(), wasm::kI64)));
}

}  // namespace
}  // namespace parallax::ir
