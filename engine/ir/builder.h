// Appends instructions at the end of a block: the convenient way to make IR, for translation and tests.
//
// One function per shape of operation; immediates that only one or two operations have are given as an Inst prototype.
// The builder computes result types from operands where the operation's rule says so. It checks nothing: verify does.
#pragma once

#include <initializer_list>
#include <span>

#include "engine/ir/func.h"

namespace parallax::ir {

class Builder {
 public:
  explicit Builder(Func& func) : func_(func) {}

  Func& func() { return func_; }
  BlockId block() const { return block_; }
  void set_block(BlockId block) { block_ = block; }
  // Offset given to the instructions made from here on.
  void set_offset(wasm::WasmOffset offset) { offset_ = offset; }

  // Any operation. `proto` carries op and immediates; its offset is filled in.
  InstId emit(Inst proto, std::span<const ValueId> args, std::span<const Type> results,
              std::span<const BlockId> targets = {});
  // One result.
  ValueId value(const Inst& proto, Type type, std::initializer_list<ValueId> args = {});
  // No result.
  InstId effect(const Inst& proto, std::initializer_list<ValueId> args = {});

  // --- Values --------------------------------------------------------------------------------------------------
  ValueId constant(Type type, uint64_t bits, uint64_t high = 0);
  ValueId i32(uint32_t v) { return constant(wasm::kI32, v); }
  ValueId i64(uint64_t v) { return constant(wasm::kI64, v); }
  ValueId null(wasm::HeapType heap);
  ValueId ref_func(wasm::FuncIndex func);
  // Result type from the opcode's signature.
  ValueId compute(wasm::Opcode opcode, std::initializer_list<ValueId> args);
  ValueId select(Type type, ValueId if_true, ValueId if_false, ValueId condition);

  // --- References ------------------------------------------------------------------------------------------------
  // The operand itself when its type is already non-null.
  ValueId null_check(ValueId ref, wasm::TrapKind trap);
  ValueId cast(ValueId ref, Type target);
  ValueId ref_test(ValueId ref, Type target);
  ValueId ref_is_null(ValueId ref);
  // Refine by a RefTest or RefIsNull `test` of `ref` that was found to be `sense`.
  ValueId refine(ValueId ref, ValueId test, bool sense);

  // --- Control -----------------------------------------------------------------------------------------------------
  InstId jump(BlockId target, std::span<const ValueId> args = {});
  InstId branch(ValueId condition, BlockId if_true, BlockId if_false);
  InstId switch_on(ValueId index, std::span<const BlockId> targets);
  InstId ret(std::span<const ValueId> values);
  InstId trap(wasm::TrapKind kind);
  InstId budget() { return effect({.op = Op::Budget}); }

 private:
  Func& func_;
  BlockId block_;
  wasm::WasmOffset offset_ = 0;
};

// What is known of the first operand of a Refine with these operands: the rule shared by builder and passes.
// (verify.cc states it on its own.)
Type refined_type(const Func& func, ValueId ref, ValueId test, bool sense);

// The opcodes.def letter as a type; `p` is not admitted here.
Type type_of_letter(char letter);

}  // namespace parallax::ir
