// Processor time of the calling thread: what measurements of work use, because other programs do not count in it.
#pragma once

#include <ctime>

#include <cstdint>

namespace parallax {

inline uint64_t thread_nanoseconds() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace parallax
