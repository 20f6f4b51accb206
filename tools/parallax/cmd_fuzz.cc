// parallax fuzz: the main job. Options here, the work in campaign.h.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <random>

#include "tools/parallax/campaign.h"
#include "tools/parallax/campaign_state.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"

namespace parallax::cli {

namespace {

struct FuzzArgs {
  CampaignOptions campaign;
  CampaignFlags flags;
  bool json = false;
};

int run(const FuzzArgs& args) {
  const auto report = run_campaign(args.campaign);
  if (!report) {
    complain("", report.error());
    return report.error().code == ErrorCode::kUsage ? kUsage : kEnvironment;
  }
  if (args.json) {
    std::fputs(to_json(args.campaign, *report).c_str(), stdout);
  } else {
    std::fputs(to_text(args.campaign, *report).c_str(), stdout);
  }
  if (report->unwritten != 0) return kEnvironment;
  return report->found.empty() ? kDone : kFound;
}

}  // namespace

void add_fuzz(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<FuzzArgs>();
  args->campaign.findings = "findings";
  add_campaign_options(command, args->campaign, args->flags);
  command.get_option("--findings")->capture_default_str();
  command
      .add_option("--time", args->campaign.seconds,
                  "stop after this many seconds (default: when told to, or after --runs)")
      ->check(CLI::Validator(check_seconds, "SECONDS"));
  command.add_option("--case-timeout", args->campaign.case_seconds, "seconds after which a case counts as hanging")
      ->check(CLI::Validator(check_seconds, "SECONDS"))
      ->capture_default_str();
  command.add_flag("--resume", args->campaign.resume, "go on with the campaign that stands in the folder of findings");
  command.add_flag("--stop-at-first", args->campaign.stop_at_first, "stop at the first finding");
  command.add_flag("--quiet", args->campaign.quiet, "no status lines");
  command.add_flag("--json", args->json, "summary as JSON");
  CLI::Option* seed = command.get_option("--seed");
  seed->default_str("a new one, printed");
  command.callback([args, seed, &exit_code] {
    if (seed->count() == 0) args->campaign.seed = std::random_device()();
    if (args->campaign.resume && seed->count() == 0) {
      const auto saved = saved_seed(args->campaign);
      if (!saved) {
        exit_code = complain("", saved.error());
        return;
      }
      args->campaign.seed = *saved;
    }
    exit_code = apply(args->flags, args->campaign);
    if (exit_code == kDone) exit_code = check_corpus(args->campaign);
    if (exit_code == kDone) exit_code = run(*args);
  });
}

}  // namespace parallax::cli
