#include <gtest/gtest.h>

#include "engine/wasm/builder.h"
#include "engine/wasm/module.h"

namespace parallax::wasm {
namespace {

TEST(Decode, TheEmptyModuleIsValid) {
  EXPECT_TRUE(load(ModuleBuilder().encode(), std::make_shared<TypeStore>()).has_value());
}

TEST(Decode, AFunctionOfTheBuilderLoads) {
  ModuleBuilder m;
  const TypeIndex t = m.add_func_type({kI32}, {kI32});
  CodeWriter code;
  code.local_get(0).i32_const(1).op(Opcode::I32Add).end();
  const FuncIndex f = m.add_func(t, {}, code);
  m.add_export("inc", ExternKind::kFunc, f.raw);
  const auto loaded = load(m.encode(), std::make_shared<TypeStore>());
  ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
  EXPECT_EQ(loaded->find_export("inc")->index, 0u);
}

}  // namespace
}  // namespace parallax::wasm
