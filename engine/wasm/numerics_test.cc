#include "engine/wasm/numerics.h"

#include <gtest/gtest.h>

namespace parallax::wasm {
namespace {

template <Opcode op, class... A>
auto apply(A... a) {
  return Numeric<op>::apply(a...);
}
uint32_t bits(float x) { return std::bit_cast<uint32_t>(x); }
uint64_t bits(double x) { return std::bit_cast<uint64_t>(x); }
float f32(uint32_t x) { return std::bit_cast<float>(x); }
double f64(uint64_t x) { return std::bit_cast<double>(x); }

constexpr uint32_t kMin32 = 0x80000000;
constexpr uint64_t kMin64 = 0x8000000000000000;
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Integers, DivisionTrapsInItsTwoCorners) {
  EXPECT_EQ(apply<Opcode::I32DivS>(7u, 0u).error(), TrapKind::kIntegerDivideByZero);
  EXPECT_EQ(apply<Opcode::I32DivS>(kMin32, ~0u).error(), TrapKind::kIntegerOverflow);
  EXPECT_EQ(apply<Opcode::I32DivU>(kMin32, ~0u), 0u);
  EXPECT_EQ(apply<Opcode::I32RemS>(kMin32, ~0u), 0u);
  EXPECT_EQ(apply<Opcode::I32RemS>(static_cast<uint32_t>(-7), 3u), static_cast<uint32_t>(-1));
  EXPECT_EQ(apply<Opcode::I32RemS>(7u, 0u).error(), TrapKind::kIntegerDivideByZero);
  EXPECT_EQ(apply<Opcode::I64DivS>(kMin64, ~uint64_t{0}).error(), TrapKind::kIntegerOverflow);
  EXPECT_EQ(apply<Opcode::I64RemS>(kMin64, ~uint64_t{0}), 0u);
  EXPECT_EQ(apply<Opcode::I64RemU>(5ull, 0ull).error(), TrapKind::kIntegerDivideByZero);
}

TEST(Integers, ShiftCountsWrap) {
  EXPECT_EQ(apply<Opcode::I32Shl>(1u, 33u), 2u);
  EXPECT_EQ(apply<Opcode::I32ShrS>(kMin32, 63u), ~0u);
  EXPECT_EQ(apply<Opcode::I64ShrU>(kMin64, 127ull), 1u);
  EXPECT_EQ(apply<Opcode::I32Rotl>(0x80000001u, 1u), 3u);
  EXPECT_EQ(apply<Opcode::I64Rotr>(1ull, 65ull), kMin64);
  EXPECT_EQ(apply<Opcode::I32Clz>(0u), 32u);
  EXPECT_EQ(apply<Opcode::I64Ctz>(0ull), 64u);
  EXPECT_EQ(apply<Opcode::I64Extend8S>(0x80ull), ~uint64_t{0x7f});
}

TEST(Floats, EveryComputedNanIsThePositiveCanonicalOne) {
  const float nan = f32(0xffa00001);  // negative, signalling, with payload
  EXPECT_EQ(bits(apply<Opcode::F32Add>(nan, 1.0f)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Sub>(kInf, kInf)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Mul>(kInf, 0.0f)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Div>(0.0f, 0.0f)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Sqrt>(-1.0f)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Min>(nan, 1.0f)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Nearest>(nan)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F32Ceil>(nan)), num::kCanonicalNan32);
  EXPECT_EQ(bits(apply<Opcode::F64PromoteF32>(nan)), num::kCanonicalNan64);
  EXPECT_EQ(bits(apply<Opcode::F32DemoteF64>(f64(0xfff0000000000001))), num::kCanonicalNan32);
}

TEST(Floats, SignOperationsMoveBitsOnly) {
  const uint32_t nan = 0xffa00001;
  EXPECT_EQ(bits(apply<Opcode::F32Neg>(f32(nan))), 0x7fa00001u);
  EXPECT_EQ(bits(apply<Opcode::F32Abs>(f32(nan))), 0x7fa00001u);
  EXPECT_EQ(bits(apply<Opcode::F32Copysign>(f32(0x7fa00001), f32(nan))), nan);
  EXPECT_EQ(apply<Opcode::I32ReinterpretF32>(f32(nan)), nan);
  EXPECT_EQ(bits(apply<Opcode::F64Neg>(f64(0x7ff4000000000000))), 0xfff4000000000000u);
}

TEST(Floats, MinAndMaxOrderZeros) {
  EXPECT_EQ(bits(apply<Opcode::F32Min>(0.0f, -0.0f)), kMin32);
  EXPECT_EQ(bits(apply<Opcode::F32Min>(-0.0f, 0.0f)), kMin32);
  EXPECT_EQ(bits(apply<Opcode::F32Max>(-0.0f, 0.0f)), 0u);
  EXPECT_EQ(bits(apply<Opcode::F32Max>(0.0f, -0.0f)), 0u);
  EXPECT_EQ(bits(apply<Opcode::F64Max>(-0.0, -0.0)), kMin64);
}

TEST(Floats, NearestRoundsTiesToEvenAndKeepsTheSign) {
  EXPECT_EQ(apply<Opcode::F64Nearest>(2.5), 2.0);
  EXPECT_EQ(apply<Opcode::F64Nearest>(3.5), 4.0);
  EXPECT_EQ(bits(apply<Opcode::F64Nearest>(-0.4)), kMin64);
  EXPECT_EQ(bits(apply<Opcode::F32Ceil>(-0.5f)), kMin32);
}

TEST(Conversions, TruncationTrapsJustOutsideTheRange) {
  EXPECT_EQ(apply<Opcode::I32TruncF64S>(2147483647.9), 0x7fffffffu);
  EXPECT_EQ(apply<Opcode::I32TruncF64S>(2147483648.0).error(), TrapKind::kIntegerOverflow);
  EXPECT_EQ(apply<Opcode::I32TruncF64S>(-2147483648.9), kMin32);
  EXPECT_EQ(apply<Opcode::I32TruncF64S>(-2147483649.0).error(), TrapKind::kIntegerOverflow);
  EXPECT_EQ(apply<Opcode::I32TruncF32S>(-2147483648.0f), kMin32);
  EXPECT_EQ(apply<Opcode::I32TruncF64U>(-0.9), 0u);
  EXPECT_EQ(apply<Opcode::I32TruncF64U>(-1.0).error(), TrapKind::kIntegerOverflow);
  EXPECT_EQ(apply<Opcode::I64TruncF64U>(18446744073709549568.0), 0xfffffffffffff800u);
  EXPECT_EQ(apply<Opcode::I64TruncF64U>(18446744073709551616.0).error(), TrapKind::kIntegerOverflow);
  EXPECT_EQ(apply<Opcode::I64TruncF64S>(-9223372036854775808.0), kMin64);
  EXPECT_EQ(apply<Opcode::I64TruncF32S>(f32(0x7fc00000)).error(), TrapKind::kInvalidConversion);
  EXPECT_EQ(apply<Opcode::I64TruncF32S>(kInf).error(), TrapKind::kIntegerOverflow);
}

TEST(Conversions, SaturatingTruncationNeverTraps) {
  EXPECT_EQ(apply<Opcode::I32TruncSatF32S>(f32(0x7fc00000)), 0u);
  EXPECT_EQ(apply<Opcode::I32TruncSatF32S>(kInf), 0x7fffffffu);
  EXPECT_EQ(apply<Opcode::I32TruncSatF32S>(-kInf), kMin32);
  EXPECT_EQ(apply<Opcode::I64TruncSatF64U>(-5.0), 0u);
  EXPECT_EQ(apply<Opcode::I64TruncSatF64U>(1e30), ~uint64_t{0});
}

TEST(Conversions, LargeUnsignedIntegersRoundOnce) {
  EXPECT_EQ(bits(apply<Opcode::F32ConvertI64U>(0xffffff8000000001ull)), bits(18446744073709551616.0f));
  EXPECT_EQ(bits(apply<Opcode::F32ConvertI64U>(0xffffff7fffffffffull)), 0x5f7fffffu);
  EXPECT_EQ(bits(apply<Opcode::F64ConvertI64U>(0xfffffffffffffbffull)), 0x43efffffffffffffu);
  EXPECT_EQ(bits(apply<Opcode::F32ConvertI32U>(0xffffffffu)), bits(4294967296.0f));
}

V128 bytes(std::initializer_list<int> values) {
  V128 v;
  size_t i = 0;
  for (const int x : values) v.bytes[i++] = static_cast<uint8_t>(x);
  return v;
}

TEST(Vectors, RelaxedInstructionsTakeTheDeterministicChoice) {
  const V128 minus128 = num::splat(int8_t{-128}), minus127 = num::splat(int8_t{-127});
  EXPECT_EQ((apply<Opcode::I16x8RelaxedDotI8x16I7x16S>(minus128, minus127)), num::splat(int16_t{32512}));
  EXPECT_EQ((apply<Opcode::I16x8RelaxedDotI8x16I7x16S>(minus128, minus128)), num::splat(int16_t{32767}));  // saturates
  EXPECT_EQ((apply<Opcode::I32x4RelaxedDotI8x16I7x16AddS>(minus128, minus127, num::splat(1))), num::splat(65025));
  EXPECT_EQ((apply<Opcode::I16x8RelaxedQ15mulrS>(num::splat(int16_t{-32768}), num::splat(int16_t{-32768}))),
            num::splat(int16_t{32767}));
  EXPECT_EQ((apply<Opcode::I8x16RelaxedSwizzle>(num::splat(uint8_t{9}), num::splat(uint8_t{16}))), V128{});
  const V128 mask = num::splat(uint8_t{0x0f});
  EXPECT_EQ((apply<Opcode::I8x16RelaxedLaneselect>(num::splat(uint8_t{0xff}), V128{}, mask)), mask);
  // (1 + 2^-12)^2 - 1 - 2^-11 is 2^-24 when fused, 0 when not.
  const float x = 1 + 0x1p-12f;
  EXPECT_EQ((apply<Opcode::F32x4RelaxedMadd>(num::splat(x), num::splat(x), num::splat(-(1 + 0x1p-11f)))), V128{});
}

TEST(Vectors, WideningAndNarrowingKeepLaneOrder) {
  const V128 a = bytes({0, 1, 2, 3, 4, 5, 6, 7, -8, -9, -10, -11, -12, -13, -14, -15});
  EXPECT_EQ(apply<Opcode::I16x8ExtendHighI8x16S>(a),
            V128::of(std::array<int16_t, 8>{-8, -9, -10, -11, -12, -13, -14, -15}));
  EXPECT_EQ(apply<Opcode::I16x8ExtaddPairwiseI8x16U>(a).lanes<uint16_t>()[4], 248 + 247);
  const V128 wide = V128::of(std::array<int16_t, 8>{-1, 0, 255, 256, 300, -300, 127, 128});
  EXPECT_EQ(apply<Opcode::I8x16NarrowI16x8U>(wide, V128{}), bytes({0, 0, 255, 255, 255, 0, 127, 128}));
  EXPECT_EQ(apply<Opcode::I8x16NarrowI16x8S>(V128{}, wide),
            bytes({0, 0, 0, 0, 0, 0, 0, 0, -1, 0, 127, 127, 127, -128, 127, 127}));
}

TEST(Vectors, DotProductWrapsInItsOneOverflow) {
  const V128 least = num::splat(int16_t{-32768});
  EXPECT_EQ(apply<Opcode::I32x4DotI16x8S>(least, least), num::splat(kMin32));
}

TEST(Vectors, PseudoMinimumPassesNansThrough) {
  const V128 nan = num::splat(0xffa00001u), one = num::splat(1.0f);
  EXPECT_EQ(apply<Opcode::F32x4Pmin>(nan, one), nan);
  EXPECT_EQ(apply<Opcode::F32x4Pmin>(one, nan), one);
  EXPECT_EQ(apply<Opcode::F32x4Min>(one, nan), num::splat(num::kCanonicalNan32));
}

TEST(Evaluate, TakesOperandsDeepestFirstAndLanesFromTheInstruction) {
  const V128 seven = V128::of_halves(7, 0), two = V128::of_halves(2, 0);
  const V128 operands[] = {seven, two};
  EXPECT_EQ(evaluate({.op = Opcode::I32Sub}, operands)->low(), 5u);
  const V128 zero[] = {seven, V128{}};
  EXPECT_EQ(evaluate({.op = Opcode::I32DivU}, zero).error(), TrapKind::kIntegerDivideByZero);
  const V128 replaced[] = {V128{}, V128::of_halves(0x1ff, 0)};
  EXPECT_EQ(evaluate({.op = Opcode::I8x16ReplaceLane, .lane = 3}, replaced)->bytes[3], 0xff);
  EXPECT_FALSE(has_numeric(Opcode::I32Const));
  EXPECT_FALSE(has_numeric(Opcode::I32Load));
}

}  // namespace
}  // namespace parallax::wasm
