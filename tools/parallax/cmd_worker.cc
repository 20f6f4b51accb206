// parallax worker: the processes that `fuzz`, `replay` and `faultbench` start. Not for people.
//
//   worker --shm FD --number N ...     runs cases of a campaign (campaign.h)
//   worker --case FILE                 judges one case and prints the verdict as JSON
#include <CLI/CLI.hpp>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/base/faults.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"

namespace parallax::cli {

namespace {

struct WorkerArgs {
  CampaignOptions campaign;
  CampaignFlags flags;
  int fd = -1;
  uint32_t number = 0;
  std::string file;
};

int judge_one(const WorkerArgs& args) {
  if (!args.campaign.fault.empty() && !choose_fault(args.campaign.fault)) return kUsage;
  const auto bytes = read_module(args.file);
  if (!bytes) return complain(args.file, bytes.error());
  auto subject = fuzz::read_envelope(*bytes);
  if (!subject) return complain(args.file, subject.error());
  fuzz::JudgeOptions options;
  if (!args.campaign.executors.empty()) subject->configuration.executors = args.campaign.executors;
  if (subject->configuration.executors.empty()) {
    options.executors = fuzz::standard_executors();
  } else {
    const auto specs = fuzz::executors_of(*subject, 0);
    if (!specs) return complain(args.file, specs.error());
    options.executors = *specs;
  }
  const fuzz::Verdict verdict = fuzz::judge(*subject, options);
  nlohmann::json out = {{"verdict", static_cast<int>(verdict.kind)}, {"reason", verdict.reason}};
  if (verdict.kind == fuzz::VerdictKind::kFinding) {
    out["class"] = to_string(verdict.finding.kind);
    out["signature"] = verdict.finding.signature;
    out["difference"] = verdict.finding.difference;
    out["executors"] = verdict.finding.executors;
    out["log"] = verdict.finding.log;
  }
  std::printf("%s\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return verdict.kind == fuzz::VerdictKind::kFinding ? kFound : kDone;
}

}  // namespace

void add_worker(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<WorkerArgs>();
  add_campaign_options(command, args->campaign, args->flags);
  args->flags.feedback.clear();
  command.add_option("--feedback-set", args->campaign.feedback);
  command.add_option("--shm", args->fd);
  command.add_option("--number", args->number);
  command.add_option("--case", args->file);
  command.callback([args, &exit_code] {
    if (exit_code = apply(args->flags, args->campaign); exit_code != kDone) return;
    exit_code = args->file.empty() ? run_worker(args->campaign, args->fd, args->number) : judge_one(*args);
  });
}

}  // namespace parallax::cli
