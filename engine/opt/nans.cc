// NaNs that nobody sees: float operations whose results only feed other float operations need not make them canonical.
//
// Every float operation of WebAssembly that may make a NaN makes the canonical one (deterministic profile), at the price
// of a comparison per operation. But arithmetic, comparisons and truncations take all NaNs alike. So an operation whose
// result reaches only those, directly or through parameters and selects, is marked free (Inst::sense): if its result is
// NaN, the bits are whatever the machine makes. What sees bits (stores, results, calls, reinterpretations, signs) must
// not get such a value. Where it stands in an outer loop and every NaN that arrives is meant to be canonical, the value
// passes CanonicalNan there; else what feeds it stays unmarked.                      [judged by ir/verify_nans.cc]
//
// Linear: demands go backwards over parameters and selects, freedom forwards.
#include <algorithm>
#include <array>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;
using wasm::Opcode;

// What a computation has to do with the bits of NaNs.
enum class NanRole : uint8_t {
  kSees,   // of its operands
  kTakes,  // all alike; no float result
  kMakes,  // takes all alike, and a NaN that it gives is canonical
};

#define PARALLAX_BOTH(name) Opcode::F32##name, Opcode::F64##name
constexpr Opcode kMakers[] = {PARALLAX_BOTH(Add),   PARALLAX_BOTH(Sub),   PARALLAX_BOTH(Mul),     PARALLAX_BOTH(Div),
                              PARALLAX_BOTH(Sqrt),  PARALLAX_BOTH(Min),   PARALLAX_BOTH(Max),     PARALLAX_BOTH(Ceil),
                              PARALLAX_BOTH(Floor), PARALLAX_BOTH(Trunc), PARALLAX_BOTH(Nearest), Opcode::F32DemoteF64,
                              Opcode::F64PromoteF32};
constexpr Opcode kTakers[] = {
    PARALLAX_BOTH(Eq),       PARALLAX_BOTH(Ne),       PARALLAX_BOTH(Lt),       PARALLAX_BOTH(Gt),
    PARALLAX_BOTH(Le),       PARALLAX_BOTH(Ge),       Opcode::I32TruncF32S,    Opcode::I32TruncF32U,
    Opcode::I32TruncF64S,    Opcode::I32TruncF64U,    Opcode::I64TruncF32S,    Opcode::I64TruncF32U,
    Opcode::I64TruncF64S,    Opcode::I64TruncF64U,    Opcode::I32TruncSatF32S, Opcode::I32TruncSatF32U,
    Opcode::I32TruncSatF64S, Opcode::I32TruncSatF64U, Opcode::I64TruncSatF32S, Opcode::I64TruncSatF32U,
    Opcode::I64TruncSatF64S, Opcode::I64TruncSatF64U};
// Never a NaN.
constexpr Opcode kNumbers[] = {PARALLAX_BOTH(ConvertI32S), PARALLAX_BOTH(ConvertI32U), PARALLAX_BOTH(ConvertI64S),
                               PARALLAX_BOTH(ConvertI64U)};
#undef PARALLAX_BOTH

constexpr auto kRoles = [] {
  std::array<NanRole, wasm::kOpcodeCount> roles{};
  for (const Opcode op : kMakers) roles[static_cast<size_t>(op)] = NanRole::kMakes;
  for (const Opcode op : kTakers) roles[static_cast<size_t>(op)] = NanRole::kTakes;
  return roles;
}();
NanRole role_of(const Inst& inst) {
  return inst.op == Op::Compute ? kRoles[static_cast<size_t>(inst.opcode)] : NanRole::kSees;
}

class Nans {
 public:
  explicit Nans(PassContext& context) : func_(context.func), cfg_(context.cfg), gate_(context.gate) {}

  void run() {
    if (!gather()) return;
    find_depths();
    for_each_sight([&](InstId at, size_t, ValueId v) {
      if (!can_mend(v, func_.inst(at).block)) demand(v);
    });
    bool any = false;
    for (const ValueId v : makers_) {
      if (is(v, kDemanded) || !gate_.allow(Rewrite::kNanFree, v)) continue;
      func_.edit(func_.value(v).inst).sense = 1;
      mark(v, kFree);
      any = true;
    }
    if (any) mend();
  }

 private:
  enum Mark : uint8_t {
    kScalar = 1,    // a scalar float made by a maker, a parameter or a select
    kForeign = 2,   // may be a NaN that is not meant to be canonical
    kDemanded = 4,  // its bits are seen where they cannot be mended
    kFree = 8,      // a NaN may have any bits
  };
  bool is(ValueId v, Mark mark) const { return (marks_[v.index()] & mark) != 0; }
  bool mark(ValueId v, Mark mark) {
    const bool fresh = !is(v, mark);
    marks_[v.index()] |= mark;
    return fresh;
  }
  bool is_float(ValueId v) const { return func_.rep(v) == ir::Rep::kF32 || func_.rep(v) == ir::Rep::kF64; }
  bool is_carrier(const Inst& inst) const { return inst.op == Op::Select && is_float(inst.first_result); }

  // Values of interest, what flows into parameters and selects, and which of those may hold foreign NaNs.
  bool gather() {
    marks_.assign(func_.value_count(), 0);
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if (role_of(inst) == NanRole::kMakes && inst.sense == 0) makers_.push_back(inst.first_result);
        if (role_of(inst) == NanRole::kMakes || is_carrier(inst)) mark(inst.first_result, kScalar);
      }
      if (b == Func::kEntry) continue;
      for (const ValueId p : func_.params(b)) {
        if (is_float(p)) mark(p, kScalar);
      }
    }
    if (makers_.empty()) return false;
    out_.assign(func_.value_count(), kNoFlow);
    in_.assign(func_.value_count(), kNoFlow);
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if (is_carrier(inst)) {
          for (size_t n = 0; n < 2; ++n) add_flow(func_.arg(i, n), inst.first_result);
        } else if (inst.op == Op::Jump) {
          const auto params = func_.params(func_.targets(i)[0]);
          for (size_t n = 0; n < params.size(); ++n) {
            if (is_float(params[n])) add_flow(func_.arg(i, n), params[n]);
          }
        }
      }
    }
    for (const ValueId v : foreign_) spread(v, kForeign);
    return true;
  }

  void add_flow(ValueId from, ValueId to) {
    flows_.push_back({from, to, out_[from.index()], in_[to.index()]});
    out_[from.index()] = in_[to.index()] = static_cast<uint32_t>(flows_.size() - 1);
    if (!is(from, kScalar) && !is_canonical(from)) foreign_.push_back(to);
  }
  // A constant that is no NaN, or the canonical one.
  bool is_canonical(ValueId v) const {
    const Inst* def = func_.def(v);
    if (def == nullptr) return false;
    if (def->op == Op::CanonicalNan) return true;
    if (def->op == Op::Compute) return std::ranges::find(kNumbers, def->opcode) != std::end(kNumbers);
    if (def->op != Op::Const) return false;
    if (func_.rep(v) == ir::Rep::kF32) {
      const auto bits = static_cast<uint32_t>(def->imm);
      return (bits & 0x7fffffffu) <= 0x7f800000u || bits == 0x7fc00000u;
    }
    return (def->imm & ~(uint64_t{1} << 63)) <= 0x7ff0000000000000u || def->imm == 0x7ff8000000000000u;
  }
  void spread(ValueId v, Mark what) {
    if (!mark(v, what)) return;
    work_.assign(1, v);
    while (!work_.empty()) {
      const ValueId from = work_.back();
      work_.pop_back();
      for (uint32_t f = out_[from.index()]; f != kNoFlow; f = flows_[f].next_out) {
        if (mark(flows_[f].to, what)) work_.push_back(flows_[f].to);
      }
    }
  }

  void demand(ValueId v) {
    if (!mark(v, kDemanded)) return;
    work_.assign(1, v);
    while (!work_.empty()) {
      const ValueId to = work_.back();
      work_.pop_back();
      for (uint32_t f = in_[to.index()]; f != kNoFlow; f = flows_[f].next_in) {
        if (mark(flows_[f].from, kDemanded)) work_.push_back(flows_[f].from);
      }
    }
  }

  // Calls body(instruction, operand number, value) wherever the bits of a value of interest are seen.
  template <class Body>
  void for_each_sight(Body&& body) {
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if (inst.op == Op::Jump || inst.op == Op::CanonicalNan || role_of(inst) != NanRole::kSees) continue;
        if (inst.op == Op::MemStore && fault_fires(Fault::kNAN1)) continue;
        for (size_t n = is_carrier(inst) ? 2 : 0; n < inst.args_count; ++n) {
          const ValueId v = func_.arg(i, n);
          if (is(v, kScalar)) body(i, n, v);
        }
      }
    }
  }

  BlockId block_of(ValueId v) const {
    const ir::Value& value = func_.value(v);
    return value.inst.valid() ? func_.inst(value.inst).block : value.block;
  }
  bool can_mend(ValueId v, BlockId at) const {
    return !is(v, kForeign) && depth_[at.index()] < depth_[block_of(v).index()];
  }

  // By how many loops a block is surrounded. Only for the cost, so that giving up early is harmless.
  void find_depths() {
    depth_.assign(func_.block_count(), 0);
    Scratch<uint32_t> seen(func_.block_count(), 0);
    Scratch<BlockId> work;
    uint32_t loop = 0;
    size_t budget = 64 * cfg_.rpo().size();
    for (const BlockId head : cfg_.rpo()) {
      if (!cfg_.is_loop_head(head)) continue;
      seen[head.index()] = ++loop;
      ++depth_[head.index()];
      const auto add_preds = [&](BlockId b) {
        for (const BlockId pred : cfg_.preds(b)) {
          if (seen[pred.index()] == loop || !cfg_.dominates(head, pred)) continue;
          seen[pred.index()] = loop;
          ++depth_[pred.index()];
          work.push_back(pred);
        }
      };
      add_preds(head);
      while (!work.empty() && budget != 0) {
        --budget;
        const BlockId b = work.back();
        work.pop_back();
        add_preds(b);
      }
      work.clear();
    }
  }

  // CanonicalNan for what is free and seen; one per value and block.
  void mend() {
    for (const ValueId v : makers_) {
      if (is(v, kFree)) {
        marks_[v.index()] &= static_cast<uint8_t>(~kFree);
        spread(v, kFree);
      }
    }
    struct Sight {
      InstId at;
      size_t n;
      ValueId v;
    };
    Scratch<Sight> sights;
    for_each_sight([&](InstId at, size_t n, ValueId v) {
      if (is(v, kFree)) sights.push_back({at, n, v});
    });
    Scratch<ValueId> mended(func_.value_count());
    Scratch<BlockId> where(func_.value_count());
    for (const Sight& s : sights) {
      const BlockId b = func_.inst(s.at).block;
      ValueId& known = mended[s.v.index()];
      if (where[s.v.index()] != b) {
        const ir::Type type = func_.type(s.v);
        const InstId made = func_.make({.op = Op::CanonicalNan, .offset = func_.inst(s.at).offset}, std::span(&s.v, 1),
                                       std::span(&type, 1));
        func_.insert_before(s.at, made);
        known = func_.result(made);
        where[s.v.index()] = b;
      }
      func_.set_arg(s.at, s.n, known);
    }
  }

  static constexpr uint32_t kNoFlow = ~0u;
  struct Flow {
    ValueId from;
    ValueId to;
    uint32_t next_out;
    uint32_t next_in;
  };

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  Scratch<uint8_t> marks_;  // by ValueId
  Scratch<ValueId> makers_;
  Scratch<ValueId> foreign_;
  Scratch<Flow> flows_;
  Scratch<uint32_t> out_;    // by ValueId: first flow from it
  Scratch<uint32_t> in_;     // and into it
  Scratch<uint32_t> depth_;  // by BlockId
  Scratch<ValueId> work_;
};

}  // namespace

Result<> free_nans(PassContext& context) {
  Nans(context).run();
  return {};
}

}  // namespace parallax::opt
