// Instantiation, as the specification's chapter "Modules" orders it: match imports, allocate functions, evaluate globals,
// tables and element segments, then active segments in order, then the start function. What happened before a trap stays.
#include <algorithm>
#include <utility>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/const_eval.h"
#include "engine/runtime/store.h"

namespace parallax::runtime {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Import;
using wasm::Limits;
using wasm::Module;
using wasm::Outcome;
using wasm::OutcomeKind;

namespace {

bool limits_match(uint64_t size, const Limits& given, const Limits& wanted) {
  if (given.is_64 != wanted.is_64 || size < wanted.min) return false;
  return !wanted.max || (given.max && *given.max <= *wanted.max);
}

}  // namespace

// Whether the given extern may stand for the import (specification, "External Typing" and "Matching").
Result<> Store::match_import(const Module& module, const Import& import, Extern given) {
  const auto mismatch = [&](const char* what) {
    return fail(ErrorCode::kUnlinkable, import.offset,
                text::format("incompatible import type: {} of {}.{}", what, import.module, import.name));
  };
  if (given.id == 0) {
    return fail(ErrorCode::kUnlinkable, import.offset,
                text::format("unknown import: {}.{}", import.module, import.name));
  }
  if (given.kind != import.kind) return mismatch("kind");
  const Handle& handle = *TRY(find_handle(given, import.kind, "import"));
  switch (import.kind) {
    case ExternKind::kFunc: {
      const auto& entry = *static_cast<FuncEntry*>(handle.entity);
      if (!types_->is_subtype(wasm::TypeId(entry.type), module.funcs[import.index].type_id))
        return mismatch("function type");
      return {};
    }
    case ExternKind::kTable: {
      const auto& table = *static_cast<Table*>(handle.entity);
      const wasm::TableType& wanted = module.tables[import.index].type;
      if (table.type.element != wanted.element) return mismatch("element type");
      if (!limits_match(table.size, table.type.limits, wanted.limits)) return mismatch("table limits");
      return {};
    }
    case ExternKind::kMemory: {
      const auto& memory = *static_cast<Memory*>(handle.entity);
      if (!limits_match(memory.pages(), memory.type.limits, module.memories[import.index].type.limits)) {
        return mismatch("memory limits");
      }
      return {};
    }
    case ExternKind::kGlobal: {
      const wasm::GlobalType& have = static_cast<Global*>(handle.entity)->type;
      const wasm::GlobalType& want = module.globals[import.index].type;
      if (have.is_mutable != want.is_mutable && !fault_fires(Fault::kTY1)) return mismatch("mutability");
      const bool fits = want.is_mutable ? have.value == want.value : types_->matches(have.value, want.value);
      const bool differ_in_nullness = have.value.is_ref() && want.value.is_ref() &&
                                      have.value.as_nullable() == want.value.as_nullable() && fault_fires(Fault::kTY1);
      if (!fits && !differ_in_nullness) return mismatch("global type");
      return {};
    }
    case ExternKind::kTag:
      if (tags_.find(handle.tag)->type != module.tags[import.index].type_id) return mismatch("tag type");
      return {};
  }
  return {};
}

// One instantiation; each step answers whether to go on, otherwise the store's exit says why not.
class Instantiation {
 public:
  Instantiation(Store& store, Instance& instance)
      : store_(store), instance_(instance), module_(*instance.module), eval_(store, instance) {}

  bool run(std::span<const Extern> imports) {
    take_imports(imports);
    if (!allocate_functions() || !allocate_memories_and_tags()) return false;
    if (!make_globals() || !make_tables() || !make_elems()) return false;
    instance_.data_dropped.assign(module_.datas.size(), 0);
    instance_.publish(store_.context_);
    return run_elems() && run_datas();
  }

 private:
  bool out_of_memory(const char* what) {
    store_.exit_with(OutcomeKind::kOutOfMemory, {ErrorCode::kLimit, 0, text::format("no memory for {}", what)});
    return false;
  }

  void take_imports(std::span<const Extern> imports) {
    instance_.types.reserve(module_.type_ids.size());
    for (const wasm::TypeId id : module_.type_ids) instance_.types.push_back(id.raw);
    instance_.funcs.reserve(module_.funcs.size());
    instance_.tables.reserve(module_.tables.size());
    instance_.memories.reserve(module_.memories.size());
    instance_.tags.reserve(module_.tags.size());
    instance_.globals.reserve(module_.globals.size());
    instance_.global_entities.reserve(module_.globals.size());
    for (size_t i = 0; i < imports.size(); ++i) {
      const Store::Handle& handle = *store_.handles_.find(imports[i].id);
      switch (handle.kind) {
        case ExternKind::kFunc: instance_.funcs.push_back(static_cast<FuncEntry*>(handle.entity)); break;
        case ExternKind::kTable: instance_.tables.push_back(static_cast<Table*>(handle.entity)); break;
        case ExternKind::kMemory: instance_.memories.push_back(static_cast<Memory*>(handle.entity)); break;
        case ExternKind::kGlobal: add_global(*static_cast<Global*>(handle.entity)); break;
        case ExternKind::kTag: instance_.tags.push_back(handle.tag); break;
      }
    }
  }

  void add_global(Global& global) {
    instance_.global_entities.push_back(&global);
    instance_.globals.push_back(&global.cell);
  }

  bool allocate_functions() {
    for (size_t i = module_.imported_funcs; i < module_.funcs.size(); ++i) {
      FuncEntry* const entry = store_.add_func(module_.funcs[i].type_id);
      if (entry == nullptr) return out_of_memory("functions");
      entry->ctx = &instance_.ctx;
      entry->func_index = static_cast<uint32_t>(i);
      store_.prepare(*entry);
      instance_.funcs.push_back(entry);
    }
    return true;
  }

  bool allocate_memories_and_tags() {
    for (size_t i = module_.imported_memories; i < module_.memories.size(); ++i) {
      Memory* const memory = store_.add_memory(module_.memories[i].type);
      if (memory == nullptr) return out_of_memory("a memory");
      instance_.memories.push_back(memory);
    }
    for (size_t i = module_.imported_tags; i < module_.tags.size(); ++i) {
      instance_.tags.push_back(store_.tags_.add(Tag{.type = module_.tags[i].type_id}, "tag of a module"));
    }
    return true;
  }

  bool make_globals() {
    for (size_t i = module_.imported_globals; i < module_.globals.size(); ++i) {
      Slot value;
      if (!eval_.evaluate(module_.globals[i].init, value)) return false;
      add_global(*store_.add_global(module_.globals[i].type, value));
    }
    return true;
  }

  bool make_tables() {
    for (size_t i = module_.imported_tables; i < module_.tables.size(); ++i) {
      Slot init;
      if (module_.tables[i].init && !eval_.evaluate(*module_.tables[i].init, init)) return false;
      Table* const table = store_.add_table(module_.tables[i].type, init.low);
      if (table == nullptr) return out_of_memory("a table");
      instance_.tables.push_back(table);
    }
    return true;
  }

  bool make_elems() {
    // Complete before the first evaluation, because a collection visits them.
    instance_.elems.resize(module_.elems.size());
    for (size_t i = 0; i < module_.elems.size(); ++i) {
      const wasm::ElemSegment& segment = module_.elems[i];
      ElemInstance& elem = instance_.elems[i];
      elem.is_func = store_.is_func_type(segment.type);
      elem.is_func ? elem.funcs.reserve(segment.size()) : elem.refs.reserve(segment.size());
      for (const wasm::FuncIndex func : segment.funcs) {
        elem.funcs.push_back(store_.make_func_ref(*instance_.funcs[func.index()]));
      }
      for (const wasm::ConstExpr expr : segment.exprs) {
        Slot value;
        if (!eval_.evaluate(expr, value)) return false;
        elem.is_func ? elem.funcs.push_back(value.low) : elem.refs.push_back(gc::Ref{static_cast<uint32_t>(value.low)});
      }
    }
    return true;
  }

  bool run_elems() {
    for (uint32_t i = 0; i < module_.elems.size(); ++i) {
      const wasm::ElemSegment& segment = module_.elems[i];
      if (segment.mode == wasm::SegmentMode::kPassive) continue;
      if (segment.mode == wasm::SegmentMode::kActive) {
        Slot offset;
        if (!eval_.evaluate(segment.offset, offset)) return false;
        builtin::table_init(&instance_.ctx, segment.table.raw, i, offset.low, 0, segment.size());
        if (store_.exiting()) return false;
      }
      builtin::elem_drop(&instance_.ctx, i);
    }
    return true;
  }

  bool run_datas() {
    for (uint32_t i = 0; i < module_.datas.size(); ++i) {
      const wasm::DataSegment& segment = module_.datas[i];
      if (segment.mode != wasm::SegmentMode::kActive) continue;
      Slot offset;
      if (!eval_.evaluate(segment.offset, offset)) return false;
      builtin::memory_init(&instance_.ctx, segment.memory.raw, i, offset.low, 0, segment.bytes.size());
      if (store_.exiting()) return false;
      builtin::data_drop(&instance_.ctx, i);
    }
    return true;
  }

  Store& store_;
  Instance& instance_;
  const Module& module_;
  ConstEval eval_;
};

// Which module, linked to what: code of its functions follows from that.
void Store::note_instantiation(const std::shared_ptr<const Module>& module, std::span<const Extern> imports) {
  constexpr uint64_t kInstantiate = 6;  // 1 to 5: embedding.cc
  begin_making(kInstantiate);
  note_making(reinterpret_cast<uint64_t>(module.get()));
  for (const Extern& import : imports) {
    const Handle& handle = *handles_.find(import.id);
    note_making(handle.kind == ExternKind::kTag ? handle.tag : reinterpret_cast<uint64_t>(handle.entity));
  }
  if (!repetition_.is_same()) known_modules_.push_back(module);
}

// Code may know what tables hold for good. Where the same instantiation now ended earlier or later, that is not the same:
// its functions, of which none has run yet, are compiled anew.
void Store::note_end(Instance& instance, bool initialised) {
  const bool was_same = repetition_.is_same();
  note_making(initialised ? 1 : 0);
  if (!was_same || repetition_.is_same()) return;
  if (compiler_ != nullptr) compiler_->forget(0);
  for (FuncEntry* entry : instance.funcs) {
    if (entry->ctx == &instance.ctx) prepare(*entry);
  }
}

Outcome Store::instantiate(std::shared_ptr<const Module> module, std::span<const Extern> imports,
                           wasm::InstanceId& result) {
  result = 0;
  const auto misuse = [](std::string text) {
    return Outcome::ended(OutcomeKind::kMisuse, {ErrorCode::kUsage, 0, std::move(text)});
  };
  if (module->store != types_) return misuse("instantiate: the module was decoded with another type store");
  if (imports.size() != module->imports.size()) {
    return misuse(text::format("instantiate: {} externs for {} imports", imports.size(), module->imports.size()));
  }
  if (!heap_is_sound()) return take_exit();
  sync_types();
  for (size_t i = 0; i < imports.size(); ++i) {
    const auto fits = match_import(*module, module->imports[i], imports[i]);
    if (fits) continue;
    const bool is_handle_error = fits.error().code == ErrorCode::kUsage;
    return Outcome::ended(is_handle_error ? OutcomeKind::kMisuse : OutcomeKind::kUnlinkable, fits.error());
  }
  note_instantiation(module, imports);
  Instance& instance = instances_.emplace_back();
  instance.store = this;
  instance.module = std::move(module);
  const bool initialised = Instantiation(*this, instance).run(imports);
  note_end(instance, initialised);
  if (!initialised) return take_exit();
  if (const auto start = instance.module->start) {
    FuncEntry& entry = *instance.funcs[start->index()];
    Outcome outcome = entry.host != nullptr ? invoke_host(entry, {}) : run_start(entry);
    if (!outcome.returned()) return outcome;
  }
  instance.exports.assign(instance.module->exports.size(), 0);
  instance.handle = result = instance_ids_.add(&instance, "instantiate");
  return Outcome::ok();
}

// Start functions take and give nothing.
Outcome Store::run_start(FuncEntry& entry) {
  Slot none;
  return run(entry, &none, types_->get(wasm::TypeId(entry.type)));
}

}  // namespace parallax::runtime
