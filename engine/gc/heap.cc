#include "engine/gc/heap.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/gc/collector.h"

namespace parallax::gc {

namespace {

constexpr uint64_t kSmallestHeap = 64 * 1024;
// Of retired space, this much is looked at around every collection; all of it when the embedder asks.
constexpr uint64_t kRecentRetired = 64 * 1024;
// What tracing one surviving byte costs of the budget in options.h: small objects cost far more than their bytes.
constexpr uint64_t kZealPrice = 4;
constexpr uint64_t kLargestHeap = (uint64_t{1} << 32) - 64 * 1024;

}  // namespace

Heap::Heap(const HeapOptions& options, const LayoutTable& layouts, HeapClient& client, BumpWindow window)
    : options_(options), layouts_(layouts), client_(client), window_(window) {
  options_.heap_bytes = page_up(std::clamp(options.heap_bytes, kSmallestHeap, kLargestHeap));
  region_ = Region::acquire(RegionUse::kHeap, options_.heap_bytes);
  base_ = region_.base();
  if (window_.remembered == nullptr) window_.remembered = &own_remembered_;
  if (options_.zeal.tiny) options_.collect_after_bytes = std::min(options_.collect_after_bytes, kPage);
  open();
}

// What every use begins with.
void Heap::open() {
  *window_.next = *window_.limit = kPage;
  publish_begin(kPage);
  options_.zeal.protect |= options_.zeal.pages;
  collector_ = make_collector(options_.collector, *this);
}

void Heap::rewind(const Zeal& zeal) {
  CHECK(ok() && handles_ == nullptr && zeal.pages == options_.zeal.pages && zeal.tiny == options_.zeal.tiny,
        "I1: a heap in use, or of another kind, is rewound");
  const std::vector<ByteRange> dirty = collector_->dirty();
  collector_.reset();
  region_.clear(dirty);
  if (!origins_.empty()) origins_.clear(dirty);
  boxes_.clear();
  violation_.clear();
  stats_ = {};
  zeal_traced_ = last_zeal_point_ = zeal_collections_ = 0;
  open_limit_ = 0;
  options_.zeal = zeal;
  open();
}

Heap::~Heap() {
  if (!ok()) return;
  const std::vector<ByteRange> dirty = collector_->dirty();
  region_.set_dirty(dirty);
  if (!origins_.empty()) origins_.set_dirty(dirty);
}

uint64_t Heap::space_begin() const { return collector_->space_begin(); }
std::vector<ByteRange> Heap::spaces() const { return collector_->spaces(); }

void Heap::set_violation(std::string text) {
  if (violation_.empty()) violation_ = std::move(text);
}

// Makes zeroed memory up to `zeroed_until` available to inline allocation, unless zeal must see every allocation.
void Heap::publish_window(uint64_t zeroed_until) {
  open_limit_ = zeroed_until;
  const uint64_t next = *window_.next;
  uint64_t longest = options_.zeal.mode == ZealMode::kNone && !options_.zeal.pages ? kLongestWindow : 0;
  if (window_.charged != nullptr) {
    settle();
    longest = std::min(longest, *window_.left / kChargePerByte & ~uint64_t{kObjectAlign - 1});
  }
  *window_.limit = std::min(std::max(next, zeroed_until), next + longest);
}

bool Heap::zeal_fires(bool at_allocation) {
  const Zeal& zeal = options_.zeal;
  const uint64_t point = stats_.safepoints++;
  switch (zeal.mode) {
    case ZealMode::kNone: return false;
    case ZealMode::kEveryAlloc: return at_allocation && zeal_can_pay();
    case ZealMode::kEverySafepoint: return zeal_can_pay();
    case ZealMode::kNth: return zeal.n != 0 && (point + 1) % zeal.n == 0 && zeal_can_pay();
    case ZealMode::kOnlyNth: return point == zeal.n;
  }
  return false;
}

// The budget of options.h.
bool Heap::zeal_can_pay() const {
  if (zeal_traced_ < kZealAllowance) [[likely]]
    return true;
  return (stats_.safepoints - last_zeal_point_) * kZealBytesPerPoint >= stats_.live_bytes_after_last * kZealPrice;
}

Ref Heap::allocate(LayoutId layout, uint32_t length, uint64_t bytes) {
  if (!ok()) return kNullRef;
  if (zeal_fires(true)) collect_for_zeal();
  if (!violation_.empty()) return kNullRef;
  const uint64_t room = room_for(bytes);
  uint64_t at = collector_->allocate(room, Effort::kUntilDue);
  // A second collection can place the survivors better (moving.cc).
  for (int attempt = 0; at == 0 && attempt < 2 && options_.collector != GcKind::kNever; ++attempt) {
    collect_now(attempt == 0 ? Scope::kAsDue : Scope::kFull);
    if (!violation_.empty()) return kNullRef;
    at = collector_->allocate(room, Effort::kUntilFull);
  }
  if (at == 0) return kNullRef;
  fill_room(at, bytes);
  const Ref ref{static_cast<uint32_t>(at)};
  if (layout > 0xffff && layout < kFirstReservedLayout && fault_fires(Fault::kTY3)) layout &= 0xffff;
  header(ref) = ObjectHeader{.meta = ObjectHeader::make_meta(layout), .length = length};
  if (origin_source_ != nullptr) note_origin(ref);
  return ref;
}

// With one object per page, the rest of the page is a free cell, so that the space can be parsed.
void Heap::fill_room(uint64_t at, uint64_t bytes) {
  const uint64_t rest = room_for(bytes) - bytes;
  if (rest == 0) return;
  header(Ref{static_cast<uint32_t>(at + bytes)}) =
      ObjectHeader{.meta = ObjectHeader::make_meta(kFreeLayout), .length = static_cast<uint32_t>(rest / kObjectAlign)};
}

// --- Origins: {collections so far + 1:16, site:48} at the object's offset. Compiled code that allocates inline notes its
// site alone.

void Heap::keep_origins(const OriginSource* source) {
  if (!ok() || !origins_.empty()) return;
  origins_ = Region::acquire(RegionUse::kHeap, options_.heap_bytes);
  if (!origins_.empty()) origin_source_ = source;
}

void Heap::note_origin(Ref ref) {
  const uint64_t site = origin_source_->current_site() & ((uint64_t{1} << 48) - 1);
  const uint64_t word = (stats_.collections + 1) << 48 | (site == 0 ? 1 : site);
  std::memcpy(origins_.base() + ref.bits, &word, sizeof(word));
}

std::string Heap::describe(Ref ref) const {
  if (ref.is_null()) return "null";
  if (ref.is_i31()) return "an i31";
  std::string text;
  const bool inside = !collector_->space_of(ref.bits).empty();
  if (ref.bits % kObjectAlign != 0) {
    text = "no multiple of 8";
  } else if (inside && collector_->readable(ref)) {
    const LayoutId id = header(ref).layout();
    text = id == kFreeLayout                           ? "a freed cell"
           : layouts_.at(id).kind == LayoutKind::kNone ? "inside the live space, where no object starts"
           : id == kHostBoxLayout                      ? "a host box"
                                                       : text::format("an object of layout {}", id);
  } else {
    text = ref.bits < bytes() ? "retired or unused space" : "outside the heap";
  }
  if (origin_source_ == nullptr || ref.bits % kObjectAlign != 0 || ref.bits < kPage || ref.bits >= bytes()) return text;
  uint64_t word = 0;
  std::memcpy(&word, origins_.base() + ref.bits, sizeof(word));
  if (word == 0) return text + "; no object ever started there";
  const Place place = origin_source_->place_of(word & ((uint64_t{1} << 48) - 1));
  text += inside ? "; it was allocated" : "; the object that stood there was allocated";
  text += place.known() ? text::format(" by function {} at {:#x}", place.func, place.offset) : " by the runtime";
  if (word >> 48 == 0) return text + text::format(" (now {} collections in)", stats_.collections);
  return text + text::format(", {} collections in (now {})", (word >> 48) - 1, stats_.collections);
}

Ref Heap::nearest_start(uint64_t offset) const {
  constexpr uint64_t kFarthest = 1 << 20;
  if (origin_source_ == nullptr || offset < kPage || offset >= bytes()) return kNullRef;
  const uint64_t last = offset & ~uint64_t{kObjectAlign - 1};
  for (uint64_t at = last; at >= kPage && last - at < kFarthest; at -= kObjectAlign) {
    uint64_t word = 0;
    std::memcpy(&word, origins_.base() + at, sizeof(word));
    if (word != 0) return Ref{static_cast<uint32_t>(at)};
  }
  return kNullRef;
}

void Heap::begin_walk() const { collector_->begin_walk(); }
void Heap::end_walk() const { collector_->end_walk(); }

Ref Heap::allocate_box(uint64_t host_id) {
  const Ref box = allocate(kHostBoxLayout, 0, layouts_.at(kHostBoxLayout).bytes);
  if (box.is_null()) return box;
  store(box, kHostBoxIdOffset, host_id);
  boxes_.push_back(box);
  return box;
}

void Heap::poll() {
  if (zeal_fires(false)) collect_for_zeal();
}

void Heap::collect() { collect_now(Scope::kFull); }

// Three minor collections for a full one, unless a flag wants one kind only: minor ones have missing entries of the
// list of remembered objects to show, full ones move everything.
Scope Heap::zeal_scope() const {
  if (options_.zeal.minor) return Scope::kMinor;
  return options_.zeal.full || zeal_collections_ % 4 == 3 ? Scope::kFull : Scope::kMinor;
}

void Heap::collect_for_zeal() {
  collect_now(zeal_scope());
  ++zeal_collections_;
  zeal_traced_ += stats_.live_bytes_after_last * kZealPrice;
  last_zeal_point_ = stats_.safepoints;
}

void Heap::collect_now(Scope scope) {
  if (options_.collector == GcKind::kNever || !violation_.empty() || !ok()) return;
  if (options_.zeal.verify_before) set_violation(verify(kRecentRetired));
  if (!violation_.empty()) return;
  ++stats_.collections;
  collector_->collect(scope);
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
  const uint64_t end = collector_->space_of(ref.bits).end;
  if (ref.bits % kObjectAlign != 0 || uint64_t{ref.bits} + kHeaderBytes > end) return false;
  if (!collector_->readable(ref)) return false;
  const ObjectHeader& object = header(ref);
  const Layout& layout = layouts_.at(object.layout());
  if (layout.kind == LayoutKind::kNone || object.has(kForwarded)) return false;
  return layout.size(object.length) <= end - ref.bits;
}

bool Heap::is_object_start(Ref ref) const {
  if (!plausible(ref)) return false;
  if (origin_source_ == nullptr || !ref.is_object()) return true;
  uint64_t word = 0;
  std::memcpy(&word, origins_.base() + ref.bits, sizeof(word));
  return word != 0;
}

bool Collector::reject(Ref ref, const Place& place, const char* why, uint64_t begin, uint64_t end) {
  heap_.set_violation(text::format("{}: {} {:#x} holds {:#x}, {} (live space {:#x}..{:#x})\n  {:#x} is {}",
                                   place.invariant, place.what, place.site, ref.bits, why, begin, end, ref.bits,
                                   heap_.describe(ref)));
  return false;
}

bool Collector::admit(Ref ref, uint64_t begin, uint64_t end, const Place& place, uint64_t& bytes) {
  const auto reject = [&](const char* why) { return this->reject(ref, place, why, begin, end); };
  ++heap_.stats_.names_admitted;
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
