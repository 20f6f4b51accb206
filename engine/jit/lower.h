// Lowering: IR of one function to machine IR.
//
// One forward pass over the blocks. Constants and aliases (Refine, Convert, NullCheck, Cast, widening of zero-extended
// i32) become no code; a comparison whose only reader is a branch, select or trap later in its block is emitted there.
// A comparison of references is never moved past a safepoint: its operands would become live across it (I2).
//
// Memories, tables, globals and functions belong to one instance and keep their addresses, so code is compiled per
// function of an instance with these addresses in it. Objects are addressed as [heap base + reference + offset].
#pragma once

#include <array>
#include <span>
#include <vector>

#include "engine/base/result.h"
#include "engine/ir/func.h"
#include "engine/jit/lower_compute.h"
#include "engine/jit/mir.h"
#include "engine/jit/x64/asm.h"
#include "engine/runtime/builtins.h"
#include "engine/runtime/instance.h"
#include "engine/runtime/layouts.h"

namespace parallax::jit {

struct LowerInput {
  const ir::Func* func = nullptr;  // after the safepoint pass
  const runtime::FuncEntry* entry = nullptr;
  const runtime::Instance* instance = nullptr;
  runtime::Layouts* layouts = nullptr;
  x64::CpuFeatures cpu;
  bool guards = false;    // faults in guarded memories are handled
  bool armed = false;     // run-time checks of references and function references
  bool barriers = false;  // the heap is generational: stores of references into objects are noted
};

class Lowering {
 public:
  // Error: kInvariant (IR that cannot be lowered).
  Result<> run(const LowerInput& input, MFunc& out);
  // Of the function lowered last: the IR's value of every virtual register, ~0 where there is none. For listings.
  std::vector<uint32_t> values_by_vreg() const;

 private:
  struct StoredArg {
    ArgAssigner::Place place;
    VReg v;
    ir::Rep rep;
  };
  struct Access {
    Mem mem;
    VReg base;
    VReg index;
  };
  // A comparison about to be attached to its consumer.
  struct Condition {
    CmpForm form = CmpForm::kTestReg;
    Width width = Width::k32;
    Cond cond = Cond::kNe;
    VReg a;
    VReg b;
    Access access;
    int64_t imm = 0;
    wasm::WasmOffset offset = 0;  // of a load in it
  };
  // Where an access to a linear memory goes: index * scale + offset.
  struct AddressPlan {
    ir::ValueId index;
    uint8_t scale_log2 = 0;
    uint64_t offset = 0;
  };
  // What stands before an instruction in its block.
  struct Before {
    uint32_t safepoints = 0;
    uint32_t changes = 0;  // what writes or exits
    uint32_t effects = 0;  // and what traps
  };

  // --- Preparation (lower_fuse.cc)
  void prepare();
  void count_uses();
  const ir::Inst* only_read_by(const ir::Inst& reader, ir::ValueId v) const;
  const Before& before(const ir::Inst& inst) const;
  bool fusable(const ir::Inst& consumer, ir::ValueId value) const;
  static bool is_bit_test(const ComputeRow& row);
  bool is_zero_compare(const ir::Inst& inst) const;
  void fuse(const ir::Inst& consumer, ir::ValueId value);
  bool is_operand_load(const ir::Inst& load, Width width) const;
  bool fuse_load(ir::ValueId v, Width width, const ir::Inst& reader, const ir::Inst& emitter);
  void fuse_operands(const ir::Inst& inst, const ir::Inst& emitter);
  static bool is_unsigned_or_equal(Cond cond);
  bool fuse_scaled(const ir::Inst& inst);
  bool is_scaling(const ir::Inst& inst, uint8_t& scale) const;
  // What an "and" is together with the definition of its operand `n`.
  enum class BitTrick : uint8_t { kNone, kAndNot, kReset, kIsolate };
  BitTrick trick_of(const ir::Inst& inst, size_t n) const;
  bool fuse_trick(const ir::Inst& inst);
  void fuse_update(ir::InstId id);
  static Width update_width(wasm::Opcode store);
  static bool is_update_load(wasm::Opcode load, Width width);
  uint64_t most(ir::ValueId v, int depth = 5) const;
  bool is_alias(const ir::Inst& inst) const;
  void plan_address(ir::InstId id);
  bool take_part(AddressPlan& plan);
  AddressPlan address_of(const ir::Inst& access) const;

  // --- Values
  VReg vreg(ir::ValueId v);
  VReg define(const ir::Inst& inst, size_t n = 0);
  VReg constant(uint64_t bits);
  VReg float_constant(uint64_t bits);
  VReg fresh(ir::Rep rep);
  bool is_zero(ir::ValueId v) const;
  VReg address(const void* pointer) { return constant(reinterpret_cast<uint64_t>(pointer)); }
  ir::InstId id_of(const ir::Inst& inst) const {
    return ir::InstId(static_cast<uint32_t>(&inst - &func_->inst(ir::InstId(0))));
  }
  ir::ValueId arg(const ir::Inst& inst, size_t n) const;
  const ir::Inst* def_of(ir::ValueId v) const { return func_->def(v); }
  bool constant_bits(ir::ValueId v, uint64_t& bits) const;
  // The value as an immediate of an instruction of this width.
  bool immediate(ir::ValueId v, Width width, int64_t& imm) const;
  RegClass cls(ir::ValueId v) const;
  VReg as_bits(ir::ValueId v);
  // The instruction that was made part of the reader of `v`; null when there is none.
  const ir::Inst* fused_def(ir::ValueId v) const;
  const ir::Inst* fused_load(ir::ValueId v) const;
  MInst& append(MInst inst) {
    if (inst.offset == 0) inst.offset = offset_;
    return out_->append(inst);
  }

  // --- Blocks
  Result<> block(ir::BlockId b, uint32_t number);
  void entry_params();
  Result<> inst(const ir::Inst& inst);
  void terminator(const ir::Inst& inst, MBlockId b);

  // --- Conditions
  Condition condition(ir::ValueId v);
  Condition compare(const ir::Inst& inst);
  // Branches and selects on what is loaded compare in memory.
  void fuse_loaded_conditions();
  Condition loaded_is_zero(const ir::Inst& load, Width width);
  Condition bit_test(const ir::Inst& inst);
  Condition compare_loaded(Width width, Cond cond, const ir::Inst& load, ir::ValueId other);
  Condition compare_ints(Width width, Cond cond, ir::ValueId a, ir::ValueId b);
  void compare_operands(const Condition& c);
  static void set_condition(MInst& inst, const Condition& c);
  void set_from(VReg d, const Condition& c);
  void trap_if(const Condition& c, wasm::TrapKind trap);
  void trap_if_zero(VReg v, Width width, wasm::TrapKind trap);

  // --- Operations
  Result<> compute(const ir::Inst& inst);
  void alu(const ir::Inst& inst, Width width, AluOp op);
  void add(const ir::Inst& inst, Width width, ir::ValueId a, ir::ValueId b);
  void alu_with_load(const ir::Inst& inst, Width width, AluOp op, const ir::Inst& load, ir::ValueId other);
  bool scaled_add(const ir::Inst& inst, Width width);
  bool bit_trick(const ir::Inst& inst, Width width);
  bool mask(const ir::Inst& inst, ir::ValueId x, uint64_t bits);
  void multiply(const ir::Inst& inst, Width width, ir::ValueId a, int64_t imm);
  void sub(const ir::Inst& inst, Width width);
  void shift(const ir::Inst& inst, Width width, ShiftOp op);
  void divide(const ir::Inst& inst, Width width, DivOp op);
  void select(const ir::Inst& inst);
  void unary(const ir::Inst& inst, MOp op, Width width, uint8_t sub, uint8_t flag, bool same = false);
  void binary_float(const ir::Inst& inst, MOp op, Width width, uint8_t sub, uint8_t flag);
  // The operation on what the definition's other operands and `load` give.
  void append_with_load(MInst m, const ir::Inst& load, VReg d, Where where, VReg a);
  Access operand_access(const ir::Inst& load);

  // --- Vectors (lower_vector.cc)
  // Immediates of a vector operation: lanes of a shuffle, or one lane in `low`.
  struct Lanes {
    uint64_t low = 0;
    uint64_t high = 0;
  };
  // Defines `d` by a numeric operation of opcodes.def that cannot trap.
  void numeric(wasm::Opcode op, VReg d, std::span<const VReg> args, Lanes lanes);
  void numeric(const ir::Inst& inst);
  void shuffle_masks(Lanes lanes);
  void numeric_out_of_line(wasm::Opcode op, VReg d, std::span<const VReg> args, Lanes lanes);

  void mem_load(const ir::Inst& inst);
  void mem_store(const ir::Inst& inst);
  void mem_update(const ir::Inst& store, const ir::Inst& op);
  Access memory_access(const ir::Inst& inst, uint32_t bytes);
  bool is_guarded(const ir::Inst& inst) const;
  Access guarded_access(const ir::Inst& inst);
  VReg memory_base(uint32_t memory);
  void forget_memory();
  void load(VReg d, LoadOp op, const Access& access);
  void store(Width width, ir::ValueId value, const Access& access);
  void store_reg(Width width, VReg value, const Access& access);
  void access_operands(const Access& access);
  Access at_address(const void* pointer, size_t offset = 0);
  Access in_object(ir::ValueId ref, uint32_t offset);
  Access element(ir::ValueId array, ir::ValueId index, runtime::FieldRep rep);
  void load_field(const ir::Inst& inst, runtime::FieldRep rep, bool sign_extend, const Access& access);
  void store_field(ir::ValueId value, runtime::FieldRep rep, const Access& access);
  void check_index(const ir::Inst& inst);
  void barrier(ir::ValueId object, ir::ValueId value, runtime::FieldRep rep);
  void table_access(const ir::Inst& inst, bool is_store);

  // What a reference of this type cannot be (mir.h, kNeverNull and the like).
  static int64_t excluded(const wasm::TypeStore& types, ir::Type type);
  void ref_test(const ir::Inst& inst);
  void func_type_test(VReg d, VReg id, uint32_t type_bits);
  void cast(const ir::Inst& inst);
  void armed_check(const ir::Inst& inst);
  void check_ref(VReg ref, ir::Type type);

  // Calls a builtin; `result` may be invalid.
  void builtin(runtime::Builtin id, std::span<const VReg> args, VReg result, const ir::Inst* safepoint = nullptr,
               uint8_t sub = 0);
  bool builtin_op(const ir::Inst& inst);
  void array_init_fill(const ir::Inst& inst);
  void array_fill_v128(ir::ValueId array, VReg offset, ir::ValueId value, VReg count);
  void struct_alloc(const ir::Inst& inst);
  void allocate(wasm::TypeId type, VReg object, const ir::Inst& inst);
  void exn_alloc(const ir::Inst& inst);
  bool array_alloc(const ir::Inst& inst);
  bool notes_sites() const { return in_.entry->ctx->store->jit_words[runtime::kOriginWord] != 0; }
  CallId add_call(const ir::Inst* safepoint, MCall call);

  void store_overflow(std::span<const ir::ValueId> args);
  void use_in_places(std::span<const ir::ValueId> args);
  void define_in_places(const ir::Inst& inst);
  void load_overflow(std::span<const StoredArg> places);
  void call(const ir::Inst& inst);
  void tail_call(const ir::Inst& inst);
  VReg callee_entry(const ir::Inst& inst);
  VReg indirect_id(uint32_t number, VReg index);
  void indirect_entry(const ir::Inst& inst, VReg entry);
  Access arg_slot(uint32_t slot) const;

  const ir::Func* func_ = nullptr;
  MFunc* out_ = nullptr;
  LowerInput in_;
  wasm::WasmOffset offset_ = 0;

  std::vector<VReg> vregs_;            // by ValueId
  std::vector<uint32_t> uses_;         // by ValueId; readers that need the value
  std::vector<uint8_t> fused_;         // by InstId: emitted by its only reader
  std::vector<Before> places_before_;  // by InstId
  static constexpr uint32_t kNoPlan = ~0u;
  std::vector<uint32_t> plan_;  // by InstId, of accesses whose address has parts
  std::vector<AddressPlan> plans_;
  std::vector<MBlockId> blocks_;  // by BlockId
  std::vector<VReg> edge_args_;
  struct KnownConst {
    uint64_t bits = 0;
    VReg v;
    uint32_t run = 0;  // in which it was made
  };
  std::array<KnownConst, 256> consts_;  // small direct-mapped table
  uint32_t run_ = 0;
  std::vector<VReg> memory_bases_;  // by MemoryIndex: base address in this block since the last barrier
  std::vector<StoredArg> places_;
};

}  // namespace parallax::jit
