// Things of the host as references: identity and host info survive the way through WebAssembly, and collections.
#include "support.h"

static wasm_trap_t* pass(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  wasm_val_copy(&results->data[0], &args->data[0]);
  return NULL;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (import \"\" \"pass\" (func $pass (param externref) (result externref)))"
                                      "  (global (export \"g\") (mut externref) (ref.null extern))"
                                      "  (table $t (export \"t\") 4 externref)"
                                      "  (func (export \"through\") (param externref) (result externref)"
                                      "    (call $pass (local.get 0)))"
                                      "  (func (export \"put\") (param i32 externref)"
                                      "    (table.set $t (local.get 0) (local.get 1))))");
  wasm_functype_t* type = wasm_functype_new_1_1(wasm_valtype_new_externref(), wasm_valtype_new_externref());
  wasm_func_t* host = wasm_func_new(store, type, pass);
  wasm_functype_delete(type);
  wasm_extern_t* items[] = {wasm_func_as_extern(host)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  wasm_global_t* global = wasm_extern_as_global(exports.data[0]);
  wasm_table_t* table = wasm_extern_as_table(exports.data[1]);
  wasm_func_t* through = wasm_extern_as_func(exports.data[2]);
  wasm_func_t* put = wasm_extern_as_func(exports.data[3]);

  int names[2] = {1, 2};
  wasm_ref_t* one = wasm_foreign_as_ref(wasm_foreign_new(store));
  wasm_ref_t* two = wasm_foreign_as_ref(wasm_foreign_new(store));
  wasm_ref_set_host_info(one, &names[0]);
  wasm_ref_set_host_info(two, &names[1]);
  CHECK(!wasm_ref_same(one, two));

  wasm_val_t arg[1] = {WASM_REF_VAL(one)};
  wasm_val_vec_t args = WASM_ARRAY_VEC(arg);
  wasm_val_t result[1] = {WASM_INIT_VAL};
  wasm_val_vec_t results = WASM_ARRAY_VEC(result);
  call(through, &args, &results);
  CHECK(wasm_ref_same(result[0].of.ref, one));
  CHECK(wasm_ref_get_host_info(result[0].of.ref) == &names[0]);
  wasm_val_delete(&result[0]);
  arg[0].of.ref = NULL;
  call(through, &args, &results);
  CHECK(result[0].of.ref == NULL);

  wasm_val_t two_val = WASM_REF_VAL(two);
  wasm_global_set(global, &two_val);
  wasm_val_t put_args[] = {WASM_I32_VAL(3), WASM_REF_VAL(one)};
  wasm_val_vec_t put_vec = WASM_ARRAY_VEC(put_args);
  wasm_val_vec_t none = WASM_EMPTY_VEC;
  call(put, &put_vec, &none);
  // Only WebAssembly refers to them now.
  wasm_ref_delete(one);
  wasm_ref_delete(two);
  parallax_store_collect(store);
  wasm_val_t from_global;
  wasm_global_get(global, &from_global);
  CHECK(wasm_ref_get_host_info(from_global.of.ref) == &names[1]);
  wasm_ref_t* from_table = wasm_table_get(table, 3);
  CHECK(wasm_ref_get_host_info(from_table) == &names[0]);
  CHECK(wasm_table_get(table, 0) == NULL);
  wasm_val_delete(&from_global);
  wasm_ref_delete(from_table);

  wasm_func_delete(host);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
