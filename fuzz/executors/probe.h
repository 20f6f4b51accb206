// What an executor tells about its own work while it compiles and collects: the raw material of diagnosis.
//
// A probe changes nothing that the executor does. Only the engine has something to tell; the interpreter is asked through
// hooks of its own. The probe must outlive the executor; its functions must not call the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/executors/executors.h"

namespace parallax::fuzz {

// One question of a pass to the gate.
struct RewriteEvent {
  uint32_t func = 0;
  const char* pass = "";
  const char* rewrite = "";
  const char* summary = "";
  uint64_t number = 0;
  uint32_t value = 0;  // ValueId in the stage's text
  bool allowed = false;
};

// One walk over the frames: a collection, or the heap's verification around it.
struct FramesEvent {
  uint64_t safepoints = 0;  // passed so far, this one included
  uint32_t func = ~0u;      // of the innermost frame; ~0 when no compiled code is running
  uint32_t offset = 0;
};

struct Probe {
  // A function as text after "translate", after every pass that changed it, and as "machine", "allocated", "code".
  std::function<void(uint32_t func, const char* stage, const std::string& text)> on_stage;
  std::function<void(const RewriteEvent&)> on_rewrite;
  std::function<void(const FramesEvent&)> on_frames;
};

Result<std::unique_ptr<wasm::Embedding>> make_executor(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types,
                                                       Probe& probe);

// One kind of armed check (engine/runtime/checks.def) and how often it was evaluated. Plain stores count the few checks
// that they make as well. Empty for executors without armed checks.
struct CheckCount {
  const char* name = "";
  const char* invariant = "";
  const char* summary = "";
  uint64_t evaluated = 0;
};
std::vector<CheckCount> check_counts(const ExecutorSpec& spec, wasm::Embedding& executor);

// Safepoints that the executor passed so far: how many indices zeal=onlyN can name. 0 for executors that do not count;
// complete only under a zeal other than none.
uint64_t safepoints_passed(const ExecutorSpec& spec, wasm::Embedding& executor);

}  // namespace parallax::fuzz
