// Chunks of scratch memory, each at least as large as all before it together.
#include "engine/base/scratch.h"

#include <algorithm>
#include <memory>

#include "engine/base/check.h"

namespace parallax {

namespace detail {

constinit thread_local ScratchArena t_scratch;

}  // namespace detail

namespace {

constexpr size_t kFirst = size_t{64} << 10;
constexpr size_t kMostKept = size_t{8} << 20;  // while no scope is open

struct Chunk {
  std::unique_ptr<std::byte[]> memory;
  size_t size = 0;
};
struct Chunks {
  std::vector<Chunk> all;
  size_t used = 0;  // the one at hand is the last of so many
  size_t scopes = 0;
};

Chunks& chunks_of_thread() {
  static thread_local Chunks chunks;
  return chunks;
}

}  // namespace

void* detail::ScratchArena::take_more(size_t bytes) {
  Chunks& chunks = chunks_of_thread();
  CHECK(chunks.scopes != 0, "scratch memory outside of a scope");
  while (chunks.used < chunks.all.size() && chunks.all[chunks.used].size < bytes) ++chunks.used;
  if (chunks.used == chunks.all.size()) {
    size_t size = std::max(kFirst, bytes);
    for (const Chunk& chunk : chunks.all) size += chunk.size;
    chunks.all.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
  }
  const Chunk& chunk = chunks.all[chunks.used++];
  at = chunk.memory.get() + bytes;
  end = chunk.memory.get() + chunk.size;
  return chunk.memory.get();
}

ScratchScope::ScratchScope() {
  Chunks& chunks = chunks_of_thread();
  ++chunks.scopes;
  chunk_ = chunks.used;
  at_ = detail::t_scratch.at;
}

ScratchScope::~ScratchScope() {
  Chunks& chunks = chunks_of_thread();
  if (--chunks.scopes == 0) {
    size_t kept = 0;
    const auto too_much = [&](const Chunk& chunk) { return (kept += chunk.size) > kMostKept; };
    chunks.all.erase(std::ranges::find_if(chunks.all, too_much), chunks.all.end());
    // The first chunk is at hand from the beginning: most scopes never need another.
    chunks.used = chunks.all.empty() ? 0 : 1;
    detail::t_scratch.at = chunks.all.empty() ? nullptr : chunks.all[0].memory.get();
    detail::t_scratch.end = chunks.all.empty() ? nullptr : detail::t_scratch.at + chunks.all[0].size;
    return;
  }
  chunks.used = chunk_;
  detail::t_scratch.at = at_;
  detail::t_scratch.end = chunk_ == 0 ? nullptr : chunks.all[chunk_ - 1].memory.get() + chunks.all[chunk_ - 1].size;
}

}  // namespace parallax
