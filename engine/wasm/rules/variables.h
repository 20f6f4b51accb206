// Rules: parametric instructions, locals, globals, tables, memories.
#pragma once

#include "engine/base/faults.h"
#include "engine/wasm/rules/support.h"

namespace parallax::wasm {

RULE(Drop) { pop(); }

// Without a type, select is for numbers and vectors only.
RULE(Select) {
  pop(kI32);
  const ValType b = pop();
  const ValType a = pop();
  if (a.is_ref() || b.is_ref() || (a != b && !a.is_bottom() && !b.is_bottom())) {
    return mismatch_of(
        text::format("select without a type cannot choose between {} and {}", to_string(a), to_string(b)));
  }
  push(a.is_bottom() ? b : a);
}

RULE(SelectTyped) {
  if (instr_.types.size() != 1)
    return invalid(text::format("invalid result arity: select with {} types", instr_.types.size()));
  const ValType type = instr_.types[0];
  pop(kI32);
  pop(type);
  pop(type);
  push(type);
}

RULE(LocalGet) {
  if (unset_[instr_.a] != 0) return invalid(text::format("uninitialized local {}", instr_.a));
  push(locals_[instr_.a]);
}
RULE(LocalSet) {
  pop(locals_[instr_.a]);
  local_initialised(instr_.a);
}
RULE(LocalTee) {
  pop(locals_[instr_.a]);
  local_initialised(instr_.a);
  push(locals_[instr_.a]);
}

WALK(void)::local_initialised(uint32_t local) {
  if (unset_[local] == 0) return;
  unset_[local] = 0;
  init_undo_.push_back(local);
}

WALK(void)::undo_initialisations(uint32_t height) {
  for (; init_undo_.size() > height; init_undo_.pop_back()) unset_[init_undo_.back()] = 1;
}

RULE(GlobalGet) {
  const GlobalType& type = module_->globals[instr_.a].type;
  if (constant_ && type.is_mutable) return invalid("constant expression required: global is mutable");
  push(type.value);
}
RULE(GlobalSet) {
  const GlobalType& type = module_->globals[instr_.a].type;
  if (!type.is_mutable && !fault_fires(Fault::kVAL1)) return invalid(text::format("immutable global {}", instr_.a));
  pop(type.value);
}

// --- Tables ----------------------------------------------------------------------------------------------------------

RULE(TableGet) {
  pop(table_address(instr_.a));
  push(module_->tables[instr_.a].type.element);
}
RULE(TableSet) {
  pop(module_->tables[instr_.a].type.element);
  pop(table_address(instr_.a));
}
RULE(TableSize) { push(table_address(instr_.a)); }
RULE(TableGrow) {
  const ValType address = table_address(instr_.a);
  pop(address);
  pop(module_->tables[instr_.a].type.element);
  push(address);
}
RULE(TableFill) {
  const ValType address = table_address(instr_.a);
  pop(address);
  pop(module_->tables[instr_.a].type.element);
  pop(address);
}

// The length has the narrower of the two address types.
RULE(TableCopy) {
  const TableType& to = module_->tables[instr_.a].type;
  const TableType& from = module_->tables[instr_.b].type;
  if (!matches(from.element, to.element)) {
    return mismatch_of(text::format("table {} holds {}, table {} takes {}", instr_.b, to_string(from.element), instr_.a,
                                    to_string(to.element)));
  }
  pop(to.limits.is_64 && from.limits.is_64 ? kI64 : kI32);
  pop(address_type(from.limits));
  pop(address_type(to.limits));
}

RULE(TableInit) {
  const ValType element = module_->tables[instr_.a].type.element;
  const ValType segment = module_->elems[instr_.b].type;
  if (!matches(segment, element)) {
    return mismatch_of(text::format("segment {} holds {}, table {} takes {}", instr_.b, to_string(segment), instr_.a,
                                    to_string(element)));
  }
  pop(kI32);
  pop(kI32);
  pop(table_address(instr_.a));
}

// --- Memories --------------------------------------------------------------------------------------------------------

RULE(MemoryCopy) {
  const ValType to = memory_address(instr_.a), from = memory_address(instr_.b);
  pop(to == kI64 && from == kI64 ? kI64 : kI32);
  pop(from);
  pop(to);
}

}  // namespace parallax::wasm
