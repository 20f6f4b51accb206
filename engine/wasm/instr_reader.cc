#include "engine/wasm/instr_reader.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/wasm/features.h"

namespace parallax::wasm {

void InstrReader::read_prefixed(Instr& instr, uint8_t prefix) {
  instr.op = Opcode::Unreachable;  // a harmless one, should the reading fail
  if (!in_.ok()) return;
  if (!detail::is_prefix(prefix)) {
    in_.malformed(instr.offset, text::format("illegal opcode {:02x}", prefix));
    return;
  }
  const uint32_t code = in_.u32();
  const Opcode op = detail::lookup_opcode(prefix, code);
  if (op != kNoOpcode) {
    instr.op = op;
  } else {
    in_.malformed(instr.offset, text::format("illegal opcode {:02x} {:02x}", prefix, code));
  }
}

void InstrReader::reject_feature(const Instr& instr) {
  const OpcodeInfo& row = info(instr.op);
  in_.malformed(instr.offset, text::format("illegal opcode {:02x}: {} needs the feature {}, which is off",
                                           row.prefix != 0 ? row.prefix : row.code, row.text, to_string(row.feature)));
}

void InstrReader::read_immediates(Instr& instr, ImmKind kind) {
  switch (kind) {
    case ImmKind::None: return;
    case ImmKind::Block: instr.block = read_block_type(in_, scope_); return;
    case ImmKind::Label:
    case ImmKind::Func:
    case ImmKind::Local:
    case ImmKind::Global:
    case ImmKind::Table:
    case ImmKind::Memory:
    case ImmKind::Tag:
    case ImmKind::Data:
    case ImmKind::Elem:
    case ImmKind::Type: instr.a = in_.u32(); return;
    case ImmKind::BrTable: read_br_table(instr); return;
    case ImmKind::MemArg: read_mem_arg(instr); return;
    case ImmKind::MemArgLane:
      read_mem_arg(instr);
      instr.lane = in_.u8();
      return;
    case ImmKind::Lane: instr.lane = in_.u8(); return;
    case ImmKind::TableElem:  // binary order: elem, table
      instr.b = in_.u32();
      instr.a = in_.u32();
      return;
    case ImmKind::DataMemory:
    case ImmKind::MemoryMemory:
    case ImmKind::TableTable:
    case ImmKind::CallIndirect:
    case ImmKind::TypeField:
    case ImmKind::TypeCount:
    case ImmKind::TypeData:
    case ImmKind::TypeElem:
    case ImmKind::TypeType:
      instr.a = in_.u32();
      instr.b = in_.u32();
      return;
    case ImmKind::HeapType: {
      const bool nullable =
          instr.op == Opcode::RefNull || instr.op == Opcode::RefTestNull || instr.op == Opcode::RefCastNull;
      instr.type = ValType::ref(read_heap_type(in_, scope_), nullable);
      return;
    }
    case ImmKind::BrOnCast: read_br_on_cast(instr); return;
    case ImmKind::SelectTypes: read_select_types(instr); return;
    case ImmKind::TryTable: read_catches(instr); return;
    case ImmKind::I32: instr.bits = static_cast<uint64_t>(int64_t{in_.s32()}); return;
    case ImmKind::I64: instr.bits = static_cast<uint64_t>(in_.s64()); return;
    case ImmKind::F32: instr.bits = in_.fixed32(); return;
    case ImmKind::F64: instr.bits = in_.fixed64(); return;
    case ImmKind::V128:
    case ImmKind::Shuffle: read_v128(instr); return;
  }
}

// Flags: alignment in bits 0..5, bit 6 says that a memory index follows.
void InstrReader::read_mem_arg(Instr& instr) {
  const WasmOffset at = in_.offset();
  const uint32_t flags = in_.u32();
  if (flags >= 0x80) {
    in_.malformed(at, text::format("malformed memop flags {:#x}", flags));
    return;
  }
  instr.mem.align_log2 = flags & 0x3f;
  instr.mem.memory = MemoryIndex((flags & 0x40) != 0 ? in_.u32() : 0u);
  instr.mem.offset = in_.u64();
}

void InstrReader::read_br_table(Instr& instr) {
  const uint32_t count = in_.count();
  labels_.clear();
  for (uint32_t i = 0; i < count && in_.ok(); ++i) labels_.push_back(in_.u32());
  labels_.push_back(in_.u32());
  instr.labels = labels_;
}

void InstrReader::read_br_on_cast(Instr& instr) {
  const WasmOffset at = in_.offset();
  const uint8_t flags = in_.u8();
  if (flags > 3) in_.malformed(at, text::format("malformed cast flags {:#x}", flags));
  instr.a = in_.u32();
  instr.type = ValType::ref(read_heap_type(in_, scope_), (flags & 1) != 0);
  instr.target = ValType::ref(read_heap_type(in_, scope_), (flags & 2) != 0);
}

void InstrReader::read_select_types(Instr& instr) {
  const uint32_t count = in_.count();
  types_.clear();
  for (uint32_t i = 0; i < count && in_.ok(); ++i) types_.push_back(read_val_type(in_, scope_));
  instr.types = types_;
}

void InstrReader::read_catches(Instr& instr) {
  instr.block = read_block_type(in_, scope_);
  const uint32_t count = in_.count();
  catches_.clear();
  for (uint32_t i = 0; i < count && in_.ok(); ++i) {
    const WasmOffset at = in_.offset();
    const uint8_t code = in_.u8();
    if (code > 3) {
      in_.malformed(at, text::format("malformed catch clause: code {:#x}", code));
      break;
    }
    const auto kind = static_cast<CatchKind>(code);
    const bool has_tag = kind == CatchKind::kCatch || kind == CatchKind::kCatchRef;
    const TagIndex tag = has_tag ? TagIndex(in_.u32()) : TagIndex();
    catches_.push_back({kind, tag, in_.u32()});
  }
  instr.catches = catches_;
}

void InstrReader::read_v128(Instr& instr) {
  for (uint8_t& byte : instr.v128) byte = in_.u8();
}

}  // namespace parallax::wasm
