// Types of the C API. They are values of no store, except where they mention a concrete type.
#include <algorithm>

#include "engine/api/capi.h"

namespace parallax::capi {

using wasm::HeapKind;
using wasm::ValKind;
using wasm::ValType;

namespace {

constexpr const char* kWhole = "its whole";

// Handles of parts, lent as long as the whole lives.
wasm_valtype_vec_t lend(const ValTypes& types, const char* site) {
  wasm_valtype_vec_t vec;
  wasm_valtype_vec_new_uninitialized(&vec, types.size());
  for (size_t i = 0; i < vec.size; ++i) vec.data[i] = handle_of<wasm_valtype_t>(types[i], site);
  return vec;
}
void take_back(wasm_valtype_vec_t& vec) {
  for (size_t i = 0; i < vec.size; ++i) delete_handle(vec.data[i], kWhole);
  vec.size = 0;
  wasm_valtype_vec_delete(&vec);
}

struct KindRow {
  wasm_valkind_t kind;
  ValType type;
};
constexpr KindRow kKinds[] = {
    {WASM_I32, wasm::kI32},
    {WASM_I64, wasm::kI64},
    {WASM_F32, wasm::kF32},
    {WASM_F64, wasm::kF64},
    {PARALLAX_V128, wasm::kV128},
    {WASM_EXTERNREF, wasm::kExternRef},
    {WASM_FUNCREF, wasm::kFuncRef},
    {PARALLAX_ANYREF, wasm::kAnyRef},
    {PARALLAX_EQREF, wasm::kEqRef},
    {PARALLAX_I31REF, wasm::kI31Ref},
    {PARALLAX_STRUCTREF, ValType::ref(HeapKind::kStruct, true)},
    {PARALLAX_ARRAYREF, ValType::ref(HeapKind::kArray, true)},
    {PARALLAX_NULLREF, ValType::ref(HeapKind::kNone, true)},
    {PARALLAX_NULLFUNCREF, ValType::ref(HeapKind::kNoFunc, true)},
    {PARALLAX_NULLEXTERNREF, ValType::ref(HeapKind::kNoExtern, true)},
    {PARALLAX_EXNREF, wasm::kExnRef},
    {PARALLAX_NULLEXNREF, ValType::ref(HeapKind::kNoExn, true)},
};

wasm_limits_t limits_out(const wasm::Limits& limits) {
  const auto clamp = [](uint64_t n) { return static_cast<uint32_t>(std::min<uint64_t>(n, UINT32_MAX)); };
  return {clamp(limits.min), limits.max ? clamp(*limits.max) : wasm_limits_max_default};
}
wasm::Limits limits_in(const wasm_limits_t& limits, bool is_64) {
  wasm::Limits out{.min = limits.min, .max = {}, .is_64 = is_64};
  if (limits.max != wasm_limits_max_default) out.max = limits.max;
  return out;
}

// The types of an owned vector of handles, which ends here whatever happens.
Got<ValTypes> take(wasm_valtype_vec_t* vec, const char* what, const char* site) {
  ValTypes types;
  if (vec == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the vector of {} is null", what);
  Failure failure;
  for (size_t i = 0; i < vec->size; ++i) {
    auto type = find<ValTypeThing>(vec->data[i], text::format("{} {}", what, i).c_str());
    if (type) {
      types.push_back(std::move(*type));
    } else if (failure.code == PARALLAX_ERROR_NONE) {
      failure = type.error();
    }
    if (is_a<ValTypeThing>(vec->data[i])) delete_handle(vec->data[i], site);
  }
  vec->size = 0;
  wasm_valtype_vec_delete(vec);
  if (failure.code != PARALLAX_ERROR_NONE) return std::unexpected(std::move(failure));
  return types;
}

wasm_name_t lend_name(const std::string& name) {
  return {name.size(), const_cast<char*>(name.data())};  // the interface says const where it hands this out
}

std::string take_name(wasm_name_t* name) {
  if (name == nullptr) return {};
  std::string text(name->data, name->size);
  wasm_name_delete(name);
  return text;
}

}  // namespace

FuncTypeThing::FuncTypeThing(ValTypes p, ValTypes r, bool tag)
    : ExternTypeThing(Kind::kFuncType), params(std::move(p)), results(std::move(r)), is_tag(tag) {
  lent_params = lend(params, "wasm_functype_params");
  lent_results = lend(results, "wasm_functype_results");
}
FuncTypeThing::~FuncTypeThing() {
  take_back(lent_params);
  take_back(lent_results);
}
GlobalTypeThing::GlobalTypeThing(std::shared_ptr<ValTypeThing> c, bool m)
    : ExternTypeThing(Kind::kGlobalType),
      content(std::move(c)),
      is_mutable(m),
      lent(handle_of<wasm_valtype_t>(content, "wasm_globaltype_content")) {}
GlobalTypeThing::~GlobalTypeThing() { delete_handle(lent, kWhole); }
TableTypeThing::TableTypeThing(std::shared_ptr<ValTypeThing> e, wasm_limits_t l, bool is64)
    : ExternTypeThing(Kind::kTableType),
      element(std::move(e)),
      limits(l),
      is_64(is64),
      lent(handle_of<wasm_valtype_t>(element, "wasm_tabletype_element")) {}
TableTypeThing::~TableTypeThing() { delete_handle(lent, kWhole); }
PortTypeThing::PortTypeThing(Kind k, std::string m, std::string n, std::shared_ptr<ExternTypeThing> t)
    : Thing(k),
      module_text(std::move(m)),
      name_text(std::move(n)),
      module(lend_name(module_text)),
      name(lend_name(name_text)),
      type(std::move(t)),
      lent(handle_of<wasm_externtype_t>(type,
                                        k == Kind::kImportType ? "wasm_importtype_type" : "wasm_exporttype_type")) {}
PortTypeThing::~PortTypeThing() { delete_handle(lent, kWhole); }

std::shared_ptr<ValTypeThing> describe(const std::shared_ptr<StoreState>& store, ValType type) {
  const bool concrete = type.is_ref() && type.heap().is_concrete();
  return std::make_shared<ValTypeThing>(type, kind_of(*store->types, type), concrete ? store : nullptr);
}

static ValTypes describe_all(const std::shared_ptr<StoreState>& store, const std::vector<ValType>& types) {
  ValTypes out;
  for (const ValType type : types) out.push_back(describe(store, type));
  return out;
}

std::shared_ptr<FuncTypeThing> describe_func(const std::shared_ptr<StoreState>& store, wasm::TypeId id) {
  const wasm::SubType& type = store->types->get(id);
  return std::make_shared<FuncTypeThing>(describe_all(store, type.params), describe_all(store, type.results));
}

std::shared_ptr<ExternTypeThing> describe(const std::shared_ptr<StoreState>& store, const wasm::ExternType& type) {
  switch (type.kind) {
    case wasm::ExternKind::kFunc: return describe_func(store, type.type);
    case wasm::ExternKind::kTable:
      return std::make_shared<TableTypeThing>(describe(store, type.table.element), limits_out(type.table.limits),
                                              type.table.limits.is_64);
    case wasm::ExternKind::kMemory:
      return std::make_shared<MemoryTypeThing>(limits_out(type.memory.limits), type.memory.limits.is_64);
    case wasm::ExternKind::kGlobal:
      return std::make_shared<GlobalTypeThing>(describe(store, type.global.value), type.global.is_mutable);
    case wasm::ExternKind::kTag: {
      const wasm::SubType& payload = store->types->get(type.type);
      return std::make_shared<FuncTypeThing>(describe_all(store, payload.params), ValTypes{}, true);
    }
  }
  return nullptr;
}

wasm_valkind_t kind_of(const wasm::TypeStore& types, ValType type) {
  if (type.is_ref() && type.heap().is_concrete()) {
    switch (types.get(type.heap().type_id()).kind) {
      case wasm::CompositeKind::kFunc: return WASM_FUNCREF;
      case wasm::CompositeKind::kStruct: return PARALLAX_STRUCTREF;
      case wasm::CompositeKind::kArray: return PARALLAX_ARRAYREF;
    }
  }
  if (type.is_ref()) type = type.as_nullable();
  for (const KindRow& row : kKinds) {
    if (row.type == type) return row.kind;
  }
  return PARALLAX_ANYREF;
}

Got<ValType> type_in(const StoreState& store, const ValTypeThing& type, const char* what) {
  if (type.store == nullptr || type.store.get() == &store) return type.type;
  return refuse(PARALLAX_ERROR_OTHER_STORE, "I8: {} names a concrete type of store {}; used in store {}", what,
                type.store->number, store.number);
}

Got<wasm::TypeId> type_in(const StoreState& store, const FuncTypeThing& type, const char* what) {
  std::vector<ValType> params, results;
  for (const auto& param : type.params) params.push_back(TRY(type_in(store, *param, what)));
  for (const auto& result : type.results) results.push_back(TRY(type_in(store, *result, what)));
  return store.types->intern_func(std::move(params), std::move(results));
}

Got<wasm::TableType> type_in(const StoreState& store, const TableTypeThing& type) {
  const ValType element = TRY(type_in(store, *type.element, "the table type"));
  if (!element.is_ref()) return refuse(PARALLAX_ERROR_MISMATCH, "elements of a table are references");
  return wasm::TableType{element, limits_in(type.limits, type.is_64)};
}

wasm::MemoryType type_in(const MemoryTypeThing& type) { return {limits_in(type.limits, type.is_64)}; }

}  // namespace parallax::capi

using namespace parallax;        // NOLINT: the entry points
using namespace parallax::capi;  // NOLINT

// delete and copy of a kind of type.
#define PARALLAX_TYPE(name, thing_t)                                                                 \
  void wasm_##name##_delete(wasm_##name##_t* type) { delete_handle(type, "wasm_" #name "_delete"); } \
  wasm_##name##_t* wasm_##name##_copy(const wasm_##name##_t* type) {                                 \
    constexpr const char* kSite = "wasm_" #name "_copy";                                             \
    return attempt(                                                                                  \
        kSite, [&]() -> Got<wasm_##name##_t*> {                                                      \
          return handle_of<wasm_##name##_t>(TRY(find<thing_t>(type, "the type")), kSite);            \
        });                                                                                          \
  }
// Views of an extern type as one of its kinds, and back.
#define PARALLAX_EXTERNTYPE(name, thing_t)                                                  \
  wasm_externtype_t* wasm_##name##_as_externtype(wasm_##name##_t* type) {                   \
    return reinterpret_cast<wasm_externtype_t*>(type);                                      \
  }                                                                                         \
  const wasm_externtype_t* wasm_##name##_as_externtype_const(const wasm_##name##_t* type) { \
    return reinterpret_cast<const wasm_externtype_t*>(type);                                \
  }                                                                                         \
  wasm_##name##_t* wasm_externtype_as_##name(wasm_externtype_t* type) {                     \
    return is_a<thing_t>(type) ? reinterpret_cast<wasm_##name##_t*>(type) : nullptr;        \
  }                                                                                         \
  const wasm_##name##_t* wasm_externtype_as_##name##_const(const wasm_externtype_t* type) { \
    return is_a<thing_t>(type) ? reinterpret_cast<const wasm_##name##_t*>(type) : nullptr;  \
  }
// A part of a type, null when the handle is refused.
#define PARALLAX_PART(result_t, function, handle_t, thing_t, expression) \
  result_t function(const handle_t* type) {                              \
    return attempt(#function, [&]() -> Got<result_t> {                   \
      const auto t = TRY(find<thing_t>(type, "the type"));               \
      return expression;                                                 \
    });                                                                  \
  }

extern "C" {

PARALLAX_TYPE(valtype, ValTypeThing)
PARALLAX_TYPE(functype, FuncTypeThing)
PARALLAX_TYPE(globaltype, GlobalTypeThing)
PARALLAX_TYPE(tabletype, TableTypeThing)
PARALLAX_TYPE(memorytype, MemoryTypeThing)
PARALLAX_TYPE(externtype, ExternTypeThing)
PARALLAX_TYPE(importtype, PortTypeThing)
PARALLAX_TYPE(exporttype, PortTypeThing)
PARALLAX_EXTERNTYPE(functype, FuncTypeThing)
PARALLAX_EXTERNTYPE(globaltype, GlobalTypeThing)
PARALLAX_EXTERNTYPE(tabletype, TableTypeThing)
PARALLAX_EXTERNTYPE(memorytype, MemoryTypeThing)

wasm_valtype_t* wasm_valtype_new(wasm_valkind_t kind) {
  constexpr const char* kSite = "wasm_valtype_new";
  return attempt(kSite, [&]() -> Got<wasm_valtype_t*> {
    for (const KindRow& row : kKinds) {
      if (row.kind == kind) return handle_of<wasm_valtype_t>(std::make_shared<ValTypeThing>(row.type, kind), kSite);
    }
    return refuse(PARALLAX_ERROR_MISMATCH, "there is no kind {}", kind);
  });
}
PARALLAX_PART(wasm_valkind_t, wasm_valtype_kind, wasm_valtype_t, ValTypeThing, t->value_kind)

wasm_functype_t* wasm_functype_new(wasm_valtype_vec_t* params, wasm_valtype_vec_t* results) {
  constexpr const char* kSite = "wasm_functype_new";
  return attempt(kSite, [&]() -> Got<wasm_functype_t*> {
    auto p = take(params, "parameter", kSite);
    auto r = take(results, "result", kSite);
    return handle_of<wasm_functype_t>(std::make_shared<FuncTypeThing>(TRY(std::move(p)), TRY(std::move(r))), kSite);
  });
}
PARALLAX_PART(const wasm_valtype_vec_t*, wasm_functype_params, wasm_functype_t, FuncTypeThing, &t->lent_params)
PARALLAX_PART(const wasm_valtype_vec_t*, wasm_functype_results, wasm_functype_t, FuncTypeThing, &t->lent_results)

wasm_globaltype_t* wasm_globaltype_new(wasm_valtype_t* content, wasm_mutability_t mutability) {
  constexpr const char* kSite = "wasm_globaltype_new";
  return attempt(kSite, [&]() -> Got<wasm_globaltype_t*> {
    auto type = TRY(find<ValTypeThing>(content, "the content"));
    delete_handle(content, kSite);
    return handle_of<wasm_globaltype_t>(std::make_shared<GlobalTypeThing>(std::move(type), mutability == WASM_VAR),
                                        kSite);
  });
}
PARALLAX_PART(const wasm_valtype_t*, wasm_globaltype_content, wasm_globaltype_t, GlobalTypeThing, t->lent)
PARALLAX_PART(wasm_mutability_t, wasm_globaltype_mutability, wasm_globaltype_t, GlobalTypeThing,
              t->is_mutable ? WASM_VAR : WASM_CONST)

wasm_tabletype_t* wasm_tabletype_new(wasm_valtype_t* element, const wasm_limits_t* limits) {
  constexpr const char* kSite = "wasm_tabletype_new";
  return attempt(kSite, [&]() -> Got<wasm_tabletype_t*> {
    auto type = TRY(find<ValTypeThing>(element, "the element"));
    if (limits == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the limits are null");
    delete_handle(element, kSite);
    return handle_of<wasm_tabletype_t>(std::make_shared<TableTypeThing>(std::move(type), *limits), kSite);
  });
}
PARALLAX_PART(const wasm_valtype_t*, wasm_tabletype_element, wasm_tabletype_t, TableTypeThing, t->lent)
PARALLAX_PART(const wasm_limits_t*, wasm_tabletype_limits, wasm_tabletype_t, TableTypeThing, &t->limits)

wasm_memorytype_t* wasm_memorytype_new(const wasm_limits_t* limits) {
  constexpr const char* kSite = "wasm_memorytype_new";
  return attempt(kSite, [&]() -> Got<wasm_memorytype_t*> {
    if (limits == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the limits are null");
    return handle_of<wasm_memorytype_t>(std::make_shared<MemoryTypeThing>(*limits), kSite);
  });
}
PARALLAX_PART(const wasm_limits_t*, wasm_memorytype_limits, wasm_memorytype_t, MemoryTypeThing, &t->limits)

wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t* type) {
  return attempt("wasm_externtype_kind", [&]() -> Got<wasm_externkind_t> {
    const auto found = TRY(find<ExternTypeThing>(type, "the type"));
    switch (found->kind) {
      case Kind::kGlobalType: return WASM_EXTERN_GLOBAL;
      case Kind::kTableType: return WASM_EXTERN_TABLE;
      case Kind::kMemoryType: return WASM_EXTERN_MEMORY;
      default: break;
    }
    const bool is_tag = static_cast<const FuncTypeThing&>(*found).is_tag;
    return is_tag ? static_cast<wasm_externkind_t>(PARALLAX_EXTERN_TAG)
                  : static_cast<wasm_externkind_t>(WASM_EXTERN_FUNC);
  });
}

wasm_importtype_t* wasm_importtype_new(wasm_name_t* module, wasm_name_t* name, wasm_externtype_t* type) {
  constexpr const char* kSite = "wasm_importtype_new";
  return attempt(kSite, [&]() -> Got<wasm_importtype_t*> {
    auto found = TRY(find<ExternTypeThing>(type, "the type"));
    delete_handle(type, kSite);
    return handle_of<wasm_importtype_t>(
        std::make_shared<PortTypeThing>(Kind::kImportType, take_name(module), take_name(name), std::move(found)),
        kSite);
  });
}
PARALLAX_PART(const wasm_name_t*, wasm_importtype_module, wasm_importtype_t, PortTypeThing, &t->module)
PARALLAX_PART(const wasm_name_t*, wasm_importtype_name, wasm_importtype_t, PortTypeThing, &t->name)
PARALLAX_PART(const wasm_externtype_t*, wasm_importtype_type, wasm_importtype_t, PortTypeThing, t->lent)

wasm_exporttype_t* wasm_exporttype_new(wasm_name_t* name, wasm_externtype_t* type) {
  constexpr const char* kSite = "wasm_exporttype_new";
  return attempt(kSite, [&]() -> Got<wasm_exporttype_t*> {
    auto found = TRY(find<ExternTypeThing>(type, "the type"));
    delete_handle(type, kSite);
    return handle_of<wasm_exporttype_t>(
        std::make_shared<PortTypeThing>(Kind::kExportType, "", take_name(name), std::move(found)), kSite);
  });
}
PARALLAX_PART(const wasm_name_t*, wasm_exporttype_name, wasm_exporttype_t, PortTypeThing, &t->name)
PARALLAX_PART(const wasm_externtype_t*, wasm_exporttype_type, wasm_exporttype_t, PortTypeThing, t->lent)

// --- Concrete types ---------------------------------------------------------------------------------------------------

wasm_valtype_t* parallax_valtype_new_ref(const parallax_type_t* type, bool nullable) {
  constexpr const char* kSite = "parallax_valtype_new_ref";
  return attempt(kSite, [&]() -> Got<wasm_valtype_t*> {
    const auto found = TRY(find<ConcreteTypeThing>(type, "the type"));
    const auto ref = wasm::ValType::ref(wasm::HeapType::concrete(found->id), nullable);
    return handle_of<wasm_valtype_t>(describe(found->store, ref), kSite);
  });
}
wasm_valtype_t* parallax_valtype_non_null(const wasm_valtype_t* type) {
  constexpr const char* kSite = "parallax_valtype_non_null";
  return attempt(kSite, [&]() -> Got<wasm_valtype_t*> {
    const auto found = TRY(find<ValTypeThing>(type, "the type"));
    if (!found->type.is_ref()) return refuse(PARALLAX_ERROR_MISMATCH, "only reference types have a non-null form");
    return handle_of<wasm_valtype_t>(describe(found->store, found->type.as_non_null()), kSite);
  });
}
PARALLAX_PART(bool, parallax_valtype_is_nullable, wasm_valtype_t, ValTypeThing, t->type.is_ref() && t->type.nullable())
parallax_type_t* parallax_valtype_type(const wasm_valtype_t* type) {
  constexpr const char* kSite = "parallax_valtype_type";
  return attempt(kSite, [&]() -> Got<parallax_type_t*> {
    const auto found = TRY(find<ValTypeThing>(type, "the type"));
    if (found->store == nullptr) return nullptr;
    return handle_of<parallax_type_t>(std::make_shared<ConcreteTypeThing>(found->type.heap().type_id(), found->store),
                                      kSite);
  });
}

}  // extern "C"
