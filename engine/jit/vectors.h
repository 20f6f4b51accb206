// The table of vector operations (vectors.def) for lowering; the instructions' names in it are the emitter's business.
#pragma once

#include "engine/jit/x64/asm.h"
#include "engine/wasm/instr.h"

namespace parallax::jit {

enum class Sequence : uint8_t {
#define SEQUENCE(id, definition, order, temporaries) id,
#include "engine/jit/vectors.def"
};

enum class Definition : uint8_t { Same, Any, Early };
enum class OperandOrder : uint8_t { Plain, Exchanged };

struct SequenceInfo {
  const char* text;
  Definition definition;
  OperandOrder order;
  uint8_t temporaries;
};
const SequenceInfo& info(Sequence sequence);

enum class Needs : uint8_t { Sse2, Sse41, Sse42 };

struct VectorRow {
  wasm::Opcode opcode;
  Needs needs;
  Sequence sequence;
  bool three_operands;  // there is a form that leaves its first operand as it is
  uint64_t k;
};
const VectorRow& vector_row(uint32_t row);

// The row of an opcode that this machine can run, or kNoVectorRow.
inline constexpr uint32_t kNoVectorRow = ~0u;
uint32_t find_vector_row(wasm::Opcode opcode, const x64::CpuFeatures& cpu);

}  // namespace parallax::jit
