// The smallest program, with nothing but the standard header: a module in the binary format calls back and returns.
#include <stdio.h>
#include <stdlib.h>
#include <wasm.h>

// (module (import "" "greet" (func)) (func (export "run") (call 0)))
static const char kBinary[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,                    // magic, version
                               0x01, 0x04, 0x01, 0x60, 0x00, 0x00,                                // type: [] -> []
                               0x02, 0x0a, 0x01, 0x00, 0x05, 'g', 'r', 'e', 'e', 't', 0x00, 0x00,  // import
                               0x03, 0x02, 0x01, 0x00,                                            // one function
                               0x07, 0x07, 0x01, 0x03, 'r', 'u', 'n', 0x00, 0x01,                 // export
                               0x0a, 0x06, 0x01, 0x04, 0x00, 0x10, 0x00, 0x0b};                   // its body

static int greetings = 0;

static wasm_trap_t* greet(const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  (void)args;
  (void)results;
  printf("hello from WebAssembly\n");
  ++greetings;
  return NULL;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);

  wasm_byte_vec_t binary;
  wasm_byte_vec_new(&binary, sizeof(kBinary), kBinary);
  if (!wasm_module_validate(store, &binary)) return 1;
  wasm_module_t* module = wasm_module_new(store, &binary);
  wasm_byte_vec_delete(&binary);
  if (module == NULL) return 1;

  wasm_functype_t* type = wasm_functype_new_0_0();
  wasm_func_t* host = wasm_func_new(store, type, greet);
  wasm_functype_delete(type);

  wasm_extern_t* items[] = {wasm_func_as_extern(host)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  wasm_func_delete(host);
  if (instance == NULL) return 1;

  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  wasm_func_t* run = wasm_extern_as_func(exports.data[0]);
  if (run == NULL) return 1;
  wasm_instance_delete(instance);  // the export keeps what it needs
  wasm_module_delete(module);

  wasm_val_vec_t none = WASM_EMPTY_VEC;
  if (wasm_func_call(run, &none, &none) != NULL) return 1;

  wasm_extern_vec_delete(&exports);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return greetings == 1 ? 0 : 1;
}
