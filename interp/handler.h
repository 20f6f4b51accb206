// What handler bodies are written with. Included by ops_*.cc only.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "engine/wasm/numerics.h"
#include "interp/ops.h"
#include "interp/store.h"

namespace parallax::interp {

// Ends a handler: the next instruction, or the one at `target`.
#define INTERP_JUMP(target)                            \
  do {                                                 \
    ip = (target);                                     \
    [[clang::musttail]] return ip->handler(ip, fp, m); \
  } while (false)
#define INTERP_NEXT() INTERP_JUMP(ip + 1)
// Ends the run with a trap at this instruction.
#define INTERP_TRAP(kind)                             \
  do {                                                \
    m->exit.trap = wasm::TrapKind::kind;              \
    [[clang::musttail]] return op_trapped(ip, fp, m); \
  } while (false)
// Ends the run with machine().exit as it is, located at this instruction.
#define INTERP_EXIT() [[clang::musttail]] return op_exit(ip, fp, m)

// Takes a branch whose target is a loop head or not (ops.h, BranchHandlers).
template <bool to_loop>
inline const Ins* branch_target(const Ins* ip, Machine* m) {
  ip += ip->d;
  if constexpr (to_loop) {
    if (m->fuel != 0) [[likely]] {
      --m->fuel;
      ++ip;
    }
  }
  return ip;
}

INTERP_HANDLER(op_trapped);
INTERP_HANDLER(op_exit);

// One operand, by the C++ type that numerics.def uses for its WebAssembly type.
template <class T>
inline T read(const uint64_t* slot) {
  if constexpr (std::is_same_v<T, wasm::V128>) {
    return wasm::V128::of_halves(slot[0], slot[1]);
  } else if constexpr (sizeof(T) == 4) {
    return std::bit_cast<T>(static_cast<uint32_t>(*slot));
  } else {
    return std::bit_cast<T>(*slot);
  }
}
template <class T>
inline void write(uint64_t* slot, T value) {
  if constexpr (std::is_same_v<T, wasm::V128>) {
    slot[0] = value.low();
    slot[1] = value.high();
  } else if constexpr (sizeof(T) == 4) {
    *slot = std::bit_cast<uint32_t>(value);
  } else {
    *slot = std::bit_cast<uint64_t>(value);
  }
}

}  // namespace parallax::interp
