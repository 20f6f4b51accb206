#include "triage/report/regression.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "engine/base/text.h"
#include "engine/wasm/builder.h"
#include "engine/wasm/module.h"
#include "engine/wasm/text/print.h"
#include "fuzz/oracle/observe.h"

namespace parallax::triage {

using fuzz::ArgKind;
using fuzz::StepKind;
using fuzz::Tok;
using wasm::ExternKind;
using wasm::OutcomeKind;
using wasm::RefKind;
using wasm::ValKind;
using wasm::ValType;

namespace {

// --- What is to be said, independent of the language -----------------------------------------------------------------
enum class LitKind : uint8_t {
  kI32,
  kI64,
  kF32,
  kF64,
  kV128,
  kNull,
  kI31,
  kExtern,
  kHostAny,
  kFunc,
  kStruct,
  kArray,
  kExn,
  kKept  // argument only: a reference that an earlier call returned
};
// Objects: low is the TypeId; null arguments: high is the HeapKind; kKept: low is its number.
struct Lit {
  LitKind kind;
  uint64_t low = 0, high = 0;
  bool externalised = false;  // an internal reference in an externref
};

enum class End : uint8_t { kReturned, kTrapped, kThrew };

struct Check {
  enum class What : uint8_t { kInstantiate, kCall, kGlobal } what;
  uint32_t instance = 0;
  uint32_t module = 0;                     // kInstantiate
  std::map<std::string, uint32_t> linked;  // kInstantiate: module names that another instance provides
  std::string name;                        // of the export
  std::vector<Lit> args;
  End end = End::kReturned;
  std::string trap;
  std::vector<Lit> results;
  uint32_t type = 0;  // kCall: TypeIndex in the instance's module
  uint32_t module_of_instance = 0;
  std::optional<std::pair<uint32_t, size_t>> keeps;  // number of what it keeps, and which result
};

// A reference that a later call takes as argument.
struct Kept {
  Lit value;
  wasm::HeapType top;  // of its hierarchy
  bool used = false;
};

struct Script {
  std::vector<wasm::Module> modules;  // by module of the case, TypeNaming::kModule
  std::vector<Check> checks;
  std::vector<std::optional<Kept>> kept;
  std::string why_not;  // it cannot be said at all
};

std::optional<LitKind> lit_of_ref(RefKind kind) {
  switch (kind) {
    case RefKind::kNull: return LitKind::kNull;
    case RefKind::kI31: return LitKind::kI31;
    case RefKind::kStruct: return LitKind::kStruct;
    case RefKind::kArray: return LitKind::kArray;
    case RefKind::kFunc: return LitKind::kFunc;
    case RefKind::kExn: return LitKind::kExn;
    default: return {};
  }
}

// Follows plan and observation at the same time.
class ScriptMaker {
 public:
  ScriptMaker(const fuzz::Case& subject, const Observed& seen) : subject_(subject), seen_(seen) {}

  Script make() {
    const auto loaded = fuzz::load_case(subject_);
    if (!loaded) return refuse("the case does not load: " + loaded.error().to_string());
    loaded_ = &*loaded;
    for (const auto& bytes : subject_.modules) {
      wasm::DecodeOptions options;
      options.naming = wasm::TypeNaming::kModule;
      auto module = wasm::decode(bytes, nullptr, options);
      if (!module) return refuse(module.error().to_string());
      script_.modules.push_back(std::move(*module));
    }
    if (!seen_.complete()) return refuse("the reference did not run to the end");
    for (size_t i = 0; i < loaded->plan.size() && script_.why_not.empty(); ++i) step(i);
    if (script_.why_not.empty()) globals();
    return std::move(script_);
  }

 private:
  Script refuse(std::string why) {
    script_.why_not = std::move(why);
    return std::move(script_);
  }
  void give_up(std::string why) {
    if (script_.why_not.empty()) script_.why_not = std::move(why);
  }
  bool at_end() const { return at_ >= seen_.tokens.size(); }
  const fuzz::Token& token() const { return seen_.tokens[at_]; }

  // Moves to the outcome of step `number`; false when it was skipped.
  bool find_outcome(size_t number) {
    while (!at_end() && !(token().tok == Tok::kStep && token().value == number)) ++at_;
    for (++at_; !at_end(); ++at_) {
      const Tok tok = token().tok;
      if (tok == Tok::kOutcome) return true;
      if (tok == Tok::kSkipped || tok == Tok::kStep || tok == Tok::kGlobal) return false;
    }
    return false;
  }

  void step(size_t number) {
    const fuzz::Step& step = loaded_->plan[number];
    switch (step.kind) {
      case StepKind::kInstantiate: return instantiate(step, number);
      case StepKind::kCall: return call(step, number);
      case StepKind::kSetGlobal: return give_up("the plan sets a global from outside");
      case StepKind::kProbeRoot:
      case StepKind::kProbeCall:
      case StepKind::kProbeForeign: return give_up("the plan probes handles, which only an embedder has");
      case StepKind::kRelease:
        if (step.kept < held_.size()) held_[step.kept] = false;
        return;
      case StepKind::kDropInstance:
      case StepKind::kCollect: return;  // not to be seen from a script
    }
  }

  // From the outcome's token on: how it ended, and its values.
  bool read_end(Check& check) {
    switch (static_cast<OutcomeKind>(token().value)) {
      case OutcomeKind::kReturned: check.end = End::kReturned; break;
      case OutcomeKind::kTrapped: check.end = End::kTrapped; break;
      case OutcomeKind::kThrew: check.end = End::kThrew; return true;
      case OutcomeKind::kFuelExhausted:
      case OutcomeKind::kHeapExhausted: give_up("a call uses up a budget that other engines do not have"); return false;
      case OutcomeKind::kStackExhausted: give_up("a call exhausts our limit of nested calls"); return false;
      default: give_up("a step of the plan ended in a way that scripts have no word for"); return false;
    }
    if (at_ + 1 >= seen_.tokens.size()) return true;
    const fuzz::Token& next = seen_.tokens[at_ + 1];
    if (check.end == End::kTrapped) {
      check.trap = next.tok == Tok::kTrap ? wasm::to_string(static_cast<wasm::TrapKind>(next.value)) : "";
      return true;
    }
    if (next.tok != Tok::kValues) return true;
    at_ += 2;
    for (uint64_t i = 0; i < next.value && !at_end(); ++i) {
      if (!value(check.results)) return false;
    }
    return true;
  }

  // One value at the current place.
  bool value(std::vector<Lit>& out) {
    const fuzz::Token& t = token();
    ++at_;
    switch (t.tok) {
      case Tok::kI32: out.push_back({LitKind::kI32, t.value}); return true;
      case Tok::kI64: out.push_back({LitKind::kI64, t.value}); return true;
      case Tok::kF32: out.push_back({LitKind::kF32, t.value}); return true;
      case Tok::kF64: out.push_back({LitKind::kF64, t.value}); return true;
      case Tok::kV128Low:
        out.push_back({LitKind::kV128, t.value, at_end() ? 0 : token().value});
        ++at_;
        return true;
      case Tok::kNull: out.push_back({LitKind::kNull}); return true;
      case Tok::kI31: out.push_back({LitKind::kI31, t.value}); return true;
      case Tok::kHost: out.push_back({LitKind::kExtern, t.value}); return true;
      case Tok::kFunc:
      case Tok::kHostFunc: out.push_back({LitKind::kFunc}); return true;
      case Tok::kObject:
      case Tok::kSeen:
      case Tok::kShallow: {
        const auto kind = lit_of_ref(static_cast<RefKind>(t.aux));
        if (kind) out.push_back({*kind, t.tok == Tok::kShallow ? t.value : 0});
        if (!kind) give_up("a reference of a kind that scripts have no word for");
        return kind.has_value();
      }
      default: give_up("a value that scripts have no word for"); return false;
    }
  }

  void instantiate(const fuzz::Step& step, size_t number) {
    Check check{.what = Check::What::kInstantiate, .instance = instances_++, .module = step.module};
    modules_of_.push_back(step.module);
    if (step.module >= script_.modules.size() || !find_outcome(number)) return give_up("an instantiation was skipped");
    if (!link(step, check) || !read_end(check)) return;
    script_.checks.push_back(std::move(check));
  }

  // Where the imports come from: scripts look them up by the name of a module, our plans by their own name.
  bool link(const fuzz::Step& step, Check& check) {
    std::map<std::string, std::optional<uint32_t>> owner;  // empty: the host
    for (const wasm::Import& import : script_.modules[step.module].imports) {
      std::optional<uint32_t> from;
      for (const uint32_t link : step.links) {
        if (link >= modules_of_.size() || modules_of_[link] >= script_.modules.size()) continue;
        const wasm::Export* offered = script_.modules[modules_of_[link]].find_export(import.name);
        if (offered != nullptr && offered->kind == import.kind) from = link;
      }
      if (!from && import.module == "fuzzing-support" && !import.name.starts_with("log") &&
          import.kind == ExternKind::kFunc && is_called(check.instance, import)) {
        give_up(text::format("the host function {} calls back or throws", text::quoted(import.name)));
        return false;
      }
      const auto [known, is_new] = owner.emplace(import.module, from);
      if (!is_new && known->second != from) {
        give_up(text::format("imports of module {} come from two instances", text::quoted(import.module)));
        return false;
      }
      if (from) check.linked[import.module] = *from;
    }
    return true;
  }

  // Whether the host function was called, as far as the trace tells.
  bool is_called(uint32_t instance, const wasm::Import& import) const {
    const auto& imports = script_.modules[modules_of_[instance]].imports;
    for (const fuzz::Token& t : seen_.tokens) {
      if (t.tok == Tok::kTraceHash) return true;
      if (t.tok != Tok::kHostCall || t.aux != instance || t.value >= imports.size()) continue;
      if (imports[t.value].module == import.module && imports[t.value].name == import.name) return true;
    }
    return false;
  }

  const wasm::Export* export_of(uint32_t instance, const std::string& name) const {
    if (instance >= modules_of_.size() || modules_of_[instance] >= script_.modules.size()) return nullptr;
    return script_.modules[modules_of_[instance]].find_export(name);
  }

  void call(const fuzz::Step& step, size_t number) {
    const size_t kept = script_.kept.size();
    if (step.keep) {
      script_.kept.emplace_back();
      held_.push_back(true);
    }
    const wasm::Export* item = export_of(step.instance, step.name);
    if (item == nullptr || item->kind != ExternKind::kFunc || !find_outcome(number)) return;
    Check check{.what = Check::What::kCall, .instance = step.instance, .name = step.name};
    check.module_of_instance = modules_of_[step.instance];
    const wasm::Module& module = script_.modules[check.module_of_instance];
    current_ = step.instance;
    check.type = module.funcs[item->index].type;
    // The same types twice: as written, and canonical.
    const wasm::Module& canonical = *loaded_->modules[check.module_of_instance];
    const wasm::SubType& type = canonical.types[canonical.funcs[item->index].type];
    for (size_t i = 0; i < type.params.size(); ++i) {
      const fuzz::Argument arg = i < step.args.size() ? step.args[i] : fuzz::Argument{};
      if (!argument(arg, module.types[check.type].params[i], type.params[i], check.args)) return;
    }
    if (!read_end(check)) return;
    keep_result(step, kept, type, check);
    script_.checks.push_back(std::move(check));
  }

  // What a value is called depends on the static type that it comes with.
  static void settle(Lit& value, wasm::HeapType top) {
    if (value.kind == LitKind::kExtern && top == wasm::HeapKind::kAny) value.kind = LitKind::kHostAny;
    const bool is_internal =
        value.kind == LitKind::kI31 || value.kind == LitKind::kStruct || value.kind == LitKind::kArray;
    value.externalised = is_internal && top == wasm::HeapKind::kExtern;
  }

  void keep_result(const fuzz::Step& step, size_t number, const wasm::SubType& type, Check& check) {
    for (size_t i = 0; i < check.results.size() && i < type.results.size(); ++i) {
      if (!type.results[i].is_ref()) continue;
      Lit& result = check.results[i];
      const wasm::HeapType top = loaded_->types->top(type.results[i].heap());
      settle(result, top);
      if (!step.keep || check.keeps || result.kind == LitKind::kNull) continue;
      check.keeps = {static_cast<uint32_t>(number), i};
      script_.kept[number] = Kept{.value = result, .top = top};
    }
  }

  // The most precise type that is known of a value.
  static std::optional<ValType> dynamic_type(const Kept& kept) {
    if (kept.value.externalised) return ValType::ref(kept.top, false);
    switch (kept.value.kind) {
      case LitKind::kI31: return ValType::ref(wasm::HeapKind::kI31, false);
      case LitKind::kStruct:
      case LitKind::kArray: return ValType::ref(wasm::HeapType::concrete(static_cast<uint32_t>(kept.value.low)), false);
      case LitKind::kExtern:
      case LitKind::kHostAny:
      case LitKind::kExn: return ValType::ref(kept.top, false);
      default: return {};  // which type a function has the observation does not say
    }
  }

  // An abstract heap type of the same hierarchy.
  wasm::HeapKind bottom_kind(ValType type) const {
    if (!type.heap().is_concrete()) return type.heap().kind();
    const auto& types = script_.modules[modules_of_[current_]].types;
    const uint32_t number = type.heap().number();
    const bool is_func = number < types.size() && types[number].kind == wasm::CompositeKind::kFunc;
    return is_func ? wasm::HeapKind::kNoFunc : wasm::HeapKind::kNone;
  }

  static std::optional<Lit> number_argument(const fuzz::Argument& arg, ValType type) {
    const uint64_t low = arg.kind == ArgKind::kNumber ? arg.low : 0, high = arg.kind == ArgKind::kNumber ? arg.high : 0;
    switch (type.kind()) {
      case ValKind::kI32: return Lit{LitKind::kI32, low & 0xffffffffu};
      case ValKind::kI64: return Lit{LitKind::kI64, low};
      case ValKind::kF32: return Lit{LitKind::kF32, low & 0xffffffffu};
      case ValKind::kF64: return Lit{LitKind::kF64, low};
      case ValKind::kV128: return Lit{LitKind::kV128, low, high};
      default: return {};
    }
  }

  // As the embedder chooses: what does not match the parameter's type becomes null.
  bool argument(const fuzz::Argument& arg, ValType type, ValType canonical, std::vector<Lit>& out) {
    if (const auto number = number_argument(arg, type)) {
      out.push_back(*number);
      return true;
    }
    const wasm::TypeStore& types = *loaded_->types;
    if (arg.kind == ArgKind::kHost && type.heap() == wasm::HeapKind::kExtern) {
      out.push_back({LitKind::kExtern, arg.low});
      return true;
    }
    if (arg.kind == ArgKind::kHost && type.heap() == wasm::HeapKind::kAny) {
      out.push_back({LitKind::kHostAny, arg.low});
      return true;
    }
    if (arg.kind == ArgKind::kI31 && types.matches(ValType::ref(wasm::HeapKind::kI31, false), canonical)) {
      out.push_back({LitKind::kI31, arg.low & 0x7fffffffu});
      return true;
    }
    if (arg.kind == ArgKind::kKept && arg.low < script_.kept.size() && script_.kept[arg.low] && held_[arg.low]) {
      Kept& kept = *script_.kept[arg.low];
      const auto dynamic = dynamic_type(kept);
      const bool is_top = canonical.heap() == kept.top;
      if (!dynamic && !is_top && types.hierarchy(canonical.heap()) == wasm::Hierarchy::kFunc) {
        give_up("an argument is a function that was returned before");
        return false;
      }
      if (is_top || (dynamic && types.matches(*dynamic, canonical))) {
        kept.used = true;
        out.push_back({LitKind::kKept, arg.low});
        return true;
      }
    }
    if (!type.nullable()) {
      give_up("a parameter that is not nullable has no argument");
      return false;
    }
    out.push_back({LitKind::kNull, 0, static_cast<uint64_t>(bottom_kind(type))});
    return true;
  }

  void globals() {
    while (!at_end()) {
      const fuzz::Token t = token();
      ++at_;
      if (t.tok != Tok::kGlobal || at_end()) continue;
      if (t.aux >= modules_of_.size()) continue;
      const auto& exports = script_.modules[modules_of_[t.aux]].exports;
      if (t.value >= exports.size()) continue;
      Check check{.what = Check::What::kGlobal, .instance = t.aux, .name = exports[t.value].name};
      if (!value(check.results)) return;
      const wasm::Module& canonical = *loaded_->modules[modules_of_[t.aux]];
      const ValType type = canonical.globals[exports[t.value].index].type.value;
      if (type.is_ref()) settle(check.results.front(), loaded_->types->top(type.heap()));
      script_.checks.push_back(std::move(check));
    }
  }

  const fuzz::Case& subject_;
  const Observed& seen_;
  const fuzz::LoadedCase* loaded_ = nullptr;
  Script script_;
  size_t at_ = 0;
  uint32_t instances_ = 0, current_ = 0;
  std::vector<uint32_t> modules_of_;  // by instance
  std::vector<bool> held_;            // by number: kept and not released
};

// --- Specification scripts -------------------------------------------------------------------------------------------
std::string float_text(uint64_t bits, bool is_64) {
  const uint64_t exponent_mask = is_64 ? 0x7ff0000000000000u : 0x7f800000u;
  const uint64_t fraction_mask = is_64 ? 0x000fffffffffffffu : 0x007fffffu;
  const bool negative = (bits & (is_64 ? uint64_t{1} << 63 : uint64_t{1} << 31)) != 0;
  const std::string sign = negative ? "-" : "";
  if ((bits & exponent_mask) == exponent_mask) {
    return (bits & fraction_mask) == 0 ? sign + "inf" : text::format("{}nan:{:#x}", sign, bits & fraction_mask);
  }
  const double value = is_64 ? std::bit_cast<double>(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits));
  return text::format("{:a}", value);
}

std::string wast_lit(const Lit& lit) {
  if (lit.externalised) return "(ref.extern)";
  switch (lit.kind) {
    case LitKind::kI32: return text::format("(i32.const {})", static_cast<int32_t>(lit.low));
    case LitKind::kI64: return text::format("(i64.const {})", static_cast<int64_t>(lit.low));
    case LitKind::kF32: return text::format("(f32.const {})", float_text(lit.low, false));
    case LitKind::kF64: return text::format("(f64.const {})", float_text(lit.low, true));
    case LitKind::kV128: return text::format("(v128.const i64x2 {:#x} {:#x})", lit.low, lit.high);
    case LitKind::kNull: return "(ref.null)";
    case LitKind::kI31: return "(ref.i31)";
    case LitKind::kExtern: return text::format("(ref.extern {})", lit.low);
    case LitKind::kHostAny: return text::format("(ref.host {})", lit.low);
    case LitKind::kFunc: return "(ref.func)";
    case LitKind::kStruct: return "(ref.struct)";
    case LitKind::kArray: return "(ref.array)";
    case LitKind::kExn: return "(ref.exn)";
    case LitKind::kKept: break;
  }
  return "";
}

// The bottom type of the hierarchy to which an abstract heap type belongs.
const char* bottom_of(wasm::HeapKind kind) {
  switch (kind) {
    case wasm::HeapKind::kFunc:
    case wasm::HeapKind::kNoFunc: return "nofunc";
    case wasm::HeapKind::kExtern:
    case wasm::HeapKind::kNoExtern: return "noextern";
    case wasm::HeapKind::kExn:
    case wasm::HeapKind::kNoExn: return "noexn";
    default: return "none";
  }
}

// "(module" of printed text gets a name.
std::string named_module(std::string text, const std::string& name) {
  const size_t open = text.find("(module");
  if (open == std::string::npos) return text;
  size_t after = open + 7;
  if (text.compare(after, 2, " $") == 0) {
    size_t end = after + 2;
    if (text[end] == '"') end = text.find('"', end + 1) + 1;
    while (end < text.size() && text[end] != ' ' && text[end] != '\n' && text[end] != ')' && text[end] != '(') ++end;
    text.erase(after, end - after);
  }
  return text.insert(after, " $" + name);
}

std::vector<uint8_t> default_body(const wasm::SubType& type, bool echoes) {
  wasm::CodeWriter code;
  const size_t count = type.params.size();
  bool reversed = echoes && count == type.results.size();
  for (size_t i = 0; reversed && i < count; ++i) reversed = type.params[count - 1 - i] == type.results[i];
  for (size_t i = 0; i < type.results.size(); ++i) {
    const ValType result = type.results[i];
    if (reversed) {
      code.local_get(static_cast<uint32_t>(count - 1 - i));
    } else if (result.is_ref() && !result.nullable()) {
      code.op(wasm::Opcode::Unreachable);
    } else if (result.is_ref()) {
      code.ref_null(result.heap());
    } else if (result == wasm::kI32) {
      code.i32_const(0);
    } else if (result == ValType(ValKind::kI64)) {
      code.i64_const(0);
    } else if (result == ValType(ValKind::kF32)) {
      code.f32_const(0);
    } else if (result == ValType(ValKind::kF64)) {
      code.f64_const(0);
    } else {
      code.v128_const({});
    }
  }
  return code.end().take();
}

// The host's part as a module: the same types, functions that answer with defaults.
Result<std::string> stub_module(const wasm::Module& module, const std::string& imports_of) {
  wasm::ModuleBuilder out;
  for (const wasm::RecGroup& group : module.rec_groups) {
    out.add_rec_group({module.types.begin() + group.first, module.types.begin() + group.first + group.count});
  }
  std::map<std::string, std::pair<ExternKind, uint32_t>> made;  // name: kind and type
  for (const wasm::Import& import : module.imports) {
    if (import.module != imports_of) continue;
    const uint32_t type = import.kind == ExternKind::kFunc  ? module.funcs[import.index].type
                          : import.kind == ExternKind::kTag ? module.tags[import.index].type
                                                            : 0;
    const auto [known, is_new] = made.emplace(import.name, std::pair(import.kind, type));
    if (!is_new) {
      if (known->second != std::pair(import.kind, type)) {
        return fail(ErrorCode::kUnsupported, 0, "one import has two types");
      }
      continue;
    }
    uint32_t index = 0;
    switch (import.kind) {
      case ExternKind::kFunc:
        index = out.add_func(wasm::TypeIndex(type), {}, default_body(module.types[type], import.name == "echo")).raw;
        break;
      case ExternKind::kTag: index = out.add_tag(wasm::TypeIndex(type)).raw; break;
      case ExternKind::kMemory: index = out.add_memory(module.memories[import.index].type).raw; break;
      case ExternKind::kTable: index = out.add_table(module.tables[import.index].type).raw; break;
      case ExternKind::kGlobal: {
        const wasm::GlobalType& global = module.globals[import.index].type;
        if (global.value.is_ref() && !global.value.nullable()) {
          return fail(ErrorCode::kUnsupported, 0, "an imported global has no default value");
        }
        const wasm::SubType as_result{.params = {}, .results = {global.value}};
        index = out.add_global(global, default_body(as_result, false)).raw;
        break;
      }
    }
    out.add_export(import.name, import.kind, index);
  }
  return wasm::text::print_binary(out.encode());
}

Result<std::string> module_text(const fuzz::Case& subject, uint32_t module) {
  wasm::text::PrintOptions options;
  options.features.bits = ~0u;
  options.customs = false;
  return wasm::text::print_binary(subject.modules[module], options);
}

Result<std::string> wast_instance(const fuzz::Case& subject, const Script& script, const Check& check) {
  const wasm::Module& module = script.modules[check.module];
  std::string out;
  std::map<std::string, bool> done;
  for (const wasm::Import& import : module.imports) {
    if (!done.emplace(import.module, true).second) continue;
    const auto linked = check.linked.find(import.module);
    if (linked != check.linked.end()) {
      out += text::format("(register {} $i{})\n", text::quoted(import.module), linked->second);
      continue;
    }
    out +=
        named_module(TRY(stub_module(module, import.module)), text::format("host{}_{}", check.instance, done.size()));
    out += text::format("\n(register {} $host{}_{})\n", text::quoted(import.module), check.instance, done.size());
  }
  const std::string body = named_module(TRY(module_text(subject, check.module)), text::format("i{}", check.instance));
  if (check.end == End::kReturned) return out + body + "\n";
  if (check.end == End::kTrapped) return out + text::format("(assert_trap {} {})\n", body, text::quoted(check.trap));
  return fail(ErrorCode::kUnsupported, 0, "an instantiation ends with an exception or exhaustion");
}

// References that a script cannot write stand in modules of our own: one that holds what calls have kept, and one for each
// call that takes such an argument or keeps its result.
bool needs_driver(const Script& script, const Check& check) {
  if (check.what != Check::What::kCall) return false;
  if (check.keeps && check.end == End::kReturned && script.kept[check.keeps->first]->used) return true;
  return std::ranges::any_of(check.args,
                             [](const Lit& arg) { return arg.kind == LitKind::kKept || arg.kind == LitKind::kI31; });
}

std::string kept_name(uint64_t number) { return text::format("kept{}", number); }

Result<std::string> holder_module(const Script& script) {
  wasm::ModuleBuilder out;
  bool any = false;
  for (size_t i = 0; i < script.kept.size(); ++i) {
    if (!script.kept[i] || !script.kept[i]->used) continue;
    any = true;
    const wasm::HeapType top = script.kept[i]->top;
    const wasm::GlobalIndex global =
        out.add_global({ValType::ref(top, true), true}, wasm::CodeWriter().ref_null(top).end().take());
    out.add_export(kept_name(i), ExternKind::kGlobal, global.raw);
  }
  if (!any) return std::string();
  return named_module(TRY(wasm::text::print_binary(out.encode())), "holder") +
         "\n(register \"parallax:kept\" $holder)\n";
}

bool passes_through(const Lit& arg) { return arg.kind == LitKind::kExtern || arg.kind == LitKind::kHostAny; }

// The argument as instructions; false when no module can make it. `passed` counts parameters of the driver.
bool write_argument(wasm::CodeWriter& code, const Lit& arg, ValType type, uint32_t& passed) {
  switch (arg.kind) {
    case LitKind::kI32: code.i32_const(static_cast<int32_t>(arg.low)); return true;
    case LitKind::kI64: code.i64_const(static_cast<int64_t>(arg.low)); return true;
    case LitKind::kF32: code.f32_const(static_cast<uint32_t>(arg.low)); return true;
    case LitKind::kF64: code.f64_const(arg.low); return true;
    case LitKind::kV128: {
      std::array<uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &arg.low, 8);
      std::memcpy(bytes.data() + 8, &arg.high, 8);
      code.v128_const(bytes);
      return true;
    }
    case LitKind::kNull: code.ref_null(type.heap()); return true;
    case LitKind::kI31: code.i32_const(static_cast<int32_t>(arg.low)).op(wasm::Opcode::RefI31); return true;
    case LitKind::kExtern:
    case LitKind::kHostAny: code.local_get(passed++); return true;
    default: return false;
  }
}

// A module that exports "run": calls the function with all arguments that can be made inside, keeps what is kept.
Result<std::string> driver_module(const Script& script, const Check& check, size_t number) {
  const wasm::Module& module = script.modules[check.module_of_instance];
  const wasm::SubType& type = module.types[check.type];
  wasm::ModuleBuilder out;
  for (const wasm::RecGroup& group : module.rec_groups) {
    out.add_rec_group({module.types.begin() + group.first, module.types.begin() + group.first + group.count});
  }
  std::vector<ValType> params;
  for (size_t i = 0; i < check.args.size(); ++i) {
    if (passes_through(check.args[i])) params.push_back(type.params[i]);
  }
  const wasm::TypeIndex own = out.add_func_type(params, type.results);
  const wasm::FuncIndex callee =
      out.import_func(text::format("parallax:i{}", check.instance), check.name, wasm::TypeIndex(check.type));
  std::map<uint64_t, wasm::GlobalIndex> globals;
  const auto global = [&](uint64_t kept) {
    const auto known = globals.find(kept);
    if (known != globals.end()) return known->second.raw;
    const wasm::GlobalType as{ValType::ref(script.kept[kept]->top, true), true};
    return globals.emplace(kept, out.import_global("parallax:kept", kept_name(kept), as)).first->second.raw;
  };
  wasm::CodeWriter code;
  uint32_t passed = 0;
  for (size_t i = 0; i < check.args.size(); ++i) {
    const Lit& arg = check.args[i];
    if (arg.kind != LitKind::kKept) {
      if (write_argument(code, arg, type.params[i], passed)) continue;
      return fail(ErrorCode::kUnsupported, 0, "an argument that no module can make");
    }
    code.op(wasm::Opcode::GlobalGet, global(arg.low));
    if (type.params[i] != ValType::ref(script.kept[arg.low]->top, true)) code.ref_cast(type.params[i]);
  }
  code.call(callee);
  std::vector<ValType> locals;
  if (check.keeps && check.end == End::kReturned && script.kept[check.keeps->first]->used) {
    locals = type.results;
    const auto first = static_cast<uint32_t>(params.size());
    for (size_t i = locals.size(); i-- > 0;) code.local_set(first + static_cast<uint32_t>(i));
    code.local_get(first + static_cast<uint32_t>(check.keeps->second));
    code.op(wasm::Opcode::GlobalSet, global(check.keeps->first));
    for (size_t i = 0; i < locals.size(); ++i) code.local_get(first + static_cast<uint32_t>(i));
  }
  const wasm::FuncIndex run = out.add_func(own, locals, code.end());
  out.add_export("run", ExternKind::kFunc, run.raw);
  return text::format("(register \"parallax:i{0}\" $i{0})\n{1}\n", check.instance,
                      named_module(TRY(wasm::text::print_binary(out.encode())), text::format("call{}", number)));
}

Result<std::string> to_wast(const fuzz::Case& subject, const Script& script, const std::string& about) {
  std::string out = text::format(";; {}\n", about);
  out += TRY(holder_module(script));
  size_t number = 0;
  for (const Check& check : script.checks) {
    ++number;
    if (check.what == Check::What::kInstantiate) {
      out += TRY(wast_instance(subject, script, check));
      continue;
    }
    const bool driven = needs_driver(script, check);
    if (driven) out += TRY(driver_module(script, check, number));
    std::string action = driven ? text::format("(invoke $call{} \"run\"", number)
                                : text::format("({} $i{} {}", check.what == Check::What::kCall ? "invoke" : "get",
                                               check.instance, text::quoted(check.name));
    for (const Lit& arg : check.args) {
      if (driven && !passes_through(arg)) continue;
      const auto heap = static_cast<wasm::HeapKind>(arg.high);
      action += " " + (arg.kind == LitKind::kNull ? text::format("(ref.null {})", bottom_of(heap)) : wast_lit(arg));
    }
    action += ")";
    switch (check.end) {
      case End::kReturned:
        out += text::format("(assert_return {}", action);
        for (const Lit& result : check.results) out += " " + wast_lit(result);
        out += ")\n";
        break;
      case End::kTrapped: out += text::format("(assert_trap {} {})\n", action, text::quoted(check.trap)); break;
      case End::kThrew: out += text::format("(assert_exception {})\n", action); break;
    }
  }
  return out;
}

// --- JavaScript ------------------------------------------------------------------------------------------------------
constexpr const char* kJsHelpers = R"js(
const hosts = new Map();
const host = n => { if (!hosts.has(n)) hosts.set(n, {host: n}); return hosts.get(n); };
let failures = 0;
function fail(where, text) { failures++; (globalThis.console?.log ?? globalThis.print)(`${where}: ${text}`); }
function matches(got, want) {
  switch (want[0]) {
    case 'number': return Object.is(got, want[1]) || (Number.isNaN(got) && Number.isNaN(want[1]));
    case 'bigint': return got === want[1];
    case 'null': return got === null;
    case 'same': return got === want[1];
    default: return got !== null && typeof got === want[0];
  }
}
function returns(where, action, wanted) {
  let got;
  try { got = action(); } catch (error) { fail(where, `threw ${error}`); return []; }
  if (wanted.length === 0) return [];
  const values = wanted.length === 1 ? [got] : [...got];
  wanted.forEach((want, i) => { if (!matches(values[i], want)) fail(where, `result ${i} is ${String(values[i])}`); });
  return values;
}
function fails(where, action, kind) {
  try { action(); } catch (error) { if (!(error instanceof kind)) fail(where, `threw ${error}`); return; }
  fail(where, 'returned');
}
)js";

std::string js_number(double value) {
  if (value != value) return "NaN";
  if (value == std::numeric_limits<double>::infinity()) return "Infinity";
  if (value == -std::numeric_limits<double>::infinity()) return "-Infinity";
  return text::format("{}", value);
}

// Empty: JavaScript cannot say it.
std::string js_value(const Lit& lit) {
  switch (lit.kind) {
    case LitKind::kI32: return text::format("{}", static_cast<int32_t>(lit.low));
    case LitKind::kI64: return text::format("{}n", static_cast<int64_t>(lit.low));
    case LitKind::kF32: return js_number(std::bit_cast<float>(static_cast<uint32_t>(lit.low)));
    case LitKind::kF64: return js_number(std::bit_cast<double>(lit.low));
    case LitKind::kNull: return "null";
    case LitKind::kExtern:
    case LitKind::kHostAny: return text::format("host({})", lit.low);
    case LitKind::kI31: return text::format("{}", static_cast<int32_t>(static_cast<uint32_t>(lit.low) << 1) >> 1);
    case LitKind::kKept: return kept_name(lit.low);
    default: return "";
  }
}

std::string js_wanted(const Lit& lit) {
  switch (lit.kind) {
    case LitKind::kI32:
    case LitKind::kF32:
    case LitKind::kF64:
    case LitKind::kI31: return text::format("['number', {}]", js_value(lit));
    case LitKind::kI64: return text::format("['bigint', {}]", js_value(lit));
    case LitKind::kNull: return "['null']";
    case LitKind::kExtern:
    case LitKind::kHostAny: return text::format("['same', {}]", js_value(lit));
    case LitKind::kFunc: return "['function']";
    case LitKind::kStruct:
    case LitKind::kArray: return "['object']";
    case LitKind::kV128:
    case LitKind::kKept:
    case LitKind::kExn: return "";
  }
  return "";
}

std::string js_default(ValType type) {
  if (type.is_ref()) return "null";
  return type == ValType(ValKind::kI64) ? "0n" : "0";
}

std::string js_import(const wasm::Module& module, const wasm::Import& import) {
  if (import.kind != ExternKind::kFunc) return "";
  const wasm::SubType& type = module.types[module.funcs[import.index].type];
  const std::string name = text::quoted(import.name);
  if (type.results.empty()) return text::format("{}: () => {{}}", name);
  if (type.results.size() == 1) {
    return import.name == "echo" ? text::format("{}: (...all) => all.at(-1)", name)
                                 : text::format("{}: () => {}", name, js_default(type.results[0]));
  }
  if (import.name == "echo") return text::format("{}: (...all) => all.reverse()", name);
  std::string all;
  for (const ValType result : type.results) all += (all.empty() ? "" : ", ") + js_default(result);
  return text::format("{}: () => [{}]", name, all);
}

Result<std::string> js_instance(const fuzz::Case& subject, const Script& script, const Check& check) {
  std::map<std::string, std::string> imports;
  const wasm::Module& module = script.modules[check.module];
  for (const wasm::Import& import : module.imports) {
    const auto linked = check.linked.find(import.module);
    if (linked != check.linked.end()) {
      imports[import.module] = text::format("i{}.exports", linked->second);
      continue;
    }
    const std::string item = js_import(module, import);
    if (item.empty()) return fail(ErrorCode::kUnsupported, 0, "the host provides more than functions");
    std::string& all = imports[import.module];
    all += (all.empty() ? "" : ", ") + item;
  }
  std::string object;
  for (const auto& [name, items] : imports) {
    const bool is_linked = check.linked.contains(name);
    object +=
        text::format("{}{}: {}", object.empty() ? "" : ", ", text::quoted(name), is_linked ? items : "{" + items + "}");
  }
  std::string bytes;
  for (size_t i = 0; i < subject.modules[check.module].size(); ++i) {
    bytes += text::format("{}{}", i == 0 ? "" : i % 32 == 0 ? ",\n  " : ",", subject.modules[check.module][i]);
  }
  std::string out =
      text::format("const m{} = new WebAssembly.Module(new Uint8Array([\n  {}]));\n", check.instance, bytes);
  const std::string made = text::format("new WebAssembly.Instance(m{}, {{{}}})", check.instance, object);
  if (check.end == End::kReturned) return out + text::format("const i{} = {};\n", check.instance, made);
  return out + text::format("fails('instantiation', () => {}, WebAssembly.RuntimeError);\n", made);
}

Result<std::string> to_js(const fuzz::Case& subject, const Script& script, const std::string& about) {
  std::string out = text::format("// {}\n// Flags: engines that keep GC behind a flag need it.\n{}", about, kJsHelpers);
  for (const Check& check : script.checks) {
    if (check.what == Check::What::kInstantiate) {
      out += TRY(js_instance(subject, script, check));
      continue;
    }
    std::string args, wanted;
    for (const Lit& arg : check.args) {
      const std::string value = js_value(arg);
      if (value.empty()) return fail(ErrorCode::kUnsupported, 0, "an argument that JavaScript cannot pass");
      args += (args.empty() ? "" : ", ") + value;
    }
    for (const Lit& result : check.results) {
      const std::string value = js_wanted(result);
      if (value.empty()) return fail(ErrorCode::kUnsupported, 0, "a result that JavaScript cannot receive");
      wanted += (wanted.empty() ? "" : ", ") + value;
    }
    const std::string name = text::quoted(check.name);
    const std::string action = check.what == Check::What::kCall
                                   ? text::format("() => i{}.exports[{}]({})", check.instance, name, args)
                                   : text::format("() => i{}.exports[{}].value", check.instance, name);
    switch (check.end) {
      case End::kReturned:
        if (check.keeps) out += text::format("const {} = ", kept_name(check.keeps->first));
        out += text::format("returns({}, {}, [{}])", name, action, wanted);
        out += check.keeps ? text::format("[{}];\n", check.keeps->second) : ";\n";
        break;
      case End::kTrapped: out += text::format("fails({}, {}, WebAssembly.RuntimeError);\n", name, action); break;
      case End::kThrew: out += text::format("fails({}, {}, WebAssembly.Exception);\n", name, action); break;
    }
  }
  return out + "if (failures > 0) throw new Error(`${failures} checks failed`);\n";
}

// --- Binaryen's lit tests --------------------------------------------------------------------------------------------
Result<std::string> to_lit(const fuzz::Case& subject, const Script& script, const std::string& about) {
  std::string out =
      text::format(";; {}\n;; RUN: wasm-opt %s -all --fuzz-exec -q -o /dev/null 2>&1 | filecheck %s\n\n", about);
  std::string checks;
  for (const Check& check : script.checks) {
    if (check.what == Check::What::kInstantiate) {
      if (check.instance != 0) return fail(ErrorCode::kUnsupported, 0, "wasm-opt runs one module");
      for (const wasm::Import& import : script.modules[check.module].imports) {
        if (import.module == "fuzzing-support") continue;
        return fail(ErrorCode::kUnsupported, 0,
                    text::format("wasm-opt has no host module {}", text::quoted(import.module)));
      }
      out += TRY(module_text(subject, check.module));
      continue;
    }
    if (check.what == Check::What::kGlobal) continue;  // not shown by --fuzz-exec
    for (const Lit& arg : check.args) {
      if (arg.kind == LitKind::kKept || arg.kind == LitKind::kI31) {
        return fail(ErrorCode::kUnsupported, 0, "wasm-opt calls with default arguments");
      }
      if (arg.kind != LitKind::kNull && (arg.low != 0 || arg.high != 0))
        return fail(ErrorCode::kUnsupported, 0, "wasm-opt calls with default arguments");
    }
    checks += text::format(";; CHECK: [fuzz-exec] calling {}\n", check.name);
    if (check.end == End::kTrapped) checks += ";; CHECK: [trap {{.*}}\n";
    const bool is_number = check.results.size() == 1 && check.results[0].kind <= LitKind::kI64;
    if (check.end == End::kReturned && is_number) {
      checks += text::format(";; CHECK: [fuzz-exec] note result: {} => {}\n", check.name,
                             check.results[0].kind == LitKind::kI32
                                 ? static_cast<int64_t>(static_cast<int32_t>(check.results[0].low))
                                 : static_cast<int64_t>(check.results[0].low));
    }
  }
  return out + "\n" + checks;
}

RegressionTest finished(const char* file, const char* format, const Result<std::string>& text) {
  if (!text) return {.file = file, .format = format, .remark = text.error().message};
  return {.file = file, .format = format, .text = *text, .remark = "with the answers of the reference"};
}

// What is to be rejected, or accepted: nothing runs.
std::vector<RegressionTest> validation_tests(const fuzz::Case& subject, bool is_valid, const std::string& about) {
  std::string binary, bytes;
  for (const uint8_t byte : subject.modules.front()) {
    binary += text::format("\\{:02x}", byte);
    bytes += text::format("{}{}", bytes.empty() ? "" : ",", byte);
  }
  const std::string module = text::format("(module binary \"{}\")", binary);
  const std::string script = is_valid ? module : text::format("(assert_invalid {} \"\")", module);
  const std::string js = text::format(
      "// {}\nconst bytes = new Uint8Array([{}]);\n"
      "if (WebAssembly.validate(bytes) !== {}) throw new Error('validation is wrong');\n",
      about, bytes, is_valid);
  return {finished("regress.wast", "specification script, as Wasmtime's and WasmEdge's tests are",
                   text::format(";; {}\n{}\n", about, script)),
          finished("regress.js", "JavaScript for any shell, as V8's mjsunit tests are", js),
          finished("regress-lit.wast", "lit test of Binaryen",
                   fail(ErrorCode::kUnsupported, 0, "lit tests are text, and this is about a binary"))};
}

}  // namespace

std::vector<RegressionTest> regression_tests(const fuzz::Case& subject, const Observed& reference,
                                             fuzz::FindingClass kind, const std::string& about) {
  if (kind == fuzz::FindingClass::kAccepted || kind == fuzz::FindingClass::kRejected) {
    return validation_tests(subject, kind == fuzz::FindingClass::kRejected, about);
  }
  Script script = ScriptMaker(subject, reference).make();
  const auto write = [&](auto&& writer) -> Result<std::string> {
    if (!script.why_not.empty()) return fail(ErrorCode::kUnsupported, 0, script.why_not);
    return writer(subject, script, about);
  };
  return {finished("regress.wast", "specification script, as Wasmtime's and WasmEdge's tests are", write(to_wast)),
          finished("regress.js", "JavaScript for any shell, as V8's mjsunit tests are", write(to_js)),
          finished("regress-lit.wast", "lit test of Binaryen", write(to_lit))};
}

}  // namespace parallax::triage
