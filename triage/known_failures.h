// Known failures of specification scripts, as data: what is listed may fail, and must.
//
// One a line: script, line, where, why; `#` starts a comment. `where` is `text` (fails before anything runs, so with
// every executor and with none), `run` (with every executor), or one executor as written on the command line
// ("jit:O0"). A failure that is not listed fails the run; so does a listed one that no longer happens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::triage {

struct KnownFailure {
  std::string script;  // "wasmtime-gc/anyref.wast": the end of a path, whole components
  uint32_t line = 0;
  std::string where;
  std::string why;
};

// kSyntax with the line of the list when it is not of this form.
Result<std::vector<KnownFailure>> parse_known_failures(std::string_view text);

// The rows for a script at `path`, run on `executor` ("" or "none": the front end alone).
std::vector<const KnownFailure*> known_failures_of(const std::vector<KnownFailure>& list, std::string_view path,
                                                   std::string_view executor);

}  // namespace parallax::triage
