// Which executors a case runs on when nobody says.
#include "engine/base/choices.h"
#include "fuzz/executors/spec/spec.h"

namespace parallax::fuzz {

namespace {

// Every safepoint in a share only: one collection in the right place shows as much as all of them, and costs a hundredth.
Zeal draw_zeal(ChoiceStream& choices, uint32_t& n) {
  const uint32_t turn = choices.below(16);
  if (turn < 3) return Zeal::kNone;
  if (turn == 3) return Zeal::kEvery;
  if (turn < 10) {
    n = 2 + choices.below(30);
    return Zeal::kNth;
  }
  n = choices.below(1u << (1 + choices.below(9)));
  return Zeal::kOnly;
}

// Run-time checks in a share of cases, the judges of compilation in a share of those: they cost more than what they watch.
void draw_checks(ChoiceStream& choices, ExecutorSpec& spec) {
  spec.armed = choices.chance(1, 6);
  spec.unverified = spec.armed && !choices.chance(1, 2);
}

// Level, collector and chaos of one JIT executor, of 16 at O0 and O1 so many; neither armed nor under zeal.
ExecutorSpec draw_jit(ChoiceStream& choices, uint32_t at_o0, uint32_t at_o1) {
  ExecutorSpec jit{.kind = ExecutorKind::kJit};
  const uint32_t level = choices.below(16);
  jit.opt_level = level < at_o0 ? 0 : level < at_o0 + at_o1 ? 1 : 2;
  const uint32_t collector = choices.below(16);
  jit.collector = collector < 8    ? Collector::kGenerational
                  : collector < 13 ? Collector::kMoving
                  : collector < 15 ? Collector::kNonMoving
                                   : Collector::kNever;
  // What a program of a case allocates hardly ever fills the young otherwise.
  if (jit.collector == Collector::kGenerational && choices.chance(1, 2)) jit.zeal_flags |= bit(ZealFlag::tiny);
  if (choices.chance(1, 4)) jit.chaos = 1 + choices.below(255);
  if (choices.chance(1, 8)) jit.cpu = choices.chance(1, 2) ? Cpu::kSse4 : Cpu::kBaseline;
  if (choices.chance(1, 8)) jit.memory = MemoryChecks::kGuard;
  return jit;
}

}  // namespace

std::vector<ExecutorSpec> draw_executors(uint64_t seed) {
  ChoiceStream choices(seed ^ 0x6578656375746f72ull);
  std::vector<ExecutorSpec> specs = {{}};
  if (!available(ExecutorKind::kJit)) {
    ExecutorSpec other;
    other.zeal = draw_zeal(choices, other.zeal_n);
    if (other.zeal != Zeal::kNth) other = {.zeal = Zeal::kEvery};
    specs.push_back(other);
    return specs;
  }
  // Plain, collecting when the heap is full. One optimised executor judges the optimiser, and costs as much as five of the
  // baseline compiler: so there is seldom a second one.
  ExecutorSpec plain = draw_jit(choices, 10, 2);
  plain.armed = false;
  plain.zeal = Zeal::kNone;
  specs.push_back(plain);
  // Under collection pressure, with checks in a share of cases.
  ExecutorSpec pressed = draw_jit(choices, 3, 2);
  draw_checks(choices, pressed);
  if (pressed.collector != Collector::kNever) pressed.zeal = draw_zeal(choices, pressed.zeal_n);
  specs.push_back(pressed);
  // And now and then another armed one at every safepoint.
  if (choices.chance(1, 64)) {
    ExecutorSpec thorough = draw_jit(choices, 3, 3);
    thorough.armed = true;
    if (thorough.collector != Collector::kNever) thorough.zeal = Zeal::kEvery;
    specs.push_back(thorough);
  }
  return specs;
}

std::vector<ExecutorSpec> standard_executors() {
  if (!available(ExecutorKind::kJit)) return {{}, {.zeal = Zeal::kEvery}};
  std::vector<ExecutorSpec> specs = {{}};
  for (const uint8_t level : {0, 1, 2}) {
    specs.push_back({.kind = ExecutorKind::kJit, .opt_level = level, .armed = true});
    specs.push_back({.kind = ExecutorKind::kJit, .opt_level = level, .zeal = Zeal::kEvery, .armed = true});
  }
  specs.push_back(
      {.kind = ExecutorKind::kJit, .collector = Collector::kNonMoving, .zeal = Zeal::kEvery, .armed = true});
  specs.push_back(
      {.kind = ExecutorKind::kJit, .collector = Collector::kGenerational, .zeal = Zeal::kEvery, .armed = true});
  specs.push_back(
      {.kind = ExecutorKind::kJit, .collector = Collector::kGenerational, .zeal_flags = bit(ZealFlag::tiny)});
  specs.push_back({.kind = ExecutorKind::kJit, .collector = Collector::kNever});
  specs.push_back({.kind = ExecutorKind::kJit, .zeal = Zeal::kEvery});
  return specs;
}

}  // namespace parallax::fuzz
