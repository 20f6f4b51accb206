#include "fuzz/generators/ir/ir_judge.h"

#include <vector>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/ir/text.h"
#include "engine/ir/verify.h"
#include "engine/opt/pipeline.h"
#include "fuzz/executors/with_ir.h"
#include "fuzz/generators/ir/ir_func.h"
#include "fuzz/oracle/difference.h"

namespace parallax::fuzz {

namespace {

// The reference interprets what was made; its passes are off.
constexpr const char* kReference = "ir:O0:passes=none";

// One interpreted after passes, one compiled.
std::vector<ExecutorSpec> draw_sides(ChoiceStream& choices) {
  ExecutorSpec passes{.kind = ExecutorKind::kIr};
  passes.opt_level = choices.chance(3, 4) ? 2 : 1;
  passes.armed = true;
  if (choices.chance(1, 4)) {
    for (const PassName& pass : optional_passes(passes.opt_level)) {
      if (choices.chance(1, 3)) passes.disabled |= pass.bit;
    }
  }
  ExecutorSpec jit{.kind = ExecutorKind::kJit};
  jit.opt_level = static_cast<uint8_t>(choices.chance(1, 2) ? 2 : choices.below(2));
  jit.armed = choices.chance(1, 4);
  jit.collector = choices.chance(1, 3) ? Collector::kNonMoving : Collector::kMoving;
  if (choices.chance(1, 2)) {
    jit.zeal = choices.chance(1, 3) ? Zeal::kEvery : Zeal::kNth;
    jit.zeal_n = 2 + choices.below(9);
  }
  if (choices.chance(1, 4)) jit.chaos = 1 + choices.below(255);
  return {passes, jit};
}

Argument draw_argument(ChoiceStream& choices, wasm::ValType type) {
  static constexpr uint64_t kNumbers[] = {0, 1, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0x3f800000, 0x7ff0000000000000};
  if (!type.is_ref()) return {.kind = ArgKind::kNumber, .low = choices.pick(kNumbers)};
  switch (choices.below(3)) {
    case 0: return {.kind = ArgKind::kI31, .low = choices.below(1000)};
    case 1: return {.kind = ArgKind::kHost, .low = choices.below(1000)};
    default: return {};
  }
}

std::vector<Step> draw_plan(ChoiceStream& choices, const wasm::Module& module) {
  std::vector<Step> plan = {{.kind = StepKind::kInstantiate}};
  for (uint32_t round = 0; round < 2; ++round) {
    for (const wasm::Export& item : module.exports) {
      if (item.kind != wasm::ExternKind::kFunc) continue;
      Step step{.kind = StepKind::kCall, .keep = choices.chance(1, 2), .name = item.name};
      for (const wasm::ValType param : module.func_type(wasm::FuncIndex(item.index)).params)
        step.args.push_back(draw_argument(choices, param));
      plan.push_back(std::move(step));
    }
  }
  return plan;
}

class IrCase {
 public:
  explicit IrCase(std::span<const uint8_t> bytes) : choices_(bytes) {}

  IrVerdict judge() {
    Case subject;
    subject.modules = {ir_module()};
    subject.configuration.fuel = 2'000;
    subject.configuration.allocated_bytes = 1 << 18;
    auto loaded = load_case(subject);
    if (!loaded) return problem("the module: " + loaded.error().to_string());
    loaded_ = std::move(*loaded);
    const wasm::Module& module = *loaded_.modules.front();
    const std::vector<ExecutorSpec> sides = draw_sides(choices_);
    loaded_.plan = draw_plan(choices_, module);
    if (auto bad = make_functions(module); !bad.empty()) return problem(std::move(bad));
    const ExecutorSpec reference = *parse_spec(kReference);
    Observation first, other;
    if (auto ended = run(reference, first); !ended.problem.empty() || !ended.undecided.empty()) return ended;
    for (const ExecutorSpec& side : sides) {
      if (auto ended = run(side, other); !ended.problem.empty() || !ended.undecided.empty()) return ended;
      if (const auto d = find_difference(loaded_, first, other, kReference, to_string(side))) return problem(d->text);
    }
    return {.calls = first.calls,
            .returned = first.returned,
            .trapped = first.trapped,
            .threw = first.threw,
            .exhausted = first.exhausted};
  }

 private:
  IrVerdict problem(std::string text) const {
    IrVerdict verdict{.problem = std::move(text)};
    for (const ir::Func& func : functions_) verdict.listing += ir::print(func);
    return verdict;
  }

  // Empty, or what the verifier has against one of them: a mistake of the generator.
  std::string make_functions(const wasm::Module& module) {
    for (size_t i = module.imported_funcs; i < module.funcs.size(); ++i) {
      make_ir_func(choices_, module, wasm::FuncIndex(i), functions_.emplace_back());
      if (const auto valid = ir::verify(functions_.back(), "generation"); !valid) return valid.error().message;
    }
    return {};
  }

  IrVerdict run(const ExecutorSpec& spec, Observation& out) {
    const auto source = [this](const wasm::Module& module, wasm::FuncIndex func, ir::Func& into) {
      into = functions_[func.index() - module.imported_funcs];
      return true;
    };
    auto store = make_executor_with_ir(spec, loaded_.types, source);
    if (!store) return {.undecided = store.error().message};
    observe(loaded_, **store, {}, out);
    if (out.fault != FaultClass::kNone) return problem(text::format("{}: {}", to_string(spec), out.fault_text));
    if (out.inconclusive) return {.undecided = out.inconclusive_reason};
    return {};
  }

  ChoiceStream choices_;
  LoadedCase loaded_;
  std::vector<ir::Func> functions_;
};

}  // namespace

IrVerdict judge_ir(std::span<const uint8_t> bytes) {
  restart_fault_sites();
  return IrCase(bytes).judge();
}

}  // namespace parallax::fuzz
