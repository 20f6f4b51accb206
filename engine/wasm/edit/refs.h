// What an instruction names: one visitor over all immediates, so that renumbering, searching and rewriting agree.
#pragma once

#include "engine/wasm/edit/module.h"

namespace parallax::wasm::edit {

enum class Space : uint8_t { kType, kFunc, kTable, kMemory, kGlobal, kTag, kElem, kData, kLocal };

// Calls visit(Space, uint32_t&) for the concrete number of a type.
template <class Visit>
void visit_type(HeapType& heap, Visit&& visit) {
  if (!heap.is_concrete()) return;
  uint32_t number = heap.number();
  visit(Space::kType, number);
  if (number != heap.number()) heap = HeapType::concrete(number);
}
template <class Visit>
void visit_type(ValType& type, Visit&& visit) {
  if (!type.is_ref() || type == kBottomRef || !type.heap().is_concrete()) return;
  HeapType heap = type.heap();
  visit_type(heap, visit);
  if (heap != type.heap()) type = ValType::ref(heap, type.nullable());
}
template <class Visit>
void visit_type(SubType& type, Visit&& visit) {
  if (type.has_super) visit(Space::kType, type.super);
  for (ValType& t : type.params) visit_type(t, visit);
  for (ValType& t : type.results) visit_type(t, visit);
  for (FieldType& f : type.fields) visit_type(f.storage.unpacked, visit);
}

// Calls visit(Space, uint32_t&) for every index that the node's own instruction holds; locals included, labels and
// fields not.
template <class Visit>
void visit_refs(Node& node, Visit&& visit) {
  Instr& i = node.instr;
  const auto memory = [&] {
    uint32_t raw = i.mem.memory.raw;
    visit(Space::kMemory, raw);
    i.mem.memory = MemoryIndex(raw);
  };
  const auto block = [&] {
    if (i.block.kind == BlockTypeKind::kValue) visit_type(i.block.value, visit);
    if (i.block.kind == BlockTypeKind::kFunc) visit(Space::kType, i.block.type);
  };
  switch (info(i.op).immediates) {
    case ImmKind::None:
    case ImmKind::Label:
    case ImmKind::BrTable:
    case ImmKind::Lane:
    case ImmKind::I32:
    case ImmKind::I64:
    case ImmKind::F32:
    case ImmKind::F64:
    case ImmKind::V128:
    case ImmKind::Shuffle: break;
    case ImmKind::Block: block(); break;
    case ImmKind::Func: visit(Space::kFunc, i.a); break;
    case ImmKind::Local: visit(Space::kLocal, i.a); break;
    case ImmKind::Global: visit(Space::kGlobal, i.a); break;
    case ImmKind::Table: visit(Space::kTable, i.a); break;
    case ImmKind::Memory: visit(Space::kMemory, i.a); break;
    case ImmKind::Tag: visit(Space::kTag, i.a); break;
    case ImmKind::Data: visit(Space::kData, i.a); break;
    case ImmKind::Elem: visit(Space::kElem, i.a); break;
    case ImmKind::Type:
    case ImmKind::TypeField:
    case ImmKind::TypeCount: visit(Space::kType, i.a); break;
    case ImmKind::MemArg:
    case ImmKind::MemArgLane: memory(); break;
    case ImmKind::DataMemory:
      visit(Space::kData, i.a);
      visit(Space::kMemory, i.b);
      break;
    case ImmKind::MemoryMemory:
      visit(Space::kMemory, i.a);
      visit(Space::kMemory, i.b);
      break;
    case ImmKind::TableElem:
      visit(Space::kTable, i.a);
      visit(Space::kElem, i.b);
      break;
    case ImmKind::TableTable:
      visit(Space::kTable, i.a);
      visit(Space::kTable, i.b);
      break;
    case ImmKind::CallIndirect:
      visit(Space::kType, i.a);
      visit(Space::kTable, i.b);
      break;
    case ImmKind::TypeData:
      visit(Space::kType, i.a);
      visit(Space::kData, i.b);
      break;
    case ImmKind::TypeElem:
      visit(Space::kType, i.a);
      visit(Space::kElem, i.b);
      break;
    case ImmKind::TypeType:
      visit(Space::kType, i.a);
      visit(Space::kType, i.b);
      break;
    case ImmKind::HeapType: visit_type(i.type, visit); break;
    case ImmKind::BrOnCast:
      visit_type(i.type, visit);
      visit_type(i.target, visit);
      break;
    case ImmKind::SelectTypes:
      for (ValType& t : node.types) visit_type(t, visit);
      break;
    case ImmKind::TryTable:
      block();
      for (Catch& c : node.catches) {
        if (c.kind != CatchKind::kCatch && c.kind != CatchKind::kCatchRef) continue;
        uint32_t raw = c.tag.raw;
        visit(Space::kTag, raw);
        c.tag = TagIndex(raw);
      }
      break;
  }
  for (Clause& clause : node.bodies) {
    if (clause.head == Opcode::Catch) visit(Space::kTag, clause.tag);
  }
}

// Every live node of the code in the order of its encoding: visit(NodeId, parent or kFuncLabel).
template <class Visit>
void for_each_node(const Code& code, const Seq& seq, NodeId parent, Visit&& visit) {
  for (const NodeId id : seq) {
    for_each_node(code, code[id].children, id, visit);
    visit(id, parent);
    for (const Clause& clause : code[id].bodies) for_each_node(code, clause.seq, id, visit);
  }
}
template <class Visit>
void for_each_node(const Code& code, Visit&& visit) {
  for_each_node(code, code.body, kFuncLabel, visit);
}

// Every constant expression of the module: visit(Cow<Code>&).
template <class M, class Visit>
void for_each_const_expr(M& module, Visit&& visit) {
  for (auto& table : module.tables) {
    if (table.alive && table.init.has_value()) visit(*table.init);
  }
  for (auto& global : module.globals) {
    if (global.alive && !global.import.has_value()) visit(global.init);
  }
  for (auto& elem : module.elems) {
    if (!elem.alive) continue;
    if (elem.mode == SegmentMode::kActive) visit(elem.offset);
    for (auto& expr : elem.exprs) visit(expr);
  }
  for (auto& data : module.datas) {
    if (data.alive && data.mode == SegmentMode::kActive) visit(data.offset);
  }
}
// Every piece of code: bodies of defined functions, then constant expressions.
template <class M, class Visit>
void for_each_code(M& module, Visit&& visit) {
  for (auto& func : module.funcs) {
    if (func.alive && !func.import.has_value()) visit(func.code);
  }
  for_each_const_expr(module, visit);
}

}  // namespace parallax::wasm::edit
