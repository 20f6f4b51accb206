#include "engine/jit/code_space.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/text.h"

namespace parallax::jit {
namespace {

constexpr size_t kAlign = 16;
constexpr uint8_t kTrapByte = 0xcc;  // int3
constexpr size_t kMaxPooled = 8;
constexpr size_t kKeepBytes = size_t{1} << 20;  // of a pooled space

struct Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<CodeSpace>> spaces;
};
Pool& pool() {
  static Pool* const the_pool = new Pool;  // never destroyed: stores may outlive static destructors
  return *the_pool;
}

}  // namespace

Result<std::unique_ptr<CodeSpace>> CodeSpace::acquire() {
  {
    const std::lock_guard lock(pool().mutex);
    if (!pool().spaces.empty()) {
      auto space = std::move(pool().spaces.back());
      pool().spaces.pop_back();
      return space;
    }
  }
  const int file = memfd_create("parallax-code", MFD_CLOEXEC);
  if (file < 0) return fail(ErrorCode::kIo, 0, text::format("code memory: {}", std::strerror(errno)));
  std::unique_ptr<CodeSpace> space(new CodeSpace);
  void* write = MAP_FAILED;
  void* exec = MAP_FAILED;
  if (ftruncate(file, kBytes) == 0) {
    write = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    exec = mmap(nullptr, kBytes, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  }
  const int error = errno;
  close(file);
  if (write != MAP_FAILED) space->write_ = static_cast<uint8_t*>(write);
  if (exec != MAP_FAILED) space->exec_ = static_cast<const uint8_t*>(exec);
  if (space->write_ == nullptr || space->exec_ == nullptr) {
    return fail(ErrorCode::kIo, 0, text::format("code memory: {}", std::strerror(error)));
  }
  return space;
}

void CodeSpace::release(std::unique_ptr<CodeSpace> space) {
  if (space == nullptr) return;
  space->reset();
  const std::lock_guard lock(pool().mutex);
  if (pool().spaces.size() < kMaxPooled) pool().spaces.push_back(std::move(space));
}

CodeSpace::~CodeSpace() {
  if (write_ != nullptr) munmap(write_, kBytes);
  if (exec_ != nullptr) munmap(const_cast<uint8_t*>(exec_), kBytes);
}

void CodeSpace::commit(size_t bytes) {
  CHECK(bytes <= kBytes - used_, "code space: {} bytes committed, {} left", bytes, kBytes - used_);
  used_ += bytes;
  // The gap up to the next function stays filled with traps.
  const size_t aligned = (used_ + kAlign - 1) & ~(kAlign - 1);
  if (aligned <= kBytes) {
    std::memset(write_ + used_, kTrapByte, aligned - used_);
    used_ = aligned;
  }
}

void CodeSpace::reset() {
  // What one large module needed goes back to the system.
  if (used_ > kKeepBytes) madvise(write_ + kKeepBytes, kBytes - kKeepBytes, MADV_REMOVE);
  std::memset(write_, kTrapByte, std::min(used_, kKeepBytes));
  used_ = 0;
}

}  // namespace parallax::jit
