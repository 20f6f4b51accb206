#include "engine/api/parallax.h"

#include "engine/base/text.h"
#include "engine/jit/engine.h"
#include "engine/wasm/text/parse.h"

namespace parallax::api {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

namespace {

std::unexpected<Error> gone() { return fail(ErrorCode::kUsage, 0, "the store is gone"); }

}  // namespace

std::string Stop::text() const {
  const std::string detail = outcome_.error.message.empty() ? "" : ": " + outcome_.error.message;
  if (!is_trap()) return std::string(wasm::to_string(kind())) + detail;
  const std::string where = outcome_.offset == 0 ? "" : text::format(" at {:#x}", outcome_.offset);
  return text::format("trap: {}{}", wasm::to_string(trap()), where);
}

// --- Ref -----------------------------------------------------------------------------------------------------------

Ref::Ref(std::shared_ptr<wasm::Embedding> store, const Value& value) : kind_(value.ref.kind) {
  if (kind_ == RefKind::kNull) return;
  if (kind_ == RefKind::kI31) {
    i31_ = static_cast<uint32_t>(value.ref.name);
    return;
  }
  root_ = store->root(value);
  store_ = store;
}

Ref::Ref(const Ref& other) : kind_(other.kind_), i31_(other.i31_), store_(other.store_) {
  if (other.root_ == 0) return;
  const auto store = store_.lock();
  if (!store) return;
  if (const auto held = other.value()) root_ = store->root(*held);
}

Ref::~Ref() {
  if (root_ == 0) return;
  if (const auto store = store_.lock()) (void)store->unroot(root_);
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
  const auto store = store_.lock();
  if (!store) return gone();
  return store->rooted(root_);
}

Result<uint64_t> Ref::length() const {
  const auto store = store_.lock();
  if (!store) return gone();
  return TRY(store->inspect(TRY(value()))).length;
}

Result<uint64_t> Ref::host_value() const {
  if (kind_ != RefKind::kHost) return fail(ErrorCode::kUsage, 0, "not a host reference");
  const auto store = store_.lock();
  if (!store) return gone();
  return TRY(store->inspect(TRY(value()))).host_value;
}

Result<Value> Ref::field(uint64_t index) const {
  const auto store = store_.lock();
  if (!store) return gone();
  return store->field(TRY(value()), index);
}

bool Ref::same_as(const Ref& other) const {
  if (kind_ == RefKind::kNull || kind_ == RefKind::kI31) return kind_ == other.kind_ && i31_ == other.i31_;
  const auto store = store_.lock();
  const auto mine = value();
  const auto theirs = other.value();
  return store && mine && theirs && store->same(*mine, *theirs);
}

// --- Engine, Store, Instance -----------------------------------------------------------------------------------------

Result<Module> Engine::load(std::vector<uint8_t> bytes) const {
  return Module(std::make_shared<const wasm::Module>(TRY(wasm::load(std::move(bytes), types_))));
}

Result<Module> Engine::load_text(std::string text) const {
  return load(TRY(wasm::text::parse_module(std::move(text))));
}

Store::Store(const Engine& engine) : types_(engine.types_) {
  runtime::EngineOptions options;
  options.level = engine.options_.level;
  options.collector = engine.options_.collector;
  options.heap_bytes = engine.options_.heap_bytes;
  options.armed = engine.options_.armed;
  store_ = jit::make_engine(types_, options);
}

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
  wasm::InstanceId id = 0;
  Outcome outcome = store_->instantiate(module.module_, given, id);
  if (!outcome.returned()) return std::unexpected(Stop(std::move(outcome)));
  return Instance(store_, id, types_);
}

Result<Extern> Instance::find(std::string_view name) const {
  const auto store = store_.lock();
  if (!store) return gone();
  return store->find_export(id_, name);
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
  const wasm::SubType& type = types_->get(TRY(store_.lock()->func_type(found)));
  if (!detail::signature_fits(params, type.params) || !detail::signature_fits(results, type.results)) {
    return fail(ErrorCode::kUsage, 0, text::format("{} has another type: {}", text::quoted(name), types_->print(type)));
  }
  return found;
}

Result<std::span<uint8_t>> Instance::memory(std::string_view name) const {
  const Extern found = TRY(find(name));
  return store_.lock()->memory(found);
}

Result<Value> Instance::global_value(std::string_view name, wasm::ValType wanted) const {
  const Extern found = TRY(find(name));
  const Value value = TRY(store_.lock()->global_get(found));
  if (value.kind != wanted.kind())
    return fail(ErrorCode::kUsage, 0, text::format("{} has another type", text::quoted(name)));
  return value;
}

}  // namespace parallax::api
