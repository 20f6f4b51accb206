// What generated cases do when they run: how many read and write the heap alive, how their calls end.
//
// A case is instrumented before it runs: behind every read and write of a field or element stands a count in a global of
// its own, so that only those that succeeded count. Interpreter only; nothing is compared.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/base/result.h"
#include "fuzz/case/case.h"

namespace parallax::cli {

struct GeneratorStats {
  uint64_t cases = 0, bytes = 0, functions = 0;
  uint64_t invalid = 0;         // made to be rejected, or rejected; not run
  uint64_t uninstantiated = 0;  // the first step did not return
  uint64_t calls = 0, returned = 0, trapped = 0, threw = 0, exhausted = 0;
  std::map<std::string, uint64_t> traps;  // by kind; those that a host function passed on count too
  uint64_t live = 0;                      // cases with a successful read and a successful write of the heap
  uint64_t reads = 0, writes = 0;

  void add(const fuzz::Case& subject);
  std::string to_text(const std::string& name) const;
  std::string to_json(const std::string& name) const;
};

// The case with counters. For tests too.
Result<fuzz::Case> count_heap_accesses(const fuzz::Case& subject);

}  // namespace parallax::cli
