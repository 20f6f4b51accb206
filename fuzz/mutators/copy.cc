// Copies of subtrees, within a function, between functions and between modules.
#include <unordered_map>

#include "fuzz/mutators/mutation.h"

namespace parallax::fuzz {

namespace edit = wasm::edit;
using wasm::ValType;

namespace {

struct Copier {
  const edit::Code& from;
  edit::Code& to;
  const std::function<bool(edit::Node&)>& rename;
  bool& failed;
  std::unordered_map<uint32_t, edit::NodeId> names;  // of structured instructions around; never iterated

  edit::NodeId one(edit::NodeId id) {
    // The node gets its name first: branches inside it name it.
    edit::Node node = from[id];
    const edit::NodeId name = to.add({});
    names[id.raw] = name;
    for (edit::NodeId& child : node.children) child = one(child);
    for (edit::NodeId& target : node.targets) {
      if (const auto it = names.find(target.raw); it != names.end()) target = it->second;
    }
    for (edit::Clause& clause : node.bodies) {
      for (edit::NodeId& inner : clause.seq) inner = one(inner);
    }
    if (rename && !rename(node)) failed = true;
    to[name] = std::move(node);
    return name;
  }
};

}  // namespace

edit::NodeId Mutation::copy(const Code& from, NodeId root, Code& to, const std::function<bool(Node&)>& rename) {
  copy_failed = false;
  if (&from == &to) {
    const Code before = from;  // it grows while being read
    return Copier{before, to, rename, copy_failed, {}}.one(root);
  }
  return Copier{from, to, rename, copy_failed, {}}.one(root);
}

bool Mutation::rename_locals(Node& node, std::span<const ValType> types, std::vector<uint32_t>& names) {
  bool possible = true;
  edit::visit_refs(node, [&](edit::Space space, uint32_t& index) {
    if (space != edit::Space::kLocal) return;
    if (names.size() <= index) names.resize(index + 1, ~0u);
    if (names[index] == ~0u) {
      if (!types[index].is_defaultable() || too_many_locals()) {
        possible = false;
        return;
      }
      names[index] = add_local(types[index]);
    }
    index = names[index];
  });
  return possible;
}

}  // namespace parallax::fuzz
