// Type tests of references, and function references.
//
// An object's type is the layout id in its header; a declared supertype is found in the ancestor table of the store's
// type rows (vm_context.h). Host boxes have reserved layout ids above every type.
#include <bit>
#include <cstddef>

#include "engine/base/check.h"
#include "engine/gc/object.h"
#include "engine/jit/x64/emit.h"
#include "engine/runtime/credit.h"

namespace parallax::jit::x64 {

using runtime::FuncEntry;
using runtime::StoreContext;
using runtime::TypeRow;
using wasm::HeapKind;
using wasm::TrapKind;
using wasm::ValType;

// ValType has no constructor from bits; its accessors are mirrored by these.
static bool bits_nullable(uint32_t bits) { return (bits & 8u) != 0; }
static HeapKind bits_kind(uint32_t bits) { return static_cast<HeapKind>(bits >> 4 & 15u); }

void Emitter::match(PReg ref, uint32_t type_bits, int64_t excluded, Label yes, Label no) {
  const HeapKind kind = bits_kind(type_bits);
  if ((excluded & kNeverNull) == 0) {
    a_.test(gp32(ref), gp32(ref));
    a_.jz(bits_nullable(type_bits) ? yes : no);
  }
  if (kind == HeapKind::kConcrete) {
    match_concrete(ref, wasm::TypeId(type_bits >> 8), excluded, yes, no);
  } else {
    match_kind(ref, kind, excluded, yes, no);
  }
}

// r11 = layout id of the object, which is not null; i31 goes to `no`.
void Emitter::match_concrete(PReg ref, wasm::TypeId type, int64_t excluded, Label yes, Label no) {
  if ((excluded & kNeverI31) == 0) {
    a_.test(gp32(ref), 1);
    a_.jnz(no);
  }
  a_.mov(x86::r11d, x86::dword_ptr(gp64(kHeapReg), gp64(ref), 0, gc::kMetaOffset));
  a_.shr(x86::r11d, gc::kLayoutShift);
  match_type_in_r11(type, excluded, yes, no);
}

// r11 = a layout id or TypeId, zero-extended.
void Emitter::match_type_in_r11(wasm::TypeId type, int64_t excluded, Label yes, Label no) {
  const uint32_t depth = input_.types->depth(type);
  a_.cmp(x86::r11d, type.raw);
  if (input_.types->get(type).is_final) {
    a_.jne(no);
    return;
  }
  a_.je(yes);
  if ((excluded & kNeverHost) == 0) {
    a_.cmp(x86::r11, store_field(offsetof(StoreContext, type_count)));
    a_.jae(no);
  }
  a_.shl(x86::r11, 4);
  a_.add(x86::r11, store_field(offsetof(StoreContext, types)));
  a_.cmp(x86::dword_ptr(x86::r11, offsetof(TypeRow, depth)), depth);
  a_.jb(no);
  a_.mov(x86::r11, x86::qword_ptr(x86::r11, offsetof(TypeRow, ancestors)));
  a_.cmp(x86::dword_ptr(x86::r11, static_cast<int32_t>(depth * sizeof(wasm::TypeId))), type.raw);
  a_.jne(no);
}

void Emitter::match_kind(PReg ref, HeapKind kind, int64_t excluded, Label yes, Label no) {
  switch (kind) {
    case HeapKind::kAny:
    case HeapKind::kExtern:
    case HeapKind::kExn: return;
    case HeapKind::kNone:
    case HeapKind::kNoExtern:
    case HeapKind::kNoExn: a_.jmp(no); return;
    case HeapKind::kI31:
      if ((excluded & kNeverI31) != 0) {
        a_.jmp(no);
        return;
      }
      a_.test(gp32(ref), 1);
      a_.jz(no);
      return;
    case HeapKind::kEq:  // every object but host boxes
    case HeapKind::kStruct:
    case HeapKind::kArray: {
      if ((excluded & kNeverI31) == 0) {
        a_.test(gp32(ref), 1);
        a_.jnz(kind == HeapKind::kEq ? yes : no);
      }
      if (kind == HeapKind::kEq && (excluded & kNeverHost) != 0) return;
      a_.mov(x86::r11d, x86::dword_ptr(gp64(kHeapReg), gp64(ref), 0, gc::kMetaOffset));
      a_.shr(x86::r11d, gc::kLayoutShift);
      if ((excluded & kNeverHost) == 0) {
        a_.cmp(x86::r11, store_field(offsetof(StoreContext, type_count)));
        a_.jae(no);
      }
      if (kind == HeapKind::kEq) return;
      a_.shl(x86::r11, 4);
      a_.add(x86::r11, store_field(offsetof(StoreContext, types)));
      const auto want = kind == HeapKind::kStruct ? wasm::CompositeKind::kStruct : wasm::CompositeKind::kArray;
      a_.cmp(x86::dword_ptr(x86::r11, offsetof(TypeRow, kind)), static_cast<uint32_t>(want));
      a_.jne(no);
      return;
    }
    case HeapKind::kFunc:
    case HeapKind::kNoFunc:
    case HeapKind::kConcrete: break;
  }
  UNREACHABLE("I3: type test of heap kind {} in compiled code", static_cast<int>(kind));
}

void Emitter::type_test(const MInst& inst) {
  const PReg d = reg(inst, 0);
  const Label yes = a_.newLabel();
  const Label no = a_.newLabel();
  const Label done = a_.newLabel();
  match(reg(inst, 1), inst.aux, inst.imm, yes, no);
  a_.bind(yes);
  a_.mov(gp32(d), 1);
  a_.jmp(done);
  a_.bind(no);
  a_.xor_(gp32(d), gp32(d));
  a_.bind(done);
}

void Emitter::type_check(const MInst& inst) {
  const Label yes = a_.newLabel();
  match(reg(inst, 0), inst.aux, inst.imm, yes, cold(ColdKind::kTrap, static_cast<uint8_t>(TrapKind::kCastFailure)));
  a_.bind(yes);
}

// id -> entry, if the entry still carries this id; everything else is the runtime's to explain.
void Emitter::find_func(PReg entry, PReg id, Label wrong) {
  a_.mov(gp32(entry), gp32(id));
  a_.cmp(gp64(entry), store_field(offsetof(StoreContext, func_count)));
  a_.jae(wrong);
  a_.shl(gp64(entry), runtime::kFuncEntryShift);
  a_.add(gp64(entry), store_field(offsetof(StoreContext, funcs)));
  a_.cmp(x86::qword_ptr(gp64(entry), offsetof(FuncEntry, id)), gp64(id));
  a_.jne(wrong);
}

void Emitter::func_deref(const MInst& inst) { find_func(reg(inst, 0), reg(inst, 1), cold(ColdKind::kBadFunc)); }

void Emitter::func_type_test(const MInst& inst) {
  const x86::Gp d = gp32(reg(inst, 0));
  const PReg id = reg(inst, 1);
  const PReg entry = reg(inst, 2);
  const HeapKind kind = bits_kind(inst.aux);
  const Label yes = a_.newLabel();
  const Label no = a_.newLabel();
  const Label done = a_.newLabel();
  a_.test(gp64(id), gp64(id));
  a_.jz(bits_nullable(inst.aux) ? yes : no);
  find_func(entry, id, cold(ColdKind::kBadFunc));
  if (kind == HeapKind::kConcrete) {
    a_.mov(x86::r11d, x86::dword_ptr(gp64(entry), offsetof(FuncEntry, type)));
    match_type_in_r11(wasm::TypeId(inst.aux >> 8), kNeverHost, yes, no);
  } else if (kind != HeapKind::kFunc) {
    a_.jmp(no);
  }
  a_.bind(yes);
  a_.mov(d, 1);
  a_.jmp(done);
  a_.bind(no);
  a_.xor_(d, d);
  a_.bind(done);
}

void Emitter::cold_bad_func(const Cold& cold) {
  const MInst& inst = f().inst(cold.inst);
  a_.mov(x86::rsi, gp64(reg(inst, 1)));
  a_.mov(x86::edx, imm(inst.aux));
  ask_runtime(inst.op == MOp::FuncDeref ? runtime::Builtin::FuncDeref : runtime::Builtin::FuncTest, inst);
}

// Arguments are in place. The builtin ends the run. Should it ever see nothing wrong, the two disagree.
void Emitter::ask_runtime(runtime::Builtin builtin, const MInst& inst) {
  if (!frame_.exists) {
    a_.push(x86::rbp);
    a_.mov(x86::rbp, x86::rsp);
  }
  builtin_stub(builtin);
  CallSite site;
  site.pc = a_.here();
  site.homes = f().home_slots;
  site.func = func_of(inst.offset);
  site.offset = inst.offset;
  pending_sites_.push_back({site, {}, 0, 0});
  a_.mov(x86::eax, imm(inst.offset));
  a_.jmp(exit_label(wasm::OutcomeKind::kInvariant));
}

// The window's contract is in vm_context.h.
void Emitter::struct_alloc(const MInst& inst) {
  const AllocImm alloc = AllocImm::unpack(inst.imm);
  const PReg d = reg(inst, 0);
  const Label back = a_.newLabel();
  a_.mov(gp64(d), store_field(offsetof(StoreContext, alloc_next)));
  a_.lea(x86::r11, x86::ptr(gp64(d), static_cast<int32_t>(alloc.bytes)));
  a_.cmp(x86::r11, store_field(offsetof(StoreContext, alloc_limit)));
  a_.ja(cold(ColdKind::kAllocate, 0, back));
  a_.mov(store_field(offsetof(StoreContext, alloc_next)), x86::r11);
  a_.add(x86::qword_ptr(gp64(kStoreReg), offsetof(StoreContext, alloc_charged)),
         imm(int64_t{alloc.charge} << gc::kChargeShift | 1));
  // Meta and a length of zero.
  a_.mov(x86::qword_ptr(gp64(kHeapReg), gp64(d), 0, gc::kMetaOffset), imm(gc::ObjectHeader::make_meta(alloc.type)));
  a_.bind(back);
}

// The same for arrays that are small; of the others the runtime has to ask more.
void Emitter::array_alloc(const MInst& inst) {
  constexpr uint32_t kMostBytes = 1024;
  const AllocImm alloc = AllocImm::unpack(inst.imm);
  const PReg d = reg(inst, 0);
  const PReg length = reg(inst, 1);
  const Label back = a_.newLabel();
  const Label slow = cold(ColdKind::kAllocate, 0, back);
  const auto bytes_log2 = static_cast<uint32_t>(std::countr_zero(alloc.bytes));
  a_.cmp(gp32(length), kMostBytes >> bytes_log2);
  a_.ja(slow);
  a_.mov(x86::r11d, gp32(length));
  a_.shl(x86::r11, bytes_log2);
  a_.add(x86::r11, gc::kHeaderBytes + gc::kObjectAlign - 1);
  a_.and_(x86::r11, -static_cast<int32_t>(gc::kObjectAlign));
  a_.mov(gp64(d), store_field(offsetof(StoreContext, alloc_next)));
  a_.add(x86::r11, gp64(d));
  a_.cmp(x86::r11, store_field(offsetof(StoreContext, alloc_limit)));
  a_.ja(slow);
  a_.mov(store_field(offsetof(StoreContext, alloc_next)), x86::r11);
  a_.mov(x86::r11d, gp32(length));
  a_.shl(x86::r11, gc::kChargeShift + static_cast<uint32_t>(std::countr_zero(alloc.charge)));
  a_.add(x86::r11, imm(wasm::kObjectCharge << gc::kChargeShift | 1));
  a_.add(store_field(offsetof(StoreContext, alloc_charged)), x86::r11);
  a_.mov(x86::dword_ptr(gp64(kHeapReg), gp64(d), 0, gc::kMetaOffset), imm(gc::ObjectHeader::make_meta(alloc.type)));
  a_.mov(x86::dword_ptr(gp64(kHeapReg), gp64(d), 0, gc::kLengthOffset), gp32(length));
  a_.bind(back);
}

// What an object that became values takes from the budget (credit.h).
void Emitter::alloc_charge(const MInst& inst) {
  const x86::Mem credit =
      x86::qword_ptr(gp64(kStoreReg), offsetof(StoreContext, jit_words) + sizeof(uint64_t) * runtime::kCreditWord);
  const Label back = a_.newLabel();
  a_.mov(x86::r11, credit);
  a_.sub(x86::r11, imm(inst.imm));
  a_.jb(cold(ColdKind::kCharge, 0, back));
  a_.mov(credit, x86::r11);
  a_.inc(x86::qword_ptr(gp64(kStoreReg), offsetof(StoreContext, allocated_objects)));
  a_.bind(back);
}

void Emitter::cold_alloc(const Cold& cold) {
  const MInst& inst = f().inst(cold.inst);
  const uint32_t type = AllocImm::unpack(inst.imm).type;
  if (inst.op == MOp::ArrayAlloc) {
    a_.mov(x86::r11d, gp32(reg(inst, 1)));
    a_.shl(x86::r11, 32);
    a_.or_(x86::r11, imm(type));
    a_.call(imm(input_.stubs->alloc_array_slow));
  } else {
    a_.mov(x86::r11d, imm(type));
    a_.call(imm(input_.stubs->alloc_slow));
  }
  record_call(inst);
  a_.mov(gp32(reg(inst, 0)), x86::r11d);
  a_.jmp(cold.back);
}

// The write barrier of the generational heap (gc::Heap::note_store): two instructions for an object that is young, or
// remembered since the last collection.
void Emitter::barrier(const MInst& inst) {
  const Label back = a_.newLabel();
  a_.test(x86::byte_ptr(gp64(kHeapReg), gp64(reg(inst, 0)), 0, gc::kMetaOffset), gc::kWatched);
  a_.jnz(cold(ColdKind::kRemember, 0, back));
  a_.bind(back);
}

// --- Armed code ----------------------------------------------------------------------------------------------------

// Decides completely, so that nothing needs to be saved around a call: null and i31 as the type admits them, an object in
// live space, where an allocation was noted, of the type. Everything else is the runtime's to explain.
void Emitter::check_ref(const MInst& inst) {
  const PReg ref = reg(inst, 0);
  const HeapKind kind = bits_kind(inst.aux);
  const Label good = a_.newLabel();
  const Label bad = cold(ColdKind::kBadRef);
  const bool admits_i31 =
      kind == HeapKind::kAny || kind == HeapKind::kEq || kind == HeapKind::kI31 || kind == HeapKind::kExtern;
  const bool admits_objects =
      kind != HeapKind::kI31 && kind != HeapKind::kNone && kind != HeapKind::kNoExtern && kind != HeapKind::kNoExn;
  count_check(runtime::ArmedCheck::kRefName);
  a_.test(gp32(ref), gp32(ref));
  a_.jz(bits_nullable(inst.aux) ? good : bad);
  a_.test(gp32(ref), 1);
  a_.jnz(admits_i31 ? good : bad);
  if (!admits_objects) {
    a_.jmp(bad);
    a_.bind(good);
    return;
  }
  a_.test(gp32(ref), gc::kObjectAlign - 1);
  a_.jnz(bad);
  if (const uint64_t end = input_.entry->ctx->store->jit_words[runtime::kSpaceEndWord]; end != 0) {
    a_.mov(x86::r11, imm(end));
    a_.cmp(gp64(ref), x86::r11);
  } else {
    a_.cmp(gp64(ref), store_field(offsetof(StoreContext, alloc_next)));
  }
  a_.jae(bad);
  a_.cmp(gp64(ref), store_field(offsetof(StoreContext, jit_words) + sizeof(uint64_t) * runtime::kSpaceBeginWord));
  a_.jb(bad);
  if (const uint64_t origins = input_.entry->ctx->store->jit_words[runtime::kOriginWord]; origins != 0) {
    a_.mov(x86::r11, imm(origins));
    a_.cmp(x86::qword_ptr(x86::r11, gp64(ref)), 0);
    a_.je(bad);
  }
  // Retired space may lie between live ones, and its origins are kept for reports.
  a_.cmp(x86::dword_ptr(gp64(kHeapReg), gp64(ref), 0, gc::kMetaOffset), gc::kPoisonWord);
  a_.je(bad);
  if (kind == HeapKind::kConcrete) {
    match_concrete(ref, wasm::TypeId(inst.aux >> 8), 0, good, bad);
  } else {
    match_kind(ref, kind, 0, good, bad);
  }
  a_.bind(good);
}

void Emitter::count_check(runtime::ArmedCheck check) {
  const size_t offset = offsetof(StoreContext, armed_counts) + sizeof(uint64_t) * static_cast<size_t>(check);
  a_.inc(x86::qword_ptr(gp64(kStoreReg), static_cast<int32_t>(offset)));
}

// Likewise: null, or an id that its slot still carries, of a function of the type.
void Emitter::check_func(const MInst& inst) {
  const PReg id = reg(inst, 0);
  const PReg entry = reg(inst, 1);
  const HeapKind kind = bits_kind(inst.aux);
  const Label good = a_.newLabel();
  const Label bad = cold(ColdKind::kBadFuncRef);
  count_check(runtime::ArmedCheck::kFuncId);
  a_.test(gp64(id), gp64(id));
  a_.jz(bits_nullable(inst.aux) ? good : bad);
  find_func(entry, id, bad);
  if (kind == HeapKind::kConcrete) {
    const wasm::TypeId type(inst.aux >> 8);
    a_.mov(x86::r11d, x86::dword_ptr(gp64(entry), offsetof(FuncEntry, type)));
    match_type_in_r11(type, kNeverHost, good, bad);
  } else if (kind != HeapKind::kFunc) {
    a_.jmp(bad);
  }
  a_.bind(good);
}

void Emitter::cold_bad_ref(const Cold& cold, runtime::Builtin builtin) {
  const MInst& inst = f().inst(cold.inst);
  a_.mov(x86::rsi, gp64(reg(inst, 0)));
  a_.mov(x86::edx, imm(inst.aux));
  a_.mov(x86::ecx, imm(inst.offset));
  ask_runtime(builtin, inst);
}

}  // namespace parallax::jit::x64
