// What the standard C API (wasm.h) has no names for: choice of executor, why a call was refused, scopes, budgets.
//
// Misuse is never undefined behaviour, in any build: a handle is a number with its origin, checked at every use. A call
// that is refused returns a trap where it can return one, otherwise null, false, zero or nothing; in both cases the reason
// is kept for the calling thread and read with parallax_error() and parallax_error_message(). A call that succeeds leaves
// the kept reason alone. The message says what was used where, where that came from, and what happened to it.
//
// Not covered, because it is plain memory of the program: the arrays of vectors, bytes behind wasm_memory_data, pointers
// given as host info or environment.
#pragma once
#ifndef PARALLAX_C_H
#define PARALLAX_C_H

#include <wasm.h>

#ifdef __cplusplus
extern "C" {
#endif

// clang-format off
// X(id, text): why a call is refused. ORDER: values are part of the interface; add at the end.
#define PARALLAX_ERRORS(X)                                                                   \
  X(NONE, "no error")                                                                        \
  X(NULL_HANDLE, "null where a thing is needed")                                             \
  X(FORGED, "not a handle of this API")                                                      \
  X(DELETED, "a handle that was deleted")                                                    \
  X(WRONG_KIND, "a thing of another kind")                                                   \
  X(OTHER_STORE, "a thing of another store")                                                 \
  X(STORE_GONE, "a thing whose store was deleted")                                           \
  X(OTHER_ENGINE, "a thing of another engine")                                               \
  X(OTHER_THREAD, "a store that another thread is using")                                    \
  X(ARITY, "another number of values than the type says")                                    \
  X(MISMATCH, "a value that does not match the type")                                        \
  X(IMMUTABLE, "assignment to something immutable")                                          \
  X(BOUNDS, "an index beyond the end")                                                       \
  X(REJECTED, "a module that is malformed or invalid")                                       \
  X(UNLINKABLE, "an import that does not match")                                             \
  X(LIMIT, "a limit of the type, the budget or the machine")                                 \
  X(UNSUPPORTED, "correct, but not offered")                                                 \
  X(INVARIANT, "the runtime found a violation of its own invariants")
// clang-format on

typedef uint8_t parallax_error_t;
enum parallax_error_enum {
#define PARALLAX_X(id, text) PARALLAX_ERROR_##id,
  PARALLAX_ERRORS(PARALLAX_X)
#undef PARALLAX_X
};

// Why the last refused call of this thread was refused.
WASM_API_EXTERN parallax_error_t parallax_error(void);
// Its message; valid until the next refused call of this thread. Never null.
WASM_API_EXTERN const char* parallax_error_message(void);
WASM_API_EXTERN void parallax_error_clear(void);
WASM_API_EXTERN const char* parallax_error_text(parallax_error_t);

// Handles that were made and not deleted, in this process.
WASM_API_EXTERN size_t parallax_live_handles(void);

// --- Configuration --------------------------------------------------------------------------------------------------

typedef uint8_t parallax_executor_t;
enum parallax_executor_enum { PARALLAX_JIT, PARALLAX_INTERPRETER };
typedef uint8_t parallax_collector_t;
enum parallax_collector_enum { PARALLAX_MOVING, PARALLAX_NON_MOVING, PARALLAX_NEVER, PARALLAX_GENERATIONAL };

// The default is the JIT compiler, or what the environment variable PARALLAX_EXECUTOR says ("jit", "interp").
WASM_API_EXTERN void parallax_config_set_executor(wasm_config_t*, parallax_executor_t);
// 0 to 2; JIT.
WASM_API_EXTERN void parallax_config_set_level(wasm_config_t*, uint8_t level);
WASM_API_EXTERN void parallax_config_set_collector(wasm_config_t*, parallax_collector_t);
// Checks of the runtime's own invariants, at run time and when compiling.
WASM_API_EXTERN void parallax_config_set_armed(wasm_config_t*, bool);
// Collects at every n-th place where a collection may happen; 0: only when the heap asks for it.
WASM_API_EXTERN void parallax_config_set_zeal(wasm_config_t*, uint32_t n);
// Address space for the objects of one store.
WASM_API_EXTERN void parallax_config_set_heap_bytes(wasm_config_t*, uint64_t);

// --- Stores -----------------------------------------------------------------------------------------------------------

// Counts from here on; what is used up ends a call with a trap. UINT64_MAX: no limit.
WASM_API_EXTERN void parallax_store_set_budget(wasm_store_t*, uint64_t fuel, uint64_t allocated_bytes);
WASM_API_EXTERN void parallax_store_collect(wasm_store_t*);
// Judges the store's own state: false and an INVARIANT error when something is wrong.
WASM_API_EXTERN bool parallax_store_verify(wasm_store_t*);

// A scope: reference handles that its store makes while it is the innermost open one are deleted with it. Arguments of
// host functions are not among them: they end with their call.
typedef struct parallax_scope_t parallax_scope_t;
WASM_API_EXTERN parallax_scope_t* parallax_scope_new(wasm_store_t*);
WASM_API_EXTERN void parallax_scope_delete(parallax_scope_t*);
// The handle outlives its scope, and is the caller's to delete.
WASM_API_EXTERN void parallax_scope_escape(parallax_scope_t*, wasm_ref_t*);

// From the text format.
WASM_API_EXTERN wasm_module_t* parallax_module_new_text(wasm_store_t*, const char* text);

// --- Traps ------------------------------------------------------------------------------------------------------------

typedef uint8_t parallax_trapkind_t;
enum parallax_trapkind_enum {
  PARALLAX_TRAP_WASM,       // an instruction trapped
  PARALLAX_TRAP_HOST,       // made by wasm_trap_new
  PARALLAX_TRAP_EXCEPTION,  // an exception that nobody caught
  PARALLAX_TRAP_EXHAUSTED,  // fuel, call depth, allocation, memory, native stack
  PARALLAX_TRAP_REFUSED,    // misuse: parallax_trap_error says which
};
WASM_API_EXTERN parallax_trapkind_t parallax_trap_kind(const wasm_trap_t*);
WASM_API_EXTERN parallax_error_t parallax_trap_error(const wasm_trap_t*);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // PARALLAX_C_H
