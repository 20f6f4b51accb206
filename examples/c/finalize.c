// Host info ends exactly once, whatever the order in which stores, instances and handles are deleted.
#include "support.h"

enum { kRounds = 300 };
static int alive = 0;

static void finalize(void* info) {
  CHECK(*(int*)info == 7);
  free(info);
  --alive;
}
static int* info(void) {
  int* number = malloc(sizeof(int));
  *number = 7;
  ++alive;
  return number;
}

static void fill(wasm_store_t* store) {
  wasm_module_t* module = module_from(store, "(module (func (export \"f\")) (memory (export \"m\") 1))");
  for (int i = 0; i < kRounds; ++i) {
    wasm_extern_vec_t imports = WASM_EMPTY_VEC;
    wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
    wasm_instance_set_host_info_with_finalizer(instance, info(), finalize);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    wasm_extern_set_host_info_with_finalizer(exports.data[0], info(), finalize);
    wasm_foreign_t* thing = wasm_foreign_new(store);
    wasm_foreign_set_host_info_with_finalizer(thing, info(), finalize);
    if (i % 3 == 0) wasm_foreign_set_host_info_with_finalizer(thing, info(), finalize);  // ends the first
    wasm_instance_delete(instance);
    wasm_foreign_delete(thing);
    wasm_extern_vec_delete(&exports);
  }
  wasm_module_delete(module);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* first = wasm_store_new(engine);
  wasm_store_t* second = wasm_store_new(engine);
  wasm_engine_delete(engine);  // stores keep it
  fill(first);
  fill(second);
  // Instances and functions are gone with their last handle, foreign objects may be held by WebAssembly.
  parallax_store_collect(first);
  CHECK(alive == 2 * kRounds);
  wasm_store_delete(first);
  CHECK(alive == kRounds);
  wasm_store_delete(second);
  CHECK(alive == 0);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
