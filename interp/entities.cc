#include "interp/entities.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "interp/code.h"

namespace parallax::interp {

Func::Func() { cell.kind = CellKind::kFunc; }
Func::~Func() = default;

Table::~Table() { std::free(elements); }

bool Table::grow_to(uint64_t new_size) {
  if (new_size > capacity) {
    if (new_size > SIZE_MAX / sizeof(Word) / 2) return false;
    const uint64_t wanted = size == 0 ? new_size : std::max(new_size, capacity + capacity / 2);
    // The first allocation comes zeroed and untouched from the system: big tables are mostly empty.
    auto* grown = static_cast<Word*>(size == 0 ? std::calloc(wanted, sizeof(Word))
                                               : std::realloc(elements, wanted * sizeof(Word)));
    if (grown == nullptr) return false;
    if (size == 0) std::free(elements);
    if (size != 0) std::memset(grown + size, 0, (wanted - size) * sizeof(Word));
    elements = grown;
    capacity = wanted;
  }
  size = new_size;
  return true;
}

namespace {

// Memories of one page are what most programs have. Their mappings are cleared and used again: mapping and touching one
// costs ten times as much.
class PagePool {
 public:
  uint8_t* take() {
    if (count_ != 0) return pages_[--count_];
    void* page = mmap(nullptr, Memory::kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? nullptr : static_cast<uint8_t*>(page);
  }
  void give(uint8_t* page) {
    if (count_ == kMost) {
      munmap(page, Memory::kPageBytes);
      return;
    }
    clear(page);
    pages_[count_++] = page;
  }
  ~PagePool() {
    while (count_ != 0) munmap(pages_[--count_], Memory::kPageBytes);
  }

 private:
  // Most of most memories was never written, and looking is cheaper than writing.
  static void clear(uint8_t* page) {
    constexpr size_t kPiece = 1024;
    for (uint8_t* piece = page; piece != page + Memory::kPageBytes; piece += kPiece) {
      uint64_t any = 0;
      for (size_t i = 0; i < kPiece; i += sizeof(uint64_t)) {
        uint64_t word;
        std::memcpy(&word, piece + i, sizeof(word));
        any |= word;
      }
      if (any != 0) std::memset(piece, 0, kPiece);
    }
  }

  static constexpr size_t kMost = 8;
  uint8_t* pages_[kMost] = {};
  size_t count_ = 0;
};
thread_local PagePool page_pool;

}  // namespace

Memory::~Memory() {
  if (base == nullptr) return;
  if (bytes == kPageBytes) {
    page_pool.give(base);
  } else {
    munmap(base, bytes);
  }
}

bool Memory::grow_to(uint64_t new_bytes) {
  if (new_bytes == bytes) return true;
  if (base == nullptr && new_bytes == kPageBytes) {
    base = page_pool.take();
    if (base == nullptr) return false;
    bytes = new_bytes;
    return true;
  }
  void* grown = base == nullptr ? mmap(nullptr, new_bytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                                : mremap(base, bytes, new_bytes, MREMAP_MAYMOVE);
  if (grown == MAP_FAILED) return false;
  base = static_cast<uint8_t*>(grown);
  bytes = new_bytes;
  return true;
}

}  // namespace parallax::interp
