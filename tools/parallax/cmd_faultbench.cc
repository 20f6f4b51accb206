// parallax faultbench: every planted fault switched on, one campaign each from nothing; found or not, and after how long.
//
// Found means: the case is judged again in processes of its own, with the fault it is a finding, and without it is none;
// a finding that does not need the fault is another bug, and no credit. A row that is not found says whether the fault's
// site was reached and decided wrongly: reached but silent accuses the oracle, never reached the generator. The control
// runs without any fault and must stay silent. With --buckets the question is another one: are findings of one fault
// told to be one bug, and those of two faults to be two (faultbench_buckets.h)?
#include <CLI/CLI.hpp>

#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "tools/parallax/campaign.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/faultbench_buckets.h"
#include "tools/parallax/options.h"
#include "triage/rerun.h"

namespace parallax::cli {

namespace {

struct BenchArgs {
  CampaignOptions campaign;
  CampaignFlags flags;
  std::vector<std::string> only;
  double limit = 60, control = 60;
  uint32_t buckets = 0;
  bool json = false;
};

struct Row {
  std::string fault, invariant, signature, difference;
  bool found = false;
  std::string unrelated;  // signature of a finding that does not need the fault
  double seconds = 0;
  uint64_t cases = 0, reached = 0, infected = 0;
};

// A folder that goes with its owner.
struct ScratchFolder {
  std::string path;
  ScratchFolder() {
    std::string name = std::filesystem::temp_directory_path().string() + "/parallax-faultbench-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
  }
};

// Whether a finding shows with the fault and not without it.
Result<bool> is_due_to(const std::string& fault, const std::string& folder, double case_seconds) {
  const auto bytes = TRY(read_file(folder + "/case.wasm"));
  const auto subject = TRY(fuzz::read_envelope(bytes));
  triage::Rerunner with({.fault = fault, .seconds = case_seconds}), without({.seconds = case_seconds});
  return with.run_fresh(subject).kind == fuzz::VerdictKind::kFinding &&
         without.run_fresh(subject).kind != fuzz::VerdictKind::kFinding;
}

Result<Row> bench(const BenchArgs& args, const std::string& fault, const std::string& invariant, double limit) {
  CampaignOptions options = args.campaign;
  options.fault = fault;
  options.seconds = limit;
  options.stop_at_first = true;
  options.quiet = true;
  const ScratchFolder scratch;
  if (options.findings.empty()) options.findings = scratch.path;
  if (options.findings.empty()) return fail(ErrorCode::kIo, 0, "no folder for findings could be made");
  options.findings += fault.empty() ? "/control" : "/" + fault;
  const CampaignReport report = TRY(run_campaign(options));
  Row row{.fault = fault.empty() ? "control" : fault, .invariant = invariant, .seconds = report.seconds};
  row.cases = report.count(Count::kCases);
  row.reached = report.count(Count::kFaultReached);
  row.infected = report.count(Count::kFaultInfected);
  for (const FoundRow& found : report.found) {
    if (!fault.empty() && !TRY(is_due_to(fault, found.folder, options.case_seconds))) {
      row.unrelated = found.signature;
      continue;
    }
    row.found = true;
    row.seconds = found.first_seconds;
    row.signature = found.signature;
    row.difference = found.difference;
    break;
  }
  return row;
}

void print_row(const Row& row) {
  const char* verdict = row.found                ? "found"
                        : !row.unrelated.empty() ? "UNRELATED"
                        : row.infected != 0      ? "SILENT"
                        : row.reached != 0       ? "REACHED"
                                                 : "NOT REACHED";
  if (row.fault == "control") verdict = row.found ? "FALSE ALARM" : "silent";
  std::printf("%-8s %-3s %-12s %8.1f s %9llu cases  %s\n", row.fault.c_str(), row.invariant.c_str(), verdict,
              row.seconds, static_cast<unsigned long long>(row.cases),
              (row.found ? row.signature : row.unrelated).c_str());
  std::fflush(stdout);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " | ") + word;
  return out;
}

void print_finding(const BucketedFinding& finding) {
  std::printf("%-8s %-36s %5.1f s  %s%s\n", finding.fault.c_str(), finding.id.c_str(), finding.seconds,
              joined(finding.words).c_str(), finding.stable ? "" : "  (unstable: not counted)");
  std::fflush(stdout);
}

nlohmann::json to_json(const BucketBenchReport& report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const BucketedFinding& finding : report.findings) {
    rows.push_back({{"fault", finding.fault},
                    {"origin", finding.origin},
                    {"signature", finding.signature},
                    {"class", finding.bug_class},
                    {"id", finding.id},
                    {"words", finding.words},
                    {"stable", finding.stable},
                    {"seconds", finding.seconds}});
  }
  return {{"findings", rows},
          {"not_found", report.not_found},
          {"buckets", report.buckets},
          {"purity", report.purity},
          {"completeness", report.completeness}};
}

int run_buckets(const BenchArgs& args) {
  BucketBenchOptions options{.generator = args.campaign.generator,
                             .seed = args.campaign.seed,
                             .findings = args.buckets,
                             .limit = args.limit,
                             .case_seconds = args.campaign.case_seconds};
  uint32_t count = 0;
  const FaultInfo* faults = fault_table(count);
  for (uint32_t i = 0; i < count; ++i) {
    const bool wanted =
        args.only.empty() || std::find(args.only.begin(), args.only.end(), faults[i].name) != args.only.end();
    if (wanted) options.faults.push_back(faults[i].name);
  }
  if (options.faults.empty()) return complain("no fault of that name"), kUsage;
  const auto report = bench_buckets(options, args.json ? std::function<void(const BucketedFinding&)>() : print_finding);
  if (!report) return complain("", report.error());
  if (args.json) {
    std::printf("%s\n", to_json(*report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    for (const std::string& fault : report->not_found) std::printf("%-8s no finding\n", fault.c_str());
    std::printf("%zu findings of %zu faults in %llu buckets: purity %.3f, completeness %.3f\n", report->findings.size(),
                options.faults.size() - report->not_found.size(), static_cast<unsigned long long>(report->buckets),
                report->purity, report->completeness);
  }
  return kDone;
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
                     {"unrelated", row.unrelated},
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
  command.add_option("--limit", args->limit, "seconds for each fault")
      ->check(CLI::Validator(check_seconds, "SECONDS"))
      ->capture_default_str();
  command.add_option("--control", args->control, "seconds without any fault (0: none)")->capture_default_str();
  command
      .add_option("--buckets", args->buckets,
                  "measure bucketing instead: narrow this many findings of each fault, print purity and completeness")
      ->check(CLI::Range(1, 10'000));
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] {
    if (exit_code = apply(args->flags, args->campaign); exit_code != kDone) return;
    exit_code = args->buckets != 0 ? run_buckets(*args) : run(*args);
  });
}

}  // namespace parallax::cli
