// What is being reduced: a case whose modules are in their editable form.
//
// Copies are cheap (bodies are shared until changed), so a candidate is a copy that operators change. `cost` orders
// states; only cheaper ones are accepted, which is why the reducer ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/edit/module.h"
#include "fuzz/case/case.h"

namespace parallax::triage::reduce {

namespace edit = wasm::edit;

struct State {
  std::vector<edit::Module> modules;
  fuzz::Case rest;     // everything but the modules
  bool plain = false;  // only the first module counts: there is no plan
};

// Fails when a module is not valid. An empty plan becomes explicit (unless `plain`).
Result<State> lift_case(const fuzz::Case& from, bool plain);

// The bytes of all modules, or an error when an edit left something dangling; modules are not validated.
Result<fuzz::Case> encode_case(const State& state);
// Decodes and validates the encoded modules and lifts them again: fresh types, dense ids. Requires: `encoded` is of `state`.
Result<State> lift_again(const State& state, const fuzz::Case& encoded);

// Smaller is better. Bytes count most; then how simple instructions, plan and settings are.
uint64_t cost(const State& state, const fuzz::Case& encoded);

struct Size {
  uint64_t bytes = 0;  // of all modules, without envelope
  uint64_t instructions = 0;
  uint64_t executed = 0;  // by the plan, on the interpreter, as far as it can be observed
  uint64_t functions = 0, types = 0, steps = 0;
};
// `executed` stays 0.
Size size_of(const State& state, const fuzz::Case& encoded);

// Removes a step and makes the others consistent: later numbers of instances and kept results go down, what refers to the
// removed one goes or becomes a default.
void remove_step(fuzz::Case& subject, size_t step);

}  // namespace parallax::triage::reduce
