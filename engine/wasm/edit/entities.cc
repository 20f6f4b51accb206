#include "engine/wasm/edit/entities.h"

#include <algorithm>
#include <array>

namespace parallax::wasm::edit {

namespace {

// Neutralises every instruction in bodies that names the entity. Constant expressions that name it cannot be helped here.
bool neutralise_uses(Module& m, Space space, uint32_t id) {
  for (const Use& use : uses_of(m, space, id)) {
    if (use.func == ~0u) return false;
    Code& code = use.code->mut();
    // An earlier one may have taken this one with it.
    if (!find_place(code, use.node)) continue;
    if (!neutralise(m, code, use.node)) return false;
  }
  return true;
}

void drop_exports(Module& m, ExternKind kind, uint32_t index) {
  std::erase_if(m.exports, [&](const Export& e) { return e.kind == kind && e.index == index; });
}

}  // namespace

bool remove_func(Module& m, uint32_t func) {
  if (!m.funcs[func].alive) return false;
  m.funcs[func].alive = false;
  for (Elem& elem : m.elems) std::erase(elem.funcs, func);
  for (Elem& elem : m.elems) {
    std::erase_if(elem.exprs, [&](const Cow<Code>& expr) {
      return std::any_of(expr->nodes.begin(), expr->nodes.end(),
                         [&](const Node& node) { return node.op() == Opcode::RefFunc && node.instr.a == func; });
    });
  }
  drop_exports(m, ExternKind::kFunc, func);
  if (m.start == func) m.start.reset();
  return neutralise_uses(m, Space::kFunc, func);
}

bool remove_global(Module& m, uint32_t global) {
  if (!m.globals[global].alive) return false;
  m.globals[global].alive = false;
  drop_exports(m, ExternKind::kGlobal, global);
  return neutralise_uses(m, Space::kGlobal, global);
}

bool remove_table(Module& m, uint32_t table) {
  if (!m.tables[table].alive) return false;
  m.tables[table].alive = false;
  for (Elem& elem : m.elems) {
    if (elem.mode == SegmentMode::kActive && elem.table == table) elem.mode = SegmentMode::kDeclarative;
  }
  drop_exports(m, ExternKind::kTable, table);
  return neutralise_uses(m, Space::kTable, table);
}

bool remove_memory(Module& m, uint32_t memory) {
  if (!m.memories[memory].alive) return false;
  m.memories[memory].alive = false;
  for (Data& data : m.datas) {
    if (data.mode == SegmentMode::kActive && data.memory == memory) data.mode = SegmentMode::kPassive;
  }
  drop_exports(m, ExternKind::kMemory, memory);
  return neutralise_uses(m, Space::kMemory, memory);
}

bool remove_tag(Module& m, uint32_t tag) {
  if (!m.tags[tag].alive) return false;
  m.tags[tag].alive = false;
  for (Func& func : m.funcs) {
    if (!func.alive || func.import.has_value()) continue;
    for (const Node& node : func.code->nodes) {
      const bool catches = std::any_of(node.catches.begin(), node.catches.end(), [&](const Catch& c) {
        return c.kind <= CatchKind::kCatchRef && c.tag.raw == tag;
      });
      if (!catches) continue;
      const auto at = static_cast<size_t>(&node - func.code->nodes.data());
      Node& mine = func.code.mut().nodes[at];
      for (size_t i = mine.catches.size(); i-- > 0;) {
        if (mine.catches[i].kind > CatchKind::kCatchRef || mine.catches[i].tag.raw != tag) continue;
        mine.catches.erase(mine.catches.begin() + static_cast<std::ptrdiff_t>(i));
        mine.targets.erase(mine.targets.begin() + static_cast<std::ptrdiff_t>(i));
      }
      break;
    }
  }
  drop_exports(m, ExternKind::kTag, tag);
  return neutralise_uses(m, Space::kTag, tag);
}

bool remove_elem(Module& m, uint32_t elem) {
  if (!m.elems[elem].alive) return false;
  m.elems[elem].alive = false;
  return neutralise_uses(m, Space::kElem, elem);
}

bool remove_data(Module& m, uint32_t data) {
  if (!m.datas[data].alive) return false;
  m.datas[data].alive = false;
  return neutralise_uses(m, Space::kData, data);
}

void remove_export(Module& m, size_t position) {
  m.exports.erase(m.exports.begin() + static_cast<std::ptrdiff_t>(position));
}

// --- What nothing names -------------------------------------------------------------------------------------------------

namespace {

// Marks from the roots along everything that names something.
class Marker {
 public:
  explicit Marker(Module& m) : m_(m) {
    marks_[0].resize(m.types.size());
    marks_[1].resize(m.funcs.size());
    marks_[2].resize(m.tables.size());
    marks_[3].resize(m.memories.size());
    marks_[4].resize(m.globals.size());
    marks_[5].resize(m.tags.size());
    marks_[6].resize(m.elems.size());
    marks_[7].resize(m.datas.size());
  }

  bool marked(Space space, uint32_t id) const { return marks_[static_cast<size_t>(space)][id]; }

  void mark(Space space, uint32_t id) {
    if (space == Space::kLocal) return;
    auto& marks = marks_[static_cast<size_t>(space)];
    if (id >= marks.size() || marks[id]) return;
    marks[id] = true;
    work_.push_back({space, id});
  }

  void run(Imports imports) {
    for (const Export& e : m_.exports) mark(space_of(e.kind), e.index);
    if (m_.start.has_value()) mark(Space::kFunc, *m_.start);
    if (imports == Imports::kKeep) {
      for (const ImportRef& import : m_.imports) mark(space_of(import.kind), import.index);
    }
    finish();
    // Segments that write into something that stays do so at instantiation, or trap.
    bool more = true;
    while (more) {
      more = false;
      for (uint32_t i = 0; i < m_.elems.size(); ++i)
        more = segment(m_.elems[i], Space::kElem, Space::kTable, i) || more;
      for (uint32_t i = 0; i < m_.datas.size(); ++i) {
        more = segment(m_.datas[i], Space::kData, Space::kMemory, i) || more;
      }
      more = mark_twins() || more;
      finish();
    }
  }

 private:
  static Space space_of(ExternKind kind) {
    switch (kind) {
      case ExternKind::kFunc: return Space::kFunc;
      case ExternKind::kTable: return Space::kTable;
      case ExternKind::kMemory: return Space::kMemory;
      case ExternKind::kGlobal: return Space::kGlobal;
      case ExternKind::kTag: return Space::kTag;
    }
    return Space::kFunc;
  }

  bool segment(const Elem& s, Space space, Space target, uint32_t id) {
    return segment_to(s, s.table, space, target, id);
  }
  bool segment(const Data& s, Space space, Space target, uint32_t id) {
    return segment_to(s, s.memory, space, target, id);
  }
  template <class S>
  bool segment_to(const S& s, uint32_t to, Space space, Space target, uint32_t id) {
    if (!s.alive || s.mode != SegmentMode::kActive || !marked(target, to) || marked(space, id)) return false;
    mark(space, id);
    return true;
  }

  // Equal rec groups are one group: where members go from one alone, the types that stay are no longer the same. Groups
  // that may be equal lose the same members, or one of them as a whole.
  bool mark_twins() {
    bool more = false;
    std::vector<std::vector<uint32_t>> groups;
    for (const Group& group : m_.groups) {
      std::vector<uint32_t> members;
      for (const uint32_t id : group.members) {
        if (m_.types[id].alive) members.push_back(id);
      }
      const auto is_marked = [&](uint32_t id) { return marked(Space::kType, id); };
      if (members.size() > 1 && std::ranges::any_of(members, is_marked)) groups.push_back(std::move(members));
    }
    for (size_t i = 0; i < groups.size(); ++i) {
      for (size_t j = i + 1; j < groups.size(); ++j) {
        if (may_be_equal(groups[i], groups[j])) more = mark_same(groups[i], groups[j]) || more;
      }
    }
    return more;
  }

  bool mark_same(const std::vector<uint32_t>& one, const std::vector<uint32_t>& other) {
    bool more = false;
    for (size_t k = 0; k < one.size(); ++k) {
      if (marked(Space::kType, one[k]) == marked(Space::kType, other[k])) continue;
      mark(Space::kType, one[k]);
      mark(Space::kType, other[k]);
      more = true;
    }
    return more;
  }

  // Equal but for which types are named.
  static bool may_be_equal(ValType a, ValType b) {
    if (a == b) return true;
    return a.is_ref() && b.is_ref() && a.nullable() == b.nullable() && a.heap().is_concrete() && b.heap().is_concrete();
  }
  static bool may_be_equal(const FieldType& a, const FieldType& b) {
    return a.is_mutable == b.is_mutable && a.storage.packed == b.storage.packed &&
           may_be_equal(a.storage.unpacked, b.storage.unpacked);
  }
  template <class T>
  static bool all_may_be_equal(const std::vector<T>& a, const std::vector<T>& b) {
    return std::ranges::equal(a, b, [](const T& x, const T& y) { return may_be_equal(x, y); });
  }
  bool may_be_equal(const std::vector<uint32_t>& one, const std::vector<uint32_t>& other) const {
    return std::ranges::equal(one, other, [&](uint32_t x, uint32_t y) {
      const SubType &a = m_.types[x].def, &b = m_.types[y].def;
      return a.kind == b.kind && a.is_final == b.is_final && a.has_super == b.has_super &&
             all_may_be_equal(a.params, b.params) && all_may_be_equal(a.results, b.results) &&
             all_may_be_equal(a.fields, b.fields);
    });
  }

  void type(ValType type) {
    visit_type(type, [&](Space space, uint32_t& id) { mark(space, id); });
  }
  void code(const Code& code) {
    for_each_node(code, [&](NodeId id, NodeId) {
      // visit_refs writes back what this visitor leaves as it is.
      visit_refs(const_cast<Node&>(code[id]), [&](Space space, uint32_t& number) { mark(space, number); });
    });
  }

  void finish() {
    while (!work_.empty()) {
      const auto [space, id] = work_.back();
      work_.pop_back();
      switch (space) {
        case Space::kType: {
          SubType def = m_.types[id].def;
          visit_type(def, [&](Space s, uint32_t& number) { mark(s, number); });
          break;
        }
        case Space::kFunc:
          mark(Space::kType, m_.funcs[id].type);
          for (const ValType t : m_.funcs[id].locals) type(t);
          if (!m_.funcs[id].import.has_value()) code(*m_.funcs[id].code);
          break;
        case Space::kTable:
          type(m_.tables[id].type.element);
          if (m_.tables[id].init.has_value()) code(**m_.tables[id].init);
          break;
        case Space::kGlobal:
          type(m_.globals[id].type.value);
          if (!m_.globals[id].import.has_value()) code(*m_.globals[id].init);
          break;
        case Space::kTag: mark(Space::kType, m_.tags[id].type); break;
        case Space::kElem: elem(m_.elems[id]); break;
        case Space::kData:
          if (m_.datas[id].mode == SegmentMode::kActive) {
            mark(Space::kMemory, m_.datas[id].memory);
            code(*m_.datas[id].offset);
          }
          break;
        case Space::kMemory:
        case Space::kLocal: break;
      }
    }
  }
  void elem(const Elem& elem) {
    type(elem.type);
    for (const uint32_t func : elem.funcs) mark(Space::kFunc, func);
    for (const auto& expr : elem.exprs) code(*expr);
    if (elem.mode != SegmentMode::kActive) return;
    mark(Space::kTable, elem.table);
    code(*elem.offset);
  }

  Module& m_;
  std::array<std::vector<bool>, 8> marks_;
  std::vector<std::pair<Space, uint32_t>> work_;
};

template <class Items>
bool sweep(const Marker& marker, Space space, Items& items) {
  bool gone = false;
  for (uint32_t i = 0; i < items.size(); ++i) {
    if (!items[i].alive || marker.marked(space, i)) continue;
    items[i].alive = false;
    gone = true;
  }
  return gone;
}

}  // namespace

bool remove_unused(Module& m, Imports imports) {
  Marker marker(m);
  marker.run(imports);
  bool gone = false;
  gone = sweep(marker, Space::kFunc, m.funcs) || gone;
  gone = sweep(marker, Space::kTable, m.tables) || gone;
  gone = sweep(marker, Space::kMemory, m.memories) || gone;
  gone = sweep(marker, Space::kGlobal, m.globals) || gone;
  gone = sweep(marker, Space::kTag, m.tags) || gone;
  gone = sweep(marker, Space::kElem, m.elems) || gone;
  gone = sweep(marker, Space::kData, m.datas) || gone;
  gone = sweep(marker, Space::kType, m.types) || gone;
  return gone;
}

// --- Functions ----------------------------------------------------------------------------------------------------------

namespace {

// Gets become defaults, sets drops, tees their operand; higher local numbers go down by one.
bool forget_local(Module& m, uint32_t func, uint32_t local, ValType type) {
  Code& code = m.funcs[func].code.mut();
  std::vector<NodeId> named;
  for_each_node(code, [&](NodeId id, NodeId) {
    if (info(code[id].op()).immediates == ImmKind::Local && code[id].instr.a == local) named.push_back(id);
  });
  for (const NodeId id : named) {
    switch (code[id].op()) {
      case Opcode::LocalGet: {
        const auto made = make_default(m, code, type);
        if (!made || !replace(code, id, {&*made, 1})) return false;
        break;
      }
      case Opcode::LocalSet: code[id].instr.op = Opcode::Drop; break;
      default: {
        const Seq children = code[id].children;
        if (code[id].digs || !replace(code, id, children)) return false;
      }
    }
  }
  for (Node& node : code.nodes) {
    if (info(node.op()).immediates == ImmKind::Local && node.instr.a > local) --node.instr.a;
  }
  return true;
}

// The function gets a type that no other function need share.
SubType own_type(const Module& m, uint32_t func) {
  SubType def = m.type_of(m.funcs[func]);
  def.is_final = true;
  def.has_super = false;
  return def;
}

// Direct calls, and nothing else, name the function.
std::optional<std::vector<Use>> calls_of(Module& m, uint32_t func) {
  std::vector<Use> calls;
  for (const Use& use : uses_of(m, Space::kFunc, func)) {
    const Opcode op = (**use.code)[use.node].op();
    if (op == Opcode::Call || op == Opcode::ReturnCall) calls.push_back(use);
  }
  return calls;
}

}  // namespace

bool remove_param(Module& m, uint32_t func, uint32_t param) {
  if (!m.funcs[func].alive) return false;
  SubType def = own_type(m, func);
  if (param >= def.params.size()) return false;
  const size_t arity = def.params.size();
  const ValType type = def.params[param];
  const auto calls = calls_of(m, func);
  if (!calls) return false;
  for (const Use& call : *calls) {
    if (!drop_operand(call.code->mut(), call.node, param, arity)) return false;
    Node& node = call.code->mut()[call.node];
    if (param < node.popped.size()) node.popped.erase(node.popped.begin() + param);
  }
  if (!m.funcs[func].import.has_value() && !forget_local(m, func, param, type)) return false;
  def.params.erase(def.params.begin() + param);
  m.funcs[func].type = m.add_func_type(def.params, def.results);
  return true;
}

namespace {

// Code that takes the value under `types.size()` others off the stack and, with `instead`, puts another in its place: the
// others wait in fresh locals of `func`.
bool take_below(Module& m, uint32_t func, std::span<const ValType> above, std::optional<ValType> instead, bool drops,
                Code& code, Seq& out) {
  const auto local_op = [&](Opcode op, uint32_t local) {
    const NodeId id = make_op(code, op, {}, {});
    code[id].instr.a = local;
    code[id].digs = true;
    return id;
  };
  const auto first = static_cast<uint32_t>(m.locals_of(m.funcs[func]).size());
  for (const ValType type : above) m.funcs[func].locals.push_back(type.is_ref() ? type.as_nullable() : type);
  for (size_t i = above.size(); i-- > 0;) out.push_back(local_op(Opcode::LocalSet, first + static_cast<uint32_t>(i)));
  if (drops) out.push_back(local_op(Opcode::Drop, 0));
  if (instead.has_value()) {
    const auto made = make_default(m, code, *instead);
    if (!made) return false;
    out.push_back(*made);
  }
  for (size_t i = 0; i < above.size(); ++i) {
    out.push_back(local_op(Opcode::LocalGet, first + static_cast<uint32_t>(i)));
    if (above[i].is_ref() && !above[i].nullable()) out.push_back(local_op(Opcode::RefAsNonNull, 0));
  }
  return true;
}

// The value under `above` others goes from the end of a list, directly where one node makes it.
bool drop_at_end(Module& m, uint32_t func, std::span<const ValType> above, Code& code, Seq list, Seq& out) {
  size_t left = above.size() + 1;
  for (size_t i = list.size(); i-- > 0 && code[list[i]].net <= 1;) {
    if (code[list[i]].net == 0 || --left > 0) continue;
    if (is_pure(code, list[i])) list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    else list[i] = make_drop(code, list[i]);
    out = std::move(list);
    return true;
  }
  out = std::move(list);
  return take_below(m, func, above, {}, true, code, out);
}

// Every way out of a body loses the value under `above` others; false for ways that cannot be rewritten.
bool drop_result_inside(Module& m, uint32_t func, std::span<const ValType> above) {
  Code& code = m.funcs[func].code.mut();
  std::vector<NodeId> leaving;
  bool simple = true;
  for_each_node(code, [&](NodeId id, NodeId) {
    const Opcode op = code[id].op();
    const auto& targets = code[id].targets;
    const bool to_func = std::find(targets.begin(), targets.end(), kFuncLabel) != targets.end();
    if (op == Opcode::Return || (op == Opcode::Br && to_func)) leaving.push_back(id);
    else if (to_func || op == Opcode::ReturnCall || op == Opcode::ReturnCallIndirect || op == Opcode::ReturnCallRef)
      simple = false;
  });
  if (!simple) return false;
  const bool ends = !code.body.empty() && never_falls_through(code[code.body.back()].op());
  for (const NodeId id : leaving) {
    Seq children;
    if (!drop_at_end(m, func, above, code, code[id].children, children)) return false;
    code[id].children = std::move(children);
  }
  Seq body;
  if (ends) return true;
  if (!drop_at_end(m, func, above, code, code.body, body)) return false;
  code.body = std::move(body);
  return true;
}

}  // namespace

bool remove_result(Module& m, uint32_t func, uint32_t result) {
  if (!m.funcs[func].alive) return false;
  SubType def = own_type(m, func);
  if (result >= def.results.size()) return false;
  const ValType type = def.results[result];
  const std::vector<ValType> above(def.results.begin() + result + 1, def.results.end());
  const auto calls = calls_of(m, func);
  std::vector<std::optional<NodeId>> consumers;  // before anything changes
  for (const Use& call : *calls) consumers.push_back(consumer_of(**call.code, call.node, result));
  for (size_t i = 0; i < calls->size(); ++i) {
    const Use& call = (*calls)[i];
    Code& code = call.code->mut();
    if (code[call.node].op() == Opcode::ReturnCall) return false;
    if (consumers[i] && code[*consumers[i]].op() == Opcode::Drop) {
      // Nobody wants it: the drop goes, what it would have dropped does not come.
      const Seq operands = code[*consumers[i]].children;
      code[call.node].pushed.erase(code[call.node].pushed.begin() + result);
      --code[call.node].net;
      if (!replace(code, *consumers[i], operands)) return false;
      continue;
    }
    code[call.node].pushed.erase(code[call.node].pushed.begin() + result);
    --code[call.node].net;
    Seq with = {call.node};
    const NodeId node = call.node;
    if (!take_below(m, call.func, above, type, false, code, with)) return false;
    const auto place = find_place(code, node);
    if (!place) return false;
    with.erase(with.begin());
    place->list->insert(place->list->begin() + static_cast<std::ptrdiff_t>(place->index) + 1, with.begin(), with.end());
  }
  if (!m.funcs[func].import.has_value() && !drop_result_inside(m, func, above)) return false;
  def.results.erase(def.results.begin() + result);
  m.funcs[func].type = m.add_func_type(def.params, def.results);
  return true;
}

bool remove_local(Module& m, uint32_t func, uint32_t local) {
  if (!m.funcs[func].alive || m.funcs[func].import.has_value()) return false;
  const size_t params = m.type_of(m.funcs[func]).params.size();
  if (local < params || local - params >= m.funcs[func].locals.size()) return false;
  const size_t at = local - params;
  if (!forget_local(m, func, local, m.funcs[func].locals[at])) return false;
  m.funcs[func].locals.erase(m.funcs[func].locals.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

bool remove_unused_locals(Module& m, uint32_t func) {
  if (!m.funcs[func].alive || m.funcs[func].import.has_value()) return false;
  const size_t params = m.type_of(m.funcs[func]).params.size();
  std::vector<bool> used(params + m.funcs[func].locals.size());
  const Code& code = *m.funcs[func].code;
  for_each_node(code, [&](NodeId id, NodeId) {
    if (info(code[id].op()).immediates != ImmKind::Local) return;
    // A change of types may have left fewer parameters; that the module is invalid is for its validation to say.
    if (code[id].instr.a < used.size()) used[code[id].instr.a] = true;
  });
  bool changed = false;
  for (size_t local = used.size(); local-- > params;) {
    if (!used[local]) changed = remove_local(m, func, static_cast<uint32_t>(local)) || changed;
  }
  return changed;
}

bool define_imported_func(Module& m, uint32_t func) {
  Func& f = m.funcs[func];
  if (!f.alive || !f.import.has_value()) return false;
  f.import.reset();
  std::erase_if(m.imports, [&](const ImportRef& i) { return i.kind == ExternKind::kFunc && i.index == func; });
  Code code;
  for (const ValType type : m.type_of(f).results) {
    const auto made = make_default(m, code, type);
    if (!made) {
      code.body = {make_op(code, Opcode::Unreachable, {}, {})};
      break;
    }
    code.body.push_back(*made);
  }
  m.funcs[func].code = Cow<Code>(std::move(code));
  return true;
}

bool define_imported_global(Module& m, uint32_t global) {
  Global& g = m.globals[global];
  if (!g.alive || !g.import.has_value()) return false;
  Code code;
  const auto made = make_default(m, code, g.type.value);
  if (!made) return false;
  code.body.push_back(*made);
  g.import.reset();
  g.init = Cow<Code>(std::move(code));
  std::erase_if(m.imports, [&](const ImportRef& i) { return i.kind == ExternKind::kGlobal && i.index == global; });
  return true;
}

namespace {

// A copy of a subtree of `from` as nodes of `to`; labels inside are renamed, locals shifted.
NodeId copy_into(Code& to, const Code& from, NodeId id, uint32_t shift,
                 std::vector<std::pair<NodeId, NodeId>>& renamed) {
  const NodeId made = to.add(from[id]);
  renamed.push_back({id, made});
  if (info(to[made].op()).immediates == ImmKind::Local) to[made].instr.a += shift;
  Seq children;
  for (const NodeId child : from[id].children) children.push_back(copy_into(to, from, child, shift, renamed));
  to[made].children = std::move(children);
  for (size_t b = 0; b < from[id].bodies.size(); ++b) {
    Seq seq;
    for (const NodeId child : from[id].bodies[b].seq) seq.push_back(copy_into(to, from, child, shift, renamed));
    to[made].bodies[b].seq = std::move(seq);
  }
  for (NodeId& target : to[made].targets) {
    for (const auto& [old_id, new_id] : renamed) {
      if (old_id == target) target = new_id;
    }
  }
  return made;
}

}  // namespace

bool inline_call(Module& m, uint32_t func, NodeId call) {
  Code& code = m.funcs[func].code.mut();
  const bool tail = code[call].op() == Opcode::ReturnCall;
  if ((code[call].op() != Opcode::Call && !tail) || code[call].digs) return false;
  const uint32_t callee = code[call].instr.a;
  const Func& target = m.funcs[callee];
  if (callee == func || !target.alive || target.import.has_value()) return false;
  bool leaves = false;
  for_each_node(*target.code, [&](NodeId id, NodeId) {
    const Node& node = (*target.code)[id];
    const Opcode op = node.op();
    leaves = leaves || op == Opcode::Return || op == Opcode::ReturnCall || op == Opcode::ReturnCallIndirect ||
             op == Opcode::ReturnCallRef ||
             std::find(node.targets.begin(), node.targets.end(), kFuncLabel) != node.targets.end();
  });
  if ((leaves && !tail) || code[call].net != code[call].pushed.size()) return false;
  const std::vector<ValType> locals = m.locals_of(target);
  const auto shift = static_cast<uint32_t>(m.locals_of(m.funcs[func]).size());
  const size_t arity = m.type_of(target).params.size();
  for (const ValType type : locals) m.funcs[func].locals.push_back(type);
  // Operands stand on the stack in order: set from the last to the first.
  Seq with = code[call].children;
  for (size_t i = arity; i-- > 0;) {
    const NodeId set = make_op(code, Opcode::LocalSet, {}, {});
    code[set].instr.a = shift + static_cast<uint32_t>(i);
    code[set].digs = true;
    with.push_back(set);
  }
  std::vector<std::pair<NodeId, NodeId>> renamed;
  const Cow<Code> body = target.code;
  for (const NodeId id : body->body) with.push_back(copy_into(code, *body, id, shift, renamed));
  if (tail) with.push_back(make_op(code, Opcode::Return, {}, {}));
  return replace(code, call, with);
}

// --- Types --------------------------------------------------------------------------------------------------------------

namespace {

// Types related to `type` by declared subtyping that have the field.
std::vector<uint32_t> field_family(const Module& m, uint32_t type, uint32_t field) {
  uint32_t root = type;
  for (size_t steps = 0; steps < 70 && m.types[root].def.has_super; ++steps) {
    const uint32_t above = m.types[root].def.super;
    if (m.types[above].def.fields.size() <= field) break;
    root = above;
  }
  std::vector<uint32_t> family = {root};
  for (size_t i = 0; i < family.size(); ++i) {
    for (uint32_t t = 0; t < m.types.size(); ++t) {
      const bool below = m.types[t].alive && m.types[t].def.has_super && m.types[t].def.super == family[i];
      if (below && std::find(family.begin(), family.end(), t) == family.end()) family.push_back(t);
    }
  }
  return family;
}

bool is_field_access(Opcode op) { return info(op).immediates == ImmKind::TypeField; }

bool is_element_access(Opcode op) {
  switch (op) {
    case Opcode::ArrayGet:
    case Opcode::ArrayGetS:
    case Opcode::ArrayGetU:
    case Opcode::ArraySet:
    case Opcode::ArrayFill:
    case Opcode::ArrayCopy:
    case Opcode::ArrayInitData:
    case Opcode::ArrayInitElem:
    case Opcode::ArrayNewData:
    case Opcode::ArrayNewElem: return true;
    default: return false;
  }
}

}  // namespace

bool remove_field(Module& m, uint32_t type, uint32_t field) {
  if (!m.types[type].alive || m.types[type].def.kind != CompositeKind::kStruct) return false;
  if (field >= m.types[type].def.fields.size()) return false;
  for (const uint32_t t : field_family(m, type, field)) {
    const size_t arity = m.types[t].def.fields.size();
    for (const Use& use : uses_of(m, Space::kType, t)) {
      Code& code = use.code->mut();
      if (!find_place(code, use.node)) continue;
      const Opcode op = code[use.node].op();
      if (op == Opcode::StructNew) {
        if (!drop_operand(code, use.node, field, arity)) return false;
        // The last operand gone: the instruction without operands has a form of its own.
        if (arity == 1) code[use.node].instr.op = Opcode::StructNewDefault;
      } else if (is_field_access(op) && code[use.node].instr.b == field) {
        if (!neutralise(m, code, use.node)) return false;
      } else if (is_field_access(op) && code[use.node].instr.b > field) {
        --code[use.node].instr.b;
      }
    }
    m.types[t].def.fields.erase(m.types[t].def.fields.begin() + field);
  }
  std::erase_if(m.names.fields, [&](const IndirectNameEntry& e) { return e.outer == type; });
  return true;
}

bool set_field_type(Module& m, uint32_t type, uint32_t field, FieldType to, Uses uses) {
  if (!m.types[type].alive || field >= m.types[type].def.fields.size()) return false;
  if (m.types[type].def.fields[field] == to) return false;
  const bool packed = to.storage.packed != Packed::kNone;
  for (const uint32_t t : field_family(m, type, field)) {
    const size_t arity = m.types[t].def.fields.size();
    for (const Use& use : uses_of(m, Space::kType, t)) {
      Code& code = use.code->mut();
      if (!find_place(code, use.node)) continue;
      const Opcode op = code[use.node].op();
      const bool access = is_field_access(op) && code[use.node].instr.b == field;
      if (uses == Uses::kNeutralise && op == Opcode::StructNew) {
        const auto at = child_of_operand(code, use.node, field, arity);
        const auto made = make_default(m, code, to.storage.unpacked);
        if (!at || !made) return false;
        code[use.node].children[*at] = *made;
      } else if (uses == Uses::kNeutralise && (op == Opcode::ArrayNew || op == Opcode::ArrayNewFixed)) {
        const size_t count = op == Opcode::ArrayNew ? 1 : code[use.node].instr.b;
        for (size_t i = 0; i < count; ++i) {
          const auto at = child_of_operand(code, use.node, i, op == Opcode::ArrayNew ? 2 : count);
          const auto made = make_default(m, code, to.storage.unpacked);
          if (!at || !made) return false;
          code[use.node].children[*at] = *made;
        }
      } else if (uses == Uses::kNeutralise && (access || is_element_access(op))) {
        if (!neutralise(m, code, use.node)) return false;
      } else if (access && op != Opcode::StructSet) {
        code[use.node].instr.op = packed ? Opcode::StructGetU : Opcode::StructGet;
      } else if (op == Opcode::ArrayGet || op == Opcode::ArrayGetS || op == Opcode::ArrayGetU) {
        code[use.node].instr.op = packed ? Opcode::ArrayGetU : Opcode::ArrayGet;
      }
    }
    m.types[t].def.fields[field] = to;
  }
  return true;
}

bool drop_super(Module& m, uint32_t type) {
  if (!m.types[type].alive || !m.types[type].def.has_super) return false;
  m.types[type].def.has_super = false;
  return true;
}

bool set_final(Module& m, uint32_t type) {
  if (!m.types[type].alive || m.types[type].def.is_final) return false;
  m.types[type].def.is_final = true;
  return true;
}

bool split_group(Module& m, size_t group) {
  if (group >= m.groups.size() || (m.groups[group].members.size() < 2 && !m.groups[group].explicit_rec)) return false;
  const std::vector<uint32_t> members = m.groups[group].members;
  std::vector<Group> parts;
  for (const uint32_t type : members) {
    if (m.types[type].alive) parts.push_back({{type}, false});
  }
  const auto at = m.groups.erase(m.groups.begin() + static_cast<std::ptrdiff_t>(group));
  m.groups.insert(at, parts.begin(), parts.end());
  return true;
}

bool leave_group(Module& m, uint32_t type, bool before) {
  for (size_t g = 0; g < m.groups.size(); ++g) {
    auto& members = m.groups[g].members;
    const auto at = std::find(members.begin(), members.end(), type);
    if (at == members.end()) continue;
    if (members.size() < 2) return false;
    members.erase(at);
    m.groups.insert(m.groups.begin() + static_cast<std::ptrdiff_t>(g + (before ? 0 : 1)), Group{{type}, false});
    return true;
  }
  return false;
}

namespace {

// Rewrites every type and type index of the module: rewrite(Space, uint32_t&) for indices and numbers.
template <class Visit, class VisitTypes>
void for_all_types(Module& m, Visit&& indices, VisitTypes&& value_types) {
  for (Type& type : m.types) {
    if (!type.alive) continue;
    if (type.def.has_super) indices(type.def.super);
    for (ValType& t : type.def.params) value_types(t);
    for (ValType& t : type.def.results) value_types(t);
    for (FieldType& f : type.def.fields) value_types(f.storage.unpacked);
  }
  for (Func& func : m.funcs) {
    indices(func.type);
    for (ValType& t : func.locals) value_types(t);
  }
  for (Tag& tag : m.tags) indices(tag.type);
  for (Table& table : m.tables) value_types(table.type.element);
  for (Global& global : m.globals) value_types(global.type.value);
  for (Elem& elem : m.elems) value_types(elem.type);
}

}  // namespace

bool merge_types(Module& m, uint32_t from, uint32_t to) {
  if (from == to || !m.types[from].alive || !m.types[to].alive) return false;
  const auto rename = [&](uint32_t& id) {
    if (id == from) id = to;
  };
  const auto rename_space = [&](Space space, uint32_t& id) {
    if (space == Space::kType) rename(id);
  };
  m.types[from].alive = false;
  for_all_types(m, rename, [&](ValType& type) { visit_type(type, rename_space); });
  for_each_code(m, [&](Cow<Code>& code) {
    for (Node& node : code.mut().nodes) visit_refs(node, rename_space);
  });
  return true;
}

bool replace_heap_type(Module& m, HeapType from, HeapType to) {
  bool changed = false;
  const auto swap = [&](ValType& type) {
    if (!type.is_ref() || type == kBottomRef || type.heap() != from) return;
    type = ValType::ref(to, type.nullable());
    changed = true;
  };
  for_all_types(m, [](uint32_t&) {}, swap);
  for_each_code(m, [&](Cow<Code>& code) {
    for (Node& node : code.mut().nodes) {
      swap(node.instr.type);
      swap(node.instr.target);
      if (node.instr.block.kind == BlockTypeKind::kValue) swap(node.instr.block.value);
      for (ValType& type : node.types) swap(type);
    }
  });
  return changed;
}

}  // namespace parallax::wasm::edit
