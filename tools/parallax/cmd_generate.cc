// parallax generate: modules to files, or the one case of a campaign at an index.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>

#include "engine/base/text.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"

namespace parallax::cli {

namespace {

struct GenerateArgs {
  CampaignOptions campaign;
  CampaignFlags flags;
  uint64_t index = 0, count = 1;
  std::string output = ".";
  bool envelope = false;
};

Result<> write_one(const GenerateArgs& args, const std::vector<std::string>& corpus, uint64_t index,
                   const std::string& path) {
  fuzz::Case subject = TRY(case_at(args.campaign, corpus, index));
  std::vector<uint8_t> bytes = subject.modules.front();
  if (args.envelope) {
    const auto specs = TRY(fuzz::executors_of(subject, args.campaign.seed ^ index * 0x9e3779b97f4a7c15ull));
    subject.configuration.executors.clear();
    for (const fuzz::ExecutorSpec& spec : specs) subject.configuration.executors.push_back(to_string(spec));
    bytes = write_envelope(subject);
  }
  return write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

int run(const GenerateArgs& args) {
  std::vector<std::string> corpus;
  if (!args.campaign.corpus.empty()) corpus = *cases_below(args.campaign.corpus);
  std::error_code error, no_folder_yet;
  const bool to_folder = args.count != 1 || std::filesystem::is_directory(args.output, no_folder_yet);
  if (to_folder) std::filesystem::create_directories(args.output, error);
  if (error) return complain(args.output + ": " + error.message()), kEnvironment;
  uint64_t written = 0;
  for (uint64_t i = 0; i < args.count; ++i) {
    const uint64_t index = args.index + i;
    const std::string path =
        to_folder ? text::format("{}/{}-{}.wasm", args.output, args.campaign.seed, index) : args.output;
    const auto done = write_one(args, corpus, index, path);
    if (!done && done.error().code == ErrorCode::kIo) return complain("", done.error()), kEnvironment;
    if (!done) {
      complain(text::format("index {}: {}", index, done.error().message));
      continue;
    }
    ++written;
  }
  return written > 0 ? kDone : kFound;
}

}  // namespace

void add_generate(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<GenerateArgs>();
  add_campaign_options(command, args->campaign, args->flags);
  command.add_option("--index", args->index, "number of the first case")->capture_default_str();
  command.add_option("--count", args->count, "how many cases")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  command.add_option("-o,--output", args->output, "file, or folder for SEED-INDEX.wasm")->capture_default_str();
  command.add_flag("--envelope", args->envelope, "with plan and configuration in a custom section");
  command.callback([args, &exit_code] {
    if (exit_code = apply(args->flags, args->campaign); exit_code == kDone) exit_code = run(*args);
  });
}

}  // namespace parallax::cli
