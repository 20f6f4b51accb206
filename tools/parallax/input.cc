// Files in, files out, complaints: see commands.h.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace fs = std::filesystem;

void complain(std::string_view text) {
  std::fflush(stdout);
  std::fprintf(stderr, "parallax: %.*s\n", static_cast<int>(text.size()), text.data());
}

int complain(std::string_view what, const Error& error) {
  const bool environment = error.code == ErrorCode::kUnsupported;
  const std::string text =
      error.code == ErrorCode::kIo || error.code == ErrorCode::kUsage ? error.message : error.to_string();
  complain(what.empty() ? text : text::format("{}: {}", what, text));
  return environment ? kEnvironment : kUsage;
}

namespace {

// A module has 32-bit offsets; what is longer is no module, or never ends.
constexpr size_t kMaxInput = size_t{1} << 30;

Result<std::vector<uint8_t>> read_all(int fd) {
  std::vector<uint8_t> bytes;
  size_t used = 0;
  for (;;) {
    if (bytes.size() - used < 65536) bytes.resize(std::max<size_t>(bytes.size() * 2, 1 << 17));
    const ssize_t got = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(ErrorCode::kIo, 0, text::format("cannot read: {}", std::strerror(errno)));
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (used > kMaxInput) return fail(ErrorCode::kLimit, 0, text::format("is larger than {} MiB", kMaxInput >> 20));
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace

Result<std::vector<uint8_t>> read_file(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(ErrorCode::kIo, 0, text::format("cannot open: {}", std::strerror(errno)));
  struct stat info;
  if (::fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
    ::close(fd);
    return fail(ErrorCode::kIo, 0, "is a folder, expected a file");
  }
  auto bytes = read_all(fd);
  ::close(fd);
  if (bytes && bytes->empty()) return fail(ErrorCode::kIo, 0, "is empty");
  return bytes;
}

Result<std::vector<uint8_t>> read_module(const std::string& path) {
  auto bytes = TRY(read_file(path));
  if (bytes.empty()) return fail(ErrorCode::kIo, 0, "is empty");
  // A binary starts with a zero byte; text that has one before its first token is none anyway.
  const bool is_text = path.ends_with(".wat") || bytes[0] == '(' || bytes[0] == ';' || std::isspace(bytes[0]) != 0;
  if (bytes[0] == 0 || !is_text) return bytes;
  return wasm::text::parse_module(std::string(bytes.begin(), bytes.end()));
}

Result<> write_file(const std::string& path, std::string_view content) {
  // Devices, pipes and links are written through; only a file is replaced as a whole.
  struct stat info;
  const bool through = ::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
  const std::string temporary = through ? path : text::format("{}.tmp{}", path, ::getpid());
  std::FILE* file = std::fopen(temporary.c_str(), "wbe");
  if (file == nullptr) return fail(ErrorCode::kIo, 0, text::format("cannot write {}: {}", path, std::strerror(errno)));
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  const bool closed = std::fclose(file) == 0;
  if (!closed || !written || (!through && std::rename(temporary.c_str(), path.c_str()) != 0)) {
    const std::string why = std::strerror(errno);
    if (!through) ::unlink(temporary.c_str());
    return fail(ErrorCode::kIo, 0, text::format("cannot write {}: {}", path, why));
  }
  return {};
}

Result<std::vector<std::string>> files_below(const std::string& path, std::string_view extension) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error || !fs::exists(status)) return fail(ErrorCode::kIo, 0, text::format("{}: no such file or folder", path));
  if (!fs::is_directory(status)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (auto entry = fs::recursive_directory_iterator(path, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_regular_file(error)) continue;
    if (!extension.empty() && entry->path().extension() != extension) continue;
    files.push_back(entry->path().string());
  }
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", path, error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<std::string>> cases_below(const std::string& path) {
  std::error_code error;
  // What is named itself is meant, also a finding's reduced.wasm.
  if (path == "-" || fs::is_regular_file(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files = TRY(files_below(path));
  std::erase_if(files, [&error](const fs::path& file) {
    return file.filename() != "case.wasm" && fs::exists(file.parent_path() / "finding.json", error);
  });
  if (files.empty()) return fail(ErrorCode::kUsage, 0, text::format("{}: no cases there", path));
  return files;
}

}  // namespace parallax::cli
