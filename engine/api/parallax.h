// The embedding API in C++: load modules, link them with C++ functions, call them, look at their objects.
//
//   namespace api = parallax::api;
//   api::Engine engine;
//   api::Module module = *engine.load_text("(module (func (export \"add\") (param i32 i32) (result i32) ...))");
//   api::Store store(engine);
//   api::Instance instance = *store.instantiate(module);
//   auto add = *instance.func<int32_t(int32_t, int32_t)>("add");
//   int32_t five = *add(2, 3);
//
// Nothing throws. Loading and linking answer Result<T> (an Error with code, offset, text); calling answers
// Expected<T> = std::expected<T, Stop>, where a Stop says how a run ended that did not return: trap, uncaught exception,
// exhausted budget. References are `Ref`: rooted while the C++ object lives, so collections may come and go; a `Local` lives
// as long as its Scope. Using something with another store, after its store or its scope is gone, or a type with another
// engine, gives an error that says what was used where and where it came from, never undefined behaviour.
//
// Options::executor chooses what runs: the JIT or the reference interpreter. docs/embedding.md is the guide.
//
// An Engine owns the types and settings that its stores share. One thread at a time per Engine; any number of Engines.
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/api/executors.h"
#include "engine/base/result.h"
#include "engine/runtime/options.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/limits.h"

namespace parallax::api {

using runtime::GcKind;
using runtime::OptLevel;
using wasm::Budget;
using wasm::RefKind;
using wasm::TrapKind;

// How a run ended that did not return.
class Stop {
 public:
  explicit Stop(wasm::Outcome outcome) : outcome_(std::move(outcome)) {}
  wasm::OutcomeKind kind() const { return outcome_.kind; }
  bool is_trap() const { return kind() == wasm::OutcomeKind::kTrapped; }
  bool is_exception() const { return kind() == wasm::OutcomeKind::kThrew; }
  // Requires is_trap().
  TrapKind trap() const { return outcome_.trap; }
  // "trap: integer divide by zero at 0x2f", "exception", "fuel exhausted", ...
  std::string text() const;
  const wasm::Outcome& outcome() const { return outcome_; }

 private:
  wasm::Outcome outcome_;
};
template <class T>
using Expected = std::expected<T, Stop>;

class Ref;

// A store as its parts know it: they do not keep it alive, but remember which one it was.
struct Home {
  std::shared_ptr<wasm::Embedding> store;
  uint32_t number = 0;
};
struct WeakHome {
  std::weak_ptr<wasm::Embedding> store;
  uint32_t number = 0;
  WeakHome() = default;
  WeakHome(const Home& home) : store(home.store), number(home.number) {}  // NOLINT: implicit on purpose
  // Error kUsage when the store is gone; `what` is what was used.
  Result<Home> lock(const char* what) const;
};

// C++ types that stand for WebAssembly types: integers of 32 and 64 bits, float, double, Ref (any reference).
template <class T>
concept Number = std::same_as<T, int32_t> || std::same_as<T, uint32_t> || std::same_as<T, int64_t> ||
                 std::same_as<T, uint64_t> || std::same_as<T, float> || std::same_as<T, double>;
template <class T>
concept Wasm = Number<T> || std::same_as<T, Ref>;

// A reference, kept alive. Copies are further roots of the same object.
class Ref {
 public:
  Ref() = default;  // null
  Ref(const Home& home, const wasm::Value& value);
  Ref(const Ref& other);
  Ref(Ref&& other) noexcept { swap(other); }
  Ref& operator=(Ref other) noexcept {
    swap(other);
    return *this;
  }
  ~Ref();
  // An i31 of the value's low 31 bits.
  static Ref i31(uint32_t value);

  RefKind kind() const { return kind_; }
  bool is_null() const { return kind_ == RefKind::kNull; }
  // Requires kind() == RefKind::kI31; sign-extended.
  int32_t i31_value() const { return static_cast<int32_t>(i31_ << 1) >> 1; }
  // Fields of a struct, elements of an array, payload values of an exception.
  Result<uint64_t> length() const;
  // What Store::host_ref was given.
  Result<uint64_t> host_value() const;
  // A field; error kUsage when it is not there or not a T. Packed fields are zero-extended.
  template <Wasm T>
  Result<T> get(uint64_t index) const;
  // Writes a mutable field or element; packed ones keep the low bits.
  template <Wasm T>
  Result<> set(uint64_t index, const T& value);
  // Whether both are the same object.
  bool same_as(const Ref& other) const;

  // The value as of now, for the interface below (engine/wasm/embed.h); error when the store is gone.
  Result<wasm::Value> value() const;
  // The same to be used in a store; error when the reference is of another one.
  Result<wasm::Value> value_in(const Home& home) const;

 private:
  void swap(Ref& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(i31_, other.i31_);
    std::swap(home_, other.home_);
    std::swap(root_, other.root_);
  }
  Result<wasm::Value> field(uint64_t index) const;
  Result<> set_field(uint64_t index, const wasm::Value& value);

  RefKind kind_ = RefKind::kNull;
  uint32_t i31_ = 0;
  WeakHome home_;
  wasm::RootId root_ = 0;
};

namespace detail {

template <class T>
constexpr wasm::ValType type_of() {
  if constexpr (std::same_as<T, int32_t> || std::same_as<T, uint32_t>) return wasm::kI32;
  if constexpr (std::same_as<T, int64_t> || std::same_as<T, uint64_t>) return wasm::kI64;
  if constexpr (std::same_as<T, float>) return wasm::kF32;
  if constexpr (std::same_as<T, double>) return wasm::kF64;
  return wasm::kExternRef;
}

// Numbers never fail; a Ref fails when it is not of this store.
template <Wasm T>
Result<wasm::Value> to_value(const Home& home, const T& x) {
  if constexpr (std::same_as<T, Ref>) {
    return x.value_in(home);
  } else {
    wasm::Value value{type_of<T>().kind(), 0, 0, {}};
    __builtin_memcpy(&value.low, &x, sizeof(x));
    return value;
  }
}

template <Wasm T>
T from_value(const Home& home, const wasm::Value& value) {
  if constexpr (std::same_as<T, Ref>) {
    return Ref(home, value);
  } else {
    T x;
    __builtin_memcpy(&x, &value.low, sizeof(x));
    return x;
  }
}

// Results of a function: void, one value, or a tuple.
template <class R>
struct Results {
  static void types(std::vector<wasm::ValType>& out) { out.push_back(type_of<R>()); }
  static R take(const Home& home, std::span<const wasm::Value> values) { return from_value<R>(home, values[0]); }
  static Result<> give(const Home& home, const R& result, std::vector<wasm::Value>& out) {
    out.push_back(TRY(to_value(home, result)));
    return {};
  }
};
template <>
struct Results<void> {
  static void types(std::vector<wasm::ValType>&) {}
  static void take(const Home&, std::span<const wasm::Value>) {}
};
template <class... R>
struct Results<std::tuple<R...>> {
  static void types(std::vector<wasm::ValType>& out) { (out.push_back(type_of<R>()), ...); }
  static std::tuple<R...> take(const Home& home, std::span<const wasm::Value> values) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return std::tuple<R...>(from_value<R>(home, values[I])...);
    }(std::index_sequence_for<R...>());
  }
  static Result<> give(const Home& home, const std::tuple<R...>& results, std::vector<wasm::Value>& out) {
    Result<> done;
    std::apply([&](const auto&... r) { ((done = done ? Results<R>::give(home, r, out) : done), ...); }, results);
    return done;
  }
};

// Whether a C++ signature may call or import this type: numbers exactly, Ref for any reference.
bool signature_fits(std::span<const wasm::ValType> wanted, std::span<const wasm::ValType> declared);

}  // namespace detail

// A concrete type (struct, array or function type) of one engine; cheap to copy.
class Type {
 public:
  wasm::TypeId id() const { return id_; }
  const wasm::SubType& definition() const { return types_->get(id_); }
  bool is_subtype_of(const Type& other) const { return types_ == other.types_ && types_->is_subtype(id_, other.id_); }
  friend bool operator==(const Type&, const Type&) = default;

 private:
  friend class Engine;
  friend class Store;
  Type(std::shared_ptr<wasm::TypeStore> types, wasm::TypeId id) : types_(std::move(types)), id_(id) {}
  std::shared_ptr<wasm::TypeStore> types_;
  wasm::TypeId id_;
};

// A loaded (decoded, validated) module; cheap to copy.
class Module {
 public:
  const wasm::Module& info() const { return *module_; }

 private:
  friend class Engine;
  friend class Store;
  explicit Module(std::shared_ptr<const wasm::Module> module) : module_(std::move(module)) {}
  std::shared_ptr<const wasm::Module> module_;
};

class Engine {
 public:
  explicit Engine(const Options& options = {}) : options_(options), types_(std::make_shared<wasm::TypeStore>()) {}
  // From the binary format.
  Result<Module> load(std::vector<uint8_t> bytes) const;
  // From the text format.
  Result<Module> load_text(std::string text) const;
  // Type definitions in the text format, whole rec groups, in order of definition.
  Result<std::vector<Type>> load_types(std::string text) const;
  wasm::TypeStore& types() const { return *types_; }

 private:
  friend class Store;
  Options options_;
  std::shared_ptr<wasm::TypeStore> types_;
};

// A callable WebAssembly (or host) function with a C++ signature.
template <class Signature>
class Func;
template <class R, Wasm... Args>
class Func<R(Args...)> {
 public:
  Expected<R> operator()(const Args&... args) const {
    const Result<Home> home = home_.lock("a function");
    if (!home) return refused(home.error());
    std::vector<wasm::Value> values;
    Result<> usable;
    const auto add = [&](const auto& arg) {
      auto value = detail::to_value(*home, arg);
      if (value) {
        values.push_back(*value);
      } else {
        usable = std::unexpected(value.error());
      }
    };
    (add(args), ...);
    if (!usable) return refused(usable.error());
    wasm::Outcome outcome = home->store->call(func_, values);
    if (!outcome.returned()) return std::unexpected(Stop(std::move(outcome)));
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return detail::Results<R>::take(*home, outcome.values);
    }
  }
  wasm::Extern raw() const { return func_; }

 private:
  friend class Instance;
  Func(WeakHome home, wasm::Extern func) : home_(std::move(home)), func_(func) {}
  static std::unexpected<Stop> refused(Error why) {
    return std::unexpected(Stop(wasm::Outcome::ended(wasm::OutcomeKind::kMisuse, std::move(why))));
  }
  WeakHome home_;
  wasm::Extern func_;
};

// What a module's imports are taken from, by module and name. Later entries win.
class Imports {
 public:
  Imports& add(std::string module, std::string name, wasm::Extern item) {
    items_[{std::move(module), std::move(name)}] = item;
    return *this;
  }
  const wasm::Extern* find(const std::string& module, const std::string& name) const;

 private:
  std::map<std::pair<std::string, std::string>, wasm::Extern> items_;
};

class Instance {
 public:
  // The exported function, when its type is that of the C++ signature (Ref fits every reference type).
  template <class Signature>
  Result<Func<Signature>> func(std::string_view name) const {
    std::vector<wasm::ValType> params;
    std::vector<wasm::ValType> results;
    describe<Signature>(params, results);
    return Func<Signature>(home_, TRY(find_func(name, params, results)));
  }
  // Any export, for Imports of another instance.
  Result<wasm::Extern> find(std::string_view name) const;
  // The exported memory's bytes; valid until the store runs again.
  Result<std::span<uint8_t>> memory(std::string_view name) const;
  template <Wasm T>
  Result<T> global(std::string_view name) const {
    const wasm::Value value = TRY(global_value(name, detail::type_of<T>()));
    return detail::from_value<T>(TRY(home_.lock("an instance")), value);
  }

 private:
  friend class Store;
  Instance(WeakHome home, wasm::InstanceId id, std::shared_ptr<wasm::TypeStore> types)
      : home_(std::move(home)), id_(id), types_(std::move(types)) {}
  template <class Signature>
  static void describe(std::vector<wasm::ValType>& params, std::vector<wasm::ValType>& results) {
    [&]<class R, class... Args>(std::type_identity<R(Args...)>) {
      (params.push_back(detail::type_of<Args>()), ...);
      detail::Results<R>::types(results);
    }(std::type_identity<Signature>());
  }
  Result<wasm::Extern> find_func(std::string_view name, std::span<const wasm::ValType> params,
                                 std::span<const wasm::ValType> results) const;
  Result<wasm::Value> global_value(std::string_view name, wasm::ValType wanted) const;

  WeakHome home_;
  wasm::InstanceId id_ = 0;
  std::shared_ptr<wasm::TypeStore> types_;
};

// One store: instances that share objects, and their resources. Everything taken from it ends with it.
class Store {
 public:
  explicit Store(const Engine& engine);

  void set_budget(const Budget& budget) { home_.store->set_budget(budget); }
  // A module of another engine, or an import of another store, is misuse.
  Expected<Instance> instantiate(const Module& module, const Imports& imports = {});
  // Ends the hold on the instance: functions found through it are refused from now on. WebAssembly that refers to it goes
  // on working.
  Result<> drop(const Instance& instance);

  // A C++ function as an import. It takes and gives numbers and Refs (externref); it may return Expected<R> to trap or
  // to pass a Stop on, and may call back into the store.
  template <class F>
  wasm::Extern func(F f) {
    return make(std::move(f), &F::operator());
  }
  // The same with the type given, for references other than externref.
  wasm::Extern func(wasm::TypeId type, wasm::HostFunc f) { return home_.store->make_func(type, std::move(f)); }

  // A new externref that carries a number of the host. Null when memory is exhausted.
  Ref host_ref(uint64_t value) { return Ref(home_, home_.store->make_host_ref(value)); }
  // New objects; fields are numbers and Refs of this store.
  template <Wasm... Fields>
  Expected<Ref> make_struct(const Type& type, const Fields&... fields) {
    std::vector<Result<wasm::Value>> values = {detail::to_value(home_, fields)...};
    return make_object(type, wasm::CompositeKind::kStruct, std::move(values));
  }
  template <Wasm T>
  Expected<Ref> make_array(const Type& type, std::span<const T> elements) {
    std::vector<Result<wasm::Value>> values;
    for (const T& element : elements) values.push_back(detail::to_value(home_, element));
    return make_object(type, wasm::CompositeKind::kArray, std::move(values));
  }
  void collect() { home_.store->collect(); }
  wasm::StoreStats stats() const { return home_.store->stats(); }
  // Judges the store's own state.
  Result<> verify() { return home_.store->verify(); }
  // What messages call it.
  uint32_t number() const { return home_.number; }
  // The interface below this one.
  wasm::Embedding& embedding() { return *home_.store; }

 private:
  template <class F, class R, class... Args>
  wasm::Extern make(F f, R (F::*)(Args...) const) {
    return make_host<R, std::remove_cvref_t<Args>...>(std::move(f));
  }
  template <class F, class R, class... Args>
  wasm::Extern make(F f, R (F::*)(Args...)) {
    return make_host<R, std::remove_cvref_t<Args>...>(std::move(f));
  }
  template <class T>
  struct Unwrapped {
    using Type = T;
    static constexpr bool kExpected = false;
  };
  template <class T>
  struct Unwrapped<Expected<T>> {
    using Type = T;
    static constexpr bool kExpected = true;
  };

  template <class R, Wasm... Args, class F>
  wasm::Extern make_host(F f) {
    using Plain = typename Unwrapped<R>::Type;
    std::vector<wasm::ValType> results;
    detail::Results<Plain>::types(results);
    const wasm::TypeId type = types_->intern_func({detail::type_of<Args>()...}, std::move(results));
    // A weak pointer: the store owns the function.
    return home_.store->make_func(type,
                                  [weak = WeakHome(home_), f = std::move(f)](
                                      wasm::Embedding&, std::span<const wasm::Value> args) mutable -> wasm::Outcome {
                                    const Result<Home> locked = weak.lock("a host function");
                                    if (!locked)
                                      return wasm::Outcome::ended(wasm::OutcomeKind::kMisuse, locked.error());
                                    const Home& home = *locked;
                                    return [&]<size_t... I>(std::index_sequence<I...>) -> wasm::Outcome {
                                      std::tuple<Args...> values(detail::from_value<Args>(home, args[I])...);
                                      if constexpr (Unwrapped<R>::kExpected) {
                                        R result = std::apply(f, values);
                                        if (!result) return result.error().outcome();
                                        if constexpr (std::is_void_v<Plain>) {
                                          return wasm::Outcome::ok();
                                        } else {
                                          return give<Plain>(home, *result);
                                        }
                                      } else if constexpr (std::is_void_v<R>) {
                                        std::apply(f, values);
                                        return wasm::Outcome::ok();
                                      } else {
                                        return give<R>(home, std::apply(f, values));
                                      }
                                    }(std::index_sequence_for<Args...>());
                                  });
  }
  template <class R>
  static wasm::Outcome give(const Home& home, const R& result) {
    std::vector<wasm::Value> values;
    if (auto given = detail::Results<R>::give(home, result, values); !given) {
      return wasm::Outcome::ended(wasm::OutcomeKind::kMisuse, given.error());
    }
    return wasm::Outcome::ok(std::move(values));
  }

  Expected<Ref> make_object(const Type& type, wasm::CompositeKind kind, std::vector<Result<wasm::Value>> values);
  friend class Scope;

  Home home_;
  std::shared_ptr<wasm::TypeStore> types_;
};

// A reference that ends with its scope: one word to copy, nothing to release.
class Local {
 public:
  // Error kUsage after the scope was closed.
  Result<Ref> get() const;

 private:
  friend class Scope;
  struct State {
    std::vector<Ref> refs;
    uint32_t store = 0;
    bool open = true;
  };
  Local(std::shared_ptr<State> state, size_t index) : state_(std::move(state)), index_(index) {}
  std::shared_ptr<State> state_;
  size_t index_;
};

// Holds references for a while: all of them are released together, and later uses are refused.
class Scope {
 public:
  explicit Scope(const Store& store);
  ~Scope() { close(); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  Local keep(Ref ref);
  size_t size() const { return state_->refs.size(); }
  void close();

 private:
  std::shared_ptr<Local::State> state_;
};

// A host function's way to trap: return std::unexpected(api::trap()).
inline Stop trap(TrapKind kind = TrapKind::kHostTrap) { return Stop(wasm::Outcome::trapped(kind)); }

template <Wasm T>
Result<T> Ref::get(uint64_t index) const {
  const wasm::Value found = TRY(field(index));
  if (found.kind != detail::type_of<T>().kind()) return fail(ErrorCode::kUsage, 0, "the field has another type");
  return detail::from_value<T>(TRY(home_.lock("a reference")), found);
}

template <Wasm T>
Result<> Ref::set(uint64_t index, const T& value) {
  return set_field(index, TRY(detail::to_value(TRY(home_.lock("a reference")), value)));
}

}  // namespace parallax::api
