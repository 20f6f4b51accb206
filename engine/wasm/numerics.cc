// Vector operations that move lanes, and the uniform entry `evaluate`.
#include "engine/wasm/numerics.h"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "engine/base/check.h"

namespace parallax::wasm {
namespace num {
namespace {

// Keeps the compiler from fusing the multiplication with the addition.
#pragma clang fp contract(off)
template <class F>
F madd_unfused(F a, F b, F c) {
  const F product = canonical(a * b);
  return canonical(product + c);
}

}  // namespace

float madd(float a, float b, float c) { return madd_unfused(a, b, c); }
double madd(double a, double b, double c) { return madd_unfused(a, b, c); }

V128 shuffle(V128 a, V128 b, const LaneIndices& lanes) {
  V128 result;
  for (size_t i = 0; i < 16; ++i) {
    const uint8_t lane = lanes.raw[i];
    result.bytes[i] = lane < 16 ? a.bytes[lane] : b.bytes[lane & 15];
  }
  return result;
}

V128 swizzle(V128 a, V128 indices) {
  V128 result;
  for (size_t i = 0; i < 16; ++i) {
    const uint8_t lane = indices.bytes[i];
    result.bytes[i] = lane < 16 ? a.bytes[lane] : uint8_t{0};
  }
  return result;
}

V128 bitselect(V128 a, V128 b, V128 mask) {
  return V128::of_halves((a.low() & mask.low()) | (b.low() & ~mask.low()),
                         (a.high() & mask.high()) | (b.high() & ~mask.high()));
}

template <class From, class To>
V128 narrow(V128 a, V128 b) {
  std::array<To, 16 / sizeof(To)> result;
  constexpr size_t kHalf = result.size() / 2;
  for (size_t i = 0; i < kHalf; ++i) {
    result[i] = saturate<To, int64_t>(a.lanes<From>()[i]);
    result[i + kHalf] = saturate<To, int64_t>(b.lanes<From>()[i]);
  }
  return V128::of(result);
}
template V128 narrow<int16_t, int8_t>(V128, V128);
template V128 narrow<int16_t, uint8_t>(V128, V128);
template V128 narrow<int32_t, int16_t>(V128, V128);
template V128 narrow<int32_t, uint16_t>(V128, V128);

template <class From, class To, int half>
V128 extend_half(V128 a) {
  std::array<To, 16 / sizeof(To)> result;
  for (size_t i = 0; i < result.size(); ++i) result[i] = a.lanes<From>()[i + half * result.size()];
  return V128::of(result);
}

template <class From, class To, int half>
V128 extmul_half(V128 a, V128 b) {
  // Products of the narrow type always fit the wide one; both are computed in the wide type.
  return each<To>(extend_half<From, To, half>(a), extend_half<From, To, half>(b), [](To x, To y) {
    if constexpr (sizeof(To) == 8) return static_cast<To>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
    else return static_cast<To>(int64_t{x} * int64_t{y});
  });
}

template <class From, class To>
V128 extadd_pairwise(V128 a) {
  std::array<To, 16 / sizeof(To)> result;
  const auto x = a.lanes<From>();
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<To>(To{x[2 * i]} + To{x[2 * i + 1]});
  return V128::of(result);
}

#define PARALLAX_WIDENINGS(FromType, ToType)                  \
  template V128 extend_half<FromType, ToType, 0>(V128);       \
  template V128 extend_half<FromType, ToType, 1>(V128);       \
  template V128 extmul_half<FromType, ToType, 0>(V128, V128); \
  template V128 extmul_half<FromType, ToType, 1>(V128, V128); \
  template V128 extadd_pairwise<FromType, ToType>(V128);
PARALLAX_WIDENINGS(int8_t, int16_t)
PARALLAX_WIDENINGS(uint8_t, uint16_t)
PARALLAX_WIDENINGS(int16_t, int32_t)
PARALLAX_WIDENINGS(uint16_t, uint32_t)
PARALLAX_WIDENINGS(int32_t, int64_t)
PARALLAX_WIDENINGS(uint32_t, uint64_t)
#undef PARALLAX_WIDENINGS

V128 dot_i16x8(V128 a, V128 b) {
  const auto x = a.lanes<int16_t>(), y = b.lanes<int16_t>();
  std::array<uint32_t, 4> result;
  for (size_t i = 0; i < 4; ++i) {
    // Only (-32768)^2 * 2 leaves the signed range; it wraps.
    result[i] = static_cast<uint32_t>(x[2 * i] * y[2 * i]) + static_cast<uint32_t>(x[2 * i + 1] * y[2 * i + 1]);
  }
  return V128::of(result);
}

V128 relaxed_dot_i8x16(V128 a, V128 b) {
  const auto x = a.lanes<int8_t>(), y = b.lanes<int8_t>();
  std::array<int16_t, 8> result;
  for (size_t i = 0; i < 8; ++i) { result[i] = saturate<int16_t>(x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1]); }
  return V128::of(result);
}

V128 relaxed_dot_add(V128 a, V128 b, V128 c) {
  const V128 sums = extadd_pairwise<int16_t, int32_t>(relaxed_dot_i8x16(a, b));
  return each<uint32_t>(sums, c, [](uint32_t x, uint32_t y) { return x + y; });
}

V128 demote_zero(V128 a) {
  const auto x = a.lanes<double>();
  return V128::of(std::array<float, 4>{canonical(static_cast<float>(x[0])), canonical(static_cast<float>(x[1])), 0, 0});
}

V128 promote_low(V128 a) {
  const auto x = a.lanes<float>();
  return V128::of(std::array<double, 2>{canonical(static_cast<double>(x[0])), canonical(static_cast<double>(x[1]))});
}

template <class T>
V128 trunc_sat_f64x2_zero(V128 a) {
  const auto x = a.lanes<double>();
  return V128::of(std::array<uint32_t, 4>{trunc_sat<T>(x[0]), trunc_sat<T>(x[1]), 0, 0});
}
template V128 trunc_sat_f64x2_zero<int32_t>(V128);
template V128 trunc_sat_f64x2_zero<uint32_t>(V128);

template <class T>
V128 convert_low_f64x2(V128 a) {
  const auto x = a.lanes<T>();
  return V128::of(std::array<double, 2>{static_cast<double>(x[0]), static_cast<double>(x[1])});
}
template V128 convert_low_f64x2<int32_t>(V128);
template V128 convert_low_f64x2<uint32_t>(V128);

}  // namespace num

namespace {

// How each C++ type of numerics.def appears in a signature, and how it lives in a V128.
template <class T>
struct Letter;
template <class T>
struct Scalar {
  static T from(const V128& v) {
    using Bits = num::BitsOf<std::conditional_t<sizeof(T) == 8, double, float>>;
    return std::bit_cast<T>(static_cast<Bits>(v.low()));
  }
  static V128 to(T x) {
    using Bits = num::BitsOf<std::conditional_t<sizeof(T) == 8, double, float>>;
    return V128::of_halves(std::bit_cast<Bits>(x), 0);
  }
};
template <>
struct Letter<uint32_t> : Scalar<uint32_t> {
  static constexpr char kLetter = 'i';
};
template <>
struct Letter<uint64_t> : Scalar<uint64_t> {
  static constexpr char kLetter = 'l';
};
template <>
struct Letter<float> : Scalar<float> {
  static constexpr char kLetter = 'f';
};
template <>
struct Letter<double> : Scalar<double> {
  static constexpr char kLetter = 'd';
};
template <>
struct Letter<V128> {
  static constexpr char kLetter = 'v';
  static V128 from(const V128& v) { return v; }
  static V128 to(const V128& v) { return v; }
};
template <class T>
struct Letter<Checked<T>> : Letter<T> {};
// Immediates are no operands.
template <>
struct Letter<LaneIndex> {
  static constexpr char kLetter = 0;
};
template <>
struct Letter<LaneIndices> {
  static constexpr char kLetter = 0;
};

template <class R, class... A>
consteval bool agrees(R (*)(A...), std::string_view signature) {
  char expected[8] = {};
  size_t n = 0;
  ((Letter<A>::kLetter != 0 ? void(expected[n++] = Letter<A>::kLetter) : void()), ...);
  expected[n++] = ':';
  expected[n++] = Letter<R>::kLetter;
  return std::string_view(expected, n) == signature;
}

template <class A, size_t kOperand>
A take(const Instr& instr, const V128* operands) {
  if constexpr (std::is_same_v<A, LaneIndex>) return LaneIndex{instr.lane};
  else if constexpr (std::is_same_v<A, LaneIndices>) return LaneIndices{instr.v128};
  else return Letter<A>::from(operands[kOperand]);
}

using Evaluator = Checked<V128> (*)(const Instr&, const V128*);

template <auto fn>
struct Uniform;
template <class R, class... A, R (*fn)(A...)>
struct Uniform<fn> {
  // Operands come before immediates in every row, so that an argument's position is its operand's.
  static Checked<V128> call(const Instr& instr, const V128* operands) {
    return [&]<size_t... i>(std::index_sequence<i...>) -> Checked<V128> {
      if constexpr (requires(R r) { r.error(); }) {
        const R result = fn(take<A, i>(instr, operands)...);
        if (!result) return std::unexpected(result.error());
        return Letter<R>::to(*result);
      } else {
        return Letter<R>::to(fn(take<A, i>(instr, operands)...));
      }
    }(std::index_sequence_for<A...>{});
  }
};

struct SignatureRow {
  const char* signature;
  bool numeric;  // must have a row in numerics.def
};
constexpr SignatureRow kSignatures[kOpcodeCount] = {
#define OPCODE(id, prefix, code, text, imm, signature, effects, feature)   \
  {signature,                                                              \
   std::string_view(signature).size() > 1 && ((effects) & ~kTraps) == 0 && \
       (ImmKind::imm == ImmKind::None || ImmKind::imm == ImmKind::Lane || ImmKind::imm == ImmKind::Shuffle)},
#include "engine/wasm/opcodes.def"
#undef OPCODE
};

#define NUMERIC(id, result, params, ...)                                                                           \
  static_assert(agrees(&Numeric<Opcode::id>::apply, kSignatures[static_cast<size_t>(Opcode::id)].signature), #id); \
  static_assert(kSignatures[static_cast<size_t>(Opcode::id)].numeric, #id);
#include "engine/wasm/numerics.def"
#undef NUMERIC

constexpr auto kEvaluators = [] {
  std::array<Evaluator, kOpcodeCount> table{};
#define NUMERIC(id, result, params, ...) \
  table[static_cast<size_t>(Opcode::id)] = Uniform<&Numeric<Opcode::id>::apply>::call;
#include "engine/wasm/numerics.def"
#undef NUMERIC
  return table;
}();

consteval bool no_row_is_missing() {
  for (size_t op = 0; op < kOpcodeCount; ++op) {
    if (kSignatures[op].numeric != (kEvaluators[op] != nullptr)) return false;
  }
  return true;
}
static_assert(no_row_is_missing());

}  // namespace

bool has_numeric(Opcode op) { return kEvaluators[static_cast<size_t>(op)] != nullptr; }

Checked<V128> evaluate(const Instr& instr, std::span<const V128> operands) {
  CHECK(has_numeric(instr.op), "numerics: no function for {}", info(instr.op).text);
  const std::string_view signature = kSignatures[static_cast<size_t>(instr.op)].signature;
  CHECK(operands.size() == signature.find(':'), "numerics: {} takes {}, got {}", info(instr.op).text, signature,
        operands.size());
  return kEvaluators[static_cast<size_t>(instr.op)](instr, operands.data());
}

}  // namespace parallax::wasm
