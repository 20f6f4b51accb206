// Fills a report: runs the case again in fresh processes, asks every executor, reads what narrow and reduce left behind.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "triage/report/report.h"

namespace parallax::cli {

struct GatherOptions {
  std::string path;                    // a finding's folder, or a case or module
  std::vector<std::string> executors;  // instead of those of the finding
  std::string fault;                   // instead of the finding's; "none": none
  double seconds = 20;                 // for each run
  bool all_votes = true;               // ask the standard executors too
};

// What came instead of the finding: the reproducer does not work, so there is no report.
struct NotReproduced {
  std::string what;
};

struct Gathered {
  std::optional<triage::Report> report;
  NotReproduced instead;  // without report
};

// kIo, kUsage: unreadable input; kUnsupported: no process could be started, or it was interrupted.
Result<Gathered> gather_report(const GatherOptions& options);

// The other end: runs one executor on a case and prints what it was seen to do as JSON (triage/report/observed.h).
// `stages`: folder for what compilation leaves (dump.h); empty: none. `as_javascript`: the case as an external engine sees
// it (fuzz/external/js_case.h). Returns the exit code.
int observe_for_report(const std::string& file, const std::string& executor, const std::string& fault,
                       const std::string& stages, bool as_javascript);

// Whether Ctrl-C was pressed since the start of gather_report().
bool report_interrupted();

}  // namespace parallax::cli
