// Linear memory and tables.
#include <array>
#include <cstddef>

#include "engine/base/check.h"
#include "engine/gc/region.h"
#include "engine/jit/baseline/state.h"

namespace parallax::jit {

using runtime::Builtin;
using runtime::MemoryDef;
using runtime::TableDef;
using wasm::Opcode;
using wasm::TrapKind;

namespace {

// How an opcode touches memory: instruction (prefix, opcode, 64 bits, byte register) and bytes; a load may be followed by
// a vector operation on what was loaded, a store preceded by one.
struct AccessRow {
  Opcode opcode;
  uint8_t bytes;
  uint8_t prefix;
  uint32_t code;
  bool wide;
  bool is_float;
  Opcode vector = Opcode::Nop;
};
constexpr AccessRow kAccessRows[] = {
    {Opcode::I32Load, 4, 0, 0x8b, false, false},
    {Opcode::I64Load, 8, 0, 0x8b, true, false},
    {Opcode::F32Load, 4, 0xf3, 0x0f10, false, true},
    {Opcode::F64Load, 8, 0xf2, 0x0f10, false, true},
    {Opcode::I32Load8S, 1, 0, 0x0fbe, false, false},
    {Opcode::I32Load8U, 1, 0, 0x0fb6, false, false},
    {Opcode::I32Load16S, 2, 0, 0x0fbf, false, false},
    {Opcode::I32Load16U, 2, 0, 0x0fb7, false, false},
    {Opcode::I64Load8S, 1, 0, 0x0fbe, true, false},
    {Opcode::I64Load8U, 1, 0, 0x0fb6, false, false},
    {Opcode::I64Load16S, 2, 0, 0x0fbf, true, false},
    {Opcode::I64Load16U, 2, 0, 0x0fb7, false, false},
    {Opcode::I64Load32S, 4, 0, 0x63, true, false},
    {Opcode::I64Load32U, 4, 0, 0x8b, false, false},
    {Opcode::I32Store, 4, 0, 0x89, false, false},
    {Opcode::I64Store, 8, 0, 0x89, true, false},
    {Opcode::F32Store, 4, 0xf3, 0x0f11, false, true},
    {Opcode::F64Store, 8, 0xf2, 0x0f11, false, true},
    {Opcode::I32Store8, 1, 0, 0x88, false, false},
    {Opcode::I32Store16, 2, 0x66, 0x89, false, false},
    {Opcode::I64Store8, 1, 0, 0x88, false, false},
    {Opcode::I64Store16, 2, 0x66, 0x89, false, false},
    {Opcode::I64Store32, 4, 0, 0x89, false, false},
    {Opcode::V128Load, 16, 0, 0x0f10, false, true},
    {Opcode::V128Store, 16, 0, 0x0f11, false, true},
    {Opcode::V128Load32Zero, 4, 0xf3, 0x0f10, false, true},
    {Opcode::V128Load64Zero, 8, 0xf2, 0x0f10, false, true},
    {Opcode::V128Load8x8S, 8, 0xf2, 0x0f10, false, true, Opcode::I16x8ExtendLowI8x16S},
    {Opcode::V128Load8x8U, 8, 0xf2, 0x0f10, false, true, Opcode::I16x8ExtendLowI8x16U},
    {Opcode::V128Load16x4S, 8, 0xf2, 0x0f10, false, true, Opcode::I32x4ExtendLowI16x8S},
    {Opcode::V128Load16x4U, 8, 0xf2, 0x0f10, false, true, Opcode::I32x4ExtendLowI16x8U},
    {Opcode::V128Load32x2S, 8, 0xf2, 0x0f10, false, true, Opcode::I64x2ExtendLowI32x4S},
    {Opcode::V128Load32x2U, 8, 0xf2, 0x0f10, false, true, Opcode::I64x2ExtendLowI32x4U},
    {Opcode::V128Load8Splat, 1, 0, 0x0fb6, false, false, Opcode::I8x16Splat},
    {Opcode::V128Load16Splat, 2, 0, 0x0fb7, false, false, Opcode::I16x8Splat},
    {Opcode::V128Load32Splat, 4, 0xf3, 0x0f10, false, true, Opcode::F32x4Splat},
    {Opcode::V128Load64Splat, 8, 0xf2, 0x0f10, false, true, Opcode::F64x2Splat},
    {Opcode::V128Load8Lane, 1, 0, 0x0fb6, false, false, Opcode::I8x16ReplaceLane},
    {Opcode::V128Load16Lane, 2, 0, 0x0fb7, false, false, Opcode::I16x8ReplaceLane},
    {Opcode::V128Load32Lane, 4, 0, 0x8b, false, false, Opcode::I32x4ReplaceLane},
    {Opcode::V128Load64Lane, 8, 0, 0x8b, true, false, Opcode::I64x2ReplaceLane},
    {Opcode::V128Store8Lane, 1, 0, 0x88, false, false, Opcode::I8x16ExtractLaneU},
    {Opcode::V128Store16Lane, 2, 0x66, 0x89, false, false, Opcode::I16x8ExtractLaneU},
    {Opcode::V128Store32Lane, 4, 0, 0x89, false, false, Opcode::I32x4ExtractLane},
    {Opcode::V128Store64Lane, 8, 0, 0x89, true, false, Opcode::I64x2ExtractLane},
};
constexpr auto kAccessIndex = [] {
  std::array<uint8_t, wasm::kOpcodeCount> index{};
  for (size_t n = 0; n < std::size(kAccessRows); ++n) {
    index[static_cast<size_t>(kAccessRows[n].opcode)] = static_cast<uint8_t>(n + 1);
  }
  return index;
}();
const AccessRow& access_row(Opcode op) {
  const uint8_t n = kAccessIndex[static_cast<size_t>(op)];
  CHECK(n != 0, "I3: {} is no memory access", wasm::info(op).text);
  return kAccessRows[n - 1];
}

constexpr uint64_t kMaxDisp = 0x7fffffff;

}  // namespace

// --- Linear memory -------------------------------------------------------------------------------------------------

// Takes an address off the stack, checks [address + offset, + bytes) against the memory's size, and answers where it is:
// by r11, which holds the memory's base, and a register that stays held.
Addr Baseline::access(const wasm::MemArg& arg, uint32_t bytes) {
  const MemoryDef* memory = instance_->memories[arg.memory.raw];
  constexpr Addr kBase{.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(MemoryDef, base))};
  constexpr Addr kSize{.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(MemoryDef, bytes))};
  const Entry address = pop();
  const uint64_t end = arg.offset + bytes;
  const bool is_64 = address.rep == Rep::kI64;
  guarded_ = nullptr;
  if (in_.guards && memory->guarded != 0 && !is_64 && arg.offset < gc::kGuardedOffsets) {
    guarded_ = memory;
    const PReg index = reg_of(address);
    code_.imm(kScratchGpr, memory->base);
    return {.base = kScratchGpr, .index = index, .disp = static_cast<int32_t>(arg.offset)};
  }
  if (address.kind == Kind::kConst && address.bits <= kMaxDisp && end >= bytes && end <= kMaxDisp &&
      address.bits + end <= kMaxDisp) {
    code_.imm(kScratchGpr, memory);
    code_.cmp_imm(kSize, static_cast<int32_t>(address.bits + end), true);
    trap_if(Cc::kB, TrapKind::kMemoryOutOfBounds);
    code_.load64(kScratchGpr, kBase);
    return {.base = kScratchGpr, .disp = static_cast<int32_t>(address.bits + arg.offset)};
  }
  const PReg index = reg_of(address);
  const PReg t = alloc(RegClass::kGpr);
  if (is_64) {
    // Without wrapping: end <= size, and then index <= size - end.
    if (end < arg.offset) trap(TrapKind::kMemoryOutOfBounds);
    if (end <= kMaxDisp) {
      code_.imm(kScratchGpr, memory);
      code_.load64(t, kSize);
      code_.alu_imm(5, t, static_cast<int32_t>(end), true);
    } else {
      code_.imm(kScratchGpr, memory);
      code_.load64(t, kSize);
      code_.imm(kScratchGpr, end);
      code_.alu(5, t, kScratchGpr, true);
      trap_if(Cc::kB, TrapKind::kMemoryOutOfBounds);
      code_.alu(7, index, t, true);
      trap_if(Cc::kA, TrapKind::kMemoryOutOfBounds);
      code_.imm(t, arg.offset);
      code_.alu(0, t, index, true);
      code_.imm(kScratchGpr, memory);
      code_.load64(kScratchGpr, kBase);
      return {.base = kScratchGpr, .index = t};
    }
    trap_if(Cc::kB, TrapKind::kMemoryOutOfBounds);
    code_.alu(7, index, t, true);
    trap_if(Cc::kA, TrapKind::kMemoryOutOfBounds);
    code_.load64(kScratchGpr, kBase);
    return {.base = kScratchGpr, .index = index, .disp = static_cast<int32_t>(arg.offset)};
  }
  if (end <= kMaxDisp) {
    code_.lea(t, {.base = index, .disp = static_cast<int32_t>(end)}, true);
  } else {
    code_.imm(t, end);
    code_.alu(0, t, index, true);
  }
  code_.imm(kScratchGpr, memory);
  code_.alu(7, t, kSize, true);
  trap_if(Cc::kA, TrapKind::kMemoryOutOfBounds);
  code_.load64(kScratchGpr, kBase);
  return {.base = kScratchGpr, .index = t, .disp = -static_cast<int32_t>(bytes)};
}

// What was written since `begin` is an access whose place access() answered.
void Baseline::note_access(uint32_t begin) {
  if (guarded_ == nullptr) return;
  em_.faults_.push_back(
      {.begin = begin, .end = em_.a_.here(), .func = in_.entry->func_index, .offset = offset_, .memory = guarded_});
}

void Baseline::on_load(const Event& e) {
  const AccessRow& row = access_row(e.instr.op);
  const ValType type = e.types.pushed[0];
  const bool has_vector_operand = e.types.popped.size() == 2;
  const PReg v = has_vector_operand ? pop_reg() : kNoReg;
  const Addr from = access(e.instr.mem, row.bytes);
  const PReg d = alloc(row.is_float ? RegClass::kXmm : RegClass::kGpr);
  const uint32_t begin = em_.a_.here();
  code_.rm(row.prefix, row.code, row.wide, row.is_float ? Code::x(d) : d, from);
  note_access(begin);
  if (row.vector == Opcode::Nop) return push_reg(type, d);
  // Operands of the vector operation, back on the stack: what was loaded is the second one, if there are two.
  const bool widens = wasm::info(row.vector).signature[0] == 'v' && !has_vector_operand;
  const ValType loaded = widens         ? wasm::kV128
                         : row.is_float ? (row.bytes == 4 ? wasm::kF32 : wasm::kF64)
                         : row.wide     ? wasm::kI64
                                        : wasm::kI32;
  if (!has_vector_operand) {
    push_reg(loaded, d);
    return numeric(row.vector, std::span(&loaded, 1), type, 0, 0);
  }
  if (((used_ | cached_) & bit(v)) != 0) {
    const PReg copy = alloc(RegClass::kXmm);
    code_.movaps(copy, v);
    push_reg(wasm::kV128, copy);
  } else {
    push_reg(wasm::kV128, v);
  }
  push_reg(loaded, d);
  const ValType both[] = {wasm::kV128, loaded};
  numeric(row.vector, both, type, e.instr.lane, 0);
}

void Baseline::on_store(const Event& e) {
  const AccessRow& row = access_row(e.instr.op);
  if (row.vector != Opcode::Nop) {
    const ValType vector = wasm::kV128;
    numeric(row.vector, std::span(&vector, 1), row.wide ? wasm::kI64 : wasm::kI32, e.instr.lane, 0);
  }
  const Entry value = pop();
  int32_t known = 0;
  if (immediate(value, row.wide, known)) {
    const Addr to = access(e.instr.mem, row.bytes);
    const uint32_t begin = em_.a_.here();
    switch (row.bytes) {
      case 1: code_.store_imm8(to, known); break;
      case 2: code_.store_imm16(to, known); break;
      default: code_.store_imm(to, known, row.wide); break;
    }
    return note_access(begin);
  }
  const PReg from = reg_of(value);
  const Addr to = access(e.instr.mem, row.bytes);
  const uint32_t begin = em_.a_.here();
  code_.rm(row.prefix, row.code, row.wide, row.is_float ? Code::x(from) : from, to, 0, row.bytes == 1);
  note_access(begin);
}

void Baseline::on_memory_size(const Event& e) {
  const PReg d = alloc(RegClass::kGpr);
  code_.imm(kScratchGpr, instance_->memories[e.instr.a]);
  code_.load64(d, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(MemoryDef, bytes))});
  code_.shift_imm(5, d, 16, true);
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_memory_grow(const Event& e) {
  const Entry delta = pop();
  builtin(Builtin::MemoryGrow, {imm(e.instr.a), value(delta)});
  if (e.types.pushed[0] == wasm::kI32) code_.mov32(kRax, kRax);  // the answer has 64 bits
  push_reg(e.types.pushed[0], kRax);
}

// Operations that are one builtin. Immediates in the builtin's order.
void Baseline::on_memory_bulk(const Event& e) {
  if (e.instr.op == Opcode::DataDrop) return builtin(Builtin::DataDrop, {imm(e.instr.a)});
  const Entry c = pop();
  const Entry b = pop();
  const Entry a = pop();
  switch (e.instr.op) {
    case Opcode::MemoryFill: return builtin(Builtin::MemoryFill, {imm(e.instr.a), value(a), value(b), value(c)});
    case Opcode::MemoryCopy:
      return builtin(Builtin::MemoryCopy, {imm(e.instr.a), imm(e.instr.b), value(a), value(b), value(c)});
    default:  // memory.init
      return builtin(Builtin::MemoryInit, {imm(e.instr.b), imm(e.instr.a), value(a), value(b), value(c)});
  }
}

// --- Tables --------------------------------------------------------------------------------------------------------

void Baseline::on_table_get(const Event& e) {
  const ValType type = e.types.pushed[0];
  const Rep rep = rep_of(type);
  const PReg index = pop_reg();
  code_.imm(kScratchGpr, instance_->tables[e.instr.a]);
  code_.alu(7, index, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, size))}, true);
  trap_if(Cc::kAe, TrapKind::kTableOutOfBounds);
  code_.load64(kScratchGpr, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, elems))});
  const PReg d = alloc(RegClass::kGpr);
  load(d, rep, {.base = kScratchGpr, .index = index, .scale = static_cast<uint8_t>(rep == Rep::kFunc ? 3 : 2)});
  push_reg(type, d);
  if (in_.armed) armed_check(d, type);
}

void Baseline::on_table_set(const Event& e) {
  const Entry value = pop();
  const PReg from = reg_of(value);
  const PReg index = pop_reg();
  code_.imm(kScratchGpr, instance_->tables[e.instr.a]);
  code_.alu(7, index, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, size))}, true);
  trap_if(Cc::kAe, TrapKind::kTableOutOfBounds);
  code_.load64(kScratchGpr, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, elems))});
  const auto scale = static_cast<uint8_t>(value.rep == Rep::kFunc ? 3 : 2);
  store({.base = kScratchGpr, .index = index, .scale = scale}, value.rep, from);
}

void Baseline::on_table_size(const Event& e) {
  const PReg d = alloc(RegClass::kGpr);
  code_.imm(kScratchGpr, instance_->tables[e.instr.a]);
  code_.load64(d, {.base = kScratchGpr, .disp = static_cast<int32_t>(offsetof(TableDef, size))});
  push_reg(e.types.pushed[0], d);
}

void Baseline::on_table_bulk(const Event& e) {
  const auto& i = e.instr;
  if (i.op == Opcode::ElemDrop) return builtin(Builtin::ElemDrop, {imm(i.a)});
  if (i.op == Opcode::TableGrow) {
    const Entry delta = pop();
    const Entry init = pop();
    builtin(Builtin::TableGrow, {imm(i.a), value(init), value(delta)});
    if (e.types.pushed[0] == wasm::kI32) code_.mov32(kRax, kRax);
    return push_reg(e.types.pushed[0], kRax);
  }
  const Entry c = pop();
  const Entry b = pop();
  const Entry a = pop();
  switch (i.op) {
    case Opcode::TableFill: return builtin(Builtin::TableFill, {imm(i.a), value(a), value(b), value(c)});
    case Opcode::TableCopy: return builtin(Builtin::TableCopy, {imm(i.a), imm(i.b), value(a), value(b), value(c)});
    default:  // table.init
      return builtin(Builtin::TableInit, {imm(i.a), imm(i.b), value(a), value(b), value(c)});
  }
}

}  // namespace parallax::jit
