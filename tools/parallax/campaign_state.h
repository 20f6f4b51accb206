// Where a campaign is, on disk: FINDINGS/campaign.state, written whole or not at all.
//
// Numbers below `next` are done, or are findings on disk; a few above it may be done too and are done again after a
// resumption, which costs time and loses nothing. What a campaign is (generator, seed, executors, ...) stands there as
// well, so that only the campaign that was interrupted goes on.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "tools/parallax/campaign.h"

namespace parallax::cli {

struct CampaignState {
  std::string identity;  // of the options that decide which cases there are
  uint64_t next = 0;
  double seconds = 0;
  std::array<uint64_t, kCounts> counts{};
  std::array<Yield, kMakers> yields{};
  std::map<std::string, uint64_t> reasons;
  std::vector<FoundRow> found;
  std::vector<uint8_t> features;  // by feature: 0 or 1
  uint64_t corpus_cases = 0, corpus_bytes = 0;
};

std::string identity_of(const CampaignOptions& options);
std::string state_path(const CampaignOptions& options);

std::string to_text(const CampaignState& state);
Result<CampaignState> parse_state(std::string_view text);

Result<> save_state(const CampaignOptions& options, const CampaignState& state);
// kIo when there is none, kUsage when it is another campaign's or damaged.
Result<CampaignState> load_state(const CampaignOptions& options);
// The seed of the campaign in the folder, for resuming without naming it.
Result<uint64_t> saved_seed(const CampaignOptions& options);

}  // namespace parallax::cli
