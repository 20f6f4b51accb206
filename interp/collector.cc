// Mark and sweep over objects and entities, and the heap verifier.
//
// Roots: slots of active frames by their safepoint (code.h), handles of the embedder, references that native code of the
// store holds (native_roots_, instances under construction). An entity is alive when a root, a frame or a live entity
// refers to it; a function keeps its instance, an instance everything it consists of.
#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "interp/store.h"

namespace parallax::interp {

class Collector {
 public:
  explicit Collector(Store& store) : store_(store) {}

  void run() {
    mark_roots();
    drain();
    sweep_entities();
    store_.heap_.sweep();
  }

  // Every word of the running frames that the collector takes for a reference.
  template <class Visit>
  static void visit_frames(const Store& store, Visit&& visit);

 private:
  void mark_word(Word word) {
    if (is_cell(word)) mark_cell(cell_of(word));
  }
  void mark_cell(Cell* cell) {
    if (cell->kind == CellKind::kFunc) return mark_func(Func::of(word_of(cell)));
    if (store_.heap_.mark(cell)) cells_.push_back(cell);
  }
  void mark_func(Func* func) {
    if (func->entity.mark != 0) return;
    func->entity.mark = 1;
    if (func->instance != nullptr) mark_entity(func->instance);
  }
  void mark_entity(Entity* entity) {
    if (entity->mark != 0) return;
    entity->mark = 1;
    entities_.push_back(entity);
  }

  void mark_roots();
  void drain();
  void trace(Cell* cell);
  void trace(Entity* entity);
  void trace(Instance* instance);
  void sweep_entities();
  template <class T, class Died>
  void sweep_list(std::vector<std::unique_ptr<T>>& list, Died&& died);

  Store& store_;
  std::vector<Cell*> cells_;
  std::vector<Entity*> entities_;
};

template <class Visit>
void Collector::visit_frames(const Store& store, Visit&& visit) {
  for (const FrameRecord* frame = store.frames_.data(); frame <= store.machine_.top; ++frame) {
    if (frame->code == nullptr) continue;
    const auto ins = static_cast<uint32_t>(frame->ip - frame->code->ins.data());
    const Safepoint* point = frame->code->find_safepoint(ins);
    CHECK(point != nullptr, "I2: no safepoint at instruction {} (offset {:#x}) of function {}", ins,
          frame->code->offsets[ins], frame->func->index.raw);
    for (const uint32_t slot : frame->code->ref_locals) visit(frame->fp[slot], *frame, slot);
    for (uint32_t i = 0; i < point->count; ++i) {
      const uint32_t slot = frame->code->safepoint_slots[point->first + i];
      visit(frame->fp[slot], *frame, slot);
    }
  }
}

void Store::report_roots() {
  std::vector<FrameRoots> frames;
  std::unordered_map<const FrameRecord*, size_t> numbers;
  for (const FrameRecord* frame = machine_.top; frame >= frames_.data(); --frame) {
    if (frame->code == nullptr) continue;
    numbers[frame] = frames.size();
    frames.push_back(
        {frame->func->index, frame->code->offsets[static_cast<size_t>(frame->ip - frame->code->ins.data())], {}});
  }
  Collector::visit_frames(*this, [&](Word word, const FrameRecord& frame, uint32_t slot) {
    HeldReference held{.slot = slot};
    if (is_i31(word)) {
      held.kind = HeldKind::kI31;
      held.number = i31_unsigned(word);
    } else if (is_cell(word)) {
      const Cell* const cell = cell_of(word);
      if (cell->kind == CellKind::kFunc) return;
      held.kind = cell->kind == CellKind::kHost ? HeldKind::kHost : HeldKind::kObject;
      if (held.kind == HeldKind::kObject) held.number = serials_.at(cell);
    }
    frames[numbers[&frame]].held.push_back(held);
  });
  options_.on_roots(frames);
}

void Collector::mark_roots() {
  for (const FrameRecord* frame = store_.frames_.data(); frame <= store_.machine_.top; ++frame) {
    if (frame->func != nullptr) mark_func(frame->func);
  }
  visit_frames(store_, [&](Word word, const FrameRecord&, uint32_t) { mark_word(word); });
  store_.handles_.for_each([&](uint64_t, HandleEntry& entry) {
    if (entry.kind == HandleKind::kRoot) {
      mark_word(entry.word);
    } else if (entry.kind == HandleKind::kFunc) {
      mark_func(static_cast<FuncEntity*>(entry.entity)->func);
    } else {
      mark_entity(entry.entity);
    }
  });
  for (const Word word : store_.native_roots_) mark_word(word);
  for (Instance* instance : store_.growing_) mark_entity(instance);
  mark_word(store_.machine_.exit.exception);
}

void Collector::drain() {
  while (!cells_.empty() || !entities_.empty()) {
    if (!cells_.empty()) {
      Cell* cell = cells_.back();
      cells_.pop_back();
      trace(cell);
    } else {
      Entity* entity = entities_.back();
      entities_.pop_back();
      trace(entity);
    }
  }
}

void Collector::trace(Cell* cell) {
  switch (cell->kind) {
    case CellKind::kStruct: {
      const TypeInfo& type = store_.infos_.known(cell->type);
      for (const uint32_t field : type.ref_fields) mark_word(static_cast<StructCell*>(cell)->slots[field]);
      return;
    }
    case CellKind::kArray: {
      if (!store_.infos_.known(cell->type).element().is_ref) return;
      auto* array = static_cast<ArrayCell*>(cell);
      for (uint64_t i = 0; i < array->length; ++i) mark_word(array->slots[i]);
      return;
    }
    case CellKind::kExn: {
      auto* exn = static_cast<ExnCell*>(cell);
      mark_entity(exn->tag);
      for (const uint32_t field : exn->tag->type->ref_fields) mark_word(exn->slots[field]);
      return;
    }
    case CellKind::kHost: return;
    case CellKind::kFunc:
    case CellKind::kFree: break;
  }
  UNREACHABLE("I1: marked cell of kind {}", static_cast<int>(cell->kind));
}

void Collector::trace(Entity* entity) {
  switch (entity->kind) {
    case EntityKind::kTable: {
      auto* table = static_cast<Table*>(entity);
      for (uint64_t i = 0; i < table->size; ++i) mark_word(table->elements[i]);
      return;
    }
    case EntityKind::kGlobal: {
      auto* global = static_cast<Global*>(entity);
      if (global->type.value.is_ref()) mark_word(global->low);
      return;
    }
    case EntityKind::kInstance: return trace(static_cast<Instance*>(entity));
    case EntityKind::kFunc:
    case EntityKind::kMemory:
    case EntityKind::kTag: return;
  }
}

void Collector::trace(Instance* instance) {
  for (Func* func : instance->funcs) mark_func(func);
  for (Table* table : instance->tables) mark_entity(table);
  for (Memory* memory : instance->memories) mark_entity(memory);
  for (Global* global : instance->globals) mark_entity(global);
  for (Tag* tag : instance->tags) mark_entity(tag);
  for (const ElemInstance& elem : instance->elems) {
    for (const Word word : elem.words) mark_word(word);
  }
}

// Calls died(entity) for what goes.
template <class T, class Died>
void Collector::sweep_list(std::vector<std::unique_ptr<T>>& list, Died&& died) {
  const auto mark_of = [](T& entity) -> uint8_t& {
    if constexpr (std::is_same_v<T, Func>) return entity.entity.mark;
    else return entity.mark;
  };
  size_t kept = 0;
  for (std::unique_ptr<T>& entity : list) {
    if (mark_of(*entity) == 0) {
      died(*entity);
      store_.remove(std::move(entity));
      continue;
    }
    mark_of(*entity) = 0;
    if (&list[kept] != &entity) list[kept] = std::move(entity);
    ++kept;
  }
  list.resize(kept);
}

void Collector::sweep_entities() {
  sweep_list(store_.funcs_, [&](const Func& func) {
    Store::FuncName& name = store_.func_names_[func.number];
    name.func = nullptr;
    if (++name.generation != 0xffff) store_.free_func_names_.push_back(func.number);
  });
  sweep_list(store_.tables_, [](const auto&) {});
  sweep_list(store_.memories_, [](const auto&) {});
  sweep_list(store_.globals_, [](const auto&) {});
  sweep_list(store_.tags_, [](const auto&) {});
  sweep_list(store_.instances_, [](const auto&) {});
}

void Store::collect() {
  Collector(*this).run();
  ++stats_.collections;
  stats_.live_bytes_after_last = heap_.bytes_in_use();
  const uint64_t fixed = options_.collect_after_bytes;
  set_threshold(fixed != 0 ? fixed : std::max<uint64_t>(kFirstThreshold, heap_.bytes_in_use()));
  if (options_.armed) {
    const Result<> verdict = verify();
    CHECK(verdict.has_value(), "{}", verdict.error().message);
  }
}

// --- Verification --------------------------------------------------------------------------------------------------
//
// Checked: every reference in objects, frames, tables, globals, element segments and roots is null, an i31, a function of
// this store, or the start of a live cell, and matches the type of what holds it; every cell's kind agrees with its type.
// Not checked: that a live object would be reachable.

namespace {

// Collects the first violation. `where` is called only to describe it.
class Verifier {
 public:
  Verifier(Store& store, const Heap& heap, std::span<const std::unique_ptr<Func>> funcs) : store_(store), live_(heap) {
    funcs_.reserve(funcs.size());
    for (const auto& func : funcs) funcs_.push_back(&func->cell);
    std::ranges::sort(funcs_);
  }
  bool ok() const { return verdict_.has_value(); }
  const Result<>& verdict() const { return verdict_; }
  void violation(std::string text) {
    if (ok()) verdict_ = fail(ErrorCode::kInvariant, 0, std::move(text));
  }

  bool denotes_something(Word word) const {
    return !is_cell(word) || live_.contains(cell_of(word)) || is_func(cell_of(word));
  }
  template <class Where>
  void check(Word word, wasm::ValType type, Where&& where) {
    if (!denotes_something(word)) return violation(text::format("I1: {} refers to no live object", where()));
    if (word == kNullWord ? !type.nullable() : !store_.is_instance(word, type.heap())) {
      violation(text::format("I3: {} does not hold a {}", where(), wasm::to_string(type)));
    }
  }
  // Fields that hold references: of a struct, or of an exception's payload.
  template <class Where>
  void check_fields(const TypeInfo& type, const uint64_t* slots, Where&& where) {
    for (const uint32_t field : type.ref_fields) {
      check(slots[field], type.fields[field].storage.unpacked,
            [&] { return text::format("field {} of {}", field, where()); });
    }
  }

 private:
  bool is_func(const Cell* cell) const { return std::ranges::binary_search(funcs_, cell); }

  Store& store_;
  Heap::LiveIndex live_;
  std::vector<const Cell*> funcs_;  // sorted
  Result<> verdict_;
};

void verify_cell(Verifier& verifier, const TypeInfos& infos, Cell* cell, auto&& name) {
  const auto kind_agrees = [&](wasm::CompositeKind kind) {
    const bool agrees = infos.is_known(cell->type) && infos.known(cell->type).sub->kind == kind;
    if (!agrees) verifier.violation(text::format("I1: {} has type {}", name(), cell->type));
    return agrees;
  };
  switch (cell->kind) {
    case CellKind::kStruct:
      if (!kind_agrees(wasm::CompositeKind::kStruct)) return;
      return verifier.check_fields(infos.known(cell->type), static_cast<StructCell*>(cell)->slots, name);
    case CellKind::kArray: {
      if (!kind_agrees(wasm::CompositeKind::kArray)) return;
      const FieldInfo& element = infos.known(cell->type).element();
      const auto* array = static_cast<ArrayCell*>(cell);
      for (uint64_t i = 0; element.is_ref && i < array->length; ++i) {
        verifier.check(array->slots[i], element.storage.unpacked,
                       [&] { return text::format("element {} of {}", i, name()); });
      }
      return;
    }
    case CellKind::kExn: {
      const auto* exn = static_cast<ExnCell*>(cell);
      return verifier.check_fields(*exn->tag->type, exn->slots, name);
    }
    case CellKind::kHost:
    case CellKind::kFunc:
    case CellKind::kFree: return;
  }
}

}  // namespace

Result<> Store::verify() {
  static constexpr const char* kNames[] = {"free cell", "struct", "array", "host object", "exception", "function"};
  Verifier verifier(*this, heap_, funcs_);
  heap_.for_each([&](Cell* cell) {
    if (!verifier.ok()) return;
    verify_cell(verifier, infos_, cell,
                [&] { return text::format("{} {:#x}", kNames[static_cast<size_t>(cell->kind)], heap_.name_of(cell)); });
  });
  for (const auto& table : tables_) {
    for (uint64_t i = 0; i < table->size; ++i) {
      const Word word = table->elements[i];
      if (word != kNullWord)
        verifier.check(word, table->type.element, [&] { return text::format("table element {}", i); });
    }
  }
  for (const auto& global : globals_) {
    if (global->type.value.is_ref()) verifier.check(global->low, global->type.value, [] { return "a global"; });
  }
  for (const auto& instance : instances_) {
    for (size_t i = 0; i < instance->elems.size(); ++i) {
      for (const Word word : instance->elems[i].words) {
        if (!verifier.denotes_something(word))
          verifier.violation(text::format("I1: element segment {} refers to no live object", i));
      }
    }
  }
  handles_.for_each([&](uint64_t id, HandleEntry& entry) {
    if (entry.kind == HandleKind::kRoot && !verifier.denotes_something(entry.word)) {
      verifier.violation(text::format("I1: root {:#x} refers to no live object", id));
    }
  });
  Collector::visit_frames(*this, [&](Word word, const FrameRecord& frame, uint32_t slot) {
    if (!verifier.denotes_something(word)) {
      verifier.violation(
          text::format("I2: slot {} of function {} is listed as a reference and is none", slot, frame.func->index.raw));
    }
  });
  return verifier.verdict();
}

}  // namespace parallax::interp
