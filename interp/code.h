// Translated code of one function, and the machine state that handlers work on.
//
// A frame is a window of 8-byte slots on the store's value stack: parameters, declared locals, then the operand stack;
// every operand position has one fixed slot, its home. Arguments of a call stand in the caller's homes and become the
// callee's first slots; results come back there. v128 takes two slots. i32 and f32 stand zero-extended.
//
// Exact roots: for every instruction that can collect or call, `safepoints` lists the home slots that hold references
// there; locals of reference type are listed once per function (they are null before they are set). Nothing else
// in a frame is a reference at such a place, because values that the translator keeps elsewhere (aliases of locals,
// constants) are in locals or are not cells. A frame's place is FrameRecord::ip: set before every call and allocation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/wasm/embed.h"
#include "interp/cell.h"
#include "interp/entities.h"

// Handlers hand over with guaranteed tail calls and keep the machine state in registers.
#define INTERP_CC __attribute__((preserve_none))

namespace parallax::interp {

struct Ins;
struct Machine;

using Handler = INTERP_CC void (*)(const Ins* ip, uint64_t* fp, Machine* m);

// One instruction: handler and operands. What a, b, c, d and imm mean stands with each handler family (ops.h); as a rule
// a is the destination slot, b and c are operand slots, d is a branch distance in instructions.
struct Ins {
  Handler handler = nullptr;
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
  int32_t d = 0;
  uint64_t imm = 0;

  template <class T>
  T* pointer() const {
    return reinterpret_cast<T*>(imm);
  }
};
static_assert(sizeof(Ins) == 32);

struct Safepoint {
  uint32_t ins = 0;
  uint32_t first = 0;  // in Code::safepoint_slots
  uint32_t count = 0;
};

struct CatchTarget {
  wasm::CatchKind kind = wasm::CatchKind::kCatch;
  Tag* tag = nullptr;
  uint32_t slot = 0;        // where payload (then exnref) goes
  uint32_t target = 0;      // instruction index
  uint32_t exn_slot = ~0u;  // legacy: where the exception itself is kept for rethrow
};

// A try_table's or try's code. Inner ones stand before outer ones.
struct TryRange {
  uint32_t begin = 0, end = 0;  // instruction indices
  std::vector<CatchTarget> catches;
  bool delegates = false;  // legacy delegate: the search goes on at `delegate_place`, further out
  uint32_t delegate_place = ~0u;
};

struct Code {
  std::vector<Ins> ins;
  std::vector<wasm::WasmOffset> offsets;  // by instruction
  uint32_t param_slots = 0;
  uint32_t frame_slots = 0;
  std::vector<uint32_t> ref_locals;   // slots
  std::vector<Safepoint> safepoints;  // by ascending ins
  std::vector<uint32_t> safepoint_slots;
  std::vector<TryRange> tries;
  std::vector<std::unique_ptr<int32_t[]>> branch_tables;
  std::vector<std::unique_ptr<uint64_t[]>> constants;

  // The safepoint of an instruction; null when it has none.
  const Safepoint* find_safepoint(uint32_t ins) const;
};

struct FrameRecord {
  Func* func = nullptr;  // null: the border to the native caller
  const Code* code = nullptr;
  uint64_t* fp = nullptr;
  const Ins* ip = nullptr;  // the call or allocation it is at
};

class Store;

// Why a native run of handlers ended.
struct Exit {
  wasm::OutcomeKind kind = wasm::OutcomeKind::kReturned;
  wasm::TrapKind trap = wasm::TrapKind::kUnreachable;
  Word exception = kNullWord;  // kThrew
  Error error;
  wasm::FuncIndex func;
  wasm::WasmOffset offset = 0;
  bool located = false;
};

struct Machine {
  uint64_t fuel = 0;
  FrameRecord* top = nullptr;         // the running frame
  FrameRecord* frames_end = nullptr;  // calls at top + 1 == frames_end take the slow path
  uint64_t* stack_end = nullptr;
  Store* store = nullptr;
  // What a handler of a call had decoded when it took the slow path.
  Func* pending = nullptr;
  uint32_t pending_args = 0;
  Exit exit;
};

}  // namespace parallax::interp
