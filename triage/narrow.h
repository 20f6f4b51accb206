// Narrowing: from a finding to the least that still shows it, and what that says about the cause.
//
// `Narrowed` is the diagnosis, written as narrow.json into the finding's folder and rendered by reports. Every part can be
// missing (empty, or absent optional): then `notes` says why. narrow() fills it by running the case again and again under
// other settings, each run in a process of its own:
//
//   stability    the finding three times as it is; what varies is said, and nothing further is believed of it
//   class        a vector of settings (no collection, non-moving, O0, armed, plain, ...) under which it shows or vanishes
//   weakest      the simplest executor that still shows it: level, collector, collection schedule, passes, chaos
//   features     the proposals of WebAssembly that the case uses and cannot do without
//   pass         by switching passes off; then the single rewrite, by bisection over the gate's limit
//   collection   the single one that is needed, by bisection over zeal=onlyN
//   evaluator    independently, the IR interpreted after each pass: which pass first changes what the program does
//   event        the first differing event between the two sides (fuzz/oracle/localize.h)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::triage {

// What became of the case under one setting.
enum class Shown : uint8_t {
  kShows,    // the same finding: class and signature
  kOther,    // a finding, but another one
  kAgrees,   // no finding
  kUnknown,  // inconclusive, not run, or the environment failed
};
const char* to_string(Shown shown);  // "shows", "another finding", "agrees", "unknown"

// One row of the class vector, or one near miss.
struct Setting {
  std::string name;  // "no collection", "O0", "without pass loads", "armed", "limit 41", ...
  std::string spec;  // the executor that was compared with the reference
  Shown shown = Shown::kUnknown;
  std::string outcome;  // one line: the signature or the reason
  friend bool operator==(const Setting&, const Setting&) = default;
};

struct GuiltyRewrite {
  uint64_t number = 0;  // counted from 0: "limit=<number>" passes, "limit=<number + 1>" fails
  uint64_t total = 0;   // rewrites of the whole run
  std::string kind;     // name in engine/opt/rewrites.def
  std::string summary;  // of that row
  std::string pass;
  uint32_t func = 0;    // FuncIndex
  uint32_t offset = 0;  // WasmOffset of what was rewritten, 0 if unknown
  std::string text;     // the rewritten instruction, before
  // The function after the pass without and with this rewrite: the lines that differ, with some around them.
  std::string ir_before, ir_after;
  friend bool operator==(const GuiltyRewrite&, const GuiltyRewrite&) = default;
};

struct GuiltyCollection {
  uint64_t index = 0;  // "zeal=only<index>" shows it
  uint64_t total = 0;  // safepoints at which a collection could have happened
  uint32_t func = 0;   // FuncIndex of the frame that collected; with offset: 0 if unknown
  uint32_t offset = 0;
  std::string operation;  // at that offset
  friend bool operator==(const GuiltyCollection&, const GuiltyCollection&) = default;
};

// The first event that differs between reference and weakest executor.
struct DifferingEvent {
  uint64_t number = 0;  // of events before it, which were equal
  uint32_t func = 0;
  uint32_t offset = 0;
  std::string operation;  // "struct.get 3 1"
  std::string left;       // what the reference did there, with operands
  std::string right;      // what the other side did
  bool of_null = false;   // it looked at a null reference
  friend bool operator==(const DifferingEvent&, const DifferingEvent&) = default;
};

struct Stability {
  uint32_t runs = 0;
  uint32_t same = 0;   // of them, with the same class and signature
  std::string varies;  // what differed between the runs; empty when stable
  bool stable() const { return runs > 0 && same == runs; }
  friend bool operator==(const Stability&, const Stability&) = default;
};

struct Narrowed {
  std::string bug_class;           // classify.h: "stack-map-coverage", "ir-invariant", "result", ...
  std::string signature;           // of the finding that was narrowed
  std::string id;                  // short stable bucket id (signature.h)
  std::vector<std::string> words;  // what the id is the hash of
  std::string reference;           // spec of the reference
  std::string original;            // spec of the other side as found
  std::string weakest;             // spec of the simplest one that still shows it
  std::string fault;               // planted fault, empty: none
  Stability stability;
  std::vector<std::string> features;       // that it cannot do without; names of engine/wasm/features.def
  std::vector<Setting> vector;             // settings under which it shows and vanishes
  std::vector<Setting> neighbours;         // near misses: one step away from `weakest`, and pass
  std::string guilty_pass;                 // empty: none needed
  std::vector<std::string> needed_passes;  // all that must run for it to show, guilty one included
  std::optional<GuiltyRewrite> rewrite;
  std::string map_pattern;  // what stack maps leave out, by kind; empty: nothing
  std::optional<GuiltyCollection> collection;
  std::string armed, plain;  // outcome of the weakest executor with and without run-time checks
  std::string invariant;     // that an armed run or a judge names: "I2"; empty: none
  std::string invariant_text;
  std::string evaluator;       // what interpreting the IR after each pass says, one line
  std::string evaluator_pass;  // the pass after which it first differs; "" none, "translate": before all passes
  std::optional<DifferingEvent> event;
  std::vector<std::string> notes;  // what could not be found out, and why
  std::vector<std::string> done;   // steps that are complete: what a resumed run does not repeat
  bool complete = false;           // false: time ran out or it was interrupted
  double seconds = 0;
  friend bool operator==(const Narrowed&, const Narrowed&) = default;
};

std::string to_json(const Narrowed& narrowed);
// kSyntax when it is no narrow.json; unknown members are ignored, missing ones keep their defaults.
Result<Narrowed> narrowed_from_json(std::string_view text);

// narrow.json of a finding's folder. kIo when there is none.
Result<Narrowed> read_narrowed(const std::string& folder);
Result<> write_narrowed(const std::string& folder, const Narrowed& narrowed);

}  // namespace parallax::triage
