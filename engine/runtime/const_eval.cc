#include "engine/runtime/const_eval.h"

#include "engine/wasm/func_walk_rules.h"

namespace parallax::runtime {

using wasm::Instr;
using wasm::Opcode;
using wasm::TypeId;

bool ConstEval::evaluate(wasm::ConstExpr expr, Slot& result) {
  exprs_.restart(*instance_.module, expr);
  const auto done = wasm::scan_instrs(exprs_, [&](const Instr& instr) { return step(instr); });
  if (!done && !store_.exiting()) store_.exit_with(wasm::OutcomeKind::kUnsupported, done.error());
  if (!store_.exiting()) result = slots_.back();
  slots_.clear();
  types_.clear();
  return !store_.exiting();
}

Result<> ConstEval::step(const Instr& instr) {
  const auto type = [&] { return instance_.module->type_ids[instr.a]; };
  switch (instr.op) {
    case Opcode::I32Const: push(instr.bits & 0xffff'ffff, wasm::kI32); break;
    case Opcode::I64Const: push(instr.bits, wasm::kI64); break;
    case Opcode::F32Const: push(instr.bits & 0xffff'ffff, wasm::kF32); break;
    case Opcode::F64Const: push(instr.bits, wasm::kF64); break;
    case Opcode::V128Const: {
      Slot slot;
      std::memcpy(&slot, instr.v128.data(), sizeof(slot));
      push(slot, wasm::kV128);
      break;
    }
    case Opcode::RefNull: push(0, instr.type); break;
    case Opcode::RefFunc: {
      const FuncEntry& entry = *instance_.funcs[instr.a];
      push(store_.make_func_ref(entry), wasm::ValType::ref(wasm::HeapType::concrete(TypeId(entry.type)), false));
      break;
    }
    case Opcode::GlobalGet: {
      const Global& global = *instance_.global_entities[instr.a];
      push(global.cell, global.type.value);
      break;
    }
    case Opcode::I32Add:
    case Opcode::I32Sub:
    case Opcode::I32Mul:
    case Opcode::I64Add:
    case Opcode::I64Sub:
    case Opcode::I64Mul: binary(instr.op); break;
    case Opcode::StructNew: struct_new(type(), true); break;
    case Opcode::StructNewDefault: struct_new(type(), false); break;
    case Opcode::ArrayNew: array_new(type(), static_cast<uint32_t>(slots_.back().low), true); break;
    case Opcode::ArrayNewDefault: array_new(type(), static_cast<uint32_t>(slots_.back().low), false); break;
    case Opcode::ArrayNewFixed: array_new_fixed(type(), instr.b); break;
    case Opcode::RefI31:
      slots_.back() = Slot{gc::Ref::i31(static_cast<uint32_t>(slots_.back().low)).bits, 0};
      types_.back() = wasm::ValType::ref(wasm::HeapKind::kI31, false);
      break;
    // The bits of a reference are the same inside and outside.
    case Opcode::AnyConvertExtern: types_.back() = wasm::kAnyRef; break;
    case Opcode::ExternConvertAny: types_.back() = wasm::kExternRef; break;
    case Opcode::End: break;
    default:
      return fail(ErrorCode::kUnsupported, instr.offset,
                  text::format("{} in a constant expression", wasm::info(instr.op).text));
  }
  if (store_.exiting()) return fail(ErrorCode::kUnsupported, instr.offset, "");  // ends the walk; the exit says why
  return {};
}

void ConstEval::binary(Opcode op) {
  const uint64_t b = slots_.back().low;
  pop(1);
  uint64_t& a = slots_.back().low;
  switch (op) {
    case Opcode::I32Add: a = static_cast<uint32_t>(a + b); break;
    case Opcode::I32Sub: a = static_cast<uint32_t>(a - b); break;
    case Opcode::I32Mul: a = static_cast<uint32_t>(a * b); break;
    case Opcode::I64Add: a += b; break;
    case Opcode::I64Sub: a -= b; break;
    case Opcode::I64Mul: a *= b; break;
    default: break;
  }
}

void ConstEval::struct_new(TypeId type, bool with_values) {
  const gc::Ref ref = rooted([&] { return store_.new_struct(type); });
  if (ref.is_null()) return;
  if (with_values) {
    const TypeLayout& layout = store_.layouts_.of(type);
    const size_t first = slots_.size() - layout.fields.size();
    for (size_t i = 0; i < layout.fields.size(); ++i) {
      store_.store_field(ref, layout.fields[i].offset, layout.fields[i].rep, slots_[first + i]);
    }
    pop(layout.fields.size());
  }
  push_object(ref, type);
}

void ConstEval::array_new(TypeId type, uint64_t length, bool with_value) {
  const gc::Ref ref = rooted([&] { return store_.new_array(type, length); });
  if (ref.is_null()) return;
  pop(1);
  if (with_value) {
    const FieldRep rep = store_.layouts_.of(type).element;
    const uint64_t step = kFieldBytes[static_cast<size_t>(rep)];
    for (uint64_t i = 0; i < length; ++i) store_.store_field(ref, kArrayDataOffset + i * step, rep, slots_.back());
    pop(1);
  }
  push_object(ref, type);
}

void ConstEval::array_new_fixed(TypeId type, uint32_t length) {
  const gc::Ref ref = rooted([&] { return store_.new_array(type, length); });
  if (ref.is_null()) return;
  const FieldRep rep = store_.layouts_.of(type).element;
  const uint64_t step = kFieldBytes[static_cast<size_t>(rep)];
  const size_t first = slots_.size() - length;
  for (uint64_t i = 0; i < length; ++i) store_.store_field(ref, kArrayDataOffset + i * step, rep, slots_[first + i]);
  pop(length);
  push_object(ref, type);
}

}  // namespace parallax::runtime
