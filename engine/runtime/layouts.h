// Where fields and elements of canonical types stand: the bridge from Wasm types to the collector's layouts.
//
// Fields are laid out in declaration order at natural alignment (references 4 bytes, funcrefs 8, v128 16 bytes at
// alignment 8), so that a subtype's layout extends its supertype's. Exception objects of a tag use the layout of the
// tag's function type: the tag's slab id, then the parameters as fields. Hosts planted fault LAY1.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/gc/layout.h"
#include "engine/wasm/types.h"

namespace parallax::runtime {

// How a field, element or payload value is stored.
enum class FieldRep : uint8_t { kI8, kI16, kI32, kI64, kF32, kF64, kV128, kRef, kFuncRef };
// Bytes it takes. ORDER: FieldRep.
inline constexpr uint8_t kFieldBytes[] = {1, 2, 4, 8, 4, 8, 16, 4, 8};

struct FieldSlot {
  uint32_t offset = 0;  // from the object's start (header included)
  FieldRep rep = FieldRep::kI32;
};

struct TypeLayout {
  std::vector<FieldSlot> fields;      // structs; exceptions: payload; empty for arrays
  FieldRep element = FieldRep::kI32;  // arrays
  uint32_t bytes = 0;                 // structs, exceptions: whole object; arrays: header only
  uint64_t charge = 0;                // structs, exceptions: what an allocation charges (limits.h)
  uint64_t element_charge = 0;        // arrays: per element, besides kObjectCharge
};

// The representation of values of this type. Hierarchy func is kFuncRef, the others kRef.
FieldRep rep_of(const wasm::TypeStore& types, wasm::StorageType storage);

// Offset of element 0 of every array.
inline constexpr uint32_t kArrayDataOffset = gc::kHeaderBytes;

// Layouts of one store, computed on first use; registers each with the collector's table.
class Layouts {
 public:
  Layouts(const wasm::TypeStore& types, gc::LayoutTable& table) : types_(types), table_(table) {}
  // The result stays valid and unchanged. Not synchronised.
  const TypeLayout& of(wasm::TypeId id);

 private:
  const wasm::TypeStore& types_;
  gc::LayoutTable& table_;
  std::vector<std::unique_ptr<TypeLayout>> layouts_;  // by TypeId
};

}  // namespace parallax::runtime
