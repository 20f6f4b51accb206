#include "engine/jit/code_space.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/jit/stub_cache.h"

namespace parallax::jit {
namespace {

constexpr size_t kAlign = 16;
constexpr uint8_t kTrapByte = 0xcc;  // int3
constexpr size_t kMaxPooled = 8;
constexpr size_t kKeepBytes = size_t{1} << 20;  // of a pooled space, besides stubs

struct Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<CodeSpace>> spaces;
};
Pool& pool() {
  static Pool* const the_pool = new Pool;  // never destroyed: stores may outlive static destructors
  return *the_pool;
}

// All spaces by where their executable mappings begin, for signal handlers: entries are published by their base, and who
// runs code of a space keeps it alive.
struct Listed {
  std::atomic<const uint8_t*> exec = nullptr;
  const CodeSpace* space = nullptr;
};
constexpr size_t kMostListed = 1024;
Listed g_listed[kMostListed];
std::atomic<size_t> g_listed_end = 0;  // entries behind it were never used

bool list(const uint8_t* exec, const CodeSpace* space) {
  const std::lock_guard lock(pool().mutex);
  for (size_t i = 0; i < kMostListed; ++i) {
    if (g_listed[i].exec.load(std::memory_order_relaxed) != nullptr) continue;
    g_listed[i].space = space;
    g_listed[i].exec.store(exec, std::memory_order_release);
    g_listed_end.store(std::max(i + 1, g_listed_end.load()), std::memory_order_release);
    return true;
  }
  return false;
}

void unlist(const uint8_t* exec) {
  const std::lock_guard lock(pool().mutex);
  for (Listed& entry : g_listed) {
    if (entry.exec.load(std::memory_order_relaxed) == exec) entry.exec.store(nullptr, std::memory_order_release);
  }
}

}  // namespace

const CodeSpace* CodeSpace::find(const void* code) {
  const size_t end = g_listed_end.load(std::memory_order_acquire);
  for (size_t i = 0; i < end; ++i) {
    const uint8_t* const exec = g_listed[i].exec.load(std::memory_order_acquire);
    if (exec != nullptr && code >= exec && code < exec + kBytes) return g_listed[i].space;
  }
  return nullptr;
}

bool CodeSpace::map_memory_file() {
  const int file = memfd_create("parallax-code", MFD_CLOEXEC);
  if (file < 0) return false;
  void* write = MAP_FAILED;
  void* exec = MAP_FAILED;
  if (ftruncate(file, kBytes) == 0) {
    write = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    exec = mmap(nullptr, kBytes, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  }
  const int error = errno;
  close(file);
  if (write != MAP_FAILED) write_ = static_cast<uint8_t*>(write);
  if (exec != MAP_FAILED) exec_ = static_cast<const uint8_t*>(exec);
  errno = error;
  return write_ != nullptr && exec_ != nullptr;
}

// The second mapping of shared memory is what mremap makes of 0 bytes of the first.
bool CodeSpace::map_without_file() {
  void* const write = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (write == MAP_FAILED) return false;
  write_ = static_cast<uint8_t*>(write);
  void* const exec = mremap(write, 0, kBytes, MREMAP_MAYMOVE);
  if (exec == MAP_FAILED) return false;
  exec_ = static_cast<const uint8_t*>(exec);
  return mprotect(exec, kBytes, PROT_READ | PROT_EXEC) == 0;
}

Result<std::unique_ptr<CodeSpace>> CodeSpace::acquire(Backing backing) {
  if (backing == Backing::kMemoryFile) {
    const std::lock_guard lock(pool().mutex);
    if (!pool().spaces.empty()) {
      auto space = std::move(pool().spaces.back());
      pool().spaces.pop_back();
      return space;
    }
  }
  std::unique_ptr<CodeSpace> space(new CodeSpace);
  space->backing_ = backing;
  const bool mapped = backing == Backing::kMemoryFile ? space->map_memory_file() : space->map_without_file();
  if (!mapped) return fail(ErrorCode::kIo, 0, text::format("code memory: {}", std::strerror(errno)));
  space->listed_ = list(space->exec_, space.get());
  return space;
}

void CodeSpace::release(std::unique_ptr<CodeSpace> space) {
  if (space == nullptr || space->backing_ != Backing::kMemoryFile) return;
  space->reset();
  space->guard_sites_ = nullptr;
  const std::lock_guard lock(pool().mutex);
  if (pool().spaces.size() < kMaxPooled) pool().spaces.push_back(std::move(space));
}

CodeSpace::CodeSpace() : stubs_(std::make_unique<StubCache>()) {}

CodeSpace::~CodeSpace() {
  if (listed_) unlist(exec_);
  if (write_ != nullptr) munmap(write_, kBytes);
  if (exec_ != nullptr) munmap(const_cast<uint8_t*>(exec_), kBytes);
}

void CodeSpace::commit(size_t bytes) {
  const size_t left = room().size();
  CHECK(bytes <= left, "code space: {} bytes committed, {} left", bytes, left);
  size_t& end = part_ == Part::kCode ? used_ : stub_bytes_;
  end += bytes;
  // The gap up to the next function stays filled with traps.
  const size_t gap = std::min(-end & (kAlign - 1), left - bytes);
  std::memset(write_ + end, kTrapByte, gap);
  end += gap;
}

void CodeSpace::relink(uint32_t at, uint32_t target) {
  CHECK(at >= kStubBytes && at + sizeof(int32_t) <= used_ && target < used_, "code space: link at {:#x} to {:#x}", at,
        target);
  const int32_t distance = static_cast<int32_t>(target) - static_cast<int32_t>(at + sizeof(int32_t));
  std::memcpy(write_ + at, &distance, sizeof(distance));
}

void CodeSpace::reset() {
  // What one large module needed goes back to the system.
  constexpr size_t kKeepEnd = kStubBytes + kKeepBytes;
  if (used_ > kKeepEnd) madvise(write_ + kKeepEnd, kBytes - kKeepEnd, MADV_REMOVE);
  std::memset(write_ + kStubBytes, kTrapByte, std::min(used_, kKeepEnd) - kStubBytes);
  used_ = kStubBytes;
}

void CodeSpace::forget_stubs() {
  std::memset(write_, kTrapByte, stub_bytes_);
  stub_bytes_ = 0;
}

}  // namespace parallax::jit
