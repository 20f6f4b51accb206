// Strong ids: an index that knows what it indexes. FuncIndex and TypeIndex do not convert into each other.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

namespace parallax {

template <class Tag>
struct Id {
  using Raw = uint32_t;
  static constexpr Raw kNone = ~Raw{0};

  Raw raw = kNone;

  constexpr Id() = default;
  constexpr explicit Id(Raw value) : raw(value) {}
  constexpr explicit Id(size_t value)
    requires(!std::is_same_v<size_t, Raw>)
      : raw(static_cast<Raw>(value)) {}
  constexpr explicit Id(int value) : raw(static_cast<Raw>(value)) {}

  constexpr bool valid() const { return raw != kNone; }
  constexpr size_t index() const { return raw; }
  friend constexpr auto operator<=>(Id, Id) = default;
};

}  // namespace parallax

template <class Tag>
struct std::hash<parallax::Id<Tag>> {
  size_t operator()(parallax::Id<Tag> id) const { return id.raw; }
};
