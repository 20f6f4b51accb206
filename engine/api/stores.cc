// Engines, stores and scopes of the C API, and who may be inside a store.   [establishes I8 at the border]
#include <algorithm>

#include "engine/api/capi.h"
#include "engine/base/faults.h"
#include "engine/slab/slab.h"

namespace parallax::capi {

namespace {

std::atomic<uint32_t> g_engines{0};

// An address that stands for the calling thread.
const void* this_thread() {
  thread_local char mark;
  return &mark;
}

// Ends the store: WebAssembly's hold on host functions and foreign objects ends, so that their finalizers run.
void end(StoreState& store) {
  const std::unique_ptr<wasm::Embedding> dying = std::move(store.embedding);
  const auto foreigns = std::move(store.foreigns);
  const auto in_flight = std::move(store.in_flight);
}

void do_released(StoreState& store) {
  if (!store.has_released.load(std::memory_order_acquire)) return;
  std::vector<wasm::RootId> roots;
  std::vector<wasm::InstanceId> instances;
  {
    const std::lock_guard lock(store.released_mutex);
    roots.swap(store.released_roots);
    instances.swap(store.released_instances);
    store.has_released = false;
  }
  for (const wasm::RootId root : roots) (void)store.embedding->unroot(root);
  for (const wasm::InstanceId instance : instances) (void)store.embedding->drop_instance(instance);
  if (instances.empty()) return;
  std::erase_if(store.externs, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(store.instances, [](const auto& entry) { return entry.expired(); });
}

}  // namespace

EngineThing::EngineThing(const api::Options& o) : Thing(Kind::kEngine), options(o), number(++g_engines) {}

StoreState::~StoreState() = default;

void StoreState::release_root(wasm::RootId root) {
  if (root == 0 || closed) return;
  const std::lock_guard lock(released_mutex);
  released_roots.push_back(root);
  has_released = true;
}

void StoreState::release_instance(wasm::InstanceId instance) {
  if (instance == 0 || closed) return;
  const std::lock_guard lock(released_mutex);
  released_instances.push_back(instance);
  has_released = true;
}

Got<Use> Use::enter(std::shared_ptr<StoreState> store, const char* what) {
  const void* const me = this_thread();
  const void* nobody = nullptr;
  if (store->owner.load(std::memory_order_acquire) != me &&
      !store->owner.compare_exchange_strong(nobody, me, std::memory_order_acq_rel)) {
    return refuse(PARALLAX_ERROR_OTHER_THREAD, "I8: store {} of {} is being used by another thread", store->number,
                  what);
  }
  ++store->depth;
  Use use(std::move(store));
  if (use.store_->closed) {
    return refuse(PARALLAX_ERROR_STORE_GONE, "I8: {}: store {} was deleted by {}", what, use.store_->number,
                  use.store_->closed_by);
  }
  do_released(*use.store_);
  return use;
}

Use::~Use() {
  if (store_ == nullptr) return;
  if (store_->depth == 1 && store_->closed) end(*store_);
  if (--store_->depth == 0) store_->owner.store(nullptr, std::memory_order_release);
}

Got<Use> use_store(const wasm_store_t* handle) {
  const auto thing = TRY(find<StoreThing>(handle, "the store"));
  return Use::enter(thing->store, "the store");
}

Got<Use> use_of(const Thing& thing, const void* handle) {
  const bool usable = !thing.store->closed;
  return Use::enter(thing.store, usable ? "the thing" : ("the " + origin(handle)).c_str());
}

Got<> same_store(const StoreState& store, const Thing& thing, const void* handle, const char* what) {
  if (thing.store.get() == &store || thing.store == nullptr) return {};
  if (fault_fires(Fault::kBND1)) return {};
  if (thing.store->closed) {
    return refuse(PARALLAX_ERROR_STORE_GONE, "I8: {} is a {}, which was deleted by {}; used in store {}", what,
                  origin(handle), thing.store->closed_by, store.number);
  }
  return refuse(PARALLAX_ERROR_OTHER_STORE, "I8: {} is a {}; used in store {}", what, origin(handle), store.number);
}

namespace {

template <class F>
void configure(const char* site, wasm_config_t* config, F&& set) {
  attempt(site, [&]() -> Got<> {
    set(TRY(find<ConfigThing>(config, "the config"))->options);
    return {};
  });
}

wasm_engine_t* new_engine(const api::Options& options, const char* site) {
  return handle_of<wasm_engine_t>(std::make_shared<EngineThing>(options), site);
}

}  // namespace

}  // namespace parallax::capi

using namespace parallax;        // NOLINT: the entry points
using namespace parallax::capi;  // NOLINT

extern "C" {

wasm_config_t* wasm_config_new(void) {
  return handle_of<wasm_config_t>(std::make_shared<ConfigThing>(), "wasm_config_new");
}
void wasm_config_delete(wasm_config_t* config) { delete_handle(config, "wasm_config_delete"); }

void parallax_config_set_executor(wasm_config_t* config, parallax_executor_t executor) {
  configure("parallax_config_set_executor", config, [&](api::Options& options) {
    options.executor = executor == PARALLAX_INTERPRETER ? api::Executor::kInterpreter : api::Executor::kJit;
  });
}
void parallax_config_set_level(wasm_config_t* config, uint8_t level) {
  configure("parallax_config_set_level", config, [&](api::Options& options) {
    options.level = static_cast<runtime::OptLevel>(std::min<uint8_t>(level, 2));
  });
}
void parallax_config_set_collector(wasm_config_t* config, parallax_collector_t collector) {
  static constexpr runtime::GcKind kCollectors[] = {runtime::GcKind::kMoving, runtime::GcKind::kNonMoving,
                                                    runtime::GcKind::kNever, runtime::GcKind::kGenerational};
  configure("parallax_config_set_collector", config, [&](api::Options& options) {
    options.collector = kCollectors[std::min<size_t>(collector, PARALLAX_GENERATIONAL)];
  });
}
void parallax_config_set_armed(wasm_config_t* config, bool armed) {
  configure("parallax_config_set_armed", config, [&](api::Options& options) { options.armed = armed; });
}
void parallax_config_set_zeal(wasm_config_t* config, uint32_t n) {
  configure("parallax_config_set_zeal", config, [&](api::Options& options) { options.zeal = n; });
}
void parallax_config_set_heap_bytes(wasm_config_t* config, uint64_t bytes) {
  configure("parallax_config_set_heap_bytes", config, [&](api::Options& options) { options.heap_bytes = bytes; });
}

wasm_engine_t* wasm_engine_new(void) { return new_engine({}, "wasm_engine_new"); }
wasm_engine_t* wasm_engine_new_with_config(wasm_config_t* config) {
  constexpr const char* kSite = "wasm_engine_new_with_config";
  return attempt(kSite, [&]() -> Got<wasm_engine_t*> {
    const auto found = TRY(find<ConfigThing>(config, "the config"));
    delete_handle(config, kSite);
    return new_engine(found->options, kSite);
  });
}
void wasm_engine_delete(wasm_engine_t* engine) { delete_handle(engine, "wasm_engine_delete"); }

wasm_store_t* wasm_store_new(wasm_engine_t* engine) {
  constexpr const char* kSite = "wasm_store_new";
  return attempt(kSite, [&]() -> Got<wasm_store_t*> {
    auto state = std::make_shared<StoreState>();
    state->engine = TRY(find<EngineThing>(engine, "the engine"));
    state->types = std::make_shared<wasm::TypeStore>();
    state->number = slab::next_store_number();
    state->embedding = api::make_store(state->engine->options, state->types);
    return handle_of<wasm_store_t>(std::make_shared<StoreThing>(std::move(state)), kSite);
  });
}

void wasm_store_delete(wasm_store_t* handle) {
  constexpr const char* kSite = "wasm_store_delete";
  if (handle == nullptr) return;
  attempt(kSite, [&]() -> Got<> {
    const Use use = TRY(use_store(handle));
    use->closed_by = kSite;
    use->closed = true;
    delete_handle(handle, kSite);
    return {};
  });
}

void parallax_store_set_budget(wasm_store_t* store, uint64_t fuel, uint64_t allocated_bytes) {
  attempt("parallax_store_set_budget", [&]() -> Got<> {
    TRY(use_store(store)).embedding().set_budget({.fuel = fuel, .allocated_bytes = allocated_bytes});
    return {};
  });
}

void parallax_store_collect(wasm_store_t* store) {
  attempt("parallax_store_collect", [&]() -> Got<> {
    TRY(use_store(store)).embedding().collect();
    return {};
  });
}

bool parallax_store_verify(wasm_store_t* store) {
  return attempt("parallax_store_verify", [&]() -> Got<bool> {
    const Use use = TRY(use_store(store));
    if (const auto sound = use.embedding().verify(); !sound) return refuse(sound.error());
    return true;
  });
}

parallax_scope_t* parallax_scope_new(wasm_store_t* store) {
  return attempt("parallax_scope_new", [&]() -> Got<parallax_scope_t*> {
    const Use use = TRY(use_store(store));
    auto scope = std::make_shared<ScopeThing>(use.store());
    use->scopes.push_back(scope.get());
    return handle_of<parallax_scope_t>(std::move(scope), "parallax_scope_new");
  });
}

void parallax_scope_delete(parallax_scope_t* handle) {
  constexpr const char* kSite = "parallax_scope_delete";
  if (handle == nullptr) return;
  attempt(kSite, [&]() -> Got<> {
    const auto scope = TRY(find<ScopeThing>(handle, "the scope"));
    std::erase(scope->store->scopes, scope.get());
    for (const uint64_t id : scope->handles) {
      const auto* const ref = reinterpret_cast<const void*>(id);
      if (find_thing(ref, "")) delete_handle(ref, "parallax_scope_delete (its scope closed)");
    }
    delete_handle(handle, kSite);
    return {};
  });
}

void parallax_scope_escape(parallax_scope_t* handle, wasm_ref_t* ref) {
  attempt("parallax_scope_escape", [&]() -> Got<> {
    const auto scope = TRY(find<ScopeThing>(handle, "the scope"));
    const auto found = TRY(find<RefThing>(ref, "the reference"));
    if (std::erase(scope->handles, reinterpret_cast<uint64_t>(ref)) != 0) return {};
    return refuse(PARALLAX_ERROR_WRONG_KIND, "the {} does not belong to this scope", origin(ref));
  });
}

}  // extern "C"
