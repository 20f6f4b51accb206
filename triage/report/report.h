// A finding told to a maintainer: the whole content as one struct, and the formats that it is written in.
//
// Whoever fills the struct (tools/parallax/cmd_report.cc) has run everything in processes of its own; nothing is run
// here. Every part may be missing; `unknown` then says what is not known and why. Formats say the same: JSON is complete
// (docs/report.schema.json), HTML and Markdown are for people, SARIF is for services that collect results.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "triage/finding.h"
#include "triage/narrow.h"
#include "triage/report/heap_picture.h"
#include "triage/report/observed.h"
#include "triage/report/severity.h"
#include "triage/report/spec_rules.h"

namespace parallax::triage {

inline constexpr int kReportFormat = 1;  // of the JSON; grows when a reader would have to change

// What one executor says about the case.
struct Vote {
  std::string executor;  // spec
  std::string version;
  std::string flags;    // in words: "optimisation 2, moving collector, collects at every safepoint"
  std::string outcome;  // one line: "like the reference", or what it did instead
  uint32_t group = 0;   // votes of one group did the same; 0 is the reference's
  bool inconclusive = false;
};

// One thing that a rule of the specification decides.
struct Expectation {
  const SpecRule* rule = nullptr;
  std::string why;  // "the first differing event", "the trap of one side", "instructions of the function"
};

// A text that stands in the report as it is: IR, machine code, output of a process.
struct Listing {
  std::string title;
  std::string text;
  std::string language;  // "ir", "asm", "wat", "text"
};

// A regression test in the format of one project.
struct RegressionTest {
  std::string file;    // "regress.wast"
  std::string format;  // "WebAssembly script"
  std::string text;    // empty: could not be expressed
  std::string remark;  // what is checked, or why there is none
};

struct Duplicate {
  std::string folder;
  std::string why;
  uint64_t occurrences = 1;
};

struct Report {
  Record record;
  std::string id;          // short, stable: the folder's name, or narrow's bucket
  std::string verdict;     // one line in plain words
  std::string reproduced;  // what the fresh process said: difference or death
  std::string reproduced_signature;
  std::vector<std::string> commands;  // from a clean checkout to the failure
  std::string wat;                    // first module
  std::vector<std::string> plan;      // what the embedder does, one line a step
  std::vector<uint8_t> wasm;          // the envelope
  std::string case_origin;            // "as found", "reduced from 4711 bytes"
  std::vector<Vote> votes;
  std::vector<Expectation> expected;
  std::string expected_value, actual_value;  // the concrete ones
  std::string place;                         // of the first difference
  std::optional<Observed> left, right;       // reference, the other
  std::optional<Narrowed> narrowed;
  std::vector<std::pair<std::string, std::string>> reduction;  // rows of reduce.json: name, value
  std::vector<Listing> listings;
  Severity severity;
  std::vector<Duplicate> duplicates;
  std::vector<RegressionTest> tests;
  std::vector<std::pair<std::string, std::string>> environment;  // name, value: version, compiler, system
  std::vector<std::string> unknown;
};

// Heaps of both sides as SVG; empty when there is nothing to draw.
struct HeapPictures {
  std::string left, right;
  bool equal = false;
};
HeapPictures draw_heaps(const Report& report);

// Lines around the first difference: mark (' ', '<' or '>') and text.
std::vector<std::pair<char, std::string>> difference_lines(const Report& report, size_t context = 6);

// The rows of the section about settings: label and what is known.
std::vector<std::pair<std::string, std::string>> setting_rows(const Report& report);

std::string to_markdown(const Report& report);
std::string to_html(const Report& report);
std::string to_report_json(const Report& report);
std::string to_sarif(const Report& report);

}  // namespace parallax::triage
