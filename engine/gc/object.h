// The header in front of every object, and where its contents start.
//
// An object is {u32 meta, u32 length} and then its fields or elements; sizes are multiples of 8. `meta` is the layout's
// id (24 bits, high) and flags of the collector (8 bits, low), so that a type test is one load and one shift. Flags may
// be non-zero whenever code runs: never compare meta without the shift.
#pragma once

#include <cstdint>

namespace parallax::gc {

// Which Layout an object has: the canonical TypeId of its type, or a reserved id at the top of the range.
using LayoutId = uint32_t;
inline constexpr LayoutId kLayoutIdBits = 24;
inline constexpr LayoutId kMaxLayoutId = (1u << kLayoutIdBits) - 1;
// Reserved: a box that carries the slab id of a host object (u64 behind the header).
inline constexpr LayoutId kHostBoxLayout = kMaxLayoutId - 1;
// Reserved: not an object but a free cell of the non-moving heap or a gap; `length` is its size in 8-byte units.
inline constexpr LayoutId kFreeLayout = kMaxLayoutId - 2;
inline constexpr LayoutId kFirstReservedLayout = kMaxLayoutId - 15;

// Objects start and end at multiples of this.
inline constexpr uint32_t kObjectAlign = 8;
inline constexpr uint32_t kHeaderBytes = 8;
inline constexpr uint32_t kMetaOffset = 0;
inline constexpr uint32_t kLengthOffset = 4;
// Of the layout id in `meta`.
inline constexpr uint32_t kLayoutShift = 8;

// What retired space is filled with when it is poisoned.
inline constexpr uint8_t kPoison = 0xd5;
inline constexpr uint32_t kPoisonWord = 0xd5d5d5d5u;

enum ObjectFlags : uint8_t {
  kMarked = 1,
  kForwarded = 2,  // moved: `length` holds the new Ref
  // Generational heap: old, and not remembered. Whoever stores a reference into the object clears the flag and puts the
  // object's name on the list of remembered ones (Heap::note_store; compiled code: MOp::Barrier).   [I9]
  kWatched = 4,
};

struct ObjectHeader {
  uint32_t meta = 0;
  uint32_t length = 0;  // arrays: element count; free cells: size / 8; others 0

  constexpr LayoutId layout() const { return meta >> kLayoutShift; }
  constexpr bool has(ObjectFlags flag) const { return (meta & flag) != 0; }
  static constexpr uint32_t make_meta(LayoutId layout) { return layout << kLayoutShift; }
};
static_assert(sizeof(ObjectHeader) == kHeaderBytes);

// Budgets and inline allocation (BumpWindow in heap.h).
inline constexpr uint32_t kChargeShift = 16;
inline constexpr uint64_t kChargePerByte = 2;

// Exceptions: the tag's slab id (u64) stands first, the payload follows by the layout.
inline constexpr uint32_t kExnTagOffset = kHeaderBytes;
// Host boxes: the host object's slab id (u64).
inline constexpr uint32_t kHostBoxIdOffset = kHeaderBytes;

}  // namespace parallax::gc
