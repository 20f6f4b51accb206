// From validated WebAssembly to IR: a sink of the typed walk.
//
// One pass over the body, linear in its size: SSA is built on the fly. Forward joins (end of block, if, try) are made
// when all their edges are known, with a parameter only where edges disagree; loop heads get a parameter for each local
// that the loop assigns, found by a scan that starts at the function's first loop. Code that cannot be reached is
// skipped. Functions that would need disproportionately many edge arguments end with kLimit.
//
// Not done here: lowering of anything; removal of redundant checks (only those that the operand's type makes void).
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "engine/ir/func.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"

namespace parallax::jit {

struct TranslateOptions {
  wasm::Features features;
  bool poll_at_budget = false;  // ir::Func::poll_at_budget of the result
};

// Keeps its scratch memory between functions.
class Translator {
 public:
  Translator();
  ~Translator();
  Translator(const Translator&) = delete;
  Translator& operator=(const Translator&) = delete;

  // Makes `out` the IR of function `func`, which must not be imported, of a validated module (TypeNaming::kCanonical).
  // Error: kLimit. What stands in `out` after an error is not a function.
  Result<> translate(const wasm::Module& module, wasm::FuncIndex func, const TranslateOptions& options, ir::Func& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parallax::jit
