#include "triage/reduce/coverage.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/wasm/edit/nodes.h"
#include "fuzz/executors/executors.h"
#include "fuzz/oracle/observe.h"

namespace parallax::triage::reduce {

namespace {

using edit::NodeId;
using wasm::Opcode;

constexpr uint64_t kMaxCounted = 50'000;
constexpr const char* kPrefix = "parallax.count.";

struct Counter {
  uint32_t func;
  NodeId node;
};

// Adds the counters to one module.
std::vector<Counter> instrument(edit::Module& m) {
  std::vector<Counter> counters;
  for (uint32_t f = 0; f < m.funcs.size(); ++f) {
    if (!m.funcs[f].alive || m.funcs[f].import.has_value()) continue;
    edit::Code& code = m.funcs[f].code.mut();
    std::vector<NodeId> nodes;
    edit::for_each_node(code, [&](NodeId id, NodeId) { nodes.push_back(id); });
    for (const NodeId id : nodes) {
      const auto global = static_cast<uint32_t>(m.globals.size());
      edit::Code init;
      init.body.push_back(edit::make_const(init, wasm::kI64, 0));
      m.globals.push_back({.type = {wasm::kI64, true}, .init = edit::Cow<edit::Code>(std::move(init))});
      m.exports.push_back({text::format("{}{}", kPrefix, counters.size()), wasm::ExternKind::kGlobal, global});
      const NodeId get = edit::make_op(code, Opcode::GlobalGet, {}, {wasm::kI64});
      code[get].instr.a = global;
      const NodeId one = edit::make_const(code, wasm::kI64, 1);
      const NodeId sum = edit::make_op(code, Opcode::I64Add, {get, one}, {wasm::kI64});
      const NodeId set = edit::make_op(code, Opcode::GlobalSet, {sum}, {});
      code[set].instr.a = global;
      code[id].children.push_back(set);
      counters.push_back({f, id});
    }
  }
  return counters;
}

// A start function that traps leaves no instance whose counters could be read: it is called by the plan instead.
void call_start_functions(State& state) {
  constexpr const char* kName = "parallax.start";
  std::vector<fuzz::Step> plan;
  uint32_t instance = 0;
  for (const fuzz::Step& step : state.rest.plan) {
    plan.push_back(step);
    if (step.kind != fuzz::StepKind::kInstantiate) continue;
    if (step.module < state.modules.size() && state.modules[step.module].start.has_value())
      plan.push_back({.kind = fuzz::StepKind::kCall, .instance = instance, .name = kName});
    ++instance;
  }
  state.rest.plan = std::move(plan);
  for (edit::Module& m : state.modules) {
    if (!m.start.has_value()) continue;
    m.exports.push_back({kName, wasm::ExternKind::kFunc, *m.start});
    m.start.reset();
  }
}

}  // namespace

Coverage count_executed(const State& state) {
  Coverage coverage;
  State counted = state;
  std::vector<std::vector<Counter>> counters;
  std::vector<size_t> first_export;
  uint64_t total = 0;
  call_start_functions(counted);
  for (edit::Module& m : counted.modules) {
    first_export.push_back(m.exports.size());
    for (const edit::Func& f : m.funcs) total += f.alive ? f.code->nodes.size() : 0;
    if (total > kMaxCounted) return coverage;
    counters.push_back(instrument(m));
  }
  for (const edit::Module& m : state.modules) {
    auto& of_module = coverage.counts.emplace_back();
    for (const edit::Func& f : m.funcs) of_module.emplace_back(f.code->nodes.size());
  }
  // Counters of an instance that was dropped could not be read.
  std::erase_if(counted.rest.plan, [](const fuzz::Step& step) {
    return step.kind == fuzz::StepKind::kDropInstance || step.kind == fuzz::StepKind::kProbeCall;
  });
  const auto encoded = encode_case(counted);
  if (!encoded) return coverage;
  const auto loaded = fuzz::load_case(*encoded);
  if (!loaded) return coverage;
  const fuzz::ExecutorSpec spec;
  auto store = fuzz::make_executor(spec, loaded->types);
  if (!store) return coverage;
  fuzz::Observation seen;
  fuzz::observe(*loaded, **store, {}, seen);

  std::vector<uint32_t> module_of;  // by instance
  for (const fuzz::Step& step : loaded->plan) {
    if (step.kind == fuzz::StepKind::kInstantiate) module_of.push_back(step.module);
  }
  for (size_t i = 0; i + 1 < seen.tokens.size(); ++i) {
    const fuzz::Token& token = seen.tokens[i];
    if (token.tok != fuzz::Tok::kGlobal || token.aux >= module_of.size()) continue;
    const uint32_t module = module_of[token.aux];
    if (module >= counters.size() || token.value < first_export[module]) continue;
    const size_t number = token.value - first_export[module];
    if (number >= counters[module].size() || seen.tokens[i + 1].tok != fuzz::Tok::kI64) continue;
    const Counter& counter = counters[module][number];
    coverage.counts[module][counter.func][counter.node.index()] += seen.tokens[i + 1].value;
    coverage.executed += seen.tokens[i + 1].value;
    coverage.known = true;
  }
  return coverage;
}

}  // namespace parallax::triage::reduce
