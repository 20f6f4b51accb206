#include "engine/jit/x64/asm.h"

#include <cstring>

#include "engine/base/text.h"

namespace parallax::jit::x64 {

// Room that must be left in the space, so that a piece never ends exactly at the mapping's end.
static constexpr size_t kReserve = 4096;

CpuFeatures CpuFeatures::host() {
  const auto& has = asmjit::CpuInfo::host().features().x86();
  return {.popcnt = has.hasPOPCNT(),
          .lzcnt = has.hasLZCNT(),
          .bmi1 = has.hasBMI(),
          .bmi2 = has.hasBMI2(),
          .sse41 = has.hasSSSE3() && has.hasSSE4_1(),
          .sse42 = has.hasSSE4_2(),
          .avx = has.hasAVX() && has.hasAVX2()};
}

CpuFeatures CpuFeatures::of(runtime::CpuLevel level) {
  const CpuFeatures has = host();
  switch (level) {
    case runtime::CpuLevel::kHost: return has;
    case runtime::CpuLevel::kSse4: return {.popcnt = has.popcnt, .sse41 = has.sse41, .sse42 = has.sse42};
    case runtime::CpuLevel::kBaseline: break;
  }
  return {};
}

Asm::Asm() = default;

void Asm::start(CodeSpace& space, bool validate) {
  space_ = &space;
  errors_.first = asmjit::kErrorOk;
  notes_.clear();
  holder_.reset();
  const std::span<uint8_t> room = space.room();
  base_offset_ = space.offset_of(space.next_code());
  holder_.init(asmjit::Environment::host(), reinterpret_cast<uint64_t>(space.next_code()));
  holder_.setErrorHandler(&errors_);
  asmjit::CodeBuffer& buffer = holder_.textSection()->buffer();
  buffer._data = room.data();
  buffer._size = 0;
  buffer._capacity = room.size() > kReserve ? room.size() - kReserve : 0;
  buffer._flags = asmjit::CodeBufferFlags::kIsExternal | asmjit::CodeBufferFlags::kIsFixed;
  holder_.attach(this);
  if (validate) {
    addDiagnosticOptions(asmjit::DiagnosticOptions::kValidateAssembler);
  } else {
    clearDiagnosticOptions(asmjit::DiagnosticOptions::kValidateAssembler);
  }
}

Result<const uint8_t*> Asm::finish() {
  const size_t size = offset();
  if (errors_.first == asmjit::kErrorOk && holder_.hasUnresolvedLinks()) {
    errors_.first = asmjit::kErrorInvalidLabel;
    errors_.text = "unbound label";
  }
  if (errors_.first == asmjit::kErrorOk && holder_.hasRelocEntries()) {
    errors_.first = asmjit::kErrorInvalidRelocEntry;
    errors_.text = "code needs relocation";
  }
  const uint8_t* code = space_->next_code();
  holder_.reset();
  if (errors_.first == asmjit::kErrorTooLarge || errors_.first == asmjit::kErrorOutOfMemory) {
    return code_space_is_full();
  }
  if (errors_.first != asmjit::kErrorOk) {
    return fail(ErrorCode::kInvariant, 0, text::format("I2: assembler: {}", errors_.text));
  }
  space_->commit(size);
  return code;
}

// --- Common instructions -------------------------------------------------------------------------------------------

namespace {

using Operand = asmjit::Operand_;
namespace Inst = x86::Inst;

// Room that no instruction here needs, whatever its operands.
constexpr ptrdiff_t kMargin = 32;

// The hardware's number of an operation of two integers, or none.
constexpr int kNoAlu = -1;
int alu_of(asmjit::InstId id) {
  switch (id) {
    case Inst::kIdAdd: return 0;
    case Inst::kIdOr: return 1;
    case Inst::kIdAnd: return 4;
    case Inst::kIdSub: return 5;
    case Inst::kIdXor: return 6;
    case Inst::kIdCmp: return 7;
    default: return kNoAlu;
  }
}

bool is_word(const Operand& op) { return x86::Reg::isGpd(op) || x86::Reg::isGpq(op); }
bool is_wide(const Operand& op) { return x86::Reg::isGpq(op); }

// [base], [base + disp] or [base + index << scale + disp], with registers of 64 bits.
bool is_plain(const x86::Mem& m) {
  using asmjit::RegType;
  return m.baseType() == RegType::kX86_Gpq && (!m.hasIndexReg() || m.indexType() == RegType::kX86_Gpq) &&
         !m.hasSegment() && !m.isRegHome() && !m.hasBroadcast();
}

bool is_int8(int64_t value) { return value == static_cast<int8_t>(value); }
bool is_int32(int64_t value) { return value == static_cast<int32_t>(value); }

// One instruction, written at `p`.
struct Writer {
  uint8_t* p;

  void byte(uint32_t value) { *p++ = static_cast<uint8_t>(value); }
  void word(int64_t value) {
    const auto low = static_cast<uint32_t>(value);
    std::memcpy(p, &low, sizeof low);
    p += sizeof low;
  }
  void rex(bool wide, uint32_t reg, uint32_t index, uint32_t base) {
    const uint32_t bits = (wide ? 8u : 0u) | reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
    if (bits != 0) byte(0x40 | bits);
  }
  void with_reg(uint32_t opcode, bool wide, uint32_t reg, uint32_t rm) {
    rex(wide, reg, 0, rm);
    byte(opcode);
    byte(0xc0 | (reg & 7) << 3 | (rm & 7));
  }
  void with_mem(uint32_t opcode, bool wide, uint32_t reg, const x86::Mem& m) {
    const uint32_t base = m.baseId();
    const bool indexed = m.hasIndexReg();
    const uint32_t index = indexed ? m.indexId() : 0;
    const int32_t disp = m.offsetLo32();
    rex(wide, reg, index, base);
    byte(opcode);
    const uint32_t mod = disp == 0 && (base & 7) != 5 ? 0 : is_int8(disp) ? 0x40 : 0x80;
    if (!indexed && (base & 7) != 4) {
      byte(mod | (reg & 7) << 3 | (base & 7));
    } else {
      byte(mod | (reg & 7) << 3 | 4);
      byte((indexed ? m.shift() << 6 | (index & 7) << 3 : 4u << 3) | (base & 7));
    }
    if (mod == 0x40) byte(static_cast<uint32_t>(disp));
    if (mod == 0x80) word(disp);
  }
};

// To a register from a register or from memory, to memory from a register.
bool write_transfer(Writer& w, asmjit::InstId id, const Operand& to, const Operand& from) {
  const int alu = alu_of(id);
  const bool move = id == Inst::kIdMov;
  if (is_word(to) && is_word(from)) {
    if (is_wide(to) != is_wide(from)) return false;
    if (id == Inst::kIdTest) return w.with_reg(0x85, is_wide(to), from.id(), to.id()), true;
    if (!move && alu == kNoAlu) return false;
    const uint32_t opcode = move ? 0x89 : static_cast<uint32_t>(alu) << 3 | 1;
    return w.with_reg(opcode, is_wide(to), from.id(), to.id()), true;
  }
  const bool load = is_word(to);
  if (load ? !from.isMem() : !(to.isMem() && is_word(from))) return false;
  const auto& m = (load ? from : to).as<x86::Mem>();
  const Operand& reg = load ? to : from;
  if (!is_plain(m) || (m.size() != 0 && id != Inst::kIdLea && m.size() != (is_wide(reg) ? 8 : 4))) return false;
  uint32_t opcode = 0;
  if (move) {
    opcode = load ? 0x8b : 0x89;
  } else if (alu != kNoAlu) {
    opcode = static_cast<uint32_t>(alu) << 3 | (load ? 3 : 1);
  } else if (load && id == Inst::kIdLea) {
    opcode = 0x8d;
  } else {
    return false;
  }
  return w.with_mem(opcode, is_wide(reg), reg.id(), m), true;
}

bool write_immediate(Writer& w, asmjit::InstId id, const Operand& to, int64_t value) {
  const int alu = alu_of(id);
  const bool move = id == Inst::kIdMov;
  if ((!move && alu == kNoAlu) || !is_int32(value)) return false;
  if (is_word(to)) {
    if (move) {
      if (is_wide(to)) return w.with_reg(0xc7, true, 0, to.id()), w.word(value), true;
      w.rex(false, 0, 0, to.id());
      return w.byte(0xb8 | (to.id() & 7)), w.word(value), true;
    }
    const bool small = is_int8(value);
    if (!small && to.id() == x86::Gp::kIdAx) return false;  // has a form of its own
    w.with_reg(small ? 0x83 : 0x81, is_wide(to), static_cast<uint32_t>(alu), to.id());
    return small ? w.byte(static_cast<uint32_t>(value)) : w.word(value), true;
  }
  if (!to.isMem()) return false;
  const auto& m = to.as<x86::Mem>();
  if (!is_plain(m) || (m.size() != 4 && m.size() != 8)) return false;
  const bool small = !move && is_int8(value);
  w.with_mem(move ? 0xc7 : small ? 0x83 : 0x81, m.size() == 8, move ? 0 : static_cast<uint32_t>(alu), m);
  return small ? w.byte(static_cast<uint32_t>(value)) : w.word(value), true;
}

}  // namespace

asmjit::Error Asm::_emit(asmjit::InstId id, const Operand& o0, const Operand& o1, const Operand& o2,
                         const Operand* more) {
  const bool plain = (instOptions() | forcedInstOptions()) == asmjit::InstOptions::kNone && o2.isNone();
  if (plain && _bufferEnd - _bufferPtr >= kMargin) {
    Writer w{_bufferPtr};
    if (o1.isImm() ? write_immediate(w, id, o0, o1.as<asmjit::Imm>().value()) : write_transfer(w, id, o0, o1)) {
      _bufferPtr = w.p;
      return asmjit::kErrorOk;
    }
  }
  return x86::Assembler::_emit(id, o0, o1, o2, more);
}

}  // namespace parallax::jit::x64
