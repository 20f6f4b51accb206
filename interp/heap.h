// Memory of objects: size-segregated blocks, mark and sweep, nothing moves.   [establishes I1 for the interpreter]
//
// Blocks are 64 KiB, aligned, and hold cells of one size; larger objects get a block of their own. A cell's name, as
// embedders see it, is store tag (16 bits), generation (16), block number (20) and position in the block (12). Freeing
// a cell advances its generation, so a name of a dead object never denotes its successor; a cell whose generation is
// used up is not reused, and a block number that returns starts above every generation it ever gave out.
//
// The heap knows cells, not roots or types: who marks is collector.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "interp/cell.h"

namespace parallax::interp {

// Most objects and frames have a few slots only, for which a call of memset costs more than it does.
inline void zero_slots(uint64_t* slots, uint64_t count) {
  constexpr uint64_t kFew = 8;
  if (count > kFew) {
    __builtin_memset(slots, 0, count * sizeof(uint64_t));
    return;
  }
  for (uint64_t i = 0; i < count; ++i) {
    slots[i] = 0;
    asm volatile("");  // or the compiler would make it that call again
  }
}

class Heap {
 public:
  // `armed`: freed cells are filled with a pattern.
  Heap(uint16_t tag, uint64_t max_bytes, bool armed);
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  enum class Fill : uint8_t { kNone, kZero };
  // A cell with `payload_words` words behind its header; null when real memory or max_bytes are exhausted. Never
  // collects. The payload is undefined unless kZero was asked for.
  Cell* allocate(CellKind kind, uint32_t type, uint64_t payload_words, Fill fill);

  // Real bytes: given out since the last sweep, and in all blocks.
  uint64_t allocated_since_sweep() const { return since_sweep_; }
  uint64_t bytes_in_use() const { return in_use_; }
  uint64_t live_cells() const { return live_cells_; }

  // Marks a cell for the sweep that follows. False when it was marked before.
  bool mark(Cell* cell) {
    if (cell->mark != unmarked_) return false;
    cell->mark = unmarked_ ^ 1;
    ++block_of(cell)->marked;
    return true;
  }
  // Frees every cell that was not marked. Looks into those blocks only in which some cells died and others did not.
  void sweep();

  uint64_t name_of(const Cell* cell) const;
  // The live cell of this name, or a text that says why there is none.
  std::expected<Cell*, std::string> find(uint64_t name) const;

  // Answers for many cells whether they are starts of live cells of this heap, touching no memory outside its blocks.
  // Valid until the next allocation or sweep.
  class LiveIndex {
   public:
    explicit LiveIndex(const Heap& heap);
    bool contains(const Cell* cell) const;

   private:
    std::vector<const void*> blocks_;  // sorted
  };

  // Every live cell, in order of block and position.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Slot& slot : blocks_) {
      if (slot.block == nullptr) continue;
      for (uint32_t i = 0; i < slot.block->fresh; ++i) {
        Cell* cell = slot.block->at(i);
        if (cell->kind != CellKind::kFree) visit(cell);
      }
    }
  }

 private:
  struct Block {
    uint32_t number;
    uint32_t cell_bytes;  // 0 for a large block's only cell
    uint32_t capacity;    // cells
    uint32_t fresh;       // cells below this one have been given out at least once
    uint32_t live;        // cells given out and not freed
    uint32_t marked;      // of them, since the last sweep
    uint16_t base_generation;
    uint16_t last_generation;  // the largest that any cell here has
    uint8_t size_class;
    bool mapped;
    uint64_t total_bytes;
    Cell* free_list;  // linked through the payload's first word

    Cell* at(uint32_t i) {
      return reinterpret_cast<Cell*>(reinterpret_cast<char*>(this) + kHeaderBytes + uint64_t{i} * cell_bytes);
    }
  };
  struct Slot {
    Block* block = nullptr;
    uint16_t next_generation = 1;  // where a new block at this number starts
  };

  static constexpr uint64_t kBlockBytes = 64 * 1024;
  static constexpr uint64_t kHeaderBytes = 64;
  static constexpr uint32_t kSizeClasses = 36;
  static constexpr uint64_t kMaxSmall = 8192;
  static constexpr uint32_t kMaxBlocks = 1u << 20;
  static_assert(sizeof(Block) <= kHeaderBytes);

  static Block* block_of(const Cell* cell) {
    return reinterpret_cast<Block*>(reinterpret_cast<uint64_t>(cell) & ~(kBlockBytes - 1));
  }
  // 16 .. 512 in steps of 16, then powers of two up to kMaxSmall.
  static uint32_t size_class_of(uint64_t bytes) {
    if (bytes <= 512) [[likely]]
      return static_cast<uint32_t>((bytes + 15) / 16 - 1);
    return bytes <= 1024 ? 32 : bytes <= 2048 ? 33 : bytes <= 4096 ? 34 : 35;
  }
  static uint32_t class_bytes(uint32_t size_class) {
    return size_class < 32 ? (size_class + 1) * 16 : 1024u << (size_class - 32);
  }
  struct FreeCell : Cell {
    Cell* next;
  };
  // Gives the size class a current block with space. False when memory is exhausted.
  bool refill(uint32_t size_class);
  Cell* allocate_large(CellKind kind, uint32_t type, uint64_t bytes, Fill fill);
  bool install(Block* block);
  void uninstall(Block* block);
  static void release(Block* block);
  void free_cell(Block* block, Cell* cell);
  void sweep_block(Block* block);

  uint16_t tag_;
  bool armed_;
  uint64_t max_bytes_;
  uint64_t in_use_ = 0;
  uint64_t since_sweep_ = 0;
  uint64_t live_cells_ = 0;
  uint8_t unmarked_ = 0;  // the mark of a cell that was not marked since the last sweep; sweeping exchanges 0 and 1
  std::vector<Slot> blocks_;
  std::vector<uint32_t> free_numbers_;
  Block* current_[kSizeClasses] = {};             // block that serves the size class now
  std::vector<Block*> with_space_[kSizeClasses];  // others that have free cells
};

inline Cell* Heap::allocate(CellKind kind, uint32_t type, uint64_t payload_words, Fill fill) {
  const uint64_t bytes = sizeof(Cell) + (payload_words == 0 ? 1 : payload_words) * 8;
  if (bytes > kMaxSmall) [[unlikely]]
    return allocate_large(kind, type, bytes, fill);
  const uint32_t size_class = size_class_of(bytes);
  Block* block = current_[size_class];
  Cell* cell;
  if (block != nullptr && block->free_list != nullptr) [[likely]] {
    cell = block->free_list;
    block->free_list = static_cast<FreeCell*>(cell)->next;
  } else if (block != nullptr && block->fresh < block->capacity) {
    cell = block->at(block->fresh++);
    cell->generation = block->base_generation;
  } else if (refill(size_class)) {
    return allocate(kind, type, payload_words, fill);
  } else {
    return nullptr;
  }
  cell->type = type;
  cell->kind = kind;
  cell->mark = unmarked_;
  ++block->live;
  since_sweep_ += bytes;
  ++live_cells_;
  if (fill == Fill::kZero) zero_slots(reinterpret_cast<uint64_t*>(cell + 1), payload_words);
  return cell;
}

}  // namespace parallax::interp
