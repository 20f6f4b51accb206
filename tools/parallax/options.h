// Options that several subcommands have in common: what to generate, on what to run it, where findings go.
#pragma once

#include "tools/parallax/campaign.h"

namespace CLI {
class App;
}

namespace parallax::cli {

// What was written on the command line before it is checked.
struct CampaignFlags {
  std::string generator = "mix";
  std::string feedback = "all";  // empty: CampaignOptions::feedback is set otherwise
};

// What decides which cases there are: --generator, --seed, --executors, --corpus.
void add_case_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags);
// Those, and what only a campaign has: --runs, --jobs, --findings, --fault, --mutate, --feedback.
void add_campaign_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags);
// A CLI11 check: a finite number of seconds above 0. Empty, or what is wrong.
std::string check_seconds(const std::string& text);
// Checks generator, executors and fault; kDone, or the exit code after a complaint.
int apply(const CampaignFlags& flags, CampaignOptions& options);

}  // namespace parallax::cli
