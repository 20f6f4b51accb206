// Modules and instances of the C API.
#include <cstring>

#include "engine/api/capi.h"
#include "engine/wasm/text/parse.h"

namespace parallax::capi {

using wasm::ExternKind;

InstanceThing::~InstanceThing() { store->release_instance(id); }

namespace {

// A serialized module: eight bytes that say so, a hash of the rest, the binary.
constexpr char kMagic[8] = {'P', 'L', 'X', 'M', 'O', 'D', '0', '1'};
constexpr size_t kHeader = sizeof(kMagic) + sizeof(uint64_t);

uint64_t hash_of(const char* bytes, size_t size) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<uint8_t>(bytes[i])) * 0x100000001b3ull;
  return hash;
}

Got<wasm_module_t*> load(const Use& use, std::vector<uint8_t> bytes, const char* site) {
  auto module = wasm::load(std::move(bytes), use->types);
  if (!module) return refuse(module.error());
  return handle_of<wasm_module_t>(
      std::make_shared<ModuleThing>(use.store(), std::make_shared<const wasm::Module>(std::move(*module))), site);
}

Got<std::vector<uint8_t>> bytes_of(const wasm_byte_vec_t* binary) {
  if (binary == nullptr || (binary->size != 0 && binary->data == nullptr)) {
    return refuse(PARALLAX_ERROR_NULL_HANDLE, "the bytes are null");
  }
  return std::vector<uint8_t>(binary->data, binary->data + binary->size);
}

// The type of an item of the module's index spaces.
wasm::ExternType type_of(const wasm::Module& module, ExternKind kind, uint32_t index) {
  wasm::ExternType type{.kind = kind};
  switch (kind) {
    case ExternKind::kFunc: type.type = module.funcs[index].type_id; break;
    case ExternKind::kTable: type.table = module.tables[index].type; break;
    case ExternKind::kMemory: type.memory = module.memories[index].type; break;
    case ExternKind::kGlobal: type.global = module.globals[index].type; break;
    case ExternKind::kTag: type.type = module.tags[index].type_id; break;
  }
  return type;
}

// Types name the module's store, which must not be growing its types on another thread meanwhile.
Got<std::pair<Use, std::shared_ptr<ModuleThing>>> use_module(const wasm_module_t* handle) {
  auto module = TRY(find<ModuleThing>(handle, "the module"));
  Use use = TRY(use_of(*module, handle));
  return std::pair(std::move(use), std::move(module));
}

}  // namespace

}  // namespace parallax::capi

using namespace parallax;        // NOLINT: the entry points
using namespace parallax::capi;  // NOLINT

extern "C" {

wasm_module_t* wasm_module_new(wasm_store_t* store, const wasm_byte_vec_t* binary) {
  constexpr const char* kSite = "wasm_module_new";
  return attempt(kSite, [&]() -> Got<wasm_module_t*> {
    const Use use = TRY(use_store(store));
    return load(use, TRY(bytes_of(binary)), kSite);
  });
}

wasm_module_t* parallax_module_new_text(wasm_store_t* store, const char* source) {
  constexpr const char* kSite = "parallax_module_new_text";
  return attempt(kSite, [&]() -> Got<wasm_module_t*> {
    const Use use = TRY(use_store(store));
    if (source == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "the text is null");
    auto bytes = wasm::text::parse_module(source);
    if (!bytes) return refuse(bytes.error());
    return load(use, std::move(*bytes), kSite);
  });
}

bool wasm_module_validate(wasm_store_t* store, const wasm_byte_vec_t* binary) {
  return attempt("wasm_module_validate", [&]() -> Got<bool> {
    const Use use = TRY(use_store(store));
    // Types of their own: those of a module that is only looked at must not stay.
    auto module = wasm::load(TRY(bytes_of(binary)), std::make_shared<wasm::TypeStore>());
    if (!module) return refuse(module.error());
    return true;
  });
}

void wasm_module_imports(const wasm_module_t* handle, wasm_importtype_vec_t* out) {
  constexpr const char* kSite = "wasm_module_imports";
  if (out == nullptr) return;
  wasm_importtype_vec_new_empty(out);
  attempt(kSite, [&]() -> Got<> {
    const auto [use, thing] = TRY(use_module(handle));
    const wasm::Module& module = *thing->module;
    wasm_importtype_vec_new_uninitialized(out, module.imports.size());
    for (size_t i = 0; i < out->size; ++i) {
      const wasm::Import& item = module.imports[i];
      auto type = describe(use.store(), type_of(module, item.kind, item.index));
      out->data[i] = handle_of<wasm_importtype_t>(
          std::make_shared<PortTypeThing>(Kind::kImportType, item.module, item.name, std::move(type)), kSite);
    }
    return {};
  });
}

void wasm_module_exports(const wasm_module_t* handle, wasm_exporttype_vec_t* out) {
  constexpr const char* kSite = "wasm_module_exports";
  if (out == nullptr) return;
  wasm_exporttype_vec_new_empty(out);
  attempt(kSite, [&]() -> Got<> {
    const auto [use, thing] = TRY(use_module(handle));
    const wasm::Module& module = *thing->module;
    wasm_exporttype_vec_new_uninitialized(out, module.exports.size());
    for (size_t i = 0; i < out->size; ++i) {
      const wasm::Export& item = module.exports[i];
      auto type = describe(use.store(), type_of(module, item.kind, item.index));
      out->data[i] = handle_of<wasm_exporttype_t>(
          std::make_shared<PortTypeThing>(Kind::kExportType, "", item.name, std::move(type)), kSite);
    }
    return {};
  });
}

void wasm_module_serialize(const wasm_module_t* handle, wasm_byte_vec_t* out) {
  if (out == nullptr) return;
  wasm_byte_vec_new_empty(out);
  attempt("wasm_module_serialize", [&]() -> Got<> {
    const auto thing = TRY(find<ModuleThing>(handle, "the module"));
    const std::vector<uint8_t>& bytes = thing->module->bytes;
    wasm_byte_vec_new_uninitialized(out, kHeader + bytes.size());
    if (out->data == nullptr) return refuse(PARALLAX_ERROR_LIMIT, "no memory for {} bytes", bytes.size());
    const auto* const data = reinterpret_cast<const char*>(bytes.data());
    const uint64_t hash = hash_of(data, bytes.size());
    std::memcpy(out->data, kMagic, sizeof(kMagic));
    std::memcpy(out->data + sizeof(kMagic), &hash, sizeof(hash));
    std::memcpy(out->data + kHeader, data, bytes.size());
    return {};
  });
}

wasm_module_t* wasm_module_deserialize(wasm_store_t* store, const wasm_byte_vec_t* serialized) {
  constexpr const char* kSite = "wasm_module_deserialize";
  return attempt(kSite, [&]() -> Got<wasm_module_t*> {
    const Use use = TRY(use_store(store));
    std::vector<uint8_t> bytes = TRY(bytes_of(serialized));
    if (bytes.size() < kHeader || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
      return refuse(PARALLAX_ERROR_REJECTED, "these bytes were not made by wasm_module_serialize");
    }
    uint64_t hash;
    std::memcpy(&hash, bytes.data() + sizeof(kMagic), sizeof(hash));
    bytes.erase(bytes.begin(), bytes.begin() + kHeader);
    if (hash != hash_of(reinterpret_cast<const char*>(bytes.data()), bytes.size())) {
      return refuse(PARALLAX_ERROR_REJECTED, "the serialized module was changed or cut");
    }
    return load(use, std::move(bytes), kSite);
  });
}

wasm_shared_module_t* wasm_module_share(const wasm_module_t* handle) {
  constexpr const char* kSite = "wasm_module_share";
  return attempt(kSite, [&]() -> Got<wasm_shared_module_t*> {
    const auto thing = TRY(find<ModuleThing>(handle, "the module"));
    return handle_of<wasm_shared_module_t>(
        std::make_shared<SharedModuleThing>(thing->store->engine, thing->module->bytes), kSite);
  });
}
void wasm_shared_module_delete(wasm_shared_module_t* shared) { delete_handle(shared, "wasm_shared_module_delete"); }

wasm_module_t* wasm_module_obtain(wasm_store_t* store, const wasm_shared_module_t* handle) {
  constexpr const char* kSite = "wasm_module_obtain";
  return attempt(kSite, [&]() -> Got<wasm_module_t*> {
    const Use use = TRY(use_store(store));
    const auto shared = TRY(find<SharedModuleThing>(handle, "the shared module"));
    if (shared->engine != use->engine) {
      return refuse(PARALLAX_ERROR_OTHER_ENGINE, "I8: the module was shared by engine {}; store {} is of engine {}",
                    shared->engine->number, use->number, use->engine->number);
    }
    return load(use, shared->bytes, kSite);
  });
}

// --- Instances ----------------------------------------------------------------------------------------------------------

wasm_instance_t* wasm_instance_new(wasm_store_t* store, const wasm_module_t* module_handle,
                                   const wasm_extern_vec_t* imports, wasm_trap_t** trap) {
  constexpr const char* kSite = "wasm_instance_new";
  if (trap != nullptr) *trap = nullptr;
  const auto body = [&]() -> Got<wasm_instance_t*> {
    const Use use = TRY(use_store(store));
    const auto module = TRY(find<ModuleThing>(module_handle, "the module"));
    TRY(same_store(*use.store(), *module, module_handle, "the module"));
    const size_t given = imports == nullptr ? 0 : imports->size;
    const auto& wanted = module->module->imports;
    if (given != wanted.size() || (given != 0 && imports->data == nullptr)) {
      return refuse(PARALLAX_ERROR_ARITY, "{} imports are given, {} are expected", given, wanted.size());
    }
    std::vector<wasm::Extern> items;
    for (size_t i = 0; i < given; ++i) {
      const std::string what = text::format("import {} ({}.{})", i, wanted[i].module, wanted[i].name);
      const auto item = TRY(find<ExternThing>(imports->data[i], what.c_str()));
      TRY(same_store(*use.store(), *item, imports->data[i], what.c_str()));
      items.push_back(TRY(extern_of(*use.store(), *item)));
    }
    wasm::InstanceId id = 0;
    wasm::Outcome outcome = use.embedding().instantiate(module->module, items, id);
    if (use->closed)
      return refuse(PARALLAX_ERROR_STORE_GONE, "I8: store {} was deleted by {} meanwhile", use->number, use->closed_by);
    if (!outcome.returned()) {
      const auto ended = trap_of(use.store(), std::move(outcome), kSite);
      if (trap != nullptr) *trap = handle_of<wasm_trap_t>(ended, kSite);
      return nullptr;
    }
    use->in_flight = nullptr;
    auto instance = std::make_shared<InstanceThing>(use.store(), id, module->module);
    use->instances.push_back(instance);
    return handle_of<wasm_instance_t>(std::move(instance), kSite);
  };
  auto made = body();
  if (made) return *made;
  if (trap != nullptr) {
    *trap = refused(kSite, made.error());
  } else {
    keep(kSite, made.error());
  }
  return nullptr;
}

void wasm_instance_exports(const wasm_instance_t* handle, wasm_extern_vec_t* out) {
  constexpr const char* kSite = "wasm_instance_exports";
  if (out == nullptr) return;
  wasm_extern_vec_new_empty(out);
  attempt(kSite, [&]() -> Got<> {
    const auto instance = TRY(find<InstanceThing>(handle, "the instance"));
    const Use use = TRY(use_of(*instance, handle));
    const auto& exports = instance->module->exports;
    wasm_extern_vec_new_uninitialized(out, exports.size());
    for (size_t i = 0; i < out->size; ++i) {
      const auto item = use.embedding().find_export(instance->id, exports[i].name);
      if (!item) return refuse(item.error());
      out->data[i] = handle_of<wasm_extern_t>(TRY(extern_thing(use.store(), *item, instance)), kSite);
    }
    return {};
  });
}

}  // extern "C"
