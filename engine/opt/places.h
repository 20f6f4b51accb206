// Alias classes: which mutable places an operation may read or write, as a set of bits.
//
// Two operations touch the same place only if their sets meet. A class is
//   * fields by index and storage type: mutable fields of related types have one type, layouts are prefixes;
//   * elements by storage type, for the same reason; globals by index, imported ones together (they may be one another);
//   * contents and sizes of memories and tables by index, imported ones together.
// Classes share bits by hashing, which only ever finds too much. Calls may write everything. What never changes after its
// initialisation (immutable fields and elements, lengths) is in no class.
#pragma once

#include <cstdint>

#include "engine/ir/func.h"

namespace parallax::opt {

struct Places {
  uint64_t heap = 0;   // fields, elements
  uint64_t other = 0;  // globals, memories, tables

  bool meets(const Places& with) const { return (heap & with.heap) != 0 || (other & with.other) != 0; }
  bool empty() const { return heap == 0 && other == 0; }
  Places& operator|=(const Places& more) {
    heap |= more.heap;
    other |= more.other;
    return *this;
  }
};

// What `inst` may read besides its operands. Requires an operation that is no call and no terminator.
Places reads_of(const ir::Func& func, const ir::Inst& inst);
// What `inst` may write. Initialising stores write nothing: nobody else knows the object.
Places writes_of(const ir::Func& func, const ir::Inst& inst);

}  // namespace parallax::opt
