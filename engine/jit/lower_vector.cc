// Lowering of vector operations, and of scalar ones that this machine has no instruction for.
//
// An operation is one Vector instruction when vectors.def has a sequence for it that the machine can run; otherwise the
// front end's function is called (builtin Numeric), with operands and result in the argument area.
#include <cstring>

#include "engine/base/check.h"
#include "engine/jit/lower.h"
#include "engine/jit/vectors.h"

namespace parallax::jit {

using ir::Inst;
using wasm::Opcode;

namespace {

// How a value with this letter of a signature travels through memory.
Width width_of(char letter) {
  switch (letter) {
    case 'l': return Width::k64;
    case 'f': return Width::kF32;
    case 'd': return Width::kF64;
    case 'v': return Width::kV128;
    default: return Width::k32;
  }
}
LoadOp load_of(char letter) {
  switch (letter) {
    case 'l': return LoadOp::k64;
    case 'f': return LoadOp::kF32;
    case 'd': return LoadOp::kF64;
    case 'v': return LoadOp::kV128;
    default: return LoadOp::k32;
  }
}

}  // namespace

void Lowering::numeric_out_of_line(Opcode op, VReg d, std::span<const VReg> args, Lanes lanes) {
  const char* signature = wasm::info(op).signature;
  for (uint32_t n = 0; n < args.size(); ++n) store_reg(width_of(signature[n]), args[n], arg_slot(n));
  const VReg immediates[] = {constant(static_cast<uint64_t>(op)), constant(lanes.low), constant(lanes.high)};
  builtin(runtime::Builtin::Numeric, immediates, VReg());
  load(d, load_of(std::strchr(signature, ':')[1]), arg_slot(0));
}

void Lowering::numeric(Opcode op, VReg d, std::span<const VReg> args, Lanes lanes) {
  const uint32_t row = find_vector_row(op, in_.cpu);
  if (row == kNoVectorRow) return numeric_out_of_line(op, d, args, lanes);
  const SequenceInfo& sequence = info(vector_row(row).sequence);
  if (sequence.definition == Definition::Early) {
    out_->def_early(d);
  } else {
    const bool three = in_.cpu.avx && vector_row(row).three_operands;
    out_->def(d, sequence.definition == Definition::Same && !three ? Where::kSame : Where::kReg);
  }
  const bool exchanged = sequence.order == OperandOrder::Exchanged;
  for (size_t n = 0; n < args.size(); ++n) out_->use(args[exchanged && n < 2 ? 1 - n : n]);
  if (op == Opcode::I8x16Shuffle) shuffle_masks(lanes);
  for (uint8_t n = 0; n < sequence.temporaries; ++n) out_->temp(RegClass::kXmm);
  append({.op = MOp::Vector, .aux = row, .imm = static_cast<int64_t>(lanes.low)});
}

// Where each byte comes from, for each of the two sources; with the highest bit set where it comes from the other.
void Lowering::shuffle_masks(Lanes lanes) {
  uint64_t masks[2][2];
  for (int half = 0; half < 2; ++half) {
    const uint64_t from = half == 0 ? lanes.low : lanes.high;
    constexpr uint64_t kSecond = 0x1010101010101010u;
    const uint64_t second = (from & kSecond) << 3;
    masks[0][half] = (from & ~kSecond) | second;
    masks[1][half] = (from & ~kSecond) | (second ^ kSecond << 3);
  }
  for (const auto& mask : masks) out_->use(out_->add_wide_const(mask[0], mask[1]));
}

void Lowering::numeric(const Inst& inst) {
  VReg args[3];
  CHECK(inst.args_count <= std::size(args), "I3: {} with {} operands", wasm::info(inst.opcode).text, inst.args_count);
  for (uint32_t n = 0; n < inst.args_count; ++n) args[n] = vreg(arg(inst, n));
  const bool shuffle = wasm::info(inst.opcode).immediates == wasm::ImmKind::Shuffle;
  const Lanes lanes = shuffle ? Lanes{inst.imm, inst.high} : Lanes{inst.b, 0};
  numeric(inst.opcode, define(inst), std::span(args, inst.args_count), lanes);
}

}  // namespace parallax::jit
