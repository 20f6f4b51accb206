// Instructions: opcodes, their table, and the immediates of one decoded instruction.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/wasm/types.h"

namespace parallax::wasm {

using FuncIndex = Id<struct FuncIndexTag>;
using TableIndex = Id<struct TableIndexTag>;
using MemoryIndex = Id<struct MemoryIndexTag>;
using GlobalIndex = Id<struct GlobalIndexTag>;
using TagIndex = Id<struct TagIndexTag>;
using ElemIndex = Id<struct ElemIndexTag>;
using DataIndex = Id<struct DataIndexTag>;
using LocalIndex = Id<struct LocalIndexTag>;
// Byte offset in the module's binary form. Names an instruction uniquely; used in traps, traces and stack maps.
using WasmOffset = uint32_t;

enum class Opcode : uint16_t {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) id,
#include "engine/wasm/opcodes.def"
#undef OPCODE
};

inline constexpr size_t kOpcodeCount = 0
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) +1
#include "engine/wasm/opcodes.def"
#undef OPCODE
    ;

enum class Feature : uint8_t {
#define FEATURE(id, name, on) id,
#include "engine/wasm/features.def"
#undef FEATURE
};

// A set of features; the default is all of WebAssembly 3.0.
struct Features {
  uint32_t bits = 0
#define FEATURE(id, name, on) | (on ? 1u << static_cast<uint32_t>(Feature::id) : 0u)
#include "engine/wasm/features.def"
#undef FEATURE
      ;
  constexpr bool has(Feature f) const { return (bits >> static_cast<uint32_t>(f) & 1u) != 0; }
  constexpr void set(Feature f, bool on) {
    const uint32_t bit = 1u << static_cast<uint32_t>(f);
    bits = on ? bits | bit : bits & ~bit;
  }
};

// Which immediates follow the opcode, in the binary format's order.
enum class ImmKind : uint8_t {
  None,
  Block,    // block type
  Label,    // label depth
  BrTable,  // vector of labels, default label
  Func,
  Local,
  Global,
  Table,
  Memory,
  Tag,
  Data,
  Elem,
  Type,
  MemArg,  // align, memory, offset
  MemArgLane,
  Lane,
  DataMemory,
  MemoryMemory,  // destination, source
  TableElem,     // binary order: elem, table
  TableTable,    // destination, source
  CallIndirect,  // binary order: type, table
  TypeField,
  TypeCount,
  TypeData,
  TypeElem,
  TypeType,  // destination, source
  HeapType,
  BrOnCast,  // cast flags, label, source heap type, target heap type
  SelectTypes,
  TryTable,  // block type, vector of catch clauses
  I32,
  I64,
  F32,
  F64,
  V128,
  Shuffle,
};

// What an instruction does besides computing its results.
enum Effects : uint16_t {
  kPure = 0,
  kTraps = 1,
  kReads = 2,
  kWrites = 4,
  kAllocates = 8,
  kCalls = 16,
  kThrows = 32,
  kControl = 64,
};

struct OpcodeInfo {
  const char* text;
  uint8_t prefix;
  uint16_t code;
  ImmKind immediates;
  const char* signature;  // "ii:i" or "*"
  uint16_t effects;
  Feature feature;
};

extern const OpcodeInfo kOpcodeTable[kOpcodeCount];
inline const OpcodeInfo& info(Opcode op) { return kOpcodeTable[static_cast<size_t>(op)]; }
// The opcode with this prefix and code, or kNoOpcode.
inline constexpr auto kNoOpcode = static_cast<Opcode>(kOpcodeCount);
Opcode find_opcode(uint8_t prefix, uint32_t code);

// log2 of the bytes that a load or store touches, which is its natural alignment. Requires MemArg or MemArgLane.
uint8_t access_log2(Opcode op);
// How many lanes the immediate may choose from. Requires Lane or MemArgLane.
uint8_t lane_count(Opcode op);

enum class BlockTypeKind : uint8_t { kEmpty, kValue, kFunc };
struct BlockType {
  BlockTypeKind kind = BlockTypeKind::kEmpty;
  ValType value;      // kValue
  uint32_t type = 0;  // kFunc: TypeIndex as written
};

enum class CatchKind : uint8_t { kCatch, kCatchRef, kCatchAll, kCatchAllRef };
struct Catch {
  CatchKind kind;
  TagIndex tag;    // kCatch, kCatchRef
  uint32_t label;  // depth, counted from outside the try_table
};

struct MemArg {
  uint32_t align_log2 = 0;
  uint64_t offset = 0;
  MemoryIndex memory{0};
};

// One decoded instruction. Which members mean something follows from info(op).immediates:
//   a   the first index (label, func, local, global, table, memory, tag, data, elem, type), as written
//   b   the second index (field, count, data, elem, source table/memory/type, table of call_indirect)
// TableElem: a = table, b = elem. CallIndirect: a = type, b = table. DataMemory: a = data, b = memory.
struct Instr {
  Opcode op = Opcode::Nop;
  WasmOffset offset = 0;  // of the opcode's first byte
  uint32_t a = 0;
  uint32_t b = 0;
  uint8_t lane = 0;
  MemArg mem;
  BlockType block;
  ValType type;       // HeapType kinds: the reference type tested or cast to (nullness included); BrOnCast: source
  ValType target;     // BrOnCast: target reference type
  uint64_t bits = 0;  // I32 (sign-extended), I64, F32, F64 constants
  std::array<uint8_t, 16> v128{};    // V128 constant, Shuffle lanes
  std::span<const uint32_t> labels;  // BrTable: default last
  std::span<const ValType> types;    // SelectTypes
  std::span<const Catch> catches;    // TryTable
};

}  // namespace parallax::wasm
