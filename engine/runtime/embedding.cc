// The embedding interface's small operations: handles, state of entities, references, collection.
#include <algorithm>
#include <utility>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/runtime/store.h"

namespace parallax::runtime {

using wasm::Extern;
using wasm::ExternKind;
using wasm::ObjectView;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::RefKind;
using wasm::Value;

namespace {

const char* to_string(ExternKind kind) {
  static constexpr const char* kTexts[] = {"function", "table", "memory", "global", "tag"};  // ORDER: ExternKind
  return kTexts[static_cast<size_t>(kind)];
}

// Kinds of events of a store's repetition.
constexpr uint64_t kMakeFunc = 1, kMakeTable = 2, kMakeMemory = 3, kMakeGlobal = 4, kMakeTag = 5;  // 6: instantiate.cc

void note_limits(const wasm::Limits& limits, auto&& note) {
  note(limits.min);
  note(limits.max.has_value() ? 1 : 0);
  note(limits.max.value_or(0));
  note(limits.is_64 ? 1 : 0);
}

Outcome misuse(Error error) { return Outcome::ended(OutcomeKind::kMisuse, std::move(error)); }

}  // namespace

// --- Handles -------------------------------------------------------------------------------------------------------

Extern Store::add_handle(Handle handle) {
  const ExternKind kind = handle.kind;
  return {kind, handles_.add(std::move(handle), "extern")};
}

Result<Store::Handle*> Store::find_handle(Extern e, ExternKind kind, const char* site) {
  Handle* const handle = handles_.find(e.id);
  if (handle == nullptr) return fail(ErrorCode::kUsage, 0, handles_.explain(e.id, site));
  if (handle->kind != kind || e.kind != kind) {
    return fail(
        ErrorCode::kUsage, 0,
        text::format("an extern that is a {} was used as a {} at {}", to_string(handle->kind), to_string(kind), site));
  }
  return handle;
}

// The oldest handle of a function or tag that is still live, or a new one that lives as long as the store: whoever knows
// a thing under a name meets it again under that name.
Extern Store::any_handle(Handle handle, std::vector<uint64_t>& known) {
  std::erase_if(known, [&](uint64_t id) { return handles_.find(id) == nullptr; });
  if (known.empty()) known.push_back(add_handle(handle).id);
  return {handle.kind, known.front()};
}

Extern Store::tag_extern(uint64_t tag) {
  return any_handle({.kind = ExternKind::kTag, .tag = tag}, tags_.find(tag)->handles);
}

Extern Store::func_extern(FuncEntry& entry) {
  return any_handle({.kind = ExternKind::kFunc, .entity = &entry}, func_handles_[&entry]);
}

Result<Extern> Store::find_export(wasm::InstanceId id, std::string_view name) {
  Instance** const found = instance_ids_.find(id);
  if (found == nullptr) return fail(ErrorCode::kUsage, 0, instance_ids_.explain(id, "find_export"));
  Instance& instance = **found;
  const wasm::Export* const item = instance.module->find_export(name);
  if (item == nullptr) return fail(ErrorCode::kUsage, 0, text::format("no export {}", text::quoted(name)));
  uint64_t& handle = instance.exports[static_cast<size_t>(item - instance.module->exports.data())];
  if (handle != 0) return Extern{item->kind, handle};
  Handle made{.kind = item->kind, .owner = id};
  switch (item->kind) {
    case ExternKind::kFunc: made.entity = instance.funcs[item->index]; break;
    case ExternKind::kTable: made.entity = &instance.table(item->index); break;
    case ExternKind::kMemory: made.entity = &instance.memory(item->index); break;
    case ExternKind::kGlobal: made.entity = instance.global_entities[item->index]; break;
    case ExternKind::kTag: made.tag = instance.tags[item->index]; break;
  }
  const Extern result = add_handle(made);
  handle = result.id;
  if (item->kind == ExternKind::kTag) tags_.find(made.tag)->handles.push_back(handle);
  if (item->kind == ExternKind::kFunc) func_handles_[static_cast<FuncEntry*>(made.entity)].push_back(handle);
  return result;
}

Result<> Store::drop_instance(wasm::InstanceId id) {
  Instance** const found = instance_ids_.find(id);
  if (found == nullptr) return fail(ErrorCode::kUsage, 0, instance_ids_.explain(id, "drop_instance"));
  Instance& instance = **found;
  uint32_t consecutive = 0;  // planted fault SL3: the id that would follow
  for (uint64_t& handle : instance.exports) {
    if (handle == 0) continue;
    uint64_t released = std::exchange(handle, 0);
    if (consecutive != 0 && fault_fires(Fault::kSL3)) {
      released = handles_.core().is_live(consecutive) ? handles_.core().id_of(consecutive).bits : 0;
    }
    if (consecutive == 0) consecutive = slab::SlabId{released}.index();
    ++consecutive;
    if (released != 0) handles_.release(released);
  }
  instance.handle = 0;
  instance_ids_.release(id);
  return {};
}

// --- Entities ------------------------------------------------------------------------------------------------------

FuncEntry* Store::add_func(wasm::TypeId type) {
  FuncEntry* const entry = funcs_.add("function");
  if (entry == nullptr) return nullptr;
  entry->type = type.raw;
  entry->ctx = &root_context_;
  context_.funcs = funcs_.entries();
  context_.func_count = funcs_.count();
  return entry;
}

// Once the entry is complete: what a first call of it finds.
void Store::prepare(FuncEntry& entry) {
  if (compiler_ != nullptr) entry.code = compiler_->initial_code(entry);
}

// Null: beyond the budget, or no real memory.
Table* Store::add_table(const wasm::TableType& type, uint64_t init_bits) {
  if (type.limits.min > budget_.table_elements) return nullptr;
  Table& table = tables_.emplace_back();
  table.type = type;
  table.element_bytes = is_func_type(type.element) ? 8 : 4;
  table.element_type = type.element.bits();
  table.number = static_cast<uint32_t>(tables_.size() - 1);
  if (table.number < table_storage_.size() && table_storage_[table.number].element_bytes == table.element_bytes)
    table.use_storage(std::exchange(table_storage_[table.number], {}));
  if (table.extend(type.limits.min, init_bits)) return &table;
  tables_.pop_back();
  return nullptr;
}

// Null as above.
Memory* Store::add_memory(const wasm::MemoryType& type) {
  if (type.limits.min > budget_.memory_pages) return nullptr;
  Memory& memory = memories_.emplace_back();
  memory.type = type;
  if (memory.start(type.limits.min, options_.memory)) return &memory;
  memories_.pop_back();
  return nullptr;
}

Global* Store::add_global(const wasm::GlobalType& type, const Slot& value) {
  Global& global = globals_.emplace_back();
  global.type = type;
  global.rep = rep_of(*types_, {type.value, wasm::Packed::kNone});
  global.cell = value;
  global.number = static_cast<uint32_t>(globals_.size() - 1);
  return &global;
}

Extern Store::make_func(wasm::TypeId type, wasm::HostFunc func) {
  sync_types();
  begin_making(kMakeFunc);
  note_making(type.raw);
  FuncEntry* const entry = add_func(type);
  if (entry == nullptr) return {ExternKind::kFunc, 0};
  entry->host = &host_functions_.emplace_back(HostFunction{type, std::move(func)});
  prepare(*entry);
  return func_extern(*entry);
}

Extern Store::make_table(const wasm::TableType& type, const Value& init) {
  sync_types();
  begin_making(kMakeTable);
  note_making(type.element.bits());
  note_limits(type.limits, [&](uint64_t word) { note_making(word); });
  const auto slot = to_slot(init, type.element, "make_table");
  Table* const table = slot ? add_table(type, slot->low) : nullptr;
  if (table == nullptr) return {ExternKind::kTable, 0};
  return add_handle({.kind = ExternKind::kTable, .entity = table});
}

Extern Store::make_memory(const wasm::MemoryType& type) {
  begin_making(kMakeMemory);
  note_limits(type.limits, [&](uint64_t word) { note_making(word); });
  Memory* const memory = add_memory(type);
  if (memory == nullptr) return {ExternKind::kMemory, 0};
  return add_handle({.kind = ExternKind::kMemory, .entity = memory});
}

Extern Store::make_global(const wasm::GlobalType& type, const Value& init) {
  sync_types();
  begin_making(kMakeGlobal);
  note_making(type.value.bits());
  note_making(type.is_mutable ? 1 : 0);
  // The value of a constant may be known to code.
  note_making(type.is_mutable || type.value.is_ref() ? 0 : init.low);
  note_making(type.is_mutable || type.value.is_ref() ? 0 : init.high);
  const auto slot = to_slot(init, type.value, "make_global");
  if (!slot) return {ExternKind::kGlobal, 0};
  return add_handle({.kind = ExternKind::kGlobal, .entity = add_global(type, *slot)});
}

Extern Store::make_tag(wasm::TypeId type) {
  sync_types();
  begin_making(kMakeTag);
  note_making(type.raw);
  return tag_extern(tags_.add(Tag{.type = type}, "make_tag"));
}

Value Store::make_host_ref(uint64_t host_value) {
  if (!heap_.violation().empty()) return Value::null();
  const uint64_t id = host_objects_.add(host_value, "make_host_ref");
  const gc::Ref box = heap_.allocate_box(id);
  if (!box.is_null()) return Value::reference(name_of(box));
  host_objects_.release(id);
  return Value::null();
}

Value Store::func_ref(Extern func) {
  const auto entry = find_entity<FuncEntry>(func, ExternKind::kFunc, "func_ref");
  return entry ? Value::reference(name_of_func((*entry)->id)) : Value::null();
}

Result<Extern> Store::func_of(const Value& ref) {
  if (ref.kind != wasm::ValKind::kRef || ref.ref.kind != RefKind::kFunc) {
    return fail(ErrorCode::kUsage, 0, "func_of: not a function reference");
  }
  FuncEntry* const entry = funcs_.find(ref.ref.name);
  if (entry == nullptr) return fail(ErrorCode::kUsage, 0, funcs_.explain(ref.ref.name, "func_of"));
  return func_extern(*entry);
}

// --- State ---------------------------------------------------------------------------------------------------------

Result<wasm::ValType> Store::global_type(Extern global) {
  return TRY(find_entity<Global>(global, ExternKind::kGlobal, "global_type"))->type.value;
}

Result<wasm::TypeId> Store::func_type(Extern func) {
  return wasm::TypeId(TRY(find_entity<FuncEntry>(func, ExternKind::kFunc, "func_type"))->type);
}

Result<wasm::TypeId> Store::tag_type(Extern tag) {
  return tags_.find(TRY(find_handle(tag, ExternKind::kTag, "tag_type"))->tag)->type;
}

Result<Value> Store::global_get(Extern global) {
  const Global& found = *TRY(find_entity<Global>(global, ExternKind::kGlobal, "global_get"));
  return to_value(found.cell, found.type.value);
}

Result<> Store::global_set(Extern global, const Value& value) {
  Global& found = *TRY(find_entity<Global>(global, ExternKind::kGlobal, "global_set"));
  if (!found.type.is_mutable) return fail(ErrorCode::kUsage, 0, "global_set: the global is immutable");
  found.cell = TRY(to_slot(value, found.type.value, "global_set"));
  return {};
}

Result<uint64_t> Store::table_size(Extern table) {
  return TRY(find_entity<Table>(table, ExternKind::kTable, "table_size"))->size;
}

Outcome Store::table_get(Extern table, uint64_t index) {
  const auto found = find_entity<Table>(table, ExternKind::kTable, "table_get");
  if (!found) return misuse(found.error());
  if (index >= (*found)->size) return Outcome::trapped(wasm::TrapKind::kTableOutOfBounds);
  return Outcome::ok({to_value(Slot{(*found)->get(index), 0}, (*found)->type.element)});
}

Outcome Store::table_set(Extern table, uint64_t index, const Value& value) {
  const auto found = find_entity<Table>(table, ExternKind::kTable, "table_set");
  if (!found) return misuse(found.error());
  const auto slot = to_slot(value, (*found)->type.element, "table_set");
  if (!slot) return misuse(slot.error());
  if (index >= (*found)->size) return Outcome::trapped(wasm::TrapKind::kTableOutOfBounds);
  (*found)->set(index, slot->low);
  return Outcome::ok();
}

Result<std::span<uint8_t>> Store::memory(Extern memory) {
  const Memory& found = *TRY(find_entity<Memory>(memory, ExternKind::kMemory, "memory"));
  return std::span<uint8_t>(found.base, found.bytes);
}

// --- References ----------------------------------------------------------------------------------------------------

wasm::RootId Store::root(const Value& value) {
  Root root;
  if (value.kind != wasm::ValKind::kRef) {
    root.is_number = true;
    root.number = value;
  } else {
    const auto bits = unname(value.ref, "root");
    if (!bits) return 0;
    root.is_func = value.ref.kind == RefKind::kFunc;
    root.func = root.is_func ? *bits : 0;
    root.ref = gc::Ref{root.is_func ? 0 : static_cast<uint32_t>(*bits)};
  }
  if (fault_fires(Fault::kOWN1)) {
    wasm::RootId known = 0;
    roots_.for_each([&](uint64_t id, const Root& other) {
      if (root.ref.is_object() && other.ref == root.ref) known = id;
    });
    if (known != 0) return known;
  }
  return roots_.add(std::move(root), "root");
}

Result<Value> Store::rooted(wasm::RootId id) {
  const Root* const root = roots_.find(id);
  if (root == nullptr) return fail(ErrorCode::kUsage, 0, roots_.explain(id, "rooted"));
  if (root->is_number) return root->number;
  return Value::reference(root->is_func ? name_of_func(root->func) : name_of(root->ref));
}

Result<> Store::unroot(wasm::RootId id) {
  if (roots_.find(id) == nullptr) return fail(ErrorCode::kUsage, 0, roots_.explain(id, "unroot"));
  roots_.release(id);
  return {};
}

bool Store::same(const Value& a, const Value& b) {
  if (a.kind != wasm::ValKind::kRef || b.kind != wasm::ValKind::kRef) return false;
  const auto x = unname(a.ref, "same");
  const auto y = unname(b.ref, "same");
  if (!x || !y || *x != *y) return false;
  // A function id and a heap name may have equal bits.
  return (a.ref.kind == RefKind::kFunc) == (b.ref.kind == RefKind::kFunc);
}

Result<ObjectView> Store::inspect(const Value& value) {
  const auto reject = [](std::string why) { return fail(ErrorCode::kInvariant, 0, std::move(why)); };
  if (value.kind != wasm::ValKind::kRef || value.ref.kind == RefKind::kNull || value.ref.kind == RefKind::kI31) {
    return fail(ErrorCode::kUsage, 0, "inspect: not a reference to an object");
  }
  const auto bits = unname(value.ref, "inspect");
  if (!bits) return reject(bits.error().message);
  if (value.ref.kind == RefKind::kFunc) {
    return ObjectView{.kind = RefKind::kFunc, .type = wasm::TypeId(funcs_.find(*bits)->type)};
  }
  const gc::Ref ref{static_cast<uint32_t>(*bits)};
  const gc::ObjectHeader& header = heap_.header(ref);
  ObjectView view{.kind = name_of(ref).kind};
  if (view.kind == RefKind::kHost) {
    const auto id = heap_.load<uint64_t>(ref, gc::kHostBoxIdOffset);
    const uint64_t* const host = host_objects_.find(id);
    if (host == nullptr) return reject(host_objects_.explain(id, "inspect of a host reference"));
    view.host_value = *host;
    return view;
  }
  view.type = wasm::TypeId(header.layout());
  view.length = view.kind == RefKind::kArray ? header.length : layouts_.of(view.type).fields.size();
  if (view.kind == RefKind::kExn) {
    const auto tag = heap_.load<uint64_t>(ref, gc::kExnTagOffset);
    if (tags_.find(tag) == nullptr) return reject(tags_.explain(tag, "inspect of an exception"));
    view.tag = tag_extern(tag);
  }
  return view;
}

Result<Value> Store::field(const Value& value, uint64_t index) {
  const ObjectView view = TRY(inspect(value));
  if (index >= view.length) return fail(ErrorCode::kUsage, 0, text::format("field {} of {}", index, view.length));
  const gc::Ref ref{static_cast<uint32_t>(TRY(unname(value.ref, "field")))};
  const wasm::SubType& type = types_->get(view.type);
  const TypeLayout& layout = layouts_.of(view.type);
  if (view.kind == RefKind::kArray) {
    const uint64_t offset = kArrayDataOffset + index * kFieldBytes[static_cast<size_t>(layout.element)];
    return to_value(load_field(ref, offset, layout.element), type.fields[0].storage.unpacked);
  }
  const FieldSlot slot = layout.fields[index];
  const wasm::ValType held = view.kind == RefKind::kExn ? type.params[index] : type.fields[index].storage.unpacked;
  return to_value(load_field(ref, slot.offset, slot.rep), held);
}

bool Store::matches(const Value& value, wasm::ValType type) {
  if (value.kind != wasm::ValKind::kRef || !type.is_ref()) return value.kind == type.kind();
  return to_slot(value, type, "matches").has_value();
}

void Store::collect() { heap_.collect(); }

}  // namespace parallax::runtime
