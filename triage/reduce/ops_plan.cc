// Operators on plan and settings.
#include <algorithm>

#include "engine/base/text.h"
#include "fuzz/executors/executors.h"
#include "triage/reduce/coverage.h"
#include "triage/reduce/ops_support.h"

namespace parallax::triage::reduce {

using fuzz::ArgKind;
using fuzz::Step;
using fuzz::StepKind;

// --- executors ----------------------------------------------------------------------------------------------------------

// The reference stays, and somebody to compare it with.
void sites_executors(const State& state, std::vector<Site>& out) {
  const size_t count = state.rest.configuration.executors.size();
  for (uint32_t i = 1; i < count && count > 2; ++i) out.push_back({.a = i});
}
bool apply_executors(State& state, const Site& site) {
  auto& executors = state.rest.configuration.executors;
  if (executors.size() <= 2 || site.a >= executors.size()) return false;
  executors.erase(executors.begin() + site.a);
  return true;
}

// --- steps --------------------------------------------------------------------------------------------------------------

// Named from the end, so that removing several does not move those that are still to go.
void sites_steps(const State& state, std::vector<Site>& out) {
  for (size_t i = state.rest.plan.size(); i-- > 0;) {
    if (state.rest.plan.size() > 1) out.push_back({.a = static_cast<uint32_t>(i)});
  }
}
bool apply_steps(State& state, const Site& site) {
  if (site.a >= state.rest.plan.size() || state.rest.plan.size() < 2) return false;
  remove_step(state.rest, site.a);
  return !state.rest.plan.empty();
}

// --- modules ------------------------------------------------------------------------------------------------------------

void sites_modules(const State& state, std::vector<Site>& out) {
  if (state.modules.size() < 2) return;
  for (uint32_t i = 0; i < state.modules.size(); ++i) {
    const bool used = std::any_of(state.rest.plan.begin(), state.rest.plan.end(), [&](const Step& step) {
      return step.kind == StepKind::kInstantiate && step.module == i;
    });
    if (!used) out.push_back({.a = i});
  }
}
bool apply_modules(State& state, const Site& site) {
  if (state.modules.size() < 2 || site.a >= state.modules.size()) return false;
  state.modules.erase(state.modules.begin() + site.a);
  for (Step& step : state.rest.plan) {
    if (step.kind == StepKind::kInstantiate && step.module > site.a) --step.module;
  }
  return true;
}

// --- arguments ----------------------------------------------------------------------------------------------------------

// c: 0 all arguments, 1 links, 2 keep, 3 one argument (b) becomes the default, 4 and 5 its number becomes 0, half.
void sites_arguments(const State& state, std::vector<Site>& out) {
  for (uint32_t i = 0; i < state.rest.plan.size(); ++i) {
    const Step& step = state.rest.plan[i];
    if (!step.args.empty()) out.push_back({.a = i, .c = 0});
    for (uint32_t l = 0; l < step.links.size(); ++l) out.push_back({.a = i, .b = l, .c = 1});
    if (step.keep) out.push_back({.a = i, .c = 2});
    for (uint32_t k = 0; k < step.args.size(); ++k) {
      if (step.args[k].kind == ArgKind::kDefault) continue;
      out.push_back({.a = i, .b = k, .c = 3});
      if (step.args[k].low != 0) out.push_back({.a = i, .b = k, .c = 4});
      if (step.args[k].low > 1) out.push_back({.a = i, .b = k, .c = 5});
    }
  }
}
bool apply_arguments(State& state, const Site& site) {
  if (site.a >= state.rest.plan.size()) return false;
  Step& step = state.rest.plan[site.a];
  switch (site.c) {
    case 0: step.args.clear(); return true;
    case 1:
      if (site.b >= step.links.size()) return false;
      step.links.erase(step.links.begin() + site.b);
      return true;
    case 2: {
      // Its number goes, so the others move up: as if the step had gone, but for what it does.
      Step copy = step;
      copy.keep = false;
      const uint32_t index = site.a;
      Step marker;
      marker.kind = StepKind::kCollect;
      marker.keep = true;
      state.rest.plan[index] = marker;
      remove_step(state.rest, index);
      state.rest.plan.insert(state.rest.plan.begin() + index, copy);
      return true;
    }
    default: break;
  }
  if (site.b >= step.args.size()) return false;
  fuzz::Argument& arg = step.args[site.b];
  if (site.c == 3) arg = {};
  else if (site.c == 4) arg.low = arg.high = 0;
  else arg.low /= 2, arg.high = 0;
  return true;
}

// --- names --------------------------------------------------------------------------------------------------------------

namespace {

// The shortest name that no export of the module has: "", "a", ..., "z", then none.
bool short_name(const edit::Module& m, const std::string& than, std::string& out) {
  std::vector<std::string> names = {""};
  for (char c = 'a'; c <= 'z'; ++c) names.emplace_back(1, c);
  for (const std::string& name : names) {
    const bool taken =
        std::any_of(m.exports.begin(), m.exports.end(), [&](const edit::Export& e) { return e.name == name; });
    if (taken || name.size() >= than.size()) continue;
    out = name;
    return true;
  }
  return false;
}

}  // namespace

void sites_names(const State& state, std::vector<Site>& out) {
  each_module(state, [&](uint32_t module, const edit::Module& m) {
    std::string name;
    for (uint32_t e = 0; e < m.exports.size(); ++e) {
      if (short_name(m, m.exports[e].name, name)) out.push_back({module, e});
    }
  });
}
// Other modules may import it by name: theirs change, too.
bool apply_names(State& state, const Site& site) {
  edit::Module& m = state.modules[site.module];
  std::string name;
  if (site.a >= m.exports.size() || !short_name(m, m.exports[site.a].name, name)) return false;
  const std::string old = m.exports[site.a].name;
  m.exports[site.a].name = name;
  const std::vector<Step> plan = state.rest.plan;
  std::vector<uint32_t> module_of;
  for (const Step& step : plan) {
    if (step.kind == StepKind::kInstantiate) module_of.push_back(step.module);
  }
  for (Step& step : state.rest.plan) {
    const bool here = step.instance < module_of.size() && module_of[step.instance] == site.module;
    if (step.kind != StepKind::kInstantiate && here && step.name == old) step.name = name;
    if (step.kind != StepKind::kInstantiate) continue;
    const bool links = std::any_of(step.links.begin(), step.links.end(), [&](uint32_t link) {
      return link < module_of.size() && module_of[link] == site.module;
    });
    if (!links || step.module >= state.modules.size()) continue;
    const auto rename = [&](auto& items) {
      for (auto& item : items) {
        if (item.alive && item.import.has_value() && item.import->name == old) item.import->name = name;
      }
    };
    edit::Module& importer = state.modules[step.module];
    rename(importer.funcs);
    rename(importer.tables);
    rename(importer.memories);
    rename(importer.globals);
    rename(importer.tags);
  }
  return true;
}

// --- as start -----------------------------------------------------------------------------------------------------------

namespace {

// The module whose export a call of the plan names, and the export's position; false when it is not a function without
// parameters and results in a module that is instantiated once and has no start function.
bool callee_of(const State& state, size_t at, uint32_t& module, size_t& position) {
  const Step& step = state.rest.plan[at];
  if (step.kind != StepKind::kCall) return false;
  uint32_t instance = 0, instantiated = 0;
  bool known = false;
  for (const Step& other : state.rest.plan) {
    if (other.kind != StepKind::kInstantiate) continue;
    if (instance++ == step.instance) module = other.module, known = true;
  }
  for (const Step& other : state.rest.plan)
    instantiated += other.kind == StepKind::kInstantiate && other.module == module ? 1 : 0;
  if (!known || instantiated != 1 || module >= state.modules.size()) return false;
  const edit::Module& m = state.modules[module];
  for (position = 0; position < m.exports.size() && m.exports[position].name != step.name;) ++position;
  if (m.start.has_value() || position == m.exports.size()) return false;
  const edit::Export& e = m.exports[position];
  if (e.kind != wasm::ExternKind::kFunc) return false;
  const wasm::SubType& type = m.type_of(m.funcs[e.index]);
  return type.params.empty() && type.results.empty();
}

}  // namespace

void sites_as_start(const State& state, std::vector<Site>& out) {
  uint32_t module = 0;
  size_t position = 0;
  for (uint32_t i = 0; i < state.rest.plan.size(); ++i) {
    if (callee_of(state, i, module, position)) out.push_back({.a = i});
  }
}
bool apply_as_start(State& state, const Site& site) {
  uint32_t module = 0;
  size_t position = 0;
  if (site.a >= state.rest.plan.size() || !callee_of(state, site.a, module, position)) return false;
  edit::Module& m = state.modules[module];
  m.start = m.exports[position].index;
  edit::remove_export(m, position);
  remove_step(state.rest, site.a);
  return !state.rest.plan.empty();
}

// --- settings -----------------------------------------------------------------------------------------------------------

namespace {

using fuzz::ExecutorSpec;

// ORDER: what is simplified first. Each gives false when there is nothing to do.
constexpr bool (*kSimpler[])(ExecutorSpec&) = {
    [](ExecutorSpec& s) { return std::exchange(s.chaos, 0) != 0; },
    [](ExecutorSpec& s) { return std::exchange(s.zeal, fuzz::Zeal::kNone) != fuzz::Zeal::kNone; },
    [](ExecutorSpec& s) { return std::exchange(s.zeal_flags, 0) != 0; },
    [](ExecutorSpec& s) {
      const bool every_other = s.zeal == fuzz::Zeal::kNth;
      if (every_other) s.zeal = fuzz::Zeal::kEvery, s.zeal_n = 0;
      return every_other;
    },
    [](ExecutorSpec& s) { return std::exchange(s.armed, false); },
    [](ExecutorSpec& s) {
      return s.kind == fuzz::ExecutorKind::kJit &&
             std::exchange(s.collector, fuzz::Collector::kNever) != fuzz::Collector::kNever;
    },
    [](ExecutorSpec& s) {
      return s.kind == fuzz::ExecutorKind::kJit &&
             std::exchange(s.collector, fuzz::Collector::kMoving) != fuzz::Collector::kMoving;
    },
    [](ExecutorSpec& s) { return std::exchange(s.opt_level, uint8_t{0}) > 0; },
    [](ExecutorSpec& s) { return s.opt_level > 1 ? (s.opt_level = 1, true) : false; },
};

bool simplify(std::string& text, uint32_t way) {
  auto spec = fuzz::parse_spec(text);
  if (!spec || !kSimpler[way](*spec)) return false;
  const std::string simpler = to_string(*spec);
  if (simpler == text) return false;
  text = simpler;
  return true;
}

}  // namespace

void sites_settings(const State& state, std::vector<Site>& out) {
  for (uint32_t i = 0; i < state.rest.configuration.executors.size(); ++i) {
    for (uint32_t way = 0; way < std::size(kSimpler); ++way) {
      std::string text = state.rest.configuration.executors[i];
      if (simplify(text, way)) out.push_back({.a = i, .b = way});
    }
  }
}
bool apply_settings(State& state, const Site& site) {
  auto& executors = state.rest.configuration.executors;
  return site.a < executors.size() && simplify(executors[site.a], site.b);
}

// --- fuel ---------------------------------------------------------------------------------------------------------------

namespace {

// Cases that execute fewer instructions than this keep the fuel that all cases have.
constexpr uint64_t kLong = 100;

}  // namespace

// b: the fuel is 2^b - 1.
void sites_fuel(const State& state, std::vector<Site>& out) {
  if (count_executed(state).executed < kLong) return;
  for (uint32_t b = 0; b < 32 && (uint64_t{1} << b) <= state.rest.configuration.fuel; ++b) out.push_back({.b = b});
}
bool apply_fuel(State& state, const Site& site) {
  const uint64_t fuel = (uint64_t{1} << site.b) - 1;
  if (fuel >= state.rest.configuration.fuel) return false;
  state.rest.configuration.fuel = fuel;
  return true;
}

// --- schedule -----------------------------------------------------------------------------------------------------------

namespace {

// Safepoints beyond this number are not tried one by one; a reduced case has few.
constexpr uint32_t kMaxSchedule = 48;

}  // namespace

void sites_schedule(const State& state, std::vector<Site>& out) {
  for (uint32_t i = 0; i < state.rest.configuration.executors.size(); ++i) {
    const auto spec = fuzz::parse_spec(state.rest.configuration.executors[i]);
    if (!spec || spec->kind != fuzz::ExecutorKind::kJit || spec->zeal == fuzz::Zeal::kNone) continue;
    const uint32_t end = spec->zeal == fuzz::Zeal::kOnly ? std::min(spec->zeal_n, kMaxSchedule) : kMaxSchedule;
    for (uint32_t n = 0; n < end; ++n) out.push_back({.a = i, .b = n});
  }
}
bool apply_schedule(State& state, const Site& site) {
  auto& executors = state.rest.configuration.executors;
  if (site.a >= executors.size()) return false;
  auto spec = fuzz::parse_spec(executors[site.a]);
  if (!spec) return false;
  spec->zeal = fuzz::Zeal::kOnly;
  spec->zeal_n = site.b;
  executors[site.a] = to_string(*spec);
  return true;
}

}  // namespace parallax::triage::reduce
