// Handlers of references, casts, structs and arrays.
//
// Allocations set the frame's place first, may collect, and then fill every slot of the new object before anything else
// can look at it. Operands stay in their home slots meanwhile and are roots there.
#include <algorithm>

#include "interp/casts.h"
#include "interp/handler.h"

namespace parallax::interp {

// --- References and i31 ------------------------------------------------------------------------------------------

INTERP_HANDLER(op_ref_is_null) {
  fp[ip->a] = fp[ip->b] == kNullWord ? 1 : 0;
  INTERP_NEXT();
}
INTERP_HANDLER(op_ref_eq) {
  fp[ip->a] = fp[ip->b] == fp[ip->c] ? 1 : 0;
  INTERP_NEXT();
}
INTERP_HANDLER(op_ref_as_non_null) {
  const Word word = fp[ip->b];
  if (word == kNullWord) [[unlikely]]
    INTERP_TRAP(kNullReference);
  fp[ip->a] = word;
  INTERP_NEXT();
}
INTERP_HANDLER(op_ref_i31) {
  fp[ip->a] = i31_word(static_cast<uint32_t>(fp[ip->b]));
  INTERP_NEXT();
}
INTERP_HANDLER(op_i31_get_s) {
  const Word word = fp[ip->b];
  if (word == kNullWord) [[unlikely]]
    INTERP_TRAP(kNullI31Reference);
  fp[ip->a] = i31_signed(word);
  INTERP_NEXT();
}
INTERP_HANDLER(op_i31_get_u) {
  const Word word = fp[ip->b];
  if (word == kNullWord) [[unlikely]]
    INTERP_TRAP(kNullI31Reference);
  fp[ip->a] = i31_unsigned(word);
  INTERP_NEXT();
}

// --- Casts -------------------------------------------------------------------------------------------------------

namespace {

// One set of handlers per heap kind, so that the kind is decided at translation.
template <wasm::HeapKind kind>
inline bool succeeds(const Ins* ip, const uint64_t* fp, Machine* m) {
  const Word word = fp[ip->b];
  if (word == kNullWord) return ip->c != 0;
  if constexpr (kind == wasm::HeapKind::kConcrete) {
    return is_concrete_instance(word, *ip->pointer<CastSite>(), m->store->infos());
  } else {
    return is_abstract_instance(word, kind);
  }
}

template <wasm::HeapKind kind>
INTERP_HANDLER(ref_test) {
  fp[ip->a] = succeeds<kind>(ip, fp, m) ? 1 : 0;
  INTERP_NEXT();
}
template <wasm::HeapKind kind>
INTERP_HANDLER(ref_cast) {
  if (!succeeds<kind>(ip, fp, m)) [[unlikely]]
    INTERP_TRAP(kCastFailure);
  fp[ip->a] = fp[ip->b];
  INTERP_NEXT();
}
template <wasm::HeapKind kind, bool when, bool to_loop>
INTERP_HANDLER(br_cast) {
  if (succeeds<kind>(ip, fp, m) == when) INTERP_JUMP(branch_target<to_loop>(ip, m));
  INTERP_NEXT();
}

template <wasm::HeapKind kind>
constexpr CastHandlers handlers_for() {
  return {.test = ref_test<kind>,
          .cast = ref_cast<kind>,
          .branch = {br_cast<kind, true, false>, br_cast<kind, false, false>, br_cast<kind, true, true>,
                     br_cast<kind, false, true>}};
}

// ORDER: HeapKind.
constexpr CastHandlers kCastHandlers[] = {
    handlers_for<wasm::HeapKind::kFunc>(),     handlers_for<wasm::HeapKind::kNoFunc>(),
    handlers_for<wasm::HeapKind::kExtern>(),   handlers_for<wasm::HeapKind::kNoExtern>(),
    handlers_for<wasm::HeapKind::kAny>(),      handlers_for<wasm::HeapKind::kEq>(),
    handlers_for<wasm::HeapKind::kI31>(),      handlers_for<wasm::HeapKind::kStruct>(),
    handlers_for<wasm::HeapKind::kArray>(),    handlers_for<wasm::HeapKind::kNone>(),
    handlers_for<wasm::HeapKind::kExn>(),      handlers_for<wasm::HeapKind::kNoExn>(),
    handlers_for<wasm::HeapKind::kConcrete>(),
};
static_assert(std::size(kCastHandlers) == static_cast<size_t>(wasm::HeapKind::kConcrete) + 1);

}  // namespace

const CastHandlers& cast_handlers(wasm::HeapKind kind) { return kCastHandlers[static_cast<size_t>(kind)]; }

INTERP_HANDLER(op_i31_cast_get_s) {
  const Word word = fp[ip->b];
  if (!is_i31(word)) [[unlikely]]
    INTERP_TRAP(kCastFailure);
  fp[ip->a] = i31_signed(word);
  INTERP_NEXT();
}
INTERP_HANDLER(op_i31_cast_get_u) {
  const Word word = fp[ip->b];
  if (!is_i31(word)) [[unlikely]]
    INTERP_TRAP(kCastFailure);
  fp[ip->a] = i31_unsigned(word);
  INTERP_NEXT();
}

// --- Fields and elements -------------------------------------------------------------------------------------------

namespace {

inline uint64_t packed(FieldKind kind, uint64_t value) {
  if (kind == FieldKind::kI8) return value & 0xff;
  if (kind == FieldKind::kI16) return value & 0xffff;
  return value;
}
inline uint64_t sign_extended(FieldKind kind, uint64_t value) {
  if (kind == FieldKind::kI8) return wasm::num::extend<int8_t>(static_cast<uint32_t>(value));
  return wasm::num::extend<int16_t>(static_cast<uint32_t>(value));
}

}  // namespace

#define INTERP_STRUCT(name, slot)         \
  if (fp[slot] == kNullWord) [[unlikely]] \
    INTERP_TRAP(kNullStructureReference); \
  StructCell* name = struct_of(fp[slot])

INTERP_HANDLER(op_struct_get) {
  INTERP_STRUCT(object, ip->b);
  fp[ip->a] = object->slots[ip->c];
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_get8_s) {
  INTERP_STRUCT(object, ip->b);
  fp[ip->a] = sign_extended(FieldKind::kI8, object->slots[ip->c]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_get16_s) {
  INTERP_STRUCT(object, ip->b);
  fp[ip->a] = sign_extended(FieldKind::kI16, object->slots[ip->c]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_get_v128) {
  INTERP_STRUCT(object, ip->b);
  const uint64_t high = object->slots[m->store->infos().known(object->type).length() + ip->c];
  fp[ip->a] = object->slots[ip->c];
  fp[ip->a + 1] = high;
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_set) {
  INTERP_STRUCT(object, ip->a);
  object->slots[ip->c] = fp[ip->b];
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_set8) {
  INTERP_STRUCT(object, ip->a);
  object->slots[ip->c] = packed(FieldKind::kI8, fp[ip->b]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_set16) {
  INTERP_STRUCT(object, ip->a);
  object->slots[ip->c] = packed(FieldKind::kI16, fp[ip->b]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_set_v128) {
  INTERP_STRUCT(object, ip->a);
  object->slots[ip->c] = fp[ip->b];
  object->slots[m->store->infos().known(object->type).length() + ip->c] = fp[ip->b + 1];
  INTERP_NEXT();
}

#define INTERP_ARRAY(name, slot)          \
  if (fp[slot] == kNullWord) [[unlikely]] \
    INTERP_TRAP(kNullArrayReference);     \
  ArrayCell* name = array_of(fp[slot])
#define INTERP_ELEMENT(name, index, ref_slot, index_slot)   \
  INTERP_ARRAY(name, ref_slot);                             \
  const auto index = static_cast<uint32_t>(fp[index_slot]); \
  if (index >= name->length) [[unlikely]]                   \
  INTERP_TRAP(kArrayOutOfBounds)

INTERP_HANDLER(op_array_get) {
  INTERP_ELEMENT(array, index, ip->b, ip->c);
  fp[ip->a] = array->slots[index];
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_get8_s) {
  INTERP_ELEMENT(array, index, ip->b, ip->c);
  fp[ip->a] = sign_extended(FieldKind::kI8, array->slots[index]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_get16_s) {
  INTERP_ELEMENT(array, index, ip->b, ip->c);
  fp[ip->a] = sign_extended(FieldKind::kI16, array->slots[index]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_get_v128) {
  INTERP_ELEMENT(array, index, ip->b, ip->c);
  const uint64_t low = array->slots[index], high = array->slots[array->length + index];
  fp[ip->a] = low;
  fp[ip->a + 1] = high;
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_set) {
  INTERP_ELEMENT(array, index, ip->a, ip->b);
  array->slots[index] = fp[ip->c];
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_set8) {
  INTERP_ELEMENT(array, index, ip->a, ip->b);
  array->slots[index] = packed(FieldKind::kI8, fp[ip->c]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_set16) {
  INTERP_ELEMENT(array, index, ip->a, ip->b);
  array->slots[index] = packed(FieldKind::kI16, fp[ip->c]);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_set_v128) {
  INTERP_ELEMENT(array, index, ip->a, ip->b);
  array->slots[index] = fp[ip->c];
  array->slots[array->length + index] = fp[ip->c + 1];
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_len) {
  INTERP_ARRAY(array, ip->b);
  fp[ip->a] = array->length;
  INTERP_NEXT();
}

// --- Structs: allocation -------------------------------------------------------------------------------------------

INTERP_HANDLER(op_struct_new) {
  const auto& type = *ip->pointer<const TypeInfo>();
  m->top->ip = ip;
  StructCell* object = m->store->new_struct(type, Heap::Fill::kNone);
  if (object == nullptr) [[unlikely]]
    INTERP_EXIT();
  const uint64_t* from = fp + ip->b;
  for (size_t i = 0, n = type.fields.size(); i < n; ++i) object->slots[i] = from[i];
  fp[ip->a] = word_of(object);
  INTERP_NEXT();
}
namespace {
template <uint32_t count>
inline bool make_struct(const Ins* ip, uint64_t* fp, Machine* m) {
  m->top->ip = ip;
  StructCell* object = m->store->new_struct(*ip->pointer<const TypeInfo>(), Heap::Fill::kNone);
  if (object == nullptr) [[unlikely]]
    return false;
  object->slots[0] = fp[ip->b];
  if constexpr (count > 1) object->slots[1] = fp[ip->c];
  if constexpr (count > 2) object->slots[2] = fp[static_cast<uint32_t>(ip->d)];
  fp[ip->a] = word_of(object);
  return true;
}
}  // namespace
INTERP_HANDLER(op_struct_new1) {
  if (!make_struct<1>(ip, fp, m)) [[unlikely]]
    INTERP_EXIT();
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_new2) {
  if (!make_struct<2>(ip, fp, m)) [[unlikely]]
    INTERP_EXIT();
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_new3) {
  if (!make_struct<3>(ip, fp, m)) [[unlikely]]
    INTERP_EXIT();
  INTERP_NEXT();
}
// With packed or v128 fields.
INTERP_HANDLER(op_struct_new_any) {
  const auto& type = *ip->pointer<const TypeInfo>();
  m->top->ip = ip;
  StructCell* object = m->store->new_struct(type, Heap::Fill::kZero);
  if (object == nullptr) [[unlikely]]
    INTERP_EXIT();
  const uint64_t* from = fp + ip->b;
  for (uint32_t i = 0; i < type.length(); ++i) {
    object->slots[i] = packed(type.fields[i].kind, *from++);
    if (type.fields[i].kind == FieldKind::kV128) object->slots[type.length() + i] = *from++;
  }
  fp[ip->a] = word_of(object);
  INTERP_NEXT();
}
INTERP_HANDLER(op_struct_new_default) {
  m->top->ip = ip;
  StructCell* object = m->store->new_struct(*ip->pointer<const TypeInfo>(), Heap::Fill::kZero);
  if (object == nullptr) [[unlikely]]
    INTERP_EXIT();
  fp[ip->a] = word_of(object);
  INTERP_NEXT();
}

// --- Arrays: allocation --------------------------------------------------------------------------------------------

namespace {

// Writes `count` elements from `start`, all with the value at `value`.
void fill_elements(ArrayCell* array, const TypeInfo& type, uint64_t start, uint64_t count, const uint64_t* value) {
  std::fill_n(array->slots + start, count, packed(type.element().kind, value[0]));
  if (type.has_v128) std::fill_n(array->slots + array->length + start, count, value[1]);
}

// Reads element `index` of `type` from packed little-endian bytes (array.new_data and array.init_data).
void read_elements(ArrayCell* array, const TypeInfo& type, uint64_t start, uint64_t count, const uint8_t* bytes) {
  const uint32_t width = type.element().bytes;
  for (uint64_t i = 0; i < count; ++i, bytes += width) {
    uint64_t halves[2] = {};
    std::memcpy(halves, bytes, width);
    array->slots[start + i] = halves[0];
    if (type.has_v128) array->slots[array->length + start + i] = halves[1];
  }
}

inline bool in_bounds(uint64_t start, uint64_t count, uint64_t size) { return start <= size && count <= size - start; }

}  // namespace

INTERP_HANDLER(op_array_new) {
  const auto& type = *ip->pointer<const TypeInfo>();
  m->top->ip = ip;
  const auto length = static_cast<uint32_t>(fp[ip->c]);
  const uint64_t* value = fp + ip->b;
  const bool zero = value[0] == 0 && (!type.has_v128 || value[1] == 0);
  ArrayCell* array = m->store->new_array(type, length, zero ? Heap::Fill::kZero : Heap::Fill::kNone);
  if (array == nullptr) [[unlikely]]
    INTERP_EXIT();
  if (!zero) fill_elements(array, type, 0, length, value);
  fp[ip->a] = word_of(array);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_new_default) {
  m->top->ip = ip;
  const auto length = static_cast<uint32_t>(fp[ip->b]);
  ArrayCell* array = m->store->new_array(*ip->pointer<const TypeInfo>(), length, Heap::Fill::kZero);
  if (array == nullptr) [[unlikely]]
    INTERP_EXIT();
  fp[ip->a] = word_of(array);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_new_fixed) {
  const auto& type = *ip->pointer<const TypeInfo>();
  m->top->ip = ip;
  ArrayCell* array = m->store->new_array(type, ip->c, Heap::Fill::kNone);
  if (array == nullptr) [[unlikely]]
    INTERP_EXIT();
  const uint64_t* from = fp + ip->b;
  for (uint32_t i = 0; i < ip->c; ++i) {
    array->slots[i] = packed(type.element().kind, *from++);
    if (type.has_v128) array->slots[array->length + i] = *from++;
  }
  fp[ip->a] = word_of(array);
  INTERP_NEXT();
}
INTERP_HANDLER(op_array_new_data) {
  const auto& type = *ip->pointer<const TypeInfo>();
  const std::span<const uint8_t> data = ip[1].pointer<const Instance>()->data(ip[1].a);
  const auto offset = static_cast<uint32_t>(fp[ip->b]);
  const auto length = static_cast<uint32_t>(fp[ip->c]);
  if (!in_bounds(offset, uint64_t{length} * type.element().bytes, data.size())) INTERP_TRAP(kMemoryOutOfBounds);
  m->top->ip = ip;
  ArrayCell* array = m->store->new_array(type, length, Heap::Fill::kNone);
  if (array == nullptr) [[unlikely]]
    INTERP_EXIT();
  if (length != 0) read_elements(array, type, 0, length, data.data() + offset);
  fp[ip->a] = word_of(array);
  INTERP_JUMP(ip + 2);
}
INTERP_HANDLER(op_array_new_elem) {
  const auto& type = *ip->pointer<const TypeInfo>();
  const std::vector<Word>& words = ip[1].pointer<const Instance>()->elems[ip[1].a].words;
  const auto offset = static_cast<uint32_t>(fp[ip->b]);
  const auto length = static_cast<uint32_t>(fp[ip->c]);
  if (!in_bounds(offset, length, words.size())) INTERP_TRAP(kTableOutOfBounds);
  m->top->ip = ip;
  ArrayCell* array = m->store->new_array(type, length, Heap::Fill::kNone);
  if (array == nullptr) [[unlikely]]
    INTERP_EXIT();
  std::copy_n(words.begin() + offset, length, array->slots);
  fp[ip->a] = word_of(array);
  INTERP_JUMP(ip + 2);
}

// --- Arrays: bulk operations ---------------------------------------------------------------------------------------

// array, start, value, length (at slot c)
INTERP_HANDLER(op_array_fill) {
  const auto& type = *ip->pointer<const TypeInfo>();
  const uint64_t* args = fp + ip->a;
  INTERP_ARRAY(array, ip->a);
  const auto count = static_cast<uint32_t>(fp[ip->c]);
  if (!in_bounds(args[1], count, array->length)) INTERP_TRAP(kArrayOutOfBounds);
  fill_elements(array, type, args[1], count, args + 2);
  INTERP_NEXT();
}
// to, start, from, start, length
INTERP_HANDLER(op_array_copy) {
  const uint64_t* args = fp + ip->a;
  INTERP_ARRAY(to, ip->a);
  INTERP_ARRAY(from, ip->a + 2);
  if (!in_bounds(args[1], args[4], to->length) || !in_bounds(args[3], args[4], from->length))
    INTERP_TRAP(kArrayOutOfBounds);
  std::memmove(to->slots + args[1], from->slots + args[3], args[4] * sizeof(uint64_t));
  if (ip->pointer<const TypeInfo>()->has_v128) {
    std::memmove(to->slots + to->length + args[1], from->slots + from->length + args[3], args[4] * sizeof(uint64_t));
  }
  INTERP_NEXT();
}
// array, start, segment start, length
INTERP_HANDLER(op_array_init_data) {
  const auto& type = *ip->pointer<const TypeInfo>();
  const uint64_t* args = fp + ip->a;
  INTERP_ARRAY(array, ip->a);
  if (!in_bounds(args[1], args[3], array->length)) INTERP_TRAP(kArrayOutOfBounds);
  const std::span<const uint8_t> data = ip[1].pointer<const Instance>()->data(ip[1].a);
  if (!in_bounds(args[2], args[3] * type.element().bytes, data.size())) INTERP_TRAP(kMemoryOutOfBounds);
  if (args[3] != 0) read_elements(array, type, args[1], args[3], data.data() + args[2]);
  INTERP_JUMP(ip + 2);
}
INTERP_HANDLER(op_array_init_elem) {
  const uint64_t* args = fp + ip->a;
  INTERP_ARRAY(array, ip->a);
  if (!in_bounds(args[1], args[3], array->length)) INTERP_TRAP(kArrayOutOfBounds);
  const std::vector<Word>& words = ip[1].pointer<const Instance>()->elems[ip[1].a].words;
  if (!in_bounds(args[2], args[3], words.size())) INTERP_TRAP(kTableOutOfBounds);
  std::copy_n(words.begin() + static_cast<ptrdiff_t>(args[2]), args[3], array->slots + args[1]);
  INTERP_JUMP(ip + 2);
}

}  // namespace parallax::interp
