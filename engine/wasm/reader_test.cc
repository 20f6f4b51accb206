#include "engine/wasm/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/encode.h"

namespace parallax::wasm {
namespace {

using ::testing::StartsWith;

Reader over(const std::vector<uint8_t>& bytes) {
  return Reader(bytes, Range{0, static_cast<WasmOffset>(bytes.size())});
}

template <class T>
std::string outcome(std::vector<uint8_t> bytes, T (Reader::*read)()) {
  Reader in = over(bytes);
  const T value = (in.*read)();
  return in.ok() ? std::to_string(value) : in.error().message;
}

TEST(Leb128, UnsignedNumbersUseAllTheirBits) {
  EXPECT_EQ(outcome({0x00}, &Reader::u32), "0");
  EXPECT_EQ(outcome({0x7f}, &Reader::u32), "127");
  EXPECT_EQ(outcome({0x80, 0x01}, &Reader::u32), "128");
  EXPECT_EQ(outcome({0xff, 0xff, 0xff, 0xff, 0x0f}, &Reader::u32), "4294967295");
  EXPECT_EQ(outcome({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, &Reader::u64),
            "18446744073709551615");
}

TEST(Leb128, LongFormsAreAdmittedUpToTheLastByte) {
  EXPECT_EQ(outcome({0x80, 0x80, 0x80, 0x80, 0x00}, &Reader::u32), "0");
  EXPECT_THAT(outcome({0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, &Reader::u32),
              StartsWith("integer representation too long"));
  EXPECT_EQ(outcome({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, &Reader::u64), "0");
  EXPECT_THAT(outcome({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, &Reader::u64),
              StartsWith("integer representation too long"));
}

TEST(Leb128, SurplusBitsMustBeZeroOrTheSign) {
  EXPECT_THAT(outcome({0xff, 0xff, 0xff, 0xff, 0x1f}, &Reader::u32), StartsWith("integer too large"));
  EXPECT_THAT(outcome({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, &Reader::u64),
              StartsWith("integer too large"));
  EXPECT_EQ(outcome({0xff, 0xff, 0xff, 0xff, 0x7f}, &Reader::s32), "-1");
  EXPECT_EQ(outcome({0x80, 0x80, 0x80, 0x80, 0x78}, &Reader::s32), "-2147483648");
  EXPECT_EQ(outcome({0xff, 0xff, 0xff, 0xff, 0x07}, &Reader::s32), "2147483647");
  EXPECT_THAT(outcome({0xff, 0xff, 0xff, 0xff, 0x0f}, &Reader::s32), StartsWith("integer too large"));
  EXPECT_THAT(outcome({0x80, 0x80, 0x80, 0x80, 0x70}, &Reader::s32), StartsWith("integer too large"));
  EXPECT_EQ(outcome({0xff, 0xff, 0xff, 0xff, 0x0f}, &Reader::s33), "4294967295");
  EXPECT_EQ(outcome({0x80, 0x80, 0x80, 0x80, 0x70}, &Reader::s33), "-4294967296");
  EXPECT_THAT(outcome({0x80, 0x80, 0x80, 0x80, 0x60}, &Reader::s33), StartsWith("integer too large"));
  EXPECT_EQ(outcome({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, &Reader::s64),
            "-9223372036854775808");
  EXPECT_THAT(outcome({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e}, &Reader::s64),
              StartsWith("integer too large"));
}

TEST(Leb128, EveryProperPrefixIsAnUnexpectedEnd) {
  const std::vector<uint8_t> bytes = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
  for (size_t n = 0; n <= 4; ++n) {
    const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_THAT(outcome(prefix, &Reader::u32), StartsWith("unexpected end")) << n;
    EXPECT_THAT(outcome(prefix, &Reader::s32), StartsWith("unexpected end")) << n;
    EXPECT_THAT(outcome(prefix, &Reader::s64), StartsWith("unexpected end")) << n;
  }
}

TEST(Leb128, WhatIsWrittenIsReadBack) {
  for (int shift = 0; shift < 64; ++shift) {
    for (const int64_t delta : {-1, 0, 1}) {
      const auto bits = (uint64_t{1} << shift) + static_cast<uint64_t>(delta);
      ByteWriter out;
      out.uleb(bits);
      out.sleb(static_cast<int64_t>(bits));
      out.sleb(-static_cast<int64_t>(bits >> 1));
      std::vector<uint8_t> bytes(out.bytes().begin(), out.bytes().end());
      Reader in = over(bytes);
      EXPECT_EQ(in.u64(), bits);
      EXPECT_EQ(in.s64(), static_cast<int64_t>(bits));
      EXPECT_EQ(in.s64(), -static_cast<int64_t>(bits >> 1));
      EXPECT_TRUE(in.ok() && in.at_end());
    }
  }
}

TEST(Reader, OnlyTheFirstMistakeIsRemembered) {
  const std::vector<uint8_t> bytes = {0xff, 0xff, 0xff, 0xff, 0x1f, 0x01};
  Reader in = over(bytes);
  in.u32();
  EXPECT_EQ(in.u8(), 0);  // after a mistake there are only zeros
  EXPECT_EQ(in.u32(), 0u);
  in.invalid(3, "later");
  EXPECT_EQ(in.error().offset, 0u);
  EXPECT_THAT(in.error().message, StartsWith("integer too large"));
}

TEST(Reader, CountsCannotExceedTheBytesThatRemain) {
  const std::vector<uint8_t> bytes = {0x03, 0x00, 0x00};
  Reader in = over(bytes);
  EXPECT_EQ(in.count(), 0u);
  EXPECT_THAT(in.error().message, StartsWith("unexpected end"));
}

TEST(Utf8, AcceptsScalarValuesInTheirShortestFormOnly) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(
      is_utf8("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xc2", "\xe1\x80", "\xf1\x80\x80", "\xc2 ", "\xe1\x80\xc0"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace parallax::wasm
