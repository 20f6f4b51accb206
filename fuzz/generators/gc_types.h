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
  // The same types for another module, behind some that only it has: equal types have different numbers there.
  GcTypes(const GcTypes& other, ChoiceStream& choices, wasm::ModuleBuilder& module);
  // What was added to the other's numbers.
  uint32_t shift() const { return shift_; }
  wasm::ValType shifted(wasm::ValType type) const;

  const wasm::SubType& operator[](uint32_t type) const { return types_[type]; }
  const std::vector<uint32_t>& structs() const { return structs_; }
  const std::vector<uint32_t>& arrays() const { return arrays_; }
  const std::vector<uint32_t>& signatures() const { return signatures_; }
  // Two structs, all fields defaultable, that are the same type although written twice, or differ in one property.
  struct Twins {
    uint32_t first, second;
    bool same;
  };
  const std::vector<Twins>& twins() const { return twins_; }
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
  void add_group(wasm::ModuleBuilder& module, uint32_t begin);
  void draw_twins(wasm::ModuleBuilder& module);

  ChoiceStream& choices_;
  std::vector<wasm::SubType> types_;
  std::vector<uint32_t> structs_, arrays_, signatures_;
  std::vector<Twins> twins_;
  std::vector<std::pair<uint32_t, uint32_t>> groups_;  // first, end
  void draw_many(wasm::ModuleBuilder& module);
  uint32_t first_ = 0;  // number of the first type that takes part
  uint32_t shift_ = 0;
  uint32_t run_signature_ = 0;
};

}  // namespace parallax::fuzz
