// What one heap is configured with. No setting may change an outcome, except when it exposes a bug.
#pragma once

#include <cstdint>

namespace parallax::gc {

enum class GcKind : uint8_t {
  kMoving,     // copies live objects into fresh space at every collection
  kNonMoving,  // mark and sweep; freed cells are reused at once
  kNever,      // allocates until the region is full
  // New objects apart: most collections copy only what survives of them, once to another place among the young, then to
  // the old, which are copied when there are twice as many; large objects never move.
  kGenerational,
};
inline constexpr const char* kGcKindText[] = {"moving", "nonmoving", "never", "gen"};  // ORDER: GcKind

// When to collect besides "when full"; the rows are in zeal.def.
enum class ZealMode : uint8_t {
#define ZEAL_MODE(id, text, summary) id,
#define ZEAL_FLAG(member, text, summary)
#include "engine/gc/zeal.def"
#undef ZEAL_MODE
#undef ZEAL_FLAG
};

struct Zeal {
  ZealMode mode = ZealMode::kNone;
  uint64_t n = 0;
#define ZEAL_MODE(id, text, summary)
#define ZEAL_FLAG(member, text, summary) bool member = false;
#include "engine/gc/zeal.def"
#undef ZEAL_MODE
#undef ZEAL_FLAG
  friend bool operator==(const Zeal&, const Zeal&) = default;
};

// Zeal must not turn a case into a hang: collections that zeal asked for may trace so many bytes of survivors in all;
// after that each safepoint earns so many, and a collection waits until its survivors are paid for. Counts bytes, never
// time, so that the same points collect in every run.
inline constexpr uint64_t kZealAllowance = uint64_t{64} << 20;
inline constexpr uint64_t kZealBytesPerPoint = 1024;

struct HeapOptions {
  GcKind collector = GcKind::kMoving;
  Zeal zeal;
  uint64_t heap_bytes = uint64_t{1} << 30;           // clamped to [64 KiB, 4 GiB - 64 KiB]
  uint64_t collect_after_bytes = uint64_t{4} << 20;  // allocated since the last collection, or as much as survived it
};

}  // namespace parallax::gc
