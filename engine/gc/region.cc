#include "engine/gc/region.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "engine/base/check.h"

namespace parallax::gc {

namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

struct UseRow {
  uint64_t reserve;     // address space; tried first
  uint64_t fallback;    // tried when the machine refuses that much; the usable size at least
  uint64_t least;       // tried last, under a limit of address space
  uint64_t first_page;  // offset of the first accessible byte
  uint32_t keep;        // regions kept for reuse
  bool exact;           // what is not asked for is inaccessible, in a region used before too
};
constexpr UseRow kUses[kRegionUseCount] = {
    {.reserve = 68 * kGiB, .fallback = 4 * kGiB, .least = 0, .first_page = kPage, .keep = 32, .exact = true},
    {.reserve = kFuncRegionBytes,
     .fallback = kFuncRegionBytes,
     .least = kFuncRegionBytes,
     .first_page = 0,
     .keep = 32,
     .exact = false},
    {.reserve = 4 * kGiB + 16 * kPage, .fallback = 0, .least = 0, .first_page = 0, .keep = 16, .exact = false},
    {.reserve = kGuardReach, .fallback = kGuardReach, .least = kGuardReach, .first_page = 0, .keep = 16, .exact = true},
    {.reserve = kListRegionBytes, .fallback = 0, .least = 0, .first_page = 0, .keep = 32, .exact = false},
};
const UseRow& row(RegionUse use) { return kUses[static_cast<size_t>(use)]; }

// Below this, clearing beats giving pages back and faulting them in again (a page costs 0.1 us against 0.6 us). As large
// as the ring of the moving collector under zeal.
constexpr uint64_t kClearByHand = 1024 * 1024;

uint8_t* reserve(uint64_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
}

}  // namespace

// Regions waiting for their next use.
struct RegionPool {
  std::atomic<uint32_t> guarded = 0;  // mapped, waiting ones included
  std::mutex mutex;
  std::vector<Region> free[kRegionUseCount];

  // Never destroyed: stores of static lifetime may release after it would be.
  static RegionPool& get() {
    static RegionPool& pool = *new RegionPool;
    return pool;
  }

  // Counts a guarded memory about to be mapped; false when there are enough.
  bool admit(RegionUse use) {
    if (use != RegionUse::kGuardedMemory) return true;
    if (guarded.fetch_add(1, std::memory_order_relaxed) < kMostGuardedMemories) return true;
    dismiss(use);
    return false;
  }
  void dismiss(RegionUse use) {
    if (use == RegionUse::kGuardedMemory) guarded.fetch_sub(1, std::memory_order_relaxed);
  }

  // Prefers a region whose usable part already has the size.
  Region take(RegionUse use, uint64_t usable) {
    const std::lock_guard lock(mutex);
    std::vector<Region>& list = free[static_cast<size_t>(use)];
    if (list.empty()) return {};
    auto it = std::find_if(list.rbegin(), list.rend(), [&](const Region& r) { return r.usable_ == usable; });
    if (it != list.rend()) std::swap(*it, list.back());
    Region region = std::move(list.back());
    list.pop_back();
    return region;
  }

  bool give(Region& region) {
    const std::lock_guard lock(mutex);
    std::vector<Region>& list = free[static_cast<size_t>(region.use_)];
    if (list.size() >= row(region.use_).keep) return false;
    list.emplace_back();
    list.back().swap(region);
    return true;
  }
};

Region Region::acquire(RegionUse use, uint64_t usable) {
  usable = page_up(usable);
  Region region = RegionPool::get().take(use, usable);
  if (region.empty()) {
    if (!RegionPool::get().admit(use)) return {};
    region.use_ = use;
    for (const uint64_t wanted : {row(use).reserve, row(use).fallback, row(use).least}) {
      const uint64_t bytes = std::max(wanted, usable);
      if ((region.base_ = reserve(bytes)) == nullptr) continue;
      region.reserved_ = bytes;
      break;
    }
    region.dirty_ = {};
    if (region.empty()) {
      RegionPool::get().dismiss(use);
      return {};
    }
  }
  // A heap's size is exact, so that corrupt names fault early; memories without a guard keep what they had.
  if (row(use).exact && region.usable_ > usable) {
    mprotect(region.base_ + usable, region.usable_ - usable, PROT_NONE);
    region.usable_ = usable;
  }
  if (!region.grow(usable)) return {};
  region.dirty_ = {ByteRange{0, ~uint64_t{0}}};
  return region;
}

bool Region::grow(uint64_t usable) {
  usable = page_up(usable);
  if (usable <= usable_) return true;
  if (usable > reserved_) {
    if (use_ == RegionUse::kGuardedMemory) return false;  // compiled code knows the base
    const uint64_t bytes = std::max(usable, reserved_ + reserved_ / 2);
    void* at = mremap(base_, reserved_, bytes, MREMAP_MAYMOVE);
    if (at == MAP_FAILED) {
      // A mapping with parts of different protection cannot be extended in one piece: move what is used.
      uint8_t* fresh = reserve(bytes);
      if (fresh == nullptr) return false;
      if (usable_ != 0 && mremap(base_, usable_, usable_, MREMAP_MAYMOVE | MREMAP_FIXED, fresh) == MAP_FAILED) {
        munmap(fresh, bytes);
        return false;
      }
      munmap(base_ + usable_, reserved_ - usable_);
      at = fresh;
    }
    base_ = static_cast<uint8_t*>(at);
    reserved_ = bytes;
  }
  const uint64_t begin = std::max(usable_, row(use_).first_page);
  if (usable > begin && mprotect(base_ + begin, usable - begin, PROT_READ | PROT_WRITE) != 0) return false;
  usable_ = usable;
  return true;
}

void Region::protect(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  mprotect(base_ + begin, end - begin, PROT_NONE);
  has_protected_ = true;
}

void Region::unprotect(uint64_t begin, uint64_t end) {
  if (begin < end) mprotect(base_ + begin, end - begin, PROT_READ | PROT_WRITE);
}

// Back to zeros and to one protection.
void Region::reset() {
  const uint64_t first = row(use_).first_page;
  if (has_protected_) unprotect(first, usable_);
  has_protected_ = false;
  for (const ByteRange& range : dirty_) {
    const uint64_t begin = std::max(first, range.begin);
    const uint64_t end = std::min(range.end, usable_);
    if (begin >= end) continue;
    if (end - begin <= kClearByHand) {
      std::memset(base_ + begin, 0, end - begin);
    } else {
      // Whole pages; what shares a page with the range's begin is cleared by hand.
      const uint64_t page = page_up(begin);
      std::memset(base_ + begin, 0, page - begin);
      madvise(base_ + page, page_up(end) - page, MADV_DONTNEED);
    }
  }
  dirty_ = {};
}

void Region::set_dirty(std::span<const ByteRange> ranges) {
  CHECK(ranges.size() <= kMaxDirty, "{} dirty ranges of a region", ranges.size());
  dirty_ = {};
  std::copy(ranges.begin(), ranges.end(), dirty_.begin());
}

void Region::clear(std::span<const ByteRange> written) {
  set_dirty(written);
  reset();
  dirty_ = {ByteRange{0, ~uint64_t{0}}};
}

uint64_t Region::resident_bytes() const {
  std::vector<unsigned char> pages(usable_ / kPage);
  if (pages.empty() || mincore(base_, usable_, pages.data()) != 0) return 0;
  return kPage *
         static_cast<uint64_t>(std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; }));
}

void Region::discard(uint64_t begin, uint64_t end) {
  if (begin < end) madvise(base_ + begin, end - begin, MADV_DONTNEED);
}

void Region::unmap() {
  munmap(base_, reserved_);
  RegionPool::get().dismiss(use_);
  base_ = nullptr;
}

Region::~Region() {
  if (base_ == nullptr) return;
  reset();
  if (!RegionPool::get().give(*this)) unmap();
}

}  // namespace parallax::gc
