// The first event in which two executors differ: which function, which instruction, which values.
//
// Works by rewriting the module, so no executor needs hooks and any engine can take part: behind every instruction whose
// value says something (reads of state, results of calls, tests, arithmetic), code is added that appends {place, value} to a
// memory of its own; function entries are appended too. The case then runs on both sides and the memories are compared.
// The added code calls nothing and allocates nothing, so budgets, collections and safepoints stay as they were; but it
// uses values, and an optimiser sees other code. When the difference vanishes under it, less is recorded (calls and
// entries only). A trap, exception or exhaustion that only one side has is found without it: outcomes know their place.
//
// Of a reference only is-null is recorded; values that are dropped at once are not (a pass that removes them would be
// held up). At most kMaxEvents a module are kept. Not told: the order of events between instances.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/case/case.h"
#include "fuzz/executors/executors.h"

namespace parallax::fuzz {

// Where a value was recorded.
struct TracePoint {
  uint32_t func = 0;            // FuncIndex
  wasm::WasmOffset offset = 0;  // in the module as it was
  std::string operation;        // "struct.get 3 1"; "enter" for an entry
  wasm::ValType type;           // of the value; kBottom: none
  // What the instruction took, deepest first: the number of the point that recorded it, or its text.
  struct Operand {
    uint32_t point = ~0u;
    std::string text;
  };
  std::vector<Operand> operands;
};

enum class TraceDetail : uint8_t { kValues, kCalls };

struct TracedModule {
  std::vector<uint8_t> bytes;
  std::vector<TracePoint> points;
};
inline constexpr uint32_t kMaxEvents = (64 * 65536 - 16) / 16;
inline constexpr const char* kTraceMemory = "parallax.trace";
inline constexpr const char* kTraceCursor = "parallax.cursor";

// The module with recording code. Errors are those of decoding, and of code that cannot be edited (kLimit).
Result<TracedModule> trace_module(std::span<const uint8_t> bytes, TraceDetail detail);

struct Localized {
  uint64_t number = 0;  // events before it, equal on both sides
  uint32_t instance = 0;
  uint32_t func = 0;
  wasm::WasmOffset offset = 0;
  std::string operation;
  std::string left, right;  // what each side did there: value with operands, trap, "nothing more"
  std::string how;          // "values", "calls", "outcome"
  bool parted = false;      // the sides are at different places: one ended, or they took different ways
  bool of_null = false;     // the last common event is a null reference: what a cast or branch then looked at
};

// Runs the case on both sides, traced and as it is. In this process: whatever kills an executor kills the caller. Empty
// when there is no difference, or none that can be placed.
Result<std::optional<Localized>> localize(const Case& subject, const ExecutorSpec& reference,
                                          const ExecutorSpec& other);

// The instruction at a place, by the first module of the case that has one there; "?" when none has.
std::string instruction_at(const Case& subject, uint32_t func, wasm::WasmOffset offset);

}  // namespace parallax::fuzz
