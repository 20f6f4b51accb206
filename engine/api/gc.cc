// Concrete types, objects, tags and exceptions of the C API (parallax_gc.h).
#include "engine/api/capi.h"
#include "engine/wasm/text/parse.h"

namespace parallax::capi {

using wasm::CompositeKind;
using wasm::Outcome;
using wasm::RefKind;
using wasm::Value;

namespace {

// A type and its definition, to be used in the store of `handle`.
Got<const wasm::SubType*> definition(const ConcreteTypeThing& type, CompositeKind kind, const char* wanted) {
  const wasm::SubType& found = type.store->types->get(type.id);
  if (found.kind != kind) return refuse(PARALLAX_ERROR_WRONG_KIND, "the type is not {}", wanted);
  return &found;
}

// The values of new fields: the given ones, or defaults.
Got<std::vector<Value>> initial(StoreState& store, const wasm_val_vec_t* given, std::span<const wasm::ValType> types) {
  if (given != nullptr) return values_in(store, given, types, "field");
  std::vector<Value> values;
  for (const wasm::ValType type : types) {
    if (!type.is_defaultable()) return refuse(PARALLAX_ERROR_MISMATCH, "{} has no default", wasm::to_string(type));
    values.push_back(Value::zero(type));
  }
  return values;
}

// A new object, or null and a trap.
template <class Make>
wasm_ref_t* allocate(wasm_store_t* handle, const parallax_type_t* type_handle, wasm_trap_t** trap, const char* site,
                     Make&& make) {
  if (trap != nullptr) *trap = nullptr;
  const auto body = [&]() -> Got<wasm_ref_t*> {
    const Use use = TRY(use_store(handle));
    const auto type = TRY(find<ConcreteTypeThing>(type_handle, "the type"));
    TRY(same_store(*use.store(), *type, type_handle, "the type"));
    Outcome made = TRY(make(use, *type));
    if (made.returned()) return ref_out(use.store(), made.values[0], site);
    const auto ended = trap_of(use.store(), std::move(made), site);
    if (trap != nullptr) *trap = handle_of<wasm_trap_t>(ended, site);
    return nullptr;
  };
  auto got = body();
  if (got) return *got;
  if (trap != nullptr) {
    *trap = refused(site, got.error());
  } else {
    keep(site, got.error());
  }
  return nullptr;
}

Got<Outcome> make_array(const Use& use, const ConcreteTypeThing& type, const wasm_val_vec_t* elements, size_t length) {
  const wasm::SubType& array = *TRY(definition(type, CompositeKind::kArray, "an array type"));
  constexpr size_t kMost = wasm::kMaxArrayBytes;
  if (length > kMost) return refuse(PARALLAX_ERROR_LIMIT, "{} elements are more than an array can have", length);
  const std::vector<wasm::ValType> types(length, array.fields[0].storage.unpacked);
  return use.embedding().make_array(type.id, TRY(initial(*use.store(), elements, types)));
}

// A reference, ready to be looked at.
struct Seen {
  Use use;
  Value value;
  wasm::ObjectView view;
};
Got<Seen> see(const wasm_ref_t* handle) {
  const auto ref = TRY(find<RefThing>(handle, "the reference"));
  Use use = TRY(use_of(*ref, handle));
  const Value value = TRY(ref_in(*use.store(), handle, "the reference"));
  wasm::ObjectView view{.kind = value.ref.kind};
  if (value.ref.kind != RefKind::kI31 && value.ref.kind != RefKind::kNull) {
    auto seen = use.embedding().inspect(value);
    if (!seen) return refuse(seen.error());
    view = *seen;
  }
  return Seen{std::move(use), value, view};
}

// The type of a field of an object. Requires: a struct or array, or an exception.
Got<wasm::ValType> field_type(const Seen& seen, size_t index) {
  if (index >= seen.view.length) {
    return refuse(PARALLAX_ERROR_BOUNDS, "there is no field {}, the object has {}", index, seen.view.length);
  }
  const wasm::TypeStore& types = *seen.use->types;
  if (seen.view.kind == RefKind::kExn) {
    const auto tag = seen.use.embedding().tag_type(seen.view.tag);
    if (!tag) return refuse(tag.error());
    return types.get(*tag).params[index];
  }
  return types.get(seen.view.type).fields[seen.view.kind == RefKind::kArray ? 0 : index].storage.unpacked;
}

}  // namespace

}  // namespace parallax::capi

using namespace parallax;        // NOLINT: the entry points
using namespace parallax::capi;  // NOLINT

extern "C" {

// --- Types --------------------------------------------------------------------------------------------------------------

size_t parallax_types_new(wasm_store_t* store, const char* source, parallax_type_t** out, size_t capacity) {
  constexpr const char* kSite = "parallax_types_new";
  return attempt(kSite, [&]() -> Got<size_t> {
    const Use use = TRY(use_store(store));
    if (source == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the text is null");
    auto bytes = wasm::text::parse_module("(module " + std::string(source) + ")");
    if (!bytes) return refuse(bytes.error());
    const auto module = wasm::load(std::move(*bytes), use->types);
    if (!module) return refuse(module.error());
    for (size_t i = 0; out != nullptr && i < std::min(capacity, module->type_ids.size()); ++i) {
      out[i] = handle_of<parallax_type_t>(std::make_shared<ConcreteTypeThing>(module->type_ids[i], use.store()), kSite);
    }
    return module->type_ids.size();
  });
}

void parallax_type_delete(parallax_type_t* type) { delete_handle(type, "parallax_type_delete"); }
parallax_type_t* parallax_type_copy(const parallax_type_t* type) {
  constexpr const char* kSite = "parallax_type_copy";
  return attempt(kSite, [&]() -> Got<parallax_type_t*> {
    return handle_of<parallax_type_t>(TRY(find<ConcreteTypeThing>(type, "the type")), kSite);
  });
}
bool parallax_type_same(const parallax_type_t* a, const parallax_type_t* b) {
  return attempt("parallax_type_same", [&]() -> Got<bool> {
    const auto x = TRY(find<ConcreteTypeThing>(a, "the first"));
    const auto y = TRY(find<ConcreteTypeThing>(b, "the second"));
    return x->store == y->store && x->id == y->id;
  });
}
bool parallax_type_is_subtype(const parallax_type_t* sub, const parallax_type_t* super) {
  return attempt("parallax_type_is_subtype", [&]() -> Got<bool> {
    const auto x = TRY(find<ConcreteTypeThing>(sub, "the first"));
    const auto y = TRY(find<ConcreteTypeThing>(super, "the second"));
    const Use use = TRY(use_of(*x, sub));
    TRY(same_store(*use.store(), *y, super, "the second"));
    return use->types->is_subtype(x->id, y->id);
  });
}
parallax_typekind_t parallax_type_kind(const parallax_type_t* type) {
  return attempt("parallax_type_kind", [&]() -> Got<parallax_typekind_t> {
    const auto found = TRY(find<ConcreteTypeThing>(type, "the type"));
    const Use use = TRY(use_of(*found, type));
    static constexpr parallax_typekind_t kKinds[] = {PARALLAX_TYPE_FUNC, PARALLAX_TYPE_STRUCT,
                                                     PARALLAX_TYPE_ARRAY};  // ORDER: CompositeKind
    return kKinds[static_cast<size_t>(use->types->get(found->id).kind)];
  });
}
size_t parallax_type_field_count(const parallax_type_t* type) {
  return attempt("parallax_type_field_count", [&]() -> Got<size_t> {
    const auto found = TRY(find<ConcreteTypeThing>(type, "the type"));
    const Use use = TRY(use_of(*found, type));
    return use->types->get(found->id).fields.size();
  });
}
wasm_valtype_t* parallax_type_field(const parallax_type_t* type, size_t index, wasm_mutability_t* mutability,
                                    uint8_t* packed_bits) {
  constexpr const char* kSite = "parallax_type_field";
  return attempt(kSite, [&]() -> Got<wasm_valtype_t*> {
    const auto found = TRY(find<ConcreteTypeThing>(type, "the type"));
    const Use use = TRY(use_of(*found, type));
    const auto& fields = use->types->get(found->id).fields;
    if (index >= fields.size()) {
      return refuse(PARALLAX_ERROR_BOUNDS, "there is no field {}, the type has {}", index, fields.size());
    }
    const wasm::FieldType& field = fields[index];
    if (mutability != nullptr) *mutability = field.is_mutable ? WASM_VAR : WASM_CONST;
    static constexpr uint8_t kBits[] = {0, 8, 16};  // ORDER: Packed
    if (packed_bits != nullptr) *packed_bits = kBits[static_cast<size_t>(field.storage.packed)];
    return handle_of<wasm_valtype_t>(describe(use.store(), field.storage.unpacked), kSite);
  });
}

// --- Objects ------------------------------------------------------------------------------------------------------------

wasm_ref_t* parallax_struct_new(wasm_store_t* store, const parallax_type_t* type, const wasm_val_vec_t* fields,
                                wasm_trap_t** trap) {
  return allocate(store, type, trap, "parallax_struct_new",
                  [&](const Use& use, const ConcreteTypeThing& found) -> Got<Outcome> {
                    const auto& declared = *TRY(definition(found, CompositeKind::kStruct, "a struct type"));
                    std::vector<wasm::ValType> types;
                    for (const auto& field : declared.fields) types.push_back(field.storage.unpacked);
                    return use.embedding().make_struct(found.id, TRY(initial(*use.store(), fields, types)));
                  });
}
wasm_ref_t* parallax_array_new(wasm_store_t* store, const parallax_type_t* type, const wasm_val_vec_t* elements,
                               wasm_trap_t** trap) {
  return allocate(store, type, trap, "parallax_array_new", [&](const Use& use, const ConcreteTypeThing& found) {
    return make_array(use, found, elements, elements == nullptr ? 0 : elements->size);
  });
}
wasm_ref_t* parallax_array_new_default(wasm_store_t* store, const parallax_type_t* type, size_t length,
                                       wasm_trap_t** trap) {
  return allocate(store, type, trap, "parallax_array_new_default", [&](const Use& use, const ConcreteTypeThing& found) {
    return make_array(use, found, nullptr, length);
  });
}
wasm_ref_t* parallax_i31_new(wasm_store_t* store, int32_t value) {
  constexpr const char* kSite = "parallax_i31_new";
  return attempt(kSite, [&]() -> Got<wasm_ref_t*> {
    const Use use = TRY(use_store(store));
    return ref_out(use.store(), Value::reference({RefKind::kI31, static_cast<uint32_t>(value) & 0x7fff'ffffu}), kSite);
  });
}

parallax_refkind_t parallax_ref_kind(const wasm_ref_t* ref) {
  if (ref == nullptr) return PARALLAX_REF_NULL;
  return attempt("parallax_ref_kind", [&]() -> Got<parallax_refkind_t> {
    static constexpr parallax_refkind_t kKinds[] = {PARALLAX_REF_NULL,  PARALLAX_REF_I31,  PARALLAX_REF_STRUCT,
                                                    PARALLAX_REF_ARRAY, PARALLAX_REF_FUNC, PARALLAX_REF_FOREIGN,
                                                    PARALLAX_REF_EXN};  // ORDER: RefKind
    return kKinds[static_cast<size_t>(TRY(see(ref)).view.kind)];
  });
}
parallax_type_t* parallax_ref_type(const wasm_ref_t* ref) {
  constexpr const char* kSite = "parallax_ref_type";
  return attempt(kSite, [&]() -> Got<parallax_type_t*> {
    const Seen seen = TRY(see(ref));
    if (seen.view.kind != RefKind::kStruct && seen.view.kind != RefKind::kArray) return nullptr;
    return handle_of<parallax_type_t>(std::make_shared<ConcreteTypeThing>(seen.view.type, seen.use.store()), kSite);
  });
}
bool parallax_ref_matches(const wasm_ref_t* ref, const wasm_valtype_t* type) {
  return attempt("parallax_ref_matches", [&]() -> Got<bool> {
    const auto wanted = TRY(find<ValTypeThing>(type, "the type"));
    if (ref == nullptr) return wanted->type.is_ref() && wanted->type.nullable();
    const Seen seen = TRY(see(ref));
    return seen.use.embedding().matches(seen.value, TRY(type_in(*seen.use.store(), *wanted, "the type")));
  });
}
int32_t parallax_i31_get(const wasm_ref_t* ref) {
  return attempt("parallax_i31_get", [&]() -> Got<int32_t> {
    const Seen seen = TRY(see(ref));
    if (seen.view.kind != RefKind::kI31) return refuse(PARALLAX_ERROR_WRONG_KIND, "the reference is not an i31");
    return static_cast<int32_t>(static_cast<uint32_t>(seen.value.ref.name) << 1) >> 1;
  });
}
size_t parallax_ref_length(const wasm_ref_t* ref) {
  return attempt("parallax_ref_length", [&]() -> Got<size_t> { return TRY(see(ref)).view.length; });
}
bool parallax_ref_get(const wasm_ref_t* ref, size_t index, wasm_val_t* out) {
  constexpr const char* kSite = "parallax_ref_get";
  if (out != nullptr) *out = WASM_INIT_VAL;
  return attempt(kSite, [&]() -> Got<bool> {
    if (out == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the place for the value is null");
    const Seen seen = TRY(see(ref));
    const wasm::ValType type = TRY(field_type(seen, index));
    if (type.kind() == wasm::ValKind::kV128) {
      return refuse(PARALLAX_ERROR_UNSUPPORTED, "a v128 does not fit into a wasm_val_t");
    }
    const auto value = seen.use.embedding().field(seen.value, index);
    if (!value) return refuse(value.error());
    *out = value_out(seen.use.store(), *value, type, kSite);
    return true;
  });
}
bool parallax_ref_set(wasm_ref_t* ref, size_t index, const wasm_val_t* value) {
  return attempt("parallax_ref_set", [&]() -> Got<bool> {
    if (value == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the value is null");
    const Seen seen = TRY(see(ref));
    const bool is_array = seen.view.kind == RefKind::kArray;
    if (!is_array && seen.view.kind != RefKind::kStruct) {
      return refuse(PARALLAX_ERROR_WRONG_KIND, "the reference is neither a struct nor an array");
    }
    const wasm::ValType type = TRY(field_type(seen, index));
    if (!seen.use->types->get(seen.view.type).fields[is_array ? 0 : index].is_mutable) {
      return refuse(PARALLAX_ERROR_IMMUTABLE, "field {} is immutable", index);
    }
    const Value held = TRY(value_in(*seen.use.store(), *value, type, "the value"));
    if (const auto set = seen.use.embedding().set_field(seen.value, index, held); !set) return refuse(set.error());
    return true;
  });
}

// --- Tags and exceptions ----------------------------------------------------------------------------------------------

parallax_tag_t* parallax_tag_new(wasm_store_t* store, const wasm_functype_t* type) {
  constexpr const char* kSite = "parallax_tag_new";
  return attempt(kSite, [&]() -> Got<parallax_tag_t*> {
    const Use use = TRY(use_store(store));
    const auto found = TRY(find<FuncTypeThing>(type, "the type"));
    if (!found->results.empty()) return refuse(PARALLAX_ERROR_MISMATCH, "the type of a tag has no results");
    const wasm::TypeId id = TRY(type_in(*use.store(), *found, "the type"));
    return handle_of<parallax_tag_t>(TRY(extern_thing(use.store(), use.embedding().make_tag(id), nullptr)), kSite);
  });
}

wasm_trap_t* parallax_exception_new(wasm_store_t* store, const parallax_tag_t* tag_handle,
                                    const wasm_val_vec_t* payload) {
  constexpr const char* kSite = "parallax_exception_new";
  return attempt(kSite, [&]() -> Got<wasm_trap_t*> {
    const Use use = TRY(use_store(store));
    const auto tag = TRY(find_extern(tag_handle, Kind::kTag, "the tag"));
    TRY(same_store(*use.store(), *tag, tag_handle, "the tag"));
    const auto type = use.embedding().tag_type(tag->item);
    if (!type) return refuse(type.error());
    const auto& types = use->types->get(*type).params;
    const std::vector<Value> values = TRY(values_in(*use.store(), payload, types, "payload value"));
    auto trap = std::make_shared<TrapThing>(use.store(), PARALLAX_TRAP_EXCEPTION, "uncaught exception");
    trap->outcome.kind = wasm::OutcomeKind::kThrew;
    trap->outcome.tag = tag->item;
    if (const auto identity = use.embedding().identity_of(tag->item)) trap->tag_identity = *identity;
    trap->payload_types = types;
    for (const Value& value : values) trap->payload.push_back(use.embedding().root(value));
    return handle_of<wasm_trap_t>(std::move(trap), kSite);
  });
}

bool parallax_trap_has_tag(const wasm_trap_t* handle, const parallax_tag_t* tag_handle) {
  return attempt("parallax_trap_has_tag", [&]() -> Got<bool> {
    const auto trap = TRY(find<TrapThing>(handle, "the trap"));
    const auto tag = TRY(find_extern(tag_handle, Kind::kTag, "the tag"));
    if (trap->trap_kind != PARALLAX_TRAP_EXCEPTION || trap->store != tag->store) return false;
    const Use use = TRY(use_of(*tag, tag_handle));
    const auto identity = use.embedding().identity_of(tag->item);
    if (!identity) return refuse(identity.error());
    return *identity == trap->tag_identity;
  });
}

bool parallax_trap_payload(const wasm_trap_t* handle, wasm_val_vec_t* out) {
  constexpr const char* kSite = "parallax_trap_payload";
  if (out != nullptr) wasm_val_vec_new_empty(out);
  return attempt(kSite, [&]() -> Got<bool> {
    const auto trap = TRY(find<TrapThing>(handle, "the trap"));
    if (out == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the place for the payload is null");
    if (trap->trap_kind != PARALLAX_TRAP_EXCEPTION) {
      return refuse(PARALLAX_ERROR_WRONG_KIND, "the trap is not an exception");
    }
    const Use use = TRY(use_of(*trap, handle));
    std::vector<wasm_val_t> values;
    for (size_t i = 0; i < trap->payload.size(); ++i) {
      const auto value = use.embedding().rooted(trap->payload[i]);
      if (!value) return refuse(value.error());
      values.push_back(value_out(use.store(), *value, trap->payload_types[i], kSite));
    }
    wasm_val_vec_new(out, values.size(), values.data());
    return true;
  });
}

}  // extern "C"
