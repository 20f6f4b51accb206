// Credit: a part of the allocation budget that compiled code may take from without comparing with the rest.
//
// Objects that compiled code keeps as values are charged like allocated ones (ir::Op::AllocCharge). The runtime moves
// some of what is left of the budget into one word; the code subtracts from it, counts the object, and asks the runtime
// when it does not suffice. Whoever decides about the end of the budget gives the rest of the credit back first, so the
// budget ends where it would; the bump window (heap.h) only ever counts on what was not moved.
#pragma once

#include "engine/runtime/vm_context.h"

namespace parallax::runtime {

// The word of StoreContext::jit_words that holds the credit.
inline constexpr size_t kCreditWord = 7;
// Taken at once: so many bytes, or half of what is left.
inline constexpr uint64_t kMostCredit = 1 << 20;

inline void return_credit(StoreContext& context) {
  context.allocation_left += context.jit_words[kCreditWord];
  context.jit_words[kCreditWord] = 0;
}

}  // namespace parallax::runtime
