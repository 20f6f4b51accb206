#include "engine/jit/regalloc/check.h"

#include <algorithm>

#include "engine/base/text.h"

namespace parallax::jit {

// Block entry states take blocks * locations words; a definition looks at all locations.
static constexpr uint64_t kMaxStateWords = uint64_t{32} << 20;
static constexpr uint64_t kMaxWork = uint64_t{4} << 30;

std::unexpected<Error> AllocationChecker::bad(std::string what) const {
  return fail(ErrorCode::kInvariant, 0, "I2: regalloc: " + what);
}

Result<> AllocationChecker::check_loc(Loc loc, const MInst* inst) {
  if (loc.is_slot() ? loc.slot() >= allocation_->slots : !loc.valid()) {
    return bad(text::format("location {} outside the frame{}", to_string(loc),
                            inst != nullptr ? " at " + print(*func_, *inst) : ""));
  }
  return {};
}

// Wide values live in wide slots and narrow ones in narrow slots.
Result<> AllocationChecker::check_room(Loc loc, VReg v) {
  if (!loc.is_slot() || allocation_->room(loc) == func_->vreg(v).room) return {};
  return bad(text::format("v{} and {} differ in size", v.raw, to_string(loc)));
}

// Locations of a move or constant, and of all operands: from here on they may index a state.
Result<> AllocationChecker::check_item(const Item& item) {
  if (item.kind == Item::Kind::kNone) return {};
  if (item.kind == Item::Kind::kInst) {
    const MInst& inst = func_->inst(item.index);
    const auto ops = func_->operands(inst);
    for (uint32_t n = 0; n < ops.size(); ++n) {
      TRY(check_loc(allocation_->loc(inst, n), &inst));
      if (ops[n].role != Role::kUse && !allocation_->loc(inst, n).is_reg()) {
        return bad("definition outside registers at " + print(*func_, inst));
      }
      TRY(check_room(allocation_->loc(inst, n), ops[n].vreg));
    }
    return {};
  }
  if (item.index >= func_->vreg_count()) return bad(text::format("move of v{}, which does not exist", item.index));
  if (item.kind == Item::Kind::kMove) {
    TRY(check_loc(item.src, nullptr));
    TRY(check_room(item.src, VReg(item.index)));
  }
  TRY(check_loc(item.dst, nullptr));
  TRY(check_room(item.dst, VReg(item.index)));
  constexpr RegSet kNever = kReservedRegs & ~(bit(kScratchGpr) | bit(kScratchXmm));
  if (item.dst.is_reg() && (kNever & bit(item.dst.reg())) != 0) return bad("move to " + to_string(item.dst));
  return {};
}

// Property 6.
Result<> AllocationChecker::check_shape() {
  for (uint32_t b = 0; b < func_->blocks().size(); ++b) {
    uint32_t next = func_->blocks()[b].first;
    for (const Item& item : allocation_->block_items(MBlockId(b))) {
      if (item.kind == Item::Kind::kInst && item.index != next++) {
        return bad(text::format("instruction {} of block {} missing or out of order", next - 1, b));
      }
      TRY(check_item(item));
    }
    if (next != func_->blocks()[b].end) return bad(text::format("block {} lacks its last instructions", b));
  }
  for (const Item& item : allocation_->edge_items) TRY(check_item(item));
  for (const Loc loc : allocation_->param_locs) TRY(check_loc(loc, nullptr));
  return {};
}

void AllocationChecker::define(State& state, VReg v, Loc loc) {
  for (uint32_t& held : state) {
    if (held == v.raw) held = kUnknown;
  }
  if (loc.valid()) state[loc.raw] = v.raw;
}

void AllocationChecker::apply_item(const Item& item, State& state) {
  switch (item.kind) {
    case Item::Kind::kNone: return;
    case Item::Kind::kInst: apply_inst(func_->inst(item.index), state); return;
    case Item::Kind::kMove: {
      const bool through_memory = item.src.is_slot() && item.dst.is_slot();
      const uint32_t held = state[item.src.raw];
      // Between registers everything is copied; through a slot as much as the named value has.
      const bool cut = held != kUnknown && !(item.src.is_reg() && item.dst.is_reg()) &&
                       func_->vreg(VReg(held)).room != func_->vreg(VReg(item.index)).room;
      state[item.dst.raw] = cut ? kUnknown : held;
      // The emitter copies slots through the other class's scratch register.
      if (through_memory) {
        state[func_->vreg(VReg(item.index)).cls == RegClass::kGpr ? uint32_t{kScratchXmm} : uint32_t{kScratchGpr}] =
            kUnknown;
      }
      return;
    }
    case Item::Kind::kConst:
      if (!item.dst.is_reg() || class_of(item.dst.reg()) == RegClass::kXmm) state[kScratchGpr] = kUnknown;
      state[item.dst.raw] = item.index;
      return;
  }
}

void AllocationChecker::apply_inst(const MInst& inst, State& state) {
  RegSet clobbers = func_->clobbers(inst) | bit(kScratchGpr) | bit(kScratchXmm);
  const auto ops = func_->operands(inst);
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kTemp) clobbers |= bit(allocation_->loc(inst, n).reg());
  }
  for (RegSet set = clobbers; set != 0; set &= set - 1) state[lowest(set)] = kUnknown;
  for (uint32_t n = 0; n < ops.size(); ++n) {
    if (ops[n].role == Role::kDef || ops[n].role == Role::kDefEarly)
      define(state, ops[n].vreg, allocation_->loc(inst, n));
  }
}

Result<> AllocationChecker::judge_inst(const MInst& inst, const State& state) {
  const auto ops = func_->operands(inst);
  const auto wrong = [&](uint32_t n, std::string_view what) {
    return bad(text::format("operand {} (v{} in {}) of '{}' {}", n, ops[n].vreg.raw,
                            to_string(allocation_->loc(inst, n)), print(*func_, inst), what));
  };
  RegSet uses = 0;
  RegSet fixed_uses = 0;
  RegSet written = 0;
  for (uint32_t n = 0; n < ops.size(); ++n) {
    const Loc loc = allocation_->loc(inst, n);
    TRY(check_loc(loc, &inst));
    if (loc.is_slot()) {
      if (ops[n].role != Role::kUse || ops[n].where != Where::kAny) return wrong(n, "must be in a register");
    } else {
      if ((kReservedRegs & bit(loc.reg())) != 0) return wrong(n, "is in a reserved register");
      if (class_of(loc.reg()) != func_->vreg(ops[n].vreg).cls) return wrong(n, "is in a register of the other class");
      if (ops[n].where == Where::kFixed && loc.reg() != ops[n].fixed) return wrong(n, "is not in its fixed register");
    }
    if (ops[n].role == Role::kUse) {
      if (state[loc.raw] != ops[n].vreg.raw) {
        return wrong(n, state[loc.raw] == kUnknown ? "reads a location with unknown contents"
                                                   : text::format("reads a location that holds v{}", state[loc.raw]));
      }
      if (loc.is_reg()) (ops[n].where == Where::kFixed ? fixed_uses : uses) |= bit(loc.reg());
    } else {
      if ((written & bit(loc.reg())) != 0) return wrong(n, "shares its register with another definition or temporary");
      written |= bit(loc.reg());
    }
  }
  for (uint32_t n = 0; n < ops.size(); ++n) {
    const Loc loc = allocation_->loc(inst, n);
    if (ops[n].where == Where::kSame && loc != allocation_->loc(inst, 1))
      return wrong(n, "is not in the first use's register");
    if (ops[n].role == Role::kTemp || ops[n].role == Role::kDefEarly) {
      if (((uses | fixed_uses) & bit(loc.reg())) != 0) return wrong(n, "overwrites a use");
    }
  }
  // Clobbers may be written before free uses are read; fixed uses in them are meant.
  if (!func_->is_call(inst) && (inst.clobbers & uses) != 0)
    return bad("use in a clobbered register at " + print(*func_, inst));
  return {};
}

// Property 1 for block parameters.
Result<> AllocationChecker::judge_edge(const MEdge& e, const State& state) {
  const MBlock& to = func_->block(e.to);
  const auto args = func_->args(e);
  if (args.size() != to.params_count)
    return bad(text::format("edge to block {} has {} arguments", e.to.raw, args.size()));
  for (uint32_t p = 0; p < args.size(); ++p) {
    const Loc loc = allocation_->param_locs[to.params_begin + p];
    TRY(check_loc(loc, nullptr));
    TRY(check_room(loc, func_->params(to)[p]));
    if (func_->vreg(args[p]).room != func_->vreg(func_->params(to)[p]).room)
      return bad(text::format("argument v{} and its parameter differ in size", args[p].raw));
    if (loc.is_reg() &&
        ((kReservedRegs & bit(loc.reg())) != 0 || class_of(loc.reg()) != func_->vreg(func_->params(to)[p]).cls)) {
      return bad(text::format("parameter {} of block {} in {}", p, e.to.raw, to_string(loc)));
    }
    for (uint32_t q = 0; q < p; ++q) {
      if (allocation_->param_locs[to.params_begin + q] == loc) return bad("two block parameters in " + to_string(loc));
    }
    if (state[loc.raw] != args[p].raw) {
      return bad(text::format("edge b{} -> b{}: parameter {} expects v{} in {}, which holds {}", e.from.raw, e.to.raw,
                              p, args[p].raw, to_string(loc),
                              state[loc.raw] == kUnknown ? "?" : text::format("v{}", state[loc.raw])));
    }
  }
  return {};
}

void AllocationChecker::enter_edge(const MEdge& e, State& state) {
  const MBlock& to = func_->block(e.to);
  const auto params = func_->params(to);
  const auto args = func_->args(e);
  // All arguments first: parameters may be handed to each other.
  scratch_.assign(params.size(), 0);
  for (uint32_t p = 0; p < params.size(); ++p) {
    const Loc loc = allocation_->param_locs[to.params_begin + p];
    scratch_[p] = loc.valid() && loc.raw < locs_ && state[loc.raw] == args[p].raw ? 1 : 0;
  }
  for (const VReg p : params) define(state, p, {});
  for (uint32_t p = 0; p < params.size(); ++p) {
    if (scratch_[p] != 0) state[allocation_->param_locs[to.params_begin + p].raw] = params[p].raw;
  }
}

void AllocationChecker::merge(MBlockId to, const State& from, bool registers) {
  const uint32_t b = to.raw;
  State& in = in_[b];
  if (reached_[b] == 0) {
    reached_[b] = dirty_[b] = 1;
    in = from;
    if (!registers) std::fill_n(in.begin(), kRegCount, kUnknown);
    return;
  }
  for (uint32_t n = 0; n < locs_; ++n) {
    const uint32_t held = !registers && n < kRegCount ? kUnknown : from[n];
    if (in[n] != held && in[n] != kUnknown) {
      in[n] = kUnknown;
      dirty_[b] = 1;
    }
  }
}

void AllocationChecker::flow_block(uint32_t b) {
  state_ = in_[b];
  for (const Item& item : allocation_->block_items(MBlockId(b))) {
    if (item.kind == Item::Kind::kInst) {
      const MBlockId landing = func_->landing(func_->inst(item.index));
      if (landing.valid()) merge(landing, state_, false);
    }
    apply_item(item, state_);
  }
  const MBlock& block = func_->blocks()[b];
  for (uint32_t n = 0; n < block.edges_count; ++n) {
    const EdgeId id(block.edges_begin + n);
    State at_edge = state_;
    for (const Item& item : allocation_->moves(id)) apply_item(item, at_edge);
    enter_edge(func_->edges()[id.index()], at_edge);
    merge(func_->edges()[id.index()].to, at_edge, true);
  }
}

Result<> AllocationChecker::judge_block(uint32_t b) {
  state_ = in_[b];
  for (const Item& item : allocation_->block_items(MBlockId(b))) {
    if (item.kind == Item::Kind::kInst) TRY(judge_inst(func_->inst(item.index), state_));
    apply_item(item, state_);
  }
  const MBlock& block = func_->blocks()[b];
  for (uint32_t n = 0; n < block.edges_count; ++n) {
    const EdgeId id(block.edges_begin + n);
    State at_edge = state_;
    for (const Item& item : allocation_->moves(id)) apply_item(item, at_edge);
    TRY(judge_edge(func_->edges()[id.index()], at_edge));
  }
  return {};
}

Result<> AllocationChecker::check(const MFunc& func, const Allocation& allocation) {
  func_ = &func;
  allocation_ = &allocation;
  locs_ = kRegCount + allocation.slots;
  const size_t blocks = func.blocks().size();
  if (uint64_t{blocks} * locs_ > kMaxStateWords || uint64_t{func.insts().size()} * locs_ > kMaxWork) {
    return fail(ErrorCode::kLimit, 0,
                text::format("function too large to check its registers: {} blocks, {} instructions, {} locations",
                             blocks, func.insts().size(), locs_));
  }
  TRY(check_shape());
  in_.resize(std::max(in_.size(), blocks));
  reached_.assign(blocks, 0);
  dirty_.assign(blocks, 0);
  in_[0].assign(locs_, kUnknown);
  reached_[0] = dirty_[0] = 1;
  for (bool again = true; again;) {
    again = false;
    for (uint32_t b = 0; b < blocks; ++b) {
      if (dirty_[b] == 0) continue;
      dirty_[b] = 0;
      flow_block(b);
      again = true;
    }
  }
  for (uint32_t b = 0; b < blocks; ++b) {
    if (reached_[b] != 0) TRY(judge_block(b));
  }
  return {};
}

}  // namespace parallax::jit
