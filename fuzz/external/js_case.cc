#include "fuzz/external/js_case.h"

#include <algorithm>
#include <memory>
#include <set>

#include <nlohmann/json.hpp>

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/wasm/func_walk_rules.h"
#include "fuzz/external/probes.h"
#include "fuzz/oracle/graph.h"
#include "fuzz/oracle/observation.h"

namespace parallax::fuzz {

using nlohmann::json;
using wasm::CompositeKind;
using wasm::ExternKind;
using wasm::Module;
using wasm::Opcode;
using wasm::ValType;

namespace {

// Probes are one function for each field: modules with more types than this would mostly consist of them.
constexpr size_t kMaxTypes = 300;

// --- What the program's instructions leave open ---------------------------------------------------------------------------

struct Scan {
  static constexpr bool kWantsEvents = true;
  Freedom& out;

  Result<> on_begin(const wasm::WalkView&) { return {}; }
  Result<> on_finish(const wasm::WalkView&) { return {}; }
  Result<> on_instr(const wasm::Instr& instr, const wasm::InstrTypes&, const wasm::WalkView&) {
    const wasm::Feature feature = wasm::info(instr.op).feature;
    out.relaxed_simd |= feature == wasm::Feature::kRelaxedSimd;
    switch (instr.op) {
      case Opcode::I32ReinterpretF32:
      case Opcode::I64ReinterpretF64:
      case Opcode::F32Copysign:
      case Opcode::F64Copysign:
      case Opcode::F32Store:
      case Opcode::F64Store: out.nan_bits = true; break;
      case Opcode::MemoryGrow:
      case Opcode::TableGrow: out.growth = true; break;
      default: out.nan_bits |= feature == wasm::Feature::kSimd || feature == wasm::Feature::kRelaxedSimd;
    }
    return {};
  }
};

Result<Freedom> freedom_of(const Module& module) {
  Freedom freedom;
  Scan scan{freedom};
  for (uint32_t f = module.imported_funcs; f < module.funcs.size(); ++f) {
    TRY(wasm::walk_func(module, wasm::FuncIndex(f), {}, scan));
  }
  return freedom;
}

// --- The description of a case for the driver --------------------------------------------------------------------------------

json value_type(ValType type) {
  if (!type.is_ref()) return wasm::to_string(type);
  json heap = type.heap().is_concrete() ? json(type.heap().number()) : json(wasm::to_string(type.heap()));
  return {{"heap", std::move(heap)}, {"nullable", type.nullable()}};
}

json value_types(std::span<const ValType> types) {
  json out = json::array();
  for (const ValType type : types) out.push_back(value_type(type));
  return out;
}

json field_type(const wasm::FieldType& field) {
  if (field.storage.packed == wasm::Packed::kI8) return "i8";
  if (field.storage.packed == wasm::Packed::kI16) return "i16";
  return value_type(field.storage.unpacked);
}

const char* kind_name(CompositeKind kind) {
  switch (kind) {
    case CompositeKind::kFunc: return "func";
    case CompositeKind::kStruct: return "struct";
    case CompositeKind::kArray: return "array";
  }
  return "?";
}

json describe_type(const wasm::TypeStore& types, wasm::TypeId id) {
  const wasm::SubType& type = types.get(id);
  json out = {{"id", id.raw},
              {"kind", kind_name(type.kind)},
              {"params", value_types(type.params)},
              {"results", value_types(type.results)},
              {"fields", json::array()},
              {"ancestors", json::array()}};
  for (const wasm::FieldType& field : type.fields) out["fields"].push_back(field_type(field));
  for (const wasm::TypeId ancestor : types.ancestors(id)) out["ancestors"].push_back(ancestor.raw);
  return out;
}

const char* kind_name(ExternKind kind) {
  static constexpr const char* kNames[] = {"func", "table", "memory", "global", "tag"};
  return kNames[static_cast<size_t>(kind)];
}

void put_limits(json& out, const wasm::Limits& limits) {
  out["min"] = std::to_string(limits.min);
  if (limits.max) out["max"] = std::to_string(*limits.max);
  out["is64"] = limits.is_64;
}

// Kind and type of an import or export.
json describe_item(const Module& module, const std::string& name, ExternKind kind, uint32_t index) {
  json out = {{"name", name}, {"kind", kind_name(kind)}, {"index", index}};
  switch (kind) {
    case ExternKind::kFunc: out["type"] = module.funcs[index].type_id.raw; break;
    case ExternKind::kTag: out["type"] = module.tags[index].type_id.raw; break;
    case ExternKind::kGlobal:
      out["type"] = value_type(module.globals[index].type.value);
      out["mutable"] = module.globals[index].type.is_mutable;
      break;
    case ExternKind::kTable:
      out["type"] = value_type(module.tables[index].type.element);
      put_limits(out, module.tables[index].type.limits);
      break;
    case ExternKind::kMemory: put_limits(out, module.memories[index].type.limits); break;
  }
  return out;
}

json describe_module(const Module& module, std::span<const uint8_t> numbered) {
  json out = {
      {"wasm", to_base64(numbered)}, {"types", json::array()}, {"imports", json::array()}, {"exports", json::array()}};
  for (const wasm::TypeId id : module.type_ids) out["types"].push_back(id.raw);
  for (const wasm::Import& item : module.imports) {
    json row = describe_item(module, item.name, item.kind, item.index);
    row["module"] = item.module;
    out["imports"].push_back(std::move(row));
  }
  for (const wasm::Export& item : module.exports) {
    out["exports"].push_back(describe_item(module, item.name, item.kind, item.index));
  }
  return out;
}

const char* kind_name(ArgKind kind) {
  static constexpr const char* kNames[] = {"default", "number", "i31", "host", "kept"};
  return kNames[static_cast<size_t>(kind)];
}

// ORDER: StepKind, as the driver names them; null: no embedder in JavaScript can do it.
constexpr const char* kStepNames[kStepKindCount] = {"instantiate", "call",  "set-global", "release", "drop-instance",
                                                    "collect",     nullptr, nullptr,      nullptr};

json describe_step(const Step& step) {
  json args = json::array();
  for (const Argument& arg : step.args)
    args.push_back({{"kind", kind_name(arg.kind)}, {"low", std::to_string(arg.low)}});
  return {{"kind", kStepNames[static_cast<size_t>(step.kind)]},
          {"module", step.module},
          {"instance", step.instance},
          {"kept", step.kept},
          {"keep", step.keep},
          {"name", step.name},
          {"args", std::move(args)},
          {"links", step.links}};
}

// --- Leaving out what cannot be done ---------------------------------------------------------------------------------------

bool all_cross(std::span<const ValType> types) { return std::ranges::all_of(types, crosses_js_boundary); }

bool signature_crosses(const wasm::SubType& type) { return all_cross(type.params) && all_cross(type.results); }

Result<> check_imports(const Module& module) {
  for (const wasm::Import& item : module.imports) {
    bool crosses = true;
    if (item.kind == ExternKind::kFunc) crosses = signature_crosses(module.func_type(wasm::FuncIndex(item.index)));
    if (item.kind == ExternKind::kTag) crosses = all_cross(module.tag_type(wasm::TagIndex(item.index)).params);
    if (item.kind == ExternKind::kGlobal) crosses = crosses_js_boundary(module.globals[item.index].type.value);
    if (item.kind == ExternKind::kTable) crosses = crosses_js_boundary(module.tables[item.index].type.element);
    if (!crosses) return fail(ErrorCode::kUnsupported, item.offset, "an import whose type JavaScript cannot pass");
  }
  return {};
}

// The module that step's instance was made of; null when there is none.
const Module* module_of(const std::vector<Step>& plan, const std::vector<std::shared_ptr<const Module>>& modules,
                        uint32_t instance) {
  for (const Step& step : plan) {
    if (step.kind != StepKind::kInstantiate) continue;
    if (instance == 0) return step.module < modules.size() ? modules[step.module].get() : nullptr;
    --instance;
  }
  return nullptr;
}

// Kept results are numbered by the calls that keep: one that is left out becomes a call of nothing, which is skipped.
std::vector<Step> possible_steps(const std::vector<Step>& plan,
                                 const std::vector<std::shared_ptr<const Module>>& modules) {
  std::vector<Step> out;
  for (const Step& step : plan) {
    if (kStepNames[static_cast<size_t>(step.kind)] == nullptr) continue;
    if (step.kind == StepKind::kCall) {
      const Module* module = module_of(plan, modules, step.instance);
      const wasm::Export* item = module != nullptr ? module->find_export(step.name) : nullptr;
      const bool is_func = item != nullptr && item->kind == ExternKind::kFunc;
      if (is_func && !signature_crosses(module->func_type(wasm::FuncIndex(item->index)))) {
        if (step.keep) out.push_back({.kind = StepKind::kCall, .instance = step.instance, .keep = true});
        continue;
      }
    }
    out.push_back(step);
  }
  return out;
}

Result<std::vector<uint8_t>> probed(const std::vector<uint8_t>& bytes, bool numbered_imports) {
  Module module = TRY(wasm::decode(bytes, nullptr, {.naming = wasm::TypeNaming::kModule}));
  if (module.types.size() > kMaxTypes) return fail(ErrorCode::kUnsupported, 0, "too many types for probes");
  return with_probes(std::move(module), numbered_imports);
}

}  // namespace

Result<JsCase> make_js_case(const Case& subject) {
  JsCase out;
  out.subject = subject;
  out.subject.configuration.executors.clear();
  out.subject.claims_valid = false;  // expectations are the first executor's business
  auto types = std::make_shared<wasm::TypeStore>();
  std::vector<std::shared_ptr<const Module>> modules;
  json described = json::array();
  for (size_t i = 0; i < subject.modules.size(); ++i) {
    out.subject.modules[i] = TRY(probed(subject.modules[i], false));
    modules.push_back(std::make_shared<const Module>(TRY(wasm::load(out.subject.modules[i], types, {}))));
    TRY(check_imports(*modules.back()));
    const Freedom freedom = TRY(freedom_of(*modules.back()));
    out.freedom.nan_bits |= freedom.nan_bits;
    out.freedom.growth |= freedom.growth;
    out.freedom.relaxed_simd |= freedom.relaxed_simd;
    described.push_back(describe_module(*modules.back(), TRY(probed(subject.modules[i], true))));
  }
  std::vector<Step> plan = subject.plan;
  if (plan.empty()) {
    const Module first = TRY(wasm::load(subject.modules.front(), types, {}));
    plan = default_plan(first, subject.configuration);
  }
  out.subject.plan = possible_steps(plan, modules);
  json steps = json::array();
  for (const Step& step : out.subject.plan) steps.push_back(describe_step(step));
  json type_rows = json::array();
  std::set<uint32_t> seen;
  for (const auto& module : modules) {
    for (const wasm::TypeId id : module->type_ids) {
      if (seen.insert(id.raw).second) type_rows.push_back(describe_type(*types, id));
    }
  }
  const json request = {{"types", std::move(type_rows)},
                        {"modules", std::move(described)},
                        {"plan", std::move(steps)},
                        {"limits",
                         {{"objects", GraphWalk::kMaxObjects},
                          {"values", GraphWalk::kMaxValues},
                          {"elements", GraphWalk::kMaxElements},
                          {"chunk", kMemoryChunk}}}};
  out.text = request.dump(-1, ' ', false, json::error_handler_t::replace);
  return out;
}

std::string driver_greeting() {
  json tokens;
#define TOKEN(id, component) tokens[#id] = static_cast<uint32_t>(Tok::id);
#include "fuzz/oracle/tokens.def"
#undef TOKEN
  using wasm::OutcomeKind;
  const auto number = [](OutcomeKind kind) { return static_cast<uint32_t>(kind); };
  const json outcomes = {{"returned", number(OutcomeKind::kReturned)},
                         {"trapped", number(OutcomeKind::kTrapped)},
                         {"threw", number(OutcomeKind::kThrew)},
                         {"rejected", number(OutcomeKind::kRejected)},
                         {"unlinkable", number(OutcomeKind::kUnlinkable)}};
  const json refs = {{"struct", static_cast<uint32_t>(wasm::RefKind::kStruct)},
                     {"array", static_cast<uint32_t>(wasm::RefKind::kArray)},
                     {"func", static_cast<uint32_t>(wasm::RefKind::kFunc)}};
  return json({{"numbers", {{"tokens", tokens}, {"outcomes", outcomes}, {"refs", refs}}}}).dump();
}

}  // namespace parallax::fuzz
