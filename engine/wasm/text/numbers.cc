#include "engine/wasm/text/numbers.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <system_error>

#include "engine/base/text.h"

namespace parallax::wasm::text {

namespace {

struct FloatFormat {
  unsigned bits;
  unsigned mantissa_bits;  // stored ones
  int bias;
  uint64_t exponent_mask() const { return (uint64_t{1} << (bits - 1 - mantissa_bits)) - 1; }
  uint64_t infinity() const { return exponent_mask() << mantissa_bits; }
  uint64_t sign() const { return uint64_t{1} << (bits - 1); }
  uint64_t mantissa_mask() const { return (uint64_t{1} << mantissa_bits) - 1; }
  uint64_t quiet_bit() const { return uint64_t{1} << (mantissa_bits - 1); }
};
constexpr FloatFormat kFormat32{32, 23, 127};
constexpr FloatFormat kFormat64{64, 52, 1023};
const FloatFormat& format_of(FloatWidth width) { return width == FloatWidth::k32 ? kFormat32 : kFormat64; }

int digit_value(char c, unsigned base) {
  int value = -1;
  if (c >= '0' && c <= '9') value = c - '0';
  if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
  if (c >= 'A' && c <= 'F') value = c - 'A' + 10;
  return value < static_cast<int>(base) ? value : -1;
}

// Takes digits with single underscores between them off the front; none if there is no digit there or the underscores
// are misplaced.
std::optional<std::string> take_digits(std::string_view& text, unsigned base) {
  std::string digits;
  bool after_digit = false;
  size_t used = 0;
  for (; used < text.size(); ++used) {
    if (text[used] == '_' && after_digit) {
      after_digit = false;
      continue;
    }
    if (digit_value(text[used], base) < 0) break;
    digits += text[used];
    after_digit = true;
  }
  if (!after_digit) return std::nullopt;
  text.remove_prefix(used);
  return digits;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

struct Sign {
  bool present = false;
  bool negative = false;
};
Sign take_sign(std::string_view& text) {
  if (take_prefix(text, "-")) return {true, true};
  if (take_prefix(text, "+")) return {true, false};
  return {};
}

Number<uint64_t> magnitude(std::string_view text, uint64_t max) {
  const unsigned base = take_prefix(text, "0x") ? 16 : 10;
  const std::optional<std::string> digits = take_digits(text, base);
  if (!digits || !text.empty()) return std::unexpected(NumberError::kMalformed);
  uint64_t value = 0;
  for (const char c : *digits) {
    const auto digit = static_cast<uint64_t>(digit_value(c, base));
    if (value > (max - digit) / base || digit > max) return std::unexpected(NumberError::kOutOfRange);
    value = value * base + digit;
  }
  return value;
}

// An exponent; absurd ones saturate, which no in-range literal notices.
int64_t to_exponent(const std::string& digits, bool negative) {
  constexpr int64_t kAbsurd = int64_t{1} << 40;
  int64_t value = 0;
  for (const char c : digits) value = std::min(kAbsurd, value * 10 + (c - '0'));
  return negative ? -value : value;
}

struct Parts {
  std::string integer;
  std::string fraction;
  int64_t exponent = 0;
};

std::optional<Parts> split(std::string_view text, unsigned base) {
  Parts parts;
  std::optional<std::string> digits = take_digits(text, base);
  if (!digits) return std::nullopt;
  parts.integer = *digits;
  if (take_prefix(text, ".") && !text.empty() && digit_value(text[0], base) >= 0) {
    digits = take_digits(text, base);
    if (!digits) return std::nullopt;
    parts.fraction = *digits;
  }
  const bool has_exponent =
      base == 16 ? take_prefix(text, "p") || take_prefix(text, "P") : take_prefix(text, "e") || take_prefix(text, "E");
  if (has_exponent) {
    const Sign sign = take_sign(text);
    digits = take_digits(text, 10);
    if (!digits) return std::nullopt;
    parts.exponent = to_exponent(*digits, sign.negative);
  }
  if (!text.empty()) return std::nullopt;
  return parts;
}

// Rounds significand * 2^exponent (plus something below the last bit if `sticky`) to the format.
Number<uint64_t> round_binary(uint64_t significand, int64_t exponent, bool sticky, const FloatFormat& format) {
  if (significand == 0) return 0;
  const int shift_up = std::countl_zero(significand);
  significand <<= shift_up;
  exponent -= shift_up;
  // Now the value is 1.xxx * 2^(exponent + 63).
  const int64_t unbiased = exponent + 63;
  if (unbiased > format.bias) return std::unexpected(NumberError::kOutOfRange);
  const int64_t smallest = 1 - format.bias;
  const int64_t lost =
      (63 - static_cast<int64_t>(format.mantissa_bits)) + (unbiased < smallest ? smallest - unbiased : 0);
  uint64_t kept = 0;
  uint64_t half = 0;
  bool below = sticky;
  if (lost < 64) {
    kept = significand >> lost;
    half = significand >> (lost - 1) & 1;
    below = below || (significand << (65 - lost) != 0 && lost > 1);
  } else if (lost == 64) {
    half = significand >> 63;
    below = below || (significand << 1) != 0;
  } else {
    below = true;
  }
  uint64_t biased = unbiased < smallest ? 0 : static_cast<uint64_t>(unbiased + format.bias);
  // The carry of rounding may run into the exponent, which is exactly right, also from subnormal to normal.
  uint64_t bits = (biased << format.mantissa_bits) | (kept & format.mantissa_mask());
  if (half != 0 && (below || (kept & 1) != 0)) ++bits;
  if (bits >= format.infinity()) return std::unexpected(NumberError::kOutOfRange);
  return bits;
}

Number<uint64_t> parse_hex(std::string_view text, const FloatFormat& format) {
  const std::optional<Parts> parts = split(text, 16);
  if (!parts) return std::unexpected(NumberError::kMalformed);
  uint64_t significand = 0;
  int64_t exponent = parts->exponent;
  bool sticky = false;
  const auto take = [&](char c, bool fraction) {
    const auto digit = static_cast<uint64_t>(digit_value(c, 16));
    if (significand >> 60 == 0) {
      significand = significand << 4 | digit;
      if (fraction) exponent -= 4;
    } else {
      sticky = sticky || digit != 0;
      if (!fraction) exponent += 4;
    }
  };
  for (const char c : parts->integer) take(c, false);
  for (const char c : parts->fraction) take(c, true);
  return round_binary(significand, exponent, sticky, format);
}

template <class Float, class Bits>
Number<uint64_t> read_decimal(const std::string& digits) {
  Float value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  // Out of range covers both ends; the C library says which one, and rounds the tiny ones.
  if (result.ec == std::errc::result_out_of_range) {
    value = sizeof(Float) == 4 ? static_cast<Float>(std::strtof(digits.c_str(), nullptr))
                               : static_cast<Float>(std::strtod(digits.c_str(), nullptr));
  }
  if (std::isinf(value)) return std::unexpected(NumberError::kOutOfRange);
  return std::bit_cast<Bits>(value);
}

Number<uint64_t> parse_decimal(std::string_view text, FloatWidth width) {
  const std::optional<Parts> parts = split(text, 10);
  if (!parts) return std::unexpected(NumberError::kMalformed);
  const std::string digits = parallax::text::format("{}.{}e{}", parts->integer,
                                                    parts->fraction.empty() ? "0" : parts->fraction, parts->exponent);
  return width == FloatWidth::k32 ? read_decimal<float, uint32_t>(digits) : read_decimal<double, uint64_t>(digits);
}

Number<uint64_t> parse_nan(std::string_view text, const FloatFormat& format) {
  if (text.empty()) return format.infinity() | format.quiet_bit();
  if (!text.starts_with(":0x")) return std::unexpected(NumberError::kMalformed);
  const Number<uint64_t> payload = magnitude(text.substr(1), format.mantissa_mask());
  if (!payload) return payload;
  if (*payload == 0) return std::unexpected(NumberError::kOutOfRange);
  return format.infinity() | *payload;
}

}  // namespace

Number<uint64_t> parse_unsigned(std::string_view text, uint64_t max) { return magnitude(text, max); }

Number<uint64_t> parse_integer(std::string_view text, unsigned bits) {
  const uint64_t top = uint64_t{1} << (bits - 1);
  const uint64_t mask = top | (top - 1);
  const Sign sign = take_sign(text);
  const Number<uint64_t> value = magnitude(text, !sign.present ? mask : sign.negative ? top : top - 1);
  if (!value || !sign.negative) return value;
  return (~*value + 1) & mask;
}

Number<uint64_t> parse_float(std::string_view text, FloatWidth width) {
  const FloatFormat& format = format_of(width);
  const uint64_t sign = take_sign(text).negative ? format.sign() : 0;
  Number<uint64_t> bits;
  if (take_prefix(text, "nan")) {
    bits = parse_nan(text, format);
  } else if (text == "inf") {
    bits = format.infinity();
  } else if (take_prefix(text, "0x")) {
    bits = parse_hex(text, format);
  } else {
    bits = parse_decimal(text, width);
  }
  if (!bits) return bits;
  return *bits | sign;
}

std::string print_float(uint64_t bits, FloatWidth width) {
  const FloatFormat& format = format_of(width);
  const char* sign = (bits & format.sign()) != 0 ? "-" : "";
  const uint64_t absolute = bits & ~format.sign();
  if (absolute == format.infinity()) return parallax::text::format("{}inf", sign);
  if (absolute == (format.infinity() | format.quiet_bit())) return parallax::text::format("{}nan", sign);
  if (absolute > format.infinity()) {
    return parallax::text::format("{}nan:{:#x}", sign, absolute & format.mantissa_mask());
  }
  char buffer[64];
  const auto end =
      width == FloatWidth::k32
          ? std::to_chars(buffer, buffer + sizeof buffer, std::bit_cast<float>(static_cast<uint32_t>(bits)))
          : std::to_chars(buffer, buffer + sizeof buffer, std::bit_cast<double>(bits));
  return std::string(buffer, end.ptr);
}

}  // namespace parallax::wasm::text
