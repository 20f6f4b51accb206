// Operators on what a module defines: entities, segments, imports, exports, whole bodies.
#include <algorithm>

#include "triage/reduce/coverage.h"
#include "triage/reduce/ops_support.h"

namespace parallax::triage::reduce {

namespace {

edit::Module* module_at(State& state, const Site& site) {
  return site.module < state.modules.size() ? &state.modules[site.module] : nullptr;
}

}  // namespace

// --- decoration ---------------------------------------------------------------------------------------------------------

void sites_decoration(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    if (!m.customs.empty()) out.push_back({module, 0});
    if (!m.names.empty()) out.push_back({module, 1});
    if (m.data_count) out.push_back({module, 2});
  });
}
bool apply_decoration(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  if (site.a == 0) m->customs.clear();
  else if (site.a == 1) m->names = {};
  else m->data_count = false;
  return true;
}

// --- unused -------------------------------------------------------------------------------------------------------------

void sites_unused(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    edit::Module copy = m;
    if (edit::remove_unused(copy, edit::Imports::kRemove)) out.push_back({module});
  });
}
bool apply_unused(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  return m != nullptr && edit::remove_unused(*m, edit::Imports::kRemove);
}

// --- exports ------------------------------------------------------------------------------------------------------------

// b: the export's name is what identifies it while others go.
void sites_exports(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (size_t i = m.exports.size(); i-- > 0;) out.push_back({module, static_cast<uint32_t>(i)});
  });
}
bool apply_exports(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->exports.size()) return false;
  edit::remove_export(*m, site.a);
  return true;
}

// --- unexecuted ---------------------------------------------------------------------------------------------------------

// The outermost nodes that never begin; a statement goes, a value or the end of a path becomes unreachable.
void sites_unexecuted(const State& state, std::vector<Site>& out) {
  const Coverage coverage = count_executed(state);
  if (!coverage.known) return;
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      if (!m.funcs[f].alive || m.funcs[f].import.has_value()) continue;
      const Code& code = *m.funcs[f].code;
      const auto visit = [&](const auto& self, const Seq& seq) -> void {
        for (const NodeId id : seq) {
          const Node& node = code[id];
          if (coverage.counts[module][f][id.index()] != 0) {
            self(self, node.children);
            for (const edit::Clause& clause : node.bodies) self(self, clause.seq);
          } else if (node.op() != Opcode::Unreachable) {
            // Its operands may well run: a trap among them ends the path before it.
            bool any = false;
            preorder(code, node.children,
                     [&](NodeId child) { any = any || coverage.counts[module][f][child.index()] != 0; });
            if (any) self(self, node.children);
            else out.push_back({module, f, id.raw});
          }
        }
      };
      visit(visit, code.body);
    }
  });
}
bool apply_unexecuted(State& state, const Site& site) {
  const At here = at(state, site);
  if (!here) return false;
  return edit::replace_by_unreachable(*here.code, here.id) && (edit::strip_dead_code(*here.code), true);
}

// --- bodies -------------------------------------------------------------------------------------------------------------

// b: 0 defaults, 1 unreachable.
void sites_bodies(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      const bool defined = m.funcs[f].alive && !m.funcs[f].import.has_value();
      if (defined && m.funcs[f].code->body.size() + m.funcs[f].locals.size() > 0) out.push_back({module, f, 0});
    }
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      const bool defined = m.funcs[f].alive && !m.funcs[f].import.has_value();
      if (defined && m.funcs[f].code->nodes.size() > 1) out.push_back({module, f, 1});
    }
  });
}
bool apply_bodies(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->funcs.size()) return false;
  edit::Func& f = m->funcs[site.a];
  if (!f.alive || f.import.has_value()) return false;
  Code code;
  for (const ValType type : m->type_of(f).results) {
    const auto made = site.b == 0 ? edit::make_default(*m, code, type) : std::nullopt;
    if (!made) {
      if (site.b == 0) return false;
      break;
    }
    code.body.push_back(*made);
  }
  if (site.b == 1) code.body = {edit::make_op(code, Opcode::Unreachable, {}, {})};
  f.code = Cow<Code>(std::move(code));
  f.locals.clear();
  return true;
}

// --- functions ----------------------------------------------------------------------------------------------------------

void sites_functions(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      if (m.funcs[f].alive) out.push_back({module, f});
    }
  });
}
bool apply_functions(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  return m != nullptr && site.a < m->funcs.size() && edit::remove_func(*m, site.a);
}

// --- start --------------------------------------------------------------------------------------------------------------

void sites_start(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    if (m.start.has_value()) out.push_back({module});
  });
}
bool apply_start(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || !m->start.has_value()) return false;
  m->start.reset();
  return true;
}

// --- segments -----------------------------------------------------------------------------------------------------------

// b: 0 element, 1 data segment.
void sites_segments(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t i = 0; i < m.elems.size(); ++i) {
      if (m.elems[i].alive) out.push_back({module, i, 0});
    }
    for (uint32_t i = 0; i < m.datas.size(); ++i) {
      if (m.datas[i].alive) out.push_back({module, i, 1});
    }
  });
}
bool apply_segments(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  if (site.b == 0) return site.a < m->elems.size() && edit::remove_elem(*m, site.a);
  return site.a < m->datas.size() && edit::remove_data(*m, site.a);
}

// --- entities -----------------------------------------------------------------------------------------------------------

// b: ExternKind.
void sites_entities(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    const auto all = [&](const auto& items, wasm::ExternKind kind) {
      for (uint32_t i = 0; i < items.size(); ++i) {
        if (items[i].alive) out.push_back({module, i, static_cast<uint32_t>(kind)});
      }
    };
    all(m.globals, wasm::ExternKind::kGlobal);
    all(m.tables, wasm::ExternKind::kTable);
    all(m.memories, wasm::ExternKind::kMemory);
    all(m.tags, wasm::ExternKind::kTag);
  });
}
bool apply_entities(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  switch (static_cast<wasm::ExternKind>(site.b)) {
    case wasm::ExternKind::kGlobal: return site.a < m->globals.size() && edit::remove_global(*m, site.a);
    case wasm::ExternKind::kTable: return site.a < m->tables.size() && edit::remove_table(*m, site.a);
    case wasm::ExternKind::kMemory: return site.a < m->memories.size() && edit::remove_memory(*m, site.a);
    case wasm::ExternKind::kTag: return site.a < m->tags.size() && edit::remove_tag(*m, site.a);
    case wasm::ExternKind::kFunc: break;
  }
  return false;
}

// --- imports ------------------------------------------------------------------------------------------------------------

// b: 0 function, 1 global, 2 table, 3 memory, 4 tag.
void sites_imports(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (const edit::ImportRef& import : m.imports)
      out.push_back({module, import.index, static_cast<uint32_t>(import.kind)});
  });
}
bool apply_imports(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  const auto kind = static_cast<wasm::ExternKind>(site.b);
  const auto forget = [&](auto& items) {
    if (site.a >= items.size() || !items[site.a].alive || !items[site.a].import.has_value()) return false;
    items[site.a].import.reset();
    std::erase_if(m->imports, [&](const edit::ImportRef& i) { return i.kind == kind && i.index == site.a; });
    return true;
  };
  switch (kind) {
    case wasm::ExternKind::kFunc: return site.a < m->funcs.size() && edit::define_imported_func(*m, site.a);
    case wasm::ExternKind::kGlobal: return site.a < m->globals.size() && edit::define_imported_global(*m, site.a);
    case wasm::ExternKind::kTable: return forget(m->tables);
    case wasm::ExternKind::kMemory: return forget(m->memories);
    case wasm::ExternKind::kTag: return forget(m->tags);
  }
  return false;
}

// --- limits -------------------------------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kLimitWays = 4;

bool shrink(wasm::Limits& limits, uint32_t way) {
  const wasm::Limits before = limits;
  if (way == 0) limits.min = 0;
  if (way == 1) limits.min = std::min<uint64_t>(limits.min, 1);
  if (way == 2) limits.min /= 2;
  if (way == 3) limits.max.reset();
  return before.min != limits.min || before.max != limits.max;
}

}  // namespace

// b: 0 memory, 1 table; c: way.
void sites_limits(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t way = 0; way < kLimitWays; ++way) {
      for (uint32_t i = 0; i < m.memories.size(); ++i) {
        wasm::Limits limits = m.memories[i].type.limits;
        if (m.memories[i].alive && shrink(limits, way)) out.push_back({module, i, 0, way});
      }
      for (uint32_t i = 0; i < m.tables.size(); ++i) {
        wasm::Limits limits = m.tables[i].type.limits;
        if (m.tables[i].alive && shrink(limits, way)) out.push_back({module, i, 1, way});
      }
    }
  });
}
bool apply_limits(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  if (site.b == 0) return site.a < m->memories.size() && shrink(m->memories[site.a].type.limits, site.c);
  return site.a < m->tables.size() && shrink(m->tables[site.a].type.limits, site.c);
}

// --- contents -----------------------------------------------------------------------------------------------------------

// a: segment; b: 0 an element goes, 1 a data byte goes, 2 a data byte becomes zero; c: position, from the end on.
void sites_contents(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t i = 0; i < m.elems.size(); ++i) {
      const size_t count = m.elems[i].uses_exprs ? m.elems[i].exprs.size() : m.elems[i].funcs.size();
      for (size_t k = count; k-- > 0 && m.elems[i].alive;) out.push_back({module, i, 0, static_cast<uint32_t>(k)});
    }
    for (uint32_t i = 0; i < m.datas.size(); ++i) {
      for (size_t k = m.datas[i].bytes.size(); k-- > 0 && m.datas[i].alive;)
        out.push_back({module, i, 1, static_cast<uint32_t>(k)});
    }
    for (uint32_t i = 0; i < m.datas.size(); ++i) {
      for (size_t k = m.datas[i].bytes.size(); k-- > 0 && m.datas[i].alive;) {
        if (m.datas[i].bytes[k] != 0) out.push_back({module, i, 2, static_cast<uint32_t>(k)});
      }
    }
  });
}
bool apply_contents(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  const auto cut = [&](auto& items) {
    if (site.c >= items.size()) return false;
    items.erase(items.begin() + site.c);
    return true;
  };
  if (site.b == 0) {
    if (site.a >= m->elems.size() || !m->elems[site.a].alive) return false;
    return m->elems[site.a].uses_exprs ? cut(m->elems[site.a].exprs) : cut(m->elems[site.a].funcs);
  }
  if (site.a >= m->datas.size() || !m->datas[site.a].alive) return false;
  std::vector<uint8_t>& bytes = m->datas[site.a].bytes;
  if (site.b == 1) return cut(bytes);
  if (site.c >= bytes.size()) return false;
  bytes[site.c] = 0;
  return true;
}

// --- what changes leave behind ------------------------------------------------------------------------------------------

void tidy(State& state) {
  for (edit::Module& m : state.modules) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) edit::remove_unused_locals(m, f);
    edit::remove_unused(m, edit::Imports::kRemove);
  }
}

}  // namespace parallax::triage::reduce
