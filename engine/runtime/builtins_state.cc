// Builtins on tables, memories and segments.
#include <cstring>

#include "engine/base/text.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/store.h"

namespace parallax::runtime::builtin {

using wasm::OutcomeKind;
using wasm::TrapKind;

namespace {

Store& store_of(VmContext* ctx) { return *ctx->store->store; }

bool in_bounds(VmContext* ctx, uint64_t offset, uint64_t count, uint64_t size, TrapKind kind) {
  if (count <= size && offset <= size - count) return true;
  store_of(ctx).exit_trap(kind);
  return false;
}

// The bits of an element, or 0 after trapping.
uint64_t get(VmContext* ctx, uint32_t table, uint64_t index) {
  const Table& t = ctx->instance->table(table);
  if (!in_bounds(ctx, index, 1, t.size, TrapKind::kTableOutOfBounds)) return 0;
  return t.get(index);
}

// Armed: what compiled code hands to a table must be a name.
bool value_is_sound(VmContext* ctx, const Table& t, uint64_t bits) {
  if (ctx->store->armed == 0) [[likely]]
    return true;
  Store& store = store_of(ctx);
  ++ctx->store->armed_counts[static_cast<size_t>(ArmedCheck::kStoreValue)];
  if (t.is_func()) {
    if (bits == 0 || store.funcs().find(bits) != nullptr) return true;
    store.exit_invariant(store.funcs().explain(bits, "write to a table"));
    return false;
  }
  if (store.heap().is_object_start(Ref{static_cast<uint32_t>(bits)})) return true;
  store.exit_invariant(text::format("I1: {:#x} is written to table {} and is not the name of an object\n  it is {}",
                                    bits, t.number, store.heap().describe(Ref{static_cast<uint32_t>(bits)})));
  return false;
}

void set(VmContext* ctx, uint32_t table, uint64_t index, uint64_t bits) {
  Table& t = ctx->instance->table(table);
  if (!value_is_sound(ctx, t, bits)) return;
  if (in_bounds(ctx, index, 1, t.size, TrapKind::kTableOutOfBounds)) t.set(index, bits);
}

void out_of_memory(VmContext* ctx, const char* what) {
  store_of(ctx).exit_with(OutcomeKind::kOutOfMemory, {ErrorCode::kLimit, 0, text::format("{}: no memory", what)});
}

}  // namespace

Ref table_get_ref(VmContext* ctx, uint32_t table, uint64_t index) {
  return Ref{static_cast<uint32_t>(get(ctx, table, index))};
}
uint64_t table_get_func(VmContext* ctx, uint32_t table, uint64_t index) { return get(ctx, table, index); }
void table_set_ref(VmContext* ctx, uint32_t table, uint64_t index, Ref value) { set(ctx, table, index, value.bits); }
void table_set_func(VmContext* ctx, uint32_t table, uint64_t index, uint64_t value) { set(ctx, table, index, value); }
uint64_t table_size(VmContext* ctx, uint32_t table) { return ctx->tables[table]->size; }

uint64_t table_grow(VmContext* ctx, uint32_t table, uint64_t bits, uint64_t delta) {
  uint64_t old_size = 0;
  bool no_memory = false;
  if (!value_is_sound(ctx, ctx->instance->table(table), bits)) return 0;
  if (ctx->instance->table(table).grow(delta, bits, store_of(ctx).budget().table_elements, old_size, no_memory))
    return old_size;
  if (no_memory) out_of_memory(ctx, "table.grow");
  return ~uint64_t{0};
}

void table_fill(VmContext* ctx, uint32_t table, uint64_t index, uint64_t bits, uint64_t count) {
  Table& t = ctx->instance->table(table);
  if (!value_is_sound(ctx, t, bits)) return;
  if (in_bounds(ctx, index, count, t.size, TrapKind::kTableOutOfBounds)) t.fill(index, count, bits);
}

void table_copy(VmContext* ctx, uint32_t target, uint32_t source, uint64_t to, uint64_t from, uint64_t count) {
  Table& t = ctx->instance->table(target);
  Table& s = ctx->instance->table(source);
  if (!in_bounds(ctx, to, count, t.size, TrapKind::kTableOutOfBounds)) return;
  if (!in_bounds(ctx, from, count, s.size, TrapKind::kTableOutOfBounds) || count == 0) return;
  std::memmove(static_cast<uint8_t*>(t.elems) + to * t.element_bytes,
               static_cast<uint8_t*>(s.elems) + from * s.element_bytes, count * t.element_bytes);
}

void table_init(VmContext* ctx, uint32_t table, uint32_t elem, uint64_t to, uint64_t from, uint64_t count) {
  Table& t = ctx->instance->table(table);
  const ElemInstance& segment = ctx->instance->elems[elem];
  if (!in_bounds(ctx, to, count, t.size, TrapKind::kTableOutOfBounds)) return;
  if (!in_bounds(ctx, from, count, segment.size(), TrapKind::kTableOutOfBounds)) return;
  for (uint64_t i = 0; i < count; ++i) t.set(to + i, segment.get(from + i));
}

void elem_drop(VmContext* ctx, uint32_t elem) { ctx->instance->elems[elem].drop(); }

uint64_t memory_size(VmContext* ctx, uint32_t memory) { return ctx->memories[memory]->bytes / kWasmPage; }

uint64_t memory_grow(VmContext* ctx, uint32_t memory, uint64_t delta) {
  uint64_t old_pages = 0;
  bool no_memory = false;
  if (ctx->instance->memory(memory).grow(delta, store_of(ctx).budget().memory_pages, old_pages, no_memory))
    return old_pages;
  if (no_memory) out_of_memory(ctx, "memory.grow");
  return ~uint64_t{0};
}

void memory_fill(VmContext* ctx, uint32_t memory, uint64_t address, uint32_t byte, uint64_t count) {
  const MemoryDef& m = *ctx->memories[memory];
  if (!in_bounds(ctx, address, count, m.bytes, TrapKind::kMemoryOutOfBounds) || count == 0) return;
  std::memset(m.base + address, static_cast<int>(byte & 0xff), count);
}

void memory_copy(VmContext* ctx, uint32_t target, uint32_t source, uint64_t to, uint64_t from, uint64_t count) {
  const MemoryDef& t = *ctx->memories[target];
  const MemoryDef& s = *ctx->memories[source];
  if (!in_bounds(ctx, to, count, t.bytes, TrapKind::kMemoryOutOfBounds)) return;
  if (!in_bounds(ctx, from, count, s.bytes, TrapKind::kMemoryOutOfBounds) || count == 0) return;
  std::memmove(t.base + to, s.base + from, count);
}

void memory_init(VmContext* ctx, uint32_t memory, uint32_t data, uint64_t to, uint64_t from, uint64_t count) {
  const MemoryDef& m = *ctx->memories[memory];
  const std::span<const uint8_t> bytes = ctx->instance->data(data);
  if (!in_bounds(ctx, to, count, m.bytes, TrapKind::kMemoryOutOfBounds)) return;
  if (!in_bounds(ctx, from, count, bytes.size(), TrapKind::kMemoryOutOfBounds) || count == 0) return;
  std::memcpy(m.base + to, bytes.data() + from, count);
}

void data_drop(VmContext* ctx, uint32_t data) { ctx->instance->data_dropped[data] = 1; }

}  // namespace parallax::runtime::builtin
