// A start function that traps: no instance, a trap instead, and what happened before it stays.
#include "support.h"

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (global $g (import \"\" \"g\") (mut i32))"
                                      "  (func $start (global.set $g (i32.const 7)) unreachable) (start $start))");
  wasm_globaltype_t* type = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_VAR);
  wasm_val_t zero = WASM_I32_VAL(0);
  wasm_global_t* global = wasm_global_new(store, type, &zero);
  wasm_globaltype_delete(type);
  wasm_extern_t* items[] = {wasm_global_as_extern(global)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_trap_t* trap = NULL;
  CHECK(wasm_instance_new(store, module, &imports, &trap) == NULL);
  CHECK(trap != NULL && parallax_trap_kind(trap) == PARALLAX_TRAP_WASM);
  wasm_trap_delete(trap);
  wasm_val_t seen;
  wasm_global_get(global, &seen);
  CHECK(seen.of.i32 == 7);

  // Imports that do not match are refused, with a reason.
  wasm_extern_vec_t nothing = WASM_EMPTY_VEC;
  CHECK(wasm_instance_new(store, module, &nothing, &trap) == NULL);
  CHECK(trap != NULL && parallax_trap_error(trap) == PARALLAX_ERROR_ARITY);
  wasm_trap_delete(trap);
  wasm_module_t* other = module_from(store, "(module (import \"\" \"g\" (global (mut i64))))");
  CHECK(wasm_instance_new(store, other, &imports, &trap) == NULL);
  CHECK(trap != NULL && parallax_trap_error(trap) == PARALLAX_ERROR_UNLINKABLE);
  wasm_trap_delete(trap);

  wasm_module_delete(other);
  wasm_global_delete(global);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
