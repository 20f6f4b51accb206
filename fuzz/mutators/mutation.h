// What the mutators of this folder have in common: places in code, types, making and copying of values.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/base/choices.h"
#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/refs.h"
#include "fuzz/mutators/mutate.h"

namespace parallax::fuzz {

// Where a node stands: at `position` of a sequence, which is the children of `parent`, one of its clauses, or the
// function's body (parent == kFuncLabel).
struct Place {
  static constexpr int kChildren = -1;
  wasm::edit::NodeId node;
  wasm::edit::NodeId parent;
  int clause = kChildren;
  uint32_t position = 0;
};

// What moving or removing a subtree has to mind.
struct SubtreeFacts {
  uint32_t nodes = 0;
  bool leaves_outwards = false;     // a branch to a label around it, or a return
  bool returns = false;             // names the function's own label, or leaves it
  bool sets_undefaultable = false;  // a local without default value becomes initialised
  bool gets_undefaultable = false;  // relies on such a local
  bool digs = false;                // takes values that stand below it in its sequence
};

class Mutation {
 public:
  using ValType = wasm::ValType;
  using HeapType = wasm::HeapType;
  using Opcode = wasm::Opcode;
  using NodeId = wasm::edit::NodeId;
  using Node = wasm::edit::Node;
  using Code = wasm::edit::Code;
  using Seq = wasm::edit::Seq;

  Mutation(const wasm::Module& valid, wasm::edit::Module& module, ChoiceStream& choices, const Donor& donor)
      : valid(valid), module(module), choices(choices), donor(donor) {}

  const wasm::Module& valid;
  wasm::edit::Module& module;
  ChoiceStream& choices;
  const Donor& donor;

  // --- Types (types.cc): matching over stable ids, equal types told by `canonical` ----------------------------------
  bool same(ValType a, ValType b) const;
  bool matches(HeapType sub, HeapType super) const;
  bool matches(ValType sub, ValType super) const;
  bool is_below(uint32_t sub, uint32_t super) const;
  HeapType top(HeapType heap) const;
  HeapType bottom(HeapType heap) const;
  const wasm::SubType& type(uint32_t number) const { return module.types[number].def; }
  // Types that are alive and of that kind.
  std::vector<uint32_t> types_of(wasm::CompositeKind kind) const;
  bool defaultable(const wasm::SubType& type) const;
  // A type of the same hierarchy.
  ValType related(ValType type);
  // One step or more up from `type`; the same type when it is a top.
  ValType above(ValType type);

  // --- Functions and places (places.cc) -----------------------------------------------------------------------------
  // A defined function with code, chosen and made the current one. False when there is none.
  bool choose_function();
  uint32_t func = 0;
  Code& code() { return module.funcs[func].code.mut(); }
  const Code& code() const { return *module.funcs[func].code; }
  wasm::edit::Func& function() { return module.funcs[func]; }
  // Every place of the current function.
  std::vector<Place> places() const;
  template <class Accept>
  std::optional<Place> choose_place(Accept&& accept) {
    std::vector<Place> found;
    for (const Place& place : places()) {
      if (accept(code()[place.node], place)) found.push_back(place);
    }
    if (found.empty()) return {};
    return choices.pick(found);
  }
  Seq& seq(const Place& place);
  // Reachable, makes one value.
  bool is_value(const Node& node) const;
  // Reachable, leaves nothing, takes nothing from outside, and control goes on behind it.
  bool is_statement(const Node& node) const;
  SubtreeFacts facts(NodeId root) const;
  bool is_defaultable_local(uint32_t local) const;
  ValType local_type(uint32_t local) const;
  // A value that may be replaced: leaves the initialisation of locals alone.
  std::optional<Place> choose_value(bool movable = false);
  std::optional<Place> choose_statement(bool movable = false);
  // A place in front of which a statement may stand.
  std::optional<Place> choose_gap();
  void replace(const Place& place, NodeId by) { seq(place)[place.position] = by; }
  void insert_before(const Place& place, NodeId statement) {
    Seq& list = seq(place);
    list.insert(list.begin() + place.position, statement);
  }
  uint32_t add_local(ValType type);
  bool too_many_locals() const { return module.funcs[func].locals.size() > 400; }

  // --- Making code (values.cc) ---------------------------------------------------------------------------------------
  // A node with these operands (each leaves its values, in order).
  NodeId make(wasm::Instr instr, Seq children, std::vector<ValType> popped, std::vector<ValType> pushed);
  NodeId block(Opcode op, std::optional<ValType> result, Seq body);
  NodeId branch(Opcode op, NodeId target, Seq children, std::vector<ValType> popped, std::vector<ValType> pushed = {});
  NodeId i32(int32_t value);
  NodeId number(ValType type);
  // A value of a subtype of `type`. `depth` limits how much is nested; always possible.
  NodeId value(ValType type, int depth = 2);
  NodeId get_local(uint32_t local);
  NodeId set_local(uint32_t local, NodeId value);
  NodeId cast(NodeId value, ValType to);
  NodeId drop(NodeId value);
  // A net-0 node: writes, calls or collects.
  NodeId statement(int depth = 2);
  // Something that may collect: the host's collection, a call, an allocation.
  NodeId disturbance();
  // A call of a function with fresh arguments, its results dropped.
  NodeId call_and_drop(uint32_t callee, int depth);
  int32_t interesting32();
  int64_t interesting64();

  // --- Copying (copy.cc) ---------------------------------------------------------------------------------------------
  // Copies a subtree of `from` into `to`; labels inside are renamed, those outside kept. `rename` sees every node
  // copied.
  NodeId copy(const Code& from, NodeId root, Code& to, const std::function<bool(Node&)>& rename = {});
  // Set by copy when `rename` refused a node.
  bool copy_failed = false;
  // Renames locals of another function to fresh ones of the current function. False when one has no default.
  bool rename_locals(Node& node, std::span<const ValType> types, std::vector<uint32_t>& names);

 private:
  NodeId reference(ValType type, int depth);
  std::optional<NodeId> construct(ValType type, int depth);
  std::optional<NodeId> construct_struct(ValType type, int depth);
  std::optional<NodeId> construct_array(ValType type, int depth);
  std::optional<NodeId> existing(ValType type);
};

}  // namespace parallax::fuzz
