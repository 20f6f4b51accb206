#include "engine/runtime/layouts.h"

#include <algorithm>

#include "engine/base/faults.h"
#include "engine/wasm/limits.h"

namespace parallax::runtime {

namespace {

constexpr uint32_t align_up(uint32_t offset, uint32_t alignment) { return (offset + alignment - 1) & ~(alignment - 1); }

// Gives a field the next offset at its natural alignment; answers the one behind it.
uint32_t place(FieldSlot& field, uint32_t offset) {
  const uint32_t bytes = kFieldBytes[static_cast<size_t>(field.rep)];
  field.offset = align_up(offset, std::min(bytes, gc::kObjectAlign));
  return field.offset + bytes;
}

// Planted fault LAY1: a type that adds references to its supertype's fields places all its references first.
bool references_first(const wasm::TypeStore& types, const wasm::SubType& type, const std::vector<FieldSlot>& fields) {
  if (!type.has_super) return false;
  const size_t inherited = types.get(wasm::TypeId(type.super)).fields.size();
  const bool adds_ref = std::any_of(fields.begin() + static_cast<ptrdiff_t>(std::min(inherited, fields.size())),
                                    fields.end(), [](FieldSlot field) { return field.rep == FieldRep::kRef; });
  return adds_ref && fault_fires(Fault::kLAY1);
}

// Fields behind `begin`, in declaration order; registers what the collector must know.
void lay_out_fields(TypeLayout& layout, gc::Layout& out, uint32_t begin, bool refs_first) {
  uint32_t end = begin;
  size_t refs = 0;
  for (FieldSlot& field : layout.fields) {
    refs += field.rep == FieldRep::kRef;
    if (!refs_first || field.rep == FieldRep::kRef) end = place(field, end);
  }
  for (FieldSlot& field : layout.fields) {
    if (refs_first && field.rep != FieldRep::kRef) end = place(field, end);
  }
  layout.bytes = align_up(end, gc::kObjectAlign);
  out.kind = gc::LayoutKind::kFixed;
  out.bytes = layout.bytes;
  out.ref_offsets.reserve(refs);
  for (const FieldSlot& field : layout.fields) {
    if (field.rep == FieldRep::kRef) out.ref_offsets.push_back(field.offset);
  }
}

}  // namespace

FieldRep rep_of(const wasm::TypeStore& types, wasm::StorageType storage) {
  switch (storage.packed) {
    case wasm::Packed::kI8: return FieldRep::kI8;
    case wasm::Packed::kI16: return FieldRep::kI16;
    case wasm::Packed::kNone: break;
  }
  switch (storage.unpacked.kind()) {
    case wasm::ValKind::kI32: return FieldRep::kI32;
    case wasm::ValKind::kI64: return FieldRep::kI64;
    case wasm::ValKind::kF32: return FieldRep::kF32;
    case wasm::ValKind::kF64: return FieldRep::kF64;
    case wasm::ValKind::kV128: return FieldRep::kV128;
    case wasm::ValKind::kRef:
    case wasm::ValKind::kBottom: break;
  }
  return types.hierarchy(storage.unpacked.heap()) == wasm::Hierarchy::kFunc ? FieldRep::kFuncRef : FieldRep::kRef;
}

const TypeLayout& Layouts::of(wasm::TypeId id) {
  if (id.index() < layouts_.size() && layouts_[id.index()] != nullptr) [[likely]]
    return *layouts_[id.index()];
  if (id.index() >= layouts_.size()) layouts_.resize(std::max(types_.size(), id.index() + 1));
  const wasm::SubType& type = types_.get(id);
  auto made = std::make_unique<TypeLayout>();
  gc::Layout layout;
  switch (type.kind) {
    case wasm::CompositeKind::kStruct:
      made->charge = wasm::kObjectCharge;
      made->fields.reserve(type.fields.size());
      for (const wasm::FieldType& field : type.fields) {
        made->fields.push_back({0, rep_of(types_, field.storage)});
        made->charge += wasm::storage_size(field.storage);
      }
      lay_out_fields(*made, layout, gc::kHeaderBytes, references_first(types_, type, made->fields));
      break;
    case wasm::CompositeKind::kFunc:  // exceptions of tags with this type
      made->charge = wasm::kObjectCharge;
      made->fields.reserve(type.params.size());
      for (const wasm::ValType param : type.params) {
        made->fields.push_back({0, rep_of(types_, {param, wasm::Packed::kNone})});
        made->charge += wasm::storage_size({param, wasm::Packed::kNone});
      }
      lay_out_fields(*made, layout, gc::kExnTagOffset + 8, false);
      break;
    case wasm::CompositeKind::kArray:
      made->element = rep_of(types_, type.fields[0].storage);
      made->bytes = kArrayDataOffset;
      made->charge = wasm::kObjectCharge;
      made->element_charge = wasm::storage_size(type.fields[0].storage);
      layout.kind = gc::LayoutKind::kArray;
      layout.elements_are_refs = made->element == FieldRep::kRef;
      layout.element_bytes = kFieldBytes[static_cast<size_t>(made->element)];
      break;
  }
  table_.define(id.raw, std::move(layout));
  layouts_[id.index()] = std::move(made);
  return *layouts_[id.index()];
}

}  // namespace parallax::runtime
