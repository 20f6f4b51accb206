#include "engine/opt/places.h"

namespace parallax::opt {

namespace {

using ir::Func;
using ir::Inst;
using ir::Op;

constexpr Places kEverything{~uint64_t{0}, ~uint64_t{0}};

// `other`: 32 bits of globals, then 8 each of memory contents, memory sizes, table contents, table sizes.
enum Group : uint32_t { kMemory = 32, kMemorySize = 40, kTable = 48, kTableSize = 56 };

uint32_t type_hash(wasm::StorageType storage) {
  return (storage.unpacked.bits() * 4 + static_cast<uint32_t>(storage.packed)) * 0x9e3779b1u >> 16;
}

Places field(const Func& func, const Inst& inst) {
  const wasm::FieldType& type = func.types().get(wasm::TypeId(inst.a)).fields[inst.b];
  if (!type.is_mutable) return {};
  return {.heap = uint64_t{1} << (type_hash(type.storage) + inst.b) % 48};
}

Places elements(const Func& func, uint32_t array_type) {
  const wasm::FieldType& type = func.types().get(wasm::TypeId(array_type)).fields[0];
  if (!type.is_mutable) return {};
  return {.heap = uint64_t{1} << (48 + type_hash(type.storage) % 16)};
}

Places global(const Func& func, uint32_t index) {
  const wasm::Global& global = func.module().globals[index];
  if (!global.type.is_mutable) return {};
  return {.other = uint64_t{1} << (global.imported ? 31 : index % 31)};
}

Places group(Group first, bool imported, uint32_t index) {
  return {.other = uint64_t{1} << (first + (imported ? 7 : index % 7))};
}
Places memory(const Func& func, Group part, uint32_t index) {
  return group(part, func.module().memories[index].imported, index);
}
Places table(const Func& func, Group part, uint32_t index) {
  return group(part, func.module().tables[index].imported, index);
}

}  // namespace

Places reads_of(const Func& func, const Inst& inst) {
  if ((func.flags(inst) & ir::kReads) == 0) return {};
  switch (inst.op) {
    case Op::StructGet: return field(func, inst);
    case Op::ArrayGet: return elements(func, inst.a);
    case Op::ArrayCopy: return elements(func, inst.b);
    case Op::GlobalGet: return global(func, inst.a);
    case Op::MemLoad: return memory(func, kMemory, inst.a);
    case Op::MemoryCopy: return memory(func, kMemory, inst.b);
    case Op::MemorySize: return memory(func, kMemorySize, inst.a);
    case Op::TableGet: return table(func, kTable, inst.a);
    case Op::TableSize: return table(func, kTableSize, inst.a);
    default: return kEverything;
  }
}

Places writes_of(const Func& func, const Inst& inst) {
  if ((func.flags(inst) & ir::kWrites) == 0) return {};
  switch (inst.op) {
    case Op::FieldInit:
    case Op::ElemInit:
    case Op::ArrayInitFill:
    case Op::ExnInit: return {};
    case Op::StructSet: return field(func, inst);
    case Op::ArraySet:
    case Op::ArrayFill:
    case Op::ArrayCopy:
    case Op::ArrayInitData:
    case Op::ArrayInitElem: return elements(func, inst.a);
    case Op::GlobalSet: return global(func, inst.a);
    case Op::MemStore:
    case Op::MemoryFill:
    case Op::MemoryCopy:
    case Op::MemoryInit: return memory(func, kMemory, inst.a);
    case Op::MemoryGrow: return memory(func, kMemorySize, inst.a);
    case Op::TableSet:
    case Op::TableFill:
    case Op::TableCopy:
    case Op::TableInit: return table(func, kTable, inst.a);
    default: return kEverything;
  }
}

}  // namespace parallax::opt
