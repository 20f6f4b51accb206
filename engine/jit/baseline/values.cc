// Entries of the operand stack, the registers that hold them, and moves.
#include <algorithm>
#include <cstddef>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/jit/baseline/state.h"

namespace parallax::jit {

using runtime::StoreContext;

// --- The stack -----------------------------------------------------------------------------------------------------

Baseline::Entry& Baseline::push(ValType type, Kind kind) {
  Entry& e = entries_.emplace_back();
  e.kind = kind;
  e.rep = rep_of(type);
  e.type = type;
  if (e.rep == Rep::kRef) {
    e.slot = ref_top_++;
    ref_max_ = std::max(ref_max_, ref_top_);
  } else {
    e.slot = num_top_;
    num_top_ += e.rep == Rep::kV128 ? 2 : 1;
    num_max_ = std::max(num_max_, num_top_);
  }
  return e;
}

void Baseline::push_reg(ValType type, PReg reg) {
  push(type, Kind::kReg).reg = reg;
  used_ |= bit(reg);
  entry_of_[reg] = static_cast<uint32_t>(entries_.size() - 1);
}

void Baseline::push_const(ValType type, uint64_t bits) { push(type, Kind::kConst).bits = bits; }

// The registers of what was popped are held until the instruction ends.
Baseline::Entry Baseline::pop() {
  const Entry e = entries_.back();
  entries_.pop_back();
  (e.rep == Rep::kRef ? ref_top_ : num_top_) = e.slot;
  first_reg_ = std::min(first_reg_, entries_.size());
  first_lazy_ = std::min(first_lazy_, entries_.size());
  if (e.kind == Kind::kReg) {
    used_ &= ~bit(e.reg);
    held_ |= bit(e.reg);
  } else if (e.kind == Kind::kLocal) {
    --locals_[e.local].pending;
    if (locals_[e.local].reg != kNoReg) held_ |= bit(locals_[e.local].reg);
  }
  return e;
}

void Baseline::truncate(size_t height) {
  while (entries_.size() > height) pop();
  held_ = 0;
}

// --- Registers -----------------------------------------------------------------------------------------------------

PReg Baseline::alloc(RegClass cls) {
  constexpr RegSet kBusy = bit(kRax) | bit(kRcx) | bit(kRdx);  // wanted by divisions, shifts and joins
  const RegSet open = allocatable(cls) & ~(used_ | held_);
  const RegSet idle = open & ~cached_;
  PReg reg = kNoReg;
  if (idle != 0) {
    reg = lowest((idle & ~kBusy) != 0 ? idle & ~kBusy : idle);
  } else if (open != 0) {
    const RegSet later = open & ~((RegSet{2} << rotor_) - 1);
    reg = lowest(later != 0 ? later : open);
    rotor_ = reg;
    forget_local(reg);
  } else {
    // The deepest value of the class goes to its slot, and what is below it, so that nobody looks there again.
    while (reg == kNoReg) {
      CHECK(first_reg_ < entries_.size(), "I2: an instruction that holds all registers");
      Entry& e = entries_[first_reg_++];
      if (e.kind != Kind::kReg) continue;
      const PReg was = e.reg;
      spill(e);
      if (RegClass{jit::class_of(was)} == cls && (held_ & bit(was)) == 0) reg = was;
    }
    forget_local(reg);
  }
  held_ |= bit(reg);
  return reg;
}

void Baseline::forget_local(PReg reg) {
  if ((cached_ & bit(reg)) == 0) return;
  cached_ &= ~bit(reg);
  locals_[local_of_[reg]].reg = kNoReg;
}

void Baseline::forget_locals() {
  for (RegSet rest = cached_; rest != 0; rest &= rest - 1) locals_[local_of_[lowest(rest)]].reg = kNoReg;
  cached_ = 0;
}

void Baseline::remember_local(uint32_t local, PReg reg) {
  forget_local(reg);
  if (locals_[local].reg != kNoReg) forget_local(locals_[local].reg);
  locals_[local].reg = reg;
  local_of_[reg] = local;
  cached_ |= bit(reg);
}

void Baseline::vacate(PReg reg) {
  if ((used_ & bit(reg)) != 0) spill(entries_[entry_of_[reg]]);
  forget_local(reg);
}

PReg Baseline::reg_of(const Entry& e) {
  if (e.kind == Kind::kReg) {
    hold(e.reg);
    return e.reg;
  }
  if (e.kind == Kind::kLocal && locals_[e.local].reg != kNoReg) {
    hold(locals_[e.local].reg);
    return locals_[e.local].reg;
  }
  const PReg reg = alloc_for(e.rep);
  load_entry(reg, e);
  if (e.kind == Kind::kLocal) remember_local(e.local, reg);
  return reg;
}

PReg Baseline::own_reg_of(const Entry& e) {
  const PReg reg = reg_of(e);
  if (((used_ | cached_) & bit(reg)) == 0) return reg;
  const PReg copy = alloc_for(e.rep);
  class_of(e.rep) == RegClass::kGpr ? code_.mov(copy, reg) : code_.movaps(copy, reg);
  return copy;
}

PReg Baseline::top_in_reg() {
  Entry& e = entries_.back();
  if (e.kind == Kind::kReg) {
    hold(e.reg);
    return e.reg;
  }
  const ValType type = e.type;
  const Entry was = pop();
  const PReg reg = reg_of(was);
  if (was.kind == Kind::kLocal) {
    push(type, Kind::kLocal).local = was.local;
    ++locals_[was.local].pending;
  } else {
    push_reg(type, reg);
  }
  return reg;
}

bool Baseline::immediate(const Entry& e, bool wide, int32_t& imm) {
  if (e.kind != Kind::kConst || is_float(e.rep)) return false;
  imm = static_cast<int32_t>(e.bits);
  return !wide || static_cast<int64_t>(e.bits) == imm;
}

// --- Memory --------------------------------------------------------------------------------------------------------

void Baseline::load(PReg to, Rep rep, const Addr& from) {
  switch (rep) {
    case Rep::kI64:
    case Rep::kFunc: code_.load64(to, from); return;
    case Rep::kF32: code_.load_f32(to, from); return;
    case Rep::kF64: code_.load_f64(to, from); return;
    case Rep::kV128: code_.load_v128(to, from); return;
    default: code_.load32(to, from); return;
  }
}

void Baseline::store(const Addr& to, Rep rep, PReg from) {
  switch (rep) {
    case Rep::kF32: code_.store_f32(to, from); return;
    case Rep::kF64: code_.store_f64(to, from); return;
    case Rep::kV128: code_.store_v128(to, from); return;
    case Rep::kI64:
    case Rep::kFunc: code_.store64(to, from); return;
    default: code_.store32(to, from); return;
  }
}

void Baseline::load_const(PReg to, Rep rep, uint64_t bits) {
  if (class_of(rep) == RegClass::kGpr) return code_.imm(to, bits);
  if (bits == 0) return code_.xorps(to, to);
  code_.imm(kScratchGpr, bits);
  code_.to_xmm(to, kScratchGpr, rep != Rep::kF32);
}

void Baseline::load_entry(PReg to, const Entry& e) {
  switch (e.kind) {
    case Kind::kReg:
      if (to == e.reg) return;
      class_of(e.rep) == RegClass::kGpr ? code_.mov(to, e.reg) : code_.movaps(to, e.reg);
      return;
    case Kind::kConst: load_const(to, e.rep, e.bits); return;
    case Kind::kLocal: {
      const Local& local = locals_[e.local];
      if (local.reg != kNoReg) {
        if (to == local.reg) return;
        class_of(e.rep) == RegClass::kGpr ? code_.mov(to, local.reg) : code_.movaps(to, local.reg);
        return;
      }
      load(to, e.rep, slot_of(e.rep, local.slot));
      break;
    }
    case Kind::kSlot: load(to, e.rep, slot_of(e.rep, e.slot)); break;
    case Kind::kCond: UNREACHABLE("I3: an unsettled comparison is read");
  }
  if (in_.armed && e.rep == Rep::kRef) armed_check(to, e.type);
}

void Baseline::store_entry(const Addr& to, const Entry& e) {
  PReg reg = kNoReg;
  if (e.kind == Kind::kReg) reg = e.reg;
  if (e.kind == Kind::kLocal) reg = locals_[e.local].reg;
  if (reg == kNoReg) {
    if (e.kind == Kind::kConst && e.rep != Rep::kV128) {
      const bool narrow = !is_wide(e.rep);
      if (narrow || static_cast<int64_t>(e.bits) == static_cast<int32_t>(e.bits)) {
        return code_.store_imm(to, static_cast<int32_t>(e.bits), !narrow);
      }
      code_.imm(kScratchGpr, e.bits);
      return code_.store64(to, kScratchGpr);
    }
    const Addr from = slot_of(e.rep, e.kind == Kind::kLocal ? locals_[e.local].slot : e.slot);
    if (e.rep == Rep::kV128) {
      code_.load_v128(kScratchXmm, from);
      return code_.store_v128(to, kScratchXmm);
    }
    if (is_wide(e.rep)) {
      code_.load64(kScratchGpr, from);
      return code_.store64(to, kScratchGpr);
    }
    code_.load32(kScratchGpr, from);
    return code_.store32(to, kScratchGpr);
  }
  store(to, e.rep, reg);
}

void Baseline::spill(Entry& e) {
  store(slot_of(e.rep, e.slot), e.rep, e.reg);
  used_ &= ~bit(e.reg);
  e.kind = Kind::kSlot;
}

void Baseline::flush_registers(size_t count) {
  for (size_t i = first_reg_; i < count; ++i) {
    if (entries_[i].kind == Kind::kReg) spill(entries_[i]);
  }
  first_reg_ = std::max(first_reg_, count);
}

void Baseline::flush_references() {
  constexpr size_t kLookedAt = 64;
  if (entries_.size() > first_reg_ + kLookedAt) flush_registers(entries_.size());
  for (size_t i = first_reg_; i < entries_.size(); ++i) {
    if (entries_[i].kind == Kind::kReg && entries_[i].rep == Rep::kRef) spill(entries_[i]);
  }
  for (RegSet rest = cached_; rest != 0; rest &= rest - 1) {
    if (locals_[local_of_[lowest(rest)]].rep == Rep::kRef) forget_local(lowest(rest));
  }
}

void Baseline::flush(size_t count) {
  for (size_t i = std::min(first_reg_, first_lazy_); i < count; ++i) {
    Entry& e = entries_[i];
    if (e.kind == Kind::kReg) spill(e);
    if (e.kind != Kind::kLocal) continue;
    store_entry(slot_of(e.rep, e.slot), e);
    --locals_[e.local].pending;
    e.kind = Kind::kSlot;
  }
  first_reg_ = std::max(first_reg_, count);
  first_lazy_ = std::max(first_lazy_, count);
}

// Before the local changes: who means its present value gets it.
void Baseline::save_uses(uint32_t local) {
  constexpr size_t kLookedAt = 64;  // then all names are resolved, so that nobody looks there again
  size_t looked_at = 0;
  if (locals_[local].rep == Rep::kRef && fault_fires(Fault::kSM4)) return;
  for (size_t i = entries_.size(); locals_[local].pending != 0 && i-- > first_lazy_;) {
    if (++looked_at > kLookedAt) return flush(entries_.size());
    Entry& e = entries_[i];
    if (e.kind != Kind::kLocal || e.local != local) continue;
    store_entry(slot_of(e.rep, e.slot), e);
    --locals_[local].pending;
    e.kind = Kind::kSlot;
  }
}

// --- Moves ---------------------------------------------------------------------------------------------------------

// All at once. Afterwards no register but those given holds what it did.
void Baseline::place(std::span<Move> moves) {
  PReg source[kRegCount];
  uint32_t readers[kRegCount] = {};
  RegSet todo = 0;
  for (Move& m : moves) {
    Entry& e = m.from;
    if (e.kind == Kind::kLocal && locals_[e.local].reg != kNoReg) {
      e.reg = locals_[e.local].reg;
      e.kind = Kind::kReg;
    }
    if (e.kind != Kind::kReg || jit::class_of(e.reg) != jit::class_of(m.to) || e.reg == m.to) continue;
    source[m.to] = e.reg;
    ++readers[e.reg];
    todo |= bit(m.to);
  }
  const auto copy = [&](PReg to, PReg from) {
    jit::class_of(to) == RegClass::kGpr ? code_.mov(to, from) : code_.movaps(to, from);
  };
  while (todo != 0) {
    bool any = false;
    for (RegSet rest = todo; rest != 0; rest &= rest - 1) {
      const PReg to = lowest(rest);
      if (readers[to] != 0) continue;
      copy(to, source[to]);
      --readers[source[to]];
      todo &= ~bit(to);
      any = true;
    }
    if (any) continue;
    // Only cycles are left: one value steps aside.
    const PReg aside = lowest(todo);
    const PReg scratch = jit::class_of(aside) == RegClass::kGpr ? kScratchGpr : kScratchXmm;
    copy(scratch, aside);
    for (RegSet rest = todo; rest != 0; rest &= rest - 1) {
      if (source[lowest(rest)] != aside) continue;
      source[lowest(rest)] = scratch;
      ++readers[scratch];
    }
    readers[aside] = 0;
  }
  for (const Move& m : moves) {
    const Entry& e = m.from;
    if (e.kind == Kind::kReg) {
      if (jit::class_of(e.reg) != jit::class_of(m.to)) code_.to_gpr(m.to, e.reg, is_wide(e.rep));
    } else if (class_of(e.rep) == jit::class_of(m.to)) {
      load_entry(m.to, e);
    } else if (e.kind == Kind::kConst) {  // a float's bits
      code_.imm(m.to, e.bits);
    } else {
      const Addr from = slot_of(e.rep, e.kind == Kind::kLocal ? locals_[e.local].slot : e.slot);
      is_wide(e.rep) ? code_.load64(m.to, from) : code_.load32(m.to, from);
    }
  }
}

static Addr argument_slot(uint32_t slot) {
  return {.base = kStoreReg,
          .disp = static_cast<int32_t>(offsetof(StoreContext, arg_area) + sizeof(runtime::Slot) * slot)};
}

void Baseline::place_arguments(size_t first, std::span<const ValType> types, PReg callee) {
  ArgAssigner assigner;
  moves_.clear();
  for (size_t i = 0; i < types.size(); ++i) {
    const Entry& e = entries_[first + i];
    const auto to = assigner.next(class_of(e.rep));
    if (to.reg != kNoReg) {
      moves_.push_back({to.reg, e});
    } else {
      store_entry(argument_slot(to.slot), e);
    }
  }
  if (callee != kNoReg) moves_.push_back({kCalleeReg, {.kind = Kind::kReg, .rep = Rep::kI64, .reg = callee}});
  place(moves_);
}

// After a call: nothing is in a register but the results.
void Baseline::push_results(std::span<const ValType> types) {
  ArgAssigner assigner;
  for (const ValType type : types) {
    const Rep rep = rep_of(type);
    const auto from = assigner.next(class_of(rep));
    if (from.reg != kNoReg) {
      push_reg(type, from.reg);
      continue;
    }
    const PReg scratch = class_of(rep) == RegClass::kGpr ? kScratchGpr : kScratchXmm;
    load(scratch, rep, argument_slot(from.slot));
    const Entry& e = push(type, Kind::kSlot);
    store(slot_of(rep, e.slot), rep, scratch);
  }
  if (!in_.armed) return;
  for (size_t i = entries_.size() - types.size(); i < entries_.size(); ++i) {
    held_ = 0;
    const Entry e = entries_[i];
    if (e.kind == Kind::kReg) armed_check(e.reg, e.type);
  }
}

// --- The emitter's sequences ---------------------------------------------------------------------------------------

void Baseline::bridge(MInst inst, std::span<const PReg> regs) {
  for (const PReg reg : regs) {
    mf_.operand({VReg(0), Role::kUse, Where::kFixed, reg});
    locations_.locs.push_back(Loc::reg(reg));
  }
  inst.offset = offset_;
  mf_.append(inst);
  em_.instruction(static_cast<uint32_t>(mf_.insts().size() - 1));
}

// The map of a safepoint: all references of locals, and those of the operand stack that are in their slots, which are all
// that have no other place.
CallId Baseline::new_call(MCall call, bool is_safepoint) {
  if (is_safepoint) {
    const bool is_call = call.builtin == MCall::kNoBuiltin;
    call.map_begin = static_cast<uint32_t>(mf_.map_slots.size());
    mf_.map_slots.insert(mf_.map_slots.end(), ref_slots_.begin(), ref_slots_.end());
    for (const Entry& e : entries_) {
      if (e.rep != Rep::kRef || e.kind != Kind::kSlot) continue;
      if (!fault_fires(Fault::kBAS1)) mf_.map_slots.push_back(e.slot);
    }
    if (is_call && mf_.map_slots.size() > call.map_begin && fault_fires(Fault::kSM1)) {
      mf_.map_slots.erase(mf_.map_slots.begin() + call.map_begin);
    }
    call.map_count = static_cast<uint32_t>(mf_.map_slots.size()) - call.map_begin;
    map_work_ += ref_slots_.size() + entries_.size();
    if (map_work_ > kMaxMapWork) refuse("stack maps");
  }
  const uint32_t handler = controls_.back().handler;
  if (handler != kNone && call.builtin == MCall::kNoBuiltin) {
    controls_[handler].has_landing = true;
    call.landing = controls_[handler].landing;
  }
  return mf_.add_call(call);
}

}  // namespace parallax::jit
