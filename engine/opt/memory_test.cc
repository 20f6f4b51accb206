// Passes over memory: loads, stores, loop-invariant code motion.
#include <gtest/gtest.h>

#include "engine/opt/test_passes.h"

namespace parallax::opt {
namespace {

// Types: 0 $s struct {mut i32}, 1 $t sub $s {mut i32, mut anyref}, 2 $a array mut i32, 3 $p packed struct, 4 $c constant
// struct, 5 $u another struct like $s; functions 0 void, 1 (i32) -> i32, 2 ((ref 0), (ref 1)) -> i32,
// 3 ((ref 2), i32) -> i32, 4 ((ref 0), (ref 5)) -> i32, 5 (ref 3) -> i32, 6 (ref 4) -> i32, 7 (i32, i32) -> i32.
const wasm::Module& module() {
  static const wasm::Module module = ir::module_of(R"(
    (type $s (sub (struct (field (mut i32)))))
    (type $t (sub $s (struct (field (mut i32)) (field (mut anyref)))))
    (type $a (array (mut i32)))
    (type $p (struct (field (mut i8)) (field (mut i16))))
    (type $c (struct (field i32) (field (mut i32))))
    (type $u (sub (struct (field (mut i32)) (field (mut i32)))))
    (func $void)
    (func (param i32) (result i32) local.get 0)
    (func (param (ref $s) (ref $t)) (result i32) i32.const 0)
    (func (param (ref $a) i32) (result i32) i32.const 0)
    (func (param (ref $s) (ref $u)) (result i32) i32.const 0)
    (func (param (ref $p)) (result i32) i32.const 0)
    (func (param (ref $c)) (result i32) i32.const 0)
    (func (param i32 i32) (result i32) i32.const 0)
    (global $g (mut i32) (i32.const 0))
    (table $x 4 anyref)
    (memory 1))");
  return module;
}

std::string optimised(const std::string& text, Level level = Level::kO2) {
  return ir::print(optimised_func(text, module(), level));
}

// Whether `first` stands before `second`.
bool ordered(const std::string& text, const std::string& first, const std::string& second) {
  return text.find(first) < text.find(second);
}

// --- Loads -----------------------------------------------------------------------------------------------------------

std::string two_objects(const std::string& between) {
  return "func 2 {\nb0(v0: (ref 0), v1: (ref 1)):\n budget @1\n v2: i32 = const imm=0x7 @1\n"
         " v3: i32 = struct_get opcode=struct.get v0 @2\n" +
         between +
         " v4: i32 = struct_get opcode=struct.get v0 @4\n v5: i32 = compute opcode=i32.xor v3, v4 @5\n return v5 @6\n}";
}

TEST(Loads, AFieldReadAgainIsKnown) {
  EXPECT_TRUE(contains(optimised(two_objects("")), "const @"));  // x xor x
}

TEST(Loads, AStoreThroughASubtypeMayBeToTheSameObject) {
  const std::string text = two_objects(" struct_set a=1 v1, v2 @3\n");
  EXPECT_EQ(count(optimised(text), "struct_get"), 2u);
  WithFault with("LOAD1");
  EXPECT_EQ(count(optimised(text), "struct_get"), 0u);
  EXPECT_GT(g_fault.infected, 0u);
}

TEST(Loads, UnrelatedTypesHaveNoCommonObjects) {
  const std::string text = optimised(
      "func 4 {\nb0(v0: (ref 0), v1: (ref 5)):\n budget @1\n v2: i32 = const imm=0x7 @1\n"
      " v3: i32 = struct_get opcode=struct.get v0 @2\n struct_set a=5 v1, v2 @3\n"
      " v4: i32 = struct_get opcode=struct.get v0 @4\n v5: i32 = compute opcode=i32.add v3, v4 @5\n return v5 @6\n}");
  EXPECT_EQ(count(text, "struct_get"), 1u) << text;
}

TEST(Loads, ACallForgetsUnlessTheObjectStaysHere) {
  EXPECT_EQ(count(optimised(two_objects(" call @3\n")), "struct_get"), 2u);
  const std::string fresh =
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 0) = struct_alloc @2\n struct_set v1, v0 @3\n call @4\n"
      " v2: i32 = struct_get opcode=struct.get v1 @5\n return v2 @6\n}";
  EXPECT_TRUE(contains(optimised(fresh), "return v0"));
}

TEST(Loads, AnAllocationIsNoneOfTheOlderObjects) {
  const std::string text = optimised(two_objects(
      " v9: (ref 0) = struct_alloc @3\n struct_set v9, v2 @3\n table_set v2, v9 @3\n struct_set v9, v3 @3\n"));
  EXPECT_EQ(count(text, "struct_get"), 1u) << text;
}

TEST(Loads, DefaultsOfANewObjectAreZero) {
  const std::string text = optimised(
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 1) = struct_alloc a=1 @2\n"
      " v2: i32 = struct_get opcode=struct.get a=1 v1 @3\n return v2 @4\n}");
  EXPECT_FALSE(contains(text, "struct_get")) << text;
}

TEST(Loads, WhatBothWaysKnowIsKnownBehindThem) {
  const std::string text = optimised(
      "func 7 {\nb0(v0: i32, v1: i32):\n budget @1\n branch v0 -> b1 b2 @2\n"
      "b1:\n global_set v1 @3\n jump -> b3 @3\nb2:\n global_set v1 @4\n jump -> b3 @4\n"
      "b3:\n v2: i32 = global_get @5\n return v2 @6\n}");
  EXPECT_TRUE(contains(text, "return v1")) << text;
  const std::string one_way = optimised(
      "func 7 {\nb0(v0: i32, v1: i32):\n budget @1\n branch v0 -> b1 b2 @2\n"
      "b1:\n global_set v1 @3\n jump -> b3 @3\nb2:\n jump -> b3 @4\n"
      "b3:\n v2: i32 = global_get @5\n return v2 @6\n}");
  EXPECT_TRUE(contains(one_way, "global_get")) << one_way;
}

std::string loop_that(const std::string& does) {
  return "func 7 {\nb0(v0: i32, v1: i32):\n budget @1\n global_set v1 @2\n jump -> b1 @2\n"
         "b1:\n budget @3\n v2: i32 = global_get @4\n" +
         does + " branch v2 -> b1 b2 @5\nb2:\n return v2 @6\n}";
}

TEST(Loads, GoIntoLoopsThatDoNotWrite) {
  EXPECT_FALSE(contains(optimised(loop_that("")), "global_get"));
  EXPECT_TRUE(contains(optimised(loop_that(" global_set v0 @4\n")), "global_get"));
  EXPECT_TRUE(contains(optimised(loop_that(" call @4\n")), "global_get"));
}

std::string packed(const std::string& opcode, int field) {
  return optimised("func 5 {\nb0(v0: (ref 3)):\n budget @1\n v1: i32 = const imm=0xfff0 @2\n struct_set a=3 b=" +
                   std::to_string(field) + " v0, v1 @3\n v2: i32 = struct_get opcode=" + opcode +
                   " a=3 b=" + std::to_string(field) + " v0 @4\n return v2 @5\n}");
}

TEST(Loads, WhatANarrowPlaceHoldsIsTheValueCutDown) {
  EXPECT_TRUE(contains(packed("struct.get_u", 0), "const imm=0xf0 "));
  EXPECT_TRUE(contains(packed("struct.get_s", 0), "const imm=0xfffffff0 "));
  EXPECT_TRUE(contains(packed("struct.get_u", 1), "const imm=0xfff0 "));
  EXPECT_TRUE(contains(packed("struct.get_s", 1), "const imm=0xfffffff0 "));
}

std::string memory(const std::string& second) {
  return optimised("func 7 {\nb0(v0: i32, v1: i32):\n budget @1\n mem_store opcode=i32.store imm=0x8 v0, v1 @2\n" +
                   second + " v9: i32 = mem_load opcode=i32.load imm=0x8 v0 @4\n return v9 @5\n}");
}

TEST(Loads, BytesOfMemoryAreToldApartByConstantDistances) {
  EXPECT_TRUE(contains(memory(""), "return v1"));
  EXPECT_TRUE(contains(memory(" mem_store opcode=i32.store imm=0xc v0, v1 @3\n"), "return v1"));
  EXPECT_TRUE(contains(memory(" mem_store opcode=i32.store imm=0x4 v0, v1 @3\n"), "return v1"));
  EXPECT_TRUE(contains(memory(" mem_store opcode=i32.store imm=0x5 v0, v1 @3\n"), "mem_load"));
  EXPECT_TRUE(contains(memory(" mem_store opcode=i32.store8 imm=0xb v0, v1 @3\n"), "mem_load"));
  EXPECT_TRUE(contains(memory(" mem_store opcode=i32.store8 imm=0xc v0, v1 @3\n"), "return v1"));
  EXPECT_TRUE(contains(memory(" mem_store opcode=i32.store v1, v1 @3\n"), "mem_load"));
  const std::string minus_four = " v5: i32 = const imm=0xfffffffc @3\n v6: i32 = compute opcode=i32.add v0, v5 @3\n";
  EXPECT_TRUE(contains(memory(minus_four + " mem_store opcode=i32.store imm=0x8 v6, v1 @3\n"), "return v1"));
  EXPECT_TRUE(contains(memory(minus_four + " mem_store opcode=i32.store imm=0xc v6, v1 @3\n"), "mem_load"));
}

TEST(Loads, AStoreOfWhatIsThereGoes) {
  const std::string text = optimised(two_objects(" struct_set v0, v3 @3\n"));
  EXPECT_FALSE(contains(text, "struct_set")) << text;
}

// while (...) { v3 = place; place = v3 + v1 }
TEST(Loads, WhatEveryWayBackKnowsIsCarriedAroundTheLoop) {
  const std::string text = optimised(
      "func 7 {\nb0(v0: i32, v1: i32):\n budget @1\n jump v0 -> b1 @1\nb1(v2: i32):\n budget @2\n"
      " v3: i32 = global_get @3\n v4: i32 = compute opcode=i32.add v3, v1 @3\n global_set v4 @3\n"
      " v5: i32 = compute opcode=i32.sub v2, v1 @4\n branch v5 -> b2 b3 @4\nb2:\n jump v5 -> b1 @5\nb3:\n return v4 "
      "@6\n}");
  EXPECT_EQ(count(text, "global_get"), 1u) << text;
  EXPECT_TRUE(ordered(text, "global_get", "b1(")) << text;
  EXPECT_TRUE(ordered(text, "b1(", "global_set")) << text;
}

TEST(Loads, WhatMayHaveChangedOnTheWayBackIsReadAgain) {
  const std::string text = optimised(
      "func 2 {\nb0(v0: (ref 0), v1: (ref 1)):\n budget @1\n v6: i32 = const imm=0x9 @1\n jump v6 -> b1 @1\nb1(v2: "
      "i32):\n"
      " budget @2\n v3: i32 = struct_get opcode=struct.get v0 @3\n v4: i32 = compute opcode=i32.add v3, v6 @3\n"
      " struct_set v0, v4 @3\n struct_set a=1 v1, v6 @3\n v5: i32 = compute opcode=i32.sub v2, v3 @4\n"
      " branch v5 -> b2 b3 @4\nb2:\n jump v5 -> b1 @5\nb3:\n return v4 @6\n}");
  EXPECT_TRUE(ordered(text, "b1(", "struct_get")) << text;
}

// --- Stores ----------------------------------------------------------------------------------------------------------

std::string two_stores(const std::string& between) {
  return "func 7 {\nb0(v0: i32, v1: i32):\n budget @1\n global_set v0 @2\n" + between +
         " global_set v1 @4\n return v0 @5\n}";
}

TEST(Stores, WhatIsOverwrittenUnseenGoes) {
  EXPECT_EQ(count(optimised(two_stores("")), "global_set"), 1u);
  EXPECT_EQ(count(optimised(two_stores(" call @3\n")), "global_set"), 2u);
  EXPECT_EQ(count(optimised(two_stores(" v2: (ref 0) = struct_alloc @3\n")), "global_set"), 2u);
}

TEST(Stores, ATrapShowsTheStoreBeforeIt) {
  const std::string text = two_stores(" v2: i32 = compute opcode=i32.div_u v0, v1 @3\n");
  EXPECT_EQ(count(optimised(text), "global_set"), 2u);
  WithFault with("DSE1");
  EXPECT_EQ(count(optimised(text), "global_set"), 1u);
}

TEST(Stores, ZerosInNewObjectsGo) {
  const std::string text = optimised(
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: i32 = const @2\n v2: anyref = ref_null @2\n"
      " v3: (ref 1) = struct_alloc a=1 @3\n field_init a=1 v3, v1 @3\n field_init a=1 b=1 v3, v2 @3\n"
      " table_set v1, v3 @4\n return v0 @5\n}");
  EXPECT_FALSE(contains(text, "field_init")) << text;
}

// --- Loop-invariant code motion ----------------------------------------------------------------------------------------

std::string counted_loop(const std::string& does) {
  return "func 3 {\nb0(v0: (ref 2), v1: i32):\n budget @1\n jump -> b1 @1\nb1:\n budget @2\n" + does +
         " branch v9 -> b1 b2 @5\nb2:\n return v9 @6\n}";
}

TEST(Licm, LengthsAndPureOperationsLeaveTheLoop) {
  const std::string text =
      optimised(counted_loop(" v2: i32 = array_len v0 @3\n v3: i32 = compute opcode=i32.mul v2, v1 @4\n"
                             " v4: i32 = global_get @4\n v9: i32 = compute opcode=i32.sub v3, v4 @4\n"));
  EXPECT_TRUE(ordered(text, "i32.mul", "b1:")) << text;
  EXPECT_TRUE(ordered(text, "global_get", "b1:")) << text;
}

TEST(Licm, ReadsStayWhereTheLoopWrites) {
  const std::string loop = counted_loop(" v9: i32 = global_get @4\n global_set v1 @4\n");
  EXPECT_TRUE(ordered(optimised(loop), "b1:", "global_get"));
  WithFault with("LICM1");
  EXPECT_TRUE(ordered(optimised(loop), "global_get", "b1:"));
}

// Without the first iteration's copy, which makes the loop's checks.
std::string not_peeled(const std::string& text) {
  Gate gate;
  gate.disabled = bit(PassId::kPeel);
  ir::Func func = ir::func_of(text, module());
  Pipeline pipeline;
  EXPECT_TRUE(pipeline.run(func, {.level = Level::kO2, .verify = true, .gate = &gate}).has_value());
  return ir::print(func);
}

TEST(Licm, WhatMayTrapStays) {
  const std::string element = counted_loop(" v9: i32 = array_get opcode=array.get a=2 v0, v1 @4\n");
  EXPECT_TRUE(ordered(not_peeled(element), "b1:", "array_get"));
  const std::string division = counted_loop(" v9: i32 = compute opcode=i32.div_u v1, v1 @4\n");
  EXPECT_TRUE(ordered(not_peeled(division), "b1:", "i32.div_u"));
}

// --- Peeling -----------------------------------------------------------------------------------------------------------

TEST(Peel, TheFirstIterationMakesTheChecksOfAllOthers) {
  const std::string text = optimised(
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: anyref = table_get v0 @1\n jump v0 -> b1 @1\nb1(v2: i32):\n budget @2\n"
      " v3: (ref 2) = cast type=(ref 2) trap=16 v1 @3\n v4: i32 = array_len v3 @3\n"
      " v5: i32 = compute opcode=i32.add v2, v4 @4\n branch v5 -> b2 b3 @5\nb2:\n jump v5 -> b1 @5\nb3:\n return v5 "
      "@6\n}");
  EXPECT_EQ(count(text, "cast"), 1u) << text;
  EXPECT_EQ(count(text, "array_len"), 1u) << text;
  EXPECT_EQ(count(text, "budget"), 3u) << text;
}

TEST(Peel, LoopsWithoutChecksStayAsTheyAre) {
  const std::string text = optimised(
      "func 1 {\nb0(v0: i32):\n budget @1\n jump v0 -> b1 @1\nb1(v2: i32):\n budget @2\n"
      " v5: i32 = compute opcode=i32.add v2, v0 @4\n branch v5 -> b2 b3 @5\nb2:\n jump v5 -> b1 @5\nb3:\n return v5 "
      "@6\n}");
  EXPECT_EQ(count(text, "budget"), 2u) << text;
}

TEST(Peel, FuelOfTheFirstIterationIsAPlantedFault) {
  WithFault with("PEEL1");
  const std::string text = optimised(
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: anyref = table_get v0 @1\n jump v0 -> b1 @1\nb1(v2: i32):\n budget @2\n"
      " v3: (ref 2) = cast type=(ref 2) trap=16 v1 @3\n v4: i32 = array_len v3 @3\n"
      " v5: i32 = compute opcode=i32.add v2, v4 @4\n branch v5 -> b2 b3 @5\nb2:\n jump v5 -> b1 @5\nb3:\n return v5 "
      "@6\n}");
  EXPECT_EQ(count(text, "budget"), 2u) << text;
}

// --- Constants on all ways -----------------------------------------------------------------------------------------------

std::string loop_with(const std::string& back) {
  return "func 1 {\nb0(v0: i32):\n budget @1\n v1: i32 = const imm=0x7 @1\n v9: i32 = const imm=0x8 @1\n jump v1 -> b1 "
         "@1\n"
         "b1(v2: i32):\n budget @2\n v3: i32 = compute opcode=i32.eq v2, v1 @3\n branch v3 -> b2 b3 @3\n"
         "b2:\n branch v0 -> b4 b5 @4\nb3:\n global_set v0 @5\n jump v9 -> b1 @5\n"
         "b4:\n jump " +
         back + " -> b1 @6\nb5:\n return v2 @7\n}";
}

TEST(Sccp, FindsConstantsThatComeBackAndWhatTheyNeverReach) {
  const std::string text = optimised(loop_with("v2"));
  EXPECT_FALSE(contains(text, "global_set")) << text;
  EXPECT_TRUE(contains(optimised(loop_with("v9")), "global_set"));
}

TEST(Sccp, OtherValuesThatComeBackAreAPlantedFault) {
  WithFault with("SCCP1");
  EXPECT_FALSE(contains(optimised(loop_with("v9")), "global_set"));
}

TEST(Licm, MovesOutOfAllLoopsAtOnce) {
  const std::string text = optimised(
      "func 3 {\nb0(v0: (ref 2), v1: i32):\n budget @1\n jump -> b1 @1\nb1:\n budget @2\n jump -> b2 @2\n"
      "b2:\n budget @3\n v2: i32 = array_len v0 @3\n branch v2 -> b2 b3 @4\nb3:\n branch v1 -> b1 b4 @5\n"
      "b4:\n return v1 @6\n}");
  EXPECT_TRUE(ordered(text, "array_len", "b1:")) << text;
}

TEST(Licm, EveryPrefixOfTheRewritesIsCorrect) {
  const std::string text = counted_loop(
      " v2: i32 = array_len v0 @3\n v3: i32 = compute opcode=i32.mul v2, v1 @4\n"
      " v4: i32 = global_get @4\n v9: i32 = compute opcode=i32.sub v3, v4 @4\n");
  Gate all;
  ir::Func func = ir::func_of(text, module());
  Pipeline pipeline;
  ASSERT_TRUE(pipeline.run(func, {.level = Level::kO2, .verify = true, .gate = &all}).has_value());
  for (uint64_t limit = 0; limit <= all.asked; ++limit) {
    Gate gate;
    gate.limit = limit;
    ir::Func again = ir::func_of(text, module());
    const auto result = pipeline.run(again, {.level = Level::kO2, .verify = true, .gate = &gate});
    ASSERT_TRUE(result.has_value()) << "after " << limit << " rewrites: " << result.error().to_string();
  }
}

}  // namespace
}  // namespace parallax::opt
