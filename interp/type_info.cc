#include "interp/type_info.h"

namespace parallax::interp {

namespace {

FieldInfo field_info(wasm::StorageType storage) {
  FieldInfo info{.storage = storage, .bytes = static_cast<uint32_t>(wasm::storage_size(storage))};
  switch (storage.packed) {
    case wasm::Packed::kI8: info.kind = FieldKind::kI8; return info;
    case wasm::Packed::kI16: info.kind = FieldKind::kI16; return info;
    case wasm::Packed::kNone: break;
  }
  info.is_ref = storage.unpacked.is_ref();
  if (storage.unpacked.kind() == wasm::ValKind::kV128) info.kind = FieldKind::kV128;
  return info;
}

std::unique_ptr<TypeInfo> compute(const wasm::TypeStore& store, wasm::TypeId id) {
  auto info = std::make_unique<TypeInfo>();
  info->id = id;
  info->sub = &store.get(id);
  const auto ancestors = store.ancestors(id);
  info->ancestors.assign(ancestors.begin(), ancestors.end());
  info->fields.reserve(info->sub->fields.size() + info->sub->params.size());
  for (const wasm::FieldType& field : info->sub->fields) info->fields.push_back(field_info(field.storage));
  for (const wasm::ValType param : info->sub->params) info->fields.push_back(field_info({.unpacked = param}));
  info->charge = wasm::kObjectCharge;
  for (uint32_t i = 0; i < info->length(); ++i) {
    const FieldInfo& field = info->fields[i];
    if (field.is_ref) info->ref_fields.push_back(i);
    if (field.kind != FieldKind::kWord) info->all_words = false;
    if (field.kind == FieldKind::kV128) info->has_v128 = true;
    info->charge += field.bytes;
  }
  info->slots = info->has_v128 ? 2 * info->length() : info->length();
  info->param_slots = slot_count(info->sub->params);
  info->result_slots = slot_count(info->sub->results);
  return info;
}

}  // namespace

uint32_t slot_count(const std::vector<wasm::ValType>& types) {
  uint32_t slots = 0;
  for (const wasm::ValType type : types) slots += slot_count(type);
  return slots;
}

const TypeInfo& TypeInfos::get(wasm::TypeId id) {
  if (id.index() >= infos_.size()) infos_.resize(std::max<size_t>(id.index() + 1, store_->size()));
  std::unique_ptr<TypeInfo>& info = infos_[id.index()];
  if (info == nullptr) info = compute(*store_, id);
  return *info;
}

}  // namespace parallax::interp
