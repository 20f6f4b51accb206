#include "engine/jit/x64/stubs.h"
#include "engine/base/faults.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "engine/base/check.h"
#include "engine/gc/object.h"

namespace parallax::jit::x64 {

using runtime::Builtin;
using runtime::FuncEntry;
using runtime::Slot;
using runtime::StoreContext;

static x86::Mem field(size_t offset) { return x86::qword_ptr(gp64(kStoreReg), static_cast<int32_t>(offset)); }
static x86::Mem field32(size_t offset) { return x86::dword_ptr(gp64(kStoreReg), static_cast<int32_t>(offset)); }
static x86::Mem arg_slot(uint32_t index) {
  return x86::qword_ptr(gp64(kStoreReg), static_cast<int32_t>(offsetof(StoreContext, arg_area) + sizeof(Slot) * index));
}
static RegClass class_of(char letter) {
  return letter == 'f' || letter == 'd' || letter == 'v' ? RegClass::kXmm : RegClass::kGpr;
}

// --- Shared stubs --------------------------------------------------------------------------------------------------

// A trampoline's frame, from its rbp downwards: depth left, rbx, r12 to r15, the slots' address, nothing.
static constexpr int32_t kEntrySaved = -48;
static constexpr int32_t kEntrySlots = -56;
static_assert(kFrameDepth == -8);

static void epilogue(Asm& a) {
  a.lea(x86::rsp, x86::ptr(x86::rbp, kEntrySaved));
  a.pop(x86::r15);
  a.pop(x86::r14);
  a.pop(x86::r13);
  a.pop(x86::r12);
  a.pop(x86::rbx);
  a.leave();
  a.ret();
}

namespace {

class SharedStubs {
 public:
  SharedStubs(Asm& a, CallSites& sites, UnwindFunction unwind) : a_(a), sites_(sites), unwind_(unwind) {}

  void write() {
    leave_ = a_.newLabel();
    leave_threw_ = a_.newLabel();
    throw_ = a_.newLabel();
    exit_ = a_.newLabel();
    compile_ = a_.newLabel();
    alloc_struct_ = a_.newLabel();
    remember_ = a_.newLabel();
    alloc_slow_ = a_.newLabel();
    alloc_array_slow_ = a_.newLabel();
    charge_slow_ = a_.newLabel();
    leaving();
    throwing();
    for (uint32_t b = 0; b < runtime::kBuiltinCount; ++b) {
      builtins_[b] = a_.newLabel();
      a_.bind(builtins_[b]);
      builtin(runtime::info(static_cast<Builtin>(b)));
    }
    compiling();
    allocating();
    allocating_slowly(alloc_slow_, Builtin::AllocStruct);
    allocating_slowly(alloc_array_slow_, Builtin::AllocArray);
    allocating_slowly(charge_slow_, Builtin::ChargeObject);
    remembering();
  }
  void publish(const uint8_t* base, uint32_t base_offset, StubTable& out, const void*& leave_threw) const {
    const auto at = [&](const Label& l) { return base + (places_[l.id()] - base_offset); };
    for (uint32_t b = 0; b < runtime::kBuiltinCount; ++b) out.builtins[b] = at(builtins_[b]);
    out.exit = at(exit_);
    out.throw_ = at(throw_);
    out.compile = at(compile_);
    out.alloc_struct = at(alloc_struct_);
    out.remember = at(remember_);
    out.alloc_slow = at(alloc_slow_);
    out.alloc_array_slow = at(alloc_array_slow_);
    out.charge_slow = at(charge_slow_);
    leave_threw = at(leave_threw_);
  }
  // Label offsets do not outlive the assembler's finish().
  void note_places() {
    const auto note = [&](const Label& l) {
      places_.resize(std::max<size_t>(places_.size(), l.id() + 1));
      places_[l.id()] = a_.place(l);
    };
    for (const Label& l : builtins_) note(l);
    for (const Label& l : {exit_, throw_, compile_, alloc_struct_, alloc_slow_, alloc_array_slow_, charge_slow_,
                           remember_, leave_threw_})
      note(l);
  }

 private:
  void save_fuel() { a_.mov(field(offsetof(StoreContext, fuel)), gp64(kFuelReg)); }

  void leaving() {
    a_.bind(exit_);
    save_fuel();
    a_.mov(field32(offsetof(StoreContext, exit_offset)), x86::eax);
    a_.mov(field32(offsetof(StoreContext, exit_func)), x86::ecx);
    a_.movzx(x86::eax, x86::dl);
    a_.mov(field32(offsetof(StoreContext, exit_trap)), x86::eax);
    a_.shr(x86::edx, 8);
    a_.mov(field32(offsetof(StoreContext, exit_kind)), x86::edx);
    a_.bind(leave_);
    a_.mov(x86::eax, field32(offsetof(StoreContext, exit_kind)));
    const Label out = a_.newLabel();
    a_.bind(out);
    a_.mov(x86::rbp, field(offsetof(StoreContext, entry_frame)));
    a_.mov(x86::rsp, field(offsetof(StoreContext, entry_sp)));
    epilogue(a_);
    a_.bind(leave_threw_);
    a_.mov(x86::eax, imm(static_cast<uint32_t>(wasm::OutcomeKind::kThrew)));
    a_.jmp(out);
  }

  // Called: the return address and rbp name the place.
  void throwing() {
    a_.bind(throw_);
    save_fuel();
    a_.mov(x86::rdi, gp64(kStoreReg));
    a_.mov(x86::rsi, x86::ptr(x86::rsp));
    a_.mov(x86::rdx, x86::rbp);
    a_.sub(x86::rsp, 8);
    a_.mov(x86::rax, imm(reinterpret_cast<uint64_t>(unwind_)));
    a_.call(x86::rax);
    a_.mov(x86::rbp, x86::rdx);
    a_.jmp(x86::rax);
  }

  void builtin(const runtime::BuiltinInfo& info) {
    a_.mov(x86::rax, x86::ptr(x86::rsp));
    a_.mov(field(offsetof(StoreContext, last_pc)), x86::rax);
    a_.mov(field(offsetof(StoreContext, last_frame)), x86::rbp);
    save_fuel();
    if ((info.flags & runtime::kStoreOnly) != 0) a_.mov(x86::rdi, field(offsetof(StoreContext, root)));
    a_.sub(x86::rsp, 8);
    a_.mov(x86::rax, imm(reinterpret_cast<uint64_t>(info.address)));
    a_.call(x86::rax);
    a_.add(x86::rsp, 8);
    // Only the low half of a narrow result means anything.
    if (const char answer = info.signature[std::strlen(info.signature) - 1]; answer == 'i' || answer == 'r') {
      a_.mov(x86::eax, x86::eax);
    }
    if ((info.flags & runtime::kReenters) != 0 && !fault_fires(Fault::kFUEL1)) {
      a_.mov(gp64(kFuelReg), field(offsetof(StoreContext, fuel)));
    }
    if ((info.flags & runtime::kMayExit) != 0) {
      a_.cmp(field32(offsetof(StoreContext, exit_kind)), 0);
      a_.jne(leave_);
    }
    if ((info.flags & runtime::kMayThrow) != 0) {
      a_.cmp(field32(offsetof(StoreContext, pending_exception)), 0);
      a_.jne(throw_);
    }
    a_.ret();
  }

  // r10 = the function to compile; its arguments are in place and must survive.
  void compiling() {
    // Vector registers, general ones.
    constexpr int32_t kGprs = 16 * kArgRegsPerClass;
    constexpr int32_t kBytes = kGprs + 8 * kArgRegsPerClass;
    static_assert(kBytes % 16 == 0);
    a_.bind(compile_);
    a_.push(x86::rbp);
    a_.mov(x86::rbp, x86::rsp);
    a_.sub(x86::rsp, kBytes);
    const auto vector = [](int32_t n) { return x86::ptr(x86::rsp, 16 * n); };
    const auto general = [](int32_t n) { return x86::qword_ptr(x86::rsp, kGprs + 8 * n); };
    for (int32_t n = 0; n < static_cast<int32_t>(kArgRegsPerClass); ++n) {
      a_.mov(general(n), gp64(kArgGprs[n]));
      a_.movaps(vector(n), xmm(kArgXmms[n]));
    }
    a_.mov(x86::rsi, gp64(kCalleeReg));
    a_.call(builtins_[static_cast<size_t>(Builtin::LazyCompile)]);
    sites_.add({.pc = a_.here()}, {});
    a_.mov(x86::r11, x86::rax);
    for (int32_t n = 0; n < static_cast<int32_t>(kArgRegsPerClass); ++n) {
      a_.mov(gp64(kArgGprs[n]), general(n));
      a_.movaps(xmm(kArgXmms[n]), vector(n));
    }
    a_.leave();
    // Compiling has changed calls in code that may have been fetched: iretq goes on at r11 after serializing.
    a_.mov(x86::r12, x86::rsp);
    a_.mov(x86::r10d, x86::ss);
    a_.push(x86::r10);
    a_.push(x86::r12);
    a_.pushfq();
    a_.mov(x86::r10d, x86::cs);
    a_.push(x86::r10);
    a_.push(x86::r11);
    a_.iretq();
  }

  // esi = TypeId, edx = bytes, ecx = charge -> eax. The contract of the window is in vm_context.h.
  void allocating() {
    const Label slow = builtins_[static_cast<size_t>(Builtin::AllocStruct)];
    a_.bind(alloc_struct_);
    a_.mov(x86::rax, field(offsetof(StoreContext, alloc_next)));
    a_.lea(x86::rdi, x86::ptr(x86::rax, x86::rdx));
    a_.cmp(x86::rdi, field(offsetof(StoreContext, alloc_limit)));
    a_.ja(slow);
    a_.shl(x86::rcx, gc::kChargeShift);
    a_.inc(x86::rcx);
    a_.add(field(offsetof(StoreContext, alloc_charged)), x86::rcx);
    a_.mov(field(offsetof(StoreContext, alloc_next)), x86::rdi);
    a_.shl(x86::esi, gc::kLayoutShift);
    a_.mov(x86::dword_ptr(gp64(kHeapReg), x86::rax, 0, gc::kMetaOffset), x86::esi);
    a_.mov(x86::dword_ptr(gp64(kHeapReg), x86::rax, 0, gc::kLengthOffset), 0);
    const Label done = a_.newLabel();
    a_.mov(x86::rdi, field(offsetof(StoreContext, jit_words) + 8 * runtime::kOriginWord));
    a_.test(x86::rdi, x86::rdi);
    a_.jz(done);
    a_.mov(x86::rsi, x86::ptr(x86::rsp));
    a_.mov(x86::qword_ptr(x86::rdi, x86::rax), x86::rsi);
    a_.bind(done);
    a_.ret();
  }

  // What the builtin does for an inline allocation that found no room: r11 = length of arrays << 32 | TypeId -> r11d. All
  // other registers that a native function may change are kept.
  void allocating_slowly(Label entry, Builtin builtin) {
    static constexpr PReg kKept[] = {kRax, kRcx, kRdx, kRsi, kRdi, kR8, kR9, kR10};
    constexpr int32_t kVectors = kScratchXmm - kXmm0;
    constexpr int32_t kBytes = 16 * kVectors + 8 * static_cast<int32_t>(std::size(kKept)) + 8;
    static_assert(kBytes % 16 == 8);  // behind the return address
    const auto general = [](size_t n) { return x86::qword_ptr(x86::rsp, 16 * kVectors + 8 * static_cast<int32_t>(n)); };
    const auto vector = [](int32_t n) { return x86::ptr(x86::rsp, 16 * n); };
    const runtime::BuiltinInfo& info = runtime::info(builtin);
    a_.bind(entry);
    a_.sub(x86::rsp, kBytes);
    for (size_t n = 0; n < std::size(kKept); ++n) a_.mov(general(n), gp64(kKept[n]));
    for (int32_t n = 0; n < kVectors; ++n) a_.movaps(vector(n), x86::xmm(static_cast<uint32_t>(n)));
    a_.mov(x86::rax, x86::ptr(x86::rsp, kBytes));
    a_.mov(field(offsetof(StoreContext, last_pc)), x86::rax);
    a_.mov(field(offsetof(StoreContext, last_frame)), x86::rbp);
    save_fuel();
    a_.mov(x86::rdi, field(offsetof(StoreContext, root)));
    a_.mov(x86::esi, x86::r11d);
    if (builtin == Builtin::AllocArray) {
      a_.mov(x86::rdx, x86::r11);
      a_.shr(x86::rdx, 32);
    }
    a_.mov(x86::rax, imm(reinterpret_cast<uint64_t>(info.address)));
    a_.call(x86::rax);
    a_.cmp(field32(offsetof(StoreContext, exit_kind)), 0);
    a_.jne(leave_);
    a_.mov(x86::r11d, x86::eax);
    for (size_t n = 0; n < std::size(kKept); ++n) a_.mov(gp64(kKept[n]), general(n));
    for (int32_t n = 0; n < kVectors; ++n) a_.movaps(x86::xmm(static_cast<uint32_t>(n)), vector(n));
    a_.add(x86::rsp, kBytes);
    a_.ret();
  }

  // r11d = an old object that was not remembered. All other registers stay as they are.
  void remembering() {
    a_.bind(remember_);
    a_.and_(x86::byte_ptr(gp64(kHeapReg), x86::r11, 0, gc::kMetaOffset), static_cast<uint8_t>(~gc::kWatched));
    a_.push(x86::rax);
    a_.mov(x86::rax, field(offsetof(StoreContext, remembered)));
    a_.mov(x86::dword_ptr(x86::rax), x86::r11d);
    a_.add(field(offsetof(StoreContext, remembered)), sizeof(gc::Ref));
    a_.pop(x86::rax);
    a_.ret();
  }

  Asm& a_;
  CallSites& sites_;
  UnwindFunction unwind_;
  Label leave_, leave_threw_, throw_, exit_, compile_, alloc_struct_, alloc_slow_, alloc_array_slow_, charge_slow_,
      remember_;
  Label builtins_[runtime::kBuiltinCount];
  std::vector<uint32_t> places_;
};

}  // namespace

Result<> make_shared_stubs(Asm& a, CodeSpace& space, CallSites& sites, UnwindFunction unwind, StubTable& out,
                           const void*& leave_threw) {
  a.start(space);
  const uint32_t base_offset = a.here();
  SharedStubs stubs(a, sites, unwind);
  stubs.write();
  stubs.note_places();
  const uint8_t* base = TRY(a.finish());
  stubs.publish(base, base_offset, out, leave_threw);
  return {};
}

// --- Signatures ----------------------------------------------------------------------------------------------------

void append_letters(const wasm::TypeStore& types, std::span<const wasm::ValType> values, std::string& out) {
  for (const wasm::ValType type : values) {
    switch (type.kind()) {
      case wasm::ValKind::kI32: out += 'i'; continue;
      case wasm::ValKind::kI64: out += 'l'; continue;
      case wasm::ValKind::kF32: out += 'f'; continue;
      case wasm::ValKind::kF64: out += 'd'; continue;
      case wasm::ValKind::kRef: out += types.hierarchy(type.heap()) == wasm::Hierarchy::kFunc ? 'g' : 'r'; continue;
      case wasm::ValKind::kV128: out += 'v'; continue;
      case wasm::ValKind::kBottom: break;
    }
    UNREACHABLE("I3: a function type with a value of no type");
  }
}

static void load_slot(Asm& a, PReg to, const x86::Mem& from, char letter) {
  switch (letter) {
    case 'f': a.movss(xmm(to), from); return;
    case 'd': a.movsd(xmm(to), from); return;
    case 'v': a.movups(xmm(to), from); return;
    case 'l':
    case 'g': a.mov(gp64(to), from); return;
    default: a.mov(gp32(to), from); return;
  }
}

static void store_slot(Asm& a, const x86::Mem& to, PReg from, char letter) {
  switch (letter) {
    case 'f': a.movss(to, xmm(from)); return;
    case 'd': a.movsd(to, xmm(from)); return;
    case 'v': a.movups(to, xmm(from)); return;
    default: a.mov(to, gp64(from)); return;  // narrow ones are zero-extended
  }
}

// Moves between slots at [base] and the places of the convention. rax and r11 are used for overflowing values.
static void slots_to_places(Asm& a, const x86::Gp& base, std::string_view letters) {
  const auto each = [&](auto&& body) {
    ArgAssigner places;
    for (uint32_t n = 0; n < letters.size(); ++n) {
      body(places.next(class_of(letters[n])), x86::ptr(base, static_cast<int32_t>(sizeof(Slot) * n)), letters[n]);
    }
  };
  each([&](ArgAssigner::Place p, const x86::Mem& slot, char letter) {
    if (p.reg != kNoReg) return;
    load_slot(a, kRax, slot, letter == 'f' ? 'i' : letter == 'd' || letter == 'v' ? 'l' : letter);
    a.mov(arg_slot(p.slot), x86::rax);
    if (letter != 'v') return;
    a.mov(x86::rax, slot.cloneAdjusted(8));
    a.mov(arg_slot(p.slot).cloneAdjusted(8), x86::rax);
  });
  each([&](ArgAssigner::Place p, const x86::Mem& slot, char letter) {
    if (p.reg != kNoReg) load_slot(a, p.reg, slot, letter);
  });
}

static void places_to_slots(Asm& a, const x86::Gp& base, std::string_view letters) {
  const auto each = [&](auto&& body) {
    ArgAssigner places;
    for (uint32_t n = 0; n < letters.size(); ++n) {
      body(places.next(class_of(letters[n])), x86::ptr(base, static_cast<int32_t>(sizeof(Slot) * n)), letters[n]);
    }
  };
  each([&](ArgAssigner::Place p, const x86::Mem& slot, char letter) {
    if (p.reg != kNoReg) store_slot(a, slot, p.reg, letter);
  });
  each([&](ArgAssigner::Place p, const x86::Mem& slot, char letter) {
    if (p.reg != kNoReg) return;
    a.mov(x86::rax, arg_slot(p.slot));
    a.mov(slot, x86::rax);
    if (letter != 'v') return;
    a.mov(x86::rax, arg_slot(p.slot).cloneAdjusted(8));
    a.mov(slot.cloneAdjusted(8), x86::rax);
  });
}

// --- Entry and host ------------------------------------------------------------------------------------------------

Result<EntryTrampoline> make_entry(Asm& a, CodeSpace& space, std::string_view params, std::string_view results) {
  a.start(space);
  a.push(x86::rbp);
  a.mov(x86::rbp, x86::rsp);
  a.push(x86::qword_ptr(x86::rcx, offsetof(StoreContext, depth_left)));
  a.push(x86::rbx);
  a.push(x86::r12);
  a.push(x86::r13);
  a.push(x86::r14);
  a.push(x86::r15);
  a.push(x86::rdx);
  static_assert(kEntrySlots == -56);
  a.sub(x86::rsp, 8);
  a.mov(gp64(kStoreReg), x86::rcx);
  a.mov(gp64(kHeapReg), field(offsetof(StoreContext, heap_base)));
  a.mov(field(offsetof(StoreContext, entry_frame)), x86::rbp);
  a.mov(field(offsetof(StoreContext, entry_sp)), x86::rsp);
  a.mov(gp64(kCalleeReg), x86::rsi);
  a.mov(gp64(kFuelReg), field(offsetof(StoreContext, fuel)));
  a.mov(x86::r12, x86::rdi);
  a.mov(x86::r11, x86::rdx);
  slots_to_places(a, x86::r11, params);
  a.call(x86::r12);
  a.mov(field(offsetof(StoreContext, fuel)), gp64(kFuelReg));
  a.mov(x86::r11, x86::ptr(x86::rbp, kEntrySlots));
  places_to_slots(a, x86::r11, results);
  a.xor_(x86::eax, x86::eax);
  epilogue(a);
  const uint8_t* code = TRY(a.finish());
  return reinterpret_cast<EntryTrampoline>(reinterpret_cast<uintptr_t>(code));
}

Result<const uint8_t*> make_host_stub(Asm& a, CodeSpace& space, CallSites& sites, std::string_view params,
                                      std::string_view results, const StubTable& stubs) {
  a.start(space);
  const auto slots = static_cast<int32_t>(sizeof(Slot) * std::max(params.size(), results.size()));
  a.push(x86::rbp);
  a.mov(x86::r11, x86::ptr(x86::rbp, kFrameDepth));
  a.mov(x86::rbp, x86::rsp);
  a.mov(field(offsetof(StoreContext, depth_left)), x86::r11);
  if (slots != 0) a.sub(x86::rsp, slots);
  places_to_slots(a, x86::rsp, params);
  a.mov(x86::rsi, gp64(kCalleeReg));
  a.mov(x86::rdx, x86::rsp);
  a.call(imm(stubs.builtins[static_cast<size_t>(Builtin::HostCall)]));
  const uint32_t pc = a.here();
  a.mov(x86::r11, x86::rsp);
  slots_to_places(a, x86::r11, results);
  a.leave();
  a.ret();
  const uint8_t* code = TRY(a.finish());
  sites.add({.pc = pc}, {});
  return code;
}

}  // namespace parallax::jit::x64
