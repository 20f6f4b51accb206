// Print and parse.   [I5]
#include "engine/ir/text.h"

#include <gtest/gtest.h>

#include "engine/ir/builder.h"
#include "engine/ir/test_module.h"

namespace parallax::ir {
namespace {

TEST(Text, ParsingWhatWasPrintedGivesTheSameText) {
  Func func;
  func.reset(test_module(), wasm::FuncIndex(5));
  Builder b(func);
  b.set_block(func.add_block());
  const ValueId x = func.add_param(b.block(), wasm::kAnyRef);
  func.add_param(b.block(), wasm::kAnyRef);
  b.set_offset(0x21);
  b.budget();
  const BlockId yes = func.add_block();
  const BlockId no = func.add_block();
  const ValueId test = b.ref_test(x, Type::ref(wasm::HeapKind::kI31, false));
  b.branch(test, yes, no);
  b.set_block(yes);
  const ValueId narrowed = b.refine(x, test, true);
  b.ret(std::span(&narrowed, 1));
  b.set_block(no);
  b.trap(wasm::TrapKind::kUnreachable);

  const std::string text = print(func);
  EXPECT_EQ(text,
            "func 5 {\n"
            "b0(v0: anyref, v1: anyref):\n"
            "  budget @33\n"
            "  v2: i32 = ref_test type=(ref i31) v0 @33\n"
            "  branch v2 -> b1 b2 @33\n"
            "b1:\n"
            "  v3: (ref i31) = refine sense=0x1 v0, v2 @33\n"
            "  return v3 @33\n"
            "b2:\n"
            "  trap trap=0 @33\n"
            "}\n");
  EXPECT_EQ(print(func_of(text)), text);
}

TEST(Text, IdsAreKeptEvenWithHoles) {
  const std::string text =
      "func 1 poll maps {\n  homes 1\nb0(v3: i32):\n  budget @1 map[]\n  jump v3 -> b9 @2\nb9(v5: i32) loop:\n"
      "  budget @3 map[]\n  v7: anyref = global_get @4\n  home_store s0 v7 @4\n  v8: i32 = const imm=0x7 @5\n"
      "  jump v8 -> b9 @6\n}\n";
  EXPECT_EQ(print(func_of(text)), text);
}

TEST(Text, ErrorsNameThePlace) {
  Func func;
  const auto missing = parse("func 1 {\nb0(v0: i32):\n  frobnicate @1\n}", test_module(), func);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kSyntax);
  EXPECT_EQ(missing.error().message, "expected an operation");
  EXPECT_FALSE(parse("func 99 {\n}", test_module(), func).has_value());
  EXPECT_FALSE(parse("func 1 {\nb0(v0: i32):\n  return v4 @1\n}", test_module(), func).has_value());
  EXPECT_FALSE(parse("func 1 {\nb0(v0: i32, v0: i32):\n  return v0 @1\n}", test_module(), func).has_value());
}

TEST(Text, EveryCutOfATextIsAnErrorNotACrash) {
  const std::string text =
      "func 1 maps {\n  homes 1\nb0(v3: i32):\n  budget @1 map[]\n  v7: (ref null 1) = ref_null @4\n"
      "  home_store s0 v7 @4\n  jump v3 -> b9 @2\nb9(v5: i32):\n  return v5 @6\n}";
  Func func;
  ASSERT_TRUE(parse(text, test_module(), func).has_value());
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(parse(text.substr(0, length), test_module(), func).has_value()) << length;
  }
}

}  // namespace
}  // namespace parallax::ir
