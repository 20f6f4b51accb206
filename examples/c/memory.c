// Memories: bytes seen from both sides, growth, and bounds that trap.
#include "support.h"

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (memory (export \"m\") 2 3) (data (i32.const 0x1000) \"\\01\\02\\03\\04\")"
                                      "  (func (export \"size\") (result i32) (memory.size))"
                                      "  (func (export \"load\") (param i32) (result i32)"
                                      "    (i32.load8_s (local.get 0)))"
                                      "  (func (export \"store\") (param i32 i32)"
                                      "    (i32.store8 (local.get 0) (local.get 1))))");
  wasm_extern_vec_t imports = WASM_EMPTY_VEC;
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  wasm_memory_t* memory = wasm_extern_as_memory(exports.data[0]);
  wasm_func_t* size = wasm_extern_as_func(exports.data[1]);
  wasm_func_t* load = wasm_extern_as_func(exports.data[2]);
  wasm_func_t* put = wasm_extern_as_func(exports.data[3]);

  CHECK(wasm_memory_size(memory) == 2 && wasm_memory_data_size(memory) == 2 * MEMORY_PAGE_SIZE);
  CHECK(wasm_memory_data(memory)[0x1003] == 4);
  CHECK(call_i32(load, 1, (int32_t[]){0x1002}) == 3);
  wasm_memory_data(memory)[0x1002] = -9;
  CHECK(call_i32(load, 1, (int32_t[]){0x1002}) == -9);
  wasm_val_t pair[] = {WASM_I32_VAL(0x1ffff), WASM_I32_VAL(5)};
  wasm_val_vec_t pair_vec = WASM_ARRAY_VEC(pair);
  wasm_val_vec_t none = WASM_EMPTY_VEC;
  call(put, &pair_vec, &none);
  CHECK(wasm_memory_data(memory)[0x1ffff] == 5);
  pair[0].of.i32 = 0x20000;
  expect_trap(put, &pair_vec, &none, "out of bounds memory access");

  CHECK(wasm_memory_grow(memory, 1));
  CHECK(call_i32(size, 0, NULL) == 3);
  call(put, &pair_vec, &none);
  CHECK(wasm_memory_data(memory)[0x20000] == 5);
  CHECK(!wasm_memory_grow(memory, 1) && parallax_error() == PARALLAX_ERROR_LIMIT);
  CHECK(wasm_memory_grow(memory, 0));

  wasm_limits_t limits = {5, 5};
  wasm_memorytype_t* type = wasm_memorytype_new(&limits);
  wasm_memory_t* other = wasm_memory_new(store, type);
  CHECK(wasm_memory_size(other) == 5 && !wasm_memory_grow(other, 1));
  wasm_memorytype_delete(type);
  wasm_memory_delete(other);

  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
