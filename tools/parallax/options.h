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
};

void add_campaign_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags);
// Checks generator, executors and fault; kDone, or the exit code after a complaint.
int apply(const CampaignFlags& flags, CampaignOptions& options);

}  // namespace parallax::cli
