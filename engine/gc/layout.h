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

 private:
  std::vector<Layout> layouts_;
  Layout host_box_;
  Layout none_;
};

}  // namespace parallax::gc
