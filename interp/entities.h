// What instances consist of: functions, tables, memories, globals, tags, segments.
//
// Entities are C++ objects owned by the store and found by address from translated code. They are reachable or not like
// objects are: an entity that no handle, frame or reachable entity refers to is freed by the collector (collector.cc),
// so that a dropped instance lives exactly as long as something still uses it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/wasm/embed.h"
#include "engine/wasm/module.h"
#include "interp/cell.h"
#include "interp/type_info.h"

namespace parallax::interp {

struct Code;
struct Instance;

// ORDER: ExternKind first, by its values.
enum class EntityKind : uint8_t { kFunc, kTable, kMemory, kGlobal, kTag, kInstance };

struct Entity {
  EntityKind kind;
  uint8_t mark = 0;
  uint32_t serial = 0;            // Places
  std::vector<uint64_t> handles;  // live handles of the embedder (handles.h)
  explicit Entity(EntityKind k) : kind(k) {}
};

struct Func;
struct FuncEntity : Entity {
  Func* func;
  explicit FuncEntity(Func* f) : Entity(EntityKind::kFunc), func(f) {}
};

// The address of `cell` is the function's reference word.
struct Func {
  Cell cell;            // kFunc; must stay first
  uint32_t number = 0;  // position in the store's function names
  uint32_t serial = 0;  // Places
  FuncEntity entity{this};
  const TypeInfo* type = nullptr;
  Instance* instance = nullptr;      // null for host functions
  wasm::FuncIndex index;             // in the instance's module
  const Code* code = nullptr;        // null until the first call, and for host functions
  std::unique_ptr<Code> owned_code;  // while `code` is null: of the same function in the run before, or null
  wasm::HostFunc host;
  std::string failure;  // why translation failed; "" while it has not
  Func();
  ~Func();

  static Func* of(Word word) { return reinterpret_cast<Func*>(word); }
  Word word() const { return word_of(&cell); }
  bool is_host() const { return instance == nullptr; }
};

struct Table : Entity {
  wasm::TableType type;
  Word* elements = nullptr;
  uint64_t size = 0;
  uint64_t capacity = 0;
  Table() : Entity(EntityKind::kTable) {}
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  // Grows to `new_size` elements, new ones null. False when real memory is exhausted.
  bool grow_to(uint64_t new_size);
};

struct Memory : Entity {
  static constexpr uint64_t kPageBytes = 64 * 1024;
  wasm::MemoryType type;
  uint8_t* base = nullptr;
  uint64_t bytes = 0;
  Memory() : Entity(EntityKind::kMemory) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  uint64_t pages() const { return bytes / kPageBytes; }
  bool grow_to(uint64_t new_bytes);
};

struct Global : Entity {
  wasm::GlobalType type;
  uint64_t low = 0;  // references: the word
  uint64_t high = 0;
  Global() : Entity(EntityKind::kGlobal) {}
};

struct Tag : Entity {
  const TypeInfo* type = nullptr;
  Tag() : Entity(EntityKind::kTag) {}
};

struct ElemInstance {
  std::vector<Word> words;  // empty once dropped
};

struct Instance : Entity {
  std::shared_ptr<const wasm::Module> module;
  std::vector<Func*> funcs;
  std::vector<Table*> tables;
  std::vector<Memory*> memories;
  std::vector<Global*> globals;
  std::vector<Tag*> tags;
  std::vector<ElemInstance> elems;
  std::vector<uint8_t> data_dropped;
  std::vector<uint64_t> exports;  // handle by export, 0 until asked for
  Instance() : Entity(EntityKind::kInstance) {}

  // The segment's bytes; empty once dropped.
  std::span<const uint8_t> data(uint32_t index) const {
    if (data_dropped[index]) return {};
    return module->at(module->datas[index].bytes);
  }
};

}  // namespace parallax::interp
