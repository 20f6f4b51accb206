// Names, handles and state: the parts of the Embedding interface that do not run code.
#include "interp/store.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <memory>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "interp/casts.h"

namespace parallax::interp {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Ref;
using wasm::RefKind;
using wasm::ValType;
using wasm::Value;

namespace {

// Tags tell stores of this process apart; after 65,535 stores they repeat.
uint16_t next_tag() {
  static std::atomic<uint32_t> counter{0};
  return static_cast<uint16_t>(counter++ % 0xffff + 1);
}

constexpr uint64_t kInitialStackSlots = 8 * 1024;
constexpr size_t kInitialFrames = 256;

Outcome misuse(Error error) { return Outcome::ended(OutcomeKind::kMisuse, std::move(error)); }

RefKind ref_kind(CellKind kind) {
  switch (kind) {
    case CellKind::kStruct: return RefKind::kStruct;
    case CellKind::kArray: return RefKind::kArray;
    case CellKind::kHost: return RefKind::kHost;
    case CellKind::kExn: return RefKind::kExn;
    case CellKind::kFunc: return RefKind::kFunc;
    case CellKind::kFree: break;
  }
  return RefKind::kNull;
}

const char* to_string(RefKind kind) {
  static constexpr const char* kTexts[] = {"null", "i31", "struct", "array", "function", "host object", "exception"};
  return kTexts[static_cast<size_t>(kind)];
}

}  // namespace

Store::Store(std::shared_ptr<wasm::TypeStore> types, InterpOptions options)
    : options_(std::move(options)),
      tag_(next_tag()),
      infos_(std::move(types)),
      heap_(tag_, options_.max_heap_bytes, options_.armed),
      handles_(tag_),
      stack_(static_cast<uint64_t*>(std::malloc(kInitialStackSlots * sizeof(uint64_t))), std::free),
      stack_slots_(kInitialStackSlots) {
  open();
}

Store::~Store() = default;

// What every run begins with.
void Store::open() {
  frames_.clear();
  frames_.resize(kInitialFrames);
  frames_[0].fp = stack_.get();
  machine_.top = frames_.data();
  machine_.stack_end = stack_.get() + stack_slots_;
  machine_.store = this;
  set_threshold(options_.collect_after_bytes != 0 ? options_.collect_after_bytes : kFirstThreshold);
  set_budget(options_.budget);
}

// --- Again ---------------------------------------------------------------------------------------------------------

namespace {

// Kinds of events of a store's repetition.
enum Making : uint64_t { kMakeFunc = 1, kMakeTable, kMakeMemory, kMakeGlobal, kMakeTag, kInstantiate };

bool has_hooks(const InterpOptions& options) {
  return options.on_safepoint || options.on_roots || options.on_trace || options.trace != TraceLevel::kOff;
}

}  // namespace

bool Store::rewind(const InterpOptions& options) {
  const bool in_use = machine_.top != frames_.data() || !growing_.empty() || !native_roots_.empty();
  const bool same_kind = options_.features.bits == options.features.bits &&
                         options_.max_heap_bytes == options.max_heap_bytes && options_.rewinds && options.rewinds &&
                         !has_hooks(options_) && !has_hooks(options);
  if (in_use || !same_kind) return false;
  options_ = options;
  remove_all(instances_);
  remove_all(funcs_);
  remove_all(tables_);
  remove_all(memories_);
  remove_all(globals_);
  remove_all(tags_);
  func_names_.clear();
  free_func_names_.clear();
  tag_ = next_tag();  // no id of the run before is one of this run's
  std::destroy_at(&heap_);
  std::construct_at(&heap_, tag_, options_.max_heap_bytes, options_.armed);
  handles_ = Handles(tag_);
  machine_ = {};
  depth_borders_ = 0;
  if (stack_slots_ != kInitialStackSlots) {
    stack_.reset(static_cast<uint64_t*>(std::malloc(kInitialStackSlots * sizeof(uint64_t))));
    stack_slots_ = kInitialStackSlots;
  }
  stats_ = {};
  zeal_credit_ = kZealCredit;
  serials_.clear();
  serial_ = 0;
  open();
  repetition_.again();
  return true;
}

bool rewind_interpreter(wasm::Embedding& store, const InterpOptions& options) {
  return static_cast<Store&>(store).rewind(options);
}

void Store::begin_making(uint64_t kind) {
  repetition_.add(kind);
  std::apply([&](const auto&... places) { (repetition_.add(places.made()), ...); }, places_);
}

// Which module, linked to what: code of its functions follows from that.
void Store::note_instantiation(const std::shared_ptr<const wasm::Module>& module, std::span<const Extern> imports) {
  if (!options_.rewinds) return;
  begin_making(kInstantiate);
  repetition_.add(reinterpret_cast<uint64_t>(module.get()));
  for (const Extern import : imports) {
    const auto entity = entity_of(import, import.kind);
    repetition_.add(entity ? reinterpret_cast<uint64_t>(*entity) : 0);
  }
  if (!repetition_.is_same()) known_modules_.push_back(module);
}

void Store::set_budget(const wasm::Budget& budget) {
  budget_ = budget;
  machine_.fuel = budget.fuel;
  allocated_ = 0;
  allocations_ = 0;
  refresh_limits();
}

wasm::StoreStats Store::stats() const {
  wasm::StoreStats stats = stats_;
  stats.allocated_bytes = allocated_;
  stats.allocated_objects = allocations_;
  stats.fuel_used = fuel_used();
  return stats;
}

// --- References at the border --------------------------------------------------------------------------------------

uint64_t Store::name_of(const Func& func) const {
  return uint64_t{tag_} << 48 | uint64_t{func_names_[func.number].generation} << 32 | func.number;
}

Result<Func*> Store::find_func(uint64_t name) {
  const uint64_t tag = name >> 48;
  const auto number = static_cast<uint32_t>(name);
  if (tag != tag_) {
    return fail(ErrorCode::kUsage, 0,
                text::format("I1: id from different store: function {:#x} belongs to store {}, used in store {}", name,
                             tag, tag_));
  }
  if (number >= func_names_.size() || func_names_[number].func == nullptr ||
      func_names_[number].generation != static_cast<uint16_t>(name >> 32)) {
    return fail(ErrorCode::kUsage, 0,
                text::format("I1: stale id: function {:#x} of store {} was collected", name, tag_));
  }
  return func_names_[number].func;
}

Ref Store::ref_of(Word word) const {
  if (word == kNullWord) return {};
  if (is_i31(word)) return {RefKind::kI31, i31_unsigned(word)};
  const Cell* cell = cell_of(word);
  if (cell->kind == CellKind::kFunc) return {RefKind::kFunc, name_of(*Func::of(word))};
  return {ref_kind(cell->kind), heap_.name_of(cell)};
}

Result<Word> Store::word_of_ref(const Ref& ref) {
  if (ref.kind == RefKind::kNull) return kNullWord;
  if (ref.kind == RefKind::kI31) return i31_word(static_cast<uint32_t>(ref.name));
  if (ref.kind == RefKind::kFunc) return TRY(find_func(ref.name))->word();
  const auto cell = heap_.find(ref.name);
  if (!cell) return fail(ErrorCode::kUsage, 0, cell.error());
  if (ref_kind((*cell)->kind) != ref.kind) {
    return fail(ErrorCode::kUsage, 0,
                text::format("I1: object {:#x} of store {} is a {}, used as a {}", ref.name, tag_,
                             to_string(ref_kind((*cell)->kind)), to_string(ref.kind)));
  }
  return word_of(*cell);
}

Value Store::value_of(const uint64_t* slots, ValType type) const {
  if (type.is_ref()) return Value::reference(ref_of(slots[0]));
  return {type.kind(), slots[0], type.kind() == wasm::ValKind::kV128 ? slots[1] : 0, {}};
}

Result<> Store::write_value(const Value& value, ValType type, uint64_t* slots) {
  if (value.kind != type.kind()) {
    return fail(ErrorCode::kUsage, 0,
                text::format("value of another kind where a {} is expected", wasm::to_string(type)));
  }
  const bool is_32 = value.kind == wasm::ValKind::kI32 || value.kind == wasm::ValKind::kF32;
  slots[0] = is_32 ? static_cast<uint32_t>(value.low) : value.low;
  if (value.kind == wasm::ValKind::kV128) slots[1] = value.high;
  if (!type.is_ref()) return {};
  const Word word = TRY(word_of_ref(value.ref));
  if (word == kNullWord ? !type.nullable() : !is_instance(word, type.heap())) {
    return fail(ErrorCode::kUsage, 0, text::format("{} is not a {}", to_string(value.ref.kind), wasm::to_string(type)));
  }
  slots[0] = word;
  return {};
}

std::vector<Value> Store::values_of(const uint64_t* slots, std::span<const ValType> types) const {
  std::vector<Value> values;
  values.reserve(types.size());
  for (const ValType type : types) {
    values.push_back(value_of(slots, type));
    slots += slot_count(type);
  }
  return values;
}

Result<> Store::write_values(std::span<const Value> values, std::span<const ValType> types, uint64_t* slots,
                             const char* what) {
  if (values.size() != types.size()) {
    return fail(ErrorCode::kUsage, 0,
                text::format("{}: {} values given, {} expected", what, values.size(), types.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    const auto written = write_value(values[i], types[i], slots);
    if (!written) return fail(ErrorCode::kUsage, 0, text::format("{} {}: {}", what, i, written.error().message));
    slots += slot_count(types[i]);
  }
  return {};
}

// Strict about hierarchies, because embedders can offer anything. Words that passed through any.convert_extern or
// extern.convert_any are of both hierarchies.
bool Store::is_instance(Word word, wasm::HeapType type) {
  const CellKind kind = is_i31(word) ? CellKind::kFree : cell_of(word)->kind;
  switch (infos_.store().hierarchy(type)) {
    case wasm::Hierarchy::kFunc:
      if (kind != CellKind::kFunc) return false;
      break;
    case wasm::Hierarchy::kExn:
      if (kind != CellKind::kExn) return false;
      break;
    case wasm::Hierarchy::kAny:
    case wasm::Hierarchy::kExtern:
      if (kind == CellKind::kFunc || kind == CellKind::kExn) return false;
      break;
  }
  if (!type.is_concrete()) return is_abstract_instance(word, type.kind());
  return is_concrete_instance(word, {.id = type.type_id(), .depth = infos_.store().depth(type.type_id())}, infos_);
}

// --- Entities and externs ------------------------------------------------------------------------------------------

Func& Store::add_func(const TypeInfo& type) {
  Func& func = add(funcs_);
  if (!repetition_.is_same()) func.owned_code.reset();
  func.type = &type;
  func.cell.type = type.id.raw;
  if (free_func_names_.empty()) {
    free_func_names_.push_back(static_cast<uint32_t>(func_names_.size()));
    func_names_.emplace_back();
  }
  func.number = free_func_names_.back();
  free_func_names_.pop_back();
  func_names_[func.number].func = &func;
  return func;
}

// The entity's extern for this owner (0: the store itself); made when there is none yet.
Extern Store::extern_of(Entity& entity, ExternKind kind, uint64_t owner) {
  for (const uint64_t id : entity.handles) {
    const auto entry = handles_.find(id, handle_kind(kind));
    if (entry.has_value() && (*entry)->owner == owner) return {kind, id};
  }
  const uint64_t id = handles_.add({.kind = handle_kind(kind), .owner = owner, .entity = &entity});
  entity.handles.push_back(id);
  return {kind, id};
}

// An extern that already names the entity, or a new one.
Extern Store::any_extern_of(Entity& entity, ExternKind kind) {
  if (!entity.handles.empty()) return {kind, entity.handles.front()};
  return extern_of(entity, kind, 0);
}

Result<Entity*> Store::entity_of(Extern e, ExternKind kind) {
  if (e.kind != kind) {
    return fail(ErrorCode::kUsage, 0,
                text::format("I1: a {} is given where a {} is expected", to_string(handle_kind(e.kind)),
                             to_string(handle_kind(kind))));
  }
  const auto entry = handles_.find(e.id, handle_kind(kind));
  if (!entry) return fail(ErrorCode::kUsage, 0, entry.error());
  return (*entry)->entity;
}

Result<Func*> Store::get_func(Extern e) { return static_cast<FuncEntity*>(TRY(entity_of(e, ExternKind::kFunc)))->func; }

Result<Extern> Store::find_export(wasm::InstanceId id, std::string_view name) {
  const auto entry = handles_.find(id, HandleKind::kInstance);
  if (!entry) return fail(ErrorCode::kUsage, 0, entry.error());
  auto* instance = static_cast<Instance*>((*entry)->entity);
  const wasm::Export* found = instance->module->find_export(name);
  if (found == nullptr) return fail(ErrorCode::kUsage, 0, text::format("no export {}", text::quoted(name)));
  switch (found->kind) {
    case ExternKind::kFunc: return extern_of(instance->funcs[found->index]->entity, found->kind, id);
    case ExternKind::kTable: return extern_of(*instance->tables[found->index], found->kind, id);
    case ExternKind::kMemory: return extern_of(*instance->memories[found->index], found->kind, id);
    case ExternKind::kGlobal: return extern_of(*instance->globals[found->index], found->kind, id);
    case ExternKind::kTag: return extern_of(*instance->tags[found->index], found->kind, id);
  }
  UNREACHABLE("export of kind {}", static_cast<int>(found->kind));
}

Result<> Store::drop_instance(wasm::InstanceId id) {
  const auto entry = handles_.find(id, HandleKind::kInstance);
  if (!entry) return fail(ErrorCode::kUsage, 0, entry.error());
  std::vector<std::pair<uint64_t, Entity*>> found;
  handles_.for_each([&](uint64_t handle, const HandleEntry& e) {
    if (handle == id || e.owner == id) found.emplace_back(handle, e.entity);
  });
  for (const auto& [handle, entity] : found) {
    std::erase(entity->handles, handle);
    handles_.release(handle);
  }
  return {};
}

Extern Store::make_func(wasm::TypeId type, wasm::HostFunc host) {
  begin_making(kMakeFunc);
  repetition_.add(type.raw);
  Func& func = add_func(infos_.get(type));
  func.host = std::move(host);
  return extern_of(func.entity, ExternKind::kFunc, 0);
}

Extern Store::make_table(const wasm::TableType& type, const Value& init) {
  uint64_t word = 0;
  if (!write_value(init, type.element, &word) || type.limits.min > budget_.table_elements)
    return {ExternKind::kTable, 0};
  begin_making(kMakeTable);
  repetition_.add(type.element.bits());
  Table& table = add(tables_);
  table.type = type;
  if (!table.grow_to(type.limits.min)) return {ExternKind::kTable, 0};
  if (word != kNullWord) std::fill_n(table.elements, table.size, word);
  return extern_of(table, ExternKind::kTable, 0);
}

Extern Store::make_memory(const wasm::MemoryType& type) {
  if (type.limits.min > budget_.memory_pages) return {ExternKind::kMemory, 0};
  begin_making(kMakeMemory);
  Memory& memory = add(memories_);
  memory.type = type;
  if (!memory.grow_to(type.limits.min * Memory::kPageBytes)) return {ExternKind::kMemory, 0};
  return extern_of(memory, ExternKind::kMemory, 0);
}

Extern Store::make_global(const wasm::GlobalType& type, const Value& init) {
  uint64_t slots[2] = {};
  if (!write_value(init, type.value, slots)) return {ExternKind::kGlobal, 0};
  begin_making(kMakeGlobal);
  repetition_.add(type.value.bits());
  repetition_.add(type.is_mutable ? 1 : 0);
  // The value of a constant is in code, unless it is an object.
  const bool is_known = !type.is_mutable && !(type.value.is_ref() && is_cell(slots[0]));
  repetition_.add(is_known ? 1 : 0);
  repetition_.add(is_known ? slots[0] : 0);
  repetition_.add(is_known ? slots[1] : 0);
  Global& global = add(globals_);
  global.type = type;
  global.low = slots[0];
  global.high = slots[1];
  return extern_of(global, ExternKind::kGlobal, 0);
}

Extern Store::make_tag(wasm::TypeId type) {
  begin_making(kMakeTag);
  repetition_.add(type.raw);
  Tag& tag = add(tags_);
  tag.type = &infos_.get(type);
  return extern_of(tag, ExternKind::kTag, 0);
}

Value Store::make_host_ref(uint64_t host_value) {
  const HostCell* cell = new_host(host_value);
  if (cell == nullptr) machine_.exit = {};  // a caller's null is not the end of a run
  return cell == nullptr ? Value::null() : Value::reference(ref_of(word_of(cell)));
}

Value Store::func_ref(Extern func) {
  const auto found = get_func(func);
  return found ? Value::reference(ref_of((*found)->word())) : Value::null();
}

Result<Extern> Store::func_of(const Value& ref) {
  if (ref.kind != wasm::ValKind::kRef || ref.ref.kind != RefKind::kFunc) {
    return fail(ErrorCode::kUsage, 0, "not a function reference");
  }
  return any_extern_of(TRY(find_func(ref.ref.name))->entity, ExternKind::kFunc);
}

// --- State -------------------------------------------------------------------------------------------------------

Result<ValType> Store::global_type(Extern global) { return TRY(get<Global>(global, ExternKind::kGlobal))->type.value; }
Result<wasm::TypeId> Store::func_type(Extern func) { return TRY(get_func(func))->type->id; }
Result<wasm::TypeId> Store::tag_type(Extern tag) { return TRY(get<Tag>(tag, ExternKind::kTag))->type->id; }

Result<Value> Store::global_get(Extern e) {
  const Global* global = TRY(get<Global>(e, ExternKind::kGlobal));
  const uint64_t slots[2] = {global->low, global->high};
  return value_of(slots, global->type.value);
}

Result<> Store::global_set(Extern e, const Value& value) {
  Global* global = TRY(get<Global>(e, ExternKind::kGlobal));
  if (!global->type.is_mutable) return fail(ErrorCode::kUsage, 0, "immutable global");
  uint64_t slots[2] = {};
  TRY(write_value(value, global->type.value, slots));
  global->low = slots[0];
  global->high = slots[1];
  return {};
}

Result<uint64_t> Store::table_size(Extern e) { return TRY(get<Table>(e, ExternKind::kTable))->size; }

Outcome Store::table_get(Extern e, uint64_t index) {
  const auto table = get<Table>(e, ExternKind::kTable);
  if (!table) return misuse(table.error());
  if (index >= (*table)->size) return Outcome::trapped(wasm::TrapKind::kTableOutOfBounds);
  return Outcome::ok({Value::reference(ref_of((*table)->elements[index]))});
}

Outcome Store::table_set(Extern e, uint64_t index, const Value& value) {
  const auto table = get<Table>(e, ExternKind::kTable);
  if (!table) return misuse(table.error());
  if (index >= (*table)->size) return Outcome::trapped(wasm::TrapKind::kTableOutOfBounds);
  uint64_t word = 0;
  const auto written = write_value(value, (*table)->type.element, &word);
  if (!written) return misuse(written.error());
  (*table)->elements[index] = word;
  return Outcome::ok();
}

Result<std::span<uint8_t>> Store::memory(Extern e) {
  const Memory* memory = TRY(get<Memory>(e, ExternKind::kMemory));
  return std::span<uint8_t>(memory->base, memory->bytes);
}

// --- References --------------------------------------------------------------------------------------------------

wasm::RootId Store::root(const Value& value) {
  HandleEntry entry{.kind = HandleKind::kRoot, .value = value};
  if (value.kind == wasm::ValKind::kRef) {
    const auto word = word_of_ref(value.ref);
    if (!word) return 0;
    entry.word = *word;
  }
  return handles_.add(std::move(entry));
}

Result<Value> Store::rooted(wasm::RootId root) {
  const auto entry = handles_.find(root, HandleKind::kRoot);
  if (!entry) return fail(ErrorCode::kUsage, 0, entry.error());
  if ((*entry)->value.kind != wasm::ValKind::kRef) return (*entry)->value;
  return Value::reference(ref_of((*entry)->word));
}

Result<> Store::unroot(wasm::RootId root) {
  const auto entry = handles_.find(root, HandleKind::kRoot);
  if (!entry) return fail(ErrorCode::kUsage, 0, entry.error());
  handles_.release(root);
  return {};
}

bool Store::same(const Value& a, const Value& b) {
  if (a.kind != wasm::ValKind::kRef || b.kind != wasm::ValKind::kRef) return false;
  const auto x = word_of_ref(a.ref), y = word_of_ref(b.ref);
  return x.has_value() && y.has_value() && *x == *y;
}

Result<wasm::ObjectView> Store::inspect(const Value& value) {
  if (value.kind != wasm::ValKind::kRef || value.ref.kind == RefKind::kNull || value.ref.kind == RefKind::kI31) {
    return fail(ErrorCode::kUsage, 0, "only references to objects can be inspected");
  }
  const auto word = word_of_ref(value.ref);
  if (!word) return fail(ErrorCode::kInvariant, 0, word.error().message);
  const Cell* cell = cell_of(*word);
  wasm::ObjectView view{.kind = value.ref.kind};
  switch (cell->kind) {
    case CellKind::kStruct:
      view.type = wasm::TypeId(cell->type);
      view.length = infos_.known(cell->type).length();
      break;
    case CellKind::kArray:
      view.type = wasm::TypeId(cell->type);
      view.length = array_of(*word)->length;
      break;
    case CellKind::kFunc: view.type = wasm::TypeId(cell->type); break;
    case CellKind::kExn:
      view.tag = any_extern_of(*exn_of(*word)->tag, ExternKind::kTag);
      view.length = exn_of(*word)->tag->type->length();
      break;
    case CellKind::kHost: view.host_value = host_of(*word)->value; break;
    case CellKind::kFree: break;
  }
  return view;
}

Result<Value> Store::field(const Value& value, uint64_t index) {
  const wasm::ObjectView view = TRY(inspect(value));
  if (index >= view.length) return fail(ErrorCode::kUsage, 0, text::format("index {} of {}", index, view.length));
  const Word word = TRY(word_of_ref(value.ref));
  const auto read = [&](const uint64_t* slots, const FieldInfo& info) {
    const uint64_t halves[2] = {slots[index], info.kind == FieldKind::kV128 ? slots[view.length + index] : 0};
    return value_of(halves, info.storage.unpacked);
  };
  if (view.kind == RefKind::kStruct) return read(struct_of(word)->slots, infos_.known(view.type.raw).fields[index]);
  if (view.kind == RefKind::kArray) return read(array_of(word)->slots, infos_.known(view.type.raw).element());
  return read(exn_of(word)->slots, exn_of(word)->tag->type->fields[index]);
}

bool Store::matches(const Value& ref, ValType type) {
  if (ref.kind != wasm::ValKind::kRef || !type.is_ref()) return ref.kind == type.kind();
  const auto word = word_of_ref(ref.ref);
  if (!word) return false;
  return *word == kNullWord ? type.nullable() : is_instance(*word, type.heap());
}

// --- Calls -------------------------------------------------------------------------------------------------------

Outcome Store::call(Extern e, std::span<const Value> args) {
  const auto func = get_func(e);
  if (!func) return misuse(func.error());
  const TypeInfo& type = *(*func)->type;
  std::vector<uint64_t> slots(type.param_slots);
  const auto written = write_values(args, type.sub->params, slots.data(), "argument");
  if (!written) return misuse(written.error());
  return (*func)->is_host() ? call_host_checked(**func, args) : run(**func, slots);
}

std::unique_ptr<wasm::Embedding> make_interpreter(std::shared_ptr<wasm::TypeStore> types,
                                                  const InterpOptions& options) {
  return std::make_unique<Store>(std::move(types), options);
}

}  // namespace parallax::interp
