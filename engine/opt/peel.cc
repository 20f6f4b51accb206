// Loop peeling: the first iteration of a small innermost loop gets code of its own.
//
// What traps cannot be moved in front of a loop, because the Budget at the loop's head comes first. In a peeled iteration
// the same checks stand before the loop in the order of the program, and value numbering and load forwarding then take
// them out of the loop. So a loop is peeled when it has checks or reads that are the same in every iteration and traps
// among them: null checks and casts of what the loop does not change, with the lengths, fields and elements behind them.
//
// The copy keeps every Budget: each iteration still costs its unit. Every way out of the loop gets a block where the
// values that live on are parameters, one argument from the loop and one from the copy. Loops whose values are used where
// no single way out leads, or whose tests prove something outside, stay as they are.             [keeps I3, I4]
#include <algorithm>
#include <utility>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/ir/loops.h"
#include "engine/opt/passes.h"
#include "engine/opt/places.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Loop;
using ir::LoopId;
using ir::Op;
using ir::ValueId;

constexpr uint32_t kMaxBlocks = 10;   // of a loop
constexpr uint32_t kMaxInsts = 80;    // of a loop
constexpr uint32_t kMaxGrowth = 800;  // instructions of one function
constexpr size_t kMaxWays = 4;        // out of a loop
constexpr uint32_t kWorthIt = 2;

class Peel {
 public:
  explicit Peel(PassContext& context)
      : context_(context), func_(context.func), cfg_(context.cfg), loops_(context.loops()) {}

  void run() {
    if (std::ranges::none_of(loops_.all(), is_candidate)) return;
    blocks_of_.assign(loops_.all().size(), {});
    for (const BlockId b : cfg_.rpo()) {
      const LoopId loop = loops_.of(b);
      if (loop.valid() && !loops_[loop].has_inner) blocks_of_[loop.index()].push_back(b);
    }
    map_.assign(func_.value_count(), {});
    block_map_.assign(func_.block_count(), {});
    for (uint32_t n = 0; n < loops_.all().size(); ++n) {
      const Loop& loop = loops_.all()[n];
      if (is_candidate(loop)) consider(loop, blocks_of_[n]);
    }
    if (!placed_.empty()) place_blocks();
  }

 private:
  // A way out: the terminator of `from` leads to `to`, which has no other predecessor.
  struct Way {
    BlockId from;
    BlockId to;
    BlockId join{};           // where the copy and the loop meet
    Scratch<ValueId> values;  // of the loop, used behind
    Scratch<ValueId> params;
  };

  // A value that is the same in every iteration; whether a trap comes before it.
  struct Same {
    ValueId value;
    bool behind;
  };

  static bool is_candidate(const Loop& loop) {
    return loop.preheader.valid() && !loop.has_inner && loop.blocks <= kMaxBlocks;
  }

  // A new block and the one in front of which it stands.
  struct Placed {
    BlockId before;
    BlockId block;
    size_t number;  // of several, in this order
  };
  void place(BlockId before, BlockId block) { placed_.push_back({before, block, placed_.size()}); }

  void consider(const Loop& loop, const Scratch<BlockId>& blocks) {
    uint32_t insts = 0;
    for (const BlockId b : blocks) {
      if (func_.block(b).landing) return;
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) ++insts;
    }
    if (insts > kMaxInsts || growth_ + insts > kMaxGrowth) return;
    blocks_ = &blocks;
    for (const BlockId b : blocks) block_map_[b.index()] = b;  // marks the loop's blocks until they are copied
    const bool done = profit() >= kWorthIt && find_ways() && find_values() &&
                      context_.gate.allow(Rewrite::kPeeled, first_value(loop.head));
    if (done) {
      growth_ += insts;
      peel(loop);
    }
    for (const BlockId b : blocks) block_map_[b.index()] = {};
  }

  ValueId first_value(BlockId head) const { return func_.params(head).empty() ? ValueId() : func_.params(head)[0]; }
  bool inside(BlockId b) const { return b.index() < block_map_.size() && block_map_[b.index()].valid(); }
  bool inside(ValueId v) const { return inside(ir::definition_block(func_, v)); }

  // Blocks are lowered in order(), where definitions stand before their uses: what was made goes in front of its loop, or
  // in front of where a way out leads.
  void place_blocks() {
    std::ranges::sort(placed_, {}, [](const Placed& p) { return std::pair(p.before, p.number); });
    Scratch<BlockId> order;
    for (const BlockId b : func_.order()) {
      if (b.index() >= block_map_.size()) break;  // the new ones stand last
      const auto here = std::ranges::equal_range(placed_, b, {}, &Placed::before);
      for (const Placed& p : here) order.push_back(p.block);
      order.push_back(b);
    }
    func_.set_order(order);
  }

  // --- Is it worth it? What would leave the loop, once the checks before it have been made.
  uint32_t profit() {
    Places writes;
    for (const BlockId b : *blocks_) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if ((func_.flags(inst) & ir::kWrites) != 0) writes |= writes_of(func_, inst);
      }
    }
    uint32_t gain = 0;
    same_.clear();
    for (const BlockId b : *blocks_) {
      if (!passed_always(b)) continue;
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) gain += gain_of(i, writes);
    }
    return gain;
  }

  bool passed_always(BlockId b) const {
    const BlockId head = blocks_->front();
    return std::ranges::all_of(cfg_.preds(head),
                               [&](BlockId pred) { return !cfg_.dominates(head, pred) || cfg_.dominates(b, pred); });
  }

  uint32_t gain_of(InstId i, const Places& writes) {
    const Inst& inst = func_.inst(i);
    const uint16_t flags = func_.flags(inst);
    if (inst.results_count != 1 || (flags & ~(ir::kTraps | ir::kReads)) != 0) return 0;
    bool behind = (flags & ir::kTraps) != 0;  // a trap, or something behind one: no other pass moves it
    for (const ValueId arg : func_.args(i)) {
      if (!inside(arg)) continue;
      const auto known = std::ranges::find(same_, arg, &Same::value);
      if (known == same_.end()) return 0;
      behind |= known->behind;
    }
    if (reads_of(func_, inst).meets(writes)) return 0;
    same_.push_back({inst.first_result, behind});
    if (!behind) return 0;
    return inst.op == Op::NullCheck || inst.op == Op::Refine ? 1 : 2;
  }

  // --- Can it be done?
  bool find_ways() {
    ways_.clear();
    for (const BlockId b : *blocks_) {
      const InstId end = func_.terminator(b);
      if (func_.is_invoke(func_.inst(end))) return false;
      for (const BlockId to : func_.targets(end)) {
        if (inside(to)) continue;
        if (cfg_.preds(to).size() != 1 || func_.block(to).landing || ways_.size() == kMaxWays) return false;
        ways_.push_back({b, to, {}, {}, {}});
      }
    }
    return true;
  }

  // Values of the loop that are used behind it, by the way that leads there.
  bool find_values() {
    for (const BlockId b : cfg_.rpo()) {
      if (inside(b)) continue;
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        if (func_.inst(i).op == Op::Refine && proven_inside(func_.args(i)[1])) return false;
        if (func_.inst(i).op == Op::ExnGet && !ways_.empty()) return false;
        for (const ValueId arg : func_.args(i)) {
          if (!inside(arg)) continue;
          Way* way = way_to(b);
          if (way == nullptr || is_test(arg)) return false;
          if (std::ranges::find(way->values, arg) == way->values.end()) way->values.push_back(arg);
        }
      }
    }
    return true;
  }

  Way* way_to(BlockId b) {
    for (Way& way : ways_) {
      if (cfg_.dominates(way.to, b)) return &way;
    }
    return nullptr;
  }
  bool is_test(ValueId v) const {
    const Inst* def = func_.def(v);
    return def != nullptr && (def->op == Op::RefTest || def->op == Op::RefIsNull || def->op == Op::ExnTest);
  }
  // Whether a branch of the loop may be what decides the test.
  bool proven_inside(ValueId test) const {
    return std::ranges::any_of(*blocks_, [&](BlockId b) {
      const InstId end = func_.terminator(b);
      return func_.inst(end).op == Op::Branch && func_.args(end)[0] == test;
    });
  }

  // --- Doing it.
  void peel(const Loop& loop) {
    context_.control_changed = true;
    const InstId enter = func_.terminator(loop.preheader);
    for (const BlockId b : *blocks_) copy_params(b);
    make_preheader(loop.head);
    for (const BlockId b : *blocks_) copy_insts(b, loop.head);
    const BlockId first = block_map_[loop.head.index()];
    func_.set_targets(enter, std::span(&first, 1));
    for (Way& way : ways_) join(way);
    use_joined();
  }

  void copy_params(BlockId b) {
    const BlockId copy = func_.add_block();
    place(blocks_->front(), copy);
    block_map_[b.index()] = copy;
    for (uint32_t n = 0; n < func_.params(b).size(); ++n) {
      const ValueId param = func_.params(b)[n];
      map_[param.index()] = func_.add_param(copy, func_.type(param));
    }
  }

  // The copy's ways back meet in a block that enters the loop.
  void make_preheader(BlockId head) {
    again_ = func_.add_block();
    place(head, again_);
    args_.clear();
    for (uint32_t n = 0; n < func_.block(head).params_count; ++n) {
      args_.push_back(func_.add_param(again_, func_.type(func_.params(head)[n])));
    }
    const wasm::WasmOffset offset = func_.inst(func_.block(head).first).offset;
    func_.append(again_, func_.make({.op = Op::Jump, .offset = offset}, args_, {}, std::span(&head, 1)));
  }

  ValueId mapped(ValueId v) const { return v.index() < map_.size() && map_[v.index()].valid() ? map_[v.index()] : v; }

  void copy_insts(BlockId b, BlockId head) {
    for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
      const Inst inst = func_.inst(i);
      if (inst.op == Op::Budget && b == head && fault_fires(Fault::kPEEL1)) continue;
      args_.clear();
      types_.clear();
      targets_.clear();
      for (const ValueId arg : func_.args(i)) args_.push_back(mapped(arg));
      for (uint32_t n = 0; n < inst.results_count; ++n) types_.push_back(func_.type(func_.result(i, n)));
      for (const BlockId to : func_.targets(i)) {
        targets_.push_back(to == head ? again_ : inside(to) ? block_map_[to.index()] : to);
      }
      const InstId copy = func_.make(inst, args_, types_, targets_);
      for (uint32_t n = 0; n < inst.results_count; ++n) map_[func_.result(i, n).index()] = func_.result(copy, n);
      func_.append(block_map_[b.index()], copy);
    }
  }

  // from -> to and its copy become from -> edge -> join -> to.
  void join(Way& way) {
    way.join = func_.add_block();
    for (const ValueId v : way.values) way.params.push_back(func_.add_param(way.join, func_.type(v)));
    args_.clear();
    for (const ValueId v : way.values) args_.push_back(mapped(v));
    lead(block_map_[way.from.index()], way.to, way.join, args_);
    lead(way.from, way.to, way.join, way.values);
    const InstId go = func_.make({.op = Op::Jump, .offset = func_.inst(func_.terminator(way.from)).offset}, {}, {},
                                 std::span(&way.to, 1));
    func_.append(way.join, go);
    place(way.to, way.join);
  }

  void lead(BlockId from, BlockId to, BlockId join, std::span<const ValueId> values) {
    const BlockId edge = func_.add_block();
    place(to, edge);
    const InstId end = func_.terminator(from);
    const InstId go = func_.make({.op = Op::Jump, .offset = func_.inst(end).offset}, values, {}, std::span(&join, 1));
    func_.append(edge, go);
    targets_.assign(func_.targets(end).begin(), func_.targets(end).end());
    std::ranges::replace(targets_, to, edge);
    func_.set_targets(end, targets_);
  }

  // Behind a way, its parameters stand for the values of the loop. New blocks are not in the graph yet.
  void use_joined() {
    for (const BlockId b : cfg_.rpo()) {
      if (inside(b)) continue;
      const Way* way = way_to(b);
      if (way == nullptr || way->values.empty()) continue;
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        for (uint32_t n = 0; n < func_.inst(i).args_count; ++n) {
          const auto found = std::ranges::find(way->values, func_.args(i)[n]);
          if (found != way->values.end()) func_.set_arg(i, n, way->params[size_t(found - way->values.begin())]);
        }
      }
    }
  }

  PassContext& context_;
  Func& func_;
  const ir::Cfg& cfg_;
  const ir::Loops& loops_;
  Scratch<Scratch<BlockId>> blocks_of_;
  const Scratch<BlockId>* blocks_ = nullptr;
  Scratch<Way> ways_;
  Scratch<Placed> placed_;
  Scratch<Same> same_;
  Scratch<ValueId> map_;        // values of the loop -> those of the copy
  Scratch<BlockId> block_map_;  // blocks of the loop -> those of the copy
  Scratch<ValueId> args_;
  Scratch<ir::Type> types_;
  Scratch<BlockId> targets_;
  BlockId again_;
  uint32_t growth_ = 0;
};

}  // namespace

Result<> peel_loops(PassContext& context) {
  Peel(context).run();
  return {};
}

}  // namespace parallax::opt
