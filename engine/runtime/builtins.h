// The table of functions that compiled code calls, from builtins.def.
#pragma once

#include <cstdint>

#include "engine/gc/ref.h"
#include "engine/runtime/vm_context.h"

namespace parallax::runtime {

enum class Builtin : uint8_t {
#define BUILTIN(id, function, signature, flags) id,
#include "engine/runtime/builtins.def"
#undef BUILTIN
};
inline constexpr uint32_t kBuiltinCount = 0
#define BUILTIN(id, function, signature, flags) +1
#include "engine/runtime/builtins.def"
#undef BUILTIN
    ;

enum BuiltinFlags : uint8_t {
  kMayCollect = 1,
  kMayExit = 2,
  kMayThrow = 4,
  kReadsState = 8,
  kWritesState = 16,
  kStoreOnly = 32,
  kReenters = 64,
};

struct BuiltinInfo {
  Builtin id;
  const char* name;       // "alloc_struct"
  const char* signature;  // "i:r"; see builtins.def
  uint8_t flags;
  const void* address;  // of the native function
};

const BuiltinInfo& info(Builtin id);
// The row of this name, or null.
const BuiltinInfo* find_builtin(const char* name);

namespace builtin {

using gc::Ref;

Ref alloc_struct(VmContext* ctx, uint32_t type);
Ref alloc_array(VmContext* ctx, uint32_t type, uint32_t length);
Ref alloc_exn(VmContext* ctx, uint32_t tag);
// Charges an object that the program made and that no code needs: as alloc_struct would. Null: exhausted.
Ref charge_object(VmContext* ctx, uint32_t charge);
Ref array_new_data(VmContext* ctx, uint32_t type, uint32_t data, uint32_t offset, uint32_t length);
Ref array_new_elem(VmContext* ctx, uint32_t type, uint32_t elem, uint32_t offset, uint32_t length);

void array_fill(VmContext* ctx, Ref array, uint32_t offset, uint64_t bits, uint32_t count);
void array_copy(VmContext* ctx, Ref target, uint32_t target_offset, Ref source, uint32_t source_offset, uint32_t count);
void array_init_data(VmContext* ctx, uint32_t data, Ref array, uint32_t offset, uint32_t source, uint32_t count);
void array_init_elem(VmContext* ctx, uint32_t elem, Ref array, uint32_t offset, uint32_t source, uint32_t count);

Ref table_get_ref(VmContext* ctx, uint32_t table, uint64_t index);
uint64_t table_get_func(VmContext* ctx, uint32_t table, uint64_t index);
void table_set_ref(VmContext* ctx, uint32_t table, uint64_t index, Ref value);
void table_set_func(VmContext* ctx, uint32_t table, uint64_t index, uint64_t value);
uint64_t table_size(VmContext* ctx, uint32_t table);
uint64_t table_grow(VmContext* ctx, uint32_t table, uint64_t bits, uint64_t delta);
void table_fill(VmContext* ctx, uint32_t table, uint64_t index, uint64_t bits, uint64_t count);
void table_copy(VmContext* ctx, uint32_t target, uint32_t source, uint64_t to, uint64_t from, uint64_t count);
void table_init(VmContext* ctx, uint32_t table, uint32_t elem, uint64_t to, uint64_t from, uint64_t count);
void elem_drop(VmContext* ctx, uint32_t elem);

uint64_t memory_size(VmContext* ctx, uint32_t memory);
uint64_t memory_grow(VmContext* ctx, uint32_t memory, uint64_t delta);
void memory_fill(VmContext* ctx, uint32_t memory, uint64_t address, uint32_t byte, uint64_t count);
void memory_copy(VmContext* ctx, uint32_t target, uint32_t source, uint64_t to, uint64_t from, uint64_t count);
void memory_init(VmContext* ctx, uint32_t memory, uint32_t data, uint64_t to, uint64_t from, uint64_t count);
void data_drop(VmContext* ctx, uint32_t data);

uint32_t ref_test(VmContext* ctx, Ref ref, uint32_t type_bits);
uint32_t func_test(VmContext* ctx, uint64_t id, uint32_t type_bits);
Ref ref_cast(VmContext* ctx, Ref ref, uint32_t type_bits);
uint64_t func_cast(VmContext* ctx, uint64_t id, uint32_t type_bits);
uint64_t ref_func(VmContext* ctx, uint32_t func);

FuncEntry* func_lookup(VmContext* ctx, uint32_t table, uint64_t index, uint32_t type);
FuncEntry* func_deref(VmContext* ctx, uint64_t id, uint32_t type);
void host_call(VmContext* ctx, FuncEntry* entry, Slot* slots);
const void* lazy_compile(VmContext* ctx, FuncEntry* entry);

void safepoint_poll(VmContext* ctx);
void check_ref(VmContext* ctx, Ref ref, uint32_t type_bits, uint32_t offset);
void check_func(VmContext* ctx, uint64_t id, uint32_t type_bits, uint32_t offset);
void numeric(VmContext* ctx, uint32_t opcode, uint64_t low, uint64_t high);
void array_fill_v128(VmContext* ctx, Ref array, uint32_t offset, uint32_t count);

void trap(VmContext* ctx, uint32_t kind, uint32_t offset);
void exit_run(VmContext* ctx, uint32_t kind, uint32_t offset);

}  // namespace builtin

}  // namespace parallax::runtime
