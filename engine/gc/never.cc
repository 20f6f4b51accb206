// The collector that never collects: what a difference to the others proves is that collecting caused it.
#include <algorithm>

#include "engine/gc/collector.h"
#include "engine/gc/collectors.h"
#include "engine/gc/generational.h"

namespace parallax::gc {

namespace {

constexpr uint64_t kOpenStep = 64 * 1024;  // the region is zero from the start; steps only bound what is dirty

}  // namespace

uint64_t Never::allocate(uint64_t bytes, Effort) {
  const uint64_t next = *heap_.window_.next;
  if (bytes > heap_.bytes() || next > heap_.bytes() - bytes) return 0;
  *heap_.window_.next = next + bytes;
  const uint64_t wanted = std::max(heap_.open_limit_, next + bytes);
  heap_.publish_window(wanted > heap_.open_limit_ ? std::min(heap_.bytes(), wanted + kOpenStep) : wanted);
  return next;
}

std::vector<ByteRange> Never::dirty() const { return {{0, std::max(heap_.open_limit_, *heap_.window_.next)}}; }

std::unique_ptr<Collector> make_collector(GcKind kind, Heap& heap) {
  switch (kind) {
    case GcKind::kMoving: return std::make_unique<Moving>(heap);
    case GcKind::kNonMoving: return std::make_unique<NonMoving>(heap);
    case GcKind::kNever: return std::make_unique<Never>(heap);
    case GcKind::kGenerational: return std::make_unique<Generational>(heap);
  }
  return nullptr;
}

}  // namespace parallax::gc
