// Handlers of linear memory: loads, stores, lanes, bulk operations.
//
// One bounds rule for all: address + offset must not wrap, and the access must end inside the memory. i32 addresses stand
// zero-extended in their slot, so the same code serves both address types.
#include <algorithm>
#include <array>

#include "interp/handler.h"

namespace parallax::interp {

namespace {

using wasm::Numeric;
using wasm::Opcode;
using wasm::V128;

inline uint64_t offset_of(const Ins* ip) { return uint64_t{static_cast<uint32_t>(ip->d)} << 32 | ip->c; }

// The byte that an access of `bytes` bytes starts at; null when it is out of bounds. `cannot_wrap`: a 32-bit memory, and
// an offset below 2^32.
template <bool cannot_wrap = false>
inline uint8_t* locate(const Ins* ip, const uint64_t* fp, uint64_t bytes) {
  const auto* memory = ip->pointer<const Memory>();
  if constexpr (cannot_wrap) {
    const uint64_t start = fp[ip->b] + ip->c;
    return start + bytes <= memory->bytes ? memory->base + start : nullptr;
  }
  uint64_t start, end;
  if (__builtin_add_overflow(fp[ip->b], offset_of(ip), &start) || __builtin_add_overflow(start, bytes, &end) ||
      end > memory->bytes) [[unlikely]] {
    return nullptr;
  }
  return memory->base + start;
}

inline bool in_bounds(uint64_t start, uint64_t count, uint64_t size) { return start <= size && count <= size - start; }

template <class T>
inline T peek(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

// A memory type Mem widened to the register type Reg (both integers).
template <class Mem, class Reg, bool cannot_wrap>
INTERP_HANDLER(load) {
  const uint8_t* at = locate<cannot_wrap>(ip, fp, sizeof(Mem));
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  write(fp + ip->a, static_cast<Reg>(peek<Mem>(at)));
  INTERP_NEXT();
}
template <class Mem, bool cannot_wrap>
INTERP_HANDLER(store) {
  uint8_t* at = locate<cannot_wrap>(ip, fp, sizeof(Mem));
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  const auto value = static_cast<Mem>(fp[ip->a]);
  std::memcpy(at, &value, sizeof(Mem));
  INTERP_NEXT();
}

INTERP_HANDLER(v128_load) {
  const uint8_t* at = locate(ip, fp, 16);
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  std::memcpy(fp + ip->a, at, 16);
  INTERP_NEXT();
}
INTERP_HANDLER(v128_store) {
  uint8_t* at = locate(ip, fp, 16);
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  std::memcpy(at, fp + ip->a, 16);
  INTERP_NEXT();
}
// Eight bytes, widened lane by lane.
template <Opcode extend>
INTERP_HANDLER(v128_load_extend) {
  const uint8_t* at = locate(ip, fp, 8);
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  write(fp + ip->a, Numeric<extend>::apply(V128::of_halves(peek<uint64_t>(at), 0)));
  INTERP_NEXT();
}
template <class T>
INTERP_HANDLER(v128_load_splat) {
  const uint8_t* at = locate(ip, fp, sizeof(T));
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  write(fp + ip->a, wasm::num::splat<T>(peek<T>(at)));
  INTERP_NEXT();
}
template <class T>
INTERP_HANDLER(v128_load_zero) {
  const uint8_t* at = locate(ip, fp, sizeof(T));
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  write(fp + ip->a, V128::of_halves(peek<T>(at), 0));
  INTERP_NEXT();
}
template <class T>
INTERP_HANDLER(v128_load_lane) {
  const uint8_t* at = locate(ip, fp, sizeof(T));
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  const V128 vector = read<V128>(fp + ip[1].a);
  write(fp + ip->a, wasm::num::replace<T>(vector, peek<T>(at), {static_cast<uint8_t>(ip[1].b)}));
  INTERP_JUMP(ip + 2);
}
template <class T>
INTERP_HANDLER(v128_store_lane) {
  uint8_t* at = locate(ip, fp, sizeof(T));
  if (at == nullptr) [[unlikely]]
    INTERP_TRAP(kMemoryOutOfBounds);
  const T value = wasm::num::extract<T>(read<V128>(fp + ip[1].a), {static_cast<uint8_t>(ip[1].b)});
  std::memcpy(at, &value, sizeof(T));
  INTERP_JUMP(ip + 2);
}

template <bool cannot_wrap>
constexpr auto kHandlers = [] {
  std::array<Handler, wasm::kOpcodeCount> handlers{};
#define ROW(op, ...) handlers[static_cast<size_t>(Opcode::op)] = __VA_ARGS__;
  ROW(I32Load, load<uint32_t, uint32_t, cannot_wrap>)
  ROW(I64Load, load<uint64_t, uint64_t, cannot_wrap>)
  ROW(F32Load, load<uint32_t, uint32_t, cannot_wrap>)
  ROW(F64Load, load<uint64_t, uint64_t, cannot_wrap>)
  ROW(I32Load8S, load<int8_t, int32_t, cannot_wrap>)
  ROW(I32Load8U, load<uint8_t, uint32_t, cannot_wrap>)
  ROW(I32Load16S, load<int16_t, int32_t, cannot_wrap>)
  ROW(I32Load16U, load<uint16_t, uint32_t, cannot_wrap>)
  ROW(I64Load8S, load<int8_t, int64_t, cannot_wrap>)
  ROW(I64Load8U, load<uint8_t, uint64_t, cannot_wrap>)
  ROW(I64Load16S, load<int16_t, int64_t, cannot_wrap>)
  ROW(I64Load16U, load<uint16_t, uint64_t, cannot_wrap>)
  ROW(I64Load32S, load<int32_t, int64_t, cannot_wrap>)
  ROW(I64Load32U, load<uint32_t, uint64_t, cannot_wrap>)
  ROW(I32Store, store<uint32_t, cannot_wrap>)
  ROW(I64Store, store<uint64_t, cannot_wrap>)
  ROW(F32Store, store<uint32_t, cannot_wrap>)
  ROW(F64Store, store<uint64_t, cannot_wrap>)
  ROW(I32Store8, store<uint8_t, cannot_wrap>)
  ROW(I32Store16, store<uint16_t, cannot_wrap>)
  ROW(I64Store8, store<uint8_t, cannot_wrap>)
  ROW(I64Store16, store<uint16_t, cannot_wrap>)
  ROW(I64Store32, store<uint32_t, cannot_wrap>)
  ROW(V128Load, v128_load)
  ROW(V128Store, v128_store)
  ROW(V128Load8x8S, v128_load_extend<Opcode::I16x8ExtendLowI8x16S>)
  ROW(V128Load8x8U, v128_load_extend<Opcode::I16x8ExtendLowI8x16U>)
  ROW(V128Load16x4S, v128_load_extend<Opcode::I32x4ExtendLowI16x8S>)
  ROW(V128Load16x4U, v128_load_extend<Opcode::I32x4ExtendLowI16x8U>)
  ROW(V128Load32x2S, v128_load_extend<Opcode::I64x2ExtendLowI32x4S>)
  ROW(V128Load32x2U, v128_load_extend<Opcode::I64x2ExtendLowI32x4U>)
  ROW(V128Load8Splat, v128_load_splat<uint8_t>)
  ROW(V128Load16Splat, v128_load_splat<uint16_t>)
  ROW(V128Load32Splat, v128_load_splat<uint32_t>)
  ROW(V128Load64Splat, v128_load_splat<uint64_t>)
  ROW(V128Load32Zero, v128_load_zero<uint32_t>)
  ROW(V128Load64Zero, v128_load_zero<uint64_t>)
  ROW(V128Load8Lane, v128_load_lane<uint8_t>)
  ROW(V128Load16Lane, v128_load_lane<uint16_t>)
  ROW(V128Load32Lane, v128_load_lane<uint32_t>)
  ROW(V128Load64Lane, v128_load_lane<uint64_t>)
  ROW(V128Store8Lane, v128_store_lane<uint8_t>)
  ROW(V128Store16Lane, v128_store_lane<uint16_t>)
  ROW(V128Store32Lane, v128_store_lane<uint32_t>)
  ROW(V128Store64Lane, v128_store_lane<uint64_t>)
#undef ROW
  return handlers;
}();

}  // namespace

Handler memory_handler(Opcode op, bool cannot_wrap) {
  return (cannot_wrap ? kHandlers<true> : kHandlers<false>)[static_cast<size_t>(op)];
}

INTERP_HANDLER(op_memory_size) {
  fp[ip->a] = ip->pointer<const Memory>()->pages();
  INTERP_NEXT();
}

INTERP_HANDLER(op_memory_grow) {
  auto* memory = ip->pointer<Memory>();
  const uint64_t delta = fp[ip->b];
  const uint64_t before = memory->pages();
  const bool is_64 = memory->type.limits.is_64;
  const uint64_t limit = std::min({memory->type.limits.max.value_or(UINT64_MAX), m->store->budget().memory_pages,
                                   is_64 ? UINT64_MAX : uint64_t{65536}});
  const bool grown =
      before <= limit && delta <= limit - before && memory->grow_to((before + delta) * Memory::kPageBytes);
  fp[ip->a] = grown ? before : is_64 ? UINT64_MAX : UINT32_MAX;
  INTERP_NEXT();
}

INTERP_HANDLER(op_memory_fill) {
  const auto* memory = ip->pointer<const Memory>();
  const uint64_t* args = fp + ip->a;
  if (!in_bounds(args[0], args[2], memory->bytes)) INTERP_TRAP(kMemoryOutOfBounds);
  if (args[2] != 0) std::memset(memory->base + args[0], static_cast<uint8_t>(args[1]), args[2]);
  INTERP_NEXT();
}

INTERP_HANDLER(op_memory_copy) {
  const auto* to = ip->pointer<const Memory>();
  const auto* from = ip[1].pointer<const Memory>();
  const uint64_t* args = fp + ip->a;
  if (!in_bounds(args[0], args[2], to->bytes) || !in_bounds(args[1], args[2], from->bytes))
    INTERP_TRAP(kMemoryOutOfBounds);
  if (args[2] != 0) std::memmove(to->base + args[0], from->base + args[1], args[2]);
  INTERP_JUMP(ip + 2);
}

INTERP_HANDLER(op_memory_init) {
  auto* instance = ip->pointer<Instance>();
  const Memory* memory = instance->memories[ip->c];
  const std::span<const uint8_t> data = instance->data(ip->b);
  const uint64_t* args = fp + ip->a;
  if (!in_bounds(args[0], args[2], memory->bytes) || !in_bounds(args[1], args[2], data.size()))
    INTERP_TRAP(kMemoryOutOfBounds);
  if (args[2] != 0) std::memcpy(memory->base + args[0], data.data() + args[1], args[2]);
  INTERP_NEXT();
}

INTERP_HANDLER(op_data_drop) {
  ip->pointer<Instance>()->data_dropped[ip->b] = 1;
  INTERP_NEXT();
}

}  // namespace parallax::interp
