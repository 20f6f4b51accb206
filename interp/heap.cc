#include "interp/heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "engine/base/check.h"
#include "engine/base/text.h"

namespace parallax::interp {

namespace {

constexpr uint16_t kLastGeneration = 0xfff0;
constexpr uint8_t kPoison = 0xdb;

// An aligned mapping of zeroes: maps too much and cuts.
void* map_aligned(uint64_t bytes, uint64_t alignment) {
  const uint64_t total = bytes + alignment;
  void* raw = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uint64_t>(raw);
  const uint64_t aligned = (start + alignment - 1) & ~(alignment - 1);
  if (aligned > start) munmap(raw, aligned - start);
  if (aligned + bytes < start + total)
    munmap(reinterpret_cast<void*>(aligned + bytes), start + total - aligned - bytes);
  return reinterpret_cast<void*>(aligned);
}

// Blocks of the whole process, recycled between stores: fuzzing makes and drops thousands of stores a second. Address
// space is never given back; the pages of all but the first idle blocks are. Lives for ever, because stores may be
// destroyed late.
class Pool {
 public:
  static constexpr uint64_t kBlockBytes = 64 * 1024;

  void* take() {
    const std::lock_guard lock(mutex_);
    if (blocks_.empty() && !map_more()) return nullptr;
    void* block = blocks_.back();
    blocks_.pop_back();
    return block;
  }
  void give(void* block) {
    const std::lock_guard lock(mutex_);
    if (blocks_.size() >= kKeepPages) madvise(block, kBlockBytes, MADV_DONTNEED);
    blocks_.push_back(block);
  }

 private:
  static constexpr uint64_t kAtOnce = 16;
  static constexpr size_t kKeepPages = 512;  // 32 MiB

  bool map_more() {
    auto* chunk = static_cast<char*>(map_aligned(kAtOnce * kBlockBytes, kBlockBytes));
    if (chunk == nullptr) return false;
    for (uint64_t i = kAtOnce; i-- > 0;) blocks_.push_back(chunk + i * kBlockBytes);
    return true;
  }

  std::mutex mutex_;
  std::vector<void*> blocks_;
};

Pool& pool() {
  static Pool& pool = *new Pool;
  return pool;
}

constexpr uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

}  // namespace

Heap::Heap(uint16_t tag, uint64_t max_bytes, bool armed) : tag_(tag), armed_(armed), max_bytes_(max_bytes) {}

Heap::~Heap() {
  for (const Slot& slot : blocks_) {
    if (slot.block != nullptr) release(slot.block);
  }
}

bool Heap::install(Block* block) {
  if (free_numbers_.empty()) {
    if (blocks_.size() >= kMaxBlocks) return false;
    free_numbers_.push_back(static_cast<uint32_t>(blocks_.size()));
    blocks_.emplace_back();
  }
  block->number = free_numbers_.back();
  free_numbers_.pop_back();
  block->base_generation = blocks_[block->number].next_generation;
  block->last_generation = block->base_generation;
  block->fresh = 0;
  block->live = 0;
  block->marked = 0;
  block->free_list = nullptr;
  blocks_[block->number].block = block;
  in_use_ += block->total_bytes;
  return true;
}

void Heap::uninstall(Block* block) {
  Slot& slot = blocks_[block->number];
  slot.next_generation = std::max<uint16_t>(slot.next_generation, block->last_generation + 1);
  slot.block = nullptr;
  if (slot.next_generation < kLastGeneration) free_numbers_.push_back(block->number);
  in_use_ -= block->total_bytes;
  release(block);
}

void Heap::release(Block* block) {
  if (block->mapped) {
    munmap(block, block->total_bytes);
  } else {
    pool().give(block);
  }
}

bool Heap::refill(uint32_t size_class) {
  if (!with_space_[size_class].empty()) {
    current_[size_class] = with_space_[size_class].back();
    with_space_[size_class].pop_back();
    return true;
  }
  if (in_use_ + kBlockBytes > max_bytes_) return false;
  auto* block = static_cast<Block*>(pool().take());
  if (block == nullptr) return false;
  block->cell_bytes = class_bytes(size_class);
  block->capacity = static_cast<uint32_t>((kBlockBytes - kHeaderBytes) / block->cell_bytes);
  block->size_class = static_cast<uint8_t>(size_class);
  block->mapped = false;
  block->total_bytes = kBlockBytes;
  if (!install(block)) {
    release(block);
    return false;
  }
  current_[size_class] = block;
  return true;
}

// A block for one cell: a common one if it is large enough, else a mapping (which comes zeroed).
Cell* Heap::allocate_large(CellKind kind, uint32_t type, uint64_t bytes, Fill fill) {
  const uint64_t total = std::max(kBlockBytes, round_up(kHeaderBytes + bytes, 4096));
  if (total > max_bytes_ || in_use_ > max_bytes_ - total) return nullptr;
  const bool mapped = total > kBlockBytes;
  void* memory = mapped ? map_aligned(total, kBlockBytes) : pool().take();
  if (memory == nullptr) return nullptr;
  auto* block = static_cast<Block*>(memory);
  block->cell_bytes = 0;
  block->capacity = 1;
  block->size_class = 0;
  block->mapped = mapped;
  block->total_bytes = total;
  if (!install(block)) {
    release(block);
    return nullptr;
  }
  block->fresh = 1;
  block->live = 1;
  Cell* cell = block->at(0);
  *cell = {.type = type, .generation = block->base_generation, .kind = kind, .mark = unmarked_};
  since_sweep_ += bytes;
  ++live_cells_;
  if (!mapped && fill == Fill::kZero) std::memset(static_cast<void*>(cell + 1), 0, bytes - sizeof(Cell));
  return cell;
}

void Heap::free_cell(Block* block, Cell* cell) {
  cell->kind = CellKind::kFree;
  --live_cells_;
  --block->live;
  ++cell->generation;
  block->last_generation = std::max(block->last_generation, cell->generation);
  if (armed_) std::memset(static_cast<void*>(cell + 1), kPoison, block->cell_bytes - sizeof(Cell));
  if (cell->generation >= kLastGeneration) return;  // its names are used up
  static_cast<FreeCell*>(cell)->next = block->free_list;
  block->free_list = cell;
}

void Heap::sweep_block(Block* block) {
  for (uint32_t i = block->fresh; i-- > 0;) {
    Cell* cell = block->at(i);
    if (cell->kind != CellKind::kFree && cell->mark == unmarked_) free_cell(block, cell);
  }
}

void Heap::sweep() {
  for (uint32_t c = 0; c < kSizeClasses; ++c) {
    current_[c] = nullptr;
    with_space_[c].clear();
  }
  for (uint32_t number = static_cast<uint32_t>(blocks_.size()); number-- > 0;) {
    Block* block = blocks_[number].block;
    if (block == nullptr) continue;
    if (block->marked == 0) {
      live_cells_ -= block->live;
      if (armed_)
        std::memset(reinterpret_cast<char*>(block) + kHeaderBytes, kPoison, block->total_bytes - kHeaderBytes);
      uninstall(block);
      continue;
    }
    if (block->marked != block->live) sweep_block(block);
    block->marked = 0;
    if (block->cell_bytes != 0 && (block->free_list != nullptr || block->fresh < block->capacity)) {
      with_space_[block->size_class].push_back(block);
    }
  }
  unmarked_ ^= 1;
  since_sweep_ = 0;
}

uint64_t Heap::name_of(const Cell* cell) const {
  const Block* block = block_of(cell);
  const uint64_t offset = reinterpret_cast<uint64_t>(cell) - reinterpret_cast<uint64_t>(block) - kHeaderBytes;
  const uint64_t position = block->cell_bytes == 0 ? 0 : offset / block->cell_bytes;
  return uint64_t{tag_} << 48 | uint64_t{cell->generation} << 32 | uint64_t{block->number} << 12 | position;
}

std::expected<Cell*, std::string> Heap::find(uint64_t name) const {
  const uint64_t tag = name >> 48;
  if (tag != tag_) {
    return std::unexpected(text::format(
        "I1: id from different store: object {:#x} belongs to store {}, used in store {}", name, tag, tag_));
  }
  const auto number = static_cast<uint32_t>(name >> 12 & (kMaxBlocks - 1));
  const auto position = static_cast<uint32_t>(name & 0xfff);
  const auto generation = static_cast<uint16_t>(name >> 32);
  Block* block = number < blocks_.size() ? blocks_[number].block : nullptr;
  if (block == nullptr || position >= block->fresh) {
    return std::unexpected(
        text::format("I1: stale id: object {:#x} of store {} was collected with its block", name, tag_));
  }
  Cell* cell = block->at(position);
  if (cell->kind == CellKind::kFree || cell->generation != generation) {
    return std::unexpected(
        text::format("I1: stale id: object {:#x} of store {} was collected (generation {}, its place is now at {})",
                     name, tag_, generation, cell->generation));
  }
  return cell;
}

Heap::LiveIndex::LiveIndex(const Heap& heap) {
  for (const Slot& slot : heap.blocks_) {
    if (slot.block != nullptr) blocks_.push_back(slot.block);
  }
  std::ranges::sort(blocks_);
}

bool Heap::LiveIndex::contains(const Cell* cell) const {
  const Block* block = block_of(cell);
  if (!std::ranges::binary_search(blocks_, static_cast<const void*>(block))) return false;
  const uint64_t offset = reinterpret_cast<uint64_t>(cell) - reinterpret_cast<uint64_t>(block) - kHeaderBytes;
  if (block->cell_bytes == 0) return offset == 0 && cell->kind != CellKind::kFree;
  return offset % block->cell_bytes == 0 && offset / block->cell_bytes < block->fresh && cell->kind != CellKind::kFree;
}

}  // namespace parallax::interp
