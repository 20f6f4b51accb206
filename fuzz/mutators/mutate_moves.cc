// Mutators that make a value wait: in a local over a call, in an object, a global or a table.
#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

using wasm::CompositeKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::Packed;
using wasm::SubType;
using wasm::ValType;
namespace edit = wasm::edit;
using edit::NodeId;

namespace {

// What was written as `type` and is read as `node`'s type becomes a `type` again.
NodeId read_back(Mutation& m, NodeId node, ValType type) {
  const ValType seen = m.code()[node].pushed[0];
  return m.matches(seen, type) ? node : m.cast(node, type);
}

// Whether a value of the type can be told from others by a cast.
bool castable(Mutation& m, ValType type) { return type.is_ref() && m.top(type.heap()) != HeapKind::kExn; }

}  // namespace

bool mutate_across_call(Mutation& m) {
  const auto place = m.choose_value();
  if (!place || m.too_many_locals()) return false;
  const ValType type = m.code()[place->node].pushed[0];
  // A non-null value waits in a non-null local, or in a nullable one and is checked.
  const bool check = type.is_ref() && !type.nullable() && m.choices.chance(1, 2);
  const uint32_t local = m.add_local(check ? type.as_nullable() : type);
  const NodeId kept = m.set_local(local, place->node);
  edit::Seq before = {kept};
  for (uint32_t i = 1 + m.choices.below(2); i > 0; --i) before.push_back(m.disturbance());
  const NodeId read = m.make({.op = Opcode::LocalGet, .a = local}, {}, {}, {m.local_type(local)});
  m.code()[read].children = before;
  m.replace(*place, check ? m.make({.op = Opcode::RefAsNonNull}, {read}, {type.as_nullable()}, {type}) : read);
  return true;
}

bool mutate_through_object(Mutation& m) {
  struct Slot {
    uint32_t type, field;
  };
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType type = m.code()[place->node].pushed[0];
  std::vector<Slot> slots;
  for (uint32_t t = 0; t < m.module.types.size(); ++t) {
    const SubType& def = m.type(t);
    if (!m.module.types[t].alive || def.kind == CompositeKind::kFunc || def.fields.size() > 30) continue;
    for (uint32_t f = 0; f < def.fields.size(); ++f) {
      const ValType content = def.fields[f].storage.unpacked;
      if (m.matches(type, content) && (m.matches(content, type) || castable(m, type))) slots.push_back({t, f});
    }
  }
  if (slots.empty()) return false;
  const Slot slot = m.choices.pick(slots);
  const SubType def = m.type(slot.type);
  const ValType object = ValType::ref(HeapType::concrete(slot.type), false);
  const wasm::StorageType storage = def.fields[slot.field].storage;
  const bool sign = m.choices.chance(1, 2);
  NodeId read;
  if (def.kind == CompositeKind::kStruct) {
    edit::Seq operands;
    std::vector<ValType> popped;
    for (uint32_t f = 0; f < def.fields.size(); ++f) {
      operands.push_back(f == slot.field ? place->node : m.value(def.fields[f].storage.unpacked, 1));
      popped.push_back(def.fields[f].storage.unpacked);
    }
    const NodeId made = m.make({.op = Opcode::StructNew, .a = slot.type}, operands, popped, {object});
    const Opcode op = storage.packed == Packed::kNone ? Opcode::StructGet
                      : sign                          ? Opcode::StructGetS
                                                      : Opcode::StructGetU;
    read = m.make({.op = op, .a = slot.type, .b = slot.field}, {made}, {object}, {storage.unpacked});
  } else {
    const auto length = static_cast<int32_t>(1 + m.choices.below(6));
    const NodeId made = m.make({.op = Opcode::ArrayNew, .a = slot.type}, {place->node, m.i32(length)},
                               {storage.unpacked, wasm::kI32}, {object});
    const Opcode op = storage.packed == Packed::kNone ? Opcode::ArrayGet : sign ? Opcode::ArrayGetS : Opcode::ArrayGetU;
    const NodeId at = m.i32(static_cast<int32_t>(m.choices.below(static_cast<uint32_t>(length))));
    read = m.make({.op = op, .a = slot.type}, {made, at}, {object, wasm::kI32}, {storage.unpacked});
  }
  m.replace(*place, read_back(m, read, type));
  return true;
}

bool mutate_through_global(Mutation& m) {
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType type = m.code()[place->node].pushed[0];
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < m.module.globals.size(); ++i) {
    const wasm::GlobalType& global = m.module.globals[i].type;
    if (!m.module.globals[i].alive || !global.is_mutable || !m.matches(type, global.value)) continue;
    if (m.matches(global.value, type) || castable(m, type)) found.push_back(i);
  }
  if (found.empty()) return false;
  const uint32_t global = m.choices.pick(found);
  const ValType content = m.module.globals[global].type.value;
  edit::Seq before = {m.make({.op = Opcode::GlobalSet, .a = global}, {place->node}, {content}, {})};
  if (m.choices.chance(1, 2)) before.push_back(m.disturbance());
  const NodeId read = m.make({.op = Opcode::GlobalGet, .a = global}, {}, {}, {content});
  m.code()[read].children = before;
  m.replace(*place, read_back(m, read, type));
  return true;
}

bool mutate_through_table(Mutation& m) {
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType type = m.code()[place->node].pushed[0];
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < m.module.tables.size(); ++i) {
    const wasm::TableType& table = m.module.tables[i].type;
    if (!m.module.tables[i].alive || table.limits.is_64 || table.limits.min == 0) continue;
    if (m.matches(type, table.element) && (m.matches(table.element, type) || castable(m, type))) found.push_back(i);
  }
  if (found.empty()) return false;
  const uint32_t table = m.choices.pick(found);
  const wasm::TableType& of = m.module.tables[table].type;
  const auto at = static_cast<int32_t>(m.choices.below(static_cast<uint32_t>(of.limits.min < 16 ? of.limits.min : 16)));
  edit::Seq before = {
      m.make({.op = Opcode::TableSet, .a = table}, {m.i32(at), place->node}, {wasm::kI32, of.element}, {})};
  if (m.choices.chance(1, 2)) before.push_back(m.disturbance());
  const NodeId read = m.make({.op = Opcode::TableGet, .a = table}, {m.i32(at)}, {wasm::kI32}, {of.element});
  auto& children = m.code()[read].children;
  children.insert(children.begin(), before.begin(), before.end());
  m.replace(*place, read_back(m, read, type));
  return true;
}

}  // namespace parallax::fuzz
