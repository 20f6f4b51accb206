// Builder: result types of operations, and appending.
#include "engine/ir/builder.h"

#include <cstring>

#include "engine/base/check.h"

namespace parallax::ir {

using wasm::Opcode;

Type type_of_letter(char letter) {
  switch (letter) {
    case 'i': return wasm::kI32;
    case 'l': return wasm::kI64;
    case 'f': return wasm::kF32;
    case 'd': return wasm::kF64;
    case 'v': return wasm::kV128;
    default: return kNone;
  }
}

InstId Builder::emit(Inst proto, std::span<const ValueId> args, std::span<const Type> results,
                     std::span<const BlockId> targets) {
  proto.offset = offset_;
  const InstId id = func_.make(proto, args, results, targets);
  func_.append(block_, id);
  return id;
}

ValueId Builder::value(const Inst& proto, Type type, std::initializer_list<ValueId> args) {
  return func_.result(emit(proto, std::span(args.begin(), args.size()), std::span(&type, 1)));
}

InstId Builder::effect(const Inst& proto, std::initializer_list<ValueId> args) {
  return emit(proto, std::span(args.begin(), args.size()), {});
}

ValueId Builder::constant(Type type, uint64_t bits, uint64_t high) {
  return value({.op = Op::Const, .imm = bits, .high = high}, type);
}

ValueId Builder::null(wasm::HeapType heap) { return value({.op = Op::RefNull}, Type::ref(heap, true)); }

ValueId Builder::ref_func(wasm::FuncIndex func) {
  const auto heap = wasm::HeapType::concrete(func_.module().funcs[func.index()].type_id);
  return value({.op = Op::RefFunc, .a = func.raw}, Type::ref(heap, false));
}

ValueId Builder::compute(Opcode opcode, std::initializer_list<ValueId> args) {
  const char* results = std::strchr(wasm::info(opcode).signature, ':') + 1;
  return value({.op = Op::Compute, .opcode = opcode}, type_of_letter(*results), args);
}

ValueId Builder::select(Type type, ValueId if_true, ValueId if_false, ValueId condition) {
  return value({.op = Op::Select}, type, {if_true, if_false, condition});
}

ValueId Builder::null_check(ValueId ref, wasm::TrapKind trap) {
  const Type type = func_.type(ref);
  if (!type.nullable()) return ref;
  return value({.op = Op::NullCheck, .trap = trap}, type.as_non_null(), {ref});
}

ValueId Builder::cast(ValueId ref, Type target) {
  const Type type = meet(func_.types(), func_.type(ref), target);
  return value({.op = Op::Cast, .trap = wasm::TrapKind::kCastFailure, .type = target}, type, {ref});
}

ValueId Builder::ref_test(ValueId ref, Type target) {
  return value({.op = Op::RefTest, .type = target}, wasm::kI32, {ref});
}

ValueId Builder::ref_is_null(ValueId ref) { return value({.op = Op::RefIsNull}, wasm::kI32, {ref}); }

ValueId Builder::refine(ValueId ref, ValueId test, bool sense) {
  return value({.op = Op::Refine, .sense = sense}, refined_type(func_, ref, test, sense), {ref, test});
}

Type refined_type(const Func& func, ValueId ref, ValueId test, bool sense) {
  const Inst* by = func.def(test);
  const Type type = func.type(ref);
  CHECK(by != nullptr && (by->op == Op::RefTest || by->op == Op::RefIsNull), "I3: v{} is refined by v{}, no test",
        ref.raw, test.raw);
  if (by->op == Op::RefIsNull) {
    return sense ? Type::ref(func.types().bottom(type.heap()), true) : type.as_non_null();
  }
  if (sense) return meet(func.types(), type, by->type);
  return by->type.nullable() ? type.as_non_null() : type;
}

InstId Builder::jump(BlockId target, std::span<const ValueId> args) {
  return emit({.op = Op::Jump}, args, {}, std::span(&target, 1));
}

InstId Builder::branch(ValueId condition, BlockId if_true, BlockId if_false) {
  const BlockId targets[] = {if_true, if_false};
  return emit({.op = Op::Branch}, std::span(&condition, 1), {}, targets);
}

InstId Builder::switch_on(ValueId index, std::span<const BlockId> targets) {
  return emit({.op = Op::Switch}, std::span(&index, 1), {}, targets);
}

InstId Builder::ret(std::span<const ValueId> values) { return emit({.op = Op::Return}, values, {}); }

InstId Builder::trap(wasm::TrapKind kind) { return effect({.op = Op::Trap, .trap = kind}); }

}  // namespace parallax::ir
