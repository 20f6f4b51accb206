// Store: the engine's implementation of wasm::Embedding.
//
// Owns heap, slabs, entities and budgets; compiles through Compiler, which it knows only as an interface. Parts:
//   store.cc        life, budgets, calls, outcomes, roots
//   values.cc       values across the border: names with tag and epoch, checks                              [I1, I8]
//   embedding.cc    handles, state, references, collection
//   instantiate.cc  linking, allocation, constant expressions, segments, start
//   verify.cc       judges of the store's own state
//   builtins*.cc    what compiled code calls
//
// A reference that crosses the border is named by {tag of this store:16, collections so far:16, Ref:32}: a name of
// another store, or from before the last collection, is found out instead of followed. Function references are slab
// ids as they are.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/repetition.h"
#include "engine/base/stable_list.h"
#include "engine/gc/heap.h"
#include "engine/runtime/compiler.h"
#include "engine/runtime/instance.h"
#include "engine/runtime/layouts.h"
#include "engine/runtime/options.h"
#include "engine/runtime/vm_context.h"
#include "engine/slab/slab.h"
#include "engine/wasm/embed.h"

namespace parallax::runtime {

// What one armed check did so far.
struct ArmedCount {
  const char* name;       // "kRefName"
  const char* invariant;  // "I1"
  const char* summary;
  uint64_t evaluated;
};

class Store final : public wasm::Embedding, private gc::HeapClient, private OriginSource {
 public:
  // `compiler` may be null: then WebAssembly functions end with kUnsupported. Check ok() before use.
  Store(std::shared_ptr<wasm::TypeStore> types, const EngineOptions& options, std::unique_ptr<Compiler> compiler);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  // False when the machine refused the heap's address space.
  bool ok() const { return heap_.ok(); }

  // --- Embedding -------------------------------------------------------------------------------------------------
  const char* name() const override;
  void set_budget(const wasm::Budget& budget) override;
  wasm::Outcome instantiate(std::shared_ptr<const wasm::Module> module, std::span<const wasm::Extern> imports,
                            wasm::InstanceId& instance) override;
  Result<wasm::Extern> find_export(wasm::InstanceId instance, std::string_view name) override;
  Result<> drop_instance(wasm::InstanceId instance) override;
  wasm::Outcome call(wasm::Extern func, std::span<const wasm::Value> args) override;
  wasm::Extern make_func(wasm::TypeId type, wasm::HostFunc func) override;
  wasm::Extern make_table(const wasm::TableType& type, const wasm::Value& init) override;
  wasm::Extern make_memory(const wasm::MemoryType& type) override;
  wasm::Extern make_global(const wasm::GlobalType& type, const wasm::Value& init) override;
  wasm::Extern make_tag(wasm::TypeId type) override;
  wasm::Value make_host_ref(uint64_t host_value) override;
  wasm::Value func_ref(wasm::Extern func) override;
  Result<wasm::Extern> func_of(const wasm::Value& ref) override;
  Result<wasm::ValType> global_type(wasm::Extern global) override;
  Result<wasm::TypeId> func_type(wasm::Extern func) override;
  Result<wasm::TypeId> tag_type(wasm::Extern tag) override;
  Result<wasm::Value> global_get(wasm::Extern global) override;
  Result<> global_set(wasm::Extern global, const wasm::Value& value) override;
  Result<uint64_t> table_size(wasm::Extern table) override;
  wasm::Outcome table_get(wasm::Extern table, uint64_t index) override;
  wasm::Outcome table_set(wasm::Extern table, uint64_t index, const wasm::Value& value) override;
  Result<std::span<uint8_t>> memory(wasm::Extern memory) override;
  wasm::RootId root(const wasm::Value& value) override;
  Result<wasm::Value> rooted(wasm::RootId root) override;
  Result<> unroot(wasm::RootId root) override;
  bool same(const wasm::Value& a, const wasm::Value& b) override;
  Result<wasm::ObjectView> inspect(const wasm::Value& ref) override;
  Result<wasm::Value> field(const wasm::Value& ref, uint64_t index) override;
  bool matches(const wasm::Value& ref, wasm::ValType type) override;
  Result<wasm::ExternType> type_of(wasm::Extern item) override;
  Result<uint64_t> identity_of(wasm::Extern item) override;
  Result<uint64_t> table_grow(wasm::Extern table, uint64_t delta, const wasm::Value& init) override;
  Result<uint64_t> memory_grow(wasm::Extern memory, uint64_t delta_pages) override;
  wasm::Outcome make_struct(wasm::TypeId type, std::span<const wasm::Value> fields) override;
  wasm::Outcome make_array(wasm::TypeId type, std::span<const wasm::Value> elements) override;
  Result<> set_field(const wasm::Value& ref, uint64_t index, const wasm::Value& value) override;
  void collect() override;
  wasm::StoreStats stats() const override;
  Result<> verify() override;

  // Ends the run: the store becomes as new, with another collection schedule, and keeps the code of functions. A store to
  // which the same happens again (instantiations of the same modules with imports of the same kinds, made in the same
  // order) makes the same entities at the same addresses, and they have their code at once; from the first difference on,
  // code is compiled as ever. What can be seen is what a new store would show. Requires: nothing of the store is running;
  // nobody uses an id or value of it again.
  // False: this store cannot, because of its settings or because something is wrong with it. Nothing has changed then.
  bool rewind(const Zeal& zeal);

  // --- For the compiler ------------------------------------------------------------------------------------------
  StoreContext& context() { return context_; }
  const EngineOptions& options() const { return options_; }
  const wasm::TypeStore& types() const { return *types_; }
  Layouts& layouts() { return layouts_; }
  gc::Heap& heap() { return heap_; }
  Compiler* compiler() { return compiler_.get(); }
  std::vector<ArmedCount> armed_counts() const;
  // Null when the id is stale.
  const Instance* find_instance(wasm::InstanceId id) {
    Instance** const found = instance_ids_.find(id);
    return found != nullptr ? *found : nullptr;
  }

  // Hears of every allocation of an object, before it and with its result: for comparing roots with another executor's.
  // Only allocations that reach the runtime, which under zeal are all of them.
  class AllocationObserver {
   public:
    virtual ~AllocationObserver() = default;
    virtual void before_allocation(const Store& store) = 0;
    virtual void after_allocation(gc::Ref ref) = 0;
  };
  void set_observer(AllocationObserver* observer) { observer_ = observer; }
  const Compiler* compiler() const { return compiler_.get(); }

  // --- For builtins ----------------------------------------------------------------------------------------------
  FuncSlab& funcs() { return funcs_; }
  slab::Slab<Tag>& tags() { return tags_; }
  const wasm::Budget& budget() const { return budget_; }
  // The reference of a function: what ref.func gives. Hosts planted fault SL1.
  uint64_t make_func_ref(const FuncEntry& entry);
  // A zeroed object, charged to the budget; null after setting an exit. Requires bytes as the layout says. [may collect]
  gc::Ref allocate(gc::LayoutId layout, uint32_t length, uint64_t bytes, uint64_t charge);
  gc::Ref new_struct(wasm::TypeId type);
  gc::Ref new_array(wasm::TypeId type, uint64_t length);
  gc::Ref new_exn(uint64_t tag);
  // Ends the run; the first exit wins.
  void exit_with(wasm::OutcomeKind kind, Error error = {});
  void exit_trap(wasm::TrapKind kind);
  void exit_invariant(std::string text);
  bool exiting() const { return context_.exit_kind != 0; }
  // Sets an exit when the heap has a violation. Answers whether it has none.
  bool heap_is_sound();
  // The store's own cast check, for values as they are in compiled code.
  bool ref_matches(gc::Ref ref, wasm::ValType type) const;
  bool func_matches(uint64_t id, wasm::ValType type);
  // A host function called from compiled code. [may collect]
  void call_host(FuncEntry& entry, Slot* slots);

 private:
  friend class ConstEval;
  friend class Instantiation;
  friend struct HeapTypes;
  friend struct RootCoverage;

  struct Handle {
    wasm::ExternKind kind = wasm::ExternKind::kFunc;
    void* entity = nullptr;  // FuncEntry, Table, Memory, Global
    uint64_t tag = 0;        // kTag: id in tags_
    uint64_t owner = 0;      // instance it was found through; 0: made by the host, lives as long as the store
  };
  struct Root {
    wasm::RefKind kind = wasm::RefKind::kNull;
    bool is_func = false;
    bool is_number = false;
    gc::Ref ref;
    uint64_t func = 0;
    wasm::Value number;
  };
  // Slots that hold references while native code may collect.
  struct RootedSlots {
    Slot* slots;
    std::span<const wasm::ValType> types;
  };

  // gc::HeapClient
  void visit_roots(gc::RootVisitor& visitor) override;
  void host_box_died(uint64_t host_id) override;

  // OriginSource
  uint64_t current_site() const override;
  Place place_of(uint64_t site) const override;
  uint64_t collections_so_far() const override { return heap_.stats().collections; }
  void keep_origins();
  void count(ArmedCheck check, uint64_t times = 1) { context_.armed_counts[static_cast<size_t>(check)] += times; }

  // --- values.cc
  Result<uint64_t> unname(const wasm::Ref& ref, const char* site);
  wasm::Ref name_of(gc::Ref ref) const;
  wasm::Ref name_of_func(uint64_t id) const;
  Result<Slot> to_slot(const wasm::Value& value, wasm::ValType type, const char* site);
  wasm::Value to_value(const Slot& slot, wasm::ValType type) const;
  Result<> to_slots(std::span<const wasm::Value> values, std::span<const wasm::ValType> types, Slot* slots,
                    const char* site);
  std::vector<wasm::Value> to_values(const Slot* slots, std::span<const wasm::ValType> types) const;
  bool is_func_type(wasm::ValType type) const {
    return rep_of(*types_, {type, wasm::Packed::kNone}) == FieldRep::kFuncRef;
  }
  Slot load_field(gc::Ref ref, uint64_t offset, FieldRep rep) const;
  void store_field(gc::Ref ref, uint64_t offset, FieldRep rep, const Slot& slot);

  // --- store.cc
  void open();
  // What was made so far, and that something is made now: the beginning of an event of repetition_.
  void begin_making(uint64_t kind);
  void note_making(uint64_t word);
  wasm::Outcome run(FuncEntry& entry, Slot* slots, const wasm::SubType& type);
  wasm::Outcome invoke_host(FuncEntry& entry, std::span<const wasm::Value> args);
  wasm::Outcome take_exit();
  wasm::Outcome take_exception();
  void apply_outcome(FuncEntry& entry, wasm::Outcome outcome, Slot* slots, const wasm::SubType& type);
  void set_native_stack_limit();
  void sync_types();

  // --- instantiate.cc
  wasm::Outcome run_start(FuncEntry& entry);
  void note_end(Instance& instance, bool initialised);
  void note_instantiation(const std::shared_ptr<const wasm::Module>& module, std::span<const wasm::Extern> imports);
  Result<> match_import(const wasm::Module& module, const wasm::Import& import, wasm::Extern given);

  // --- embedding.cc
  wasm::Extern add_handle(Handle handle);
  Result<Handle*> find_handle(wasm::Extern e, wasm::ExternKind kind, const char* site);
  template <class T>
  Result<T*> find_entity(wasm::Extern e, wasm::ExternKind kind, const char* site) {
    return static_cast<T*>(TRY(find_handle(e, kind, site))->entity);
  }
  wasm::Extern any_handle(Handle handle, std::vector<uint64_t>& known);
  wasm::Extern tag_extern(uint64_t tag);
  wasm::Extern func_extern(FuncEntry& entry);
  FuncEntry* add_func(wasm::TypeId type);
  void prepare(FuncEntry& entry);
  Table* add_table(const wasm::TableType& type, uint64_t init_bits);
  Memory* add_memory(const wasm::MemoryType& type);
  Global* add_global(const wasm::GlobalType& type, const Slot& value);

  std::shared_ptr<wasm::TypeStore> types_;
  EngineOptions options_;
  uint32_t number_;  // of this store in the process, for messages
  wasm::Budget budget_;
  gc::LayoutTable layout_table_;
  Layouts layouts_;
  std::unique_ptr<Compiler> compiler_;
  VmContext root_context_;
  std::vector<TypeRow> type_rows_;

  slab::SlabCore heap_names_;  // its tag marks names of heap references; no slot is ever allocated
  FuncSlab funcs_;
  slab::Slab<uint64_t> host_objects_;
  slab::Slab<Tag> tags_;
  slab::Slab<Handle> handles_;
  slab::Slab<Instance*> instance_ids_;
  slab::Slab<Root> roots_;

  // Compiled code holds addresses of these.
  StableList<Table> tables_;
  StableList<Memory> memories_;
  StableList<Global> globals_;
  StableList<HostFunction> host_functions_;
  StableList<Instance> instances_;
  Repetition repetition_;
  std::vector<std::shared_ptr<const wasm::Module>> known_modules_;  // whose addresses repetition_ has
  std::vector<Table::Storage> table_storage_;                       // of the run before, by number of the table
  std::unordered_map<const FuncEntry*, std::vector<uint64_t>> func_handles_;  // in order of creation
  std::vector<RootedSlots> rooted_slots_;
  Error exit_error_;
  AllocationObserver* observer_ = nullptr;

  StoreContext context_;
  gc::Heap heap_;  // last: its bump window is in context_
};

}  // namespace parallax::runtime
