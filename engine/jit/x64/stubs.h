// Stubs: the native code around compiled functions.
//
//   entry trampoline (one per signature)  C++ -> compiled code; slots to registers and back
//   host stub (one per signature)         compiled code -> builtin HostCall; registers to slots and back
//   compile stub                          first code of a WebAssembly function: compiles it, then goes there
//   builtin stubs                         compiled code -> a C++ function: notes the frame for the walker, tests how it ended
//   exits                                 back to the innermost entry trampoline; no C++ frame is ever skipped
//   throw                                 asks the unwinder where an exception continues, and goes there
//
// Fuel lives in a register while compiled code runs: the entry trampoline loads it, and whatever goes to C++ (builtins,
// exits, throws, the trampoline's return) stores it first. Builtins that may re-enter load it again.
//
// Stubs name nothing of a store or a module and so serve any (stub_cache.h).
#pragma once

#include <span>

#include "engine/base/result.h"
#include "engine/jit/call_sites.h"
#include "engine/jit/x64/emit.h"

namespace parallax::jit::x64 {

// Where an exception continues: in a frame, or (frame null) at the entry trampoline.
struct UnwindTarget {
  const void* pc;
  void* frame;
};
using UnwindFunction = UnwindTarget (*)(runtime::StoreContext* store, const void* pc, void* frame);

// What the trampoline is called as. Answers an OutcomeKind.
using EntryTrampoline = uint32_t (*)(const void* code, runtime::FuncEntry* entry, runtime::Slot* slots,
                                     runtime::StoreContext* store);

// The shared stubs, for any store; records their call sites. `leave_threw` is where the unwinder sends what nobody catches.
Result<> make_shared_stubs(Asm& a, CodeSpace& space, CallSites& sites, UnwindFunction unwind, StubTable& out,
                           const void*& leave_threw);

// One letter a value, as values travel: i (i32), r (reference), l, g, f, d, v.
void append_letters(const wasm::TypeStore& types, std::span<const wasm::ValType> values, std::string& out);

Result<EntryTrampoline> make_entry(Asm& a, CodeSpace& space, std::string_view params, std::string_view results);
Result<const uint8_t*> make_host_stub(Asm& a, CodeSpace& space, CallSites& sites, std::string_view params,
                                      std::string_view results, const StubTable& stubs);

}  // namespace parallax::jit::x64
