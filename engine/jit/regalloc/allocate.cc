#include "engine/jit/regalloc/allocate.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/text.h"

namespace parallax::jit {

static constexpr size_t kMaxVRegs = 2'000'000;

// --- Small helpers -------------------------------------------------------------------------------------------------

// The one register to use of a non-empty set: the lowest, or under chaos any.
RegSet RegisterAllocator::chosen(RegSet candidates) {
  if (options_.chaos_seed == 0) return candidates & -candidates;
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  for (auto skip = static_cast<uint32_t>((random_ >> 33) % static_cast<uint32_t>(std::popcount(candidates))); skip > 0;
       --skip) {
    candidates &= candidates - 1;
  }
  return candidates & -candidates;
}

void RegisterAllocator::bind(PReg reg, VReg v) {
  content_[reg] = v;
  occupied_ |= bit(reg);
  regs_[v.index()] |= bit(reg);
}

void RegisterAllocator::unbind(PReg reg) {
  if ((occupied_ & bit(reg)) == 0) return;
  regs_[content_[reg].index()] &= ~bit(reg);
  occupied_ &= ~bit(reg);
}

void RegisterAllocator::unbind_all(VReg v) {
  occupied_ &= ~regs_[v.index()];
  regs_[v.index()] = 0;
}

// Brings the value of `v` into the free register `reg`, from wherever it is.
void RegisterAllocator::load(PReg reg, VReg v) {
  if (is_const(v)) {
    push(Item::Kind::kConst, v.raw, Loc::reg(reg));
  } else if (regs_[v.index()] != 0) {
    push(Item::Kind::kMove, v.raw, Loc::reg(reg), Loc::reg(lowest(regs_[v.index()])));
  } else {
    spill(v);
    if (!plant(AllocatorFault::kForgetReload)) push(Item::Kind::kMove, v.raw, Loc::reg(reg), home(v));
  }
  bind(reg, v);
}

void RegisterAllocator::vacate(PReg reg, RegSet move_to) {
  if ((occupied_ & bit(reg)) == 0) return;
  const VReg v = content_[reg];
  unbind(reg);
  if (regs_[v.index()] != 0 || is_const(v) || next_[v.index()] == kDead) return;
  const RegSet free = move_to & allocatable(cls(v)) & ~occupied_ & ~locked_ & ~fixed_ & ~bit(reg);
  if (free == 0) {
    spill(v);
    return;
  }
  const PReg to = lowest(chosen(free));
  push(Item::Kind::kMove, v.raw, Loc::reg(to), Loc::reg(reg));
  bind(to, v);
}

// A register of the class in `allowed`, made free if necessary; kNoReg when all are locked.
PReg RegisterAllocator::pick(RegClass cls, RegSet allowed, PReg hint) {
  allowed &= allocatable(cls) & ~locked_;
  const RegSet free = allowed & ~occupied_;
  if (free != 0) {
    if (hint == kNoReg || (allowed & bit(hint)) == 0 || options_.chaos_seed != 0) return lowest(chosen(free));
    if ((free & bit(hint)) != 0) return hint;
    // A value that the next call will take out of its register anyway may go now.
    if (next_[content_[hint].index()] <= next_call_) return lowest(chosen(free));
    vacate(hint, 0);
    return hint;
  }
  if (allowed == 0) return kNoReg;
  PReg worst = lowest(chosen(allowed));
  if (options_.chaos_seed == 0) {
    uint32_t furthest = 0;
    for (RegSet set = allowed; set != 0; set &= set - 1) {
      const PReg reg = lowest(set);
      const VReg v = content_[reg];
      // A constant or a second copy is as good as free.
      const uint32_t next = is_const(v) || std::popcount(regs_[v.index()]) > 1 ? kDead : next_[v.index()];
      if (next > furthest) {
        furthest = next;
        worst = reg;
      }
    }
  }
  vacate(worst, 0);
  return worst;
}

// The store behind a definition; becomes real when the value is spilled at any time.
void RegisterAllocator::push_spill(VReg v, PReg reg) { push(Item::Kind::kMove, v.raw, home(v), Loc::reg(reg)); }

// --- Preparation ---------------------------------------------------------------------------------------------------

void RegisterAllocator::prepare(MFunc& func, Allocation& out) {
  func_ = &func;
  out_ = &out;
  const size_t vregs = func.vreg_count();
  const size_t blocks = func.blocks().size();
  regs_.assign(vregs, 0);
  next_.assign(vregs, kDead);
  spilled_.assign(vregs, 0);
  hint_.assign(vregs, kNoReg);
  op_next_.assign(func.operand_count(), kDead);
  entry_.assign(blocks, {});
  done_.assign(blocks, 0);
  residents_.clear();
  moves_.reset(static_cast<uint32_t>(kRegCount + vregs));
  occupied_ = 0;
  out.reset(func);
  index_edges();
}

void RegisterAllocator::index_edges() {
  const size_t blocks = func_->blocks().size();
  in_begin_.assign(blocks + 1, 0);
  in_edges_.resize(func_->edges().size());
  for (const MEdge& e : func_->edges()) ++in_begin_[e.to.index() + 1];
  for (size_t b = 0; b < blocks; ++b) in_begin_[b + 1] += in_begin_[b];
  for (size_t e = func_->edges().size(); e-- > 0;)
    in_edges_[--in_begin_[func_->edges()[e].to.index() + 1]] = static_cast<uint32_t>(e);
  // The counting above left every start one place too far to the right.
  for (size_t b = 0; b < blocks; ++b) in_begin_[b] = in_begin_[b + 1];
  in_begin_[blocks] = static_cast<uint32_t>(func_->edges().size());

  calls_before_.assign(blocks + 1, 0);
  for (size_t b = 0; b < blocks; ++b) {
    const MBlock& block = func_->blocks()[b];
    bool calls = false;
    for (uint32_t i = block.first; i < block.end && !calls; ++i) calls = func_->is_call(func_->inst(i));
    calls_before_[b + 1] = calls_before_[b] + (calls ? 1 : 0);
  }
}

bool RegisterAllocator::loop_calls(uint32_t head) const {
  uint32_t last = head;
  for (uint32_t n = in_begin_[head]; n < in_begin_[head + 1]; ++n)
    last = std::max(last, func_->edges()[in_edges_[n]].from.raw);
  return calls_before_[last + 1] != calls_before_[head];
}

// --- Blocks --------------------------------------------------------------------------------------------------------

void RegisterAllocator::scan_backwards(const MBlock& block, MBlockId id) {
  // Values that end in this block still carry what an earlier block left.
  liveness_.for_each_live_in(id, [&](VReg v) { next_[v.index()] = kDead; });
  liveness_.for_each_live_out(id, [&](VReg v) { next_[v.index()] = kFar; });
  for (const MEdge& e : func_->edges(block)) {
    for (const VReg a : func_->args(e)) next_[a.index()] = block.end;
  }
  calls_.clear();
  for (uint32_t i = block.end; i-- > block.first;) {
    const MInst& inst = func_->inst(i);
    const auto ops = func_->operands(inst);
    if (func_->is_call(inst)) calls_.push_back(i);
    for (uint32_t n = 0; n < ops.size(); ++n) {
      op_next_[inst.operands_begin + n] = next_[ops[n].vreg.index()];
      if (ops[n].role != Role::kUse) next_[ops[n].vreg.index()] = kDead;
    }
    for (const Operand& op : ops) {
      if (op.role != Role::kUse) continue;
      next_[op.vreg.index()] = i;
      if (op.where == Where::kFixed) hint_[op.vreg.index()] = op.fixed;
    }
    if (ops.size() >= 2 && ops[0].where == Where::kSame && hint_[ops[0].vreg.index()] != kNoReg &&
        hint_[ops[1].vreg.index()] == kNoReg) {
      hint_[ops[1].vreg.index()] = hint_[ops[0].vreg.index()];
    }
  }
}

void RegisterAllocator::enter_block(MBlockId id) {
  for (RegSet set = occupied_; set != 0; set &= set - 1) regs_[content_[lowest(set)].index()] = 0;
  occupied_ = 0;
  const MBlock& block = func_->block(id);
  const auto params = func_->params(block);
  EntryState& state = entry_[id.index()];
  if (!state.fixed) {  // landing blocks, and blocks reached only from later ones: everything is in slots
    state.fixed = true;
    liveness_.for_each_live_in(id, [&](VReg v) { spill(v); });
    for (uint32_t p = 0; p < params.size(); ++p) {
      out_->param_locs[block.params_begin + p] = home(params[p]);
      spill(params[p]);
    }
  }
  for (uint32_t n = state.begin; n < state.end; ++n) bind(residents_[n].reg, residents_[n].v);
  for (uint32_t p = 0; p < params.size(); ++p) {
    const Loc loc = out_->param_locs[block.params_begin + p];
    if (!loc.is_reg()) continue;
    bind(loc.reg(), params[p]);
    push_spill(params[p], loc.reg());
  }
  // Dead parameters give their registers back at once.
  for (const VReg p : params) {
    if (next_[p.index()] == kDead) unbind_all(p);
  }
}

// --- Instructions --------------------------------------------------------------------------------------------------

void RegisterAllocator::maybe_commute(const MInst& inst) {
  if ((info(inst.op).flags & kCommutes) == 0) return;
  const auto ops = func_->operands(inst);
  uint32_t& first = op_next_[inst.operands_begin + 1];
  uint32_t& second = op_next_[inst.operands_begin + 2];
  if (second != kDead || ops[1].vreg == ops[2].vreg || is_const(ops[2].vreg)) return;
  if (first == kDead) {
    // Both end here: overwrite the one that is in a register, or in the wanted one.
    const RegSet a = regs_[ops[1].vreg.index()];
    const RegSet b = regs_[ops[2].vreg.index()];
    const PReg hint = hint_[ops[0].vreg.index()];
    const RegSet wanted = hint != kNoReg ? bit(hint) : 0;
    if (b == 0 || (a != 0 && ((a & wanted) != 0 || (b & wanted) == 0))) return;
  }
  func_->commute(inst);
  std::swap(first, second);
}

bool RegisterAllocator::place_fixed_uses(const MInst& inst) {
  const auto ops = func_->operands(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kUse || ops[n].where != Where::kFixed) continue;
    const PReg reg = ops[n].fixed;
    const VReg v = ops[n].vreg;
    out_->locs[inst.operands_begin + n] = Loc::reg(reg);
    if ((occupied_ & bit(reg)) == 0 || content_[reg] != v) {
      if ((occupied_ & bit(reg)) != 0) {
        if ((locked_ & bit(reg)) != 0) return false;  // two different values in one register
        const bool used_here = next_[content_[reg].index()] == position_;
        // Saving a value in a register that a call is about to clobber would be in vain.
        const RegSet doomed = func_->is_call(inst) && !used_here ? kAllRegs : inst.clobbers;
        vacate(reg, ~doomed);
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

bool RegisterAllocator::place_other_uses(const MInst& inst) {
  const auto ops = func_->operands(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kUse || ops[n].where == Where::kFixed) continue;
    const VReg v = ops[n].vreg;
    Loc& loc = out_->locs[inst.operands_begin + n];
    const RegSet here = regs_[v.index()] & ~inst.clobbers;
    if (here != 0) {
      loc = Loc::reg(lowest(here));
      locked_ |= bit(loc.reg());
      continue;
    }
    const uint32_t after = op_next_[inst.operands_begin + n];
    if (ops[n].where == Where::kAny && !is_const(v) && regs_[v.index()] == 0 && (after == kDead || after == kFar)) {
      loc = home(v);
      spill(v);
      continue;
    }
    const PReg reg = pick(cls(v), ~inst.clobbers, hint_[v.index()]);
    if (reg == kNoReg) return false;
    load(reg, v);
    loc = Loc::reg(reg);
    locked_ |= bit(reg);
  }
  return true;
}

// Temporaries and early definitions: apart from all uses.
bool RegisterAllocator::place_temps(const MInst& inst) {
  const auto ops = func_->operands(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role != Role::kTemp && ops[n].role != Role::kDefEarly) continue;
    const PReg reg = pick(cls(ops[n].vreg), ~forbidden_, hint_[ops[n].vreg.index()]);
    if (reg == kNoReg) return false;
    out_->locs[inst.operands_begin + n] = Loc::reg(reg);
    locked_ |= bit(reg);
  }
  return true;
}

// Where::kSame: the definition overwrites the first use's register; if that value lives on, it must be elsewhere too.
void RegisterAllocator::take_first_use(const MInst& inst) {
  const auto ops = func_->operands(inst);
  if (ops.empty() || ops[0].where != Where::kSame) return;
  const VReg v = ops[1].vreg;
  Loc& use = out_->locs[inst.operands_begin + 1];
  Loc& def = out_->locs[inst.operands_begin];
  def = use;
  if (op_next_[inst.operands_begin + 1] == kDead) return;
  if (is_const(v) || std::popcount(regs_[v.index()]) > 1) {
    unbind(use.reg());
    return;
  }
  const RegSet free = allocatable(cls(v)) & ~occupied_ & ~locked_ & ~forbidden_;
  if (free == 0) {
    spill(v);
    unbind(use.reg());
    return;
  }
  const PReg hint = hint_[ops[0].vreg.index()];
  const PReg copy = hint != kNoReg && (free & bit(hint)) != 0 ? hint : lowest(chosen(free));
  push(Item::Kind::kMove, v.raw, Loc::reg(copy), use);
  def = use = Loc::reg(copy);
  locked_ |= bit(copy);
}

void RegisterAllocator::apply_clobbers(const MInst& inst, RegSet clobbered) {
  const bool call = func_->is_call(inst);
  for (RegSet set = occupied_ & clobbered; set != 0; set &= set - 1) {
    if (plant(AllocatorFault::kIgnoreClobber)) continue;
    vacate(lowest(set), call ? 0 : ~clobbered);
  }
}

bool RegisterAllocator::place_defs(const MInst& inst) {
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
      const PReg reg = pick(cls(v), ~forbidden_, hint_[v.index()]);
      if (reg == kNoReg) return false;
      loc = Loc::reg(reg);
      locked_ |= bit(reg);
    }
    // Whatever was there is dead, or lives elsewhere (fixed ones are clobbers, see instruction()).
    unbind(loc.reg());
    bind(loc.reg(), v);
    next_[v.index()] = op_next_[inst.operands_begin + n];
  }
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse || ops[n].role == Role::kTemp) continue;
    const VReg v = ops[n].vreg;
    if (next_[v.index()] == kDead) {
      unbind_all(v);
    } else {
      push_spill(v, out_->locs[inst.operands_begin + n].reg());
    }
  }
  return true;
}

void RegisterAllocator::save_for_landing(MBlockId landing) {
  liveness_.for_each_live_in(landing, [&](VReg v) { spill(v); });
}

Result<> RegisterAllocator::instruction(uint32_t index) {
  maybe_commute(func_->inst(index));
  const MInst& inst = func_->inst(index);
  const auto ops = func_->operands(inst);
  position_ = index;
  while (!calls_.empty() && calls_.back() <= index) calls_.pop_back();
  next_call_ = calls_.empty() ? kFar : calls_.back();
  locked_ = 0;
  fixed_ = 0;
  RegSet fixed_defs = 0;
  for (const Operand& op : ops) {
    if (op.where != Where::kFixed) continue;
    (op.role == Role::kUse ? fixed_ : fixed_defs) |= bit(op.fixed);
  }
  forbidden_ = func_->is_call(inst) ? fixed_defs : inst.clobbers | fixed_defs;
  const auto impossible = [&] {
    return fail(ErrorCode::kInvariant, inst.offset,
                text::format("I2: register constraints of '{}' cannot be met", print(*func_, inst)));
  };
  if (!place_fixed_uses(inst) || !place_other_uses(inst) || !place_temps(inst)) return impossible();
  take_first_use(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse) next_[ops[n].vreg.index()] = op_next_[inst.operands_begin + n];
  }
  apply_clobbers(inst, func_->clobbers(inst) | fixed_defs);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse && op_next_[inst.operands_begin + n] == kDead) unbind_all(ops[n].vreg);
  }
  const MBlockId landing = func_->landing(inst);
  if (landing.valid()) save_for_landing(landing);
  push(Item::Kind::kInst, index);
  if (!place_defs(inst)) return impossible();
  return {};
}

// --- Edges ---------------------------------------------------------------------------------------------------------

void RegisterAllocator::fix_entry(MBlockId to, const MEdge& via) {
  EntryState& state = entry_[to.index()];
  const MBlock& block = func_->block(to);
  state.fixed = true;
  state.begin = static_cast<uint32_t>(residents_.size());
  const bool drop = loop_calls(to.raw) && in_begin_[to.index() + 1] - in_begin_[to.index()] > 1 && [&] {
    for (uint32_t n = in_begin_[to.index()]; n < in_begin_[to.index() + 1]; ++n) {
      if (func_->edges()[in_edges_[n]].from >= to) return true;
    }
    return false;
  }();
  RegSet taken = 0;
  for (RegSet set = occupied_; set != 0; set &= set - 1) {
    const PReg reg = lowest(set);
    const VReg v = content_[reg];
    if (reg != lowest(regs_[v.index()]) || is_const(v) || !liveness_.is_live_in(to, v)) continue;
    bool keep = !drop;
    if (options_.chaos_seed != 0) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;
      keep = (random_ >> 40 & 3) != 0;
    }
    if (!keep) {
      spill(v);
      continue;
    }
    residents_.push_back({v, reg});
    taken |= bit(reg);
  }
  state.end = static_cast<uint32_t>(residents_.size());
  // Parameters: in their argument's register where it is not needed for itself, then in free ones, then in slots.
  const auto params = func_->params(block);
  const auto args = func_->args(via);
  for (uint32_t p = 0; p < params.size(); ++p) {
    const RegSet own = is_const(args[p]) ? 0 : regs_[args[p].index()] & ~taken;
    if (own == 0) continue;
    const PReg reg = lowest(own);
    out_->param_locs[block.params_begin + p] = Loc::reg(reg);
    taken |= bit(reg);
  }
  for (uint32_t p = 0; p < params.size(); ++p) {
    Loc& loc = out_->param_locs[block.params_begin + p];
    if (loc.valid()) continue;
    const RegSet free = allocatable(cls(params[p])) & ~taken;
    if (free == 0) {
      loc = home(params[p]);
      spill(params[p]);
      continue;
    }
    loc = Loc::reg(lowest(chosen(free)));
    taken |= bit(loc.reg());
  }
  hint_back_edges(to);
}

// Arguments of edges that come later would best be computed where the parameter is.
void RegisterAllocator::hint_back_edges(MBlockId head) {
  const MBlock& block = func_->block(head);
  if (block.params_count == 0) return;
  for (uint32_t n = in_begin_[head.index()]; n < in_begin_[head.index() + 1]; ++n) {
    const MEdge& e = func_->edges()[in_edges_[n]];
    if (done_[e.from.index()] != 0) continue;
    const auto args = func_->args(e);
    for (uint32_t p = 0; p < args.size(); ++p) {
      const Loc loc = out_->param_locs[block.params_begin + p];
      if (loc.is_reg() && hint_[args[p].index()] == kNoReg) hint_[args[p].index()] = loc.reg();
    }
  }
}

void RegisterAllocator::edge(uint32_t index) {
  const MEdge& e = func_->edges()[index];
  if (!entry_[e.to.index()].fixed) fix_entry(e.to, e);
  const EntryState& state = entry_[e.to.index()];
  const MBlock& block = func_->block(e.to);
  const auto source = [&](VReg v) {
    if (regs_[v.index()] != 0) return Loc::reg(lowest(regs_[v.index()]));
    spill(v);
    return home(v);
  };
  for (uint32_t n = state.begin; n < state.end; ++n) {
    const auto [v, reg] = residents_[n];
    if ((regs_[v.index()] & bit(reg)) == 0) moves_.add(Loc::reg(reg), source(v), v, cls(v));
  }
  const auto params = func_->params(block);
  const auto args = func_->args(e);
  for (uint32_t p = 0; p < params.size(); ++p) {
    const Loc dst = out_->param_locs[block.params_begin + p];
    if (is_const(args[p])) {
      moves_.add_const(dst, args[p]);
    } else if (!dst.is_reg() || (regs_[args[p].index()] & bit(dst.reg())) == 0) {
      // A parameter handed on to itself is still in its slot.
      if (!(args[p] == params[p] && dst.is_slot())) moves_.add(dst, source(args[p]), args[p], cls(args[p]));
    }
  }
  auto& range = out_->edges[index];
  range.begin = static_cast<uint32_t>(out_->edge_items.size());
  moves_.resolve(out_->edge_items);
  range.end = static_cast<uint32_t>(out_->edge_items.size());
  if (range.end != range.begin && plant(AllocatorFault::kSkipEdgeMove))
    out_->edge_items[range.end - 1].kind = Item::Kind::kNone;
  if (range.end - range.begin >= 2 && plant(AllocatorFault::kSerializeEdge)) {
    std::reverse(out_->edge_items.begin() + range.begin, out_->edge_items.begin() + range.end);
  }
}

// --- Spill slots ---------------------------------------------------------------------------------------------------

// Stores behind definitions are needed for spilled values only.
void RegisterAllocator::drop_stores() {
  for (Item& item : out_->items) {
    if (item.kind != Item::Kind::kMove || !item.dst.is_slot()) continue;
    if (spilled_[item.dst.slot()] == 0 || plant(AllocatorFault::kForgetSpill)) item.kind = Item::Kind::kNone;
  }
}

// --- Driver --------------------------------------------------------------------------------------------------------

Result<> RegisterAllocator::run(MFunc& func, Allocation& out, const AllocatorOptions& options) {
  options_ = options;
  random_ = options.chaos_seed * 0x9e3779b97f4a7c15u + 1;
  faults_.reset(options);
  if (func.vreg_count() > kMaxVRegs) {
    return fail(ErrorCode::kLimit, 0,
                text::format("function too large to allocate registers: {} values", func.vreg_count()));
  }
  TRY(liveness_.run(func));
  prepare(func, out);
  for (uint32_t b = 0; b < func.blocks().size(); ++b) {
    const MBlockId id(b);
    const MBlock& block = func.block(id);
    out.blocks[b].begin = static_cast<uint32_t>(out.items.size());
    scan_backwards(block, id);
    enter_block(id);
    for (uint32_t i = block.first; i < block.end; ++i) TRY(instruction(i));
    for (uint32_t e = block.edges_begin; e < block.edges_begin + block.edges_count; ++e) edge(e);
    done_[b] = 1;
    out.blocks[b].end = static_cast<uint32_t>(out.items.size());
  }
  drop_stores();
  slots_.run(func, liveness_, spilled_, out, faults_);
  return {};
}

}  // namespace parallax::jit
