#include "fuzz/mutators/vary.h"

#include "engine/base/choices.h"

namespace parallax::fuzz {

namespace {

constexpr uint32_t kArgumentKinds = 4;  // not kKept: which result is kept where is the plan's business

uint64_t draw_number(ChoiceStream& choices, uint64_t before) {
  switch (choices.below(6)) {
    case 0: return choices.below(4);
    case 1: return choices.below(256);
    case 2: return before + 1 - 2 * choices.below(2);
    case 3: return before ^ uint64_t { 1 } << choices.below(64);
    case 4: return ~uint64_t{0} >> choices.below(64);
    default: return choices.u64();
  }
}

// Kept results stay arguments where they are: they carry objects from one call to the next.
void vary_arguments(Step& step, ChoiceStream& choices) {
  if (step.args.empty()) step.args.resize(choices.below(3));
  for (Argument& arg : step.args) {
    if (arg.kind == ArgKind::kKept || !choices.chance(1, 2)) continue;
    // One that does not fit is the default, so its kind changes now and then only.
    if (arg.kind == ArgKind::kDefault || choices.chance(1, 8))
      arg.kind = static_cast<ArgKind>(choices.below(kArgumentKinds));
    arg.low = draw_number(choices, arg.low);
  }
}

// Among the schedules of the same code: all of those poll.
void vary_schedule(ExecutorSpec& spec, ChoiceStream& choices) {
  if (spec.kind != ExecutorKind::kJit || spec.zeal == Zeal::kNone || spec.zeal == Zeal::kAlloc) return;
  if (choices.chance(1, 2)) {
    spec.zeal = Zeal::kNth;
    spec.zeal_n = 2 + choices.below(30);
  } else {
    spec.zeal = Zeal::kOnly;
    spec.zeal_n = choices.below(1u << (1 + choices.below(9)));
  }
  spec.zeal_flags &= ~(bit(ZealFlag::minor) | bit(ZealFlag::full));
  if (spec.collector != Collector::kGenerational) return;
  switch (choices.below(4)) {
    case 0: spec.zeal_flags |= bit(ZealFlag::minor); break;
    case 1: spec.zeal_flags |= bit(ZealFlag::full); break;
    default: break;
  }
}

}  // namespace

Case vary(const Case& subject, std::span<const Step> plan, std::span<const ExecutorSpec> executors, uint64_t seed) {
  ChoiceStream choices(seed);
  Case out = subject;
  out.plan.assign(plan.begin(), plan.end());
  for (Step& step : out.plan) {
    if (step.kind == StepKind::kCall || step.kind == StepKind::kSetGlobal) vary_arguments(step, choices);
  }
  out.configuration.executors.clear();
  for (ExecutorSpec spec : executors) {
    vary_schedule(spec, choices);
    out.configuration.executors.push_back(to_string(spec));
  }
  if (!subject.origin.starts_with("variation of ")) out.origin = "variation of " + subject.origin;
  return out;
}

}  // namespace parallax::fuzz
