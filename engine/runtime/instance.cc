#include "engine/runtime/instance.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace parallax::runtime {

namespace {

// Largest sizes that an address type can express.
constexpr uint64_t kMaxPages32 = 65'536;
constexpr uint64_t kMaxPages64 = uint64_t{1} << 48;
constexpr uint64_t kMaxElements32 = 0xffff'ffff;

// Whether old + delta stays within the type's maximum, the address type's and the budget's.
bool may_grow(const wasm::Limits& limits, uint64_t old, uint64_t delta, uint64_t largest, uint64_t budget) {
  const uint64_t maximum = std::min({largest, budget, limits.max.value_or(largest)});
  return delta <= maximum && old <= maximum - delta;
}

}  // namespace

bool Memory::start(uint64_t pages, MemoryChecks checks) {
  if (pages > kMaxPages64 / kWasmPage) return false;
  if (kHaveGuards && checks == MemoryChecks::kGuard && !type.limits.is_64) {
    const uint64_t accessible = pages + (fault_fires(Fault::kMEM1) ? 1 : 0);
    region = gc::Region::acquire(gc::RegionUse::kGuardedMemory, accessible * kWasmPage);
    guarded = region.empty() ? 0 : 1;
  }
  if (region.empty()) region = gc::Region::acquire(gc::RegionUse::kMemory, pages * kWasmPage);
  if (region.empty()) return false;
  region.set_dirty(pages * kWasmPage);
  base = region.base();
  bytes = pages * kWasmPage;
  return true;
}

bool Memory::grow(uint64_t delta, uint64_t budget_pages, uint64_t& old_pages, bool& out_of_memory) {
  out_of_memory = false;
  old_pages = pages();
  if (!may_grow(type.limits, old_pages, delta, type.limits.is_64 ? kMaxPages64 : kMaxPages32, budget_pages))
    return false;
  if (delta == 0) return true;
  const uint64_t wanted = (old_pages + delta) * kWasmPage;
  if (!region.grow(wanted)) {
    out_of_memory = true;
    return false;
  }
  region.set_dirty(wanted);
  base = region.base();
  bytes = wanted;
  return true;
}

Table::~Table() { std::free(elems); }

Table::Storage Table::take_storage() {
  size = 0;
  return {std::exchange(elems, nullptr), std::exchange(capacity, 0), element_bytes};
}

void Table::use_storage(Storage storage) {
  elems = storage.elems;
  capacity = storage.capacity;
}

bool Table::extend(uint64_t delta, uint64_t bits) {
  if (size + delta > capacity) {
    const uint64_t wanted = std::max(size + delta, capacity + capacity / 2);
    if (wanted > SIZE_MAX / 16) return false;
    void* const moved = std::realloc(elems, wanted * element_bytes);
    if (moved == nullptr) return false;
    elems = moved;
    capacity = wanted;
  }
  fill(size, delta, bits);
  size += delta;
  return true;
}

bool Table::grow(uint64_t delta, uint64_t bits, uint64_t budget_elements, uint64_t& old_size, bool& out_of_memory) {
  out_of_memory = false;
  old_size = size;
  if (!may_grow(type.limits, size, delta, type.limits.is_64 ? UINT64_MAX : kMaxElements32, budget_elements))
    return false;
  out_of_memory = !extend(delta, bits);
  return !out_of_memory;
}

FuncSlab::~FuncSlab() {
  if (!region_.empty()) region_.set_dirty(count() * sizeof(FuncEntry));
}

void FuncSlab::restart() {
  if (!region_.empty()) std::fill_n(entries(), count(), FuncEntry{});
  core_.restart(slab::SlabCore::Tags::kSame);
}

FuncEntry* FuncSlab::add(const char* site) {
  constexpr uint64_t kFirstBytes = 64 * 1024;
  if (region_.empty()) {
    region_ = gc::Region::acquire(gc::RegionUse::kFuncs, kFirstBytes);
    if (region_.empty()) return nullptr;
  }
  const uint64_t needed = (std::max<uint64_t>(count(), 1) + 1) * sizeof(FuncEntry);
  // Entries must not move, so the region may not outgrow its reservation.
  if (needed > region_.usable() &&
      (needed > gc::kFuncRegionBytes || !region_.grow(std::min(2 * needed, gc::kFuncRegionBytes)))) {
    return nullptr;
  }
  const slab::SlabId id = core_.allocate(site);
  entries()[0].id = ~uint64_t{0};  // no reference names entry 0, not even null
  FuncEntry& entry = entries()[id.index()];
  entry = FuncEntry{};
  entry.id = id.bits;
  return &entry;
}

void Instance::publish(StoreContext& store_context) {
  ctx.store = &store_context;
  ctx.memory0 = memories.empty() ? nullptr : memories[0];
  ctx.memories = memories.data();
  ctx.tables = tables.data();
  ctx.globals = globals.data();
  ctx.funcs = funcs.data();
  ctx.tags = tags.data();
  ctx.types = types.data();
  ctx.instance = this;
}

}  // namespace parallax::runtime
