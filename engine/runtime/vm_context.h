// What compiled code can address: plain structs with fixed offsets, shared by runtime and JIT.
//
// StoreContext exists once per store, VmContext once per instance; compiled code holds its StoreContext* in a register and
// its VmContext* as a constant, and reaches everything else from there (offsetof, all structs are standard layout). Members are grouped by who writes
// them. Append only: other components build on the offsets.
//
// A *slot* is 16 bytes: i32/f32 in the low 4 bytes (the rest unspecified on reading, zero when the runtime writes),
// i64/f64/funcref in the low 8, gc::Ref in the low 4, v128 in all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/gc/ref.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/types.h"

namespace parallax::runtime {

class Store;          // store.h
struct Instance;      // instance.h
struct HostFunction;  // store.cc

struct alignas(16) Slot {
  uint64_t low = 0;
  uint64_t high = 0;
};

// Arguments and results that do not travel in registers, and nothing else; enough for kMaxParams and kMaxResults.
inline constexpr uint32_t kArgSlots = 1024;
static_assert(kArgSlots >= wasm::kMaxParams && kArgSlots >= wasm::kMaxResults);

enum class ArmedCheck : uint8_t {
#define ARMED_CHECK(id, invariant, summary) id,
#include "engine/runtime/checks.def"
#undef ARMED_CHECK
};
inline constexpr uint32_t kArmedCheckCount = 0
#define ARMED_CHECK(id, invariant, summary) +1
#include "engine/runtime/checks.def"
#undef ARMED_CHECK
    ;
// Room for more rows without moving what follows.
inline constexpr uint32_t kArmedCounterSlots = 32;
static_assert(kArmedCheckCount <= kArmedCounterSlots);

struct StoreContext;
struct VmContext;

// One linear memory, shared by every instance that imports it. Compiled code reloads base and bytes after every call,
// memory.grow and may-collect builtin: growing may move the base, unless the memory is guarded.
struct MemoryDef {
  uint8_t* base = nullptr;
  uint64_t bytes = 0;  // current size, a multiple of 64 KiB
  // 1: `base` is final, and every byte from `bytes` on as far as a 32-bit index and a static offset below
  // gc::kGuardedOffsets reach faults: compiled code needs no check.
  uint64_t guarded = 0;
};

// One table. Elements are gc::Ref (4 bytes) for the any, extern and exn hierarchies, function ids (8 bytes) for func.
struct TableDef {
  void* elems = nullptr;
  uint64_t size = 0;
  uint32_t element_bytes = 4;  // 4 or 8
  uint32_t element_type = 0;   // ValType::bits, canonical
};

// One function of a store: an entry of its function slab; the address is stable while the store lives. A function
// reference is `id`; compiled code turns an id into its entry by
//     index = low 32 bits of id;  index < func_count  &&  funcs[index].id == id
// in plain and armed mode alike. A failed comparison goes to builtin FuncDeref, which says what is wrong (I1).
struct alignas(64) FuncEntry {
  uint64_t id = 0;                // slab id {tag:16, generation:16, index:32}, high to low; never 0 in a live entry
  const void* code = nullptr;     // where a call in the internal convention jumps; at first Compiler::initial_code
  VmContext* ctx = nullptr;       // the callee's context; for host functions the store's root context; never null
  uint32_t type = 0;              // TypeId (raw)
  uint32_t func_index = ~0u;      // FuncIndex (raw) in its instance's module; ~0 for host functions
  HostFunction* host = nullptr;   // non-null exactly for host functions
  void* compiler_data = nullptr;  // for the compiler's own use
  uint64_t reserved[2] = {};
};
static_assert(sizeof(FuncEntry) == 64);
inline constexpr uint32_t kFuncEntryShift = 6;  // log2(sizeof(FuncEntry))

// Per canonical type, for casts in compiled code: type T is an ancestor of the object's type S exactly if
//     rows[S].depth >= depth(T)  &&  rows[S].ancestors[depth(T)] == T.
// S comes from an object header (meta >> gc::kLayoutShift) and must be compared with type_count first: host boxes have a
// reserved layout id above it.
struct TypeRow {
  const wasm::TypeId* ancestors = nullptr;  // depth + 1 entries, itself last
  uint32_t depth = 0;
  uint32_t kind = 0;  // wasm::CompositeKind
};
static_assert(sizeof(TypeRow) == 16);

// Per store.
struct StoreContext {
  // --- Heap (runtime writes; compiled code may bump alloc_next).
  uint8_t* heap_base = nullptr;  // constant for the store's life: object address = heap_base + ref.bits
  // Bump allocation: [alloc_next, alloc_limit) are offsets from heap_base of zeroed memory. An inline allocation of
  // `size` bytes (layout size, a multiple of 8) that charges `charge` bytes (limits.h; at most twice the size) requires
  //     alloc_next + size <= alloc_limit,
  // adds charge << gc::kChargeShift | 1 to alloc_charged, writes {meta, length}, advances alloc_next. Otherwise it calls
  // the builtin, which does the same and more. The runtime keeps the window so short that the budget covers it
  // (gc::BumpWindow). When zeal is on the window is empty, so that every allocation is seen.
  uint64_t alloc_next = 0;
  uint64_t alloc_limit = 0;
  uint64_t allocation_left = 0;  // rest of Budget::allocated_bytes; without what is in alloc_charged
  uint64_t allocated_objects = 0;

  // --- Budgets (compiled code counts; limits.h has the rules).
  // Left; 0 at an entry or loop head: kFuelExhausted. Compiled code has it in a register; here it is right whenever a
  // builtin or nobody runs, and only builtins that are kReenters may change it.
  uint64_t fuel = 0;
  // Nested calls left; 0 at an entry: kStackExhausted, before fuel is looked at. Compiled code has it in its frames; here
  // it is right at entries from C++ and while a host function runs.
  uint64_t depth_left = 0;
  void* native_stack_limit = nullptr;  // rsp below this at an entry: kNativeStack

  // --- Ending a run. exit_kind is an OutcomeKind: 0 (kReturned) means go on. Whoever sets it sets the rest first.
  uint32_t exit_kind = 0;
  uint32_t exit_trap = 0;      // TrapKind, for kTrapped
  uint32_t exit_func = ~0u;    // FuncIndex, if known; compiled code fills in what a builtin left at ~0
  uint32_t exit_offset = ~0u;  // WasmOffset, likewise
  gc::Ref pending_exception;   // in flight: thrown and not caught yet (a root)
  uint32_t reserved0 = 0;

  // --- Names.
  FuncEntry* funcs = nullptr;      // function slab; entry 0 is never valid
  uint64_t func_count = 0;         // entries [0, func_count) may be read
  const TypeRow* types = nullptr;  // by TypeId; both may change when an instance is made: reload, do not cache
  uint64_t type_count = 0;

  // --- Frames (compiled code and its stubs write; the compiler's frame walker reads).
  void* entry_frame = nullptr;  // innermost entry trampoline's frame; null when no compiled code is running
  void* entry_sp = nullptr;     // native stack pointer to restore when leaving through the innermost entry
  void* last_frame = nullptr;   // rbp of the compiled frame that called the builtin now running
  void* last_pc = nullptr;      // its return address
  uint64_t jit_words[8] = {};   // for the compiler's own use

  Store* store = nullptr;
  uint32_t armed = 0;                              // 1: checks are on
  uint32_t zeal_polls = 0;                         // 1: compiled code calls SafepointPoll at loop heads and entries
  uint64_t armed_counts[kArmedCounterSlots] = {};  // by ArmedCheck; evaluated, not failed

  // Where compiled code appends the name of an old object that it stores a reference into (gc::Heap::note_store); there is
  // always room.
  uint32_t* remembered = nullptr;
  uint64_t alloc_charged = 0;  // by inline allocations since the runtime last looked

  Slot arg_area[kArgSlots];

  VmContext* root = nullptr;  // of the store: for what needs no instance
};

// Words of StoreContext::jit_words that runtime and compiled code share: where sites of allocations are noted (address plus
// Ref, 0 when they are not), and where live space begins and ends; an end of 0 means that it ends at alloc_next.
inline constexpr size_t kOriginWord = 1;
inline constexpr size_t kSpaceBeginWord = 2;
inline constexpr size_t kSpaceEndWord = 3;

// Per instance; and one root context per store, with empty arrays, for host functions.
struct VmContext {
  StoreContext* store = nullptr;
  MemoryDef* memory0 = nullptr;     // == memories[0]; null when there is none
  MemoryDef** memories = nullptr;   // by MemoryIndex, imports included, like all of these
  TableDef** tables = nullptr;      // by TableIndex
  Slot** globals = nullptr;         // by GlobalIndex
  FuncEntry** funcs = nullptr;      // by FuncIndex
  const uint64_t* tags = nullptr;   // by TagIndex: slab ids, compared with the word at gc::kExnTagOffset
  const uint32_t* types = nullptr;  // by TypeIndex: TypeIds
  Instance* instance = nullptr;     // null in the root context
};

static_assert(std::is_standard_layout_v<StoreContext> && std::is_standard_layout_v<VmContext>);
static_assert(std::is_standard_layout_v<FuncEntry> && std::is_standard_layout_v<TableDef>);

}  // namespace parallax::runtime
