// Vectors of the C API: arrays of plain values or of handles, owned with their elements.
#include <cstdlib>
#include <cstring>

#include "engine/api/capi.h"

namespace parallax::capi {
namespace {

// Null for no elements, and when memory is exhausted.
template <class Vec>
void allocate(Vec* out, size_t size) {
  using Element = std::remove_pointer_t<decltype(out->data)>;
  out->data = size == 0 ? nullptr : static_cast<Element*>(std::calloc(size, sizeof(Element)));
  out->size = out->data == nullptr ? 0 : size;
}

template <class Vec>
void free_elements(Vec* vec) {
  std::free(vec->data);
  vec->data = nullptr;
  vec->size = 0;
}

}  // namespace
}  // namespace parallax::capi

using namespace parallax::capi;  // NOLINT: the entry points

// COPY(to, from) and DELETE(element) say what an element needs; null vectors are refused.
#define PARALLAX_VEC(name, element_t, COPY, DELETE)                                                \
  void wasm_##name##_vec_new_empty(wasm_##name##_vec_t* out) {                                     \
    if (out != nullptr) allocate(out, 0);                                                          \
  }                                                                                                \
  void wasm_##name##_vec_new_uninitialized(wasm_##name##_vec_t* out, size_t size) {                \
    if (out != nullptr) allocate(out, size);                                                       \
  }                                                                                                \
  void wasm_##name##_vec_new(wasm_##name##_vec_t* out, size_t size, element_t const data[]) {      \
    if (out == nullptr) return;                                                                    \
    allocate(out, size);                                                                           \
    if (out->size != 0 && data != nullptr) std::memcpy(out->data, data, size * sizeof(element_t)); \
  }                                                                                                \
  void wasm_##name##_vec_copy(wasm_##name##_vec_t* out, const wasm_##name##_vec_t* from) {         \
    if (out == nullptr) return;                                                                    \
    allocate(out, from == nullptr ? 0 : from->size);                                               \
    for (size_t i = 0; i < out->size; ++i) COPY(&out->data[i], &from->data[i]);                    \
  }                                                                                                \
  void wasm_##name##_vec_delete(wasm_##name##_vec_t* vec) {                                        \
    if (vec == nullptr) return;                                                                    \
    for (size_t i = 0; i < vec->size; ++i) DELETE(&vec->data[i]);                                  \
    free_elements(vec);                                                                            \
  }
#define PARALLAX_KEEP(to, from) (*(to) = *(from))
#define PARALLAX_NOTHING(element) ((void)(element))
#define PARALLAX_HANDLE_VEC(name)                                                                                \
  static void copy_##name(wasm_##name##_t** to, wasm_##name##_t* const* from) {                                  \
    *to = *from == nullptr ? nullptr : wasm_##name##_copy(*from);                                                \
  }                                                                                                              \
  static void delete_##name(wasm_##name##_t** element) { delete_handle(*element, "wasm_" #name "_vec_delete"); } \
  PARALLAX_VEC(name, wasm_##name##_t*, copy_##name, delete_##name)

extern "C" {

PARALLAX_VEC(byte, wasm_byte_t, PARALLAX_KEEP, PARALLAX_NOTHING)
PARALLAX_VEC(val, wasm_val_t, wasm_val_copy, wasm_val_delete)
PARALLAX_HANDLE_VEC(valtype)
PARALLAX_HANDLE_VEC(functype)
PARALLAX_HANDLE_VEC(globaltype)
PARALLAX_HANDLE_VEC(tabletype)
PARALLAX_HANDLE_VEC(memorytype)
PARALLAX_HANDLE_VEC(externtype)
PARALLAX_HANDLE_VEC(importtype)
PARALLAX_HANDLE_VEC(exporttype)
PARALLAX_HANDLE_VEC(frame)
PARALLAX_HANDLE_VEC(extern)

}  // extern "C"
