// Functions, globals, tables, memories and tags of the C API, and calls in both directions.
#include "engine/api/capi.h"

namespace parallax::capi {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

namespace {

Kind thing_kind(ExternKind kind) {
  switch (kind) {
    case ExternKind::kFunc: return Kind::kFunc;
    case ExternKind::kTable: return Kind::kTable;
    case ExternKind::kMemory: return Kind::kMemory;
    case ExternKind::kGlobal: return Kind::kGlobal;
    case ExternKind::kTag: return Kind::kTag;
  }
  return Kind::kRef;
}

// An extern that may be used now.
struct Used {
  Use use;
  std::shared_ptr<ExternThing> thing;
  Extern item;
};
Got<Used> use_extern(const void* handle, Kind kind, const char* what) {
  auto thing = TRY(find_extern(handle, kind, what));
  Use use = TRY(use_of(*thing, handle));
  const Extern item = TRY(extern_of(*use.store(), *thing));
  return Used{std::move(use), std::move(thing), item};
}

// A new thing of the host's making. An extern without id was refused.
template <class T>
Got<T*> made(const Use& use, Extern item, const char* what, const char* site) {
  if (item.id == 0) {
    return refuse(PARALLAX_ERROR_MISMATCH,
                  "no such {} can be made: the initial value does not match, or it is beyond the budget", what);
  }
  return handle_of<T>(TRY(extern_thing(use.store(), item, nullptr)), site);
}

// --- Host functions -----------------------------------------------------------------------------------------------------

// What a host function consists of; ends, and is finalized, with the function.
struct HostCode {
  wasm_func_callback_t plain = nullptr;
  wasm_func_callback_with_env_t with_env = nullptr;
  void* env = nullptr;
  void (*finalizer)(void*) = nullptr;

  ~HostCode() {
    if (finalizer != nullptr) finalizer(env);
  }
  wasm_trap_t* call(const wasm_val_vec_t* args, wasm_val_vec_t* results) const {
    return plain != nullptr ? plain(args, results) : with_env(env, args, results);
  }
};

// One call from WebAssembly to the host. Arguments become handles before anything can collect; whatever the callback left
// in its results is taken over and ends here.
Outcome call_host(StoreState* state, const HostCode& code, wasm::TypeId type_id, std::span<const Value> args) {
  constexpr const char* kSite = "argument of a host function";
  const std::shared_ptr<StoreState> store = state->shared_from_this();
  const wasm::SubType type = store->types->get(type_id);
  wasm_val_vec_t given, results;
  wasm_val_vec_new_uninitialized(&given, args.size());
  wasm_val_vec_new_uninitialized(&results, type.results.size());
  // Arguments end with the call, not with a scope: the callback may close one.
  const auto scopes = std::exchange(store->scopes, {});
  for (size_t i = 0; i < args.size(); ++i) given.data[i] = value_out(store, args[i], type.params[i], kSite);
  store->scopes = scopes;
  for (size_t i = 0; i < results.size; ++i) results.data[i].kind = kind_of(*store->types, type.results[i]);
  const wasm_val_vec_t own_results = results;  // the callback may not replace the array

  wasm_trap_t* const trap = code.call(&given, &results);

  Outcome outcome;
  if (store->closed) {
    delete_handle(trap, kSite);
    outcome = Outcome::ended(OutcomeKind::kMisuse, {ErrorCode::kUsage, 0, "the store was deleted by a host function"});
  } else if (trap != nullptr) {
    outcome = outcome_of(store, trap);
  } else if (auto values = values_in(*store, &own_results, type.results, "result of a host function")) {
    outcome = Outcome::ok(std::move(*values));
  } else {
    outcome = outcome_of(store, refused("result of a host function", values.error(), store));
  }
  results = own_results;
  wasm_val_vec_delete(&results);
  wasm_val_vec_delete(&given);
  return outcome;
}

Got<wasm_func_t*> new_func(wasm_store_t* store, const wasm_functype_t* type, std::shared_ptr<HostCode> code,
                           const char* site) {
  const Use use = TRY(use_store(store));
  const auto functype = TRY(find<FuncTypeThing>(type, "the type"));
  if (code->plain == nullptr && code->with_env == nullptr) {
    return refuse(PARALLAX_ERROR_NULL_HANDLE, "the callback is null");
  }
  const wasm::TypeId id = TRY(type_in(*use.store(), *functype, "the function type"));
  StoreState* const state = use.store().get();  // owns the function
  const Extern item = use.embedding().make_func(id, [state, code, id](wasm::Embedding&, std::span<const Value> args) {
    return call_host(state, *code, id, args);
  });
  return made<wasm_func_t>(use, item, "function", site);
}

}  // namespace

// --- Things of externs ------------------------------------------------------------------------------------------------

Got<std::shared_ptr<ExternThing>> find_extern(const void* handle, Kind kind, const char* what) {
  auto thing = TRY(find<ExternThing>(handle, what));
  if (thing->kind != kind) return wrong_kind(handle, *thing, what, to_string(kind));
  return thing;
}

Got<std::shared_ptr<ExternThing>> extern_thing(const std::shared_ptr<StoreState>& store, Extern item,
                                               std::shared_ptr<InstanceThing> instance, wasm::RootId root) {
  const auto identity = store->embedding->identity_of(item);
  if (!identity) return refuse(identity.error());
  std::weak_ptr<ExternThing>& known = store->externs[*identity];
  if (auto thing = known.lock(); thing != nullptr && thing->kind == thing_kind(item.kind)) {
    store->release_root(root);
    return thing;
  }
  auto thing = std::make_shared<ExternThing>(thing_kind(item.kind), store, item, std::move(instance), root);
  known = thing;
  return thing;
}

// Functions known by a reference are looked up by it, because the extern found then may have ended with its instance.
Got<Extern> extern_of(StoreState& store, const ExternThing& thing) {
  if (thing.root == 0) return thing.item;
  const auto value = store.embedding->rooted(thing.root);
  if (!value) return refuse(value.error());
  const auto item = store.embedding->func_of(*value);
  if (!item) return refuse(item.error());
  return *item;
}

}  // namespace parallax::capi

using namespace parallax;        // NOLINT: the entry points
using namespace parallax::capi;  // NOLINT

extern "C" {

// --- Functions ----------------------------------------------------------------------------------------------------------

wasm_func_t* wasm_func_new(wasm_store_t* store, const wasm_functype_t* type, wasm_func_callback_t callback) {
  constexpr const char* kSite = "wasm_func_new";
  return attempt(kSite, [&]() -> Got<wasm_func_t*> {
    auto code = std::make_shared<HostCode>();
    code->plain = callback;
    return new_func(store, type, std::move(code), kSite);
  });
}

wasm_func_t* wasm_func_new_with_env(wasm_store_t* store, const wasm_functype_t* type,
                                    wasm_func_callback_with_env_t callback, void* env, void (*finalizer)(void*)) {
  constexpr const char* kSite = "wasm_func_new_with_env";
  return attempt(kSite, [&]() -> Got<wasm_func_t*> {
    auto code = std::make_shared<HostCode>();
    code->with_env = callback;
    code->env = env;
    auto func = new_func(store, type, code, kSite);
    if (func) code->finalizer = finalizer;  // a function that was not made has nothing to finalize
    return func;
  });
}

wasm_functype_t* wasm_func_type(const wasm_func_t* handle) {
  constexpr const char* kSite = "wasm_func_type";
  return attempt(kSite, [&]() -> Got<wasm_functype_t*> {
    const Used func = TRY(use_extern(handle, Kind::kFunc, "the function"));
    const auto type = func.use.embedding().func_type(func.item);
    if (!type) return refuse(type.error());
    return handle_of<wasm_functype_t>(describe_func(func.use.store(), *type), kSite);
  });
}

static size_t arity(const wasm_func_t* handle, const char* site, std::vector<wasm::ValType> wasm::SubType::* types) {
  return attempt(site, [&]() -> Got<size_t> {
    const Used func = TRY(use_extern(handle, Kind::kFunc, "the function"));
    const auto type = func.use.embedding().func_type(func.item);
    if (!type) return refuse(type.error());
    return (func.use->types->get(*type).*types).size();
  });
}
size_t wasm_func_param_arity(const wasm_func_t* func) {
  return arity(func, "wasm_func_param_arity", &wasm::SubType::params);
}
size_t wasm_func_result_arity(const wasm_func_t* func) {
  return arity(func, "wasm_func_result_arity", &wasm::SubType::results);
}

wasm_trap_t* wasm_func_call(const wasm_func_t* handle, const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  constexpr const char* kSite = "wasm_func_call";
  const auto body = [&]() -> Got<wasm_trap_t*> {
    const Used func = TRY(use_extern(handle, Kind::kFunc, "the function"));
    const std::shared_ptr<StoreState>& store = func.use.store();
    const auto type_id = func.use.embedding().func_type(func.item);
    if (!type_id) return refuse(type_id.error());
    const wasm::SubType& type = store->types->get(*type_id);
    const size_t room = results == nullptr || results->data == nullptr ? 0 : results->size;
    if (room < type.results.size()) {
      return refuse(PARALLAX_ERROR_ARITY, "there is room for {} results, {} are expected", room, type.results.size());
    }
    for (const wasm::ValType result : type.results) {
      if (result.kind() == wasm::ValKind::kV128) {
        return refuse(PARALLAX_ERROR_UNSUPPORTED, "a v128 result does not fit into a wasm_val_t");
      }
    }
    const std::vector<Value> values = TRY(values_in(*store, args, type.params, "argument"));
    Outcome outcome = func.use.embedding().call(func.item, values);
    if (store->closed) {
      return refuse(PARALLAX_ERROR_STORE_GONE, "I8: store {} was deleted by {} during the call", store->number,
                    store->closed_by);
    }
    if (!outcome.returned()) return handle_of<wasm_trap_t>(trap_of(store, std::move(outcome), kSite), kSite);
    store->in_flight = nullptr;
    for (size_t i = 0; i < outcome.values.size(); ++i) {
      results->data[i] = value_out(store, outcome.values[i], type.results[i], "wasm_func_call (result)");
    }
    return nullptr;
  };
  auto done = body();
  return done ? *done : refused(kSite, done.error());
}

// --- Globals ------------------------------------------------------------------------------------------------------------

wasm_global_t* wasm_global_new(wasm_store_t* store, const wasm_globaltype_t* type, const wasm_val_t* value) {
  constexpr const char* kSite = "wasm_global_new";
  return attempt(kSite, [&]() -> Got<wasm_global_t*> {
    const Use use = TRY(use_store(store));
    const auto found = TRY(find<GlobalTypeThing>(type, "the type"));
    if (value == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the value is null");
    const wasm::ValType content = TRY(type_in(*use.store(), *found->content, "the type"));
    const Value init = TRY(value_in(*use.store(), *value, content, "the value"));
    return made<wasm_global_t>(use, use.embedding().make_global({content, found->is_mutable}, init), "global", kSite);
  });
}

wasm_globaltype_t* wasm_global_type(const wasm_global_t* handle) {
  return reinterpret_cast<wasm_globaltype_t*>(wasm_extern_type(wasm_global_as_extern_const(handle)));
}

void wasm_global_get(const wasm_global_t* handle, wasm_val_t* out) {
  constexpr const char* kSite = "wasm_global_get";
  if (out == nullptr) return;
  *out = WASM_INIT_VAL;
  attempt(kSite, [&]() -> Got<> {
    const Used global = TRY(use_extern(handle, Kind::kGlobal, "the global"));
    const auto type = global.use.embedding().global_type(global.item);
    const auto value = global.use.embedding().global_get(global.item);
    if (!type || !value) return refuse(!type ? type.error() : value.error());
    if (type->kind() == wasm::ValKind::kV128) {
      return refuse(PARALLAX_ERROR_UNSUPPORTED, "a v128 does not fit into a wasm_val_t");
    }
    *out = value_out(global.use.store(), *value, *type, kSite);
    return {};
  });
}

void wasm_global_set(wasm_global_t* handle, const wasm_val_t* value) {
  attempt("wasm_global_set", [&]() -> Got<> {
    const Used global = TRY(use_extern(handle, Kind::kGlobal, "the global"));
    if (value == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the value is null");
    const auto type = global.use.embedding().type_of(global.item);
    if (!type) return refuse(type.error());
    if (!type->global.is_mutable) return refuse(PARALLAX_ERROR_IMMUTABLE, "the global is immutable");
    const Value held = TRY(value_in(*global.use.store(), *value, type->global.value, "the value"));
    if (const auto set = global.use.embedding().global_set(global.item, held); !set) return refuse(set.error());
    return {};
  });
}

// --- Tables -------------------------------------------------------------------------------------------------------------

wasm_table_t* wasm_table_new(wasm_store_t* store, const wasm_tabletype_t* type, wasm_ref_t* init) {
  constexpr const char* kSite = "wasm_table_new";
  return attempt(kSite, [&]() -> Got<wasm_table_t*> {
    const Use use = TRY(use_store(store));
    const auto found = TRY(find<TableTypeThing>(type, "the type"));
    const wasm::TableType table = TRY(type_in(*use.store(), *found));
    const Value value = TRY(ref_in(*use.store(), init, "the initial value"));
    return made<wasm_table_t>(use, use.embedding().make_table(table, value), "table", kSite);
  });
}

wasm_tabletype_t* wasm_table_type(const wasm_table_t* handle) {
  return reinterpret_cast<wasm_tabletype_t*>(wasm_extern_type(wasm_table_as_extern_const(handle)));
}

wasm_ref_t* wasm_table_get(const wasm_table_t* handle, wasm_table_size_t index) {
  constexpr const char* kSite = "wasm_table_get";
  return attempt(kSite, [&]() -> Got<wasm_ref_t*> {
    const Used table = TRY(use_extern(handle, Kind::kTable, "the table"));
    const Outcome got = table.use.embedding().table_get(table.item, index);
    if (got.kind == OutcomeKind::kTrapped) return refuse(PARALLAX_ERROR_BOUNDS, "there is no element {}", index);
    if (!got.returned()) return refuse(got.error);
    return ref_out(table.use.store(), got.values[0], kSite);
  });
}

bool wasm_table_set(wasm_table_t* handle, wasm_table_size_t index, wasm_ref_t* ref) {
  return attempt("wasm_table_set", [&]() -> Got<bool> {
    const Used table = TRY(use_extern(handle, Kind::kTable, "the table"));
    const Value value = TRY(ref_in(*table.use.store(), ref, "the value"));
    const Outcome set = table.use.embedding().table_set(table.item, index, value);
    if (set.kind == OutcomeKind::kTrapped) return refuse(PARALLAX_ERROR_BOUNDS, "there is no element {}", index);
    if (!set.returned()) return refuse(set.error);
    return true;
  });
}

wasm_table_size_t wasm_table_size(const wasm_table_t* handle) {
  return attempt("wasm_table_size", [&]() -> Got<wasm_table_size_t> {
    const Used table = TRY(use_extern(handle, Kind::kTable, "the table"));
    const auto size = table.use.embedding().table_size(table.item);
    if (!size) return refuse(size.error());
    return static_cast<wasm_table_size_t>(*size);
  });
}

bool wasm_table_grow(wasm_table_t* handle, wasm_table_size_t delta, wasm_ref_t* init) {
  return attempt("wasm_table_grow", [&]() -> Got<bool> {
    const Used table = TRY(use_extern(handle, Kind::kTable, "the table"));
    const Value value = TRY(ref_in(*table.use.store(), init, "the initial value"));
    const auto grown = table.use.embedding().table_grow(table.item, delta, value);
    if (!grown) return refuse(grown.error());
    return true;
  });
}

// --- Memories -----------------------------------------------------------------------------------------------------------

wasm_memory_t* wasm_memory_new(wasm_store_t* store, const wasm_memorytype_t* type) {
  constexpr const char* kSite = "wasm_memory_new";
  return attempt(kSite, [&]() -> Got<wasm_memory_t*> {
    const Use use = TRY(use_store(store));
    const auto found = TRY(find<MemoryTypeThing>(type, "the type"));
    return made<wasm_memory_t>(use, use.embedding().make_memory(type_in(*found)), "memory", kSite);
  });
}

wasm_memorytype_t* wasm_memory_type(const wasm_memory_t* handle) {
  return reinterpret_cast<wasm_memorytype_t*>(wasm_extern_type(wasm_memory_as_extern_const(handle)));
}

static std::span<uint8_t> bytes_of(const wasm_memory_t* handle, const char* site) {
  return attempt(site, [&]() -> Got<std::span<uint8_t>> {
    const Used memory = TRY(use_extern(handle, Kind::kMemory, "the memory"));
    const auto bytes = memory.use.embedding().memory(memory.item);
    if (!bytes) return refuse(bytes.error());
    return *bytes;
  });
}
byte_t* wasm_memory_data(wasm_memory_t* handle) {
  return reinterpret_cast<byte_t*>(bytes_of(handle, "wasm_memory_data").data());
}
size_t wasm_memory_data_size(const wasm_memory_t* handle) { return bytes_of(handle, "wasm_memory_data_size").size(); }
wasm_memory_pages_t wasm_memory_size(const wasm_memory_t* handle) {
  return static_cast<wasm_memory_pages_t>(bytes_of(handle, "wasm_memory_size").size() / MEMORY_PAGE_SIZE);
}
bool wasm_memory_grow(wasm_memory_t* handle, wasm_memory_pages_t delta) {
  return attempt("wasm_memory_grow", [&]() -> Got<bool> {
    const Used memory = TRY(use_extern(handle, Kind::kMemory, "the memory"));
    const auto grown = memory.use.embedding().memory_grow(memory.item, delta);
    if (!grown) return refuse(grown.error());
    return true;
  });
}

// --- Externs of any kind ------------------------------------------------------------------------------------------------

wasm_externkind_t wasm_extern_kind(const wasm_extern_t* handle) {
  return attempt("wasm_extern_kind", [&]() -> Got<wasm_externkind_t> {
    switch (TRY(find<ExternThing>(handle, "the extern"))->kind) {
      case Kind::kGlobal: return WASM_EXTERN_GLOBAL;
      case Kind::kTable: return WASM_EXTERN_TABLE;
      case Kind::kMemory: return WASM_EXTERN_MEMORY;
      case Kind::kTag: return PARALLAX_EXTERN_TAG;
      default: return WASM_EXTERN_FUNC;
    }
  });
}

wasm_externtype_t* wasm_extern_type(const wasm_extern_t* handle) {
  constexpr const char* kSite = "wasm_extern_type";
  return attempt(kSite, [&]() -> Got<wasm_externtype_t*> {
    const auto thing = TRY(find<ExternThing>(handle, "the extern"));
    const Used item = TRY(use_extern(handle, thing->kind, "the extern"));
    const auto type = item.use.embedding().type_of(item.item);
    if (!type) return refuse(type.error());
    return handle_of<wasm_externtype_t>(describe(item.use.store(), *type), kSite);
  });
}

}  // extern "C"
