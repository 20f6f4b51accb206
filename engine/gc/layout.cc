#include "engine/gc/layout.h"

#include <utility>

#include "engine/base/check.h"

namespace parallax::gc {

namespace {

TraceRow row_of(const Layout& layout) {
  TraceRow row{.bytes = layout.bytes, .element_bytes = layout.element_bytes};
  switch (layout.kind) {
    case LayoutKind::kNone: return row;
    case LayoutKind::kArray:
      row.kind = layout.elements_are_refs ? TraceRow::Kind::kRefArray : TraceRow::Kind::kArray;
      return row;
    case LayoutKind::kFixed: break;
  }
  row.kind = TraceRow::Kind::kFixed;
  for (const uint32_t offset : layout.ref_offsets) {
    const uint32_t index = (offset - kHeaderBytes) / sizeof(uint32_t);
    if (index >= 64) {
      row.kind = TraceRow::Kind::kFixedLong;
    } else {
      row.refs |= uint64_t{1} << index;
    }
  }
  return row;
}

}  // namespace

LayoutTable::LayoutTable() {
  host_box_.kind = LayoutKind::kFixed;
  host_box_.bytes = kHeaderBytes + 8;
  host_box_row_ = row_of(host_box_);
}

void LayoutTable::define(LayoutId id, Layout layout) {
  CHECK(id < kFirstReservedLayout, "I1: layout id {} is reserved", id);
  if (id >= layouts_.size()) layouts_.resize(id + 1);
  CHECK(layouts_[id].kind == LayoutKind::kNone, "I1: layout {} is defined twice", id);
  if (rows_.size() < layouts_.size()) rows_.resize(layouts_.size());
  rows_[id] = row_of(layout);
  layouts_[id] = std::move(layout);
}

}  // namespace parallax::gc
