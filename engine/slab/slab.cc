#include "engine/slab/slab.h"

#include <array>
#include <atomic>

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

constexpr uint32_t kTags = 65535;  // tag 0 is never used: no id of it is ever 0

}  // namespace

uint32_t next_store_number() { return g_next_store.fetch_add(1, std::memory_order_relaxed) + 1; }

SlabCore::SlabCore(const char* name, uint32_t store_number) : name_(name), store_number_(store_number) {
  const uint32_t serial = g_next_tag.fetch_add(1, std::memory_order_relaxed);
  tag_ = static_cast<uint16_t>(1 + serial % kTags);
  first_generation_ = static_cast<uint16_t>(1 + (serial / kTags * 257) % kTags);
  g_tag_owners[tag_].name.store(name, std::memory_order_relaxed);
  g_tag_owners[tag_].store.store(store_number, std::memory_order_relaxed);
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
  return SlabId::make(tag_, slot.generation, index);
}

void SlabCore::release(SlabId id) {
  CHECK(id.index() < slots_.size() && slots_[id.index()].live, "I1: {}", explain(id.bits, "release"));
  Slot& slot = slots_[id.index()];
  slot.live = false;
  --live_;
  slot.generation = slot.generation == 0xffff ? 1 : static_cast<uint16_t>(slot.generation + 1);
  slot.retired = slot.generation == first_generation_;  // every generation was used once
  if (slot.retired) return;
  slot.next_free = free_;
  free_ = id.index();
}

bool SlabCore::check(uint64_t bits) const {
  const SlabId id{bits};
  if (id.tag() != tag_ || id.index() >= slots_.size()) [[unlikely]]
    return false;
  const Slot& slot = slots_[id.index()];
  if (!slot.live) return false;
  return slot.generation == id.generation() || fault_fires(Fault::kSL2);
}

std::string SlabCore::explain(uint64_t bits, const char* site) const {
  const SlabId id{bits};
  const std::string what = text::format("{{tag {}, generation {}, index {}}}", id.tag(), id.generation(), id.index());
  if (bits == 0)
    return text::format("I1: null id looked up in slab '{}' of store {} at {}", name_, store_number_, site);
  if (id.tag() != tag_) {
    const TagOwner& owner = g_tag_owners[id.tag()];
    const char* name = owner.name.load(std::memory_order_relaxed);
    const std::string origin = name == nullptr ? std::string("no slab of this process")
                                               : text::format("slab '{}' of store {}", name, owner.store.load());
    return text::format(
        "I1: id from different slab: {} was made by {}, looked up in slab '{}' (tag {}) of store {} at {}", what,
        origin, name_, tag_, store_number_, site);
  }
  if (id.index() >= slots_.size() || id.index() == 0) {
    return text::format("I1: id out of range: {} in slab '{}' of store {} with {} slots, looked up at {}", what, name_,
                        store_number_, slots_.size(), site);
  }
  const Slot& slot = slots_[id.index()];
  return text::format(
      "I1: stale id: {} in slab '{}' of store {}; the slot is {} in generation {} (allocated at {}), looked up at {}",
      what, name_, store_number_, slot.live ? "live" : "free", slot.generation, slot.site == nullptr ? "-" : slot.site,
      site);
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
