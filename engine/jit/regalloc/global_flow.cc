// GlobalAllocator: what it knows of the whole function, what blocks begin with, what edges do about it.
#include <algorithm>

#include "engine/base/faults.h"
#include "engine/jit/regalloc/global.h"

namespace parallax::jit {

static constexpr size_t kMaxVRegs = 200'000;
static constexpr size_t kMaxLiveIns = 4'000'000;

// Distances of next uses are in instructions; these are added on the way.
static constexpr uint32_t kCallDistance = 1u << 12;  // a call is between: a register does not help
static constexpr uint32_t kColdDistance = 1u << 16;
static constexpr uint32_t kExitDistance = 1u << 20;  // out of a loop
static constexpr uint32_t kFurthest = 1u << 28;
// Blocks in loops below this share of the head's frequency do not count for what the loop needs, and those above the
// other run in about every iteration.
static constexpr float kRareShare = 1.0f / 32;
static constexpr float kAlwaysShare = 0.9f;

static uint32_t index_of(RegClass cls) { return static_cast<uint32_t>(cls); }

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
    if (state_[v.index()].stamp == is_live || is_const(v)) return;
    state_[v.index()].stamp = is_live;
    ++live[index_of(cls(v))];
  };
  const auto see = [&](VReg v, uint32_t distance) {
    state_[v.index()].candidate_of = b;  // scratch: seen here
    state_[v.index()].first = distance;
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
      if (op.role == Role::kUse || state_[op.vreg.index()].stamp != is_live) continue;
      state_[op.vreg.index()].stamp = 0;
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
    const uint32_t here = state_[v.index()].candidate_of == b ? state_[v.index()].first : kDead;
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
      loop.always_calls = loop.always_calls || (facts_[b].calls && share > kAlwaysShare);
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
      if (is_const(args[p]) || args[p] == params[p] || flow_->edge_frequency(e) <= state_[a].becomes_weight) continue;
      state_[a].becomes_weight = flow_->edge_frequency(e);
      state_[a].becomes = params[p];
    }
  }
}

uint32_t GlobalAllocator::edge_distance(uint32_t from, uint32_t to) const {
  uint32_t distance = flow_->encloses(flow_->loop_of(from), flow_->loop_of(to)) ? 0 : kExitDistance;
  if (flow_->is_cold(to) && !flow_->is_cold(from)) distance += kColdDistance;
  return distance;
}

void GlobalAllocator::measure_distances(uint32_t b) {
  const MBlock& block = func_->blocks()[b];
  const Range range = facts_[b].live;
  if (range.begin == range.end) return;
  const uint32_t seen = ++token_;
  const auto gather = [&](uint32_t to) {
    const uint32_t more = edge_distance(b, to) + facts_[b].length;
    for (uint32_t n = facts_[to].live.begin; n < facts_[to].live.end; ++n) {
      const auto [v, distance, here] = live_[n];
      if (distance == kDead) continue;
      const uint32_t sum = std::min(distance + more, kFurthest);
      uint32_t& known = state_[v.index()].first;
      if (state_[v.index()].stamp == seen && known <= sum) continue;
      state_[v.index()].stamp = seen;
      known = sum;
    }
  };
  MBlockId previous;  // tables of branches often repeat a target
  for (const MEdge& e : func_->edges(block)) {
    if (e.to != previous) gather(e.to.raw);
    previous = e.to;
  }
  if (block.exception_target.valid()) gather(block.exception_target.raw);
  for (uint32_t n = range.begin; n < range.end; ++n) {
    LiveIn& in = live_[n];
    if (in.here == kDead && state_[in.v.index()].stamp == seen)
      in.distance = std::min(in.distance, state_[in.v.index()].first);
  }
}

void GlobalAllocator::measure_distances() {
  // Once backwards, and once more to carry them around loops: good enough for a guess.
  const auto order = flow_->order();
  for (uint32_t sweep = flow_->loops().empty() ? 1 : 2; sweep > 0; --sweep) {
    for (size_t n = order.size(); n-- > 0;) measure_distances(order[n]);
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
  state_.assign(vregs, {});
  spilled_.assign(vregs, 0);
  token_ = 0;
  op_next_.assign(func.operand_count(), kDead);
  facts_.assign(blocks, {});
  live_.clear();
  residents_.clear();
  stores_.clear();
  moves_.reset(static_cast<uint32_t>(kRegCount + vregs));
  occupied_ = 0;
  out.reset(func);
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
  for (uint32_t n = range.begin; n < range.end; ++n) state_[live_[n].v.index()].next = kDead;
  liveness_.for_each_live_out(MBlockId(b), [&](VReg v) {
    state_[v.index()].next = kFurthest;
    state_[v.index()].last = kDead;
  });
  const auto gather = [&](uint32_t to) {
    const uint32_t more = block.end + edge_distance(b, to);
    for (uint32_t n = facts_[to].live.begin; n < facts_[to].live.end; ++n) {
      const auto [v, distance, here] = live_[n];
      state_[v.index()].next = std::min(state_[v.index()].next, std::min(distance, kFurthest) + more);
    }
  };
  MBlockId previous;  // tables of branches often repeat a target
  for (const MEdge& e : func_->edges(block)) {
    if (e.to != previous) gather(e.to.raw);
    previous = e.to;
  }
  if (block.exception_target.valid()) gather(block.exception_target.raw);
  for (const MEdge& e : func_->edges(block)) {
    for (const VReg a : func_->args(e)) {
      if (is_const(a)) continue;
      if (state_[a.index()].next == kDead) state_[a.index()].last = block.end;
      state_[a.index()].next = block.end;
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
      op_next_[inst.operands_begin + n] = state_[v].next;
      if (ops[n].role != Role::kUse) state_[v].next = kDead;
      if (ops[n].where == Where::kFixed && (ops[n].role == Role::kUse || !call)) overwrites |= bit(ops[n].fixed);
    }
    if (overwrites != 0) events_.push_back({i, overwrites});
    if (ops.size() >= 2 && ops[0].where == Where::kSame) {
      const size_t d = ops[0].vreg.index();
      const size_t u = ops[1].vreg.index();
      const PReg wanted = wish(ops[0].vreg);
      if (wanted != kNoReg && state_[u].hint == kNoReg) state_[u].hint = wanted;
      if (state_[d].becomes.valid() && !state_[u].becomes.valid() && op_next_[inst.operands_begin + 1] == kDead) {
        state_[u].becomes = state_[d].becomes;
      }
    }
    for (const Operand& op : ops) {
      if (op.role != Role::kUse) continue;
      const size_t v = op.vreg.index();
      if (state_[v].next == kDead) state_[v].last = i;
      state_[v].next = i;
      if (op.where == Where::kFixed) state_[v].hint = op.fixed;
    }
  }
}

// Whether a loop should begin with the value in a register.
bool GlobalAllocator::wanted_at_head(const Candidate& c, uint32_t b) const {
  const uint32_t next = state_[c.v.index()].next;
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
      if (v == previous || state_[v.index()].next == kDead) continue;
      previous = v;  // copies stand next to each other
      if (!liveness_.is_live_in(MBlockId(b), v) &&
          !(is_const(v) && in.size() == 1 && state_[v.index()].next < block.end))
        continue;
      if (state_[v.index()].stamp == seen) {
        candidates_[state_[v.index()].candidate_of].weight += weight;
        continue;
      }
      state_[v.index()].stamp = seen;
      state_[v.index()].candidate_of = static_cast<uint32_t>(candidates_.size());
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
      if (state_[live_[n].v.index()].stamp != seen) candidates_.push_back({.v = live_[n].v});
    }
  }
  std::erase_if(candidates_, [&](const Candidate& c) {
    if (chaos_ != Chaos::kNone) return random(4) == 0;
    if (head) return !wanted_at_head(c, b);
    const uint32_t next = state_[c.v.index()].next;
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
    const uint32_t a = state_[x.v.index()].next;
    const uint32_t c = state_[y.v.index()].next;
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
    state_[v].wish_of = loc.reg();
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
    if (state_[p.index()].next == kDead) unbind_all(p);
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
    if (reg != lowest(state_[v.index()].regs)) continue;
    for (RegSet own = state_[v.index()].regs; own != 0; own &= own - 1) {
      residents_.push_back({v, lowest(own), state_[v.index()].stored_in == b + 1});
    }
  }
  facts.leaves.end = static_cast<uint32_t>(residents_.size());
  facts.done = true;
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
  for (uint32_t n = entry.begin; n < entry.end; ++n) state_[residents_[n].v.index()].stamp = kept;
  for (uint32_t n = leaves.begin; n < leaves.end; ++n) {
    const Resident r = residents_[n];
    if (state_[r.v.index()].stamp == kept || is_const(r.v) || !liveness_.is_live_in(e.to, r.v)) continue;
    state_[r.v.index()].stamp = kept;  // once
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
    if (state_[v.index()].regs == 0 && !is_const(v)) spilled_[v.index()] = 1;
  }
  for (const VReg a : func_->args(e)) {
    if (state_[a.index()].regs == 0 && !is_const(a)) spilled_[a.index()] = 1;
  }
  for_each_drop(edge, [&](const Resident& r) {
    spilled_[r.v.index()] = 1;
    if (!r.stored) state_[r.v.index()].drop_cost += flow_->edge_frequency(edge);
  });
}

// Of the two sets of places where a value could be stored, the cheaper one.
void GlobalAllocator::choose_stores() {
  for (uint32_t v = 0; v < state_.size(); ++v) {
    state_[v].at_drops =
        chaos_ != Chaos::kNone && state_[v].def_cost > 0 ? random(2) : state_[v].drop_cost < 0.9f * state_[v].def_cost;
  }
  for (const Store& s : stores_) {
    const size_t v = s.v.index();
    bool real = spilled_[v] != 0 && s.is_drop == state_[v].at_drops;
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
    const RegSet regs = state_[v.index()].regs;
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
    if (r.stored || !state_[r.v.index()].at_drops || plant(AllocatorFault::kForgetEdgeStore)) return;
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

}  // namespace parallax::jit
