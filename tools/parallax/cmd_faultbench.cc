// parallax faultbench: every planted fault switched on, one campaign each from nothing; found or not, and after how long.
//
// A row that is not found says whether the fault's site was reached and decided wrongly: reached but silent accuses the
// oracle, never reached the generator. The control runs without any fault and must stay silent.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"

namespace parallax::cli {

namespace {

struct BenchArgs {
  CampaignOptions campaign;
  CampaignFlags flags;
  std::vector<std::string> only;
  double limit = 60, control = 60;
  bool json = false;
};

struct Row {
  std::string fault, invariant, signature, difference;
  bool found = false;
  double seconds = 0;
  uint64_t cases = 0, reached = 0, infected = 0;
};

Result<Row> bench(const BenchArgs& args, const std::string& fault, const std::string& invariant, double limit) {
  CampaignOptions options = args.campaign;
  options.fault = fault;
  options.seconds = limit;
  options.stop_at_first = true;
  options.quiet = true;
  if (!options.findings.empty()) options.findings += fault.empty() ? "/control" : "/" + fault;
  const CampaignReport report = TRY(run_campaign(options));
  Row row{.fault = fault.empty() ? "control" : fault, .invariant = invariant};
  row.found = !report.found.empty();
  row.seconds = row.found ? report.found[0].first_seconds : report.seconds;
  row.cases = report.count(Count::kCases);
  row.reached = report.count(Count::kFaultReached);
  row.infected = report.count(Count::kFaultInfected);
  if (row.found) {
    row.signature = report.found[0].signature;
    row.difference = report.found[0].difference;
  }
  return row;
}

void print_row(const Row& row) {
  const char* verdict = row.found           ? "found"
                        : row.infected != 0 ? "SILENT"
                        : row.reached != 0  ? "REACHED"
                                            : "NOT REACHED";
  if (row.fault == "control") verdict = row.found ? "FALSE ALARM" : "silent";
  std::printf("%-8s %-3s %-12s %8.1f s %9llu cases  %s\n", row.fault.c_str(), row.invariant.c_str(), verdict,
              row.seconds, static_cast<unsigned long long>(row.cases), row.signature.c_str());
  std::fflush(stdout);
}

int run(const BenchArgs& args) {
  std::vector<Row> rows;
  uint32_t count = 0;
  const FaultInfo* faults = fault_table(count);
  const auto wanted = [&](const std::string& name) {
    return args.only.empty() || std::find(args.only.begin(), args.only.end(), name) != args.only.end();
  };
  bool all_found = true;
  const auto add = [&](const std::string& fault, const std::string& invariant, double limit) -> Result<> {
    rows.push_back(TRY(bench(args, fault, invariant, limit)));
    all_found = all_found && rows.back().found == !fault.empty();
    if (!args.json) print_row(rows.back());
    return {};
  };
  if (args.control > 0 && wanted("control")) {
    if (const auto done = add("", "-", args.control); !done) return complain("", done.error()), kEnvironment;
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (!wanted(faults[i].name)) continue;
    if (const auto done = add(faults[i].name, faults[i].invariant, args.limit); !done)
      return complain("", done.error()), kEnvironment;
  }
  if (rows.empty()) return complain("no fault of that name"), kUsage;
  if (args.json) {
    nlohmann::json out = nlohmann::json::array();
    for (const Row& row : rows) {
      out.push_back({{"fault", row.fault},
                     {"invariant", row.invariant},
                     {"found", row.found},
                     {"seconds", row.seconds},
                     {"cases", row.cases},
                     {"reached", row.reached},
                     {"infected", row.infected},
                     {"signature", row.signature},
                     {"difference", row.difference}});
    }
    std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
  return all_found ? kDone : kFound;
}

}  // namespace

void add_faultbench(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<BenchArgs>();
  add_campaign_options(command, args->campaign, args->flags);
  command.remove_option(command.get_option("--fault"));
  command.add_option("--only", args->only, "these faults only (and \"control\")")->delimiter(',');
  command.add_option("--limit", args->limit, "seconds for each fault")->capture_default_str();
  command.add_option("--control", args->control, "seconds without any fault (0: none)")->capture_default_str();
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] {
    if (exit_code = apply(args->flags, args->campaign); exit_code == kDone) exit_code = run(*args);
  });
}

}  // namespace parallax::cli
