#include "engine/wasm/edit/nodes.h"

#include <algorithm>
#include <functional>

namespace parallax::wasm::edit {

namespace {

Hierarchy hierarchy(const Module& m, HeapType heap) {
  switch (heap.kind()) {
    case HeapKind::kFunc:
    case HeapKind::kNoFunc: return Hierarchy::kFunc;
    case HeapKind::kExtern:
    case HeapKind::kNoExtern: return Hierarchy::kExtern;
    case HeapKind::kExn:
    case HeapKind::kNoExn: return Hierarchy::kExn;
    case HeapKind::kConcrete:
      return m.types[heap.number()].def.kind == CompositeKind::kFunc ? Hierarchy::kFunc : Hierarchy::kAny;
    case HeapKind::kAny:
    case HeapKind::kEq:
    case HeapKind::kI31:
    case HeapKind::kStruct:
    case HeapKind::kArray:
    case HeapKind::kNone: break;
  }
  return Hierarchy::kAny;
}

HeapKind kind_of(CompositeKind kind) {
  switch (kind) {
    case CompositeKind::kFunc: return HeapKind::kFunc;
    case CompositeKind::kStruct: return HeapKind::kStruct;
    case CompositeKind::kArray: return HeapKind::kArray;
  }
  return HeapKind::kAny;
}

}  // namespace

HeapType top_of(const Module& m, HeapType heap) {
  switch (hierarchy(m, heap)) {
    case Hierarchy::kAny: return HeapKind::kAny;
    case Hierarchy::kFunc: return HeapKind::kFunc;
    case Hierarchy::kExtern: return HeapKind::kExtern;
    case Hierarchy::kExn: return HeapKind::kExn;
  }
  return HeapKind::kAny;
}

HeapType bottom_of(const Module& m, HeapType heap) {
  switch (hierarchy(m, heap)) {
    case Hierarchy::kAny: return HeapKind::kNone;
    case Hierarchy::kFunc: return HeapKind::kNoFunc;
    case Hierarchy::kExtern: return HeapKind::kNoExtern;
    case Hierarchy::kExn: return HeapKind::kNoExn;
  }
  return HeapKind::kNone;
}

bool matches(const Module& m, HeapType sub, HeapType super) {
  if (sub == super) return true;
  if (hierarchy(m, sub) != hierarchy(m, super)) return false;
  if (sub == bottom_of(m, sub) || super == top_of(m, super)) return true;
  if (sub.is_concrete() && super.is_concrete()) {
    uint32_t at = sub.number();
    for (size_t steps = 0; steps < 70; ++steps) {
      if (at == super.number() || m.types[at].canonical == m.types[super.number()].canonical) return true;
      if (!m.types[at].def.has_super) return false;
      at = m.types[at].def.super;
    }
    return false;
  }
  const HeapKind kind = sub.is_concrete() ? kind_of(m.types[sub.number()].def.kind) : sub.kind();
  if (super.is_concrete() || super == bottom_of(m, super)) return false;
  if (kind == super.kind()) return true;
  const bool eq = kind == HeapKind::kI31 || kind == HeapKind::kStruct || kind == HeapKind::kArray;
  return super.kind() == HeapKind::kEq && eq;
}

bool matches(const Module& m, ValType sub, ValType super) {
  if (sub == super || sub.is_bottom()) return true;
  if (!sub.is_ref() || !super.is_ref()) return false;
  if (sub == kBottomRef) return true;
  if (super == kBottomRef || (sub.nullable() && !super.nullable())) return false;
  return matches(m, sub.heap(), super.heap());
}

// --- Queries ------------------------------------------------------------------------------------------------------------

namespace {

std::optional<Place> find_in(Code& code, Seq& list, NodeId parent, NodeId id) {
  for (size_t i = 0; i < list.size(); ++i) {
    const NodeId at = list[i];
    if (at == id) return Place{&list, i, parent};
    if (auto found = find_in(code, code[at].children, at, id)) return found;
    for (Clause& clause : code[at].bodies) {
      if (auto found = find_in(code, clause.seq, at, id)) return found;
    }
  }
  return {};
}

bool any_node(const Code& code, const Seq& seq, const std::function<bool(const Node&)>& is) {
  for (const NodeId id : seq) {
    if (is(code[id]) || any_node(code, code[id].children, is)) return true;
    for (const Clause& clause : code[id].bodies) {
      if (any_node(code, clause.seq, is)) return true;
    }
  }
  return false;
}

}  // namespace

std::optional<Place> find_place(Code& code, NodeId id) { return find_in(code, code.body, kFuncLabel, id); }

std::vector<Use> uses_of(Module& m, Space space, uint32_t id, uint32_t field) {
  std::vector<Use> uses;
  const auto scan = [&](Cow<Code>& code, uint32_t func) {
    for_each_node(*code, [&](NodeId at, NodeId) {
      // visit_refs writes back what this visitor leaves as it is.
      const Node& node = (*code)[at];
      bool names = false;
      visit_refs(const_cast<Node&>(node),
                 [&](Space s, uint32_t& number) { names = names || (s == space && number == id); });
      if (names && field != ~0u) {
        names = info(node.op()).immediates == ImmKind::TypeField && node.instr.a == id && node.instr.b == field;
      }
      if (names) uses.push_back({&code, func, at});
    });
  };
  for (uint32_t f = 0; f < m.funcs.size(); ++f) {
    if (m.funcs[f].alive && !m.funcs[f].import.has_value()) scan(m.funcs[f].code, f);
  }
  for_each_const_expr(m, [&](Cow<Code>& code) { scan(code, ~0u); });
  return uses;
}

std::vector<NodeId> branches_to(const Code& code, NodeId target) {
  std::vector<NodeId> out;
  for_each_node(code, [&](NodeId id, NodeId) {
    const auto& targets = code[id].targets;
    if (std::find(targets.begin(), targets.end(), target) != targets.end()) out.push_back(id);
  });
  return out;
}

bool never_falls_through(Opcode op) {
  switch (op) {
    case Opcode::Unreachable:
    case Opcode::Br:
    case Opcode::BrTable:
    case Opcode::Return:
    case Opcode::ReturnCall:
    case Opcode::ReturnCallIndirect:
    case Opcode::ReturnCallRef:
    case Opcode::Throw:
    case Opcode::ThrowRef:
    case Opcode::Rethrow: return true;
    default: return false;
  }
}

bool is_pure(const Code& code, NodeId id) {
  const auto impure = [](const Node& node) {
    constexpr uint16_t kMatters = kTraps | kWrites | kCalls | kThrows | kControl;
    const Opcode op = node.op();
    const bool block = op == Opcode::Block || op == Opcode::If;
    return (!block && (info(op).effects & kMatters) != 0) || op == Opcode::LocalSet || op == Opcode::LocalTee ||
           node.digs;
  };
  return !any_node(code, Seq{id}, impure);
}

std::optional<size_t> child_of_operand(const Code& code, NodeId id, size_t operand, size_t arity) {
  const Node& node = code[id];
  if (node.digs || operand >= arity) return {};
  size_t left = arity - operand;  // counted from the top of the stack
  for (size_t i = node.children.size(); i-- > 0;) {
    const uint32_t net = code[node.children[i]].net;
    if (net == 0) continue;
    if (net != 1) return {};
    if (--left == 0) return i;
  }
  return {};
}

namespace {

// Goes over code in order with a stack of who made each value.
class Makers {
 public:
  Makers(const Code& code, NodeId producer, uint32_t result) : code_(code), producer_(producer), result_(result) {}

  std::optional<NodeId> run() {
    seq(code_.body);
    return found_;
  }

 private:
  struct Value {
    NodeId maker;
    uint32_t result = 0;
  };

  void seq(const Seq& ids) {
    for (const NodeId id : ids) node(id);
  }
  void node(NodeId id) {
    const Node& node = code_[id];
    seq(node.children);
    for (size_t i = 0; i < node.popped.size() && stack_.size() > floor_; ++i) {
      const Value value = stack_.back();
      stack_.pop_back();
      if (value.maker == producer_ && value.result == result_) found_ = id;
    }
    if (node.is_structured()) bodies(node);
    if (never_falls_through(node.op())) stack_.resize(floor_);
    for (uint32_t i = 0; i < node.pushed.size(); ++i) stack_.push_back({id, i});
  }
  void bodies(const Node& node) {
    const size_t below = floor_;
    floor_ = stack_.size();
    for (const Clause& clause : node.bodies) {
      const size_t params = node.popped.size() - (node.op() == Opcode::If ? 1 : 0);
      const bool caught = clause.head == Opcode::Catch || clause.head == Opcode::CatchAll;
      stack_.resize(floor_ + (caught ? 0 : params));
      seq(clause.seq);
    }
    stack_.resize(floor_);
    floor_ = below;
  }

  const Code& code_;
  NodeId producer_;
  uint32_t result_;
  std::vector<Value> stack_;
  size_t floor_ = 0;
  std::optional<NodeId> found_;
};

}  // namespace

std::optional<NodeId> consumer_of(const Code& code, NodeId producer, uint32_t result) {
  return Makers(code, producer, result).run();
}

// --- Making nodes -------------------------------------------------------------------------------------------------------

NodeId make_op(Code& code, Opcode op, std::vector<NodeId> children, std::vector<ValType> pushed) {
  Node node;
  node.instr.op = op;
  node.children = std::move(children);
  node.net = static_cast<uint32_t>(pushed.size());
  node.pushed = std::move(pushed);
  return code.add(std::move(node));
}

NodeId make_const(Code& code, ValType number, uint64_t bits) {
  Opcode op = Opcode::I32Const;
  switch (number.kind()) {
    case ValKind::kI64: op = Opcode::I64Const; break;
    case ValKind::kF32: op = Opcode::F32Const; break;
    case ValKind::kF64: op = Opcode::F64Const; break;
    case ValKind::kV128: op = Opcode::V128Const; break;
    case ValKind::kI32:
    case ValKind::kRef:
    case ValKind::kBottom: break;
  }
  const NodeId id = make_op(code, op, {}, {number});
  code[id].instr.bits = bits;
  return id;
}

NodeId make_drop(Code& code, NodeId value) { return make_op(code, Opcode::Drop, {value}, {}); }

namespace {

std::optional<NodeId> make_object(const Module& m, Code& code, uint32_t type, uint32_t depth);

std::optional<NodeId> make_value(const Module& m, Code& code, ValType type, uint32_t depth) {
  if (!type.is_ref()) return type.is_bottom() ? std::nullopt : std::optional(make_const(code, type, 0));
  if (type == kBottomRef) return {};
  if (type.nullable()) {
    const NodeId id = make_op(code, Opcode::RefNull, {}, {ValType::ref(bottom_of(m, type.heap()), true)});
    code[id].instr.type = code[id].pushed[0];
    return id;
  }
  const ValType i31 = kI31Ref.as_non_null();
  switch (type.heap().kind()) {
    case HeapKind::kConcrete: return make_object(m, code, type.heap().number(), depth);
    case HeapKind::kAny:
    case HeapKind::kEq:
    case HeapKind::kI31: return make_op(code, Opcode::RefI31, {make_const(code, kI32, 0)}, {i31});
    case HeapKind::kExtern:
      return make_op(code, Opcode::ExternConvertAny,
                     {make_op(code, Opcode::RefI31, {make_const(code, kI32, 0)}, {i31})}, {type});
    case HeapKind::kFunc:
    case HeapKind::kStruct:
    case HeapKind::kArray:
      for (uint32_t t = 0; t < m.types.size(); ++t) {
        if (!m.types[t].alive || kind_of(m.types[t].def.kind) != type.heap().kind()) continue;
        if (auto made = make_object(m, code, t, depth)) return made;
      }
      return {};
    case HeapKind::kNoFunc:
    case HeapKind::kNoExtern:
    case HeapKind::kNone:
    case HeapKind::kExn:
    case HeapKind::kNoExn: break;
  }
  return {};
}

// Depth bounds types that contain themselves.
std::optional<NodeId> make_object(const Module& m, Code& code, uint32_t type, uint32_t depth) {
  if (depth > 4) return {};
  const SubType& def = m.types[type].def;
  const std::vector<ValType> made = {ValType::ref(HeapType::concrete(type), false)};
  if (def.kind == CompositeKind::kFunc) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      if (!m.funcs[f].alive || !matches(m, HeapType::concrete(m.funcs[f].type), HeapType::concrete(type))) continue;
      const NodeId id = make_op(code, Opcode::RefFunc, {}, made);
      code[id].instr.a = f;
      return id;
    }
    return {};
  }
  Opcode op = Opcode::ArrayNewFixed;
  std::vector<NodeId> operands;
  if (def.kind == CompositeKind::kStruct) {
    const bool by_default = std::all_of(def.fields.begin(), def.fields.end(),
                                        [](const FieldType& f) { return f.storage.unpacked.is_defaultable(); });
    op = by_default ? Opcode::StructNewDefault : Opcode::StructNew;
    for (size_t i = 0; i < def.fields.size() && !by_default; ++i) {
      const auto field = make_value(m, code, def.fields[i].storage.unpacked, depth + 1);
      if (!field) return {};
      operands.push_back(*field);
    }
  }
  const NodeId id = make_op(code, op, std::move(operands), made);
  code[id].instr.a = type;
  return id;
}

}  // namespace

std::optional<NodeId> make_default(const Module& m, Code& code, ValType type) { return make_value(m, code, type, 0); }

// --- Replacing ----------------------------------------------------------------------------------------------------------

bool replace(Code& code, NodeId id, std::span<const NodeId> with) {
  const std::vector<NodeId> kept(with.begin(), with.end());
  const auto place = find_place(code, id);
  if (!place) return false;
  const auto at = place->list->erase(place->list->begin() + static_cast<std::ptrdiff_t>(place->index));
  place->list->insert(at, kept.begin(), kept.end());
  return true;
}

bool remove_statement(Code& code, NodeId id) { return code[id].net == 0 && replace(code, id, {}); }

bool replace_by_default(const Module& m, Code& code, NodeId id) {
  if (!code[id].is_value() || code[id].digs) return false;
  const auto made = make_default(m, code, code[id].pushed[0]);
  return made && replace(code, id, {&*made, 1});
}

bool replace_by_unreachable(Code& code, NodeId id) {
  const NodeId made = make_op(code, Opcode::Unreachable, {}, {});
  code[made].net = code[id].net;
  return replace(code, id, {&made, 1});
}

bool replace_by_descendant(const Module& m, Code& code, NodeId id, NodeId descendant) {
  const Node& node = code[id];
  const Node& inner = code[descendant];
  if (node.digs || inner.digs || !node.is_value() || !inner.is_value()) return false;
  if (!matches(m, inner.pushed[0], node.pushed[0])) return false;
  return replace(code, id, {&descendant, 1});
}

bool neutralise(const Module& m, Code& code, NodeId id) {
  if (code[id].digs) return false;
  Seq with;
  const std::vector<NodeId> children = code[id].children;
  const std::vector<ValType> pushed = code[id].pushed;
  size_t values = 0;
  bool single = true;
  for (const NodeId child : children) {
    values += code[child].net;
    single = single && code[child].net <= 1;
  }
  if (single && values == code[id].popped.size()) {
    for (const NodeId child : children) {
      if (is_pure(code, child)) continue;
      with.push_back(code[child].net == 0 ? child : make_drop(code, child));
    }
  } else {
    // Somebody made several values at once: its own are dropped one by one, what lies below them stays.
    if (values < code[id].popped.size()) return false;
    with = children;
    for (size_t i = 0; i < code[id].popped.size(); ++i) {
      const NodeId drop = make_op(code, Opcode::Drop, {}, {});
      code[drop].digs = true;
      with.push_back(drop);
    }
  }
  for (const ValType type : pushed) {
    const auto made = make_default(m, code, type);
    if (!made) return false;
    with.push_back(*made);
  }
  return replace(code, id, with);
}

bool replace_by_dropped_child(Code& code, NodeId id, size_t child) {
  const Node& node = code[id];
  if (node.net != 0 || node.digs || child >= node.children.size()) return false;
  const NodeId kept = node.children[child];
  if (code[kept].net > 1 || (node.op() == Opcode::Drop && code[kept].net == 1)) return false;
  const NodeId with = code[kept].net == 0 ? kept : make_drop(code, kept);
  return replace(code, id, {&with, 1});
}

bool drop_operand(Code& code, NodeId id, size_t operand, size_t arity) {
  const auto at = child_of_operand(code, id, operand, arity);
  if (!at) return false;
  const NodeId child = code[id].children[*at];
  if (is_pure(code, child)) {
    code[id].children.erase(code[id].children.begin() + static_cast<std::ptrdiff_t>(*at));
  } else {
    const NodeId dropped = make_drop(code, child);
    code[id].children[*at] = dropped;
  }
  return true;
}

// --- Control ------------------------------------------------------------------------------------------------------------

namespace {

// The construct whose label is around `id` from outside.
NodeId label_around(Code& code, NodeId id) {
  NodeId at = id;
  for (;;) {
    const auto place = find_place(code, at);
    if (!place || place->parent == kFuncLabel) return kFuncLabel;
    // A child stands outside of its parent's label.
    const bool is_body = place->list != &code[place->parent].children;
    if (is_body) return place->parent;
    at = place->parent;
  }
}

// What stays of the operands when the construct goes: parameters of its block, and what an if's condition does besides.
bool operands_without(Code& code, NodeId id, Seq& out) {
  out = code[id].children;
  if (code[id].op() != Opcode::If) return true;
  size_t at = out.size();
  while (at > 0 && code[out[at - 1]].net == 0) --at;
  if (at == 0 || code[out[at - 1]].net != 1) return false;
  const NodeId condition = out[at - 1];
  if (is_pure(code, condition)) {
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(at) - 1);
  } else {
    out[at - 1] = make_drop(code, condition);
  }
  return true;
}

}  // namespace

bool unwrap(Code& code, NodeId id, size_t arm) {
  if (!code[id].is_structured() || arm >= code[id].bodies.size()) return false;
  const Opcode head = code[id].bodies[arm].head;
  if (head == Opcode::Catch || head == Opcode::CatchAll) return false;
  Seq with;
  if (!operands_without(code, id, with)) return false;
  const NodeId around = label_around(code, id);
  for (Node& node : code.nodes) std::replace(node.targets.begin(), node.targets.end(), id, around);
  const Seq& body = code[id].bodies[arm].seq;
  with.insert(with.end(), body.begin(), body.end());
  return replace(code, id, with);
}

bool become_block(Code& code, NodeId id, size_t arm) {
  if (!code[id].is_structured() || arm >= code[id].bodies.size()) return false;
  const Opcode head = code[id].bodies[arm].head;
  if (code[id].op() == Opcode::Block || head == Opcode::Catch || head == Opcode::CatchAll) return false;
  Seq before;
  if (!operands_without(code, id, before)) return false;
  Node& node = code[id];
  node.children = std::move(before);
  if (node.op() == Opcode::If && !node.popped.empty()) node.popped.pop_back();
  node.instr.op = Opcode::Block;
  node.catches.clear();
  node.targets.clear();
  node.delegates = false;
  Clause kept = std::move(node.bodies[arm]);
  kept.head = Opcode::Nop;
  node.bodies.clear();
  node.bodies.push_back(std::move(kept));
  return true;
}

namespace {

// Cuts a list behind its first diverging node; true when there is one. A node whose operands diverge becomes what comes
// before.
bool strip(Code& code, Seq& list, bool& changed) {
  for (size_t i = 0; i < list.size(); ++i) {
    const NodeId id = list[i];
    Seq children = std::move(code[id].children);
    const bool dead_operand = strip(code, children, changed);
    bool diverges = never_falls_through(code[id].op());
    if (dead_operand) {
      // The operands that came before the diverging one are computed for nobody.
      list.resize(i);
      for (const NodeId child : children) {
        if (child != children.back() && code[child].net != 0 && is_pure(code, child)) continue;
        list.push_back(child != children.back() && code[child].net == 1 ? make_drop(code, child) : child);
      }
      changed = true;
      return true;
    }
    code[id].children = std::move(children);
    for (size_t b = 0; b < code[id].bodies.size(); ++b) {
      Seq body = std::move(code[id].bodies[b].seq);
      strip(code, body, changed);
      code[id].bodies[b].seq = std::move(body);
    }
    if (diverges) {
      const size_t before = list.size();
      list.resize(i + 1);
      // Values that nobody takes any more. (Those that dig may take them.)
      const bool plain = std::none_of(list.begin(), list.end(), [&](NodeId each) { return code[each].digs; });
      if (plain) {
        std::erase_if(list, [&](NodeId each) { return code[each].net > 0 && each != id && is_pure(code, each); });
      }
      changed = changed || list.size() != before;
      return true;
    }
  }
  return false;
}

}  // namespace

bool strip_dead_code(Code& code) {
  bool changed = false;
  strip(code, code.body, changed);
  return changed;
}

}  // namespace parallax::wasm::edit
