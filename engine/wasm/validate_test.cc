// Rules about whole modules; those about instructions are in func_walk_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/builder.h"
#include "engine/wasm/features.h"
#include "engine/wasm/testing.h"

namespace parallax::wasm {
namespace {

using namespace testing;  // NOLINT: this unit's helpers
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Validate, GlobalsSeeTheGlobalsBeforeThem) {
  EXPECT_EQ(verdict("(global i32 (i32.const 1)) (global i32 (global.get 0))"), "");
  EXPECT_THAT(verdict("(global i32 (global.get 1)) (global i32 (i32.const 1))"), StartsWith("unknown global 1"));
  EXPECT_THAT(verdict("(global i32 (global.get 0))"), StartsWith("unknown global 0"));
  EXPECT_THAT(verdict("(global (mut i32) (i32.const 1)) (global i32 (global.get 0))"),
              StartsWith("constant expression required"));
}

TEST(Validate, TableInitialisersSeeImportedGlobalsOnly) {
  EXPECT_EQ(verdict("(import \"m\" \"g\" (global funcref)) (table 1 funcref (global.get 0))"), "");
  EXPECT_THAT(verdict("(global funcref (ref.null func)) (table 1 funcref (global.get 0))"),
              StartsWith("unknown global 0"));
  EXPECT_THAT(verdict("(table 1 (ref func))"), StartsWith("type mismatch"));
}

TEST(Validate, ConstantExpressionsAdmitWhatTheSpecificationLists) {
  EXPECT_EQ(
      verdict("(type $s (struct (field i32))) (global (ref $s) (struct.new $s (i32.mul (i32.const 2) (i32.const 3))))"),
      "");
  EXPECT_EQ(verdict("(type $a (array i8)) (global (ref $a) (array.new_fixed $a 1 (i32.const 3)))"), "");
  EXPECT_EQ(verdict("(global externref (extern.convert_any (ref.i31 (i32.const 3))))"), "");
  EXPECT_THAT(verdict("(global i32 (i32.div_u (i32.const 2) (i32.const 3)))"),
              StartsWith("constant expression required"));
  EXPECT_THAT(verdict("(global i32 (block (result i32) (i32.const 2)))"), StartsWith("constant expression required"));
  EXPECT_THAT(verdict("(func $f (result i32) i32.const 1) (global i32 (call $f))"),
              StartsWith("constant expression required"));
  EXPECT_THAT(verdict("(global i32 (i32.const 1) (i32.const 2))"), StartsWith("type mismatch"));
  EXPECT_THAT(verdict("(global i32)"), StartsWith("type mismatch"));
}

TEST(Validate, FunctionReferencesInBodiesMustBeDeclared) {
  EXPECT_THAT(verdict("(func $f) (func (drop (ref.func $f)))"), StartsWith("undeclared function reference"));
  EXPECT_EQ(verdict("(func $f) (func (drop (ref.func $f))) (elem declare func $f)"), "");
  EXPECT_EQ(verdict("(func $f) (func (drop (ref.func $f))) (export \"f\" (func $f))"), "");
  EXPECT_EQ(verdict("(func $f) (func (drop (ref.func $f))) (global funcref (ref.func $f))"), "");
  EXPECT_THAT(verdict("(func $f) (start $f) (func (drop (ref.func $f)))"), StartsWith("undeclared function reference"));
}

TEST(Validate, ModuleFieldsAreChecked) {
  EXPECT_THAT(verdict("(func) (export \"a\" (func 0)) (export \"a\" (func 0))"),
              StartsWith("duplicate export name \"a\""));
  EXPECT_THAT(verdict("(export \"a\" (memory 0))"), StartsWith("unknown memory 0"));
  EXPECT_THAT(verdict("(start 0) (func (param i32))"), StartsWith("start function"));
  EXPECT_THAT(verdict("(memory 65537)"), StartsWith("memory size"));
  EXPECT_THAT(verdict("(memory 2 1)"), StartsWith("size minimum must not be greater than maximum"));
  EXPECT_THAT(verdict("(tag (result i32))"), StartsWith("non-empty tag result type"));
  EXPECT_THAT(verdict("(table 1 externref) (func $f) (elem (i32.const 0) $f)"), StartsWith("type mismatch"));
  EXPECT_THAT(verdict("(memory 1) (data (i64.const 0))"), StartsWith("type mismatch"));
  EXPECT_THAT(verdict("(data (i32.const 0))"), StartsWith("unknown memory 0"));
  EXPECT_THAT(verdict("(elem func 3)"), StartsWith("unknown function 3"));
}

TEST(Validate, ErrorsPointToWhatIsWrong) {
  for (const char* source :
       {"(func) (export \"a\" (func 0)) (export \"a\" (func 0))", "(export \"a\" (memory 0))",
        "(start 0) (func (param i32))", "(memory 65537)", "(import \"m\" \"n\" (table 2 1 funcref))",
        "(tag (result i32))", "(table 1 (ref func))", "(table 1 externref) (func $f) (elem (i32.const 0) $f)",
        "(data (i32.const 0))", "(elem func 3)", "(global i32 (i64.const 0))", "(type (struct (field (ref 1))))",
        "(type (func)) (type (sub 0 (func)))", "(func (type 3))", "(func drop)"}) {
    const auto module = load_wat(source);
    ASSERT_FALSE(module.has_value()) << source;
    EXPECT_EQ(module.error().code, ErrorCode::kInvalid) << source;
    EXPECT_GE(module.error().offset, 10u) << source << ": " << module.error().message;
  }
  // The second export of a name is the wrong one.
  const std::vector<uint8_t> bytes = wat("(func) (export \"a\" (func 0)) (export \"a\" (func 0))");
  EXPECT_THAT(verdict_of(bytes), HasSubstr("invalid at 0x19: duplicate export name"));
}

TEST(Validate, DataSegmentsInCodeNeedTheirCount) {
  ModuleBuilder m;
  CodeWriter code;
  m.add_func(m.add_func_type({}, {}), {}, code.op(Opcode::DataDrop, 0u).end());
  m.add_data({.mode = SegmentMode::kPassive});
  EXPECT_EQ(verdict_of(m.encode()), "");
  m.set_data_count(false);
  EXPECT_THAT(verdict_of(m.encode()), HasSubstr("malformed at 0x17: data count section required"));
}

TEST(Validate, CodeEndsWithItsLastEnd) {
  ModuleBuilder m;
  const TypeIndex type = m.add_func_type({}, {});
  m.add_func(type, {}, {});
  EXPECT_THAT(verdict_of(m.encode()), HasSubstr("unexpected end"));
  m.set_body(FuncIndex(0), {}, {0x0b, 0x01});
  EXPECT_THAT(verdict_of(m.encode()), HasSubstr("section size mismatch"));
}

// Switching a feature off rejects exactly the module that needs it.
TEST(Validate, EveryFeatureCanBeSwitchedOff) {
  const struct {
    Feature feature;
    const char* source;
  } kCases[] = {
      {Feature::kSignExtension, "(func (drop (i32.extend8_s (i32.const 1))))"},
      {Feature::kSaturatingTruncation, "(func (drop (i32.trunc_sat_f32_s (f32.const 1))))"},
      {Feature::kMultiValue, "(func (result i32 i32) i32.const 1 i32.const 2)"},
      {Feature::kReferenceTypes, "(func (drop (ref.null func)))"},
      {Feature::kBulkMemory, "(memory 1) (func (memory.fill (i32.const 1) (i32.const 1) (i32.const 1)))"},
      {Feature::kSimd, "(func (param v128))"},
      {Feature::kRelaxedSimd, "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))"},
      {Feature::kTailCall, "(func return_call 0)"},
      {Feature::kTypedFuncRefs, "(type (func)) (func (param (ref null 0)))"},
      {Feature::kGc, "(type (struct))"},
      {Feature::kExceptions, "(tag)"},
      {Feature::kMemory64, "(memory i64 1)"},
      {Feature::kMultiMemory, "(memory 1) (memory 1)"},
      {Feature::kExtendedConst, "(global i32 (i32.add (i32.const 1) (i32.const 1)))"},
      {Feature::kLegacyExceptions, "(func try end)"},
  };
  for (const auto& [feature, source] : kCases) {
    Features features = all_features();
    EXPECT_EQ(verdict(source, features), "") << to_string(feature);
    features.set(feature, false);
    EXPECT_NE(verdict(source, features), "") << to_string(feature);
  }
}

}  // namespace
}  // namespace parallax::wasm
