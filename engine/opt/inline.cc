// Inlining: a direct call becomes the body of its callee.
//
// Calls are gathered outermost first, then those inside what was inlined, a few levels deep. A callee is taken when it
// is small, larger ones when the call stands in a loop, and only while the function grows by a bounded amount, so that
// compilation stays linear in the size of the module. Bodies come from translation (callees.h); the passes behind this
// one simplify caller and callee together.
//
// Nothing that is counted changes:                                                                  [keeps I4]
//   * fuel: the body brings its own Budget operations;
//   * depth: a DepthCheck stands before them, where the entry would count the call, and every call that remains in the
//     body says how many inlined calls it stands in (`levels`), so that its callee finds the depth that it would find;
//   * places: instructions keep their offsets, which are unique in a module and so tell the function too.
//
// Exceptions: below a handler of the caller a throw in the body becomes a jump to it, and calls become invokes with
// landing blocks of their own. A tail call in the body becomes a call from the caller's frame, as deep as it would be.
#include <algorithm>
#include <tuple>

#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"
#include "engine/opt/splice.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Type;
using ir::ValueId;

// Sizes are instructions as translation leaves them.
constexpr uint32_t kMaxRounds = 5;          // levels of calls in calls
constexpr uint32_t kMaxSelf = 1;            // how often a function may stand among its own callers
constexpr uint32_t kMaxBodyBytes = 600;     // WebAssembly code of a callee that is translated at all
constexpr size_t kAlwaysSize = 24;          // smaller than what a call costs
constexpr size_t kColdSize = 60;            // outside loops
constexpr size_t kHotSize = 240;            // inside loops
constexpr size_t kSelfSize = 60;            // recursion
constexpr size_t kGrowthAtLeast = 250;      // that much a function may always grow,
constexpr size_t kGrowthFactor = 1;         // or by so many times its size,
constexpr size_t kGrowthAtMost = 1'000;     // but no more than this
constexpr size_t kColdGrowthAtLeast = 48;   // outside loops; or by a quarter of its size
constexpr uint32_t kLoopWorkPerBlock = 16;  // bound on the search for loops

// By block: in how many loops it stands.
void find_loop_depths(const Func& func, const ir::Cfg& cfg, Scratch<uint32_t>& depths) {
  depths.assign(func.block_count(), 0);
  if (!cfg.has_cycles()) return;
  Scratch<uint32_t> member(func.block_count(), ~0u);  // head of the loop that was found to contain it last
  Scratch<BlockId> work;
  uint64_t budget = uint64_t{kLoopWorkPerBlock} * cfg.rpo().size();
  for (const BlockId head : cfg.rpo()) {
    for (const BlockId pred : cfg.preds(head)) {
      if (cfg.dominates(head, pred)) work.push_back(pred);
    }
    if (work.empty()) continue;
    member[head.index()] = head.raw;
    ++depths[head.index()];
    while (!work.empty()) {
      const BlockId b = work.back();
      work.pop_back();
      if (member[b.index()] == head.raw || budget == 0) continue;
      --budget;
      member[b.index()] = head.raw;
      ++depths[b.index()];
      for (const BlockId pred : cfg.preds(b)) work.push_back(pred);
    }
  }
}

class Inliner {
 public:
  explicit Inliner(PassContext& context)
      : context_(context), func_(context.func), gate_(context.gate), splicer_(context.func) {}

  void run() {
    if (context_.callees == nullptr) return;
    if (func_.inlined.original == 0) func_.inlined.original = static_cast<uint32_t>(func_.inst_count());
    gather_own();
    for (uint32_t round = 0; round < kMaxRounds && !sites_.empty(); ++round) {
      decide();
      // The last ones first, so that splitting a block moves each instruction once.
      next_.clear();
      for (size_t n = accepted_.size(); n-- > 0;) expand(accepted_[n]);
      sites_.swap(next_);
    }
    func_.inlined.seen = static_cast<uint32_t>(func_.inst_count());
    if (!splicer_.changed()) return;
    context_.control_changed = true;
    splicer_.finish();
  }

 private:
  static constexpr uint32_t kNoChain = ~0u;
  struct Site {
    InstId call;
    uint32_t loop_depth = 0;
    uint32_t chain = kNoChain;  // the inlined calls that it stands in, innermost first
    uint32_t position = 0;
  };
  struct Chain {
    wasm::FuncIndex func;
    uint32_t outer = kNoChain;
  };

  // --- Gathering.
  void gather_own() {
    find_loop_depths(func_, context_.cfg, depths_);
    for (const BlockId b : context_.cfg.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        if (i.raw >= func_.inlined.seen) consider(i, depths_[b.index()], kNoChain, sites_);
      }
    }
  }

  void consider(InstId i, uint32_t loop_depth, uint32_t chain, Scratch<Site>& sites) {
    const Inst& inst = func_.inst(i);
    if (inst.op != Op::Call && inst.op != Op::ReturnCall) return;
    const wasm::Func& callee = func_.module().funcs[inst.a];
    if (callee.imported || callee.body.size() > kMaxBodyBytes) return;
    if (inst.op == Op::ReturnCall && wasm::FuncIndex(inst.a) == func_.index()) return;
    if (times_in_chain(wasm::FuncIndex(inst.a), chain) > kMaxSelf) return;
    sites.push_back({i, loop_depth, chain, 0});
  }

  uint32_t times_in_chain(wasm::FuncIndex func, uint32_t chain) const {
    uint32_t times = func == func_.index() ? 1 : 0;
    for (; chain != kNoChain; chain = chains_[chain].outer) times += chains_[chain].func == func ? 1 : 0;
    return times;
  }

  // --- Deciding: the innermost loops first, while there is room.
  void decide() {
    accepted_.clear();
    for (uint32_t n = 0; n < sites_.size(); ++n) sites_[n].position = n;
    by_heat_ = sites_;
    std::ranges::sort(by_heat_, {}, [](const Site& s) { return std::pair(~s.loop_depth, s.position); });
    for (const Site& site : by_heat_) {
      if (worth(site)) accepted_.push_back(site);
    }
    std::ranges::sort(accepted_, {}, &Site::position);
  }

  bool worth(const Site& site) {
    const Inst& call = func_.inst(site.call);
    const wasm::FuncIndex callee(call.a);
    const auto known_size = context_.callees->size(callee);
    if (!known_size) return false;
    const size_t size = *known_size;
    const bool recursive = times_in_chain(callee, site.chain) != 0;
    const size_t limit = recursive ? kSelfSize : site.loop_depth != 0 ? kHotSize : kColdSize;
    if (size > kAlwaysSize && size > limit) return false;
    const size_t original = func_.inlined.original;
    const size_t room = site.loop_depth != 0
                            ? std::min(kGrowthAtMost, std::max(kGrowthAtLeast, kGrowthFactor * original))
                            : std::min(kGrowthAtMost, std::max(kColdGrowthAtLeast, original / 4));
    if (func_.inlined.grown + size > room) return false;
    if (!gate_.allow(Rewrite::kInline, call.results_count != 0 ? call.first_result : ValueId())) return false;
    func_.inlined.grown += static_cast<uint32_t>(size);
    return true;
  }

  // --- Expanding one call.
  struct Place : OpenCall {
    wasm::FuncIndex callee;
    uint64_t levels = 0;  // inlined calls around the body's own calls
    uint32_t loop_depth = 0;
    uint32_t chain = kNoChain;
  };

  void expand(const Site& site) {
    const Inst call = func_.inst(site.call);
    const wasm::FuncIndex callee(call.a);
    const Func* body = context_.callees->body(callee);
    if (body == nullptr) return;
    map_arguments(site.call, *body);
    Place place{splicer_.open(site.call)};
    place.callee = callee;
    place.levels = is_tail_call(call.op) ? 0 : call.imm + 1;
    place.loop_depth = site.loop_depth;
    place.chain = static_cast<uint32_t>(chains_.size());
    chains_.push_back({callee, site.chain});
    copy_body(*body, place);
  }

  void map_arguments(InstId call, const Func& body) {
    values_.assign(body.value_count(), ValueId());
    const auto params = body.params(Func::kEntry);
    for (size_t n = 0; n < params.size(); ++n) values_[params[n].index()] = func_.arg(call, n);
    for (size_t n = 1; n < params.size(); ++n) {
      ValueId& before = values_[params[n - 1].index()];
      ValueId& here = values_[params[n].index()];
      if (func_.type(before) == func_.type(here) && before != here && fault_fires(Fault::kINL2)) before = here;
    }
  }

  // --- Copying.
  void copy_body(const Func& body, const Place& place) {
    ir::Cfg& cfg = context_.callee_cfg;
    cfg.compute(body);
    find_loop_depths(body, cfg, body_depths_);
    blocks_.assign(body.block_count(), BlockId());
    blocks_[Func::kEntry.index()] = place.block;
    for (const BlockId b : cfg.rpo()) {
      if (b == Func::kEntry) continue;
      const BlockId made = blocks_[b.index()] = splicer_.new_block();
      func_.edit(made).landing = body.block(b).landing;
      func_.edit(made).loop_head = body.block(b).loop_head;
      for (const ValueId param : body.params(b)) values_[param.index()] = func_.add_param(made, body.type(param));
    }
    if (place.levels != 0) {
      splicer_.append(place.block,
                      {.op = Op::DepthCheck,
                       .a = static_cast<uint32_t>(place.levels),
                       .b = place.callee.raw,
                       .offset = func_.module().funcs[place.callee.index()].body.begin},
                      {});
    }
    for (const BlockId b : cfg.rpo()) {
      at_ = blocks_[b.index()];
      loop_depth_ = place.loop_depth + body_depths_[b.index()];
      ir::for_each_inst(body, b, [&](InstId i) { copy(body, i, place); });
    }
  }

  void copy(const Func& body, InstId i, const Place& place) {
    const Inst& inst = body.inst(i);
    args_.clear();
    for (const ValueId arg : body.args(i)) args_.push_back(values_[arg.index()]);
    if (inst.op == Op::Budget && !func_.poll_at_budget && i == body.block(Func::kEntry).first &&
        fault_fires(Fault::kINL1)) {
      return;
    }
    if (inst.op == Op::Return && place.after.valid()) return splicer_.jump(at_, place.after, args_, inst.offset);
    if (inst.op == Op::Throw && place.handler.valid()) return splicer_.jump(at_, place.handler, args_, inst.offset);
    if (is_tail_call(inst.op) && place.after.valid()) return call_and_return(inst, place);
    targets_.clear();
    for (const BlockId target : body.targets(i)) targets_.push_back(blocks_[target.index()]);
    types_.clear();
    for (uint32_t n = 0; n < inst.results_count; ++n) types_.push_back(body.type(body.result(i, n)));
    Inst proto = inst;
    if (is_call(inst.op)) proto.imm += place.levels;
    // Calls that no handler of the body stands around get that of the caller.
    const InstId made = is_call(inst.op) && targets_.empty() ? splicer_.call(at_, proto, args_, types_, place.handler)
                                                             : splicer_.append(at_, proto, args_, types_, targets_);
    for (uint32_t n = 0; n < inst.results_count; ++n) values_[body.result(i, n).index()] = func_.result(made, n);
    if (inst.op == Op::Call || inst.op == Op::ReturnCall) consider(made, loop_depth_, place.chain, next_);
  }

  // The body's frame is left before its tail callee is entered, so that one is a level less deep.
  void call_and_return(const Inst& inst, const Place& place) {
    Inst proto = inst;
    proto.op = call_for(inst.op);
    proto.imm = place.levels - 1;
    const wasm::SubType& type = inst.op == Op::ReturnCall ? func_.module().func_type(wasm::FuncIndex(inst.a))
                                                          : func_.types().get(wasm::TypeId(inst.a));
    types_.assign(type.results.begin(), type.results.end());
    const InstId made = splicer_.call(at_, proto, args_, types_, place.handler);
    results_.clear();
    for (uint32_t n = 0; n < types_.size(); ++n) results_.push_back(func_.result(made, n));
    splicer_.jump(at_, place.after, results_, inst.offset);
    consider(made, loop_depth_, place.chain, next_);
  }

  PassContext& context_;
  Func& func_;
  Gate& gate_;
  Splicer splicer_;
  Scratch<uint32_t> depths_;
  Scratch<Site> sites_;
  Scratch<Site> next_;
  Scratch<Site> by_heat_;
  Scratch<Site> accepted_;
  Scratch<Chain> chains_;

  // Of the body being copied.
  Scratch<uint32_t> body_depths_;
  Scratch<ValueId> values_;  // by its ValueId
  Scratch<BlockId> blocks_;  // by its BlockId
  BlockId at_;
  uint32_t loop_depth_ = 0;
  Scratch<ValueId> args_;
  Scratch<ValueId> results_;
  Scratch<Type> types_;
  Scratch<BlockId> targets_;
};

}  // namespace

Result<> inline_calls(PassContext& context) {
  Inliner(context).run();
  return {};
}

}  // namespace parallax::opt
