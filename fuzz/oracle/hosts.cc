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

// Values by names of the executor: open addressing, because each run makes one of its own for some dozen names.
template <class T>
class Labels {
 public:
  const T* find(uint64_t name) const {
    const Slot& slot = slots_[place(name)];
    return slot.used ? &slot.value : nullptr;
  }
  // The value of the name, which is a default one if it is new.
  T& operator[](uint64_t name, bool& is_new) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = slots_[place(name)];
    is_new = !slot.used;
    if (is_new) {
      slot = {name, true, {}};
      ++count_;
    }
    return slot.value;
  }
  void set(uint64_t name, T value) {
    bool is_new = false;
    (*this)[name, is_new] = value;
  }
  // The first value stays.
  void add(uint64_t name, T value) {
    bool is_new = false;
    T& place = (*this)[name, is_new];
    if (is_new) place = value;
  }

 private:
  struct Slot {
    uint64_t name = 0;
    bool used = false;
    T value{};
  };
  // Where the name is, or would be.
  size_t place(uint64_t name) const {
    size_t at = (name * 0x9e3779b97f4a7c15ull >> 32) & (slots_.size() - 1);
    while (slots_[at].used && slots_[at].name != name) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) slots_[place(slot.name)] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  size_t count_ = 0;
};

// The functions that do more than answer with default values, by the import's names.
enum class HostFunc : uint8_t {
  kDefault,
  kThrow,
  kTableGet,
  kTableSet,
  kCallExport,
  kCallExportCatch,
  kCallRef,
  kCallRefCatch,
  kSleep,
  kCollect,
  kEcho,
  kExpect,
};
struct HostFuncRow {
  std::string_view module, name;
  size_t args;  // with other ones, the answer is the default
  HostFunc what;
};
constexpr size_t kAnyArgs = ~size_t{0};
constexpr HostFuncRow kHostFuncs[] = {
    {"fuzzing-support", "throw", 1, HostFunc::kThrow},
    {"fuzzing-support", "table-get", 1, HostFunc::kTableGet},
    {"fuzzing-support", "table-set", 2, HostFunc::kTableSet},
    {"fuzzing-support", "call-export", 2, HostFunc::kCallExport},
    {"fuzzing-support", "call-export-catch", 1, HostFunc::kCallExportCatch},
    {"fuzzing-support", "call-ref", 2, HostFunc::kCallRef},
    {"fuzzing-support", "call-ref-catch", 1, HostFunc::kCallRefCatch},
    {"fuzzing-support", "sleep", 2, HostFunc::kSleep},
    {"parallax", "collect", kAnyArgs, HostFunc::kCollect},
    {"parallax", "echo", kAnyArgs, HostFunc::kEcho},
    {"parallax", "expect", 2, HostFunc::kExpect},
};

// What an import of so many parameters is.
HostFunc host_func(const wasm::Import& import, size_t args) {
  for (const HostFuncRow& row : kHostFuncs) {
    if ((row.args == args || row.args == kAnyArgs) && import.name == row.name && import.module == row.module)
      return row.what;
  }
  return HostFunc::kDefault;
}

// An imported function of an instance.
struct HostImport {
  HostFunc what = HostFunc::kDefault;
  wasm::TypeId type;
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

struct Hosts::State {
  Embedding& store;
  std::shared_ptr<wasm::TypeStore> types;
  Observation& out;
  Expectations expectations = Expectations::kIgnored;
  Extern wasm_tag, js_tag;
  bool have_tags = false;
  std::vector<Published> instances;
  Labels<FuncLabel> func_labels;    // by the executor's name of the funcref
  Labels<uint64_t> tag_labels;      // by Extern id
  std::vector<HostImport> imports;  // functions, in the order in which they were made
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
    tag_labels.set(wasm_tag.id, kWasmTagLabel);
    tag_labels.set(js_tag.id, kJsTagLabel);
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

  Outcome answer(const HostImport& import, std::span<const Value> args);
};

Outcome Hosts::State::answer(const HostImport& import, std::span<const Value> args) {
  const wasm::SubType& type = types->get(import.type);
  switch (import.what) {
    case HostFunc::kThrow:
      if (args[0].low == 0) return js_exception();
      make_tags();
      return {.kind = OutcomeKind::kThrew, .tag = wasm_tag, .values = {args[0]}};
    case HostFunc::kTableGet:
    case HostFunc::kTableSet: return table_access(import.instance, args);
    case HostFunc::kCallExport: return without_values(call_export(import.instance, args[0].low));
    case HostFunc::kCallExportCatch: return caught(call_export(import.instance, args[0].low));
    case HostFunc::kCallRef: return without_values(call_ref(args[0]));
    case HostFunc::kCallRefCatch: return caught(call_ref(args[0]));
    case HostFunc::kSleep: return Outcome::ok({args[1]});
    case HostFunc::kCollect: store.collect(); break;
    case HostFunc::kEcho:
      if (args.size() == type.results.size()) return echo(args);
      break;
    case HostFunc::kExpect:
      if (expectations == Expectations::kBelieved && args[0].low != args[1].low) {
        out.fail(FaultClass::kExpectation,
                 text::format("I3: the program computed {} and knows that it is {}", args[0].low, args[1].low));
      }
      break;
    case HostFunc::kDefault: break;
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
      const wasm::TypeId type = module.funcs[import.index].type_id;
      const auto position = static_cast<uint32_t>(state.imports.size());
      const HostFunc what = host_func(import, state.types->get(type).params.size());
      state.imports.push_back({what, type, instance_number, import_number});
      const Extern func =
          state.store.make_func(type, [this, position](Embedding&, std::span<const Value> args) -> Outcome {
            const HostImport called = state_->imports[position];
            record_call(called.instance, called.number, args);
            return state_->answer(called, args);
          });
      const Value ref = state.store.func_ref(func);
      state.func_labels.set(ref.ref.name, {.host = true, .number = position});
      return func;
    }
    case ExternKind::kTag: {
      state.make_tags();
      if (import.module == "fuzzing-support" && import.name == "wasmtag") return state.wasm_tag;
      if (import.module == "fuzzing-support" && import.name == "jstag") return state.js_tag;
      const Extern tag = state.store.make_tag(module.tags[import.index].type_id);
      state.tag_labels.set(tag.id, export_label(instance_number, import_number | 1u << 31));
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

// A call of the host is part of what is compared; beyond a number of them, by a hash.
void Hosts::record_call(uint32_t instance_number, uint32_t import_number, std::span<const Value> args) {
  State& host = *state_;
  host.out.put(Tok::kHostCall, instance_number, import_number);
  const size_t begin = host.out.tokens.size() - 1;
  for (const Value& arg : args) put_shallow(arg);
  const auto count = static_cast<uint32_t>(host.out.tokens.size() - begin);
  if (host.trace_tokens + count > kMaxTraceTokens) {
    host.trace_hash = XXH3_64bits_withSeed(host.out.tokens.data() + begin, count * sizeof(Token), host.trace_hash);
    host.hashed_tokens += count;
    host.out.tokens.resize(begin);
  }
  host.trace_tokens += count;
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
      state.tag_labels.add(found->id, export_label(instance_number, number));
    } else {
      const Value ref = state.store.func_ref(*found);
      state.func_labels.add(ref.ref.name, {.instance = instance_number, .number = number});
    }
  }
}

void Hosts::withdraw(uint32_t instance_number) {
  if (instance_number < state_->instances.size()) state_->instances[instance_number] = {};
}

bool Hosts::put_func(const Value& value) {
  const FuncLabel* const label = state_->func_labels.find(value.ref.name);
  if (label == nullptr) return false;
  if (label->host) {
    state_->out.put(Tok::kHostFunc, label->number);
  } else {
    state_->out.put(Tok::kFunc, label->instance, label->number);
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
  if (const uint64_t* const label = state_->tag_labels.find(tag.id)) return state_->out.put(Tok::kExnTag, 0, *label);
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
