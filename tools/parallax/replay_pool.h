// A folder of reproducers run again by several processes at once.
//
// What may be replayed: finding folders, envelopes and modules (.wasm, .wat), specification scripts (.wast), and raw inputs
// of the fuzz targets, which are what their target makes of them (the target is the name of the folder they lie in:
// fuzz/corpus/<target>, or as given). Every process serves one part of the list with forked runs (triage/rerun.h), so a
// case costs no new program and a death costs one fork.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "triage/finding.h"

namespace parallax::cli {

enum class ReplayKind : uint8_t { kCase, kScript, kRaw };

struct ReplayItem {
  std::string shown, file;
  ReplayKind kind = ReplayKind::kCase;
  std::string target;  // kRaw
  std::optional<triage::Record> expected;
  std::string unreadable;  // why the finding cannot be read; empty: it can
};

struct ReplayRow {
  size_t item = 0;
  std::string word;  // "agreed", "reproduced", "FINDING", "not judged: ...", "unreadable: ..."
  int code = 0;      // ExitCode of this item alone
  std::string signature, difference, log;
  std::string invariant;  // what the same case with all checks on names: "I2: ..."; empty: nothing
  double seconds = 0;
};

struct ReplayOptions {
  std::vector<std::string> executors;  // empty: those the case names, else the standard ones
  std::string fault;                   // empty: the one that was on; "none"
  std::string targets;                 // folder with fuzz_<target> programs, for raw inputs that are no cases
  double case_seconds = 20;
  uint32_t jobs = 1;
  bool with_log = false;
  std::function<bool()> stop;
  std::function<void(const ReplayRow&)> heard;  // in order of completion
};

// What stands at a path. kUsage when there is nothing, kIo when it is missing.
Result<std::vector<ReplayItem>> replay_items(const std::string& path, const std::string& target);

// Rows in the order of the items; fewer after an interruption. kUnsupported when no process can be made.
Result<std::vector<ReplayRow>> replay_all(const std::vector<ReplayItem>& items, const ReplayOptions& options);

}  // namespace parallax::cli
