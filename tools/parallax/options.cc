#include "tools/parallax/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <filesystem>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/executors/executors.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

void add_campaign_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags) {
  command.add_option("--generator", flags.generator, "gc, binaryen or mix")->capture_default_str();
  command.add_option("--seed", options.seed, "cases follow from seed and number alone")->capture_default_str();
  command.add_option("--runs", options.runs, "stop after this many cases");
  command.add_option("--jobs", options.jobs, "worker processes")->check(CLI::Range(1, 256))->capture_default_str();
  command
      .add_option(
          "--executors", options.executors,
          "executors to compare, the first is the reference (default: drawn per case); see `parallax diff --help`")
      ->delimiter(',');
  command.add_option("--findings", options.findings, "folder for findings, one folder each");
  command.add_option("--corpus", options.corpus, "folder of cases to run before generating");
  command.add_option("--fault", options.fault, "plant this fault, NAME or NAME:SITE (docs/faults.md)");
}

// A campaign whose findings are lost at the end is worse than none.
Result<> probe_findings(const std::string& folder) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", folder, error.message()));
  const std::string probe = text::format("{}/.probe-{}", folder, ::getpid());
  const auto written = write_file(probe, "probe");
  std::filesystem::remove(probe, error);
  if (is_new) std::filesystem::remove(folder, error);
  return written;
}

int apply(const CampaignFlags& flags, CampaignOptions& options) {
  if (!fuzz::parse_generator(flags.generator, options.generator)) {
    complain(text::format("unknown generator '{}': gc, binaryen or mix", flags.generator));
    return kUsage;
  }
  std::string why;
  if (!fuzz::available(options.generator, &why)) {
    complain(text::format("generator {}: {}", flags.generator, why));
    return kEnvironment;
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
    if (const auto writable = probe_findings(options.findings); !writable) {
      complain(text::format("no place for findings: {}", writable.error().message));
      return kEnvironment;
    }
  }
  if (!options.corpus.empty()) {
    if (const auto files = cases_below(options.corpus); !files) return complain("", files.error());
  }
  return kDone;
}

}  // namespace parallax::cli
