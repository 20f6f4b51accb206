// Generators: bytes of choice to test cases. Pure functions: the same bytes give the same case, in any process.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/choices.h"
#include "engine/base/result.h"
#include "fuzz/case/case.h"

namespace parallax::fuzz {

// ORDER: matches generator_table().
enum class GeneratorKind : uint8_t { kGc, kOp, kBinaryen, kMix };

struct GeneratorInfo {
  GeneratorKind kind;
  const char* name;
  const char* summary;
};
const GeneratorInfo* generator_table(size_t& count);
bool parse_generator(std::string_view name, GeneratorKind& out);
const char* to_string(GeneratorKind kind);
// Whether this build has it; if not, why.
bool available(GeneratorKind kind, std::string* why = nullptr);

// Makes a case from choice bytes; what they do not cover is continued from a generator seeded with them.
// Error kUnsupported: not in this build; kLimit: this input gave no module.
Result<Case> generate(GeneratorKind kind, std::span<const uint8_t> bytes);

// Generators that kMix leaves out: a bit each. Never all of them.
using GeneratorSet = uint32_t;
constexpr GeneratorSet set_of(GeneratorKind kind) { return 1u << static_cast<uint32_t>(kind); }
// Those named in "gc,op"; false for any other word, and when nothing would be left.
bool parse_without(std::string_view names, GeneratorSet& out);
std::string names_of(GeneratorSet without);

// The case of a campaign at (seed, index): its bytes, generator and executors follow from these numbers alone.
Result<Case> generate_at(GeneratorKind kind, uint64_t seed, uint64_t index, GeneratorSet without = 0);
// Which generator kMix uses at (seed, index); any other kind is itself.
GeneratorKind generator_at(GeneratorKind kind, uint64_t seed, uint64_t index, GeneratorSet without = 0);

}  // namespace parallax::fuzz
