// Integer arithmetic in its cheapest form: constants meet, dear operations become cheap ones.
//
// Constants stand on the right and chains of one operation take one constant; subtraction of a constant is addition.
// Multiplication and division by powers of two are shifts, division of 32 bits by other constants is a multiplication of
// 64 bits (Granlund and Montgomery's method with the whole multiplier, so that no high half is needed). Comparisons take
// over constants that were added before them and become their own negations; masks that change nothing go. Nothing here
// may trap, or hide a trap: constant divisors of zero, and of -1 for signed division, are left alone.
//
// One walk in reverse postorder; operands are in their final form when an operation is looked at.
#include <algorithm>
#include <bit>
#include <optional>

#include "engine/base/faults.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Type;
using ir::ValueId;
using wasm::Opcode;

// An integer operation of either width as its 32-bit opcode.
struct IntOp {
  Opcode op;
  bool wide;
};
IntOp int_op(Opcode op) {
  const auto shifted = [&](Opcode first64, Opcode first32) {
    return static_cast<Opcode>(static_cast<size_t>(op) - static_cast<size_t>(first64) + static_cast<size_t>(first32));
  };
  if (op >= Opcode::I64Eqz && op <= Opcode::I64GeU) return {shifted(Opcode::I64Eqz, Opcode::I32Eqz), true};
  if (op >= Opcode::I64Clz && op <= Opcode::I64Rotr) return {shifted(Opcode::I64Clz, Opcode::I32Clz), true};
  return {op, false};
}
Opcode widen(Opcode op, bool wide) {
  if (!wide) return op;
  const auto shifted = [&](Opcode first32, Opcode first64) {
    return static_cast<Opcode>(static_cast<size_t>(op) - static_cast<size_t>(first32) + static_cast<size_t>(first64));
  };
  return op <= Opcode::I32GeU ? shifted(Opcode::I32Eqz, Opcode::I64Eqz) : shifted(Opcode::I32Clz, Opcode::I64Clz);
}

std::optional<Opcode> negated(Opcode op) {
  switch (op) {
    case Opcode::I32Eq: return Opcode::I32Ne;
    case Opcode::I32Ne: return Opcode::I32Eq;
    case Opcode::I32LtS: return Opcode::I32GeS;
    case Opcode::I32LtU: return Opcode::I32GeU;
    case Opcode::I32GtS: return Opcode::I32LeS;
    case Opcode::I32GtU: return Opcode::I32LeU;
    case Opcode::I32LeS: return Opcode::I32GtS;
    case Opcode::I32LeU: return Opcode::I32GtU;
    case Opcode::I32GeS: return Opcode::I32LtS;
    case Opcode::I32GeU: return Opcode::I32LtU;
    default: return {};
  }
}

bool is_commutative(Opcode op) {
  switch (op) {
    case Opcode::I32Add:
    case Opcode::I32Mul:
    case Opcode::I32And:
    case Opcode::I32Or:
    case Opcode::I32Xor:
    case Opcode::I32Eq:
    case Opcode::I32Ne: return true;
    default: return false;
  }
}

class Arithmetic {
 public:
  explicit Arithmetic(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    for (const BlockId b : cfg_.rpo()) {
      ir::for_each_inst(func_, b, [&](InstId i) { visit(i); });
    }
  }

 private:
  void visit(InstId i) {
    switch (func_.inst(i).op) {
      case Op::Compute:
        if (func_.inst(i).args_count == 1) return unary(i);
        if (func_.inst(i).args_count == 2) binary(i);
        return;
      case Op::Select: return select(i);
      case Op::Branch: return branch(i);
      default: return;
    }
  }

  // --- Looking.
  std::optional<uint64_t> constant(ValueId v) const {
    const Inst* def = func_.def(v);
    if (def == nullptr || def->op != Op::Const) return {};
    return def->imm;
  }
  // The operation that computes `v`, when it is an integer computation.
  const Inst* compute(ValueId v) const {
    const Inst* def = func_.def(v);
    return def != nullptr && def->op == Op::Compute ? def : nullptr;
  }
  ValueId operand(ValueId v, size_t n) const { return func_.arg(func_.value(v).inst, n); }
  // v = x `opcode` constant.
  std::optional<uint64_t> constant_operand(ValueId v, Opcode opcode) const {
    const Inst* def = compute(v);
    return def != nullptr && def->opcode == opcode ? constant(operand(v, 1)) : std::nullopt;
  }

  // Bits of an integer that may be set. Looks through at most `depth` operations.
  uint64_t possible_bits(ValueId v, int depth = 4) const {
    const uint64_t all = func_.type(v) == wasm::kI64 ? ~uint64_t{0} : 0xffffffffu;
    const Inst* def = func_.def(v);
    if (def == nullptr || depth == 0) return all;
    const InstId at = func_.value(v).inst;
    switch (def->op) {
      case Op::Const: return def->imm & all;
      case Op::MemLoad: return loaded_bits(def->opcode, all);
      case Op::StructGet:
      case Op::ArrayGet: return all & packed_bits(*def);
      case Op::RefTest:
      case Op::RefIsNull:
      case Op::RefEq: return 1;
      case Op::Select: return possible_bits(func_.arg(at, 0), depth - 1) | possible_bits(func_.arg(at, 1), depth - 1);
      case Op::Compute: return all & computed_bits(*def, at, all, depth - 1);
      default: return all;
    }
  }
  static uint64_t loaded_bits(Opcode op, uint64_t all) {
    switch (op) {
      case Opcode::I32Load8U:
      case Opcode::I64Load8U: return 0xff;
      case Opcode::I32Load16U:
      case Opcode::I64Load16U: return 0xffff;
      case Opcode::I64Load32U: return 0xffffffffu;
      default: return all;
    }
  }
  uint64_t packed_bits(const Inst& inst) const {
    if (inst.opcode != Opcode::StructGetU && inst.opcode != Opcode::ArrayGetU) return ~uint64_t{0};
    const auto& fields = func_.types().get(wasm::TypeId(inst.a)).fields;
    const wasm::Packed packed = fields[inst.op == Op::ArrayGet ? 0 : inst.b].storage.packed;
    return packed == wasm::Packed::kI8 ? 0xff : 0xffff;
  }
  uint64_t computed_bits(const Inst& def, InstId at, uint64_t all, int depth) const {
    if ((def.opcode >= Opcode::I32Eqz && def.opcode <= Opcode::F64Ge)) return 1;
    if (def.opcode == Opcode::I64ExtendI32U) return possible_bits(func_.arg(at, 0), depth);
    if (def.args_count != 2 || func_.type(func_.arg(at, 1)) != func_.type(def.first_result)) return all;
    const IntOp op = int_op(def.opcode);
    const uint64_t count_mask = op.wide ? 63 : 31;
    const auto count = constant(func_.arg(at, 1));
    switch (op.op) {
      case Opcode::I32And: return possible_bits(func_.arg(at, 0), depth) & possible_bits(func_.arg(at, 1), depth);
      case Opcode::I32Or:
      case Opcode::I32Xor: return possible_bits(func_.arg(at, 0), depth) | possible_bits(func_.arg(at, 1), depth);
      case Opcode::I32ShrU: return count ? possible_bits(func_.arg(at, 0), depth) >> (*count & count_mask) : all;
      case Opcode::I32Shl: return count ? possible_bits(func_.arg(at, 0), depth) << (*count & count_mask) : all;
      default: return all;
    }
  }

  // --- Rewriting.
  bool ask(Rewrite rewrite, InstId i) { return gate_.allow(rewrite, func_.inst(i).first_result); }
  void substitute(InstId i, ValueId by) {
    func_.replace(func_.result(i), by);
    func_.remove(i);
  }
  ValueId insert(InstId before, const Inst& proto, std::span<const ValueId> args, Type type) {
    Inst inst = proto;
    inst.offset = func_.inst(before).offset;
    const InstId made = func_.make(inst, args, std::span(&type, 1));
    func_.insert_before(before, made);
    return func_.result(made);
  }
  ValueId number(InstId before, uint64_t bits, bool wide) {
    return insert(before, {.op = Op::Const, .imm = wide ? bits : bits & 0xffffffffu}, {},
                  wide ? wasm::kI64 : wasm::kI32);
  }
  ValueId apply(InstId before, Opcode op, ValueId a, ValueId b, bool wide) {
    const ValueId args[] = {a, b};
    return insert(before, {.op = Op::Compute, .opcode = widen(op, wide)}, args, wide ? wasm::kI64 : wasm::kI32);
  }
  ValueId apply(InstId before, Opcode op, ValueId a, uint64_t c, bool wide) {
    return apply(before, op, a, number(before, c, wide), wide);
  }
  ValueId convert(InstId before, Opcode op, ValueId a) {
    return insert(before, {.op = Op::Compute, .opcode = op}, std::span(&a, 1),
                  op == Opcode::I32WrapI64 ? wasm::kI32 : wasm::kI64);
  }
  // The operation becomes `op` of `a` and a constant, in place.
  void become(InstId i, Opcode op, ValueId a, uint64_t c, bool wide) {
    const ValueId right = number(i, c, wide);
    func_.edit(i).opcode = widen(op, wide);
    const ValueId args[] = {a, right};
    func_.set_args(i, args);
  }

  // --- Operations.
  void binary(InstId i) {
    const IntOp op = int_op(func_.inst(i).opcode);
    if (op.op < Opcode::I32Eqz || op.op > Opcode::I32Rotr) return;
    if (is_commutative(op.op) && constant(func_.arg(i, 0)) && !constant(func_.arg(i, 1)) &&
        ask(Rewrite::kConstantRight, i)) {
      const ValueId args[] = {func_.arg(i, 1), func_.arg(i, 0)};
      func_.set_args(i, args);
    }
    const ValueId x = func_.arg(i, 0);
    const auto c = constant(func_.arg(i, 1));
    if (!c) return masked_count(i, op);
    if (constant(x)) return;  // folded elsewhere
    switch (op.op) {
      case Opcode::I32Sub:
        if (!ask(Rewrite::kReassociate, i)) return;
        become(i, Opcode::I32Add, x, -*c, op.wide);
        return chain(i, {Opcode::I32Add, op.wide}, x, -*c);
      case Opcode::I32Add:
      case Opcode::I32Or:
      case Opcode::I32Xor: return chain(i, op, x, *c);
      case Opcode::I32And:
        if (mask(i, x, *c, op.wide)) return;
        return chain(i, op, x, *c);
      case Opcode::I32Mul: return multiply(i, op, x, *c);
      case Opcode::I32Shl:
      case Opcode::I32ShrU:
      case Opcode::I32ShrS: return shift(i, op, x, *c);
      case Opcode::I32DivU:
      case Opcode::I32RemU: return divide_unsigned(i, op, x, *c);
      case Opcode::I32DivS:
      case Opcode::I32RemS: return divide_signed(i, op, x, *c);
      case Opcode::I32Eq:
      case Opcode::I32Ne: return equals(i, op, x, *c);
      default: return;
    }
  }

  // (x op c1) op c2 = x op (c1 op c2).
  void chain(InstId i, IntOp op, ValueId x, uint64_t c) {
    const auto inner = constant_operand(x, widen(op.op, op.wide));
    if (!inner || !ask(Rewrite::kReassociate, i)) return;
    uint64_t both = 0;
    switch (op.op) {
      case Opcode::I32Add: both = *inner + c; break;
      case Opcode::I32Or: both = *inner | c; break;
      case Opcode::I32Xor: both = *inner ^ c; break;
      case Opcode::I32And: both = *inner & c; break;
      default: both = *inner * c; break;
    }
    become(i, op.op, operand(x, 0), both, op.wide);
  }

  bool mask(InstId i, ValueId x, uint64_t c, bool wide) {
    const uint64_t bits = possible_bits(x);
    if ((bits & c) == 0) {
      if (ask(Rewrite::kMaskIdle, i)) substitute(i, number(i, 0, wide));
      return true;
    }
    if ((bits & ~c) != 0) return false;
    if (ask(Rewrite::kMaskIdle, i)) substitute(i, x);
    return true;
  }

  void multiply(InstId i, IntOp op, ValueId x, uint64_t c) {
    if (std::has_single_bit(c) && c > 1) {
      if (ask(Rewrite::kCheaper, i)) become(i, Opcode::I32Shl, x, static_cast<uint64_t>(std::countr_zero(c)), op.wide);
      return;
    }
    chain(i, op, x, c);
  }

  void shift(InstId i, IntOp op, ValueId x, uint64_t c) {
    const uint64_t mask = op.wide ? 63 : 31;
    const auto inner = constant_operand(x, widen(op.op, op.wide));
    if (!inner || !ask(Rewrite::kReassociate, i)) return;
    const uint64_t both = (*inner & mask) + (c & mask);
    if (both <= mask) return become(i, op.op, operand(x, 0), both, op.wide);
    if (op.op == Opcode::I32ShrS) return become(i, op.op, operand(x, 0), mask, op.wide);
    substitute(i, number(i, 0, op.wide));
  }

  // Shifts and rotations use only the low bits of their count.
  void masked_count(InstId i, IntOp op) {
    if (op.op < Opcode::I32Shl || op.op > Opcode::I32Rotr) return;
    const uint64_t mask = op.wide ? 63 : 31;
    const ValueId count = func_.arg(i, 1);
    const auto c = constant_operand(count, widen(Opcode::I32And, op.wide));
    if (c && (*c & mask) == mask && ask(Rewrite::kMaskIdle, i)) func_.set_arg(i, 1, operand(count, 0));
  }

  void equals(InstId i, IntOp op, ValueId x, uint64_t c) {
    const uint64_t low = op.wide ? ~uint64_t{0} : 0xffffffffu;
    if (const auto added = constant_operand(x, widen(Opcode::I32Add, op.wide))) {
      if (ask(Rewrite::kReassociate, i)) become(i, op.op, operand(x, 0), c - *added, op.wide);
      return;
    }
    if (const auto mixed = constant_operand(x, widen(Opcode::I32Xor, op.wide))) {
      if (ask(Rewrite::kReassociate, i)) become(i, op.op, operand(x, 0), c ^ *mixed, op.wide);
      return;
    }
    if (op.op == Opcode::I32Eq && (c & low) == 0 && ask(Rewrite::kCheaper, i)) {
      func_.edit(i).opcode = widen(Opcode::I32Eqz, op.wide);
      func_.set_args(i, std::span(&x, 1));
      unary(i);
    }
  }

  void unary(InstId i) {
    const Opcode opcode = func_.inst(i).opcode;
    const ValueId x = func_.arg(i, 0);
    const uint64_t bits = possible_bits(x);
    switch (opcode) {
      case Opcode::I32Eqz:
      case Opcode::I64Eqz: return is_zero(i, x, opcode == Opcode::I64Eqz);
      case Opcode::I64ExtendI32S:
        if ((bits & 0x80000000u) == 0 && ask(Rewrite::kCheaper, i)) func_.edit(i).opcode = Opcode::I64ExtendI32U;
        return;
      case Opcode::I32Extend8S:
      case Opcode::I64Extend8S: return drop_extension(i, x, bits, 0x7f);
      case Opcode::I32Extend16S:
      case Opcode::I64Extend16S: return drop_extension(i, x, bits, 0x7fff);
      case Opcode::I64Extend32S: return drop_extension(i, x, bits, 0x7fffffff);
      default: return;
    }
  }

  void drop_extension(InstId i, ValueId x, uint64_t bits, uint64_t most) {
    if ((bits & ~most) == 0 && ask(Rewrite::kMaskIdle, i)) substitute(i, x);
  }

  void is_zero(InstId i, ValueId x, bool wide) {
    const Inst* def = compute(x);
    if (def == nullptr) return;
    const IntOp inner = int_op(def->opcode);
    if (inner.wide == wide && (inner.op == Opcode::I32Sub || inner.op == Opcode::I32Xor)) {
      if (!ask(Rewrite::kReassociate, i)) return;
      func_.edit(i).opcode = widen(Opcode::I32Eq, wide);
      const ValueId args[] = {operand(x, 0), operand(x, 1)};
      return func_.set_args(i, args);
    }
    const auto opposite = negated(inner.op);
    if (wide || !opposite || !ask(Rewrite::kNegated, i)) return;
    func_.edit(i).opcode = widen(*opposite, inner.wide);
    const ValueId args[] = {operand(x, 0), operand(x, 1)};
    func_.set_args(i, args);
  }

  // --- Division by a constant.
  void divide_unsigned(InstId i, IntOp op, ValueId x, uint64_t d) {
    const bool rest = op.op == Opcode::I32RemU;
    if (d < 2) return;
    if (std::has_single_bit(d)) {
      if (!ask(Rewrite::kCheaper, i)) return;
      if (rest) return become(i, Opcode::I32And, x, d - 1, op.wide);
      return become(i, Opcode::I32ShrU, x, static_cast<uint64_t>(std::countr_zero(d)), op.wide);
    }
    if (op.wide || !ask(Rewrite::kCheaper, i)) return;
    const ValueId quotient = quotient_unsigned(i, x, d);
    substitute(i, rest ? remainder(i, x, quotient, d) : quotient);
  }

  ValueId remainder(InstId i, ValueId x, ValueId quotient, uint64_t d) {
    return apply(i, Opcode::I32Sub, x, apply(i, Opcode::I32Mul, quotient, d, false), false);
  }

  // floor(x / d) = floor(x m / 2^(32 + l)) with l = ceil(log2 d), m = floor(2^(32 + l) / d) + 1: m d exceeds 2^(32 + l) by
  // at most d <= 2^l. m has 33 bits; the top one is added apart, unless half of an even m will do.
  ValueId quotient_unsigned(InstId i, ValueId x, uint64_t d) {
    const auto l = static_cast<uint64_t>(std::bit_width(d - 1));
    const auto m = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << (32 + l)) / d) + 1;
    const ValueId wide = convert(i, Opcode::I64ExtendI32U, x);
    if ((m & 1) == 0 && (m >> 1) <= 0xffffffffu && (m >> 1) * d - (uint64_t{1} << (31 + l)) <= uint64_t{1} << (l - 1)) {
      return convert(i, Opcode::I32WrapI64,
                     apply(i, Opcode::I32ShrU, apply(i, Opcode::I32Mul, wide, m >> 1, true), 31 + l, true));
    }
    const ValueId product = apply(i, Opcode::I32Mul, wide, m & 0xffffffffu, true);
    const ValueId sum = apply(i, Opcode::I32Add, apply(i, Opcode::I32ShrU, product, 32, true), wide, true);
    return convert(i, Opcode::I32WrapI64, apply(i, Opcode::I32ShrU, sum, l, true));
  }

  void divide_signed(InstId i, IntOp op, ValueId x, uint64_t c) {
    const int64_t d = op.wide ? static_cast<int64_t>(c) : static_cast<int32_t>(static_cast<uint32_t>(c));
    const bool rest = op.op == Opcode::I32RemS;
    if (d >= -1 && d <= 1) return;
    const uint64_t size = d < 0 ? -static_cast<uint64_t>(d) : static_cast<uint64_t>(d);
    if (!std::has_single_bit(size) && op.wide) return;
    if (!ask(Rewrite::kCheaper, i)) return;
    if (std::has_single_bit(size))
      return divide_by_power(i, op, x, d < 0, static_cast<uint64_t>(std::countr_zero(size)));
    ValueId quotient = quotient_signed(i, x, size);
    if (rest) return substitute(i, remainder(i, x, quotient, size));  // takes the sign of x
    if (d < 0) quotient = apply(i, Opcode::I32Sub, number(i, 0, false), quotient, false);
    substitute(i, quotient);
  }

  // Rounding towards zero: negative numbers get 2^k - 1 first.
  void divide_by_power(InstId i, IntOp op, ValueId x, bool negative, uint64_t k) {
    const uint64_t width = op.wide ? 64 : 32;
    const ValueId sign = apply(i, Opcode::I32ShrS, x, width - 1, op.wide);
    const ValueId biased = apply(i, Opcode::I32Add, x, apply(i, Opcode::I32ShrU, sign, width - k, op.wide), op.wide);
    if (op.op == Opcode::I32RemS) {
      const ValueId multiple = apply(i, Opcode::I32And, biased, ~uint64_t{0} << k, op.wide);
      return substitute(i, apply(i, Opcode::I32Sub, x, multiple, op.wide));
    }
    ValueId quotient = apply(i, Opcode::I32ShrS, biased, k, op.wide);
    if (negative) quotient = apply(i, Opcode::I32Sub, number(i, 0, op.wide), quotient, op.wide);
    substitute(i, quotient);
  }

  // For d > 0, no power of two: floor(x m / 2^(31 + l)) with l = ceil(log2 d), m = floor(2^(31 + l) / d) + 1 <= 2^32, and
  // one more for negative x.
  ValueId quotient_signed(InstId i, ValueId x, uint64_t d) {
    const auto l = static_cast<uint64_t>(std::bit_width(d - 1));
    const uint64_t m = (uint64_t{1} << (31 + l)) / d + (fault_fires(Fault::kDIV1) ? 0 : 1);
    const ValueId product = apply(i, Opcode::I32Mul, convert(i, Opcode::I64ExtendI32S, x), m, true);
    const ValueId floor = convert(i, Opcode::I32WrapI64, apply(i, Opcode::I32ShrS, product, 31 + l, true));
    return apply(i, Opcode::I32Sub, floor, apply(i, Opcode::I32ShrS, x, 31, false), false);
  }

  // --- Conditions.
  // The value whose being zero decides like `condition` (through `i32.ne x 0`), or the same with the opposite sense.
  ValueId plain_condition(ValueId condition) const {
    const auto c = constant_operand(condition, Opcode::I32Ne);
    return c && static_cast<uint32_t>(*c) == 0 ? operand(condition, 0) : condition;
  }

  void branch(InstId i) {
    const ValueId condition = func_.arg(i, 0);
    const ValueId plain = plain_condition(condition);
    if (plain != condition && gate_.allow(Rewrite::kCheaper, condition)) func_.set_arg(i, 0, plain);
  }

  void select(InstId i) {
    const ValueId condition = func_.arg(i, 2);
    const ValueId plain = plain_condition(condition);
    if (plain != condition && ask(Rewrite::kCheaper, i)) func_.set_arg(i, 2, plain);
    const Inst* def = compute(func_.arg(i, 2));
    if (def != nullptr && def->opcode == Opcode::I32Eqz && ask(Rewrite::kNegated, i)) {
      const ValueId args[] = {func_.arg(i, 1), func_.arg(i, 0), operand(func_.arg(i, 2), 0)};
      func_.set_args(i, args);
    }
    const auto if_true = constant(func_.arg(i, 0));
    const auto if_false = constant(func_.arg(i, 1));
    if (func_.type(func_.result(i)) != wasm::kI32 || !if_true || !if_false) return;
    const ValueId c = func_.arg(i, 2);
    if (*if_true == 1 && *if_false == 0 && possible_bits(c) == 1 && ask(Rewrite::kCheaper, i)) return substitute(i, c);
    if (*if_true == 0 && *if_false == 1 && ask(Rewrite::kCheaper, i)) {
      substitute(i, insert(i, {.op = Op::Compute, .opcode = Opcode::I32Eqz}, std::span(&c, 1), wasm::kI32));
    }
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
};

}  // namespace

Result<> simplify_arithmetic(PassContext& context) {
  Arithmetic(context).run();
  return {};
}

}  // namespace parallax::opt
