// Lowering of everything but scalars and control: memory, tables, globals, objects, references, calls.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/gc/object.h"
#include "engine/jit/lower.h"

namespace parallax::jit {

using ir::Inst;
using ir::Op;
using ir::Rep;
using ir::ValueId;
using runtime::Builtin;
using runtime::FieldRep;
using runtime::MemoryDef;
using runtime::StoreContext;
using runtime::TableDef;
using wasm::Opcode;
using wasm::TrapKind;

// --- Plain accesses ------------------------------------------------------------------------------------------------

void Lowering::access_operands(const Access& access) {
  if (access.mem.base == MemBase::kVReg) out_->use(access.base);
  if (access.mem.has_index) out_->use(access.index);
}

void Lowering::load(VReg d, LoadOp op, const Access& access) {
  out_->def(d);
  access_operands(access);
  append({.op = MOp::Load, .sub = static_cast<uint8_t>(op), .mem = access.mem});
}

void Lowering::store_reg(Width width, VReg value, const Access& access) {
  out_->use(value);
  access_operands(access);
  append({.op = MOp::Store, .width = width, .mem = access.mem});
}

void Lowering::store(Width width, ValueId value, const Access& access) {
  int64_t imm = 0;
  if (immediate(value, width == Width::k64 ? Width::k64 : Width::k32, imm)) {
    access_operands(access);
    append({.op = MOp::StoreImm, .width = width, .mem = access.mem, .imm = imm});
    return;
  }
  store_reg(width, vreg(value), access);
}

Lowering::Access Lowering::at_address(const void* pointer, size_t offset) {
  return {.mem = {.base = MemBase::kVReg, .disp = static_cast<int32_t>(offset)}, .base = address(pointer)};
}

Lowering::Access Lowering::in_object(ValueId ref, uint32_t offset) {
  return {.mem = {.base = MemBase::kHeap, .has_index = true, .disp = static_cast<int32_t>(offset)}, .index = vreg(ref)};
}

Lowering::Access Lowering::arg_slot(uint32_t slot) const {
  const size_t offset = offsetof(StoreContext, arg_area) + sizeof(runtime::Slot) * slot;
  return {.mem = {.base = MemBase::kStore, .disp = static_cast<int32_t>(offset)}};
}

// How a value of this representation travels through memory.
static Width width_of(Rep rep) {
  switch (rep) {
    case Rep::kI64:
    case Rep::kFunc: return Width::k64;
    case Rep::kF32: return Width::kF32;
    case Rep::kF64: return Width::kF64;
    case Rep::kV128: return Width::kV128;
    default: return Width::k32;
  }
}
static LoadOp load_of(Rep rep) {
  switch (rep) {
    case Rep::kI64:
    case Rep::kFunc: return LoadOp::k64;
    case Rep::kF32: return LoadOp::kF32;
    case Rep::kF64: return LoadOp::kF64;
    case Rep::kV128: return LoadOp::kV128;
    default: return LoadOp::k32;
  }
}

// --- Linear memory -------------------------------------------------------------------------------------------------

namespace {
// A load may be followed by a vector operation on what was loaded, a store preceded by one.
struct MemRow {
  Opcode opcode;
  uint8_t bytes;
  LoadOp load;
  Width store;
  Opcode vector = Opcode::Nop;
};
constexpr MemRow kMemRows[] = {
    {Opcode::I32Load, 4, LoadOp::k32, {}},
    {Opcode::I64Load, 8, LoadOp::k64, {}},
    {Opcode::F32Load, 4, LoadOp::kF32, {}},
    {Opcode::F64Load, 8, LoadOp::kF64, {}},
    {Opcode::I32Load8S, 1, LoadOp::kS8To32, {}},
    {Opcode::I32Load8U, 1, LoadOp::kU8, {}},
    {Opcode::I32Load16S, 2, LoadOp::kS16To32, {}},
    {Opcode::I32Load16U, 2, LoadOp::kU16, {}},
    {Opcode::I64Load8S, 1, LoadOp::kS8To64, {}},
    {Opcode::I64Load8U, 1, LoadOp::kU8, {}},
    {Opcode::I64Load16S, 2, LoadOp::kS16To64, {}},
    {Opcode::I64Load16U, 2, LoadOp::kU16, {}},
    {Opcode::I64Load32S, 4, LoadOp::kS32To64, {}},
    {Opcode::I64Load32U, 4, LoadOp::k32, {}},
    {Opcode::I32Store, 4, {}, Width::k32},
    {Opcode::I64Store, 8, {}, Width::k64},
    {Opcode::F32Store, 4, {}, Width::kF32},
    {Opcode::F64Store, 8, {}, Width::kF64},
    {Opcode::I32Store8, 1, {}, Width::k8},
    {Opcode::I32Store16, 2, {}, Width::k16},
    {Opcode::I64Store8, 1, {}, Width::k8},
    {Opcode::I64Store16, 2, {}, Width::k16},
    {Opcode::I64Store32, 4, {}, Width::k32},
    {Opcode::V128Load, 16, LoadOp::kV128, {}},
    {Opcode::V128Store, 16, {}, Width::kV128},
    {Opcode::V128Load32Zero, 4, LoadOp::kF32, {}},
    {Opcode::V128Load64Zero, 8, LoadOp::kF64, {}},
    {Opcode::V128Load8x8S, 8, LoadOp::kF64, {}, Opcode::I16x8ExtendLowI8x16S},
    {Opcode::V128Load8x8U, 8, LoadOp::kF64, {}, Opcode::I16x8ExtendLowI8x16U},
    {Opcode::V128Load16x4S, 8, LoadOp::kF64, {}, Opcode::I32x4ExtendLowI16x8S},
    {Opcode::V128Load16x4U, 8, LoadOp::kF64, {}, Opcode::I32x4ExtendLowI16x8U},
    {Opcode::V128Load32x2S, 8, LoadOp::kF64, {}, Opcode::I64x2ExtendLowI32x4S},
    {Opcode::V128Load32x2U, 8, LoadOp::kF64, {}, Opcode::I64x2ExtendLowI32x4U},
    {Opcode::V128Load8Splat, 1, LoadOp::kU8, {}, Opcode::I8x16Splat},
    {Opcode::V128Load16Splat, 2, LoadOp::kU16, {}, Opcode::I16x8Splat},
    {Opcode::V128Load32Splat, 4, LoadOp::kF32, {}, Opcode::F32x4Splat},
    {Opcode::V128Load64Splat, 8, LoadOp::kF64, {}, Opcode::F64x2Splat},
    {Opcode::V128Load8Lane, 1, LoadOp::kU8, {}, Opcode::I8x16ReplaceLane},
    {Opcode::V128Load16Lane, 2, LoadOp::kU16, {}, Opcode::I16x8ReplaceLane},
    {Opcode::V128Load32Lane, 4, LoadOp::k32, {}, Opcode::I32x4ReplaceLane},
    {Opcode::V128Load64Lane, 8, LoadOp::k64, {}, Opcode::I64x2ReplaceLane},
    {Opcode::V128Store8Lane, 1, {}, Width::k8, Opcode::I8x16ExtractLaneU},
    {Opcode::V128Store16Lane, 2, {}, Width::k16, Opcode::I16x8ExtractLaneU},
    {Opcode::V128Store32Lane, 4, {}, Width::k32, Opcode::I32x4ExtractLane},
    {Opcode::V128Store64Lane, 8, {}, Width::k64, Opcode::I64x2ExtractLane},
};
const MemRow* find_mem_row(Opcode opcode) {
  for (const MemRow& row : kMemRows) {
    if (row.opcode == opcode) return &row;
  }
  return nullptr;
}
constexpr uint64_t kMaxDisp = 0x7fffffff;
}  // namespace

void Lowering::forget_memory() { std::fill(memory_bases_.begin(), memory_bases_.end(), VReg()); }

// The memory's base: constant between calls.
VReg Lowering::memory_base(uint32_t memory) {
  VReg& known = memory_bases_[memory];
  if (!known.valid()) {
    known = out_->add_vreg(RegClass::kGpr);
    load(known, LoadOp::k64, at_address(in_.instance->memories[memory], offsetof(MemoryDef, base)));
  }
  return known;
}

// Whether an access faults by itself when it is out of bounds.
bool Lowering::is_guarded(const Inst& inst) const {
  constexpr uint32_t kMostNumbered = 254;  // Mem::guard
  return in_.guards && in_.instance->memories[inst.a]->guarded != 0 && inst.a < kMostNumbered &&
         func_->rep(arg(inst, 0)) == Rep::kI32 && inst.imm < gc::kGuardedOffsets;
}

// The base is known and stays, so it is part of the address, as far as a displacement goes.
Lowering::Access Lowering::guarded_access(const Inst& inst) {
  const MemoryDef& memory = *in_.instance->memories[inst.a];
  const AddressPlan at = address_of(inst);
  const auto guard = static_cast<uint8_t>(inst.a + 1);
  uint64_t where = 0;
  if (constant_bits(at.index, where) && at.scale_log2 == 0 && where + at.offset < gc::kGuardedOffsets) {
    return {.mem = {.base = MemBase::kVReg, .guard = guard, .disp = static_cast<int32_t>(where + at.offset)},
            .base = address(memory.base)};
  }
  return {.mem = {.base = MemBase::kVReg,
                  .has_index = true,
                  .scale_log2 = at.scale_log2,
                  .guard = guard,
                  .disp = static_cast<int32_t>(at.offset)},
          .base = address(memory.base),
          .index = vreg(at.index)};
}

// Checks [address + offset, + bytes) against the memory's size and answers where it is.
Lowering::Access Lowering::memory_access(const Inst& inst, uint32_t bytes) {
  if (is_guarded(inst)) return guarded_access(inst);
  const AddressPlan at = address_of(inst);
  const ValueId index = at.index;
  const uint64_t offset = at.offset;
  const Access size = at_address(in_.instance->memories[inst.a], offsetof(MemoryDef, bytes));
  const auto trap = [&](Condition c) { trap_if(c, TrapKind::kMemoryOutOfBounds); };
  const Access based{.mem = {.base = MemBase::kVReg, .disp = 0}, .base = VReg()};

  uint64_t where = 0;
  if (constant_bits(index, where) && where + offset >= where && where + offset <= kMaxDisp - bytes) {
    trap({.form = CmpForm::kMemImm,
          .width = Width::k64,
          .cond = Cond::kB,
          .access = size,
          .imm = static_cast<int64_t>(where + offset + bytes)});
    Access access = based;
    access.base = memory_base(inst.a);
    access.mem.disp = static_cast<int32_t>(where + offset);
    return access;
  }
  const VReg a = vreg(index);
  if (func_->rep(index) == Rep::kI64) {
    // Without wrapping: offset + bytes <= size, and then index <= size - (offset + bytes).
    const uint64_t end = offset + bytes;
    if (end < offset) {
      trap({.form = CmpForm::kRegReg, .width = Width::k64, .cond = Cond::kE, .a = a, .b = a});  // never in bounds
    }
    const VReg room = out_->add_vreg(RegClass::kGpr);
    load(room, LoadOp::k64, size);
    trap({.form = CmpForm::kRegReg, .width = Width::k64, .cond = Cond::kB, .a = room, .b = constant(end)});
    const VReg last = out_->add_vreg(RegClass::kGpr);
    out_->def(last, Where::kSame);
    out_->use(room);
    out_->use(constant(end));
    append({.op = MOp::Sub, .width = Width::k64, .sub = static_cast<uint8_t>(AluOp::kSub)});
    trap({.form = CmpForm::kRegReg, .width = Width::k64, .cond = Cond::kA, .a = a, .b = last});
  } else {
    const VReg end = out_->add_vreg(RegClass::kGpr);
    if (offset + bytes <= kMaxDisp) {
      out_->def(end);
      out_->use(a);
      Mem sum{.base = MemBase::kVReg, .disp = static_cast<int32_t>(offset + bytes)};
      if (at.scale_log2 != 0) {
        sum.base = MemBase::kNone;
        sum.has_index = true;
        sum.scale_log2 = at.scale_log2;
      }
      append({.op = MOp::Lea, .width = Width::k64, .mem = sum});
    } else {
      out_->def(end, Where::kSame);
      out_->use(a);
      out_->use(constant(offset + bytes), Where::kAny);
      append({.op = MOp::Alu, .width = Width::k64, .sub = static_cast<uint8_t>(AluOp::kAdd)});
    }
    trap({.form = CmpForm::kRegMem, .width = Width::k64, .cond = Cond::kA, .a = end, .access = size});
  }
  Access access{.mem = {.base = MemBase::kVReg, .has_index = true, .scale_log2 = at.scale_log2},
                .base = memory_base(inst.a),
                .index = a};
  if (offset <= kMaxDisp) {
    access.mem.disp = static_cast<int32_t>(offset);
  } else {
    access.index = out_->add_vreg(RegClass::kGpr);
    out_->def(access.index, Where::kSame);
    out_->use(a);
    out_->use(constant(offset), Where::kAny);
    append({.op = MOp::Alu, .width = Width::k64, .sub = static_cast<uint8_t>(AluOp::kAdd)});
  }
  return access;
}

// Where a load that is part of its reader reads, after the checks that it needs.
Lowering::Access Lowering::operand_access(const Inst& load) {
  const wasm::WasmOffset reader = std::exchange(offset_, load.offset);
  Access access;
  switch (load.op) {
    case Op::MemLoad: access = memory_access(load, find_mem_row(load.opcode)->bytes); break;
    case Op::ArrayLen: access = in_object(arg(load, 0), gc::kLengthOffset); break;
    case Op::ArrayGet:
      check_index(load);
      access = element(arg(load, 0), arg(load, 1), in_.layouts->of(wasm::TypeId(load.a)).element);
      break;
    default: access = in_object(arg(load, 0), in_.layouts->of(wasm::TypeId(load.a)).fields[load.b].offset); break;
  }
  offset_ = reader;
  return access;
}

void Lowering::mem_load(const Inst& inst) {
  const MemRow* row = find_mem_row(inst.opcode);
  const Access access = memory_access(inst, row->bytes);
  if (row->vector == Opcode::Nop) return load(define(inst), row->load, access);
  // What the vector operation takes: a whole vector to widen, else one lane's value.
  const bool widens = wasm::info(row->vector).signature[0] == 'v' && inst.args_count == 1;
  const bool is_float = row->load == LoadOp::kF32 || row->load == LoadOp::kF64;
  const VReg value = fresh(widens ? Rep::kV128 : is_float ? Rep::kF64 : Rep::kI64);
  load(value, row->load, access);
  if (inst.args_count == 1) {
    numeric(row->vector, define(inst), std::span(&value, 1), {});
  } else {
    const VReg args[] = {vreg(arg(inst, 1)), value};
    numeric(row->vector, define(inst), args, {.low = inst.b});
  }
}

void Lowering::mem_store(const Inst& inst) {
  const MemRow* row = find_mem_row(inst.opcode);
  if (const Inst* op = fused_def(arg(inst, 1))) return mem_update(inst, *op);
  if (row->vector == Opcode::Nop) return store(row->store, arg(inst, 1), memory_access(inst, row->bytes));
  const VReg lane = fresh(Rep::kI64);
  const VReg vector = vreg(arg(inst, 1));
  numeric(row->vector, lane, std::span(&vector, 1), {.low = inst.b});
  store_reg(row->store, lane, memory_access(inst, row->bytes));
}

// op(load, x) back to where the load was.
void Lowering::mem_update(const Inst& inst, const Inst& op) {
  const ComputeRow& compute = compute_row(op.opcode);
  const Width width = update_width(inst.opcode);
  const size_t loaded = fused_load(arg(op, 0)) != nullptr ? 0 : 1;
  const Inst& load = *fused_load(arg(op, loaded));
  const ValueId x = arg(op, 1 - loaded);
  const Access access = operand_access(load);  // where a trap would come first
  MInst m{.op = MOp::Update,
          .width = width,
          .sub = compute.kind == ComputeKind::kSub ? static_cast<uint8_t>(AluOp::kSub) : compute.sub,
          .form = CmpForm::kMemImm,
          .mem = access.mem,
          .offset = load.offset};
  if (!immediate(x, compute.width, m.imm)) {
    m.form = CmpForm::kRegMem;
    out_->use(vreg(x));
  }
  access_operands(access);
  append(m);
}

// --- Tables --------------------------------------------------------------------------------------------------------

void Lowering::table_access(const Inst& inst, bool is_store) {
  const TableDef* table = in_.instance->tables[inst.a];
  const Rep rep = is_store ? func_->rep(arg(inst, 1)) : func_->rep(inst.first_result);
  const VReg index = vreg(arg(inst, 0));
  const Access size = at_address(table, offsetof(TableDef, size));
  trap_if({.form = CmpForm::kRegMem, .width = Width::k64, .cond = Cond::kAe, .a = index, .access = size},
          TrapKind::kTableOutOfBounds);
  const VReg elems = out_->add_vreg(RegClass::kGpr);
  load(elems, LoadOp::k64, at_address(table, offsetof(TableDef, elems)));
  const Access access{
      .mem = {.base = MemBase::kVReg, .has_index = true, .scale_log2 = static_cast<uint8_t>(rep == Rep::kFunc ? 3 : 2)},
      .base = elems,
      .index = index};
  if (is_store) {
    store(width_of(rep), arg(inst, 1), access);
  } else {
    load(define(inst), load_of(rep), access);
  }
}

// --- Objects -------------------------------------------------------------------------------------------------------

void Lowering::load_field(const Inst& inst, FieldRep rep, bool sign_extend, const Access& access) {
  LoadOp op = LoadOp::k32;
  switch (rep) {
    case FieldRep::kI8: op = sign_extend != fault_fires(Fault::kLAY4) ? LoadOp::kS8To32 : LoadOp::kU8; break;
    case FieldRep::kI16: op = sign_extend != fault_fires(Fault::kLAY4) ? LoadOp::kS16To32 : LoadOp::kU16; break;
    case FieldRep::kI32:
    case FieldRep::kRef: op = LoadOp::k32; break;
    case FieldRep::kI64:
    case FieldRep::kFuncRef: op = LoadOp::k64; break;
    case FieldRep::kF32: op = LoadOp::kF32; break;
    case FieldRep::kF64: op = LoadOp::kF64; break;
    case FieldRep::kV128: op = LoadOp::kV128; break;
  }
  load(define(inst), op, access);
}

void Lowering::store_field(ValueId value, FieldRep rep, const Access& access) {
  static constexpr Width kWidths[] = {Width::k8,   Width::k16,   Width::k32, Width::k64, Width::kF32,
                                      Width::kF64, Width::kV128, Width::k32, Width::k64};  // ORDER: FieldRep
  store(kWidths[static_cast<size_t>(rep)], value, access);
}

// What compiled code owes a generational heap for a store of `value` into an object that may be old by now; initialising
// stores owe nothing, because there is no safepoint between them and the allocation. Null and i31 are never young.   [I9]
void Lowering::barrier(ValueId object, ValueId value, FieldRep rep) {
  if (!in_.barriers || rep != FieldRep::kRef) return;
  const Inst* const made = def_of(value);
  if (made != nullptr && (made->op == Op::RefNull || made->op == Op::RefI31)) return;
  if (fault_fires(Fault::kBAR1)) return;
  out_->use(vreg(object));
  append({.op = MOp::Barrier});
}

// Armed code checks proven accesses as well, and calls a wrong proof by another name than the trap of the program.
void Lowering::check_index(const Inst& inst) {
  const bool proven = inst.sense != 0;
  if (proven && !in_.armed) return;
  trap_if({.form = CmpForm::kRegMem,
           .width = Width::k32,
           .cond = Cond::kAe,
           .a = vreg(arg(inst, 1)),
           .access = in_object(arg(inst, 0), gc::kLengthOffset)},
          proven ? TrapKind::kUnreachable : TrapKind::kArrayOutOfBounds);
}

constexpr uint8_t kMaxScale = 3;  // log2, of an x86 address

// Requires an index in bounds.
Lowering::Access Lowering::element(ValueId array, ValueId index, FieldRep rep) {
  const auto scale =
      static_cast<uint8_t>(std::countr_zero(static_cast<uint32_t>(runtime::kFieldBytes[static_cast<size_t>(rep)])));
  uint64_t known = 0;
  if (constant_bits(index, known) && known < (1u << 24)) {
    return in_object(array, static_cast<uint32_t>(runtime::kArrayDataOffset + (known << scale)));
  }
  // Within 32 bits: the heap is not larger.
  VReg scaled = vreg(index);
  if (scale > kMaxScale) {  // of what is left the address takes the most that it can
    scaled = out_->add_vreg(RegClass::kGpr);
    out_->def(scaled, Where::kSame);
    out_->use(vreg(index));
    append({.op = MOp::ShiftImm, .sub = static_cast<uint8_t>(ShiftOp::kShl), .imm = scale - kMaxScale});
  }
  const VReg place = out_->add_vreg(RegClass::kGpr);
  out_->def(place);
  out_->use(vreg(array));
  out_->use(scaled);
  append({.op = MOp::Lea,
          .width = Width::k32,
          .mem = {.base = MemBase::kVReg,
                  .has_index = true,
                  .scale_log2 = std::min(scale, kMaxScale),
                  .disp = static_cast<int32_t>(runtime::kArrayDataOffset)}});
  return {.mem = {.base = MemBase::kHeap, .has_index = true}, .index = place};
}

void Lowering::struct_alloc(const Inst& inst) { allocate(wasm::TypeId(inst.a), define(inst), inst); }

// An object of fixed size.
void Lowering::allocate(wasm::TypeId type, VReg object, const Inst& inst) {
  const runtime::TypeLayout& layout = in_.layouts->of(type);
  const AllocImm imm{type.raw, layout.bytes, static_cast<uint32_t>(std::min<uint64_t>(layout.charge, UINT32_MAX))};
  if (imm.fits() && !notes_sites()) {
    out_->def(object);
    const CallId call = add_call(&inst, {.builtin = static_cast<uint32_t>(Builtin::AllocStruct)});
    append({.op = MOp::StructAlloc, .aux = call.raw, .imm = imm.pack()});
    return;
  }
  const VReg args[] = {constant(type.raw), constant(layout.bytes), constant(layout.charge)};
  builtin(Builtin::AllocStruct, args, object, &inst, 1);
}

// Like a struct of the tag's payload, in which the tag stands too.
void Lowering::exn_alloc(const Inst& inst) {
  const wasm::TypeId type = func_->module().tags[inst.a].type_id;
  const VReg exn = define(inst);
  allocate(type, exn, inst);
  store_reg(Width::k64, constant(in_.instance->tags[inst.a]),
            {.mem = {.base = MemBase::kHeap, .has_index = true, .disp = static_cast<int32_t>(gc::kExnTagOffset)},
             .index = exn});
}

// False: nothing was done, the runtime must allocate.
bool Lowering::array_alloc(const Inst& inst) {
  const runtime::TypeLayout& layout = in_.layouts->of(wasm::TypeId(inst.a));
  const AllocImm imm{inst.a, runtime::kFieldBytes[static_cast<size_t>(layout.element)],
                     static_cast<uint32_t>(layout.element_charge)};
  if (!imm.fits() || notes_sites()) return false;
  out_->def_early(define(inst));
  out_->use(vreg(arg(inst, 0)));
  const CallId call = add_call(&inst, {.builtin = static_cast<uint32_t>(Builtin::AllocArray)});
  append({.op = MOp::ArrayAlloc, .aux = call.raw, .imm = imm.pack()});
  return true;
}

void Lowering::array_fill_v128(ValueId array, VReg offset, ValueId value, VReg count) {
  store_reg(Width::kV128, vreg(value), arg_slot(0));
  const VReg args[] = {vreg(array), offset, count};
  builtin(Builtin::ArrayFillV128, args, VReg());
}

void Lowering::array_init_fill(const Inst& inst) {
  const ValueId array = arg(inst, 0);
  if (is_zero(arg(inst, 1))) return;  // fresh objects are zeroed
  const VReg length = out_->add_vreg(RegClass::kGpr);
  load(length, LoadOp::k32, in_object(array, gc::kLengthOffset));
  if (func_->rep(arg(inst, 1)) == Rep::kV128) return array_fill_v128(array, constant(0), arg(inst, 1), length);
  const VReg args[] = {vreg(array), constant(0), as_bits(arg(inst, 1)), length};
  builtin(Builtin::ArrayFill, args, VReg());
}

// --- References ----------------------------------------------------------------------------------------------------

// The type that a cast or test compares with. Hosts planted faults TY2 and TY6.
static uint32_t tested_type(const ir::Func& func, wasm::ValType type) {
  constexpr uint32_t kNullable = wasm::kAnyRef.bits() & ~wasm::kAnyRef.as_non_null().bits();
  if (fault_fires(Fault::kTY6)) return type.bits() ^ kNullable;
  if (!type.heap().is_concrete() || g_fault.active != Fault::kTY2) return type.bits();
  const auto& ids = func.module().type_ids;
  const auto index = static_cast<uint32_t>(std::find(ids.begin(), ids.end(), type.heap().type_id()) - ids.begin());
  const bool same_kind = index < func.types().size() &&
                         func.types().get(wasm::TypeId(index)).kind == func.types().get(type.heap().type_id()).kind;
  if (index == type.heap().number() || !same_kind || !fault_fires(Fault::kTY2)) return type.bits();
  return wasm::ValType::ref(wasm::HeapType::concrete(index), type.nullable()).bits();
}

int64_t Lowering::excluded(const wasm::TypeStore& types, ir::Type type) {
  using wasm::HeapKind;
  int64_t out = type.nullable() ? 0 : kNeverNull;
  const bool below_eq = types.matches(type.heap(), HeapKind::kEq);
  if (below_eq) out |= kNeverHost;
  if (below_eq && type.heap() != HeapKind::kEq && type.heap() != HeapKind::kI31) out |= kNeverI31;
  return out;
}

void Lowering::func_type_test(VReg d, VReg id, uint32_t type_bits) {
  out_->def(d);
  out_->use(id);
  out_->temp(RegClass::kGpr);
  append({.op = MOp::FuncTypeTest, .aux = type_bits});
}

void Lowering::ref_test(const Inst& inst) {
  if (func_->rep(arg(inst, 0)) == Rep::kFunc) {
    func_type_test(define(inst), vreg(arg(inst, 0)), tested_type(*func_, inst.type));
    return;
  }
  out_->def(define(inst));
  out_->use(vreg(arg(inst, 0)));
  append({.op = MOp::TypeTest,
          .aux = tested_type(*func_, inst.type),
          .imm = excluded(func_->types(), func_->type(arg(inst, 0)))});
}

void Lowering::cast(const Inst& inst) {
  if (func_->rep(arg(inst, 0)) == Rep::kFunc) {
    const VReg matches = out_->add_vreg(RegClass::kGpr);
    func_type_test(matches, vreg(arg(inst, 0)), tested_type(*func_, inst.type));
    trap_if_zero(matches, Width::k32, TrapKind::kCastFailure);
    return;
  }
  out_->use(vreg(arg(inst, 0)));
  append({.op = MOp::TypeCheck,
          .trap = TrapKind::kCastFailure,
          .aux = tested_type(*func_, inst.type),
          .imm = excluded(func_->types(), func_->type(arg(inst, 0)))});
}

void Lowering::check_ref(VReg ref, ir::Type type) {
  out_->use(ref);
  append({.op = MOp::CheckRef, .aux = type.bits()});
}

// Armed code: what was just produced from memory, a frame slot or a callee is what its type says.
void Lowering::armed_check(const Inst& inst) {
  if (!in_.armed) return;
  for (uint32_t n = 0; n < inst.results_count; ++n) {
    const ValueId v(inst.first_result.raw + n);
    if (func_->rep(v) == Rep::kRef) check_ref(vreg(v), func_->type(v));
    if (func_->rep(v) == Rep::kFunc) {
      out_->use(vreg(v));
      out_->temp(RegClass::kGpr);
      append({.op = MOp::CheckFunc, .aux = func_->type(v).bits()});
    }
  }
}

// --- Builtins ------------------------------------------------------------------------------------------------------

CallId Lowering::add_call(const Inst* safepoint, MCall call) {
  if (safepoint != nullptr) {
    if (func_->is_invoke(*safepoint)) call.landing = blocks_[func_->targets(id_of(*safepoint))[1].index()];
    if (safepoint->map != Inst::kNoMap) {
      const auto map = func_->stack_map(*safepoint);
      call.map_begin = static_cast<uint32_t>(out_->map_slots.size());
      call.map_count = static_cast<uint32_t>(map.size());
      for (const ir::SlotId s : map) out_->map_slots.push_back(s.raw);
    }
  }
  return out_->add_call(call);
}

void Lowering::builtin(Builtin id, std::span<const VReg> args, VReg result, const Inst* safepoint, uint8_t sub) {
  CHECK(args.size() < kNativeGprCount, "builtin {} with {} arguments", runtime::info(id).name, args.size());
  const std::string_view signature = runtime::info(id).signature;
  const char answer = signature.back();
  if (result.valid()) out_->def_fixed(result, kRax);
  for (size_t n = 0; n < args.size(); ++n) out_->use_fixed(args[n], kNativeGprs[n + 1]);
  const CallId call = add_call(safepoint, {.builtin = static_cast<uint32_t>(id)});
  append({.op = MOp::CallBuiltin,
          .width = answer == 'i' || answer == 'r' ? Width::k32 : Width::k64,
          .sub = sub,
          .aux = call.raw});
  forget_memory();
}

// Operations that are one builtin: indices first or in between, as the builtin's row wants them.
bool Lowering::builtin_op(const Inst& inst) {
  VReg args[6];
  size_t count = 0;
  const auto index = [&](uint32_t i) { args[count++] = constant(i); };
  const auto value = [&](size_t n) { args[count++] = as_bits(arg(inst, n)); };
  const auto values = [&](size_t from, size_t to) {
    for (size_t n = from; n < to; ++n) value(n);
  };
  Builtin id{};
  switch (inst.op) {
    case Op::MemoryGrow:
      id = Builtin::MemoryGrow;
      index(inst.a);
      value(0);
      break;
    case Op::MemoryFill:
      id = Builtin::MemoryFill;
      index(inst.a);
      values(0, 3);
      break;
    case Op::MemoryCopy:
      id = Builtin::MemoryCopy;
      index(inst.a);
      index(inst.b);
      values(0, 3);
      break;
    case Op::MemoryInit:
      id = Builtin::MemoryInit;
      index(inst.a);
      index(inst.b);
      values(0, 3);
      break;
    case Op::DataDrop:
      id = Builtin::DataDrop;
      index(inst.a);
      break;
    case Op::TableGrow:
      id = Builtin::TableGrow;
      index(inst.a);
      values(0, 2);
      break;
    case Op::TableFill:
      id = Builtin::TableFill;
      index(inst.a);
      values(0, 3);
      break;
    case Op::TableCopy:
      id = Builtin::TableCopy;
      index(inst.a);
      index(inst.b);
      values(0, 3);
      break;
    case Op::TableInit:
      id = Builtin::TableInit;
      index(inst.a);
      index(inst.b);
      values(0, 3);
      break;
    case Op::ElemDrop:
      id = Builtin::ElemDrop;
      index(inst.a);
      break;
    case Op::ArrayAlloc:
      id = Builtin::AllocArray;
      index(inst.a);
      value(0);
      break;
    case Op::ArrayNewData:
      id = Builtin::ArrayNewData;
      index(inst.a);
      index(inst.b);
      values(0, 2);
      break;
    case Op::ArrayNewElem:
      id = Builtin::ArrayNewElem;
      index(inst.a);
      index(inst.b);
      values(0, 2);
      break;
    case Op::ArrayFill:
      if (func_->rep(arg(inst, 2)) == Rep::kV128) {
        array_fill_v128(arg(inst, 0), vreg(arg(inst, 1)), arg(inst, 2), vreg(arg(inst, 3)));
        return true;
      }
      id = Builtin::ArrayFill;
      values(0, 4);
      break;
    case Op::ArrayCopy:
      id = Builtin::ArrayCopy;
      values(0, 5);
      break;
    case Op::ArrayInitData:
      id = Builtin::ArrayInitData;
      index(inst.b);
      values(0, 4);
      break;
    case Op::ArrayInitElem:
      id = Builtin::ArrayInitElem;
      index(inst.b);
      values(0, 4);
      break;
    default: return false;
  }
  const bool grows = inst.op == Op::MemoryGrow || inst.op == Op::TableGrow;
  const bool narrow = grows && func_->rep(inst.first_result) == Rep::kI32;
  const VReg raw = inst.results_count == 0 ? VReg() : narrow ? out_->add_vreg(RegClass::kGpr) : define(inst);
  builtin(id, std::span(args, count), raw, &inst);
  if (narrow) {  // the answer has 64 bits
    out_->def(define(inst));
    out_->use(raw);
    append({.op = MOp::Extend, .sub = static_cast<uint8_t>(ExtendOp::kU32)});
  }
  return true;
}

// --- Calls ---------------------------------------------------------------------------------------------------------

// Values beyond the registers go to the argument area.
void Lowering::store_overflow(std::span<const ValueId> args) {
  ArgAssigner assigner;
  for (const ValueId a : args) {
    const auto place = assigner.next(cls(a));
    if (place.reg == kNoReg) store(width_of(func_->rep(a)), a, arg_slot(place.slot));
  }
}

void Lowering::use_in_places(std::span<const ValueId> args) {
  ArgAssigner assigner;
  for (const ValueId a : args) {
    const auto place = assigner.next(cls(a));
    if (place.reg != kNoReg) out_->use_fixed(vreg(a), place.reg);
  }
}

void Lowering::define_in_places(const Inst& inst) {
  ArgAssigner assigner;
  places_.clear();
  for (uint32_t n = 0; n < inst.results_count; ++n) {
    const ValueId v(inst.first_result.raw + n);
    const auto place = assigner.next(cls(v));
    if (place.reg != kNoReg) {
      out_->def_fixed(vreg(v), place.reg);
    } else {
      places_.push_back({place, vreg(v), func_->rep(v)});
    }
  }
}

void Lowering::load_overflow(std::span<const StoredArg> places) {
  for (const StoredArg& p : places) load(p.v, load_of(p.rep), arg_slot(p.place.slot));
}

// The id in a table's element; an index beyond its end traps. A table that cannot grow is a constant.
VReg Lowering::indirect_id(uint32_t number, VReg index) {
  const runtime::Table& table = in_.instance->table(number);
  const std::optional<uint64_t> most = table.type.limits.max;
  // Not one that has grown to its end: code may outlive this run (Store::rewind).
  const bool fixed = most.has_value() && *most <= table.type.limits.min && table.size <= INT32_MAX;
  const Access size = at_address(in_.instance->tables[number], offsetof(TableDef, size));
  VReg elems;
  if (fixed) {
    trap_if({.form = CmpForm::kRegImm,
             .width = Width::k64,
             .cond = Cond::kAe,
             .a = index,
             .imm = static_cast<int64_t>(table.size)},
            TrapKind::kUndefinedElement);
    elems = address(table.elems);
  } else {
    trap_if({.form = CmpForm::kRegMem, .width = Width::k64, .cond = Cond::kAe, .a = index, .access = size},
            TrapKind::kUndefinedElement);
    elems = out_->add_vreg(RegClass::kGpr);
    load(elems, LoadOp::k64, at_address(in_.instance->tables[number], offsetof(TableDef, elems)));
  }
  const VReg id = out_->add_vreg(RegClass::kGpr);
  load(id, LoadOp::k64,
       {.mem = {.base = MemBase::kVReg, .has_index = true, .scale_log2 = 3}, .base = elems, .index = index});
  return id;
}

// Table element -> entry, with the traps of call_indirect in their order.
void Lowering::indirect_entry(const Inst& inst, VReg entry) {
  const wasm::TypeId want(inst.a);
  const ir::Type element = func_->module().tables[inst.b].type.element;
  const bool typed = func_->types().matches(element.heap(), wasm::HeapType::concrete(want));
  const VReg id = indirect_id(inst.b, vreg(func_->args(id_of(inst)).back()));
  trap_if_zero(id, Width::k64, TrapKind::kUninitializedElement);
  out_->def_early(entry);
  out_->use(id);
  append({.op = MOp::FuncDeref, .aux = inst.a});
  if (typed) return;
  if (!func_->types().get(want).is_final) {
    const VReg matches = out_->add_vreg(RegClass::kGpr);
    func_type_test(matches, id, wasm::ValType::ref(wasm::HeapType::concrete(want), false).bits());
    trap_if_zero(matches, Width::k32, TrapKind::kIndirectCallTypeMismatch);
    return;
  }
  trap_if({.form = CmpForm::kMemImm,
           .width = Width::k32,
           .cond = Cond::kNe,
           .access = {.mem = {.base = MemBase::kVReg, .disp = static_cast<int32_t>(offsetof(runtime::FuncEntry, type))},
                      .base = entry},
           .imm = static_cast<int64_t>(inst.a)},
          TrapKind::kIndirectCallTypeMismatch);
}

// The callee's FuncEntry, for calls through references and tables; invalid for direct ones.
VReg Lowering::callee_entry(const Inst& inst) {
  const auto args = func_->args(id_of(inst));
  const VReg entry = out_->add_vreg(RegClass::kGpr);
  switch (inst.op) {
    case Op::CallRef:
    case Op::ReturnCallRef:
      out_->def_early(entry);
      out_->use(vreg(args.back()));
      append({.op = MOp::FuncDeref, .aux = inst.a});
      return entry;
    case Op::CallIndirect:
    case Op::ReturnCallIndirect: indirect_entry(inst, entry); return entry;
    default: return VReg();
  }
}

void Lowering::call(const Inst& inst) {
  auto args = func_->args(id_of(inst));
  const bool direct = inst.op == Op::Call;
  const VReg entry = direct ? VReg() : callee_entry(inst);
  if (!direct) args = args.first(args.size() - 1);
  store_overflow(args);
  const auto levels = static_cast<int64_t>(inst.imm);
  if (levels != 0) append({.op = MOp::DepthAdd, .imm = -levels});
  define_in_places(inst);
  use_in_places(args);
  if (!direct) out_->use_fixed(entry, kCalleeReg);
  const CallId call = add_call(&inst, {.entry = direct ? in_.instance->funcs[inst.a] : nullptr});
  append({.op = direct ? MOp::CallFunc : MOp::CallEntry, .aux = call.raw});
  forget_memory();
  // An exception that arrives here finds the frame's own depth restored.
  if (levels != 0) append({.op = MOp::DepthAdd, .imm = levels});
  load_overflow(places_);
}

void Lowering::tail_call(const Inst& inst) {
  auto args = func_->args(id_of(inst));
  const bool direct = inst.op == Op::ReturnCall;
  const VReg entry = direct ? VReg() : callee_entry(inst);
  if (!direct) args = args.first(args.size() - 1);
  store_overflow(args);
  use_in_places(args);
  if (!direct) out_->use_fixed(entry, kCalleeReg);
  const CallId call = out_->add_call({.entry = direct ? in_.instance->funcs[inst.a] : nullptr});
  append({.op = direct ? MOp::TailFunc : MOp::TailEntry, .aux = call.raw});
}

// --- Dispatch ------------------------------------------------------------------------------------------------------

Result<> Lowering::inst(const Inst& inst) {
  const uint16_t flags = func_->flags(inst);
  const bool effects =
      (flags & (ir::kTraps | ir::kWrites | ir::kSafepoint | ir::kExits | ir::kThrows | ir::kPinned)) != 0;
  if (!effects && inst.results_count == 1 && uses_[inst.first_result.index()] == 0) return {};
  if (fused_[id_of(inst).index()] != 0) return {};
  const auto layout = [&](uint32_t type) -> const runtime::TypeLayout& { return in_.layouts->of(wasm::TypeId(type)); };
  const auto tag_layout = [&](uint32_t tag) -> const runtime::TypeLayout& {
    return in_.layouts->of(func_->module().tags[tag].type_id);
  };
  switch (inst.op) {
    case Op::Const:
    case Op::RefNull:
    case Op::RefFunc:
    case Op::Refine:
    case Op::Convert: return {};
    case Op::Compute: return compute(inst);
    case Op::CanonicalNan: unary(inst, MOp::FCanonical, width_of(func_->rep(inst.first_result)), 0, 0, true); return {};
    case Op::Select: select(inst); return {};
    case Op::MemLoad: mem_load(inst); return {};
    case Op::MemStore: mem_store(inst); return {};
    case Op::MemorySize: {
      const VReg bytes = out_->add_vreg(RegClass::kGpr);
      load(bytes, LoadOp::k64, at_address(in_.instance->memories[inst.a], offsetof(MemoryDef, bytes)));
      out_->def(define(inst), Where::kSame);
      out_->use(bytes);
      append({.op = MOp::ShiftImm, .width = Width::k64, .sub = static_cast<uint8_t>(ShiftOp::kShr), .imm = 16});
      return {};
    }
    case Op::GlobalGet:
      load(define(inst), load_of(func_->rep(inst.first_result)), at_address(in_.instance->globals[inst.a]));
      armed_check(inst);
      return {};
    case Op::GlobalSet:
      store(width_of(func_->rep(arg(inst, 0))), arg(inst, 0), at_address(in_.instance->globals[inst.a]));
      return {};
    case Op::TableGet:
      table_access(inst, false);
      armed_check(inst);
      return {};
    case Op::TableSet: table_access(inst, true); return {};
    case Op::TableSize:
      load(define(inst), func_->rep(inst.first_result) == Rep::kI64 ? LoadOp::k64 : LoadOp::k32,
           at_address(in_.instance->tables[inst.a], offsetof(TableDef, size)));
      return {};
    case Op::NullCheck: trap_if_zero(vreg(arg(inst, 0)), width_of(func_->rep(arg(inst, 0))), inst.trap); return {};
    case Op::Cast: cast(inst); return {};
    case Op::RefTest: ref_test(inst); return {};
    case Op::RefIsNull:
    case Op::FuncIs:
    case Op::RefEq:
    case Op::ExnTest: set_from(define(inst), compare(inst)); return {};
    case Op::RefI31:
      out_->def(define(inst));
      out_->use(vreg(arg(inst, 0)));
      out_->use(vreg(arg(inst, 0)));
      append({.op = MOp::Lea, .width = Width::k32, .mem = {.base = MemBase::kVReg, .has_index = true, .disp = 1}});
      return {};
    case Op::I31Get:
      out_->def(define(inst), Where::kSame);
      out_->use(vreg(arg(inst, 0)));
      append({.op = MOp::ShiftImm,
              .sub = static_cast<uint8_t>(
                  (inst.opcode == Opcode::I31GetS) != fault_fires(Fault::kI31d) ? ShiftOp::kSar : ShiftOp::kShr),
              .imm = 1});
      return {};
    case Op::StructAlloc: struct_alloc(inst); return {};
    case Op::AllocCharge:
      append({.op = MOp::AllocCharge,
              .aux = out_->add_call({.builtin = static_cast<uint32_t>(Builtin::ChargeObject)}).raw,
              .imm = static_cast<int64_t>(layout(inst.a).charge + inst.imm * layout(inst.a).element_charge)});
      return {};
    case Op::ExnAlloc: exn_alloc(inst); return {};
    case Op::FieldInit:
    case Op::StructSet: {
      const runtime::FieldSlot field = layout(inst.a).fields[inst.b];
      if (inst.op == Op::StructSet) barrier(arg(inst, 0), arg(inst, 1), field.rep);
      store_field(arg(inst, 1), field.rep, in_object(arg(inst, 0), field.offset));
      return {};
    }
    case Op::StructGet: {
      const runtime::FieldSlot field = layout(inst.a).fields[inst.b];
      load_field(inst, field.rep, inst.opcode == Opcode::StructGetS, in_object(arg(inst, 0), field.offset));
      armed_check(inst);
      return {};
    }
    case Op::ArrayAlloc:
      if (array_alloc(inst)) return {};
      break;
    case Op::ArrayInitFill: array_init_fill(inst); return {};
    case Op::ElemInit: {
      const FieldRep rep = layout(inst.a).element;
      const uint32_t bytes = runtime::kFieldBytes[static_cast<size_t>(rep)];
      store_field(arg(inst, 1), rep, in_object(arg(inst, 0), runtime::kArrayDataOffset + inst.b * bytes));
      return {};
    }
    case Op::ArrayGet: {
      check_index(inst);
      const FieldRep rep = layout(inst.a).element;
      load_field(inst, rep, inst.opcode == Opcode::ArrayGetS, element(arg(inst, 0), arg(inst, 1), rep));
      armed_check(inst);
      return {};
    }
    case Op::ArraySet: {
      check_index(inst);
      const FieldRep rep = layout(inst.a).element;
      barrier(arg(inst, 0), arg(inst, 2), rep);
      store_field(arg(inst, 2), rep, element(arg(inst, 0), arg(inst, 1), rep));
      return {};
    }
    case Op::ArrayLen: load(define(inst), LoadOp::k32, in_object(arg(inst, 0), gc::kLengthOffset)); return {};
    case Op::ExnInit: {
      const runtime::FieldSlot field = tag_layout(inst.a).fields[inst.b];
      store_field(arg(inst, 1), field.rep, in_object(arg(inst, 0), field.offset));
      return {};
    }
    case Op::ExnGet: {
      const runtime::FieldSlot field = tag_layout(inst.a).fields[inst.b];
      load_field(inst, field.rep, false, in_object(arg(inst, 0), field.offset));
      armed_check(inst);
      return {};
    }
    case Op::CaughtExn:
      out_->def(define(inst));
      append({.op = MOp::TakeException});
      armed_check(inst);
      return {};
    case Op::Call:
    case Op::CallRef:
    case Op::CallIndirect:
      call(inst);
      armed_check(inst);
      return {};
    case Op::Budget:
      append({.op = MOp::Budget});
      if (func_->poll_at_budget) builtin(Builtin::SafepointPoll, {}, VReg(), &inst);
      return {};
    case Op::DepthCheck: append({.op = MOp::DepthCheck, .aux = inst.b, .imm = inst.a}); return {};
    case Op::HomeStore:
      store(Width::k32, arg(inst, 0), {.mem = {.base = MemBase::kHome, .disp = static_cast<int32_t>(inst.a)}});
      return {};
    case Op::HomeLoad:
      load(define(inst), LoadOp::k32, {.mem = {.base = MemBase::kHome, .disp = static_cast<int32_t>(inst.a)}});
      armed_check(inst);
      return {};
    default: break;
  }
  if (builtin_op(inst)) return {};
  return fail(ErrorCode::kInvariant, inst.offset, text::format("I3: no lowering of {}", ir::info(inst.op).text));
}

}  // namespace parallax::jit
