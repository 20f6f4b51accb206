// Misuse of the C API: every row of docs/embedding.md's table, on both executors. Each is refused with its class and a
// message that says what was used where and where it came from, and nothing breaks: the stores work on.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "engine/api/include/parallax_gc.h"

namespace {

using testing::Test;
using testing::TestWithParam;

std::string message_of(wasm_trap_t* trap) {
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  std::string text(message.data == nullptr ? "" : message.data);
  wasm_byte_vec_delete(&message);
  return text;
}

constexpr const char* kModule = R"((module
  (type $pair (struct (field (mut i32)) (field i32)))
  (import "" "host" (func $host (result i32)))
  (func (export "id") (param externref) (result externref) (local.get 0))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "ask") (result i32) (call $host))
  (func (export "pair") (param i32) (result (ref $pair)) (struct.new $pair (local.get 0) (i32.const 9)))
  (func (export "first") (param (ref null $pair)) (result i32) (struct.get $pair 0 (local.get 0)))
  (global (export "fixed") i32 (i32.const 3))
  (global (export "any") (mut anyref) (ref.null any))
  (table (export "table") 2 externref)
  (memory (export "memory") 1))
)";
enum ExportIndex { kId, kAdd, kAsk, kPair, kFirst, kFixed, kAny, kTable, kMemory };

std::function<wasm_trap_t*(wasm_val_vec_t*)> g_host;
wasm_trap_t* host(const wasm_val_vec_t*, wasm_val_vec_t* results) {
  results->data[0].kind = WASM_I32;
  results->data[0].of.i32 = 1;
  return g_host ? g_host(results) : nullptr;
}

// A store with one instance of kModule.
struct World {
  explicit World(wasm_engine_t* engine) {
    store = wasm_store_new(engine);
    module = parallax_module_new_text(store, kModule);
    wasm_functype_t* type = wasm_functype_new_0_1(wasm_valtype_new_i32());
    func = wasm_func_new(store, type, host);
    wasm_functype_delete(type);
    wasm_extern_t* items[] = {wasm_func_as_extern(func)};
    const wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
    instance = wasm_instance_new(store, module, &imports, nullptr);
    wasm_instance_exports(instance, &exports);
  }
  World(const World&) = delete;
  ~World() {
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_func_delete(func);
    wasm_module_delete(module);
    if (store != nullptr) drop();
  }
  void drop() { wasm_store_delete(std::exchange(store, nullptr)); }

  wasm_func_t* at(ExportIndex i) { return wasm_extern_as_func(exports.data[i]); }
  // The trap of a call, or null; the first result in `result`.
  wasm_trap_t* call(const wasm_func_t* callee, std::vector<wasm_val_t> args = {}) {
    wasm_val_vec_t given = {args.size(), args.data()};
    wasm_val_t one[1] = {WASM_INIT_VAL};
    wasm_val_vec_t results = WASM_ARRAY_VEC(one);
    wasm_trap_t* const trap = wasm_func_call(callee, &given, &results);
    result = one[0];
    return trap;
  }

  wasm_store_t* store;
  wasm_module_t* module;
  wasm_func_t* func;
  wasm_instance_t* instance;
  wasm_extern_vec_t exports{};
  wasm_val_t result = WASM_INIT_VAL;
};

wasm_val_t ref_val(wasm_ref_t* ref) { return WASM_REF_VAL(ref); }
wasm_val_t i32_val(int32_t i) { return WASM_I32_VAL(i); }

class Misuse : public TestWithParam<parallax_executor_t> {
 protected:
  Misuse() : before_(parallax_live_handles()) {
    wasm_config_t* const config = wasm_config_new();
    parallax_config_set_executor(config, GetParam());
    engine = wasm_engine_new_with_config(config);
    a = std::make_unique<World>(engine);
    b = std::make_unique<World>(engine);
    parallax_error_clear();
    g_host = nullptr;
  }
  ~Misuse() override {
    for (World* const world : {a.get(), b.get()}) {
      if (world == nullptr || world->store == nullptr) continue;
      EXPECT_EQ(world->call(world->at(kAdd), {i32_val(2), i32_val(3)}), nullptr) << "the store works on";
      EXPECT_EQ(world->result.of.i32, 5);
      EXPECT_TRUE(parallax_store_verify(world->store)) << parallax_error_message();
    }
    a.reset();
    b.reset();
    wasm_engine_delete(engine);
    EXPECT_EQ(parallax_live_handles(), before_);
  }
  // The last call was refused for this reason, and the message says each of `parts`.
  void expect_refused(parallax_error_t code, std::vector<std::string> parts) {
    EXPECT_EQ(parallax_error(), code) << parallax_error_message();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(parallax_error_message()).find(part), std::string::npos)
          << part << " is not in: " << parallax_error_message();
    }
    parallax_error_clear();
  }
  void expect_refused(wasm_trap_t* trap, parallax_error_t code, std::vector<std::string> parts) {
    ASSERT_NE(trap, nullptr);
    EXPECT_EQ(parallax_trap_kind(trap), PARALLAX_TRAP_REFUSED);
    EXPECT_EQ(parallax_trap_error(trap), code) << message_of(trap);
    EXPECT_EQ(message_of(trap), parallax_error_message());
    expect_refused(code, std::move(parts));
    wasm_trap_delete(trap);
  }

  size_t before_;
  wasm_engine_t* engine;
  std::unique_ptr<World> a, b;
};

TEST_P(Misuse, NullIsRefused) {
  expect_refused(wasm_func_call(nullptr, nullptr, nullptr), PARALLAX_ERROR_NULL_HANDLE, {"wasm_func_call", "is null"});
  EXPECT_EQ(wasm_store_new(nullptr), nullptr);
  expect_refused(PARALLAX_ERROR_NULL_HANDLE, {"wasm_store_new", "the engine is null"});
  EXPECT_EQ(wasm_module_new(a->store, nullptr), nullptr);
  expect_refused(PARALLAX_ERROR_NULL_HANDLE, {"wasm_module_new"});
  wasm_func_delete(nullptr);
  EXPECT_EQ(parallax_error(), PARALLAX_ERROR_NONE);
}

TEST_P(Misuse, PointersThatAreNoHandlesAreRefused) {
  int number = 0;
  expect_refused(wasm_func_call(reinterpret_cast<wasm_func_t*>(&number), nullptr, nullptr), PARALLAX_ERROR_FORGED,
                 {"is not a handle of this API"});
  EXPECT_EQ(wasm_store_new(reinterpret_cast<wasm_engine_t*>(&number)), nullptr);
  expect_refused(PARALLAX_ERROR_FORGED, {"wasm_store_new", "the engine"});
}

TEST_P(Misuse, DeletedHandlesAreRefusedAlsoAfterTheirPlaceIsUsedAgain) {
  wasm_func_t* const copy = wasm_func_copy(a->at(kAdd));
  wasm_func_delete(copy);
  expect_refused(a->call(copy, {i32_val(1), i32_val(1)}), PARALLAX_ERROR_DELETED,
                 {"function made by wasm_func_copy in store", "deleted by wasm_func_delete"});
  wasm_func_t* const again = wasm_func_copy(a->at(kAdd));  // in the same place
  expect_refused(a->call(copy, {i32_val(1), i32_val(1)}), PARALLAX_ERROR_DELETED, {"deleted by wasm_func_delete"});
  wasm_func_delete(copy);  // the second time
  expect_refused(PARALLAX_ERROR_DELETED, {"wasm_func_delete"});
  EXPECT_EQ(a->call(again, {i32_val(1), i32_val(1)}), nullptr);
  wasm_func_delete(again);
}

TEST_P(Misuse, HandlesOfAnotherKindAreRefused) {
  expect_refused(a->call(reinterpret_cast<wasm_func_t*>(a->module)), PARALLAX_ERROR_WRONG_KIND,
                 {"module made by parallax_module_new_text", "an extern is needed"});
  expect_refused(a->call(reinterpret_cast<wasm_func_t*>(a->exports.data[kMemory])), PARALLAX_ERROR_WRONG_KIND,
                 {"memory made by wasm_instance_exports", "function is needed"});
  expect_refused(a->call(a->at(kId), {ref_val(wasm_module_as_ref(a->module))}), PARALLAX_ERROR_WRONG_KIND,
                 {"argument 0", "module"});
  EXPECT_EQ(wasm_extern_as_func(a->exports.data[kMemory]), nullptr);
}

TEST_P(Misuse, ReferencesOfAnotherStoreAreRefused) {
  wasm_foreign_t* const foreign = wasm_foreign_new(b->store);
  expect_refused(a->call(a->at(kId), {ref_val(wasm_foreign_as_ref(foreign))}), PARALLAX_ERROR_OTHER_STORE,
                 {"argument 0 is a foreign object made by wasm_foreign_new in store", "used in store"});
  ASSERT_EQ(b->call(b->at(kPair), {i32_val(4)}), nullptr);
  wasm_ref_t* const pair = b->result.of.ref;
  expect_refused(a->call(a->at(kFirst), {ref_val(pair)}), PARALLAX_ERROR_OTHER_STORE, {"wasm_func_call (result)"});
  const wasm_val_t value = ref_val(pair);
  wasm_global_set(wasm_extern_as_global(a->exports.data[kAny]), &value);
  expect_refused(PARALLAX_ERROR_OTHER_STORE, {"wasm_global_set", "the value"});
  EXPECT_FALSE(wasm_table_set(wasm_extern_as_table(a->exports.data[kTable]), 0, wasm_foreign_as_ref(foreign)));
  expect_refused(PARALLAX_ERROR_OTHER_STORE, {"wasm_table_set"});
  EXPECT_FALSE(wasm_table_set(wasm_extern_as_table(a->exports.data[kTable]), 0, wasm_func_as_ref(b->at(kAdd))));
  expect_refused(PARALLAX_ERROR_OTHER_STORE, {"function made by wasm_instance_exports"});
  wasm_ref_delete(pair);
  wasm_foreign_delete(foreign);
}

TEST_P(Misuse, ModulesAndImportsOfAnotherStoreAreRefused) {
  wasm_extern_t* own[] = {wasm_func_as_extern(a->func)};
  wasm_extern_t* others[] = {wasm_func_as_extern(b->func)};
  const wasm_extern_vec_t own_imports = WASM_ARRAY_VEC(own);
  const wasm_extern_vec_t other_imports = WASM_ARRAY_VEC(others);
  wasm_trap_t* trap = nullptr;
  EXPECT_EQ(wasm_instance_new(a->store, b->module, &own_imports, &trap), nullptr);
  expect_refused(trap, PARALLAX_ERROR_OTHER_STORE, {"wasm_instance_new", "the module is a module made by"});
  EXPECT_EQ(wasm_instance_new(a->store, a->module, &other_imports, &trap), nullptr);
  expect_refused(trap, PARALLAX_ERROR_OTHER_STORE, {"import 0 (.host)"});
  EXPECT_EQ(wasm_instance_new(a->store, a->module, nullptr, &trap), nullptr);
  expect_refused(trap, PARALLAX_ERROR_ARITY, {"0 imports are given, 1 are expected"});
}

TEST_P(Misuse, SharedModulesStayWithTheirEngine) {
  wasm_shared_module_t* const shared = wasm_module_share(a->module);
  wasm_module_t* const obtained = wasm_module_obtain(b->store, shared);
  EXPECT_NE(obtained, nullptr);
  wasm_module_delete(obtained);
  wasm_engine_t* const other = wasm_engine_new();
  wasm_store_t* const store = wasm_store_new(other);
  EXPECT_EQ(wasm_module_obtain(store, shared), nullptr);
  expect_refused(PARALLAX_ERROR_OTHER_ENGINE, {"shared by engine", "is of engine"});
  wasm_store_delete(store);
  wasm_engine_delete(other);
  wasm_shared_module_delete(shared);
}

TEST_P(Misuse, NothingOfADeletedStoreCanBeUsed) {
  wasm_foreign_t* const foreign = wasm_foreign_new(b->store);
  ASSERT_EQ(b->call(b->at(kPair), {i32_val(4)}), nullptr);
  wasm_ref_t* const pair = b->result.of.ref;
  wasm_ref_t* const copy = wasm_ref_copy(pair);
  wasm_store_t* const gone = b->store;
  b->drop();
  const std::vector<std::string> says = {"was deleted by wasm_store_delete"};
  expect_refused(b->call(b->at(kAdd), {i32_val(1), i32_val(1)}), PARALLAX_ERROR_STORE_GONE, says);
  expect_refused(a->call(a->at(kFirst), {ref_val(pair)}), PARALLAX_ERROR_STORE_GONE,
                 {"which was deleted by", "used in"});
  expect_refused(a->call(a->at(kId), {ref_val(wasm_foreign_as_ref(foreign))}), PARALLAX_ERROR_STORE_GONE, {});
  wasm_val_t out;
  EXPECT_FALSE(parallax_ref_get(pair, 0, &out));
  expect_refused(PARALLAX_ERROR_STORE_GONE, says);
  wasm_global_get(wasm_extern_as_global(b->exports.data[kFixed]), &out);
  expect_refused(PARALLAX_ERROR_STORE_GONE, says);
  EXPECT_EQ(wasm_memory_data(wasm_extern_as_memory(b->exports.data[kMemory])), nullptr);
  expect_refused(PARALLAX_ERROR_STORE_GONE, says);
  wasm_extern_vec_t exports;
  wasm_instance_exports(b->instance, &exports);
  EXPECT_EQ(exports.size, 0u);
  expect_refused(PARALLAX_ERROR_STORE_GONE, says);
  EXPECT_EQ(wasm_foreign_new(gone), nullptr);
  expect_refused(PARALLAX_ERROR_DELETED, {"store made by wasm_store_new"});
  EXPECT_TRUE(wasm_ref_same(pair, copy));
  wasm_ref_delete(pair);
  wasm_ref_delete(copy);
  wasm_foreign_delete(foreign);
  // A module's bytes are its own.
  wasm_byte_vec_t bytes;
  wasm_module_serialize(b->module, &bytes);
  EXPECT_GT(bytes.size, 0u);
  wasm_byte_vec_delete(&bytes);
}

TEST_P(Misuse, AStoreMayBeDeletedByItsOwnHostFunction) {
  g_host = [&](wasm_val_vec_t*) -> wasm_trap_t* {
    b->drop();
    expect_refused(b->call(b->at(kAdd), {i32_val(1), i32_val(1)}), PARALLAX_ERROR_STORE_GONE, {});
    return nullptr;
  };
  expect_refused(b->call(b->at(kAsk)), PARALLAX_ERROR_STORE_GONE, {"was deleted by wasm_store_delete during the call"});
}

TEST_P(Misuse, AHostFunctionMayDeleteItself) {
  g_host = [&](wasm_val_vec_t*) -> wasm_trap_t* {
    wasm_func_delete(a->func);
    wasm_extern_vec_delete(&a->exports);
    wasm_instance_delete(a->instance);
    parallax_store_collect(a->store);
    return nullptr;
  };
  wasm_func_t* const ask = wasm_func_copy(a->at(kAsk));
  EXPECT_EQ(a->call(ask), nullptr);
  EXPECT_EQ(a->result.of.i32, 1);
  a->func = nullptr;
  a->instance = nullptr;
  wasm_func_delete(ask);
  a->drop();
  parallax_error_clear();
}

TEST_P(Misuse, ArgumentsMustFitTheType) {
  expect_refused(a->call(a->at(kAdd), {i32_val(1)}), PARALLAX_ERROR_ARITY, {"1 values are given", "2 are expected"});
  wasm_val_t wide = WASM_I64_VAL(1);
  expect_refused(a->call(a->at(kAdd), {i32_val(1), wide}), PARALLAX_ERROR_MISMATCH, {"argument 1", "i32 is expected"});
  wasm_foreign_t* const foreign = wasm_foreign_new(a->store);
  expect_refused(a->call(a->at(kFirst), {ref_val(wasm_foreign_as_ref(foreign))}), PARALLAX_ERROR_MISMATCH, {});
  wasm_foreign_delete(foreign);
  wasm_val_vec_t none = WASM_EMPTY_VEC;
  wasm_val_t two[] = {i32_val(1), i32_val(2)};
  const wasm_val_vec_t args = WASM_ARRAY_VEC(two);
  expect_refused(wasm_func_call(a->at(kAdd), &args, &none), PARALLAX_ERROR_ARITY, {"room for 0 results"});
}

TEST_P(Misuse, ResultsOfHostFunctionsMustFitTheType) {
  g_host = [&](wasm_val_vec_t* results) -> wasm_trap_t* {
    results->data[0].kind = WASM_F64;
    return nullptr;
  };
  expect_refused(a->call(a->at(kAsk)), PARALLAX_ERROR_MISMATCH, {"result of a host function 0 has kind 3"});
  g_host = [&](wasm_val_vec_t*) { return reinterpret_cast<wasm_trap_t*>(a->module); };
  wasm_trap_t* const trap = a->call(a->at(kAsk));
  expect_refused(trap, PARALLAX_ERROR_WRONG_KIND, {"the trap is a module"});
}

TEST_P(Misuse, ImmutableThingsAndBoundsAreKept) {
  wasm_val_t value = i32_val(1);
  wasm_global_set(wasm_extern_as_global(a->exports.data[kFixed]), &value);
  expect_refused(PARALLAX_ERROR_IMMUTABLE, {"the global is immutable"});
  ASSERT_EQ(a->call(a->at(kPair), {i32_val(4)}), nullptr);
  wasm_ref_t* const pair = a->result.of.ref;
  EXPECT_FALSE(parallax_ref_set(pair, 1, &value));
  expect_refused(PARALLAX_ERROR_IMMUTABLE, {"field 1"});
  EXPECT_FALSE(parallax_ref_set(pair, 2, &value));
  expect_refused(PARALLAX_ERROR_BOUNDS, {"no field 2", "has 2"});
  EXPECT_EQ(wasm_table_get(wasm_extern_as_table(a->exports.data[kTable]), 2), nullptr);
  expect_refused(PARALLAX_ERROR_BOUNDS, {"no element 2"});
  EXPECT_TRUE(parallax_ref_set(pair, 0, &value));
  wasm_ref_delete(pair);
}

TEST_P(Misuse, TypesOfAnotherStoreAreRefused) {
  parallax_type_t* type = nullptr;
  ASSERT_EQ(parallax_types_new(b->store, "(type (struct (field i32)))", &type, 1), 1u);
  wasm_trap_t* trap = nullptr;
  EXPECT_EQ(parallax_struct_new(a->store, type, nullptr, &trap), nullptr);
  expect_refused(trap, PARALLAX_ERROR_OTHER_STORE, {"concrete type made by parallax_types_new"});
  wasm_functype_t* const functype = wasm_functype_new_1_0(parallax_valtype_new_ref(type, true));
  EXPECT_EQ(wasm_func_new(a->store, functype, host), nullptr);
  expect_refused(PARALLAX_ERROR_OTHER_STORE, {"names a concrete type of store"});
  wasm_func_t* const func = wasm_func_new(b->store, functype, host);
  EXPECT_NE(func, nullptr);
  wasm_func_delete(func);
  wasm_functype_delete(functype);
  parallax_type_delete(type);
}

TEST_P(Misuse, ReferencesOfAClosedScopeAreRefused) {
  parallax_scope_t* const scope = parallax_scope_new(a->store);
  ASSERT_EQ(a->call(a->at(kPair), {i32_val(4)}), nullptr);
  wasm_ref_t* const inside = a->result.of.ref;
  ASSERT_EQ(a->call(a->at(kPair), {i32_val(5)}), nullptr);
  wasm_ref_t* const escaped = a->result.of.ref;
  parallax_scope_escape(scope, escaped);
  parallax_scope_delete(scope);
  expect_refused(a->call(a->at(kFirst), {ref_val(inside)}), PARALLAX_ERROR_DELETED,
                 {"reference made by wasm_func_call (result)", "its scope closed"});
  EXPECT_EQ(a->call(a->at(kFirst), {ref_val(escaped)}), nullptr);
  EXPECT_EQ(a->result.of.i32, 5);
  wasm_ref_delete(escaped);
}

TEST_P(Misuse, AStoreIsUsedByOneThreadAtATime) {
  g_host = [&](wasm_val_vec_t*) -> wasm_trap_t* {
    std::thread([&] {
      wasm_trap_t* const trap = a->call(a->at(kAdd), {i32_val(1), i32_val(1)});
      EXPECT_EQ(parallax_trap_error(trap), PARALLAX_ERROR_OTHER_THREAD);
      wasm_trap_delete(trap);
    }).join();
    return nullptr;
  };
  EXPECT_EQ(a->call(a->at(kAsk)), nullptr);
  std::thread([&] { EXPECT_EQ(a->call(a->at(kAdd), {i32_val(1), i32_val(1)}), nullptr); }).join();
}

TEST_P(Misuse, BadModulesAreRefusedWithTheReason) {
  const wasm_byte_vec_t bytes = {4, const_cast<char*>("\0asn")};
  EXPECT_FALSE(wasm_module_validate(a->store, &bytes));
  expect_refused(PARALLAX_ERROR_REJECTED, {"wasm_module_validate", "malformed"});
  EXPECT_EQ(parallax_module_new_text(a->store, "(module (func (result i32)))"), nullptr);
  expect_refused(PARALLAX_ERROR_REJECTED, {"invalid"});
  EXPECT_EQ(parallax_module_new_text(a->store, "(module"), nullptr);
  expect_refused(PARALLAX_ERROR_REJECTED, {});
}

TEST_P(Misuse, ExceptionsOfAnotherStoreAreRefused) {
  wasm_functype_t* const type = wasm_functype_new_1_0(wasm_valtype_new_i32());
  parallax_tag_t* const tag = parallax_tag_new(b->store, type);
  wasm_functype_delete(type);
  wasm_val_t payload[] = {i32_val(3)};
  const wasm_val_vec_t payload_vec = WASM_ARRAY_VEC(payload);
  EXPECT_EQ(parallax_exception_new(a->store, tag, &payload_vec), nullptr);
  expect_refused(PARALLAX_ERROR_OTHER_STORE, {"the tag is a tag made by parallax_tag_new"});
  g_host = [&](wasm_val_vec_t*) { return parallax_exception_new(b->store, tag, &payload_vec); };
  expect_refused(a->call(a->at(kAsk)), PARALLAX_ERROR_OTHER_STORE, {"the exception is a trap made by"});
  wasm_trap_t* const thrown = b->call(b->at(kAsk));
  EXPECT_EQ(parallax_trap_kind(thrown), PARALLAX_TRAP_EXCEPTION);
  EXPECT_TRUE(parallax_trap_has_tag(thrown, tag));
  wasm_val_vec_t values;
  EXPECT_TRUE(parallax_trap_payload(thrown, &values));
  EXPECT_EQ(values.data[0].of.i32, 3);
  wasm_val_vec_delete(&values);
  wasm_trap_delete(thrown);
  parallax_tag_delete(tag);
}

INSTANTIATE_TEST_SUITE_P(Executors, Misuse, testing::Values(PARALLAX_JIT, PARALLAX_INTERPRETER),
                         [](const auto& info) { return info.param == PARALLAX_JIT ? "Jit" : "Interp"; });

}  // namespace
