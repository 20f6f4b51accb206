// A case as an embedder in JavaScript can run it, so that our executors and external engines do and see the same.
//
// JavaScript cannot look into objects of WebAssembly, does not know tags and functions that are not exported, and cannot
// pass vectors and exception references. So modules get *probes*: exported functions, appended behind everything else,
// that name an object's type and read its fields and elements, and exports of every tag and imported function. What cannot cross the
// border at all is left out of the plan (calls) or of the exports (globals, tables). Probes only read: what a module
// does is not changed.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/module.h"
#include "fuzz/case/case.h"

namespace parallax::fuzz {

// What in a case an engine may do differently without being wrong.
struct Freedom {
  bool nan_bits = false;      // programs that can observe the bits of a NaN
  bool growth = false;        // memory.grow, table.grow
  bool relaxed_simd = false;  // implementation-defined results
};

struct JsCase {
  Case subject;      // modules with probes, plan without what JavaScript cannot do: for our own executors
  std::string text;  // the same for the driver, as one line of JSON
  Freedom freedom;
};

// Error kUnsupported: what the case needs that no embedder in JavaScript can give. Requires that the modules are valid.
Result<JsCase> make_js_case(const Case& subject);

// The prefix of all exports that are probes.
inline constexpr std::string_view kProbePrefix = "parallax:";

// Numbers of tokens, outcomes and traps, for the driver: its first line.
std::string driver_greeting();

}  // namespace parallax::fuzz
