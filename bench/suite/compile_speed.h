// Speed of compilers on given modules: every function of a module compiled, in megabytes of WebAssembly code per second.
//
// Processor time, because nothing here waits and other programs should not count. Ours is compilation alone, after the
// module was decoded and validated; other engines do all of it in one step, so their figures include that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/module.h"

namespace parallax::bench {

struct CompileSample {
  double us = 0;        // of all functions
  uint32_t failed = 0;  // functions that the compiler refused; their time counts
  std::string first_failure;
  uint64_t not_baseline = 0;      // at O0: functions that the baseline compiler left to the other
  uint64_t baseline_instead = 0;  // functions too large for the way through the IR
  uint64_t machine_bytes = 0;
  // What the stages take, in the order of the pipeline, passes one by one. Measured apart from `us`: reading the clock
  // costs time itself.
  std::vector<std::pair<std::string, double>> stages_us;
};

// A module whose functions can be compiled without anything being run: segments are passive, and there is no start.
struct CompileSubject {
  std::shared_ptr<wasm::TypeStore> types;
  std::shared_ptr<const wasm::Module> module;
  uint64_t code_bytes = 0;  // of function bodies
  uint32_t functions = 0;
};
// Error: the module's own.
Result<CompileSubject> load_for_compiling(const std::vector<uint8_t>& bytes);

// With an executor of ours that compiles ("jit:O2:passes=none"). One round; `by_stage` measures stages instead of the
// sum. Error kUnsupported: the executor does not compile, or an import cannot be made up.
Result<CompileSample> measure_compile(std::string_view spec, const CompileSubject& subject, bool by_stage);

}  // namespace parallax::bench
