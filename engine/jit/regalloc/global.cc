#include "engine/jit/regalloc/global.h"

#include <algorithm>

#include "engine/base/faults.h"
#include "engine/base/text.h"

namespace parallax::jit {

static constexpr size_t kMaxVRegs = 200'000;
static constexpr size_t kMaxLiveIns = 4'000'000;

// Distances of next uses are in instructions; these are added on the way.
static constexpr uint32_t kCallDistance = 1u << 12;  // a call is between: a register does not help
static constexpr uint32_t kColdDistance = 1u << 16;
static constexpr uint32_t kExitDistance = 1u << 20;  // out of a loop
static constexpr uint32_t kFurthest = 1u << 28;
// Blocks in loops below this share of the head's frequency do not count for what the loop needs.
static constexpr float kRareShare = 1.0f / 32;
// How often distances are carried around loops.
static constexpr uint32_t kSweeps = 3;
// How many fixed operands to come are looked at.
static constexpr uint32_t kLookahead = 8;
// Through how many parameters a wish is handed on.
static constexpr uint32_t kWishSteps = 3;

static uint32_t index_of(RegClass cls) { return static_cast<uint32_t>(cls); }

// --- Registers -----------------------------------------------------------------------------------------------------

uint32_t GlobalAllocator::random(uint32_t below) {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>((random_ >> 33) % below);
}

// One register of a non-empty set: the lowest, or under chaos any.
RegSet GlobalAllocator::chosen(RegSet candidates) {
  if (chaos_ == Chaos::kNone) return candidates & -candidates;
  for (uint32_t skip = random(static_cast<uint32_t>(std::popcount(candidates))); skip > 0; --skip) {
    candidates &= candidates - 1;
  }
  return candidates & -candidates;
}

void GlobalAllocator::bind(PReg reg, VReg v) {
  content_[reg] = v;
  occupied_ |= bit(reg);
  regs_[v.index()] |= bit(reg);
}

void GlobalAllocator::unbind(PReg reg) {
  if ((occupied_ & bit(reg)) == 0) return;
  regs_[content_[reg].index()] &= ~bit(reg);
  occupied_ &= ~bit(reg);
}

void GlobalAllocator::unbind_all(VReg v) {
  occupied_ &= ~regs_[v.index()];
  regs_[v.index()] = 0;
}

void GlobalAllocator::clear_registers() {
  for (RegSet set = occupied_; set != 0; set &= set - 1) regs_[content_[lowest(set)].index()] = 0;
  occupied_ = 0;
}

// Another constant of the same kind, for the fault.
VReg GlobalAllocator::wrong_const(VReg v) {
  for (uint32_t n = 0; n < func_->vreg_count(); ++n) {
    const VRegInfo& other = func_->vreg(VReg(n));
    if (other.is_const && n != v.raw && other.cls == cls(v) && other.room == func_->vreg(v).room) return VReg(n);
  }
  return v;
}

// Brings the value of `v` into the free register `reg`, from wherever it is.
void GlobalAllocator::load(PReg reg, VReg v) {
  if (is_const(v)) {
    push(Item::Kind::kConst, plant(AllocatorFault::kWrongConstant) ? wrong_const(v).raw : v.raw, Loc::reg(reg));
  } else if (regs_[v.index()] != 0) {
    push(Item::Kind::kMove, v.raw, Loc::reg(reg), Loc::reg(lowest(regs_[v.index()])));
  } else {
    spilled_[v.index()] = 1;
    stored_in_[v.index()] = block_ + 1;
    if (!plant(AllocatorFault::kForgetReload)) push(Item::Kind::kMove, v.raw, Loc::reg(reg), home(v));
  }
  bind(reg, v);
}

// A place where `v` may be stored; choose_stores decides whether it is.
void GlobalAllocator::store_site(VReg v, PReg reg, bool is_drop) {
  stores_.push_back({static_cast<uint32_t>(out_->items.size()), v, is_drop});
  (is_drop ? drop_cost_ : def_cost_)[v.index()] += flow_->frequency(block_);
  push(Item::Kind::kMove, v.raw, home(v), Loc::reg(reg));
}

// `v` is about to lose its last register, but lives on.
void GlobalAllocator::drop(VReg v, PReg reg) {
  spilled_[v.index()] = 1;
  if (stored_in_[v.index()] == block_ + 1) return;
  stored_in_[v.index()] = block_ + 1;
  if (!plant(AllocatorFault::kStaleSlot)) store_site(v, reg, true);
}

// Makes `reg` free: moves its value to a free register of `move_to`, or drops it to its slot.
void GlobalAllocator::vacate(PReg reg, RegSet move_to) {
  if ((occupied_ & bit(reg)) == 0) return;
  const VReg v = content_[reg];
  unbind(reg);
  const uint32_t next = next_[v.index()];
  if (regs_[v.index()] != 0 || is_const(v) || next == kDead) return;
  const RegSet free = move_to & allocatable(cls(v)) & ~occupied_ & ~locked_ & ~fixed_ & ~bit(reg);
  if (free == 0 || (next > next_call_ && chaos_ == Chaos::kNone)) {
    drop(v, reg);
    return;
  }
  const PReg to = choose(free, v);
  if (!plant(AllocatorFault::kSplitWithoutMove)) push(Item::Kind::kMove, v.raw, Loc::reg(to), Loc::reg(reg));
  bind(to, v);
}

// The register where the value had best be: of a fixed use, or of the parameter that it becomes, perhaps by way of others.
PReg GlobalAllocator::wish(VReg v) const {
  for (uint32_t steps = 0; steps < kWishSteps; ++steps) {
    if (hint_[v.index()] != kNoReg) return hint_[v.index()];
    if (wish_of_[v.index()] != kNoReg) return wish_of_[v.index()];
    v = becomes_[v.index()];
    if (!v.valid()) break;
  }
  return kNoReg;
}

// Registers that instructions overwrite while `v` is expected to be in one.
RegSet GlobalAllocator::overwritten_before_end(VReg v) const {
  const uint32_t last = last_[v.index()];
  const uint32_t limit = std::min(last, next_call_);
  RegSet regs = 0;
  uint32_t looked = 0;
  for (size_t n = events_.size(); n > 0 && events_[n - 1].position <= limit && looked < kLookahead; --n, ++looked) {
    regs |= events_[n - 1].regs;
  }
  const uint32_t loop = flow_->loop_of(block_);
  if (last == kDead && next_call_ == kDead && loop != Flow::kNone) regs |= loops_[loop].overwrites;
  return regs;
}

// A register of the set of free ones for `v`.
PReg GlobalAllocator::choose(RegSet free, VReg v) {
  if (chaos_ != Chaos::kNone) return lowest(chosen(free));
  const PReg hint = wish(v);
  if (hint != kNoReg && (free & bit(hint)) != 0) return hint;
  const RegSet good = free & ~overwritten_before_end(v);
  const uint32_t loop = flow_->loop_of(block_);
  const RegSet better = loop == Flow::kNone ? good : good & ~loops_[loop].params;
  return lowest(better != 0 ? better : good != 0 ? good : free);
}

// What is needed last, with cheap ones first among equals.
PReg GlobalAllocator::victim(RegSet allowed) {
  if (chaos_ != Chaos::kNone && chaos_ != Chaos::kWorst) return lowest(chosen(allowed));
  PReg best = lowest(allowed);
  uint64_t most = 0;
  for (RegSet set = allowed; set != 0; set &= set - 1) {
    const PReg reg = lowest(set);
    const VReg v = content_[reg];
    uint64_t next = next_[v.index()];
    // The next call takes it out of its register anyway; a second copy is as good as a free register.
    if (next > next_call_ || std::popcount(regs_[v.index()]) > 1) next = kDead;
    const uint64_t cheap = is_const(v) ? 3 : stored_in_[v.index()] == block_ + 1 ? 2 : spilled_[v.index()];
    uint64_t score = next * 4 + cheap + 1;
    if (chaos_ == Chaos::kWorst) score = ~score;
    if (score <= most) continue;
    most = score;
    best = reg;
  }
  return best;
}

// A register of the class in `allowed` for `v`, made free if necessary; kNoReg when all are locked.
PReg GlobalAllocator::pick(RegClass cls, RegSet allowed, VReg v) {
  allowed &= allocatable(cls) & ~locked_;
  const RegSet free = allowed & ~occupied_;
  const PReg hint = wish(v);
  if (chaos_ == Chaos::kNone && hint != kNoReg && (allowed & occupied_ & bit(hint)) != 0 && next_call_ != kDead &&
      next_[content_[hint].index()] > next_call_) {
    vacate(hint, 0);  // the call would drop it anyway
    return hint;
  }
  if (free != 0) return choose(free, v);
  if (allowed == 0) return kNoReg;
  const PReg worst = victim(allowed);
  vacate(worst, 0);
  return worst;
}

// --- Facts about the whole function --------------------------------------------------------------------------------

// How far uses are, what is live at once, what is overwritten, in one block.
void GlobalAllocator::survey(uint32_t b) {
  const MBlock& block = func_->blocks()[b];
  BlockFacts& facts = facts_[b];
  uint32_t before = 0;
  for (uint32_t i = block.first; i < block.end; ++i) before += func_->is_call(func_->inst(i)) ? 1 : 0;
  facts.calls = before != 0;
  facts.length = block.end - block.first + before * kCallDistance;
  uint32_t live[2] = {};
  const uint32_t is_live = ++token_;
  const auto add = [&](VReg v) {
    if (stamp_[v.index()] == is_live || is_const(v)) return;
    stamp_[v.index()] = is_live;
    ++live[index_of(cls(v))];
  };
  const auto see = [&](VReg v, uint32_t distance) {
    candidate_of_[v.index()] = b;  // scratch: seen here
    first_[v.index()] = distance;
  };
  liveness_.for_each_live_out(MBlockId(b), add);
  for (const MEdge& e : func_->edges(block)) {
    for (const VReg a : func_->args(e)) {
      add(a);
      see(a, facts.length);
    }
  }
  const auto note_pressure = [&] {
    for (uint32_t c = 0; c < 2; ++c) facts.pressure[c] = std::max(facts.pressure[c], live[c]);
  };
  note_pressure();
  for (uint32_t i = block.end; i-- > block.first;) {
    const MInst& inst = func_->inst(i);
    const bool call = func_->is_call(inst);
    if (call) --before;
    if (!call) facts.overwrites |= inst.clobbers;
    uint32_t temps[2] = {};
    for (const Operand& op : func_->operands(inst)) {
      if (op.where == Where::kFixed && !call) facts.overwrites |= bit(op.fixed);
      if (op.role == Role::kTemp) ++temps[index_of(cls(op.vreg))];
      if (op.role == Role::kUse || stamp_[op.vreg.index()] != is_live) continue;
      stamp_[op.vreg.index()] = 0;
      --live[index_of(cls(op.vreg))];
    }
    for (const Operand& op : func_->operands(inst)) {
      if (op.role != Role::kUse) continue;
      add(op.vreg);
      see(op.vreg, i - block.first + before * kCallDistance);
    }
    for (uint32_t c = 0; c < 2; ++c) live[c] += temps[c];
    note_pressure();
    for (uint32_t c = 0; c < 2; ++c) live[c] -= temps[c];
  }
  facts.live.begin = static_cast<uint32_t>(live_.size());
  liveness_.for_each_live_in(MBlockId(b), [&](VReg v) {
    const uint32_t here = candidate_of_[v.index()] == b ? first_[v.index()] : kDead;
    live_.push_back({v, here, here});
  });
  facts.live.end = static_cast<uint32_t>(live_.size());
}

void GlobalAllocator::summarize_loops() {
  loops_.assign(flow_->loops().size(), {});
  for (uint32_t b = 0; b < facts_.size(); ++b) {
    for (uint32_t l = flow_->loop_of(b); l != Flow::kNone; l = flow_->loops()[l].parent) {
      LoopFacts& loop = loops_[l];
      const float share = flow_->frequency(b) / flow_->frequency(flow_->loops()[l].head);
      if (share < kRareShare) continue;
      loop.calls = loop.calls || facts_[b].calls;
      loop.always_calls = loop.always_calls || (facts_[b].calls && share > 0.9f);
      loop.overwrites |= facts_[b].overwrites;
      for (uint32_t c = 0; c < 2; ++c) loop.pressure[c] = std::max(loop.pressure[c], facts_[b].pressure[c]);
    }
  }
}

// Which parameter each value is handed to most often.
void GlobalAllocator::wish_for_params() {
  for (uint32_t e = 0; e < func_->edges().size(); ++e) {
    const MEdge& edge = func_->edges()[e];
    const auto params = func_->params(func_->block(edge.to));
    const auto args = func_->args(edge);
    for (uint32_t p = 0; p < args.size(); ++p) {
      const size_t a = args[p].index();
      if (is_const(args[p]) || args[p] == params[p] || flow_->edge_frequency(e) <= becomes_weight_[a]) continue;
      becomes_weight_[a] = flow_->edge_frequency(e);
      becomes_[a] = params[p];
    }
  }
}

uint32_t GlobalAllocator::edge_distance(uint32_t from, uint32_t to) const {
  uint32_t distance = flow_->encloses(flow_->loop_of(from), flow_->loop_of(to)) ? 0 : kExitDistance;
  if (flow_->is_cold(to) && !flow_->is_cold(from)) distance += kColdDistance;
  return distance;
}

bool GlobalAllocator::measure_distances(uint32_t b) {
  const MBlock& block = func_->blocks()[b];
  const Range range = facts_[b].live;
  if (range.begin == range.end) return false;
  const uint32_t seen = ++token_;
  const auto gather = [&](uint32_t to) {
    const uint32_t more = edge_distance(b, to) + facts_[b].length;
    for (uint32_t n = facts_[to].live.begin; n < facts_[to].live.end; ++n) {
      const auto [v, distance, here] = live_[n];
      if (distance == kDead) continue;
      const uint32_t sum = std::min(distance + more, kFurthest);
      uint32_t& known = first_[v.index()];
      if (stamp_[v.index()] == seen && known <= sum) continue;
      stamp_[v.index()] = seen;
      known = sum;
    }
  };
  for (const MEdge& e : func_->edges(block)) gather(e.to.raw);
  if (block.exception_target.valid()) gather(block.exception_target.raw);
  bool changed = false;
  for (uint32_t n = range.begin; n < range.end; ++n) {
    LiveIn& in = live_[n];
    if (in.here != kDead || stamp_[in.v.index()] != seen || in.distance <= first_[in.v.index()]) continue;
    in.distance = first_[in.v.index()];
    changed = true;
  }
  return changed;
}

void GlobalAllocator::measure_distances() {
  const auto order = flow_->order();
  bool changed = true;
  for (uint32_t sweep = 0; sweep < kSweeps && changed; ++sweep) {
    changed = false;
    for (size_t n = order.size(); n-- > 0;) changed |= measure_distances(order[n]);
  }
}

Result<> GlobalAllocator::prepare(MFunc& func, const Flow& flow, Allocation& out) {
  func_ = &func;
  flow_ = &flow;
  out_ = &out;
  const size_t vregs = func.vreg_count();
  const size_t blocks = func.blocks().size();
  const auto too_large = [&] { return fail(ErrorCode::kLimit, 0, "function too large for the global allocator"); };
  if (vregs > kMaxVRegs) return too_large();
  TRY(liveness_.run(func, &flow));
  regs_.assign(vregs, 0);
  next_.assign(vregs, kDead);
  last_.assign(vregs, kDead);
  spilled_.assign(vregs, 0);
  at_drops_.assign(vregs, 0);
  hint_.assign(vregs, kNoReg);
  becomes_.assign(vregs, VReg());
  becomes_weight_.assign(vregs, 0);
  wish_of_.assign(vregs, kNoReg);
  def_cost_.assign(vregs, 0);
  drop_cost_.assign(vregs, 0);
  stored_in_.assign(vregs, 0);
  stamp_.assign(vregs, 0);
  candidate_of_.assign(vregs, kDead);
  first_.assign(vregs, 0);
  token_ = 0;
  op_next_.assign(func.operand_count(), kDead);
  facts_.assign(blocks, {});
  live_.clear();
  residents_.clear();
  stores_.clear();
  moves_.reset(static_cast<uint32_t>(kRegCount + vregs));
  occupied_ = 0;
  out.items.clear();
  out.edge_items.clear();
  out.blocks.assign(blocks, {});
  out.edges.assign(func.edges().size(), {});
  out.locs.assign(func.operand_count(), {});
  uint32_t params = 0;
  for (const MBlock& b : func.blocks()) params = std::max(params, b.params_begin + b.params_count);
  out.param_locs.assign(params, {});
  out.slots = out.narrow_slots = 0;
  for (uint32_t b = 0; b < blocks; ++b) {
    survey(b);
    if (live_.size() > kMaxLiveIns) return too_large();
  }
  summarize_loops();
  measure_distances();
  wish_for_params();
  return {};
}

// --- Blocks --------------------------------------------------------------------------------------------------------

void GlobalAllocator::scan_backwards(uint32_t b) {
  const MBlock& block = func_->blocks()[b];
  block_ = b;
  const Range range = facts_[b].live;
  for (uint32_t n = range.begin; n < range.end; ++n) next_[live_[n].v.index()] = kDead;
  liveness_.for_each_live_out(MBlockId(b), [&](VReg v) {
    next_[v.index()] = kFurthest;
    last_[v.index()] = kDead;
  });
  const auto gather = [&](uint32_t to) {
    const uint32_t more = block.end + edge_distance(b, to);
    for (uint32_t n = facts_[to].live.begin; n < facts_[to].live.end; ++n) {
      const auto [v, distance, here] = live_[n];
      next_[v.index()] = std::min(next_[v.index()], std::min(distance, kFurthest) + more);
    }
  };
  for (const MEdge& e : func_->edges(block)) gather(e.to.raw);
  if (block.exception_target.valid()) gather(block.exception_target.raw);
  for (const MEdge& e : func_->edges(block)) {
    for (const VReg a : func_->args(e)) {
      if (is_const(a)) continue;
      if (next_[a.index()] == kDead) last_[a.index()] = block.end;
      next_[a.index()] = block.end;
    }
  }
  calls_.clear();
  events_.clear();
  for (uint32_t i = block.end; i-- > block.first;) {
    const MInst& inst = func_->inst(i);
    const auto ops = func_->operands(inst);
    const bool call = func_->is_call(inst);
    if (call) calls_.push_back(i);
    RegSet overwrites = call ? 0 : inst.clobbers;
    for (uint32_t n = 0; n < ops.size(); ++n) {
      const size_t v = ops[n].vreg.index();
      op_next_[inst.operands_begin + n] = next_[v];
      if (ops[n].role != Role::kUse) next_[v] = kDead;
      if (ops[n].where == Where::kFixed && (ops[n].role == Role::kUse || !call)) overwrites |= bit(ops[n].fixed);
    }
    if (overwrites != 0) events_.push_back({i, overwrites});
    if (ops.size() >= 2 && ops[0].where == Where::kSame) {
      const size_t d = ops[0].vreg.index();
      const size_t u = ops[1].vreg.index();
      const PReg wanted = wish(ops[0].vreg);
      if (wanted != kNoReg && hint_[u] == kNoReg) hint_[u] = wanted;
      if (becomes_[d].valid() && !becomes_[u].valid() && op_next_[inst.operands_begin + 1] == kDead) {
        becomes_[u] = becomes_[d];
      }
    }
    for (const Operand& op : ops) {
      if (op.role != Role::kUse) continue;
      const size_t v = op.vreg.index();
      if (next_[v] == kDead) last_[v] = i;
      next_[v] = i;
      if (op.where == Where::kFixed) hint_[v] = op.fixed;
    }
  }
}

// Whether a loop should begin with the value in a register.
bool GlobalAllocator::wanted_at_head(const Candidate& c, uint32_t b) const {
  const uint32_t next = next_[c.v.index()];
  const uint32_t end = func_->blocks()[b].end;
  const uint32_t call = calls_.empty() ? kDead : calls_.back();
  const LoopFacts& loop = loops_[flow_->loop_of(b)];
  // After a call in every iteration a load at the use is as good as one on the back edge, or better.
  if (next == kDead || loop.always_calls) return false;
  if (next < end) return next <= call;
  if (call != kDead) return false;
  if (next - end < kCallDistance) return true;
  // Not used soon, or on rare paths only: it may pass through the loop where it is.
  return !loop.calls && c.weight >= 0.5f && !is_const(c.v);
}

// What might be in registers when the block begins.
void GlobalAllocator::gather_candidates(uint32_t b) {
  const MBlock& block = func_->blocks()[b];
  candidates_.clear();
  if (block.landing || chaos_ == Chaos::kMemory) return;
  const auto in = flow_->in_edges(b);
  float total = 0;
  uint32_t heavy = kDead;
  for (const uint32_t e : in) {
    if (!facts_[func_->edges()[e].from.index()].done) continue;
    total += flow_->edge_frequency(e);
    if (heavy == kDead || flow_->edge_frequency(e) > flow_->edge_frequency(heavy)) heavy = e;
  }
  if (heavy == kDead) return;
  const uint32_t seen = ++token_;
  const auto add = [&](uint32_t e) {
    const Range leaves = facts_[func_->edges()[e].from.index()].leaves;
    const float weight = total > 0 ? flow_->edge_frequency(e) / total : 1.0f;
    VReg previous;
    for (uint32_t n = leaves.begin; n < leaves.end; ++n) {
      const auto [v, reg, stored] = residents_[n];
      if (v == previous || next_[v.index()] == kDead) continue;
      previous = v;  // copies stand next to each other
      if (!liveness_.is_live_in(MBlockId(b), v) && !(is_const(v) && in.size() == 1 && next_[v.index()] < block.end))
        continue;
      if (stamp_[v.index()] == seen) {
        candidates_[candidate_of_[v.index()]].weight += weight;
        continue;
      }
      stamp_[v.index()] = seen;
      candidate_of_[v.index()] = static_cast<uint32_t>(candidates_.size());
      candidates_.push_back({.v = v, .reg = reg, .weight = weight});
    }
  };
  add(heavy);
  for (const uint32_t e : in) {
    if (e != heavy && facts_[func_->edges()[e].from.index()].done) add(e);
  }
  const bool head = flow_->is_head(b);
  if (head) {
    for (uint32_t n = facts_[b].live.begin; n < facts_[b].live.end; ++n) {
      if (stamp_[live_[n].v.index()] != seen) candidates_.push_back({.v = live_[n].v});
    }
  }
  std::erase_if(candidates_, [&](const Candidate& c) {
    if (chaos_ != Chaos::kNone) return random(4) == 0;
    if (head) return !wanted_at_head(c, b);
    const uint32_t next = next_[c.v.index()];
    return c.weight < (next >= block.end && next - block.end >= kExitDistance ? 0.9f : 0.5f);
  });
  const auto params = func_->params(block);
  const auto args = func_->args(func_->edges()[heavy]);
  const Range leaves = facts_[func_->edges()[heavy].from.index()].leaves;
  for (uint32_t p = 0; p < params.size(); ++p) {
    PReg reg = kNoReg;
    for (uint32_t n = leaves.begin; n < leaves.end; ++n) {
      if (residents_[n].v == args[p]) reg = residents_[n].reg;
    }
    candidates_.push_back({.v = params[p], .reg = reg, .weight = 1, .param = p});
  }
}

// Leaves out what there are too few registers for: what is needed last, constants before values.
void GlobalAllocator::limit_candidates(uint32_t b) {
  uint32_t values[2] = {};
  uint32_t constants[2] = {};
  for (const Candidate& c : candidates_) ++(is_const(c.v) ? constants : values)[index_of(cls(c.v))];
  const bool head = flow_->is_head(b);
  uint32_t most_values[2];
  uint32_t most_constants[2];
  bool enough = true;
  for (uint32_t c = 0; c < 2; ++c) {
    const auto registers = static_cast<uint32_t>(std::popcount(allocatable(static_cast<RegClass>(c))));
    uint32_t most = registers;
    uint32_t used = values[c];
    if (head && chaos_ == Chaos::kNone) {
      const uint32_t pressure = loops_[flow_->loop_of(b)].pressure[c];
      used = std::max(used, pressure);
      if (pressure > registers) {
        uint32_t live = 0;
        for (uint32_t n = facts_[b].live.begin; n < facts_[b].live.end; ++n) {
          if (!is_const(live_[n].v) && index_of(cls(live_[n].v)) == c) ++live;
        }
        for (const VReg p : func_->params(func_->blocks()[b])) live += index_of(cls(p)) == c ? 1 : 0;
        const uint32_t excess = pressure - registers;
        most = std::min(most, live > excess ? live - excess : 0);
      }
    }
    uint32_t room = registers > used ? registers - used : 0;
    if (room < constants[c] && room > 0) --room;  // for those that are made where they are used
    most_values[c] = most;
    most_constants[c] = room;
    enough = enough && values[c] <= most && constants[c] <= room;
  }
  if (enough) return;
  std::sort(candidates_.begin(), candidates_.end(), [&](const Candidate& x, const Candidate& y) {
    const uint32_t a = next_[x.v.index()];
    const uint32_t c = next_[y.v.index()];
    return a != c ? a < c : x.v.raw < y.v.raw;
  });
  std::erase_if(candidates_, [&](const Candidate& c) {
    uint32_t& left = (is_const(c.v) ? most_constants : most_values)[index_of(cls(c.v))];
    if (left == 0) return true;
    --left;
    return false;
  });
}

void GlobalAllocator::place_candidate(uint32_t b, Candidate& c, PReg reg, RegSet& taken) {
  taken |= bit(reg);
  c.reg = reg;
  c.weight = -1;  // placed
  if (c.param == Candidate::kNoParam) {
    residents_.push_back({c.v, reg});
  } else {
    out_->param_locs[func_->blocks()[b].params_begin + c.param] = Loc::reg(reg);
  }
}

void GlobalAllocator::place_candidates(uint32_t b) {
  RegSet taken = 0;
  const bool head = flow_->is_head(b);
  const uint32_t loop = flow_->loop_of(b);
  const RegSet avoid = head ? loops_[loop].overwrites : 0;
  const auto try_place = [&](Candidate& c, PReg reg, RegSet not_in) {
    if (c.weight < 0 || reg == kNoReg || ((taken | not_in) & bit(reg)) != 0) return;
    if (class_of(reg) == cls(c.v) && (kAllRegs & bit(reg)) != 0) place_candidate(b, c, reg, taken);
  };
  if (chaos_ == Chaos::kNone) {
    for (Candidate& c : candidates_) {
      if (c.param == Candidate::kNoParam) try_place(c, c.reg, avoid);
    }
    for (Candidate& c : candidates_) {
      if (c.param == Candidate::kNoParam) continue;
      try_place(c, c.reg, avoid);
      try_place(c, wish(c.v), 0);
    }
  }
  for (Candidate& c : candidates_) {
    const RegSet free = allocatable(cls(c.v)) & ~taken;
    if (c.weight < 0 || free == 0) continue;
    const RegSet good = free & ~avoid;
    place_candidate(b, c, lowest(chosen(good != 0 ? good : free)), taken);
  }
}

void GlobalAllocator::bind_entry(uint32_t b) {
  const MBlock& block = func_->blocks()[b];
  const auto params = func_->params(block);
  RegSet param_regs = 0;
  for (uint32_t p = 0; p < params.size(); ++p) {
    Loc& loc = out_->param_locs[block.params_begin + p];
    const size_t v = params[p].index();
    if (!loc.valid()) {
      loc = home(params[p]);
      spilled_[v] = 1;
      continue;
    }
    wish_of_[v] = loc.reg();
    param_regs |= bit(loc.reg());
  }
  for (uint32_t n = facts_[b].entry.begin; n < facts_[b].entry.end; ++n) bind(residents_[n].reg, residents_[n].v);
  for (uint32_t p = 0; p < params.size(); ++p) {
    const Loc loc = out_->param_locs[block.params_begin + p];
    if (!loc.is_reg()) continue;
    bind(loc.reg(), params[p]);
    store_site(params[p], loc.reg(), false);
  }
  // Dead parameters give their registers back at once.
  for (const VReg p : params) {
    if (next_[p.index()] == kDead) unbind_all(p);
  }
  if (!flow_->is_head(b)) return;
  LoopFacts& loop = loops_[flow_->loop_of(b)];
  const uint32_t parent = flow_->loops()[flow_->loop_of(b)].parent;
  loop.params = param_regs | (parent == Flow::kNone ? 0 : loops_[parent].params);
}

void GlobalAllocator::enter_block(uint32_t b) {
  clear_registers();
  gather_candidates(b);
  limit_candidates(b);
  facts_[b].entry.begin = static_cast<uint32_t>(residents_.size());
  place_candidates(b);
  facts_[b].entry.end = static_cast<uint32_t>(residents_.size());
  bind_entry(b);
}

void GlobalAllocator::leave_block(uint32_t b) {
  BlockFacts& facts = facts_[b];
  facts.leaves.begin = static_cast<uint32_t>(residents_.size());
  for (RegSet set = occupied_; set != 0; set &= set - 1) {
    const PReg reg = lowest(set);
    const VReg v = content_[reg];
    // Copies in a row.
    if (reg != lowest(regs_[v.index()])) continue;
    for (RegSet own = regs_[v.index()]; own != 0; own &= own - 1) {
      residents_.push_back({v, lowest(own), stored_in_[v.index()] == b + 1});
    }
  }
  facts.leaves.end = static_cast<uint32_t>(residents_.size());
  facts.done = true;
}

// --- Instructions --------------------------------------------------------------------------------------------------

void GlobalAllocator::maybe_commute(const MInst& inst) {
  if ((info(inst.op).flags & kCommutes) == 0) return;
  const auto ops = func_->operands(inst);
  uint32_t& first = op_next_[inst.operands_begin + 1];
  uint32_t& second = op_next_[inst.operands_begin + 2];
  if (second != kDead || ops[1].vreg == ops[2].vreg || is_const(ops[2].vreg)) return;
  if (first == kDead) {
    // Both end here: overwrite the one that is in a register, or in the wanted one.
    const RegSet a = regs_[ops[1].vreg.index()];
    const RegSet b = regs_[ops[2].vreg.index()];
    const PReg hint = wish(ops[0].vreg);
    const RegSet wanted = hint != kNoReg ? bit(hint) : 0;
    if (b == 0 || (a != 0 && ((a & wanted) != 0 || (b & wanted) == 0))) return;
  }
  func_->commute(inst);
  std::swap(first, second);
}

// A call's operands: what lives on goes to its slot, then all arguments move at once.
bool GlobalAllocator::place_call_uses(const MInst& inst) {
  const auto ops = func_->operands(inst);
  if (!place_other_uses(inst, ~fixed_)) return false;
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse) next_[ops[n].vreg.index()] = op_next_[inst.operands_begin + n];
  }
  for (RegSet set = occupied_; set != 0; set &= set - 1) {
    const PReg reg = lowest(set);
    const VReg v = content_[reg];
    if (reg != lowest(regs_[v.index()]) || is_const(v) || next_[v.index()] == kDead) continue;
    if (!plant(AllocatorFault::kIgnoreClobber)) drop(v, reg);
  }
  RegSet moved = 0;
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kUse || ops[n].where != Where::kFixed) continue;
    const VReg v = ops[n].vreg;
    const Loc dst = Loc::reg(ops[n].fixed);
    out_->locs[inst.operands_begin + n] = dst;
    if ((moved & bit(dst.reg())) != 0) return false;
    moved |= bit(dst.reg());
    if ((regs_[v.index()] & bit(dst.reg())) != 0) continue;
    if (plant(AllocatorFault::kWrongFixed)) continue;
    if (regs_[v.index()] != 0) {
      moves_.add(dst, Loc::reg(lowest(regs_[v.index()])), v, cls(v));
    } else if (is_const(v)) {
      moves_.add_const(dst, v);
    } else {
      spilled_[v.index()] = 1;
      moves_.add(dst, home(v), v, cls(v));
    }
  }
  moves_.resolve(out_->items);
  clear_registers();
  locked_ |= moved;
  return true;
}

bool GlobalAllocator::place_fixed_uses(const MInst& inst) {
  const auto ops = func_->operands(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kUse || ops[n].where != Where::kFixed) continue;
    const PReg reg = ops[n].fixed;
    const VReg v = ops[n].vreg;
    out_->locs[inst.operands_begin + n] = Loc::reg(reg);
    if ((occupied_ & bit(reg)) == 0 || content_[reg] != v) {
      if ((occupied_ & bit(reg)) != 0) {
        if ((locked_ & bit(reg)) != 0) return false;  // two different values in one register
        vacate(reg, ~inst.clobbers);
      }
      if (plant(AllocatorFault::kWrongFixed)) {
        bind(reg, v);
      } else {
        load(reg, v);
      }
    }
    locked_ |= bit(reg);
  }
  return true;
}

bool GlobalAllocator::place_other_uses(const MInst& inst, RegSet allowed) {
  const auto ops = func_->operands(inst);
  allowed &= ~inst.clobbers;
  const uint32_t end = func_->blocks()[block_].end;
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kUse || ops[n].where == Where::kFixed) continue;
    const VReg v = ops[n].vreg;
    Loc& loc = out_->locs[inst.operands_begin + n];
    const RegSet here = regs_[v.index()] & allowed;
    if (here != 0) {
      loc = Loc::reg(lowest(here));
      locked_ |= bit(loc.reg());
      continue;
    }
    const uint32_t after = op_next_[inst.operands_begin + n];
    if (ops[n].where == Where::kAny && !is_const(v) && regs_[v.index()] == 0 && after >= end) {
      loc = home(v);
      spilled_[v.index()] = 1;
      continue;
    }
    const PReg reg = pick(cls(v), allowed, v);
    if (reg == kNoReg) return false;
    load(reg, v);
    loc = Loc::reg(reg);
    locked_ |= bit(reg);
  }
  return true;
}

// Temporaries and early definitions: apart from all uses.
bool GlobalAllocator::place_temps(const MInst& inst) {
  const auto ops = func_->operands(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kTemp && ops[n].role != Role::kDefEarly) continue;
    const PReg reg = pick(cls(ops[n].vreg), ~forbidden_, ops[n].vreg);
    if (reg == kNoReg) return false;
    out_->locs[inst.operands_begin + n] = Loc::reg(reg);
    locked_ |= bit(reg);
  }
  return true;
}

// Where::kSame: the definition overwrites the first use's register; if that value lives on, it must be elsewhere too.
bool GlobalAllocator::take_first_use(const MInst& inst) {
  const auto ops = func_->operands(inst);
  if (ops.empty() || ops[0].where != Where::kSame) return true;
  const VReg v = ops[1].vreg;
  Loc& use = out_->locs[inst.operands_begin + 1];
  Loc& def = out_->locs[inst.operands_begin];
  def = use;
  const uint32_t after = op_next_[inst.operands_begin + 1];
  if (after == kDead) return true;
  if (is_const(v) || std::popcount(regs_[v.index()]) > 1) {
    unbind(use.reg());
    return true;
  }
  const RegSet allowed = allocatable(cls(v)) & ~locked_ & ~forbidden_;
  RegSet free = allowed & ~occupied_;
  if (free == 0 && allowed != 0 && after < next_call_) {
    const PReg worst = victim(allowed);
    if (next_[content_[worst].index()] > after) {
      vacate(worst, 0);
      free = bit(worst);
    }
  }
  if (free == 0) {
    drop(v, use.reg());
    unbind(use.reg());
    return true;
  }
  const PReg hint = wish(ops[0].vreg);
  if (hint == use.reg() && chaos_ == Chaos::kNone) {  // the old value goes elsewhere
    const PReg copy = choose(free, v);
    push(Item::Kind::kMove, v.raw, Loc::reg(copy), use);
    unbind(use.reg());
    bind(copy, v);
    locked_ |= bit(copy);
    return true;
  }
  const PReg copy = choose(free, ops[0].vreg);
  push(Item::Kind::kMove, v.raw, Loc::reg(copy), use);
  def = use = Loc::reg(copy);
  locked_ |= bit(copy);
  return true;
}

void GlobalAllocator::apply_clobbers(RegSet clobbered) {
  for (RegSet set = occupied_ & clobbered; set != 0; set &= set - 1) {
    if (plant(AllocatorFault::kIgnoreClobber)) continue;
    vacate(lowest(set), ~clobbered);
  }
}

// Chooses the registers of definitions, writes the instruction and what is true behind it.
bool GlobalAllocator::place_defs(uint32_t index) {
  const MInst& inst = func_->inst(index);
  const auto ops = func_->operands(inst);
  locked_ = 0;
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kUse && out_->locs[inst.operands_begin + n].valid()) {
      locked_ |= bit(out_->locs[inst.operands_begin + n].reg());
    }
    if (ops[n].role == Role::kDef && ops[n].where == Where::kFixed) locked_ |= bit(ops[n].fixed);
  }
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse || ops[n].role == Role::kTemp) continue;
    const VReg v = ops[n].vreg;
    Loc& loc = out_->locs[inst.operands_begin + n];
    if (ops[n].where == Where::kFixed) {
      loc = Loc::reg(ops[n].fixed);
    } else if (!loc.valid()) {
      const PReg reg = pick(cls(v), ~forbidden_, v);
      if (reg == kNoReg) return false;
      loc = Loc::reg(reg);
      locked_ |= bit(reg);
    }
    // Whatever was there is dead, or lives elsewhere (fixed ones are clobbers, see instruction()).
    unbind(loc.reg());
  }
  push(Item::Kind::kInst, index);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse || ops[n].role == Role::kTemp) continue;
    const VReg v = ops[n].vreg;
    const Loc loc = out_->locs[inst.operands_begin + n];
    bind(loc.reg(), v);
    next_[v.index()] = op_next_[inst.operands_begin + n];
    const VReg param = becomes_[v.index()];
    if (param.valid() && wish_of_[param.index()] == kNoReg) wish_of_[param.index()] = loc.reg();
  }
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse || ops[n].role == Role::kTemp) continue;
    const VReg v = ops[n].vreg;
    if (next_[v.index()] == kDead) {
      unbind_all(v);
    } else {
      store_site(v, out_->locs[inst.operands_begin + n].reg(), false);
    }
  }
  return true;
}

// Chaos: values leave their registers between instructions.
void GlobalAllocator::disturb() {
  if (chaos_ == Chaos::kMemory) {
    for (RegSet set = occupied_; set != 0; set &= set - 1) vacate(lowest(set), 0);
  } else if (chaos_ == Chaos::kSplit && occupied_ != 0 && random(3) == 0) {
    vacate(lowest(chosen(occupied_)), random(2) == 0 ? 0 : kAllRegs);
  }
}

Result<> GlobalAllocator::instruction(uint32_t index) {
  maybe_commute(func_->inst(index));
  const MInst& inst = func_->inst(index);
  const auto ops = func_->operands(inst);
  const bool call = func_->is_call(inst);
  position_ = index;
  while (!calls_.empty() && calls_.back() <= index) calls_.pop_back();
  next_call_ = call ? index : calls_.empty() ? kDead : calls_.back();
  while (!events_.empty() && events_.back().position <= index) events_.pop_back();
  locked_ = 0;
  fixed_ = 0;
  forbidden_ = 0;
  if (chaos_ != Chaos::kNone) disturb();
  RegSet fixed_defs = 0;
  for (const Operand& op : ops) {
    if (op.where != Where::kFixed) continue;
    (op.role == Role::kUse ? fixed_ : fixed_defs) |= bit(op.fixed);
  }
  forbidden_ = call ? fixed_defs : inst.clobbers | fixed_defs;
  const auto impossible = [&] {
    return fail(ErrorCode::kInvariant, inst.offset,
                text::format("I2: register constraints of '{}' cannot be met", print(*func_, inst)));
  };
  if (call) {
    if (!place_call_uses(inst) || !place_temps(inst)) return impossible();
    clear_registers();
  } else {
    if (!place_fixed_uses(inst) || !place_other_uses(inst, ~RegSet{0}) || !place_temps(inst)) return impossible();
    if (!take_first_use(inst)) return impossible();
    for (uint32_t n = 0; n < ops.size(); ++n) {
      if (ops[n].role == Role::kUse) next_[ops[n].vreg.index()] = op_next_[inst.operands_begin + n];
    }
    apply_clobbers(inst.clobbers | fixed_defs);
    for (uint32_t n = 0; n < ops.size(); ++n) {
      if (ops[n].role == Role::kUse && op_next_[inst.operands_begin + n] == kDead) unbind_all(ops[n].vreg);
    }
  }
  next_call_ = calls_.empty() ? kDead : calls_.back();
  if (!place_defs(index)) return impossible();
  return {};
}

// --- Edges ---------------------------------------------------------------------------------------------------------

// The registers as they are when a block has been left.
void GlobalAllocator::with_out_state(uint32_t b) {
  clear_registers();
  const Range leaves = facts_[b].leaves;
  for (uint32_t n = leaves.begin; n < leaves.end; ++n) bind(residents_[n].reg, residents_[n].v);
}

template <class Body>
void GlobalAllocator::for_each_drop(uint32_t edge, Body&& body) {
  const MEdge& e = func_->edges()[edge];
  const Range entry = facts_[e.to.index()].entry;
  const Range leaves = facts_[e.from.index()].leaves;
  const uint32_t kept = ++token_;
  for (uint32_t n = entry.begin; n < entry.end; ++n) stamp_[residents_[n].v.index()] = kept;
  for (uint32_t n = leaves.begin; n < leaves.end; ++n) {
    const Resident r = residents_[n];
    if (stamp_[r.v.index()] == kept || is_const(r.v) || !liveness_.is_live_in(e.to, r.v)) continue;
    stamp_[r.v.index()] = kept;  // once
    body(r);
  }
}

// Which slots the edge reads or must fill.
void GlobalAllocator::note_edge(uint32_t block, uint32_t edge) {
  block_ = block;
  const MEdge& e = func_->edges()[edge];
  const Range entry = facts_[e.to.index()].entry;
  for (uint32_t n = entry.begin; n < entry.end; ++n) {
    const VReg v = residents_[n].v;
    if (regs_[v.index()] == 0 && !is_const(v)) spilled_[v.index()] = 1;
  }
  for (const VReg a : func_->args(e)) {
    if (regs_[a.index()] == 0 && !is_const(a)) spilled_[a.index()] = 1;
  }
  for_each_drop(edge, [&](const Resident& r) {
    spilled_[r.v.index()] = 1;
    if (!r.stored) drop_cost_[r.v.index()] += flow_->edge_frequency(edge);
  });
}

// Of the two sets of places where a value could be stored, the cheaper one.
void GlobalAllocator::choose_stores() {
  for (uint32_t v = 0; v < at_drops_.size(); ++v) {
    at_drops_[v] = chaos_ != Chaos::kNone && def_cost_[v] > 0 ? random(2) : drop_cost_[v] < 0.9f * def_cost_[v];
  }
  for (const Store& s : stores_) {
    const size_t v = s.v.index();
    bool real = spilled_[v] != 0 && s.is_drop == (at_drops_[v] != 0);
    if (real && s.is_drop && fault_fires(Fault::kRA1)) real = false;
    if (real && plant(s.is_drop ? AllocatorFault::kForgetDropStore : AllocatorFault::kForgetSpill)) real = false;
    if (!real) out_->items[s.item].kind = Item::Kind::kNone;
  }
}

void GlobalAllocator::fill_edge(uint32_t block, uint32_t edge) {
  block_ = block;
  const MEdge& e = func_->edges()[edge];
  const Range entry = facts_[e.to.index()].entry;
  const auto bring = [&](Loc dst, VReg v) {
    const RegSet regs = regs_[v.index()];
    if (dst.is_reg() && (regs & bit(dst.reg())) != 0) return;
    if (regs != 0) {
      moves_.add(dst, Loc::reg(lowest(regs)), v, cls(v));
    } else if (is_const(v)) {
      moves_.add_const(dst, plant(AllocatorFault::kWrongConstant) ? wrong_const(v) : v);
    } else if (!(flow_->is_back_edge(e) && plant(AllocatorFault::kForgetBackReload))) {
      moves_.add(dst, home(v), v, cls(v));
    }
  };
  for (uint32_t n = entry.begin; n < entry.end; ++n) bring(Loc::reg(residents_[n].reg), residents_[n].v);
  const MBlock& to = func_->block(e.to);
  const auto args = func_->args(e);
  for (uint32_t p = 0; p < args.size(); ++p) bring(out_->param_locs[to.params_begin + p], args[p]);
  for_each_drop(edge, [&](const Resident& r) {
    if (r.stored || at_drops_[r.v.index()] == 0 || plant(AllocatorFault::kForgetEdgeStore)) return;
    moves_.add(home(r.v), Loc::reg(r.reg), r.v, cls(r.v));
  });
  auto& range = out_->edges[edge];
  range.begin = static_cast<uint32_t>(out_->edge_items.size());
  moves_.resolve(out_->edge_items);
  range.end = static_cast<uint32_t>(out_->edge_items.size());
  if (range.end != range.begin && plant(AllocatorFault::kSkipEdgeMove))
    out_->edge_items[range.end - 1].kind = Item::Kind::kNone;
  if (range.end - range.begin >= 2 && plant(AllocatorFault::kSerializeEdge)) {
    std::reverse(out_->edge_items.begin() + range.begin, out_->edge_items.begin() + range.end);
  }
}

// --- Driver --------------------------------------------------------------------------------------------------------

static Chaos chaos_of(uint64_t seed) {
  if (seed == 0) return Chaos::kNone;
  return static_cast<Chaos>(1 + seed % 4);
}

Result<> GlobalAllocator::run(MFunc& func, const Flow& flow, Allocation& out, const AllocatorOptions& options) {
  options_ = options;
  chaos_ = chaos_of(options.chaos_seed);
  random_ = options.chaos_seed * 0x9e3779b97f4a7c15u + 1;
  faults_.reset(options);
  TRY(prepare(func, flow, out));
  for (const uint32_t b : flow.order()) {
    const MBlock& block = func.blocks()[b];
    out.blocks[b].begin = static_cast<uint32_t>(out.items.size());
    scan_backwards(b);
    next_call_ = calls_.empty() ? kDead : calls_.back();
    enter_block(b);
    for (uint32_t i = block.first; i < block.end; ++i) TRY(instruction(i));
    leave_block(b);
    out.blocks[b].end = static_cast<uint32_t>(out.items.size());
  }
  const auto for_each_edge = [&](auto&& body) {
    for (uint32_t b = 0; b < func.blocks().size(); ++b) {
      const MBlock& block = func.blocks()[b];
      if (block.edges_count == 0) continue;
      with_out_state(b);
      for (uint32_t e = block.edges_begin; e < block.edges_begin + block.edges_count; ++e) body(b, e);
    }
  };
  for_each_edge([&](uint32_t b, uint32_t e) { note_edge(b, e); });
  choose_stores();
  for_each_edge([&](uint32_t b, uint32_t e) { fill_edge(b, e); });
  slots_.run(func, liveness_, spilled_, out, faults_);
  return {};
}

}  // namespace parallax::jit
