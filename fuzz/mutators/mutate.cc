// Drawing mutators and applying them to modules and cases.
#include "fuzz/mutators/mutate.h"

#include <algorithm>
#include <iterator>

#include "engine/base/text.h"
#include "fuzz/executors/spec/spec.h"
#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

namespace edit = wasm::edit;

const MutatorInfo kMutatorTable[kMutatorCount] = {
#define MUTATOR(id, weight, summary) \
  {#id, weight, summary, Mutator::id == Mutator::splice_donor || Mutator::id == Mutator::import_function},
#include "fuzz/mutators/mutators.def"
#undef MUTATOR
};

namespace {

using Function = bool (*)(Mutation&);
constexpr Function kFunctions[kMutatorCount] = {
#define MUTATOR(id, weight, summary) &mutate_##id,
#include "fuzz/mutators/mutators.def"
#undef MUTATOR
};

Mutator draw(ChoiceStream& choices, bool donor) {
  uint32_t total = 0;
  for (const MutatorInfo& row : kMutatorTable) total += donor || !row.needs_donor ? row.weight : 0;
  uint32_t left = choices.below(total);
  for (size_t i = 0; i < kMutatorCount; ++i) {
    const MutatorInfo& row = kMutatorTable[i];
    if (row.needs_donor && !donor) continue;
    if (left < row.weight) return static_cast<Mutator>(i);
    left -= row.weight;
  }
  return Mutator{};
}

}  // namespace

bool apply(Mutator mutator, const wasm::Module& valid, edit::Module& module, ChoiceStream& choices,
           const Donor& donor) {
  if (info(mutator).needs_donor && donor.module == nullptr) return false;
  // A mutator that gives up half way has changed something: bodies are shared until changed, so a copy is cheap.
  edit::Module changed = module;
  Mutation mutation(valid, changed, choices, donor);
  if (!mutation.choose_function()) return false;
  if (!kFunctions[static_cast<size_t>(mutator)](mutation)) return false;
  module = std::move(changed);
  return true;
}

Result<std::vector<uint8_t>> mutate_module(std::span<const uint8_t> bytes, std::span<const uint8_t> donor_bytes,
                                           ChoiceStream& choices, const MutateOptions& options) {
  const auto types = std::make_shared<wasm::TypeStore>();
  const wasm::Module valid = TRY(wasm::load({bytes.begin(), bytes.end()}, types));
  edit::Module module = TRY(edit::lift(valid));
  Donor donor;
  Result<wasm::Module> donor_valid = fail(ErrorCode::kInvalid, 0, "none");
  Result<edit::Module> donor_module = fail(ErrorCode::kInvalid, 0, "none");
  if (!donor_bytes.empty()) {
    donor_valid = wasm::load({donor_bytes.begin(), donor_bytes.end()}, types);
    if (donor_valid) donor_module = edit::lift(*donor_valid);
    if (donor_module) donor = {&*donor_valid, &*donor_module};
  }
  uint32_t wanted = 1 + choices.below(options.max_steps);
  bool changed = false;
  for (uint32_t attempt = 0; attempt < 4 * options.max_steps && wanted > 0; ++attempt) {
    const Mutator mutator = draw(choices, donor.module != nullptr);
    if (!apply(mutator, valid, module, choices, donor)) continue;
    if (options.trace != nullptr) options.trace->mutators.push_back(mutator);
    changed = true;
    --wanted;
  }
  if (!changed) return fail(ErrorCode::kLimit, 0, "no mutation applies");
  std::vector<uint8_t> out = TRY(edit::encode(module));
  if (out.size() > options.max_bytes) return fail(ErrorCode::kLimit, 0, "the mutated module is too large");
  return out;
}

// --- Cases -------------------------------------------------------------------------------------------------------------

namespace {

// Steps after a change of the plan still name what they named: only calls, collections and arguments are touched.
bool mutate_plan(Case& subject, ChoiceStream& choices) {
  if (subject.plan.empty()) {
    const auto module = wasm::decode(subject.modules.front(), std::make_shared<wasm::TypeStore>());
    if (!module) return false;
    subject.plan = default_plan(*module, subject.configuration);
  }
  std::vector<size_t> calls;
  for (size_t i = 0; i < subject.plan.size(); ++i) {
    if (subject.plan[i].kind == StepKind::kCall && !subject.plan[i].keep) calls.push_back(i);
  }
  const auto at = [&](size_t i) { return subject.plan.begin() + static_cast<std::ptrdiff_t>(i); };
  switch (choices.below(4)) {
    case 0:
      subject.plan.insert(at(1 + choices.below(static_cast<uint32_t>(subject.plan.size()))),
                          {.kind = StepKind::kCollect});
      return true;
    case 1: {
      if (calls.empty() || subject.plan.size() > 100) return false;
      const Step again = subject.plan[choices.pick(calls)];
      subject.plan.insert(at(calls.back() + 1), again);
      return true;
    }
    case 2: {
      if (calls.size() < 2) return false;
      std::swap(subject.plan[choices.pick(calls)], subject.plan[choices.pick(calls)]);
      return true;
    }
    default: {
      if (calls.empty()) return false;
      Step& step = subject.plan[choices.pick(calls)];
      if (step.args.empty() || choices.chance(1, 4)) step.args.emplace_back();
      Argument& arg = choices.pick(step.args);
      arg.kind = static_cast<ArgKind>(choices.below(4));
      arg.low = choices.chance(1, 2) ? choices.below(256) : choices.u64();
      return true;
    }
  }
}

// Level, collector, schedule and chaos of one executor that is not the reference.
bool mutate_schedule(Case& subject, ChoiceStream& choices) {
  auto& executors = subject.configuration.executors;
  if (executors.size() < 2) {
    // From now on the case has its own executors, drawn once.
    executors.clear();
    for (const ExecutorSpec& spec : draw_executors(choices.u64())) executors.push_back(to_string(spec));
    return true;
  }
  std::string& text = executors[1 + choices.below(static_cast<uint32_t>(executors.size() - 1))];
  auto spec = parse_spec(text);
  if (!spec || spec->kind != ExecutorKind::kJit) return false;
  switch (choices.below(5)) {
    case 0: spec->opt_level = static_cast<uint8_t>(choices.below(3)); break;
    case 1: {
      static constexpr Collector kDrawn[] = {Collector::kGenerational, Collector::kMoving, Collector::kNonMoving};
      spec->collector = kDrawn[choices.below(3)];
      break;
    }
    case 2: spec->chaos = choices.chance(1, 2) ? 0 : 1 + choices.below(255); break;
    case 3: spec->armed = !spec->armed; break;
    default:
      spec->zeal = static_cast<Zeal>(choices.below(4));
      spec->zeal_n = spec->zeal == Zeal::kNth ? 2 + choices.below(30) : choices.below(200);
      break;
  }
  if (spec->zeal != Zeal::kNth && spec->zeal != Zeal::kOnly) spec->zeal_n = 0;
  const std::string changed = to_string(*spec);
  if (changed == text) return false;
  text = changed;
  return true;
}

// Functions that crossover exported are called too.
void call_new_exports(Case& subject, const wasm::Module& before, const wasm::Module& after, uint32_t module) {
  if (subject.plan.empty()) return;
  uint32_t instance = 0;
  bool found = false;
  for (const Step& step : subject.plan) {
    if (step.kind != StepKind::kInstantiate) continue;
    if (step.module == module) {
      found = true;
      break;
    }
    ++instance;
  }
  if (!found) return;
  for (const wasm::Export& item : after.exports) {
    if (item.kind != wasm::ExternKind::kFunc || before.find_export(item.name) != nullptr) continue;
    subject.plan.push_back({.kind = StepKind::kCall, .instance = instance, .name = item.name});
  }
}

}  // namespace

Result<Case> mutate_case(const Case& subject, const Case* donor, ChoiceStream& choices, const MutateOptions& options) {
  Case out = subject;
  out.claims_valid = out.claims_invalid = false;
  const bool plan = choices.chance(1, 6) && mutate_plan(out, choices);
  const bool schedule = choices.chance(1, 4) && mutate_schedule(out, choices);
  if (options.trace != nullptr) *options.trace = {.mutators = {}, .plan = plan, .schedule = schedule};
  const bool changed = plan || schedule;
  if (!changed || choices.chance(3, 4)) {
    const uint32_t which = choices.below(static_cast<uint32_t>(out.modules.size()));
    std::span<const uint8_t> other;
    if (donor != nullptr && !donor->modules.empty()) other = choices.pick(donor->modules);
    auto mutated = mutate_module(out.modules[which], other, choices, options);
    if (!mutated && !changed) return std::unexpected(mutated.error());
    if (mutated) {
      const auto as_written = wasm::DecodeOptions{.naming = wasm::TypeNaming::kModule};
      const auto before = wasm::decode(out.modules[which], nullptr, as_written);
      const auto after = wasm::decode(*mutated, nullptr, as_written);
      out.modules[which] = std::move(*mutated);
      if (before && after) call_new_exports(out, *before, *after, which);
    }
  }
  out.origin = subject.origin.starts_with("mutated ") ? subject.origin : "mutated " + subject.origin;
  return out;
}

std::vector<uint8_t> mutate_input(std::span<const uint8_t> input, std::span<const uint8_t> donor, size_t max_size,
                                  uint64_t seed) {
  const auto subject = read_envelope(input);
  if (!subject || subject->modules.empty() || subject->modules.front().empty()) return {};
  const auto other = read_envelope(donor);
  ChoiceStream choices(seed);
  const auto mutated = mutate_case(*subject, other ? &*other : nullptr, choices, {.max_bytes = max_size});
  if (!mutated) return {};
  const bool plain = mutated->plan.empty() && mutated->configuration == Configuration{} && mutated->modules.size() == 1;
  std::vector<uint8_t> out = plain ? mutated->modules.front() : write_envelope(*mutated);
  if (out.size() > max_size) return {};
  return out;
}

}  // namespace parallax::fuzz
