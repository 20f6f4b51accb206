// Globals: made by the host and by a module, shared by both, mutable or not.
#include "support.h"

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (global $c (import \"\" \"c\") i32)"
                                      "  (global $v (import \"\" \"v\") (mut i64))"
                                      "  (global $own (export \"own\") (mut f32) (f32.const 1.5))"
                                      "  (func (export \"get\") (result i64)"
                                      "    (i64.add (i64.extend_i32_s (global.get $c)) (global.get $v)))"
                                      "  (func (export \"set\") (param i64) (global.set $v (local.get 0))))");
  wasm_globaltype_t* fixed = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
  wasm_globaltype_t* variable = wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR);
  wasm_val_t seven = WASM_I32_VAL(7);
  wasm_val_t hundred = WASM_I64_VAL(100);
  wasm_global_t* c = wasm_global_new(store, fixed, &seven);
  wasm_global_t* v = wasm_global_new(store, variable, &hundred);
  CHECK(c != NULL && v != NULL);
  CHECK(wasm_global_new(store, fixed, &hundred) == NULL && parallax_error() == PARALLAX_ERROR_MISMATCH);
  wasm_globaltype_delete(fixed);
  wasm_globaltype_delete(variable);

  wasm_extern_t* items[] = {wasm_global_as_extern(c), wasm_global_as_extern(v)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  wasm_global_t* own = wasm_extern_as_global(exports.data[0]);
  wasm_func_t* get = wasm_extern_as_func(exports.data[1]);
  wasm_func_t* set = wasm_extern_as_func(exports.data[2]);

  wasm_val_vec_t none = WASM_EMPTY_VEC;
  wasm_val_t result[1] = {WASM_INIT_VAL};
  wasm_val_vec_t results = WASM_ARRAY_VEC(result);
  call(get, &none, &results);
  CHECK(result[0].of.i64 == 107);
  // The host writes, WebAssembly reads; WebAssembly writes, the host reads.
  wasm_val_t thousand = WASM_I64_VAL(1000);
  wasm_global_set(v, &thousand);
  call(get, &none, &results);
  CHECK(result[0].of.i64 == 1007);
  wasm_val_t two[1] = {WASM_I64_VAL(2)};
  wasm_val_vec_t args = WASM_ARRAY_VEC(two);
  call(set, &args, &none);
  wasm_val_t seen;
  wasm_global_get(v, &seen);
  CHECK(seen.kind == WASM_I64 && seen.of.i64 == 2);
  wasm_global_get(own, &seen);
  CHECK(seen.kind == WASM_F32 && seen.of.f32 == 1.5f);

  parallax_error_clear();
  wasm_global_set(c, &seven);
  CHECK(parallax_error() == PARALLAX_ERROR_IMMUTABLE);
  wasm_globaltype_t* type = wasm_global_type(own);
  CHECK(wasm_globaltype_mutability(type) == WASM_VAR);
  wasm_globaltype_delete(type);
  CHECK(!wasm_global_same(c, v));

  wasm_global_delete(c);
  wasm_global_delete(v);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
