#include "engine/api/parallax.h"

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/slab/slab.h"
#include "engine/wasm/text/parse.h"

namespace parallax::api {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

namespace {

std::unexpected<Error> misuse(std::string text) { return fail(ErrorCode::kUsage, 0, std::move(text)); }
Stop stop(Error error) { return Stop(Outcome::ended(OutcomeKind::kMisuse, std::move(error))); }

}  // namespace

Result<Home> WeakHome::lock(const char* what) const {
  if (auto found = store.lock()) return Home{std::move(found), number};
  return misuse(text::format("I8: {} of store {} is used; the store is gone", what, number));
}

std::string Stop::text() const {
  const std::string detail = outcome_.error.message.empty() ? "" : ": " + outcome_.error.message;
  if (!is_trap()) return std::string(wasm::to_string(kind())) + detail;
  const std::string where = outcome_.offset == 0 ? "" : text::format(" at {:#x}", outcome_.offset);
  return text::format("trap: {}{}", wasm::to_string(trap()), where);
}

// --- Ref -----------------------------------------------------------------------------------------------------------

Ref::Ref(const Home& home, const Value& value) : kind_(value.ref.kind) {
  if (kind_ == RefKind::kNull) return;
  if (kind_ == RefKind::kI31) {
    i31_ = static_cast<uint32_t>(value.ref.name);
    return;
  }
  root_ = home.store->root(value);
  home_ = home;
}

Ref::Ref(const Ref& other) : kind_(other.kind_), i31_(other.i31_), home_(other.home_) {
  if (other.root_ == 0) return;
  const auto store = home_.store.lock();
  if (!store) return;
  if (const auto held = other.value()) root_ = store->root(*held);
}

Ref::~Ref() {
  if (root_ == 0) return;
  if (const auto store = home_.store.lock()) (void)store->unroot(root_);
}

Ref Ref::i31(uint32_t value) {
  Ref ref;
  ref.kind_ = RefKind::kI31;
  ref.i31_ = value & 0x7fff'ffff;
  return ref;
}

Result<Value> Ref::value() const {
  if (kind_ == RefKind::kNull) return Value::null();
  if (kind_ == RefKind::kI31) return Value::reference({RefKind::kI31, i31_});
  return TRY(home_.lock("a reference")).store->rooted(root_);
}

// Null and i31 are of every store. Hosts planted fault BND1.
Result<Value> Ref::value_in(const Home& home) const {
  const Value held = TRY(value());
  if (root_ == 0 || home_.number == home.number || fault_fires(Fault::kBND1)) return held;
  return misuse(text::format("I8: id from different slab: a reference of store {} is used in store {}", home_.number,
                             home.number));
}

Result<uint64_t> Ref::length() const {
  const Home home = TRY(home_.lock("a reference"));
  return TRY(home.store->inspect(TRY(value()))).length;
}

Result<uint64_t> Ref::host_value() const {
  if (kind_ != RefKind::kHost) return misuse("not a host reference");
  const Home home = TRY(home_.lock("a reference"));
  return TRY(home.store->inspect(TRY(value()))).host_value;
}

Result<Value> Ref::field(uint64_t index) const {
  const Home home = TRY(home_.lock("a reference"));
  return home.store->field(TRY(value()), index);
}

Result<> Ref::set_field(uint64_t index, const Value& value_to_hold) {
  const Home home = TRY(home_.lock("a reference"));
  return home.store->set_field(TRY(value()), index, value_to_hold);
}

bool Ref::same_as(const Ref& other) const {
  if (root_ == 0 || other.root_ == 0) return kind_ == other.kind_ && i31_ == other.i31_ && root_ == other.root_;
  const auto store = home_.store.lock();
  if (!store || home_.number != other.home_.number) return false;
  const auto mine = value();
  const auto theirs = other.value();
  return mine && theirs && store->same(*mine, *theirs);
}

// --- Scopes --------------------------------------------------------------------------------------------------------

Result<Ref> Local::get() const {
  if (state_->open) return state_->refs[index_];
  return misuse(text::format("I1: a local reference of store {} is used after its scope was closed", state_->store));
}

Scope::Scope(const Store& store) : state_(std::make_shared<Local::State>()) { state_->store = store.number(); }

Local Scope::keep(Ref ref) {
  state_->refs.push_back(std::move(ref));
  return Local(state_, state_->refs.size() - 1);
}

void Scope::close() {
  state_->open = false;
  state_->refs.clear();
}

// --- Engine, Store, Instance -----------------------------------------------------------------------------------------

Result<Module> Engine::load(std::vector<uint8_t> bytes) const {
  return Module(std::make_shared<const wasm::Module>(TRY(wasm::load(std::move(bytes), types_))));
}

Result<Module> Engine::load_text(std::string text) const {
  return load(TRY(wasm::text::parse_module(std::move(text))));
}

Result<std::vector<Type>> Engine::load_types(std::string text) const {
  const Module module = TRY(load_text("(module " + std::move(text) + ")"));
  std::vector<Type> types;
  for (const wasm::TypeId id : module.info().type_ids) types.push_back(Type(types_, id));
  return types;
}

Store::Store(const Engine& engine)
    : home_{make_store(engine.options_, engine.types_), slab::next_store_number()}, types_(engine.types_) {}

const Extern* Imports::find(const std::string& module, const std::string& name) const {
  const auto it = items_.find({module, name});
  return it == items_.end() ? nullptr : &it->second;
}

Expected<Instance> Store::instantiate(const Module& module, const Imports& imports) {
  std::vector<Extern> given;
  for (const wasm::Import& import : module.info().imports) {
    const Extern* const item = imports.find(import.module, import.name);
    given.push_back(item != nullptr ? *item : Extern{import.kind, 0});
  }
  if (module.info().store != types_) {
    return std::unexpected(stop(
        {ErrorCode::kUsage, 0, text::format("I8: a module of another engine is instantiated in store {}", number())}));
  }
  const Home home = home_;  // a host function may end this store meanwhile
  wasm::InstanceId id = 0;
  Outcome outcome = home.store->instantiate(module.module_, given, id);
  if (!outcome.returned()) return std::unexpected(Stop(std::move(outcome)));
  return Instance(home, id, module.info().store);
}

Result<> Store::drop(const Instance& instance) {
  if (instance.home_.number != home_.number) {
    return misuse(text::format("I8: an instance of store {} is dropped by store {}", instance.home_.number, number()));
  }
  return home_.store->drop_instance(instance.id_);
}

Expected<Ref> Store::make_object(const Type& type, wasm::CompositeKind kind, std::vector<Result<Value>> values) {
  if (type.types_ != types_) {
    return std::unexpected(
        stop({ErrorCode::kUsage, 0, text::format("I8: a type of another engine is used in store {}", number())}));
  }
  std::vector<Value> fields;
  for (auto& value : values) {
    if (!value) return std::unexpected(stop(value.error()));
    fields.push_back(*value);
  }
  Outcome made = kind == wasm::CompositeKind::kStruct ? home_.store->make_struct(type.id(), fields)
                                                      : home_.store->make_array(type.id(), fields);
  if (!made.returned()) return std::unexpected(Stop(std::move(made)));
  return Ref(home_, made.values[0]);
}

Result<Extern> Instance::find(std::string_view name) const {
  return TRY(home_.lock("an instance")).store->find_export(id_, name);
}

bool detail::signature_fits(std::span<const wasm::ValType> wanted, std::span<const wasm::ValType> declared) {
  if (wanted.size() != declared.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].kind() != declared[i].kind()) return false;
  }
  return true;
}

Result<Extern> Instance::find_func(std::string_view name, std::span<const wasm::ValType> params,
                                   std::span<const wasm::ValType> results) const {
  const Extern found = TRY(find(name));
  if (found.kind != ExternKind::kFunc)
    return fail(ErrorCode::kUsage, 0, text::format("{} is not a function", text::quoted(name)));
  const wasm::SubType& type = types_->get(TRY(TRY(home_.lock("an instance")).store->func_type(found)));
  if (!detail::signature_fits(params, type.params) || !detail::signature_fits(results, type.results)) {
    return fail(ErrorCode::kUsage, 0, text::format("{} has another type: {}", text::quoted(name), types_->print(type)));
  }
  return found;
}

Result<std::span<uint8_t>> Instance::memory(std::string_view name) const {
  const Extern found = TRY(find(name));
  return TRY(home_.lock("an instance")).store->memory(found);
}

Result<Value> Instance::global_value(std::string_view name, wasm::ValType wanted) const {
  const Extern found = TRY(find(name));
  const Value value = TRY(TRY(home_.lock("an instance")).store->global_get(found));
  if (value.kind != wanted.kind())
    return fail(ErrorCode::kUsage, 0, text::format("{} has another type", text::quoted(name)));
  return value;
}

}  // namespace parallax::api
