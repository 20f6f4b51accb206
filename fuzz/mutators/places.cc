// Places in code, and what moving a subtree has to mind.
#include <algorithm>

#include "fuzz/mutators/mutation.h"

namespace parallax::fuzz {

using wasm::Opcode;
using wasm::ValType;
namespace edit = wasm::edit;

bool Mutation::choose_function() {
  std::vector<uint32_t> defined;
  for (uint32_t i = 0; i < module.funcs.size(); ++i) {
    if (module.funcs[i].alive && !module.funcs[i].import && !module.funcs[i].code->body.empty()) defined.push_back(i);
  }
  if (defined.empty()) return false;
  func = choices.pick(defined);
  return true;
}

namespace {

void collect(const edit::Code& code, const edit::Seq& seq, edit::NodeId parent, int clause, std::vector<Place>& out) {
  for (uint32_t i = 0; i < seq.size(); ++i) {
    collect(code, code[seq[i]].children, seq[i], Place::kChildren, out);
    out.push_back({seq[i], parent, clause, i});
    const auto& bodies = code[seq[i]].bodies;
    for (size_t c = 0; c < bodies.size(); ++c) collect(code, bodies[c].seq, seq[i], static_cast<int>(c), out);
  }
}

bool leaves_function(Opcode op) {
  return op == Opcode::Return || op == Opcode::ReturnCall || op == Opcode::ReturnCallIndirect ||
         op == Opcode::ReturnCallRef;
}

bool ends_sequence(Opcode op) {
  return leaves_function(op) || op == Opcode::Unreachable || op == Opcode::Br || op == Opcode::BrTable ||
         op == Opcode::Throw || op == Opcode::ThrowRef || op == Opcode::Rethrow;
}

}  // namespace

std::vector<Place> Mutation::places() const {
  std::vector<Place> out;
  collect(code(), code().body, edit::kFuncLabel, 0, out);
  return out;
}

edit::Seq& Mutation::seq(const Place& place) {
  if (place.parent == edit::kFuncLabel) return code().body;
  Node& parent = code()[place.parent];
  return place.clause == Place::kChildren ? parent.children : parent.bodies[static_cast<size_t>(place.clause)].seq;
}

bool Mutation::is_value(const Node& node) const {
  return node.reachable && !node.digs && node.is_value() && !node.pushed[0].is_bottom() &&
         !(node.pushed[0] == wasm::kBottomRef);
}

bool Mutation::is_statement(const Node& node) const {
  return node.reachable && !node.digs && node.net == 0 && !ends_sequence(node.op());
}

bool Mutation::is_defaultable_local(uint32_t local) const {
  const size_t params = module.type_of(module.funcs[func]).params.size();
  return local < params || module.funcs[func].locals[local - params].is_defaultable();
}

ValType Mutation::local_type(uint32_t local) const {
  const auto& params = module.type_of(module.funcs[func]).params;
  return local < params.size() ? params[local] : module.funcs[func].locals[local - params.size()];
}

namespace {

// What stands in blocks inside takes its values from their parameters, which are operands here.
bool subtree_digs(const edit::Code& code, edit::NodeId root) {
  if (code[root].digs) return true;
  return std::any_of(code[root].children.begin(), code[root].children.end(),
                     [&](edit::NodeId child) { return subtree_digs(code, child); });
}

}  // namespace

SubtreeFacts Mutation::facts(NodeId root) const {
  SubtreeFacts found;
  found.digs = subtree_digs(code(), root);
  std::vector<NodeId> inside;
  const Seq only = {root};
  edit::for_each_node(code(), only, edit::kFuncLabel, [&](NodeId id, NodeId) { inside.push_back(id); });
  std::sort(inside.begin(), inside.end(), [](NodeId a, NodeId b) { return a.raw < b.raw; });
  for (const NodeId id : inside) {
    const Node& node = code()[id];
    ++found.nodes;
    for (const NodeId target : node.targets) {
      if (target == edit::kFuncLabel) {
        found.leaves_outwards = found.returns = true;
      } else if (!std::binary_search(inside.begin(), inside.end(), target,
                                     [](NodeId a, NodeId b) { return a.raw < b.raw; })) {
        found.leaves_outwards = true;
      }
    }
    if (leaves_function(node.op())) found.returns = true;
    if (node.op() == Opcode::Rethrow) found.leaves_outwards = true;
    if (node.op() == Opcode::LocalGet && !is_defaultable_local(node.instr.a)) found.gets_undefaultable = true;
    if ((node.op() == Opcode::LocalSet || node.op() == Opcode::LocalTee) && !is_defaultable_local(node.instr.a)) {
      found.sets_undefaultable = true;
    }
  }
  return found;
}

std::optional<Place> Mutation::choose_value(bool movable) {
  return choose_place([&](const Node& node, const Place& place) {
    if (!is_value(node)) return false;
    const SubtreeFacts f = facts(place.node);
    if (movable && (f.leaves_outwards || f.returns || f.gets_undefaultable)) return false;
    return !f.sets_undefaultable && !f.digs && f.nodes < 2'000;
  });
}

std::optional<Place> Mutation::choose_statement(bool movable) {
  return choose_place([&](const Node& node, const Place& place) {
    if (!is_statement(node)) return false;
    const SubtreeFacts f = facts(place.node);
    if (movable && (f.leaves_outwards || f.gets_undefaultable)) return false;
    return !f.sets_undefaultable && !f.digs && f.nodes < 2'000;
  });
}

std::optional<Place> Mutation::choose_gap() {
  return choose_place([&](const Node& node, const Place&) { return node.reachable; });
}

uint32_t Mutation::add_local(ValType type) {
  function().locals.push_back(type);
  return static_cast<uint32_t>(module.type_of(function()).params.size() + function().locals.size() - 1);
}

}  // namespace parallax::fuzz
