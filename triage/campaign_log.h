// What a campaign writes down about itself while it runs, as JSON lines: the growth that `parallax dashboard` draws.
//
//   DIR/campaign.jsonl    a line of start for every time the campaign is started, then a line per sample
//
// All counts are totals since the campaign began, so that a lost line loses nothing but a point of a curve; a campaign
// that goes on after an interruption goes on counting (its writer reads the last sample first). Appending is one write,
// so several readers may look on while it grows; a line cut off by a death or a full disk is skipped when reading.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::triage {

inline constexpr const char* kCampaignLogName = "campaign.jsonl";

struct CampaignStart {
  int64_t unix_seconds = 0;  // when
  std::string version;       // of parallax
  std::string generator;     // as on the command line
  uint64_t seed = 0;
  uint64_t jobs = 0;
  std::vector<std::string> executors;  // empty: drawn per case
  std::string fault;                   // planted; empty: none
  std::string findings;                // folder, relative to DIR or absolute; empty: DIR itself
};

struct Sample {
  double seconds = 0;     // since the campaign began, time between two starts not counted
  double per_second = 0;  // cases since the sample before
  uint64_t cases = 0, agreed = 0, inconclusive = 0, rejected = 0;
  uint64_t findings = 0, distinct = 0;                   // cases that were findings; folders
  std::map<std::string, uint64_t> inconclusive_reasons;  // short and countable
  std::map<std::string, uint64_t> rejected_reasons;
  std::map<std::string, uint64_t> generators;  // cases by generator
  // What the makers of cases (generators, mutators) made, the new features of that, and processor time; a mutation counts
  // for each of its mutators.
  std::map<std::string, uint64_t> yield_cases, yield_features, yield_microseconds;
  uint64_t corpus_cases = 0, corpus_bytes = 0;
  std::map<std::string, uint64_t> coverage;  // counters reached by kind: "shapes", "rewrites", "safepoints", "edges"
  uint64_t workers = 0, restarts = 0;
  uint64_t rss_bytes = 0;  // of all workers
};

struct CampaignLog {
  std::vector<CampaignStart> starts;
  std::vector<Sample> samples;  // in the order of the file
  uint64_t damaged = 0;         // lines that could not be read
};

// One line without its line break.
std::string to_line(const CampaignStart& start);
std::string to_line(const Sample& sample);

// Appends to the file, which is made when missing. After a line that was cut off a new one is begun. kIo otherwise.
Result<> append_line(const std::string& path, const CampaignStart& start);
Result<> append_line(const std::string& path, const Sample& sample);

// Total: any text is a log, in the worst case an empty one with damaged lines. Lines of later versions are skipped
// silently, unknown members of known lines ignored.
CampaignLog parse_campaign_log(std::string_view text);
// kIo when there is no such file.
Result<CampaignLog> read_all(const std::string& path);

}  // namespace parallax::triage
