// The interpreter's store: everything that instances share, and the Embedding interface over it.
//
// Parts: handles and names (store.cc), instantiation and constant expressions (instantiate.cc), running code, host calls
// and unwinding (machine.cc), collection and verification (collector.cc). Handlers (ops_*.cc) use the section
// "For running code".
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engine/base/repetition.h"
#include "interp/code.h"
#include "interp/entities.h"
#include "interp/handles.h"
#include "interp/heap.h"
#include "interp/interp.h"
#include "interp/places.h"
#include "interp/type_info.h"

namespace parallax::interp {

class Store final : public wasm::Embedding {
 public:
  Store(std::shared_ptr<wasm::TypeStore> types, InterpOptions options);
  ~Store() override;

  // --- Embedding -------------------------------------------------------------------------------------------------
  const char* name() const override { return "interp"; }
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

  // See rewind_interpreter().
  bool rewind(const InterpOptions& options);

  // --- For running code ------------------------------------------------------------------------------------------
  const InterpOptions& options() const { return options_; }
  const wasm::Budget& budget() const { return budget_; }
  TypeInfos& infos() { return infos_; }

  // Objects. Null when the budget or memory ended; machine().exit then says which. [may collect]
  // Payloads of new_struct and new_array are undefined unless `fill` is kZero: the caller writes every slot at once.
  StructCell* new_struct(const TypeInfo& type, Heap::Fill fill) {
    return static_cast<StructCell*>(allocate(CellKind::kStruct, type.id.raw, type.slots, type.charge, fill));
  }
  // Exit kTrapped when the elements exceed kMaxArrayBytes.
  ArrayCell* new_array(const TypeInfo& type, uint64_t length, Heap::Fill fill);
  ExnCell* new_exn(Tag& tag);
  HostCell* new_host(uint64_t value);

  Machine& machine() { return machine_; }
  bool is_instance(Word word, wasm::HeapType type);

  // The slow way into a function: translates, calls the host, grows stacks, checks budgets. `args` is a slot of the
  // running frame; `tail` ends that frame first. Null: the run ends (machine().exit); otherwise the next instruction,
  // whose frame is machine().top. [may collect]
  const Ins* enter_slowly(const Ins* ip, Func& callee, uint32_t args, bool tail);
  // Finds the handler of an exception thrown at `ip` of the running frame; as above.
  const Ins* unwind(const Ins* ip, Word exception);
  // Records where the run ends: the running frame at `ip`.
  void locate_exit(const Ins* ip);

  uint64_t fuel_used() const { return budget_.fuel - machine_.fuel; }
  void call_hook(const std::function<void(const SafepointEvent&)>& hook, const Ins* ip, const uint64_t* fp);
  uint64_t digest(std::span<const wasm::ValType> types, const uint64_t* slots);
  uint64_t digest_word(Word word) const;

 private:
  friend class Collector;
  friend class Instantiation;
  friend struct StorePeer;  // tests that break things on purpose

  // --- Values at the border: words inside, names outside ---
  wasm::Ref ref_of(Word word) const;
  Result<Word> word_of_ref(const wasm::Ref& ref);
  wasm::Value value_of(const uint64_t* slots, wasm::ValType type) const;
  // Writes one or two slots; error kUsage when the value is not of the type or not of this store.
  Result<> write_value(const wasm::Value& value, wasm::ValType type, uint64_t* slots);
  std::vector<wasm::Value> values_of(const uint64_t* slots, std::span<const wasm::ValType> types) const;
  Result<> write_values(std::span<const wasm::Value> values, std::span<const wasm::ValType> types, uint64_t* slots,
                        const char* what);

  // --- Entities ---
  Func& add_func(const TypeInfo& type);
  template <class T>
  T& add(std::vector<std::unique_ptr<T>>& list) {
    list.push_back(std::get<Places<T>>(places_).take());
    return *list.back();
  }
  // The entity is no more; its place may be.
  template <class T>
  void remove(std::unique_ptr<T> entity) {
    if (options_.rewinds) std::get<Places<T>>(places_).give(std::move(entity));
  }
  template <class T>
  void remove_all(std::vector<std::unique_ptr<T>>& list) {
    for (auto& entity : list) remove(std::move(entity));
    list.clear();
    std::get<Places<T>>(places_).again();
  }
  void open();
  // Something is made now: an event of repetition_, with what was made so far.
  void begin_making(uint64_t kind);
  void note_instantiation(const std::shared_ptr<const wasm::Module>& module, std::span<const wasm::Extern> imports);
  Result<Func*> find_func(uint64_t name);
  uint64_t name_of(const Func& func) const;
  wasm::Extern extern_of(Entity& entity, wasm::ExternKind kind, uint64_t owner);
  wasm::Extern any_extern_of(Entity& entity, wasm::ExternKind kind);
  Result<Entity*> entity_of(wasm::Extern e, wasm::ExternKind kind);
  template <class T>
  Result<T*> get(wasm::Extern e, wasm::ExternKind kind) {
    return static_cast<T*>(TRY(entity_of(e, kind)));
  }
  Result<Func*> get_func(wasm::Extern e);

  // --- Running ---
  // Runs a function on the stack above the current frame. Arguments are copied; results are left at the result.
  wasm::Outcome run(Func& func, std::span<const uint64_t> args);
  wasm::Outcome call_host(Func& func, std::span<const wasm::Value> args);
  // A host function called by the embedder: no code sees what it throws, so that no exception object is made.
  wasm::Outcome call_host_checked(Func& func, std::span<const wasm::Value> args);
  // Turns machine().exit into an outcome for the embedder.
  wasm::Outcome exit_outcome();
  // A host function called by running code, its arguments at `slots`; results replace them. False: exit is set.
  bool host_call(Func& func, uint64_t* slots);
  void exit_with(const wasm::Outcome& outcome);
  bool prepare_code(Func& func);
  bool ensure_stack(uint64_t*& fp, uint64_t slots);
  bool ensure_frames();
  uint64_t* free_stack() const;
  void refresh_limits();
  bool native_stack_low() const;
  // Everything that can make an allocation more than taking a cell: budget, collections, observers, exhaustion.
  Cell* allocate_slowly(CellKind kind, uint32_t type, uint64_t words, uint64_t charge, Heap::Fill fill);
  Cell* allocate(CellKind kind, uint32_t type, uint64_t words, uint64_t charge, Heap::Fill fill) {
    if (charge <= budget_.allocated_bytes - allocated_ && heap_.allocated_since_sweep() < fast_until_) [[likely]] {
      if (Cell* cell = heap_.allocate(kind, type, words, fill)) [[likely]] {
        allocated_ += charge;
        ++allocations_;
        return cell;
      }
    }
    return allocate_slowly(kind, type, words, charge, fill);
  }
  void set_threshold(uint64_t bytes) {
    collect_threshold_ = bytes;
    const bool is_watched = options_.on_roots || options_.collect_every != 0;
    fast_until_ = is_watched ? 0 : bytes;
  }
  bool zeal_can_pay();
  void report_roots();

  InterpOptions options_;
  uint16_t tag_;
  TypeInfos infos_;
  Heap heap_;
  Handles handles_;
  wasm::Budget budget_;
  Machine machine_;
  std::vector<FrameRecord> frames_;
  uint32_t depth_borders_ = 0;  // records of frames_ that are borders, apart from the lowest
  std::unique_ptr<uint64_t[], void (*)(void*)> stack_;
  uint64_t stack_slots_ = 0;
  uint64_t native_stack_end_ = 0;

  struct FuncName {
    Func* func = nullptr;
    uint16_t generation = 1;
  };
  std::vector<FuncName> func_names_;
  std::vector<uint32_t> free_func_names_;
  std::vector<std::unique_ptr<Func>> funcs_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::vector<std::unique_ptr<Memory>> memories_;
  std::vector<std::unique_ptr<Global>> globals_;
  std::vector<std::unique_ptr<Tag>> tags_;
  std::vector<std::unique_ptr<Instance>> instances_;
  std::tuple<Places<Func>, Places<Table>, Places<Memory>, Places<Global>, Places<Tag>, Places<Instance>> places_;
  Repetition repetition_;
  std::vector<std::shared_ptr<const wasm::Module>> known_modules_;  // whose addresses repetition_ has
  // References that native code holds over a possible collection: constant expressions being evaluated.
  std::vector<Word> native_roots_;
  std::vector<Instance*> growing_;  // instances under construction

  wasm::StoreStats stats_;
  uint64_t allocated_ = 0;  // charged to the budget
  uint64_t allocations_ = 0;
  static constexpr uint64_t kFirstThreshold = uint64_t{16} << 20;
  uint64_t collect_threshold_ = 0;
  uint64_t fast_until_ = 0;  // so many bytes since the last collection need no second look (set_threshold)
  static constexpr uint64_t kZealCredit = uint64_t{64} << 20;
  uint64_t zeal_credit_ = kZealCredit;
  std::unordered_map<const Cell*, uint64_t> serials_;  // with on_roots: what each object's number is
  uint64_t serial_ = 0;
};

}  // namespace parallax::interp
