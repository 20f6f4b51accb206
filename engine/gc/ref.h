// Ref: the 32-bit name of an object in one store's heap.
//
// 0 is null; bit 0 set is an i31 (value << 1 | 1); everything else is the byte offset, a multiple of 8, of an object's
// start relative to the heap's base. A Ref holds no native pointer: a wrong one is a bounded mistake inside one heap.
// Function references are slab ids (64 bits) and never Refs.
#pragma once

#include <cstdint>

namespace parallax::gc {

struct Ref {
  uint32_t bits = 0;

  constexpr bool is_null() const { return bits == 0; }
  constexpr bool is_i31() const { return (bits & 1u) != 0; }
  // Names an object: neither null nor i31.
  constexpr bool is_object() const { return bits != 0 && (bits & 1u) == 0; }
  // The low 31 bits of `value`, as ref.i31 takes them.
  static constexpr Ref i31(uint32_t value) { return Ref{value << 1 | 1u}; }
  // Requires is_i31().
  constexpr uint32_t i31_unsigned() const { return bits >> 1; }
  constexpr int32_t i31_signed() const { return static_cast<int32_t>(bits) >> 1; }

  friend constexpr bool operator==(Ref, Ref) = default;
};
static_assert(sizeof(Ref) == 4);

inline constexpr Ref kNullRef{};

}  // namespace parallax::gc
