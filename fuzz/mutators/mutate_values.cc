// Mutators of values, statements and their places.
#include <array>
#include <map>
#include <string>

#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

using wasm::ImmKind;
using wasm::Opcode;
using wasm::ValKind;
using wasm::ValType;
namespace edit = wasm::edit;
using edit::NodeId;

bool mutate_replace_value(Mutation& m) {
  const auto place = m.choose_value();
  if (!place) return false;
  m.replace(*place, m.value(m.code()[place->node].pushed[0], 3));
  return true;
}

bool mutate_splice_value(Mutation& m) {
  const uint32_t home = m.func;
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType wanted = m.code()[place->node].pushed[0];
  // From this function mostly: its locals are at hand.
  if (m.choices.chance(1, 3)) (void)m.choose_function();
  const uint32_t source = m.func;
  const auto from = m.choose_place([&](const edit::Node& node, const Place& other) {
    if (!m.is_value(node) || !m.matches(node.pushed[0], wanted)) return false;
    if (source == home && other.node == place->node) return false;
    const SubtreeFacts f = m.facts(other.node);
    return !f.leaves_outwards && !f.returns && !f.gets_undefaultable && !f.digs && f.nodes < 200;
  });
  if (!from) {
    m.func = home;
    return false;
  }
  const edit::Code donor = m.code();
  const std::vector<ValType> types = m.module.locals_of(m.function());
  m.func = home;
  if (source == home) {
    m.replace(*place, m.copy(donor, from->node, m.code()));
    return true;
  }
  const size_t locals = m.function().locals.size();
  std::vector<uint32_t> names;
  const NodeId copied =
      m.copy(donor, from->node, m.code(), [&](edit::Node& node) { return m.rename_locals(node, types, names); });
  if (m.copy_failed) {
    m.function().locals.resize(locals);
    return false;
  }
  m.replace(*place, copied);
  return true;
}

bool mutate_swap_values(Mutation& m) {
  const auto movable = [&](const Place& place) {
    const SubtreeFacts f = m.facts(place.node);
    return !f.leaves_outwards && !f.returns && !f.gets_undefaultable && !f.sets_undefaultable && !f.digs &&
           f.nodes < 500;
  };
  const auto first =
      m.choose_place([&](const edit::Node& node, const Place& place) { return m.is_value(node) && movable(place); });
  if (!first) return false;
  const ValType type = m.code()[first->node].pushed[0];
  std::vector<bool> related(m.code().nodes.size());  // inside the first, or around it
  edit::for_each_node(m.code(), {first->node}, edit::kFuncLabel,
                      [&](NodeId id, NodeId) { related[id.index()] = true; });
  const auto second = m.choose_place([&](const edit::Node& node, const Place& place) {
    if (!m.is_value(node) || related[place.node.index()] || !m.same(node.pushed[0], type) || !movable(place)) {
      return false;
    }
    bool around = false;
    edit::for_each_node(m.code(), {place.node}, edit::kFuncLabel,
                        [&](NodeId id, NodeId) { around = around || id == first->node; });
    return !around;
  });
  if (!second) return false;
  m.replace(*first, second->node);
  m.replace(*second, first->node);
  return true;
}

bool mutate_change_constant(Mutation& m) {
  const auto place = m.choose_place([](const edit::Node& node, const Place&) {
    switch (node.op()) {
      case Opcode::I32Const:
      case Opcode::I64Const:
      case Opcode::F32Const:
      case Opcode::F64Const:
      case Opcode::V128Const: return true;
      default: return false;
    }
  });
  if (!place) return false;
  edit::Node& node = m.code()[place->node];
  const uint64_t before = node.instr.bits;
  switch (node.op()) {
    case Opcode::I32Const:
      node.instr.bits = m.choices.chance(1, 2)
                            ? static_cast<uint64_t>(int64_t{m.interesting32()})
                            : static_cast<uint64_t>(int64_t{static_cast<int32_t>(before + 1 - 2 * m.choices.below(2))});
      return node.instr.bits != before;
    case Opcode::I64Const:
      node.instr.bits =
          m.choices.chance(1, 2) ? static_cast<uint64_t>(m.interesting64()) : before + 1 - 2 * m.choices.below(2);
      return node.instr.bits != before;
    case Opcode::V128Const:
      node.instr.v128[m.choices.below(16)] ^= static_cast<uint8_t>(1 + m.choices.below(255));
      return true;
    default: m.replace(*place, m.number(node.pushed[0])); return true;
  }
}

namespace {

// Operations without immediates by their signature, and memory accesses by theirs.
const std::map<std::string, std::vector<Opcode>>& operators() {
  static const auto* const table = [] {
    auto* made = new std::map<std::string, std::vector<Opcode>>;
    for (size_t i = 0; i < wasm::kOpcodeCount; ++i) {
      const auto op = static_cast<Opcode>(i);
      const wasm::OpcodeInfo& row = wasm::info(op);
      if (row.signature[0] == '*' || !wasm::Features{}.has(row.feature) || op == Opcode::Nop) continue;
      if (row.immediates == ImmKind::None) (*made)[row.signature].push_back(op);
      if (row.immediates == ImmKind::MemArg) (*made)[std::string("memory ") + row.signature].push_back(op);
    }
    return made;
  }();
  return *table;
}

std::string operator_class(Opcode op) {
  const wasm::OpcodeInfo& row = wasm::info(op);
  return row.immediates == ImmKind::MemArg ? std::string("memory ") + row.signature : row.signature;
}

}  // namespace

bool mutate_swap_operator(Mutation& m) {
  const auto place = m.choose_place([&](const edit::Node& node, const Place&) {
    const ImmKind kind = wasm::info(node.op()).immediates;
    if (kind != ImmKind::None && kind != ImmKind::MemArg) return false;
    if (node.op() == Opcode::I31GetS || node.op() == Opcode::I31GetU) return true;
    const auto it = operators().find(operator_class(node.op()));
    return it != operators().end() && it->second.size() > 1;
  });
  if (!place) return false;
  edit::Node& node = m.code()[place->node];
  const Opcode before = node.op();
  if (before == Opcode::I31GetS || before == Opcode::I31GetU) {
    node.instr.op = before == Opcode::I31GetS ? Opcode::I31GetU : Opcode::I31GetS;
    return true;
  }
  node.instr.op = m.choices.pick(operators().at(operator_class(before)));
  if (wasm::info(before).immediates == ImmKind::MemArg) {
    const uint8_t most = wasm::access_log2(node.op());
    if (node.instr.mem.align_log2 > most) node.instr.mem.align_log2 = most;
  }
  return node.op() != before;
}

bool mutate_insert_statement(Mutation& m) {
  const auto gap = m.choose_gap();
  if (!gap) return false;
  m.insert_before(*gap, m.statement());
  return true;
}

bool mutate_duplicate_statement(Mutation& m) {
  const auto statement = m.choose_statement(true);
  const auto gap = m.choose_gap();
  if (!statement || !gap || m.facts(statement->node).nodes > 200) return false;
  const edit::Code before = m.code();
  m.insert_before(*gap, m.copy(before, statement->node, m.code()));
  return true;
}

bool mutate_delete_statement(Mutation& m) {
  const auto statement = m.choose_statement();
  if (!statement) return false;
  auto& list = m.seq(*statement);
  list.erase(list.begin() + statement->position);
  return true;
}

bool mutate_repeat_statement(Mutation& m) {
  const auto statement = m.choose_statement();
  if (!statement || m.too_many_locals()) return false;
  const uint32_t counter = m.add_local(wasm::kI32);
  const NodeId loop = m.block(Opcode::Loop, {}, {});
  const NodeId next =
      m.make({.op = Opcode::I32Add}, {m.get_local(counter), m.i32(1)}, {wasm::kI32, wasm::kI32}, {wasm::kI32});
  const NodeId stored = m.make({.op = Opcode::LocalTee, .a = counter}, {next}, {wasm::kI32}, {wasm::kI32});
  const NodeId again = m.make({.op = Opcode::I32LtU}, {stored, m.i32(static_cast<int32_t>(2 + m.choices.below(6)))},
                              {wasm::kI32, wasm::kI32}, {wasm::kI32});
  const NodeId back = m.branch(Opcode::BrIf, loop, {again}, {wasm::kI32});
  m.code()[loop].bodies[0].seq = {statement->node, back};
  m.replace(*statement, loop);
  return true;
}

}  // namespace parallax::fuzz
