#include "engine/gc/layout.h"

#include <utility>

#include "engine/base/check.h"

namespace parallax::gc {

LayoutTable::LayoutTable() {
  host_box_.kind = LayoutKind::kFixed;
  host_box_.bytes = kHeaderBytes + 8;
}

void LayoutTable::define(LayoutId id, Layout layout) {
  CHECK(id < kFirstReservedLayout, "I1: layout id {} is reserved", id);
  if (id >= layouts_.size()) layouts_.resize(id + 1);
  CHECK(layouts_[id].kind == LayoutKind::kNone, "I1: layout {} is defined twice", id);
  layouts_[id] = std::move(layout);
}

}  // namespace parallax::gc
