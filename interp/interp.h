// The reference interpreter: an implementation of wasm::Embedding that shares no execution code with the engine.
//
// It is the side of every comparison that is meant to be obviously right: objects are field-indexed values with their
// canonical type (no packing, no offsets), the collector marks and sweeps and never moves, roots are exact because the
// translator records for every call and allocation which frame slots hold references (code.h). It still has to be
// fast, because every case runs on it: functions become threaded code on first call (translate.h), handlers are tail
// calls (ops.h).
//
// Only engine/base and engine/wasm are visible from here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/wasm/embed.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/types.h"

namespace parallax::interp {

// One passage of a place where a collection could happen: an allocation or a call, seen from the frame that contains
// it. `reference_slots` counts the frame's slots that hold references (operands of the allocation included, arguments
// of the call excluded: they are the callee's), `non_null` those of them that are not null.
struct SafepointEvent {
  wasm::FuncIndex func;
  wasm::WasmOffset offset = 0;
  uint32_t reference_slots = 0;
  uint32_t non_null = 0;
};

// Which references the frames hold when an object (struct, array, exception) is about to be allocated: exact, by frame
// slot. Slots: parameters and locals in order, then the operand stack, each entry two slots for v128, one otherwise;
// operands that the translator keeps elsewhere (copies of locals, constants) are not listed. Function references are
// left out. Identities are equal exactly for equal references, and the same in every executor that allocates in the same
// order: null 0, otherwise kind << 60 | number.
enum class HeldKind : uint8_t { kNull, kI31, kHost, kObject };
struct HeldReference {
  uint32_t slot = 0;
  HeldKind kind = HeldKind::kNull;
  uint64_t number = 0;  // i31 value; objects: how many objects were allocated before it; host references: 0
};
struct FrameRoots {
  wasm::FuncIndex func;
  wasm::WasmOffset offset = 0;
  std::vector<HeldReference> held;
};

// One step of an execution, for finding the first difference between two executors. kEnter digests the arguments,
// kLeave the results; kValue the value that the instruction at `offset` pushed last. References are digested by kind and
// type, i31 values by value, never by name.
enum class TraceKind : uint8_t { kEnter, kLeave, kValue };
struct TraceEvent {
  TraceKind kind = TraceKind::kEnter;
  wasm::FuncIndex func;
  wasm::WasmOffset offset = 0;
  uint64_t digest = 0;
};
enum class TraceLevel : uint8_t { kOff, kCalls, kValues };

struct InterpOptions {
  wasm::Features features;
  wasm::Budget budget;

  // Collection: after this many bytes of real allocation since the last one (0: a default that grows with the heap),
  // and additionally at every n-th allocation (0: never).
  uint64_t collect_after_bytes = 0;
  uint64_t collect_every = 0;
  // Real memory of objects; beyond it, after a collection, the outcome is kOutOfMemory.
  uint64_t max_heap_bytes = uint64_t{4} << 30;
  // Fills freed objects with a pattern and verifies the heap after every collection.
  bool armed = false;

  // rewind_interpreter() may be called: what entities that are collected stood on is kept.
  bool rewinds = false;

  // Hooks cost nothing when they are not set: the translator emits the instructions that call them. [do not call the
  // store from a hook]
  std::function<void(const SafepointEvent&)> on_safepoint;
  std::function<void(std::span<const FrameRoots>)> on_roots;  // innermost frame first
  TraceLevel trace = TraceLevel::kOff;
  std::function<void(const TraceEvent&)> on_trace;
};

// A new, empty store over `types`. Modules instantiated in it must have been decoded with the same TypeStore.
std::unique_ptr<wasm::Embedding> make_interpreter(std::shared_ptr<wasm::TypeStore> types,
                                                  const InterpOptions& options = {});

// Ends the run of a store of make_interpreter(): it becomes as new, with these settings, and keeps translated code for
// functions that are made again: by the same instantiations, with imports of the same kinds, in the same order. What can
// be seen is what a new store would show. Requires: nothing of the store is running; nobody uses an id or value of it
// again; `options` has the features and the heap of the store. False: the store cannot; nothing has changed.
bool rewind_interpreter(wasm::Embedding& store, const InterpOptions& options);

}  // namespace parallax::interp
