#include "fuzz/external/engines.h"

#include <unistd.h>

#include <cstdlib>

#include "engine/base/text.h"

namespace parallax::fuzz {

namespace {

constexpr ExternalEngine kEngines[] = {
#define ENGINE(name, files, arguments, environment, summary) {name, files, arguments, environment, summary},
#include "fuzz/external/engines.def"
#undef ENGINE
};

constexpr const char* kDriver =
#include "driver_js.inc"
    ;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    if (end != 0) words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

std::vector<std::string> search_folders() {
  std::vector<std::string> folders;
  if (const char* peers = std::getenv("PARALLAX_PEERS")) {
    for (const std::string& folder : split(peers, ':')) {
      folders.push_back(folder);
      folders.push_back(folder + "/bin");
    }
  }
  if (const char* path = std::getenv("PATH")) {
    for (std::string& folder : split(path, ':')) folders.push_back(std::move(folder));
  }
  return folders;
}

}  // namespace

std::span<const ExternalEngine> external_engines() { return kEngines; }

Result<uint32_t> find_external(std::string_view name) {
  std::string known;
  for (uint32_t i = 0; i < std::size(kEngines); ++i) {
    if (kEngines[i].name == name) return i;
    known += text::format("{}{}", known.empty() ? "" : ", ", kEngines[i].name);
  }
  return fail(ErrorCode::kUsage, 0, text::format("no external engine {}; there are {}", text::quoted(name), known));
}

Result<std::string> external_program(const ExternalEngine& engine) {
  for (const std::string& folder : search_folders()) {
    for (const std::string& file : split(engine.files, ' ')) {
      std::string path = folder + "/" + file;
      if (::access(path.c_str(), X_OK) == 0) return path;
    }
  }
  return fail(ErrorCode::kUnsupported, 0,
              text::format("{}: no program {} in $PARALLAX_PEERS and $PATH", engine.name, engine.files));
}

Result<std::vector<std::string>> external_command(const ExternalEngine& engine) {
  const std::string program = TRY(external_program(engine));
  std::vector<std::string> command = {"/usr/bin/env"};
  for (std::string& word : split(engine.environment, ' ')) command.push_back(std::move(word));
  command.push_back(program);
  for (std::string& word : split(engine.arguments, ' ')) command.push_back(std::move(word));
  command.emplace_back(kDriver);
  return command;
}

}  // namespace parallax::fuzz
