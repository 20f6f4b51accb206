// Slab ids: numbers that carry their origin.   [establishes I1 for everything that is named by number]
//
// An id is {tag:16, generation:16, index:32}, high to low; 0 is none. The tag says which slab of the process made it, the
// generation which occupant of the slot is meant. A lookup compares both, so that an id of another store, of another
// kind of thing, or of something released is found out, and the message names both origins. Freed slots are reused at
// once (last in, first out), which is what makes a missing generation check visible. A slot whose generations are used
// up is never used again.
//
// With origins kept, every id that is made or released is written down in a book of the process: site, place of the program,
// store, and how many collections there had been. explain() then tells where the id came from, where the slot's present
// owner came from, and where the id was looked up, also when it is of another store or that store is gone.
//
// Tags repeat after 65535 slabs; generations of later rounds start elsewhere, so that a very old id still meets a
// mismatch almost surely.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/origin.h"

namespace parallax::slab {

struct SlabId {
  uint64_t bits = 0;

  constexpr uint16_t tag() const { return static_cast<uint16_t>(bits >> 48); }
  constexpr uint16_t generation() const { return static_cast<uint16_t>(bits >> 32); }
  constexpr uint32_t index() const { return static_cast<uint32_t>(bits); }
  static constexpr SlabId make(uint16_t tag, uint16_t generation, uint32_t index) {
    return SlabId{uint64_t{tag} << 48 | uint64_t{generation} << 32 | index};
  }
  friend constexpr bool operator==(SlabId, SlabId) = default;
};

// A number that no other store of this process has (until 2^32 of them were made).
uint32_t next_store_number();

// Book-keeping of one slab without its payload: which slots are live, and in which generation.
class SlabCore {
 public:
  // `name` is what messages call the things ("function", "host object"); it must be a literal.
  SlabCore(const char* name, uint32_t store_number);

  // As new: nothing was ever allocated. kSame: the tag stays, so the same allocations give the same ids again; requires that
  // nobody has old ones. kOther: no old id is ever one of the new ones.
  enum class Tags : uint8_t { kSame, kOther };
  void restart(Tags tags);

  // From now on notes where ids are made and released. `source` outlives the slab.
  void keep_origins(const OriginSource* source) { origins_ = source; }

  // Takes a slot. `site` is a literal that says who allocates. Index 0 is never given out.
  SlabId allocate(const char* site);
  // Requires: check(id). Later lookups of `id` fail for ever.
  void release(SlabId id);

  // Lookups that check() answered, for counting.
  uint64_t lookups() const { return lookups_; }

  // Whether `id` names a live slot of this slab. Hosts planted fault SL2.
  bool check(uint64_t id) const;
  // Why check(id) is false: "I1: id from different slab: ..." or "I1: stale id: ...". `site` says who looked it up.
  std::string explain(uint64_t id, const char* site) const;

  const char* name() const { return name_; }
  uint16_t tag() const { return tag_; }
  uint32_t store_number() const { return store_number_; }
  uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }  // slots ever used, index 0 included
  uint32_t live() const { return live_; }
  bool is_live(uint32_t index) const { return index < slots_.size() && slots_[index].live; }
  // The current id of a live slot.
  SlabId id_of(uint32_t index) const { return SlabId::make(tag_, slots_[index].generation, index); }

  // Judge: free list, counts and generations agree. Empty, or what is wrong.
  std::string verify() const;

 private:
  struct Slot {
    uint16_t generation = 0;
    bool live = false;
    bool retired = false;
    uint32_t next_free = 0;  // 0 ends the list
    const char* site = nullptr;
  };

  void take_tag();
  void note(uint64_t id, const char* site, bool released) const;

  const OriginSource* origins_ = nullptr;
  mutable uint64_t lookups_ = 0;
  const char* name_;
  uint32_t store_number_;
  uint16_t tag_;
  uint16_t first_generation_;
  uint32_t free_ = 0;
  uint32_t live_ = 0;
  std::vector<Slot> slots_;
};

// A slab whose entries are T, at stable addresses.
template <class T>
class Slab {
 public:
  Slab(const char* name, uint32_t store_number) : core_(name, store_number) {}

  // The new entry holds `value`.
  uint64_t add(T value, const char* site) {
    const SlabId id = core_.allocate(site);
    while (chunks_.size() <= id.index() / kChunk) chunks_.push_back(std::make_unique<T[]>(kChunk));
    at(id.index()) = std::move(value);
    return id.bits;
  }
  // The entry, or null when `id` is not a live id of this slab; explain() says why.
  T* find(uint64_t id) { return core_.check(id) ? &at(SlabId{id}.index()) : nullptr; }
  const T* find(uint64_t id) const { return core_.check(id) ? &at(SlabId{id}.index()) : nullptr; }
  // Requires: find(id) is not null. The entry is destroyed.
  void release(uint64_t id) {
    at(SlabId{id}.index()) = T{};
    core_.release(SlabId{id});
  }
  std::string explain(uint64_t id, const char* site) const { return core_.explain(id, site); }
  // As new; the memory stays.
  void restart(SlabCore::Tags tags) {
    for (uint32_t i = 1; i < core_.size(); ++i) at(i) = T{};
    core_.restart(tags);
  }
  void keep_origins(const OriginSource* source) { core_.keep_origins(source); }
  const SlabCore& core() const { return core_; }

  // Calls visit(id, T&) for every live entry, in order of index. `visit` may release the entry it is given.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (uint32_t i = 1; i < core_.size(); ++i) {
      if (core_.is_live(i)) visit(core_.id_of(i).bits, at(i));
    }
  }

 private:
  static constexpr uint32_t kChunk = 64;
  T& at(uint32_t index) { return chunks_[index / kChunk][index % kChunk]; }
  const T& at(uint32_t index) const { return chunks_[index / kChunk][index % kChunk]; }

  SlabCore core_;
  std::vector<std::unique_ptr<T[]>> chunks_;
};

}  // namespace parallax::slab
