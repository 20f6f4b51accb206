#include "engine/wasm/text/numbers.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace parallax::wasm::text {
namespace {

uint32_t f32(std::string_view text) {
  return static_cast<uint32_t>(parse_float(text, FloatWidth::k32).value_or(~0ull));
}
uint64_t f64(std::string_view text) { return parse_float(text, FloatWidth::k64).value_or(~0ull); }
bool fails(Number<uint64_t> number, NumberError why) { return !number && number.error() == why; }

TEST(Integers, CoverTheSignedAndTheUnsignedRange) {
  EXPECT_EQ(parse_integer("4294967295", 32), 0xffff'ffffu);
  EXPECT_EQ(parse_integer("-2147483648", 32), 0x8000'0000u);
  EXPECT_EQ(parse_integer("-0x1", 8), 0xffu);
  EXPECT_EQ(parse_integer("1_000_000", 32), 1'000'000u);
  EXPECT_EQ(parse_integer("0xffff_ffff_ffff_ffff", 64), UINT64_MAX);
  EXPECT_EQ(parse_integer("-0x8000_0000_0000_0000", 64), uint64_t{1} << 63);
}

TEST(Integers, OutsideTheRangeAreErrorsOfTheirOwnKind) {
  EXPECT_TRUE(fails(parse_integer("4294967296", 32), NumberError::kOutOfRange));
  EXPECT_TRUE(fails(parse_integer("-2147483649", 32), NumberError::kOutOfRange));
  EXPECT_TRUE(fails(parse_integer("18446744073709551616", 64), NumberError::kOutOfRange));
  EXPECT_TRUE(fails(parse_unsigned("256", 255), NumberError::kOutOfRange));
}

TEST(Integers, UnderscoresStandBetweenDigitsOnly) {
  for (const char* text : {"_1", "1_", "1__0", "0x_1", "0x", "", "+", "1a", "0X1", "--1"}) {
    EXPECT_TRUE(fails(parse_integer(text, 32), NumberError::kMalformed)) << text;
  }
}

TEST(Floats, DecimalsRoundToNearestEven) {
  EXPECT_EQ(f32("0.1"), 0x3dcccccdu);
  EXPECT_EQ(f64("0.1"), 0x3fb999999999999aull);
  EXPECT_EQ(f32("16777217"), 0x4b800000u);  // a tie, to even
  EXPECT_EQ(f32("16777219"), 0x4b800002u);
  EXPECT_EQ(f32("16777217.0000000000000000000000000000000000000000000001"), 0x4b800001u);
  EXPECT_EQ(f64("-0"), uint64_t{1} << 63);
  EXPECT_EQ(f64("1."), 0x3ff0000000000000ull);
  EXPECT_EQ(f64("1.e1"), 0x4024000000000000ull);
}

TEST(Floats, TinyDecimalsBecomeZeroOrSubnormal) {
  EXPECT_EQ(f32("1e-46"), 0u);
  EXPECT_EQ(f32("1.4e-45"), 1u);
  EXPECT_EQ(f64("4.9406564584124654e-324"), 1u);
  EXPECT_EQ(f64("1e-400"), 0u);
}

TEST(Floats, HexadecimalsRoundExactly) {
  EXPECT_EQ(f32("0x1p-149"), 1u);
  EXPECT_EQ(f32("0x1p-150"), 0u);         // a tie at the bottom, to even
  EXPECT_EQ(f32("0x1.000002p-150"), 1u);  // just above the tie
  EXPECT_EQ(f32("0x1.fffffep127"), 0x7f7fffffu);
  EXPECT_EQ(f32("0x1.000001p0"), 0x3f800000u);
  EXPECT_EQ(f32("0x1.00000100000000000000000001p0"), 0x3f800001u);
  EXPECT_EQ(f32("0x1.fffffffffp-127"), 0x00800000u);  // rounds up from subnormal to normal
  EXPECT_EQ(f64("0x1.fffffffffffffp1023"), 0x7fefffffffffffffull);
  EXPECT_EQ(f64("0x0.0000000001p0"), f64("0x1p-40"));
  EXPECT_EQ(f64("0x100000000000000000000000000p-100"), f64("0x1p4"));
  EXPECT_EQ(f64("0x.8"), ~0ull);
}

TEST(Floats, TooLargeIsOutOfRange) {
  for (const char* text : {"3.5e38", "0x1p128", "0x1.ffffffp127", "1e99999999999999999999"}) {
    EXPECT_TRUE(fails(parse_float(text, FloatWidth::k32), NumberError::kOutOfRange)) << text;
  }
}

TEST(Floats, NansCarryPayloads) {
  EXPECT_EQ(f32("nan"), 0x7fc00000u);
  EXPECT_EQ(f32("-nan:0x7fffff"), 0xffffffffu);
  EXPECT_EQ(f64("nan:0x1"), 0x7ff0000000000001ull);
  EXPECT_EQ(f64("-inf"), 0xfff0000000000000ull);
  EXPECT_TRUE(fails(parse_float("nan:0x0", FloatWidth::k32), NumberError::kOutOfRange));
  EXPECT_TRUE(fails(parse_float("nan:0x800000", FloatWidth::k32), NumberError::kOutOfRange));
  EXPECT_TRUE(fails(parse_float("nan:1", FloatWidth::k32), NumberError::kMalformed));
}

TEST(Floats, HexadecimalAgreesWithTheCLibrary) {
  uint64_t state = 1;
  const auto random = [&] { return state = state * 6364136223846793005ull + 1442695040888963407ull; };
  for (int i = 0; i < 20'000; ++i) {
    char text[64];
    const int exponent = static_cast<int>(random() >> 33) % 1200;
    std::snprintf(text, sizeof text, "0x%llx.%llxp%d", static_cast<unsigned long long>(random() >> (random() >> 58)),
                  static_cast<unsigned long long>(random()), exponent);
    const double expected = std::strtod(text, nullptr);
    if (std::isinf(expected)) {
      EXPECT_TRUE(fails(parse_float(text, FloatWidth::k64), NumberError::kOutOfRange)) << text;
    } else {
      EXPECT_EQ(f64(text), std::bit_cast<uint64_t>(expected)) << text;
    }
    const float single = std::strtof(text, nullptr);
    if (!std::isinf(single)) EXPECT_EQ(f32(text), std::bit_cast<uint32_t>(single)) << text;
  }
}

TEST(Floats, PrintedOnesReadBack) {
  uint64_t state = 7;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    EXPECT_EQ(f64(print_float(state, FloatWidth::k64)), state);
    EXPECT_EQ(f32(print_float(state >> 32, FloatWidth::k32)), state >> 32);
  }
}

}  // namespace
}  // namespace parallax::wasm::text
