// Handlers of translated code, by family, and the tables the translator takes them from.
//
// A handler reads its operands from `ip`, works on `fp` and `m`, and tail-calls the next one. Operand reads come before the
// write of the destination: both may be the same slot. "args at a" means consecutive home slots starting at a.
#pragma once

#include "engine/wasm/instr.h"
#include "interp/code.h"

namespace parallax::interp {

#define INTERP_HANDLER(name) INTERP_CC void name(const Ins* ip, uint64_t* fp, Machine* m)

// Instructions that compute from operands alone (every row of numerics.def), and loads.
// plain: a = op(b, c, d); imm is the lane, or points to the 16 shuffle lanes.
// imm:   a = op(b, imm), for integer instructions of two operands.
// Comparisons also come as branches, with the constant or not: they jump by d.
//
// A branch exists for both outcomes of its condition, and for targets that are loop heads: such a one pays the fuel of
// the arrival and goes behind the `fuel` instruction at the head, or to it when there is no fuel left.
struct BranchHandlers {
  Handler when = nullptr;    // non-zero
  Handler unless = nullptr;  // zero
  Handler when_loop = nullptr;
  Handler unless_loop = nullptr;
};
struct OpHandlers {
  Handler plain = nullptr;
  Handler imm = nullptr;
  BranchHandlers branch;
  BranchHandlers branch_imm;
};
const OpHandlers& numeric_handlers(wasm::Opcode op);

// Casts and tests to one heap kind; the concrete ones take a CastSite from imm, all others nullness from c.
struct CastHandlers {
  Handler test = nullptr;
  Handler cast = nullptr;
  BranchHandlers branch;
};
const CastHandlers& cast_handlers(wasm::HeapKind kind);

extern const BranchHandlers kBranchIf;    // condition b
extern const BranchHandlers kBranchNull;  // reference b; "when" is null

// Loads: a = memory[b + offset], stores: memory[b + offset] = a; offset in c and d, imm is the Memory.
// Lane forms take a second Ins: its a is the vector operand, its b the lane.
// `cannot_wrap`: address and offset have 32 bits each, so that their sum needs no check of its own.
Handler memory_handler(wasm::Opcode op, bool cannot_wrap);

// clang-format off
#define INTERP_OP_LIST(X)                                                                                              \
  /* Moves: a = b; a = imm; slots a .. a+b-1 = 0. *2 move two slots; const2's imm points to them.                      \
     copy_copy: a = b, then c = d. */                                                                                  \
  X(copy) X(copy_copy) X(copy2) X(const) X(const2) X(zero_range) X(select) X(select2)                                               \
  /* Control: distance d; condition b. br_table: index b, c labels before the default, imm points to distances. */     \
  X(jump) X(jump_loop) X(br_table) X(fuel) X(unreachable)                                                              \
  /* Results: b; c slots from b. */                                                                                    \
  X(return0) X(return1) X(return_n)                                                                                    \
  /* Calls: args at a; imm is the Func, or the Table with index b and type c; call_ref: reference b. */                \
  X(call) X(call_indirect) X(call_ref) X(tail_call) X(tail_call_indirect) X(tail_call_ref)                             \
  /* Exceptions: args at a, imm is the Tag; reference b. */                                                            \
  X(throw) X(throw_ref)                                                                                                \
  /* Variables and tables: imm is the Global or Table. get: a; set: b; table.get a = [b]; table.set [a] = b. */        \
  X(global_get) X(global_get2) X(global_set) X(global_set2) X(table_get) X(table_set) X(table_size) X(table_grow)      \
  X(table_fill) X(table_copy) X(table_init) X(elem_drop)                                                               \
  /* Memory: args at a, imm is the Memory (copy: source in the second Ins; init: Instance, segment b, memory c). */    \
  X(memory_size) X(memory_grow) X(memory_fill) X(memory_copy) X(memory_init) X(data_drop)                              \
  /* References: a = f(b). i31: b. */                                                                                  \
  X(ref_is_null) X(ref_eq) X(ref_as_non_null) X(ref_i31) X(i31_get_s) X(i31_get_u)                                     \
  /* ref.cast (ref i31) and i31.get of its result in one. */                                                           \
  X(i31_cast_get_s) X(i31_cast_get_u)                                                                                  \
  /* Structs: new: a, args at b, imm is the TypeInfo; newN: N args in slots b, c, d. get: a = b.c; set: a.c = b. */    \
  X(struct_new1) X(struct_new2) X(struct_new3) X(struct_new) X(struct_new_any) X(struct_new_default) X(struct_get) X(struct_get8_s) X(struct_get16_s)               \
  X(struct_get_v128) X(struct_set) X(struct_set8) X(struct_set16) X(struct_set_v128)                                   \
  /* Arrays: get: a = b[c]; set: a[b] = c. new: a, args at b, imm is the TypeInfo. Bulk: args at a. */                 \
  X(array_new) X(array_new_default) X(array_new_fixed) X(array_new_data) X(array_new_elem) X(array_get)                \
  X(array_get8_s) X(array_get16_s) X(array_get_v128) X(array_set) X(array_set8) X(array_set16) X(array_set_v128)       \
  X(array_len) X(array_fill) X(array_copy) X(array_init_data) X(array_init_elem)                                       \
  /* Hooks, emitted only when they are set: b = reference slots of this place; value: slot b of kind a. */             \
  X(hook_safepoint) X(hook_enter) X(hook_leave) X(hook_value) X(leave_run)
// clang-format on

#define DECLARE(name) INTERP_HANDLER(op_##name);
INTERP_OP_LIST(DECLARE)
#undef DECLARE

// What a cast or test to a concrete type asks for.
struct CastTarget {
  wasm::TypeId id;
  uint32_t depth = 0;
};

// One instruction that asks: the target, and what it answered last. A host object's kNoType is a lasting no.
struct CastSite {
  CastTarget target;
  uint32_t last_yes = target.id.raw;
  uint32_t last_no = UINT32_MAX;
};

}  // namespace parallax::interp
