#include "interp/handles.h"

#include "engine/base/text.h"

namespace parallax::interp {

const char* to_string(HandleKind kind) {
  switch (kind) {
    case HandleKind::kFree: return "released";
    case HandleKind::kFunc: return "function";
    case HandleKind::kTable: return "table";
    case HandleKind::kMemory: return "memory";
    case HandleKind::kGlobal: return "global";
    case HandleKind::kTag: return "tag";
    case HandleKind::kInstance: return "instance";
    case HandleKind::kRoot: return "root";
  }
  return "?";
}

uint64_t Handles::add(HandleEntry entry) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(entries_.size()));
    entries_.emplace_back();
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  entry.generation = entries_[index].generation;
  entries_[index] = std::move(entry);
  return id_of(index);
}

std::expected<HandleEntry*, std::string> Handles::find(uint64_t id, HandleKind expected) {
  const uint16_t tag = tag_of(id);
  const auto generation = static_cast<uint16_t>(id >> 32);
  const auto index = static_cast<uint32_t>(id);
  if (id == 0) return std::unexpected(text::format("I1: no id: expected a {} of store {}", to_string(expected), tag_));
  if (tag != tag_) {
    return std::unexpected(text::format("I1: id from different slab: {} {:#x} belongs to store {}, used in store {}",
                                        to_string(expected), id, tag, tag_));
  }
  if (index >= entries_.size()) {
    return std::unexpected(text::format("I1: no such id: {} {:#x}, store {} has {} handles", to_string(expected), id,
                                        tag_, entries_.size()));
  }
  HandleEntry& entry = entries_[index];
  if (entry.generation != generation || entry.kind == HandleKind::kFree) {
    return std::unexpected(
        text::format("I1: stale id: {} {:#x} of store {} has generation {}, slot {} is now a {} of generation {}",
                     to_string(expected), id, tag_, generation, index, to_string(entry.kind), entry.generation));
  }
  if (entry.kind != expected) {
    return std::unexpected(text::format("I1: id of another kind: {:#x} of store {} is a {}, used as a {}", id, tag_,
                                        to_string(entry.kind), to_string(expected)));
  }
  return &entry;
}

void Handles::release(uint64_t id) {
  const auto index = static_cast<uint32_t>(id);
  const auto generation = static_cast<uint16_t>(entries_[index].generation + 1);
  entries_[index] = {};
  entries_[index].generation = generation;
  if (generation != 0xffff) free_.push_back(index);
}

}  // namespace parallax::interp
