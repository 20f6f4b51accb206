// Handles of the C API: which thing each names, and what became of those that name none any more.   [establishes I1]
#include <cstring>
#include <iterator>

#include "engine/api/capi.h"
#include "engine/slab/slab.h"

namespace parallax::capi {

namespace {

// What is known of a handle, for messages only.
struct Life {
  uint64_t id = 0;
  Kind kind = Kind::kConfig;
  uint32_t store = 0;
  const char* made_by = "";
  const char* deleted_by = "";
};

struct Registry {
  std::mutex mutex;
  slab::Slab<std::shared_ptr<Thing>> slab{"C API handle", 0};
  std::vector<Life> lives;  // of the latest occupant, by slot
  // The latest deletions, oldest overwritten first: slots are reused at once, so they cannot remember.
  static constexpr size_t kRemembered = 8192;
  std::vector<Life> dead = std::vector<Life>(kRemembered);
  size_t next_dead = 0;
};

// Never destroyed: handles may be deleted by destructors of static objects of the program.
Registry& registry() {
  static auto* const instance = new Registry;
  return *instance;
}

std::string describe(const Life& life) {
  const std::string where = life.store == 0 ? "" : text::format(" in store {}", life.store);
  return text::format("{} made by {}{}", to_string(life.kind), life.made_by, where);
}

struct Kept {
  Failure failure;
};
thread_local Kept kept;

constexpr const char* kErrorTexts[] = {
#define PARALLAX_X(id, text) text,
    PARALLAX_ERRORS(PARALLAX_X)
#undef PARALLAX_X
};

}  // namespace

const char* to_string(Kind kind) {
  static constexpr const char* kTexts[] = {
#define KIND(id, text) text,
#include "engine/api/capi_kinds.def"
#undef KIND
  };
  return kTexts[static_cast<size_t>(kind)];
}

void Thing::set_host_info(void* info, void (*finalizer)(void*)) {
  void* const old_info = std::exchange(host_info, info);
  const auto old_finalizer = std::exchange(host_finalizer, finalizer);
  if (old_finalizer != nullptr) old_finalizer(old_info);
}

uint64_t make_handle(std::shared_ptr<Thing> thing, const char* site) {
  Registry& r = registry();
  const Kind kind = thing->kind;
  const uint32_t store = thing->store == nullptr ? 0 : thing->store->number;
  const std::lock_guard lock(r.mutex);
  const uint64_t id = r.slab.add(std::move(thing), site);
  const slab::SlabId parts{id};
  if (r.lives.size() <= parts.index()) r.lives.resize(parts.index() + 1);
  r.lives[parts.index()] = {id, kind, store, site};
  return id;
}

Got<std::shared_ptr<Thing>> find_thing(const void* handle, const char* what) {
  if (handle == nullptr) return refuse(PARALLAX_ERROR_NULL_HANDLE, "{} is null", what);
  const auto id = reinterpret_cast<uint64_t>(handle);
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  if (const auto* const found = r.slab.find(id)) return *found;
  const slab::SlabId parts{id};
  if (parts.tag() != r.slab.core().tag() || parts.index() >= r.lives.size() || parts.index() == 0) {
    return refuse(PARALLAX_ERROR_FORGED, "I1: {} {} is not a handle of this API", what, handle);
  }
  for (const Life& life : r.dead) {
    if (life.id != id) continue;
    return refuse(PARALLAX_ERROR_DELETED, "I1: {} is a {}, deleted by {}", what, describe(life), life.deleted_by);
  }
  return refuse(PARALLAX_ERROR_DELETED, "I1: {} is a handle that was deleted long ago", what);
}

void delete_handle(const void* handle, const char* site) {
  if (handle == nullptr) return;
  std::shared_ptr<Thing> dying;  // ends after the lock: finalizers may come back
  {
    auto found = find_thing(handle, "the handle");
    if (!found) return keep(site, found.error());
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    const slab::SlabId id{reinterpret_cast<uint64_t>(handle)};
    auto* const entry = r.slab.find(id.bits);
    if (entry == nullptr) return;  // another thread was faster
    dying = std::move(*entry);
    Life& grave = r.dead[r.next_dead++ % Registry::kRemembered];
    grave = r.lives[id.index()];
    grave.deleted_by = site;
    r.slab.release(grave.id);
  }
}

std::string origin(const void* handle) {
  const slab::SlabId id{reinterpret_cast<uint64_t>(handle)};
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  if (handle == nullptr || id.index() >= r.lives.size()) return "thing";
  return describe(r.lives[id.index()]);
}

std::unexpected<Failure> wrong_kind(const void* handle, const Thing&, const char* what, const char* wanted) {
  const char* const article = std::strchr("aeiou", wanted[0]) != nullptr ? "an" : "a";
  return refuse(PARALLAX_ERROR_WRONG_KIND, "I1: {} is a {}; {} {} is needed", what, origin(handle), article, wanted);
}

std::unexpected<Failure> refuse(const Error& error) {
  switch (error.code) {
    case ErrorCode::kMalformed:
    case ErrorCode::kInvalid:
    case ErrorCode::kSyntax: return refuse(PARALLAX_ERROR_REJECTED, "{}", error.to_string());
    case ErrorCode::kUnlinkable: return refuse(PARALLAX_ERROR_UNLINKABLE, "{}", error.message);
    case ErrorCode::kLimit:
    case ErrorCode::kIo: return refuse(PARALLAX_ERROR_LIMIT, "{}", error.message);
    case ErrorCode::kUnsupported: return refuse(PARALLAX_ERROR_UNSUPPORTED, "{}", error.message);
    case ErrorCode::kUsage: return refuse(PARALLAX_ERROR_MISMATCH, "{}", error.message);
    case ErrorCode::kInvariant: return refuse(PARALLAX_ERROR_INVARIANT, "{}", error.message);
  }
  return refuse(PARALLAX_ERROR_MISMATCH, "{}", error.message);
}

void keep(const char* site, const Failure& failure) {
  kept.failure = {failure.code, text::format("{}: {}", site, failure.text)};
}

}  // namespace parallax::capi

using namespace parallax::capi;  // NOLINT: the entry points

extern "C" {

parallax_error_t parallax_error(void) { return kept.failure.code; }
const char* parallax_error_message(void) { return kept.failure.text.c_str(); }
void parallax_error_clear(void) { kept.failure = {}; }
const char* parallax_error_text(parallax_error_t error) {
  return error < std::size(kErrorTexts) ? kErrorTexts[error] : "unknown error";
}

size_t parallax_live_handles(void) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  return r.slab.core().live();
}

}  // extern "C"
