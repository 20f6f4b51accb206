// What a store consists of besides objects: memories, tables, globals, tags, functions, instances.
//
// Entities belong to the store and live as long as it does; compiled code and other instances hold their addresses.
// What the embedder holds are handles (slab ids), which end sooner.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/faults.h"
#include "engine/gc/region.h"
#include "engine/runtime/layouts.h"
#include "engine/runtime/options.h"
#include "engine/runtime/vm_context.h"
#include "engine/slab/slab.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/module.h"

namespace parallax::runtime {

inline constexpr uint64_t kWasmPage = 64 * 1024;

struct Memory : MemoryDef {
  wasm::MemoryType type;
  gc::Region region;

  uint64_t pages() const { return bytes / kWasmPage; }
  // Gives the memory its first pages; with a guard if that is asked for and the machine has room. False: no real memory.
  bool start(uint64_t pages, MemoryChecks checks);
  // Old size in pages, or nothing when the type's maximum or `budget_pages` forbid it. `out_of_memory` tells the machine's
  // refusal from those.
  bool grow(uint64_t delta, uint64_t budget_pages, uint64_t& old_pages, bool& out_of_memory);
};

struct Table : TableDef {
  wasm::TableType type;
  uint64_t capacity = 0;
  uint32_t number = 0;

  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table();
  bool is_func() const { return element_bytes == 8; }
  uint64_t get(uint64_t index) const {
    return is_func() ? static_cast<uint64_t*>(elems)[index] : static_cast<uint32_t*>(elems)[index];
  }
  void set(uint64_t index, uint64_t bits) {
    if (is_func()) {
      static_cast<uint64_t*>(elems)[index] = bits;
    } else {
      static_cast<uint32_t*>(elems)[index] = static_cast<uint32_t>(bits);
    }
  }
  void fill(uint64_t begin, uint64_t count, uint64_t bits) {
    for (uint64_t i = 0; i < count; ++i) set(begin + i, bits);
  }
  // Appends `delta` elements. False: no real memory.
  bool extend(uint64_t delta, uint64_t bits);
  // Memory for elements, for the next table of the same kind in its place.
  struct Storage {
    void* elems = nullptr;
    uint64_t capacity = 0;
    uint32_t element_bytes = 0;
  };
  Storage take_storage();
  void use_storage(Storage storage);
  // As Memory::grow, in elements.
  bool grow(uint64_t delta, uint64_t bits, uint64_t budget_elements, uint64_t& old_size, bool& out_of_memory);
};

struct Global {
  Slot cell;
  wasm::GlobalType type;
  FieldRep rep = FieldRep::kI32;
  uint32_t number = 0;
};

struct Tag {
  wasm::TypeId type;
  std::vector<uint64_t> handles;  // externs of the embedder, in order of creation; some may be stale
};

struct HostFunction {
  wasm::TypeId type;
  wasm::HostFunc call;
};

// The function slab: entries in one region, so that compiled code finds them by index.
class FuncSlab {
 public:
  explicit FuncSlab(uint32_t store_number) : core_("function", store_number) {}
  ~FuncSlab();
  // A new entry with its id set, or null: no real memory.
  FuncEntry* add(const char* site);
  FuncEntry* find(uint64_t id) { return core_.check(id) ? &entries()[slab::SlabId{id}.index()] : nullptr; }
  std::string explain(uint64_t id, const char* site) const { return core_.explain(id, site); }
  void keep_origins(const OriginSource* source) { core_.keep_origins(source); }
  // As new, with the same ids and addresses to come. Requires: nobody has an id.
  void restart();
  const slab::SlabCore& core() const { return core_; }
  FuncEntry* entries() const { return reinterpret_cast<FuncEntry*>(region_.base()); }
  uint64_t count() const { return core_.size(); }

 private:
  slab::SlabCore core_;
  gc::Region region_;
};

// An element segment of an instance. Dropping it empties it.
struct ElemInstance {
  bool is_func = false;
  std::vector<gc::Ref> refs;
  std::vector<uint64_t> funcs;

  uint64_t size() const { return is_func ? funcs.size() : refs.size(); }
  uint64_t get(uint64_t index) const { return is_func ? funcs[index] : refs[index].bits; }
  void drop() {
    refs = {};
    funcs = {};
  }
};

struct Instance {
  VmContext ctx;
  Store* store = nullptr;
  std::shared_ptr<const wasm::Module> module;
  uint64_t handle = 0;  // InstanceId; 0 before it is complete and after it was dropped

  std::vector<MemoryDef*> memories;
  std::vector<TableDef*> tables;
  std::vector<Slot*> globals;
  std::vector<Global*> global_entities;
  std::vector<FuncEntry*> funcs;
  std::vector<uint64_t> tags;
  std::vector<uint32_t> types;
  std::vector<ElemInstance> elems;
  std::vector<uint8_t> data_dropped;
  std::vector<uint64_t> exports;  // Extern ids by export, 0 until asked for

  Memory& memory(uint32_t index) const { return *static_cast<Memory*>(memories[index]); }
  Table& table(uint32_t index) const { return *static_cast<Table*>(tables[index]); }
  // Bytes of a data segment; none after data.drop.
  std::span<const uint8_t> data(uint32_t index) const {
    if (data_dropped[index] != 0 && !fault_fires(Fault::kARR3)) return {};
    return module->at(module->datas[index].bytes);
  }
  // Lets ctx point at the vectors. Called once they are complete, and before anything runs.
  void publish(StoreContext& store_context);
};

}  // namespace parallax::runtime
