// The table of scalar operations: how each WebAssembly opcode of ir::Op::Compute is lowered.
#pragma once

#include "engine/jit/mir.h"
#include "engine/wasm/instr.h"

namespace parallax::jit {

enum class ComputeKind : uint8_t {
  kNone,  // not a scalar operation
  kAlu,   // commuting integer operation; sub = AluOp
  kSub,
  kShift,       // sub = ShiftOp
  kDivide,      // sub = DivOp
  kCompareInt,  // sub = Cond
  kEqz,
  kCompareFloat,  // sub = Cond, flag 1: operands exchanged
  kCountBits,     // mop
  kExtend,        // sub = ExtendOp
  kAlias,         // the operand as it is
  kFAlu,          // sub = FAluOp
  kFSqrt,
  kFMinMax,  // flag as MInst::flag
  kFAbsNeg,
  kFCopysign,
  kFRound,   // sub = RoundOp
  kFResize,  // width of the result
  kFromInt,  // width of the float, flag as MInst::flag
  kToInt,
  kToXmm,  // reinterpretations
  kToGpr,
};

struct ComputeRow {
  wasm::Opcode opcode = wasm::Opcode::Nop;
  ComputeKind kind = ComputeKind::kNone;
  Width width = Width::k32;
  uint8_t sub = 0;
  uint8_t flag = 0;
  MOp mop = MOp::Copy;
};

const ComputeRow& compute_row(wasm::Opcode opcode);

}  // namespace parallax::jit
