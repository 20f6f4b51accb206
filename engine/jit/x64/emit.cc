#include "engine/jit/x64/emit.h"
#include "engine/base/faults.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/runtime/instance.h"

namespace parallax::jit::x64 {

using runtime::FuncEntry;
using runtime::StoreContext;
using wasm::OutcomeKind;
using wasm::TrapKind;

static constexpr uint32_t kMaxFrameBytes = 256 * 1024;
// Frames up to this size, of functions that only call the runtime, fit into what is kept free for the runtime.
static constexpr uint32_t kSmallFrameBytes = 1024;
static constexpr uint32_t kTrapKindCount = 0
#define TRAP(id, text) +1
#include "engine/wasm/traps.def"
#undef TRAP
    ;

// Bytes of a frame below rbp: depth, homes and narrow slots, wide slots.
static uint32_t narrow_bytes(uint32_t homes, uint32_t narrow_slots) {
  return (8 + 8 * (homes + narrow_slots) + 15) & ~15u;
}

x86::Mem Emitter::slot(Loc l) const {
  const Allocation& allocation = *input_.allocation;
  if (allocation.room(l) == Room::k8) return x86::ptr(x86::rbp, home_offset(f().home_slots + l.slot()));
  const uint32_t wide = l.slot() - allocation.narrow_slots;
  const uint32_t below = narrow_bytes(f().home_slots, allocation.narrow_slots) + 16 * (wide + 1);
  return x86::ptr(x86::rbp, -static_cast<int32_t>(below));  // aligned, as rbp is
}

x86::Mem Emitter::pool(uint64_t low, uint64_t high) {
  constexpr size_t kLookedAt = 16;  // the latest, so that this stays constant time
  for (size_t n = pool_.size(); n > 0 && n + kLookedAt > pool_.size(); --n) {
    const PoolEntry& known = pool_[n - 1];
    if (known.low == low && known.high == high) return x86::ptr(known.at, 0, 16);
  }
  pool_.push_back({low, high, a_.newLabel()});
  return x86::ptr(pool_.back().at, 0, 16);
}

void Emitter::write_pool() {
  if (pool_.empty()) return;
  a_.align(asmjit::AlignMode::kData, 16);
  for (const PoolEntry& entry : pool_) {
    a_.bind(entry.at);
    a_.embedUInt64(entry.low);
    a_.embedUInt64(entry.high);
  }
}

x86::Mem Emitter::mem(const MInst& inst, uint32_t at) const {
  const Mem& m = inst.mem;
  if (m.base == MemBase::kHome) return x86::ptr(x86::rbp, home_offset(static_cast<uint32_t>(m.disp)));
  PReg base = kNoReg;
  switch (m.base) {
    case MemBase::kVReg: base = reg(inst, at++); break;
    case MemBase::kHeap: base = kHeapReg; break;
    case MemBase::kStore: base = kStoreReg; break;
    case MemBase::kHome:
    case MemBase::kNone: break;
  }
  if (!m.has_index) return base == kNoReg ? x86::ptr(static_cast<uint64_t>(m.disp)) : x86::ptr(gp64(base), m.disp);
  const x86::Gp index = gp64(reg(inst, at));
  if (base == kNoReg) return x86::ptr(static_cast<uint64_t>(static_cast<int64_t>(m.disp)), index, m.scale_log2);
  return x86::ptr(gp64(base), index, m.scale_log2, m.disp);
}

// --- Frame ---------------------------------------------------------------------------------------------------------

Emitter::FrameShape Emitter::shape_of() const {
  FrameShape shape;
  for (const MInst& inst : f().insts()) {
    if (f().is_call(inst) || inst.op == MOp::StructAlloc || inst.op == MOp::ArrayAlloc || inst.op == MOp::AllocCharge) {
      shape.exists = true;
    }
    if (inst.op == MOp::CallFunc || inst.op == MOp::CallEntry) shape.depth = true;
    if (inst.op == MOp::DepthAdd) shape.shifts = true;
  }
  const Allocation& allocation = *input_.allocation;
  if (shape.depth || f().home_slots != 0 || allocation.slots != 0) {
    shape.exists = true;
    shape.bytes =
        narrow_bytes(f().home_slots, allocation.narrow_slots) + 16 * (allocation.slots - allocation.narrow_slots);
  }
  return shape;
}

// Depth first, then the machine's own stack; fuel is a Budget instruction of the body (limits.h). What is left stands in
// the caller's frame, which rbp still names: a function that calls nothing only has to look at it.
void Emitter::prologue() {
  if (frame_.depth) {
    a_.mov(x86::r11, x86::ptr(x86::rbp, kFrameDepth));
    a_.sub(x86::r11, 1);
  } else {
    a_.cmp(x86::qword_ptr(x86::rbp, kFrameDepth), fault_fires(Fault::kCALL1) ? 0 : 1);
  }
  a_.jb(exit_label(OutcomeKind::kStackExhausted));
  if (frame_.exists) {
    a_.push(x86::rbp);
    frame_at_ = static_cast<uint32_t>(a_.offset());
    a_.mov(x86::rbp, x86::rsp);
    if (frame_.bytes != 0) a_.sub(x86::rsp, frame_.bytes);
    if (frame_.depth || frame_.bytes > kSmallFrameBytes) {
      a_.cmp(x86::rsp, store_field(offsetof(StoreContext, native_stack_limit)));
      a_.jb(exit_label(OutcomeKind::kNativeStack));
    }
    if (frame_.depth) a_.mov(x86::ptr(x86::rbp, kFrameDepth), x86::r11);
  }
  a_.bind(body_label_);
}

void Emitter::leave_frame() {
  if (!frame_.exists) return;
  if (frame_.bytes != 0) {
    a_.leave();
  } else {
    a_.pop(x86::rbp);
  }
}

// The unwinder arrives with rbp set; everything else of the frame follows from it.
void Emitter::landing_entry() {
  a_.lea(x86::rsp, x86::ptr(x86::rbp, -static_cast<int32_t>(frame_.bytes)));
  if (!frame_.shifts) return;
  a_.mov(x86::r11, x86::ptr(x86::rbp));
  a_.mov(x86::r11, x86::ptr(x86::r11, kFrameDepth));
  a_.dec(x86::r11);
  a_.mov(x86::ptr(x86::rbp, kFrameDepth), x86::r11);
}

// Requires: outside of what DepthAdd brackets.
void Emitter::depth_check(const MInst& inst) {
  x86::Mem left = x86::qword_ptr(x86::rbp, kFrameDepth);  // without a frame, the caller's
  if (frame_.exists && !frame_.depth) {
    a_.mov(x86::r11, x86::ptr(x86::rbp));
    left = x86::qword_ptr(x86::r11, kFrameDepth);
  }
  a_.cmp(left, imm(inst.imm + (frame_.depth ? 0 : 1)));
  a_.jb(cold(ColdKind::kDepth));
}

// --- Items ---------------------------------------------------------------------------------------------------------

void Emitter::move(Loc dst, Loc src, RegClass cls, Room room) {
  const bool wide = room == Room::k16;
  if (dst.is_reg() && src.is_reg()) {
    if (cls == RegClass::kGpr) {
      a_.mov(gp64(dst.reg()), gp64(src.reg()));
    } else {
      a_.movaps(xmm(dst.reg()), xmm(src.reg()));
    }
  } else if (dst.is_reg()) {
    if (cls == RegClass::kGpr) {
      a_.mov(gp64(dst.reg()), slot(src));
    } else {
      wide ? a_.movaps(xmm(dst.reg()), slot(src)) : a_.movsd(xmm(dst.reg()), slot(src));
    }
  } else if (src.is_reg()) {
    if (cls == RegClass::kGpr) {
      a_.mov(slot(dst), gp64(src.reg()));
    } else {
      wide ? a_.movaps(slot(dst), xmm(src.reg())) : a_.movsd(slot(dst), xmm(src.reg()));
    }
  } else if (cls == RegClass::kGpr) {  // r11 may hold a cycle's value: go through the other class's scratch
    a_.movsd(xmm(kScratchXmm), slot(src));
    a_.movsd(slot(dst), xmm(kScratchXmm));
  } else {
    for (int32_t at = 0; at < (wide ? 16 : 8); at += 8) {
      a_.mov(gp64(kScratchGpr), slot(src).cloneAdjusted(at));
      a_.mov(slot(dst).cloneAdjusted(at), gp64(kScratchGpr));
    }
  }
}

// Writes no flags: may stand between a comparison and its jump.
void Emitter::constant(Loc dst, VReg v) {
  const VRegInfo& info = f().vreg(v);
  const auto bits = static_cast<int64_t>(info.bits);
  const auto store_word = [&](x86::Mem to, int64_t word) {
    to.setSize(8);
    if (word == static_cast<int32_t>(word)) {
      a_.mov(to, imm(word));
    } else {
      a_.mov(gp64(kScratchGpr), imm(word));
      a_.mov(to, gp64(kScratchGpr));
    }
  };
  if (dst.is_slot()) {
    store_word(slot(dst), bits);
    if (info.room == Room::k16) store_word(slot(dst).cloneAdjusted(8), static_cast<int64_t>(info.high));
  } else if (info.room == Room::k16) {
    if ((info.bits | info.high) == 0) {
      a_.xorps(xmm(dst.reg()), xmm(dst.reg()));
    } else {
      a_.movaps(xmm(dst.reg()), pool(info.bits, info.high));
    }
  } else if (info.cls == RegClass::kXmm) {
    load_float(dst.reg(), Width::kF64, info.bits);
  } else if ((info.bits >> 32) == 0) {
    a_.mov(gp32(dst.reg()), imm(bits));
  } else {
    a_.mov(gp64(dst.reg()), imm(bits));
  }
}

void Emitter::item(const Item& item) {
  switch (item.kind) {
    case Item::Kind::kNone: return;
    case Item::Kind::kInst: {
      const uint32_t begin = a_.here();
      instruction(item.index);
      const MInst& inst = f().inst(item.index);
      if (inst.mem.guard != 0) note_guarded(inst, begin);
      return;
    }
    case Item::Kind::kMove: {
      const VRegInfo& about = f().vreg(VReg(item.index));
      move(item.dst, item.src, about.cls, about.room);
      break;
    }
    case Item::Kind::kConst: constant(item.dst, VReg(item.index)); break;
  }
  if (item.dst.is_reg() && item.dst.reg() == tested_) tested_ = kNoReg;
}

// The WebAssembly offset, the machine instruction, and which values of the IR it makes.
std::string Emitter::note_of(const MInst& inst) const {
  std::string out = text::format("; @{:#x} {}", inst.offset, print(f(), inst));
  for (const Operand& operand : f().operands(inst)) {
    const bool defines = operand.role == Role::kDef || operand.role == Role::kDefEarly;
    if (!defines || operand.vreg.index() >= input_.values.size()) continue;
    const uint32_t value = input_.values[operand.vreg.index()];
    if (value != EmitInput::kNoValue) out += text::format("  ; makes IR v{}", value);
  }
  return out;
}

void Emitter::note_guarded(const MInst& inst, uint32_t begin) {
  faults_.push_back({.begin = begin,
                     .end = a_.here(),
                     .func = func_of(inst.offset),
                     .offset = inst.offset,
                     .memory = input_.entry->ctx->memories[inst.mem.guard - 1]});
}

void Emitter::instruction(uint32_t index) {
  tested_ = kNoReg;
  current_ = index;
  const MInst& inst = f().inst(index);
  if (input_.listing) a_.note(note_of(inst));
  switch (inst.op) {
    case MOp::Entry: return;
    case MOp::Copy:
      if (loc(inst, 0) != loc(inst, 1)) move(loc(inst, 0), loc(inst, 1), class_of(reg(inst, 0)), Room::k8);
      return;
    case MOp::MoveToXmm:
    case MOp::MoveToGpr: copy_between(inst); return;
    case MOp::Lea: lea(inst); return;
    case MOp::Alu:
    case MOp::AluMem:
    case MOp::Sub: alu(inst); return;
    case MOp::AluImm: alu_imm(inst); return;
    case MOp::Shift:
    case MOp::ShiftImm: shift(inst); return;
    case MOp::ShiftAny:
    case MOp::RotateImm: shift_any(inst); return;
    case MOp::AndNot:
    case MOp::LowestBit: bit_trick(inst); return;
    case MOp::Divide: divide(inst); return;
    case MOp::Extend: extend(inst); return;
    case MOp::Clz:
    case MOp::Ctz:
    case MOp::Popcnt: count_bits(inst); return;
    case MOp::SetCond: set_cond(inst); return;
    case MOp::Select: select(inst); return;
    case MOp::TrapIf:
      compare(inst, 0);
      jump_if(inst.cond, cold(ColdKind::kTrap, static_cast<uint8_t>(inst.trap)));
      return;
    case MOp::Load: load(inst); return;
    case MOp::Store:
    case MOp::StoreImm: store(inst); return;
    case MOp::Update: update(inst); return;
    case MOp::FAlu: falu(inst); return;
    case MOp::FSqrt: fsqrt(inst); return;
    case MOp::FCanonical: canonicalize(reg(inst, 0)); return;
    case MOp::FMinMax: fminmax(inst); return;
    case MOp::FAbsNeg: fabsneg(inst); return;
    case MOp::FCopysign: fcopysign(inst); return;
    case MOp::FRound: fround(inst); return;
    case MOp::FResize: fresize(inst); return;
    case MOp::FromInt: from_int(inst); return;
    case MOp::ToInt: to_int(inst); return;
    case MOp::Vector: vector(inst); return;
    case MOp::TypeTest: type_test(inst); return;
    case MOp::TypeCheck: type_check(inst); return;
    case MOp::CheckRef: check_ref(inst); return;
    case MOp::CheckFunc: check_func(inst); return;
    case MOp::FuncTypeTest: func_type_test(inst); return;
    case MOp::FuncDeref: func_deref(inst); return;
    case MOp::Barrier: barrier(inst); return;
    case MOp::StructAlloc: struct_alloc(inst); return;
    case MOp::ArrayAlloc: array_alloc(inst); return;
    case MOp::TakeException:
      a_.mov(gp32(reg(inst, 0)), store_field32(offsetof(StoreContext, pending_exception)));
      a_.mov(store_field32(offsetof(StoreContext, pending_exception)), 0);
      return;
    case MOp::Budget:
      a_.sub(gp64(kFuelReg), 1);
      a_.jb(cold(ColdKind::kExit, static_cast<uint8_t>(OutcomeKind::kFuelExhausted)));
      return;
    case MOp::AllocCharge: alloc_charge(inst); return;
    case MOp::DepthCheck: depth_check(inst); return;
    case MOp::DepthAdd: a_.add(x86::qword_ptr(x86::rbp, kFrameDepth), imm(inst.imm)); return;
    case MOp::CallFunc: call_func(inst); return;
    case MOp::CallEntry: call_entry(inst); return;
    case MOp::CallBuiltin: call_builtin(inst); return;
    case MOp::Jump:
    case MOp::BranchIf:
    case MOp::BranchType:
    case MOp::Switch: return;  // terminator(), after the edges' moves are known
    case MOp::Ret:
      leave_frame();
      a_.ret();
      return;
    case MOp::Trap: a_.jmp(cold(ColdKind::kTrap, static_cast<uint8_t>(inst.trap))); return;
    case MOp::Throw:
      a_.mov(store_field32(offsetof(StoreContext, pending_exception)), gp32(reg(inst, 0)));
      a_.call(imm(input_.stubs->throw_));
      record_call(inst);
      return;
    case MOp::TailFunc: tail_func(inst); return;
    case MOp::TailEntry: tail_entry(); return;
  }
}

// --- Control flow --------------------------------------------------------------------------------------------------

// Bytes that an instruction probably takes, and more: a guess that is too low costs writing the function twice, one too
// high only the long form of a jump.
static uint32_t likely_bytes(const MInst& inst) {
  constexpr uint32_t kPlain = 11;
  constexpr uint32_t kChecked = 18;
  constexpr uint32_t kLong = 200;
  if (inst.op == MOp::TrapIf || inst.op == MOp::Budget) return kChecked;
  if ((info(inst.op).flags & (kCall | kTrapping | kTerm)) != 0) {
    return inst.op == MOp::Jump || inst.op == MOp::BranchIf ? kPlain : kLong;
  }
  const bool plain = (inst.op >= MOp::Copy && inst.op <= MOp::Extend) || inst.op == MOp::SetCond ||
                     inst.op == MOp::Load || inst.op == MOp::Store || inst.op == MOp::StoreImm;
  return plain ? kPlain : inst.op == MOp::FAlu || inst.op == MOp::Select ? kChecked : kLong;
}

// Where each node probably ends, so that jumps forwards can take their short form before it is known where they go.
void Emitter::guess_ends(bool guess) {
  likely_end_.clear();
  position_.clear();
  if (!guess) return;
  const Layout& layout = *input_.layout;
  const auto order = layout.order();
  position_.assign(f().blocks().size() + f().edges().size(), 0);
  uint32_t end = 0;
  constexpr uint32_t kMoveBytes = 9;
  for (uint32_t n = 0; n < order.size(); ++n) {
    position_[order[n]] = n;
    const auto add = [&](std::span<const Item> items) {
      for (const Item& i : items) {
        if (i.kind == Item::Kind::kNone) continue;
        end += i.kind == Item::Kind::kInst ? likely_bytes(f().inst(i.index)) : kMoveBytes;
      }
    };
    if (layout.is_edge(order[n])) {
      add(input_.allocation->moves(layout.edge_of(order[n])));
      end += kMoveBytes;
    } else {
      add(input_.allocation->block_items(MBlockId(order[n])));
      const MBlock& block = f().block(MBlockId(order[n]));
      if (block.edges_count == 1) add(input_.allocation->moves(EdgeId(block.edges_begin)));
      if (block.landing) end += kMoveBytes * 8;
    }
    likely_end_.push_back(end);
  }
}

// Whether a jump at the end of the node being written probably reaches the other, which comes later, in 127 bytes.
bool Emitter::is_near(uint32_t node) const {
  if (likely_end_.empty() || position_[node] <= at_) return false;
  constexpr uint32_t kReach = 110;
  return likely_end_[position_[node] - 1] - likely_end_[at_] < kReach;
}

// Goes to a node, by falling through if it stands next.
void Emitter::go_to(uint32_t node) {
  if (node == next_node_) return;
  const Label to = label_of(node);
  if (is_near(node)) a_.short_();
  a_.jmp(to);
}

Label Emitter::label_of(uint32_t node) {
  const Layout& layout = *input_.layout;
  Label& label = layout.is_edge(node) ? edge_labels_[layout.edge_of(node).index()] : block_labels_[node];
  if (!label.isValid()) label = a_.newLabel();
  return label;
}

void Emitter::edge_inline(uint32_t edge) {
  for (const Item& i : input_.allocation->moves(EdgeId(edge))) item(i);
  go_to(input_.layout->destination(edge));
}

void Emitter::branch(Cond cond, uint32_t b) {
  const uint32_t yes = input_.layout->target(f().blocks()[b].edges_begin);
  const uint32_t no = input_.layout->target(f().blocks()[b].edges_begin + 1);
  if (yes == no) {
    go_to(yes);
  } else if (yes == next_node_) {
    jump_if(negate(cond), label_of(no), is_near(no));
  } else {
    jump_if(cond, label_of(yes), is_near(yes));
    go_to(no);
  }
}

void Emitter::branch_type(const MInst& inst, uint32_t b) {
  const uint32_t yes = input_.layout->target(f().blocks()[b].edges_begin);
  const uint32_t no = input_.layout->target(f().blocks()[b].edges_begin + 1);
  match(reg(inst, 0), inst.aux, inst.imm, label_of(yes), label_of(no));
  go_to(yes);
}

void Emitter::switch_table(const MInst& inst, uint32_t b) {
  const MBlock& block = f().blocks()[b];
  const uint32_t fallback = block.edges_begin + block.edges_count - 1;
  const uint32_t count = block.edges_count - 1;
  if (count != 0) {
    const x86::Gp index = gp64(reg(inst, 0));
    const x86::Gp target = gp64(reg(inst, 1));
    a_.cmp(index.r32(), count);
    a_.jae(edge_label(fallback));
    const Label table = a_.newLabel();
    tables_.push_back({table, block.edges_begin, count});
    a_.lea(x86::r11, x86::ptr(table));
    a_.movsxd(target, x86::dword_ptr(x86::r11, index, 2));
    a_.add(target, x86::r11);
    a_.jmp(target);
  } else {
    edge_inline(fallback);
  }
}

void Emitter::terminator(uint32_t index, uint32_t b) {
  current_ = index;
  const MInst& inst = f().inst(index);
  switch (inst.op) {
    case MOp::Jump: edge_inline(f().blocks()[b].edges_begin); return;
    case MOp::BranchIf: {
      const uint32_t begin = a_.here();
      if (!is_tested(inst)) compare(inst, 0);
      if (inst.mem.guard != 0) note_guarded(inst, begin);
      branch(inst.cond, b);
      return;
    }
    case MOp::BranchType: branch_type(inst, b); return;
    case MOp::Switch: switch_table(inst, b); return;
    default: return;  // ends without edges were written as instructions
  }
}

// Whether the flags already say what the branch wants to know.
bool Emitter::is_tested(const MInst& inst) const {
  return inst.form == CmpForm::kTestReg && (inst.cond == Cond::kE || inst.cond == Cond::kNe) && tested_ != kNoReg &&
         reg(inst, 0) == tested_ && inst.width == tested_width_;
}

void Emitter::block(uint32_t b) {
  tested_ = kNoReg;
  if (f().blocks()[b].landing) landing_entry();
  for (const Item& i : input_.allocation->block_items(MBlockId(b))) item(i);
  if (f().blocks()[b].end != f().blocks()[b].first) terminator(f().blocks()[b].end - 1, b);
}

void Emitter::node(uint32_t n) {
  const Layout& layout = *input_.layout;
  a_.bind(label_of(n));
  if (layout.is_edge(n)) {
    edge_inline(layout.edge_of(n).raw);
  } else {
    block(n);
  }
}

// --- Cold parts ----------------------------------------------------------------------------------------------------

Label Emitter::cold(ColdKind kind, uint8_t trap, Label back) {
  const Label at = a_.newLabel();
  cold_.push_back({kind, trap, current_, at, back});
  return at;
}

Label Emitter::trap_label(TrapKind kind) {
  Label& label = trap_labels_[static_cast<size_t>(kind)];
  if (!label.isValid()) label = a_.newLabel();
  return label;
}

// Exits whose place is the function itself.
Label Emitter::exit_label(OutcomeKind kind) {
  Label& label = exit_labels_[static_cast<size_t>(kind)];
  if (!label.isValid()) label = a_.newLabel();
  return label;
}

void Emitter::cold_parts() {
  for (size_t n = 0; n < cold_.size(); ++n) {  // grows meanwhile
    const Cold c = cold_[n];
    a_.bind(c.at);
    current_ = c.inst;
    switch (c.kind) {
      case ColdKind::kTrap:
        a_.mov(x86::eax, imm(f().inst(c.inst).offset));
        if (const uint32_t func = func_of(f().inst(c.inst).offset); func != input_.entry->func_index) {
          leave(func, OutcomeKind::kTrapped, c.trap);
        } else {
          a_.jmp(trap_label(static_cast<TrapKind>(c.trap)));
        }
        break;
      case ColdKind::kDepth:
        a_.mov(x86::eax, imm(~0u));
        leave(f().inst(c.inst).aux, OutcomeKind::kStackExhausted, 0);
        break;
      case ColdKind::kExit:
        a_.mov(x86::eax, imm(f().inst(c.inst).offset));
        if (static_cast<OutcomeKind>(c.trap) == OutcomeKind::kFuelExhausted) {
          a_.xor_(gp32(kFuelReg), gp32(kFuelReg));
        }
        if (const uint32_t func = func_of(f().inst(c.inst).offset); func != input_.entry->func_index) {
          leave(func, static_cast<OutcomeKind>(c.trap), 0);
        } else {
          a_.jmp(exit_label(static_cast<OutcomeKind>(c.trap)));
        }
        break;
      case ColdKind::kCanonicalNan: {
        const MInst& inst = f().inst(c.inst);
        load_float(reg(inst, 0), inst.width, inst.width == Width::kF32 ? 0x7fc00000u : 0x7ff8000000000000u);
        a_.jmp(c.back);
        break;
      }
      case ColdKind::kTruncate: cold_truncate(c); break;
      case ColdKind::kBadFunc: cold_bad_func(c); break;
      case ColdKind::kBadRef: cold_bad_ref(c, runtime::Builtin::CheckRef); break;
      case ColdKind::kBadFuncRef: cold_bad_ref(c, runtime::Builtin::CheckFunc); break;
      case ColdKind::kAllocate: cold_alloc(c); break;
      case ColdKind::kCharge:
        a_.mov(x86::r11d, imm(f().inst(c.inst).imm));
        a_.call(imm(input_.stubs->charge_slow));
        record_call(f().inst(c.inst));
        a_.jmp(c.back);
        break;
      case ColdKind::kRemember:
        a_.mov(x86::r11d, gp32(reg(f().inst(c.inst), 0)));
        a_.call(imm(input_.stubs->remember));
        a_.jmp(c.back);
        break;
    }
  }
  shared_exits();
}

// The function that an instruction was written in: another one than this when it was inlined.
uint32_t Emitter::func_of(wasm::WasmOffset offset) const {
  const wasm::Module& module = *input_.entry->ctx->instance->module;
  const wasm::Range own = module.funcs[input_.entry->func_index].body;
  if (offset >= own.begin && offset < own.end) return input_.entry->func_index;
  const wasm::FuncIndex other = module.func_at(offset);
  return other.valid() ? other.raw : input_.entry->func_index;
}

// Ends the run; the wasm offset is in eax.
void Emitter::leave(uint32_t func, OutcomeKind outcome, uint32_t trap) {
  a_.mov(x86::ecx, imm(func));
  a_.mov(x86::edx, imm(static_cast<uint32_t>(outcome) << 8 | trap));
  a_.jmp(imm(input_.stubs->exit));
}

// One tail per kind: the sites above bring their wasm offset in eax.
void Emitter::shared_exits() {
  const auto tail = [&](OutcomeKind outcome, uint32_t trap) { leave(input_.entry->func_index, outcome, trap); };
  for (uint32_t kind = 0; kind < trap_labels_.size(); ++kind) {
    if (!trap_labels_[kind].isValid()) continue;
    a_.bind(trap_labels_[kind]);
    tail(OutcomeKind::kTrapped, kind);
  }
  for (uint32_t kind = 0; kind < exit_labels_.size(); ++kind) {
    if (!exit_labels_[kind].isValid()) continue;
    a_.bind(exit_labels_[kind]);
    const auto outcome = static_cast<OutcomeKind>(kind);
    // Only the prologue ends these ways: no instruction to name.
    if (outcome == OutcomeKind::kStackExhausted || outcome == OutcomeKind::kNativeStack) a_.mov(x86::eax, imm(~0u));
    tail(static_cast<OutcomeKind>(kind), 0);
  }
}

void Emitter::jump_tables() {
  for (const JumpTable& table : tables_) {
    a_.align(asmjit::AlignMode::kData, 4);
    a_.bind(table.at);
    for (uint32_t e = 0; e < table.edges_count; ++e) a_.embedLabelDelta(edge_label(table.edges_begin + e), table.at, 4);
  }
}

// --- Calls ---------------------------------------------------------------------------------------------------------

// The return address just written means: these home slots are live, exceptions continue there.
void Emitter::record_call(const MInst& inst) {
  const MCall& call = f().call(inst.aux);
  CallSite site;
  site.pc = a_.here();
  site.homes = f().home_slots;
  site.func = func_of(inst.offset);
  site.offset = inst.offset;
  pending_sites_.push_back({site, call.landing, call.map_begin, call.map_count});
}

bool Emitter::has_code(const FuncEntry& callee) const {
  return space_->contains(callee.code) && callee.code != input_.stubs->compile;
}

Label Emitter::thunk(const FuncEntry& callee) {
  constexpr size_t kLookedAt = 16;  // the latest, so that this stays constant time
  for (size_t n = thunks_.size(); n > 0 && n + kLookedAt > thunks_.size(); --n) {
    if (thunks_[n - 1].callee == &callee) return thunks_[n - 1].at;
  }
  thunks_.push_back({&callee, a_.newLabel()});
  return thunks_.back().at;
}

void Emitter::write_thunks() {
  for (const Thunk& thunk : thunks_) {
    a_.bind(thunk.at);
    a_.mov(gp64(kCalleeReg), imm(thunk.callee));
    a_.jmp(imm(input_.stubs->compile));
  }
}

void Emitter::call_func(const MInst& inst) {
  const auto* callee = static_cast<const FuncEntry*>(f().call(inst.aux).entry);
  if (callee == input_.entry) {
    a_.call(entry_label_);
  } else if (has_code(*callee)) {
    if (callee->host != nullptr) a_.mov(gp64(kCalleeReg), imm(callee));
    a_.call(imm(callee->code));
  } else {
    a_.call(thunk(*callee));
    open_links_.push_back({callee->id, a_.here() - static_cast<uint32_t>(sizeof(int32_t))});
  }
  record_call(inst);
}

void Emitter::call_entry(const MInst& inst) {
  a_.call(x86::qword_ptr(gp64(kCalleeReg), offsetof(FuncEntry, code)));
  record_call(inst);
}

// The other arguments are in place.
void Emitter::builtin_stub(runtime::Builtin builtin) {
  if ((runtime::info(builtin).flags & runtime::kStoreOnly) == 0) {
    a_.mov(gp64(kNativeGprs[0]), imm(reinterpret_cast<uint64_t>(input_.entry->ctx)));
  }
  a_.call(imm(input_.stubs->builtins[static_cast<size_t>(builtin)]));
}

void Emitter::call_builtin(const MInst& inst) {
  const uint32_t id = f().call(inst.aux).builtin;
  const bool bump = inst.sub != 0;  // AllocStruct with size and charge at hand
  if (bump) {
    a_.call(imm(input_.stubs->alloc_struct));
  } else {
    builtin_stub(static_cast<runtime::Builtin>(id));
  }
  record_call(inst);
}

void Emitter::tail_func(const MInst& inst) {
  const auto* callee = static_cast<const FuncEntry*>(f().call(inst.aux).entry);
  if (callee == input_.entry) {  // the frame stays; what the prologue checked holds again
    a_.jmp(body_label_);
    return;
  }
  leave_frame();
  if (has_code(*callee)) {
    if (callee->host != nullptr) a_.mov(gp64(kCalleeReg), imm(callee));
    a_.jmp(imm(callee->code));
  } else {
    a_.jmp(thunk(*callee));  // not bound yet: the long form
    open_links_.push_back({callee->id, a_.here() - static_cast<uint32_t>(sizeof(int32_t))});
  }
}

void Emitter::tail_entry() {
  leave_frame();
  a_.jmp(x86::qword_ptr(gp64(kCalleeReg), offsetof(FuncEntry, code)));
}

// --- Driver --------------------------------------------------------------------------------------------------------

void Emitter::start(const EmitInput& input, CodeSpace& space, CallSites& sites) {
  input_ = input;
  space_ = &space;
  sites_ = &sites;
  pool_.clear();
  cold_.clear();
  tables_.clear();
  pending_sites_.clear();
  likely_end_.clear();
  faults_.clear();
  open_links_.clear();
  thunks_.clear();
  a_.start(space, input.validate);
  trap_labels_.assign(kTrapKindCount, Label());
  exit_labels_.assign(static_cast<size_t>(OutcomeKind::kInvariant) + 1, Label());
  edge_labels_.assign(f().edges().size(), Label());
  block_labels_.assign(f().blocks().size(), Label());
  entry_label_ = a_.newLabel();
  body_label_ = a_.newLabel();
  a_.bind(entry_label_);
}

// What stands behind the body, and what is known only then.
Result<const uint8_t*> Emitter::finish() {
  cold_parts();
  write_thunks();
  jump_tables();
  write_pool();
  for (PendingSite& p : pending_sites_) {
    if (p.landing.valid()) p.site.landing = a_.place(block_labels_[p.landing.index()]);
  }
  const uint8_t* code = TRY(a_.finish());
  for (const GuardSite& site : faults_) input_.guard_sites->add(site);
  for (const PendingSite& p : pending_sites_) {
    sites_->add(p.site, std::span(f().map_slots).subspan(p.map_begin, p.map_count));
  }
  return code;
}

void Emitter::write_nodes(const EmitInput& input, CodeSpace& space, CallSites& sites, bool guess) {
  start(input, space, sites);
  frame_ = shape_of();
  frame_at_ = 0;
  if (frame_.bytes > kMaxFrameBytes) return;
  guess_ends(guess);
  prologue();
  const auto order = input.layout->order();
  for (at_ = 0; at_ < order.size(); ++at_) {
    next_node_ = at_ + 1 < order.size() ? order[at_ + 1] : kNoNode;
    node(order[at_]);
  }
}

Result<const uint8_t*> Emitter::emit(const EmitInput& input, CodeSpace& space, CallSites& sites) {
  const uint64_t slots = uint64_t{input.func->home_slots} + input.allocation->slots;
  if (slots > kMaxFrameBytes / 8) return fail(ErrorCode::kLimit, 0, text::format("frame of {} slots", slots));
  write_nodes(input, space, sites, input.layout->is_optimized());
  if (frame_.bytes > kMaxFrameBytes) return fail(ErrorCode::kLimit, 0, text::format("frame of {} bytes", frame_.bytes));
  // The guess at distances was wrong: all forward jumps in their long form.
  if (a_.out_of_reach()) write_nodes(input, space, sites, false);
  return finish();
}

}  // namespace parallax::jit::x64
