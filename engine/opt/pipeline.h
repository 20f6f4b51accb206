// The pipeline: which passes run at which level, and the only place that verifies, dumps, times and gates.
//
//   Pipeline pipeline;                       // keeps scratch memory between functions
//   TRY(pipeline.run(func, {.level = Level::kO1, .verify = true}));
//
// Afterwards the function has home slots and stack maps and is ready for lowering. With `verify` the verifier judges
// the function before the first and after every pass that rewrote something, and verify_refs after safepoints; without, only a type violation
// recorded by Func::replace ends the compilation. All errors of judges are kInvariant and name invariant and pass.
//
// A pass is left out where it could not even ask the gate: what it needs is not there, or the same pass ran over this very
// function before and asked nothing. So what is generated, and how queries are numbered, does not depend on it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/ir/cfg.h"
#include "engine/ir/func.h"
#include "engine/ir/loops.h"
#include "engine/opt/callees.h"
#include "engine/opt/gate.h"

namespace parallax::opt {

enum class Level : uint8_t { kO0, kO1, kO2 };

struct PassInfo {
  const char* name;
  uint8_t level;
  const char* summary;
};
extern const PassInfo kPassTable[kPassCount];
inline const PassInfo& info(PassId pass) { return kPassTable[static_cast<size_t>(pass)]; }
// The pass of this name, or kPassCount as a PassId.
PassId find_pass(std::string_view name);

struct PipelineOptions {
  Level level = Level::kO1;
  bool verify = false;
  bool time = false;
  Gate* gate = nullptr;        // the pipeline's own, without limit, when null
  Callees* callees = nullptr;  // nothing is inlined when null
  // Gets the function before the first pass (stage "translate") and after every pass that
  // rewrote something.
  void (*dump)(void* context, const ir::Func& func, const char* stage) = nullptr;
  void* dump_context = nullptr;
};

class Pipeline {
 public:
  // Requires a function as translation leaves it. After an error the function must not be used.
  Result<> run(ir::Func& func, const PipelineOptions& options);

  // For tests: these passes in this order, whatever their level, with judges and dumps as in run.
  Result<> run_only(ir::Func& func, std::span<const PassId> passes, const PipelineOptions& options);

  // Nanoseconds of processor time by pass, only with PipelineOptions::time.
  std::array<uint64_t, kPassCount> nanoseconds{};

 private:
  Result<> run_pass(ir::Func& func, PassId pass, const PipelineOptions& options, Gate& gate);
  void start(const ir::Func& func);
  bool may_ask(const ir::Func& func, PassId pass) const;

  Gate own_gate_;
  // What the function was when a pass asked nothing, by pass; others of the same function in passes.def count as the pass.
  uint32_t version_ = 0;
  std::array<uint32_t, kPassCount> idle_at_{};
  ir::Cfg cfg_;
  ir::Loops loops_;
  bool has_loops_ = false;
  ir::Cfg callee_cfg_;
  std::vector<uint32_t> numbers_;
  std::vector<ir::ValueId> values_;
};

}  // namespace parallax::opt
