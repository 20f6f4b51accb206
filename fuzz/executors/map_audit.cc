#include "fuzz/executors/map_audit.h"

#include <algorithm>
#include <vector>

#include "engine/ir/cfg.h"
#include "engine/jit/translate.h"
#include "engine/opt/pipeline.h"

namespace parallax::fuzz {

namespace {

using ir::BlockId;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;

// What is needed behind a point: by slot, the value that is read from it next (kNone: nothing).
using Needs = std::vector<uint32_t>;
constexpr uint32_t kNothing = ~0u;

class Audit {
 public:
  Audit(const ir::Func& func, MapAudit& out) : func_(func), out_(out) {}

  void run() {
    ir::Cfg cfg;
    cfg.compute(func_);
    at_entry_.assign(func_.block_count(), Needs(func_.slot_count(), kNothing));
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = cfg.rpo().size(); i-- > 0;) {
        Needs needs = walk(cfg.rpo()[i], false);
        Needs& known = at_entry_[cfg.rpo()[i].index()];
        changed = changed || needs != known;
        known = std::move(needs);
      }
    }
    for (const BlockId b : cfg.rpo()) walk(b, true);
  }

 private:
  // Backwards through a block; needs at its entry. The first need met wins at joins, so that the walk ends.
  Needs walk(BlockId b, bool count) {
    Needs needs(func_.slot_count(), kNothing);
    const InstId last = func_.terminator(b);
    for (const BlockId to : func_.targets(last)) {
      const Needs& there = at_entry_[to.index()];
      for (size_t s = 0; s < needs.size(); ++s) {
        if (needs[s] == kNothing || there[s] < needs[s]) needs[s] = std::min(needs[s], there[s]);
      }
    }
    for (InstId i = last; i.valid(); i = func_.inst(i).prev) {
      const Inst& inst = func_.inst(i);
      if (inst.op == Op::HomeStore) needs[inst.a] = kNothing;
      if (inst.op == Op::HomeLoad) needs[inst.a] = inst.b;
      if (count && func_.is_safepoint(inst) && inst.map != Inst::kNoMap) judge(inst, needs);
    }
    return needs;
  }

  void judge(const Inst& inst, const Needs& needs) {
    std::string safepoint = ir::info(inst.op).text;
    if (func_.is_invoke(inst)) safepoint += " in try";
    const auto listed = func_.stack_map(inst);
    uint64_t needed = 0, missing = 0;
    for (uint32_t s = 0; s < needs.size(); ++s) {
      const bool is_listed =
          std::any_of(listed.begin(), listed.end(), [&](const ir::SlotId slot) { return slot.raw == s; });
      if (needs[s] == kNothing) {
        out_.extra += is_listed ? 1 : 0;
        continue;
      }
      ++needed;
      missing += is_listed ? 0 : 1;
      for (MapCount* each : {&out_.by_value[kind_of(ValueId(needs[s]))], &out_.by_safepoint[safepoint]}) {
        ++each->needed;
        each->missing += is_listed ? 0 : 1;
      }
    }
    if (needed == 0) return;
    ++out_.safepoints;
    out_.lacking += missing > 0 ? 1 : 0;
    out_.lacking_one += missing == 1 ? 1 : 0;
    out_.lacking_all += missing > 1 && missing == needed ? 1 : 0;
  }

  std::string kind_of(ValueId v) const {
    const Inst* def = func_.def(v);
    if (def == nullptr) return "parameter";
    return ir::info(def->op).text;
  }

  const ir::Func& func_;
  MapAudit& out_;
  std::vector<Needs> at_entry_;  // by block
};

// Kinds of which every single slot is missing, if those are all that is missing; else empty.
std::string only_kinds(const std::map<std::string, MapCount>& counts) {
  std::string out;
  for (const auto& [kind, count] : counts) {
    if (count.missing == 0) continue;
    if (count.missing != count.needed) return {};
    // Kinds that come in many shapes are named by what they have in common.
    const bool by_result = kind != "parameter" && !kind.ends_with(" in try");
    const std::string name = by_result ? "result" : kind.ends_with(" in try") ? "in try" : kind;
    if (out.find(name) == std::string::npos) out += (out.empty() ? "" : "+") + name;
  }
  return out;
}

}  // namespace

std::string MapAudit::pattern() const {
  if (lacking == 0) return extra != 0 ? "maps name slots that are not live" : "";
  const std::string values = only_kinds(by_value);
  const std::string places = only_kinds(by_safepoint);
  if (places == "in try") return "maps of calls in a try are empty";
  if (lacking_one == lacking && values.empty()) return "maps lack one slot each";
  if (values.find("result") == std::string::npos && !values.empty()) return "maps never name a " + values;
  if (!values.empty()) return "maps never name some kinds of results";
  return "maps lack some slots";
}

void audit_maps(const wasm::Module& module, const ExecutorSpec& spec, MapAudit& out) {
  jit::Translator translator;
  opt::Pipeline pipeline;
  opt::Gate gate;
  gate.disabled = spec.disabled;
  gate.limit = spec.limit;
  ir::Func func;
  for (uint32_t f = 0; f < module.funcs.size(); ++f) {
    if (module.funcs[f].imported) continue;
    const jit::TranslateOptions translate{.features = {.bits = ~0u}, .poll_at_budget = spec.zeal != Zeal::kNone};
    if (!translator.translate(module, wasm::FuncIndex(f), translate, func)) continue;
    if (!pipeline.run(func, {.level = static_cast<opt::Level>(spec.opt_level), .gate = &gate})) continue;
    Audit(func, out).run();
  }
}

}  // namespace parallax::fuzz
