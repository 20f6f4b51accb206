#include "engine/base/process_memory.h"

#include <malloc.h>

namespace parallax {

void keep_freed_memory() {
  // Above what a case frees in the usual course; what a rare one needed goes back.
  constexpr int kTrimAbove = 32 << 20;
  constexpr int kMapAbove = 4 << 20;
  mallopt(M_TRIM_THRESHOLD, kTrimAbove);
  mallopt(M_MMAP_THRESHOLD, kMapAbove);
}

}  // namespace parallax
