// What one heap is configured with. No setting may change an outcome, except when it exposes a bug.
#pragma once

#include <cstdint>

namespace parallax::gc {

enum class GcKind : uint8_t {
  kMoving,     // copies live objects into fresh space at every collection
  kNonMoving,  // mark and sweep; freed cells are reused at once
  kNever,      // allocates until the region is full
};
inline constexpr const char* kGcKindText[] = {"moving", "nonmoving", "never"};  // ORDER: GcKind

// When to collect besides "when full".
enum class ZealMode : uint8_t {
  kNone,
  kEveryAlloc,      // before every allocation
  kEverySafepoint,  // at every allocation, call of a builtin that may collect, and polled safepoint
  kNth,             // at every n-th such point
  kOnlyNth,         // at exactly the n-th such point (counted from 0), once
};
inline constexpr const char* kZealModeText[] = {"none", "every-alloc", "every-safepoint", "nth", "only-nth"};

struct Zeal {
  ZealMode mode = ZealMode::kNone;
  uint64_t n = 0;
  bool poison = false;         // retired space is filled with 0xd5 and must still hold it when handed out again
  bool protect = false;        // retired space is inaccessible until it is handed out again (moving only)
  bool verify_before = false;  // heap verifier around every collection
  bool verify_after = false;
};

struct HeapOptions {
  GcKind collector = GcKind::kMoving;
  Zeal zeal;
  uint64_t heap_bytes = uint64_t{1} << 30;           // clamped to [64 KiB, 4 GiB - 64 KiB]
  uint64_t collect_after_bytes = uint64_t{4} << 20;  // allocated since the last collection, or as much as survived it
};

}  // namespace parallax::gc
