// What the examples share: a check that says what failed, and names for things that are written often.
#ifndef EXAMPLES_C_SUPPORT_H
#define EXAMPLES_C_SUPPORT_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <parallax_c.h>
#include <wasm.h>

#define CHECK(condition)                                                                         \
  do {                                                                                           \
    if (!(condition)) {                                                                          \
      fprintf(stderr, "%s:%d: %s is false (last refusal: %s)\n", __FILE__, __LINE__, #condition, \
              parallax_error_message());                                                         \
      exit(1);                                                                                   \
    }                                                                                            \
  } while (0)

// A module from text; ends the program when it is refused.
static inline wasm_module_t* module_from(wasm_store_t* store, const char* text) {
  wasm_module_t* module = parallax_module_new_text(store, text);
  CHECK(module != NULL);
  return module;
}

// Calls and expects that the function returns.
static inline void call(const wasm_func_t* func, const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  wasm_trap_t* trap = wasm_func_call(func, args, results);
  if (trap != NULL) {
    wasm_message_t message;
    wasm_trap_message(trap, &message);
    fprintf(stderr, "unexpected trap: %s\n", message.data);
    exit(1);
  }
}

// Calls a function of i32s and expects one i32.
static inline int32_t call_i32(const wasm_func_t* func, size_t count, const int32_t* numbers) {
  wasm_val_t args[4];
  CHECK(count <= 4);
  for (size_t i = 0; i < count; ++i) {
    args[i].kind = WASM_I32;
    args[i].of.i32 = numbers[i];
  }
  wasm_val_t result[1] = {WASM_INIT_VAL};
  wasm_val_vec_t arg_vec = {count, args};
  wasm_val_vec_t result_vec = WASM_ARRAY_VEC(result);
  call(func, &arg_vec, &result_vec);
  CHECK(result[0].kind == WASM_I32);
  return result[0].of.i32;
}

// Calls and expects a trap whose message contains `text`.
static inline void expect_trap(const wasm_func_t* func, const wasm_val_vec_t* args, wasm_val_vec_t* results,
                               const char* text) {
  wasm_trap_t* trap = wasm_func_call(func, args, results);
  CHECK(trap != NULL);
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  if (strstr(message.data, text) == NULL) {
    fprintf(stderr, "the trap says \"%s\", not \"%s\"\n", message.data, text);
    exit(1);
  }
  wasm_byte_vec_delete(&message);
  wasm_trap_delete(trap);
}

#endif
