// Layouts: what the collector knows about objects. Sizes and where references are; nothing of WebAssembly.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/gc/object.h"

namespace parallax::gc {

enum class LayoutKind : uint8_t {
  kNone,   // no such layout: an object that claims it is corrupt
  kFixed,  // `bytes` in all, references at `ref_offsets`
  kArray,  // header, then `length` elements of `element_bytes`
};

struct Layout {
  LayoutKind kind = LayoutKind::kNone;
  bool elements_are_refs = false;
  uint8_t element_bytes = 0;
  uint32_t bytes = 0;                 // kFixed: header included, a multiple of kObjectAlign
  std::vector<uint32_t> ref_offsets;  // kFixed: from the object's start

  // Bytes of an object with this layout and array length. Requires kind != kNone.
  uint64_t size(uint32_t length) const {
    if (kind == LayoutKind::kFixed) return bytes;
    const uint64_t raw = kHeaderBytes + uint64_t{length} * element_bytes;
    return (raw + kObjectAlign - 1) & ~uint64_t{kObjectAlign - 1};
  }
};

// What tracing needs of a layout, in one load: without a word about what else a layout may be one day.
struct TraceRow {
  enum class Kind : uint8_t {
    kNone,       // no such layout
    kFixed,      // references at 8 + 4 * i for every bit i of `refs`
    kFixedLong,  // with references beyond what `refs` can say: Layout::ref_offsets has them
    kArray,      // elements that are no references
    kRefArray,
  };
  uint64_t refs = 0;
  uint32_t bytes = 0;  // kFixed, kFixedLong: the whole object
  Kind kind = Kind::kNone;
  uint8_t element_bytes = 0;

  uint64_t size(uint32_t length) const {
    if (kind == Kind::kFixed || kind == Kind::kFixedLong) return bytes;
    return (kHeaderBytes + uint64_t{length} * element_bytes + kObjectAlign - 1) & ~uint64_t{kObjectAlign - 1};
  }
  bool has_refs() const { return refs != 0 || kind == Kind::kFixedLong || kind == Kind::kRefArray; }
};
static_assert(sizeof(TraceRow) == 16);

class LayoutTable {
 public:
  LayoutTable();
  // Requires: id is below kFirstReservedLayout and not yet defined.
  void define(LayoutId id, Layout layout);
  // Never fails: an id that was not defined gives a layout of kind kNone.
  const Layout& at(LayoutId id) const {
    if (id < layouts_.size()) [[likely]]
      return layouts_[id];
    return id == kHostBoxLayout ? host_box_ : none_;
  }
  // The same for tracing.
  const TraceRow& row(LayoutId id) const {
    if (id < rows_.size()) [[likely]]
      return rows_[id];
    return id == kHostBoxLayout ? host_box_row_ : none_row_;
  }

 private:
  std::vector<TraceRow> rows_;
  TraceRow host_box_row_;
  TraceRow none_row_;
  std::vector<Layout> layouts_;
  Layout host_box_;
  Layout none_;
};

}  // namespace parallax::gc
