#include "engine/jit/regalloc/global.h"

#include "engine/base/text.h"

namespace parallax::jit {

// How many fixed operands to come are looked at.
static constexpr uint32_t kLookahead = 8;
// Through how many parameters a wish is handed on.
static constexpr uint32_t kWishSteps = 3;

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
  state_[v.index()].regs |= bit(reg);
}

void GlobalAllocator::unbind(PReg reg) {
  if ((occupied_ & bit(reg)) == 0) return;
  state_[content_[reg].index()].regs &= ~bit(reg);
  occupied_ &= ~bit(reg);
}

void GlobalAllocator::unbind_all(VReg v) {
  occupied_ &= ~state_[v.index()].regs;
  state_[v.index()].regs = 0;
}

void GlobalAllocator::clear_registers() {
  for (RegSet set = occupied_; set != 0; set &= set - 1) state_[content_[lowest(set)].index()].regs = 0;
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
  } else if (state_[v.index()].regs != 0) {
    push(Item::Kind::kMove, v.raw, Loc::reg(reg), Loc::reg(lowest(state_[v.index()].regs)));
  } else {
    spilled_[v.index()] = 1;
    state_[v.index()].stored_in = block_ + 1;
    if (!plant(AllocatorFault::kForgetReload)) push(Item::Kind::kMove, v.raw, Loc::reg(reg), home(v));
  }
  bind(reg, v);
}

// A place where `v` may be stored; choose_stores decides whether it is.
void GlobalAllocator::store_site(VReg v, PReg reg, bool is_drop) {
  stores_.push_back({static_cast<uint32_t>(out_->items.size()), v, is_drop});
  (is_drop ? state_[v.index()].drop_cost : state_[v.index()].def_cost) += flow_->frequency(block_);
  push(Item::Kind::kMove, v.raw, home(v), Loc::reg(reg));
}

// `v` is about to lose its last register, but lives on.
void GlobalAllocator::drop(VReg v, PReg reg) {
  spilled_[v.index()] = 1;
  if (state_[v.index()].stored_in == block_ + 1) return;
  state_[v.index()].stored_in = block_ + 1;
  if (!plant(AllocatorFault::kStaleSlot)) store_site(v, reg, true);
}

// Makes `reg` free: moves its value to a free register of `move_to`, or drops it to its slot.
void GlobalAllocator::vacate(PReg reg, RegSet move_to) {
  if ((occupied_ & bit(reg)) == 0) return;
  const VReg v = content_[reg];
  unbind(reg);
  const uint32_t next = state_[v.index()].next;
  if (state_[v.index()].regs != 0 || is_const(v) || next == kDead) return;
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
    if (state_[v.index()].hint != kNoReg) return state_[v.index()].hint;
    if (state_[v.index()].wish_of != kNoReg) return state_[v.index()].wish_of;
    v = state_[v.index()].becomes;
    if (!v.valid()) break;
  }
  return kNoReg;
}

// Registers that instructions overwrite while `v` is expected to be in one.
RegSet GlobalAllocator::overwritten_before_end(VReg v) const {
  const uint32_t last = state_[v.index()].last;
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
    uint64_t next = state_[v.index()].next;
    // The next call takes it out of its register anyway; a second copy is as good as a free register.
    if (next > next_call_ || std::popcount(state_[v.index()].regs) > 1) next = kDead;
    const uint64_t cheap = is_const(v) ? 3 : state_[v.index()].stored_in == block_ + 1 ? 2 : spilled_[v.index()];
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
      state_[content_[hint].index()].next > next_call_) {
    vacate(hint, 0);  // the call would drop it anyway
    return hint;
  }
  if (free != 0) return choose(free, v);
  if (allowed == 0) return kNoReg;
  const PReg worst = victim(allowed);
  vacate(worst, 0);
  return worst;
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
    const RegSet a = state_[ops[1].vreg.index()].regs;
    const RegSet b = state_[ops[2].vreg.index()].regs;
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
    if (ops[n].role == Role::kUse) state_[ops[n].vreg.index()].next = op_next_[inst.operands_begin + n];
  }
  for (RegSet set = occupied_; set != 0; set &= set - 1) {
    const PReg reg = lowest(set);
    const VReg v = content_[reg];
    if (reg != lowest(state_[v.index()].regs) || is_const(v) || state_[v.index()].next == kDead) continue;
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
    if ((state_[v.index()].regs & bit(dst.reg())) != 0) continue;
    if (plant(AllocatorFault::kWrongFixed)) continue;
    if (state_[v.index()].regs != 0) {
      moves_.add(dst, Loc::reg(lowest(state_[v.index()].regs)), v, cls(v));
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
    const RegSet here = state_[v.index()].regs & allowed;
    if (here != 0) {
      loc = Loc::reg(lowest(here));
      locked_ |= bit(loc.reg());
      continue;
    }
    const uint32_t after = op_next_[inst.operands_begin + n];
    if (ops[n].where == Where::kAny && !is_const(v) && state_[v.index()].regs == 0 && after >= end) {
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
  if (is_const(v) || std::popcount(state_[v.index()].regs) > 1) {
    unbind(use.reg());
    return true;
  }
  const RegSet allowed = allocatable(cls(v)) & ~locked_ & ~forbidden_;
  RegSet free = allowed & ~occupied_;
  if (free == 0 && allowed != 0 && after < next_call_) {
    const PReg worst = victim(allowed);
    if (state_[content_[worst].index()].next > after) {
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
    state_[v.index()].next = op_next_[inst.operands_begin + n];
    const VReg param = state_[v.index()].becomes;
    if (param.valid() && state_[param.index()].wish_of == kNoReg) state_[param.index()].wish_of = loc.reg();
  }
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kUse || ops[n].role == Role::kTemp) continue;
    const VReg v = ops[n].vreg;
    if (state_[v.index()].next == kDead) {
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
      if (ops[n].role == Role::kUse) state_[ops[n].vreg.index()].next = op_next_[inst.operands_begin + n];
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
