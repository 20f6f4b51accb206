// One function body of a generated GC program: statements built from idioms, expressions directed by types.
//
// Valid by construction: an expression for a type leaves exactly one value of a subtype of it. Termination: loops count,
// calls go to functions of a higher number or through references to leaf functions only. Values that were written are
// read back and folded into an i64 digest, so that whatever goes wrong with an object reaches a result. Allocations stand
// between definitions and uses wherever a collection could hurt.
#pragma once

#include <vector>

#include "fuzz/generators/gc_types.h"

namespace parallax::fuzz {

// What bodies of one program share. Numbers are those of the module.
struct GcProgram {
  GcProgram(ChoiceStream& choices, wasm::ModuleBuilder& module, GcTypes::Count count)
      : module(module), types(choices, module, count) {}
  GcProgram(const GcProgram& primary, ChoiceStream& choices, wasm::ModuleBuilder& module)
      : module(module), types(primary.types, choices, module) {}

  struct Function {
    uint32_t number = 0;
    uint32_t signature = 0;  // type
    bool leaf = false;       // calls nothing that could call back; may be referred to
    bool imported = false;
  };
  struct GlobalSlot {
    uint32_t number;
    wasm::ValType type;
    bool is_mutable;
  };
  struct TableSlot {
    uint32_t number;
    wasm::ValType type;
    uint32_t size;  // initial; tables never shrink
  };
  struct TagSlot {
    uint32_t number;
    std::vector<wasm::ValType> params;
  };
  struct ElemSlot {
    uint32_t number;
    wasm::ValType type;
    uint32_t size;
  };

  wasm::ModuleBuilder& module;
  GcTypes types;
  std::vector<Function> functions;  // defined ones
  std::vector<GlobalSlot> globals;
  std::vector<TableSlot> tables;
  std::vector<TagSlot> tags;
  std::vector<ElemSlot> elems;       // passive
  uint32_t data = 0, data_size = 0;  // passive
  uint32_t memory_bytes = 0;
  bool memory64 = false;
  uint32_t log_i32 = 0, log_i64 = 0, log_any = 0, collect = 0, call_ref_host = 0, echo = 0, expect = 0;
  uint32_t drop_data = 0, drop_elem = 0;  // passive segments that bodies may drop
  std::vector<uint32_t> fitting;          // candidates, for the moment of a choice among them
};

class GcBody {
 public:
  GcBody(ChoiceStream& choices, GcProgram& program, const GcProgram::Function& self, uint32_t budget);

  // Makes the body; `special` says what stands somewhere in it besides.
  enum class Special : uint8_t { kNone, kTrappingDrop, kExhaust, kInvalid };
  void make(Special special);
  std::vector<wasm::ValType> take_locals() { return std::move(declared_); }
  std::vector<uint8_t> take_code() { return code_.take(); }

 private:
  using ValType = wasm::ValType;
  using HeapType = wasm::HeapType;
  using Opcode = wasm::Opcode;

  struct Local {
    uint32_t number;
    ValType type;
    bool is_set;  // expressions may read it and statements may write it
  };

  // --- Expressions: each leaves one value -------------------------------------------------------------------------
  void expr(ValType type, int depth);
  void number(ValType type, int depth);
  void i32(int depth);
  void i64(int depth);
  void reference(ValType type, int depth);
  bool try_reference(ValType type, int depth);
  void minimal(ValType type);
  void make_new(HeapType type, int depth);
  void new_struct(uint32_t type, int depth);
  void new_array(uint32_t type, int depth);
  void some_i31(int depth);
  bool new_func(HeapType type);
  void coalesce(HeapType heap, int depth);
  bool from_cast(ValType type, int depth);
  bool from_field(ValType type, int depth);
  bool from_element(ValType type, int depth);
  bool from_call(ValType type, int depth);
  bool from_exception(ValType type, int depth);
  bool from_local(ValType type);
  bool from_global(ValType type);
  bool from_table(ValType type);
  void from_choice(ValType type, int depth);
  void array_read(uint32_t type, int depth);
  void get_field(uint32_t type, uint32_t field);
  void get_element(uint32_t type);

  // --- Folding values into the digest -----------------------------------------------------------------------------
  void fold(ValType on_stack);
  void fold_object(uint32_t local, uint32_t type);
  void fold_null_or(uint32_t local, ValType type);

  // --- Statements -------------------------------------------------------------------------------------------------
  void statements(uint32_t count, int depth);
  void statement(int depth);
  void disturb();
  void write_call_read(int depth);
  void alias(int depth);
  void through_super(int depth);
  void nested_loops(int depth);
  void loop_retypes(int depth);
  void downcast_after_store(int depth);
  void null_casts();
  void select_refs(int depth);
  void copy_overlap(int depth);
  void segments(int depth);
  void i31_everywhere();
  void call_dynamic(int depth);
  void exceptions(int depth);
  void overwrite_under_stack(int depth);
  void join_null(int depth);
  void tables(int depth);
  void globals(int depth);
  void identity(int depth);
  void memory_roundtrip(int depth);
  void host(int depth);
  void conditional(int depth);
  void hoist_bait(int depth);
  void packed_fields(int depth);
  void fill_array(int depth);
  void bulk_edges(int depth);
  void branch_table(int depth);
  void memory_bulk(int depth);
  void dropped_segments(int depth);
  void host_echo(int depth);
  void type_identity(int depth);
  void big_array(int depth);
  void uncaught(int depth);
  void trap_past_catch(int depth);
  void early_exit(int depth);
  void by_constants(int depth);
  void address_sums(int depth);
  void read_under_write(int depth);
  bool field_under_write(ValType type, int depth);
  void store_trap_store();
  void walk_array(int depth);
  void bulk_into_old(int depth);
  void floats_to_memory(int depth);
  void churn();
  void unknown(uint32_t bits);
  void unknown_zero();
  void exhaust();
  void exhaust_something();
  void trapping_drop();
  void trapping_operation();
  void unguarded(int depth);

  // One instruction sequence that breaks exactly one rule of validation.
  void invalid();

  // --- Memory: its address type is the program's -------------------------------------------------------------------
  ValType address_type() const { return program_.memory64 ? wasm::kI64 : wasm::kI32; }
  void address(int64_t value) {
    if (program_.memory64) {
      code_.i64_const(value);
    } else {
      code_.i32_const(static_cast<int32_t>(value));
    }
  }

  // --- Locals -----------------------------------------------------------------------------------------------------
  uint32_t scratch(ValType type);
  void release(uint32_t local);
  uint32_t add_local(ValType type, bool is_set);
  uint32_t pick_struct();
  uint32_t pick_array();
  bool has_mutable(uint32_t type) const;
  void get(uint32_t local) { code_.local_get(local); }
  void set(uint32_t local) { code_.local_set(local); }
  void op(Opcode opcode) { code_.op(opcode); }
  // Counts a local down and goes round the innermost loop again unless it is zero.
  void count_down(uint32_t local) {
    get(local);
    code_.i32_const(1);
    op(Opcode::I32Sub);
    code_.op(Opcode::LocalTee, local);
    code_.op(Opcode::BrIf, 0);
  }
  ValType field_type(uint32_t type, uint32_t field) const {
    return program_.types[type].fields[field].storage.unpacked;
  }

  ChoiceStream& choices_;
  GcProgram& program_;
  const GcProgram::Function& self_;
  int64_t budget_;
  wasm::CodeWriter code_;
  std::vector<ValType> params_, declared_;
  std::vector<Local> locals_;
  std::vector<Local> free_scratch_;
  uint32_t digest_ = 0;
};

}  // namespace parallax::fuzz
