// Runs passes and judges over one function.
#include "engine/opt/pipeline.h"

#include "engine/base/case_clock.h"
#include "engine/base/scratch.h"
#include "engine/base/text.h"
#include "engine/base/thread_clock.h"
#include "engine/ir/text.h"
#include "engine/ir/verify.h"
#include "engine/ir/verify_refs.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

const PassInfo kPassTable[kPassCount] = {
#define PASS(id, name, function, level, needs, summary) {name, level, summary},
#include "engine/opt/passes.def"
#undef PASS
};

const RewriteInfo kRewriteTable[kRewriteCount] = {
#define REWRITE(id, name, summary) {name, summary},
#include "engine/opt/rewrites.def"
#undef REWRITE
};

namespace {

using PassFunction = Result<> (*)(PassContext&);
constexpr PassFunction kFunctions[kPassCount] = {
#define PASS(id, name, function, level, needs, summary) &function,
#include "engine/opt/passes.def"
#undef PASS
};

// The first pass of the same function.
constexpr auto kSameAs = [] {
  std::array<uint32_t, kPassCount> same{};
  for (uint32_t p = 0; p < kPassCount; ++p) {
    while (kFunctions[same[p]] != kFunctions[p]) ++same[p];
  }
  return same;
}();

// --- What a function must contain for a pass to ask anything. A row may name too much, never too little.
using ir::Contents;
using ir::Op;
using ir::Trait;
struct Needs {
  Contents contents;    // any of this
  bool cycles = false;  // and an edge back
};
constexpr Needs kAnything{Contents::everything()};
constexpr Needs kIndirectCalls{{Op::CallRef, Op::ReturnCallRef, Op::CallIndirect, Op::ReturnCallIndirect}};
constexpr Needs kDirectCalls{{Op::Call, Op::ReturnCall}};
constexpr Needs kJoins{Contents().with(Trait::kParams)};
constexpr Needs kSimplifiable{{Op::Compute, Op::Select, Op::NullCheck, Op::Cast, Op::RefTest, Op::RefIsNull, Op::Refine,
                               Op::RefEq, Op::FuncIs, Op::I31Get, Op::Convert, Op::ArrayLen, Op::Branch, Op::Switch}};
constexpr Needs kJumps{{Op::Jump}};
constexpr Needs kLoops{Contents::everything(), true};
constexpr Needs kLoopsWithParams{Contents().with(Trait::kParams), true};
constexpr Needs kArithmetic{{Op::Compute, Op::Select}};
constexpr Needs kMemory{{Op::StructGet, Op::StructSet, Op::ArrayGet, Op::ArraySet, Op::GlobalGet, Op::GlobalSet,
                         Op::TableGet, Op::TableSet, Op::TableSize, Op::MemLoad, Op::MemStore, Op::MemorySize}};
constexpr Needs kTests{{Op::NullCheck, Op::Cast, Op::Refine, Op::RefTest, Op::RefIsNull, Op::Branch}};
constexpr Needs kObjects{{Op::StructAlloc, Op::ArrayAlloc}};
constexpr Needs kStores{{Op::StructSet, Op::GlobalSet, Op::FieldInit, Op::ElemInit, Op::ArrayInitFill}};
constexpr Needs kIndices{Contents{Op::ArrayGet, Op::ArraySet}.with(Trait::kDivision)};
constexpr Needs kDepthChecks{{Op::DepthCheck}};
constexpr Needs kFloats{Contents().with(Trait::kFloat)};

constexpr Needs kNeeds[kPassCount] = {
#define PASS(id, name, function, level, needs, summary) needs,
#include "engine/opt/passes.def"
#undef PASS
};

// Blocks that a pass cut off.
void drop_unreachable(ir::Func& func, const ir::Cfg& cfg) {
  for (const ir::BlockId b : func.order()) {
    if (func.block(b).live && !cfg.reachable(b)) func.remove_block(b);
  }
  func.compact_order();
}

// The function for a report; long ones are cut.
std::string listing(const ir::Func& func) {
  constexpr size_t kMost = 6'000;
  std::string text = ir::print(func);
  if (text.size() > kMost) text = text.substr(0, kMost) + "\n...";
  return text;
}

}  // namespace

PassId find_pass(std::string_view name) {
  uint32_t pass = 0;
  while (pass < kPassCount && name != kPassTable[pass].name) ++pass;
  return static_cast<PassId>(pass);
}

Result<> Pipeline::run(ir::Func& func, const PipelineOptions& options) {
  Gate& gate = options.gate != nullptr ? *options.gate : own_gate_;
  if (options.dump != nullptr) options.dump(options.dump_context, func, "translate");
  if (options.verify) {
    const InStage stage(CaseStage::kJudges);
    TRY(ir::verify(func, "translate"));
  }
  start(func);
  for (uint32_t p = 0; p < kPassCount; ++p) {
    const auto pass = static_cast<PassId>(p);
    if (info(pass).level > static_cast<uint8_t>(options.level)) continue;
    if (pass != PassId::kSafepoints && !gate.enabled(pass)) continue;
    TRY(run_pass(func, pass, options, gate));
  }
  return {};
}

Result<> Pipeline::run_only(ir::Func& func, std::span<const PassId> passes, const PipelineOptions& options) {
  Gate& gate = options.gate != nullptr ? *options.gate : own_gate_;
  if (options.verify) TRY(ir::verify(func, "translate"));
  start(func);
  for (const PassId pass : passes) TRY(run_pass(func, pass, options, gate));
  return {};
}

void Pipeline::start(const ir::Func& func) {
  cfg_.compute(func);
  has_loops_ = false;
  version_ = 1;
  idle_at_.fill(0);
}

bool Pipeline::may_ask(const ir::Func& func, PassId pass) const {
  const Needs& needs = kNeeds[static_cast<size_t>(pass)];
  return func.contents().meets(needs.contents) && (!needs.cycles || cfg_.has_cycles()) &&
         idle_at_[kSameAs[static_cast<size_t>(pass)]] != version_;
}

Result<> Pipeline::run_pass(ir::Func& func, PassId pass, const PipelineOptions& options, Gate& gate) {
  if (!may_ask(func, pass)) return {};
  const uint64_t start = options.time ? thread_nanoseconds() : 0;
  const ScratchScope scratch;
  gate.enter(func.index(), pass);
  const uint64_t allowed_before = gate.allowed;
  const uint64_t asked_before = gate.asked;
  PassContext context{func, gate, cfg_, loops_, has_loops_, callee_cfg_, numbers_, values_, options.callees};
  TRY(kFunctions[static_cast<size_t>(pass)](context));
  // Every rewrite asks the gate, so a pass that was allowed none left the function as it was.
  const bool changed = pass == PassId::kSafepoints || gate.allowed != allowed_before || func.failure;
  if (gate.asked == asked_before) idle_at_[kSameAs[static_cast<size_t>(pass)]] = version_;
  if (changed) ++version_;
  func.commit();
  if (context.control_changed) {
    has_loops_ = false;
    cfg_.compute(func);
    if (cfg_.rpo().size() != func.order().size()) drop_unreachable(func, cfg_);
  }
  if (options.time) nanoseconds[static_cast<size_t>(pass)] += thread_nanoseconds() - start;
  if (!changed) return {};
  if (options.dump != nullptr) options.dump(options.dump_context, func, info(pass).name);
  if (func.failure) {
    return fail(ErrorCode::kInvariant, func.failure->offset,
                text::format("{} (pass {})\n{}", func.failure->message, info(pass).name, listing(func)));
  }
  if (!options.verify) return {};
  const InStage stage(CaseStage::kJudges);
  TRY(ir::verify(func, info(pass).name));
  if (pass == PassId::kSafepoints) TRY(ir::verify_refs(func));
  return {};
}

}  // namespace parallax::opt
