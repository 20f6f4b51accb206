// The non-moving collector: mark and sweep, freed cells reused at once, most recently freed first.
//
// Objects and free cells lie back to back from the first page to the window's `next`, so that the space can always be
// parsed. Neighbouring free cells are merged by the sweep; allocation takes an exact fit first, then splits. A cell that
// was freed and handed to somebody else is what a missed root looks like here, where the moving collector shows retired
// space instead.
#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/gc/collector.h"
#include "engine/gc/collectors.h"

namespace parallax::gc {

NonMoving::NonMoving(Heap& heap) : Collector(heap), due_at_(heap.options_.collect_after_bytes) {}

uint64_t NonMoving::allocate(uint64_t bytes, Effort effort) {
  if (effort == Effort::kUntilDue && allocated_ + bytes > due_at_) return 0;
  uint64_t& next = *heap_.window_.next;
  const bool has_room = bytes <= heap_.bytes() && next <= heap_.bytes() - bytes;
  if (heap_.options_.zeal.protect && !was_full_ && !has_room) {
    begin_walk();
    shut_.clear();
    was_full_ = true;
  }
  const bool reuse = !heap_.options_.zeal.protect || was_full_;
  uint64_t cell = reuse ? take_from_bins(bytes) : 0;
  if (cell == 0) {
    if (!has_room) return 0;
    cell = next;
    next += bytes;
    dirty_ = next;
    heap_.publish_window(next);
  }
  allocated_ += bytes;
  return heap_.violation_.empty() ? cell : 0;
}

// Pages guard themselves.
bool NonMoving::poisons() const { return heap_.options_.zeal.poison && !heap_.options_.zeal.pages; }

uint64_t NonMoving::take_from_bins(uint64_t bytes) {
  const uint64_t units = bytes / kObjectAlign;
  for (uint64_t bin = units; bin < kBins; ++bin) {
    if (!bins_[bin].empty()) return take_from_bin(bin, bins_[bin].size() - 1, bytes);
  }
  for (uint64_t i = bins_[0].size(); i-- > 0;) {
    if (heap_.header(Ref{bins_[0][i]}).length >= units) return take_from_bin(0, i, bytes);
  }
  return 0;
}

// Takes the first `bytes` of a free cell; the rest stays free.
uint64_t NonMoving::take_from_bin(uint64_t bin, uint64_t index, uint64_t bytes) {
  const uint32_t cell = bins_[bin][index];
  bins_[bin].erase(bins_[bin].begin() + static_cast<ptrdiff_t>(index));
  const uint64_t cell_bytes = uint64_t{heap_.header(Ref{cell}).length} * kObjectAlign;
  if (poisons()) still_poisoned(cell + kHeaderBytes, cell + bytes);
  if (!heap_.origins_.empty()) std::memset(heap_.origins_.base() + cell, 0, bytes);
  if (!fault_fires(Fault::kALLOC1)) std::memset(at(cell), 0, bytes);
  if (cell_bytes > bytes) free_run(cell + bytes, cell + cell_bytes);
  ++heap_.stats_.reused_cells;
  return cell;
}

// Makes [begin, end) one free cell.
void NonMoving::free_run(uint64_t begin, uint64_t end) {
  const uint64_t units = (end - begin) / kObjectAlign;
  heap_.header(Ref{static_cast<uint32_t>(begin)}) =
      ObjectHeader{.meta = ObjectHeader::make_meta(kFreeLayout), .length = static_cast<uint32_t>(units)};
  bins_[units < kBins ? units : 0].push_back(static_cast<uint32_t>(begin));
  if (heap_.options_.zeal.protect && !was_full_ && page_up(begin) < page_down(end))
    shut_.emplace_back(page_up(begin), page_down(end));
}

// Under `protect` the whole pages of free runs are inaccessible, except while somebody walks over the cells.
void NonMoving::begin_walk() {
  if (walks_++ != 0) return;
  for (const auto& [begin, end] : shut_) heap_.region_.unprotect(begin, end);
}

void NonMoving::end_walk() {
  if (--walks_ != 0) return;
  for (const auto& [begin, end] : shut_) heap_.region_.protect(begin, end);
}

bool NonMoving::readable(Ref ref) const {
  const auto after = std::upper_bound(shut_.begin(), shut_.end(), std::pair(uint64_t{ref.bits}, ~uint64_t{0}));
  return after == shut_.begin() || std::prev(after)->second <= ref.bits;
}

void NonMoving::collect(Scope) {
  struct Mark final : RootVisitor {
    NonMoving& self;
    explicit Mark(NonMoving& non_moving) : self(non_moving) {}
    void visit(Ref* slot, RootKind kind, uint64_t site) override {
      if (is_followed(*slot)) self.mark(*slot, Place::root(kind, site));
    }
  } mark_roots(*this);
  begin_walk();
  shut_.clear();  // nothing is retired until the sweep has decided
  heap_.visit_all_roots(mark_roots);

  while (!stack_.empty() && heap_.violation_.empty()) {
    const Ref object = stack_.back();
    stack_.pop_back();
    for_each_ref(object, heap_.header(object), [&](Ref* field, uint32_t offset) {
      if (is_followed(*field)) mark(*field, Place::field(object.bits + offset));
    });
  }
  if (heap_.violation_.empty()) sweep();
  end_walk();
}

void NonMoving::mark(Ref ref, const Place& place) {
  uint64_t bytes = 0;
  if (!heap_.violation_.empty() || !admit(ref, kPage, *heap_.window_.next, place, bytes)) return;
  ObjectHeader& header = heap_.header(ref);
  if (header.has(kMarked)) return;
  header.meta |= kMarked;
  stack_.push_back(ref);
}

void NonMoving::sweep() {
  std::erase_if(heap_.boxes_, [&](Ref box) {
    if (heap_.header(box).has(kMarked)) return false;
    heap_.client_.host_box_died(heap_.load<uint64_t>(box, kHostBoxIdOffset));
    return true;
  });
  for (std::vector<uint32_t>& bin : bins_) bin.clear();
  live_ = 0;

  const bool poison = poisons();
  const uint64_t end = *heap_.window_.next;
  uint64_t run = 0;  // start of the current run of dead and free cells
  for (uint64_t cell = kPage; cell < end;) {
    ObjectHeader& header = heap_.header(Ref{static_cast<uint32_t>(cell)});
    const bool free = header.layout() == kFreeLayout;
    const Layout& layout = heap_.layouts_.at(header.layout());
    const uint64_t bytes = free ? uint64_t{header.length} * kObjectAlign : layout.size(header.length);
    if ((!free && layout.kind == LayoutKind::kNone) || bytes < kHeaderBytes || bytes > end - cell) {
      return heap_.set_violation(text::format("I1: the cell at {:#x} cannot be parsed", cell));
    }
    if (!free && header.has(kMarked)) {
      header.meta &= ~uint32_t{kMarked};
      live_ += bytes;
      if (run != 0) free_run(run, cell);
      run = 0;
    } else {
      if (!free) ++heap_.stats_.freed_cells;
      if (poison) std::memset(at(cell), kPoison, free ? kHeaderBytes : bytes);
      if (run == 0) run = cell;
    }
    cell += bytes;
  }
  if (run != 0) free_run(run, end);
  heap_.stats_.live_bytes_after_last = live_;
  due_at_ = allocated_ + std::max(heap_.options_.collect_after_bytes, live_);
}

// The inside of every free cell must still be poison.
std::string NonMoving::verify_retired(uint64_t limit) const {
  if (!poisons() || heap_.options_.zeal.protect) return {};
  for (const std::vector<uint32_t>& bin : bins_) {
    for (const uint32_t cell : bin) {
      const uint64_t bytes = uint64_t{heap_.header(Ref{cell}).length} * kObjectAlign;
      if (bytes > limit) return {};
      limit -= bytes;
      if (!is_poison(at(cell + kHeaderBytes), bytes - kHeaderBytes)) {
        return text::format("I1: the freed cell at {:#x} ({} bytes) was written", cell, bytes);
      }
    }
  }
  return {};
}

}  // namespace parallax::gc
