// parallax reducebench: one finding for each planted fault, reduced; bytes, executed instructions, runs, seconds.
//
// Findings are searched like a campaign does, with the fault on, from (seed, index) alone, so that the rows repeat. With
// --findings each reduced finding stays in a folder of its own, which is what scripts/compare-wasm-reduce compares.
#include <CLI/CLI.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/wasm/text/print.h"
#include "fuzz/generators/generators.h"
#include "tools/parallax/commands.h"
#include "triage/finding.h"
#include "triage/reduce/reduce.h"

namespace parallax::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct BenchArgs {
  std::vector<std::string> only;
  std::string generator = "gc";
  std::string findings;
  uint64_t seed = 1;
  uint64_t per_fault = 1;
  double search = 30, limit = 60;
  bool json = false, show = false;
};

struct Row {
  std::string fault, signature, ended;
  uint64_t cases = 0;
  bool found = false, reduced = false, kept = false, minimal = false;
  triage::reduce::Size before, after;
  uint64_t runs = 0, candidates = 0, invalid = 0;
  double search_seconds = 0, seconds = 0;
  double cpu_seconds = 0;  // of this process and its children: what one core of its own would take
  std::string text;
};

// Processor time of this process and of the children that have ended.
double cpu_used() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    ::getrusage(who, &usage);
    for (const timeval& t : {usage.ru_utime, usage.ru_stime})
      sum += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  }
  return sum;
}

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The first case at or behind `index` that shows something; its executors are those of the finding.
std::optional<fuzz::Case> search(const BenchArgs& args, fuzz::GeneratorKind kind, triage::Rerunner& rerun,
                                 uint64_t& index, fuzz::Verdict& verdict) {
  const auto begin = Clock::now();
  for (; since(begin) < args.search; ++index) {
    auto subject = fuzz::generate_at(kind, args.seed, index);
    if (!subject) continue;
    subject->configuration.executors.clear();
    for (const auto& spec : fuzz::draw_executors(args.seed ^ index * 0x9e3779b97f4a7c15ull))
      subject->configuration.executors.push_back(to_string(spec));
    const fuzz::Verdict seen = rerun.run(*subject);
    if (seen.kind != fuzz::VerdictKind::kFinding) continue;
    // What the front end or the generator is accused of cannot be edited, and a hang costs its timeout each time.
    const fuzz::FindingClass c = seen.finding.kind;
    if (c == fuzz::FindingClass::kRejected || c == fuzz::FindingClass::kAccepted ||
        c == fuzz::FindingClass::kExpectation)
      continue;
    if (seen.finding.executors.size() > 1) subject->configuration.executors = seen.finding.executors;
    subject->claims_valid = false;
    verdict = rerun.run_fresh(*subject);
    if (verdict.kind != fuzz::VerdictKind::kFinding) continue;
    ++index;
    return std::move(*subject);
  }
  return {};
}

void keep_finding(const BenchArgs& args, const Row& row, const fuzz::Case& subject, const fuzz::Verdict& verdict,
                  const triage::reduce::Reduced& reduced) {
  triage::Record record{.kind = verdict.finding.kind,
                        .signature = verdict.finding.signature,
                        .symptom = verdict.finding.signature,
                        .difference = verdict.finding.difference,
                        .executors = subject.configuration.executors,
                        .origin = subject.origin,
                        .seed = args.seed,
                        .fault = row.fault,
                        .version = kVersion};
  const auto written = triage::write_finding(args.findings, record, write_envelope(subject), verdict.finding.log);
  if (!written) return (void)complain("", written.error());
  const auto bytes = write_envelope(reduced.subject);
  (void)write_file(written->folder + "/reduced.wasm",
                   std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  (void)write_file(written->folder + "/reduced.wat", row.text);
  (void)write_file(written->folder + "/reduce.json", to_json(reduced, row.signature));
}

Row bench(const BenchArgs& args, fuzz::GeneratorKind kind, const std::string& fault, uint64_t& index) {
  Row row{.fault = fault};
  const triage::RerunSettings settings{.fault = fault, .seconds = 5};
  triage::Rerunner rerun(settings);
  fuzz::Verdict verdict;
  const auto begin = Clock::now();
  const auto subject = search(args, kind, rerun, index, verdict);
  row.search_seconds = since(begin);
  row.cases = rerun.runs();
  if (!subject) return row;
  row.found = true;
  row.signature = verdict.finding.signature;
  (void)rerun.run_fresh({});  // ends the child of the search, so that its time is not counted below
  const double cpu_before = cpu_used();
  Result<triage::reduce::Reduced> reduced = fail(ErrorCode::kUsage, 0, "");
  {
    triage::reduce::FindingTest test(settings, verdict);
    reduced = triage::reduce::reduce(*subject, test, {.seconds = args.limit});
  }
  row.cpu_seconds = cpu_used() - cpu_before;
  if (!reduced) {
    row.ended = reduced.error().message;
    return row;
  }
  row.reduced = true;
  row.kept = triage::same_finding(rerun.run_fresh(reduced->subject), verdict);
  row.ended = reduced->ended;
  row.minimal = reduced->certificate.holds;
  row.before = reduced->before;
  row.after = reduced->after;
  row.runs = reduced->runs;
  row.candidates = reduced->candidates;
  row.invalid = reduced->invalid;
  row.seconds = reduced->seconds;
  for (const auto& bytes : reduced->subject.modules) row.text += wasm::text::print_binary(bytes).value_or("");
  for (const fuzz::Step& step : reduced->subject.plan) row.text += text::format(";; {}\n", describe(step));
  for (const std::string& spec : reduced->subject.configuration.executors) row.text += text::format(";; on {}\n", spec);
  if (!args.findings.empty()) keep_finding(args, row, *subject, verdict, *reduced);
  return row;
}

void print_row(const Row& row, bool show) {
  if (!row.found) {
    std::printf("%-8s no finding in %.1f s, %llu cases\n", row.fault.c_str(), row.search_seconds,
                static_cast<unsigned long long>(row.cases));
  } else if (!row.reduced) {
    std::printf("%-8s not reduced: %s\n", row.fault.c_str(), row.ended.c_str());
  } else {
    const auto n = [](uint64_t v) { return static_cast<unsigned long long>(v); };
    std::printf(
        "%-8s %6llu -> %4llu B %7llu -> %4llu executed %5llu runs %6llu candidates %5.2f s (cpu %5.2f s) %s%s %s\n",
        row.fault.c_str(), n(row.before.bytes), n(row.after.bytes), n(row.before.executed), n(row.after.executed),
        n(row.runs), n(row.candidates), row.seconds, row.cpu_seconds, row.ended.c_str(), row.kept ? "" : " LOST",
        row.signature.c_str());
    if (show) std::fputs(row.text.c_str(), stdout);
  }
  std::fflush(stdout);
}

template <class Get>
double quantile(const std::vector<Row>& rows, double q, Get&& get) {
  std::vector<double> values;
  for (const Row& row : rows) {
    if (row.reduced) values.push_back(static_cast<double>(get(row)));
  }
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

nlohmann::json json_of(const Row& row) {
  return {{"fault", row.fault},
          {"signature", row.signature},
          {"found", row.found},
          {"reduced", row.reduced},
          {"signature_kept", row.kept},
          {"one_minimal", row.minimal},
          {"ended", row.ended},
          {"bytes_before", row.before.bytes},
          {"bytes_after", row.after.bytes},
          {"executed_before", row.before.executed},
          {"executed_after", row.after.executed},
          {"instructions_after", row.after.instructions},
          {"runs", row.runs},
          {"candidates", row.candidates},
          {"invalid", row.invalid},
          {"seconds", row.seconds},
          {"cpu_seconds", row.cpu_seconds}};
}

int run(const BenchArgs& args) {
  fuzz::GeneratorKind kind;
  if (!fuzz::parse_generator(args.generator, kind)) {
    complain(text::format("unknown generator '{}'", args.generator));
    return kUsage;
  }
  uint32_t count = 0;
  const FaultInfo* faults = fault_table(count);
  std::vector<Row> rows;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string name = faults[i].name;
    if (!args.only.empty() && std::find(args.only.begin(), args.only.end(), name) == args.only.end()) continue;
    uint64_t index = 0;
    for (uint64_t k = 0; k < args.per_fault; ++k) {
      rows.push_back(bench(args, kind, name, index));
      if (!args.json) print_row(rows.back(), args.show);
      if (!rows.back().found) break;
    }
  }
  if (rows.empty()) return complain("no fault of that name"), kUsage;
  const auto lost = std::count_if(rows.begin(), rows.end(), [](const Row& r) { return r.reduced && !r.kept; });
  const auto done = std::count_if(rows.begin(), rows.end(), [](const Row& r) { return r.reduced; });
  const nlohmann::json summary = {
      {"reduced", done},
      {"signature_lost", lost},
      {"median_bytes", quantile(rows, 0.5, [](const Row& r) { return r.after.bytes; })},
      {"median_executed", quantile(rows, 0.5, [](const Row& r) { return r.after.executed; })},
      {"median_seconds", quantile(rows, 0.5, [](const Row& r) { return r.seconds; })},
      {"p90_seconds", quantile(rows, 0.9, [](const Row& r) { return r.seconds; })},
      {"median_cpu_seconds", quantile(rows, 0.5, [](const Row& r) { return r.cpu_seconds; })},
      {"p90_cpu_seconds", quantile(rows, 0.9, [](const Row& r) { return r.cpu_seconds; })}};
  if (args.json) {
    nlohmann::json out = {{"summary", summary}, {"rows", nlohmann::json::array()}};
    for (const Row& row : rows) out["rows"].push_back(json_of(row));
    std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s\n", summary.dump().c_str());
  }
  return lost == 0 ? kDone : kFound;
}

}  // namespace

void add_reducebench(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<BenchArgs>();
  command.add_option("--only", args->only, "these faults only")->delimiter(',');
  command.add_option("--generator", args->generator, "where findings come from: gc, binaryen or mix")
      ->capture_default_str();
  command.add_option("--seed", args->seed)->capture_default_str();
  command.add_option("--per-fault", args->per_fault, "findings for each fault")->capture_default_str();
  command.add_option("--search", args->search, "seconds to look for each finding")->capture_default_str();
  command.add_option("--limit", args->limit, "seconds to reduce each finding")->capture_default_str();
  command.add_option("--findings", args->findings, "folder for the reduced findings");
  command.add_flag("--show", args->show, "print the reduced modules");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
