#include "fuzz/oracle/hosts.h"

#include <xxhash.h>

#include "engine/base/text.h"

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

namespace {

constexpr uint64_t kJsErrorPayload = 0xbad;

// Labels of tags in tokens: the host's own, then exports.
constexpr uint64_t kWasmTagLabel = 1, kJsTagLabel = 2;
uint64_t export_label(uint32_t instance, uint32_t number) { return (uint64_t{instance} + 1) << 32 | number; }

struct Published {
  wasm::InstanceId id = 0;
  std::shared_ptr<const wasm::Module> module;
};

struct FuncLabel {
  bool host = false;
  uint32_t instance = 0;
  uint32_t number = 0;
};

// What Binaryen's hosts put into an imported global: a number made from the import's names.
uint64_t global_payload(const wasm::Import& import) {
  uint32_t payload = 0;
  for (const std::string& name : {import.module, import.name}) {
    for (const char c : name) payload = (payload + static_cast<uint32_t>(c)) % 251;
  }
  return payload;
}

bool crosses_js_boundary(ValType type) {
  if (type.kind() == ValKind::kV128) return false;
  if (!type.is_ref()) return true;
  const wasm::HeapKind heap = type.heap().kind();
  return heap != wasm::HeapKind::kExn && heap != wasm::HeapKind::kNoExn;
}

}  // namespace

bool default_arguments(std::span<const ValType> params, std::vector<Value>& out) {
  out.clear();
  for (const ValType type : params) {
    if (!type.is_defaultable()) return false;
    out.push_back(Value::zero(type));
  }
  return true;
}

// How a host function answers: one row per import that we know.
struct Hosts::State {
  Embedding& store;
  std::shared_ptr<wasm::TypeStore> types;
  Observation& out;
  Expectations expectations = Expectations::kIgnored;
  Extern wasm_tag, js_tag;
  bool have_tags = false;
  std::vector<Published> instances;
  std::unordered_map<uint64_t, FuncLabel> func_labels;  // by the executor's name of the funcref
  std::unordered_map<uint64_t, uint64_t> tag_labels;    // by Extern id
  uint32_t next_host_func = 0;
  uint32_t trace_tokens = 0;
  uint32_t hashed_tokens = 0;
  uint64_t trace_hash = 0;

  State(Embedding& store, std::shared_ptr<wasm::TypeStore> types, Observation& out)
      : store(store), types(std::move(types)), out(out) {}

  void make_tags() {
    if (have_tags) return;
    have_tags = true;
    wasm_tag = store.make_tag(types->intern_func({wasm::kI32}, {}));
    js_tag = store.make_tag(types->intern_func({wasm::kExternRef}, {}));
    tag_labels[wasm_tag.id] = kWasmTagLabel;
    tag_labels[js_tag.id] = kJsTagLabel;
  }

  Outcome js_exception() {
    make_tags();
    Outcome thrown;
    thrown.kind = OutcomeKind::kThrew;
    thrown.tag = js_tag;
    thrown.values = {store.make_host_ref(kJsErrorPayload)};
    return thrown;
  }

  // The exports of instance `number`, once it is published.
  const Published* published(uint32_t number) const {
    return number < instances.size() && instances[number].id != 0 ? &instances[number] : nullptr;
  }

  Outcome call_as_js(Extern func) {
    const auto type_id = store.func_type(func);
    if (!type_id) return js_exception();
    const wasm::SubType& type = types->get(*type_id);
    std::vector<Value> args;
    for (const ValType param : type.params) {
      if (param == wasm::kI64 || !crosses_js_boundary(param)) return js_exception();
    }
    if (!default_arguments(type.params, args)) return js_exception();
    for (const ValType result : type.results) {
      if (!crosses_js_boundary(result)) return js_exception();
    }
    return store.call(func, args);
  }

  Outcome call_export(uint32_t instance, uint64_t index) {
    const Published* of = published(instance);
    if (of == nullptr || index >= of->module->exports.size()) return js_exception();
    const wasm::Export& item = of->module->exports[index];
    if (item.kind != ExternKind::kFunc) return js_exception();
    const auto func = store.find_export(of->id, item.name);
    return func ? call_as_js(*func) : js_exception();
  }

  Outcome call_ref(const Value& ref) {
    const auto func = ref.ref.kind == RefKind::kFunc ? store.func_of(ref) : fail(ErrorCode::kUsage, 0, "null");
    return func ? call_as_js(*func) : js_exception();
  }

  Result<Extern> exported_table(uint32_t instance) {
    const Published* of = published(instance);
    if (of == nullptr) return fail(ErrorCode::kUsage, 0, "no exports yet");
    return store.find_export(of->id, "table");
  }

  Outcome table_access(uint32_t instance, std::span<const Value> args) {
    const auto table = exported_table(instance);
    if (!table || table->kind != ExternKind::kTable) return js_exception();
    const auto size = store.table_size(*table);
    if (!size || args[0].low >= *size) return js_exception();
    return args.size() == 1 ? store.table_get(*table, args[0].low) : store.table_set(*table, args[0].low, args[1]);
  }

  // call-*-catch: an exception is an answer, anything else is passed on.
  static Outcome caught(Outcome outcome) {
    if (outcome.kind == OutcomeKind::kThrew) return Outcome::ok({Value::i32(1)});
    if (outcome.returned()) return Outcome::ok({Value::i32(0)});
    return outcome;
  }
  static Outcome without_values(Outcome outcome) {
    if (outcome.returned()) outcome.values.clear();
    return outcome;
  }

  // The arguments in reverse order, kept by roots over a collection.
  Outcome echo(std::span<const Value> args) {
    std::vector<Value> values(args.rbegin(), args.rend());
    std::vector<wasm::RootId> roots;
    for (const Value& value : values) roots.push_back(value.kind == ValKind::kRef ? store.root(value) : 0);
    store.collect();
    for (size_t i = 0; i < values.size(); ++i) {
      if (roots[i] == 0) continue;
      if (const auto held = store.rooted(roots[i])) {
        values[i] = *held;
      } else {
        out.fail(FaultClass::kInvariant, held.error().message);
      }
      (void)store.unroot(roots[i]);
    }
    return Outcome::ok(std::move(values));
  }

  Outcome answer(const wasm::Import& import, const wasm::SubType& type, uint32_t instance, std::span<const Value> args);
};

Outcome Hosts::State::answer(const wasm::Import& import, const wasm::SubType& type, uint32_t instance,
                             std::span<const Value> args) {
  const std::string& name = import.name;
  if (import.module == "fuzzing-support") {
    if (name == "throw" && args.size() == 1) {
      if (args[0].low == 0) return js_exception();
      make_tags();
      return {.kind = OutcomeKind::kThrew, .tag = wasm_tag, .values = {args[0]}};
    }
    if ((name == "table-get" && args.size() == 1) || (name == "table-set" && args.size() == 2)) {
      return table_access(instance, args);
    }
    if (name == "call-export" && args.size() == 2) return without_values(call_export(instance, args[0].low));
    if (name == "call-export-catch" && args.size() == 1) return caught(call_export(instance, args[0].low));
    if (name == "call-ref" && args.size() == 2) return without_values(call_ref(args[0]));
    if (name == "call-ref-catch" && args.size() == 1) return caught(call_ref(args[0]));
    if (name == "sleep" && args.size() == 2) return Outcome::ok({args[1]});
  }
  if (import.module == "parallax") {
    if (name == "collect") store.collect();
    if (name == "echo" && args.size() == type.results.size()) return echo(args);
    const bool believed = expectations == Expectations::kBelieved;
    if (believed && name == "expect" && args.size() == 2 && args[0].low != args[1].low) {
      out.fail(FaultClass::kExpectation,
               text::format("I3: the program computed {} and knows that it is {}", args[0].low, args[1].low));
    }
  }
  std::vector<Value> results;
  if (!default_arguments(type.results, results)) return Outcome::trapped(wasm::TrapKind::kHostTrap);
  return Outcome::ok(std::move(results));
}

Hosts::Hosts(Embedding& store, std::shared_ptr<wasm::TypeStore> types, Observation& out, Expectations expectations)
    : state_(std::make_unique<State>(store, std::move(types), out)) {
  state_->expectations = expectations;
}
Hosts::~Hosts() = default;

namespace {

// A store answers id 0 when its budget or the machine's memory does not allow what is imported.
Result<Extern> made(const Extern& item, const wasm::Import& import) {
  if (item.id != 0) return item;
  return fail(ErrorCode::kLimit, import.offset,
              text::format("the host cannot make import {} {}: too large", text::quoted(import.module),
                           text::quoted(import.name)));
}

}  // namespace

Result<Extern> Hosts::make_import(const wasm::Module& module, const wasm::Import& import, uint32_t instance_number,
                                  uint32_t import_number) {
  State& state = *state_;
  switch (import.kind) {
    case ExternKind::kFunc: {
      const wasm::TypeId type_id = module.funcs[import.index].type_id;
      const Extern func = state.store.make_func(
          type_id, [this, import, type_id, instance_number, import_number](Embedding&, std::span<const Value> args) {
            State& host = *state_;
            host.out.put(Tok::kHostCall, instance_number, import_number);
            const size_t begin = host.out.tokens.size() - 1;
            for (const Value& arg : args) put_shallow(arg);
            const auto count = static_cast<uint32_t>(host.out.tokens.size() - begin);
            if (host.trace_tokens + count > kMaxTraceTokens) {
              host.trace_hash =
                  XXH3_64bits_withSeed(host.out.tokens.data() + begin, count * sizeof(Token), host.trace_hash);
              host.hashed_tokens += count;
              host.out.tokens.resize(begin);
            }
            host.trace_tokens += count;
            return host.answer(import, host.types->get(type_id), instance_number, args);
          });
      const Value ref = state.store.func_ref(func);
      state.func_labels[ref.ref.name] = {.host = true, .number = state.next_host_func++};
      return func;
    }
    case ExternKind::kTag: {
      state.make_tags();
      if (import.module == "fuzzing-support" && import.name == "wasmtag") return state.wasm_tag;
      if (import.module == "fuzzing-support" && import.name == "jstag") return state.js_tag;
      const Extern tag = state.store.make_tag(module.tags[import.index].type_id);
      state.tag_labels[tag.id] = export_label(instance_number, import_number | 1u << 31);
      return tag;
    }
    case ExternKind::kGlobal: {
      const wasm::GlobalType& type = module.globals[import.index].type;
      if (type.value.is_ref() && type.value.heap() == wasm::HeapKind::kExtern) {
        return state.store.make_global(type, state.store.make_host_ref(global_payload(import)));
      }
      if (type.value.is_defaultable()) return state.store.make_global(type, Value::zero(type.value));
      break;
    }
    case ExternKind::kTable: {
      const wasm::TableType& type = module.tables[import.index].type;
      if (type.element.is_defaultable()) return made(state.store.make_table(type, Value::zero(type.element)), import);
      break;
    }
    case ExternKind::kMemory: return made(state.store.make_memory(module.memories[import.index].type), import);
  }
  return fail(
      ErrorCode::kUnlinkable, import.offset,
      text::format("the host has no value for import {} {}", text::quoted(import.module), text::quoted(import.name)));
}

void Hosts::publish(uint32_t instance_number, wasm::InstanceId instance, std::shared_ptr<const wasm::Module> module) {
  State& state = *state_;
  if (state.instances.size() <= instance_number) state.instances.resize(instance_number + 1);
  state.instances[instance_number] = {instance, module};
  for (size_t i = 0; i < module->exports.size(); ++i) {
    const wasm::Export& item = module->exports[i];
    const auto number = static_cast<uint32_t>(i);
    if (item.kind != ExternKind::kFunc && item.kind != ExternKind::kTag) continue;
    const auto found = state.store.find_export(instance, item.name);
    if (!found) continue;
    if (item.kind == ExternKind::kTag) {
      state.tag_labels.try_emplace(found->id, export_label(instance_number, number));
    } else {
      const Value ref = state.store.func_ref(*found);
      state.func_labels.try_emplace(ref.ref.name, FuncLabel{.instance = instance_number, .number = number});
    }
  }
}

void Hosts::withdraw(uint32_t instance_number) {
  if (instance_number < state_->instances.size()) state_->instances[instance_number] = {};
}

bool Hosts::put_func(const Value& value) {
  const auto it = state_->func_labels.find(value.ref.name);
  if (it == state_->func_labels.end()) return false;
  if (it->second.host) {
    state_->out.put(Tok::kHostFunc, it->second.number);
  } else {
    state_->out.put(Tok::kFunc, it->second.instance, it->second.number);
  }
  return true;
}

void Hosts::put_shallow(const Value& value) {
  Observation& out = state_->out;
  switch (value.kind) {
    case ValKind::kI32: return out.put(Tok::kI32, value.low & 0xffffffffu);
    case ValKind::kI64: return out.put(Tok::kI64, value.low);
    case ValKind::kF32: return out.put(Tok::kF32, value.low & 0xffffffffu);
    case ValKind::kF64: return out.put(Tok::kF64, value.low);
    case ValKind::kV128: out.put(Tok::kV128Low, value.low); return out.put(Tok::kV128High, value.high);
    case ValKind::kRef: break;
    case ValKind::kBottom: return out.put(Tok::kBroken);
  }
  switch (value.ref.kind) {
    case RefKind::kNull: return out.put(Tok::kNull);
    case RefKind::kI31: return out.put(Tok::kI31, value.ref.name);
    case RefKind::kFunc:
      if (put_func(value)) return;
      break;
    case RefKind::kHost:
    case RefKind::kStruct:
    case RefKind::kArray:
    case RefKind::kExn: break;
  }
  const auto view = state_->store.inspect(value);
  if (!view) {
    out.fail(FaultClass::kInvariant, view.error().message);
    return out.put(Tok::kBroken);
  }
  if (view->kind == RefKind::kHost) return out.put(Tok::kHost, view->host_value);
  if (view->kind == RefKind::kExn) {
    out.put(Tok::kShallow, static_cast<uint32_t>(view->kind), 0);
    return put_tag(view->tag);
  }
  out.put(Tok::kShallow, static_cast<uint32_t>(view->kind), view->type.raw);
}

void Hosts::put_tag(Extern tag) {
  const auto it = state_->tag_labels.find(tag.id);
  if (it != state_->tag_labels.end()) return state_->out.put(Tok::kExnTag, 0, it->second);
  const auto type = state_->store.tag_type(tag);
  if (!type) {
    state_->out.fail(FaultClass::kInvariant, type.error().message);
    return state_->out.put(Tok::kBroken);
  }
  state_->out.put(Tok::kExnTag, 1, type->raw);
}

void Hosts::put_outcome(const Outcome& outcome) {
  Observation& out = state_->out;
  out.put(Tok::kOutcome, static_cast<uint64_t>(outcome.kind));
  if (outcome.kind == OutcomeKind::kTrapped) out.put(Tok::kTrap, static_cast<uint64_t>(outcome.trap));
  if (outcome.kind == OutcomeKind::kThrew) {
    out.put(Tok::kThrown);
    put_tag(outcome.tag);
  }
  if (outcome.kind == OutcomeKind::kReturned || outcome.kind == OutcomeKind::kThrew) {
    out.put(Tok::kValues, outcome.values.size());
    for (const Value& value : outcome.values) put_shallow(value);
  }
}

void Hosts::flush_trace() {
  State& state = *state_;
  if (state.hashed_tokens == 0) return;
  state.out.put(Tok::kTraceHash, state.hashed_tokens, state.trace_hash);
  state.hashed_tokens = 0;
  state.trace_hash = 0;
}

}  // namespace parallax::fuzz
