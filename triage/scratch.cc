#include "triage/scratch.h"

#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/text.h"

namespace parallax::triage {

ScratchFile::ScratchFile(std::span<const uint8_t> bytes) : fd_(::memfd_create("parallax-case", 0)) {
  for (size_t done = 0; fd_ >= 0 && done < bytes.size();) {
    const ssize_t wrote = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (wrote <= 0) {
      ::close(fd_);
      fd_ = -1;
      return;
    }
    done += static_cast<size_t>(wrote);
  }
}

ScratchFile::~ScratchFile() {
  if (fd_ >= 0) ::close(fd_);
}

// Children inherit the descriptor under the same number.
std::string ScratchFile::path() const { return text::format("/proc/self/fd/{}", fd_); }

}  // namespace parallax::triage
