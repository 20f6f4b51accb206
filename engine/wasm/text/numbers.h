// Number literals of the text format: text to bits, and back.
//
// Exact: decimal floats are rounded once, to nearest, ties to even; hexadecimal ones likewise, by code of our own.
// A literal outside its type's range is an error, as the specification demands; nothing is ever wrapped silently.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace parallax::wasm::text {

enum class NumberError : uint8_t { kMalformed, kOutOfRange };
template <class T>
using Number = std::expected<T, NumberError>;

// An unsigned integer, decimal or hexadecimal, at most `max`.
Number<uint64_t> parse_unsigned(std::string_view text, uint64_t max);
// An iN literal: unsigned or signed range of `bits` bits; the value modulo 2^bits, zero-extended.
Number<uint64_t> parse_integer(std::string_view text, unsigned bits);

enum class FloatWidth : uint8_t { k32, k64 };
// An fN literal: decimal, hexadecimal, inf, nan, nan:0x...; the bits, zero-extended.
Number<uint64_t> parse_float(std::string_view text, FloatWidth width);

// The shortest decimal text that reads back to the same bits; inf, nan and nan:0x... for the rest.
std::string print_float(uint64_t bits, FloatWidth width);

}  // namespace parallax::wasm::text
