#include "fuzz/generators/generators.h"

#include <iterator>

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
// functions are called and have names. A module that does not decode stays as it is.
void export_everything(std::vector<uint8_t>& bytes) {
  auto module = wasm::decode(bytes, nullptr, {.naming = wasm::TypeNaming::kModule});
  if (!module) return;
  const auto add = [&](wasm::ExternKind kind, size_t count, const char* name) {
    std::vector<bool> exported(count);
    for (const wasm::Export& item : module->exports) {
      if (item.kind == kind) exported[item.index] = true;
    }
    for (uint32_t i = 0; i < count; ++i) {
      if (!exported[i]) module->exports.push_back({text::format("~{}{}", name, i), kind, i});
    }
  };
  add(wasm::ExternKind::kGlobal, module->globals.size(), "global");
  add(wasm::ExternKind::kTable, module->tables.size(), "table");
  add(wasm::ExternKind::kMemory, module->memories.size(), "memory");
  add(wasm::ExternKind::kTag, module->tags.size(), "tag");
  add(wasm::ExternKind::kFunc, module->funcs.size(), "func");
  bytes = wasm::encode(*module);
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

GeneratorKind generator_at(GeneratorKind kind, uint64_t seed, uint64_t index) {
  if (kind != GeneratorKind::kMix) return kind;
  const uint64_t turn = seed_of(seed ^ 0x6d6978, index) % 16;
  if (turn < 3 && have_binaryen()) return GeneratorKind::kBinaryen;
  return turn == 3 ? GeneratorKind::kOp : GeneratorKind::kGc;
}

Result<Case> generate_at(GeneratorKind kind, uint64_t seed, uint64_t index) {
  kind = generator_at(kind, seed, index);
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
    if (choices.chance(3, 4)) export_everything(subject.modules.front());
  }
  subject.origin = text::format("{} seed {} index {}", to_string(kind), seed, index);
  return subject;
}

}  // namespace parallax::fuzz
