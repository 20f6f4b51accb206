// Modules as bytes: what was serialized can be read again, in any store; what was changed on the way is refused.
#include "support.h"

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(
      store, "(module (func (export \"twice\") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1))))");
  wasm_byte_vec_t bytes;
  wasm_module_serialize(module, &bytes);
  CHECK(bytes.size > 0);
  wasm_module_delete(module);
  wasm_store_delete(store);

  store = wasm_store_new(engine);
  wasm_module_t* again = wasm_module_deserialize(store, &bytes);
  CHECK(again != NULL);
  wasm_extern_vec_t imports = WASM_EMPTY_VEC;
  wasm_instance_t* instance = wasm_instance_new(store, again, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  CHECK(call_i32(wasm_extern_as_func(exports.data[0]), 1, (int32_t[]){21}) == 42);

  bytes.data[bytes.size / 2] ^= 1;
  CHECK(wasm_module_deserialize(store, &bytes) == NULL && parallax_error() == PARALLAX_ERROR_REJECTED);
  const wasm_byte_vec_t cut = {bytes.size - 1, bytes.data};
  CHECK(wasm_module_deserialize(store, &cut) == NULL && parallax_error() == PARALLAX_ERROR_REJECTED);
  CHECK(!wasm_module_validate(store, &bytes) && wasm_module_new(store, &bytes) == NULL);

  wasm_byte_vec_delete(&bytes);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(again);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
