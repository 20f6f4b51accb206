// Emitter: allocated machine IR to bytes.
//
// One pass over the nodes of the layout; cold parts (traps, slow paths) are collected and written behind the function. Sequences that a machine operation stands for may use the scratch registers r11 and xmm15.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/jit/call_sites.h"
#include "engine/jit/guard_sites.h"
#include "engine/jit/layout.h"
#include "engine/jit/mir.h"
#include "engine/jit/regalloc/allocation.h"
#include "engine/jit/x64/asm.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/vm_context.h"
#include "engine/wasm/types.h"

namespace parallax::jit {
class Baseline;  // baseline/
}

namespace parallax::jit::x64 {

// Addresses of the shared stubs (stubs.h).
struct StubTable {
  const uint8_t* builtins[runtime::kBuiltinCount] = {};
  const uint8_t* exit = nullptr;    // eax = wasm offset, ecx = FuncIndex, edx = OutcomeKind << 8 | TrapKind
  const uint8_t* throw_ = nullptr;  // pending_exception is set; called, so that the return address names the place
  const uint8_t* alloc_struct =
      nullptr;  // like the builtin AllocStruct, but bumps if it can: esi, edx = bytes, ecx = charge
  const uint8_t* alloc_slow = nullptr;        // AllocStruct: r11d = TypeId -> r11d; changes no other register
  const uint8_t* alloc_array_slow = nullptr;  // AllocArray: r11 = length << 32 | TypeId -> r11d; likewise
  const uint8_t* charge_slow = nullptr;       // ChargeObject: r11d = bytes; changes no other register
  const uint8_t* remember = nullptr;          // r11d = an old object that was not remembered; changes no other register
  const uint8_t* compile = nullptr;           // first code of WebAssembly functions
};

// Wrong code on purpose, for the tests of those who compare.
enum class EmitterFault : uint8_t {
  kNone,
  kSwizzleWraps,  // i8x16.swizzle: indices of 16 to 127 count modulo 16
  kKeepNans,      // f32x4: results that are NaN stay as the machine gave them
};

struct EmitInput {
  const MFunc* func = nullptr;
  const Allocation* allocation = nullptr;
  const Layout* layout = nullptr;
  const wasm::TypeStore* types = nullptr;
  const StubTable* stubs = nullptr;
  const runtime::FuncEntry* entry = nullptr;  // of the function itself
  GuardSites* guard_sites = nullptr;          // where accesses to guarded memories are noted; needed if there are any
  CpuFeatures cpu;
  EmitterFault fault = EmitterFault::kNone;
  bool listing = false;  // take notes
  static constexpr uint32_t kNoValue = ~0u;
  std::span<const uint32_t> values;  // with `listing`: the IR's value by virtual register, or kNoValue
  bool validate = false;
};

// A call or jump in emitted code to a function that has no code yet: it goes to the compile stub, by a thunk.
struct OpenLink {
  uint64_t callee = 0;  // FuncEntry::id
  uint32_t at = 0;      // code offset of its distance
};

class Emitter {
 public:
  // Writes the function and records its call sites. Error kLimit (code space or frame too large), kInvariant.
  Result<const uint8_t*> emit(const EmitInput& input, CodeSpace& space, CallSites& sites);
  const std::vector<CodeNote>& notes() const { return a_.notes(); }
  // Of the function emitted last: where its frame stands, as an offset behind "push rbp"; 0 when it has none.
  uint32_t frame_at() const { return frame_at_; }
  // And what it wants to call.
  std::span<const OpenLink> open_links() const { return open_links_; }

 private:
  friend class VectorWriter;               // emit_vector.cc
  friend class ::parallax::jit::Baseline;  // writes its instructions between start() and finish(), some of them here

  enum class ColdKind : uint8_t {
    kTrap,          // trap kind `trap` at the instruction's offset
    kExit,          // OutcomeKind `trap`
    kDepth,         // an inlined call would nest too deeply
    kCanonicalNan,  // put the canonical NaN into the definition, go back
    kTruncate,      // decide about a truncation that did not fit
    kBadFunc,       // ask the runtime what is wrong with a function reference
    kBadRef,        // ask the runtime what is wrong with a reference
    kBadFuncRef,    // and with a function reference that nobody calls
    kAllocate,      // asks the runtime for an object, goes back
    kCharge,        // asks the runtime to charge an object that became values, goes back
    kRemember,      // puts an object on the list of remembered ones, goes back
  };
  struct Cold {
    ColdKind kind;
    uint8_t trap;
    uint32_t inst;
    Label at;
    Label back;
  };

  // --- Frame and control (emit.cc)
  // What the function's operations need of a frame.
  struct FrameShape {
    bool exists = false;  // rbp is this function's: it calls something, or has slots
    bool depth = false;   // the depth left stands in it, for callees
    bool shifts = false;  // and is another one during some calls (DepthAdd)
    uint32_t bytes = 0;   // below rbp
  };
  FrameShape shape_of() const;
  void start(const EmitInput& input, CodeSpace& space, CallSites& sites);
  Result<const uint8_t*> finish();
  void prologue();
  void leave_frame();
  void landing_entry();
  void block(uint32_t b);
  void item(const Item& item);
  void move(Loc dst, Loc src, RegClass cls, Room room);
  void constant(Loc dst, VReg v);
  std::string note_of(const MInst& inst) const;
  void instruction(uint32_t index);
  // The bytes written since `begin` access memory as `inst` says.
  void note_guarded(const MInst& inst, uint32_t begin);
  void terminator(uint32_t index, uint32_t b);
  bool is_tested(const MInst& inst) const;
  void node(uint32_t n);
  void write_nodes(const EmitInput& input, CodeSpace& space, CallSites& sites, bool guess);
  void guess_ends(bool guess);
  bool is_near(uint32_t node) const;
  void go_to(uint32_t node);
  Label label_of(uint32_t node);
  Label edge_label(uint32_t edge) { return label_of(input_.layout->target(edge)); }
  void edge_inline(uint32_t edge);
  void branch(Cond cond, uint32_t b);
  void branch_type(const MInst& inst, uint32_t b);
  void switch_table(const MInst& inst, uint32_t b);
  void cold_parts();
  void jump_tables();
  Label trap_label(wasm::TrapKind kind);
  Label exit_label(wasm::OutcomeKind kind);
  Label cold(ColdKind kind, uint8_t trap = 0, Label back = {});
  void shared_exits();
  void leave(uint32_t func, wasm::OutcomeKind outcome, uint32_t trap);
  uint32_t func_of(wasm::WasmOffset offset) const;
  void record_call(const MInst& inst);

  // --- Calls (emit.cc)
  void depth_check(const MInst& inst);
  // Whether calls may go to the callee's code, which never changes again.
  bool has_code(const runtime::FuncEntry& callee) const;
  // Where calls of a callee without code go at first.
  Label thunk(const runtime::FuncEntry& callee);
  void write_thunks();
  void call_func(const MInst& inst);
  void call_entry(const MInst& inst);
  void call_builtin(const MInst& inst);
  void builtin_stub(runtime::Builtin builtin);
  void tail_func(const MInst& inst);
  void tail_entry();

  // --- Integers, memory, conditions (emit_int.cc)
  void copy_between(const MInst& inst);
  asmjit::Operand source(const MInst& inst, uint32_t n, uint32_t bytes) const;
  void lea(const MInst& inst);
  void alu(const MInst& inst);
  void update(const MInst& inst);
  void alu_imm(const MInst& inst);
  void shift(const MInst& inst);
  void shift_any(const MInst& inst);
  void bit_trick(const MInst& inst);
  void divide(const MInst& inst);
  void extend(const MInst& inst);
  void count_bits(const MInst& inst);
  void popcount_by_hand(const MInst& inst);
  void load(const MInst& inst);
  void store(const MInst& inst);
  void compare(const MInst& inst, uint32_t at);
  bool compares(const MInst& inst, uint32_t at, PReg r) const;
  void set_cond(const MInst& inst);
  void select(const MInst& inst);
  // `is_near`: the label, not yet bound, will be within 127 bytes.
  void jump_if(Cond cond, Label to, bool is_near = false);

  // --- Floats (emit_float.cc)
  void falu(const MInst& inst);
  void canonicalize(PReg reg);
  void fminmax(const MInst& inst);
  void fabsneg(const MInst& inst);
  void fcopysign(const MInst& inst);
  void fsqrt(const MInst& inst);
  void fround(const MInst& inst);
  void fresize(const MInst& inst);
  void from_int(const MInst& inst);
  void to_int(const MInst& inst);
  void cold_truncate(const Cold& cold);
  void load_float(PReg to, Width width, uint64_t bits);
  void compare_floats(PReg a, PReg b, Width width);

  // --- Vectors (emit_vector.cc)
  void vector(const MInst& inst);

  // --- References (emit_ref.cc)
  void type_test(const MInst& inst);
  void type_check(const MInst& inst);
  void check_ref(const MInst& inst);
  void barrier(const MInst& inst);
  void struct_alloc(const MInst& inst);
  void array_alloc(const MInst& inst);
  void cold_alloc(const Cold& cold);
  void alloc_charge(const MInst& inst);
  void check_func(const MInst& inst);
  void count_check(runtime::ArmedCheck check);
  // Goes to `no` unless `ref` matches the type with these bits; falls through, or goes to `yes`, if it does. `excluded`:
  // what the reference is known not to be (mir.h).
  void match(PReg ref, uint32_t type_bits, int64_t excluded, Label yes, Label no);
  void match_concrete(PReg ref, wasm::TypeId type, int64_t excluded, Label yes, Label no);
  void match_type_in_r11(wasm::TypeId type, int64_t excluded, Label yes, Label no);
  void match_kind(PReg ref, wasm::HeapKind kind, int64_t excluded, Label yes, Label no);
  void func_type_test(const MInst& inst);
  void func_deref(const MInst& inst);
  // entry = the FuncEntry of `id`, or to `wrong` if none carries it.
  void find_func(PReg entry, PReg id, Label wrong);
  void cold_bad_func(const Cold& cold);
  void cold_bad_ref(const Cold& cold, runtime::Builtin builtin);
  void ask_runtime(runtime::Builtin builtin, const MInst& inst);

  // --- Operands
  const MFunc& f() const { return *input_.func; }
  Loc loc(const MInst& inst, uint32_t n) const { return input_.allocation->loc(inst, n); }
  PReg reg(const MInst& inst, uint32_t n) const { return loc(inst, n).reg(); }
  x86::Gp gp(PReg r, Width w) const { return w == Width::k64 ? gp64(r) : gp32(r); }
  x86::Mem slot(Loc l) const;
  // 16 bytes of code that hold this constant, aligned; written behind the function.
  x86::Mem pool(uint64_t low, uint64_t high);
  void write_pool();
  x86::Mem mem(const MInst& inst, uint32_t at) const;
  static x86::Mem store_field(size_t offset) { return x86::ptr(gp64(kStoreReg), static_cast<int32_t>(offset)); }
  static x86::Mem store_field32(size_t offset) { return x86::dword_ptr(gp64(kStoreReg), static_cast<int32_t>(offset)); }

  Asm a_;
  EmitInput input_;
  CodeSpace* space_ = nullptr;
  CallSites* sites_ = nullptr;
  FrameShape frame_;
  // The register whose comparison with zero the flags hold, or kNoReg: of the last instruction that wrote flags.
  PReg tested_ = kNoReg;
  Width tested_width_ = Width::k32;
  uint32_t frame_at_ = 0;
  uint32_t current_ = 0;  // instruction being emitted
  static constexpr uint32_t kNoNode = ~0u;
  uint32_t next_node_ = 0;            // of the layout, behind the one being emitted
  uint32_t at_ = 0;                   // position of the one being emitted
  std::vector<uint32_t> likely_end_;  // by position; empty when distances are not guessed
  std::vector<uint32_t> position_;    // by node
  Label entry_label_;
  Label body_label_;  // behind the prologue
  std::vector<Label> block_labels_;
  std::vector<Label> edge_labels_;
  std::vector<Cold> cold_;
  std::vector<Label> trap_labels_;  // by TrapKind
  std::vector<Label> exit_labels_;  // by OutcomeKind
  struct PendingSite {
    CallSite site;
    MBlockId landing;
    uint32_t map_begin;
    uint32_t map_count;
  };
  std::vector<PendingSite> pending_sites_;
  std::vector<GuardSite> faults_;
  std::vector<OpenLink> open_links_;
  struct Thunk {
    const runtime::FuncEntry* callee;
    Label at;
  };
  std::vector<Thunk> thunks_;
  struct PoolEntry {
    uint64_t low;
    uint64_t high;
    Label at;
  };
  std::vector<PoolEntry> pool_;
  struct JumpTable {
    Label at;
    uint32_t edges_begin;
    uint32_t edges_count;
  };
  std::vector<JumpTable> tables_;
};

}  // namespace parallax::jit::x64
