// The binary format, writing side: bytes of numbers, types, instructions and sections.
//
// Driven by the opcode table and the same structs that the reading side fills (instr.h, module.h), so that
// decode(encode(m)) = m. Numbers are written in their shortest form. Concrete heap types are written with the number
// that they carry, which must be a type index (TypeNaming::kModule).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"
#include "engine/wasm/types.h"

namespace parallax::wasm {

// Appends primitive values of the binary format to a byte string.
class ByteWriter {
 public:
  void u8(uint8_t byte) { bytes_.push_back(byte); }
  // LEB128. One byte is the common case by far.
  void uleb(uint64_t value) {
    if (value < 0x80) return u8(static_cast<uint8_t>(value));
    uleb_slow(value);
  }
  void sleb(int64_t value) {
    if (value >= -64 && value < 64) return u8(static_cast<uint8_t>(value & 0x7f));
    sleb_slow(value);
  }
  void fixed32(uint32_t value);
  void fixed64(uint64_t value);
  void raw(std::span<const uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void name(std::string_view name);            // length, then UTF-8
  void sized(std::span<const uint8_t> bytes);  // length, then bytes

  size_t size() const { return bytes_.size(); }
  std::span<const uint8_t> bytes() const { return bytes_; }
  std::vector<uint8_t> take() && { return std::move(bytes_); }
  void clear() { bytes_.clear(); }
  void reserve(size_t size) { bytes_.reserve(size); }

 private:
  void uleb_slow(uint64_t value);
  void sleb_slow(int64_t value);

  std::vector<uint8_t> bytes_;
};

void encode(ByteWriter& out, HeapType type);
void encode(ByteWriter& out, ValType type);
void encode(ByteWriter& out, StorageType type);
void encode(ByteWriter& out, const BlockType& type);
void encode(ByteWriter& out, const Limits& limits);
void encode(ByteWriter& out, const TableType& type);
void encode(ByteWriter& out, const MemoryType& type);
void encode(ByteWriter& out, const GlobalType& type);
void encode(ByteWriter& out, const SubType& type);
// One instruction: opcode and immediates.
void encode(ByteWriter& out, const Instr& instr);
// The opcode alone; its immediates have to follow.
inline void encode(ByteWriter& out, Opcode op) {
  const OpcodeInfo& row = info(op);
  if (row.prefix == 0) return out.u8(static_cast<uint8_t>(row.code));
  out.u8(row.prefix);
  out.uleb(row.code);
}

// A function body without its size: locals, packed into runs, then `code` as it is.
std::vector<uint8_t> encode_body(std::span<const ValType> locals, std::span<const uint8_t> code);

// The whole module under TypeNaming::kModule. Function bodies, constant expressions and data are copied from
// module.bytes by their ranges; custom sections keep their place. To change bodies, use ModuleBuilder or `bodies`:
// when not empty it holds, for each defined function, locals and code without the size.
std::vector<uint8_t> encode(const Module& module, std::span<const std::vector<uint8_t>> bodies = {});

}  // namespace parallax::wasm
