// Behind the C API: what a handle is, what is behind it, and how a call is refused.
//
// A handle that a C program holds (wasm_func_t*, ...) is no address but a slab id {tag, generation, index}: the
// registry finds the *thing* it names, or says why there is none. Things are shared: copies of a handle, and borrowed
// handles of parts, are further owners of the same thing. A thing of a store keeps the store's shell alive, not the
// store: after wasm_store_delete the shell says that the store is gone.
//
//   registry.cc   handles, reasons of refusal          types.cc    types of values, functions, imports, ...
//   stores.cc     engines, stores, who may use one     values.cc   values and references across the border, traps
//   modules.cc    modules, instances                   externs.cc  functions, globals, tables, memories, tags
//   gc.cc         concrete types and objects           vectors.cc  vectors
//                                                                                                              [I1, I8]
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/api/executors.h"
#include "engine/api/include/parallax_gc.h"
#include "engine/base/text.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/module.h"

namespace parallax::capi {

// --- Refusals -----------------------------------------------------------------------------------------------------------

struct Failure {
  parallax_error_t code = PARALLAX_ERROR_NONE;
  std::string text;
};
template <class T = void>
using Got = std::expected<T, Failure>;

template <class... Args>
std::unexpected<Failure> refuse(parallax_error_t code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Failure{code, text::format(format, std::forward<Args>(args)...)});
}
// An error of the embedding interface: its text is kept.
std::unexpected<Failure> refuse(const Error& error);
// Keeps the reason for this thread.
void keep(const char* site, const Failure& failure);

// --- Things and handles ---------------------------------------------------------------------------------------------

enum class Kind : uint8_t {
#define KIND(id, text) id,
#include "engine/api/capi_kinds.def"
#undef KIND
};
const char* to_string(Kind kind);

struct StoreState;

struct Thing {
  Kind kind;
  std::shared_ptr<StoreState> store;  // null: of no store
  void* host_info = nullptr;
  void (*host_finalizer)(void*) = nullptr;

  explicit Thing(Kind k, std::shared_ptr<StoreState> of = nullptr) : kind(k), store(std::move(of)) {}
  virtual ~Thing() { set_host_info(nullptr, nullptr); }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  // The previous one is finalized.
  void set_host_info(void* info, void (*finalizer)(void*));
};

// A new handle of the thing. `site`, a literal, is the function that made it.
uint64_t make_handle(std::shared_ptr<Thing> thing, const char* site);
template <class T>
T* handle_of(std::shared_ptr<Thing> thing, const char* site) {
  return reinterpret_cast<T*>(make_handle(std::move(thing), site));
}
// The thing of a live handle. `what` is what messages call the argument ("argument 0").
Got<std::shared_ptr<Thing>> find_thing(const void* handle, const char* what);
// As above; nothing happens for null. Refused (and kept) when the handle is not live. Finalizers may run.
void delete_handle(const void* handle, const char* site);
// Where a handle comes from, for messages: "function made by wasm_func_new in store 3".
std::string origin(const void* handle);

std::unexpected<Failure> wrong_kind(const void* handle, const Thing& thing, const char* what, const char* wanted);

template <class T>
Got<std::shared_ptr<T>> find(const void* handle, const char* what) {
  std::shared_ptr<Thing> thing = TRY(find_thing(handle, what));
  if (!T::is(thing->kind)) return wrong_kind(handle, *thing, what, T::kWanted);
  return std::static_pointer_cast<T>(std::move(thing));
}
template <class T>
bool is_a(const void* handle) {
  const auto thing = find_thing(handle, "");
  return thing && T::is((*thing)->kind);
}

// Runs the body of an entry point: its value, or the default and a kept reason.
template <class F>
auto attempt(const char* site, F&& body) {
  auto got = body();
  if (!got) keep(site, got.error());
  using T = typename decltype(got)::value_type;
  if constexpr (!std::is_void_v<T>) { return got ? std::move(*got) : T{}; }
}

// --- Engines and stores -----------------------------------------------------------------------------------------------

struct ConfigThing : Thing {
  static constexpr const char* kWanted = "config";
  static bool is(Kind k) { return k == Kind::kConfig; }
  ConfigThing() : Thing(Kind::kConfig) {}
  api::Options options;
};

struct EngineThing : Thing {
  static constexpr const char* kWanted = "engine";
  static bool is(Kind k) { return k == Kind::kEngine; }
  explicit EngineThing(const api::Options& o);
  api::Options options;
  uint32_t number;
};

struct ScopeThing;
struct ForeignThing;
struct ExternThing;
struct TrapThing;
struct InstanceThing;

// The shell of a store. Types are the store's own, so that stores of one engine may run on different threads.
struct StoreState : std::enable_shared_from_this<StoreState> {
  std::shared_ptr<EngineThing> engine;
  std::shared_ptr<wasm::TypeStore> types;
  std::unique_ptr<wasm::Embedding> embedding;  // null once it is gone
  uint32_t number = 0;
  std::atomic<bool> closed = false;
  const char* closed_by = "";

  // Who is inside: the address of something thread-local, and how deep.
  std::atomic<const void*> owner{nullptr};
  uint32_t depth = 0;

  // One thing per thing of the store, so that host info and identity do not depend on the way to it.
  std::unordered_map<uint64_t, std::weak_ptr<ExternThing>> externs;
  // What host references carry is an index here; kept as long as the store, because WebAssembly may hold them.
  std::vector<std::shared_ptr<ForeignThing>> foreigns;
  std::vector<std::weak_ptr<InstanceThing>> instances;
  std::vector<ScopeThing*> scopes;  // open ones, innermost last
  // The trap that a host function returned and that is on its way to the next caller in the host.
  std::shared_ptr<TrapThing> in_flight;

  // Released by any thread at any time; done at the next use.
  std::mutex released_mutex;
  std::vector<wasm::RootId> released_roots;
  std::vector<wasm::InstanceId> released_instances;
  std::atomic<bool> has_released = false;

  ~StoreState();
  void release_root(wasm::RootId root);
  void release_instance(wasm::InstanceId instance);
};

struct StoreThing : Thing {
  static constexpr const char* kWanted = "store";
  static bool is(Kind k) { return k == Kind::kStore; }
  explicit StoreThing(std::shared_ptr<StoreState> s) : Thing(Kind::kStore, std::move(s)) {}
};

// The right to use a store: held by every entry point while it is inside. Nests on one thread; refused for another one,
// and when the store is gone. The store ends when it was deleted and the outermost use is over.
class Use {
 public:
  static Got<Use> enter(std::shared_ptr<StoreState> store, const char* what);
  Use(Use&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
  Use& operator=(Use&&) = delete;
  ~Use();
  const std::shared_ptr<StoreState>& store() const { return store_; }
  StoreState* operator->() const { return store_.get(); }
  wasm::Embedding& embedding() const { return *store_->embedding; }

 private:
  explicit Use(std::shared_ptr<StoreState> store) : store_(std::move(store)) {}
  std::shared_ptr<StoreState> store_;
};
// The store of a wasm_store_t*, to be used.
Got<Use> use_store(const wasm_store_t* store);
// That of a thing found through `handle`.
Got<Use> use_of(const Thing& thing, const void* handle);
// Refuses a thing of another store. Hosts planted fault BND1.
Got<> same_store(const StoreState& store, const Thing& thing, const void* handle, const char* what);

struct ScopeThing : Thing {
  static constexpr const char* kWanted = "scope";
  static bool is(Kind k) { return k == Kind::kScope; }
  explicit ScopeThing(std::shared_ptr<StoreState> s) : Thing(Kind::kScope, std::move(s)) {}
  std::vector<uint64_t> handles;
};

// --- Types ------------------------------------------------------------------------------------------------------------

struct ValTypeThing : Thing {
  static constexpr const char* kWanted = "value type";
  static bool is(Kind k) { return k == Kind::kValType; }
  ValTypeThing(wasm::ValType t, wasm_valkind_t k, std::shared_ptr<StoreState> of = nullptr)
      : Thing(Kind::kValType, std::move(of)), type(t), value_kind(k) {}
  wasm::ValType type;  // a store is set exactly for concrete types
  wasm_valkind_t value_kind;
};
using ValTypes = std::vector<std::shared_ptr<ValTypeThing>>;

// Types of externs. Parts are lent as handles that end with the whole.
struct ExternTypeThing : Thing {
  static constexpr const char* kWanted = "extern type";
  static bool is(Kind k) { return k >= Kind::kFuncType && k <= Kind::kMemoryType; }
  using Thing::Thing;
};
struct FuncTypeThing : ExternTypeThing {
  static constexpr const char* kWanted = "function type";
  static bool is(Kind k) { return k == Kind::kFuncType; }
  FuncTypeThing(ValTypes p, ValTypes r, bool tag = false);
  ~FuncTypeThing() override;
  ValTypes params, results;
  bool is_tag;  // the type of a tag, whose payload the parameters are
  wasm_valtype_vec_t lent_params{}, lent_results{};
};
struct GlobalTypeThing : ExternTypeThing {
  static constexpr const char* kWanted = "global type";
  static bool is(Kind k) { return k == Kind::kGlobalType; }
  GlobalTypeThing(std::shared_ptr<ValTypeThing> c, bool is_mutable);
  ~GlobalTypeThing() override;
  std::shared_ptr<ValTypeThing> content;
  bool is_mutable;
  wasm_valtype_t* lent;
};
struct TableTypeThing : ExternTypeThing {
  static constexpr const char* kWanted = "table type";
  static bool is(Kind k) { return k == Kind::kTableType; }
  TableTypeThing(std::shared_ptr<ValTypeThing> e, wasm_limits_t l, bool is_64 = false);
  ~TableTypeThing() override;
  std::shared_ptr<ValTypeThing> element;
  wasm_limits_t limits;
  bool is_64;
  wasm_valtype_t* lent;
};
struct MemoryTypeThing : ExternTypeThing {
  static constexpr const char* kWanted = "memory type";
  static bool is(Kind k) { return k == Kind::kMemoryType; }
  explicit MemoryTypeThing(wasm_limits_t l, bool is64 = false)
      : ExternTypeThing(Kind::kMemoryType), limits(l), is_64(is64) {}
  wasm_limits_t limits;
  bool is_64;
};
// Both kinds: exports have no module name.
struct PortTypeThing : Thing {
  static constexpr const char* kWanted = "import or export type";
  static bool is(Kind k) { return k == Kind::kImportType || k == Kind::kExportType; }
  PortTypeThing(Kind kind, std::string m, std::string n, std::shared_ptr<ExternTypeThing> t);
  ~PortTypeThing() override;
  std::string module_text, name_text;
  wasm_name_t module, name;
  std::shared_ptr<ExternTypeThing> type;
  wasm_externtype_t* lent;
};
struct ConcreteTypeThing : Thing {
  static constexpr const char* kWanted = "concrete type";
  static bool is(Kind k) { return k == Kind::kType; }
  ConcreteTypeThing(wasm::TypeId t, std::shared_ptr<StoreState> of) : Thing(Kind::kType, std::move(of)), id(t) {}
  wasm::TypeId id;
};

std::shared_ptr<ValTypeThing> describe(const std::shared_ptr<StoreState>& store, wasm::ValType type);
std::shared_ptr<ExternTypeThing> describe(const std::shared_ptr<StoreState>& store, const wasm::ExternType& type);
std::shared_ptr<FuncTypeThing> describe_func(const std::shared_ptr<StoreState>& store, wasm::TypeId id);
wasm_valkind_t kind_of(const wasm::TypeStore& types, wasm::ValType type);
// As types of this store; refuses concrete types of another one.
Got<wasm::ValType> type_in(const StoreState& store, const ValTypeThing& type, const char* what);
Got<wasm::TypeId> type_in(const StoreState& store, const FuncTypeThing& type, const char* what);
Got<wasm::TableType> type_in(const StoreState& store, const TableTypeThing& type);
wasm::MemoryType type_in(const MemoryTypeThing& type);

// --- Values, references, traps ----------------------------------------------------------------------------------------

// A struct, array, exception or i31.
struct RefThing : Thing {
  static constexpr const char* kWanted = "reference";
  // What may stand as a reference value.
  static bool is(Kind k) { return k == Kind::kRef || k == Kind::kForeign || k == Kind::kFunc; }
  RefThing(Kind k, std::shared_ptr<StoreState> of, wasm::RootId r) : Thing(k, std::move(of)), root(r) {}
  ~RefThing() override;
  wasm::RootId root;
  uint32_t i31 = 0;
  bool is_i31 = false;
};
struct ForeignThing : RefThing {
  static constexpr const char* kWanted = "foreign object";
  static bool is(Kind k) { return k == Kind::kForeign; }
  ForeignThing(std::shared_ptr<StoreState> of, wasm::RootId r) : RefThing(Kind::kForeign, std::move(of), r) {}
};

struct FrameThing : Thing {
  static constexpr const char* kWanted = "frame";
  static bool is(Kind k) { return k == Kind::kFrame; }
  FrameThing() : Thing(Kind::kFrame) {}
  ~FrameThing() override;
  uint32_t func = 0;
  size_t func_offset = 0, module_offset = 0;
  wasm_instance_t* lent = nullptr;
};

struct TrapThing : Thing {
  static constexpr const char* kWanted = "trap";
  static bool is(Kind k) { return k == Kind::kTrap; }
  TrapThing(std::shared_ptr<StoreState> of, parallax_trapkind_t k, std::string m)
      : Thing(Kind::kTrap, std::move(of)), trap_kind(k), message(std::move(m)) {}
  ~TrapThing() override;
  parallax_trapkind_t trap_kind;
  parallax_error_t error = PARALLAX_ERROR_NONE;
  std::string message;
  wasm::Outcome outcome;  // how it travels through WebAssembly; values only as roots below
  std::shared_ptr<FrameThing> frame;
  uint64_t tag_identity = 0;
  std::vector<wasm::RootId> payload;
  std::vector<wasm::ValType> payload_types;
};

// Reading: from the program into the store.
Got<wasm::Value> ref_in(StoreState& store, const wasm_ref_t* ref, const char* what);
Got<wasm::Value> value_in(StoreState& store, const wasm_val_t& value, wasm::ValType type, const char* what);
Got<std::vector<wasm::Value>> values_in(StoreState& store, const wasm_val_vec_t* values,
                                        std::span<const wasm::ValType> types, const char* what);
// Writing: new handles; null for the null reference.
wasm_ref_t* ref_out(const std::shared_ptr<StoreState>& store, const wasm::Value& value, const char* site);
wasm_val_t value_out(const std::shared_ptr<StoreState>& store, const wasm::Value& value, wasm::ValType type,
                     const char* site);
// A trap for what did not return. Takes the trap in flight.
std::shared_ptr<TrapThing> trap_of(const std::shared_ptr<StoreState>& store, wasm::Outcome outcome, const char* site);
// A trap for a refused call, whose reason is kept too.
wasm_trap_t* refused(const char* site, const Failure& failure, std::shared_ptr<StoreState> store = nullptr);

// --- Modules, instances, externs --------------------------------------------------------------------------------------

struct ModuleThing : Thing {
  static constexpr const char* kWanted = "module";
  static bool is(Kind k) { return k == Kind::kModule; }
  ModuleThing(std::shared_ptr<StoreState> of, std::shared_ptr<const wasm::Module> m)
      : Thing(Kind::kModule, std::move(of)), module(std::move(m)) {}
  std::shared_ptr<const wasm::Module> module;
};
struct SharedModuleThing : Thing {
  static constexpr const char* kWanted = "shared module";
  static bool is(Kind k) { return k == Kind::kSharedModule; }
  SharedModuleThing(std::shared_ptr<EngineThing> e, std::vector<uint8_t> b)
      : Thing(Kind::kSharedModule), engine(std::move(e)), bytes(std::move(b)) {}
  std::shared_ptr<EngineThing> engine;
  std::vector<uint8_t> bytes;
};
struct InstanceThing : Thing {
  static constexpr const char* kWanted = "instance";
  static bool is(Kind k) { return k == Kind::kInstance; }
  InstanceThing(std::shared_ptr<StoreState> of, wasm::InstanceId i, std::shared_ptr<const wasm::Module> m)
      : Thing(Kind::kInstance, std::move(of)), id(i), module(std::move(m)) {}
  ~InstanceThing() override;
  wasm::InstanceId id;
  std::shared_ptr<const wasm::Module> module;
};
// Functions, globals, tables, memories, tags. Those found through an instance keep it; functions found through a
// reference are kept by a root.
struct ExternThing : RefThing {
  static constexpr const char* kWanted = "extern";
  static bool is(Kind k) { return k >= Kind::kFunc && k <= Kind::kTag; }
  ExternThing(Kind k, std::shared_ptr<StoreState> of, wasm::Extern e, std::shared_ptr<InstanceThing> i,
              wasm::RootId r = 0)
      : RefThing(k, std::move(of), r), item(e), instance(std::move(i)) {}
  wasm::Extern item;
  std::shared_ptr<InstanceThing> instance;
};
// Refused unless it is of that kind.
Got<std::shared_ptr<ExternThing>> find_extern(const void* handle, Kind kind, const char* what);

// The thing of an extern: the one that is known already, or a new one.
Got<std::shared_ptr<ExternThing>> extern_thing(const std::shared_ptr<StoreState>& store, wasm::Extern item,
                                               std::shared_ptr<InstanceThing> instance, wasm::RootId root = 0);
Got<wasm::Extern> extern_of(StoreState& store, const ExternThing& thing);
// The trap's outcome, for a host function of `store` that returned it. Takes the handle.
wasm::Outcome outcome_of(const std::shared_ptr<StoreState>& store, wasm_trap_t* trap);

}  // namespace parallax::capi
