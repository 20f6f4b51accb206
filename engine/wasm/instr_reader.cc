#include "engine/wasm/instr_reader.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/wasm/features.h"

namespace parallax::wasm {

void InstrReader::read_prefixed(Instr& instr, uint8_t prefix) {
  const uint32_t code = detail::is_prefix(prefix) ? in_.u32() : 0;
  instr.op = detail::lookup_opcode(prefix, code);
  if (instr.op == kNoOpcode || !in_.ok()) reject_opcode(instr);
}

void InstrReader::reject_opcode(Instr& instr) {
  instr.op = Opcode::Unreachable;  // a harmless one: the reading failed
  if (!in_.ok()) return;
  std::string code;
  for (const uint8_t byte : in_.since(instr.offset)) code += text::format(" {:02x}", byte);
  in_.malformed(instr.offset, "illegal opcode" + code);
}

void InstrReader::reject_feature(const Instr& instr) {
  const OpcodeInfo& row = info(instr.op);
  in_.malformed(instr.offset, text::format("illegal opcode {:02x}: {} needs the feature {}, which is off",
                                           row.prefix != 0 ? row.prefix : row.code, row.text, to_string(row.feature)));
}

void InstrReader::read_immediates(Instr& instr, ImmKind kind) {
  switch (kind) {
#define KIND(id) \
  case ImmKind::id: return read_immediates<ImmKind::id>(instr);
    KIND(None)
    KIND(Block)
    KIND(Label)
    KIND(BrTable)
    KIND(Func)
    KIND(Local)
    KIND(Global)
    KIND(Table)
    KIND(Memory)
    KIND(Tag)
    KIND(Data)
    KIND(Elem)
    KIND(Type)
    KIND(MemArg)
    KIND(MemArgLane)
    KIND(Lane)
    KIND(DataMemory)
    KIND(MemoryMemory)
    KIND(TableElem)
    KIND(TableTable)
    KIND(CallIndirect)
    KIND(TypeField)
    KIND(TypeCount)
    KIND(TypeData)
    KIND(TypeElem)
    KIND(TypeType)
    KIND(HeapType)
    KIND(BrOnCast)
    KIND(SelectTypes)
    KIND(TryTable)
    KIND(I32)
    KIND(I64)
    KIND(F32)
    KIND(F64)
    KIND(V128)
    KIND(Shuffle)
#undef KIND
  }
}

void InstrReader::read_heap_type(Instr& instr) {
  const bool nullable =
      instr.op == Opcode::RefNull || instr.op == Opcode::RefTestNull || instr.op == Opcode::RefCastNull;
  instr.type = ValType::ref(wasm::read_heap_type(in_, scope_), nullable);
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
  instr.type = ValType::ref(wasm::read_heap_type(in_, scope_), (flags & 1) != 0);
  instr.target = ValType::ref(wasm::read_heap_type(in_, scope_), (flags & 2) != 0);
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
