// The baseline compiler: WebAssembly to machine code in one pass, without an IR.
//
// A sink of the typed walk. The operand stack is a stack of descriptions: a value is in its frame slot, in a register,
// a constant, or the same as a local. Locals always have their value in their slot; registers only remember it, until
// the next join or call. At a join everything is in its slot, but one result, which is in rax or xmm0. References stand
// in home slots, so that a stack map is read off the operand stack; every other value stands in the part of the frame
// that the collector does not know. Exceptions have one landing pad for each try.
//
// It is the third code generator of the oracle: it has its own idea of every simple instruction, and takes the emitter's
// sequences (x64/emit.h) for what is long and rare. Not done here: anything that looks at more than one instruction,
// except a comparison that the next instruction branches on.
#pragma once

#include <memory>

#include "engine/base/result.h"
#include "engine/jit/call_sites.h"
#include "engine/jit/code_space.h"
#include "engine/jit/x64/emit.h"
#include "engine/runtime/instance.h"
#include "engine/runtime/layouts.h"

namespace parallax::jit {

struct BaselineInput {
  const runtime::FuncEntry* entry = nullptr;
  runtime::Layouts* layouts = nullptr;
  const wasm::TypeStore* types = nullptr;
  const x64::StubTable* stubs = nullptr;
  GuardSites* guard_sites = nullptr;
  x64::CpuFeatures cpu;
  x64::EmitterFault fault = x64::EmitterFault::kNone;
  bool guards = false;    // accesses to guarded memories need no comparison
  bool barriers = false;  // the heap is generational
  bool armed = false;
  bool poll_at_budget = false;
  bool listing = false;
  bool validate = false;
  uint64_t chaos_seed = 0;  // 0: no perturbation
};

// Keeps its memory between functions.
class BaselineCompiler {
 public:
  explicit BaselineCompiler(x64::Emitter& emitter);
  ~BaselineCompiler();
  BaselineCompiler(const BaselineCompiler&) = delete;
  BaselineCompiler& operator=(const BaselineCompiler&) = delete;

  // Compiles a function of a validated module. Error kUnsupported: this function is none for it (a frame too large, too
  // many references at calls): the other compiler has to try. kLimit: the code space is full.
  Result<const uint8_t*> compile(const BaselineInput& input, CodeSpace& space, CallSites& sites);

 private:
  std::unique_ptr<Baseline> state_;
};

}  // namespace parallax::jit
