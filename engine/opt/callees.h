// Callees: what the inliner asks about other functions of the module.
//
// Translation stands above the passes (engine/jit), so the inliner gets bodies through this interface: JitCompiler and
// the IR evaluator bring the translator behind it, tests bring texts.
#pragma once

#include "engine/ir/func.h"

namespace parallax::opt {

class Callees {
 public:
  virtual ~Callees() = default;
  // The IR of a function of the module that is compiled, which is not imported, as translation leaves it: no pass has
  // run. Null when there is none (too large to translate). Valid until the next call.
  virtual const ir::Func* body(wasm::FuncIndex func) = 0;
};

}  // namespace parallax::opt
