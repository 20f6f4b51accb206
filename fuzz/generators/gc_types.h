// The types of one generated GC program: rec groups with struct families, arrays and function signatures.
//
// Shapes are chosen for what collectors and optimisers get wrong: subtypes that add reference fields, packed fields,
// narrowed immutable fields, non-null fields, function types with subtypes. Every type can be constructed: non-null
// fields only name types of a lower number.
#pragma once

#include <vector>

#include "engine/base/choices.h"
#include "engine/wasm/builder.h"

namespace parallax::fuzz {

class GcTypes {
 public:
  // Draws the types and adds them to `module`.
  GcTypes(ChoiceStream& choices, wasm::ModuleBuilder& module);

  const wasm::SubType& operator[](uint32_t type) const { return types_[type]; }
  const std::vector<uint32_t>& structs() const { return structs_; }
  const std::vector<uint32_t>& arrays() const { return arrays_; }
  const std::vector<uint32_t>& signatures() const { return signatures_; }
  // The signature () -> i64.
  uint32_t run_signature() const { return run_signature_; }
  // All structs that are `type` or below it.
  std::vector<uint32_t> structs_below(uint32_t type) const;

  // Matching with the module's numbers, by declaration: never says yes where the specification says no.
  bool matches(wasm::HeapType sub, wasm::HeapType super) const;
  bool matches(wasm::ValType sub, wasm::ValType super) const;
  bool is_below(uint32_t sub, uint32_t super) const;
  wasm::HeapType top(wasm::HeapType heap) const;
  wasm::HeapType bottom(wasm::HeapType heap) const;

  static wasm::ValType ref(uint32_t type, bool nullable = true) {
    return wasm::ValType::ref(wasm::HeapType::concrete(type), nullable);
  }

 private:
  wasm::StorageType draw_storage(uint32_t below, uint32_t group_end);
  wasm::ValType draw_ref(uint32_t below, uint32_t group_end);
  void draw_struct(uint32_t group_end);
  void draw_array(uint32_t group_end);
  void draw_signature(uint32_t group_end);

  ChoiceStream& choices_;
  std::vector<wasm::SubType> types_;
  std::vector<uint32_t> structs_, arrays_, signatures_;
  uint32_t run_signature_ = 0;
};

}  // namespace parallax::fuzz
