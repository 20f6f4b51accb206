// ConstEval: constant expressions of validated modules.
//
// Not compiled, because each runs once. Operands are on a stack that is a root, since struct.new, array.new and their
// kin allocate and may collect in the middle. Budgets and traps are those of running code; fuel does not count.
#pragma once

#include <vector>

#include "engine/runtime/store.h"
#include "engine/wasm/instr_reader.h"

namespace parallax::runtime {

class ConstEval {
 public:
  ConstEval(Store& store, Instance& instance)
      : store_(store), instance_(instance), exprs_(*instance.module, {}, wasm::Features{.bits = ~0u}) {}

  // The value, or false after setting the store's exit. [may collect]
  bool evaluate(wasm::ConstExpr expr, Slot& result);

 private:
  Result<> step(const wasm::Instr& instr);
  bool is_full(const wasm::Instr& instr);
  void binary(wasm::Opcode op);
  void struct_new(wasm::TypeId type, bool with_values);
  void array_new(wasm::TypeId type, uint64_t length, bool with_value);
  void array_new_fixed(wasm::TypeId type, uint32_t length);
  void push(uint64_t bits, wasm::ValType type) { push(Slot{bits, 0}, type); }
  void push(Slot slot, wasm::ValType type) {
    slots_.push_back(slot);
    types_.push_back(type);
  }
  void pop(size_t count) {
    slots_.resize(slots_.size() - count);
    types_.resize(types_.size() - count);
  }
  void push_object(gc::Ref ref, wasm::TypeId type) {
    push(ref.bits, wasm::ValType::ref(wasm::HeapType::concrete(type), false));
  }
  // Lets a collection see the operands while `allocate` runs.
  template <class Allocate>
  gc::Ref rooted(Allocate&& allocate) {
    store_.rooted_slots_.push_back({slots_.data(), types_});
    const gc::Ref ref = allocate();
    store_.rooted_slots_.pop_back();
    return ref;
  }

  Store& store_;
  Instance& instance_;
  wasm::InstrReader exprs_;
  std::vector<Slot> slots_;
  std::vector<wasm::ValType> types_;
};

}  // namespace parallax::runtime
