#include "tools/parallax/dump.h"

#include <filesystem>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

// Stages of the machine have fixed numbers, so that they sort behind the passes.
struct MachineStage {
  const char* name;
  uint32_t number;
  const char* extension;
};
constexpr MachineStage kMachineStages[] = {{"machine", 90, "mir"}, {"allocated", 91, "mir"}, {"code", 92, "s"}};

}  // namespace

Result<StageFiles> StageFiles::in(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, 0, text::format("cannot make {}: {}", folder, error.message()));
  StageFiles files;
  files.folder_ = folder;
  return files;
}

void StageFiles::add(uint32_t func, const std::string& stage, const std::string& text) {
  const auto [at, first] = functions_.try_emplace(func);
  Progress& progress = at->second;
  if (stage == "translate" && !first) progress = {progress.generation + 1, 0};
  uint32_t number = progress.stages++;
  const char* extension = "ir";
  for (const MachineStage& row : kMachineStages) {
    if (stage != row.name) continue;
    number = row.number;
    extension = row.extension;
  }
  const std::string generation =
      progress.generation == 0 ? "" : std::string(1, static_cast<char>('a' + std::min(progress.generation, 25u)));
  const auto written =
      write_file(text::format("{}/f{:03}{}.{:02}-{}.{}", folder_, func, generation, number, stage, extension), text);
  if (written) {
    ++files_;
  } else if (failure_.empty()) {
    failure_ = written.error().message;
  }
}

}  // namespace parallax::cli
