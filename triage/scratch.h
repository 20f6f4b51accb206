// A file without a name in any folder, for handing bytes to a child: nobody can guess it, nothing is left behind.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace parallax::triage {

class ScratchFile {
 public:
  explicit ScratchFile(std::span<const uint8_t> bytes);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  // False: the machine had no memory or no descriptor left.
  bool ok() const { return fd_ >= 0; }
  // Where this process and its children read it.
  std::string path() const;

 private:
  int fd_ = -1;
};

}  // namespace parallax::triage
