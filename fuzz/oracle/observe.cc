#include "fuzz/oracle/observe.h"

#include <xxhash.h>

#include <cstring>

#include "engine/base/case_clock.h"
#include "engine/base/text.h"
#include "fuzz/oracle/graph.h"
#include "fuzz/oracle/hosts.h"

namespace parallax::fuzz {

using wasm::Embedding;
using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::RefKind;
using wasm::ValKind;
using wasm::ValType;
using wasm::Value;

const char* component(Tok tok) {
  static constexpr const char* kComponents[] = {
#define TOKEN(id, component) component,
#include "fuzz/oracle/tokens.def"
#undef TOKEN
  };
  return kComponents[static_cast<size_t>(tok)];
}

void Observation::clear() {
  std::vector<Token> kept = std::move(tokens);
  kept.clear();
  *this = {};
  tokens = std::move(kept);
}

Result<LoadedCase> load_case(const Case& subject, const wasm::Features& features) {
  LoadedCase loaded;
  loaded.types = std::make_shared<wasm::TypeStore>();
  loaded.configuration = subject.configuration;
  loaded.claims_valid = subject.claims_valid;
  for (const std::vector<uint8_t>& bytes : subject.modules) {
    loaded.modules.push_back(std::make_shared<const wasm::Module>(TRY(wasm::load(bytes, loaded.types, features))));
  }
  loaded.plan = subject.plan.empty() ? default_plan(*loaded.modules.front(), subject.configuration) : subject.plan;
  return loaded;
}

namespace {

bool is_inconclusive(OutcomeKind kind) {
  return kind == OutcomeKind::kUnsupported || kind == OutcomeKind::kOutOfMemory || kind == OutcomeKind::kNativeStack;
}

// The hash of a piece of memory. Most pieces of most memories were never written, and all of zero is seen faster than
// hashed.
uint64_t hash_of(std::span<const uint8_t> piece) {
  static const uint64_t kHashOfZeroes = [] {
    const std::vector<uint8_t> zeroes(kMemoryChunk);
    return XXH3_64bits(zeroes.data(), zeroes.size());
  }();
  if (piece.size() != kMemoryChunk) return XXH3_64bits(piece.data(), piece.size());
  constexpr size_t kStep = 256;
  for (size_t at = 0; at < piece.size(); at += kStep) {
    uint64_t any = 0;
    for (size_t i = 0; i < kStep; i += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, piece.data() + at + i, sizeof(word));
      any |= word;
    }
    if (any != 0) return XXH3_64bits(piece.data(), piece.size());
  }
  return kHashOfZeroes;
}

class Run {
 public:
  Run(const LoadedCase& subject, Embedding& store, const MakeStore& other, Observation& out)
      : subject_(subject),
        store_(store),
        other_(other),
        out_(out),
        hosts_(store, subject.types, out, subject.claims_valid ? Expectations::kBelieved : Expectations::kIgnored) {}

  void all() {
    InStage stage(CaseStage::kRun);
    for (size_t i = 0; i < subject_.plan.size() && !out_.inconclusive; ++i) {
      out_.put(Tok::kStep, i);
      store_.set_budget(subject_.configuration.budget());
      const size_t begin = out_.tokens.size();
      step(subject_.plan[i]);
      hosts_.flush_trace();
      if (out_.inconclusive) out_.conclusive_tokens = begin;
    }
    if (out_.inconclusive) return;
    stage.next(CaseStage::kDigest);
    final_state();
    stage.next(CaseStage::kVerify);
    if (const auto sound = store_.verify(); !sound) out_.fail(FaultClass::kVerify, sound.error().message);
    out_.stats = store_.stats();
  }

  // By number; 0 for those that are not there or were dropped.
  std::vector<wasm::InstanceId> instances() const {
    std::vector<wasm::InstanceId> ids;
    for (const Instance& each : instances_) ids.push_back(each.dropped ? 0 : each.id);
    return ids;
  }

 private:
  struct Instance {
    wasm::InstanceId id = 0;
    std::shared_ptr<const wasm::Module> module;
    bool dropped = false;
    std::vector<Extern> found;  // by export: functions looked up, for probes after the drop; id 0: not yet
  };

  // The instance of this number, when it is there and alive.
  Instance* instance(uint32_t number) {
    if (number >= instances_.size()) return nullptr;
    Instance& found = instances_[number];
    return found.id != 0 && !found.dropped ? &found : nullptr;
  }

  void step(const Step& step) {
    switch (step.kind) {
      case StepKind::kInstantiate: return instantiate(step);
      case StepKind::kCall: return call(step);
      case StepKind::kSetGlobal: return set_global(step);
      case StepKind::kRelease: return release(step);
      case StepKind::kDropInstance: return drop(step);
      case StepKind::kCollect: return store_.collect();
      case StepKind::kProbeRoot: return probe_root(step);
      case StepKind::kProbeCall: return probe_call(step);
      case StepKind::kProbeForeign: return probe_foreign(step);
    }
  }

  void skip() { out_.put(Tok::kSkipped); }

  // Ends the run where it judges nothing more: something that is no part of the case was not to be had.
  void give_up(std::string reason) {
    out_.inconclusive = true;
    out_.inconclusive_reason = std::move(reason);
  }

  // Writes an outcome, and decides what it means for the run.
  void finish(const Outcome& outcome) {
    if (is_inconclusive(outcome.kind)) {
      out_.inconclusive = true;
      out_.inconclusive_reason = text::format("{}: {}", wasm::to_string(outcome.kind), outcome.error.message);
      return;
    }
    if (outcome.kind == OutcomeKind::kInvariant) out_.fail(FaultClass::kInvariant, outcome.error.message);
    if (outcome.kind == OutcomeKind::kMisuse) out_.fail(FaultClass::kMisuse, outcome.error.message);
    hosts_.put_outcome(outcome);
    put_budgets();
    out_.places.push_back({outcome.kind, outcome.trap, outcome.func.raw, outcome.offset});
    ++out_.calls;
    if (outcome.returned()) {
      ++out_.returned;
    } else if (outcome.kind == OutcomeKind::kTrapped) {
      ++out_.trapped;
    } else if (outcome.kind == OutcomeKind::kThrew) {
      ++out_.threw;
    } else {
      ++out_.exhausted;
    }
  }

  // What running WebAssembly code used is the same in every executor: compiled code counts as the interpreter does.
  void put_budgets() {
    const wasm::StoreStats stats = store_.stats();
    out_.put(Tok::kFuel, stats.fuel_used);
    out_.put(Tok::kCharged, stats.allocated_bytes);
  }

  void instantiate(const Step& step) {
    const InStage stage(CaseStage::kInstantiate);
    const auto number = static_cast<uint32_t>(instances_.size());
    instances_.emplace_back();
    if (step.module >= subject_.modules.size()) return skip();
    const auto& module = subject_.modules[step.module];
    std::vector<Extern> imports;
    for (size_t i = 0; i < module->imports.size(); ++i) {
      auto found = import(step, *module, module->imports[i], number, static_cast<uint32_t>(i));
      // What it would be linked to did not come to life, in any executor.
      if (!found && !step.links.empty()) return skip();
      if (!found) return finish(Outcome::ended(OutcomeKind::kUnsupported, found.error()));
      imports.push_back(*found);
    }
    wasm::InstanceId id = 0;
    const Outcome outcome = store_.instantiate(module, imports, id);
    if (outcome.kind == OutcomeKind::kUnlinkable && subject_.claims_valid) {
      out_.fail(FaultClass::kExpectation,
                text::format("I3: imports of equal types do not match: {}", outcome.error.message));
    }
    finish(outcome);
    if (!outcome.returned()) return;
    instances_[number].id = id;
    instances_[number].module = module;
    hosts_.publish(number, id, module);
  }

  Result<Extern> import(const Step& step, const wasm::Module& module, const wasm::Import& item, uint32_t number,
                        uint32_t import_number) {
    for (auto link = step.links.rbegin(); link != step.links.rend(); ++link) {
      Instance* from = instance(*link);
      if (from == nullptr) continue;
      const wasm::Export* offered = from->module->find_export(item.name);
      if (offered == nullptr || offered->kind != item.kind) continue;
      return store_.find_export(from->id, item.name);
    }
    return hosts_.make_import(module, item, number, import_number);
  }

  // The exported function of that name, if the instance has one.
  std::optional<Extern> find_func(Instance& of, const std::string& name) {
    const wasm::Export* item = of.module->find_export(name);
    if (item == nullptr || item->kind != ExternKind::kFunc) return {};
    const auto found = store_.find_export(of.id, name);
    if (!found) {
      out_.fail(FaultClass::kInvariant, found.error().message);
      return {};
    }
    of.found.resize(of.module->exports.size());
    of.found[static_cast<size_t>(item - of.module->exports.data())] = *found;
    return *found;
  }

  // The value of an argument for a parameter; empty when there is none.
  std::optional<Value> argument(const Argument& arg, ValType type) {
    if (!type.is_ref()) {
      if (arg.kind != ArgKind::kNumber) return Value::zero(type);
      Value value{type.kind(), arg.low, 0, {}};
      if (type == wasm::kI32 || type == wasm::ValType(ValKind::kF32)) value.low &= 0xffffffffu;
      if (type == wasm::kV128) value.high = arg.high;
      return value;
    }
    Value value = Value::null();
    if (arg.kind == ArgKind::kI31) value = Value::reference({RefKind::kI31, arg.low & 0x7fffffffu});
    if (arg.kind == ArgKind::kHost) value = store_.make_host_ref(arg.low);
    if (arg.kind == ArgKind::kKept && arg.low < kept_.size() && !kept_[arg.low].empty()) {
      if (const auto held = store_.rooted(kept_[arg.low].front())) value = *held;
    }
    if (value.ref.kind != RefKind::kNull && store_.matches(value, type)) return value;
    if (type.nullable()) return Value::null();
    return {};
  }

  // Arguments are made one by one and making one may collect, so all are rooted until the last is there.
  bool arguments(const Step& step, std::span<const ValType> params, std::vector<Value>& args) {
    std::vector<std::pair<size_t, wasm::RootId>> roots;
    bool complete = true;
    for (size_t i = 0; i < params.size() && complete; ++i) {
      const auto value = argument(i < step.args.size() ? step.args[i] : Argument{}, params[i]);
      complete = value.has_value();
      if (!complete) break;
      args.push_back(*value);
      if (value->kind == ValKind::kRef && value->ref.kind != RefKind::kNull) roots.emplace_back(i, store_.root(*value));
    }
    for (const auto& [index, root] : roots) {
      if (const auto value = store_.rooted(root)) args[index] = *value;
      (void)store_.unroot(root);
    }
    return complete;
  }

  void call(const Step& step) {
    const size_t kept = kept_.size();
    if (step.keep) kept_.emplace_back();
    Instance* of = instance(step.instance);
    const auto func = of != nullptr ? find_func(*of, step.name) : std::nullopt;
    if (!func) return skip();
    const auto type = store_.func_type(*func);
    if (!type) return out_.fail(FaultClass::kInvariant, type.error().message);
    std::vector<Value> args;
    if (!arguments(step, subject_.types->get(*type).params, args)) return skip();
    const Outcome outcome = store_.call(*func, args);
    finish(outcome);
    if (!step.keep) return;
    for (const Value& value : outcome.values) {
      if (value.kind == ValKind::kRef && value.ref.kind != RefKind::kNull) kept_[kept].push_back(store_.root(value));
    }
  }

  void set_global(const Step& step) {
    Instance* of = instance(step.instance);
    const wasm::Export* item = of != nullptr ? of->module->find_export(step.name) : nullptr;
    if (item == nullptr || item->kind != ExternKind::kGlobal || step.args.empty()) return skip();
    const wasm::GlobalType& type = of->module->globals[item->index].type;
    const auto value = argument(step.args[0], type.value);
    const auto global = store_.find_export(of->id, step.name);
    if (!type.is_mutable || !value || !global) return skip();
    if (const auto set = store_.global_set(*global, *value); !set) out_.fail(FaultClass::kMisuse, set.error().message);
  }

  void release(const Step& step) {
    if (step.kept >= kept_.size() || kept_[step.kept].empty()) return skip();
    for (const wasm::RootId root : kept_[step.kept]) {
      if (const auto gone = store_.unroot(root); !gone) out_.fail(FaultClass::kMisuse, gone.error().message);
      released_.emplace_back(step.kept, root);
    }
    kept_[step.kept].clear();
  }

  void drop(const Step& step) {
    Instance* of = instance(step.instance);
    if (of == nullptr) return skip();
    if (const auto gone = store_.drop_instance(of->id); !gone) out_.fail(FaultClass::kMisuse, gone.error().message);
    of->dropped = true;
    hosts_.withdraw(step.instance);
  }

  void judge_probe(bool refused, std::string_view what) {
    out_.put(refused ? Tok::kRefused : Tok::kAccepted);
    if (!refused) out_.fail(FaultClass::kMisuse, text::format("I1: {} was accepted", what));
  }

  void probe_root(const Step& step) {
    for (const auto& [kept, root] : released_) {
      if (kept != step.kept) continue;
      return judge_probe(!store_.rooted(root).has_value(), "a released root");
    }
    skip();
  }

  void probe_call(const Step& step) {
    if (step.instance >= instances_.size() || !instances_[step.instance].dropped) return skip();
    const Instance& of = instances_[step.instance];
    const wasm::Export* const item = of.module->find_export(step.name);
    if (item == nullptr || of.found.empty()) return skip();
    const Extern func = of.found[static_cast<size_t>(item - of.module->exports.data())];
    if (func.id == 0) return skip();
    const bool refused = !store_.func_type(func).has_value() && store_.call(func, {}).kind == OutcomeKind::kMisuse &&
                         !store_.find_export(of.id, step.name).has_value();
    judge_probe(refused, "a stale handle of a dropped instance");
  }

  void probe_foreign(const Step& step) {
    Instance* of = instance(step.instance);
    const auto func = of != nullptr ? find_func(*of, step.name) : std::nullopt;
    const auto type = func ? store_.func_type(*func) : fail(ErrorCode::kUsage, 0, "");
    if (!type || !other_) return skip();
    auto foreign = other_();
    if (!foreign) return give_up(foreign.error().message);
    std::vector<Value> args;
    bool planted = false;
    for (const ValType param : subject_.types->get(*type).params) {
      Value value = Value::zero(param);
      if (param.is_ref() && !planted) {
        planted = true;
        switch (subject_.types->hierarchy(param.heap())) {
          case wasm::Hierarchy::kAny:
          case wasm::Hierarchy::kExtern: value = (*foreign)->make_host_ref(7); break;
          case wasm::Hierarchy::kFunc:
            value = (*foreign)->func_ref((*foreign)->make_func(subject_.types->intern_func({}, {}),
                                                               [](Embedding&, auto) { return Outcome::ok(); }));
            break;
          case wasm::Hierarchy::kExn: planted = false; break;
        }
        if (planted && value.ref.kind == wasm::RefKind::kNull) return give_up("no memory in another store");
      }
      args.push_back(value);
    }
    if (!planted) return skip();
    judge_probe(store_.call(*func, args).kind == OutcomeKind::kMisuse, "a reference of another store");
  }

  // --- The state at the end ---------------------------------------------------------------------------------------
  void final_state() {
    GraphWalk walk(store_, hosts_, out_);
    for (uint32_t i = 0; i < instances_.size(); ++i) {
      if (instance(i) != nullptr) put_instance(i, walk);
    }
    for (size_t i = 0; i < kept_.size(); ++i) {
      if (kept_[i].empty()) continue;
      out_.put(Tok::kRoot, i);
      for (const wasm::RootId root : kept_[i]) {
        const auto value = store_.rooted(root);
        if (!value) {
          out_.fail(FaultClass::kInvariant, value.error().message);
        } else {
          walk.put(*value);
        }
      }
    }
    walk.drain();
    out_.objects = walk.objects();
  }

  void put_instance(uint32_t number, GraphWalk& walk) {
    const Instance& of = instances_[number];
    for (size_t i = 0; i < of.module->exports.size(); ++i) {
      const wasm::Export& item = of.module->exports[i];
      if (item.kind == ExternKind::kFunc || item.kind == ExternKind::kTag) continue;
      const auto found = store_.find_export(of.id, item.name);
      if (!found) {
        out_.fail(FaultClass::kInvariant, found.error().message);
        continue;
      }
      if (item.kind == ExternKind::kGlobal) put_global(number, i, *found, walk);
      if (item.kind == ExternKind::kTable) put_table(number, i, *found, walk);
      if (item.kind == ExternKind::kMemory) put_memory(number, i, *found);
    }
  }

  void put_global(uint32_t instance, size_t number, Extern global, GraphWalk& walk) {
    out_.put(Tok::kGlobal, instance, number);
    const auto value = store_.global_get(global);
    if (!value) return out_.fail(FaultClass::kInvariant, value.error().message);
    walk.put(*value);
  }

  void put_table(uint32_t instance, size_t number, Extern table, GraphWalk& walk) {
    out_.put(Tok::kTable, instance, number);
    const auto size = store_.table_size(table);
    if (!size) return out_.fail(FaultClass::kInvariant, size.error().message);
    out_.put(Tok::kTableSize, *size);
    for (uint64_t i = 0; i < *size && i < GraphWalk::kMaxElements; ++i) {
      const Outcome element = store_.table_get(table, i);
      if (!element.returned() || element.values.empty()) {
        out_.put(Tok::kBroken);
        return out_.fail(FaultClass::kInvariant, "reading an element of a table failed");
      }
      if (element.values[0].ref.kind == RefKind::kNull) continue;  // most are; the index says where the others stand
      out_.put(Tok::kTableElement, i);
      walk.put(element.values[0]);
    }
  }

  void put_memory(uint32_t instance, size_t number, Extern memory) {
    out_.put(Tok::kMemory, instance, number);
    const auto bytes = store_.memory(memory);
    if (!bytes) return out_.fail(FaultClass::kInvariant, bytes.error().message);
    out_.put(Tok::kMemorySize, bytes->size());
    for (size_t at = 0, chunk = 0; at < bytes->size(); at += kMemoryChunk, ++chunk) {
      const size_t length = std::min(kMemoryChunk, bytes->size() - at);
      out_.put(Tok::kMemoryChunk, static_cast<uint32_t>(chunk), hash_of(bytes->subspan(at, length)));
    }
  }

  const LoadedCase& subject_;
  Embedding& store_;
  const MakeStore& other_;
  Observation& out_;
  Hosts hosts_;
  std::vector<Instance> instances_;
  std::vector<std::vector<wasm::RootId>> kept_;
  std::vector<std::pair<uint32_t, wasm::RootId>> released_;
};

}  // namespace

void observe(const LoadedCase& subject, Embedding& store, const MakeStore& other, Observation& out,
             const AtEnd& at_end) {
  out.clear();
  Run run(subject, store, other, out);
  run.all();
  if (at_end) at_end(store, run.instances());
}

}  // namespace parallax::fuzz
