#include "engine/jit/vectors.h"

#include <array>
#include <string_view>

namespace parallax::jit {

namespace {

constexpr SequenceInfo kSequences[] = {
#define SEQUENCE(id, definition, order, temporaries) {#id, Definition::definition, OperandOrder::order, temporaries},
#include "engine/jit/vectors.def"
};

// z is no three-operand form in PairSums.
constexpr bool has_three_operands(Sequence sequence, std::string_view z) {
  return z != "None" && sequence != Sequence::PairSums;
}

constexpr VectorRow kRows[] = {
#define VECTOR(opcode, needs, sequence, x, y, z, k) \
  {wasm::Opcode::opcode, Needs::needs, Sequence::sequence, has_three_operands(Sequence::sequence, #z), k},
#include "engine/jit/vectors.def"
};

// First row of each opcode, + 1.
constexpr auto kFirst = [] {
  std::array<uint16_t, wasm::kOpcodeCount> first{};
  for (size_t n = std::size(kRows); n-- > 0;)
    first[static_cast<size_t>(kRows[n].opcode)] = static_cast<uint16_t>(n + 1);
  return first;
}();

consteval bool rows_stand_together() {
  for (size_t n = 0; n < std::size(kRows); ++n) {
    const size_t first = kFirst[static_cast<size_t>(kRows[n].opcode)] - size_t{1};
    for (size_t m = first; m < n; ++m) {
      if (kRows[m].opcode != kRows[n].opcode || kRows[m].needs <= kRows[n].needs) return false;
    }
  }
  return true;
}
static_assert(rows_stand_together(), "rows of one opcode in a row, those that need more first");

bool runs(Needs needs, const x64::CpuFeatures& cpu) {
  switch (needs) {
    case Needs::Sse2: return true;
    case Needs::Sse41: return cpu.sse41;
    case Needs::Sse42: return cpu.sse42;
  }
  return false;
}

}  // namespace

const SequenceInfo& info(Sequence sequence) { return kSequences[static_cast<size_t>(sequence)]; }

const VectorRow& vector_row(uint32_t row) { return kRows[row]; }

uint32_t find_vector_row(wasm::Opcode opcode, const x64::CpuFeatures& cpu) {
  const uint32_t first = kFirst[static_cast<size_t>(opcode)];
  if (first == 0) return kNoVectorRow;
  for (uint32_t n = first - 1; n < std::size(kRows) && kRows[n].opcode == opcode; ++n) {
    if (runs(kRows[n].needs, cpu)) return n;
  }
  return kNoVectorRow;
}

}  // namespace parallax::jit
