// Edits of expressions and coordinated edits: the module is valid afterwards and says what it should.
#include "engine/wasm/edit/entities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/testing.h"
#include "engine/wasm/text/print.h"

namespace parallax::wasm::edit {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::wat;

Module lifted(const char* source) {
  auto m = lift(wat(source));
  EXPECT_TRUE(m) << m.error().to_string();
  return m ? std::move(*m) : Module();
}

// The module as text; a failure when it does not encode or is not valid.
std::string text_of(const Module& m) {
  const auto bytes = encode(m);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().to_string();
    return "";
  }
  EXPECT_EQ(testing::verdict_of(*bytes), "");
  return text::print_binary(*bytes).value_or("?");
}

NodeId find(const Code& code, Opcode op) {
  NodeId found;
  for_each_node(code, [&](NodeId id, NodeId) {
    if (code[id].op() == op && found == kFuncLabel) found = id;
  });
  EXPECT_NE(found, kFuncLabel);
  return found;
}

constexpr const char* kPoints = R"((module
  (type $point (sub (struct (field i32) (field (mut i64)))))
  (type $point3 (sub $point (struct (field i32) (field (mut i64)) (field f32))))
  (func $effect (result i32) (i32.const 1))
  (func (export "f") (result i32) (local $p (ref null $point3))
    (local.set $p (struct.new $point3 (call $effect) (i64.const 2) (f32.const 3)))
    (struct.set $point 1 (local.get $p) (i64.const 5))
    (drop (struct.get $point3 2 (local.get $p)))
    (struct.get $point 0 (local.get $p)))))";

TEST(EditFields, ARemovedFieldGoesFromRelatedTypesAndAllUses) {
  Module m = lifted(kPoints);
  ASSERT_TRUE(remove_field(m, 0, 0));
  const std::string text = text_of(m);
  EXPECT_THAT(text, HasSubstr("call 0"));  // the operand's effect stays
  EXPECT_THAT(text, HasSubstr("struct.get 1 1"));
  EXPECT_THAT(text, HasSubstr("struct.set 0 0"));
  EXPECT_EQ(m.types[1].def.fields.size(), 2u);
}

TEST(EditFields, TheLastFieldOfASubtypeLeavesTheSupertypeAlone) {
  Module m = lifted(kPoints);
  ASSERT_TRUE(remove_field(m, 1, 2));
  text_of(m);
  EXPECT_EQ(m.types[0].def.fields.size(), 2u);
  EXPECT_EQ(m.types[1].def.fields.size(), 2u);
}

TEST(EditFields, AllFieldsMayGo) {
  Module m = lifted(kPoints);
  while (!m.types[0].def.fields.empty()) ASSERT_TRUE(remove_field(m, 0, 0));
  ASSERT_TRUE(remove_field(m, 1, 0));
  EXPECT_THAT(text_of(m), HasSubstr("struct.new_default"));
}

TEST(EditFields, AFieldsTypeChangesWithItsUses) {
  Module m = lifted(kPoints);
  FieldType to = m.types[0].def.fields[1];
  to.storage.unpacked = kI32;
  ASSERT_TRUE(set_field_type(m, 0, 1, to, Uses::kNeutralise));
  EXPECT_THAT(text_of(m), Not(HasSubstr("i64")));
}

TEST(EditFields, AnArraysElementTypeChangesWithItsUses) {
  Module m = lifted(R"((module (type $a (array (mut i64)))
    (func (param (ref $a)) (result i64) (array.set $a (local.get 0) (i32.const 0) (i64.const 3))
      (drop (array.new $a (i64.const 1) (i32.const 2)))
      (array.get $a (array.new_fixed $a 2 (i64.const 1) (i64.const 2)) (i32.const 0)))))");
  FieldType to = m.types[0].def.fields[0];
  to.storage.unpacked = kF32;
  ASSERT_TRUE(set_field_type(m, 0, 0, to, Uses::kNeutralise));
  EXPECT_THAT(text_of(m), HasSubstr("f32.const 0"));
}

TEST(EditFuncs, ARemovedParameterTakesAllArgumentsAlong) {
  Module m = lifted(R"((module (func $effect (result i64) (i64.const 1))
    (func $f (param i32 i64 f32) (result i32) (local i32) (drop (local.get 1)) (local.set 3 (local.get 0)) (local.get 3))
    (func (export "g") (result i32) (call $f (i32.const 1) (call $effect) (f32.const 2)))))");
  ASSERT_TRUE(remove_param(m, 1, 1));
  const std::string text = text_of(m);
  EXPECT_THAT(text, HasSubstr("(param i32 f32)"));
  EXPECT_THAT(text, HasSubstr("local.get 2"));
}

TEST(EditFuncs, ARemovedResultBecomesADefaultForCallers) {
  Module m = lifted(
      R"((module (func $f (param i32) (result i32) (if (local.get 0) (then (return (i32.const 4)))) (i32.const 5))
    (func (export "g") (result i32) (i32.add (call $f (i32.const 1)) (i32.const 2)))))");
  ASSERT_TRUE(remove_result(m, 0, 0));
  EXPECT_THAT(text_of(m), HasSubstr("i32.const 0"));
}

TEST(EditFuncs, AResultBelowOthersMayGo) {
  for (uint32_t result = 0; result < 3; ++result) {
    Module m = lifted(R"((module (type $s (struct)) (import "a" "b" (func $i (result i32 (ref $s) i64)))
      (func $f (result i32 (ref $s) i64) (call $i) (drop) (drop) (if (then (return (i32.const 1) (struct.new $s) (i64.const 2))))
        (i32.const 3) (struct.new $s) (i64.const 4))
      (func (export "g") (result i64) (local i64) (call $f) (local.set 0) (drop) (drop) (local.get 0))))");
    ASSERT_TRUE(remove_result(m, 1, result));
    ASSERT_TRUE(remove_result(m, 0, result));
    text_of(m);
  }
}

TEST(EditFuncs, AResultThatIsDroppedGoesWithItsDrop) {
  Module m = lifted(R"((module (import "a" "b" (func $i (result i32 f32 i64)))
    (func (export "g") (result i64) (local i64) (call $i) (local.set 0) (drop) (i32.eqz) (drop) (local.get 0))))");
  ASSERT_TRUE(remove_result(m, 0, 1));
  const std::string text = text_of(m);
  EXPECT_THAT(text, HasSubstr("(result i32 i64)"));
  EXPECT_THAT(text, Not(HasSubstr("f32.const")));
  EXPECT_EQ(m.funcs[1].locals.size(), 1u);
}

TEST(EditNodes, ConsumersAreFound) {
  const Module m = lifted(R"((module (func $two (result i32 i32) (i32.const 1) (i32.const 2))
    (func (result i32) (call $two) (block (param i32) (drop)) (i32.eqz))))");
  const Code& code = *m.funcs[1].code;
  const NodeId call = find(code, Opcode::Call);
  EXPECT_EQ(consumer_of(code, call, 0), find(code, Opcode::I32Eqz));
  EXPECT_EQ(consumer_of(code, call, 1), find(code, Opcode::Block));
}

TEST(EditFuncs, ATailCallBecomesTheCalleesCodeEvenIfThatReturnsEarly) {
  Module m = lifted(
      R"((module (func $f (param i32) (result i32) (if (local.get 0) (then (return (i32.const 7)))) (i32.const 1))
    (func (export "g") (result i32) (return_call $f (i32.const 1)))))");
  ASSERT_TRUE(inline_call(m, 1, find(*m.funcs[1].code, Opcode::ReturnCall)));
  EXPECT_THAT(text_of(m), HasSubstr("i32.const 7"));
}

TEST(EditFuncs, ACallBecomesTheCalleesCode) {
  Module m = lifted(R"((module (func $f (param i32 i32) (result i32) (local i32)
      (block $b (br_if $b (local.get 0))) (i32.sub (local.get 0) (local.get 1)))
    (func (export "g") (result i32) (local i64) (block (call $f (i32.const 1) (i32.const 2)) (drop)) (i32.const 3))))");
  const NodeId call = find(*m.funcs[1].code, Opcode::Call);
  ASSERT_TRUE(inline_call(m, 1, call));
  const std::string text = text_of(m);
  EXPECT_THAT(text, HasSubstr("local.set 2"));
  EXPECT_THAT(text, HasSubstr("local.set 1"));
}

TEST(EditFuncs, CalleesThatReturnEarlyAreNotInlined) {
  Module m = lifted(R"((module (func $f (return)) (func (export "g") (call $f))))");
  EXPECT_FALSE(inline_call(m, 1, find(*m.funcs[1].code, Opcode::Call)));
}

TEST(EditFuncs, RemovedLocalsBecomeDefaults) {
  Module m = lifted(R"((module (func (result i32) (local i64 i32) (local.set 0 (i64.const 1))
    (local.set 1 (local.tee 1 (i32.const 6))) (drop (local.get 0)) (local.get 1))))");
  ASSERT_TRUE(remove_local(m, 0, 0));
  EXPECT_THAT(text_of(m), HasSubstr("local.tee 0"));
  ASSERT_TRUE(remove_local(m, 0, 0));
  EXPECT_THAT(text_of(m), Not(HasSubstr("local")));
}

TEST(EditFuncs, ImportsBecomeDefinitions) {
  Module m = lifted(R"((module (import "a" "b" (func $i (result i64 (ref any)))) (import "a" "c" (global $g (ref i31)))
    (func (export "f") (call $i) (drop) (drop) (drop (global.get $g)))))");
  ASSERT_TRUE(define_imported_func(m, 0));
  ASSERT_TRUE(define_imported_global(m, 0));
  EXPECT_THAT(text_of(m), Not(HasSubstr("import")));
}

TEST(EditEntities, WhatNamesARemovedThingBecomesNeutral) {
  const char* source = R"((module (memory 1) (table 1 funcref) (global $g (mut i32) (i32.const 1)) (tag $t (param i32))
    (elem $e (table 0) (i32.const 0) func $f) (data $d "abc")
    (func $f (result i32) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (global.set $g (i32.const 2))
      (table.init $e (i32.const 0) (i32.const 0) (i32.const 0)) (i32.store (i32.const 0) (i32.const 1))
      (if (i32.const 0) (then (throw $t (i32.const 1))))
      (i32.add (global.get $g) (table.size 0)))))";
  for (const auto& remove :
       {+[](Module& m) { return remove_memory(m, 0); }, +[](Module& m) { return remove_table(m, 0); },
        +[](Module& m) { return remove_global(m, 0); }, +[](Module& m) { return remove_tag(m, 0); },
        +[](Module& m) { return remove_elem(m, 0); }, +[](Module& m) { return remove_data(m, 0); }}) {
    Module m = lifted(source);
    EXPECT_TRUE(remove(m));
    text_of(m);
  }
}

TEST(EditEntities, EqualGroupsStayEqual) {
  Module m = lifted(R"((module
    (rec (type $a (sub (struct (field (ref null $b))))) (type $b (struct (field i32))))
    (rec (type $c (sub (struct (field (ref null $d))))) (type $d (struct (field i32))))
    (rec (type $e (struct)) (type $f (array i8)))
    (rec (type $g (struct)) (type $h (array i8)))
    (func (export "f") (result (ref $e)) (local (ref null $h)) (struct.new $g))
    (func (export "g") (result (ref null $a)) (struct.new_default $c))))");
  remove_unused(m, Imports::kRemove);
  text_of(m);
}

TEST(EditEntities, LocalsOfNoParameterAreForValidation) {
  Module m = lifted(R"((module (func $f (export "f") (param i32) (result i32) (local i32) (local.get 1))))");
  m.funcs[0].type = m.add_func_type({}, {kI32});
  m.funcs[0].locals.clear();
  EXPECT_FALSE(remove_unused_locals(m, 0));
}

TEST(EditEntities, UnusedThingsGo) {
  Module m = lifted(R"((module (type (struct)) (type $t (func)) (memory 1) (global i32 (i32.const 1)) (tag (param i32))
    (table 1 funcref) (elem (i32.const 0) func $a) (func $a) (func $b (export "b") (call $c)) (func $c)))");
  EXPECT_TRUE(remove_unused(m, Imports::kRemove));
  const std::string text = text_of(m);
  EXPECT_THAT(text, Not(HasSubstr("memory")));
  EXPECT_THAT(text, Not(HasSubstr("struct")));
  EXPECT_TRUE(m.funcs[1].alive && m.funcs[2].alive);
  EXPECT_FALSE(m.funcs[0].alive);
  EXPECT_FALSE(remove_unused(m, Imports::kRemove));
}

TEST(EditTypes, GroupsFallApartAndTypesMerge) {
  Module m = lifted(R"((module (rec (type $a (struct (field i32))) (type $b (struct (field i32))))
    (func (export "f") (drop (struct.new_default $a)) (drop (struct.new_default $b)))))");
  ASSERT_TRUE(split_group(m, 0));
  EXPECT_THAT(text_of(m), Not(HasSubstr("(rec")));
  ASSERT_TRUE(merge_types(m, 1, 0));
  EXPECT_THAT(text_of(m), Not(HasSubstr("struct.new_default 1")));
}

TEST(EditNodes, SubtypingByDeclarationAndKind) {
  const Module m = lifted(kPoints);
  const HeapType point = HeapType::concrete(0), point3 = HeapType::concrete(1), func = HeapType::concrete(2);
  EXPECT_TRUE(matches(m, point3, point));
  EXPECT_FALSE(matches(m, point, point3));
  EXPECT_TRUE(matches(m, point, HeapKind::kEq));
  EXPECT_TRUE(matches(m, point, HeapKind::kStruct));
  EXPECT_FALSE(matches(m, point, HeapKind::kArray));
  EXPECT_TRUE(matches(m, HeapKind::kNone, point3));
  EXPECT_FALSE(matches(m, HeapKind::kNoFunc, point3));
  EXPECT_TRUE(matches(m, func, HeapKind::kFunc));
  EXPECT_FALSE(matches(m, func, HeapKind::kAny));
  EXPECT_TRUE(matches(m, ValType::ref(point, false), ValType::ref(point, true)));
  EXPECT_FALSE(matches(m, ValType::ref(point, true), ValType::ref(point, false)));
}

TEST(EditNodes, DefaultsOfEveryTypeAreValid) {
  Module m = lifted(R"((module (type $f (func)) (type $t (struct)) (type $s (struct (field (ref $t)) (field (ref $f))))
    (type $a (array (ref $s))) (elem declare func $g) (func $g (type $f))
    (func (param i32 i64 f32 f64 v128 (ref $s) (ref $a) (ref any) (ref eq) (ref i31) (ref extern) (ref struct) anyref
      (ref null $s) externref funcref (ref $f) exnref))))");
  for (const ValType type : m.type_of(m.funcs[1]).params) {
    Code code;
    const auto made = make_default(m, code, type);
    ASSERT_TRUE(made) << to_string(type);
    code.body = {make_drop(code, *made)};
    Module copy = m;
    copy.funcs[1].code = Cow<Code>(std::move(code));
    text_of(copy);
  }
}

TEST(EditNodes, ArmsTakeTheirConstructsPlace) {
  Module m = lifted(R"((module (func (param i32) (result i32)
    (block $b (if $i (result i32) (local.get 0) (then (br_if $b (i32.const 1)) (i32.const 2)) (else (i32.const 3))) (return))
    (i32.const 4))))");
  Module whole = m;
  Code& code = m.funcs[0].code.mut();
  ASSERT_TRUE(unwrap(code, find(code, Opcode::If), 1));
  EXPECT_THAT(text_of(m), Not(HasSubstr("if")));
  Code& other = whole.funcs[0].code.mut();
  ASSERT_TRUE(become_block(other, find(other, Opcode::If), 0));
  EXPECT_THAT(text_of(whole), HasSubstr("br_if 1"));
}

TEST(EditNodes, DeadCodeGoesWithWhatWouldTakeItsValue) {
  Module m = lifted(R"((module (memory 1) (func (result i32)
    (i32.store (i32.const 1) (i32.add (unreachable) (i32.const 2))) (drop (i32.const 7)) (i32.const 9))))");
  ASSERT_TRUE(strip_dead_code(m.funcs[0].code.mut()));
  const std::string text = text_of(m);
  EXPECT_THAT(text, Not(HasSubstr("i32.store")));
  EXPECT_THAT(text, Not(HasSubstr("i32.const 7")));
}

TEST(EditNodes, UsesAreFound) {
  Module m = lifted(kPoints);
  EXPECT_EQ(uses_of(m, Space::kType, 0).size(), 2u);
  EXPECT_EQ(uses_of(m, Space::kType, 0, 1).size(), 1u);
  EXPECT_EQ(uses_of(m, Space::kFunc, 0).size(), 1u);
}

}  // namespace
}  // namespace parallax::wasm::edit
