// Shared by the operators (ops_*.cc).
#pragma once

#include "engine/wasm/edit/entities.h"
#include "engine/wasm/edit/refs.h"
#include "triage/reduce/operators.h"

namespace parallax::triage::reduce {

using edit::Code;
using edit::Cow;
using edit::Node;
using edit::NodeId;
using edit::Seq;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::ImmKind;
using wasm::Opcode;
using wasm::ValType;

inline constexpr uint32_t kNoFunc = ~0u;

// Pieces of code have numbers: functions by id, then constant expressions in order. Null when there is none (any more).
inline Cow<Code>* code_at(edit::Module& m, uint32_t which) {
  if (which < m.funcs.size()) {
    edit::Func& f = m.funcs[which];
    return f.alive && !f.import.has_value() ? &f.code : nullptr;
  }
  uint32_t left = which - static_cast<uint32_t>(m.funcs.size());
  Cow<Code>* found = nullptr;
  edit::for_each_const_expr(m, [&](Cow<Code>& code) {
    if (left-- == 0) found = &code;
  });
  return found;
}

// Calls visit(module number, module).
template <class Visit>
void each_module(const State& state, Visit&& visit) {
  for (uint32_t i = 0; i < state.modules.size(); ++i) visit(i, state.modules[i]);
}

// Calls visit(which, code) for every piece of code.
template <class Visit>
void each_code(const edit::Module& m, Visit&& visit) {
  for (uint32_t f = 0; f < m.funcs.size(); ++f) {
    if (m.funcs[f].alive && !m.funcs[f].import.has_value()) visit(f, *m.funcs[f].code);
  }
  auto which = static_cast<uint32_t>(m.funcs.size());
  edit::for_each_const_expr(m, [&](const Cow<Code>& code) { visit(which++, *code); });
}

// Nodes, outer ones before what is inside them.
template <class Visit>
void preorder(const Code& code, const Seq& seq, Visit&& visit) {
  for (const NodeId id : seq) {
    visit(id);
    preorder(code, code[id].children, visit);
    for (const edit::Clause& clause : code[id].bodies) preorder(code, clause.seq, visit);
  }
}

// One site for each node that `wanted(code, node)` gives variants for: Site{module, code, node, variant}.
template <class Variants>
void node_sites(const State& state, std::vector<Site>& out, Variants&& variants) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    each_code(m, [&](uint32_t which, const Code& code) {
      preorder(code, code.body, [&](NodeId id) {
        const uint32_t count = variants(m, code, id);
        for (uint32_t v = 0; v < count; ++v) out.push_back({module, which, id.raw, v});
      });
    });
  });
}

// The code and node of a site, for changing; null when either is gone.
struct At {
  edit::Module* m = nullptr;
  Code* code = nullptr;
  NodeId id;
  explicit operator bool() const { return code != nullptr; }
};
inline At at(State& state, const Site& site) {
  if (site.module >= state.modules.size()) return {};
  edit::Module& m = state.modules[site.module];
  Cow<Code>* code = code_at(m, site.a);
  const NodeId id(site.b);
  if (code == nullptr || id.index() >= (*code)->nodes.size()) return {};
  Code& mine = code->mut();
  if (!edit::find_place(mine, id)) return {};
  return {&m, &mine, id};
}

}  // namespace parallax::triage::reduce
