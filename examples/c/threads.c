// One engine, one store per thread, one module shared by all of them; a store belongs to one thread at a time.
#include <pthread.h>
#include <stdatomic.h>

#include "support.h"

enum { kThreads = 6, kRounds = 8 };

static wasm_engine_t* engine;
static wasm_shared_module_t* shared;
static atomic_int sum;

static wasm_trap_t* add(void* env, const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  (void)env;
  (void)results;
  atomic_fetch_add(&sum, args->data[0].of.i32);
  return NULL;
}

static void* run(void* number) {
  const int32_t mine = *(int32_t*)number;
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = wasm_module_obtain(store, shared);
  CHECK(module != NULL);
  wasm_functype_t* type = wasm_functype_new_1_0(wasm_valtype_new_i32());
  wasm_func_t* host = wasm_func_new_with_env(store, type, add, NULL, NULL);
  wasm_functype_delete(type);
  wasm_globaltype_t* globaltype = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
  wasm_val_t value = WASM_I32_VAL(mine);
  wasm_global_t* global = wasm_global_new(store, globaltype, &value);
  wasm_globaltype_delete(globaltype);
  for (int i = 0; i < kRounds; ++i) {
    wasm_extern_t* items[] = {wasm_func_as_extern(host), wasm_global_as_extern(global)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
    wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
    CHECK(instance != NULL);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    call(wasm_extern_as_func(exports.data[0]), &none, &none);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
  }
  wasm_global_delete(global);
  wasm_func_delete(host);
  wasm_module_delete(module);
  wasm_store_delete(store);
  return NULL;
}

int main(void) {
  engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (import \"\" \"add\" (func $add (param i32)))"
                                      "  (global $mine (import \"\" \"mine\") i32)"
                                      "  (func (export \"run\") (call $add (global.get $mine))))");
  shared = wasm_module_share(module);
  wasm_module_delete(module);
  wasm_store_delete(store);

  pthread_t threads[kThreads];
  int32_t numbers[kThreads];
  for (int i = 0; i < kThreads; ++i) {
    numbers[i] = i;
    CHECK(pthread_create(&threads[i], NULL, run, &numbers[i]) == 0);
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  CHECK(atomic_load(&sum) == kRounds * kThreads * (kThreads - 1) / 2);
  wasm_shared_module_delete(shared);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
