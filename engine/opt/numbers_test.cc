// Passes over integers: arithmetic and ranges.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "engine/opt/test_passes.h"
#include "engine/wasm/numerics.h"

namespace parallax::opt {
namespace {

// Type 0: array mut i32. Functions: 0 (i32, i32) -> i32, 1 (i64) -> i64, 2 ((ref 0), i32) -> i32.
const wasm::Module& module() {
  static const wasm::Module module = ir::module_of(R"(
    (type $a (array (mut i32)))
    (func (param i32 i32) (result i32) i32.const 0)
    (func (param i64) (result i64) i64.const 0)
    (func (param (ref $a) i32) (result i32) i32.const 0)
    (memory 1))");
  return module;
}

ir::Func optimised_func(const std::string& text) { return opt::optimised_func(text, module()); }
std::string optimised(const std::string& text) { return ir::print(optimised_func(text)); }

// Runs a function of one block that only computes; trapping operations give nothing.
uint64_t run(const ir::Func& func, uint64_t argument) {
  std::vector<uint64_t> values(func.value_count());
  values[func.params(ir::Func::kEntry)[0].index()] = argument;
  for (ir::InstId i = func.block(ir::Func::kEntry).first; i.valid(); i = func.inst(i).next) {
    const ir::Inst& inst = func.inst(i);
    if (inst.op == ir::Op::Return) return values[func.arg(i, 0).index()];
    if (inst.op == ir::Op::Const) values[inst.first_result.index()] = inst.imm;
    if (inst.op != ir::Op::Compute) continue;
    wasm::V128 operands[2];
    for (uint32_t n = 0; n < inst.args_count; ++n)
      operands[n] = wasm::V128::of_halves(values[func.arg(i, n).index()], 0);
    wasm::Instr instr;
    instr.op = inst.opcode;
    const auto result = wasm::evaluate(instr, std::span(operands).first(inst.args_count));
    EXPECT_TRUE(result.has_value());
    if (result) values[inst.first_result.index()] = result->low();
  }
  return 0;
}

std::string by_constant(bool wide, const std::string& opcode, uint64_t c) {
  const std::string type = wide ? "i64" : "i32";
  const std::string params = wide ? "v0: i64" : "v0: i32, v9: i32";
  return std::string("func ") + (wide ? "1" : "0") + " {\nb0(" + params + "):\n budget @1\n v1: " + type +
         " = const imm=" + std::to_string(c) + " @2\n v2: " + type + " = compute opcode=" + type + "." + opcode +
         " v0, v1 @3\n return v2 @4\n}";
}

// Divisors and dividends where rounding, signs and carries change.
std::vector<uint64_t> corners(bool wide) {
  std::vector<uint64_t> out;
  const int bits = wide ? 64 : 32;
  for (int k = 0; k < bits; ++k) {
    for (const int64_t d : {-2, -1, 0, 1, 2}) out.push_back((uint64_t{1} << k) + static_cast<uint64_t>(d));
  }
  for (const uint64_t x : {3u, 5u, 7u, 10u, 11u, 25u, 100u, 641u, 1000u, 65537u, 1000003u, 715827883u, 2863311531u}) {
    out.push_back(x), out.push_back(-x), out.push_back(x * 3 + 1), out.push_back(x * 1000 - 1);
  }
  if (!wide) {
    for (uint64_t& x : out) x &= 0xffffffffu;
  }
  return out;
}

TEST(Arithmetic, DivisionByConstantsIsExact) {
  for (const bool wide : {false, true}) {
    const auto numbers = corners(wide);
    for (const char* opcode : {"div_u", "rem_u", "div_s", "rem_s"}) {
      for (const uint64_t d : numbers) {
        if (d == 0) continue;
        const std::string text = by_constant(wide, opcode, d);
        const ir::Func before = ir::func_of(text, module());
        const ir::Func after = optimised_func(text);
        for (const uint64_t x : numbers) {
          const bool overflows = d == (wide ? ~uint64_t{0} : 0xffffffffu) && opcode[4] == 's' && opcode[0] == 'd' &&
                                 x == (wide ? uint64_t{1} << 63 : uint64_t{1} << 31);
          if (overflows) continue;
          ASSERT_EQ(run(before, x), run(after, x)) << opcode << (wide ? " 64 " : " 32 ") << x << " by " << d;
        }
      }
    }
  }
}

TEST(Arithmetic, DivisionByConstantsOf32BitsIsMultiplication) {
  EXPECT_FALSE(contains(optimised(by_constant(false, "div_u", 7)), "div_u"));
  EXPECT_FALSE(contains(optimised(by_constant(false, "rem_s", 10)), "rem_s"));
  EXPECT_TRUE(contains(optimised(by_constant(false, "div_s", 0xffffffffu)), "div_s"));  // may overflow
  EXPECT_TRUE(contains(optimised(by_constant(false, "rem_u", 0)), "rem_u"));            // traps
}

TEST(Arithmetic, AWrongMultiplierIsSeen) {
  WithFault with("DIV1");
  const ir::Func wrong = optimised_func(by_constant(false, "div_s", 7));
  EXPECT_NE(run(wrong, 21), 3u);
}

std::string body(const std::string& text) {
  return optimised(
      "func 0 {\nb0(v0: i32, v1: i32):\n budget @1\n v2: i32 = const imm=0x5 @1\n v3: i32 = const imm=0x7 @1\n" + text +
      " return v9 @9\n}");
}

TEST(Arithmetic, ConstantsOfAChainMeet) {
  EXPECT_TRUE(
      contains(body(" v4: i32 = compute opcode=i32.sub v0, v2 @2\n v9: i32 = compute opcode=i32.add v3, v4 @3\n"),
               "const imm=0x2 "));
  EXPECT_TRUE(
      contains(body(" v4: i32 = compute opcode=i32.shl v0, v2 @2\n v9: i32 = compute opcode=i32.shl v4, v3 @3\n"),
               "const imm=0xc "));
  EXPECT_TRUE(
      contains(body(" v4: i32 = compute opcode=i32.add v0, v2 @2\n v9: i32 = compute opcode=i32.eq v4, v3 @3\n"),
               "const imm=0x2 "));
}

TEST(Arithmetic, MasksThatChangeNothingGo) {
  const std::string text = body(
      " v4: i32 = mem_load opcode=i32.load8_u v0 @2\n v5: i32 = const imm=0xff @2\n"
      " v9: i32 = compute opcode=i32.and v4, v5 @3\n");
  EXPECT_FALSE(contains(text, "i32.and")) << text;
}

TEST(Arithmetic, NegatedComparisonsAreTheOpposite) {
  const std::string text =
      body(" v4: i32 = compute opcode=i32.lt_s v0, v1 @2\n v9: i32 = compute opcode=i32.eqz v4 @3\n");
  EXPECT_TRUE(contains(text, "i32.ge_s")) << text;
}

// --- Ranges ------------------------------------------------------------------------------------------------------------

// for (i = 0; i `compare` limit; ++i) sum += a[i + plus]
std::string loop(const std::string& before, const std::string& compare, const std::string& limit, int plus = 0) {
  return "func 2 {\nb0(v0: (ref 0), v1: i32):\n budget @1\n v2: i32 = const @1\n v3: i32 = const imm=0x1 @1\n"
         " v20: i32 = const imm=" +
         std::to_string(static_cast<uint32_t>(plus)) + " @1\n" + before +
         " jump v2, v2 -> b1 @1\nb1(v4: i32, v5: i32):\n budget @2\n v6: i32 = compute opcode=" + compare + " v4, " +
         limit +
         " @3\n branch v6 -> b2 b3 @3\nb2:\n v21: i32 = compute opcode=i32.add v4, v20 @4\n"
         " v7: i32 = array_get opcode=array.get v10, v21 @4\n"
         " v8: i32 = compute opcode=i32.add v5, v7 @5\n v9: i32 = compute opcode=i32.add v4, v3 @6\n"
         " jump v9, v8 -> b1 @6\nb3:\n return v5 @7\n}";
}

constexpr const char* kGiven = " v10: (ref 0) = null_check trap=14 v0 @1\n v11: i32 = array_len v10 @1\n";
constexpr const char* kMade =
    " v12: i32 = const imm=0xa @1\n v10: (ref 0) = array_alloc v12 @1\n v11: i32 = array_len v10 @1\n";

TEST(Ranges, AnIndexBelowTheLengthNeedsNoCheck) {
  EXPECT_TRUE(contains(optimised(loop(kGiven, "i32.lt_s", "v11")), "sense=0x1"));
  EXPECT_TRUE(contains(optimised(loop(kGiven, "i32.lt_u", "v11")), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(loop(kGiven, "i32.le_s", "v11")), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(loop(kGiven, "i32.lt_s", "v1")), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(loop(kGiven, "i32.ne", "v11")), "sense=0x1"));
}

TEST(Ranges, AConstantLengthIsCompared) {
  EXPECT_TRUE(contains(optimised(loop(kMade, "i32.lt_s", "v12")), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(loop(kMade, "i32.le_s", "v12")), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(loop(kMade, "i32.lt_s", "v12", 1)), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(loop(kMade, "i32.lt_s", "v12", -1)), "sense=0x1"));
}

// do { a[i] } while (++i `compare` 10)
std::string bottom_tested(const std::string& compare) {
  return std::string(
             "func 2 {\nb0(v0: (ref 0), v1: i32):\n budget @1\n v2: i32 = const @1\n v3: i32 = const imm=0x1 @1\n") +
         kMade +
         " jump v2 -> b1 @1\nb1(v4: i32):\n budget @2\n array_set v10, v4, v4 @4\n"
         " v9: i32 = compute opcode=i32.add v4, v3 @6\n v6: i32 = compute opcode=" +
         compare +
         " v9, v12 @6\n"
         " branch v6 -> b2 b3 @6\nb2:\n jump v9 -> b1 @6\nb3:\n return v4 @7\n}";
}

TEST(Ranges, ALimitOnTheWayBackHoldsInTheLoop) {
  EXPECT_TRUE(contains(optimised(bottom_tested("i32.lt_s")), "sense=0x1"));
  EXPECT_TRUE(contains(optimised(bottom_tested("i32.lt_u")), "sense=0x1"));
  EXPECT_FALSE(contains(optimised(bottom_tested("i32.le_s")), "sense=0x1"));
}

TEST(Ranges, AnIndexOneTooFarIsAPlantedFault) {
  WithFault with("BCE1");
  EXPECT_TRUE(contains(optimised(loop(kMade, "i32.le_s", "v12")), "sense=0x1"));
}

TEST(Ranges, TheSameAccessIsCheckedOnce) {
  const std::string text = optimised(
      "func 2 {\nb0(v0: (ref 0), v1: i32):\n budget @1\n v2: i32 = array_get opcode=array.get v0, v1 @2\n"
      " array_set v0, v1, v1 @3\n return v2 @4\n}");
  EXPECT_EQ(count(text, "sense=0x1"), 1u) << text;
}

TEST(Ranges, AnArrayThatTheLoopReplacesIsAnotherOne) {
  // i < length of the array of this iteration says nothing of the next one's.
  const std::string text = optimised(
      "func 2 {\nb0(v0: (ref 0), v1: i32):\n budget @1\n v2: i32 = const @1\n v3: i32 = const imm=0x1 @1\n"
      " v4: i32 = array_len v0 @1\n v5: i32 = compute opcode=i32.lt_u v2, v4 @1\n branch v5 -> b1 b4 @1\n"
      "b1:\n jump v2, v0 -> b2 @1\n"
      "b2(v6: i32, v7: (ref 0)):\n budget @2\n v8: i32 = array_get opcode=array.get v7, v6 @3\n"
      " v9: i32 = compute opcode=i32.add v6, v3 @4\n v10: i32 = array_len v7 @4\n"
      " v11: i32 = compute opcode=i32.lt_u v9, v10 @4\n branch v11 -> b3 b4 @4\n"
      "b3:\n v12: (ref 0) = array_alloc v1 @5\n jump v9, v12 -> b2 @5\nb4:\n return v1 @6\n}");
  EXPECT_FALSE(contains(text, "sense=0x1")) << text;
}

TEST(Ranges, DivisorsThatAreNeitherZeroNorMinusOneNeedNoCheck) {
  const std::string text = body(
      " v4: i32 = compute opcode=i32.and v1, v3 @2\n v5: i32 = compute opcode=i32.or v4, v2 @2\n"
      " v9: i32 = compute opcode=i32.div_s v0, v5 @3\n");
  EXPECT_TRUE(contains(text, "sense=0x1")) << text;
  EXPECT_FALSE(contains(body(" v4: i32 = compute opcode=i32.and v1, v3 @2\n"
                             " v9: i32 = compute opcode=i32.div_s v0, v4 @3\n"),
                        "sense=0x1"));
}

}  // namespace
}  // namespace parallax::opt
