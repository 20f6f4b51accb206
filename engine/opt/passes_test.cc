// Passes one by one, the pipeline, and that planted faults are seen by the judge that should see them.
#include <gtest/gtest.h>

#include "engine/ir/verify.h"
#include "engine/ir/verify_refs.h"
#include "engine/opt/passes.h"
#include "engine/opt/test_passes.h"

namespace parallax::opt {
namespace {

using ir::func_of;

// Types in texts: 0 struct, 1 substruct, 2 array. Functions: 0 void, 1 i_i, 2 r_r, 3 s_i, 4 ri_i, 5 rr_r.

Result<> run(ir::Func& func, Level level, Gate* gate = nullptr) {
  Pipeline pipeline;
  return pipeline.run(func, {.level = level, .verify = true, .gate = gate});
}

// The function at this level, without the safepoint pass' additions when there are no safepoints.
std::string optimised(const std::string& text, Level level = Level::kO2) {
  return ir::print(optimised_func(text, ir::test_module(), level));
}

std::string i_i(const std::string& body) { return "func 1 {\nb0(v0: i32):\n budget @1\n" + body + "}"; }

TEST(Simplify, FoldsConstantsAsTheInterpreterComputesThem) {
  EXPECT_TRUE(contains(optimised(i_i("v1: i32 = const imm=0xffffffff @2\nv2: i32 = const imm=0x2 @3\n"
                                     "v3: i32 = compute opcode=i32.div_s v1, v2 @4\nreturn v3 @5\n")),
                       "const @4"));
  EXPECT_TRUE(contains(optimised(i_i("v1: f32 = const imm=0x7f800001 @2\nv2: f32 = compute opcode=f32.add v1, v1 @3\n"
                                     "v3: i32 = compute opcode=i32.reinterpret_f32 v2 @4\nreturn v3 @5\n")),
                       "const imm=0x7fc00000 @4"));
}

TEST(Simplify, LeavesAConstantDivisionByZeroToTrap) {
  EXPECT_TRUE(contains(
      optimised(i_i("v1: i32 = const @2\nv3: i32 = compute opcode=i32.div_u v0, v1 @4\nreturn v1 @5\n")), "i32.div_u"));
}

TEST(Simplify, UsesIdentitiesOfIntegersOnly) {
  EXPECT_TRUE(contains(optimised(i_i("v1: i32 = const @2\nv2: i32 = compute opcode=i32.add v1, v0 @3\nreturn v2 @4\n")),
                       "return v0"));
  EXPECT_TRUE(contains(optimised(i_i("v1: f32 = const @2\nv2: f32 = compute opcode=f32.reinterpret_i32 v0 @3\n"
                                     "v3: f32 = compute opcode=f32.add v2, v1 @3\n"
                                     "v4: i32 = compute opcode=i32.reinterpret_f32 v3 @3\nreturn v4 @4\n")),
                       "f32.add"));
}

TEST(Simplify, DropsNullChecksAndCastsThatTypesImply) {
  const std::string text = optimised(
      "func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref 1) = cast type=(ref 1) trap=16 v0 @2\n"
      " v2: (ref 0) = cast type=(ref 0) v1 @3\n v3: (ref 0) = null_check trap=12 v2 @4\n return v3 @5\n}");
  EXPECT_TRUE(contains(text, "return v1")) << text;
}

TEST(Simplify, ACastThatOnlyNullFailsBecomesANullCheckWithTheCastsTrap) {
  const std::string text = optimised(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: (ref 0) = cast type=(ref 0) v0 @2\n"
      " v2: i32 = struct_get opcode=struct.get v1 @3\n return v2 @5\n}");
  EXPECT_TRUE(contains(text, "null_check")) << text;
}

TEST(Simplify, DecidesBranchesOnTestsTogetherWithTheirRefinements) {
  const std::string text = optimised(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v9: (ref 0) = null_check trap=12 v0 @2\n"
      " v1: i32 = ref_test type=(ref struct) v9 @2\n branch v1 -> b1 b2 @2\n"
      "b1:\n v2: (ref 0) = refine sense=0x1 v9, v1 @3\n v3: i32 = struct_get opcode=struct.get v2 @4\n return v3 @5\n"
      "b2:\n v4: i32 = const @4\n return v4 @5\n}");
  EXPECT_FALSE(contains(text, "ref_test")) << text;
  EXPECT_FALSE(contains(text, "b2")) << text;
  EXPECT_TRUE(contains(text, "struct_get opcode=struct.get v9")) << text;
}

TEST(Simplify, KeepsATestThatTheTypeDoesNotDecide) {
  const std::string text = optimised(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: i32 = ref_test type=(ref 1) v0 @2\n return v1 @5\n}");
  EXPECT_TRUE(contains(text, "ref_test")) << text;
}

TEST(Dce, KeepsTrapsAndAllocationsAndDropsPureCode) {
  const std::string text =
      optimised(i_i("v1: i32 = compute opcode=i32.div_u v0, v0 @2\nv2: i32 = compute opcode=i32.popcnt v0 @3\n"
                    "v3: (ref 0) = struct_alloc @4\nreturn v0 @5\n"));
  EXPECT_TRUE(contains(text, "i32.div_u")) << text;
  EXPECT_TRUE(contains(text, "alloc_charge")) << text;
  EXPECT_FALSE(contains(text, "popcnt")) << text;
}

TEST(Dce, DropsAParameterThatOnlyFeedsItself) {
  const std::string text = optimised(i_i(
      "v1: i32 = const imm=0x5 @2\njump v1 -> b1 @3\nb1(v2: i32) loop:\nbudget @4\n"
      "v3: i32 = compute opcode=i32.add v2, v0 @5\nbranch v0 -> b2 b3 @6\nb2:\njump v3 -> b1 @7\nb3:\nreturn v0 @8\n"));
  EXPECT_FALSE(contains(text, "i32.add")) << text;
  EXPECT_TRUE(contains(text, "b1 loop:")) << text;
}

TEST(Params, ALoopParameterThatNeverChangesBecomesItsValue) {
  const std::string text =
      optimised(i_i("jump v0 -> b1 @3\nb1(v2: i32) loop:\nbudget @4\nbranch v2 -> b2 b3 @6\nb2:\njump v2 -> b1 "
                    "@7\nb3:\nreturn v2 @8\n"));
  EXPECT_TRUE(contains(text, "b1 loop:")) << text;
  EXPECT_TRUE(contains(text, "return v0")) << text;
}

TEST(Values, TheSecondEqualComputationIsTheFirst) {
  const std::string text = optimised(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: (ref 0) = null_check trap=12 v0 @2\n"
      " v2: i32 = struct_get opcode=struct.get v1 @2\n call @3\n v3: (ref 0) = null_check trap=12 v0 @3\n"
      " v4: i32 = struct_get opcode=struct.get v3 @4\n v5: i32 = compute opcode=i32.add v2, v4 @5\n return v5 @6\n}");
  EXPECT_FALSE(contains(text, "v3")) << text;
  EXPECT_TRUE(contains(text, "v4")) << "a mutable field is read again: " << text;
}

TEST(Merge, AChainOfBlocksBecomesOneBlock) {
  const std::string text =
      optimised(i_i("jump v0 -> b1 @2\nb1(v1: i32):\nv2: i32 = compute opcode=i32.clz v1 @3\njump v2 -> b2 @4\n"
                    "b2(v3: i32):\nreturn v3 @5\n"),
                Level::kO1);
  EXPECT_FALSE(contains(text, "jump")) << text;
  EXPECT_TRUE(contains(text, "return v2")) << text;
}

TEST(Facts, ACastBelowATestOfTheSameTypeIsARefinement) {
  const std::string head =
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: i32 = ref_test type=(ref 1) v0 @2\n"
      " branch v1 -> b1 b2 @2\n";
  const std::string cast =
      " v2: (ref 1) = cast type=(ref 1) v0 @3\n v3: i32 = struct_get opcode=struct.get a=0x1 v2 @4\n"
      " return v3 @5\n";
  const std::string other = " v4: i32 = const @6\n return v4 @6\n}";
  EXPECT_TRUE(contains(optimised(head + "b1:\n" + cast + "b2:\n" + other), "refine sense=0x1 v0, v1"));
  EXPECT_TRUE(contains(optimised(head + "b2:\n" + cast + "b1:\n" + other), "cast"));
}

TEST(Facts, ANullCheckBelowAFailedNullTestIsARefinement) {
  const std::string text = optimised(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: i32 = ref_is_null v0 @2\n branch v1 -> b1 b2 @2\n"
      "b1:\n return v1 @3\nb2:\n v2: (ref 0) = null_check trap=12 v0 @3\n"
      " v3: i32 = struct_get opcode=struct.get v2 @4\n return v3 @5\n}");
  EXPECT_FALSE(contains(text, "null_check")) << text;
}

TEST(Facts, ABranchBelowABranchOnTheSameConditionIsDecided) {
  const std::string text =
      optimised(i_i("branch v0 -> b1 b2 @2\nb1:\nbranch v0 -> b3 b4 @3\nb2:\nv1: i32 = const @4\nreturn v1 @4\n"
                    "b3:\nv2: i32 = const imm=0x1 @5\nreturn v2 @5\nb4:\nv3: i32 = const imm=0x63 @6\nreturn v3 @6\n"));
  EXPECT_FALSE(contains(text, "imm=0x63")) << text;
}

// Reads a field of v0 twice, with `between` between.
std::string two_reads(const std::string& between) {
  return optimised(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: (ref 0) = null_check trap=12 v0 @2\n"
      " v8: anyref = global_get @2\n v9: (ref 1) = cast type=(ref 1) trap=16 v8 @2\n"
      " v2: i32 = struct_get opcode=struct.get v1 @3\n" +
      between +
      " v3: i32 = struct_get opcode=struct.get v1 @4\n v4: i32 = compute opcode=i32.add v2, v3 @5\n return v4 @6\n}");
}

TEST(Loads, AFieldIsReadAgainOnlyAfterAStoreThatMayBeToIt) {
  EXPECT_TRUE(contains(two_reads(""), "i32.add v2, v2"));
  EXPECT_TRUE(contains(two_reads(" v7: anyref = ref_null @4\n struct_set a=0x1 b=0x1 v9, v7 @4\n"), "i32.add v2, v2"));
  EXPECT_TRUE(contains(two_reads(" v7: i32 = const imm=0x5 @4\n struct_set a=0x1 v9, v7 @4\n"), "i32.add v2, v3"));
  EXPECT_TRUE(contains(two_reads(" call @4\n"), "i32.add v2, v3"));
}

TEST(Loads, AnElementIsKnownUntilAnArrayIsWritten) {
  const auto reads = [](const std::string& between) {
    return optimised(
        "func 1 {\nb0(v0: i32):\n budget @1\n v7: anyref = global_get @2\n v1: (ref 2) = cast type=(ref 2) trap=16 v7 "
        "@2\n"
        " call @2\n v8: anyref = global_get @2\n v9: (ref 2) = cast type=(ref 2) trap=16 v8 @2\n v2: i32 = array_get "
        "opcode=array.get a=0x2 v1, v0 @3\n" +
        between +
        " v3: i32 = array_get opcode=array.get a=0x2 v1, v0 @4\n v4: i32 = compute opcode=i32.add v2, v3 @5\n"
        " return v4 @6\n}");
  };
  EXPECT_TRUE(contains(reads(""), "i32.add v2, v2"));
  EXPECT_TRUE(contains(reads(" array_set a=0x2 v9, v0, v0 @4\n"), "i32.add v2, v3"));
  EXPECT_TRUE(contains(reads(" array_copy a=0x2 b=0x2 v1, v0, v9, v0, v0 @4\n"), "i32.add v2, v3"));
}

TEST(Loads, AFieldJustWrittenIsKnown) {
  EXPECT_TRUE(contains(two_reads(" v7: i32 = const imm=0x5 @4\n struct_set v1, v7 @4\n"), "i32.add v2, v7"));
}

// A loop that walks from a struct to whatever a global holds.
const char* const kLoop =
    "func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref 0) = struct_alloc @2\n jump v1 -> b1 @3\n"
    "b1(v2: anyref) loop:\n budget @4\n v3: (ref 0) = cast type=(ref 0) trap=16 v2 @5\n"
    " v4: i32 = struct_get opcode=struct.get v3 @6\n branch v4 -> b2 b3 @7\n"
    "b2:\n v5: anyref = global_get @8\n jump v5 -> b1 @9\nb3:\n return v2 @10\n}";

// The same, but what comes back is a subtype.
const char* const kNarrowLoop =
    "func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref 0) = struct_alloc @2\n jump v1 -> b1 @3\n"
    "b1(v2: anyref) loop:\n budget @4\n v3: (ref 0) = cast type=(ref 0) trap=16 v2 @5\n"
    " v4: i32 = struct_get opcode=struct.get v3 @6\n branch v4 -> b2 b3 @7\n"
    "b2:\n v5: (ref 1) = struct_alloc a=0x1 @8\n jump v5 -> b1 @9\nb3:\n return v2 @10\n}";

TEST(RefineParams, AParameterGetsTheJoinOfAllItsEdges) {
  EXPECT_TRUE(contains(optimised(kLoop, Level::kO1), "cast type=(ref 0)"));
  EXPECT_FALSE(contains(optimised(kNarrowLoop, Level::kO1), "cast"));
}

TEST(Gate, RefusedRewritesDoNotHappenAndAnyPrefixIsCorrect) {
  for (const char* text : {kLoop, kNarrowLoop}) {
    Gate all;
    ir::Func func = func_of(text);
    ASSERT_TRUE(run(func, Level::kO2, &all).has_value());
    for (uint64_t limit = 0; limit <= all.asked; ++limit) {
      Gate gate;
      gate.limit = limit;
      ir::Func again = func_of(text);
      const auto result = run(again, Level::kO2, &gate);
      ASSERT_TRUE(result.has_value()) << "after " << limit << " rewrites: " << result.error().to_string();
    }
  }
}

TEST(Gate, ADisabledPassDoesNotRun) {
  Gate gate;
  gate.disabled = bit(PassId::kRefineParams);
  ir::Func func = func_of(kNarrowLoop);
  ASSERT_TRUE(run(func, Level::kO1, &gate).has_value());
  EXPECT_TRUE(contains(ir::print(func), "cast"));
}

TEST(Safepoints, AReferenceUsedAfterACallIsReadFromItsHome) {
  const std::string text = optimised(
      "func 2 {\nb0(v0: anyref):\n budget @1\n call @2\n global_set v0 @3\n call @4\n return v0 @5\n}", Level::kO0);
  EXPECT_EQ(text,
            "func 2 maps {\n  homes 1\nb0(v0: anyref):\n  home_store s0 v0 @0\n  budget @1\n  call @2 map[s0]\n"
            "  v1: anyref = home_load s0 of=v0 @3\n  global_set v1 @3\n  call @4 map[s0]\n  v2: anyref = home_load s0 "
            "of=v0 @5\n"
            "  return v2 @5\n}\n");
}

TEST(Safepoints, ReferencesThatDoNotLiveAcrossAndFunctionReferencesHaveNoHome) {
  const std::string text = optimised(
      "func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref 3) = ref_func @2\n global_set v0 @2\n call @3\n"
      " call_ref a=0x3 v1 @4\n v2: anyref = ref_null @5\n return v2 @6\n}",
      Level::kO0);
  EXPECT_FALSE(contains(text, "home")) << text;
}

TEST(Safepoints, BudgetIsASafepointWhenPolled) {
  const std::string body = " {\nb0(v0: anyref):\n budget @1\n return v0 @5\n}";
  EXPECT_FALSE(contains(optimised("func 2" + body, Level::kO0), "map["));
  EXPECT_TRUE(contains(optimised("func 2 poll" + body, Level::kO0), "budget @1 map[s0]"));
}

// --- Planted faults.

void expect_caught(const char* fault, const std::string& text, Level level, const std::string& by) {
  WithFault with(fault);
  ir::Func func = func_of(text);
  const auto result = run(func, level);
  ASSERT_FALSE(result.has_value()) << fault << " was not caught: " << ir::print(func);
  EXPECT_EQ(result.error().code, ErrorCode::kInvariant);
  EXPECT_TRUE(result.error().message.starts_with(by)) << result.error().message;
  EXPECT_GT(g_fault.infected, 0u);
}

TEST(Faults, ASlotLeftOutOfTheMapOfACallIsCaught) {
  expect_caught("SM1", "func 2 {\nb0(v0: anyref):\n budget @1\n call @2\n return v0 @3\n}", Level::kO0, "I2: ");
}

TEST(Faults, ABlockParameterLeftOutOfMapsIsCaught) {
  expect_caught(
      "SM2",
      "func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref 0) = struct_alloc @2\n global_set v1 @2\n return v0 @3\n}",
      Level::kO0, "I2: ");
}

TEST(Faults, AnAllocationLeftOutOfMapsIsCaught) {
  expect_caught("SM3",
                "func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref 0) = struct_alloc @2\n call @2\n return v1 @3\n}",
                Level::kO0, "I2: ");
}

// v1 lives round the loop, v3 only within it: they must not share a slot.
const char* const kLoopWithLives =
    "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 0) = struct_alloc @2\n jump -> b1 @3\nb1 loop:\n budget @4\n"
    " call @5\n global_set v1 @6\n v3: (ref 0) = struct_alloc @7\n call @8\n global_set v3 @9\n branch v0 -> b2 b3 "
    "@10\n"
    "b2:\n jump -> b1 @11\nb3:\n return v0 @12\n}";

TEST(Safepoints, ValuesWhoseLivesDoNotMeetShareASlot) {
  EXPECT_TRUE(contains(optimised("func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 0) = struct_alloc @2\n call @3\n"
                                 " global_set v1 @4\n v2: (ref 0) = struct_alloc @5\n call @6\n global_set v2 @7\n"
                                 " return v0 @8\n}",
                                 Level::kO0),
                       "homes 1\n"));
  EXPECT_TRUE(contains(optimised(kLoopWithLives, Level::kO0), "homes 2\n"));
}

TEST(Faults, ASlotSharedByOneIterationsLivesIsCaught) { expect_caught("SM5", kLoopWithLives, Level::kO0, "I2: "); }

TEST(Faults, AnEmptyMapAtACallInATryIsCaught) {
  expect_caught("SM8",
                "func 2 {\nb0(v0: anyref):\n budget @1\n call -> b1 b2 @2\nb1:\n return v0 @3\n"
                "b2 landing:\n v1: (ref exn) = caught_exn @2\n throw v1 @3\n}",
                Level::kO0, "I2: ");
}

TEST(Faults, ALoopParameterTypedFromItsEntryOnlyIsCaught) {
  expect_caught("OPT1", kLoop, Level::kO1, "I3: after refine_params");
}

TEST(Faults, ANullThatAJoinForgetsIsCaught) {
  expect_caught("OPT8",
                "func 4 {\nb0(v0: anyref, v1: i32):\n budget @1\n branch v1 -> b1 b2 @2\n"
                "b1:\n v2: (ref null 0) = ref_null @3\n jump v2 -> b3 @3\nb2:\n v3: (ref 0) = struct_alloc @4\n jump "
                "v3 -> b3 @4\n"
                "b3(v4: (ref null 0)):\n v5: (ref 0) = null_check trap=12 v4 @5\n"
                " v6: i32 = struct_get opcode=struct.get v5 @5\n return v6 @6\n}",
                Level::kO1, "I3: after simplify");
}

// Equal allocations and stale elements are well-typed as well.
TEST(Faults, MergedAllocationsAndStaleElementsPassEveryCompileTimeJudge) {
  {
    WithFault with("OPT7");
    ir::Func func = func_of(
        "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 0) = struct_alloc @2\n v2: (ref 0) = struct_alloc @3\n"
        " v3: i32 = ref_eq v1, v2 @4\n return v3 @5\n}");
    EXPECT_TRUE(run(func, Level::kO2).has_value());
    EXPECT_TRUE(contains(ir::print(func), "const imm=0x1")) << ir::print(func);
  }
  const std::string text =
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 2) = array_alloc a=0x2 v0 @2\n v2: i32 = const imm=0x3 @2\n"
      " array_set a=0x2 v1, v0, v2 @3\n array_fill a=0x2 v1, v0, v0, v0 @4\n"
      " v3: i32 = array_get opcode=array.get a=0x2 v1, v0 @5\n return v3 @6\n}";
  EXPECT_TRUE(contains(optimised(text), "return v3"));
  WithFault with("OPT4");
  EXPECT_TRUE(contains(optimised(text), "return v2"));
}

// A removed trap leaves a well-typed function: only running it tells.
TEST(Faults, ARemovedTrapPassesEveryCompileTimeJudge) {
  WithFault with("OPT6");
  ir::Func func = func_of(i_i("v1: i32 = compute opcode=i32.div_u v0, v0 @2\nreturn v0 @5\n"));
  EXPECT_TRUE(run(func, Level::kO1).has_value());
  EXPECT_FALSE(contains(ir::print(func), "div_u"));
  EXPECT_GT(g_fault.infected, 0u);
}

}  // namespace
}  // namespace parallax::opt
