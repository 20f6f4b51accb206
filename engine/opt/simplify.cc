// Local simplification: constants, algebraic identities, checks and casts implied by type, decided branches.
//
// One walk over reverse postorder; every operation is looked at with its operands already simplified. Constants are
// folded by engine/wasm/numerics.h, the same functions that the interpreter runs; operations that would trap are left
// alone. No identity is used on floating-point values, because each operation also makes NaNs canonical.
//
// Tests and proofs. A RefTest or RefIsNull whose outcome its operand's type decides is not replaced while Refine
// operations name it; the branch on it is decided instead, and a Refine whose reference already has the refined type
// disappears. So every Refine that remains still has its branch.                                   [keeps I3]
#include <array>
#include <optional>

#include "engine/base/faults.h"
#include "engine/ir/builder.h"
#include "engine/opt/passes.h"
#include "engine/wasm/numerics.h"

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

// x op c == x, or == constant, for integer operations: by opcode and the right operand.
enum class Gives : uint8_t { kLeft, kZero, kRight };
struct RightIdentity {
  Opcode opcode;
  int64_t right;
  Gives gives;
};
constexpr RightIdentity kRightIdentities[] = {
    {Opcode::I32Add, 0, Gives::kLeft},   {Opcode::I32Sub, 0, Gives::kLeft},  {Opcode::I32Mul, 1, Gives::kLeft},
    {Opcode::I32Mul, 0, Gives::kRight},  {Opcode::I32DivS, 1, Gives::kLeft}, {Opcode::I32DivU, 1, Gives::kLeft},
    {Opcode::I32RemU, 1, Gives::kZero},  {Opcode::I32RemS, 1, Gives::kZero}, {Opcode::I32RemS, -1, Gives::kZero},
    {Opcode::I32And, 0, Gives::kRight},  {Opcode::I32And, -1, Gives::kLeft}, {Opcode::I32Or, 0, Gives::kLeft},
    {Opcode::I32Or, -1, Gives::kRight},  {Opcode::I32Xor, 0, Gives::kLeft},  {Opcode::I32Shl, 0, Gives::kLeft},
    {Opcode::I32ShrS, 0, Gives::kLeft},  {Opcode::I32ShrU, 0, Gives::kLeft}, {Opcode::I32Rotl, 0, Gives::kLeft},
    {Opcode::I32Rotr, 0, Gives::kLeft},  {Opcode::I64Add, 0, Gives::kLeft},  {Opcode::I64Sub, 0, Gives::kLeft},
    {Opcode::I64Mul, 1, Gives::kLeft},   {Opcode::I64Mul, 0, Gives::kRight}, {Opcode::I64DivS, 1, Gives::kLeft},
    {Opcode::I64DivU, 1, Gives::kLeft},  {Opcode::I64RemU, 1, Gives::kZero}, {Opcode::I64RemS, 1, Gives::kZero},
    {Opcode::I64RemS, -1, Gives::kZero}, {Opcode::I64And, 0, Gives::kRight}, {Opcode::I64And, -1, Gives::kLeft},
    {Opcode::I64Or, 0, Gives::kLeft},    {Opcode::I64Or, -1, Gives::kRight}, {Opcode::I64Xor, 0, Gives::kLeft},
    {Opcode::I64Shl, 0, Gives::kLeft},   {Opcode::I64ShrS, 0, Gives::kLeft}, {Opcode::I64ShrU, 0, Gives::kLeft},
    {Opcode::I64Rotl, 0, Gives::kLeft},  {Opcode::I64Rotr, 0, Gives::kLeft},
};

// x op x, for integer operations.
struct SameOperands {
  Opcode opcode;
  std::optional<uint64_t> constant;  // none: x itself
};
constexpr SameOperands kSameOperands[] = {
    {Opcode::I32Sub, 0}, {Opcode::I32Xor, 0},  {Opcode::I32And, {}}, {Opcode::I32Or, {}}, {Opcode::I32Eq, 1},
    {Opcode::I32Ne, 0},  {Opcode::I32LtS, 0},  {Opcode::I32LtU, 0},  {Opcode::I32GtS, 0}, {Opcode::I32GtU, 0},
    {Opcode::I32LeS, 1}, {Opcode::I32LeU, 1},  {Opcode::I32GeS, 1},  {Opcode::I32GeU, 1}, {Opcode::I64Sub, 0},
    {Opcode::I64Xor, 0}, {Opcode::I64And, {}}, {Opcode::I64Or, {}},  {Opcode::I64Eq, 1},  {Opcode::I64Ne, 0},
    {Opcode::I64LtS, 0}, {Opcode::I64LtU, 0},  {Opcode::I64GtS, 0},  {Opcode::I64GtU, 0}, {Opcode::I64LeS, 1},
    {Opcode::I64LeU, 1}, {Opcode::I64GeS, 1},  {Opcode::I64GeU, 1},
};

// An operation whose constant operand may change sides.
constexpr Opcode kCommutative[] = {
    Opcode::I32Add, Opcode::I32Mul, Opcode::I32And, Opcode::I32Or, Opcode::I32Xor,
    Opcode::I64Add, Opcode::I64Mul, Opcode::I64And, Opcode::I64Or, Opcode::I64Xor,
};

class Simplify {
 public:
  explicit Simplify(PassContext& context)
      : context_(context), func_(context.func), gate_(context.gate), refined_by_(context.numbers) {}

  void run() {
    find_proofs();
    for (const BlockId b : context_.cfg.rpo()) {
      block_ = b;
      ir::for_each_inst(func_, b, [&](InstId i) { visit(i); });
    }
  }

 private:
  // Tests that some Refine names.
  void find_proofs() {
    refined_by_.assign(func_.value_count(), 0);
    for (const BlockId b : context_.cfg.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        if (func_.inst(i).op == Op::Refine) refined_by_[func_.arg(i, 1).index()] = 1;
      }
    }
  }

  uint32_t proof(ValueId test) const { return test.index() < refined_by_.size() ? refined_by_[test.index()] : 0; }

  void visit(InstId i) {
    switch (func_.inst(i).op) {
      case Op::Compute: return compute(i);
      case Op::Select: return select(i);
      case Op::NullCheck: return null_check(i);
      case Op::Cast: return cast(i);
      case Op::RefTest:
      case Op::RefIsNull: return test(i);
      case Op::Refine: return refine(i);
      case Op::RefEq: return ref_eq(i);
      case Op::FuncIs: return func_is(i);
      case Op::I31Get: return i31_get(i);
      case Op::Convert: return convert(i);
      case Op::ArrayLen: return array_len(i);
      case Op::Branch: return branch(i);
      case Op::Switch: return switch_on(i);
      default: return;
    }
  }

  // --- Helpers.
  bool ask(Rewrite rewrite, InstId i) { return gate_.allow(rewrite, func_.inst(i).first_result); }
  // Of a scalar.
  std::optional<uint64_t> constant(ValueId v) const {
    const Inst* def = func_.def(v);
    if (def == nullptr || def->op != Op::Const || func_.rep(v) == ir::Rep::kV128) return {};
    return def->imm;
  }
  // Puts `by` in the place of the result of `i`, which then is known not to trap and goes at once.
  void substitute(InstId i, ValueId by) {
    func_.replace(func_.result(i), by);
    func_.remove(i);
  }
  void replace(Rewrite rewrite, InstId i, ValueId by) {
    const ValueId result = func_.result(i);
    if (by != result && func_.types().matches(func_.type(by), func_.type(result)) && ask(rewrite, i)) substitute(i, by);
  }
  void replace_constant(Rewrite rewrite, InstId i, uint64_t bits, uint64_t high = 0) {
    if (!ask(rewrite, i)) return;
    const ValueId result = func_.result(i);
    const Type type = func_.type(result);
    const Inst proto{.op = Op::Const, .imm = bits, .high = high, .offset = func_.inst(i).offset};
    const InstId made = func_.make(proto, {}, std::span(&type, 1));
    func_.insert_before(i, made);
    substitute(i, func_.result(made));
  }
  // The result's type follows its operand's: facts travel along chains of checks.
  void narrow(InstId i, Type type) {
    const ValueId result = func_.result(i);
    if (type == func_.type(result) || !func_.types().matches(type, func_.type(result)) ||
        !ask(Rewrite::kNarrowResult, i))
      return;
    func_.narrow(result, type);
  }

  // --- Numbers.
  void compute(InstId i) {
    if (fold(i)) return;
    const Opcode op = func_.inst(i).opcode;
    if (func_.inst(i).args_count == 1) return unary(i, op);
    const ValueId left = func_.arg(i, 0);
    const ValueId right = func_.arg(i, 1);
    if (left == right) return same_operands(i, op);
    std::optional<uint64_t> c = constant(right);
    ValueId other = left;
    if (!c && is_commutative(op)) c = constant(left), other = right;
    if (c) identity(i, op, *c, other);
  }

  bool fold(InstId i) {
    const Inst& inst = func_.inst(i);
    std::array<wasm::V128, 3> operands;
    if (inst.args_count > operands.size() || !wasm::has_numeric(inst.opcode)) return false;
    for (uint32_t n = 0; n < inst.args_count; ++n) {
      const Inst* def = func_.def(func_.arg(i, n));
      if (def == nullptr || def->op != Op::Const) return false;
      operands[n] = wasm::V128::of_halves(def->imm, def->high);
    }
    wasm::Instr instr;
    instr.op = inst.opcode;
    instr.lane = static_cast<uint8_t>(inst.b);
    instr.v128 = wasm::V128::of_halves(inst.imm, inst.high).bytes;
    const auto result = wasm::evaluate(instr, std::span(operands).first(inst.args_count));
    if (!result.has_value()) return false;  // traps when it runs
    replace_constant(Rewrite::kFold, i, result->low(), result->high());
    return true;
  }

  static bool is_commutative(Opcode op) {
    for (const Opcode c : kCommutative) {
      if (c == op) return true;
    }
    return false;
  }

  void identity(InstId i, Opcode op, uint64_t c, ValueId other) {
    const bool wide = func_.type(func_.result(i)) == wasm::kI64;
    const int64_t value = wide ? static_cast<int64_t>(c) : static_cast<int32_t>(static_cast<uint32_t>(c));
    for (const RightIdentity& row : kRightIdentities) {
      if (row.opcode != op || row.right != value) continue;
      switch (row.gives) {
        case Gives::kLeft: return replace(Rewrite::kIdentity, i, other);
        case Gives::kZero: return replace_constant(Rewrite::kIdentity, i, 0);
        case Gives::kRight: return replace_constant(Rewrite::kIdentity, i, c);
      }
    }
  }

  void same_operands(InstId i, Opcode op) {
    for (const SameOperands& row : kSameOperands) {
      if (row.opcode != op) continue;
      if (row.constant) return replace_constant(Rewrite::kSameOperands, i, *row.constant);
      return replace(Rewrite::kSameOperands, i, func_.arg(i, 0));
    }
  }

  void unary(InstId i, Opcode op) {
    const Inst* def = func_.def(func_.arg(i, 0));
    if (def == nullptr || def->op != Op::Compute) return;
    const ValueId inner = func_.arg(func_.value(func_.arg(i, 0)).inst, 0);
    const bool extends = def->opcode == Opcode::I64ExtendI32S || def->opcode == Opcode::I64ExtendI32U;
    if (op == Opcode::I32WrapI64 && extends) replace(Rewrite::kWrapOfExtend, i, inner);
  }

  void select(InstId i) {
    const ValueId if_true = func_.arg(i, 0);
    const ValueId if_false = func_.arg(i, 1);
    if (if_true == if_false) return replace(Rewrite::kSelectDecided, i, if_true);
    if (const auto c = constant(func_.arg(i, 2)))
      return replace(Rewrite::kSelectDecided, i, static_cast<uint32_t>(*c) != 0 ? if_true : if_false);
    const Type type = ir::join(func_.types(), func_.type(if_true), func_.type(if_false));
    if (type.is_ref()) narrow(i, type);
  }

  // --- References.
  void null_check(InstId i) {
    const ValueId ref = func_.arg(i, 0);
    if (!func_.type(ref).nullable()) return replace(Rewrite::kCheckImplied, i, ref);
    if (receives_only_non_null(ref) && ask(Rewrite::kCheckOfJoin, i)) {
      func_.narrow(ref, func_.type(ref).as_non_null());
      return substitute(i, ref);
    }
    if (is_first_read(i) && fault_fires(Fault::kOPT3)) return hoist_read(i);
    narrow(i, func_.type(ref).as_non_null());
  }

  // Planted fault OPT3: the field read behind a null check moves in front of it.
  bool is_first_read(InstId i) const {
    const InstId next = func_.inst(i).next;
    return next.valid() && func_.inst(next).op == Op::StructGet && func_.arg(next, 0) == func_.result(i);
  }
  void hoist_read(InstId check) {
    const InstId read = func_.inst(check).next;
    if (!ask(Rewrite::kCheckImplied, check)) return;
    func_.remove(read);
    func_.insert_before(check, read);
    func_.set_arg(read, 0, func_.arg(check, 0));
  }

  // Whether `param` is the parameter of a join (no loop) of which every incoming value is non-null.
  bool receives_only_non_null(ValueId param) const {
    const ir::Value& value = func_.value(param);
    if (!value.block.valid() || value.block == Func::kEntry) return false;
    if (context_.control_changed) return false;  // predecessors may be gone
    uint32_t nullable = 0;
    uint32_t non_null = 0;
    for (const BlockId pred : context_.cfg.preds(value.block)) {
      if (context_.cfg.dominates(value.block, pred)) return false;
      const ValueId arg = func_.arg(func_.terminator(pred), value.index);
      ++(func_.type(arg).nullable() ? nullable : non_null);
    }
    if (nullable != 0 && non_null != 0) return fault_fires(Fault::kOPT8);
    return nullable == 0;
  }

  void cast(InstId i) {
    const ValueId ref = func_.arg(i, 0);
    const Type type = func_.type(ref);
    const Type target = func_.inst(i).type;
    if (func_.types().matches(type, target)) return replace(Rewrite::kCastImplied, i, ref);
    if (func_.types().matches(type.heap(), target.heap()) && ask(Rewrite::kCastToCheck, i)) {  // only null can fail
      func_.become(i, Op::NullCheck);
      func_.edit(i).type = ir::kNone;
      return;
    }
    narrow(i, ir::meet(func_.types(), type, target));
  }

  // What the operand's type says about a RefTest or RefIsNull.
  std::optional<bool> decided(InstId i) const {
    const Inst& inst = func_.inst(i);
    const Type type = func_.type(func_.arg(i, 0));
    const bool only_null = type.nullable() && type.heap() == func_.types().bottom(type.heap());
    if (inst.op == Op::RefIsNull) {
      if (!type.nullable()) return false;
      if (only_null) return true;
      return {};
    }
    if (func_.types().matches(type, inst.type)) return true;
    if (only_null) return inst.type.nullable();
    const bool common_null = type.nullable() && inst.type.nullable();
    const bool common_object = ir::meet(func_.types(), type, inst.type).heap() != func_.types().bottom(type.heap());
    if (!common_null && !common_object) return false;
    return {};
  }

  void test(InstId i) {
    if (proof(func_.result(i)) != 0) return;
    if (const auto outcome = decided(i)) replace_constant(Rewrite::kTestDecided, i, *outcome ? 1 : 0);
  }

  void refine(InstId i) {
    const ValueId ref = func_.arg(i, 0);
    const ValueId result = func_.result(i);
    const ValueId test = func_.arg(i, 1);
    if (func_.types().matches(func_.type(ref), func_.type(result))) {
      // Where the branch is gone the proof is gone with it: part of that rewrite.
      if (proof(test) == kBranchDecided) return substitute(i, ref);
      return replace(Rewrite::kRefineImplied, i, ref);
    }
    narrow(i, ir::refined_type(func_, ref, test, func_.inst(i).sense != 0));
  }

  void ref_eq(InstId i) {
    const ValueId a = func_.arg(i, 0);
    const ValueId b = func_.arg(i, 1);
    if (a == b) return replace_constant(Rewrite::kEqDecided, i, 1);
    const auto is_null = [&](ValueId v) {
      const Inst* def = func_.def(v);
      return def != nullptr && def->op == Op::RefNull;
    };
    if (is_null(a) && is_null(b)) return replace_constant(Rewrite::kEqDecided, i, 1);
    if ((is_null(a) && !func_.type(b).nullable()) || (is_null(b) && !func_.type(a).nullable()))
      replace_constant(Rewrite::kEqDecided, i, 0);
  }

  // Functions of the module differ from each other; imported ones may be any.
  void func_is(InstId i) {
    const Inst* def = func_.def(func_.arg(i, 0));
    if (def == nullptr || def->op != Op::RefFunc) return;
    const uint32_t a = def->a;
    const uint32_t b = func_.inst(i).a;
    const auto imported = [&](uint32_t f) { return func_.module().funcs[f].imported; };
    if (a == b || (!imported(a) && !imported(b))) replace_constant(Rewrite::kTestDecided, i, a == b ? 1 : 0);
  }

  void i31_get(InstId i) {
    const Inst* def = func_.def(func_.arg(i, 0));
    if (def == nullptr || def->op != Op::RefI31) return;
    const auto c = constant(func_.arg(func_.value(func_.arg(i, 0)).inst, 0));
    if (!c) return;
    const auto bits = static_cast<uint32_t>(*c) << 1;
    const bool is_signed = func_.inst(i).opcode == Opcode::I31GetS;
    replace_constant(Rewrite::kI31Fold, i,
                     is_signed ? static_cast<uint32_t>(static_cast<int32_t>(bits) >> 1) : bits >> 1);
  }

  // There and back.
  void convert(InstId i) {
    const ValueId ref = func_.arg(i, 0);
    const Inst* def = func_.def(ref);
    if (def == nullptr || def->op != Op::Convert || def->opcode == func_.inst(i).opcode) return;
    replace(Rewrite::kConvertBack, i, func_.arg(func_.value(ref).inst, 0));
  }

  void array_len(InstId i) {
    const InstId def = func_.value(func_.arg(i, 0)).inst;
    if (!def.valid()) return;
    const Op op = func_.inst(def).op;
    if (op == Op::ArrayAlloc) replace(Rewrite::kLengthKnown, i, func_.arg(def, 0));
    if (op == Op::ArrayNewData || op == Op::ArrayNewElem) replace(Rewrite::kLengthKnown, i, func_.arg(def, 1));
  }

  // --- Control.
  void go_to(InstId i, BlockId target) {
    func_.become(i, Op::Jump);
    func_.set_args(i, {});
    func_.set_targets(i, std::span(&target, 1));
    context_.control_changed = true;
  }

  void branch(InstId i) {
    const ValueId condition = func_.arg(i, 0);
    const BlockId if_true = func_.targets(i)[0];
    const BlockId if_false = func_.targets(i)[1];
    const Inst* def = func_.def(condition);
    std::optional<bool> outcome;
    if (const auto c = constant(condition)) outcome = static_cast<uint32_t>(*c) != 0;
    if (def != nullptr && (def->op == Op::RefTest || def->op == Op::RefIsNull))
      outcome = decided(func_.value(condition).inst);
    if (if_true == if_false) outcome = true;
    if (outcome) {
      if (!gate_.allow(Rewrite::kBranchDecided, condition)) return;
      if (proof(condition) != 0) refined_by_[condition.index()] = kBranchDecided;
      return go_to(i, *outcome ? if_true : if_false);
    }
    if (def != nullptr && def->op == Op::Compute && def->opcode == Opcode::I32Eqz &&
        gate_.allow(Rewrite::kBranchInverted, condition)) {
      const ValueId inner = func_.arg(func_.value(condition).inst, 0);
      const BlockId swapped[] = {if_false, if_true};
      func_.set_arg(i, 0, inner);
      func_.set_targets(i, swapped);
    }
  }

  void switch_on(InstId i) {
    const auto c = constant(func_.arg(i, 0));
    if (!c || !gate_.allow(Rewrite::kSwitchDecided, func_.arg(i, 0))) return;
    const auto targets = func_.targets(i);
    const size_t last = targets.size() - 1;
    const auto index = static_cast<uint32_t>(*c);
    go_to(i, targets[index < last ? index : last]);
  }

  static constexpr uint32_t kBranchDecided = 2;

  PassContext& context_;
  Func& func_;
  Gate& gate_;
  std::vector<uint32_t>& refined_by_;
  BlockId block_;
};

}  // namespace

Result<> simplify(PassContext& context) {
  Simplify(context).run();
  return {};
}

}  // namespace parallax::opt
