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
// exhausted budget. References are `Ref`: rooted while the C++ object lives, so collections may come and go; a Ref used
// with another store, or after its store is gone, gives an error, never undefined behaviour.
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

struct Options {
  OptLevel level = OptLevel::kO2;
  GcKind collector = GcKind::kMoving;
  uint64_t heap_bytes = uint64_t{1} << 30;  // address space for objects of one store
  bool armed = false;                       // run-time checks of the engine itself
};

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
  Ref(std::shared_ptr<wasm::Embedding> store, const wasm::Value& value);
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
  // Whether both are the same object.
  bool same_as(const Ref& other) const;

  // For the API's own use: the value as of now, error when the store is gone.
  Result<wasm::Value> value() const;

 private:
  void swap(Ref& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(i31_, other.i31_);
    std::swap(store_, other.store_);
    std::swap(root_, other.root_);
  }
  Result<wasm::Value> field(uint64_t index) const;

  RefKind kind_ = RefKind::kNull;
  uint32_t i31_ = 0;
  std::weak_ptr<wasm::Embedding> store_;
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

// Numbers never fail; a Ref fails when its store is gone.
template <Wasm T>
Result<wasm::Value> to_value(const T& x) {
  if constexpr (std::same_as<T, Ref>) {
    return x.value();
  } else {
    wasm::Value value{type_of<T>().kind(), 0, 0, {}};
    __builtin_memcpy(&value.low, &x, sizeof(x));
    return value;
  }
}

template <Wasm T>
T from_value(const std::shared_ptr<wasm::Embedding>& store, const wasm::Value& value) {
  if constexpr (std::same_as<T, Ref>) {
    return Ref(store, value);
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
  static R take(const std::shared_ptr<wasm::Embedding>& store, std::span<const wasm::Value> values) {
    return from_value<R>(store, values[0]);
  }
  static Result<> give(const R& result, std::vector<wasm::Value>& out) {
    out.push_back(TRY(to_value(result)));
    return {};
  }
};
template <>
struct Results<void> {
  static void types(std::vector<wasm::ValType>&) {}
  static void take(const std::shared_ptr<wasm::Embedding>&, std::span<const wasm::Value>) {}
};
template <class... R>
struct Results<std::tuple<R...>> {
  static void types(std::vector<wasm::ValType>& out) { (out.push_back(type_of<R>()), ...); }
  static std::tuple<R...> take(const std::shared_ptr<wasm::Embedding>& store, std::span<const wasm::Value> values) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return std::tuple<R...>(from_value<R>(store, values[I])...);
    }(std::index_sequence_for<R...>());
  }
  static Result<> give(const std::tuple<R...>& results, std::vector<wasm::Value>& out) {
    Result<> done;
    std::apply([&](const auto&... r) { ((done = done ? Results<R>::give(r, out) : done), ...); }, results);
    return done;
  }
};

// Whether a C++ signature may call or import this type: numbers exactly, Ref for any reference.
bool signature_fits(std::span<const wasm::ValType> wanted, std::span<const wasm::ValType> declared);

}  // namespace detail

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
    std::vector<wasm::Value> values;
    Result<> usable;
    const auto add = [&](const auto& arg) {
      auto value = detail::to_value(arg);
      if (value) {
        values.push_back(*value);
      } else {
        usable = std::unexpected(value.error());
      }
    };
    (add(args), ...);
    const auto store = store_.lock();
    if (!store) usable = fail(ErrorCode::kUsage, 0, "the function's store is gone");
    if (!usable) return std::unexpected(Stop(wasm::Outcome::ended(wasm::OutcomeKind::kMisuse, usable.error())));
    wasm::Outcome outcome = store->call(func_, values);
    if (!outcome.returned()) return std::unexpected(Stop(std::move(outcome)));
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return detail::Results<R>::take(store, outcome.values);
    }
  }
  wasm::Extern raw() const { return func_; }

 private:
  friend class Instance;
  Func(std::weak_ptr<wasm::Embedding> store, wasm::Extern func) : store_(std::move(store)), func_(func) {}
  std::weak_ptr<wasm::Embedding> store_;
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
    return Func<Signature>(store_, TRY(find_func(name, params, results)));
  }
  // Any export, for Imports of another instance.
  Result<wasm::Extern> find(std::string_view name) const;
  // The exported memory's bytes; valid until the store runs again.
  Result<std::span<uint8_t>> memory(std::string_view name) const;
  template <Wasm T>
  Result<T> global(std::string_view name) const {
    const wasm::Value value = TRY(global_value(name, detail::type_of<T>()));
    const auto store = store_.lock();
    return detail::from_value<T>(store, value);
  }

 private:
  friend class Store;
  Instance(std::weak_ptr<wasm::Embedding> store, wasm::InstanceId id, std::shared_ptr<wasm::TypeStore> types)
      : store_(std::move(store)), id_(id), types_(std::move(types)) {}
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

  std::weak_ptr<wasm::Embedding> store_;
  wasm::InstanceId id_ = 0;
  std::shared_ptr<wasm::TypeStore> types_;
};

// One store: instances that share objects, and their resources. Everything taken from it ends with it.
class Store {
 public:
  explicit Store(const Engine& engine);

  void set_budget(const Budget& budget) { store_->set_budget(budget); }
  Expected<Instance> instantiate(const Module& module, const Imports& imports = {});

  // A C++ function as an import. It takes and gives numbers and Refs (externref); it may return Expected<R> to trap or
  // to pass a Stop on, and may call back into the store.
  template <class F>
  wasm::Extern func(F f) {
    return make(std::move(f), &F::operator());
  }
  // The same with the type given, for references other than externref.
  wasm::Extern func(wasm::TypeId type, wasm::HostFunc f) { return store_->make_func(type, std::move(f)); }

  // A new externref that carries a number of the host. Null when memory is exhausted.
  Ref host_ref(uint64_t value) { return Ref(store_, store_->make_host_ref(value)); }
  void collect() { store_->collect(); }
  wasm::StoreStats stats() const { return store_->stats(); }
  // The interface below this one.
  wasm::Embedding& embedding() { return *store_; }

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
    return store_->make_func(type,
                             [weak = std::weak_ptr(store_), f = std::move(f)](
                                 wasm::Embedding&, std::span<const wasm::Value> args) mutable -> wasm::Outcome {
                               const auto store = weak.lock();
                               return [&]<size_t... I>(std::index_sequence<I...>) -> wasm::Outcome {
                                 std::tuple<Args...> values(detail::from_value<Args>(store, args[I])...);
                                 if constexpr (Unwrapped<R>::kExpected) {
                                   R result = std::apply(f, values);
                                   if (!result) return result.error().outcome();
                                   if constexpr (std::is_void_v<Plain>) {
                                     return wasm::Outcome::ok();
                                   } else {
                                     return give<Plain>(*result);
                                   }
                                 } else if constexpr (std::is_void_v<R>) {
                                   std::apply(f, values);
                                   return wasm::Outcome::ok();
                                 } else {
                                   return give<R>(std::apply(f, values));
                                 }
                               }(std::index_sequence_for<Args...>());
                             });
  }
  template <class R>
  static wasm::Outcome give(const R& result) {
    std::vector<wasm::Value> values;
    if (auto given = detail::Results<R>::give(result, values); !given) {
      return wasm::Outcome::ended(wasm::OutcomeKind::kMisuse, given.error());
    }
    return wasm::Outcome::ok(std::move(values));
  }

  std::shared_ptr<wasm::Embedding> store_;
  std::shared_ptr<wasm::TypeStore> types_;
};

// A host function's way to trap: return std::unexpected(api::trap()).
inline Stop trap(TrapKind kind = TrapKind::kHostTrap) { return Stop(wasm::Outcome::trapped(kind)); }

template <Wasm T>
Result<T> Ref::get(uint64_t index) const {
  const wasm::Value found = TRY(field(index));
  if (found.kind != detail::type_of<T>().kind()) return fail(ErrorCode::kUsage, 0, "the field has another type");
  return detail::from_value<T>(store_.lock(), found);
}

}  // namespace parallax::api
