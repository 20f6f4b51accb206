// Crossover: code of one module in another. Types come along by identity: both modules are loaded into one type store,
// so a type that the other module has too is that one, and any other is added with its whole rec group. Functions,
// globals, tables, memories and tags become some of the same type; code for which there is none is not taken.
#include <algorithm>
#include <unordered_map>

#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

using wasm::Opcode;
using wasm::SubType;
using wasm::ValType;
namespace edit = wasm::edit;
using edit::NodeId;
using edit::Space;

namespace {

class Immigration {
 public:
  explicit Immigration(Mutation& m) : m_(m), from_(*m.donor.module) {
    for (uint32_t i = 0; i < m.valid.type_ids.size(); ++i) by_id_.try_emplace(m.valid.type_ids[i].raw, i);
  }

  uint32_t type(uint32_t donor_type) {
    if (const auto it = types_.find(donor_type); it != types_.end()) return it->second;
    const uint32_t id = m_.donor.valid->type_ids[donor_type].raw;
    if (const auto it = by_id_.find(id); it != by_id_.end()) return types_[donor_type] = it->second;
    import_group(donor_type);
    return types_[donor_type];
  }

  ValType type(ValType donor_type) {
    edit::visit_type(donor_type, [&](Space, uint32_t& number) { number = type(number); });
    return donor_type;
  }

  // Renames everything but locals. False when something has no counterpart.
  bool rename(edit::Node& node) {
    bool possible = m_.module.types.size() < 2'000;
    edit::visit_refs(node, [&](Space space, uint32_t& index) {
      if (space == Space::kLocal || !possible) return;
      const auto there = counterpart(space, index);
      possible = there.has_value();
      if (there) index = *there;
    });
    for (ValType& t : node.popped) t = type(t);
    for (ValType& t : node.pushed) t = type(t);
    return possible;
  }

 private:
  void import_group(uint32_t donor_type) {
    const auto group = std::find_if(from_.groups.begin(), from_.groups.end(), [&](const edit::Group& g) {
      return std::find(g.members.begin(), g.members.end(), donor_type) != g.members.end();
    });
    const std::vector<uint32_t>& members = group->members;
    // What the group names comes first: a group only names itself and earlier ones.
    for (const uint32_t member : members) {
      SubType def = from_.types[member].def;
      edit::visit_type(def, [&](Space, uint32_t& number) {
        if (std::find(members.begin(), members.end(), number) == members.end()) (void)type(number);
      });
    }
    const auto first = static_cast<uint32_t>(m_.module.types.size());
    for (size_t i = 0; i < members.size(); ++i) types_[members[i]] = first + static_cast<uint32_t>(i);
    edit::Group added{.explicit_rec = group->explicit_rec};
    for (const uint32_t member : members) {
      SubType def = from_.types[member].def;
      edit::visit_type(def, [&](Space, uint32_t& number) { number = type(number); });
      const auto number = static_cast<uint32_t>(m_.module.types.size());
      added.members.push_back(number);
      m_.module.types.push_back({std::move(def), true, number});
    }
    m_.module.groups.push_back(std::move(added));
  }

  std::optional<uint32_t> pick(const std::vector<uint32_t>& found) {
    if (found.empty()) return {};
    return m_.choices.pick(found);
  }

  std::optional<uint32_t> counterpart(Space space, uint32_t index) {
    switch (space) {
      case Space::kType: return type(index);
      case Space::kFunc: return func(index);
      case Space::kTable: return table(index);
      case Space::kMemory: return memory(index);
      case Space::kGlobal: return global(index);
      case Space::kTag: return tag(index);
      case Space::kElem: return elem(index);
      case Space::kData: return data(index);
      case Space::kLocal: break;
    }
    return {};
  }

  std::optional<uint32_t> func(uint32_t index) {
    const edit::Func& donor = from_.funcs[index];
    const uint32_t wanted = type(donor.type);
    std::vector<uint32_t> found, named;
    for (uint32_t i = 0; i < m_.module.funcs.size(); ++i) {
      const edit::Func& f = m_.module.funcs[i];
      if (!f.alive || m_.module.types[f.type].canonical != m_.module.types[wanted].canonical) continue;
      found.push_back(i);
      if (f.import && donor.import && f.import->name == donor.import->name) named.push_back(i);
    }
    return named.empty() ? pick(found) : named.front();
  }
  std::optional<uint32_t> table(uint32_t index) {
    const wasm::TableType& donor = from_.tables[index].type;
    const ValType element = type(donor.element);
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < m_.module.tables.size(); ++i) {
      const edit::Table& t = m_.module.tables[i];
      if (t.alive && t.type.limits.is_64 == donor.limits.is_64 && m_.same(t.type.element, element)) found.push_back(i);
    }
    return pick(found);
  }
  std::optional<uint32_t> memory(uint32_t index) {
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < m_.module.memories.size(); ++i) {
      const edit::Memory& memory = m_.module.memories[i];
      if (memory.alive && memory.type.limits.is_64 == from_.memories[index].type.limits.is_64) found.push_back(i);
    }
    return pick(found);
  }
  std::optional<uint32_t> global(uint32_t index) {
    const wasm::GlobalType& donor = from_.globals[index].type;
    const ValType value = type(donor.value);
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < m_.module.globals.size(); ++i) {
      const edit::Global& g = m_.module.globals[i];
      if (g.alive && g.type.is_mutable == donor.is_mutable && m_.same(g.type.value, value)) found.push_back(i);
    }
    return pick(found);
  }
  std::optional<uint32_t> tag(uint32_t index) {
    const uint32_t wanted = type(from_.tags[index].type);
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < m_.module.tags.size(); ++i) {
      const edit::Tag& t = m_.module.tags[i];
      if (t.alive && m_.module.types[t.type].canonical == m_.module.types[wanted].canonical) found.push_back(i);
    }
    return pick(found);
  }
  std::optional<uint32_t> elem(uint32_t index) {
    const ValType wanted = type(from_.elems[index].type);
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < m_.module.elems.size(); ++i) {
      if (m_.module.elems[i].alive && m_.same(m_.module.elems[i].type, wanted)) found.push_back(i);
    }
    return pick(found);
  }
  std::optional<uint32_t> data(uint32_t index) {
    if (const auto it = datas_.find(index); it != datas_.end()) return it->second;
    edit::Data copy = from_.datas[index];
    copy.mode = wasm::SegmentMode::kPassive;
    copy.offset = {};
    m_.module.datas.push_back(std::move(copy));
    return datas_[index] = static_cast<uint32_t>(m_.module.datas.size() - 1);
  }

  Mutation& m_;
  const edit::Module& from_;
  std::unordered_map<uint32_t, uint32_t> by_id_, types_, datas_;  // looked up only
};

// A view of the donor's function for choosing places in it.
struct DonorView {
  edit::Module copy;
  Mutation mutation;
  DonorView(Mutation& m, const Donor& none) : copy(*m.donor.module), mutation(*m.donor.valid, copy, m.choices, none) {}
};

}  // namespace

bool mutate_splice_donor(Mutation& m) {
  const Donor none;
  DonorView view(m, none);
  if (!view.mutation.choose_function()) return false;
  const auto from = view.mutation.choose_place([&](const edit::Node& node, const Place& place) {
    if (!view.mutation.is_value(node)) return false;
    const SubtreeFacts f = view.mutation.facts(place.node);
    return f.nodes > 1 && f.nodes < 300 && !f.leaves_outwards && !f.returns && !f.gets_undefaultable &&
           !f.sets_undefaultable && !f.digs;
  });
  if (!from) return false;
  Immigration immigration(m);
  const edit::Code& source = *view.copy.funcs[view.mutation.func].code;
  const ValType type = immigration.type(source[from->node].pushed[0]);
  const auto place = m.choose_place([&](const edit::Node& node, const Place& other) {
    if (!m.is_value(node) || !m.matches(type, node.pushed[0])) return false;
    const SubtreeFacts f = m.facts(other.node);
    return !f.sets_undefaultable && !f.digs;
  });
  if (!place) return false;
  const std::vector<ValType> locals = [&] {
    std::vector<ValType> types = view.copy.locals_of(view.copy.funcs[view.mutation.func]);
    for (ValType& t : types) t = immigration.type(t);
    return types;
  }();
  std::vector<uint32_t> names;
  const NodeId copied = m.copy(source, from->node, m.code(), [&](edit::Node& node) {
    return immigration.rename(node) && m.rename_locals(node, locals, names);
  });
  if (m.copy_failed) return false;
  m.replace(*place, copied);
  return true;
}

bool mutate_import_function(Mutation& m) {
  const Donor none;
  DonorView view(m, none);
  if (!view.mutation.choose_function() || m.module.funcs.size() > 60) return false;
  const edit::Func& from = view.copy.funcs[view.mutation.func];
  if (from.code->nodes.size() > 3'000) return false;
  Immigration immigration(m);
  edit::Func made;
  made.type = immigration.type(from.type);
  for (const ValType local : from.locals) made.locals.push_back(immigration.type(local));
  edit::Code& to = made.code.mut();
  bool failed = false;
  for (const NodeId id : from.code->body) {
    to.body.push_back(m.copy(*from.code, id, to, [&](edit::Node& node) { return immigration.rename(node); }));
    failed = failed || m.copy_failed;
  }
  if (failed) return false;
  const auto number = static_cast<uint32_t>(m.module.funcs.size());
  std::string name = "imported";
  name += std::to_string(number);
  for (const edit::Export& e : m.module.exports) {
    if (e.name == name) return false;
  }
  m.module.funcs.push_back(std::move(made));
  m.module.exports.push_back({name, wasm::ExternKind::kFunc, number});
  return true;
}

}  // namespace parallax::fuzz
