#include "tools/parallax/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/executors/executors.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

std::string generator_names() {
  size_t count = 0;
  const fuzz::GeneratorInfo* rows = fuzz::generator_table(count);
  std::string names;
  for (size_t i = 0; i < count; ++i)
    names += (i == 0 ? "" : i + 1 == count ? " or " : ", ") + std::string(rows[i].name);
  return names;
}

// ORDER: Keep, fuzz::Pick.
constexpr const char* kKeeps[] = {"new", "next", "none"};
constexpr const char* kPicks[] = {"rare", "even"};
constexpr const char* kShares[] = {"fixed", "adaptive"};

// Whether `word` is one of `words`; `out` is its place.
template <class Enum, size_t N>
bool parse_word(const std::string& word, const char* const (&words)[N], Enum& out) {
  size_t i = 0;
  while (i < N && word != words[i]) ++i;
  if (i < N) out = static_cast<Enum>(i);
  return i < N;
}

std::string domain_names() {
  std::string names;
  for (const fuzz::DomainInfo& row : fuzz::kDomains) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

}  // namespace

const char* keep_name(Keep keep) { return kKeeps[static_cast<size_t>(keep)]; }
const char* pick_name(fuzz::Pick pick) { return kPicks[static_cast<size_t>(pick)]; }

std::string check_seconds(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value <= 0 || value > 1e9) {
    return text::format("{} is no number of seconds (above 0, at most 1000000000)", text);
  }
  return {};
}

CLI::Option* add_executors(CLI::App& command, std::vector<std::string>& out, const std::string& description) {
  static constexpr const char* kName = "--executors";
  const auto take = [&out](const std::vector<std::string>& given) {
    out.clear();
    std::vector<std::string> known;
    for (const std::string& list : given) {
      for (size_t at = 0; at <= list.size();) {
        const size_t end = std::min(list.find(',', at), list.size());
        std::string word = list.substr(at, end - at);
        at = end + 1;
        if (word.empty()) throw CLI::ValidationError(kName, text::format("'{}' has an empty word", list));
        const auto spec = fuzz::parse_spec(word);
        known.push_back(spec ? to_string(*spec) : word);
        if (std::find(known.begin(), known.end() - 1, known.back()) != known.end() - 1)
          throw CLI::ValidationError(kName, text::format("{} is named twice", word));
        out.push_back(std::move(word));
      }
    }
  };
  return command.add_option_function<std::vector<std::string>>("--executors,--executor", take, description);
}

void add_case_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags) {
  command.add_option("--generator", flags.generator, generator_names())->capture_default_str();
  command.add_option("--without", flags.without, "generators that the mix leaves out");
  command.add_option("--seed", options.seed, "cases follow from seed and number alone")->capture_default_str();
  add_executors(
      command, options.executors,
      "executors to compare, the first is the reference (default: drawn per case); see `parallax diff --help`");
  command.add_option("--corpus", options.corpus, "folder of cases that take the first numbers");
  command.add_option("--seeds", options.seeds, "another folder of them, which is only read");
}

void add_campaign_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags) {
  add_case_options(command, options, flags);
  command.get_option("--corpus")
      ->description("folder of cases to run first and to mutate; cases that reach something new are added to it");
  command.add_option("--runs", options.runs, "stop after this many cases, variations not counted")
      ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
  command.add_option("--jobs", options.jobs, "worker processes")->check(CLI::Range(1, 256))->capture_default_str();
  command.add_option("--findings", options.findings, "folder for findings, one folder each");
  command.add_option("--fault", options.fault, "plant this fault, NAME or NAME:SITE (docs/faults.md)");
  command
      .add_option("--schedules", options.schedules,
                  "run the modules of each case so often: the case, and variations of its arguments and schedules")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      .add_option("--mutate", options.mutate_percent,
                  "percent of cases that are mutations, once there is what to mutate")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command
      .add_option("--share", flags.share,
                  "share of mutations, adaptive: follows what they bring, around that of --mutate; fixed")
      ->capture_default_str();
  command
      .add_option("--mutate-after", options.mutate_after,
                  "with --share fixed: cases of a worker until mutation has its full share; 0: at once")
      ->capture_default_str();
  command
      .add_option("--keep", flags.keep,
                  "which cases are kept and mutated: new (reach something new), next (as many, by chance), none")
      ->capture_default_str();
  command.add_option("--pick", flags.pick, "which of them is mutated next: rare (reaches what few cases do), even")
      ->capture_default_str();
  command
      .add_option("--feedback", flags.feedback,
                  "what a case must newly reach to be kept and mutated: all, none, or some of " + domain_names())
      ->capture_default_str();
}

// A campaign whose findings or kept cases are lost at the end is worse than none.
Result<> probe_folder(const std::string& folder) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", folder, error.message()));
  const std::string probe = text::format("{}/.probe-{}", folder, ::getpid());
  const auto written = write_file(probe, "probe");
  std::filesystem::remove(probe, error);
  if (is_new) std::filesystem::remove(folder, error);
  return written;
}

int check_corpus(const CampaignOptions& options) {
  if (options.corpus.empty() || options.keep == Keep::kNone) return kDone;
  std::error_code error;
  if (!std::filesystem::is_directory(options.corpus, error)) {
    complain(text::format("--corpus {}: is no folder; --seeds takes a file", options.corpus));
    return kUsage;
  }
  const auto writable = probe_folder(options.corpus);
  if (writable) return kDone;
  complain(text::format("no place for the corpus: {}; --seeds leaves a folder as it is", writable.error().message));
  return kEnvironment;
}

int apply(const CampaignFlags& flags, CampaignOptions& options) {
  if (!fuzz::parse_generator(flags.generator, options.generator)) {
    complain(text::format("unknown generator '{}': {}", flags.generator, generator_names()));
    return kUsage;
  }
  if (!fuzz::parse_without(flags.without, options.without) ||
      (options.without != 0 && options.generator != fuzz::GeneratorKind::kMix)) {
    complain(text::format("--without '{}': names generators of the mix, and not all of them", flags.without));
    return kUsage;
  }
  std::string why;
  if (!fuzz::available(options.generator, &why)) {
    complain(text::format("generator {}: {}", flags.generator, why));
    return kEnvironment;
  }
  if (!parse_word(flags.keep, kKeeps, options.keep) || !parse_word(flags.pick, kPicks, options.pick)) {
    complain(text::format("--keep {} --pick {}: new, next or none; rare or even", flags.keep, flags.pick));
    return kUsage;
  }
  if (!parse_word(flags.share, kShares, options.adapt)) {
    complain(text::format("--share {}: adaptive or fixed", flags.share));
    return kUsage;
  }
  if (!flags.feedback.empty() && !fuzz::parse_domains(flags.feedback, options.feedback)) {
    complain(text::format("unknown feedback '{}': all, none, or some of {}", flags.feedback, domain_names()));
    return kUsage;
  }
  for (const std::string& text : options.executors) {
    const auto spec = fuzz::parse_spec(text);
    if (!spec) return complain("", spec.error());
    if (!fuzz::available(spec->kind, &why)) {
      complain(text::format("executor {}: {}", text, why));
      return kEnvironment;
    }
  }
  if (options.executors.size() == 1) {
    complain("comparing needs at least two --executors");
    return kUsage;
  }
  if (!options.fault.empty()) {
    const FaultState before = g_fault;
    const bool known = choose_fault(options.fault);
    g_fault = before;
    if (!known) {
      complain(text::format("no such fault: '{}'", options.fault));
      return kUsage;
    }
  }
  if (!options.findings.empty()) {
    if (const auto writable = probe_folder(options.findings); !writable) {
      complain(text::format("no place for findings: {}", writable.error().message));
      return kEnvironment;
    }
  }
  if (!options.seeds.empty()) {
    if (const auto files = cases_below(options.seeds); !files) return complain("", files.error());
  }
  if (!options.corpus.empty()) {
    // An empty folder is a corpus that is about to grow.
    std::error_code error;
    if (!std::filesystem::is_directory(options.corpus, error)) {
      if (const auto files = cases_below(options.corpus); !files) return complain("", files.error());
    }
  }
  return kDone;
}

}  // namespace parallax::cli
