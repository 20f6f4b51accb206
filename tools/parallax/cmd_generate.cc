// parallax generate: modules to files, or the one case of a campaign at an index, or mutations of cases there are; with
// --stats none are written, and what they do when they run is counted.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <map>

#include "engine/base/text.h"
#include "fuzz/mutators/mutate.h"
#include "fuzz/oracle/js_file.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/generator_stats.h"
#include "tools/parallax/options.h"

namespace parallax::cli {

namespace {

struct GenerateArgs {
  CampaignOptions campaign;
  CampaignFlags flags;
  uint64_t index = 0, count = 1, around = 0;
  std::string output = ".";
  bool envelope = false, js = false, mutate = false, stats = false, json = false;
};

Result<fuzz::Case> read_case(const std::string& path) { return fuzz::read_envelope(TRY(read_module(path))); }

// A mutation of one of the corpus's cases, crossed with another; which ones follows from seed and index.
Result<fuzz::Case> mutation_at(const GenerateArgs& args, const std::vector<std::string>& corpus, uint64_t index) {
  ChoiceStream choices(executor_seed(args.campaign, index) ^ 0x6d757461);
  const fuzz::Case subject = TRY(read_case(choices.pick(corpus)));
  const auto donor = read_case(choices.pick(corpus));
  return fuzz::mutate_case(subject, donor ? &*donor : nullptr, choices);
}

Result<> write_text(const std::string& path, const fuzz::Case& subject) {
  const fuzz::JsFile file = TRY(fuzz::make_js_file(subject, {}));
  return write_file(path, file.text);
}

Result<> write_one(const GenerateArgs& args, const std::vector<std::string>& corpus, uint64_t index,
                   const std::string& path) {
  fuzz::Case subject = TRY(args.mutate ? mutation_at(args, corpus, index) : case_at(args.campaign, corpus, index));
  if (args.js) return write_text(path, subject);
  std::vector<uint8_t> bytes = subject.modules.front();
  if (args.envelope) {
    const auto specs = TRY(fuzz::executors_of(subject, executor_seed(args.campaign, index)));
    subject.configuration.executors.clear();
    for (const fuzz::ExecutorSpec& spec : specs) subject.configuration.executors.push_back(to_string(spec));
    bytes = write_envelope(subject);
  }
  return write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// By generator, so that a mixture shows its parts.
int run_stats(const GenerateArgs& args) {
  const std::vector<std::string> corpus = seed_files(args.campaign);
  std::map<std::string, GeneratorStats> stats;
  for (uint64_t index = args.index; index < args.index + args.count; ++index) {
    const auto subject = case_at(args.campaign, corpus, index);
    const std::string name = index < corpus.size()
                                 ? "corpus"
                                 : to_string(fuzz::generator_at(args.campaign.generator, args.campaign.seed,
                                                                index - corpus.size(), args.campaign.without));
    if (subject && args.around != 0) {
      uint64_t bytes = 0;
      for (const auto& module : subject->modules) bytes += module.size();
      if (bytes < args.around * 3 / 4 || bytes > args.around * 5 / 4) continue;
    }
    if (subject) {
      stats[name].add(*subject);
    } else {
      ++stats[name].cases;
      ++stats[name].invalid;
    }
  }
  for (const auto& [name, row] : stats)
    std::printf("%s\n", (args.json ? row.to_json(name) : row.to_text(name)).c_str());
  return kDone;
}

int run(const GenerateArgs& args) {
  const std::vector<std::string> corpus = seed_files(args.campaign);
  std::error_code error, no_folder_yet;
  const bool to_folder = args.count != 1 || std::filesystem::is_directory(args.output, no_folder_yet);
  if (to_folder) std::filesystem::create_directories(args.output, error);
  if (error) return complain(args.output + ": " + error.message()), kEnvironment;
  if (args.mutate && corpus.empty()) return complain(args.campaign.corpus + ": no cases to mutate"), kUsage;
  uint64_t written = 0;
  for (uint64_t i = 0; i < args.count; ++i) {
    const uint64_t index = args.index + i;
    const std::string path =
        to_folder ? text::format("{}/{}-{}.{}", args.output, args.campaign.seed, index, args.js ? "js" : "wasm")
                  : args.output;
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
  add_case_options(command, args->campaign, args->flags);
  command.add_option("--index", args->index, "number of the first case")->capture_default_str();
  command.add_option("--count", args->count, "how many cases")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  command.add_option("-o,--output", args->output, "file, or folder for SEED-INDEX.wasm (.js)")->capture_default_str();
  command.add_flag("--envelope", args->envelope, "with plan and configuration in a custom section");
  command.add_flag("--js", args->js, "as a JavaScript file that runs in any shell and judges itself");
  command.add_flag("--mutate", args->mutate, "mutations of the corpus's cases instead of new cases");
  CLI::Option* stats =
      command.add_flag("--stats", args->stats, "write no modules: run them and say how they read, write, trap and end");
  command
      .add_option("--around", args->around,
                  "count only those whose modules have about so many bytes (a quarter more or less)")
      ->needs(stats);
  command.add_flag("--json", args->json, "statistics as JSON, a line for each generator")->needs(stats);
  command.callback([args, &exit_code] {
    if (exit_code = apply(args->flags, args->campaign); exit_code != kDone) return;
    exit_code = args->stats ? run_stats(*args) : run(*args);
  });
}

}  // namespace parallax::cli
