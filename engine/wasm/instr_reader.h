// InstrReader: one instruction at a time from the binary format, untyped.
//
// Reads opcode and immediates into an Instr; knows which opcodes exist and which features they need, and nothing about
// stacks or index spaces except types (concrete reference types must name a type). Linear and total.
#pragma once

#include <vector>

#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"
#include "engine/wasm/opcode_lookup.h"
#include "engine/wasm/reader.h"
#include "engine/wasm/type_reader.h"

namespace parallax::wasm {

class InstrReader {
 public:
  InstrReader(const Module& module, Range code, const Features& features)
      : in_(module.bytes, code), scope_(TypeScope::of(module, features)) {}
  InstrReader(Reader in, TypeScope scope) : in_(std::move(in)), scope_(scope) {}

  // Starts anew elsewhere in the same module.
  void restart(const Module& module, Range code) { in_ = Reader(module.bytes, code); }
  // Turns to another module, before its first restart().
  void rebind(const Module& module, const Features& features) {
    restart(module, {});
    scope_ = TypeScope::of(module, features);
  }

  Reader& in() { return in_; }
  const Reader& in() const { return in_; }
  const TypeScope& scope() const { return scope_; }

  // Reads opcode and immediates; `instr`'s spans are valid until the next call. On failure see in().error().
  void read(Instr& instr) {
    read_opcode(instr);
    if (!admits(detail::kFeatures[static_cast<size_t>(instr.op)])) reject_feature(instr);
    read_immediates(instr, info(instr.op).immediates);
  }

  // The two halves, for callers that know what they have got. `read_opcode` does not ask whether the feature is on.
  void read_opcode(Instr& instr) {
    instr.offset = in_.offset();
    const uint8_t byte = in_.u8();
    instr.op = detail::kPlainOpcodes.opcodes[byte];
    if (instr.op == kNoOpcode) read_prefixed(instr, byte);
  }
  bool admits(Feature feature) const { return scope_.features.has(feature); }
  void reject_feature(const Instr& instr);
  template <ImmKind kind>
  void read_immediates(Instr& instr);

 private:
  void read_immediates(Instr& instr, ImmKind kind);
  void read_prefixed(Instr& instr, uint8_t prefix);
  void reject_opcode(Instr& instr);
  void read_mem_arg(Instr& instr);
  void read_heap_type(Instr& instr);
  void read_br_table(Instr& instr);
  void read_br_on_cast(Instr& instr);
  void read_select_types(Instr& instr);
  void read_catches(Instr& instr);
  void read_v128(Instr& instr);

  Reader in_;
  TypeScope scope_;
  std::vector<uint32_t> labels_;
  std::vector<ValType> types_;
  std::vector<Catch> catches_;
};

template <ImmKind kind>
inline void InstrReader::read_immediates(Instr& instr) {
  using enum ImmKind;
  constexpr bool kOneIndex = kind == Label || kind == Func || kind == Local || kind == Global || kind == Table ||
                             kind == Memory || kind == Tag || kind == Data || kind == Elem || kind == Type;
  constexpr bool kTwoIndices = kind == DataMemory || kind == MemoryMemory || kind == TableTable ||
                               kind == CallIndirect || kind == TypeField || kind == TypeCount || kind == TypeData ||
                               kind == TypeElem || kind == TypeType;
  if constexpr (kind == None) {
    return;
  } else if constexpr (kOneIndex) {
    instr.a = in_.u32();
  } else if constexpr (kTwoIndices) {
    instr.a = in_.u32();
    instr.b = in_.u32();
  } else if constexpr (kind == TableElem) {  // binary order: elem, table
    instr.b = in_.u32();
    instr.a = in_.u32();
  } else if constexpr (kind == MemArg) {
    read_mem_arg(instr);
  } else if constexpr (kind == MemArgLane) {
    read_mem_arg(instr);
    instr.lane = in_.u8();
  } else if constexpr (kind == Lane) {
    instr.lane = in_.u8();
  } else if constexpr (kind == I32) {
    instr.bits = static_cast<uint64_t>(int64_t{in_.s32()});
  } else if constexpr (kind == I64) {
    instr.bits = static_cast<uint64_t>(in_.s64());
  } else if constexpr (kind == F32) {
    instr.bits = in_.fixed32();
  } else if constexpr (kind == F64) {
    instr.bits = in_.fixed64();
  } else if constexpr (kind == V128 || kind == Shuffle) {
    read_v128(instr);
  } else if constexpr (kind == Block) {
    instr.block = read_block_type(in_, scope_);
  } else if constexpr (kind == BrTable) {
    read_br_table(instr);
  } else if constexpr (kind == HeapType) {
    read_heap_type(instr);
  } else if constexpr (kind == BrOnCast) {
    read_br_on_cast(instr);
  } else if constexpr (kind == SelectTypes) {
    read_select_types(instr);
  } else {
    static_assert(kind == TryTable);
    read_catches(instr);
  }
}

}  // namespace parallax::wasm
