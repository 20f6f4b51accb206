#include "bench/suite/programs.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"

namespace parallax::bench {

namespace {

constexpr Program kPrograms[] = {
#define PROGRAM(name, family, tiny, tiny_sum, full, full_sum, summary) \
  {#name, Family::family, {tiny, tiny_sum}, {full, full_sum}, summary},
#include "bench/programs/programs.def"
#undef PROGRAM
};

}  // namespace

const char* to_string(Family family) {
  switch (family) {
    case Family::kScalar: return "scalar";
    case Family::kGc: return "gc";
  }
  return "";
}

std::span<const Program> programs() { return kPrograms; }

const Program* find_program(std::string_view name) {
  const auto* const at = std::ranges::find(kPrograms, name, [](const Program& p) { return std::string_view(p.name); });
  return at == std::end(kPrograms) ? nullptr : at;
}

Result<std::vector<uint8_t>> assemble(const Program& program) {
  return wasm::text::parse_module(std::string(embedded_text(text::format("{}.wat", program.name))));
}

}  // namespace parallax::bench
