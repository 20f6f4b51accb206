#include "fuzz/generators/scenario/model.h"

namespace parallax::fuzz::scenario {

HandleNo Model::add(Handle handle) {
  handles.push_back(handle);
  return static_cast<HandleNo>(handles.size() - 1);
}

HandleNo Model::add_ref(uint32_t store, const Seen& value) {
  Handle handle{.kind = Kind::kRef, .store = store, .value = value};
  switch (value.kind) {
    case Seen::Kind::kForeign: handle.kind = Kind::kForeign; break;
    case Seen::Kind::kFunc:
      handle.kind = Kind::kFunc;
      handle.thing = static_cast<uint32_t>(value.number);
      break;
    case Seen::Kind::kObject:
    case Seen::Kind::kI31: break;
    case Seen::Kind::kNothing:
    case Seen::Kind::kNumber:
    case Seen::Kind::kNull: return kNoHandle;
  }
  const HandleNo made = add(handle);
  if (!stores[store].scopes.empty()) stores[store].scopes.back().push_back(made);
  return made;
}

Refusal Model::live(HandleNo no, Kind kind) const {
  if (no == kNoHandle) return PARALLAX_ERROR_NULL_HANDLE;
  if (handles[no].deleted) return PARALLAX_ERROR_DELETED;
  if (handles[no].kind != kind) return PARALLAX_ERROR_WRONG_KIND;
  return std::nullopt;
}

Refusal Model::use(HandleNo no, Kind kind) const {
  if (const Refusal refusal = live(no, kind)) return refusal;
  if (!alive(handles[no].store)) return PARALLAX_ERROR_STORE_GONE;
  return std::nullopt;
}

Refusal Model::same_store(HandleNo no, uint32_t store) const {
  const Handle& handle = handles[no];
  if (handle.store == store) return std::nullopt;
  return alive(handle.store) ? PARALLAX_ERROR_OTHER_STORE : PARALLAX_ERROR_STORE_GONE;
}

Refusal Model::give_ref(HandleNo no, uint32_t store) const {
  if (no == kNoHandle) return std::nullopt;
  const Handle& handle = handles[no];
  if (handle.deleted) return PARALLAX_ERROR_DELETED;
  if (handle.kind != Kind::kRef && handle.kind != Kind::kForeign && handle.kind != Kind::kFunc) {
    return PARALLAX_ERROR_WRONG_KIND;
  }
  return same_store(no, store);
}

Seen Model::value_of(HandleNo no) const {
  if (no == kNoHandle) return {Seen::Kind::kNull, 0};
  const Handle& handle = handles[no];
  if (handle.kind == Kind::kFunc) return {Seen::Kind::kFunc, handle.thing};
  return handle.value;
}

bool Model::matches(const Seen& value, char letter) {
  switch (value.kind) {
    case Seen::Kind::kNull: return letter == 'p' || letter == 'x' || letter == 'f';
    case Seen::Kind::kObject: return letter == 'p' || letter == 'x';
    case Seen::Kind::kForeign:
    case Seen::Kind::kI31: return letter == 'x';
    case Seen::Kind::kFunc: return letter == 'f';
    case Seen::Kind::kNumber: return letter == 'i';
    case Seen::Kind::kNothing: return false;
  }
  return false;
}

}  // namespace parallax::fuzz::scenario
