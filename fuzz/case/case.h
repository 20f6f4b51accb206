// A test case: modules, a plan of what the embedder does with them, and the configuration to run it under.
//
// A case is all that a finding needs to happen again. The plan speaks of steps only, never of an executor's handles, so
// that every executor can follow it; an empty plan means the default one (default_plan): instantiate the first module
// with host imports, then call every exported function in order with default arguments, as Binaryen's harness does.
//
// Files: a case is written as an *envelope*, a valid WebAssembly module whose first bytes are those of the first module,
// unchanged, followed by one custom section "parallax.case" that holds everything else. Any engine can read it; a plain
// module is a case with the default plan.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/module.h"

namespace parallax::fuzz {

// An argument of a call. Anything that does not fit the parameter's type becomes the type's default (null, zero);
// non-nullable parameters without a usable argument make the call be skipped, in every executor alike.
enum class ArgKind : uint8_t {
  kDefault,  // zero or null
  kNumber,   // low (and high) are the bits
  kI31,      // low: the 31 bits
  kHost,     // low: the host value
  kKept,     // low: index of a kept result; null when there is none
};
struct Argument {
  ArgKind kind = ArgKind::kDefault;
  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const Argument&, const Argument&) = default;
};

// Imports of an instantiation are first looked up by name among the exports of the instances in `links`, the last one
// first, and made by the host otherwise (hosts.h).
enum class StepKind : uint8_t {
  kInstantiate,   // module; instances to link against
  kCall,          // instance, name (of an export), args; reference results are kept if `keep`
  kSetGlobal,     // instance, name, args[0]
  kRelease,       // kept: the root is released
  kDropInstance,  // instance
  kCollect,
  kProbeRoot,     // kept, released before: reading the root must be refused
  kProbeCall,     // instance, dropped before: calling export `name` found while it lived must be refused
  kProbeForeign,  // instance, name, args: a reference of another store as argument must be refused
};
inline constexpr size_t kStepKindCount = 9;
const char* to_string(StepKind kind);

struct Step {
  StepKind kind = StepKind::kCall;
  uint32_t module = 0;
  uint32_t instance = 0;  // number of the kInstantiate step that made it, counted from 0
  uint32_t kept = 0;      // number of the kept result, counted from 0 over the whole plan
  bool keep = false;
  std::string name;
  std::vector<Argument> args;
  std::vector<uint32_t> links;  // instances
  friend bool operator==(const Step&, const Step&) = default;
};

// What the executors are told. The same for all of them, but for the axes in `executors`.
struct Configuration {
  // Specs as in executors.h, the first is the reference; empty: chosen by whoever runs the case.
  std::vector<std::string> executors;
  uint64_t fuel = 20'000;  // per step
  uint32_t call_depth = 200;
  uint64_t allocated_bytes = 1 << 22;  // per step
  uint64_t memory_pages = 64;
  uint64_t table_elements = 10'000;
  uint32_t max_calls = 64;  // of the default plan

  wasm::Budget budget() const {
    return {.fuel = fuel,
            .call_depth = call_depth,
            .allocated_bytes = allocated_bytes,
            .memory_pages = memory_pages,
            .table_elements = table_elements};
  }
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

struct Case {
  std::vector<std::vector<uint8_t>> modules;
  std::vector<Step> plan;
  Configuration configuration;
  // Where it came from, for people: "gc seed 7 index 1234". Not used to run it.
  std::string origin;
  // Accepted by its maker as valid: a rejection by the front end is then a finding.
  bool claims_valid = false;
  // Made by its maker to break exactly one rule of validation: accepting it is a finding.
  bool claims_invalid = false;
  friend bool operator==(const Case&, const Case&) = default;
};

// The plan of a case that has none.
std::vector<Step> default_plan(const wasm::Module& module, const Configuration& configuration);

// Requires: the case has a module. Ensures: the result begins with the bytes of the first module.
std::vector<uint8_t> write_envelope(const Case& subject);
// Total: any bytes give a case (bytes that are no envelope are a plain module) or an error for a damaged section.
Result<Case> read_envelope(std::span<const uint8_t> bytes);

// One line per step, for logs and reports.
std::string describe(const Step& step);

}  // namespace parallax::fuzz
