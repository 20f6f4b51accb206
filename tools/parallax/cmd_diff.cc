// parallax diff FILE...: modules on several executors, everything compared.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "fuzz/oracle/judge.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

struct DiffArgs {
  std::vector<std::string> paths;
  std::vector<std::string> executors;
  bool json = false, log = false;
};

const char* word_for(fuzz::VerdictKind kind) {
  static constexpr const char* kWords[] = {"agreed", "inconclusive", "rejected", "FINDING"};
  return kWords[static_cast<size_t>(kind)];
}

Result<fuzz::Case> read_case(const std::string& path) {
  const auto bytes = TRY(read_module(path));
  return fuzz::read_envelope(bytes);
}

int run(const DiffArgs& args) {
  fuzz::JudgeOptions options;
  for (const std::string& text : args.executors) {
    const auto spec = fuzz::parse_spec(text);
    if (!spec) return complain("", spec.error());
    std::string why;
    if (!fuzz::available(spec->kind, &why)) return complain("", {ErrorCode::kUnsupported, 0, text + ": " + why});
    options.executors.push_back(*spec);
  }
  if (args.executors.size() == 1)
    return complain("", {ErrorCode::kUsage, 0, "comparing needs at least two --executors"});
  if (options.executors.empty()) options.executors = fuzz::standard_executors();

  int code = kDone;
  nlohmann::json report = nlohmann::json::array();
  for (const std::string& path : args.paths) {
    const auto files = cases_below(path);
    if (!files) return complain("", files.error());
    for (const std::string& file : *files) {
      const auto subject = read_case(file);
      if (!subject) {
        code = std::max<int>(code, complain(file, subject.error()));
        continue;
      }
      const fuzz::Verdict verdict = fuzz::judge(*subject, options);
      if (verdict.kind == fuzz::VerdictKind::kFinding) code = std::max<int>(code, kFound);
      if (verdict.kind == fuzz::VerdictKind::kRejected) code = std::max<int>(code, kUsage);
      if (args.json) {
        report.push_back({{"file", file},
                          {"verdict", word_for(verdict.kind)},
                          {"reason", verdict.reason},
                          {"signature", verdict.finding.signature},
                          {"difference", verdict.finding.difference},
                          {"executors", verdict.finding.executors},
                          {"calls", verdict.calls}});
        continue;
      }
      const std::string detail =
          verdict.kind == fuzz::VerdictKind::kFinding ? verdict.finding.difference : verdict.reason;
      std::printf("%s: %s%s%s\n", file.c_str(), word_for(verdict.kind), detail.empty() ? "" : ": ", detail.c_str());
      if (args.log) std::fputs(verdict.finding.log.c_str(), stdout);
    }
  }
  if (args.json) std::printf("%s\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return code;
}

}  // namespace

void add_diff(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<DiffArgs>();
  command.add_option("FILE", args->paths, "modules, envelopes or folders of them")->required();
  command
      .add_option("--executors", args->executors,
                  "executors to compare, the first is the reference: interp[:zeal=every|N], "
                  "jit[:O0|O1|O2][:moving|nonmoving|never][:zeal=every|N|onlyN][:armed][:chaos=N]")
      ->delimiter(',');
  command.add_flag("--log", args->log, "print what each side did when they differ");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
