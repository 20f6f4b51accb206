// What programs that embed the interpreter need beyond running: types of things, growth, objects made from outside.
#include <algorithm>

#include "engine/base/text.h"
#include "interp/store.h"

namespace parallax::interp {

using wasm::Extern;
using wasm::ExternKind;
using wasm::ExternType;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

namespace {

std::unexpected<Error> refuse(std::string text) { return fail(ErrorCode::kUsage, 0, std::move(text)); }
std::unexpected<Error> beyond(std::string text) { return fail(ErrorCode::kLimit, 0, std::move(text)); }
Outcome misuse(std::string text) { return Outcome::ended(OutcomeKind::kMisuse, refuse(std::move(text)).error()); }

// Writes one field's slots, as running code would have left them: packed ones zero-extended.
void put(uint64_t* slots, uint64_t length, uint64_t index, const FieldInfo& info, const uint64_t* halves) {
  switch (info.kind) {
    case FieldKind::kWord: slots[index] = halves[0]; return;
    case FieldKind::kI8: slots[index] = halves[0] & 0xff; return;
    case FieldKind::kI16: slots[index] = halves[0] & 0xffff; return;
    case FieldKind::kV128:
      slots[index] = halves[0];
      slots[length + index] = halves[1];
      return;
  }
}

}  // namespace

Result<ExternType> Store::type_of(Extern item) {
  Entity* const entity = TRY(entity_of(item, item.kind));
  ExternType type{.kind = item.kind};
  switch (item.kind) {
    case ExternKind::kFunc: type.type = static_cast<FuncEntity*>(entity)->func->type->id; break;
    case ExternKind::kTable:
      type.table = static_cast<Table*>(entity)->type;
      type.table.limits.min = static_cast<Table*>(entity)->size;
      break;
    case ExternKind::kMemory:
      type.memory = static_cast<Memory*>(entity)->type;
      type.memory.limits.min = static_cast<Memory*>(entity)->pages();
      break;
    case ExternKind::kGlobal: type.global = static_cast<Global*>(entity)->type; break;
    case ExternKind::kTag: type.type = static_cast<Tag*>(entity)->type->id; break;
  }
  return type;
}

Result<uint64_t> Store::identity_of(Extern item) { return reinterpret_cast<uint64_t>(TRY(entity_of(item, item.kind))); }

Result<uint64_t> Store::table_grow(Extern item, uint64_t delta, const Value& init) {
  Table& table = *TRY(get<Table>(item, ExternKind::kTable));
  uint64_t word = 0;
  TRY(write_value(init, table.type.element, &word));
  const uint64_t before = table.size;
  const uint64_t limit = std::min({table.type.limits.max.value_or(UINT64_MAX), budget_.table_elements,
                                   table.type.limits.is_64 ? UINT64_MAX : uint64_t{UINT32_MAX}});
  if (before > limit || delta > limit - before || !table.grow_to(before + delta)) {
    return beyond(text::format("table_grow: {} elements cannot become {} more", before, delta));
  }
  if (word != kNullWord) std::fill(table.elements + before, table.elements + table.size, word);
  return before;
}

Result<uint64_t> Store::memory_grow(Extern item, uint64_t delta) {
  Memory& memory = *TRY(get<Memory>(item, ExternKind::kMemory));
  const uint64_t before = memory.pages();
  const uint64_t limit = std::min({memory.type.limits.max.value_or(UINT64_MAX), budget_.memory_pages,
                                   memory.type.limits.is_64 ? UINT64_MAX : uint64_t{65'536}});
  if (before > limit || delta > limit - before || !memory.grow_to((before + delta) * Memory::kPageBytes)) {
    return beyond(text::format("memory_grow: {} pages cannot become {} more", before, delta));
  }
  return before;
}

Outcome Store::make_struct(wasm::TypeId id, std::span<const Value> fields) {
  const wasm::TypeStore& types = infos_.store();
  if (!id.valid() || id.index() >= types.size() || types.get(id).kind != wasm::CompositeKind::kStruct) {
    return misuse("make_struct: not a struct type of this store's types");
  }
  const TypeInfo& type = infos_.get(id);
  if (fields.size() != type.fields.size()) {
    return misuse(text::format("make_struct: {} values given, {} expected", fields.size(), type.fields.size()));
  }
  std::vector<uint64_t> slots(2 * fields.size());
  const size_t roots = native_roots_.size();
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto written = write_value(fields[i], type.fields[i].storage.unpacked, &slots[2 * i]);
    if (!written) {
      native_roots_.resize(roots);
      return misuse(text::format("make_struct: field {}: {}", i, written.error().message));
    }
    if (type.fields[i].is_ref) native_roots_.push_back(slots[2 * i]);
  }
  StructCell* const cell = new_struct(type, Heap::Fill::kZero);
  native_roots_.resize(roots);
  if (cell == nullptr) return exit_outcome();
  for (size_t i = 0; i < fields.size(); ++i) put(cell->slots, fields.size(), i, type.fields[i], &slots[2 * i]);
  return Outcome::ok({Value::reference(ref_of(word_of(cell)))});
}

Outcome Store::make_array(wasm::TypeId id, std::span<const Value> elements) {
  const wasm::TypeStore& types = infos_.store();
  if (!id.valid() || id.index() >= types.size() || types.get(id).kind != wasm::CompositeKind::kArray) {
    return misuse("make_array: not an array type of this store's types");
  }
  const TypeInfo& type = infos_.get(id);
  const FieldInfo& element = type.element();
  std::vector<uint64_t> slots(2 * elements.size());
  const size_t roots = native_roots_.size();
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto written = write_value(elements[i], element.storage.unpacked, &slots[2 * i]);
    if (!written) {
      native_roots_.resize(roots);
      return misuse(text::format("make_array: element {}: {}", i, written.error().message));
    }
    if (element.is_ref) native_roots_.push_back(slots[2 * i]);
  }
  ArrayCell* const cell = new_array(type, elements.size(), Heap::Fill::kZero);
  native_roots_.resize(roots);
  if (cell == nullptr) return exit_outcome();
  for (size_t i = 0; i < elements.size(); ++i) put(cell->slots, elements.size(), i, element, &slots[2 * i]);
  return Outcome::ok({Value::reference(ref_of(word_of(cell)))});
}

Result<> Store::set_field(const Value& value, uint64_t index, const Value& held) {
  const wasm::ObjectView view = TRY(inspect(value));
  const bool is_array = view.kind == wasm::RefKind::kArray;
  if (!is_array && view.kind != wasm::RefKind::kStruct) return refuse("set_field: not a struct or array");
  if (index >= view.length) return refuse(text::format("set_field: field {} of {}", index, view.length));
  const TypeInfo& type = infos_.known(view.type.raw);
  const size_t declared = is_array ? 0 : index;
  if (!type.sub->fields[declared].is_mutable) return refuse(text::format("set_field: field {} is immutable", index));
  uint64_t halves[2] = {};
  TRY(write_value(held, type.fields[declared].storage.unpacked, halves));
  const Word word = TRY(word_of_ref(value.ref));
  put(is_array ? array_of(word)->slots : struct_of(word)->slots, view.length, index, type.fields[declared], halves);
  return {};
}

}  // namespace parallax::interp
