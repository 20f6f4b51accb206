// Host functions: with an environment and a finalizer, called from WebAssembly, and calling WebAssembly again.
#include "support.h"

static int finalized = 0;

typedef struct {
  const wasm_func_t* again;  // called from inside
  int calls;
} State;

// Factorial by turns: the host multiplies, WebAssembly counts down.
static wasm_trap_t* multiply(void* env, const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  State* state = env;
  ++state->calls;
  const int32_t n = args->data[0].of.i32;
  results->data[0].kind = WASM_I32;
  results->data[0].of.i32 = n == 0 ? 1 : n * call_i32(state->again, 1, (int32_t[]){n});
  return NULL;
}

static void finalize(void* env) {
  (void)env;
  ++finalized;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_from(store,
                                      "(module (import \"\" \"f\" (func $f (param i32) (result i32)))"
                                      "  (func (export \"down\") (param i32) (result i32)"
                                      "    (call $f (i32.sub (local.get 0) (i32.const 1)))))");
  State state = {NULL, 0};
  wasm_functype_t* type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t* host = wasm_func_new_with_env(store, type, multiply, &state, finalize);
  wasm_functype_delete(type);

  wasm_extern_t* items[] = {wasm_func_as_extern(host)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  state.again = wasm_extern_as_func(exports.data[0]);

  // A host function may also be called directly.
  CHECK(call_i32(host, 1, (int32_t[]){5}) == 120);
  CHECK(state.calls == 6);
  CHECK(wasm_func_param_arity(host) == 1 && wasm_func_result_arity(host) == 1);

  wasm_func_delete(host);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  CHECK(finalized == 0);  // WebAssembly may still call it
  wasm_store_delete(store);
  CHECK(finalized == 1);
  wasm_engine_delete(engine);
  CHECK(parallax_live_handles() == 0);
  return 0;
}
