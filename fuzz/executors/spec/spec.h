// What to run a case on, as data: specs of executors, read, printed and drawn. Knows no executor, so that whoever only
// changes settings (mutators) links none.
//
// A spec is text, because it is written on command lines and into findings:
//   "interp"                                    the reference interpreter
//   "interp:zeal=every"                         with another collection schedule
//   "jit:O2:moving:zeal=every:armed:chaos=7"    the engine; every part is optional and stands in any order
//   "jit:zeal=only5"                            one collection, at safepoint 5
//   "jit:cpu=baseline"                          with the instructions that every x86-64 has
//   "jit:guard", "jit:explicit"                 linear memories checked by guard pages, or by comparing (the default, but
//                                               `run` and `bench` take what is fastest: fastest())
//   "jit:zeal=alloc:protect:pages:verify-after" settings of retired space and of judges (engine/gc/zeal.def)
//   "jit:armed:unverified"                      run-time checks alone, without the judges of compilation
//   "jit:passes=none"                           no optional pass of the level; "values+dce": only these;
//                                               "-loads-facts": all but these (names as in engine/opt/passes.def)
//   "ir:O2:armed:passes=...:limit=N"            the IR interpreted after the passes (ir_eval.h); never drawn
//   "v8:liftoff", "jsc", "sm:ion"               an external engine (fuzz/external/engines.def): it votes, is never drawn,
//                                               and gives no store
//   "jit:limit=41"                              the first 41 rewrites of the store happen (engine/opt/gate.h)
// parse_spec() and to_string() are inverse on the normal form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::fuzz {

enum class ExecutorKind : uint8_t { kInterp, kJit, kIr, kExternal };
// Which instructions compiled code may use: all that the machine has, up to SSE4.2, SSE2 only.
enum class Cpu : uint8_t { kHost, kSse4, kBaseline };
enum class Collector : uint8_t { kMoving, kNonMoving, kNever, kGenerational };
// How out of bounds accesses to linear memories are found (engine/runtime/options.h).
enum class MemoryChecks : uint8_t { kDefault, kGuard, kExplicit };
// When an executor collects without being asked: by its own heuristics, at every safepoint, at every nth, at the nth only
// (jit; counted from 0), before every allocation (jit). What else zeal does is a bit per ZEAL_FLAG row of zeal.def.
enum class Zeal : uint8_t { kNone, kEvery, kNth, kOnly, kAlloc };
enum class ZealFlag : uint8_t {
#define ZEAL_MODE(id, text, summary)
#define ZEAL_FLAG(member, text, summary) member,
#include "engine/gc/zeal.def"
#undef ZEAL_MODE
#undef ZEAL_FLAG
};
constexpr uint32_t bit(ZealFlag flag) { return 1u << static_cast<uint32_t>(flag); }

struct ExecutorSpec {
  ExecutorKind kind = ExecutorKind::kInterp;
  uint8_t opt_level = 2;                     // jit, ir
  Collector collector = Collector::kMoving;  // jit
  Zeal zeal = Zeal::kNone;
  uint32_t zeal_n = 0;                           // kNth, kOnly
  uint32_t zeal_flags = 0;                       // jit: bits of ZealFlag
  bool unverified = false;                       // jit
  bool armed = false;                            // jit, ir
  Cpu cpu = Cpu::kHost;                          // jit
  MemoryChecks memory = MemoryChecks::kDefault;  // jit; by comparing unless somebody wants speed
  uint64_t chaos = 0;                            // jit
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  uint64_t disabled = 0;      // jit, ir: passes that do not run, bit per opt::PassId
  uint64_t limit = kNoLimit;  // jit, ir: rewrites that may happen
  uint32_t external = 0;      // external: row of external_engines()
  friend bool operator==(const ExecutorSpec&, const ExecutorSpec&) = default;
};

// Error kUsage: an unknown word, or two that choose the same.
Result<ExecutorSpec> parse_spec(std::string_view text);
// The spec with more words ("O1:zeal=every", or none) that override its own.
Result<ExecutorSpec> with_words(ExecutorSpec spec, std::string_view words);
std::string to_string(const ExecutorSpec& spec);

// The spec with what was left open chosen for speed: guard pages for plain optimised code.
ExecutorSpec fastest(ExecutorSpec spec);

// Whether this build has executors of that kind; if not, why.
bool available(ExecutorKind kind, std::string* why = nullptr);

// The executors of one case when none are asked for: the reference, a plain JIT, and one under collection pressure, which
// is armed in one case of six and in half of those verifies compilations; in one case of 64 a fourth, armed and at every
// safepoint. Level, collector, chaos and schedule are drawn too; all follows from `seed`.
std::vector<ExecutorSpec> draw_executors(uint64_t seed);
// One representative of every axis: what `diff` uses.
std::vector<ExecutorSpec> standard_executors();

// Passes that can be switched off, in the order in which they run at this level; `bit` is that of ExecutorSpec::disabled.
struct PassName {
  const char* name;
  uint64_t bit;
};
std::vector<PassName> optional_passes(uint8_t level);

// One row per kind, for `parallax engines` and documentation.
struct ExecutorInfo {
  ExecutorKind kind;
  const char* name;
  const char* summary;
};
const ExecutorInfo* executor_table(size_t& count);

}  // namespace parallax::fuzz
