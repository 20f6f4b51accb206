// The heap verifier.   [judge of I1]
//
// Checks, in this order, and reports the first violation:
//   1. live space parses from begin to end as objects with known layouts and free cells;
//   2. outside a collection no object carries a collector's flag;
//   3. every reference in every object, reachable or not, is null, an i31, or the exact start of an object;
//   4. every root likewise;
//   5. the list of host boxes names exactly the boxes in the heap;
//   6. old objects (generational heap): each one that refers to a young object is on the list of remembered objects, and
//      each one that can hold references either is on it or carries the flag by which the barrier puts it there;    [I9]
//   7. what the collector says about retired space (poison).
// Reads only headers and layouts; shares nothing with the collectors' tracing nor with the barrier. Not checked: whether field contents suit
// their Wasm types (runtime/heap_types.cc does), and liveness.
#include <algorithm>
#include <vector>

#include "engine/base/text.h"
#include "engine/gc/collector.h"
#include "engine/gc/heap.h"

namespace parallax::gc {

namespace {

// One bit for each possible object start.
class Starts {
 public:
  explicit Starts(const std::vector<ByteRange>& spaces) {
    for (const ByteRange& space : spaces)
      parts_.push_back({space, std::vector<bool>(space.bytes() / kObjectAlign + 1)});
  }
  void add(Ref ref) {
    Part* const part = find(ref);
    if (part != nullptr) part->bits[(ref.bits - part->space.begin) / kObjectAlign] = true;
  }
  bool has(Ref ref) const {
    const Part* const part = const_cast<Starts*>(this)->find(ref);
    return part != nullptr && ref.bits % kObjectAlign == 0 && part->bits[(ref.bits - part->space.begin) / kObjectAlign];
  }

 private:
  struct Part {
    ByteRange space;
    std::vector<bool> bits;
  };
  Part* find(Ref ref) {
    const auto behind = std::upper_bound(parts_.begin(), parts_.end(), uint64_t{ref.bits},
                                         [](uint64_t offset, const Part& part) { return offset < part.space.begin; });
    if (behind == parts_.begin()) return nullptr;
    Part& part = *std::prev(behind);
    return part.space.has(ref.bits) ? &part : nullptr;
  }
  std::vector<Part> parts_;  // ascending
};

std::string check_fields(const Heap& heap, const Starts& starts) {
  std::string problem;
  heap.for_each_object([&](Ref object, const ObjectHeader& header) {
    const Layout& layout = heap.layouts().at(header.layout());
    const auto check = [&](uint64_t offset) {
      const Ref value = heap.load<Ref>(Ref{object.bits}, static_cast<uint32_t>(offset));
      if (!problem.empty() || value.is_null() || value.is_i31() || starts.has(value)) return;
      problem = text::format("I1: object {:#x} (layout {}, length {}) holds {:#x} at offset {}, not an object start",
                             object.bits, header.layout(), header.length, value.bits, offset);
    };
    for (const uint32_t offset : layout.ref_offsets) check(offset);
    if (layout.kind != LayoutKind::kArray || !layout.elements_are_refs) return;
    for (uint32_t i = 0; i < header.length; ++i) check(kHeaderBytes + uint64_t{i} * sizeof(Ref));
  });
  return problem;
}

// What a minor collection will not look into must not refer to young objects.
std::string check_remembered(const Heap& heap, const Collector& collector) {
  std::vector<Ref> listed = collector.remembered();
  const auto less = [](Ref a, Ref b) { return a.bits < b.bits; };
  std::sort(listed.begin(), listed.end(), less);
  std::string problem;
  heap.for_each_object([&](Ref object, const ObjectHeader& header) {
    const Layout& layout = heap.layouts().at(header.layout());
    const bool watched = header.has(kWatched);
    if (!problem.empty()) return;
    if (collector.is_young(object.bits)) {
      if (watched) problem = text::format("I9: young object {:#x} carries the flag of old ones", object.bits);
      return;
    }
    const auto refers_to_young = [&](uint64_t offset) {
      const Ref value = heap.load<Ref>(object, static_cast<uint32_t>(offset));
      if (!problem.empty() || !value.is_object() || !collector.is_young(value.bits)) return;
      problem = text::format(
          "I9: old object {:#x} (layout {}, length {}) holds young {:#x} at offset {}, and is not remembered\n"
          "  {:#x} is {}\n  {:#x} is {}",
          object.bits, header.layout(), header.length, value.bits, offset, object.bits, heap.describe(object),
          value.bits, heap.describe(value));
    };
    const bool on_list = std::binary_search(listed.begin(), listed.end(), object, less);
    if (!on_list) {
      for (const uint32_t offset : layout.ref_offsets) refers_to_young(offset);
      const uint32_t refs = layout.elements_are_refs ? header.length : 0;
      for (uint32_t i = 0; i < refs; ++i) refers_to_young(kHeaderBytes + uint64_t{i} * sizeof(Ref));
    }
    const bool can_refer = !layout.ref_offsets.empty() || layout.elements_are_refs;
    if (problem.empty() && can_refer && on_list == watched) {
      problem = text::format("I9: old object {:#x} (layout {}) {}", object.bits, header.layout(),
                             watched ? "is on the list of remembered objects and carries the flag of those that are not"
                                     : "is not on the list of remembered objects, and no store will put it there");
    }
  });
  return problem;
}

struct CheckRoots final : RootVisitor {
  const Starts& starts;
  std::string problem;
  explicit CheckRoots(const Starts& s) : starts(s) {}
  void visit(Ref* slot, RootKind kind, uint64_t site) override {
    if (!problem.empty() || slot->is_null() || slot->is_i31() || starts.has(*slot)) return;
    problem = text::format("{}: root ({}, site {:#x}) holds {:#x}, not an object start", invariant_of(kind),
                           kRootKindText[static_cast<size_t>(kind)], site, slot->bits);
  }
};

}  // namespace

std::string Heap::verify(uint64_t retired_bytes) {
  ++stats_.verifications;
  if (!violation_.empty()) return violation_;
  std::string problem;
  Starts starts(spaces());
  size_t boxes = 0;
  const uint64_t stuck = for_each_object([&](Ref object, const ObjectHeader& header) {
    starts.add(object);
    if (header.layout() == kHostBoxLayout) ++boxes;
    if ((header.meta & 0xff & ~uint32_t{kWatched}) != 0 && problem.empty()) {
      problem =
          text::format("I1: object {:#x} carries flags {:#x} outside a collection", object.bits, header.meta & 0xff);
    }
  });
  if (stuck != 0) return text::format("I1: the cell at {:#x} cannot be parsed", stuck);
  if (problem.empty()) problem = check_fields(*this, starts);
  if (problem.empty()) problem = check_remembered(*this, *collector_);
  if (problem.empty()) {
    CheckRoots check(starts);
    visit_all_roots(check);
    problem = check.problem;
  }
  for (const Ref box : boxes_) {
    if (!problem.empty()) break;
    if (!starts.has(box) || header(box).layout() != kHostBoxLayout) {
      problem = text::format("I1: the list of host boxes names {:#x}, which is none", box.bits);
    }
  }
  if (problem.empty() && boxes != boxes_.size()) {
    problem = text::format("I1: {} host boxes in the heap, {} are listed", boxes, boxes_.size());
  }
  return problem.empty() ? collector_->verify_retired(retired_bytes) : problem;
}

}  // namespace parallax::gc
