#include "engine/gc/heap.h"

#include <algorithm>
#include <utility>

#include "engine/base/text.h"
#include "engine/gc/collector.h"

namespace parallax::gc {

namespace {

constexpr uint64_t kSmallestHeap = 64 * 1024;
// Of retired space, this much is looked at around every collection; all of it when the embedder asks.
constexpr uint64_t kRecentRetired = 64 * 1024;
constexpr uint64_t kLargestHeap = (uint64_t{1} << 32) - 64 * 1024;

}  // namespace

Heap::Heap(const HeapOptions& options, const LayoutTable& layouts, HeapClient& client, BumpWindow window)
    : options_(options), layouts_(layouts), client_(client), window_(window) {
  options_.heap_bytes = page_up(std::clamp(options.heap_bytes, kSmallestHeap, kLargestHeap));
  region_ = Region::acquire(RegionUse::kHeap, options_.heap_bytes);
  base_ = region_.base();
  *window_.next = *window_.limit = kPage;
  collector_ = make_collector(options_.collector, *this);
}

Heap::~Heap() {
  if (ok()) region_.set_dirty(collector_->dirty_end());
}

uint64_t Heap::space_begin() const { return collector_->space_begin(); }

void Heap::set_violation(std::string text) {
  if (violation_.empty()) violation_ = std::move(text);
}

// Makes zeroed memory up to `zeroed_until` available to inline allocation, unless zeal must see every allocation.
void Heap::publish_window(uint64_t zeroed_until) {
  open_limit_ = zeroed_until;
  *window_.limit = options_.zeal.mode == ZealMode::kNone ? zeroed_until : *window_.next;
}

bool Heap::zeal_fires(bool at_allocation) {
  const Zeal& zeal = options_.zeal;
  const uint64_t point = stats_.safepoints++;
  switch (zeal.mode) {
    case ZealMode::kNone: return false;
    case ZealMode::kEveryAlloc: return at_allocation;
    case ZealMode::kEverySafepoint: return true;
    case ZealMode::kNth: return zeal.n != 0 && (point + 1) % zeal.n == 0;
    case ZealMode::kOnlyNth: return point == zeal.n;
  }
  return false;
}

Ref Heap::allocate(LayoutId layout, uint32_t length, uint64_t bytes) {
  if (!ok()) return kNullRef;
  if (zeal_fires(true)) collect_now();
  if (!violation_.empty()) return kNullRef;
  uint64_t at = collector_->allocate(bytes, Effort::kUntilDue);
  // A second collection can place the survivors better (moving.cc).
  for (int attempt = 0; at == 0 && attempt < 2 && options_.collector != GcKind::kNever; ++attempt) {
    collect_now();
    if (!violation_.empty()) return kNullRef;
    at = collector_->allocate(bytes, Effort::kUntilFull);
  }
  if (at == 0) return kNullRef;
  const Ref ref{static_cast<uint32_t>(at)};
  header(ref) = ObjectHeader{.meta = ObjectHeader::make_meta(layout), .length = length};
  return ref;
}

Ref Heap::allocate_box(uint64_t host_id) {
  const Ref box = allocate(kHostBoxLayout, 0, layouts_.at(kHostBoxLayout).bytes);
  if (box.is_null()) return box;
  store(box, kHostBoxIdOffset, host_id);
  boxes_.push_back(box);
  return box;
}

void Heap::poll() {
  if (zeal_fires(false)) collect_now();
}

void Heap::collect() { collect_now(); }

void Heap::collect_now() {
  if (options_.collector == GcKind::kNever || !violation_.empty() || !ok()) return;
  if (options_.zeal.verify_before) set_violation(verify(kRecentRetired));
  if (!violation_.empty()) return;
  ++stats_.collections;
  collector_->collect();
  if (options_.zeal.verify_after && violation_.empty()) set_violation(verify(kRecentRetired));
}

void Heap::visit_all_roots(RootVisitor& visitor) {
  for (Rooted* handle = handles_; handle != nullptr; handle = handle->previous_) {
    visitor.visit(&handle->ref, RootKind::kHandle, 0);
  }
  client_.visit_roots(visitor);
}

bool Heap::plausible(Ref ref) const {
  if (!ref.is_object()) return true;
  const uint64_t end = space_end();
  if (ref.bits % kObjectAlign != 0 || ref.bits < space_begin() || uint64_t{ref.bits} + kHeaderBytes > end) return false;
  const ObjectHeader& object = header(ref);
  const Layout& layout = layouts_.at(object.layout());
  if (layout.kind == LayoutKind::kNone || object.has(kForwarded)) return false;
  return layout.size(object.length) <= end - ref.bits;
}

bool Collector::admit(Ref ref, uint64_t begin, uint64_t end, const Place& place, uint64_t& bytes) {
  const auto reject = [&](const char* why) {
    heap_.set_violation(text::format("{}: {} {:#x} holds {:#x}, {} (live space {:#x}..{:#x})", place.invariant,
                                     place.what, place.site, ref.bits, why, begin, end));
    return false;
  };
  if (ref.bits % kObjectAlign != 0) return reject("not an object start");
  if (ref.bits < begin || uint64_t{ref.bits} + kHeaderBytes > end) return reject("a name outside the live space");
  const ObjectHeader& header = heap_.header(ref);
  const Layout& layout = heap_.layouts_.at(header.layout());
  if (layout.kind == LayoutKind::kNone) {
    return reject(header.layout() == kFreeLayout ? "a freed cell" : "something without a known layout");
  }
  bytes = layout.size(header.length);
  if (bytes > end - ref.bits) return reject("an object that reaches beyond the live space");
  return true;
}

bool Collector::is_poison(const uint8_t* begin, uint64_t bytes) {
  // Equal to itself shifted by one: all bytes are the first one. memcmp is many times faster than a loop.
  return bytes == 0 || (begin[0] == kPoison && std::memcmp(begin, begin + 1, bytes - 1) == 0);
}

bool Collector::still_poisoned(uint64_t begin, uint64_t end) {
  heap_.stats_.poison_checked += end - begin;
  if (is_poison(at(begin), end - begin)) return true;
  uint64_t where = begin;
  while (*at(where) == kPoison) ++where;
  heap_.set_violation(
      text::format("I1: retired space was written at {:#x}: byte {:#x} instead of poison", where, *at(where)));
  return false;
}

}  // namespace parallax::gc
