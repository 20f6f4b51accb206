// A campaign, or a store of findings, as a web page that opens without a server.
//
// All data stand in the page as JSON (docs/report.md); its script draws them. Nothing is loaded from elsewhere. Findings
// link to pages beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "triage/campaign_log.h"
#include "triage/finding.h"

namespace parallax::triage {

struct DashboardFinding {
  std::string id;  // folder's name
  Record record;
  std::string bucket;   // findings of one bucket are taken for one bug
  std::string verdict;  // of the report; empty: there is none
  std::string harm, route;
  std::vector<uint32_t> votes;  // groups, the reference's is 0; from the report
  std::string picture;          // SVG: the differing heap, when there is one
  std::string page;             // link, relative to the page; empty: none
};

struct Dashboard {
  std::string title;
  std::string source;  // the folder, as given
  CampaignLog log;     // empty without a campaign
  std::vector<DashboardFinding> findings;
  std::vector<std::string> remarks;  // what could not be read
};

inline constexpr size_t kMaxPoints = 600;  // of a curve; longer ones are thinned out

// The data of the page, as JSON.
std::string dashboard_json(const Dashboard& dashboard);
std::string dashboard_page(const Dashboard& dashboard);

// A page for a finding without a report: what the finding itself says.
std::string finding_page(const DashboardFinding& finding, const std::string& log);

}  // namespace parallax::triage
