// Tables: of functions, read and written from both sides, grown within their limits.
#include "support.h"

static wasm_trap_t* negate(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  results->data[0].kind = WASM_I32;
  results->data[0].of.i32 = -args->data[0].of.i32;
  return NULL;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (type $t (func (param i32) (result i32)))"
                                      "  (table (export \"t\") 2 4 funcref) (elem (i32.const 1) $double)"
                                      "  (func $double (export \"double\") (type $t)"
                                      "    (i32.mul (local.get 0) (i32.const 2)))"
                                      "  (func (export \"at\") (param i32 i32) (result i32)"
                                      "    (call_indirect (type $t) (local.get 0) (local.get 1))))");
  wasm_extern_vec_t imports = WASM_EMPTY_VEC;
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  wasm_table_t* table = wasm_extern_as_table(exports.data[0]);
  wasm_func_t* twice = wasm_extern_as_func(exports.data[1]);
  wasm_func_t* at = wasm_extern_as_func(exports.data[2]);

  CHECK(wasm_table_size(table) == 2);
  CHECK(wasm_table_get(table, 0) == NULL);
  wasm_ref_t* element = wasm_table_get(table, 1);
  CHECK(element != NULL && wasm_func_same(wasm_ref_as_func(element), twice));
  CHECK(call_i32(at, 2, (int32_t[]){21, 1}) == 42);
  wasm_ref_delete(element);

  wasm_functype_t* type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t* host = wasm_func_new(store, type, negate);
  wasm_functype_delete(type);
  CHECK(wasm_table_set(table, 0, wasm_func_as_ref(host)));
  CHECK(call_i32(at, 2, (int32_t[]){21, 0}) == -21);
  CHECK(wasm_table_grow(table, 2, wasm_func_as_ref(twice)));
  CHECK(call_i32(at, 2, (int32_t[]){5, 3}) == 10);
  CHECK(!wasm_table_grow(table, 1, NULL) && parallax_error() == PARALLAX_ERROR_LIMIT);
  CHECK(!wasm_table_set(table, 4, NULL) && parallax_error() == PARALLAX_ERROR_BOUNDS);
  CHECK(wasm_table_set(table, 1, NULL));
  wasm_val_t args[] = {WASM_I32_VAL(1), WASM_I32_VAL(1)};
  wasm_val_vec_t arg_vec = WASM_ARRAY_VEC(args);
  wasm_val_t result[1] = {WASM_INIT_VAL};
  wasm_val_vec_t results = WASM_ARRAY_VEC(result);
  expect_trap(at, &arg_vec, &results, "uninitialized element");

  // A table of the host's own.
  wasm_limits_t limits = {1, wasm_limits_max_default};
  wasm_tabletype_t* tabletype = wasm_tabletype_new(wasm_valtype_new_externref(), &limits);
  wasm_foreign_t* thing = wasm_foreign_new(store);
  wasm_table_t* things = wasm_table_new(store, tabletype, wasm_foreign_as_ref(thing));
  wasm_ref_t* same = wasm_table_get(things, 0);
  CHECK(wasm_ref_same(same, wasm_foreign_as_ref(thing)));
  CHECK(!wasm_table_same(things, table));
  wasm_ref_delete(same);
  wasm_foreign_delete(thing);
  wasm_table_delete(things);
  wasm_tabletype_delete(tabletype);

  wasm_func_delete(host);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
