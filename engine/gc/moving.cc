// The moving collector: copies live objects into fresh space, breadth first.
//
// A space is a page-aligned run [begin, end) anywhere in the region. A collection copies its survivors into another run
// and retires the old one (poisoned, maybe protected). Normally the two alternate between the region's start and the
// space behind it, which keeps caches warm; under zeal the runs advance through a ring of many pages, so that a stale
// name meets retired space for as long as possible instead of the next tenant.
// A space may grow only while some other run could hold all of it: that is `hard_`.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/gc/collector.h"
#include "engine/gc/collectors.h"

namespace parallax::gc {

namespace {

constexpr uint64_t kFirst = kPage;             // the first page is never accessible
constexpr uint64_t kRing = uint64_t{1} << 20;  // how far runs advance under zeal before they start over
constexpr uint64_t kOpenStep = 16 * 1024;      // zeroed ahead of allocation
constexpr uint64_t kEagerOpenStep = kPage;     // the same where every page costs (zeal)

}  // namespace

Moving::Moving(Heap& heap) : Collector(heap) {
  const Zeal& zeal = heap.options_.zeal;
  eager_ = zeal.mode != ZealMode::kNone || zeal.protect || zeal.move_always;
  place(kFirst);
  set_soft_limit();
}

// Starts a space at `begin`, empty.
void Moving::place(uint64_t begin) {
  const uint64_t end = heap_.bytes();
  begin_ = opened_ = begin;
  heap_.publish_begin(begin);
  hard_ = page_down(std::min(end, std::max((end + begin) / 2, 2 * begin - kFirst)));
  soft_ = hard_;
  *heap_.window_.next = begin;
  heap_.publish_window(begin);
}

void Moving::set_soft_limit() {
  const uint64_t next = *heap_.window_.next;
  const uint64_t live = next - begin_;
  soft_ = std::min(hard_, page_up(next + std::max(heap_.options_.collect_after_bytes, live)));
  soft_ = std::max(soft_, opened_);
}

// Zeroes memory at least up to `until`, which must be at most `limit`. False on a violation.
bool Moving::open(uint64_t until, uint64_t limit) {
  const uint64_t step = eager_ ? kEagerOpenStep : kOpenStep;
  const uint64_t end = std::min(limit, page_up(std::max(until, opened_ + step)));
  const uint64_t used_before = std::min(end, pristine_);
  if (used_before > opened_) {
    const Zeal& zeal = heap_.options_.zeal;
    if (zeal.protect) heap_.region_.unprotect(opened_, used_before);
    if (zeal.poison && !zeal.pages && !still_poisoned(opened_, used_before)) return false;
    if (!heap_.origins_.empty()) std::memset(heap_.origins_.base() + opened_, 0, used_before - opened_);
    if (!fault_fires(Fault::kALLOC1)) std::memset(at(opened_), 0, used_before - opened_);
  }
  pristine_ = std::max(pristine_, end);
  opened_ = end;
  return true;
}

uint64_t Moving::allocate(uint64_t bytes, Effort effort) {
  const uint64_t next = *heap_.window_.next;
  const uint64_t limit = effort == Effort::kUntilDue ? soft_ : hard_;
  if (bytes > limit || next > limit - bytes) return 0;
  if (next + bytes > opened_ && !open(next + bytes, limit)) return 0;
  *heap_.window_.next = next + bytes;
  heap_.publish_window(opened_);
  return next;
}

// Where the survivors of a space that used `used` bytes go. One of the two places has room, by choice of `hard_`.
uint64_t Moving::next_place(uint64_t used) const {
  const uint64_t ring = heap_.options_.zeal.pages ? heap_.bytes() / 2 : std::max(kRing, 8 * used);
  const uint64_t ring_end = std::min(heap_.bytes(), ring);
  const bool back_fits = kFirst + used <= begin_;
  if (eager_ && opened_ + used <= ring_end) return opened_;
  return back_fits ? kFirst : opened_;
}

void Moving::collect(Scope) {
  from_begin_ = begin_;
  from_end_ = *heap_.window_.next;
  const uint64_t from_opened = opened_;
  place(next_place(page_up(from_end_ - from_begin_)));
  // What is opened for survivors is zeroed: never what they are copied from.
  const uint64_t hard = hard_;
  if (begin_ < from_begin_) hard_ = std::min(hard_, from_begin_);

  struct Evacuate final : RootVisitor {
    Moving& self;
    explicit Evacuate(Moving& moving) : self(moving) {}
    void visit(Ref* slot, RootKind kind, uint64_t site) override {
      if (is_followed(*slot)) *slot = self.evacuate(*slot, Place::root(kind, site));
    }
  } evacuate_roots(*this);
  heap_.visit_all_roots(evacuate_roots);

  for (uint64_t scan = begin_; scan < *heap_.window_.next && heap_.violation_.empty();) {
    const Ref object{static_cast<uint32_t>(scan)};
    const ObjectHeader header = heap_.header(object);
    if (header.layout() == kFreeLayout) {  // the rest of a page
      scan += uint64_t{header.length} * kObjectAlign;
      continue;
    }
    for_each_ref(object, header, [&](Ref* field, uint32_t offset) {
      if (is_followed(*field)) *field = evacuate(*field, Place::field(scan + offset));
    });
    scan += heap_.layouts_.at(header.layout()).size(header.length);
  }
  if (!heap_.violation_.empty()) return;
  hard_ = hard;

  update_boxes();
  retire(from_begin_, from_opened);
  heap_.stats_.live_bytes_after_last = *heap_.window_.next - begin_;
  set_soft_limit();
  heap_.publish_window(opened_);
}

// The new name of an object, copied now unless it was before. Null after a violation.
Ref Moving::evacuate(Ref ref, const Place& place) {
  if (!heap_.violation_.empty()) return kNullRef;
  if (ref.bits % kObjectAlign == 0 && ref.bits >= from_begin_ && uint64_t{ref.bits} + kHeaderBytes <= from_end_) {
    const ObjectHeader& header = heap_.header(ref);
    // Length is untrusted until the object was admitted; a forwarding mark written by us names the new space.
    if (header.has(kForwarded) && header.length >= begin_ && header.length < *heap_.window_.next)
      return Ref{header.length};
  }
  uint64_t bytes = 0;
  if (!admit(ref, from_begin_, from_end_, place, bytes)) return kNullRef;
  const uint64_t to = allocate(heap_.room_for(bytes), Effort::kUntilFull);
  if (to == 0) {
    heap_.set_violation(
        text::format("I1: survivors need more room than their space had, at {} {:#x}", place.what, place.site));
    return kNullRef;
  }
  heap_.fill_room(to, bytes);
  std::memcpy(at(to), at(ref.bits), bytes);
  if (!heap_.origins_.empty()) std::memcpy(heap_.origins_.base() + to, heap_.origins_.base() + ref.bits, 8);
  ObjectHeader& old = heap_.header(ref);
  heap_.header(Ref{static_cast<uint32_t>(to)}).meta = ObjectHeader::make_meta(old.layout());
  old.meta |= kForwarded;
  old.length = static_cast<uint32_t>(to) + (fault_fires(Fault::kFWD1) ? kObjectAlign : 0);
  ++heap_.stats_.moved_objects;
  return Ref{static_cast<uint32_t>(to)};
}

void Moving::update_boxes() {
  std::erase_if(heap_.boxes_, [&](Ref& box) {
    const ObjectHeader& header = heap_.header(box);
    if (header.has(kForwarded) && header.length >= begin_ && header.length < *heap_.window_.next) {
      box = Ref{header.length};
      return false;
    }
    heap_.client_.host_box_died(heap_.load<uint64_t>(box, kHostBoxIdOffset));
    return true;
  });
}

void Moving::retire(uint64_t begin, uint64_t end) {
  const Zeal& zeal = heap_.options_.zeal;
  // Pages guard themselves; filling whole pages for small objects would cost more than all the rest.
  if (zeal.poison && !zeal.pages) std::memset(at(begin), kPoison, end - begin);
  if (zeal.protect) heap_.region_.protect(begin, end);
}

// Everything that was ever opened and is not part of the space must be poison. Protected space guards itself.
std::string Moving::verify_retired(uint64_t limit) const {
  const Zeal& zeal = heap_.options_.zeal;
  if (!zeal.poison || zeal.protect) return {};
  const uint64_t below = begin_ - kFirst > limit ? begin_ - limit : kFirst;
  const uint64_t above = pristine_ - opened_ > limit ? opened_ + limit : pristine_;
  for (const auto& [begin, end] : {std::pair{below, begin_}, std::pair{opened_, above}}) {
    if (begin < end && !is_poison(at(begin), end - begin)) {
      return text::format("I1: retired space in {:#x}..{:#x} was written", begin, end);
    }
  }
  return {};
}

}  // namespace parallax::gc
