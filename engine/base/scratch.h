// Scratch<T>: a vector whose memory lasts as long as the ScratchScope around it, and costs a pointer's increment.
//
//   const ScratchScope scope;          // once per pass
//   Scratch<uint32_t> position;        // as std::vector, anywhere below; gone before the scope is
//
// For work that makes many short-lived arrays again and again, like the passes of the optimiser over small functions, where
// the heap's bookkeeping would cost more than the work. Memory is per thread and kept from scope to scope, up to a bound;
// scopes may nest. A vector that outgrows its memory leaves it behind until the scope ends, so at most twice what is in use
// is taken. With address sanitizer the memory is the heap's, so that it watches every array.
#pragma once

#include <cstddef>
#include <vector>

namespace parallax {

namespace detail {

struct ScratchArena {
  static constexpr size_t kAlign = 16;
  std::byte* at = nullptr;  // free from here
  std::byte* end = nullptr;

  void* take(size_t bytes) {
    bytes = (bytes + kAlign - 1) & ~(kAlign - 1);
    if (bytes > static_cast<size_t>(end - at)) [[unlikely]]
      return take_more(bytes);
    std::byte* const taken = at;
    at += bytes;
    return taken;
  }
  void* take_more(size_t bytes);
};
// Without a constructor to run, so that every use is a plain access.
extern constinit thread_local ScratchArena t_scratch;

}  // namespace detail

class ScratchScope {
 public:
  ScratchScope();
  ~ScratchScope();
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

 private:
  size_t chunk_;
  std::byte* at_;
};

template <class T>
struct ScratchAllocator {
  using value_type = T;
  ScratchAllocator() = default;
  template <class U>
  ScratchAllocator(const ScratchAllocator<U>&) {}  // NOLINT(google-explicit-constructor): containers convert allocators
#if __has_feature(address_sanitizer)
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T))); }
  void deallocate(T* p, size_t) { ::operator delete(p); }
#else
  T* allocate(size_t n) { return static_cast<T*>(detail::t_scratch.take(n * sizeof(T))); }
  void deallocate(T*, size_t) {}
#endif
  friend bool operator==(const ScratchAllocator&, const ScratchAllocator&) { return true; }

  static_assert(alignof(T) <= detail::ScratchArena::kAlign);
};

template <class T>
using Scratch = std::vector<T, ScratchAllocator<T>>;

}  // namespace parallax
