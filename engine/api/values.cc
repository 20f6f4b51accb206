// Values, references and traps across the C API: what a program holds against what a store knows.   [I1, I8]
#include <cstring>

#include "engine/api/capi.h"

namespace parallax::capi {

using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::RefKind;
using wasm::ValKind;
using wasm::ValType;
using wasm::Value;

RefThing::~RefThing() {
  if (store != nullptr) store->release_root(root);
}
FrameThing::~FrameThing() { delete_handle(lent, "wasm_frame_delete"); }
TrapThing::~TrapThing() {
  for (const wasm::RootId root_id : payload) store->release_root(root_id);
}

// --- Into the store -----------------------------------------------------------------------------------------------------

Got<Value> ref_in(StoreState& store, const wasm_ref_t* handle, const char* what) {
  if (handle == nullptr) return Value::null();
  const auto ref = TRY(find<RefThing>(handle, what));
  TRY(same_store(store, *ref, handle, what));
  if (ref->is_i31) return Value::reference({RefKind::kI31, ref->i31});
  if (ref->root != 0) {
    auto value = store.embedding->rooted(ref->root);
    if (!value) return refuse(PARALLAX_ERROR_OTHER_STORE, "{}: {}", what, value.error().message);
    return *value;
  }
  const auto& item = static_cast<const ExternThing&>(*ref);
  return store.embedding->func_ref(TRY(extern_of(store, item)));
}

Got<Value> value_in(StoreState& store, const wasm_val_t& value, ValType type, const char* what) {
  const auto expect = [&](wasm_valkind_t kind) -> Got<> {
    if (value.kind == kind) return {};
    return refuse(PARALLAX_ERROR_MISMATCH, "{} has kind {}, {} is expected", what, value.kind, wasm::to_string(type));
  };
  switch (type.kind()) {
    case ValKind::kI32: TRY(expect(WASM_I32)); return Value::i32(static_cast<uint32_t>(value.of.i32));
    case ValKind::kI64: TRY(expect(WASM_I64)); return Value::i64(static_cast<uint64_t>(value.of.i64));
    case ValKind::kF32: TRY(expect(WASM_F32)); return Value::f32_bits(static_cast<uint32_t>(value.of.i32));
    case ValKind::kF64: TRY(expect(WASM_F64)); return Value::f64_bits(static_cast<uint64_t>(value.of.i64));
    case ValKind::kV128: return refuse(PARALLAX_ERROR_UNSUPPORTED, "{}: v128 does not fit into a wasm_val_t", what);
    case ValKind::kRef:
    case ValKind::kBottom: break;
  }
  if (!wasm_valkind_is_ref(value.kind)) TRY(expect(WASM_EXTERNREF));
  return ref_in(store, value.of.ref, what);
}

Got<std::vector<Value>> values_in(StoreState& store, const wasm_val_vec_t* given, std::span<const ValType> types,
                                  const char* what) {
  const size_t count = given == nullptr ? 0 : given->size;
  if (count != types.size() || (count != 0 && given->data == nullptr)) {
    return refuse(PARALLAX_ERROR_ARITY, "{} values are given as {}s, {} are expected", count, what, types.size());
  }
  std::vector<Value> values;
  for (size_t i = 0; i < count; ++i) {
    values.push_back(TRY(value_in(store, given->data[i], types[i], text::format("{} {}", what, i).c_str())));
  }
  return values;
}

// --- Out of the store ---------------------------------------------------------------------------------------------------

namespace {

// The handle, known to the innermost scope.
wasm_ref_t* scoped(const std::shared_ptr<StoreState>& store, std::shared_ptr<Thing> thing, const char* site) {
  const uint64_t id = make_handle(std::move(thing), site);
  if (!store->scopes.empty()) store->scopes.back()->handles.push_back(id);
  return reinterpret_cast<wasm_ref_t*>(id);
}

std::shared_ptr<Thing> thing_of_ref(const std::shared_ptr<StoreState>& store, const Value& value) {
  wasm::Embedding& embedding = *store->embedding;
  if (value.ref.kind == RefKind::kI31) {
    auto ref = std::make_shared<RefThing>(Kind::kRef, store, 0);
    ref->is_i31 = true;
    ref->i31 = static_cast<uint32_t>(value.ref.name);
    return ref;
  }
  if (value.ref.kind == RefKind::kHost) {
    const auto view = embedding.inspect(value);
    if (view && view->host_value < store->foreigns.size()) return store->foreigns[view->host_value];
  }
  if (value.ref.kind == RefKind::kFunc) {
    if (const auto item = embedding.func_of(value)) {
      if (auto func = extern_thing(store, *item, nullptr, embedding.root(value))) return *func;
    }
  }
  return std::make_shared<RefThing>(Kind::kRef, store, embedding.root(value));
}

}  // namespace

wasm_ref_t* ref_out(const std::shared_ptr<StoreState>& store, const Value& value, const char* site) {
  if (value.kind != ValKind::kRef || value.ref.kind == RefKind::kNull) return nullptr;
  return scoped(store, thing_of_ref(store, value), site);
}

wasm_val_t value_out(const std::shared_ptr<StoreState>& store, const Value& value, ValType type, const char* site) {
  wasm_val_t out;
  std::memset(&out, 0, sizeof(out));
  out.kind = kind_of(*store->types, type);
  if (type.is_ref()) {
    out.of.ref = ref_out(store, value, site);
  } else {
    out.of.i64 = static_cast<int64_t>(value.low);
  }
  return out;
}

// --- Traps --------------------------------------------------------------------------------------------------------------

namespace {

// Where it happened. The outcome says which function of a module, not of which instance: that is known if there is one.
std::shared_ptr<FrameThing> frame_of(const std::shared_ptr<StoreState>& store, const Outcome& outcome) {
  if (!outcome.func.valid()) return nullptr;
  auto frame = std::make_shared<FrameThing>();
  frame->func = outcome.func.raw;
  frame->module_offset = outcome.offset;
  std::erase_if(store->instances, [](const auto& weak) { return weak.expired(); });
  if (store->instances.size() != 1) return frame;
  const auto instance = store->instances.front().lock();
  if (outcome.func.index() >= instance->module->funcs.size()) return frame;
  const wasm::Range body = instance->module->funcs[outcome.func.index()].body;
  if (outcome.offset >= body.begin) frame->func_offset = outcome.offset - body.begin;
  frame->lent = handle_of<wasm_instance_t>(instance, "wasm_frame_instance");
  return frame;
}

parallax_trapkind_t trap_kind(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kTrapped: return PARALLAX_TRAP_WASM;
    case OutcomeKind::kThrew: return PARALLAX_TRAP_EXCEPTION;
    case OutcomeKind::kFuelExhausted:
    case OutcomeKind::kStackExhausted:
    case OutcomeKind::kHeapExhausted:
    case OutcomeKind::kOutOfMemory:
    case OutcomeKind::kNativeStack: return PARALLAX_TRAP_EXHAUSTED;
    default: return PARALLAX_TRAP_REFUSED;
  }
}

parallax_error_t error_of(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kRejected: return PARALLAX_ERROR_REJECTED;
    case OutcomeKind::kUnlinkable: return PARALLAX_ERROR_UNLINKABLE;
    case OutcomeKind::kUnsupported: return PARALLAX_ERROR_UNSUPPORTED;
    case OutcomeKind::kMisuse: return PARALLAX_ERROR_MISMATCH;
    case OutcomeKind::kInvariant: return PARALLAX_ERROR_INVARIANT;
    default: return PARALLAX_ERROR_NONE;
  }
}

std::string message_of(const Outcome& outcome) {
  if (outcome.kind == OutcomeKind::kTrapped) return wasm::to_string(outcome.trap);
  if (outcome.kind == OutcomeKind::kThrew) return "uncaught exception";
  return outcome.error.message.empty() ? wasm::to_string(outcome.kind) : outcome.error.message;
}

}  // namespace

std::shared_ptr<TrapThing> trap_of(const std::shared_ptr<StoreState>& store, Outcome outcome, const char* site) {
  // What a host function returned comes out as it went in, unless something else ended the run on its way.
  if (auto passed = std::move(store->in_flight)) {
    store->in_flight = nullptr;
    if (passed->outcome.kind == outcome.kind && outcome.kind != OutcomeKind::kThrew) return passed;
  }
  auto trap = std::make_shared<TrapThing>(store, trap_kind(outcome.kind), message_of(outcome));
  trap->error = error_of(outcome.kind);
  trap->frame = frame_of(store, outcome);
  if (outcome.kind == OutcomeKind::kThrew) {
    if (const auto identity = store->embedding->identity_of(outcome.tag)) trap->tag_identity = *identity;
    if (const auto type = store->embedding->tag_type(outcome.tag))
      trap->payload_types = store->types->get(*type).params;
    for (const Value& value : outcome.values) trap->payload.push_back(store->embedding->root(value));
    outcome.values.clear();
  }
  if (trap->error != PARALLAX_ERROR_NONE) {
    keep(site, {trap->error, trap->message});
    trap->message = text::format("{}: {}", site, trap->message);
  }
  trap->outcome = std::move(outcome);
  return trap;
}

wasm_trap_t* refused(const char* site, const Failure& failure, std::shared_ptr<StoreState> store) {
  keep(site, failure);
  auto trap =
      std::make_shared<TrapThing>(std::move(store), PARALLAX_TRAP_REFUSED, text::format("{}: {}", site, failure.text));
  trap->error = failure.code;
  trap->outcome = Outcome::ended(OutcomeKind::kMisuse, {ErrorCode::kUsage, 0, trap->message});
  return handle_of<wasm_trap_t>(std::move(trap), site);
}

Outcome outcome_of(const std::shared_ptr<StoreState>& store, wasm_trap_t* handle) {
  constexpr const char* kSite = "trap returned by a host function";
  const auto misuse = [&](const Failure& failure) {
    auto trap = std::make_shared<TrapThing>(store, PARALLAX_TRAP_REFUSED, text::format("{}: {}", kSite, failure.text));
    trap->error = failure.code;
    trap->outcome = Outcome::ended(OutcomeKind::kMisuse, {ErrorCode::kUsage, 0, failure.text});
    keep(kSite, failure);
    store->in_flight = trap;
    return trap->outcome;
  };
  auto found = find<TrapThing>(handle, "the trap");
  if (!found) return misuse(found.error());
  const std::shared_ptr<TrapThing> trap = *found;
  if (trap->trap_kind != PARALLAX_TRAP_EXCEPTION) {
    delete_handle(handle, kSite);
    store->in_flight = trap;
    return trap->outcome;
  }
  if (const auto same = same_store(*store, *trap, handle, "the exception"); !same) {
    delete_handle(handle, kSite);
    return misuse(same.error());
  }
  delete_handle(handle, kSite);
  Outcome outcome = trap->outcome;
  for (const wasm::RootId root : trap->payload) {
    const auto value = store->embedding->rooted(root);
    if (!value) return misuse({PARALLAX_ERROR_OTHER_STORE, value.error().message});
    outcome.values.push_back(*value);
  }
  return outcome;
}

namespace {

// --- Identity -----------------------------------------------------------------------------------------------------------

bool same_thing(const Thing& a, const Thing& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.store != b.store || a.store == nullptr || !RefThing::is(a.kind)) return false;
  const auto& x = static_cast<const RefThing&>(a);
  const auto& y = static_cast<const RefThing&>(b);
  if (x.is_i31 || y.is_i31) return x.is_i31 && y.is_i31 && x.i31 == y.i31;
  const auto use = Use::enter(a.store, "the reference");
  if (!use || x.root == 0 || y.root == 0) return false;
  const auto left = use->embedding().rooted(x.root);
  const auto right = use->embedding().rooted(y.root);
  return left && right && use->embedding().same(*left, *right);
}

Got<bool> same_handles(const void* a, const void* b) {
  if (a == nullptr || b == nullptr) return a == b;
  const auto x = TRY(find_thing(a, "the first"));
  const auto y = TRY(find_thing(b, "the second"));
  return same_thing(*x, *y);
}

template <class T>
T* copy_of(const T* handle, const char* site) {
  if (handle == nullptr) return nullptr;
  return attempt(site, [&]() -> Got<T*> { return handle_of<T>(TRY(find_thing(handle, "the handle")), site); });
}

// A view of a reference as one of its kinds: null when it is of another, refused when it is not live.
template <class T>
T* view_as(const void* handle, Kind kind, const char* site) {
  if (handle == nullptr) return nullptr;
  return attempt(site, [&]() -> Got<T*> {
    const auto thing = TRY(find_thing(handle, "the reference"));
    const bool fits = thing->kind == kind;
    return fits ? reinterpret_cast<T*>(const_cast<void*>(handle)) : nullptr;
  });
}

}  // namespace

}  // namespace parallax::capi

using namespace parallax;        // NOLINT: the entry points
using namespace parallax::capi;  // NOLINT

#define PARALLAX_REF_BASE(name)                                                                                    \
  void wasm_##name##_delete(wasm_##name##_t* handle) { delete_handle(handle, "wasm_" #name "_delete"); }           \
  wasm_##name##_t* wasm_##name##_copy(const wasm_##name##_t* handle) {                                             \
    return copy_of(handle, "wasm_" #name "_copy");                                                                 \
  }                                                                                                                \
  bool wasm_##name##_same(const wasm_##name##_t* a, const wasm_##name##_t* b) {                                    \
    return attempt("wasm_" #name "_same", [&] { return same_handles(a, b); });                                     \
  }                                                                                                                \
  void* wasm_##name##_get_host_info(const wasm_##name##_t* handle) {                                               \
    return attempt("wasm_" #name "_get_host_info",                                                                 \
                   [&]() -> Got<void*> { return TRY(find_thing(handle, "the handle"))->host_info; });              \
  }                                                                                                                \
  void wasm_##name##_set_host_info(wasm_##name##_t* handle, void* info) {                                          \
    wasm_##name##_set_host_info_with_finalizer(handle, info, nullptr);                                             \
  }                                                                                                                \
  void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t* handle, void* info, void (*finalizer)(void*)) { \
    attempt("wasm_" #name "_set_host_info", [&]() -> Got<> {                                                       \
      TRY(find_thing(handle, "the handle"))->set_host_info(info, finalizer);                                       \
      return {};                                                                                                   \
    });                                                                                                            \
  }
#define PARALLAX_REF(name, kind)                                                                              \
  PARALLAX_REF_BASE(name)                                                                                     \
  wasm_ref_t* wasm_##name##_as_ref(wasm_##name##_t* handle) { return reinterpret_cast<wasm_ref_t*>(handle); } \
  const wasm_ref_t* wasm_##name##_as_ref_const(const wasm_##name##_t* handle) {                               \
    return reinterpret_cast<const wasm_ref_t*>(handle);                                                       \
  }                                                                                                           \
  wasm_##name##_t* wasm_ref_as_##name(wasm_ref_t* ref) {                                                      \
    return view_as<wasm_##name##_t>(ref, kind, "wasm_ref_as_" #name);                                         \
  }                                                                                                           \
  const wasm_##name##_t* wasm_ref_as_##name##_const(const wasm_ref_t* ref) {                                  \
    return view_as<wasm_##name##_t>(ref, kind, "wasm_ref_as_" #name);                                         \
  }

extern "C" {

PARALLAX_REF_BASE(ref)
PARALLAX_REF(trap, Kind::kTrap)
PARALLAX_REF(foreign, Kind::kForeign)
PARALLAX_REF(module, Kind::kModule)
PARALLAX_REF(func, Kind::kFunc)
PARALLAX_REF(global, Kind::kGlobal)
PARALLAX_REF(table, Kind::kTable)
PARALLAX_REF(memory, Kind::kMemory)
PARALLAX_REF(instance, Kind::kInstance)

// Externs are functions, globals, tables, memories or tags.
PARALLAX_REF_BASE(extern)
wasm_ref_t* wasm_extern_as_ref(wasm_extern_t* item) { return reinterpret_cast<wasm_ref_t*>(item); }
const wasm_ref_t* wasm_extern_as_ref_const(const wasm_extern_t* item) {
  return reinterpret_cast<const wasm_ref_t*>(item);
}
wasm_extern_t* wasm_ref_as_extern(wasm_ref_t* ref) {
  return is_a<ExternThing>(ref) ? reinterpret_cast<wasm_extern_t*>(ref) : nullptr;
}
const wasm_extern_t* wasm_ref_as_extern_const(const wasm_ref_t* ref) {
  return is_a<ExternThing>(ref) ? reinterpret_cast<const wasm_extern_t*>(ref) : nullptr;
}

#define PARALLAX_EXTERN(name, kind)                                                                                    \
  wasm_extern_t* wasm_##name##_as_extern(wasm_##name##_t* handle) { return reinterpret_cast<wasm_extern_t*>(handle); } \
  const wasm_extern_t* wasm_##name##_as_extern_const(const wasm_##name##_t* handle) {                                  \
    return reinterpret_cast<const wasm_extern_t*>(handle);                                                             \
  }                                                                                                                    \
  wasm_##name##_t* wasm_extern_as_##name(wasm_extern_t* item) {                                                        \
    return view_as<wasm_##name##_t>(item, kind, "wasm_extern_as_" #name);                                              \
  }                                                                                                                    \
  const wasm_##name##_t* wasm_extern_as_##name##_const(const wasm_extern_t* item) {                                    \
    return view_as<wasm_##name##_t>(item, kind, "wasm_extern_as_" #name);                                              \
  }
PARALLAX_EXTERN(func, Kind::kFunc)
PARALLAX_EXTERN(global, Kind::kGlobal)
PARALLAX_EXTERN(table, Kind::kTable)
PARALLAX_EXTERN(memory, Kind::kMemory)
wasm_extern_t* parallax_tag_as_extern(parallax_tag_t* tag) { return reinterpret_cast<wasm_extern_t*>(tag); }
parallax_tag_t* parallax_extern_as_tag(wasm_extern_t* item) {
  return view_as<parallax_tag_t>(item, Kind::kTag, "parallax_extern_as_tag");
}
void parallax_tag_delete(parallax_tag_t* tag) { delete_handle(tag, "parallax_tag_delete"); }
bool parallax_tag_same(const parallax_tag_t* a, const parallax_tag_t* b) {
  return attempt("parallax_tag_same", [&] { return same_handles(a, b); });
}

void wasm_val_delete(wasm_val_t* value) {
  if (value == nullptr || !wasm_valkind_is_ref(value->kind)) return;
  delete_handle(value->of.ref, "wasm_val_delete");
  value->of.ref = nullptr;
}
void wasm_val_copy(wasm_val_t* out, const wasm_val_t* value) {
  if (out == nullptr || value == nullptr) return;
  *out = *value;
  if (wasm_valkind_is_ref(value->kind)) out->of.ref = copy_of(value->of.ref, "wasm_val_copy");
}

// --- Foreign objects ------------------------------------------------------------------------------------------------

wasm_foreign_t* wasm_foreign_new(wasm_store_t* store) {
  constexpr const char* kSite = "wasm_foreign_new";
  return attempt(kSite, [&]() -> Got<wasm_foreign_t*> {
    const Use use = TRY(use_store(store));
    const Value value = use.embedding().make_host_ref(use->foreigns.size());
    if (value.ref.kind == RefKind::kNull) return refuse(PARALLAX_ERROR_LIMIT, "no memory for a foreign object");
    auto foreign = std::make_shared<ForeignThing>(use.store(), use.embedding().root(value));
    use->foreigns.push_back(foreign);
    return reinterpret_cast<wasm_foreign_t*>(scoped(use.store(), std::move(foreign), kSite));
  });
}

// --- Frames and traps -----------------------------------------------------------------------------------------------

void wasm_frame_delete(wasm_frame_t* frame) { delete_handle(frame, "wasm_frame_delete"); }
wasm_frame_t* wasm_frame_copy(const wasm_frame_t* frame) { return copy_of(frame, "wasm_frame_copy"); }
#define PARALLAX_FRAME(result_t, name, member)                                                            \
  result_t wasm_frame_##name(const wasm_frame_t* frame) {                                                 \
    return attempt("wasm_frame_" #name,                                                                   \
                   [&]() -> Got<result_t> { return TRY(find<FrameThing>(frame, "the frame"))->member; }); \
  }
PARALLAX_FRAME(wasm_instance_t*, instance, lent)
PARALLAX_FRAME(uint32_t, func_index, func)
PARALLAX_FRAME(size_t, func_offset, func_offset)
PARALLAX_FRAME(size_t, module_offset, module_offset)

wasm_trap_t* wasm_trap_new(wasm_store_t* store, const wasm_message_t* message) {
  constexpr const char* kSite = "wasm_trap_new";
  return attempt(kSite, [&]() -> Got<wasm_trap_t*> {
    const Use use = TRY(use_store(store));
    std::string text;
    if (message != nullptr && message->data != nullptr) text.assign(message->data, message->size);
    while (!text.empty() && text.back() == '\0') text.pop_back();
    auto trap = std::make_shared<TrapThing>(use.store(), PARALLAX_TRAP_HOST, std::move(text));
    trap->outcome = Outcome::trapped(wasm::TrapKind::kHostTrap);
    return handle_of<wasm_trap_t>(std::move(trap), kSite);
  });
}
void wasm_trap_message(const wasm_trap_t* trap, wasm_message_t* out) {
  if (out == nullptr) return;
  wasm_byte_vec_new_empty(out);
  attempt("wasm_trap_message", [&]() -> Got<> {
    const auto found = TRY(find<TrapThing>(trap, "the trap"));
    wasm_byte_vec_new(out, found->message.size() + 1, found->message.c_str());
    return {};
  });
}
wasm_frame_t* wasm_trap_origin(const wasm_trap_t* trap) {
  constexpr const char* kSite = "wasm_trap_origin";
  return attempt(kSite, [&]() -> Got<wasm_frame_t*> {
    const auto found = TRY(find<TrapThing>(trap, "the trap"));
    return found->frame == nullptr ? nullptr : handle_of<wasm_frame_t>(found->frame, kSite);
  });
}
void wasm_trap_trace(const wasm_trap_t* trap, wasm_frame_vec_t* out) {
  if (out == nullptr) return;
  wasm_frame_t* const origin = wasm_trap_origin(trap);
  wasm_frame_vec_new(out, origin == nullptr ? 0 : 1, &origin);
}
parallax_trapkind_t parallax_trap_kind(const wasm_trap_t* trap) {
  return attempt("parallax_trap_kind",
                 [&]() -> Got<parallax_trapkind_t> { return TRY(find<TrapThing>(trap, "the trap"))->trap_kind; });
}
parallax_error_t parallax_trap_error(const wasm_trap_t* trap) {
  return attempt("parallax_trap_error",
                 [&]() -> Got<parallax_error_t> { return TRY(find<TrapThing>(trap, "the trap"))->error; });
}

}  // extern "C"
