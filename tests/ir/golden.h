// IR goldens: one text file says a module, a function, the passes, and what they must make of it.
//
//   ;; passes: simplify dce          names of engine/opt/passes.def, run in this order; "O1": a whole level
//   ;; func: 2                       the function with this index is translated; without this line, `before` is the input
//   ;; fault: OPT1                   with this fault planted the result must differ, or a judge must object (repeatable)
//   ;; What this file shows, in words.
//   (module ...)                     WebAssembly text
//   ;; before
//   func 2 { ... }                   IR (engine/ir/text.h)
//   ;; after
//   func 2 { ... }                   or "error: " and a part of the judge's message
//
// The verifier judges after every pass. Blessing replaces `after`, and `before` when it was translated; lines of the head
// stay as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax {

struct Golden {
  std::string head;  // up to the line ";; before", with line end
  std::vector<std::string> passes;
  std::vector<std::string> faults;
  int func = -1;
  std::string module;
  std::string before;
  std::string after;
};

struct GoldenResult {
  std::string before;
  std::string after;
};

// Error: kSyntax with the line's number in the text.
Result<Golden> parse_golden(std::string_view text);
std::string print_golden(const Golden& golden);
// Runs the passes. What a judge objects to is a result ("error: ..."); errors are those of the file itself.
Result<GoldenResult> run_golden(const Golden& golden);
// Whether `got` is what `golden.after` demands.
bool agrees(const Golden& golden, const GoldenResult& got);

}  // namespace parallax
