// Several results, of WebAssembly and of the host.
#include "support.h"

static wasm_trap_t* rotate(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  for (size_t i = 0; i < args->size; ++i) wasm_val_copy(&results->data[i], &args->data[(i + 1) % args->size]);
  return NULL;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(
      store,
      "(module (type $in (func (param i32 i64 f64) (result i64 f64 i32)))"
      "  (import \"\" \"rotate\" (func $rotate (type $in)))"
      "  (func (export \"twice\") (param i32 i64 f64) (result f64 i32 i64) (local $a i64) (local $b f64) (local $c i32)"
      "    (call $rotate (local.get 0) (local.get 1) (local.get 2))"
      "    (local.set $c) (local.set $b) (local.set $a)"
      "    (local.get $b) (local.get $c) (local.get $a)))");
  wasm_valtype_t* in[] = {wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f64()};
  wasm_valtype_t* out[] = {wasm_valtype_new_i64(), wasm_valtype_new_f64(), wasm_valtype_new_i32()};
  wasm_valtype_vec_t params, results_type;
  wasm_valtype_vec_new(&params, 3, in);
  wasm_valtype_vec_new(&results_type, 3, out);
  wasm_functype_t* type = wasm_functype_new(&params, &results_type);
  wasm_func_t* host = wasm_func_new(store, type, rotate);
  wasm_functype_delete(type);

  wasm_extern_t* items[] = {wasm_func_as_extern(host)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_func_delete(host);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);

  wasm_val_t args[] = {WASM_I32_VAL(1), WASM_I64_VAL(2), WASM_F64_VAL(3.5)};
  wasm_val_t results[] = {WASM_INIT_VAL, WASM_INIT_VAL, WASM_INIT_VAL};
  wasm_val_vec_t arg_vec = WASM_ARRAY_VEC(args);
  wasm_val_vec_t result_vec = WASM_ARRAY_VEC(results);
  call(wasm_extern_as_func(exports.data[0]), &arg_vec, &result_vec);
  CHECK(results[0].kind == WASM_F64 && results[0].of.f64 == 3.5);
  CHECK(results[1].kind == WASM_I32 && results[1].of.i32 == 1);
  CHECK(results[2].kind == WASM_I64 && results[2].of.i64 == 2);
  // Too little room for the results is refused before anything runs.
  result_vec.size = 2;
  expect_trap(wasm_extern_as_func(exports.data[0]), &arg_vec, &result_vec, "room for 2 results, 3 are expected");

  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
