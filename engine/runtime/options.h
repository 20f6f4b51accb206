// What one engine store is configured with. Rows (collectors, zeal modes, levels) are axes of the differential matrix:
// no setting may change an outcome, except when it exposes a bug.
#pragma once

#include <cstdint>

#include "engine/gc/options.h"

namespace parallax::runtime {

using gc::GcKind;
using gc::Zeal;
using gc::ZealMode;

enum class OptLevel : uint8_t { kO0, kO1, kO2 };

// Which instructions compiled code may use: all that the machine has, or fewer.
enum class CpuLevel : uint8_t {
  kHost,
  kSse4,      // SSE4.2 and what came before it, no VEX encodings
  kBaseline,  // what every x86-64 has: SSE2
};

// How compiled code finds out that an access to a linear memory is out of bounds. The other way serves where the one asked
// for does not: memories of 64-bit addresses and static offsets beyond the guard are always checked, and all are when the
// machine refuses the address space.
enum class MemoryChecks : uint8_t {
  kExplicit,  // by comparing: traps are cheap
  kGuard,     // by a fault: accesses are cheap, a trap takes a signal
};
// Whether this build may handle faults: address sanitizer owns them in others.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kHaveGuards = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kHaveGuards = false;
#else
inline constexpr bool kHaveGuards = true;
#endif
#else
inline constexpr bool kHaveGuards = true;
#endif
// What is fastest for a program that does not mean to trap.
inline constexpr MemoryChecks kFastMemoryChecks = kHaveGuards ? MemoryChecks::kGuard : MemoryChecks::kExplicit;

struct EngineOptions {
  OptLevel level = OptLevel::kO1;
  GcKind collector = GcKind::kMoving;
  Zeal zeal;
  CpuLevel cpu = CpuLevel::kHost;
  MemoryChecks memory = MemoryChecks::kExplicit;
  bool armed = false;                       // run-time checks in compiled code and runtime; implies zeal.poison
  bool verify = false;                      // compile-time judges: IR verifier after every pass, allocation checker
  bool unverified = false;                  // no compile-time judges although armed: the run-time ones stand alone
  uint64_t chaos_seed = 0;                  // 0: no perturbation
  uint64_t heap_bytes = uint64_t{1} << 30;  // of one store; clamped to [64 KiB, 4 GiB - 64 KiB]
  // A collection starts when this much was allocated since the last one (and more, in proportion to what survived).
  uint64_t collect_after_bytes = uint64_t{4} << 20;
};

}  // namespace parallax::runtime
