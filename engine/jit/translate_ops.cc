// Instructions that are no control: operands from the stack, one or a few IR operations, results to the stack.
#include <cstring>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/jit/translate_state.h"

namespace parallax::jit {

using ir::Inst;
using ir::Op;
using ir::Type;
using wasm::Opcode;
using wasm::TrapKind;

// --- Calls -----------------------------------------------------------------------------------------------------------

Result<> Translator::State::on_call(const Event& e) {
  const wasm::SubType& type = module_->func_type(wasm::FuncIndex(e.instr.a));
  return call_inst({.op = Op::Call, .a = e.instr.a}, pop_many(type.params.size()), type.results);
}

Result<> Translator::State::on_call_indirect(const Event& e) {
  const wasm::SubType& type = module_->types[e.instr.a];
  return call_inst({.op = Op::CallIndirect, .a = type_id(e.instr.a).raw, .b = e.instr.b},
                   pop_many(type.params.size() + 1), type.results);
}

Result<> Translator::State::on_call_ref(const Event& e) {
  const wasm::SubType& type = module_->types[e.instr.a];
  push(pop_non_null(TrapKind::kNullFunctionReference));
  return call_inst({.op = Op::CallRef, .a = type_id(e.instr.a).raw}, pop_many(type.params.size() + 1), type.results);
}

Result<> Translator::State::on_return_call(const Event& e) {
  if (!reachable_) return {};
  const wasm::SubType& type = module_->func_type(wasm::FuncIndex(e.instr.a));
  b_->emit({.op = Op::ReturnCall, .a = e.instr.a}, pop_many(type.params.size()), {});
  become_dead();
  return {};
}

Result<> Translator::State::on_return_call_indirect(const Event& e) {
  if (!reachable_) return {};
  const wasm::SubType& type = module_->types[e.instr.a];
  b_->emit({.op = Op::ReturnCallIndirect, .a = type_id(e.instr.a).raw, .b = e.instr.b},
           pop_many(type.params.size() + 1), {});
  become_dead();
  return {};
}

Result<> Translator::State::on_return_call_ref(const Event& e) {
  if (!reachable_) return {};
  const wasm::SubType& type = module_->types[e.instr.a];
  push(pop_non_null(TrapKind::kNullFunctionReference));
  b_->emit({.op = Op::ReturnCallRef, .a = type_id(e.instr.a).raw}, pop_many(type.params.size() + 1), {});
  become_dead();
  return {};
}

// --- Numbers and variables ---------------------------------------------------------------------------------------------

Result<> Translator::State::on_nop(const Event&) { return {}; }

Result<> Translator::State::on_drop(const Event&) {
  pop();
  return {};
}

Result<> Translator::State::on_select(const Event&) {
  const ValueId condition = pop();
  const ValueId if_false = pop();
  const ValueId if_true = pop();
  const Type type = ir::join(func_->types(), func_->type(if_true), func_->type(if_false));
  push(b_->select(type, if_true, if_false, condition));
  return {};
}

// Immediates that an instruction does not have are left over from others.
static uint32_t lane_of(const wasm::Instr& instr) {
  const wasm::ImmKind immediates = wasm::info(instr.op).immediates;
  return immediates == wasm::ImmKind::Lane || immediates == wasm::ImmKind::MemArgLane ? instr.lane : 0;
}
static void set_vector(Inst& inst, const std::array<uint8_t, 16>& bytes) {
  std::memcpy(&inst.imm, bytes.data(), 8);
  std::memcpy(&inst.high, bytes.data() + 8, 8);
}

Result<> Translator::State::on_compute(const Event& e) {
  const Type result = e.types.pushed[0];
  const auto args = pop_many(e.types.popped.size());
  Inst proto{.op = Op::Compute, .opcode = e.instr.op, .b = lane_of(e.instr)};
  if (wasm::info(e.instr.op).immediates == wasm::ImmKind::Shuffle) set_vector(proto, e.instr.v128);
  push(func_->result(b_->emit(proto, args, std::span(&result, 1))));
  return {};
}

Result<> Translator::State::on_const(const Event& e) {
  const Type type = e.types.pushed[0];
  const bool narrow = type == wasm::kI32 || type == wasm::kF32;
  Inst proto{.op = Op::Const, .imm = narrow ? e.instr.bits & 0xffffffffu : e.instr.bits};
  if (type == wasm::kV128) set_vector(proto, e.instr.v128);
  push(b_->value(proto, type));
  return {};
}

Result<> Translator::State::on_local_get(const Event& e) {
  push(local_[e.instr.a]);
  return {};
}

Result<> Translator::State::on_local_set(const Event& e) {
  set_local(e.instr.a, pop());
  return {};
}

Result<> Translator::State::on_local_tee(const Event& e) {
  set_local(e.instr.a, stack_.back());
  return {};
}

static Inst access(Op op, const wasm::Instr& instr) {
  return {.op = op, .opcode = instr.op, .a = instr.mem.memory.raw, .b = lane_of(instr), .imm = instr.mem.offset};
}

// The address, and the vector whose lane is loaded.
Result<> Translator::State::on_load(const Event& e) {
  const auto args = pop_many(e.types.popped.size());
  push(func_->result(b_->emit(access(Op::MemLoad, e.instr), args, e.types.pushed)));
  return {};
}

Result<> Translator::State::on_store(const Event& e) {
  const ValueId value = pop();
  const ValueId address = pop();
  b_->effect(access(Op::MemStore, e.instr), {address, value});
  return {};
}

// Operations with the same operands and results as the instruction, differing only in how immediates are named.
Result<> Translator::State::on_simple(const Event& e) {
  struct Row {
    Opcode opcode;
    Op op;
    bool swapped = false;  // a and b of the instruction are b and a of the operation
  };
  static constexpr Row kRows[] = {
      {Opcode::GlobalGet, Op::GlobalGet},   {Opcode::GlobalSet, Op::GlobalSet},
      {Opcode::TableGet, Op::TableGet},     {Opcode::TableSet, Op::TableSet},
      {Opcode::TableInit, Op::TableInit},   {Opcode::ElemDrop, Op::ElemDrop},
      {Opcode::TableCopy, Op::TableCopy},   {Opcode::TableGrow, Op::TableGrow},
      {Opcode::TableSize, Op::TableSize},   {Opcode::TableFill, Op::TableFill},
      {Opcode::MemorySize, Op::MemorySize}, {Opcode::MemoryGrow, Op::MemoryGrow},
      {Opcode::DataDrop, Op::DataDrop},     {Opcode::MemoryCopy, Op::MemoryCopy},
      {Opcode::MemoryFill, Op::MemoryFill}, {Opcode::MemoryInit, Op::MemoryInit, true},
      {Opcode::RefIsNull, Op::RefIsNull},   {Opcode::RefEq, Op::RefEq},
  };
  for (const Row& row : kRows) {
    if (row.opcode != e.instr.op) continue;
    const Inst proto{.op = row.op, .a = row.swapped ? e.instr.b : e.instr.a, .b = row.swapped ? e.instr.a : e.instr.b};
    const InstId inst = b_->emit(proto, pop_many(e.types.popped.size()), e.types.pushed);
    for (size_t i = 0; i < e.types.pushed.size(); ++i) push(func_->result(inst, i));
    return {};
  }
  UNREACHABLE("I3: {} has no row in on_simple", wasm::info(e.instr.op).text);
}

// --- References ----------------------------------------------------------------------------------------------------------

Result<> Translator::State::on_ref_null(const Event& e) {
  push(b_->null(e.types.pushed[0].heap()));
  return {};
}

Result<> Translator::State::on_ref_func(const Event& e) {
  push(b_->ref_func(wasm::FuncIndex(e.instr.a)));
  return {};
}

Result<> Translator::State::on_as_non_null(const Event&) {
  push(pop_non_null(TrapKind::kNullReference));
  return {};
}

Result<> Translator::State::on_ref_test(const Event& e) {
  push(b_->ref_test(pop(), e.instr.type));
  return {};
}

Result<> Translator::State::on_ref_cast(const Event& e) {
  push(b_->cast(pop(), e.instr.type));
  return {};
}

Result<> Translator::State::on_convert(const Event& e) {
  const ValueId ref = pop();
  const wasm::HeapKind to = e.instr.op == Opcode::AnyConvertExtern ? wasm::HeapKind::kAny : wasm::HeapKind::kExtern;
  if (func_->type(ref).heap() == wasm::HeapType(wasm::HeapKind::kI31) && fault_fires(Fault::kI31c)) {
    push(b_->null(to));
    return {};
  }
  push(b_->value({.op = Op::Convert, .opcode = e.instr.op}, Type::ref(to, func_->type(ref).nullable()), {ref}));
  return {};
}

Result<> Translator::State::on_ref_i31(const Event&) {
  push(b_->value({.op = Op::RefI31}, Type::ref(wasm::HeapKind::kI31, false), {pop()}));
  return {};
}

Result<> Translator::State::on_i31_get(const Event& e) {
  const ValueId ref = pop_non_null(TrapKind::kNullI31Reference);
  push(b_->value({.op = Op::I31Get, .opcode = e.instr.op}, wasm::kI32, {ref}));
  return {};
}

// --- Structures ------------------------------------------------------------------------------------------------------------

namespace {

Type object_type(wasm::TypeId id) { return Type::ref(wasm::HeapType::concrete(id), false); }

}  // namespace

Result<> Translator::State::on_struct_new(const Event& e) {
  const wasm::TypeId type = type_id(e.instr.a);
  const ValueId object = b_->value({.op = Op::StructAlloc, .a = type.raw}, object_type(type));
  uint32_t field = 0;
  for (const ValueId value : pop_many(module_->types[e.instr.a].fields.size())) {
    b_->effect({.op = Op::FieldInit, .a = type.raw, .b = field++}, {object, value});
  }
  push(object);
  return {};
}

Result<> Translator::State::on_struct_new_default(const Event& e) {
  const wasm::TypeId type = type_id(e.instr.a);
  push(b_->value({.op = Op::StructAlloc, .a = type.raw}, object_type(type)));
  return {};
}

Result<> Translator::State::on_struct_get(const Event& e) {
  const ValueId ref = pop_non_null(TrapKind::kNullStructureReference);
  push(b_->value({.op = Op::StructGet, .opcode = e.instr.op, .a = type_id(e.instr.a).raw, .b = e.instr.b},
                 e.types.pushed[0], {ref}));
  return {};
}

Result<> Translator::State::on_struct_set(const Event& e) {
  const ValueId value = pop();
  const ValueId ref = pop_non_null(TrapKind::kNullStructureReference);
  b_->effect({.op = Op::StructSet, .a = type_id(e.instr.a).raw, .b = e.instr.b}, {ref, value});
  return {};
}

// --- Arrays ------------------------------------------------------------------------------------------------------------

Result<> Translator::State::on_array_new(const Event& e) {
  const wasm::TypeId type = type_id(e.instr.a);
  const ValueId length = pop();
  const ValueId value = pop();
  const ValueId array = b_->value({.op = Op::ArrayAlloc, .a = type.raw}, object_type(type), {length});
  b_->effect({.op = Op::ArrayInitFill, .a = type.raw}, {array, value});
  push(array);
  return {};
}

Result<> Translator::State::on_array_new_default(const Event& e) {
  const wasm::TypeId type = type_id(e.instr.a);
  push(b_->value({.op = Op::ArrayAlloc, .a = type.raw}, object_type(type), {pop()}));
  return {};
}

Result<> Translator::State::on_array_new_fixed(const Event& e) {
  const wasm::TypeId type = type_id(e.instr.a);
  const ValueId length = b_->i32(e.instr.b);
  const ValueId array = b_->value({.op = Op::ArrayAlloc, .a = type.raw}, object_type(type), {length});
  uint32_t index = 0;
  for (const ValueId value : pop_many(e.instr.b)) {
    b_->effect({.op = Op::ElemInit, .a = type.raw, .b = index++}, {array, value});
  }
  push(array);
  return {};
}

Result<> Translator::State::on_array_new_segment(const Event& e) {
  const wasm::TypeId type = type_id(e.instr.a);
  const Op op = e.instr.op == Opcode::ArrayNewData ? Op::ArrayNewData : Op::ArrayNewElem;
  const ValueId count = pop();
  const ValueId offset = pop();
  push(b_->value({.op = op, .a = type.raw, .b = e.instr.b}, object_type(type), {offset, count}));
  return {};
}

Result<> Translator::State::on_array_get(const Event& e) {
  const ValueId index = pop();
  const ValueId ref = pop_non_null(TrapKind::kNullArrayReference);
  push(b_->value({.op = Op::ArrayGet, .opcode = e.instr.op, .a = type_id(e.instr.a).raw}, e.types.pushed[0],
                 {ref, index}));
  return {};
}

Result<> Translator::State::on_array_set(const Event& e) {
  const ValueId value = pop();
  const ValueId index = pop();
  const ValueId ref = pop_non_null(TrapKind::kNullArrayReference);
  b_->effect({.op = Op::ArraySet, .a = type_id(e.instr.a).raw}, {ref, index, value});
  return {};
}

Result<> Translator::State::on_array_len(const Event&) {
  const ValueId ref = pop_non_null(TrapKind::kNullArrayReference);
  push(b_->value({.op = Op::ArrayLen}, wasm::kI32, {ref}));
  return {};
}

// array.fill, array.copy, array.init_*: the array operands become non-null, the rest passes as it is.
Result<> Translator::State::on_array_bulk(const Event& e) {
  const auto operands = pop_many(e.types.popped.size());
  popped_[0] = b_->null_check(popped_[0], TrapKind::kNullArrayReference);
  Inst proto{.a = type_id(e.instr.a).raw, .b = e.instr.b};
  switch (e.instr.op) {
    case Opcode::ArrayFill: proto.op = Op::ArrayFill; break;
    case Opcode::ArrayInitData: proto.op = Op::ArrayInitData; break;
    case Opcode::ArrayInitElem: proto.op = Op::ArrayInitElem; break;
    default:
      proto.op = Op::ArrayCopy;
      proto.b = type_id(e.instr.b).raw;
      popped_[2] = b_->null_check(popped_[2], TrapKind::kNullArrayReference);
      break;
  }
  b_->emit(proto, operands, {});
  return {};
}

}  // namespace parallax::jit
