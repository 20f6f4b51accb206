// A C program that knows only what is installed.
#include <parallax_gc.h>
#include <wasm.h>

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  parallax_type_t* type = NULL;
  if (parallax_types_new(store, "(type (struct (field i32)))", &type, 1) != 1) return 1;
  wasm_val_t fields[] = {WASM_I32_VAL(42)};
  wasm_val_vec_t vec = WASM_ARRAY_VEC(fields);
  wasm_ref_t* ref = parallax_struct_new(store, type, &vec, NULL);
  parallax_store_collect(store);
  wasm_val_t value;
  if (!parallax_ref_get(ref, 0, &value) || value.of.i32 != 42) return 2;
  wasm_ref_delete(ref);
  parallax_type_delete(type);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return parallax_live_handles() == 0 ? 0 : 3;
}
