// A finding on disk: one folder per signature, complete in itself.
//
//   <class>-<hash of the signature>/
//     case.wasm          the case as an envelope (fuzz/case): a valid module that any engine can read
//     finding.json       this struct
//     log.txt            what each side did, or the output of the process that died
//     README.md          the command that makes it happen again
//     occurrences.jsonl  one line for every further case with the same signature
//
// Folders appear by rename, whole or not at all; several processes may write into one folder of findings.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "fuzz/oracle/judge.h"

namespace parallax::triage {

struct Record {
  fuzz::FindingClass kind = fuzz::FindingClass::kDivergence;
  std::string signature;  // what it is bucketed by: the cause if an armed run named one, else the symptom
  std::string symptom;    // signature of what was seen first
  std::string difference;
  std::vector<std::string> executors;
  std::string origin;  // "gc seed 7 index 1234"
  uint64_t seed = 0;
  uint64_t index = 0;
  std::string fault;         // planted fault that was on, as given; empty: none
  std::string version;       // of parallax
  std::string stage;         // where the process died; empty when it did not
  uint64_t occurrences = 1;  // read only: lines of occurrences.jsonl and the first one
};

std::string to_json(const Record& record);
Result<Record> record_from_json(std::string_view text);

// The folder's name for a signature.
std::string folder_name(const Record& record);

struct Written {
  std::string folder;
  bool is_new = false;
};
// Writes a new folder below `findings` (made when missing), or counts a further occurrence.
Result<Written> write_finding(const std::string& findings, const Record& record, std::span<const uint8_t> envelope,
                              const std::string& log);
// Reads finding.json of a folder.
Result<Record> read_finding(const std::string& folder);

}  // namespace parallax::triage
