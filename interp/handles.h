// The slab of embedder handles: instances, externs, roots.   [establishes I1 for the interpreter]
//
// A handle is store tag (16 bits), generation (16), index (32). A lookup checks all three and the expected kind, and says
// which of them was wrong. Release advances the generation; a slot whose generations are used up is not reused.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "engine/wasm/embed.h"
#include "interp/cell.h"
#include "interp/entities.h"

namespace parallax::interp {

enum class HandleKind : uint8_t { kFree, kFunc, kTable, kMemory, kGlobal, kTag, kInstance, kRoot };
const char* to_string(HandleKind kind);
constexpr HandleKind handle_kind(EntityKind kind) { return static_cast<HandleKind>(static_cast<uint8_t>(kind) + 1); }
constexpr HandleKind handle_kind(wasm::ExternKind kind) {
  return static_cast<HandleKind>(static_cast<uint8_t>(kind) + 1);
}

struct HandleEntry {
  HandleKind kind = HandleKind::kFree;
  uint16_t generation = 1;
  uint64_t owner = 0;        // externs found through an instance: its handle
  Entity* entity = nullptr;  // all but kRoot
  wasm::Value value;         // kRoot: numbers as they are
  Word word = 0;             // kRoot of a reference
};

class Handles {
 public:
  explicit Handles(uint16_t tag) : tag_(tag) {}

  uint64_t add(HandleEntry entry);
  // The live entry, or a text naming both sides.
  std::expected<HandleEntry*, std::string> find(uint64_t id, HandleKind expected);
  void release(uint64_t id);

  template <class Visit>
  void for_each(Visit&& visit) {
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].kind != HandleKind::kFree) visit(id_of(i), entries_[i]);
    }
  }
  static uint16_t tag_of(uint64_t id) { return static_cast<uint16_t>(id >> 48); }

 private:
  uint64_t id_of(uint32_t index) const {
    return uint64_t{tag_} << 48 | uint64_t{entries_[index].generation} << 32 | index;
  }
  uint16_t tag_;
  std::vector<HandleEntry> entries_;
  std::vector<uint32_t> free_;
};

}  // namespace parallax::interp
