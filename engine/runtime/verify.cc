// Judges of a store's own state.   [judges of I1 and I3]
//
// In order, first violation reported:
//   1. a violation that a collection found earlier;
//   2. coverage of roots: every object that an instance, table, global, segment, root or exception in flight refers to is
//      visited by visit_roots; the list here is made from the entities, not from there (frames have judges of their own);
//   3. the heap verifier (gc/verify.cc): every name is an object start;
//   4. the slabs' own book-keeping;
//   5. host objects: as many live entries as boxes, and every box names a live one;
//   6. typing: every field, element, payload value, global and table element holds a value of its declared type, nullness
//      included; function references are live ids of this store's function slab;
//   7. functions: every entry's id, type and context are in order.
// Types are read from the type store and offsets from Layouts; casts as compiled code makes them are not involved.
#include <algorithm>
#include <vector>

#include "engine/base/text.h"
#include "engine/runtime/store.h"

namespace parallax::runtime {

using wasm::ValType;

// Property 6.
struct HeapTypes {
  Store& store;
  std::string problem;

  void value(ValType type, FieldRep rep, const Slot& slot, const auto& describe) {
    if (!problem.empty() || (rep != FieldRep::kRef && rep != FieldRep::kFuncRef)) return;
    store.count(ArmedCheck::kStoredType);
    if (rep == FieldRep::kFuncRef) {
      if (slot.low != 0 && store.funcs_.find(slot.low) == nullptr) {
        problem = store.funcs_.explain(slot.low, describe().c_str());
      } else if (!store.func_matches(slot.low, type)) {
        problem = text::format("I3: {} holds a function reference {:#x} that is not a {}", describe(), slot.low,
                               store.types_->print(type));
      }
      return;
    }
    const gc::Ref ref{static_cast<uint32_t>(slot.low)};
    if (store.ref_matches(ref, type)) return;
    problem = text::format("I3: {} holds {:#x}, which is not a {}\n  it is {}", describe(), ref.bits,
                           store.types_->print(type), store.heap_.describe(ref));
  }

  void object(gc::Ref ref, const gc::ObjectHeader& header) {
    if (header.layout() == gc::kHostBoxLayout) return host_box(ref);
    const wasm::TypeId id(header.layout());
    const wasm::SubType& type = store.types_->get(id);
    const TypeLayout& layout = store.layouts_.of(id);
    const auto name = [&](size_t i) {
      return [&, i] {
        return text::format("{} {} of object {:#x} (type {})",
                            type.kind == wasm::CompositeKind::kArray ? "element" : "field", i, ref.bits, id.raw);
      };
    };
    if (type.kind == wasm::CompositeKind::kArray) {
      if (layout.element != FieldRep::kRef && layout.element != FieldRep::kFuncRef) return;
      const uint64_t step = kFieldBytes[static_cast<size_t>(layout.element)];
      for (uint64_t i = 0; i < header.length && problem.empty(); ++i) {
        value(type.fields[0].storage.unpacked, layout.element,
              store.load_field(ref, kArrayDataOffset + i * step, layout.element), name(i));
      }
      return;
    }
    const bool is_exn = type.kind == wasm::CompositeKind::kFunc;
    for (size_t i = 0; i < layout.fields.size(); ++i) {
      const FieldSlot field = layout.fields[i];
      const ValType held = is_exn ? type.params[i] : type.fields[i].storage.unpacked;
      value(held, field.rep, store.load_field(ref, field.offset, field.rep), name(i));
    }
    if (!is_exn || !problem.empty()) return;
    const auto tag = store.heap_.load<uint64_t>(ref, gc::kExnTagOffset);
    const Tag* const found = store.tags_.find(tag);
    if (found == nullptr) {
      problem = store.tags_.explain(tag, "heap verification");
    } else if (found->type != id) {
      problem =
          text::format("I3: exception {:#x} has layout {}, its tag's type is {}", ref.bits, id.raw, found->type.raw);
    }
  }

  void host_box(gc::Ref ref) {
    const auto id = store.heap_.load<uint64_t>(ref, gc::kHostBoxIdOffset);
    if (store.host_objects_.find(id) == nullptr) problem = store.host_objects_.explain(id, "heap verification");
  }

  void roots() {
    for (const Global& global : store.globals_) {
      value(global.type.value, global.rep, global.cell, [&] { return text::format("global {}", global.number); });
    }
    for (const Table& table : store.tables_) {
      const FieldRep rep = table.is_func() ? FieldRep::kFuncRef : FieldRep::kRef;
      for (uint64_t i = 0; i < table.size && problem.empty(); ++i) {
        const uint64_t bits = table.get(i);
        if (bits == 0 && table.type.element.nullable()) continue;
        value(table.type.element, rep, Slot{bits, 0},
              [&] { return text::format("element {} of table {}", i, table.number); });
      }
    }
  }
};

// Property 2.
struct RootCoverage final : gc::RootVisitor {
  Store& store;
  std::vector<const void*> visited;  // sorted once all are there
  std::string problem;

  explicit RootCoverage(Store& s) : store(s) {}
  void visit(gc::Ref* slot, gc::RootKind, uint64_t) override { visited.push_back(slot); }

  void expect(const gc::Ref& held, const char* what, uint64_t number) {
    store.count(ArmedCheck::kRootListed);
    if (!problem.empty() || !held.is_object()) return;
    if (std::ranges::binary_search(visited, static_cast<const void*>(&held))) return;
    problem = text::format("I2: {} {} holds {:#x} and is not visited by the collector\n  it is {}", what, number,
                           held.bits, store.heap_.describe(held));
  }

  void run() {
    store.visit_roots(*this);
    std::ranges::sort(visited);
    for (const Global& global : store.globals_) {
      if (global.type.value.is_ref() && global.rep == FieldRep::kRef)
        expect(*reinterpret_cast<const gc::Ref*>(&global.cell), "global", global.number);
    }
    for (const Table& table : store.tables_) {
      if (table.element_bytes != sizeof(gc::Ref)) continue;
      const auto* const elements = static_cast<const gc::Ref*>(table.elems);
      for (uint64_t i = 0; i < table.size; ++i) expect(elements[i], "an element of table", table.number);
    }
    for (const Instance& instance : store.instances_) {
      for (size_t i = 0; i < instance.elems.size(); ++i) {
        for (const gc::Ref& ref : instance.elems[i].refs) expect(ref, "element segment", i);
      }
    }
    store.roots_.for_each([&](uint64_t id, const Store::Root& root) {
      expect(root.ref, "root of the embedder", slab::SlabId{id}.index());
    });
    expect(store.context_.pending_exception, "exception in flight", 0);
  }
};

Result<> Store::verify() {
  const auto violation = [](std::string text) { return fail(ErrorCode::kInvariant, 0, std::move(text)); };
  if (!heap_.violation().empty()) return violation(heap_.violation());
  RootCoverage coverage(*this);
  coverage.run();
  if (!coverage.problem.empty()) return violation(std::move(coverage.problem));
  if (std::string text = heap_.verify(); !text.empty()) return violation(std::move(text));
  for (const slab::SlabCore* core : {&funcs_.core(), &host_objects_.core(), &tags_.core(), &handles_.core(),
                                     &instance_ids_.core(), &roots_.core()}) {
    if (std::string text = core->verify(); !text.empty()) return violation(std::move(text));
  }
  if (host_objects_.core().live() != heap_.box_count()) {
    return violation(text::format("I1: {} host objects are live, {} boxes carry them", host_objects_.core().live(),
                                  heap_.box_count()));
  }
  HeapTypes typing{*this, {}};
  heap_.for_each_object([&](gc::Ref ref, const gc::ObjectHeader& header) {
    if (typing.problem.empty()) typing.object(ref, header);
  });
  if (typing.problem.empty()) typing.roots();
  if (!typing.problem.empty()) return violation(std::move(typing.problem));
  for (uint32_t i = 1; i < funcs_.count(); ++i) {
    const FuncEntry& entry = funcs_.entries()[i];
    if (entry.id != funcs_.core().id_of(i).bits || entry.ctx == nullptr || entry.type >= types_->size()) {
      return violation(text::format("I1: function entry {} is damaged: id {:#x}, type {}", i, entry.id, entry.type));
    }
  }
  return {};
}

}  // namespace parallax::runtime
