// Mutators of control: blocks, loops and exception handlers around values, and the ways to call.
#include <algorithm>

#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

using wasm::CatchKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::SubType;
using wasm::ValType;
namespace edit = wasm::edit;
using edit::NodeId;

bool mutate_wrap_block(Mutation& m) {
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType type = m.code()[place->node].pushed[0];
  const NodeId block = m.block(Opcode::Block, type, {place->node});
  // Half of them are left by a branch.
  if (m.choices.chance(1, 2)) {
    const NodeId leave = m.branch(Opcode::Br, block, {place->node}, {type});
    m.code()[block].bodies[0].seq = {leave};
  }
  m.replace(*place, block);
  return true;
}

bool mutate_wrap_if(Mutation& m) {
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType type = m.code()[place->node].pushed[0];
  const NodeId other = m.value(type, 2);
  const NodeId condition = m.value(wasm::kI32, 2);
  const NodeId branch = m.make({.op = Opcode::If, .block = {.kind = wasm::BlockTypeKind::kValue, .value = type}},
                               {condition}, {wasm::kI32}, {type});
  const bool first = m.choices.chance(1, 2);
  m.code()[branch].bodies.push_back({Opcode::Nop, 0, {first ? place->node : other}});
  m.code()[branch].bodies.push_back({Opcode::Else, 0, {first ? other : place->node}});
  m.replace(*place, branch);
  return true;
}

bool mutate_wrap_loop(Mutation& m) {
  const auto place = m.choose_value();
  if (!place || m.too_many_locals()) return false;
  const ValType type = m.code()[place->node].pushed[0];
  const uint32_t counter = m.add_local(wasm::kI32);
  const NodeId loop = m.block(Opcode::Loop, type, {});
  const NodeId next =
      m.make({.op = Opcode::I32Add}, {m.get_local(counter), m.i32(1)}, {wasm::kI32, wasm::kI32}, {wasm::kI32});
  const NodeId stored = m.make({.op = Opcode::LocalTee, .a = counter}, {next}, {wasm::kI32}, {wasm::kI32});
  const NodeId again = m.make({.op = Opcode::I32LtU}, {stored, m.i32(static_cast<int32_t>(2 + m.choices.below(6)))},
                              {wasm::kI32, wasm::kI32}, {wasm::kI32});
  // The value is made again in every round; what it was before is dropped, or kept in a local that a loop carries.
  const NodeId back = m.branch(Opcode::BrIf, loop, {again}, {wasm::kI32});
  if (type.is_defaultable() && m.choices.chance(1, 2)) {
    const uint32_t carried = m.add_local(type);
    m.code()[loop].bodies[0].seq = {m.set_local(carried, place->node), back, m.get_local(carried)};
  } else {
    const NodeId dropped = m.drop(place->node);
    m.code()[loop].bodies[0].seq = {dropped, back, m.value(type, 2)};
  }
  m.replace(*place, loop);
  return true;
}

bool mutate_wrap_try(Mutation& m) {
  const auto place = m.choose_value();
  if (!place) return false;
  const ValType type = m.code()[place->node].pushed[0];
  // A handler for a tag with at most one value, or for everything.
  std::vector<uint32_t> tags;
  for (uint32_t i = 0; i < m.module.tags.size(); ++i) {
    if (m.module.tags[i].alive && m.module.type_of(m.module.tags[i]).params.size() <= 1) tags.push_back(i);
  }
  wasm::Catch clause{.kind = CatchKind::kCatchAll};
  std::optional<ValType> caught;
  if (!tags.empty() && m.choices.chance(1, 2)) {
    const uint32_t tag = m.choices.pick(tags);
    clause.tag = wasm::TagIndex(tag);
    clause.kind = CatchKind::kCatch;
    const auto& params = m.module.type_of(m.module.tags[tag]).params;
    if (!params.empty()) caught = params[0];
    if (params.empty() && m.choices.chance(1, 2)) {
      clause.kind = CatchKind::kCatchRef;
      caught = ValType::ref(HeapKind::kExn, false);
    }
  } else if (m.choices.chance(1, 2)) {
    clause.kind = CatchKind::kCatchAllRef;
    caught = ValType::ref(HeapKind::kExn, false);
  }
  const NodeId out = m.block(Opcode::Block, type, {});
  const NodeId handler = m.block(Opcode::Block, caught, {});
  const NodeId tried = m.block(Opcode::TryTable, type, {place->node});
  m.code()[tried].catches.push_back(clause);
  m.code()[tried].targets.push_back(handler);
  const NodeId leave = m.branch(Opcode::Br, out, {tried}, {type});
  m.code()[handler].bodies[0].seq = {leave};
  const NodeId instead = m.value(type, 2);
  // What was thrown is the value, when it is one.
  if (caught && m.matches(*caught, type)) {
    m.code()[out].bodies[0].seq = {handler};
  } else if (caught) {
    m.code()[out].bodies[0].seq = {m.drop(handler), instead};
  } else {
    m.code()[out].bodies[0].seq = {handler, instead};
  }
  m.replace(*place, out);
  return true;
}

bool mutate_tail_call(Mutation& m) {
  const auto& body = m.code().body;
  if (body.empty()) return false;
  const NodeId last = body.back();
  const edit::Node& node = m.code()[last];
  const Opcode tail = node.op() == Opcode::Call           ? Opcode::ReturnCall
                      : node.op() == Opcode::CallIndirect ? Opcode::ReturnCallIndirect
                      : node.op() == Opcode::CallRef      ? Opcode::ReturnCallRef
                                                          : Opcode::Nop;
  const auto& results = m.module.type_of(m.function()).results;
  if (tail != Opcode::Nop && node.reachable && !node.digs && node.net == results.size() &&
      node.pushed.size() == results.size()) {
    edit::Node& call = m.code()[last];
    call.instr.op = tail;
    call.pushed.clear();
    call.net = 0;
    return true;
  }
  // No call there: the end is reached by tail call of a function with these results, now and then.
  std::vector<uint32_t> found;
  for (uint32_t i = m.func + 1; i < m.module.funcs.size(); ++i) {
    const edit::Func& other = m.module.funcs[i];
    if (!other.alive) continue;
    const auto& theirs = m.module.type_of(other).results;
    if (theirs.size() == results.size() &&
        std::equal(theirs.begin(), theirs.end(), results.begin(),
                   [&](ValType sub, ValType super) { return m.matches(sub, super); })) {
      found.push_back(i);
    }
  }
  if (found.empty()) return false;
  const auto gap = m.choose_gap();
  if (!gap) return false;
  const uint32_t callee = m.choices.pick(found);
  edit::Seq args;
  const auto params = m.module.type_of(m.module.funcs[callee]).params;
  for (const ValType param : params) args.push_back(m.value(param, 1));
  const NodeId call = m.make({.op = Opcode::ReturnCall, .a = callee}, args, params, {});
  const NodeId condition = m.value(wasm::kI32, 2);
  const NodeId maybe = m.make({.op = Opcode::If}, {condition}, {wasm::kI32}, {});
  m.code()[maybe].bodies.push_back({Opcode::Nop, 0, {call}});
  m.insert_before(*gap, maybe);
  return true;
}

bool mutate_call_by_ref(Mutation& m) {
  const auto place = m.choose_place([](const edit::Node& node, const Place&) {
    return (node.op() == Opcode::Call || node.op() == Opcode::ReturnCall) && node.reachable && !node.digs;
  });
  if (!place) return false;
  const uint32_t callee = m.code()[place->node].instr.a;
  const uint32_t type = m.module.funcs[callee].type;
  const ValType ref = ValType::ref(HeapType::concrete(type), false);
  const NodeId target = m.make({.op = Opcode::RefFunc, .a = callee}, {}, {}, {ref});
  edit::Node& node = m.code()[place->node];
  node.instr.op = node.op() == Opcode::Call ? Opcode::CallRef : Opcode::ReturnCallRef;
  node.instr.a = type;
  node.children.push_back(target);
  node.popped.push_back(ref);
  return true;
}

bool mutate_outline(Mutation& m) {
  const auto place = m.choose_value(true);
  if (!place || m.module.funcs.size() > 60) return false;
  const ValType type = m.code()[place->node].pushed[0];
  const edit::Code before = m.code();
  // The locals that it names become parameters, in the order of their first use.
  std::vector<uint32_t> used;
  edit::Func made;
  const NodeId body = m.copy(before, place->node, made.code.mut(), [&](edit::Node& node) {
    bool possible = true;
    edit::visit_refs(node, [&](edit::Space space, uint32_t& index) {
      if (space != edit::Space::kLocal) return;
      auto it = std::find(used.begin(), used.end(), index);
      if (it == used.end()) {
        possible = possible && m.is_defaultable_local(index) && used.size() < 12;
        used.push_back(index);
        it = used.end() - 1;
      }
      index = static_cast<uint32_t>(it - used.begin());
    });
    return possible;
  });
  if (m.copy_failed) return false;
  made.code.mut().body = {body};
  std::vector<ValType> params;
  for (const uint32_t local : used) params.push_back(m.local_type(local));
  made.type = m.module.add_func_type(params, {type});
  const auto number = static_cast<uint32_t>(m.module.funcs.size());
  edit::Seq args;
  for (const uint32_t local : used) args.push_back(m.get_local(local));
  const NodeId call = m.make({.op = Opcode::Call, .a = number}, args, params, {type});
  m.replace(*place, call);
  m.module.funcs.push_back(std::move(made));
  return true;
}

bool mutate_swap_bodies(Mutation& m) {
  std::vector<uint32_t> found;
  const uint32_t canonical = m.module.types[m.function().type].canonical;
  for (uint32_t i = 0; i < m.module.funcs.size(); ++i) {
    const edit::Func& other = m.module.funcs[i];
    if (other.alive && !other.import && i != m.func && m.module.types[other.type].canonical == canonical) {
      found.push_back(i);
    }
  }
  if (found.empty()) return false;
  edit::Func& other = m.module.funcs[m.choices.pick(found)];
  std::swap(m.function().code, other.code);
  std::swap(m.function().locals, other.locals);
  return true;
}

}  // namespace parallax::fuzz
