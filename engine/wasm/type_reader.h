// Reading of types in the binary format, for the decoder and for instructions.
#pragma once

#include <cstdint>
#include <span>

#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"
#include "engine/wasm/reader.h"
#include "engine/wasm/types.h"

namespace parallax::wasm {

// Which type indices exist, and what number a concrete heap type gets for one.
struct TypeScope {
  static constexpr uint32_t kNoGroup = ~uint32_t{0};

  Features features;
  TypeNaming naming = TypeNaming::kCanonical;
  uint32_t count = 0;               // indices below it exist
  std::span<const TypeId> ids;      // by index, kCanonical only; those of an open group are missing
  uint32_t group_first = kNoGroup;  // first index of the rec group being read

  static TypeScope of(const Module& module, const Features& features);
  // Requires index < count.
  uint32_t number(uint32_t index) const {
    if (naming == TypeNaming::kModule) return index;
    return index >= group_first ? TypeStore::kGroupBase + (index - group_first) : ids[index].raw;
  }
};

ValType read_val_type(Reader& in, const TypeScope& scope);
// A reference type; rejects numbers with "malformed reference type".
ValType read_ref_type(Reader& in, const TypeScope& scope);
HeapType read_heap_type(Reader& in, const TypeScope& scope);
StorageType read_storage_type(Reader& in, const TypeScope& scope);
BlockType read_block_type(Reader& in, const TypeScope& scope);

}  // namespace parallax::wasm
