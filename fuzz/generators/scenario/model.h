// The model of the C API that scenarios are judged by: which handles live, what they name, what is in which store, and
// therefore how each call must end. It knows the rules of docs/embedding.md and nothing of how they are kept.
//
// A call is looked at in one order, the same for every function: the thing that is used (null, deleted, of another kind,
// its store gone), then its arguments from left to right (deleted, no reference, of another store or one that is gone),
// then their types, then what the instructions do.
#pragma once

#include <optional>
#include <vector>

#include "fuzz/generators/scenario/scenario.h"

namespace parallax::fuzz::scenario {

enum class Kind : uint8_t {
  kStore,
  kModule,
  kShared,
  kInstance,
  kFunc,
  kGlobal,
  kTable,
  kTag,
  kRef,
  kForeign,
  kType,
  kScope
};

struct Handle {
  Kind kind = Kind::kStore;
  uint32_t store = 0;
  bool deleted = false;
  uint32_t thing = 0;  // number among its kind; of kRef: index of `value`'s object, or the i31
  Seen value;          // kRef, kForeign, kFunc: as a reference
};

struct Store {
  HandleNo handle = kNoHandle;
  HandleNo pair_type = kNoHandle;  // a handle of type $pair, made with the store
  bool alive = true;
  std::vector<std::vector<HandleNo>> scopes;  // references of open scopes, innermost last
  std::vector<HandleNo> scope_handles;
};
struct Object {
  uint32_t store = 0;
  int32_t number = 0;
  Seen next{Seen::Kind::kNull, 0};
};
struct Global {
  uint32_t store = 0;
  Seen value{Seen::Kind::kNull, 0};
};
struct Table {
  uint32_t store = 0;
  std::vector<Seen> elements = std::vector<Seen>(kTableSize, Seen{Seen::Kind::kNull, 0});
};
struct Instance {
  uint32_t store = 0;
  ModuleText text = ModuleText::kLibrary;
  uint32_t global = 0, table = 0, tag = 0;  // own or imported
  uint32_t imported = 0;                    // function that it imports
  std::vector<uint32_t> funcs;
};
struct Func {
  uint32_t store = 0;
  bool is_host = false;
  ExportName name = ExportName::kMake;
  uint32_t instance = 0;
};
struct Module {
  uint32_t store = 0;
  ModuleText text = ModuleText::kLibrary;
};

// What using a handle must come to, if it is not fine.
using Refusal = std::optional<parallax_error_t>;

struct Model {
  std::vector<Handle> handles;
  std::vector<Store> stores;
  std::vector<Object> objects;     // pairs
  std::vector<uint32_t> foreigns;  // by number: their store
  std::vector<Global> globals;
  std::vector<Table> tables;
  std::vector<uint32_t> tags;  // their store
  std::vector<Instance> instances;
  std::vector<Func> funcs;
  std::vector<Module> modules;

  HandleNo add(Handle handle);
  // A handle of a reference, known to the innermost scope of its store; kNoHandle for null.
  HandleNo add_ref(uint32_t store, const Seen& value);
  void remove(HandleNo handle) { handles[handle].deleted = true; }

  bool alive(uint32_t store) const { return stores[store].alive; }
  // The use of a thing of this kind.
  Refusal use(HandleNo handle, Kind kind) const;
  // A store, by its own handle.
  Refusal use_store(HandleNo handle) const { return live(handle, Kind::kStore); }
  // Live, and of this kind; its store may be gone.
  Refusal live(HandleNo handle, Kind kind) const;
  // A reference given to `store`: null, or what may stand as a value and is of this store.
  Refusal give_ref(HandleNo handle, uint32_t store) const;
  // Something of any kind that must be of this store.
  Refusal same_store(HandleNo handle, uint32_t store) const;
  // The value of a reference that give_ref admitted.
  Seen value_of(HandleNo handle) const;
  // Whether a value matches the type of this letter (exports.def).
  static bool matches(const Seen& value, char letter);
};

}  // namespace parallax::fuzz::scenario
