// Builtins about references and calls: casts, function references, host calls, safepoints, armed checks, ends of runs.
#include <bit>

#include "engine/base/text.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/store.h"

namespace parallax::runtime::builtin {

using wasm::OutcomeKind;
using wasm::TrapKind;
using wasm::TypeId;
using wasm::ValType;

namespace {

Store& store_of(VmContext* ctx) { return *ctx->store->store; }

// The outcome that a failure to compile is.
OutcomeKind outcome_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvariant: return OutcomeKind::kInvariant;
    case ErrorCode::kIo: return OutcomeKind::kOutOfMemory;
    case ErrorCode::kMalformed:
    case ErrorCode::kInvalid: return OutcomeKind::kRejected;
    default: return OutcomeKind::kUnsupported;
  }
}

}  // namespace

uint32_t ref_test(VmContext* ctx, Ref ref, uint32_t type_bits) {
  return store_of(ctx).ref_matches(ref, std::bit_cast<ValType>(type_bits)) ? 1 : 0;
}

uint32_t func_test(VmContext* ctx, uint64_t id, uint32_t type_bits) {
  Store& store = store_of(ctx);
  if (id != 0 && store.funcs().find(id) == nullptr) store.exit_invariant(store.funcs().explain(id, "ref.test"));
  return store.func_matches(id, std::bit_cast<ValType>(type_bits)) ? 1 : 0;
}

Ref ref_cast(VmContext* ctx, Ref ref, uint32_t type_bits) {
  if (ref_test(ctx, ref, type_bits) == 0) store_of(ctx).exit_trap(TrapKind::kCastFailure);
  return ref;
}

uint64_t func_cast(VmContext* ctx, uint64_t id, uint32_t type_bits) {
  if (func_test(ctx, id, type_bits) == 0) store_of(ctx).exit_trap(TrapKind::kCastFailure);
  return id;
}

uint64_t ref_func(VmContext* ctx, uint32_t func) { return store_of(ctx).make_func_ref(*ctx->funcs[func]); }

FuncEntry* func_lookup(VmContext* ctx, uint32_t table, uint64_t index, uint32_t type) {
  Store& store = store_of(ctx);
  const TableDef& t = *ctx->tables[table];
  if (index >= t.size) {
    store.exit_trap(TrapKind::kUndefinedElement);
    return nullptr;
  }
  const uint64_t id = static_cast<const uint64_t*>(t.elems)[index];
  if (id == 0) {
    store.exit_trap(TrapKind::kUninitializedElement);
    return nullptr;
  }
  FuncEntry* const entry = store.funcs().find(id);
  if (entry == nullptr) {
    store.exit_invariant(store.funcs().explain(id, "call_indirect"));
    return nullptr;
  }
  if (!store.types().is_subtype(TypeId(entry->type), TypeId(type))) {
    store.exit_trap(TrapKind::kIndirectCallTypeMismatch);
    return nullptr;
  }
  return entry;
}

FuncEntry* func_deref(VmContext* ctx, uint64_t id, uint32_t type) {
  Store& store = store_of(ctx);
  if (id == 0) {
    store.exit_trap(TrapKind::kNullFunctionReference);
    return nullptr;
  }
  FuncEntry* const entry = store.funcs().find(id);
  if (entry == nullptr) {
    store.exit_invariant(store.funcs().explain(id, "call_ref"));
    return nullptr;
  }
  if (!store.types().is_subtype(TypeId(entry->type), TypeId(type))) {
    store.exit_invariant(
        text::format("I3: call_ref expects a function of type {}, the reference has type {}", type, entry->type));
    return nullptr;
  }
  return entry;
}

void host_call(VmContext* ctx, FuncEntry* entry, Slot* slots) { store_of(ctx).call_host(*entry, slots); }

const void* lazy_compile(VmContext* ctx, FuncEntry* entry) {
  Store& store = store_of(ctx);
  auto code = store.compiler()->compile(*entry);
  if (code) return entry->code = *code;
  const OutcomeKind kind = outcome_of(code.error().code);
  store.exit_with(kind, std::move(code).error());
  return nullptr;
}

void safepoint_poll(VmContext* ctx) {
  store_of(ctx).heap().poll();
  store_of(ctx).heap_is_sound();
}

// Compiled code has found that something is wrong; says what.
void check_ref(VmContext* ctx, Ref ref, uint32_t type_bits, uint32_t offset) {
  Store& store = store_of(ctx);
  const ValType type = std::bit_cast<ValType>(type_bits);
  if (!store.heap().is_object_start(ref)) {
    store.exit_invariant(text::format("I1: {:#x} at {:#x} is not the name of an object (expected {})\n  it is {}",
                                      ref.bits, offset, store.types().print(type), store.heap().describe(ref)));
    return;
  }
  if (store.ref_matches(ref, type)) {
    store.exit_invariant(text::format("I1: {:#x} at {:#x} was refused by compiled code and matches {}\n  it is {}",
                                      ref.bits, offset, store.types().print(type), store.heap().describe(ref)));
    return;
  }
  if (ref.bits == gc::kUnlistedSlot) {
    store.exit_invariant(
        text::format("I2: what is used at {:#x} comes from a home slot that no stack map lists "
                     "(expected {})",
                     offset, store.types().print(type)));
    return;
  }
  const std::string what = ref.is_null()  ? "null"
                           : ref.is_i31() ? "an i31"
                                          : text::format("an object of layout {}", store.heap().header(ref).layout());
  store.exit_invariant(text::format("I3: {:#x} at {:#x} is {}, but its refined type is {}\n  it is {}", ref.bits,
                                    offset, what, store.types().print(type), store.heap().describe(ref)));
}

void check_func(VmContext* ctx, uint64_t id, uint32_t type_bits, uint32_t offset) {
  Store& store = store_of(ctx);
  const ValType type = std::bit_cast<ValType>(type_bits);
  if (id != 0 && store.funcs().find(id) == nullptr) {
    store.exit_invariant(store.funcs().explain(id, text::format("wasm offset {:#x}", offset).c_str()));
    return;
  }
  if (store.func_matches(id, type)) {
    store.exit_invariant(
        text::format("I1: function reference {:#x} at {:#x} was refused by compiled code and matches {}", id, offset,
                     store.types().print(type)));
    return;
  }
  const std::string what = id == 0 ? "null" : text::format("of type {}", store.funcs().find(id)->type);
  store.exit_invariant(text::format("I3: a function reference at {:#x} is {}, but its refined type is {}", offset, what,
                                    store.types().print(type)));
}

void trap(VmContext* ctx, uint32_t kind, uint32_t offset) {
  store_of(ctx).exit_trap(static_cast<TrapKind>(kind));
  ctx->store->exit_offset = offset;
}

void exit_run(VmContext* ctx, uint32_t kind, uint32_t offset) {
  store_of(ctx).exit_with(static_cast<OutcomeKind>(kind));
  ctx->store->exit_offset = offset;
}

}  // namespace parallax::runtime::builtin
