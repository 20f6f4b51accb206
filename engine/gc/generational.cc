#include "engine/gc/generational.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/base/text.h"

namespace parallax::gc {

namespace {

constexpr uint64_t kFirst = kPage;                  // the first page is never accessible
constexpr uint64_t kRing = uint64_t{1} << 20;       // how far runs advance under zeal before they start over
constexpr uint64_t kZeroStep = 16 * 1024;           // zeroed ahead of allocation, so that it is still in the cache
constexpr uint64_t kFirstEden = uint64_t{1} << 20;  // what the cache behind the first holds
constexpr uint64_t kLargeObject = 16 * 1024;        // copying more than this costs more than a page or two of waste
constexpr uint64_t kPrefetchBytes = 256;            // of copies whose references are fetched ahead of scanning them
constexpr uint64_t kPrefetchElements = 8;
constexpr uint64_t kWorthDiscarding = uint64_t{1} << 20;

// Both are multiples of 8.
void copy_words(uint8_t* to, const uint8_t* from, uint64_t bytes) {
  if (bytes > 64) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (uint64_t i = 0; i < bytes; i += 8) std::memcpy(to + i, from + i, 8);
}

}  // namespace

// --- Memory --------------------------------------------------------------------------------------------------------

Generational::Generational(Heap& heap) : Collector(heap) {
  const Zeal& zeal = heap.options_.zeal;
  eager_ = zeal.mode != ZealMode::kNone || zeal.protect || zeal.move_always;
  // An object is remembered once and has 16 bytes.
  list_ = Region::acquire(RegionUse::kList, std::min(kListRegionBytes, heap.bytes() / 4));
  if (list_.empty()) {  // no heap then: ok() is false
    heap.region_ = {};
    heap.base_ = nullptr;
    return;
  }
  list_.set_dirty(0);  // what stands there is not looked at before it is written
  *heap.window_.remembered = reinterpret_cast<uint32_t*>(list_.base());
  divide();
  old_ = {&old_strip_, kFirst, kFirst, kFirst, floor_};
  old_due_ = 4 * heap.options_.collect_after_bytes;
  heap.publish_begin(kFirst);
  *heap.window_.next = eden_strip_.begin;
  place_eden();
}

// Who gets which part of the region.
void Generational::divide() {
  const HeapOptions& options = heap_.options_;
  const uint64_t end = heap_.bytes();
  const uint64_t due = std::max(page_up(options.collect_after_bytes), kPage);
  eden_most_ = options.zeal.pages ? page_down(end / 8) : std::min(4 * due, 4 * (uint64_t{4} << 20));
  uint64_t kept = std::max(page_down(eden_most_ / 4), kPage);
  if (const uint64_t most = page_down((end - kFirst) / 4); eden_most_ + 2 * kept > most) {
    kept = std::max(page_down(most / 6), kPage);
    eden_most_ = most - 2 * kept;
  }
  eden_least_ = eden_size_ = std::min({due, kFirstEden, eden_most_});
  uint64_t young = eden_most_ + 2 * kept;
  if (eager_ && !options.zeal.pages) young = std::min(young, kRing);
  young_begin_ = floor_ = large_low_ = end - young;
  if (eager_) {
    eden_strip_ = {young_begin_, end, young_begin_};
    eden_size_ = std::min(eden_size_, young);
  } else {
    eden_strip_ = {young_begin_, young_begin_ + eden_most_, young_begin_};
    for (uint64_t at = eden_strip_.end; Strip & strip : survivor_strips_) {
      strip = {at, at + kept, at};
      at += kept;
    }
  }
  Strip& kept_in = eager_ ? eden_strip_ : survivor_strips_[0];
  survivors_ = {&kept_in, kept_in.begin, kept_in.begin, kept_in.begin, kept_in.begin};
  old_strip_ = {kFirst, young_begin_, kFirst};
  large_bytes_ =
      std::min(kLargeObject, options.zeal.pages ? std::max(page_down(eden_size_ / 2), kPage) : eden_size_ / 2);
}

// Makes memory usable that was retired. False on a violation.
bool Generational::clean(uint64_t from, uint64_t to, Contents contents) {
  if (from >= to) return true;
  const Zeal& zeal = heap_.options_.zeal;
  if (zeal.protect) heap_.region_.unprotect(from, to);
  if (zeal.poison && !zeal.pages && !still_poisoned(from, to)) return false;
  if (!heap_.origins_.empty()) std::memset(heap_.origins_.base() + from, 0, to - from);
  if (contents == Contents::kZero && !fault_fires(Fault::kALLOC1)) std::memset(at(from), 0, to - from);
  return true;
}

// Makes [from, to) of the strip usable.
bool Generational::ready(Strip& strip, uint64_t from, uint64_t to, Contents contents) {
  if (&strip == &old_strip_) {
    if (!ready_shared(from, to, contents)) return false;
  } else if (!clean(from, std::min(to, strip.pristine), contents)) {
    return false;
  }
  strip.pristine = std::max(strip.pristine, to);
  return true;
}

// The same where old objects come from one side and large ones from the other, and may meet where the others once were.
bool Generational::ready_shared(uint64_t from, uint64_t to, Contents contents) {
  return clean(from, std::min(to, old_strip_.pristine), contents) &&
         clean(std::max({from, old_strip_.pristine, large_low_}), to, contents);
}

bool Generational::open(Run& run, uint64_t until, Contents contents) {
  // Not more than needed for copies: what is open is not free (room_for_all).
  const uint64_t step = eager_ || contents == Contents::kAny ? kPage : kZeroStep;
  const uint64_t end = std::min(run.limit, page_up(std::max(until, run.opened + step)));
  if (!ready(*run.strip, run.opened, end, contents)) return false;
  run.opened = end;
  return true;
}

// Room for a copy, or 0.
uint64_t Generational::take(Run& run, uint64_t bytes) {
  if (bytes > run.limit - run.next) return 0;
  if (run.next + bytes > run.opened && !open(run, run.next + bytes, Contents::kAny)) return 0;
  return std::exchange(run.next, run.next + bytes);
}

void Generational::retire(const Run& run) {
  const Zeal& zeal = heap_.options_.zeal;
  if (zeal.poison && !zeal.pages) std::memset(at(run.begin), kPoison, run.opened - run.begin);
  if (zeal.protect) heap_.region_.protect(run.begin, run.opened);
}

uint64_t Generational::allocate(uint64_t bytes, Effort effort) {
  if (bytes > large_bytes_) return allocate_large(bytes, effort);
  const uint64_t next = *heap_.window_.next;
  if (next > eden_.limit || bytes > eden_.limit - next) return 0;
  if (next + bytes > eden_.opened && !open(eden_, next + bytes, Contents::kZero)) return 0;
  *heap_.window_.next = next + bytes;
  heap_.publish_window(eden_.opened + (fault_fires(Fault::kNUR1) ? kObjectAlign : 0));
  return next;
}

// --- Large objects -------------------------------------------------------------------------------------------------

uint64_t Generational::allocate_large(uint64_t bytes, Effort effort) {
  const uint64_t room = page_up(bytes);
  const auto refuse = [&] {
    full_due_ = true;
    return uint64_t{0};
  };
  if (room < bytes || room > heap_.bytes()) return 0;
  if (effort == Effort::kUntilDue && old_.used() + large_used_ + room > old_due_) return refuse();
  uint64_t place = find_gap(room);
  if (place == 0) {
    const uint64_t young = page_up(survivors_.used()) + (eden_.limit - eden_.begin);
    if (room > floor_ - old_.opened || room_for_all(old_.opened, floor_ - room) < page_up(old_.used()) + young)
      return refuse();
    place = floor_ -= room;
    old_.limit = floor_;
  }
  if (!ready_shared(place, place + room, Contents::kZero)) return 0;
  large_low_ = std::min(large_low_, place);
  large_used_ += room;
  const auto behind = std::upper_bound(large_.begin(), large_.end(), place,
                                       [](uint64_t offset, const Large& large) { return offset < large.at; });
  large_.insert(behind, {place, bytes, false});
  // On the list from birth: initialising stores have no barrier.
  if (!fault_fires(Fault::kBAR5)) remember(Ref{static_cast<uint32_t>(place)});
  heap_.publish_window(heap_.open_limit_);  // the budget covers less of it now
  return place;
}

// The first gap between large objects that has room, or 0.
uint64_t Generational::find_gap(uint64_t room) const {
  uint64_t at = floor_;
  for (const Large& large : large_) {
    if (large.at - at >= room) return at;
    at = large.end();
  }
  return young_begin_ - at >= room ? at : 0;
}

Generational::Large* Generational::find_large(uint64_t offset) {
  if (offset < floor_ || offset >= young_begin_) return nullptr;
  auto behind = std::upper_bound(large_.begin(), large_.end(), offset,
                                 [](uint64_t o, const Large& large) { return o < large.at; });
  if (behind == large_.begin()) return nullptr;
  Large& large = *--behind;
  return offset < large.at + large.bytes ? &large : nullptr;
}

void Generational::free_large(const Large& large) {
  large_used_ -= page_up(large.bytes);
  const Zeal& zeal = heap_.options_.zeal;
  if (zeal.poison && !zeal.pages) {
    std::memset(at(large.at), kPoison, page_up(large.bytes));
  } else if (!zeal.protect && large.bytes >= kWorthDiscarding) {
    heap_.region_.discard(large.at, large.end());
  }
  if (zeal.protect) heap_.region_.protect(large.at, large.end());
}

void Generational::sweep_large() {
  std::erase_if(large_, [&](Large& large) {
    if (std::exchange(large.marked, false)) {
      heap_.header(Ref{static_cast<uint32_t>(large.at)}).meta |= kWatched;
      return false;
    }
    free_large(large);
    return true;
  });
  floor_ = large_.empty() ? young_begin_ : large_.front().at;
}

// --- Room ----------------------------------------------------------------------------------------------------------

// How long a run a full collection can make, if the old one ended at `opened`, and the large objects began at `floor`: what
// is free before or behind the old one; and never more than half, so that there is a place for the one after that.
uint64_t Generational::room_for_all(uint64_t opened, uint64_t floor) const {
  if (floor <= opened) return 0;
  return std::min(std::max(old_.begin - kFirst, floor - opened), page_down((floor - kFirst) / 2));
}

// So much may be allocated among the young until the next collection.
uint64_t Generational::eden_room() const {
  const uint64_t room = room_for_all(old_.opened, floor_);
  const uint64_t taken = page_up(old_.used()) + page_up(survivors_.used());
  return room > taken ? room - taken : 0;
}

bool Generational::minor_is_safe() const {
  const uint64_t young = page_up(eden().bytes()) + page_up(survivors_.used());
  const uint64_t opened = page_up(old_.next + young);
  return room_for_all(opened, floor_) >= page_up(old_.used() + young) + kPage;  // of two runs then, hence a page more
}

// Where all objects fit, and leave a place for the next time.
uint64_t Generational::next_old_place(uint64_t bytes) const {
  const uint64_t ring = std::min(floor_, heap_.options_.zeal.pages ? floor_ : std::max(kRing, 8 * bytes));
  const uint64_t behind = old_.opened;
  const bool lasts = behind + bytes <= floor_ && std::max(behind - kFirst, floor_ - behind - bytes) >= bytes;
  if (eager_ && lasts && behind + bytes <= ring) return behind;
  if (kFirst + bytes <= old_.begin) return kFirst;
  return lasts ? behind : floor_ - bytes;
}

// Where the objects that survive their first collection go; without room for it they become old at once.
void Generational::place_survivors() {
  if (!eager_) {
    Strip& other = survivors_.strip == &survivor_strips_[0] ? survivor_strips_[1] : survivor_strips_[0];
    survivors_ = {&other, other.begin, other.begin, other.begin, most_survive_ ? other.begin : other.end};
    return;
  }
  const uint64_t room = page_up(from_eden_.bytes());
  uint64_t at = eden_.opened;
  if (at + room + page_up(large_bytes_) > eden_strip_.end) {
    const uint64_t lowest = from_survivors_.empty() ? eden_.begin : std::min(eden_.begin, survivors_.begin);
    at = eden_strip_.begin;
    if (at + room > lowest) return void(survivors_ = {&eden_strip_, at, at, at, at});
  }
  survivors_ = {&eden_strip_, at, at, at, at + room};
}

// Starts over with new objects, behind what was retired.
void Generational::place_eden() {
  const uint64_t size = std::min(eden_size_, page_down(eden_room()));
  uint64_t at = eden_strip_.begin;
  uint64_t end = eden_strip_.end;
  if (eager_) {
    const bool kept = survivors_.used() != 0;
    const uint64_t behind = kept ? survivors_.opened : std::max(eden_.opened, eden_strip_.begin);
    if (behind + page_up(large_bytes_) <= eden_strip_.end) {
      at = behind;
    } else if (kept) {
      end = survivors_.begin;
    }
  }
  eden_ = {&eden_strip_, at, at, at, std::min(end, at + size)};
  *heap_.window_.next = at;
  heap_.publish_window(at);
  if (size < kPage) full_due_ = true;
}

// --- Collecting ----------------------------------------------------------------------------------------------------

void Generational::collect(Scope scope) {
  const bool everything = scope == Scope::kFull || (scope == Scope::kAsDue && full_due_) || !minor_is_safe();
  from_eden_ = eden();
  if (from_eden_.end > eden_.opened) {  // compiled code moves it
    return heap_.set_violation(text::format(
        "I1: the newest object ends at {:#x}, behind the memory for new ones at {:#x}", from_eden_.end, eden_.opened));
  }
  from_survivors_ = survivors_.objects();
  fault_i31_ = g_fault.active == Fault::kI31a;
  if (everything) {
    full();
  } else {
    minor();
  }
  if (!heap_.violation_.empty()) return;
  heap_.stats_.live_bytes_after_last = old_.used() + large_used_ + survivors_.used();
  full_due_ = old_.used() + large_used_ > old_due_;
  place_eden();
}

void Generational::minor() {
  ++heap_.stats_.minor_collections;
  const Run eden_before = eden_;
  const Run survivors_before = survivors_;
  const uint64_t old_before = old_.next;
  place_survivors();
  fresh_old_ = {old_.next, old_.next};
  from_old_ = {};
  visit_all_roots<false>();
  scan_remembered();
  scan_copies<false>(old_before);
  if (!heap_.violation_.empty()) return;
  update_boxes(old_boxes_);
  retire(eden_before);
  retire(survivors_before);
  heap_.stats_.promoted_bytes += old_.next - old_before;
  adapt(from_eden_.bytes() + from_survivors_.bytes(), old_.next - old_before + survivors_.used());
}

void Generational::full() {
  const Run eden_before = eden_;
  const Run survivors_before = survivors_;
  const Run old_before = old_;
  from_old_ = old_.objects();
  const uint64_t place =
      next_old_place(page_up(from_eden_.bytes()) + page_up(from_survivors_.bytes()) + page_up(from_old_.bytes()));
  old_ = {&old_strip_, place, place, place, place < old_before.begin ? old_before.begin : floor_};
  if (place > old_strip_.pristine) {  // what is left out counts as handed out and retired
    retire({&old_strip_, old_strip_.pristine, old_strip_.pristine, place, place});
    old_strip_.pristine = place;
  }
  survivors_.next = survivors_.opened = survivors_.limit = survivors_.begin;
  fresh_old_ = {place, place};
  *heap_.window_.remembered = reinterpret_cast<uint32_t*>(list_.base());
  visit_all_roots<true>();
  scan_copies<true>(place);
  if (!heap_.violation_.empty()) return;
  update_boxes(0);
  sweep_large();
  old_.limit = floor_;
  retire(eden_before);
  retire(survivors_before);
  retire(old_before);
  give_back();
  old_due_ = std::max(4 * heap_.options_.collect_after_bytes, 2 * (old_.used() + large_used_));
}

// What the next full collections need stays; the rest of a peak goes back.
void Generational::give_back() {
  const Zeal& zeal = heap_.options_.zeal;
  if (zeal.poison || zeal.protect) return;
  const uint64_t keep = page_up(old_.used() + old_.used() / 2);
  const auto discard = [&](uint64_t begin, uint64_t end) {
    if (begin + kWorthDiscarding < end) heap_.region_.discard(begin, end);
  };
  discard(kFirst + keep, old_.begin);
  discard(old_.opened + keep, std::min(old_strip_.pristine, floor_));
}

template <bool kFull>
void Generational::visit_all_roots() {
  struct Evacuate final : RootVisitor {
    Generational& self;
    explicit Evacuate(Generational& collector) : self(collector) {}
    void visit(Ref* slot, RootKind kind, uint64_t site) override {
      if (!is_followed(*slot)) return;
      const auto where = [&] { return Place::root(kind, site); };
      if (kFull || slot->bits >= self.young_begin_) {
        *slot = self.evacuate<kFull>(*slot, where);
      } else if (self.space_of(slot->bits).empty()) {
        self.reject(*slot, where(), "a name outside the live space", kFirst, *self.heap_.window_.next);
      }
    }
  } evacuate_roots(*this);
  heap_.visit_all_roots(evacuate_roots);
}

// Old objects that were stored into. Those that refer to survivors stay on the list.
void Generational::scan_remembered() {
  auto* const begin = reinterpret_cast<uint32_t*>(list_.base());
  const uint32_t* const end = *heap_.window_.remembered;
  uint32_t* kept = begin;
  for (const uint32_t* entry = begin; entry < end && heap_.violation_.empty(); ++entry) {
    const Ref object{*entry};
    if (!ByteRange{old_.begin, fresh_old_.begin}.has(object.bits) && find_large(object.bits) == nullptr) {
      reject(object, {"I9", "the list of remembered objects at", static_cast<uint64_t>(entry - begin)},
             "no name of an old object", kFirst, young_begin_);
      return;
    }
    ObjectHeader& header = heap_.header(object);
    ++heap_.stats_.remembered;
    if (scan_object<false>(object, header, heap_.layouts_.row(header.layout()))) {
      *kept++ = object.bits;
    } else {
      header.meta |= kWatched;
    }
  }
  *heap_.window_.remembered = kept;
}

// Breadth first, until no copy refers to an object that has not been copied.
template <bool kFull>
void Generational::scan_copies(uint64_t old_from) {
  uint64_t scan_survivors = survivors_.begin;
  bool more = true;
  while (more && heap_.violation_.empty()) {
    old_from = scan_run<kFull>(old_, old_from);
    if constexpr (kFull) {
      while (!large_stack_.empty() && heap_.violation_.empty()) {
        const Ref object{static_cast<uint32_t>(large_stack_.back())};
        large_stack_.pop_back();
        const ObjectHeader header = heap_.header(object);
        scan_object<true>(object, header, heap_.layouts_.row(header.layout()));
      }
      more = old_from < old_.next || !large_stack_.empty();
    } else {
      scan_survivors = scan_run<false>(survivors_, scan_survivors);
      more = old_from < old_.next;
    }
  }
  large_stack_.clear();
}

template <bool kFull>
uint64_t Generational::scan_run(Run& run, uint64_t from) {
  const bool cold = kFull || eden_size_ > kFirstEden;  // what is copied does not stand in the cache
  uint64_t ahead = from;
  while (from < run.next && heap_.violation_.empty()) {
    if (cold) ahead = prefetch(std::max(ahead, from), std::min(run.next, from + kPrefetchBytes));
    const Ref object{static_cast<uint32_t>(from)};
    const ObjectHeader header = heap_.header(object);
    const TraceRow& row = heap_.layouts_.row(header.layout());
    if (row.kind == TraceRow::Kind::kNone) {  // the rest of a page
      from += uint64_t{header.length} * kObjectAlign;
      continue;
    }
    if (row.has_refs()) {
      const bool refers_to_young = scan_object<kFull>(object, header, row);
      if (!kFull && run.strip == &old_strip_) {
        if (refers_to_young && !fault_fires(Fault::kBAR4)) {
          remember(object);
        } else {
          heap_.header(object).meta |= kWatched;
        }
      }
    }
    from += row.size(header.length);
  }
  return from;
}

// Fetches what the objects in [from, until) refer to; they will be scanned soon. Answers where it stopped. Small objects with
// few references only: a guess that costs nothing when it is wrong.
uint64_t Generational::prefetch(uint64_t from, uint64_t until) {
  while (from < until) {
    const ObjectHeader& header = heap_.header(Ref{static_cast<uint32_t>(from)});
    const TraceRow& row = heap_.layouts_.row(header.layout());
    if (row.kind != TraceRow::Kind::kFixed) {
      const bool free = row.kind == TraceRow::Kind::kNone;
      return from + (free ? uint64_t{header.length} * kObjectAlign : row.size(header.length));
    }
    for (uint64_t refs = row.refs; refs != 0; refs &= refs - 1) {
      const uint64_t offset = kHeaderBytes + sizeof(Ref) * static_cast<uint64_t>(std::countr_zero(refs));
      __builtin_prefetch(at(reinterpret_cast<const Ref*>(at(from + offset))->bits));
    }
    from += row.bytes;
  }
  return from;
}

template <bool kFull>
bool Generational::scan_object(Ref object, ObjectHeader header, const TraceRow& row) {
  uint32_t youngest = 0;
  const auto field = [&](uint64_t offset) {
    Ref* const slot = reinterpret_cast<Ref*>(at(object.bits + offset));
    const Ref held = *slot;
    if ((held.bits & 1u) != 0 || held.bits < (kFull ? 1 : young_begin_)) return;
    if (fault_i31_ && !is_followed(held)) return;
    const Ref now = evacuate<kFull>(held, [&] { return Place::field(object.bits + offset); });
    *slot = now;
    youngest = std::max(youngest, now.bits);
  };
  for (uint64_t refs = row.refs; refs != 0; refs &= refs - 1) {
    field(kHeaderBytes + sizeof(Ref) * static_cast<uint64_t>(std::countr_zero(refs)));
  }
  if (row.kind == TraceRow::Kind::kRefArray) {
    const Ref* const elements = reinterpret_cast<const Ref*>(at(object.bits + kHeaderBytes));
    for (uint64_t i = 0; i < header.length; ++i) {
      if (i + kPrefetchElements < header.length) __builtin_prefetch(at(elements[i + kPrefetchElements].bits));
      field(kHeaderBytes + sizeof(Ref) * i);
    }
  } else if (row.kind == TraceRow::Kind::kFixedLong) [[unlikely]] {
    for (const uint32_t offset : heap_.layouts_.at(header.layout()).ref_offsets) {
      if (offset >= kHeaderBytes + sizeof(Ref) * 64) field(offset);
    }
  }
  return youngest >= young_begin_;
}

// A copy made by this collection that the object's header names, or null.
Ref Generational::forwarded(Ref ref) const {
  const ObjectHeader& header = heap_.header(ref);
  return header.has(kForwarded) && is_copy(header.length) ? Ref{header.length} : kNullRef;
}

template <bool kFull, class Where>
Ref Generational::evacuate(Ref ref, Where&& where) {
  const auto refuse = [&](const char* why) {
    if (heap_.violation_.empty()) reject(ref, where(), why, kFirst, from_eden_.end);
    return kNullRef;
  };
  ++heap_.stats_.names_admitted;
  bool aged = true;
  uint64_t end = 0;
  if (from_eden_.has(ref.bits)) [[likely]] {
    end = from_eden_.end;
    aged = kFull;
  } else if (from_survivors_.has(ref.bits)) {
    end = from_survivors_.end;
  } else if (kFull && from_old_.has(ref.bits)) {
    end = from_old_.end;
  } else if (Large* const large = kFull ? find_large(ref.bits) : nullptr; large != nullptr) {
    if (large->at != ref.bits) return refuse("not an object start");
    if (!std::exchange(large->marked, true)) large_stack_.push_back(ref.bits);
    return ref;
  } else {
    return refuse("a name outside the live space");
  }
  if (ref.bits % kObjectAlign != 0) return refuse("not an object start");
  ObjectHeader& old = heap_.header(ref);
  if (old.has(kForwarded)) {
    const Ref copy = forwarded(ref);
    return copy.is_null() ? refuse("an object with a forwarding mark that no collection made") : copy;
  }
  const LayoutId layout = old.layout();
  const TraceRow& row = heap_.layouts_.row(layout);
  if (row.kind == TraceRow::Kind::kNone) {
    return refuse(layout == kFreeLayout ? "a freed cell" : "something without a known layout");
  }
  const uint64_t bytes = row.size(old.length);
  if (bytes > end - ref.bits) return refuse("an object that reaches beyond the live space");
  if (!heap_.violation_.empty()) [[unlikely]]
    return kNullRef;
  const uint64_t room = heap_.room_for(bytes);
  uint64_t to = aged ? 0 : take(survivors_, room);
  const bool is_old = to == 0;
  if (is_old) {
    to = take(old_, room);
    fresh_old_.end = old_.next;
  }
  if (to == 0) return refuse("an object for which there is no room");
  copy_words(at(to), at(ref.bits), bytes);
  if (room != bytes) heap_.fill_room(to, bytes);
  if (!heap_.origins_.empty()) std::memcpy(heap_.origins_.base() + to, heap_.origins_.base() + ref.bits, 8);
  const uint32_t watched = kFull && row.has_refs() ? uint32_t{kWatched} : 0;
  heap_.header(Ref{static_cast<uint32_t>(to)}).meta = ObjectHeader::make_meta(layout) | watched;
  old.meta |= kForwarded;
  old.length = static_cast<uint32_t>(to) + (fault_fires(Fault::kFWD1) ? kObjectAlign : 0);
  ++heap_.stats_.moved_objects;
  return Ref{static_cast<uint32_t>(to)};
}

void Generational::remember(Ref object) { *(*heap_.window_.remembered)++ = object.bits; }

// Boxes [from, all) may have moved or died. Old ones stand first.
void Generational::update_boxes(size_t from) {
  std::vector<Ref>& boxes = heap_.boxes_;
  size_t kept = from;
  old_boxes_ = from;
  for (size_t i = from; i < boxes.size(); ++i) {
    const Ref copy = forwarded(boxes[i]);
    if (copy.is_null()) {
      heap_.client_.host_box_died(heap_.load<uint64_t>(boxes[i], kHostBoxIdOffset));
      continue;
    }
    boxes[kept] = copy;
    if (copy.bits < young_begin_) std::swap(boxes[old_boxes_++], boxes[kept]);
    ++kept;
  }
  boxes.resize(kept);
}

// When much survives, the young had too little time to die; when most does, they will not.
void Generational::adapt(uint64_t had, uint64_t survived) {
  most_survive_ = survived * 2 > had;
  if (survived * 8 > had && eden_size_ < eden_most_) {
    eden_size_ = std::min(eden_most_, 2 * eden_size_);
  } else if (survived * 64 < had && eden_size_ > eden_least_) {
    eden_size_ = std::max(eden_least_, page_up(eden_size_ / 2));
  }
}

// --- For others ----------------------------------------------------------------------------------------------------

std::vector<ByteRange> Generational::spaces() const {
  std::vector<ByteRange> all = {old_.objects()};
  for (const Large& large : large_) all.push_back({large.at, large.at + large.bytes});
  all.push_back(survivors_.objects());
  all.push_back(eden());
  std::erase_if(all, [](const ByteRange& range) { return range.empty(); });
  std::sort(all.begin(), all.end(), [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
  return all;
}

ByteRange Generational::space_of(uint64_t offset) const {
  if (eden().has(offset)) return eden();
  if (old_.objects().has(offset)) return old_.objects();
  if (survivors_.objects().has(offset)) return survivors_.objects();
  const Large* const large = find_large(offset);
  return large != nullptr ? ByteRange{large->at, large->at + large->bytes} : ByteRange{};
}

std::vector<ByteRange> Generational::dirty() const {
  std::vector<ByteRange> all = {{0, old_strip_.pristine}, {large_low_, young_begin_}};
  for (const Strip* strip : {&eden_strip_, &survivor_strips_[0], &survivor_strips_[1]}) {
    all.push_back({strip->begin, strip->pristine});
  }
  return all;
}

std::vector<Ref> Generational::remembered() const {
  std::vector<Ref> all;
  for (auto* entry = reinterpret_cast<const uint32_t*>(list_.base()); entry < *heap_.window_.remembered; ++entry) {
    all.push_back(Ref{*entry});
  }
  return all;
}

// Everything in a strip that was handed out and is part of no run must be poison; of large objects the gaps between them.
std::string Generational::verify_retired(uint64_t limit) const {
  const Zeal& zeal = heap_.options_.zeal;
  if (!zeal.poison || zeal.protect) return {};
  std::vector<ByteRange> taken;
  for (const Run* run : {&old_, &survivors_, &eden_}) taken.push_back({run->begin, run->opened});
  for (const Large& large : large_) taken.push_back({large.at, large.end()});
  std::sort(taken.begin(), taken.end(), [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
  for (const ByteRange& strip : dirty()) {
    uint64_t from = std::max(strip.begin, kFirst);
    const auto check = [&](uint64_t until) -> std::string {
      const uint64_t begin = from < until && until - from > limit ? until - limit : from;
      if (begin >= until || is_poison(at(begin), until - begin)) return {};
      return text::format("I1: retired space in {:#x}..{:#x} was written", begin, until);
    };
    for (const ByteRange& range : taken) {
      if (range.end <= strip.begin || range.begin >= strip.end || range.empty()) continue;
      if (std::string wrong = check(range.begin); !wrong.empty()) return wrong;
      from = range.end;
    }
    if (std::string wrong = check(strip.end); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace parallax::gc
