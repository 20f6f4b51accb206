// Sparse conditional constant propagation (Wegman and Zadeck): what is constant on all ways that can be taken.
//
// Optimistic: blocks are not reached and values not known until the contrary is found, so a parameter of a loop that
// always comes back with the constant it entered with is that constant, and code behind a branch that such a constant
// decides does not count. Numbers are folded by the interpreter's own functions; of references, null is the constant.
// Operations that would trap stay as they are. Branches on tests that Refine operations name are left to the pass that
// keeps proofs. Constants go to the entry block, behind its Budget. Every value changes at most twice: linear in uses.
#include <array>
#include <optional>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"
#include "engine/wasm/numerics.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;

class Sccp {
 public:
  explicit Sccp(PassContext& context)
      : context_(context), func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    if (!has_loops()) return;  // without them the simplifier, which walks forward, finds the same
    index_uses();
    state_.assign(func_.value_count(), {});
    reached_.assign(func_.block_count(), 0);
    for (const ValueId p : func_.params(Func::kEntry)) state_[p.index()].kind = Kind::kVarying;
    reach(Func::kEntry);
    while (!blocks_.empty() || !values_.empty()) {
      if (!values_.empty()) {
        const ValueId v = values_.back();
        values_.pop_back();
        for (uint32_t u = begin_[v.index()]; u < begin_[v.index() + 1]; ++u) {
          const auto [user, operand] = uses_[u];
          if (reached_[func_.inst(user).block.index()] == 0) continue;
          // A jump hands each argument on by itself: there may be many.
          func_.inst(user).op == Op::Jump ? hand_on(user, operand) : evaluate(user);
        }
        continue;
      }
      const BlockId b = blocks_.back();
      blocks_.pop_back();
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) evaluate(i);
    }
    rewrite();
  }

 private:
  enum class Kind : uint8_t { kUnknown, kConstant, kVarying };
  struct State {
    Kind kind = Kind::kUnknown;
    uint64_t bits = 0;
  };

  bool has_loops() const {
    for (const BlockId b : cfg_.rpo()) {
      if (b != Func::kEntry && func_.block(b).params_count != 0 && cfg_.is_loop_head(b)) return true;
    }
    return false;
  }

  struct Use {
    InstId inst;
    uint32_t operand;
  };
  // The instructions that use each value.
  void index_uses() {
    begin_.assign(func_.value_count() + 1, 0);
    for_each_use([&](ValueId v, Use) { ++begin_[v.index() + 1]; });
    for (size_t n = 1; n < begin_.size(); ++n) begin_[n] += begin_[n - 1];
    uses_.resize(begin_.back());
    Scratch<uint32_t> cursor(begin_.begin(), begin_.end() - 1);
    for_each_use([&](ValueId v, Use use) { uses_[cursor[v.index()]++] = use; });
  }
  template <class Body>
  void for_each_use(Body&& body) {
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const auto args = func_.args(i);
        for (uint32_t n = 0; n < args.size(); ++n) body(args[n], {i, n});
      }
    }
  }

  void reach(BlockId b) {
    if (reached_[b.index()] != 0) return;
    reached_[b.index()] = 1;
    blocks_.push_back(b);
  }

  const State& state(ValueId v) const { return state_[v.index()]; }

  void raise(ValueId v, State to) {
    State& known = state_[v.index()];
    if (known.kind == Kind::kVarying || to.kind == Kind::kUnknown) return;
    if (known.kind == Kind::kConstant && to.kind == Kind::kConstant && known.bits == to.bits) return;
    known = known.kind == Kind::kConstant ? State{Kind::kVarying, 0} : to;
    values_.push_back(v);
  }

  void evaluate(InstId i) {
    const Inst& inst = func_.inst(i);
    switch (inst.op) {
      case Op::Jump: return jump(i);
      case Op::Branch: return branch(i);
      case Op::Switch: return switch_on(i);
      default: break;
    }
    for (const BlockId target : func_.targets(i)) reach(target);
    if (inst.results_count == 0) return;
    const State result = inst.results_count == 1 ? result_of(i, inst) : State{Kind::kVarying, 0};
    for (uint32_t n = 0; n < inst.results_count; ++n) raise(func_.result(i, n), result);
  }

  void jump(InstId i) {
    reach(func_.targets(i)[0]);
    for (uint32_t n = 0; n < func_.inst(i).args_count; ++n) hand_on(i, n);
  }
  void hand_on(InstId jump, uint32_t n) {
    const BlockId to = func_.targets(jump)[0];
    if (g_fault.active == Fault::kSCCP1 && cfg_.dominates(to, func_.inst(jump).block) && fault_fires(Fault::kSCCP1))
      return;
    raise(func_.params(to)[n], state(func_.args(jump)[n]));
  }

  void branch(InstId i) {
    const State& condition = state(func_.args(i)[0]);
    if (condition.kind == Kind::kUnknown) return;
    const bool known = condition.kind == Kind::kConstant;
    if (!known || static_cast<uint32_t>(condition.bits) != 0) reach(func_.targets(i)[0]);
    if (!known || static_cast<uint32_t>(condition.bits) == 0) reach(func_.targets(i)[1]);
  }

  void switch_on(InstId i) {
    const State& index = state(func_.args(i)[0]);
    if (index.kind == Kind::kUnknown) return;
    const auto targets = func_.targets(i);
    if (index.kind == Kind::kConstant) return reach(targets[chosen(index.bits, targets.size())]);
    for (const BlockId target : targets) reach(target);
  }
  static size_t chosen(uint64_t bits, size_t count) {
    const auto index = static_cast<uint32_t>(bits);
    return index < count - 1 ? index : count - 1;
  }

  uint64_t low_bits(ValueId v, uint64_t bits) const {
    const ir::Rep rep = func_.rep(v);
    return rep == ir::Rep::kI32 || rep == ir::Rep::kF32 ? bits & 0xffffffffu : bits;
  }

  static constexpr State kVaries{Kind::kVarying, 0};

  State result_of(InstId i, const Inst& inst) {
    switch (inst.op) {
      case Op::Const:
        return inst.high != 0 || func_.rep(inst.first_result) == ir::Rep::kV128
                   ? kVaries
                   : State{Kind::kConstant, low_bits(inst.first_result, inst.imm)};
      case Op::RefNull: return {Kind::kConstant, 0};
      case Op::Compute: return compute(i, inst);
      case Op::Select: return select(i);
      case Op::RefIsNull: {
        const State& ref = state(func_.args(i)[0]);
        return ref.kind == Kind::kConstant ? State{Kind::kConstant, 1} : ref;
      }
      default: return kVaries;
    }
  }

  State compute(InstId i, const Inst& inst) {
    std::array<wasm::V128, 3> operands;
    const auto args = func_.args(i);
    if (args.size() > operands.size() || func_.rep(inst.first_result) == ir::Rep::kV128) return kVaries;
    bool unknown = false;
    for (size_t n = 0; n < args.size(); ++n) {
      const State& s = state(args[n]);
      if (s.kind == Kind::kVarying) return kVaries;
      unknown |= s.kind == Kind::kUnknown;
      operands[n] = wasm::V128::of_halves(s.bits, 0);
    }
    if (unknown) return {};
    if (!wasm::has_numeric(inst.opcode)) return kVaries;
    wasm::Instr instr;
    instr.op = inst.opcode;
    instr.lane = static_cast<uint8_t>(inst.b);
    const auto result = wasm::evaluate(instr, std::span(operands).first(args.size()));
    return result.has_value() ? State{Kind::kConstant, low_bits(inst.first_result, result->low())} : kVaries;
  }

  State select(InstId i) {
    const auto args = func_.args(i);
    const State& condition = state(args[2]);
    if (condition.kind == Kind::kUnknown) return {};
    if (condition.kind == Kind::kConstant) return state(args[static_cast<uint32_t>(condition.bits) != 0 ? 0 : 1]);
    const State& a = state(args[0]);
    const State& b = state(args[1]);
    if (a.kind == Kind::kUnknown) return b;
    if (b.kind == Kind::kUnknown) return a;
    return a.kind == Kind::kConstant && b.kind == Kind::kConstant && a.bits == b.bits ? a : kVaries;
  }

  // --- Rewriting.
  void rewrite() {
    for (const BlockId b : cfg_.rpo()) {
      if (reached_[b.index()] == 0) continue;
      if (b != Func::kEntry) {
        for (const ValueId p : func_.params(b)) settle(p);
      }
      ir::for_each_inst(func_, b, [&](InstId i) {
        const Inst& inst = func_.inst(i);
        const bool folds = inst.op == Op::Compute || inst.op == Op::Select;
        if (folds && settle(inst.first_result)) return func_.remove(i);
        if (inst.op == Op::Branch || inst.op == Op::Switch) decide(i);
      });
    }
  }

  bool settle(ValueId v) {
    const State s = state(v);
    if (s.kind != Kind::kConstant) return false;
    const ir::Type type = func_.type(v);
    if (type.is_ref()) return false;  // a null kept over safepoints would need a home
    if (!gate_.allow(Rewrite::kConstant, v)) return false;
    func_.replace(v, constant(type, s.bits));
    return true;
  }

  ValueId constant(ir::Type type, uint64_t bits) {
    const Inst proto{.op = Op::Const, .imm = bits};
    const InstId made = func_.make(proto, {}, std::span(&type, 1));
    func_.insert_after(func_.block(Func::kEntry).first, made);
    return func_.result(made);
  }

  void decide(InstId i) {
    const ValueId condition = func_.args(i)[0];
    if (condition.index() >= state_.size() || state(condition).kind != Kind::kConstant) return;
    const Inst* def = func_.def(condition);
    if (def != nullptr && (def->op == Op::RefIsNull || def->op == Op::RefTest)) return;
    if (!gate_.allow(Rewrite::kBranchDecided, condition)) return;
    const auto targets = func_.targets(i);
    const uint64_t bits = state(condition).bits;
    const BlockId target = func_.inst(i).op == Op::Switch ? targets[chosen(bits, targets.size())]
                                                          : targets[static_cast<uint32_t>(bits) != 0 ? 0 : 1];
    func_.become(i, Op::Jump);
    func_.set_args(i, {});
    func_.set_targets(i, std::span(&target, 1));
    context_.control_changed = true;
  }

  PassContext& context_;
  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  Scratch<Use> uses_;  // by the value used
  Scratch<uint32_t> begin_;
  Scratch<State> state_;
  Scratch<uint8_t> reached_;
  Scratch<BlockId> blocks_;
  Scratch<ValueId> values_;
};

}  // namespace

Result<> propagate_constants(PassContext& context) {
  Sccp(context).run();
  return {};
}

}  // namespace parallax::opt
