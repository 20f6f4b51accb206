// Ranges of 32-bit integers, and what they prove: accesses to arrays that need no check of the index, divisions that
// cannot trap, comparisons whose outcome is known.
//
// Every i32 value has an interval of signed numbers. Below a branch on a comparison, the edge narrows both operands; such
// facts form a list per block that extends its dominator's. Parameters of loops begin with what enters the loop and grow
// with what comes back, to a fixpoint: a bound that still moves after the first round becomes what the edges back guarantee, later
// the type's own; what is not settled after kMaxRounds rounds knows nothing. Nothing is decided before the fixpoint.
//
// An access a[i] needs 0 <= i < length of a. It is proven by intervals (length known from the allocation), by an edge that
// says i < length (of a loop's parameter: by every edge into the loop), for x - c by x, or by an earlier access of the same
// array and index that dominates this one. A proven access has `sense` 1: it does not trap, and armed code checks it anyway.
#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"
#include "engine/wasm/limits.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::ValueId;
using wasm::Opcode;

constexpr int64_t kLeast = std::numeric_limits<int32_t>::min();
constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostElements = static_cast<int64_t>(wasm::kMaxArrayBytes);
constexpr int kMaxRounds = 6;
constexpr int kRoundsOfLimits = 2;
constexpr int kMaxSteps = 24;  // along a list of facts
constexpr int kMaxDepth = 3;   // of a proof

struct Interval {
  int64_t lo = kLeast;
  int64_t hi = kMost;

  bool empty() const { return lo > hi; }
  bool within(int64_t least, int64_t most) const { return least <= lo && hi <= most; }
  friend bool operator==(const Interval&, const Interval&) = default;
};
constexpr Interval kNothing{1, 0};

Interval unite(Interval a, Interval b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
}
// What both say. Contradictions are left to code that is never reached: the first one stands.
Interval meet(Interval a, Interval b) {
  const Interval both{std::max(a.lo, b.lo), std::min(a.hi, b.hi)};
  return both.empty() ? a : both;
}
Interval checked(int64_t lo, int64_t hi) { return lo < kLeast || hi > kMost ? Interval{} : Interval{lo, hi}; }
// From zero to the largest number with as many bits.
Interval bits_below(int64_t most) {
  return {0, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(most) + 1)) - 1};
}

class Ranges {
 public:
  explicit Ranges(PassContext& context)
      : func_(context.func), cfg_(context.cfg), gate_(context.gate), table_(context.numbers) {}

  void run() {
    if (!has_customers()) return;
    solve();
    decide();
  }

 private:
  static constexpr uint32_t kNone = ~0u;

  // a < b, or the interval of one value, below some edge.
  struct Fact {
    uint32_t next;  // of the list; kNone: last
    ValueId a;
    ValueId b;  // invalid: an interval of `a`
    bool is_signed = false;
    Interval range;
  };

  bool is_customer(const Inst& inst) const {
    return inst.op == Op::ArrayGet || inst.op == Op::ArraySet || (inst.op == Op::Compute && is_division(inst.opcode));
  }
  static bool is_division(Opcode op) {
    return op == Opcode::I32DivS || op == Opcode::I32DivU || op == Opcode::I32RemS || op == Opcode::I32RemU;
  }
  // Whether there is something to prove, in a graph where every edge back leads to a dominator.
  bool has_customers() const {
    bool found = false;
    for (const BlockId b : cfg_.rpo()) {
      for (InstId i = func_.block(b).first; i.valid() && !found; i = func_.inst(i).next) {
        found = is_customer(func_.inst(i));
      }
      for (const BlockId pred : cfg_.preds(b)) {
        if (cfg_.rpo_number(pred) >= cfg_.rpo_number(b) && !cfg_.dominates(b, pred)) return false;
      }
    }
    return found;
  }

  // --- The fixpoint.
  void solve() {
    ranges_.assign(func_.value_count(), {});
    facts_.clear();
    facts_of_.assign(func_.block_count(), kNone);
    is_head_.assign(func_.block_count(), false);
    for (const BlockId b : cfg_.rpo()) {
      if (b == Func::kEntry || !cfg_.is_loop_head(b)) continue;
      is_head_[b.index()] = true;
      for (const ValueId p : func_.params(b)) {
        if (func_.type(p) == wasm::kI32) ranges_[p.index()] = kNothing;
      }
      heads_.push_back(b);
    }
    for (int round = 0; round < kMaxRounds; ++round) {
      if (!walk(round)) return;
    }
    for (const BlockId b : heads_) {
      for (const ValueId p : func_.params(b)) ranges_[p.index()] = {};
    }
    settled_ = true;
    walk(0);
  }

  // Computes everything once; whether some parameter of a loop grew. What comes back is looked at in the end, when the
  // facts of its blocks are known.
  // Facts of earlier rounds stay: until its blocks are reached again, a way back is known by them.
  bool walk(int round) {
    bool grew = false;
    for (const BlockId b : cfg_.rpo()) {
      if (b != Func::kEntry) {
        enter(b);
        if (is_head_[b.index()]) {
          grew |= grow(b, round, Edges::kForward);
        } else {
          join(b);
        }
      }
      at_ = facts_of_[b.index()];
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) evaluate(i);
    }
    for (const BlockId b : heads_) grew |= grow(b, round, Edges::kBack);
    return grew;
  }

  void join(BlockId b) {
    const auto params = func_.params(b);
    for (uint32_t n = 0; n < params.size(); ++n) {
      if (func_.type(params[n]) != wasm::kI32) continue;
      Interval all = kNothing;
      for (const BlockId pred : cfg_.preds(b)) all = unite(all, incoming(pred, n));
      ranges_[params[n].index()] = all.empty() ? Interval{} : all;
    }
  }

  enum class Edges : uint8_t { kForward, kBack };
  bool grow(BlockId b, int round, Edges edges) {
    if (settled_) return false;
    bool grew = false;
    const auto params = func_.params(b);
    for (uint32_t n = 0; n < params.size(); ++n) {
      if (func_.type(params[n]) != wasm::kI32) continue;
      Interval& known = ranges_[params[n].index()];
      Interval all = known;
      for (const BlockId pred : cfg_.preds(b)) {
        if (cfg_.dominates(b, pred) == (edges == Edges::kBack)) all = unite(all, incoming(pred, n));
      }
      if (all == known) continue;
      if (round > 0) all = widened(known, all, round <= kRoundsOfLimits ? limit(b, n) : Interval{});
      known = all;
      grew = true;
    }
    return grew;
  }

  static Interval widened(Interval known, Interval all, Interval limit) {
    return {all.lo < known.lo ? std::min(all.lo, limit.lo) : all.lo,
            all.hi > known.hi ? std::max(all.hi, limit.hi) : all.hi};
  }

  // What the edges back alone say of what they bring, whatever it is.
  Interval limit(BlockId b, uint32_t n) const {
    Interval all = kNothing;
    for (const BlockId pred : cfg_.preds(b)) {
      if (!cfg_.dominates(b, pred)) continue;
      all = unite(all, narrowed({}, func_.arg(func_.terminator(pred), n), facts_of_[pred.index()]));
    }
    return all.empty() ? Interval{} : all;
  }

  Interval incoming(BlockId pred, uint32_t n) const {
    return range(func_.arg(func_.terminator(pred), n), facts_of_[pred.index()]);
  }

  // What the edge into `b` says, on top of what its dominator knows.
  void enter(BlockId b) {
    at_ = facts_of_[cfg_.idom(b).index()];
    if (cfg_.preds(b).size() == 1) {
      const InstId end = func_.terminator(cfg_.preds(b)[0]);
      if (func_.inst(end).op == Op::Branch) learn(func_.arg(end, 0), func_.targets(end)[0] == b);
    }
    facts_of_[b.index()] = at_;
  }

  void add(ValueId v, Interval r) {
    facts_.push_back({at_, v, {}, false, r});
    at_ = static_cast<uint32_t>(facts_.size() - 1);
  }
  void add_less(ValueId a, ValueId b, bool is_signed) {
    facts_.push_back({at_, a, b, is_signed, {}});
    at_ = static_cast<uint32_t>(facts_.size() - 1);
  }

  void learn(ValueId condition, bool sense) {
    const Inst* def = func_.def(condition);
    if (def == nullptr || def->op != Op::Compute) return learn_zero(condition, !sense);
    const InstId at = func_.value(condition).inst;
    const Opcode op = def->opcode;
    if (op == Opcode::I32Eqz) return learn_zero(func_.arg(at, 0), sense);
    if (op < Opcode::I32Eq || op > Opcode::I32GeU) return learn_zero(condition, !sense);
    const ValueId x = func_.arg(at, 0);
    const ValueId y = func_.arg(at, 1);
    switch (op) {
      case Opcode::I32Eq:
      case Opcode::I32Ne: return learn_equal(x, y, (op == Opcode::I32Eq) == sense);
      case Opcode::I32LtS: return sense ? less(x, y, true) : less_equal(y, x, true);
      case Opcode::I32LtU: return sense ? less(x, y, false) : less_equal(y, x, false);
      case Opcode::I32GtS: return sense ? less(y, x, true) : less_equal(x, y, true);
      case Opcode::I32GtU: return sense ? less(y, x, false) : less_equal(x, y, false);
      case Opcode::I32LeS: return sense ? less_equal(x, y, true) : less(y, x, true);
      case Opcode::I32LeU: return sense ? less_equal(x, y, false) : less(y, x, false);
      case Opcode::I32GeS: return sense ? less_equal(y, x, true) : less(x, y, true);
      default: return sense ? less_equal(y, x, false) : less(x, y, false);
    }
  }

  void learn_zero(ValueId v, bool is_zero) {
    const Interval r = range(v, at_);
    if (is_zero) return add(v, {0, 0});
    if (r.lo == 0) add(v, {1, r.hi});
    if (r.hi == 0) add(v, {r.lo, -1});
  }

  void learn_equal(ValueId x, ValueId y, bool equal) {
    const Interval a = range(x, at_);
    const Interval b = range(y, at_);
    if (equal) {
      add(x, b);
      return add(y, a);
    }
    if (b.lo != b.hi) return;
    if (a.lo == b.lo && a.lo < a.hi) add(x, {a.lo + 1, a.hi});
    if (a.hi == b.lo && a.lo < a.hi) add(x, {a.lo, a.hi - 1});
  }

  void less(ValueId x, ValueId y, bool is_signed) {
    bound(x, y, is_signed, 1);
    add_less(x, y, is_signed);
  }
  void less_equal(ValueId x, ValueId y, bool is_signed) { bound(x, y, is_signed, 0); }

  // x + by <= y. Unsigned, it bounds x only below a number that is not negative, and y only above such a one.
  void bound(ValueId x, ValueId y, bool is_signed, int64_t by) {
    const Interval a = range(x, at_);
    const Interval b = range(y, at_);
    if (is_signed) {
      if (b.hi - by >= kLeast) add(x, {kLeast, b.hi - by});
      if (a.lo + by <= kMost) add(y, {a.lo + by, kMost});
      return;
    }
    if (b.lo < 0) return;
    if (b.hi - by >= 0) add(x, {0, b.hi - by});
    if (a.lo >= 0 && a.lo + by <= kMost) add(y, {a.lo + by, kMost});
  }

  // The interval of `v` where the list of facts begins with `facts`.
  Interval range(ValueId v, uint32_t facts) const {
    if (v.index() >= ranges_.size() || func_.type(v) != wasm::kI32) return {};
    const Interval r = ranges_[v.index()];
    return r.empty() ? r : narrowed(r, v, facts);
  }

  Interval narrowed(Interval r, ValueId v, uint32_t facts) const {
    int steps = 0;
    for (uint32_t f = facts; f != kNone && steps < kMaxSteps; f = facts_[f].next, ++steps) {
      if (facts_[f].a == v && !facts_[f].b.valid()) r = meet(r, facts_[f].range);
    }
    return r;
  }

  // --- Values.
  void evaluate(InstId i) {
    const Inst& inst = func_.inst(i);
    if (inst.results_count != 1 || func_.type(inst.first_result) != wasm::kI32) return;
    ranges_[inst.first_result.index()] = interval_of(i, inst);
  }

  Interval operand(InstId i, size_t n) const {
    const Interval r = range(func_.arg(i, n), at_);
    return r.empty() ? Interval{} : r;
  }

  Interval interval_of(InstId i, const Inst& inst) const {
    switch (inst.op) {
      case Op::Const: {
        const int64_t c = static_cast<int32_t>(static_cast<uint32_t>(inst.imm));
        return {c, c};
      }
      case Op::ArrayLen: return {0, kMostElements};
      case Op::RefTest:
      case Op::RefIsNull:
      case Op::RefEq:
      case Op::ExnTest: return {0, 1};
      case Op::I31Get:
        return inst.opcode == Opcode::I31GetS ? Interval{-(int64_t{1} << 30), (int64_t{1} << 30) - 1}
                                              : Interval{0, kMost};
      case Op::StructGet:
      case Op::ArrayGet: return packed(inst);
      case Op::MemLoad: return loaded(inst.opcode);
      case Op::Select: return unite(operand(i, 0), operand(i, 1));
      case Op::Compute: return computed(i, inst);
      default: return {};
    }
  }

  Interval packed(const Inst& inst) const {
    const auto& fields = func_.types().get(wasm::TypeId(inst.a)).fields;
    const wasm::Packed packed = fields[inst.op == Op::ArrayGet ? 0 : inst.b].storage.packed;
    if (packed == wasm::Packed::kNone) return {};
    const bool is_signed = inst.opcode == Opcode::StructGetS || inst.opcode == Opcode::ArrayGetS;
    return narrow(packed == wasm::Packed::kI8 ? 8 : 16, is_signed);
  }
  static Interval narrow(int bits, bool is_signed) {
    if (is_signed) return {-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1};
    return {0, (int64_t{1} << bits) - 1};
  }
  static Interval loaded(Opcode op) {
    switch (op) {
      case Opcode::I32Load8S: return narrow(8, true);
      case Opcode::I32Load8U: return narrow(8, false);
      case Opcode::I32Load16S: return narrow(16, true);
      case Opcode::I32Load16U: return narrow(16, false);
      default: return {};
    }
  }

  Interval computed(InstId i, const Inst& inst) const {
    const Opcode op = inst.opcode;
    if (op >= Opcode::I32Eqz && op <= Opcode::F64Ge) return {0, 1};
    switch (op) {
      case Opcode::I32Extend8S: return narrow(8, true);
      case Opcode::I32Extend16S: return narrow(16, true);
      case Opcode::I32Clz:
      case Opcode::I32Ctz:
      case Opcode::I32Popcnt: return {0, 32};
      default: break;
    }
    if (op < Opcode::I32Add || op > Opcode::I32Rotr) return {};
    return binary(op, operand(i, 0), operand(i, 1));
  }

  static Interval binary(Opcode op, Interval a, Interval b) {
    const bool not_negative = a.lo >= 0 && b.lo >= 0;
    const bool known = b.lo == b.hi;
    const int64_t count = b.lo & 31;
    switch (op) {
      case Opcode::I32Add: return checked(a.lo + b.lo, a.hi + b.hi);
      case Opcode::I32Sub: return checked(a.lo - b.hi, a.hi - b.lo);
      case Opcode::I32Mul: {
        const auto [least, most] = std::minmax({a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi});
        return checked(least, most);
      }
      case Opcode::I32And:
        if (not_negative) return {0, std::min(a.hi, b.hi)};
        if (a.lo >= 0) return {0, a.hi};
        return b.lo >= 0 ? Interval{0, b.hi} : Interval{};
      case Opcode::I32Or:
        return not_negative ? Interval{std::max(a.lo, b.lo), bits_below(std::max(a.hi, b.hi)).hi} : Interval{};
      case Opcode::I32Xor: return not_negative ? bits_below(std::max(a.hi, b.hi)) : Interval{};
      case Opcode::I32ShrU:
        if (a.lo >= 0) return known ? Interval{a.lo >> count, a.hi >> count} : Interval{0, a.hi};
        return known && count != 0 ? Interval{0, int64_t{0xffffffff} >> count} : Interval{};
      case Opcode::I32ShrS:
        if (known) return {a.lo >> count, a.hi >> count};
        return {std::min(a.lo, int64_t{0}), std::max(a.hi, int64_t{0})};
      case Opcode::I32Shl:
        return known ? checked(a.lo * (int64_t{1} << count), a.hi * (int64_t{1} << count)) : Interval{};
      case Opcode::I32DivS:
      case Opcode::I32DivU: return a.lo >= 0 && b.lo > 0 ? Interval{a.lo / b.hi, a.hi / b.lo} : Interval{};
      case Opcode::I32RemU:
        if (b.lo <= 0) return {};
        return {0, a.lo >= 0 ? std::min(a.hi, b.hi - 1) : b.hi - 1};
      case Opcode::I32RemS: {
        const int64_t most = std::max(std::abs(b.lo), std::abs(b.hi)) - 1;
        if (most < 0) return {};
        return {a.lo >= 0 ? 0 : -most, a.hi <= 0 ? 0 : most};
      }
      default: return {};
    }
  }

  // --- Decisions.
  void decide() {
    size_t size = 64;
    while (size < func_.inst_count() / 4) size *= 2;
    mask_ = size - 1;
    table_.assign(size, kNone);
    for (const BlockId b : cfg_.rpo()) {
      at_ = facts_of_[b.index()];
      ir::for_each_inst(func_, b, [&](InstId i) {
        const Inst& inst = func_.inst(i);
        if (inst.op == Op::ArrayGet || inst.op == Op::ArraySet) {
          access(i, b);
        } else if (inst.op == Op::Compute) {
          compute(i, inst);
        }
      });
    }
  }

  void access(InstId i, BlockId b) {
    if (func_.inst(i).sense != 0) return;
    if (in_bounds(func_.arg(i, 0), func_.arg(i, 1)) || accessed_before(i, b)) {
      if (gate_.allow(Rewrite::kInBounds, func_.arg(i, 1))) func_.edit(i).sense = 1;
    }
  }

  ValueId root(ValueId v) const {
    for (int steps = 0; steps < 8; ++steps) {
      const Inst* def = func_.def(v);
      if (def == nullptr || (def->op != Op::NullCheck && def->op != Op::Cast && def->op != Op::Refine)) break;
      v = func_.arg(func_.value(v).inst, 0);
    }
    return v;
  }

  // Whether an access of the same array and index dominates this one; if not, this one is remembered.
  bool accessed_before(InstId i, BlockId b) {
    const ValueId array = root(func_.arg(i, 0));
    const ValueId index = func_.arg(i, 1);
    uint64_t h = (uint64_t{array.raw} << 32 | index.raw) * 0x9e3779b97f4a7c15u;
    uint32_t& known = table_[(h >> 32) & mask_];
    if (known != kNone) {
      const InstId before(known);
      if (root(func_.arg(before, 0)) == array && func_.arg(before, 1) == index &&
          cfg_.dominates(func_.inst(before).block, b)) {
        return true;
      }
    }
    known = i.raw;
    return false;
  }

  bool in_bounds(ValueId array, ValueId index) const {
    const Interval r = range(index, at_);
    const ValueId length = allocated_length(array);
    if (length.valid()) {
      const int64_t slack = fault_fires(Fault::kBCE1) ? 1 : 0;
      if (r.within(0, range(length, at_).lo - 1 + slack)) return true;
    }
    return below(index, array, at_, kMaxDepth);
  }

  // The operand that gave the array its length; invalid when it was not made here.
  ValueId allocated_length(ValueId array) const {
    const ValueId made = root(array);
    const Inst* def = func_.def(made);
    if (def == nullptr) return {};
    if (def->op == Op::ArrayAlloc) return func_.arg(func_.value(made).inst, 0);
    if (def->op == Op::ArrayNewData || def->op == Op::ArrayNewElem) return func_.arg(func_.value(made).inst, 1);
    return {};
  }

  bool is_length(ValueId v, ValueId array) const {
    const Inst* def = func_.def(v);
    if (def != nullptr && def->op == Op::ArrayLen && root(func_.arg(func_.value(v).inst, 0)) == root(array))
      return true;
    return v == allocated_length(array);
  }

  // Whether 0 <= v < length of `array`, where the list of facts begins with `facts`.
  bool below(ValueId v, ValueId array, uint32_t facts, int depth) const {
    const Interval r = range(v, facts);
    int steps = 0;
    for (uint32_t f = facts; f != kNone && steps < kMaxSteps; f = facts_[f].next, ++steps) {
      const Fact& fact = facts_[f];
      if (fact.a != v || !fact.b.valid() || !is_length(fact.b, array)) continue;
      // Lengths are not negative, so that a smaller number without sign is not negative either.
      if (!fact.is_signed || r.lo >= 0) return true;
    }
    const ValueId length = allocated_length(array);
    if (length.valid() && r.within(0, range(length, facts).lo - 1)) return true;
    if (depth == 0) return false;
    const ir::Value& value = func_.value(v);
    if (value.block.valid()) return r.lo >= 0 && below_on_entry(value, array, depth - 1);
    // x - c, where x is at least c: below whatever x is below.
    const Inst& def = func_.inst(value.inst);
    if (def.op != Op::Compute || def.opcode != Opcode::I32Add || r.lo < 0) return false;
    const ValueId x = func_.arg(value.inst, 0);
    const Interval added = range(func_.arg(value.inst, 1), facts);
    const Interval of_x = range(x, facts);
    return added.hi <= 0 && of_x.lo >= 0 && of_x.lo + added.lo >= 0 && below(x, array, facts, depth - 1);
  }

  // A parameter is below the length when it is on every edge, and the length was known before.
  bool below_on_entry(const ir::Value& param, ValueId array, int depth) const {
    constexpr size_t kMostEdges = 4;
    const auto preds = cfg_.preds(param.block);
    if (param.block == Func::kEntry || preds.size() > kMostEdges) return false;
    const ir::Value& made = func_.value(root(array));
    const BlockId known = made.block.valid() ? made.block : func_.inst(made.inst).block;
    if (known == param.block || !cfg_.dominates(known, param.block))
      return false;  // else it may be another array there
    return std::ranges::all_of(preds, [&](BlockId pred) {
      return below(func_.arg(func_.terminator(pred), param.index), array, facts_of_[pred.index()], depth);
    });
  }

  void compute(InstId i, const Inst& inst) {
    const Opcode op = inst.opcode;
    if (is_division(op)) return division(i, inst);
    if (op == Opcode::I64ExtendI32S) {
      if (operand(i, 0).lo >= 0 && gate_.allow(Rewrite::kCheaper, inst.first_result)) {
        func_.edit(i).opcode = Opcode::I64ExtendI32U;
      }
      return;
    }
    if (op == Opcode::I32And) return mask(i, inst);
    if (op < Opcode::I32Eqz || op > Opcode::I32GeU) return;
    const Interval b = inst.args_count == 2 ? operand(i, 1) : Interval{0, 0};
    const auto outcome = decided(op, operand(i, 0), b);
    if (!outcome || !gate_.allow(Rewrite::kRangeDecided, inst.first_result)) return;
    substitute(i, *outcome ? 1 : 0);
  }

  void substitute(InstId i, uint64_t bits) {
    const ir::Type type = wasm::kI32;
    const InstId made =
        func_.make({.op = Op::Const, .imm = bits, .offset = func_.inst(i).offset}, {}, std::span(&type, 1));
    func_.insert_before(i, made);
    func_.replace(func_.result(i), func_.result(made));
    func_.remove(i);
  }

  // x & (2^k - 1), where x has no other bits.
  void mask(InstId i, const Inst& inst) {
    const Interval m = operand(i, 1);
    if (m.lo != m.hi || m.lo < 0 || !std::has_single_bit(static_cast<uint64_t>(m.lo) + 1)) return;
    if (!operand(i, 0).within(0, m.lo) || !gate_.allow(Rewrite::kMaskIdle, inst.first_result)) return;
    func_.replace(func_.result(i), func_.arg(i, 0));
    func_.remove(i);
  }

  void division(InstId i, const Inst& inst) {
    const Interval d = operand(i, 1);
    const bool safe = d.lo > 0 || d.hi < -1;
    if (safe && inst.sense == 0 && gate_.allow(Rewrite::kNoTrap, inst.first_result)) func_.edit(i).sense = 1;
  }

  static std::optional<bool> decided(Opcode op, Interval a, Interval b) {
    const bool same_sign = (a.lo >= 0 && b.lo >= 0) || (a.hi < 0 && b.hi < 0);
    const bool less = a.hi < b.lo;
    const bool less_equal = a.hi <= b.lo;
    const bool greater = a.lo > b.hi;
    const bool greater_equal = a.lo >= b.hi;
    const bool equal = a.lo == a.hi && b.lo == b.hi && a.lo == b.lo;
    const auto choose = [](bool yes, bool no) -> std::optional<bool> {
      if (yes) return true;
      if (no) return false;
      return {};
    };
    switch (op) {
      case Opcode::I32Eqz:
      case Opcode::I32Eq: return choose(equal, less || greater);
      case Opcode::I32Ne: return choose(less || greater, equal);
      case Opcode::I32LtU:
        if (!same_sign) return {};
        [[fallthrough]];
      case Opcode::I32LtS: return choose(less, greater_equal);
      case Opcode::I32GtU:
        if (!same_sign) return {};
        [[fallthrough]];
      case Opcode::I32GtS: return choose(greater, less_equal);
      case Opcode::I32LeU:
        if (!same_sign) return {};
        [[fallthrough]];
      case Opcode::I32LeS: return choose(less_equal, greater);
      case Opcode::I32GeU:
        if (!same_sign) return {};
        [[fallthrough]];
      case Opcode::I32GeS: return choose(greater_equal, less);
      default: return {};
    }
  }

  Func& func_;
  const ir::Cfg& cfg_;
  Gate& gate_;
  std::vector<uint32_t>& table_;  // accesses, by array and index
  size_t mask_ = 0;
  Scratch<Interval> ranges_;
  Scratch<uint32_t> facts_of_;  // by block: its list
  Scratch<Fact> facts_;
  Scratch<BlockId> heads_;
  Scratch<bool> is_head_;
  uint32_t at_ = kNone;  // the list where the walk is
  bool settled_ = false;
};

}  // namespace

Result<> use_ranges(PassContext& context) {
  Ranges(context).run();
  return {};
}

}  // namespace parallax::opt
