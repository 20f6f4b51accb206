// parallax report FINDING: what a maintainer needs to know, in several formats.
//
// A report is written only if the reproducer works in a fresh process; otherwise what happened instead is said, and the
// exit code is 1. Files appear whole or not at all.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"
#include "tools/parallax/report_gather.h"

namespace parallax::cli {

namespace fs = std::filesystem;

namespace {

struct ReportArgs {
  GatherOptions gather;
  std::vector<std::string> formats;
  std::string output;
  std::string observe, stages;  // hidden: the other end
  bool few_votes = false, json = false, as_javascript = false;
};

struct File {
  std::string name;
  std::string content;
};

struct Format {
  const char* name;
  std::vector<File> (*files)(const triage::Report& report);
};

std::string text_of(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<File> markdown_files(const triage::Report& report) {
  std::vector<File> files = {{"report.md", triage::to_markdown(report)}};
  const triage::HeapPictures pictures = triage::draw_heaps(report);
  if (pictures.equal) return files;
  if (!pictures.left.empty()) files.push_back({"heap-left.svg", pictures.left});
  if (!pictures.right.empty()) files.push_back({"heap-right.svg", pictures.right});
  return files;
}

std::vector<File> test_files(const triage::Report& report) {
  std::vector<File> files;
  for (const triage::RegressionTest& test : report.tests) {
    if (!test.text.empty()) files.push_back({test.file, test.text});
  }
  return files;
}

constexpr Format kFormats[] = {
    {"md", markdown_files},
    {"html", [](const triage::Report& report) { return std::vector<File>{{"report.html", triage::to_html(report)}}; }},
    {"json",
     [](const triage::Report& report) { return std::vector<File>{{"report.json", triage::to_report_json(report)}}; }},
    {"sarif",
     [](const triage::Report& report) { return std::vector<File>{{"report.sarif", triage::to_sarif(report)}}; }},
    {"wast", test_files},
};

Result<std::vector<const Format*>> formats_of(const ReportArgs& args) {
  std::vector<const Format*> chosen;
  std::set<std::string> wanted(args.formats.begin(), args.formats.end());
  const bool all = wanted.empty() || wanted.erase("all") != 0;
  for (const Format& format : kFormats) {
    if (wanted.erase(format.name) != 0 || all) chosen.push_back(&format);
  }
  if (wanted.empty()) return chosen;
  return fail(ErrorCode::kUsage, 0,
              text::format("no format is called '{}': md, html, json, sarif, wast or all", *wanted.begin()));
}

std::string folder_of(const ReportArgs& args) {
  if (!args.output.empty()) return args.output;
  std::error_code error;
  if (fs::is_directory(args.gather.path, error)) return (fs::path(args.gather.path) / "report").string();
  return fs::path(args.gather.path).stem().string() + "-report";
}

// Says at once whether the place can take a report: gathering takes a while.
Result<> prepare(const std::string& folder) {
  std::error_code error;
  const bool is_new = fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", folder, error.message()));
  const std::string probe = folder + "/.probe";
  const auto written = write_file(probe, "probe");
  fs::remove(probe, error);
  if (is_new) fs::remove(folder, error);
  return written;
}

Result<std::vector<std::string>> write_report(const ReportArgs& args, const std::vector<const Format*>& formats,
                                              const triage::Report& report) {
  std::vector<File> files = {{"reproducer.wasm", text_of(report.wasm)}};
  if (!report.wat.empty()) files.push_back({"reproducer.wat", report.wat});
  for (const Format* format : formats) {
    for (File& file : format->files(report)) files.push_back(std::move(file));
  }
  const std::string folder = folder_of(args);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", folder, error.message()));
  std::vector<std::string> written;
  for (const File& file : files) {
    TRY(write_file(folder + "/" + file.name, file.content));
    written.push_back(folder + "/" + file.name);
  }
  return written;
}

int report(ReportArgs args) {
  // A finding's case by itself knows neither its fault nor its executors.
  std::error_code error;
  if (const fs::path path(args.gather.path);
      args.observe.empty() && path.filename() == "case.wasm" && fs::exists(path.parent_path() / "finding.json", error))
    args.gather.path = path.has_parent_path() ? path.parent_path().string() : ".";
  if (!args.observe.empty()) {
    if (!args.output.empty() && std::freopen(args.output.c_str(), "w", stdout) == nullptr) return kEnvironment;
    return observe_for_report(args.gather.path, args.observe, args.gather.fault, args.stages, args.as_javascript);
  }
  const auto formats = formats_of(args);
  if (!formats) return complain("", formats.error());
  // What is read comes first: a mistyped name must not leave a folder behind.
  if (!fs::exists(args.gather.path, error)) {
    return complain("", {ErrorCode::kIo, 0, text::format("{}: no such file or folder", args.gather.path)});
  }
  if (const auto ready = prepare(folder_of(args)); !ready) {
    return complain(text::format("no place for a report: {}", ready.error().message)), kEnvironment;
  }
  GatherOptions options = args.gather;
  options.all_votes = !args.few_votes;
  const auto gathered = gather_report(options);
  if (!gathered && report_interrupted()) return complain("interrupted; nothing was written"), kEnvironment;
  if (!gathered) return complain("", gathered.error());
  if (!gathered->report) {
    complain(text::format("{}: no report, the reproducer does not work in a fresh process: {}", args.gather.path,
                          gathered->instead.what));
    if (args.json) {
      const nlohmann::json out = {{"reproduced", false}, {"instead", gathered->instead.what}};
      std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
    return kFound;
  }
  const auto written = write_report(args, *formats, *gathered->report);
  if (!written) return complain("", written.error()), kEnvironment;
  if (args.json) {
    const nlohmann::json out = {{"reproduced", true},
                                {"verdict", gathered->report->verdict},
                                {"id", gathered->report->id},
                                {"signature", gathered->report->record.signature},
                                {"files", *written}};
    std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return kDone;
  }
  std::printf("%s\n", gathered->report->verdict.c_str());
  for (const std::string& file : *written) std::printf("  %s\n", file.c_str());
  return kDone;
}

}  // namespace

void add_report(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<ReportArgs>();
  command.add_option("FINDING", args->gather.path, "folder of a finding; or a case or module, which is judged first")
      ->required();
  command.add_option("--format", args->formats, "md, html, json, sarif, wast (regression tests) or all (the default)")
      ->delimiter(',');
  command.add_option("-o,--output", args->output, "folder for the report (default: FINDING/report)");
  add_executors(command, args->gather.executors, "instead of those of the finding; the first is the reference");
  command.add_option("--fault", args->gather.fault, "plant this fault, or none (default: the one that was on)");
  command.add_option("--case-timeout", args->gather.seconds, "seconds after which a run counts as hanging")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command.add_flag("--few-votes", args->few_votes, "ask the executors of the finding only");
  command.add_flag("--json", args->json, "answer as JSON: what was written");
  command.add_option("--observe", args->observe)->group("");
  command.add_option("--stages", args->stages)->group("");
  command.add_flag("--as-javascript", args->as_javascript)->group("");
  command.footer(
      "Exit codes: 0 written, 1 the reproducer does not work (no report), 2 unreadable input, 3 no place for it.");
  command.callback([args, &exit_code] { exit_code = report(*args); });
}

}  // namespace parallax::cli
