// Operators on instructions and expressions. Sites of nodes: see ops_support.h.
#include <algorithm>
#include <bit>

#include "triage/reduce/ops_support.h"

namespace parallax::triage::reduce {

// --- statements ---------------------------------------------------------------------------------------------------------

void sites_statements(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) { return code[id].net == 0 ? 1u : 0u; });
}
bool apply_statements(State& state, const Site& site) {
  const At here = at(state, site);
  return here && edit::remove_statement(*here.code, here.id);
}

// --- arms ---------------------------------------------------------------------------------------------------------------

// Variants: unwrap arm 0, arm 1, ...; then become a block with arm 0, arm 1, ...
void sites_arms(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    return code[id].is_structured() ? 2 * static_cast<uint32_t>(code[id].bodies.size()) : 0u;
  });
}
bool apply_arms(State& state, const Site& site) {
  const At here = at(state, site);
  if (!here) return false;
  const auto arms = static_cast<uint32_t>((*here.code)[here.id].bodies.size());
  return site.c < arms ? edit::unwrap(*here.code, here.id, site.c)
                       : edit::become_block(*here.code, here.id, site.c - arms);
}

// --- defaults -----------------------------------------------------------------------------------------------------------

namespace {

bool is_simplest(const Node& node) {
  switch (node.op()) {
    case Opcode::I32Const:
    case Opcode::I64Const:
    case Opcode::F32Const:
    case Opcode::F64Const:
    case Opcode::RefNull:
    case Opcode::Nop:
    case Opcode::Unreachable: return true;
    default: return false;
  }
}

}  // namespace

void sites_defaults(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    return code[id].is_value() && !is_simplest(code[id]) ? 1u : 0u;
  });
}
bool apply_defaults(State& state, const Site& site) {
  const At here = at(state, site);
  return here && edit::replace_by_default(*here.m, *here.code, here.id);
}

// --- hoist --------------------------------------------------------------------------------------------------------------

namespace {

constexpr size_t kMaxHoisted = 12;

bool passes_its_operand(Opcode op) {
  switch (op) {
    case Opcode::RefCast:
    case Opcode::RefCastNull:
    case Opcode::RefAsNonNull:
    case Opcode::BrOnNull:
    case Opcode::BrOnCast:
    case Opcode::BrOnCastFail: return true;
    default: return false;
  }
}

// Parts of an expression that might stand for it, the largest first.
std::vector<NodeId> parts(const edit::Module& m, const Code& code, NodeId id) {
  std::vector<NodeId> out;
  const Node& node = code[id];
  if (node.digs || node.pushed.size() != 1) return out;
  if (!node.is_value()) {
    // Values of others lie below its own: an operand that carries them along may stand for it.
    for (const NodeId child : node.children) {
      const Node& part = code[child];
      const bool fits = part.net == node.net && !part.pushed.empty() && !part.digs;
      if (fits && edit::matches(m, part.pushed.back(), node.pushed[0])) out.push_back(child);
    }
    return out;
  }
  const auto consider = [&](NodeId inner) {
    const Node& part = code[inner];
    if (out.size() >= kMaxHoisted || !part.is_value() || part.digs) return;
    if (edit::matches(m, part.pushed[0], node.pushed[0])) out.push_back(inner);
  };
  preorder(code, node.children, consider);
  for (const edit::Clause& clause : node.bodies) preorder(code, clause.seq, consider);
  // What its operand is known to be may be enough for those who use it.
  if (passes_its_operand(node.op()) && !node.children.empty() && code[node.children.back()].is_value()) {
    if (std::find(out.begin(), out.end(), node.children.back()) == out.end()) out.push_back(node.children.back());
  }
  return out;
}

}  // namespace

void sites_hoist(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module& m, const Code& code, NodeId id) {
    return static_cast<uint32_t>(parts(m, code, id).size());
  });
}
bool apply_hoist(State& state, const Site& site) {
  const At here = at(state, site);
  if (!here) return false;
  const std::vector<NodeId> found = parts(*here.m, *here.code, here.id);
  return site.c < found.size() && edit::replace(*here.code, here.id, {&found[site.c], 1});
}

// --- dropped ------------------------------------------------------------------------------------------------------------

void sites_dropped(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    return code[id].net == 0 ? static_cast<uint32_t>(code[id].children.size()) : 0u;
  });
}
bool apply_dropped(State& state, const Site& site) {
  const At here = at(state, site);
  return here && edit::replace_by_dropped_child(*here.code, here.id, site.c);
}

// --- unreachable --------------------------------------------------------------------------------------------------------

void sites_unreachable(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    return code[id].op() != Opcode::Unreachable ? 1u : 0u;
  });
}
bool apply_unreachable(State& state, const Site& site) {
  const At here = at(state, site);
  return here && edit::replace_by_unreachable(*here.code, here.id) && (edit::strip_dead_code(*here.code), true);
}

// --- neutral ------------------------------------------------------------------------------------------------------------

// Variants: 0 operands are kept where they have effects; 1 the operands stand where the instruction was (return, br at the
// end of what they leave).
void sites_neutral(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    const Node& node = code[id];
    if (node.is_structured() || node.children.empty()) return 0u;
    return node.op() == Opcode::Drop || is_simplest(node) ? 0u : 2u;
  });
}
bool apply_neutral(State& state, const Site& site) {
  const At here = at(state, site);
  if (!here) return false;
  if (site.c == 0) return edit::neutralise(*here.m, *here.code, here.id);
  const Seq children = (*here.code)[here.id].children;
  return edit::replace(*here.code, here.id, children);
}

// --- dead code ----------------------------------------------------------------------------------------------------------

void sites_dead_code(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    each_code(m, [&](uint32_t which, const Code& code) {
      Code copy = code;
      if (edit::strip_dead_code(copy)) out.push_back({module, which});
    });
  });
}
bool apply_dead_code(State& state, const Site& site) {
  if (site.module >= state.modules.size()) return false;
  Cow<Code>* code = code_at(state.modules[site.module], site.a);
  return code != nullptr && edit::strip_dead_code(code->mut());
}

// --- inlining -----------------------------------------------------------------------------------------------------------

void sites_inlining(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module& m, const Code& code, NodeId id) {
    const Node& node = code[id];
    const bool calls = node.op() == Opcode::Call || node.op() == Opcode::ReturnCall;
    return calls && !m.funcs[node.instr.a].import.has_value() ? 1u : 0u;
  });
}
bool apply_inlining(State& state, const Site& site) {
  const At here = at(state, site);
  return here && site.a < here.m->funcs.size() && edit::inline_call(*here.m, site.a, here.id);
}

// --- forms --------------------------------------------------------------------------------------------------------------

namespace {

bool without_operands(At here, Opcode op, uint32_t b) {
  Node& node = (*here.code)[here.id];
  if (node.digs) return false;
  node.instr.op = op;
  node.instr.b = b;
  node.children.clear();
  return true;
}

bool last_operand_goes(At here, size_t arity) {
  return arity > 0 && edit::drop_operand(*here.code, here.id, arity - 1, arity);
}

using Form = bool (*)(At);
struct FormRow {
  Opcode op;
  Form form;
};

// ORDER: for one opcode, the largest change first.
constexpr FormRow kForms[] = {
    {Opcode::StructNew, [](At here) { return without_operands(here, Opcode::StructNewDefault, 0); }},
    {Opcode::ArrayNew, [](At here) { return without_operands(here, Opcode::ArrayNewFixed, 0); }},
    {Opcode::ArrayNewDefault, [](At here) { return without_operands(here, Opcode::ArrayNewFixed, 0); }},
    {Opcode::ArrayNewData, [](At here) { return without_operands(here, Opcode::ArrayNewFixed, 0); }},
    {Opcode::ArrayNewElem, [](At here) { return without_operands(here, Opcode::ArrayNewFixed, 0); }},
    {Opcode::ArrayNewFixed,
     [](At here) { return (*here.code)[here.id].instr.b > 0 && without_operands(here, Opcode::ArrayNewFixed, 0); }},
    {Opcode::ArrayNewFixed,
     [](At here) {
       const uint32_t count = (*here.code)[here.id].instr.b;
       if (!last_operand_goes(here, count)) return false;
       (*here.code)[here.id].instr.b = count - 1;
       return true;
     }},
    {Opcode::ArrayNew,
     [](At here) {
       (*here.code)[here.id].instr.op = Opcode::ArrayNewDefault;
       return edit::drop_operand(*here.code, here.id, 0, 2);
     }},
    {Opcode::ArrayNewData,
     [](At here) {
       (*here.code)[here.id].instr.op = Opcode::ArrayNewDefault;
       return edit::drop_operand(*here.code, here.id, 0, 2);
     }},
    {Opcode::ArrayNewElem,
     [](At here) {
       (*here.code)[here.id].instr.op = Opcode::ArrayNewDefault;
       return edit::drop_operand(*here.code, here.id, 0, 2);
     }},
    {Opcode::CallRef,
     [](At here) {
       Node& node = (*here.code)[here.id];
       if (node.children.empty()) return false;
       const Node& callee = (*here.code)[node.children.back()];
       if (callee.op() != Opcode::RefFunc) return false;
       node.instr.op = Opcode::Call;
       node.instr.a = callee.instr.a;
       node.children.pop_back();
       return true;
     }},
    {Opcode::BrIf,
     [](At here) {
       Node& node = (*here.code)[here.id];
       node.instr.op = Opcode::Br;
       return last_operand_goes(here, node.popped.size()) && (edit::strip_dead_code(*here.code), true);
     }},
    {Opcode::BrTable,
     [](At here) {
       Node& node = (*here.code)[here.id];
       if (node.targets.size() < 2) return false;
       node.targets.erase(node.targets.begin());
       return true;
     }},
    {Opcode::BrTable,
     [](At here) {
       Node& node = (*here.code)[here.id];
       node.instr.op = Opcode::Br;
       node.targets = {node.targets.back()};
       return last_operand_goes(here, node.popped.size());
     }},
    {Opcode::TryTable,
     [](At here) {
       Node& node = (*here.code)[here.id];
       if (node.catches.empty()) return false;
       node.catches.pop_back();
       node.targets.pop_back();
       return true;
     }},
    {Opcode::SelectTyped,
     [](At here) {
       Node& node = (*here.code)[here.id];
       node.instr.op = Opcode::Select;
       node.types.clear();
       return true;
     }},
    {Opcode::LocalTee,
     [](At here) {
       const Seq children = (*here.code)[here.id].children;
       return edit::replace(*here.code, here.id, children);
     }},
    {Opcode::ReturnCall, [](At here) { return (*here.code)[here.id].instr.op = Opcode::Call, true; }},
    {Opcode::ReturnCallRef, [](At here) { return (*here.code)[here.id].instr.op = Opcode::CallRef, true; }},
    {Opcode::ReturnCallIndirect, [](At here) { return (*here.code)[here.id].instr.op = Opcode::CallIndirect, true; }},
    {Opcode::StructGetS, [](At here) { return (*here.code)[here.id].instr.op = Opcode::StructGetU, true; }},
    {Opcode::ArrayGetS, [](At here) { return (*here.code)[here.id].instr.op = Opcode::ArrayGetU, true; }},
};

}  // namespace

void sites_forms(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    each_code(m, [&](uint32_t which, const Code& code) {
      preorder(code, code.body, [&](NodeId id) {
        for (uint32_t row = 0; row < std::size(kForms); ++row) {
          if (kForms[row].op == code[id].op()) out.push_back({module, which, id.raw, row});
        }
      });
    });
  });
}
bool apply_forms(State& state, const Site& site) {
  const At here = at(state, site);
  return here && (*here.code)[here.id].op() == kForms[site.c].op && kForms[site.c].form(here);
}

// --- forwarding ---------------------------------------------------------------------------------------------------------

namespace {

// The one place where the local is read, if it is set and read once.
std::optional<NodeId> only_get(const Code& code, uint32_t local) {
  std::optional<NodeId> get;
  uint32_t gets = 0, sets = 0;
  edit::for_each_node(code, [&](NodeId id, NodeId) {
    if (info(code[id].op()).immediates != ImmKind::Local || code[id].instr.a != local) return;
    if (code[id].op() == Opcode::LocalGet) get = id, ++gets;
    else ++sets;
  });
  return gets == 1 && sets == 1 ? get : std::nullopt;
}

}  // namespace

void sites_forwarding(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    const Node& node = code[id];
    const bool plain = node.op() == Opcode::LocalSet && node.children.size() == 1 && !node.digs && node.net == 0;
    return plain && code[node.children[0]].is_value() && only_get(code, node.instr.a) ? 1u : 0u;
  });
}
bool apply_forwarding(State& state, const Site& site) {
  const At here = at(state, site);
  if (!here) return false;
  const Node& node = (*here.code)[here.id];
  if (node.op() != Opcode::LocalSet || node.children.size() != 1) return false;
  const NodeId value = node.children[0];
  const auto get = only_get(*here.code, node.instr.a);
  return get && edit::remove_statement(*here.code, here.id) && edit::replace(*here.code, *get, {&value, 1});
}

// --- literals -----------------------------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kLiteralWays = 4;

// Ways: 0, 1, half, one less.
bool simpler_integer(int64_t& value, uint32_t way) {
  const int64_t before = value;
  switch (way) {
    case 0: value = 0; break;
    case 1: value = 1; break;
    case 2: value /= 2; break;
    default: value = value > 0 ? value - 1 : value + 1; break;
  }
  const auto size = [](int64_t v) { return v < 0 ? -static_cast<double>(v) : static_cast<double>(v); };
  return value != before && size(value) < size(before);
}

bool simpler_literal(wasm::Instr& instr, uint32_t way) {
  switch (info(instr.op).immediates) {
    case ImmKind::I32:
    case ImmKind::I64: {
      auto value = static_cast<int64_t>(instr.bits);
      if (instr.op == Opcode::I32Const) value = static_cast<int32_t>(instr.bits);
      if (!simpler_integer(value, way)) return false;
      instr.bits = static_cast<uint64_t>(value);
      return true;
    }
    case ImmKind::F32: {
      const uint64_t to = way == 0 ? 0 : std::bit_cast<uint32_t>(1.0f);
      if (way > 1 || instr.bits == to || instr.bits == 0) return false;
      instr.bits = to;
      return true;
    }
    case ImmKind::F64: {
      const uint64_t to = way == 0 ? 0 : std::bit_cast<uint64_t>(1.0);
      if (way > 1 || instr.bits == to || instr.bits == 0) return false;
      instr.bits = to;
      return true;
    }
    case ImmKind::V128:
    case ImmKind::Shuffle: {
      const bool zero = std::all_of(instr.v128.begin(), instr.v128.end(), [](uint8_t b) { return b == 0; });
      if (way != 0 || zero) return false;
      instr.v128 = {};
      return true;
    }
    case ImmKind::MemArg:
    case ImmKind::MemArgLane: {
      auto value = static_cast<int64_t>(instr.mem.offset);
      if (!simpler_integer(value, way)) return false;
      instr.mem.offset = static_cast<uint64_t>(value);
      return true;
    }
    default: return false;
  }
}

}  // namespace

void sites_literals(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    each_code(m, [&](uint32_t which, const Code& code) {
      preorder(code, code.body, [&](NodeId id) {
        for (uint32_t way = 0; way < kLiteralWays; ++way) {
          wasm::Instr instr = code[id].instr;
          if (simpler_literal(instr, way)) out.push_back({module, which, id.raw, way});
        }
      });
    });
  });
}
bool apply_literals(State& state, const Site& site) {
  const At here = at(state, site);
  return here && simpler_literal((*here.code)[here.id].instr, site.c);
}

// --- windows ------------------------------------------------------------------------------------------------------------

namespace {

// Which operand of how many says where in the segment to begin.
struct Window {
  Opcode op;
  size_t operand, arity;
};
constexpr Window kWindows[] = {
    {Opcode::ArrayNewData, 0, 2},  {Opcode::ArrayNewElem, 0, 2}, {Opcode::ArrayInitData, 2, 4},
    {Opcode::ArrayInitElem, 2, 4}, {Opcode::MemoryInit, 1, 3},   {Opcode::TableInit, 1, 3},
};

}  // namespace

void sites_windows(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    each_code(m, [&](uint32_t which, const Code& code) {
      preorder(code, code.body, [&](NodeId id) {
        for (uint32_t row = 0; row < std::size(kWindows); ++row) {
          if (kWindows[row].op == code[id].op()) out.push_back({module, which, id.raw, row});
        }
      });
    });
  });
}
// What stands before the beginning goes from the segment, and the beginning becomes 0.
bool apply_windows(State& state, const Site& site) {
  const At here = at(state, site);
  if (!here || (*here.code)[here.id].op() != kWindows[site.c].op) return false;
  const auto child = edit::child_of_operand(*here.code, here.id, kWindows[site.c].operand, kWindows[site.c].arity);
  if (!child) return false;
  Node& begin = (*here.code)[(*here.code)[here.id].children[*child]];
  if (begin.op() != Opcode::I32Const || begin.instr.bits == 0) return false;
  const uint64_t count = begin.instr.bits & 0xffffffffu;
  begin.instr.bits = 0;
  const auto cut = [&](auto& items) {
    // array.*_data counts in bytes; so do memories.
    if (count > items.size()) return false;
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count));
    return true;
  };
  const wasm::Instr& instr = (*here.code)[here.id].instr;
  const bool data_first = instr.op == Opcode::MemoryInit;
  const uint32_t segment = data_first ? instr.a : instr.b;
  const bool is_data = data_first || info(instr.op).immediates == ImmKind::TypeData;
  if (is_data) return cut(here.m->datas[segment].bytes);
  edit::Elem& elem = here.m->elems[segment];
  return elem.uses_exprs ? cut(elem.exprs) : cut(elem.funcs);
}

// --- block types --------------------------------------------------------------------------------------------------------

namespace {

bool shorter_block_type(const edit::Module& m, wasm::BlockType& type, uint32_t way) {
  if (type.kind == wasm::BlockTypeKind::kEmpty) return false;
  if (way == 1) return type = {}, true;
  if (type.kind != wasm::BlockTypeKind::kFunc) return false;
  const wasm::SubType& def = m.types[type.type].def;
  if (!def.params.empty() || def.results.size() > 1) return false;
  const bool empty = def.results.empty();
  type = {.kind = empty ? wasm::BlockTypeKind::kEmpty : wasm::BlockTypeKind::kValue,
          .value = empty ? wasm::kI32 : def.results[0]};
  return true;
}

}  // namespace

void sites_block_types(const State& state, std::vector<Site>& out) {
  node_sites(state, out, [](const edit::Module&, const Code& code, NodeId id) {
    return code[id].is_structured() && code[id].instr.block.kind != wasm::BlockTypeKind::kEmpty ? 2u : 0u;
  });
}
// Way 1, no type at all, is for blocks whose value nobody gets because their end is not reached.
bool apply_block_types(State& state, const Site& site) {
  const At here = at(state, site);
  return here && (*here.code)[here.id].is_structured() &&
         shorter_block_type(*here.m, (*here.code)[here.id].instr.block, site.c);
}

}  // namespace parallax::triage::reduce
