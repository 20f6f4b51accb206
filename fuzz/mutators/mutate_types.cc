// Mutators of types: of locals, accesses, allocations and tests, and of the type section itself.
#include <algorithm>

#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

using wasm::CompositeKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::SubType;
using wasm::ValType;
namespace edit = wasm::edit;
using edit::NodeId;

bool mutate_generalise_local(Mutation& m) {
  const auto params = static_cast<uint32_t>(m.module.type_of(m.function()).params.size());
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < m.function().locals.size(); ++i) {
    const ValType type = m.function().locals[i];
    if (type.is_ref() && m.top(type.heap()) != HeapKind::kExn && !m.same(m.above(type), type)) found.push_back(i);
  }
  if (found.empty()) return false;
  const uint32_t index = m.choices.pick(found);
  const ValType old = m.function().locals[index];
  const ValType wider = m.above(old);
  m.function().locals[index] = wider;
  const uint32_t local = params + index;
  for (const Place& place : m.places()) {
    edit::Node& node = m.code()[place.node];
    const bool tee = node.op() == Opcode::LocalTee;
    if ((node.op() != Opcode::LocalGet && !tee) || node.instr.a != local) continue;
    node.pushed = {wider};
    if (tee) node.popped = {wider};
    const bool reachable = node.reachable;
    const NodeId cast = m.make({.op = old.nullable() ? Opcode::RefCastNull : Opcode::RefCast, .type = old},
                               {place.node}, {wider}, {old});
    m.code()[cast].reachable = reachable;
    m.replace(place, cast);
  }
  return true;
}

bool mutate_generalise_access(Mutation& m) {
  struct Choice {
    Place place;
    uint32_t super;
  };
  std::vector<Choice> found;
  for (const Place& place : m.places()) {
    const edit::Node& node = m.code()[place.node];
    const wasm::ImmKind kind = wasm::info(node.op()).immediates;
    const bool array = node.op() == Opcode::ArrayGet || node.op() == Opcode::ArrayGetS ||
                       node.op() == Opcode::ArrayGetU || node.op() == Opcode::ArraySet;
    if (kind != wasm::ImmKind::TypeField && !array) continue;
    const uint32_t field = array ? 0 : node.instr.b;
    uint32_t type = node.instr.a;
    while (m.type(type).has_super) {
      const wasm::FieldType& mine = m.type(node.instr.a).fields[field];
      type = m.type(type).super;
      if (field >= m.type(type).fields.size()) break;
      const wasm::FieldType& theirs = m.type(type).fields[field];
      if (theirs.is_mutable == mine.is_mutable && theirs.storage.packed == mine.storage.packed &&
          m.same(theirs.storage.unpacked, mine.storage.unpacked)) {
        found.push_back({place, type});
      }
    }
  }
  if (found.empty()) return false;
  const Choice choice = m.choices.pick(found);
  m.code()[choice.place.node].instr.a = choice.super;
  return true;
}

namespace {

// Types properly below `super`.
std::vector<uint32_t> types_below(Mutation& m, uint32_t super) {
  std::vector<uint32_t> below;
  for (uint32_t i = 0; i < m.module.types.size(); ++i) {
    if (m.module.types[i].alive && m.module.types[i].canonical != m.module.types[super].canonical &&
        m.is_below(i, super)) {
      below.push_back(i);
    }
  }
  return below;
}

}  // namespace

bool mutate_specialise_access(Mutation& m) {
  const auto place = m.choose_place([&](const edit::Node& node, const Place&) {
    return wasm::info(node.op()).immediates == wasm::ImmKind::TypeField && node.op() != Opcode::StructSet &&
           node.reachable && !node.digs && node.children.size() == 1 && m.is_value(m.code()[node.children[0]]) &&
           !types_below(m, node.instr.a).empty();
  });
  if (!place) return false;
  const edit::Node node = m.code()[place->node];
  const uint32_t sub = m.choices.pick(types_below(m, node.instr.a));
  const NodeId cast = m.cast(node.children[0], ValType::ref(HeapType::concrete(sub), m.choices.chance(3, 4)));
  edit::Node& access = m.code()[place->node];
  access.children[0] = cast;
  access.popped[0] = ValType::ref(HeapType::concrete(sub), true);
  access.instr.a = sub;
  access.pushed[0] = m.type(sub).fields[node.instr.b].storage.unpacked;
  return true;
}

bool mutate_specialise_new(Mutation& m) {
  struct Choice {
    NodeId node;
    uint32_t sub;
  };
  std::vector<Choice> found;
  for (const Place& place : m.places()) {
    const edit::Node& node = m.code()[place.node];
    const bool fresh = node.op() == Opcode::StructNewDefault;
    if ((!fresh && node.op() != Opcode::StructNew) || !node.reachable || node.digs) continue;
    for (const uint32_t sub : types_below(m, node.instr.a)) {
      const auto& mine = m.type(node.instr.a).fields;
      const auto& theirs = m.type(sub).fields;
      if (theirs.size() > 40) continue;
      if (fresh ? !m.defaultable(m.type(sub))
                : !std::equal(mine.begin(), mine.end(), theirs.begin(),
                              [&](const wasm::FieldType& a, const wasm::FieldType& b) {
                                return a.storage.packed == b.storage.packed &&
                                       m.same(a.storage.unpacked, b.storage.unpacked);
                              })) {
        continue;
      }
      found.push_back({place.node, sub});
    }
  }
  if (found.empty()) return false;
  const Choice choice = m.choices.pick(found);
  if (m.code()[choice.node].op() == Opcode::StructNew) {
    const SubType def = m.type(choice.sub);
    for (size_t f = m.type(m.code()[choice.node].instr.a).fields.size(); f < def.fields.size(); ++f) {
      const ValType content = def.fields[f].storage.unpacked;
      const NodeId added = m.value(content, 1);
      m.code()[choice.node].children.push_back(added);
      m.code()[choice.node].popped.push_back(content);
    }
  }
  edit::Node& node = m.code()[choice.node];
  node.instr.a = choice.sub;
  node.pushed[0] = ValType::ref(HeapType::concrete(choice.sub), false);
  return true;
}

bool mutate_change_test(Mutation& m) {
  const auto place = m.choose_place([](const edit::Node& node, const Place&) {
    return wasm::info(node.op()).immediates == wasm::ImmKind::HeapType && node.op() != Opcode::RefNull &&
           node.reachable && !node.instr.type.is_bottom();
  });
  if (!place) return false;
  const ValType old = m.code()[place->node].instr.type;
  const ValType type = m.related(old);
  edit::Node& node = m.code()[place->node];
  if (node.op() == Opcode::RefTest || node.op() == Opcode::RefTestNull) {
    node.instr.op = type.nullable() ? Opcode::RefTestNull : Opcode::RefTest;
    node.instr.type = type;
    return type != old;
  }
  // A cast's result has users: it may only become narrower.
  if (!m.matches(type, old) || type == old) return false;
  node.instr.op = type.nullable() ? Opcode::RefCastNull : Opcode::RefCast;
  node.instr.type = type;
  node.pushed = {type};
  return true;
}

bool mutate_twin_group(Mutation& m) {
  std::vector<uint32_t> small;
  for (uint32_t g = 0; g < m.module.groups.size(); ++g) {
    const auto& members = m.module.groups[g].members;
    const bool alive = std::all_of(members.begin(), members.end(), [&](uint32_t t) { return m.module.types[t].alive; });
    if (alive && !members.empty() && members.size() <= 12) small.push_back(g);
  }
  if (small.empty() || m.module.types.size() > 400) return false;
  const edit::Group group = m.module.groups[m.choices.pick(small)];
  const auto first = static_cast<uint32_t>(m.module.types.size());
  const auto twin = [&](uint32_t type) {
    const auto it = std::find(group.members.begin(), group.members.end(), type);
    return it == group.members.end() ? type : first + static_cast<uint32_t>(it - group.members.begin());
  };
  edit::Group again{.explicit_rec = group.explicit_rec};
  for (const uint32_t member : group.members) {
    SubType def = m.type(member);
    edit::visit_type(def, [&](edit::Space, uint32_t& number) { number = twin(number); });
    again.members.push_back(static_cast<uint32_t>(m.module.types.size()));
    m.module.types.push_back({std::move(def), true, m.module.types[member].canonical});
  }
  m.module.groups.push_back(std::move(again));
  // Uses in code may name either.
  const auto rename = [&](edit::Space space, uint32_t& number) {
    if (space == edit::Space::kType && m.choices.chance(1, 2)) number = twin(number);
  };
  for (edit::Func& func : m.module.funcs) {
    if (!func.alive || func.import || m.choices.chance(1, 3)) continue;
    for (ValType& local : func.locals) edit::visit_type(local, rename);
    for (edit::Node& node : func.code.mut().nodes) edit::visit_refs(node, rename);
  }
  return true;
}

bool mutate_shift_types(Mutation& m) {
  SubType def{.kind = CompositeKind::kStruct};
  for (uint32_t i = m.choices.below(5); i > 0; --i) {
    static constexpr ValType kContents[] = {wasm::kI32, wasm::kI64, wasm::kF32, wasm::kAnyRef, wasm::kFuncRef};
    def.fields.push_back({{m.choices.pick(kContents), wasm::Packed::kNone}, m.choices.chance(1, 2)});
  }
  (void)m.module.add_type(std::move(def));
  auto& groups = m.module.groups;
  std::rotate(groups.begin(), groups.end() - 1, groups.end());
  return true;
}

bool mutate_reorder_groups(Mutation& m) {
  auto& groups = m.module.groups;
  if (groups.size() < 2) return false;
  const uint32_t from = m.choices.below(static_cast<uint32_t>(groups.size()));
  // Types that a group names stand before it.
  const auto names = [&](const edit::Group& user, const edit::Group& used) {
    bool does = false;
    for (const uint32_t member : user.members) {
      SubType def = m.type(member);
      edit::visit_type(def, [&](edit::Space, uint32_t& number) {
        does = does || std::find(used.members.begin(), used.members.end(), number) != used.members.end();
      });
    }
    return does;
  };
  uint32_t low = from, high = from;
  while (low > 0 && !names(groups[from], groups[low - 1])) --low;
  while (high + 1 < groups.size() && !names(groups[high + 1], groups[from])) ++high;
  if (low == high) return false;
  uint32_t to = low + m.choices.below(high - low);
  if (to >= from) ++to;
  const edit::Group moved = groups[from];
  groups.erase(groups.begin() + from);
  groups.insert(groups.begin() + to, moved);
  return true;
}

}  // namespace parallax::fuzz
