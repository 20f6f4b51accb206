#include "engine/slab/slab.h"

#include <array>
#include <atomic>
#include <bit>
#include <mutex>

#include "engine/base/faults.h"

namespace parallax::slab {

namespace {

// Who made the slab of a tag, for messages about foreign ids. The latest owner of a tag wins.
struct TagOwner {
  std::atomic<const char*> name{nullptr};
  std::atomic<uint32_t> store{0};
};

std::array<TagOwner, 65536> g_tag_owners;
std::atomic<uint32_t> g_next_tag{0};
std::atomic<uint32_t> g_next_store{0};

// Who made and released which id lately: the book of all armed slabs of the process. Asked only for reports.
struct BookEntry {
  uint64_t id = 0;
  const char* name = nullptr;
  const char* site = nullptr;
  uint64_t collections = 0;
  Place place;
  uint32_t store = 0;
  bool released = false;
};

// Entries form a ring. Those whose keys share a hash are chained from the latest to older ones, because a misuse that the
// embedder meant is explained too: campaigns make thousands of them a second.
class OriginBook {
 public:
  static OriginBook& get() {
    static OriginBook& book = *new OriginBook;
    return book;
  }
  void add(const BookEntry& entry) {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) {
      entries_.resize(kEntries);
      latest_.resize(kEntries, 0);
    }
    uint64_t& latest = latest_[slot_of(entry.id, entry.released)];
    Chained& place = entries_[next_ % kEntries];
    place.entry = entry;
    place.older = std::exchange(latest, next_);
    ++next_;
  }
  // The latest entry about the id, or one without a name.
  BookEntry find(uint64_t id, bool released) const {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) return {};
    // A number that left the ring ends the chain: all behind it are older.
    for (uint64_t at = latest_[slot_of(id, released)]; at != 0 && at + kEntries >= next_;) {
      const Chained& place = entries_[at % kEntries];
      if (place.entry.id == id && place.entry.released == released) return place.entry;
      at = place.older;
    }
    return {};
  }

 private:
  static constexpr size_t kEntries = 1 << 15;
  struct Chained {
    BookEntry entry;
    uint64_t older = 0;  // number of the next entry of the chain; 0: none
  };
  static size_t slot_of(uint64_t id, bool released) {
    const uint64_t key = (id + (released ? 1 : 0)) * 0x9e3779b97f4a7c15u;
    return static_cast<size_t>(key >> (64 - std::countr_zero(kEntries)));
  }
  mutable std::mutex mutex_;
  std::vector<Chained> entries_;
  std::vector<uint64_t> latest_;  // by hash: number of an entry; 0: none
  uint64_t next_ = 1;             // number of the next entry
};

// One line of a report, with its line break; empty when nothing was written down.
std::string origin_line(const char* what, const BookEntry& entry) {
  if (entry.name == nullptr) return {};
  const std::string by = entry.place.known()
                             ? text::format("function {} at {:#x}", entry.place.func, entry.place.offset)
                             : std::string("the embedder or instantiation");
  return text::format("\n  {} {} as '{}' in slab '{}' of store {} by {}, {} collections in", what,
                      entry.released ? "released" : "made", entry.site, entry.name, entry.store, by, entry.collections);
}

constexpr uint32_t kTags = 65535;  // tag 0 is never used: no id of it is ever 0

}  // namespace

uint32_t next_store_number() { return g_next_store.fetch_add(1, std::memory_order_relaxed) + 1; }

SlabCore::SlabCore(const char* name, uint32_t store_number) : name_(name), store_number_(store_number) { take_tag(); }

void SlabCore::take_tag() {
  const uint32_t serial = g_next_tag.fetch_add(1, std::memory_order_relaxed);
  tag_ = static_cast<uint16_t>(1 + serial % kTags);
  first_generation_ = static_cast<uint16_t>(1 + (serial / kTags * 257) % kTags);
  g_tag_owners[tag_].name.store(name_, std::memory_order_relaxed);
  g_tag_owners[tag_].store.store(store_number_, std::memory_order_relaxed);
}

void SlabCore::restart(Tags tags) {
  slots_.clear();
  free_ = live_ = 0;
  lookups_ = 0;
  if (tags == Tags::kOther) take_tag();
}

SlabId SlabCore::allocate(const char* site) {
  if (slots_.empty()) slots_.emplace_back();  // index 0
  uint32_t index = free_;
  if (index != 0) {
    free_ = slots_[index].next_free;
  } else {
    CHECK(slots_.size() < ~uint32_t{0}, "I1: slab {} of store {} is full", name_, store_number_);
    index = static_cast<uint32_t>(slots_.size());
    slots_.push_back(Slot{.generation = first_generation_});
  }
  Slot& slot = slots_[index];
  slot.live = true;
  slot.next_free = 0;
  slot.site = site;
  ++live_;
  const SlabId id = SlabId::make(tag_, slot.generation, index);
  if (origins_ != nullptr) note(id.bits, site, false);
  return id;
}

void SlabCore::note(uint64_t id, const char* site, bool released) const {
  OriginBook::get().add({.id = id,
                         .name = name_,
                         .site = site,
                         .collections = origins_->collections_so_far(),
                         .place = origins_->place_of(origins_->current_site()),
                         .store = store_number_,
                         .released = released});
}

void SlabCore::release(SlabId id) {
  CHECK(id.index() < slots_.size() && slots_[id.index()].live, "I1: {}", explain(id.bits, "release"));
  Slot& slot = slots_[id.index()];
  if (origins_ != nullptr) note(id_of(id.index()).bits, "release", true);
  slot.live = false;
  --live_;
  slot.generation = slot.generation == 0xffff ? 1 : static_cast<uint16_t>(slot.generation + 1);
  slot.retired = slot.generation == first_generation_;  // every generation was used once
  if (slot.retired) return;
  slot.next_free = free_;
  free_ = id.index();
}

bool SlabCore::check(uint64_t bits) const {
  ++lookups_;
  const SlabId id{bits};
  if (id.tag() != tag_ || id.index() >= slots_.size()) [[unlikely]]
    return false;
  const Slot& slot = slots_[id.index()];
  if (!slot.live) return false;
  return slot.generation == id.generation() || fault_fires(Fault::kSL2);
}

std::string SlabCore::explain(uint64_t bits, const char* site) const {
  const SlabId id{bits};
  std::string origins = origin_line("the id was", OriginBook::get().find(bits, false));
  origins += origin_line("the id was", OriginBook::get().find(bits, true));
  if (id.tag() == tag_ && is_live(id.index()) && id_of(id.index()) != id)
    origins += origin_line("the slot's present owner was", OriginBook::get().find(id_of(id.index()).bits, false));
  if (origins_ != nullptr) {
    const Place place = origins_->place_of(origins_->current_site());
    if (place.known()) origins += text::format("\n  looked up by function {} at {:#x}", place.func, place.offset);
  }
  const std::string what = text::format("{{tag {}, generation {}, index {}}}", id.tag(), id.generation(), id.index());
  if (bits == 0)
    return text::format("I1: null id looked up in slab '{}' of store {} at {}", name_, store_number_, site);
  if (id.tag() != tag_) {
    const TagOwner& owner = g_tag_owners[id.tag()];
    const char* name = owner.name.load(std::memory_order_relaxed);
    const std::string origin = name == nullptr ? std::string("no slab of this process")
                                               : text::format("slab '{}' of store {}", name, owner.store.load());
    return text::format(
        "I1: id from different slab: {} was made by {}, looked up in slab '{}' (tag {}) of store {} at {}{}", what,
        origin, name_, tag_, store_number_, site, origins);
  }
  if (id.index() >= slots_.size() || id.index() == 0) {
    return text::format("I1: id out of range: {} in slab '{}' of store {} with {} slots, looked up at {}", what, name_,
                        store_number_, slots_.size(), site);
  }
  const Slot& slot = slots_[id.index()];
  return text::format(
      "I1: stale id: {} in slab '{}' of store {}; the slot is {} in generation {} (allocated at {}), looked up at {}{}",
      what, name_, store_number_, slot.live ? "live" : "free", slot.generation, slot.site == nullptr ? "-" : slot.site,
      site, origins);
}

std::string SlabCore::verify() const {
  uint32_t live = 0;
  uint32_t unused = 0;
  for (uint32_t i = 1; i < slots_.size(); ++i) {
    if (slots_[i].generation == 0) return text::format("I1: slab '{}': slot {} has generation 0", name_, i);
    slots_[i].live ? ++live : ++unused;
    if (slots_[i].retired) --unused;
  }
  if (live != live_) return text::format("I1: slab '{}': {} slots are live, {} are counted", name_, live, live_);
  uint32_t listed = 0;
  for (uint32_t i = free_; i != 0; i = slots_[i].next_free) {
    if (i >= slots_.size() || slots_[i].live)
      return text::format("I1: slab '{}': free list holds live slot {}", name_, i);
    if (++listed > unused) return text::format("I1: slab '{}': free list is cyclic", name_);
  }
  if (listed != unused) return text::format("I1: slab '{}': {} slots are free, {} are listed", name_, unused, listed);
  return {};
}

}  // namespace parallax::slab
