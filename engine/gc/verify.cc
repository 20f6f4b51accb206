// The heap verifier.   [judge of I1]
//
// Checks, in this order, and reports the first violation:
//   1. live space parses from begin to end as objects with known layouts and free cells;
//   2. outside a collection no object carries a collector's flag;
//   3. every reference in every object, reachable or not, is null, an i31, or the exact start of an object;
//   4. every root likewise;
//   5. the list of host boxes names exactly the boxes in the heap;
//   6. what the collector says about retired space (poison).
// Reads only headers and layouts; shares nothing with the collectors' tracing. Not checked: whether field contents suit
// their Wasm types (runtime/heap_types.cc does), and liveness.
#include <vector>

#include "engine/base/text.h"
#include "engine/gc/collector.h"
#include "engine/gc/heap.h"

namespace parallax::gc {

namespace {

// One bit for each possible object start.
class Starts {
 public:
  Starts(uint64_t begin, uint64_t end) : begin_(begin), bits_((end - begin) / kObjectAlign + 1) {}
  void add(Ref ref) { bits_[(ref.bits - begin_) / kObjectAlign] = true; }
  bool has(Ref ref) const {
    if (ref.bits % kObjectAlign != 0 || ref.bits < begin_) return false;
    const uint64_t index = (ref.bits - begin_) / kObjectAlign;
    return index < bits_.size() && bits_[index];
  }

 private:
  uint64_t begin_;
  std::vector<bool> bits_;
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
  Starts starts(space_begin(), space_end());
  size_t boxes = 0;
  const uint64_t stuck = for_each_object([&](Ref object, const ObjectHeader& header) {
    starts.add(object);
    if (header.layout() == kHostBoxLayout) ++boxes;
    if ((header.meta & 0xff) != 0 && problem.empty()) {
      problem =
          text::format("I1: object {:#x} carries flags {:#x} outside a collection", object.bits, header.meta & 0xff);
    }
  });
  if (stuck != 0) return text::format("I1: the cell at {:#x} cannot be parsed", stuck);
  if (problem.empty()) problem = check_fields(*this, starts);
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
