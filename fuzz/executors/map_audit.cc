#include "fuzz/executors/map_audit.h"

#include <algorithm>
#include <vector>

#include "engine/ir/cfg.h"
#include "engine/jit/callees.h"
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
constexpr uint32_t kMixed = ~1u;  // different values on different ways

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
    contents(cfg);
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

  // Forwards: which value every home holds. A read of a home that may hold something else than what it is read for means
  // that values share it although they live together.
  void contents(const ir::Cfg& cfg) {
    std::vector<Needs> held(func_.block_count(), Needs(func_.slot_count(), kNothing));
    for (bool changed = true; changed;) {
      changed = false;
      for (const BlockId b : cfg.rpo()) {
        const Needs after = hold(b, held[b.index()], false);
        for (const BlockId to : func_.targets(func_.terminator(b))) {
          for (size_t s = 0; s < after.size(); ++s) {
            uint32_t& there = held[to.index()][s];
            const uint32_t joined = there == kNothing                           ? after[s]
                                    : after[s] == kNothing || after[s] == there ? there
                                                                                : kMixed;
            changed = changed || joined != there;
            there = joined;
          }
        }
      }
    }
    for (const BlockId b : cfg.rpo()) hold(b, held[b.index()], true);
  }

  Needs hold(BlockId b, Needs held, bool count) {
    for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
      const Inst& inst = func_.inst(i);
      if (inst.op == Op::HomeStore) held[inst.a] = func_.arg(i, 0).raw;
      if (count && inst.op == Op::HomeLoad && held[inst.a] != inst.b && held[inst.a] != kNothing) ++out_.clobbered;
    }
    return held;
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

// Kinds of which every single slot is missing, if those are all that is missing; else empty. Kinds that belong together
// are one: what defined a value counts as parameter or result, where it is missed as call, call in a try, or other.
std::string only_kinds(const std::map<std::string, MapCount>& counts, std::string (*group)(const std::string&)) {
  std::string out;
  for (const auto& [kind, count] : counts) {
    if (count.missing == 0) continue;
    if (count.missing != count.needed) return {};
    const std::string name = group(kind);
    if (out.find(name) == std::string::npos) out += (out.empty() ? "" : "+") + name;
  }
  return out;
}

std::string value_group(const std::string& kind) { return kind == "parameter" ? kind : "result"; }
std::string place_group(const std::string& kind) {
  if (kind.ends_with(" in try")) return "in try";
  return kind.starts_with("call") ? "plain" : "other";
}

}  // namespace

std::string MapAudit::pattern() const {
  if (clobbered != 0) return "a home is shared by values that live together";
  if (lacking == 0) return extra != 0 ? "maps name slots that are not live" : "";
  const std::string places = only_kinds(by_safepoint, place_group);
  if (places == "in try") return "maps of calls in a try are empty";
  if (!places.empty() && places.find("other") == std::string::npos) return "maps of calls are empty";
  const std::string values = only_kinds(by_value, value_group);
  if (values == "parameter") return "maps never name a parameter";
  if (values == "result") return "maps never name some kinds of results";
  return "maps lack some slots";
}

void audit_maps(const wasm::Module& module, const ExecutorSpec& spec, MapAudit& out) {
  jit::Translator translator;
  jit::TranslatedCallees callees;
  opt::Pipeline pipeline;
  opt::Gate gate;
  gate.disabled = spec.disabled;
  gate.limit = spec.limit;
  ir::Func func;
  for (uint32_t f = 0; f < module.funcs.size(); ++f) {
    if (module.funcs[f].imported) continue;
    const jit::TranslateOptions translate{.features = {.bits = ~0u}, .poll_at_budget = spec.zeal != Zeal::kNone};
    if (!translator.translate(module, wasm::FuncIndex(f), translate, func)) continue;
    callees.start(translator, module, translate);
    if (!pipeline.run(func, {.level = static_cast<opt::Level>(spec.opt_level), .gate = &gate, .callees = &callees}))
      continue;
    Audit(func, out).run();
  }
}

}  // namespace parallax::fuzz
