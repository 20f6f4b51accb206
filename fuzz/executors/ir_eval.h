// The IR as an executor: every function is translated, goes through the passes, and is then interpreted.
//
// A second opinion about the optimiser that needs no lowering, no register allocation, no machine code and no moving
// collector: whatever differs between the reference and `ir:passes=none`, or between two sets of passes, is the fault of
// translation or of a pass. Store, objects and builtins are the engine's own, so a fault of those shows on both sides.
//
// Every value of the IR is a variable; objects never move (the store never collects), so a value stays right over
// safepoints. Home slots are written as the IR says and read as a judge: with `armed`, a home_load must find the very
// value it names, and a slot that the map of a safepoint since then did not list counts as lost. References that an
// operation looks into are checked against the type it relies on.  [I2, I3]
//
// Simple and slow: a function is a few vectors per call. What it cannot do ends with kUnsupported: v128.
#pragma once

#include <memory>

#include "engine/jit/ir_source.h"
#include "engine/opt/gate.h"
#include "engine/opt/pipeline.h"
#include "engine/runtime/compiler.h"

namespace parallax::fuzz {

struct IrEvalOptions {
  opt::Level level = opt::Level::kO2;
  uint64_t disabled = 0;  // passes, bit per opt::PassId
  uint64_t limit = opt::Gate::kNoLimit;
  bool armed = false;
  jit::IrSource source;  // instead of translating, where it gives a function
};

std::unique_ptr<runtime::Compiler> make_ir_evaluator(const IrEvalOptions& options);

}  // namespace parallax::fuzz
