#include "fuzz/generators/generators.h"

#include <algorithm>
#include <iterator>

#include "engine/base/case_clock.h"
#include "engine/base/text.h"
#include "engine/wasm/encode.h"
#include "fuzz/generators/makers.h"

namespace parallax::fuzz {

namespace {

constexpr GeneratorInfo kGenerators[] = {
    {GeneratorKind::kGc, "gc", "our own: type-directed GC programs that read back what they wrote"},
    {GeneratorKind::kOp, "op", "one instruction at a time, on corner values of numbers and references"},
    {GeneratorKind::kBinaryen, "binaryen", "Binaryen's fuzzer in process, with extra weight on accesses and casts"},
    {GeneratorKind::kMix, "mix", "all of the above, taking turns"},
};

uint64_t seed_of(uint64_t seed, uint64_t index) {
  uint64_t z = seed * 0x9e3779b97f4a7c15ull + index + 1;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Exports everything that the module keeps to itself, behind its own exports: what is exported is compared at the end, and
// functions are called and have names.
void export_everything(wasm::Module& module) {
  const auto add = [&](wasm::ExternKind kind, size_t count, const char* name) {
    std::vector<bool> exported(count);
    for (const wasm::Export& item : module.exports) {
      if (item.kind == kind) exported[item.index] = true;
    }
    for (uint32_t i = 0; i < count; ++i) {
      if (!exported[i]) module.exports.push_back({text::format("~{}{}", name, i), kind, i});
    }
  };
  add(wasm::ExternKind::kGlobal, module.globals.size(), "global");
  add(wasm::ExternKind::kTable, module.tables.size(), "table");
  add(wasm::ExternKind::kMemory, module.memories.size(), "memory");
  add(wasm::ExternKind::kTag, module.tags.size(), "tag");
  add(wasm::ExternKind::kFunc, module.funcs.size(), "func");
}

Argument some_argument(ChoiceStream& choices, wasm::ValType type, uint32_t kept) {
  static constexpr uint64_t kNumbers[] = {0, 1, 2, 5, 64, 0x7fffffff, 0xffffffff, 0x3ff0000000000000};
  if (!type.is_ref()) return {.kind = ArgKind::kNumber, .low = choices.pick(kNumbers)};
  // What does not fit becomes null.
  if (kept > 0 && choices.chance(3, 4)) return {.kind = ArgKind::kKept, .low = choices.below(kept)};
  if (choices.chance(1, 2)) return {.kind = ArgKind::kI31, .low = choices.below(100)};
  return {.kind = ArgKind::kHost, .low = choices.below(100)};
}

// Calls every export, as the default plan does, with values of earlier results as arguments: null traps at the first
// access, and teaches nothing more than once.
std::vector<Step> plan_with_arguments(ChoiceStream& choices, const wasm::Module& module, uint32_t max_calls) {
  std::vector<Step> plan = {{.kind = StepKind::kInstantiate}};
  for (const wasm::Export& item : module.exports) {
    if (item.kind != wasm::ExternKind::kFunc) continue;
    if (plan.size() > max_calls) break;
    Step step{.kind = StepKind::kCall, .keep = true, .name = item.name};
    const auto kept = static_cast<uint32_t>(plan.size() - 1);
    for (const wasm::ValType param : module.types[module.funcs[item.index].type].params)
      step.args.push_back(some_argument(choices, param, kept));
    plan.push_back(std::move(step));
  }
  return plan;
}

}  // namespace

const GeneratorInfo* generator_table(size_t& count) {
  count = std::size(kGenerators);
  return kGenerators;
}

bool parse_generator(std::string_view name, GeneratorKind& out) {
  for (const GeneratorInfo& row : kGenerators) {
    if (name != row.name) continue;
    out = row.kind;
    return true;
  }
  return false;
}

const char* to_string(GeneratorKind kind) { return kGenerators[static_cast<size_t>(kind)].name; }

bool available(GeneratorKind kind, std::string* why) {
  if (kind != GeneratorKind::kBinaryen || have_binaryen()) return true;
  if (why != nullptr) *why = "this build has no Binaryen (scripts/bootstrap builds it)";
  return false;
}

Result<Case> generate(GeneratorKind kind, std::span<const uint8_t> bytes) {
  switch (kind) {
    case GeneratorKind::kGc: {
      ChoiceStream choices(bytes);
      return make_gc_program(choices);
    }
    case GeneratorKind::kOp: {
      ChoiceStream choices(bytes);
      return make_single_op(choices);
    }
    case GeneratorKind::kBinaryen: return make_binaryen(bytes);
    case GeneratorKind::kMix: {
      const bool binaryen = have_binaryen() && !bytes.empty() && bytes[0] % 2 == 1;
      return generate(binaryen ? GeneratorKind::kBinaryen : GeneratorKind::kGc,
                      bytes.empty() ? bytes : bytes.subspan(1));
    }
  }
  return fail(ErrorCode::kUnsupported, 0, "unknown generator");
}

bool parse_without(std::string_view names, GeneratorSet& out) {
  out = 0;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    GeneratorKind kind{};
    if (!parse_generator(names.substr(0, end), kind) || kind == GeneratorKind::kMix) return false;
    out |= set_of(kind);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  const GeneratorSet all = set_of(GeneratorKind::kGc) | set_of(GeneratorKind::kOp) | set_of(GeneratorKind::kBinaryen);
  return (out & all) != all;
}

std::string names_of(GeneratorSet without) {
  std::string names;
  for (const GeneratorInfo& row : kGenerators) {
    if ((without & set_of(row.kind)) != 0) names += (names.empty() ? "" : ",") + std::string(row.name);
  }
  return names;
}

GeneratorKind generator_at(GeneratorKind kind, uint64_t seed, uint64_t index, GeneratorSet without) {
  if (kind != GeneratorKind::kMix) return kind;
  struct Share {
    GeneratorKind kind;
    uint32_t sixteenths;
  };
  static constexpr Share kShares[] = {{GeneratorKind::kBinaryen, 3}, {GeneratorKind::kOp, 1}, {GeneratorKind::kGc, 12}};
  if (!have_binaryen()) without |= set_of(GeneratorKind::kBinaryen);
  uint32_t all = 0;
  for (const Share& share : kShares) all += (without & set_of(share.kind)) == 0 ? share.sixteenths : 0;
  uint64_t turn = seed_of(seed ^ 0x6d6978, index) % std::max(all, 1u);
  for (const Share& share : kShares) {
    if ((without & set_of(share.kind)) != 0) continue;
    if (turn < share.sixteenths) return share.kind;
    turn -= share.sixteenths;
  }
  return GeneratorKind::kGc;
}

Result<Case> generate_at(GeneratorKind kind, uint64_t seed, uint64_t index, GeneratorSet without) {
  const InStage stage(CaseStage::kGenerate);
  kind = generator_at(kind, seed, index, without);
  ChoiceStream choices(seed_of(seed, index));
  Case subject;
  if (kind == GeneratorKind::kGc) {
    subject = TRY(make_gc_program(choices));
  } else if (kind == GeneratorKind::kOp) {
    subject = TRY(make_single_op(choices));
  } else {
    // Small inputs are many modules a second, large ones reach deeper: sizes between half a kilobyte and eight.
    std::vector<uint8_t> bytes(size_t{512} << choices.below(5));
    for (uint8_t& byte : bytes) byte = choices.byte();
    subject = TRY(make_binaryen(bytes));
    const bool all_exported = choices.chance(3, 4), with_arguments = choices.chance(3, 4);
    auto module = wasm::decode(subject.modules.front(), nullptr, {.naming = wasm::TypeNaming::kModule});
    if (module && all_exported) {
      export_everything(*module);
      subject.modules.front() = wasm::encode(*module);
    }
    if (module && with_arguments) subject.plan = plan_with_arguments(choices, *module, subject.configuration.max_calls);
  }
  subject.origin = text::format("{} seed {} index {}", to_string(kind), seed, index);
  return subject;
}

}  // namespace parallax::fuzz
