#include "engine/wasm/text/script_runner.h"

#include <algorithm>
#include <utility>

#include "engine/base/text.h"
#include "engine/wasm/module.h"
#include "engine/wasm/text/numbers.h"
#include "engine/wasm/text/spectest.h"

namespace parallax::wasm::text {

namespace {

using parallax::text::format;

// --- Values ------------------------------------------------------------------------------------------------------------

bool fits_nan(LanePattern::Kind kind, uint64_t bits, unsigned width) {
  const unsigned mantissa = width == 32 ? 23 : 52;
  const uint64_t quiet = uint64_t{1} << (mantissa - 1);
  const uint64_t infinity = width == 32 ? 0x7f80'0000u : 0x7ff0'0000'0000'0000u;
  const uint64_t magnitude = bits & ((uint64_t{1} << (width - 1)) - 1);
  if (kind == LanePattern::Kind::kCanonicalNan) return magnitude == (infinity | quiet);
  return (magnitude & (infinity | quiet)) == (infinity | quiet);
}

bool fits_number(const Pattern& pattern, const Value& value) {
  if (value.kind != pattern.type) return false;
  unsigned at = 0;
  for (const LanePattern& lane : pattern.lanes) {
    uint64_t bits = (at < 64 ? value.low : value.high) >> (at % 64);
    if (pattern.lane_bits < 64) bits &= (uint64_t{1} << pattern.lane_bits) - 1;
    const bool fits =
        lane.kind == LanePattern::Kind::kBits ? bits == lane.bits : fits_nan(lane.kind, bits, pattern.lane_bits);
    if (!fits) return false;
    at += pattern.lane_bits;
  }
  return true;
}

Hierarchy hierarchy_of(HeapType heap) {
  switch (heap.kind()) {
    case HeapKind::kFunc:
    case HeapKind::kNoFunc: return Hierarchy::kFunc;
    case HeapKind::kExtern:
    case HeapKind::kNoExtern: return Hierarchy::kExtern;
    case HeapKind::kExn:
    case HeapKind::kNoExn: return Hierarchy::kExn;
    case HeapKind::kAny:
    case HeapKind::kEq:
    case HeapKind::kI31:
    case HeapKind::kStruct:
    case HeapKind::kArray:
    case HeapKind::kNone:
    case HeapKind::kConcrete: return Hierarchy::kAny;  // concrete: function types are told apart by the value's kind
  }
  return Hierarchy::kAny;
}

// Whether a non-null reference is of an abstract heap type. Conversion between anyref and externref does not show in
// the value, so the static type has a say.
bool fits_reference(HeapKind wanted, Ref ref, ValType type) {
  const bool is_any = hierarchy_of(type.heap()) == Hierarchy::kAny;
  switch (wanted) {
    case HeapKind::kFunc: return ref.kind == RefKind::kFunc;
    case HeapKind::kExn: return ref.kind == RefKind::kExn;
    case HeapKind::kExtern: return hierarchy_of(type.heap()) == Hierarchy::kExtern;
    case HeapKind::kAny: return is_any && ref.kind != RefKind::kFunc && ref.kind != RefKind::kExn;
    case HeapKind::kEq:
      return is_any && (ref.kind == RefKind::kI31 || ref.kind == RefKind::kStruct || ref.kind == RefKind::kArray);
    case HeapKind::kI31: return is_any && ref.kind == RefKind::kI31;
    case HeapKind::kStruct: return is_any && ref.kind == RefKind::kStruct;
    case HeapKind::kArray: return is_any && ref.kind == RefKind::kArray;
    case HeapKind::kNoFunc:
    case HeapKind::kNoExtern:
    case HeapKind::kNone:
    case HeapKind::kNoExn:
    case HeapKind::kConcrete: return false;
  }
  return false;
}

const char* to_string(RefKind kind) {
  switch (kind) {
    case RefKind::kNull: return "null";
    case RefKind::kI31: return "i31";
    case RefKind::kStruct: return "struct";
    case RefKind::kArray: return "array";
    case RefKind::kFunc: return "func";
    case RefKind::kHost: return "host";
    case RefKind::kExn: return "exn";
  }
  return "?";
}

// --- Running -------------------------------------------------------------------------------------------------------------

// How one command ended.
struct Verdict {
  enum class Kind : uint8_t { kPassed, kFailed, kSkipped } kind = Kind::kPassed;
  std::string what;  // kFailed: what happened; kSkipped: the reason

  static Verdict passed() { return {}; }
  static Verdict failed(std::string what) { return {Kind::kFailed, std::move(what)}; }
  static Verdict skipped(std::string reason) { return {Kind::kSkipped, std::move(reason)}; }
};

// Outcomes that say nothing about the module: counted, never judged.
const char* inconclusive(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kUnsupported: return "unsupported";
    case OutcomeKind::kOutOfMemory: return "out of memory";
    case OutcomeKind::kNativeStack: return "native stack exhausted";
    case OutcomeKind::kReturned:
    case OutcomeKind::kTrapped:
    case OutcomeKind::kThrew:
    case OutcomeKind::kFuelExhausted:
    case OutcomeKind::kStackExhausted:
    case OutcomeKind::kHeapExhausted:
    case OutcomeKind::kRejected:
    case OutcomeKind::kUnlinkable:
    case OutcomeKind::kMisuse:
    case OutcomeKind::kInvariant: return nullptr;
  }
  return nullptr;
}

class Runner {
 public:
  Runner(const Script& script, const MakeStore& make_store, const RunnerOptions& options)
      : script_(script), options_(options), types_(std::make_shared<TypeStore>()) {
    if (!make_store) {
      no_store_ = "no executor";
      return;
    }
    auto store = make_store(types_);
    if (!store) {
      no_store_ = store.error().message;
      return;
    }
    store_ = std::move(*store);
    store_->set_budget(options.budget);
    hosts_["spectest"] = make_spectest(*store_, *types_);
    if (options.dialect == Dialect::kWasmtime) hosts_["wasmtime"] = make_wasmtime_host(*store_, *types_);
  }

  ScriptReport run() {
    ScriptReport report;
    for (const Command& command : script_.commands) {
      Verdict verdict = judge(command);
      if (verdict.kind == Verdict::Kind::kPassed) verdict = after_command();
      switch (verdict.kind) {
        case Verdict::Kind::kPassed: ++report.passed; break;
        case Verdict::Kind::kSkipped: ++report.skipped[verdict.what]; break;
        case Verdict::Kind::kFailed:
          report.failures.push_back({command.line, text::to_string(command.kind), std::move(verdict.what)});
          break;
      }
    }
    return report;
  }

 private:
  // A module that actions may name: an instance, or why there is none.
  struct Instance {
    InstanceId id = 0;
    std::string missing = "no module";  // with id 0
  };

  Verdict judge(const Command& command) {
    switch (command.kind) {
      case CommandKind::kModule: return run_module(command);
      case CommandKind::kModuleDefinition: return run_definition(command);
      case CommandKind::kModuleInstance: return run_instance(command);
      case CommandKind::kRegister: return run_register(command);
      case CommandKind::kAction: return run_action(command);
      case CommandKind::kAssertReturn: return assert_return(command);
      case CommandKind::kAssertTrap: return assert_trap(command);
      case CommandKind::kAssertExhaustion: return assert_exhaustion(command);
      case CommandKind::kAssertException: return assert_exception(command);
      case CommandKind::kAssertMalformed: return assert_malformed(command);
      case CommandKind::kAssertInvalid: return assert_invalid(command);
      case CommandKind::kAssertUnlinkable: return assert_unlinkable(command);
      case CommandKind::kAssertMalformedCustom: return assert_malformed(command);
      case CommandKind::kAssertInvalidCustom: return assert_invalid_custom(command);
      case CommandKind::kUnknown: return Verdict::skipped(format("command {}", command.text));
    }
    return {};
  }

  Verdict after_command() {
    if (store_ == nullptr) return Verdict::passed();
    if (options_.collect_after_each_command) store_->collect();
    if (options_.verify == Verify::kNever) return Verdict::passed();
    const Result<> state = store_->verify();
    return state ? Verdict::passed() : Verdict::failed(format("the store is broken: {}", state.error().to_string()));
  }

  // --- Modules -----------------------------------------------------------------------------------------------------

  // Text to valid module. kUnsupported passes through.
  Result<std::shared_ptr<const Module>> make_module(const ScriptModule& module) {
    std::vector<uint8_t> bytes = TRY(script_.binary(module));
    return std::make_shared<const Module>(TRY(load(std::move(bytes), types_, options_.features)));
  }

  static Verdict rejected(const Error& error) {
    if (error.code == ErrorCode::kUnsupported) return Verdict::skipped(format("unsupported: {}", strip(error.message)));
    return Verdict::failed(error.to_string());
  }
  // Without "line:column: ", so that reasons can be counted.
  static std::string strip(const std::string& message) {
    const size_t digits = message.find_first_not_of("0123456789:");
    if (digits == 0 || digits == message.npos || message[digits] != ' ') return message;
    return message.substr(digits + 1);
  }

  void remember(const std::string& name, Instance instance) {
    if (!name.empty()) instances_[name] = instance;
    latest_ = std::move(instance);
  }

  Verdict run_module(const Command& command) {
    const auto module = make_module(*command.module);
    if (module) {
      latest_definition_ = *module;
      if (!command.module->name.empty()) definitions_[command.module->name] = *module;
    }
    if (!module) {
      Verdict verdict = rejected(module.error());
      remember(command.module->name, {0, verdict.kind == Verdict::Kind::kSkipped ? verdict.what : "module failed"});
      return verdict;
    }
    return instantiate_as(command.module->name, *module);
  }

  Verdict run_definition(const Command& command) {
    const auto module = make_module(*command.module);
    if (!module) return rejected(module.error());
    latest_definition_ = *module;
    if (!command.module->name.empty()) definitions_[command.module->name] = *module;
    return Verdict::passed();
  }

  Verdict run_instance(const Command& command) {
    std::shared_ptr<const Module> module = latest_definition_;
    if (!command.instance_of.empty()) {
      const auto found = definitions_.find(command.instance_of);
      module = found == definitions_.end() ? nullptr : found->second;
    }
    if (module == nullptr) return Verdict::failed(format("no module definition ${}", command.instance_of));
    return instantiate_as(command.name, module);
  }

  Verdict instantiate_as(const std::string& name, std::shared_ptr<const Module> module) {
    InstanceId id = 0;
    if (store_ == nullptr) {
      remember(name, {0, no_store_});
      return Verdict::passed();  // the front end accepted it, and there is no more to judge
    }
    const Outcome outcome = instantiate(std::move(module), id);
    if (outcome.returned()) {
      remember(name, {id, ""});
      return Verdict::passed();
    }
    Verdict verdict = not_expected(outcome, "an instance");
    remember(name, {0, verdict.kind == Verdict::Kind::kSkipped ? verdict.what : "module failed"});
    return verdict;
  }

  Outcome instantiate(std::shared_ptr<const Module> module, InstanceId& id) {
    std::vector<Extern> imports;
    for (const Import& import : module->imports) {
      Result<Extern> found = find_import(import);
      if (!found) {
        const bool is_missing = found.error().code == ErrorCode::kUnlinkable;
        // A provider that was skipped makes this module a skipped one, for the same reason.
        return Outcome::ended(is_missing ? OutcomeKind::kUnlinkable : OutcomeKind::kUnsupported,
                              std::move(found).error());
      }
      imports.push_back(*found);
    }
    return store_->instantiate(std::move(module), imports, id);
  }

  Result<Extern> find_import(const Import& import) {
    const auto unknown = [&] {
      return fail(ErrorCode::kUnlinkable, 0, format("unknown import {}.{}", import.module, import.name));
    };
    if (const Instance* provider = find_provider(import.module)) {
      if (provider->id == 0) return fail(ErrorCode::kUsage, 0, provider->missing);
      Result<Extern> found = store_->find_export(provider->id, import.name);
      if (!found) return unknown();
      return found;
    }
    const auto host = hosts_.find(import.module);
    if (host == hosts_.end()) return unknown();
    const auto found = host->second.find(import.name);
    return found == host->second.end() ? unknown() : Result<Extern>(found->second);
  }

  const Instance* find_provider(const std::string& module) const {
    if (const auto found = registered_.find(module); found != registered_.end()) return &found->second;
    if (options_.dialect != Dialect::kWasmtime) return nullptr;
    const auto found = instances_.find(module);
    return found == instances_.end() ? nullptr : &found->second;
  }

  const Instance& instance(const std::string& name) const {
    static const Instance kNone;
    if (name.empty()) return latest_;
    const auto found = instances_.find(name);
    return found == instances_.end() ? kNone : found->second;
  }

  Verdict run_register(const Command& command) {
    registered_[command.text] = instance(command.name);
    const Instance& registered = registered_[command.text];
    return registered.id != 0 ? Verdict::passed() : Verdict::skipped(registered.missing);
  }

  // --- Actions -----------------------------------------------------------------------------------------------------

  // What an action gave, and the static types of its results.
  struct Acted {
    Outcome outcome;
    std::vector<ValType> types;
  };

  Result<Acted> act(const Action& action) {
    const Instance& target = instance(action.module);
    if (target.id == 0) return fail(ErrorCode::kUnsupported, 0, target.missing);
    const Extern found = TRY(store_->find_export(target.id, action.name));
    if (action.kind == Action::Kind::kGet) {
      const ValType type = TRY(store_->global_type(found));
      return Acted{Outcome::ok({TRY(store_->global_get(found))}), {type}};
    }
    const TypeId type = TRY(store_->func_type(found));
    std::vector<RootId> roots;
    std::vector<Value> args = TRY(arguments(action, roots));
    Acted acted{store_->call(found, args), types_->get(type).results};
    for (const RootId root : roots) TRY(store_->unroot(root));
    return acted;
  }

  // Making one host reference may move the ones made before: they are rooted until all are there.
  Result<std::vector<Value>> arguments(const Action& action, std::vector<RootId>& roots) {
    std::vector<Value> args;
    for (const ConstantValue& constant : action.args) {
      if (constant.kind == ConstantValue::Kind::kHost)
        roots.push_back(store_->root(store_->make_host_ref(constant.host_value)));
    }
    size_t next_root = 0;
    for (const ConstantValue& constant : action.args) {
      switch (constant.kind) {
        case ConstantValue::Kind::kNumber: args.push_back(constant.number); break;
        case ConstantValue::Kind::kNull: args.push_back(Value::null()); break;
        case ConstantValue::Kind::kHost: args.push_back(TRY(store_->rooted(roots[next_root++]))); break;
      }
    }
    return args;
  }

  // Runs the command's action and hands what it did to `judge`.
  template <class Judge>
  Verdict with_action(const Command& command, Judge&& judge) {
    if (store_ == nullptr) return Verdict::skipped(no_store_);
    const Result<Acted> acted = act(*command.action);
    if (!acted && acted.error().code == ErrorCode::kUnsupported) return Verdict::skipped(strip(acted.error().message));
    if (!acted) return Verdict::failed(format("{}: {}", command.action->name, acted.error().to_string()));
    Verdict verdict = judge(*acted);
    if (verdict.kind == Verdict::Kind::kFailed) verdict.what = format("{}: {}", command.action->name, verdict.what);
    return verdict;
  }

  Verdict run_action(const Command& command) {
    return with_action(command, [&](const Acted& acted) {
      return acted.outcome.returned() ? Verdict::passed() : not_expected(acted.outcome, "results");
    });
  }

  Verdict assert_return(const Command& command) {
    return with_action(command, [&](const Acted& acted) {
      std::string wanted;
      for (const Pattern& pattern : command.expected) wanted += (wanted.empty() ? "" : " ") + pattern.text;
      if (!acted.outcome.returned()) return not_expected(acted.outcome, wanted);
      const std::vector<Value>& values = acted.outcome.values;
      bool good = values.size() == command.expected.size() && values.size() == acted.types.size();
      for (size_t i = 0; good && i < values.size(); ++i) {
        good = fits(command.expected[i], values[i], acted.types[i], *store_);
      }
      if (good) return Verdict::passed();
      std::string got;
      for (const Value& value : values) got += (got.empty() ? "" : ", ") + describe(value, *store_);
      return Verdict::failed(
          format("expected {}, got {}", wanted.empty() ? "nothing" : wanted, got.empty() ? "nothing" : got));
    });
  }

  Verdict assert_trap(const Command& command) {
    if (command.module) return assert_trap_at_instantiation(command);
    return with_action(command, [&](const Acted& acted) { return judge_trap(acted.outcome, command.text); });
  }

  Verdict assert_trap_at_instantiation(const Command& command) {
    const auto module = make_module(*command.module);
    if (!module) return rejected(module.error());
    if (store_ == nullptr) return Verdict::skipped(no_store_);
    InstanceId id = 0;
    return judge_trap(instantiate(*module, id), command.text);
  }

  Verdict judge_trap(const Outcome& outcome, const std::string& wanted) const {
    const std::string expectation = format("trap \"{}\"", wanted);
    if (outcome.kind != OutcomeKind::kTrapped) return not_expected(outcome, expectation);
    if (is_trap(outcome.trap, wanted)) return Verdict::passed();
    return Verdict::failed(format("expected {}, got trap \"{}\"", expectation, wasm::to_string(outcome.trap)));
  }

  // Scripts abbreviate the trap's text, or add details to it. Other dialects leave words out.
  bool is_trap(TrapKind trap, std::string_view wanted) const {
    const std::string_view got = wasm::to_string(trap);
    if (got.starts_with(wanted) || wanted.starts_with(got)) return true;
    if (options_.dialect == Dialect::kSpecification) return false;
    if (wanted.find(got) != wanted.npos) return true;
    if (trap == TrapKind::kUndefinedElement && wanted.starts_with("out of bounds")) return true;
    return has_words_of(got, wanted);
  }
  static bool has_words_of(std::string_view text, std::string_view words) {
    while (!words.empty()) {
      const size_t end = std::min(words.find(' '), words.size());
      const size_t found = text.find(words.substr(0, end));
      if (found == text.npos) return false;
      text.remove_prefix(found + end);
      words.remove_prefix(std::min(end + 1, words.size()));
    }
    return true;
  }

  Verdict assert_exhaustion(const Command& command) {
    return with_action(command, [&](const Acted& acted) {
      // The machine's stack may well end before the budget for calls does: frames are as large as the script likes.
      const OutcomeKind kind = acted.outcome.kind;
      const bool exhausted = kind == OutcomeKind::kStackExhausted || kind == OutcomeKind::kNativeStack;
      return exhausted ? Verdict::passed() : not_expected(acted.outcome, command.text);
    });
  }

  Verdict assert_exception(const Command& command) {
    return with_action(command, [&](const Acted& acted) {
      return acted.outcome.kind == OutcomeKind::kThrew ? Verdict::passed()
                                                       : not_expected(acted.outcome, "an exception");
    });
  }

  static Verdict not_expected(const Outcome& outcome, std::string_view wanted) {
    if (const char* reason = inconclusive(outcome.kind)) {
      if (outcome.error.code == ErrorCode::kUsage) return Verdict::skipped(outcome.error.message);
      return Verdict::skipped(outcome.error.message.empty() ? reason
                                                            : format("{}: {}", reason, strip(outcome.error.message)));
    }
    std::string got = wasm::to_string(outcome.kind);
    if (outcome.kind == OutcomeKind::kTrapped) got += format(" \"{}\"", wasm::to_string(outcome.trap));
    if (!outcome.error.message.empty()) got += format(" ({})", outcome.error.to_string());
    return Verdict::failed(format("expected {}, got {}", wanted, got));
  }

  // --- Assertions about modules --------------------------------------------------------------------------------------

  // Each stage must be the one that says no: text, decoder, validator.
  Verdict assert_malformed(const Command& command) {
    Result<std::vector<uint8_t>> bytes = script_.binary(*command.module);
    if (!bytes) { return bytes.error().code == ErrorCode::kSyntax ? Verdict::passed() : rejected(bytes.error()); }
    // Bodies are decoded as they are validated: malformed code shows then.
    const Result<Module> module = load(std::move(*bytes), types_, options_.features);
    if (!module && module.error().code == ErrorCode::kMalformed && command.module->form == ModuleForm::kBinary) {
      return Verdict::passed();
    }
    const std::string wanted = format("malformed (\"{}\")", command.text);
    if (!module) return rejected_otherwise(module.error(), wanted);
    return Verdict::failed(format("expected {}, got a module", wanted));
  }

  Verdict assert_invalid(const Command& command) {
    const std::string wanted = format("invalid (\"{}\")", command.text);
    const auto module = make_module(*command.module);
    if (module) return Verdict::failed(format("expected {}, got a valid module", wanted));
    if (module.error().code == ErrorCode::kInvalid) return Verdict::passed();
    return rejected_otherwise(module.error(), wanted);
  }

  // The annotation's section would be invalid: the text parser says so.
  Verdict assert_invalid_custom(const Command& command) {
    const Result<std::vector<uint8_t>> bytes = script_.binary(*command.module);
    if (!bytes && bytes.error().code == ErrorCode::kInvalid) return Verdict::passed();
    if (!bytes) return rejected_otherwise(bytes.error(), "an invalid custom section");
    return Verdict::failed("expected an invalid custom section, got a module");
  }

  static Verdict rejected_otherwise(const Error& error, std::string_view wanted) {
    if (error.code == ErrorCode::kUnsupported) return rejected(error);
    return Verdict::failed(format("expected {}, got {}", wanted, error.to_string()));
  }

  Verdict assert_unlinkable(const Command& command) {
    const auto module = make_module(*command.module);
    if (!module) return rejected(module.error());
    if (store_ == nullptr) return Verdict::skipped(no_store_);
    InstanceId id = 0;
    const Outcome outcome = instantiate(*module, id);
    if (outcome.kind == OutcomeKind::kUnlinkable) return Verdict::passed();
    const bool trapped = outcome.kind == OutcomeKind::kTrapped;
    if (trapped && options_.dialect == Dialect::kWasmtime && is_trap(outcome.trap, command.text))
      return Verdict::passed();
    return not_expected(outcome, format("unlinkable (\"{}\")", command.text));
  }

  const Script& script_;
  RunnerOptions options_;
  std::shared_ptr<TypeStore> types_;
  std::unique_ptr<Embedding> store_;
  std::string no_store_;
  std::map<std::string, std::map<std::string, Extern>> hosts_;  // by module
  std::map<std::string, std::shared_ptr<const Module>> definitions_;
  std::shared_ptr<const Module> latest_definition_;
  std::map<std::string, Instance> instances_;
  std::map<std::string, Instance> registered_;
  Instance latest_;
};

}  // namespace

bool fits(const Pattern& pattern, const Value& value, ValType type, Embedding& store) {
  switch (pattern.kind) {
    case Pattern::Kind::kNumber: return fits_number(pattern, value);
    case Pattern::Kind::kNull: return value.kind == ValKind::kRef && value.ref.kind == RefKind::kNull;
    case Pattern::Kind::kHost: {
      if (value.kind != ValKind::kRef || value.ref.kind != RefKind::kHost) return false;
      const Result<ObjectView> view = store.inspect(value);
      return view && view->kind == RefKind::kHost && view->host_value == pattern.host_value;
    }
    case Pattern::Kind::kRefOfType:
      return value.kind == ValKind::kRef && value.ref.kind != RefKind::kNull && type.is_ref() &&
             fits_reference(pattern.ref.heap().kind(), value.ref, type);
    case Pattern::Kind::kEither: {
      for (const Pattern& choice : pattern.choices) {
        if (fits(choice, value, type, store)) return true;
      }
      return false;
    }
  }
  return false;
}

std::string describe(const Value& value, Embedding& store) {
  switch (value.kind) {
    case ValKind::kI32: return format("i32 {:#x} ({})", value.low, static_cast<int32_t>(value.low));
    case ValKind::kI64: return format("i64 {:#x} ({})", value.low, static_cast<int64_t>(value.low));
    case ValKind::kF32: return format("f32 {:#010x} ({})", value.low, print_float(value.low, FloatWidth::k32));
    case ValKind::kF64: return format("f64 {:#018x} ({})", value.low, print_float(value.low, FloatWidth::k64));
    case ValKind::kV128: return format("v128 {:#018x} {:#018x}", value.high, value.low);
    case ValKind::kBottom: return "bottom";
    case ValKind::kRef: break;
  }
  if (value.ref.kind == RefKind::kI31) return format("ref i31 {:#x}", value.ref.name);
  if (value.ref.kind != RefKind::kHost) return format("ref {}", to_string(value.ref.kind));
  const Result<ObjectView> view = store.inspect(value);
  return view ? format("ref host {}", view->host_value) : format("ref host ({})", view.error().message);
}

RunnerOptions options_for_path(std::string_view path) {
  RunnerOptions options;
  if (path.find("wasmtime") != path.npos) options.dialect = Dialect::kWasmtime;
  if (path.find("legacy") != path.npos) options.features.set(Feature::kLegacyExceptions, true);
  return options;
}

uint32_t ScriptReport::skipped_total() const {
  uint32_t total = 0;
  for (const auto& [reason, count] : skipped) total += count;
  return total;
}

ScriptReport run_script(const Script& script, const MakeStore& make_store, const RunnerOptions& options) {
  return Runner(script, make_store, options).run();
}

ScriptReport run_script_text(std::string source, const MakeStore& make_store, const RunnerOptions& options) {
  const Result<Script> script = parse_script(std::move(source));
  if (script) return run_script(*script, make_store, options);
  ScriptReport report;
  report.failures.push_back({0, "script", script.error().message});
  return report;
}

}  // namespace parallax::wasm::text
