// A case as one JavaScript file that any shell with WebAssembly runs, and that judges itself: the driver of external
// engines, the case, and what the reference did with it.
//
// For fuzzing services that give files to an engine and look at how it ends. A wrong result ends the process like a crash
// does (fuzz/external/self_check.js). What another engine may do differently is not compared; where the reference met a
// limit of ours, or the program can see what is left open (bits of NaN, growth, relaxed SIMD), the file expects nothing.
// A program that ran out of its budget is no file: elsewhere it may never end.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "fuzz/case/case.h"
#include "fuzz/executors/executors.h"

namespace parallax::fuzz {

struct JsFile {
  std::string text;
  bool expects = false;  // whether it holds tokens to compare with
};

// Requires that the modules are valid. Error kUnsupported: no embedder in JavaScript can run this case.
Result<JsFile> make_js_file(const Case& subject, const ExecutorSpec& reference);

}  // namespace parallax::fuzz
