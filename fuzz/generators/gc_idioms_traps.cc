// What ends a call or must not exist at all: traps whose results nobody uses, exhaustion, invalid code.
#include "fuzz/generators/gc_body.h"

namespace parallax::fuzz {

using wasm::BlockType;
using wasm::BlockTypeKind;
using wasm::CompositeKind;
using wasm::FieldType;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::SubType;
using wasm::ValKind;
using wasm::ValType;

// catch_all catches exceptions, not traps.
void GcBody::trap_past_catch(int depth) {
  i32(2);
  code_.i32_const(3);
  op(Opcode::I32And);
  op(Opcode::I32Eqz);
  code_.block(Opcode::If, BlockType{});
  code_.block(Opcode::Block, BlockType{});
  const wasm::Catch clause[] = {{wasm::CatchKind::kCatchAll, wasm::TagIndex(0), 0}};
  code_.try_table(BlockType{}, clause);
  statement(depth - 1);
  trapping_operation();
  op(Opcode::Drop);
  code_.end();
  code_.end();
  code_.i64_const(99);
  fold(wasm::kI64);
  code_.end();
}

// Runs out of fuel, stack or heap: each is an outcome that all executors share.
void GcBody::exhaust() {
  const bool guarded = choices_.chance(1, 2);  // it must not be caught
  if (guarded) {
    code_.block(Opcode::Block, BlockType{});
    const wasm::Catch clause[] = {{wasm::CatchKind::kCatchAll, wasm::TagIndex(0), 0}};
    code_.try_table(BlockType{}, clause);
  }
  exhaust_something();
  if (guarded) {
    code_.end();
    code_.end();
  }
}

void GcBody::exhaust_something() {
  switch (choices_.below(params_.empty() ? 4 : 3)) {
    case 0:
      code_.block(Opcode::Loop, BlockType{});
      if (choices_.chance(1, 2)) disturb();
      code_.op(Opcode::Br, 0);
      code_.end();
      return;
    case 1:
      for (const ValType param : params_) minimal(param);
      code_.op(Opcode::Call, self_.number);
      for (size_t i = program_.types[self_.signature].results.size(); i > 0; --i) op(Opcode::Drop);
      return;
    case 3:  // in circles through the host, which must pass on how it ends
      code_.op(Opcode::RefFunc, self_.number);
      code_.i32_const(0);
      code_.op(Opcode::Call, program_.call_ref_host);
      return;
    default:
      code_.block(Opcode::Loop, BlockType{});
      code_.i32_const(100'000);
      code_.op(Opcode::ArrayNewDefault, program_.types.arrays().back());
      op(Opcode::Drop);
      code_.op(Opcode::Br, 0);
      code_.end();
      return;
  }
}

// An operation that traps, whose result nobody uses.
void GcBody::trapping_drop() {
  if (choices_.chance(1, 4)) return store_trap_store();
  trapping_operation();
  op(Opcode::Drop);
}

void GcBody::trapping_operation() {
  switch (choices_.below(12)) {
    case 0: code_.ref_null(HeapKind::kI31); return op(Opcode::I31GetS);
    case 1:
      code_.i32_const(choices_.chance(1, 2) ? -1 : 100'000);
      return void(code_.op(Opcode::TableGet, choices_.pick(program_.tables).number));
    case 2: {
      const uint32_t type = pick_array();
      new_array(type, 1);
      code_.i32_const(choices_.chance(1, 2) ? -1 : 1000);
      return get_element(type);
    }
    case 3: {
      const uint32_t type = pick_struct();
      code_.ref_null(HeapType::concrete(type));
      return get_field(type, choices_.below(static_cast<uint32_t>(program_.types[type].fields.size())));
    }
    case 4: some_i31(0); return void(code_.ref_cast(GcTypes::ref(pick_struct(), false)));
    case 5:
      code_.i32_const(choices_.chance(1, 2) ? 7 : INT32_MIN);
      code_.i32_const(choices_.chance(1, 2) ? 0 : -1);
      op(choices_.chance(1, 2) ? Opcode::I32DivS : Opcode::I32RemU);
      return;
    case 6:
      // Sizes whose product with the element size overflows 32 bits, or all of them.
      code_.i32_const(choices_.chance(1, 3) ? -1 : static_cast<int32_t>(0x80000000u >> choices_.below(4)));
      return void(code_.op(Opcode::ArrayNewDefault,
                           program_.types.arrays()[program_.types.arrays().size() - 1 - choices_.below(2)]));
    case 7:
      address(choices_.chance(1, 2) ? -4 : 10'000'000);
      return void(code_.mem(Opcode::I64Load, {.align_log2 = 0, .offset = choices_.chance(1, 2) ? 0xffffffffu : 0u}));
    case 8:
      code_.f64_const(choices_.chance(1, 2) ? 0x7ff8000000000000ull : 0x47e0000000000000ull);
      return op(choices_.chance(1, 2) ? Opcode::I32TruncF64S : Opcode::I64TruncF64U);
    case 9: code_.ref_null(HeapType::concrete(pick_array())); return op(Opcode::ArrayLen);
    case 10: {
      // A null element, or one beyond the end, or of another signature.
      const uint32_t signature = program_.types.run_signature();
      code_.i32_const(choices_.chance(1, 3) ? 0 : choices_.chance(1, 2) ? 1000 : 1);
      return void(code_.op(Opcode::CallIndirect, signature, program_.tables.front().number));
    }
    default: code_.ref_null(HeapType::concrete(pick_struct())); return op(Opcode::RefAsNonNull);
  }
}

// One rule broken, everything else in order: the validator must say no. Each sequence leaves the stack as it was.
void GcBody::invalid() {
  const uint32_t type = choices_.pick(program_.types.structs());
  const auto& fields = program_.types[type].fields;
  switch (choices_.below(26)) {
    case 14:  // a call with an argument missing
      return void(code_.op(Opcode::Call, program_.log_i32));
    case 15:  // an if with a result and no else
      code_.i32_const(1);
      code_.block(Opcode::If, wasm::kI32);
      code_.i32_const(1);
      code_.end();
      return op(Opcode::Drop);
    case 16:  // alignment larger than the access
      address(0);
      code_.mem(Opcode::I32Load16U, {.align_log2 = 2});
      return op(Opcode::Drop);
    case 17:  // a table of references read as functions
      code_.i32_const(0);
      return void(code_.op(Opcode::CallIndirect, program_.types.run_signature(), program_.tables[1].number)),
             op(Opcode::Drop);
    case 18:  // array operations on a struct
      make_new(HeapType::concrete(type), 1);
      op(Opcode::ArrayLen);
      return op(Opcode::Drop);
    case 19:  // ref.eq on what has no identity
      code_.ref_null(HeapKind::kExtern);
      code_.ref_null(HeapKind::kExtern);
      op(Opcode::RefEq);
      return op(Opcode::Drop);
    case 20:  // throw without its payload
      return void(code_.op(Opcode::Throw, program_.tags.front().number)), code_.block(Opcode::Block, wasm::kI32).end(),
             op(Opcode::Drop);
    case 21:  // labels of a table that disagree
    {
      code_.block(Opcode::Block, wasm::kI32);
      code_.block(Opcode::Block, wasm::kI64);
      code_.i32_const(1);
      code_.i32_const(0);
      const uint32_t labels[] = {0, 1};
      code_.br_table(labels);
      code_.end();
      op(Opcode::Drop);
      code_.i32_const(1);
      code_.end();
      return op(Opcode::Drop);
    }
    case 22:  // copy between arrays of different elements
    {
      const auto& arrays = program_.types.arrays();
      const uint32_t bytes = arrays[arrays.size() - 1], refs = arrays[arrays.size() - 2];
      code_.ref_null(HeapType::concrete(bytes))
          .i32_const(0)
          .ref_null(HeapType::concrete(refs))
          .i32_const(0)
          .i32_const(0);
      return void(code_.op(Opcode::ArrayCopy, bytes, refs));
    }
    case 23:  // data for an array of references
    {
      const uint32_t refs = program_.types.arrays()[program_.types.arrays().size() - 2];
      code_.i32_const(0).i32_const(1).op(Opcode::ArrayNewData, refs, program_.data);
      return op(Opcode::Drop);
    }
    case 24:  // a call through the wrong type
      code_.ref_null(HeapKind::kFunc);
      return void(code_.op(Opcode::CallRef, program_.types.run_signature())), op(Opcode::Drop);
    case 25:  // throw_ref of something else
      code_.ref_null(HeapKind::kAny);
      return op(Opcode::ThrowRef);
    case 0:  // an i32 where an i64 is wanted
      code_.i32_const(1);
      op(Opcode::I64Eqz);
      return op(Opcode::Drop);
    case 1:  // nothing on the stack
      return op(Opcode::Drop);
    case 2:  // something left at the end of a block
      code_.block(Opcode::Block, BlockType{});
      code_.i32_const(1);
      return void(code_.end());
    case 3:  // a non-null local before it is set
      get(add_local(GcTypes::ref(type, false), false));
      return op(Opcode::Drop);
    case 4:  // a non-null local set in a block that has ended
    {
      const uint32_t local = add_local(GcTypes::ref(type, false), false);
      code_.block(Opcode::Block, BlockType{});
      make_new(HeapType::concrete(type), 1);
      set(local);
      code_.end();
      get(local);
      return op(Opcode::Drop);
    }
    case 5:  // null where null is not allowed
      code_.ref_null(HeapType::concrete(type));
      set(scratch(GcTypes::ref(type, false)));
      return;
    case 6:  // a supertype where the subtype is wanted
      code_.ref_null(HeapKind::kAny);
      set(scratch(wasm::kEqRef));
      return;
    case 7:  // a field that is not there
      make_new(HeapType::concrete(type), 1);
      code_.op(Opcode::StructGet, type, static_cast<uint32_t>(fields.size()));
      return op(Opcode::Drop);
    case 8:  // a packed field read without extension, or one that is not packed with it
      make_new(HeapType::concrete(type), 1);
      code_.op(fields[0].storage.packed == wasm::Packed::kNone ? Opcode::StructGetU : Opcode::StructGet, type, 0);
      return op(Opcode::Drop);
    case 9:  // a cast between hierarchies
      code_.ref_null(HeapKind::kExtern);
      code_.ref_test(wasm::kI31Ref);
      return op(Opcode::Drop);
    case 10:  // write to an immutable field, or to a global that is none
      for (uint32_t i = 0; i < fields.size(); ++i) {
        if (fields[i].is_mutable) continue;
        make_new(HeapType::concrete(type), 1);
        expr(fields[i].storage.unpacked, 1);
        return void(code_.op(Opcode::StructSet, type, i));
      }
      code_.i32_const(0);
      return void(code_.op(Opcode::GlobalSet, 100'000));
    case 11:  // a branch with the wrong type
      code_.block(Opcode::Block, wasm::kI64);
      code_.i32_const(1);
      code_.op(Opcode::Br, 0);
      code_.end();
      return op(Opcode::Drop);
    case 12:  // br_on_cast to what is no subtype
      code_.block(Opcode::Block, wasm::kAnyRef);
      code_.ref_null(HeapKind::kEq);
      code_.br_on_cast(Opcode::BrOnCast, 0, wasm::kEqRef, wasm::kAnyRef);
      code_.end();
      return op(Opcode::Drop);
    default:  // select without a type on references
      code_.ref_null(HeapKind::kAny);
      code_.ref_null(HeapKind::kAny);
      code_.i32_const(0);
      op(Opcode::Select);
      return op(Opcode::Drop);
  }
}

// Reads that nothing guards.
void GcBody::unguarded(int depth) {
  const uint32_t type = pick_struct();
  const uint32_t field = choices_.below(static_cast<uint32_t>(program_.types[type].fields.size()));
  if (choices_.chance(1, 2)) {
    expr(GcTypes::ref(type, true), depth);
  } else {
    expr(wasm::kAnyRef, depth);
    code_.ref_cast(GcTypes::ref(type, choices_.chance(1, 2)));
  }
  get_field(type, field);
  fold(field_type(type, field));
}

}  // namespace parallax::fuzz
