// Builtins that allocate, and the bulk operations on arrays.
//
// Arrays come from compiled code, where a planted or real fault may have put anything: a reference that is no array of
// this heap ends the run with an invariant before its header is believed.
#include <algorithm>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/credit.h"
#include "engine/runtime/store.h"

namespace parallax::runtime::builtin {

using wasm::TrapKind;
using wasm::TypeId;

namespace {

struct ArrayView {
  uint8_t* data = nullptr;
  uint64_t length = 0;
  uint64_t step = 0;  // bytes per element
  FieldRep rep = FieldRep::kI32;
};

Store& store_of(VmContext* ctx) { return *ctx->store->store; }

// Plain: whether the header says so, as compiled code would read it. Armed, or where retired space cannot be read: whether an
// array lives there.
bool is_array(VmContext* ctx, Ref ref) {
  Store& store = store_of(ctx);
  if (ctx->store->armed != 0 || store.heap().options().zeal.protect)
    return store.ref_matches(ref, wasm::ValType::ref(wasm::HeapKind::kArray, false));
  return ref.is_object() && uint64_t{ref.bits} + gc::kHeaderBytes <= store.heap().bytes() &&
         ref.bits % gc::kObjectAlign == 0 &&
         store.heap().layouts().at(store.heap().header(ref).layout()).kind == gc::LayoutKind::kArray;
}

// False after setting an exit.
bool view_array(VmContext* ctx, Ref ref, const char* site, ArrayView& view) {
  Store& store = store_of(ctx);
  if (ref.is_null()) {
    store.exit_trap(TrapKind::kNullArrayReference);
    return false;
  }
  if (ctx->store->armed != 0) ++ctx->store->armed_counts[static_cast<size_t>(ArmedCheck::kArrayOperand)];
  if (!is_array(ctx, ref)) {
    const bool is_name = ref.is_i31() || store.heap().plausible(ref);
    store.exit_invariant(text::format("{}: {} was given {:#x}, which is not an array\n  it is {}",
                                      is_name ? "I3" : "I1", site, ref.bits, store.heap().describe(ref)));
    return false;
  }
  const gc::ObjectHeader& header = store.heap().header(ref);
  view.rep = store.layouts().of(TypeId(header.layout())).element;
  view.step = kFieldBytes[static_cast<size_t>(view.rep)];
  view.length = header.length;
  view.data = store.heap().at(ref, kArrayDataOffset);
  return true;
}

// False after trapping.
bool in_bounds(VmContext* ctx, uint64_t offset, uint64_t count, uint64_t size, TrapKind kind) {
  const bool excluded = offset == size && fault_fires(Fault::kARR2);
  if (count <= size && offset <= size - count && !excluded) return true;
  store_of(ctx).exit_trap(kind);
  return false;
}

// The write barrier of bulk operations.
void note_stores(VmContext* ctx, Ref array, const ArrayView& view) {
  if (view.rep == FieldRep::kRef && !fault_fires(Fault::kBAR3)) store_of(ctx).heap().note_store(array);
}

void set_element(const ArrayView& view, uint64_t index, uint64_t bits) {
  std::memcpy(view.data + index * view.step, &bits, std::min<uint64_t>(view.step, sizeof(bits)));
}

// Copies the element at `begin` over the `count` - 1 behind it, twice as many each time.
void repeat_element(const ArrayView& view, uint64_t begin, uint64_t count) {
  uint8_t* const first = view.data + begin * view.step;
  for (uint64_t done = 1; done < count;) {
    const uint64_t more = std::min(done, count - done);
    std::memcpy(first + done * view.step, first, more * view.step);
    done += more;
  }
}

}  // namespace

Ref alloc_struct(VmContext* ctx, uint32_t type) { return store_of(ctx).new_struct(TypeId(type)); }

Ref alloc_array(VmContext* ctx, uint32_t type, uint32_t length) {
  return store_of(ctx).new_array(TypeId(type), length);
}

Ref alloc_exn(VmContext* ctx, uint32_t tag) { return store_of(ctx).new_exn(ctx->tags[tag]); }

Ref charge_object(VmContext* ctx, uint32_t charge) {
  Store& store = store_of(ctx);
  StoreContext& context = *ctx->store;
  store.heap().settle();
  return_credit(context);
  if (charge > context.allocation_left) {
    store.exit_with(wasm::OutcomeKind::kHeapExhausted);
    return gc::kNullRef;
  }
  context.allocation_left -= charge;
  ++context.allocated_objects;
  const uint64_t credit = std::min(context.allocation_left / 2, kMostCredit);
  context.allocation_left -= credit;
  context.jit_words[kCreditWord] = credit;
  store.heap().budget_changed();
  return gc::kNullRef;
}

Ref array_new_data(VmContext* ctx, uint32_t type, uint32_t data, uint32_t offset, uint32_t length) {
  Store& store = store_of(ctx);
  const FieldRep rep = store.layouts().of(TypeId(type)).element;
  const uint64_t bytes = uint64_t{length} * kFieldBytes[static_cast<size_t>(rep)];
  if (!in_bounds(ctx, offset, bytes, ctx->instance->data(data).size(), TrapKind::kMemoryOutOfBounds))
    return gc::kNullRef;
  const Ref array = store.new_array(TypeId(type), length);
  if (array.is_null() || bytes == 0) return array;
  std::memcpy(store.heap().at(array, kArrayDataOffset), ctx->instance->data(data).data() + offset, bytes);
  return array;
}

Ref array_new_elem(VmContext* ctx, uint32_t type, uint32_t elem, uint32_t offset, uint32_t length) {
  Store& store = store_of(ctx);
  const ElemInstance& segment = ctx->instance->elems[elem];
  if (!in_bounds(ctx, offset, length, segment.size(), TrapKind::kTableOutOfBounds)) return gc::kNullRef;
  const Ref array = store.new_array(TypeId(type), length);
  ArrayView view;
  if (array.is_null() || !view_array(ctx, array, "array.new_elem", view)) return array;
  for (uint64_t i = 0; i < length; ++i) set_element(view, i, segment.get(offset + i));
  return array;
}

void array_fill(VmContext* ctx, Ref array, uint32_t offset, uint64_t bits, uint32_t count) {
  ArrayView view;
  if (!view_array(ctx, array, "array.fill", view)) return;
  if (!in_bounds(ctx, offset, count, view.length, TrapKind::kArrayOutOfBounds) || count == 0) return;
  note_stores(ctx, array, view);
  set_element(view, offset, bits);
  repeat_element(view, offset, count);
}

void array_fill_v128(VmContext* ctx, Ref array, uint32_t offset, uint32_t count) {
  ArrayView view;
  if (!view_array(ctx, array, "array.fill", view)) return;
  if (!in_bounds(ctx, offset, count, view.length, TrapKind::kArrayOutOfBounds)) return;
  if (view.rep != FieldRep::kV128) {
    store_of(ctx).exit_invariant(text::format("I3: array.fill of {:#x}, which holds no vectors", array.bits));
    return;
  }
  if (count == 0) return;
  std::memcpy(view.data + offset * view.step, &ctx->store->arg_area[0], sizeof(Slot));
  repeat_element(view, offset, count);
}

void array_copy(VmContext* ctx, Ref target, uint32_t to, Ref source, uint32_t from, uint32_t count) {
  ArrayView target_view;
  ArrayView source_view;
  if (!view_array(ctx, target, "array.copy", target_view) || !view_array(ctx, source, "array.copy", source_view))
    return;
  if (!in_bounds(ctx, to, count, target_view.length, TrapKind::kArrayOutOfBounds)) return;
  if (!in_bounds(ctx, from, count, source_view.length, TrapKind::kArrayOutOfBounds)) return;
  if (target_view.rep != source_view.rep) {
    store_of(ctx).exit_invariant(text::format("I3: array.copy between {:#x} and {:#x}, whose elements differ in layout",
                                              target.bits, source.bits));
    return;
  }
  note_stores(ctx, target, target_view);
  std::memmove(target_view.data + to * target_view.step, source_view.data + from * source_view.step,
               count * target_view.step);
}

void array_init_data(VmContext* ctx, uint32_t data, Ref array, uint32_t offset, uint32_t source, uint32_t count) {
  ArrayView view;
  if (!view_array(ctx, array, "array.init_data", view)) return;
  const std::span<const uint8_t> bytes = ctx->instance->data(data);
  if (!in_bounds(ctx, offset, count, view.length, TrapKind::kArrayOutOfBounds)) return;
  if (!in_bounds(ctx, source, count * view.step, bytes.size(), TrapKind::kMemoryOutOfBounds)) return;
  if (count != 0) std::memcpy(view.data + offset * view.step, bytes.data() + source, count * view.step);
}

void array_init_elem(VmContext* ctx, uint32_t elem, Ref array, uint32_t offset, uint32_t source, uint32_t count) {
  ArrayView view;
  if (!view_array(ctx, array, "array.init_elem", view)) return;
  const ElemInstance& segment = ctx->instance->elems[elem];
  if (!in_bounds(ctx, offset, count, view.length, TrapKind::kArrayOutOfBounds)) return;
  if (!in_bounds(ctx, source, count, segment.size(), TrapKind::kTableOutOfBounds)) return;
  note_stores(ctx, array, view);
  for (uint64_t i = 0; i < count; ++i) set_element(view, offset + i, segment.get(source + i));
}

}  // namespace parallax::runtime::builtin
