// What the interpreter needs to know of a canonical type, computed once per store and type.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/wasm/limits.h"
#include "engine/wasm/types.h"

namespace parallax::interp {

// How a field's slot is read and written. kWord covers numbers and references alike.
enum class FieldKind : uint8_t { kWord, kI8, kI16, kV128 };

struct FieldInfo {
  wasm::StorageType storage;
  FieldKind kind = FieldKind::kWord;
  bool is_ref = false;
  uint32_t bytes = 0;  // declared size in linear memory terms (storage_size)
};

struct TypeInfo {
  wasm::TypeId id;
  const wasm::SubType* sub = nullptr;
  std::vector<FieldInfo> fields;     // struct fields; the element of an array; parameters of a function type
  std::vector<uint32_t> ref_fields;  // indices of fields that are references
  bool all_words = true;             // no packed and no v128 field
  bool has_v128 = false;
  uint32_t slots = 0;   // of an object of this struct type, or of an exception's payload
  uint64_t charge = 0;  // kObjectCharge + sum of storage_size: structs, and exceptions with these parameters
  std::vector<wasm::TypeId> ancestors;
  uint32_t param_slots = 0;  // functions: frame slots of parameters and results
  uint32_t result_slots = 0;

  uint32_t length() const { return static_cast<uint32_t>(fields.size()); }
  const FieldInfo& element() const { return fields[0]; }
  bool is_subtype_of(wasm::TypeId other, uint32_t depth) const {
    return depth < ancestors.size() && ancestors[depth] == other;
  }
};

inline uint32_t slot_count(wasm::ValType type) { return type.kind() == wasm::ValKind::kV128 ? 2 : 1; }
uint32_t slot_count(const std::vector<wasm::ValType>& types);

class TypeInfos {
 public:
  explicit TypeInfos(std::shared_ptr<wasm::TypeStore> store) : store_(std::move(store)) {}

  // Computed on first use; the reference is stable.
  const TypeInfo& get(wasm::TypeId id);
  // Requires that get(id) has been called: true for every type that an object or function of the store has.
  const TypeInfo& known(uint32_t id) const { return *infos_[id]; }
  bool is_known(uint32_t id) const { return id < infos_.size() && infos_[id] != nullptr; }
  wasm::TypeStore& store() { return *store_; }
  const wasm::TypeStore& store() const { return *store_; }

 private:
  std::shared_ptr<wasm::TypeStore> store_;
  std::vector<std::unique_ptr<TypeInfo>> infos_;
};

}  // namespace parallax::interp
