// parallax distill: of many cases the few that reach everything that all of them reach.
//
// Every case is run with feedback (fuzz/feedback); smallest first, a case is kept when it reaches a feature that none
// before it did. Cases that are findings are kept apart and said; those that no executor can judge are left out.
#include <xxhash.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "fuzz/feedback/feature_map.h"
#include "fuzz/feedback/feedback.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

struct DistillArgs {
  std::vector<std::string> inputs;
  std::string output;
  uint64_t max_bytes = 64 << 10;
  bool json = false;
};

struct Input {
  std::string path;
  std::vector<uint8_t> bytes;
};

struct Tally {
  uint64_t seen = 0, unusable = 0, findings = 0, kept = 0, kept_bytes = 0, features = 0;
};

Result<std::vector<Input>> read_inputs(const DistillArgs& args, Tally& tally) {
  std::vector<Input> inputs;
  for (const std::string& path : args.inputs) {
    for (std::string& file : TRY(cases_below(path))) {
      ++tally.seen;
      auto bytes = read_module(file);
      if (!bytes || bytes->size() > args.max_bytes) {
        ++tally.unusable;
        continue;
      }
      inputs.push_back({std::move(file), std::move(*bytes)});
    }
  }
  // Equal contents under two names count once; order does not depend on names.
  std::sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) {
    return a.bytes.size() != b.bytes.size() ? a.bytes.size() < b.bytes.size() : a.bytes < b.bytes;
  });
  const auto last =
      std::unique(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) { return a.bytes == b.bytes; });
  inputs.erase(last, inputs.end());
  return inputs;
}

int run(const DistillArgs& args) {
  Tally tally;
  const auto inputs = read_inputs(args, tally);
  if (!inputs) return complain("", inputs.error());
  std::error_code error;
  std::filesystem::create_directories(args.output, error);
  if (error) return complain(text::format("{}: {}", args.output, error.message())), kEnvironment;
  const auto map = std::make_unique<fuzz::FeatureMap>();
  fuzz::Feedback feedback;
  for (const Input& input : *inputs) {
    const auto subject = fuzz::read_envelope(input.bytes);
    const auto executors = subject ? fuzz::executors_of(*subject, XXH3_64bits(input.bytes.data(), input.bytes.size()))
                                   : std::unexpected(subject.error());
    if (!executors) {
      ++tally.unusable;
      continue;
    }
    feedback.begin();
    fuzz::JudgeOptions options{.executors = *executors};
    options.watcher = &feedback;
    const fuzz::Verdict verdict = judge(*subject, options);
    if (verdict.kind == fuzz::VerdictKind::kFinding) {
      ++tally.findings;
      complain(text::format("{} is a finding: {}", input.path, verdict.finding.signature));
      continue;
    }
    if (verdict.kind == fuzz::VerdictKind::kRejected) ++tally.unusable;
    if (verdict.kind == fuzz::VerdictKind::kRejected || map->add(feedback.features()) == 0) continue;
    const std::string name =
        text::format("{}/{:016x}.wasm", args.output, XXH3_64bits(input.bytes.data(), input.bytes.size()));
    const auto written = write_file(name, {reinterpret_cast<const char*>(input.bytes.data()), input.bytes.size()});
    if (!written) return complain("", written.error()), kEnvironment;
    ++tally.kept;
    tally.kept_bytes += input.bytes.size();
  }
  for (size_t i = 0; i < fuzz::kDomainCount; ++i) tally.features += map->count(static_cast<fuzz::Domain>(i));
  if (args.json) {
    const nlohmann::json out = {{"seen", tally.seen}, {"unusable", tally.unusable}, {"findings", tally.findings},
                                {"kept", tally.kept}, {"bytes", tally.kept_bytes},  {"features", tally.features}};
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    std::printf("%s\n", text::format("{} of {} cases kept ({} KiB), {} features; {} unusable, {} findings", tally.kept,
                                     tally.seen, tally.kept_bytes >> 10, tally.features, tally.unusable, tally.findings)
                            .c_str());
  }
  return tally.findings == 0 ? kDone : kFound;
}

}  // namespace

void add_distill(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<DistillArgs>();
  command.add_option("inputs", args->inputs, "cases, or folders of cases")->required();
  command.add_option("-o,--output", args->output, "folder for the cases that are kept")->required();
  command.add_option("--max-bytes", args->max_bytes, "leave out larger cases")->capture_default_str();
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
