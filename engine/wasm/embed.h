// The embedding interface that both runtimes implement: stores, instances, externs, values, outcomes.
//
// The interpreter (interp/) and the engine (engine/runtime + engine/jit) each implement `Embedding`; the test runner for
// specification scripts, the differential oracle and the command line use only this file. It shares no state between
// implementations: every handle belongs to the Embedding that made it.
//
// An Embedding is one store. References inside Value are opaque names that stay valid until the next call of a
// function marked [may collect]; to keep one longer, root it. All handles are slab ids: using one after release or in
// another Embedding gives OutcomeKind::kMisuse with a text that says what was used where, never undefined behaviour.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/module.h"
#include "engine/wasm/traps.h"
#include "engine/wasm/types.h"

namespace parallax::wasm {

// A reference as an embedder sees it. `name` is the executor's own name (heap reference, slab id); 0 is null.
// i31 values and null are plain; everything else must be inspected through the Embedding.
enum class RefKind : uint8_t { kNull, kI31, kStruct, kArray, kFunc, kHost, kExn };
// A reference converted by extern.convert_any keeps its kind and name: conversion is not observable from outside.
struct Ref {
  RefKind kind = RefKind::kNull;
  uint64_t name = 0;  // kI31: the 31 bits, zero-extended
  friend bool operator==(const Ref&, const Ref&) = default;
};

struct Value {
  ValKind kind = ValKind::kI32;
  uint64_t low = 0;   // i32 and f32 zero-extended; v128: bytes 0..7
  uint64_t high = 0;  // v128: bytes 8..15
  Ref ref;            // kind == kRef

  static Value i32(uint32_t v) { return {ValKind::kI32, v, 0, {}}; }
  static Value i64(uint64_t v) { return {ValKind::kI64, v, 0, {}}; }
  static Value f32_bits(uint32_t v) { return {ValKind::kF32, v, 0, {}}; }
  static Value f64_bits(uint64_t v) { return {ValKind::kF64, v, 0, {}}; }
  static Value v128(uint64_t lo, uint64_t hi) { return {ValKind::kV128, lo, hi, {}}; }
  static Value reference(Ref r) { return {ValKind::kRef, 0, 0, r}; }
  static Value null() { return {ValKind::kRef, 0, 0, {}}; }
  // The default value of a defaultable type.
  static Value zero(ValType type) { return {type.kind(), 0, 0, {}}; }
};

enum class OutcomeKind : uint8_t {
  kReturned,
  kTrapped,         // trap
  kThrew,           // an exception left the outermost call: tag, payload
  kFuelExhausted,   // Budget::fuel
  kStackExhausted,  // Budget::call_depth; the specification's "call stack exhausted"
  kHeapExhausted,   // Budget::allocated_bytes
  kRejected,        // decode or validation said no (error)
  kUnlinkable,      // an import did not match (error)
  kUnsupported,     // this executor cannot do it (error says what); inconclusive by definition
  kOutOfMemory,     // real memory, not the budget: inconclusive
  kNativeStack,     // the machine's stack, not the budget: inconclusive
  kMisuse,          // a handle of another store, or stale (error says which, and both origins)
  kInvariant,       // a violated invariant found while compiling or by an armed check (error starts with its id)
};
const char* to_string(OutcomeKind kind);

// Names a thing of one store: function, table, memory, global, tag. A slab id: tag, generation and index.
struct Extern {
  ExternKind kind = ExternKind::kFunc;
  uint64_t id = 0;
  friend bool operator==(const Extern&, const Extern&) = default;
};

struct Outcome {
  OutcomeKind kind = OutcomeKind::kReturned;
  TrapKind trap = TrapKind::kUnreachable;  // kTrapped
  Extern tag;                              // kThrew
  std::vector<Value> values;               // kReturned: results; kThrew: payload
  // kTrapped: where, if known (not compared).
  FuncIndex func;
  WasmOffset offset = 0;
  Error error;  // kRejected, kUnlinkable, kUnsupported, kMisuse, kInvariant

  bool returned() const { return kind == OutcomeKind::kReturned; }
  static Outcome ok(std::vector<Value> values = {}) { return {.values = std::move(values)}; }
  static Outcome trapped(TrapKind kind) { return {.kind = OutcomeKind::kTrapped, .trap = kind}; }
  static Outcome ended(OutcomeKind kind, Error error = {}) { return {.kind = kind, .error = std::move(error)}; }
};

class Embedding;
using InstanceId = uint64_t;  // slab id; 0 is none
using RootId = uint64_t;      // slab id; 0 is none

// A host function: gets its arguments, gives an Outcome (kReturned with results, kTrapped, kThrew with tag and payload,
// or an exhaustion that it got from a nested call, which it must pass on). May call back into `store` [may collect].
// Reference arguments are valid until the first such call; root them to keep them.
using HostFunc = std::function<Outcome(Embedding& store, std::span<const Value> args)>;

// How an object looks from outside: what the graph digest and test assertions read.
struct ObjectView {
  RefKind kind = RefKind::kNull;
  TypeId type;              // kStruct, kArray, kFunc: canonical type
  Extern tag;               // kExn
  uint64_t length = 0;      // fields, elements or payload values
  uint64_t host_value = 0;  // kHost: what make_host_ref was given
};

// What a thing of a store is; limits' minimum is its present size.
struct ExternType {
  ExternKind kind = ExternKind::kFunc;
  TypeId type;  // kFunc, kTag
  TableType table;
  MemoryType memory;
  GlobalType global;
};

// Counters of one store, for reports and for budgets of tests.
struct StoreStats {
  uint64_t collections = 0;
  uint64_t live_bytes_after_last = 0;
  uint64_t allocated_bytes = 0;  // as charged to the budget
  uint64_t allocated_objects = 0;
  uint64_t fuel_used = 0;
};

class Embedding {
 public:
  virtual ~Embedding() = default;
  virtual const char* name() const = 0;

  // Budgets count from here on; used amounts restart at zero.
  virtual void set_budget(const Budget& budget) = 0;

  // --- Instances -------------------------------------------------------------------------------------------------
  // Instantiates a validated module whose TypeStore is this store's. `imports` are in the module's order. On kReturned
  // `instance` names the new instance; on a trap in a segment or the start function `instance` is 0 although side
  // effects remain (specification, "Instantiation"). [may collect]
  virtual Outcome instantiate(std::shared_ptr<const Module> module, std::span<const Extern> imports,
                              InstanceId& instance) = 0;
  // The export of this name, if any (Result error kUsage when there is none, or the instance is stale).
  virtual Result<Extern> find_export(InstanceId instance, std::string_view name) = 0;
  // Ends the embedder's hold: the InstanceId and every Extern found through it become stale handles, whose use is
  // kMisuse for ever, also after the slab's slot was reused. WebAssembly code that still refers to the instance's
  // functions, memories, tables or globals goes on working.
  virtual Result<> drop_instance(InstanceId instance) = 0;

  // --- Calls -----------------------------------------------------------------------------------------------------
  // Arguments must match the function's type (kMisuse otherwise). [may collect]
  virtual Outcome call(Extern func, std::span<const Value> args) = 0;

  // --- Host-made externs -------------------------------------------------------------------------------------------
  virtual Extern make_func(TypeId type, HostFunc func) = 0;
  virtual Extern make_table(const TableType& type, const Value& init) = 0;
  virtual Extern make_memory(const MemoryType& type) = 0;
  virtual Extern make_global(const GlobalType& type, const Value& init) = 0;
  virtual Extern make_tag(TypeId type) = 0;
  // An externref that carries a host value. Equal host values need not give equal names. [may collect]
  virtual Value make_host_ref(uint64_t host_value) = 0;
  // The funcref of a function extern, and back (Result error for null or a non-function).
  virtual Value func_ref(Extern func) = 0;
  virtual Result<Extern> func_of(const Value& ref) = 0;

  // --- State -----------------------------------------------------------------------------------------------------
  virtual Result<ValType> global_type(Extern global) = 0;
  virtual Result<TypeId> func_type(Extern func) = 0;
  virtual Result<TypeId> tag_type(Extern tag) = 0;
  virtual Result<Value> global_get(Extern global) = 0;
  virtual Result<> global_set(Extern global, const Value& value) = 0;
  virtual Result<uint64_t> table_size(Extern table) = 0;
  virtual Outcome table_get(Extern table, uint64_t index) = 0;
  virtual Outcome table_set(Extern table, uint64_t index, const Value& value) = 0;
  // The memory's bytes; valid until the next call into the store.
  virtual Result<std::span<uint8_t>> memory(Extern memory) = 0;

  // --- References --------------------------------------------------------------------------------------------------
  // Keeps what `value` refers to alive and reachable by the id, wherever it moves.
  virtual RootId root(const Value& value) = 0;
  virtual Result<Value> rooted(RootId root) = 0;
  virtual Result<> unroot(RootId root) = 0;
  // Whether two references are the same object (ref.eq, extended to every hierarchy).
  virtual bool same(const Value& a, const Value& b) = 0;
  // Requires a non-null, non-i31 reference. Error kInvariant when the name does not denote a live object.
  virtual Result<ObjectView> inspect(const Value& ref) = 0;
  // Field, element or payload value `index`; packed ones zero-extended.
  virtual Result<Value> field(const Value& ref, uint64_t index) = 0;
  // Whether the reference matches the type (the store's own cast check).
  virtual bool matches(const Value& ref, ValType type) = 0;

  // --- For programs that embed (engine/api); a case needs none of it. Unless overridden: error kUnsupported -----------
  virtual Result<ExternType> type_of(Extern item);
  // A number that two externs of this store share exactly if they are the same thing.
  virtual Result<uint64_t> identity_of(Extern item);
  // The old size; error kLimit when the type, the budget or the machine forbids the new one.
  virtual Result<uint64_t> table_grow(Extern table, uint64_t delta, const Value& init);
  virtual Result<uint64_t> memory_grow(Extern memory, uint64_t delta_pages);
  // A new object of a struct or array type of this store's TypeStore, charged to the budget. [may collect]
  virtual Outcome make_struct(TypeId type, std::span<const Value> fields);
  virtual Outcome make_array(TypeId type, std::span<const Value> elements);
  // Packed fields keep the low bits. Error kUsage: no such field, immutable, or the value does not match.
  virtual Result<> set_field(const Value& ref, uint64_t index, const Value& value);

  // --- Collection ----------------------------------------------------------------------------------------------------
  virtual void collect() = 0;  // [may collect]
  virtual StoreStats stats() const = 0;
  // Judges the store's own state (heap verifier and the like); error kInvariant with the first violation.
  virtual Result<> verify() = 0;
};

}  // namespace parallax::wasm
