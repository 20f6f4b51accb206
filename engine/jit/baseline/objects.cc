// References, objects, builtins, calls.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/gc/object.h"
#include "engine/jit/baseline/state.h"
#include "engine/runtime/store.h"

namespace parallax::jit {

using runtime::Builtin;
using runtime::FieldRep;
using runtime::FuncEntry;
using runtime::TableDef;
using wasm::Opcode;
using wasm::TrapKind;

// [heap base + reference + offset]
static Addr in_object(PReg ref, uint32_t offset) {
  return {.base = kHeapReg, .index = ref, .disp = static_cast<int32_t>(offset)};
}

// --- Fields --------------------------------------------------------------------------------------------------------

void Baseline::load_field(PReg to, FieldRep rep, bool sign_extend, const Addr& from) {
  switch (rep) {
    case FieldRep::kI8: return code_.rm(0, sign_extend != fault_fires(Fault::kLAY4) ? 0x0fbe : 0x0fb6, false, to, from);
    case FieldRep::kI16:
      return code_.rm(0, sign_extend != fault_fires(Fault::kLAY4) ? 0x0fbf : 0x0fb7, false, to, from);
    case FieldRep::kI32:
    case FieldRep::kRef: return code_.load32(to, from);
    case FieldRep::kI64:
    case FieldRep::kFuncRef: return code_.load64(to, from);
    case FieldRep::kF32: return code_.load_f32(to, from);
    case FieldRep::kF64: return code_.load_f64(to, from);
    case FieldRep::kV128: return code_.load_v128(to, from);
  }
}

// Uses no register but those of the entry and scratch ones, so that the address may use any other.
void Baseline::store_field(const Addr& to, FieldRep rep, const Entry& e) {
  if (rep != FieldRep::kI8 && rep != FieldRep::kI16) return store_entry(to, e);
  if (e.kind == Kind::kConst) {
    const auto known = static_cast<int32_t>(e.bits);
    return rep == FieldRep::kI8 ? code_.store_imm8(to, known) : code_.store_imm16(to, known);
  }
  PReg from = e.kind == Kind::kReg ? e.reg : e.kind == Kind::kLocal ? locals_[e.local].reg : kNoReg;
  if (from == kNoReg) {
    from = kScratchGpr;
    load_entry(from, e);
  }
  rep == FieldRep::kI8 ? code_.rm(0, 0x88, false, from, to, 0, true) : code_.rm(0x66, 0x89, false, from, to);
}

// Requires an index in bounds. May be by r11.
Addr Baseline::element(PReg array, PReg index, FieldRep rep) {
  const auto scale =
      static_cast<uint8_t>(std::countr_zero(static_cast<uint32_t>(runtime::kFieldBytes[static_cast<size_t>(rep)])));
  constexpr auto kData = static_cast<int32_t>(runtime::kArrayDataOffset);
  if (scale > 3) {
    code_.mov32(kScratchGpr, index);
    code_.shift_imm(4, kScratchGpr, static_cast<uint8_t>(scale - 3), false);
    index = kScratchGpr;
  }
  // Within 32 bits: the heap is not larger.
  code_.lea(kScratchGpr, {.base = array, .index = index, .scale = scale > 3 ? uint8_t{3} : scale, .disp = kData},
            false);
  return {.base = kHeapReg, .index = kScratchGpr};
}

void Baseline::armed_check(PReg reg, ValType type) {
  const Rep rep = rep_of(type);
  if (rep == Rep::kRef) bridge({.op = MOp::CheckRef, .aux = type.bits()}, {reg});
  if (rep != Rep::kFunc) return;
  hold(reg);
  bridge({.op = MOp::CheckFunc, .aux = type.bits()}, {reg, alloc(RegClass::kGpr)});
}

void Baseline::null_check(PReg reg, ValType type, TrapKind kind) {
  if (!type.nullable()) return;
  code_.test(reg, reg, rep_of(type) == Rep::kFunc);
  trap_if(Cc::kE, kind);
}

// --- Builtins ------------------------------------------------------------------------------------------------------

void Baseline::builtin(Builtin id, std::initializer_list<Arg> args, bool is_safepoint, uint8_t sub) {
  flush_registers(entries_.size());
  moves_.clear();
  size_t n = 0;
  for (const Arg& arg : args) {
    const PReg to = kNativeGprs[++n];
    if (arg.is_imm) {
      moves_.push_back({to, {.kind = Kind::kConst, .rep = Rep::kI64, .bits = arg.imm}});
    } else {
      // What was flushed just now is in its slot, and also still in its register.
      moves_.push_back({to, arg.entry});
    }
  }
  place(moves_);
  forget_locals();
  held_ = 0;
  const char answer = std::string_view(runtime::info(id).signature).back();
  const bool narrow = answer == 'i' || answer == 'r';
  const CallId call = new_call({.builtin = static_cast<uint32_t>(id)}, is_safepoint);
  mf_.operand({VReg(0), Role::kDef, Where::kFixed, kRax});
  locations_.locs.push_back(Loc::reg(kRax));
  bridge({.op = MOp::CallBuiltin, .width = narrow ? Width::k32 : Width::k64, .sub = sub, .aux = call.raw}, {});
}

// --- References ----------------------------------------------------------------------------------------------------

void Baseline::on_ref_null(const Event& e) { push_const(e.types.pushed[0], 0); }

void Baseline::on_ref_func(const Event& e) {
  push_const(e.types.pushed[0], instance_->store->make_func_ref(*instance_->funcs[e.instr.a]));
}

void Baseline::on_ref_is_null(const Event&) {
  const Entry e = pop();
  push_condition({.cc = Cc::kE, .wide = e.rep == Rep::kFunc, .a = reg_of(e)});
}

void Baseline::on_ref_eq(const Event&) {
  const PReg b = pop_reg();
  const PReg a = pop_reg();
  push_condition({.form = Condition::kRegReg, .cc = Cc::kE, .a = a, .b = b});
}

void Baseline::on_as_non_null(const Event& e) {
  const ValType type = top().type;
  null_check(top_in_reg(), type, TrapKind::kNullReference);
  top().type = e.types.pushed[0];
}

// The type that a cast or test compares with. Hosts planted faults TY2 and TY6.
uint32_t Baseline::tested_type(ValType type) const {
  if (g_fault.active == Fault::kNone) [[likely]]
    return type.bits();
  if (fault_fires(Fault::kTY6)) return (type.nullable() ? type.as_non_null() : type.as_nullable()).bits();
  if (!type.heap().is_concrete() || g_fault.active != Fault::kTY2) return type.bits();
  const auto& ids = module_->type_ids;
  const auto index = static_cast<uint32_t>(std::ranges::find(ids, type.heap().type_id()) - ids.begin());
  const bool same_kind = index < in_.types->size() &&
                         in_.types->get(wasm::TypeId(index)).kind == in_.types->get(type.heap().type_id()).kind;
  if (index == type.heap().number() || !same_kind || !fault_fires(Fault::kTY2)) return type.bits();
  return ValType::ref(wasm::HeapType::concrete(index), type.nullable()).bits();
}

void Baseline::on_ref_test(const Event& e) {
  const Entry ref = pop();
  const PReg r = reg_of(ref);
  const PReg d = alloc(RegClass::kGpr);
  if (ref.rep == Rep::kFunc) {
    bridge({.op = MOp::FuncTypeTest, .aux = tested_type(e.instr.type)}, {d, r, alloc(RegClass::kGpr)});
  } else {
    bridge({.op = MOp::TypeTest, .aux = tested_type(e.instr.type)}, {d, r});
  }
  push_reg(wasm::kI32, d);
}

void Baseline::on_ref_cast(const Event& e) {
  const PReg r = top_in_reg();
  if (top().rep == Rep::kFunc) {
    const PReg t = alloc(RegClass::kGpr);
    bridge({.op = MOp::FuncTypeTest, .aux = tested_type(e.instr.type)}, {t, r, alloc(RegClass::kGpr)});
    code_.test(t, t, false);
    trap_if(Cc::kE, TrapKind::kCastFailure);
  } else {
    bridge({.op = MOp::TypeCheck, .trap = TrapKind::kCastFailure, .aux = tested_type(e.instr.type)}, {r});
  }
  top().type = e.types.pushed[0];
}

void Baseline::on_convert(const Event& e) { top().type = e.types.pushed[0]; }

void Baseline::on_ref_i31(const Event& e) {
  const PReg s = pop_reg();
  const PReg d = alloc(RegClass::kGpr);
  code_.lea(d, {.base = s, .index = s, .disp = 1}, false);
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_i31_get(const Event& e) {
  const Entry ref = pop();
  const PReg r = reg_of(ref);
  null_check(r, ref.type, TrapKind::kNullI31Reference);
  const PReg d = alloc(RegClass::kGpr);
  code_.mov32(d, r);
  code_.shift_imm((e.instr.op == Opcode::I31GetS) != fault_fires(Fault::kI31d) ? 7 : 5, d, 1, false);
  push_reg(wasm::kI32, d);
}

// --- Allocation ----------------------------------------------------------------------------------------------------

// Inline allocation is a safepoint that changes no register: only references have to be in their slots.
PReg Baseline::allocate_struct(wasm::TypeId type) {
  const runtime::TypeLayout& layout = in_.layouts->of(type);
  const AllocImm alloc_imm{type.raw, layout.bytes,
                           static_cast<uint32_t>(std::min<uint64_t>(layout.charge, UINT32_MAX))};
  if (!alloc_imm.fits() || notes_sites_) {
    builtin(Builtin::AllocStruct, {imm(type.raw), imm(layout.bytes), imm(layout.charge)}, true, 1);
    hold(kRax);
    return kRax;
  }
  flush_references();
  const PReg d = alloc(RegClass::kGpr);
  const CallId slow = new_call({.builtin = static_cast<uint32_t>(Builtin::AllocStruct)}, true);
  bridge({.op = MOp::StructAlloc, .aux = slow.raw, .imm = alloc_imm.pack()}, {d});
  return d;
}

// `length` was taken off the stack, or is a constant.
PReg Baseline::allocate_array(wasm::TypeId type, const Entry& length) {
  const runtime::TypeLayout& layout = in_.layouts->of(type);
  const AllocImm alloc_imm{type.raw, runtime::kFieldBytes[static_cast<size_t>(layout.element)],
                           static_cast<uint32_t>(layout.element_charge)};
  if (!alloc_imm.fits() || notes_sites_) {
    builtin(Builtin::AllocArray, {imm(type.raw), value(length)}, true);
    hold(kRax);
    return kRax;
  }
  const PReg count = reg_of(length);
  flush_references();
  const PReg d = alloc(RegClass::kGpr);
  const CallId slow = new_call({.builtin = static_cast<uint32_t>(Builtin::AllocArray)}, true);
  bridge({.op = MOp::ArrayAlloc, .aux = slow.raw, .imm = alloc_imm.pack()}, {d, count});
  return d;
}

// What compiled code owes a generational heap for a store into an object that may be old by now; initialising stores owe
// nothing, because there is no safepoint between them and the allocation. Null is never young.                       [I9]
void Baseline::barrier(PReg object, FieldRep rep, const Entry& value) {
  if (!in_.barriers || rep != FieldRep::kRef || value.kind == Kind::kConst) return;
  if (!fault_fires(Fault::kBAR1)) bridge({.op = MOp::Barrier}, {object});
}

// --- Structures ----------------------------------------------------------------------------------------------------

// Takes the values of the fields off the stack and stores them.
void Baseline::object_from_stack(PReg object, std::span<const runtime::FieldSlot> fields) {
  hold(object);
  for (size_t i = 0; i < fields.size(); ++i) {
    store_field(in_object(object, fields[i].offset), fields[i].rep, top(fields.size() - 1 - i));
  }
  for (size_t i = 0; i < fields.size(); ++i) pop();
}

void Baseline::on_struct_new(const Event& e) {
  const wasm::TypeId type = module_->type_ids[e.instr.a];
  const PReg object = allocate_struct(type);
  if (e.instr.op == Opcode::StructNew) object_from_stack(object, in_.layouts->of(type).fields);
  push_reg(e.types.pushed[0], object);
}

void Baseline::on_struct_get(const Event& e) {
  const ValType type = e.types.pushed[0];
  const runtime::FieldSlot field = layout_of(e.instr.a).fields[e.instr.b];
  const Entry ref = pop();
  const PReg r = reg_of(ref);
  null_check(r, ref.type, TrapKind::kNullStructureReference);
  const PReg d = alloc_for(rep_of(type));
  load_field(d, field.rep, e.instr.op == Opcode::StructGetS, in_object(r, field.offset));
  push_reg(type, d);
  if (in_.armed) armed_check(d, type);
}

void Baseline::on_struct_set(const Event& e) {
  const runtime::FieldSlot field = layout_of(e.instr.a).fields[e.instr.b];
  const Entry value = pop();
  const Entry ref = pop();
  const PReg r = reg_of(ref);
  null_check(r, ref.type, TrapKind::kNullStructureReference);
  barrier(r, field.rep, value);
  store_field(in_object(r, field.offset), field.rep, value);
}

// --- Arrays --------------------------------------------------------------------------------------------------------

// Value and length are on the stack until the array is filled, so that the collector finds the value.
void Baseline::on_array_new(const Event& e) {
  const wasm::TypeId type = module_->type_ids[e.instr.a];
  const ValType result = e.types.pushed[0];
  if (e.instr.op == Opcode::ArrayNewDefault || (top(1).kind == Kind::kConst && top(1).bits == 0)) {
    const Entry length = pop();
    if (e.instr.op != Opcode::ArrayNewDefault) pop();
    return push_reg(result, allocate_array(type, length));
  }
  flush_registers(entries_.size());
  push_reg(result, allocate_array(type, top()));
  flush_registers(entries_.size());
  if (top(2).rep == Rep::kV128) {
    store_entry({.base = kStoreReg, .disp = static_cast<int32_t>(offsetof(runtime::StoreContext, arg_area))}, top(2));
    builtin(Builtin::ArrayFillV128, {value(top()), imm(0), value(top(1))});
  } else {
    builtin(Builtin::ArrayFill, {value(top()), imm(0), value(top(2)), value(top(1))});
  }
  const PReg array = alloc(RegClass::kGpr);
  load_entry(array, pop());
  pop();
  pop();
  push_reg(result, array);
}

void Baseline::on_array_new_fixed(const Event& e) {
  const wasm::TypeId type = module_->type_ids[e.instr.a];
  const FieldRep rep = in_.layouts->of(type).element;
  const uint32_t bytes = runtime::kFieldBytes[static_cast<size_t>(rep)];
  const uint32_t count = e.instr.b;
  const PReg array = allocate_array(type, {.kind = Kind::kConst, .rep = Rep::kI32, .bits = count});
  for (uint32_t i = 0; i < count; ++i) {
    store_field(in_object(array, runtime::kArrayDataOffset + i * bytes), rep, top(count - 1 - i));
  }
  for (uint32_t i = 0; i < count; ++i) pop();
  push_reg(e.types.pushed[0], array);
}

void Baseline::on_array_new_segment(const Event& e) {
  const wasm::TypeId type = module_->type_ids[e.instr.a];
  const Entry count = pop();
  const Entry offset = pop();
  builtin(e.instr.op == Opcode::ArrayNewData ? Builtin::ArrayNewData : Builtin::ArrayNewElem,
          {imm(type.raw), imm(e.instr.b), value(offset), value(count)}, true);
  push_reg(e.types.pushed[0], kRax);
}

void Baseline::on_array_get(const Event& e) {
  const ValType type = e.types.pushed[0];
  const FieldRep rep = layout_of(e.instr.a).element;
  const PReg index = pop_reg();
  const Entry array = pop();
  const PReg r = reg_of(array);
  null_check(r, array.type, TrapKind::kNullArrayReference);
  code_.alu(7, index, in_object(r, gc::kLengthOffset), false);
  trap_if(Cc::kAe, TrapKind::kArrayOutOfBounds);
  const PReg d = alloc_for(rep_of(type));
  load_field(d, rep, e.instr.op == Opcode::ArrayGetS, element(r, index, rep));
  push_reg(type, d);
  if (in_.armed) armed_check(d, type);
}

void Baseline::on_array_set(const Event& e) {
  const FieldRep rep = layout_of(e.instr.a).element;
  Entry value = pop();
  if (value.kind != Kind::kConst || is_float(value.rep) ||
      static_cast<int64_t>(value.bits) != static_cast<int32_t>(value.bits)) {  // r11 is the address
    const PReg reg = reg_of(value);
    value.kind = Kind::kReg;
    value.reg = reg;
  }
  const PReg index = pop_reg();
  const Entry array = pop();
  const PReg r = reg_of(array);
  null_check(r, array.type, TrapKind::kNullArrayReference);
  code_.alu(7, index, in_object(r, gc::kLengthOffset), false);
  trap_if(Cc::kAe, TrapKind::kArrayOutOfBounds);
  barrier(r, rep, value);
  store_field(element(r, index, rep), rep, value);
}

void Baseline::on_array_len(const Event&) {
  const Entry array = pop();
  const PReg r = reg_of(array);
  null_check(r, array.type, TrapKind::kNullArrayReference);
  const PReg d = alloc(RegClass::kGpr);
  code_.load32(d, in_object(r, gc::kLengthOffset));
  push_reg(wasm::kI32, d);
}

// array.fill, array.copy, array.init_*.
void Baseline::on_array_bulk(const Event& e) {
  std::array<Entry, 5> a;
  const size_t count = e.types.popped.size();
  for (size_t i = count; i-- > 0;) a[i] = pop();
  const auto checked = [&](Entry& array) {
    const PReg reg = reg_of(array);
    null_check(reg, array.type, TrapKind::kNullArrayReference);
    array.kind = Kind::kReg;
    array.reg = reg;
  };
  checked(a[0]);
  switch (e.instr.op) {
    case Opcode::ArrayFill:
      if (a[2].rep == Rep::kV128) {
        const PReg v = reg_of(a[2]);
        code_.store_v128({.base = kStoreReg, .disp = static_cast<int32_t>(offsetof(runtime::StoreContext, arg_area))},
                         v);
        return builtin(Builtin::ArrayFillV128, {value(a[0]), value(a[1]), value(a[3])});
      }
      return builtin(Builtin::ArrayFill, {value(a[0]), value(a[1]), value(a[2]), value(a[3])});
    case Opcode::ArrayCopy:
      checked(a[2]);
      return builtin(Builtin::ArrayCopy, {value(a[0]), value(a[1]), value(a[2]), value(a[3]), value(a[4])});
    default:
      return builtin(e.instr.op == Opcode::ArrayInitData ? Builtin::ArrayInitData : Builtin::ArrayInitElem,
                     {imm(e.instr.b), value(a[0]), value(a[1]), value(a[2]), value(a[3])});
  }
}

// --- Calls ---------------------------------------------------------------------------------------------------------

// Takes the reference or the table's index off the stack: the callee's FuncEntry, in a register that stays held.
PReg Baseline::callee_of(const Event& e, bool is_indirect) {
  const wasm::TypeId want = module_->type_ids[e.instr.a];
  const Entry callee = pop();
  PReg id = reg_of(callee);
  if (!is_indirect) {
    null_check(id, callee.type, TrapKind::kNullFunctionReference);
    const PReg entry = alloc(RegClass::kGpr);
    bridge({.op = MOp::FuncDeref, .aux = want.raw}, {entry, id});
    return entry;
  }
  const TableDef* table = instance_->tables[e.instr.b];
  const PReg index = id;
  code_.imm(kScratchGpr, table);
  code_.alu(7, index, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, size))}, true);
  trap_if(Cc::kAe, TrapKind::kUndefinedElement);
  code_.load64(kScratchGpr, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, elems))});
  id = alloc(RegClass::kGpr);
  code_.load64(id, {.base = kScratchGpr, .index = index, .scale = 3});
  code_.test(id, id, true);
  trap_if(Cc::kE, TrapKind::kUninitializedElement);
  const PReg entry = alloc(RegClass::kGpr);
  bridge({.op = MOp::FuncDeref, .aux = want.raw}, {entry, id});
  const ValType element = module_->tables[e.instr.b].type.element;
  if (in_.types->matches(element.heap(), wasm::HeapType::concrete(want))) return entry;
  if (in_.types->get(want).is_final) {
    code_.cmp_imm({.base = entry, .disp = static_cast<int32_t>(offsetof(FuncEntry, type))},
                  static_cast<int32_t>(want.raw), false);
    trap_if(Cc::kNe, TrapKind::kIndirectCallTypeMismatch);
    return entry;
  }
  const PReg t = alloc(RegClass::kGpr);
  bridge({.op = MOp::FuncTypeTest, .aux = wasm::ValType::ref(wasm::HeapType::concrete(want), false).bits()},
         {t, id, alloc(RegClass::kGpr)});
  code_.test(t, t, false);
  trap_if(Cc::kE, TrapKind::kIndirectCallTypeMismatch);
  return entry;
}

// What stays on the stack goes to its slot; tail calls leave nothing.
void Baseline::call(const MInst& proto, MCall about, std::span<const ValType> params, std::span<const ValType> results,
                    PReg callee) {
  const size_t first = entries_.size() - params.size();
  const bool is_tail = proto.op == MOp::TailFunc || proto.op == MOp::TailEntry;
  if (!is_tail) flush_registers(first);
  place_arguments(first, params, callee);
  truncate(first);
  if (!fault_fires(Fault::kBAS3)) forget_locals();
  MInst inst = proto;
  inst.aux = (is_tail ? mf_.add_call(about) : new_call(about, true)).raw;
  bridge(inst, {});
  if (is_tail) {
    reachable_ = false;
  } else {
    push_results(results);
  }
}

void Baseline::on_call(const Event& e) {
  const wasm::SubType& type = module_->func_type(wasm::FuncIndex(e.instr.a));
  call({.op = MOp::CallFunc}, {.entry = instance_->funcs[e.instr.a]}, type.params, type.results, kNoReg);
}
void Baseline::on_call_indirect(const Event& e) {
  const wasm::SubType& type = module_->types[e.instr.a];
  call({.op = MOp::CallEntry}, {}, type.params, type.results, callee_of(e, true));
}
void Baseline::on_call_ref(const Event& e) {
  const wasm::SubType& type = module_->types[e.instr.a];
  call({.op = MOp::CallEntry}, {}, type.params, type.results, callee_of(e, false));
}
void Baseline::on_return_call(const Event& e) {
  if (!reachable_) return;
  const wasm::SubType& type = module_->func_type(wasm::FuncIndex(e.instr.a));
  call({.op = MOp::TailFunc}, {.entry = instance_->funcs[e.instr.a]}, type.params, type.results, kNoReg);
}
void Baseline::on_return_call_indirect(const Event& e) {
  if (!reachable_) return;
  const wasm::SubType& type = module_->types[e.instr.a];
  call({.op = MOp::TailEntry}, {}, type.params, type.results, callee_of(e, true));
}
void Baseline::on_return_call_ref(const Event& e) {
  if (!reachable_) return;
  const wasm::SubType& type = module_->types[e.instr.a];
  call({.op = MOp::TailEntry}, {}, type.params, type.results, callee_of(e, false));
}

}  // namespace parallax::jit
