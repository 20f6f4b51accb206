// Implementation limits and the rules by which resources are counted.
//
// Every executor of ours counts by these rules, so that exhaustion is an outcome that can be compared: per WebAssembly
// call and loop entry, per declared object size, never by frame or layout size.
#pragma once

#include <cstdint>

#include "engine/wasm/types.h"

namespace parallax::wasm {

// Limits of the front end, as the JavaScript embedding publishes them (WebAssembly JavaScript Interface, "Limits").
inline constexpr uint32_t kMaxFuncs = 1'000'000;
inline constexpr uint32_t kMaxImports = 1'000'000;
inline constexpr uint32_t kMaxExports = 1'000'000;
inline constexpr uint32_t kMaxGlobals = 1'000'000;
inline constexpr uint32_t kMaxTables = 100'000;
inline constexpr uint32_t kMaxMemories = 100;
inline constexpr uint32_t kMaxTags = 1'000'000;
inline constexpr uint32_t kMaxSegments = 100'000;
inline constexpr uint32_t kMaxLocals = 50'000;
inline constexpr uint32_t kMaxParams = 1'000;
inline constexpr uint32_t kMaxResults = 1'000;
inline constexpr uint32_t kMaxFields = 10'000;
inline constexpr uint32_t kMaxArrayNewFixed = 10'000;
inline constexpr uint32_t kMaxSubtypeDepth = 63;
inline constexpr uint32_t kMaxFuncBody = 7'654'321;
inline constexpr uint32_t kMaxControlDepth = 100'000;

// Resources of one store. `unlimited` values are for running programs; fuzzing sets all of them.
struct Budget {
  uint64_t fuel = UINT64_MAX;             // calls + loop entries
  uint32_t call_depth = 10'000;           // nested WebAssembly calls; tail calls do not nest, host re-entry does
  uint64_t allocated_bytes = UINT64_MAX;  // objects ever allocated, by object_size
  uint64_t memory_pages = 65'536;         // per memory; memory.grow beyond answers -1
  uint64_t table_elements = 10'000'000;   // per table; table.grow beyond answers -1
};

// Fuel: one unit at every function entry (tail calls too) and at every arrival at a loop's head, the first and the
// repeated ones. Nothing else costs fuel. Exhaustion is checked before the body runs: with fuel 0 the next entry
// ends the run with OutcomeKind::kFuelExhausted. Call depth is checked before fuel: a call that would nest deeper than
// Budget::call_depth ends the run with kStackExhausted and costs nothing. Host functions cost neither fuel nor depth.
inline constexpr uint64_t kFuelPerEntry = 1;

// Declared size of what a field or element holds, in bytes: packed 1 or 2, i32 f32 4, i64 f64 8, v128 16, references 8.
constexpr uint64_t storage_size(StorageType storage) {
  switch (storage.packed) {
    case Packed::kI8: return 1;
    case Packed::kI16: return 2;
    case Packed::kNone: break;
  }
  switch (storage.unpacked.kind()) {
    case ValKind::kI32:
    case ValKind::kF32: return 4;
    case ValKind::kI64:
    case ValKind::kF64:
    case ValKind::kRef: return 8;
    case ValKind::kV128: return 16;
    case ValKind::kBottom: break;
  }
  return 0;
}

// What an allocation charges to Budget::allocated_bytes. Structs: 16 + sum of storage_size. Arrays: 16 + n * element.
// Exceptions: 16 + payload values by storage_size. i31 and null cost nothing.
inline constexpr uint64_t kObjectCharge = 16;

// An array whose elements take more than this many declared bytes traps with kAllocationSizeTooLarge, before the
// budget is asked. (array.new_data and array.new_elem check their segment's bounds first.)
inline constexpr uint64_t kMaxArrayBytes = uint64_t{1} << 27;

}  // namespace parallax::wasm
