// Traps: of instructions, with the place where they happened; of the host, with the message that it gave.
#include "support.h"

static wasm_store_t* store;

static wasm_trap_t* fail(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  (void)args;
  (void)results;
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, "the host is not amused");
  wasm_trap_t* trap = wasm_trap_new(store, &message);
  wasm_name_delete(&message);
  return trap;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (import \"\" \"fail\" (func $fail (result i32)))"
                                      "  (func (export \"ask\") (result i32) (call $fail))"
                                      "  (func (export \"stop\") (result i32) unreachable))");
  wasm_functype_t* type = wasm_functype_new_0_1(wasm_valtype_new_i32());
  wasm_func_t* host = wasm_func_new(store, type, fail);
  wasm_functype_delete(type);
  wasm_extern_t* items[] = {wasm_func_as_extern(host)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);

  wasm_val_vec_t none = WASM_EMPTY_VEC;
  wasm_val_t result[1] = {WASM_INIT_VAL};
  wasm_val_vec_t results = WASM_ARRAY_VEC(result);
  expect_trap(wasm_extern_as_func(exports.data[0]), &none, &results, "the host is not amused");

  wasm_trap_t* trap = wasm_func_call(wasm_extern_as_func(exports.data[1]), &none, &results);
  CHECK(trap != NULL && parallax_trap_kind(trap) == PARALLAX_TRAP_WASM);
  wasm_frame_t* frame = wasm_trap_origin(trap);
  CHECK(frame != NULL);
  CHECK(wasm_frame_func_index(frame) == 2);  // the import is function 0
  CHECK(wasm_frame_module_offset(frame) > wasm_frame_func_offset(frame));
  CHECK(wasm_instance_same(wasm_frame_instance(frame), instance));
  wasm_frame_vec_t trace;
  wasm_trap_trace(trap, &trace);
  CHECK(trace.size == 1 && wasm_frame_func_index(trace.data[0]) == 2);
  wasm_frame_vec_delete(&trace);
  wasm_frame_delete(frame);
  wasm_trap_delete(trap);

  wasm_func_delete(host);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
