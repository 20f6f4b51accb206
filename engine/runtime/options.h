// What one engine store is configured with. Rows (collectors, zeal modes, levels) are axes of the differential matrix:
// no setting may change an outcome, except when it exposes a bug.
#pragma once

#include <cstdint>

namespace parallax::runtime {

enum class OptLevel : uint8_t { kO0, kO1, kO2 };

enum class GcKind : uint8_t {
  kMoving,     // copies live objects into fresh space at every collection
  kNonMoving,  // mark and sweep; freed cells are reused at once
  kNever,      // allocates until the region is full
};

// When to collect besides "when full", and what to do to the space left behind.
enum class ZealMode : uint8_t {
  kNone,
  kEveryAlloc,      // before every allocation
  kEverySafepoint,  // at every allocation, call builtin that may collect, and polled safepoint
  kNth,             // at every n-th such point
  kOnlyNth,         // at exactly the n-th such point (counted from 0), once
};

struct Zeal {
  ZealMode mode = ZealMode::kNone;
  uint64_t n = 0;
  bool poison = false;         // retired space is filled with 0xd5 and must still hold it when handed out again
  bool protect = false;        // retired space is inaccessible until it is handed out again
  bool verify_before = false;  // heap verifier around every collection
  bool verify_after = false;
};

struct EngineOptions {
  OptLevel level = OptLevel::kO1;
  GcKind collector = GcKind::kMoving;
  Zeal zeal;
  bool armed = false;       // run-time checks in compiled code and runtime; implies poison
  bool verify = false;      // compile-time judges: IR verifier after every pass, allocation checker
  uint64_t chaos_seed = 0;  // 0: no perturbation
  uint64_t heap_bytes = uint64_t{1} << 30;  // of one store; clamped to [64 KiB, 4 GiB]
  // A collection starts when this much was allocated since the last one (and more, in proportion to what survived).
  uint64_t collect_after_bytes = uint64_t{4} << 20;
};

}  // namespace parallax::runtime
