// Region: address space that is reserved once and used again and again.
//
// A fuzzer makes thousands of stores a second; a mapping per store would cost more than the store. Released regions go
// to a pool of the process, zeroed as far as they were dirtied (small ranges by memset, large ones handed back to the
// system), so that a region always starts as zeros. Beyond the usable part lies reserved, inaccessible space wide
// enough that a corrupt name or index within the format's range faults instead of reaching other mappings.
// This is the file of mmap, mprotect and madvise.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace parallax::gc {

// What a region is for; decides how much is reserved around the usable part.
enum class RegionUse : uint8_t {
  kHeap,           // 4 GiB of names, first page inaccessible, guard for 2^32 elements of 16 bytes
  kFuncs,          // function slab
  kMemory,         // linear memory
  kGuardedMemory,  // linear memory whose base never moves and behind whose size everything in kGuardReach faults
  kList,           // a list that compiled code appends to without asking for its end
};
inline constexpr uint32_t kRegionUseCount = 5;
// Reserved for a list; enough for 4 bytes per 16 bytes of the largest heap.
inline constexpr uint64_t kListRegionBytes = uint64_t{1} << 30;
// Reserved for a function slab; entries beyond do not fit.
inline constexpr uint64_t kFuncRegionBytes = uint64_t{1} << 28;

// From the base of a guarded memory: a 32-bit index, a static offset below kGuardedOffsets, and the widest access.
inline constexpr uint64_t kGuardedOffsets = uint64_t{1} << 31;
inline constexpr uint64_t kGuardReach = (uint64_t{1} << 32) + kGuardedOffsets + 64 * 1024;
// Guarded memories that a process may have at a time; more would use up the address space that heaps need.
inline constexpr uint32_t kMostGuardedMemories = 1024;

inline constexpr uint64_t kPage = 4096;
constexpr uint64_t page_up(uint64_t bytes) { return (bytes + kPage - 1) & ~(kPage - 1); }
constexpr uint64_t page_down(uint64_t bytes) { return bytes & ~(kPage - 1); }

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool empty() const { return begin >= end; }
  bool has(uint64_t offset) const { return offset >= begin && offset < end; }
  uint64_t bytes() const { return end - begin; }
};

class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept { swap(other); }
  Region& operator=(Region&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Region();

  // A region whose first `usable` bytes (rounded up to pages) can be used and are zero. Empty when the machine refuses.
  static Region acquire(RegionUse use, uint64_t usable);

  bool empty() const { return base_ == nullptr; }
  uint8_t* base() const { return base_; }
  uint64_t usable() const { return usable_; }
  // Makes [0, usable) accessible; may move the region when it outgrows what was reserved. False: no memory.
  bool grow(uint64_t usable);
  // Everything that may have been written lies below `bytes`. Until told, all of it is taken to be dirty.
  void set_dirty(uint64_t bytes) { dirty_ = {ByteRange{0, bytes}}; }
  // The same for a few ranges. Requires: at most kMaxDirty.
  void set_dirty(std::span<const ByteRange> ranges);
  static constexpr size_t kMaxDirty = 6;
  // All zeros again, accessible as at first. Requires: everything that was written lies in the ranges (at most kMaxDirty).
  void clear(std::span<const ByteRange> written);
  // Gives a page range's memory back to the system; it reads as zeros afterwards.
  void discard(uint64_t begin, uint64_t end);
  uint64_t resident_bytes() const;
  // Makes a page range inaccessible, or accessible again.
  void protect(uint64_t begin, uint64_t end);
  void unprotect(uint64_t begin, uint64_t end);

 private:
  void swap(Region& other) {
    std::swap(use_, other.use_);
    std::swap(base_, other.base_);
    std::swap(reserved_, other.reserved_);
    std::swap(usable_, other.usable_);
    std::swap(dirty_, other.dirty_);
    std::swap(has_protected_, other.has_protected_);
  }
  void reset();
  void unmap();

  RegionUse use_ = RegionUse::kHeap;
  uint8_t* base_ = nullptr;
  uint64_t reserved_ = 0;
  uint64_t usable_ = 0;
  std::array<ByteRange, kMaxDirty> dirty_ = {ByteRange{0, ~uint64_t{0}}};
  bool has_protected_ = false;

  friend struct RegionPool;
};

}  // namespace parallax::gc
