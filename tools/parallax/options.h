// Options that several subcommands have in common: what to generate, on what to run it, where findings go.
#pragma once

#include "tools/parallax/campaign.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace parallax::cli {

// What was written on the command line before it is checked.
struct CampaignFlags {
  std::string generator = "mix";
  std::string without;
  std::string keep = "new", pick = "rare", share = "adaptive";
  std::string feedback = "all";  // empty: CampaignOptions::feedback is set otherwise
};

// Words of the command line.
const char* keep_name(Keep keep);
const char* pick_name(fuzz::Pick pick);

// --executors (or --executor) of every command that compares: repeated, or with commas between. No word may be empty or
// name what another names.
CLI::Option* add_executors(CLI::App& command, std::vector<std::string>& out, const std::string& description);
// What decides which cases there are: --generator, --seed, --executors, --corpus, --seeds.
void add_case_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags);
// Those, and what only a campaign has: --runs, --jobs, --findings, --fault, --mutate, --feedback, --keep, --pick.
void add_campaign_options(CLI::App& command, CampaignOptions& options, CampaignFlags& flags);
// A CLI11 check: a finite number of seconds above 0. Empty, or what is wrong.
std::string check_seconds(const std::string& text);
// Checks generator, executors and fault; kDone, or the exit code after a complaint.
int apply(const CampaignFlags& flags, CampaignOptions& options);
// Whether a campaign can keep cases where it should; likewise.
int check_corpus(const CampaignOptions& options);

}  // namespace parallax::cli
