// The verifier accepts what is right and names what is wrong: one wrong function for every property.
#include "engine/ir/verify.h"

#include <gtest/gtest.h>

#include "engine/ir/test_module.h"
#include "engine/ir/verify_refs.h"

namespace parallax::ir {
namespace {

// Types in texts: 0 struct, 1 substruct, 2 array. Functions: 0 void, 1 i_i, 2 r_r, 3 s_i, 4 ri_i, 5 rr_r.

void accepts(const std::string& text) {
  const Func func = func_of(text);
  const auto result = verify(func, "test");
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().to_string());
}

void rejects(const std::string& text, const std::string& why) {
  const Func func = func_of(text);
  const auto result = verify(func, "test");
  ASSERT_FALSE(result.has_value()) << text;
  EXPECT_EQ(result.error().code, ErrorCode::kInvariant);
  EXPECT_NE(result.error().message.find(why), std::string::npos) << result.error().message;
}

TEST(Verify, AcceptsAStraightFunction) {
  accepts("func 1 {\nb0(v0: i32):\n budget @1\n v1: i32 = compute opcode=i32.add v0, v0 @2\n return v1 @3\n}");
}

TEST(Verify, RejectsAnOperandOfAnotherType) {
  rejects("func 1 {\nb0(v0: i32):\n budget @1\n v1: i32 = compute opcode=i64.eqz v0 @2\n return v1 @3\n}",
          "operand v0 has type i32, not a subtype of i64");
}

TEST(Verify, RejectsAResultNarrowerThanWhatIsProduced) {
  rejects("func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref any) = global_get a=0 @2\n return v1 @3\n}",
          "result v1 has type (ref any), but anyref is produced");
}

TEST(Verify, KnowsTheLanesOfVectors) {
  const auto extract = [](const std::string& immediates) {
    return "func 1 {\nb0(v0: i32):\n budget @1\n v1: v128 = const imm=0x5 high=0x7 @2\n v2: v128 = compute"
           " opcode=i8x16.shuffle imm=0x1f1e high=0x10 v1, v1 @3\n v3: i32 = compute opcode=i32x4.extract_lane" +
           immediates + " v2 @4\n return v3 @5\n}";
  };
  accepts(extract(" b=0x3"));
  rejects(extract(" b=0x4"), "no such lane");
  rejects(extract(" imm=0x1"), "no such lanes");
  const std::string shuffle = extract("");
  rejects(std::string(shuffle).replace(shuffle.find("0x1f1e"), 6, "0x201e"), "no such lanes");
  rejects(std::string(shuffle).replace(shuffle.find("v1, v1"), 6, "v1, v0"),
          "operand v0 has type i32, not a subtype of v128");
  rejects("func 1 {\nb0(v0: i32):\n budget @1\n v1: i32 = const imm=0x5 high=0x7 @2\n return v1 @3\n}",
          "high half of a scalar");
}

TEST(Verify, RejectsAnAccessThroughANullableReference) {
  rejects(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: i32 = struct_get opcode=struct.get v0 @2\n return v1 @3\n}",
      "operand v0 has type (ref null 0), not a subtype of (ref 0)");
  accepts(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v2: (ref 0) = null_check trap=12 v0 @2\n"
      " v1: i32 = struct_get opcode=struct.get v2 @2\n return v1 @3\n}");
}

TEST(Verify, RejectsAUseThatItsDefinitionDoesNotDominate) {
  rejects(
      "func 1 {\nb0(v0: i32):\n budget @1\n branch v0 -> b1 b2 @2\nb1:\n v1: i32 = const imm=0x1 @3\n jump -> b3 @4\n"
      "b2:\n jump -> b3 @5\nb3:\n return v1 @6\n}",
      "v1 is not defined on every path");
}

TEST(Verify, RejectsBlockArgumentsThatDoNotMatchParameters) {
  const std::string head = "func 2 {\nb0(v0: anyref):\n budget @1\n ";
  rejects(head + "jump v0 -> b1 @2\nb1(v1: (ref any)):\n return v1 @3\n}", "not a subtype of (ref any)");
  rejects(head + "jump -> b1 @2\nb1(v1: anyref):\n return v1 @3\n}", "0 operands, but its rule takes 1");
}

TEST(Verify, RejectsARefinementWithoutADecidedTest) {
  const std::string head =
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: i32 = ref_test type=(ref 1) v0 @2\n branch v1 -> b1 b2 "
      "@2\nb1:\n";
  const std::string rest = " v3: i32 = const @4\n return v3 @5\nb2:\n v4: i32 = const @4\n return v4 @5\n}";
  accepts(head + " v2: (ref 1) = refine sense=0x1 v0, v1 @3\n" + rest);
  rejects(head + " v2: (ref null 0) = refine v0, v1 @3\n" + rest, "refined where its test is not decided");
  rejects(
      "func 3 {\nb0(v0: (ref null 0)):\n budget @1\n v1: i32 = ref_test type=(ref 1) v0 @2\n"
      " v2: (ref 1) = refine sense=0x1 v0, v1 @3\n v3: i32 = const @4\n return v3 @5\n}",
      "refined where its test is not decided");
}

TEST(Verify, RejectsARefinementByATestOfAnotherReference) {
  rejects(
      "func 5 {\nb0(v0: anyref, v9: anyref):\n budget @1\n v1: i32 = ref_is_null v9 @2\n branch v1 -> b1 b2 @2\nb1:\n"
      " return v0 @3\nb2:\n v2: (ref any) = refine v0, v1 @3\n return v2 @5\n}",
      "refined by a test of something else");
}

TEST(Verify, RejectsALoopWithoutBudget) {
  rejects("func 1 {\nb0(v0: i32):\n budget @1\n jump -> b1 @2\nb1:\n jump -> b1 @3\n}", "I4");
  accepts("func 1 {\nb0(v0: i32):\n budget @1\n jump -> b1 @2\nb1 loop:\n budget @3\n jump -> b1 @3\n}");
}

TEST(Verify, RejectsAnInitialisingStoreAfterAnotherSafepoint) {
  const std::string head = "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref 0) = struct_alloc @2\n ";
  accepts(head + "field_init v1, v0 @2\n return v0 @4\n}");
  rejects(head + "call @3\n field_init v1, v0 @2\n return v0 @4\n}", "initialising store away from its allocation");
}

TEST(Verify, RejectsAPayloadWhoseTagWasNotFound) {
  rejects(
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: (ref exn) = exn_alloc @2\n exn_init v1, v0 @2\n"
      " v2: i32 = exn_get v1 @3\n return v2 @4\n}",
      "whose tag was not found");
}

TEST(Verify, RejectsALandingBlockThatABranchReaches) {
  rejects("func 0 {\nb0:\n budget @1\n jump -> b1 @2\nb1 landing:\n v1: (ref exn) = caught_exn @2\n throw v1 @3\n}",
          "landing block reached in another way");
}

TEST(Verify, RejectsResultsOfAnInvokeOnTheThrowingWay) {
  const std::string head =
      "func 1 {\nb0(v0: i32):\n budget @1\n v1: i32 = call a=0x1 v0 -> b1 b2 @2\nb1:\n return v1 @3\n"
      "b2 landing:\n v2: (ref exn) = caught_exn @2\n ";
  accepts(head + "throw v2 @3\n}");
  rejects(head + "return v1 @3\n}", "v1 is not defined on every path");
}

TEST(Verify, RejectsATerminatorInTheMiddle) {
  rejects("func 0 {\nb0:\n budget @1\n return @2\n return @3\n}", "terminator in the middle");
}

TEST(Verify, ReportsAWideningReplacement) {
  Func func =
      func_of("func 2 {\nb0(v0: anyref):\n budget @1\n v1: (ref any) = null_check trap=10 v0 @2\n return v1 @3\n}");
  func.replace(ValueId(1), ValueId(0));
  const auto result = verify(func, "test");
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("I3: rewrite 1 (replace) of v1"), std::string::npos) << result.error().message;
}

// --- Home slots and stack maps.

// `map` stands at the call; v0 is used after it.
std::string homed(const std::string& map, const std::string& store = " home_store s0 v0 @0\n") {
  return "func 2 maps {\nhomes 1\nb0(v0: anyref):\n" + store + " budget @1\n call @2 " + map +
         "\n v1: anyref = home_load s0 of=v0 @3\n return v1 @3\n}";
}

void rejects_refs(const std::string& text, const std::string& why) {
  const Func func = func_of(text);
  const auto result = verify_refs(func);
  ASSERT_FALSE(result.has_value()) << text;
  EXPECT_NE(result.error().message.find(why), std::string::npos) << result.error().message;
}

TEST(VerifyRefs, AcceptsAMapThatListsExactlyTheLiveHomes) {
  const Func func = func_of(homed("map[s0]"));
  EXPECT_TRUE(verify(func, "test").has_value());
  EXPECT_TRUE(verify_refs(func).has_value());
}

TEST(VerifyRefs, RejectsAMissingSlot) {
  rejects_refs(homed("map[]"), "I2: after safepoints: slot s0 (home of v0) is live but not listed");
}

TEST(VerifyRefs, RejectsASafepointWithoutMap) { rejects_refs(homed(""), "safepoint without map"); }

TEST(VerifyRefs, RejectsAHomeThatIsNotStoredOnEveryWay) { rejects_refs(homed("map[s0]", ""), "not stored"); }

TEST(VerifyRefs, RejectsAHomeThatHoldsAnotherValueOnSomeWay) {
  rejects_refs(
      "func 5 maps {\nhomes 1\nb0(v0: anyref, v1: anyref):\n home_store s0 v0 @0\n budget @1\n call @2 map[]\n"
      " home_store s0 v1 @2\n v2: anyref = home_load s0 of=v0 @3\n return v2 @3\n}",
      "slot s0 holds v1, but v0 is read");
}

TEST(VerifyRefs, RejectsASurplusSlot) {
  rejects_refs(
      "func 2 maps {\nhomes 1\nb0(v0: anyref):\n home_store s0 v0 @0\n budget @1\n call @2 map[s0]\n"
      " v1: anyref = global_get @3\n return v1 @3\n}",
      "listed but not live");
}

TEST(VerifyRefs, RejectsAReferenceThatLivesAcross) {
  rejects_refs("func 2 maps {\nb0(v0: anyref):\n budget @1\n call @2 map[]\n return v0 @3\n}",
               "v0 is live across a safepoint");
}

TEST(VerifyRefs, RejectsAReferenceThatLivesAcrossABackEdge) {
  rejects_refs(
      "func 2 maps {\nb0(v0: anyref):\n budget @1\n jump -> b1 @2\nb1 loop:\n budget @3\n global_set v0 @4\n"
      " call @5 map[]\n jump -> b1 @6\n}",
      "v0 is live across a safepoint");
}

}  // namespace
}  // namespace parallax::ir
