// Operators on types and signatures.
#include <algorithm>

#include "triage/reduce/ops_support.h"

namespace parallax::triage::reduce {

namespace {

edit::Module* module_at(State& state, const Site& site) {
  return site.module < state.modules.size() ? &state.modules[site.module] : nullptr;
}

template <class Visit>
void each_type(const State& state, Visit&& visit) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t t = 0; t < m.types.size(); ++t) {
      if (m.types[t].alive) visit(module, m, t);
    }
  });
}

template <class Visit>
void each_defined_func(const State& state, Visit&& visit) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      if (m.funcs[f].alive && !m.funcs[f].import.has_value()) visit(module, m, f);
    }
  });
}

}  // namespace

// --- locals, parameters, results ----------------------------------------------------------------------------------------

// From the last to the first, so that several can go at once.
void sites_locals(const State& state, std::vector<Site>& out) {
  each_defined_func(state, [&](uint32_t module, const edit::Module& m, uint32_t f) {
    const size_t params = m.type_of(m.funcs[f]).params.size();
    for (size_t l = m.funcs[f].locals.size(); l-- > 0;) out.push_back({module, f, static_cast<uint32_t>(params + l)});
  });
}
bool apply_locals(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  return m != nullptr && site.a < m->funcs.size() && edit::remove_local(*m, site.a, site.b);
}

namespace {

// Imports too: the host answers whatever type it is asked for.
template <class Visit>
void each_func(const State& state, Visit&& visit) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t f = 0; f < m.funcs.size(); ++f) {
      if (m.funcs[f].alive) visit(module, m, f);
    }
  });
}

}  // namespace

void sites_params(const State& state, std::vector<Site>& out) {
  each_func(state, [&](uint32_t module, const edit::Module& m, uint32_t f) {
    for (size_t p = m.type_of(m.funcs[f]).params.size(); p-- > 0;) out.push_back({module, f, static_cast<uint32_t>(p)});
  });
}
bool apply_params(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->funcs.size() || !edit::remove_param(*m, site.a, site.b)) return false;
  // Calls from the plan lose the argument, too.
  for (const edit::Export& e : m->exports) {
    if (e.kind != wasm::ExternKind::kFunc || e.index != site.a) continue;
    for (fuzz::Step& step : state.rest.plan) {
      if (step.name == e.name && site.b < step.args.size()) step.args.erase(step.args.begin() + site.b);
    }
  }
  return true;
}

// b: the result; c: 0 alone, else with parameter c - 1 of an import (the host's echo gives its arguments back).
void sites_results(const State& state, std::vector<Site>& out) {
  each_func(state, [&](uint32_t module, const edit::Module& m, uint32_t f) {
    const wasm::SubType& type = m.type_of(m.funcs[f]);
    for (size_t r = type.results.size(); r-- > 0;) {
      out.push_back({module, f, static_cast<uint32_t>(r), 0});
      const size_t params = m.funcs[f].import.has_value() ? type.params.size() : 0;
      for (size_t p = 0; p < params; ++p)
        out.push_back({module, f, static_cast<uint32_t>(r), static_cast<uint32_t>(p + 1)});
    }
  });
}
bool apply_results(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->funcs.size() || !edit::remove_result(*m, site.a, site.b)) return false;
  return site.c == 0 || edit::remove_param(*m, site.a, site.c - 1);
}

// --- types --------------------------------------------------------------------------------------------------------------

namespace {

template <class Visit>
void each_unused_type(const State& state, Visit&& visit) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    edit::Module without = m;
    edit::remove_unused(without, edit::Imports::kKeep);
    for (size_t t = m.types.size(); t-- > 0;) {
      if (m.types[t].alive && !without.types[t].alive) visit(module, m, static_cast<uint32_t>(t));
    }
  });
}

const wasm::SubType kHollow{.kind = wasm::CompositeKind::kStruct};

}  // namespace

// Mostly tidying takes them all at once; where the finding hangs on unused types it is one by one.
void sites_types(const State& state, std::vector<Site>& out) {
  each_unused_type(state, [&](uint32_t module, const edit::Module&, uint32_t t) { out.push_back({module, t}); });
}
bool apply_types(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->types.size() || !m->types[site.a].alive) return false;
  for (const edit::Func& func : m->funcs) {
    if (func.alive && func.type == site.a) return false;
  }
  m->types[site.a].alive = false;
  return true;
}

// --- hollow types -------------------------------------------------------------------------------------------------------

// Where the number of types matters, what is in them need not.
void sites_hollow(const State& state, std::vector<Site>& out) {
  each_unused_type(state, [&](uint32_t module, const edit::Module& m, uint32_t t) {
    if (m.types[t].def != kHollow) out.push_back({module, t});
  });
}
bool apply_hollow(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->types.size() || !m->types[site.a].alive) return false;
  m->types[site.a].def = kHollow;
  return true;
}

// --- fields -------------------------------------------------------------------------------------------------------------

void sites_fields(const State& state, std::vector<Site>& out) {
  each_type(state, [&](uint32_t module, const edit::Module& m, uint32_t t) {
    if (m.types[t].def.kind != wasm::CompositeKind::kStruct) return;
    for (size_t f = m.types[t].def.fields.size(); f-- > 0;) out.push_back({module, t, static_cast<uint32_t>(f)});
  });
}
bool apply_fields(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  return m != nullptr && site.a < m->types.size() && edit::remove_field(*m, site.a, site.b);
}

namespace {

constexpr uint32_t kFieldWays = 7;

struct FieldChange {
  wasm::FieldType to;
  edit::Uses uses;
};

// Ways: immutable; i32 with neutral uses; unpacked; nullable; then abstract heap types, nullable, with the uses as they are.
std::optional<FieldChange> field_change(const wasm::FieldType& field, uint32_t way) {
  FieldChange change{field, edit::Uses::kKeep};
  const ValType type = field.storage.unpacked;
  switch (way) {
    case 0: change.to.is_mutable = false; break;
    case 1:
      change.to.storage = {wasm::kI32, wasm::Packed::kNone};
      change.uses = edit::Uses::kNeutralise;
      break;
    case 2: change.to.storage.packed = wasm::Packed::kNone; break;
    default: {
      if (!type.is_ref()) return {};
      static constexpr HeapKind kKinds[] = {HeapKind::kAny, HeapKind::kEq, HeapKind::kStruct, HeapKind::kFunc};
      change.to.storage.unpacked = ValType::ref(kKinds[way - 3], true);
    }
  }
  if (change.to == field) return {};
  return change;
}

}  // namespace

void sites_field_types(const State& state, std::vector<Site>& out) {
  each_type(state, [&](uint32_t module, const edit::Module& m, uint32_t t) {
    for (uint32_t f = 0; f < m.types[t].def.fields.size(); ++f) {
      for (uint32_t way = 0; way < kFieldWays; ++way) {
        if (field_change(m.types[t].def.fields[f], way)) out.push_back({module, t, f, way});
      }
    }
  });
}
bool apply_field_types(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->types.size() || site.b >= m->types[site.a].def.fields.size()) return false;
  const auto change = field_change(m->types[site.a].def.fields[site.b], site.c);
  return change && edit::set_field_type(*m, site.a, site.b, change->to, change->uses);
}

// --- supertypes and groups ----------------------------------------------------------------------------------------------

// b: 0 none any more, 1 final, 2 the one above.
void sites_supers(const State& state, std::vector<Site>& out) {
  each_type(state, [&](uint32_t module, const edit::Module& m, uint32_t t) {
    const wasm::SubType& def = m.types[t].def;
    if (def.has_super) out.push_back({module, t, 0});
    if (!def.is_final) out.push_back({module, t, 1});
    if (def.has_super && m.types[def.super].def.has_super) out.push_back({module, t, 2});
  });
}
bool apply_supers(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->types.size()) return false;
  if (site.b == 0) return edit::drop_super(*m, site.a);
  if (site.b == 1) return edit::set_final(*m, site.a);
  wasm::SubType& def = m->types[site.a].def;
  if (!def.has_super || !m->types[def.super].def.has_super) return false;
  def.super = m->types[def.super].def.super;
  return true;
}

// b: 0 the group falls apart; 1, 2: the type a leaves its group to stand before or behind it.
void sites_groups(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    for (uint32_t g = 0; g < m.groups.size(); ++g) {
      const bool several = m.groups[g].members.size() > 1;
      if (several || m.groups[g].explicit_rec) out.push_back({module, g, 0});
      for (const uint32_t type : m.groups[g].members) {
        if (!several || !m.types[type].alive) continue;
        out.push_back({module, type, 1});
        out.push_back({module, type, 2});
      }
    }
  });
}
bool apply_groups(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  return site.b == 0 ? edit::split_group(*m, site.a) : edit::leave_group(*m, site.a, site.b == 1);
}

// --- merging and generalising -------------------------------------------------------------------------------------------

namespace {

// With more types than this only a type and its supertype are tried.
constexpr size_t kMaxPairs = 16;

}  // namespace

void sites_merges(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    std::vector<uint32_t> alive;
    for (uint32_t t = 0; t < m.types.size(); ++t) {
      if (m.types[t].alive) alive.push_back(t);
    }
    for (const uint32_t from : alive) {
      const wasm::SubType& def = m.types[from].def;
      if (def.has_super) {
        out.push_back({module, from, def.super});
        out.push_back({module, def.super, from});
      }
      if (alive.size() > kMaxPairs) continue;
      for (const uint32_t to : alive) {
        if (from != to && def.kind == m.types[to].def.kind) out.push_back({module, from, to});
      }
    }
  });
}
bool apply_merges(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->types.size() || site.b >= m->types.size()) return false;
  return edit::merge_types(*m, site.a, site.b);
}

namespace {

constexpr HeapKind kSimpleHeaps[] = {HeapKind::kAny,   HeapKind::kEq,   HeapKind::kStruct,
                                     HeapKind::kArray, HeapKind::kFunc, HeapKind::kNone};

}  // namespace

// a: the concrete type; c: what it becomes.
void sites_heap_types(const State& state, std::vector<Site>& out) {
  each_type(state, [&](uint32_t module, const edit::Module& m, uint32_t t) {
    for (uint32_t i = 0; i < std::size(kSimpleHeaps); ++i) {
      const bool func = m.types[t].def.kind == wasm::CompositeKind::kFunc;
      if ((kSimpleHeaps[i] == HeapKind::kFunc) == func) out.push_back({module, t, 0, i});
    }
  });
}
bool apply_heap_types(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr || site.a >= m->types.size() || !m->types[site.a].alive) return false;
  return edit::replace_heap_type(*m, HeapType::concrete(site.a), kSimpleHeaps[site.c]);
}

// --- value types --------------------------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kValueWays = 5;

// Ways: nullable; then nullable abstract types; all encode shorter or admit simpler values.
std::optional<ValType> simpler_type(ValType type, uint32_t way) {
  if (!type.is_ref()) return {};
  static constexpr HeapKind kKinds[] = {HeapKind::kAny, HeapKind::kEq, HeapKind::kStruct, HeapKind::kFunc};
  const ValType to = way == 0 ? type.as_nullable() : ValType::ref(kKinds[way - 1], true);
  if (to == type) return {};
  return to;
}

// The places where a module says a value type: b counts through them. Signatures are changed in the type itself.
template <class M, class Visit>
void value_places(M& m, Visit&& visit) {
  for (auto& func : m.funcs) {
    if (!func.alive || func.import.has_value()) continue;
    for (auto& local : func.locals) visit(local);
  }
  for (auto& global : m.globals) {
    if (global.alive) visit(global.type.value);
  }
  for (auto& type : m.types) {
    if (!type.alive || type.def.kind != wasm::CompositeKind::kFunc) continue;
    for (auto& param : type.def.params) visit(param);
    for (auto& result : type.def.results) visit(result);
  }
  for (auto& table : m.tables) {
    if (table.alive) visit(table.type.element);
  }
  for (auto& elem : m.elems) {
    if (elem.alive) visit(elem.type);
  }
}

}  // namespace

// c: way; way kValueWays: a global is not mutable any more.
void sites_value_types(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    uint32_t place = 0;
    value_places(m, [&](const ValType& type) {
      for (uint32_t way = 0; way < kValueWays; ++way) {
        if (simpler_type(type, way)) out.push_back({module, 0, place, way});
      }
      ++place;
    });
    for (uint32_t g = 0; g < m.globals.size(); ++g) {
      if (m.globals[g].alive && m.globals[g].type.is_mutable) out.push_back({module, g, 0, kValueWays});
    }
  });
}
bool apply_value_types(State& state, const Site& site) {
  edit::Module* m = module_at(state, site);
  if (m == nullptr) return false;
  if (site.c == kValueWays) {
    if (site.a >= m->globals.size() || !m->globals[site.a].alive) return false;
    return std::exchange(m->globals[site.a].type.is_mutable, false);
  }
  uint32_t place = 0;
  bool changed = false;
  value_places(*m, [&](ValType& type) {
    if (place++ != site.b) return;
    const auto to = simpler_type(type, site.c);
    if (!to) return;
    type = *to;
    changed = true;
  });
  return changed;
}

}  // namespace parallax::triage::reduce
