#include "engine/jit/lower_compute.h"

#include <array>

namespace parallax::jit {
namespace {

using K = ComputeKind;
using Op = wasm::Opcode;
constexpr Width W32 = Width::k32;
constexpr Width W64 = Width::k64;
constexpr Width F32 = Width::kF32;
constexpr Width F64 = Width::kF64;

template <class E>
constexpr uint8_t u8(E e) {
  return static_cast<uint8_t>(e);
}

// Rows that exist for i32 and i64, and for f32 and f64.
#define PARALLAX_ROW_INT(name, kind, sub) \
  {Op::I32##name, kind, W32, u8(sub)}, { Op::I64##name, kind, W64, u8(sub) }
#define PARALLAX_ROW_FLOAT(name, kind, sub, flag) \
  {Op::F32##name, kind, F32, u8(sub), flag}, { Op::F64##name, kind, F64, u8(sub), flag }
#define PARALLAX_ROW_BITS(name, mop) \
  {Op::I32##name, K::kCountBits, W32, 0, 0, mop}, { Op::I64##name, K::kCountBits, W64, 0, 0, mop }

constexpr ComputeRow kRows[] = {
    PARALLAX_ROW_INT(Add, K::kAlu, AluOp::kAdd),
    PARALLAX_ROW_INT(Sub, K::kSub, AluOp::kSub),
    PARALLAX_ROW_INT(Mul, K::kAlu, AluOp::kMul),
    PARALLAX_ROW_INT(And, K::kAlu, AluOp::kAnd),
    PARALLAX_ROW_INT(Or, K::kAlu, AluOp::kOr),
    PARALLAX_ROW_INT(Xor, K::kAlu, AluOp::kXor),
    PARALLAX_ROW_INT(Shl, K::kShift, ShiftOp::kShl),
    PARALLAX_ROW_INT(ShrS, K::kShift, ShiftOp::kSar),
    PARALLAX_ROW_INT(ShrU, K::kShift, ShiftOp::kShr),
    PARALLAX_ROW_INT(Rotl, K::kShift, ShiftOp::kRol),
    PARALLAX_ROW_INT(Rotr, K::kShift, ShiftOp::kRor),
    PARALLAX_ROW_INT(DivS, K::kDivide, DivOp::kDivS),
    PARALLAX_ROW_INT(DivU, K::kDivide, DivOp::kDivU),
    PARALLAX_ROW_INT(RemS, K::kDivide, DivOp::kRemS),
    PARALLAX_ROW_INT(RemU, K::kDivide, DivOp::kRemU),
    PARALLAX_ROW_INT(Eqz, K::kEqz, 0),
    PARALLAX_ROW_INT(Eq, K::kCompareInt, Cond::kE),
    PARALLAX_ROW_INT(Ne, K::kCompareInt, Cond::kNe),
    PARALLAX_ROW_INT(LtS, K::kCompareInt, Cond::kL),
    PARALLAX_ROW_INT(LtU, K::kCompareInt, Cond::kB),
    PARALLAX_ROW_INT(GtS, K::kCompareInt, Cond::kG),
    PARALLAX_ROW_INT(GtU, K::kCompareInt, Cond::kA),
    PARALLAX_ROW_INT(LeS, K::kCompareInt, Cond::kLe),
    PARALLAX_ROW_INT(LeU, K::kCompareInt, Cond::kBe),
    PARALLAX_ROW_INT(GeS, K::kCompareInt, Cond::kGe),
    PARALLAX_ROW_INT(GeU, K::kCompareInt, Cond::kAe),
    PARALLAX_ROW_BITS(Clz, MOp::Clz),
    PARALLAX_ROW_BITS(Ctz, MOp::Ctz),
    PARALLAX_ROW_BITS(Popcnt, MOp::Popcnt),
    PARALLAX_ROW_FLOAT(Eq, K::kCompareFloat, Cond::kFloatEq, 0),
    PARALLAX_ROW_FLOAT(Ne, K::kCompareFloat, Cond::kFloatNe, 0),
    // "Below" would be true of unordered operands, so less-than is greater-than of the exchanged ones.
    PARALLAX_ROW_FLOAT(Lt, K::kCompareFloat, Cond::kA, 1),
    PARALLAX_ROW_FLOAT(Gt, K::kCompareFloat, Cond::kA, 0),
    PARALLAX_ROW_FLOAT(Le, K::kCompareFloat, Cond::kAe, 1),
    PARALLAX_ROW_FLOAT(Ge, K::kCompareFloat, Cond::kAe, 0),
    PARALLAX_ROW_FLOAT(Abs, K::kFAbsNeg, 0, 0),
    PARALLAX_ROW_FLOAT(Neg, K::kFAbsNeg, 0, 1),
    PARALLAX_ROW_FLOAT(Ceil, K::kFRound, RoundOp::kCeil, 0),
    PARALLAX_ROW_FLOAT(Floor, K::kFRound, RoundOp::kFloor, 0),
    PARALLAX_ROW_FLOAT(Trunc, K::kFRound, RoundOp::kTrunc, 0),
    PARALLAX_ROW_FLOAT(Nearest, K::kFRound, RoundOp::kNearest, 0),
    PARALLAX_ROW_FLOAT(Sqrt, K::kFSqrt, 0, 0),
    PARALLAX_ROW_FLOAT(Add, K::kFAlu, FAluOp::kAdd, 0),
    PARALLAX_ROW_FLOAT(Sub, K::kFAlu, FAluOp::kSub, 0),
    PARALLAX_ROW_FLOAT(Mul, K::kFAlu, FAluOp::kMul, 0),
    PARALLAX_ROW_FLOAT(Div, K::kFAlu, FAluOp::kDiv, 0),
    PARALLAX_ROW_FLOAT(Min, K::kFMinMax, 0, 0),
    PARALLAX_ROW_FLOAT(Max, K::kFMinMax, 0, 1),
    PARALLAX_ROW_FLOAT(Copysign, K::kFCopysign, 0, 0),
    {Op::I32WrapI64, K::kExtend, W32, u8(ExtendOp::kU32)},
    {Op::I64ExtendI32S, K::kExtend, W64, u8(ExtendOp::kS32To64)},
    {Op::I64ExtendI32U, K::kAlias},  // i32 values are zero-extended in their registers
    {Op::I32Extend8S, K::kExtend, W32, u8(ExtendOp::kS8To32)},
    {Op::I32Extend16S, K::kExtend, W32, u8(ExtendOp::kS16To32)},
    {Op::I64Extend8S, K::kExtend, W64, u8(ExtendOp::kS8To64)},
    {Op::I64Extend16S, K::kExtend, W64, u8(ExtendOp::kS16To64)},
    {Op::I64Extend32S, K::kExtend, W64, u8(ExtendOp::kS32To64)},
    {Op::F32DemoteF64, K::kFResize, F32},
    {Op::F64PromoteF32, K::kFResize, F64},
    {Op::F32ConvertI32S, K::kFromInt, F32, 0, 0},
    {Op::F32ConvertI32U, K::kFromInt, F32, 0, kConvUnsigned},
    {Op::F32ConvertI64S, K::kFromInt, F32, 0, kConv64},
    {Op::F32ConvertI64U, K::kFromInt, F32, 0, kConv64 | kConvUnsigned},
    {Op::F64ConvertI32S, K::kFromInt, F64, 0, 0},
    {Op::F64ConvertI32U, K::kFromInt, F64, 0, kConvUnsigned},
    {Op::F64ConvertI64S, K::kFromInt, F64, 0, kConv64},
    {Op::F64ConvertI64U, K::kFromInt, F64, 0, kConv64 | kConvUnsigned},
    {Op::I32TruncF32S, K::kToInt, F32, 0, 0},
    {Op::I32TruncF32U, K::kToInt, F32, 0, kConvUnsigned},
    {Op::I32TruncF64S, K::kToInt, F64, 0, 0},
    {Op::I32TruncF64U, K::kToInt, F64, 0, kConvUnsigned},
    {Op::I64TruncF32S, K::kToInt, F32, 0, kConv64},
    {Op::I64TruncF32U, K::kToInt, F32, 0, kConv64 | kConvUnsigned},
    {Op::I64TruncF64S, K::kToInt, F64, 0, kConv64},
    {Op::I64TruncF64U, K::kToInt, F64, 0, kConv64 | kConvUnsigned},
    {Op::I32TruncSatF32S, K::kToInt, F32, 0, kConvSaturate},
    {Op::I32TruncSatF32U, K::kToInt, F32, 0, kConvSaturate | kConvUnsigned},
    {Op::I32TruncSatF64S, K::kToInt, F64, 0, kConvSaturate},
    {Op::I32TruncSatF64U, K::kToInt, F64, 0, kConvSaturate | kConvUnsigned},
    {Op::I64TruncSatF32S, K::kToInt, F32, 0, kConvSaturate | kConv64},
    {Op::I64TruncSatF32U, K::kToInt, F32, 0, kConvSaturate | kConv64 | kConvUnsigned},
    {Op::I64TruncSatF64S, K::kToInt, F64, 0, kConvSaturate | kConv64},
    {Op::I64TruncSatF64U, K::kToInt, F64, 0, kConvSaturate | kConv64 | kConvUnsigned},
    {Op::I32ReinterpretF32, K::kToGpr, W32},
    {Op::I64ReinterpretF64, K::kToGpr, W64},
    {Op::F32ReinterpretI32, K::kToXmm, W32},
    {Op::F64ReinterpretI64, K::kToXmm, W64},
};

using Index = std::array<uint8_t, wasm::kOpcodeCount>;
constexpr Index make_index() {
  static_assert(std::size(kRows) < 255);
  Index index{};
  for (size_t n = 0; n < std::size(kRows); ++n)
    index[static_cast<size_t>(kRows[n].opcode)] = static_cast<uint8_t>(n + 1);
  return index;
}
constexpr Index kIndex = make_index();
constexpr ComputeRow kNothing{};

}  // namespace

const ComputeRow& compute_row(wasm::Opcode opcode) {
  const uint8_t n = kIndex[static_cast<size_t>(opcode)];
  return n != 0 ? kRows[n - 1] : kNothing;
}

}  // namespace parallax::jit
