// GC types and objects for the C API: structs, arrays, i31, typed references, rec groups, tags and exceptions.
//
// Concrete types belong to a store and are made from the text format, whole rec groups at a time:
//
//   parallax_type_t* list;
//   parallax_types_new(store, "(rec (type $list (struct (field i32) (field (mut (ref null $list))))))", &list, 1);
//   wasm_val_t fields[] = {WASM_I32_VAL(7), WASM_INIT_VAL};
//   wasm_val_vec_t vec = WASM_ARRAY_VEC(fields);
//   wasm_ref_t* head = parallax_struct_new(store, list, &vec, &trap);
//
// Equal rec groups are the same types, also if one came from a module. References are handles as in wasm.h: they keep
// their object alive, wherever the collector moves it, and must be deleted.
#pragma once
#ifndef PARALLAX_GC_H
#define PARALLAX_GC_H

#include <parallax_c.h>

#ifdef __cplusplus
extern "C" {
#endif

// Kinds beyond wasm_valkind_enum. A reference to a concrete type has the kind of its composite type.
enum parallax_valkind_enum {
  PARALLAX_V128 = 4,  // only in types: a wasm_val_t has no room for it
  PARALLAX_ANYREF = 130,
  PARALLAX_EQREF,
  PARALLAX_I31REF,
  PARALLAX_STRUCTREF,
  PARALLAX_ARRAYREF,
  PARALLAX_NULLREF,
  PARALLAX_NULLFUNCREF,
  PARALLAX_NULLEXTERNREF,
  PARALLAX_EXNREF,
  PARALLAX_NULLEXNREF,
};
enum parallax_externkind_enum { PARALLAX_EXTERN_TAG = 4 };

// --- Types ------------------------------------------------------------------------------------------------------------

typedef struct parallax_type_t parallax_type_t;
typedef uint8_t parallax_typekind_t;
enum parallax_typekind_enum { PARALLAX_TYPE_FUNC, PARALLAX_TYPE_STRUCT, PARALLAX_TYPE_ARRAY };

// Type definitions in the text format. Writes at most `capacity` handles, in the order of definition, and returns how many
// types there are; 0 when the text is refused.
WASM_API_EXTERN size_t parallax_types_new(wasm_store_t*, const char* text, parallax_type_t** out, size_t capacity);
WASM_API_EXTERN void parallax_type_delete(parallax_type_t*);
WASM_API_EXTERN parallax_type_t* parallax_type_copy(const parallax_type_t*);
WASM_API_EXTERN bool parallax_type_same(const parallax_type_t*, const parallax_type_t*);
WASM_API_EXTERN bool parallax_type_is_subtype(const parallax_type_t* sub, const parallax_type_t* super);
WASM_API_EXTERN parallax_typekind_t parallax_type_kind(const parallax_type_t*);
// Fields of a struct; 1 for an array.
WASM_API_EXTERN size_t parallax_type_field_count(const parallax_type_t*);
// The caller deletes the value type. `packed_bits`, if not null, becomes 8, 16 or 0.
WASM_API_EXTERN wasm_valtype_t* parallax_type_field(const parallax_type_t*, size_t index, wasm_mutability_t* mutability,
                                                    uint8_t* packed_bits);

// (ref null? type); a value type of the type's store.
WASM_API_EXTERN wasm_valtype_t* parallax_valtype_new_ref(const parallax_type_t*, bool nullable);
// The non-null form of a reference type.
WASM_API_EXTERN wasm_valtype_t* parallax_valtype_non_null(const wasm_valtype_t*);
WASM_API_EXTERN bool parallax_valtype_is_nullable(const wasm_valtype_t*);
// The concrete type it refers to, or null; the caller deletes it.
WASM_API_EXTERN parallax_type_t* parallax_valtype_type(const wasm_valtype_t*);

// --- Objects ------------------------------------------------------------------------------------------------------------

// Null fields or elements: defaults. On a trap (out of memory, misuse) null, and the trap if `trap` is not null.
WASM_API_EXTERN wasm_ref_t* parallax_struct_new(wasm_store_t*, const parallax_type_t*, const wasm_val_vec_t* fields,
                                                wasm_trap_t** trap);
WASM_API_EXTERN wasm_ref_t* parallax_array_new(wasm_store_t*, const parallax_type_t*, const wasm_val_vec_t* elements,
                                               wasm_trap_t** trap);
WASM_API_EXTERN wasm_ref_t* parallax_array_new_default(wasm_store_t*, const parallax_type_t*, size_t length,
                                                       wasm_trap_t** trap);
// Of the low 31 bits.
WASM_API_EXTERN wasm_ref_t* parallax_i31_new(wasm_store_t*, int32_t value);

typedef uint8_t parallax_refkind_t;
enum parallax_refkind_enum {
  PARALLAX_REF_NULL,
  PARALLAX_REF_I31,
  PARALLAX_REF_STRUCT,
  PARALLAX_REF_ARRAY,
  PARALLAX_REF_FUNC,
  PARALLAX_REF_FOREIGN,
  PARALLAX_REF_EXN,
};
WASM_API_EXTERN parallax_refkind_t parallax_ref_kind(const wasm_ref_t*);
// The concrete type of a struct or array, or null; the caller deletes it.
WASM_API_EXTERN parallax_type_t* parallax_ref_type(const wasm_ref_t*);
WASM_API_EXTERN bool parallax_ref_matches(const wasm_ref_t*, const wasm_valtype_t*);
// Sign-extended.
WASM_API_EXTERN int32_t parallax_i31_get(const wasm_ref_t*);
// Fields of a struct, elements of an array, values of an exception.
WASM_API_EXTERN size_t parallax_ref_length(const wasm_ref_t*);
// Packed fields are zero-extended. The caller deletes the value.
WASM_API_EXTERN bool parallax_ref_get(const wasm_ref_t*, size_t index, wasm_val_t* out);
WASM_API_EXTERN bool parallax_ref_set(wasm_ref_t*, size_t index, const wasm_val_t*);

// --- Tags and exceptions --------------------------------------------------------------------------------------------

typedef struct parallax_tag_t parallax_tag_t;
// A tag whose payload is the parameters of the type.
WASM_API_EXTERN parallax_tag_t* parallax_tag_new(wasm_store_t*, const wasm_functype_t*);
WASM_API_EXTERN void parallax_tag_delete(parallax_tag_t*);
WASM_API_EXTERN bool parallax_tag_same(const parallax_tag_t*, const parallax_tag_t*);
WASM_API_EXTERN wasm_extern_t* parallax_tag_as_extern(parallax_tag_t*);
WASM_API_EXTERN parallax_tag_t* parallax_extern_as_tag(wasm_extern_t*);
// What a host function returns to throw.
WASM_API_EXTERN wasm_trap_t* parallax_exception_new(wasm_store_t*, const parallax_tag_t*,
                                                    const wasm_val_vec_t* payload);
// Of a trap of kind PARALLAX_TRAP_EXCEPTION: whether it has this tag, and its payload, which the caller deletes.
WASM_API_EXTERN bool parallax_trap_has_tag(const wasm_trap_t*, const parallax_tag_t*);
WASM_API_EXTERN bool parallax_trap_payload(const wasm_trap_t*, wasm_val_vec_t* out);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // PARALLAX_GC_H
