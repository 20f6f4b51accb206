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

  Reader& in() { return in_; }
  const Reader& in() const { return in_; }
  const Features& features() const { return scope_.features; }

  // Reads opcode and immediates; `instr`'s spans are valid until the next call. On failure see in().error().
  void read(Instr& instr) {
    read_opcode(instr);
    read_immediates(instr);
  }
  // The two halves, for callers with a fast path in between.
  void read_opcode(Instr& instr) {
    instr.offset = in_.offset();
    const uint8_t byte = in_.u8();
    instr.op = detail::kPlainOpcodes.opcodes[byte];
    if (instr.op == kNoOpcode) [[unlikely]]
      read_prefixed(instr, byte);
    if (!scope_.features.has(info(instr.op).feature)) [[unlikely]]
      reject_feature(instr);
  }
  void read_immediates(Instr& instr) {
    const ImmKind kind = info(instr.op).immediates;
    if (kind != ImmKind::None) read_immediates(instr, kind);
  }

 private:
  void read_prefixed(Instr& instr, uint8_t prefix);
  void reject_feature(const Instr& instr);
  void read_immediates(Instr& instr, ImmKind kind);
  void read_mem_arg(Instr& instr);
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

}  // namespace parallax::wasm
