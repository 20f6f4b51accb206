// Numeric instructions as plain C++ functions: the corner cases of the specification, once.
//
// Shared by the interpreter and by constant folding, never by emitted machine code. There is one function per opcode
// with a fixed type and no access to state: Numeric<Opcode::I32Add>::apply(a, b), from the rows of numerics.def.
// Operand types follow the letters of the opcode table: i uint32_t, l uint64_t, f float, d double, v V128; lane
// immediates are LaneIndex, shuffle's are LaneIndices. Instructions that can trap give Checked<T>.
//
// Deterministic profile (specification, appendix "Profiles"): every operation that computes a NaN gives the positive
// canonical one; abs, neg, copysign and reinterpretations move bits; relaxed vector instructions take choice 0.
// Assumes the default rounding mode; nothing here reads or changes the floating-point environment.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <expected>
#include <limits>
#include <span>
#include <type_traits>

#include "engine/wasm/instr.h"
#include "engine/wasm/traps.h"

namespace parallax::wasm {

// A vector of 16 bytes, lane 0 first. Also carries scalars (in the low bytes, rest zero) in `evaluate`.
struct alignas(16) V128 {
  std::array<uint8_t, 16> bytes{};

  template <class T>
  constexpr std::array<T, 16 / sizeof(T)> lanes() const {
    return std::bit_cast<std::array<T, 16 / sizeof(T)>>(bytes);
  }
  template <class T, size_t N>
  static constexpr V128 of(const std::array<T, N>& lanes) {
    static_assert(sizeof(lanes) == 16);
    return {std::bit_cast<std::array<uint8_t, 16>>(lanes)};
  }
  static constexpr V128 of_halves(uint64_t low, uint64_t high) { return of(std::array<uint64_t, 2>{low, high}); }
  constexpr uint64_t low() const { return lanes<uint64_t>()[0]; }
  constexpr uint64_t high() const { return lanes<uint64_t>()[1]; }
  friend constexpr bool operator==(const V128&, const V128&) = default;
};

struct LaneIndex {
  uint8_t raw;
};
struct LaneIndices {
  std::array<uint8_t, 16> raw;
};

template <class T>
using Checked = std::expected<T, TrapKind>;

namespace num {

inline constexpr uint32_t kCanonicalNan32 = 0x7fc00000;
inline constexpr uint64_t kCanonicalNan64 = 0x7ff8000000000000;

template <class F>
using BitsOf = std::conditional_t<sizeof(F) == 4, uint32_t, uint64_t>;

template <class F>
inline F canonical_nan() {
  if constexpr (sizeof(F) == 4) return std::bit_cast<float>(kCanonicalNan32);
  else return std::bit_cast<double>(kCanonicalNan64);
}
// The value, or the canonical NaN in place of any NaN.
template <class F>
inline F canonical(F x) {
  return x == x ? x : canonical_nan<F>();
}

// --- Integers ----------------------------------------------------------------------------------------------------

template <class U>
inline constexpr U kShiftMask = sizeof(U) * 8 - 1;

template <class S, class U>
inline Checked<U> div_s(U a, U b) {
  if (b == 0) return std::unexpected(TrapKind::kIntegerDivideByZero);
  if (static_cast<S>(a) == std::numeric_limits<S>::min() && static_cast<S>(b) == -1) {
    return std::unexpected(TrapKind::kIntegerOverflow);
  }
  return static_cast<U>(static_cast<S>(a) / static_cast<S>(b));
}
template <class U>
inline Checked<U> div_u(U a, U b) {
  if (b == 0) return std::unexpected(TrapKind::kIntegerDivideByZero);
  return a / b;
}
template <class S, class U>
inline Checked<U> rem_s(U a, U b) {
  if (b == 0) return std::unexpected(TrapKind::kIntegerDivideByZero);
  if (static_cast<S>(b) == -1) return U{0};  // also for the minimum, where C++'s % is undefined
  return static_cast<U>(static_cast<S>(a) % static_cast<S>(b));
}
template <class U>
inline Checked<U> rem_u(U a, U b) {
  if (b == 0) return std::unexpected(TrapKind::kIntegerDivideByZero);
  return a % b;
}

// --- Floating point --------------------------------------------------------------------------------------------

template <class F>
inline F fmin(F a, F b) {
  if (a != a || b != b) return canonical_nan<F>();
  if (a == 0 && b == 0) return std::signbit(a) ? a : b;  // -0 is less than +0
  return a < b ? a : b;
}
template <class F>
inline F fmax(F a, F b) {
  if (a != a || b != b) return canonical_nan<F>();
  if (a == 0 && b == 0) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
// Pseudo-minimum and -maximum: defined by the comparison alone, so that NaNs pass through unchanged.
template <class F>
inline F pmin(F a, F b) {
  return b < a ? b : a;
}
template <class F>
inline F pmax(F a, F b) {
  return a < b ? b : a;
}
// Rounds to the nearest integer, ties to even, whatever the rounding mode.
template <class F>
inline F nearest(F x) {
  if constexpr (sizeof(F) == 4) return canonical(__builtin_roundevenf(x));
  else return canonical(__builtin_roundeven(x));
}
template <class F>
inline constexpr BitsOf<F> kSignBit = BitsOf<F>{1} << (sizeof(F) * 8 - 1);
template <class F>
inline F fabs(F x) {
  return std::bit_cast<F>(static_cast<BitsOf<F>>(std::bit_cast<BitsOf<F>>(x) & ~kSignBit<F>));
}
template <class F>
inline F fneg(F x) {
  return std::bit_cast<F>(static_cast<BitsOf<F>>(std::bit_cast<BitsOf<F>>(x) ^ kSignBit<F>));
}
template <class F>
inline F copysign(F x, F sign) {
  const auto magnitude = std::bit_cast<BitsOf<F>>(x) & ~kSignBit<F>;
  return std::bit_cast<F>(static_cast<BitsOf<F>>(magnitude | (std::bit_cast<BitsOf<F>>(sign) & kSignBit<F>)));
}
// Multiply, round, add, round. Out of line, so that no compiler setting fuses it.
float madd(float a, float b, float c);
double madd(double a, double b, double c);

// --- Conversions -------------------------------------------------------------------------------------------------

// One past the largest value of T, as a floating-point number (a power of two, hence exact).
template <class T, class F>
consteval F past_max() {
  F power = 1;
  for (int i = 0; i < std::numeric_limits<T>::digits; ++i) power *= 2;
  return power;
}
template <class T, class F>
consteval F least() {
  return std::is_signed_v<T> ? -past_max<T, F>() : F{0};
}
template <class T, class F>
inline Checked<std::make_unsigned_t<T>> trunc(F x) {
  if (x != x) return std::unexpected(TrapKind::kInvalidConversion);
  const F t = std::trunc(x);
  if (!(t >= least<T, F>() && t < past_max<T, F>())) return std::unexpected(TrapKind::kIntegerOverflow);
  return static_cast<std::make_unsigned_t<T>>(static_cast<T>(t));
}
template <class T, class F>
inline std::make_unsigned_t<T> trunc_sat(F x) {
  using U = std::make_unsigned_t<T>;
  if (x != x) return U{0};
  const F t = std::trunc(x);
  if (t < least<T, F>()) return static_cast<U>(std::numeric_limits<T>::min());
  if (t >= past_max<T, F>()) return static_cast<U>(std::numeric_limits<T>::max());
  return static_cast<U>(static_cast<T>(t));
}
// Sign extension of the low bits: extend<int8_t, uint32_t>(x).
template <class S, class U>
inline U extend(U x) {
  return static_cast<U>(static_cast<std::make_signed_t<U>>(static_cast<S>(x)));
}

// --- Lanes -------------------------------------------------------------------------------------------------------

// Each lane of type T through `f`; the result has lanes of what f returns, which must be as wide.
template <class T, class Fn>
inline V128 each(V128 a, Fn&& f) {
  const auto x = a.lanes<T>();
  std::array<decltype(f(x[0])), 16 / sizeof(T)> result;
  for (size_t i = 0; i < result.size(); ++i) result[i] = f(x[i]);
  return V128::of(result);
}
template <class T, class Fn>
inline V128 each(V128 a, V128 b, Fn&& f) {
  const auto x = a.lanes<T>(), y = b.lanes<T>();
  std::array<decltype(f(x[0], y[0])), 16 / sizeof(T)> result;
  for (size_t i = 0; i < result.size(); ++i) result[i] = f(x[i], y[i]);
  return V128::of(result);
}
template <class T, class Fn>
inline V128 each(V128 a, V128 b, V128 c, Fn&& f) {
  const auto x = a.lanes<T>(), y = b.lanes<T>(), z = c.lanes<T>();
  std::array<T, 16 / sizeof(T)> result;
  for (size_t i = 0; i < result.size(); ++i) result[i] = f(x[i], y[i], z[i]);
  return V128::of(result);
}
// Lane-wise comparison: all ones where `f` holds.
template <class T, class Fn>
inline V128 compare(V128 a, V128 b, Fn&& f) {
  using Mask = std::conditional_t<
      sizeof(T) == 1, uint8_t,
      std::conditional_t<sizeof(T) == 2, uint16_t, BitsOf<std::conditional_t<sizeof(T) == 8, double, float>>>>;
  return each<T>(a, b, [&](T x, T y) { return static_cast<Mask>(f(x, y) ? ~Mask{0} : Mask{0}); });
}
template <class T>
inline V128 splat(T x) {
  std::array<T, 16 / sizeof(T)> result;
  result.fill(x);
  return V128::of(result);
}
template <class T>
inline T extract(V128 a, LaneIndex lane) {
  return a.lanes<T>()[lane.raw];
}
template <class T>
inline V128 replace(V128 a, T x, LaneIndex lane) {
  auto result = a.lanes<T>();
  result[lane.raw] = x;
  return V128::of(result);
}
// The value of a wider computation, clamped to T.
template <class T, class W>
inline T saturate(W x) {
  if (x < static_cast<W>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (x > static_cast<W>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(x);
}

template <class T>
uint32_t all_true(V128 a) {
  for (const T x : a.lanes<T>()) {
    if (x == 0) return 0;
  }
  return 1;
}
// Bit i is the sign of lane i. T is signed.
template <class T>
uint32_t bitmask(V128 a) {
  uint32_t mask = 0, bit = 1;
  for (const T x : a.lanes<T>()) {
    if (x < 0) mask |= bit;
    bit <<= 1;
  }
  return mask;
}

V128 shuffle(V128 a, V128 b, const LaneIndices& lanes);
V128 swizzle(V128 a, V128 indices);  // indices of 16 and more give 0
V128 bitselect(V128 a, V128 b, V128 mask);

// Lanes of From, saturated to To: first those of a, then those of b.
template <class From, class To>
V128 narrow(V128 a, V128 b);
// Half of the lanes of From, widened. `first` is 0 (low) or 1 (high).
template <class From, class To, int half>
V128 extend_half(V128 a);
template <class From, class To, int half>
V128 extmul_half(V128 a, V128 b);
template <class From, class To>
V128 extadd_pairwise(V128 a);

V128 dot_i16x8(V128 a, V128 b);          // i32x4.dot_i16x8_s
V128 relaxed_dot_i8x16(V128 a, V128 b);  // signed products, pair sums saturated to 16 bits
V128 relaxed_dot_add(V128 a, V128 b, V128 c);
V128 demote_zero(V128 a);
V128 promote_low(V128 a);
template <class T>
V128 trunc_sat_f64x2_zero(V128 a);
template <class T>
V128 convert_low_f64x2(V128 a);

}  // namespace num

// The function of an opcode; only those with a row in numerics.def have one.
template <Opcode op>
struct Numeric;

#define NUMERIC(id, result, params, ...)                        \
  template <>                                                   \
  struct Numeric<Opcode::id> {                                  \
    static inline result apply params { return (__VA_ARGS__); } \
  };
#include "engine/wasm/numerics.def"
#undef NUMERIC

// Whether `evaluate` knows the opcode.
bool has_numeric(Opcode op);
// Computes one instruction from operand values, deepest first; scalars stand in the low bytes of a V128, zero-extended.
// Immediates (lanes) are taken from `instr`. Requires has_numeric(instr.op) and as many operands as its signature says.
Checked<V128> evaluate(const Instr& instr, std::span<const V128> operands);

}  // namespace parallax::wasm
