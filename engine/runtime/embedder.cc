// What programs that embed the engine need beyond running: types of things, growth, objects made from outside.
#include "engine/base/text.h"
#include "engine/runtime/store.h"

namespace parallax::runtime {

using wasm::Extern;
using wasm::ExternKind;
using wasm::ExternType;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

namespace {

std::unexpected<Error> refuse(std::string text) { return fail(ErrorCode::kUsage, 0, std::move(text)); }
Outcome misuse(std::string text) { return Outcome::ended(OutcomeKind::kMisuse, refuse(std::move(text)).error()); }

}  // namespace

Result<ExternType> Store::type_of(Extern item) {
  const Handle& handle = *TRY(find_handle(item, item.kind, "type_of"));
  ExternType type{.kind = handle.kind};
  switch (handle.kind) {
    case ExternKind::kFunc: type.type = wasm::TypeId(static_cast<FuncEntry*>(handle.entity)->type); break;
    case ExternKind::kTable:
      type.table = static_cast<Table*>(handle.entity)->type;
      type.table.limits.min = static_cast<Table*>(handle.entity)->size;
      break;
    case ExternKind::kMemory:
      type.memory = static_cast<Memory*>(handle.entity)->type;
      type.memory.limits.min = static_cast<Memory*>(handle.entity)->pages();
      break;
    case ExternKind::kGlobal: type.global = static_cast<Global*>(handle.entity)->type; break;
    case ExternKind::kTag: type.type = tags_.find(handle.tag)->type; break;
  }
  return type;
}

Result<uint64_t> Store::identity_of(Extern item) {
  const Handle& handle = *TRY(find_handle(item, item.kind, "identity_of"));
  return handle.kind == ExternKind::kTag ? handle.tag : reinterpret_cast<uint64_t>(handle.entity);
}

Result<uint64_t> Store::table_grow(Extern item, uint64_t delta, const Value& init) {
  Table& table = *TRY(find_entity<Table>(item, ExternKind::kTable, "table_grow"));
  const Slot slot = TRY(to_slot(init, table.type.element, "table_grow"));
  uint64_t before = 0;
  bool no_memory = false;
  if (table.grow(delta, slot.low, budget_.table_elements, before, no_memory)) return before;
  return fail(ErrorCode::kLimit, 0,
              text::format("table_grow: {} elements cannot become {} more{}", before, delta,
                           no_memory ? ": out of memory" : ""));
}

Result<uint64_t> Store::memory_grow(Extern item, uint64_t delta) {
  Memory& memory = *TRY(find_entity<Memory>(item, ExternKind::kMemory, "memory_grow"));
  uint64_t before = 0;
  bool no_memory = false;
  if (memory.grow(delta, budget_.memory_pages, before, no_memory)) return before;
  return fail(
      ErrorCode::kLimit, 0,
      text::format("memory_grow: {} pages cannot become {} more{}", before, delta, no_memory ? ": out of memory" : ""));
}

Outcome Store::make_struct(wasm::TypeId id, std::span<const Value> fields) {
  sync_types();
  if (!id.valid() || id.index() >= types_->size() || types_->get(id).kind != wasm::CompositeKind::kStruct) {
    return misuse("make_struct: not a struct type of this store's types");
  }
  if (!heap_is_sound()) return take_exit();
  const wasm::SubType& type = types_->get(id);
  std::vector<wasm::ValType> held;
  for (const wasm::FieldType& field : type.fields) held.push_back(field.storage.unpacked);
  std::vector<Slot> slots(fields.size());
  if (const auto fits = to_slots(fields, held, slots.data(), "make_struct"); !fits) return misuse(fits.error().message);
  rooted_slots_.push_back({slots.data(), held});
  const gc::Ref ref = new_struct(id);
  rooted_slots_.pop_back();
  if (ref.is_null()) return take_exit();
  const TypeLayout& layout = layouts_.of(id);
  for (size_t i = 0; i < slots.size(); ++i) store_field(ref, layout.fields[i].offset, layout.fields[i].rep, slots[i]);
  return Outcome::ok({Value::reference(name_of(ref))});
}

Outcome Store::make_array(wasm::TypeId id, std::span<const Value> elements) {
  sync_types();
  if (!id.valid() || id.index() >= types_->size() || types_->get(id).kind != wasm::CompositeKind::kArray) {
    return misuse("make_array: not an array type of this store's types");
  }
  if (!heap_is_sound()) return take_exit();
  const std::vector<wasm::ValType> held(elements.size(), types_->get(id).fields[0].storage.unpacked);
  std::vector<Slot> slots(elements.size());
  if (const auto fits = to_slots(elements, held, slots.data(), "make_array"); !fits)
    return misuse(fits.error().message);
  rooted_slots_.push_back({slots.data(), held});
  const gc::Ref ref = new_array(id, elements.size());
  rooted_slots_.pop_back();
  if (ref.is_null()) return take_exit();
  const FieldRep rep = layouts_.of(id).element;
  for (size_t i = 0; i < slots.size(); ++i) {
    store_field(ref, kArrayDataOffset + i * kFieldBytes[static_cast<size_t>(rep)], rep, slots[i]);
  }
  return Outcome::ok({Value::reference(name_of(ref))});
}

Result<> Store::set_field(const Value& value, uint64_t index, const Value& held) {
  const wasm::ObjectView view = TRY(inspect(value));
  const bool is_array = view.kind == wasm::RefKind::kArray;
  if (!is_array && view.kind != wasm::RefKind::kStruct) return refuse("set_field: not a struct or array");
  if (index >= view.length) return refuse(text::format("set_field: field {} of {}", index, view.length));
  const wasm::FieldType& field = types_->get(view.type).fields[is_array ? 0 : index];
  if (!field.is_mutable) return refuse(text::format("set_field: field {} is immutable", index));
  const Slot slot = TRY(to_slot(held, field.storage.unpacked, "set_field"));
  const gc::Ref ref{static_cast<uint32_t>(TRY(unname(value.ref, "set_field")))};
  const TypeLayout& layout = layouts_.of(view.type);
  const uint64_t offset = is_array ? kArrayDataOffset + index * kFieldBytes[static_cast<size_t>(layout.element)]
                                   : layout.fields[index].offset;
  store_field(ref, offset, is_array ? layout.element : layout.fields[index].rep, slot);
  return {};
}

}  // namespace parallax::runtime
