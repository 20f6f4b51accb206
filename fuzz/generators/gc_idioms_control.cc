// Idioms of control: loops with reference parameters, joins, dynamic calls, exceptions, the host.
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

// Nested loops whose references travel as block parameters, with an allocation inside each.
void GcBody::nested_loops(int depth) {
  const uint32_t outer_type = pick_struct(), array_type = pick_array();
  const ValType carried = GcTypes::ref(outer_type, choices_.chance(1, 2)), inner = GcTypes::ref(array_type, false);
  const wasm::TypeIndex outer_sig = program_.module.add_func_type({carried}, {carried});
  const wasm::TypeIndex inner_sig = program_.module.add_func_type({carried, inner}, {carried, inner});
  const uint32_t i = scratch(wasm::kI32), j = scratch(wasm::kI32);
  const uint32_t held = scratch(carried), array = scratch(inner);
  code_.i32_const(static_cast<int32_t>(1 + choices_.below(4)));
  set(i);
  expr(carried.as_non_null(), depth - 1);
  code_.block_of_type(Opcode::Loop, outer_sig);
  {
    set(held);
    if (choices_.chance(1, 2)) disturb();
    get(held);
    new_array(array_type, 1);
    code_.i32_const(static_cast<int32_t>(1 + choices_.below(4)));
    set(j);
    code_.block_of_type(Opcode::Loop, inner_sig);
    {
      set(array);
      set(held);
      get(array);
      op(Opcode::ArrayLen);
      fold(wasm::kI32);
      statement(depth - 2);
      get(held);
      op(Opcode::RefIsNull);
      op(Opcode::I32Eqz);
      code_.block(Opcode::If, BlockType{});
      fold_object(held, outer_type);
      code_.end();
      if (choices_.chance(1, 2)) {
        get(held);
      } else {
        expr(carried, 1);  // another object from here on, perhaps null
      }
      if (choices_.chance(2, 3)) {
        get(array);
      } else {
        new_array(array_type, 1);
      }
      count_down(j);
    }
    code_.end();
    op(Opcode::ArrayLen);
    fold(wasm::kI32);
    count_down(i);
  }
  code_.end();
  set(held);
  get(held);
  op(Opcode::RefIsNull);
  op(Opcode::I32Eqz);
  code_.block(Opcode::If, BlockType{});
  fold_object(held, outer_type);
  code_.end();
  release(array);
  release(held);
  release(j);
  release(i);
}

// A loop variable that enters with one type and comes around with another; casts and tests in the loop see both.
void GcBody::loop_retypes(int depth) {
  const uint32_t narrow = pick_struct();
  const ValType type = choices_.chance(1, 2)   ? wasm::kAnyRef
                       : choices_.chance(1, 2) ? wasm::kEqRef
                                               : ValType::ref(HeapKind::kStruct, true);
  const uint32_t value = scratch(type), i = scratch(wasm::kI32);
  const bool by_parameter = choices_.chance(1, 2);
  code_.i32_const(static_cast<int32_t>(2 + choices_.below(3)));
  set(i);
  new_struct(narrow, depth - 1);
  if (!by_parameter) set(value);
  if (by_parameter) {
    code_.block_of_type(Opcode::Loop, program_.module.add_func_type({type}, {}));
    set(value);
  } else {
    code_.block(Opcode::Loop, BlockType{});
  }
  get(value);
  code_.ref_test(GcTypes::ref(narrow, choices_.chance(1, 2)));
  fold(wasm::kI32);
  code_.block(Opcode::Block, BlockType{});
  code_.block(Opcode::Block, GcTypes::ref(narrow, false));
  get(value);
  code_.br_on_cast(Opcode::BrOnCast, 0, type, GcTypes::ref(narrow, false));
  fold(type);
  code_.op(Opcode::Br, 1);
  code_.end();
  const uint32_t object = scratch(GcTypes::ref(narrow, false));
  set(object);
  if (choices_.chance(1, 2)) disturb();
  fold_object(object, narrow);
  code_.end();
  release(object);
  // What comes around: something of the wide type, by preference not of the narrow one.
  if (choices_.chance(1, 4)) {
    code_.ref_null(type.heap());
  } else if (choices_.chance(1, 2)) {
    new_struct(pick_struct(), 1);
  } else {
    expr(type, 2);
  }
  if (!by_parameter) set(value);
  count_down(i);
  if (by_parameter) op(Opcode::Drop);
  code_.end();
  release(i);
  release(value);
}

// Function references that travel: through locals, fields and tables, then called.
void GcBody::call_dynamic(int depth) {
  if (self_.leaf) return write_call_read(depth);
  const uint32_t type = choices_.pick(program_.types.signatures());
  const SubType& signature = program_.types[type];
  const uint32_t function = scratch(GcTypes::ref(type, choices_.chance(1, 2)));
  expr(GcTypes::ref(type, false), depth - 1);
  set(function);
  const auto& table = program_.tables.front();  // of funcref
  const bool by_table = choices_.chance(1, 2);
  const auto slot = static_cast<int32_t>(choices_.below(table.size));
  if (by_table) {
    code_.i32_const(slot);
    get(function);
    code_.op(Opcode::TableSet, table.number);
  }
  if (choices_.chance(1, 2)) disturb();
  for (const ValType param : signature.params) expr(param, 1);
  if (by_table) {
    code_.i32_const(slot);
    code_.op(Opcode::CallIndirect, type, table.number);
  } else {
    get(function);
    code_.op(Opcode::CallRef, type);
  }
  for (size_t i = signature.results.size(); i-- > 0;) fold(signature.results[i]);
  release(function);
}

// Thrown, caught with and without the reference, thrown again; live references around.
void GcBody::exceptions(int depth) {
  const auto& tag = choices_.pick(program_.tags);
  const uint32_t type = pick_struct();
  const uint32_t object = scratch(GcTypes::ref(type, false)), exception = scratch(wasm::kExnRef);
  expr(GcTypes::ref(type, false), 1);
  set(object);
  std::vector<ValType> with_ref = tag.params;
  with_ref.push_back(ValType::ref(HeapKind::kExn, true));
  const bool catch_ref = choices_.chance(1, 2), again = catch_ref && choices_.chance(1, 2);
  const wasm::TypeIndex caught = program_.module.add_func_type({}, catch_ref ? with_ref : tag.params);
  code_.block(Opcode::Block, BlockType{});
  code_.block_of_type(Opcode::Block, caught);
  const wasm::Catch clauses[] = {
      {catch_ref ? wasm::CatchKind::kCatchRef : wasm::CatchKind::kCatch, wasm::TagIndex(tag.number), 0},
      {wasm::CatchKind::kCatchAll, wasm::TagIndex(0), 1}};
  code_.try_table(BlockType{}, clauses);
  statement(depth - 1);
  for (const ValType param : tag.params) expr(param, depth - 1);
  if (choices_.chance(1, 3)) {
    // Not always thrown.
    i32(1);
    code_.block_of_type(Opcode::If, program_.module.add_func_type(tag.params, {}));
    code_.op(Opcode::Throw, tag.number);
    op(Opcode::Else);
    for (size_t i = tag.params.size(); i-- > 0;) fold(tag.params[i]);
    code_.end();
  } else {
    code_.op(Opcode::Throw, tag.number);
  }
  code_.end();
  code_.op(Opcode::Br, 1);
  code_.end();
  if (catch_ref) set(exception);
  for (size_t i = tag.params.size(); i-- > 0;) fold(tag.params[i]);
  fold_object(object, type);
  if (again) {
    disturb();
    code_.block_of_type(Opcode::Block, program_.module.add_func_type({}, tag.params));
    const wasm::Catch second[] = {{wasm::CatchKind::kCatch, wasm::TagIndex(tag.number), 0}};
    code_.try_table(BlockType{}, second);
    get(exception);
    op(Opcode::ThrowRef);
    code_.end();
    op(Opcode::Unreachable);
    code_.end();
    for (size_t i = tag.params.size(); i-- > 0;) fold(tag.params[i]);
  }
  code_.end();
  release(exception);
  release(object);
}

// A join of null and non-null, then a guarded and sometimes an unguarded read.
void GcBody::join_null(int depth) {
  const uint32_t type = pick_struct();
  const uint32_t object = scratch(GcTypes::ref(type, true)), i = scratch(wasm::kI32);
  if (choices_.chance(1, 2)) {
    i32(depth - 1);
    code_.block(Opcode::If, GcTypes::ref(type, true));
    new_struct(type, 1);
    op(Opcode::Else);
    code_.ref_null(choices_.chance(1, 2) ? HeapType::concrete(type) : HeapType(HeapKind::kNone));
    code_.end();
    set(object);
    if (choices_.chance(1, 4)) {  // the join used as it is: traps where it is null
      const uint32_t field = choices_.below(static_cast<uint32_t>(program_.types[type].fields.size()));
      get(object);
      get_field(type, field);
      fold(field_type(type, field));
    }
    code_.block(Opcode::Block, BlockType{});
    get(object);
    code_.op(Opcode::BrOnNull, 0);
    const uint32_t sure = scratch(GcTypes::ref(type, false));
    set(sure);
    fold_object(sure, type);
    code_.end();
    release(sure);
  } else {
    // Not null at first, null when it comes around.
    new_struct(type, 1);
    set(object);
    code_.i32_const(2);
    set(i);
    code_.block(Opcode::Loop, BlockType{});
    get(object);
    op(Opcode::RefIsNull);
    fold(wasm::kI32);
    get(object);
    op(Opcode::RefIsNull);
    op(Opcode::I32Eqz);
    code_.block(Opcode::If, BlockType{});
    fold_object(object, type);
    code_.end();
    code_.ref_null(HeapType::concrete(type));
    set(object);
    if (choices_.chance(1, 2)) disturb();
    count_down(i);
    code_.end();
  }
  release(i);
  release(object);
}

// Values to the host, and the host calling back.
void GcBody::host(int depth) {
  switch (choices_.below(4)) {
    case 0:
      expr(wasm::kAnyRef, depth);
      code_.op(Opcode::Call, program_.log_any);
      return;
    case 1:
      get(digest_);
      code_.op(Opcode::Call, program_.log_i64);
      return;
    case 2:
      if (self_.leaf) break;
      expr(wasm::kFuncRef, depth);
      code_.i32_const(0);
      // The host throws when the reference is null or wants arguments that it has not: caught here.
      {
        const uint32_t function = scratch(wasm::kFuncRef);
        op(Opcode::Drop);
        set(function);
        code_.block(Opcode::Block, BlockType{});
        const wasm::Catch clause[] = {{wasm::CatchKind::kCatchAll, wasm::TagIndex(0), 0}};
        code_.try_table(BlockType{}, clause);
        get(function);
        code_.i32_const(0);
        code_.op(Opcode::Call, program_.call_ref_host);
        code_.i64_const(1);
        fold(wasm::kI64);
        code_.end();
        code_.end();
        release(function);
      }
      return;
    default: break;
  }
  code_.op(Opcode::Call, program_.collect);
}

void GcBody::conditional(int depth) {
  i32(depth - 1);
  code_.block(Opcode::If, BlockType{});
  statements(1 + choices_.below(2), depth - 1);
  if (choices_.chance(1, 2)) {
    op(Opcode::Else);
    statements(1, depth - 1);
  }
  code_.end();
}

// A loop that reads a field of something null only when it is not: a read hoisted above its guard traps.
void GcBody::hoist_bait(int depth) {
  const uint32_t type = pick_struct();
  const uint32_t object = scratch(GcTypes::ref(type, true)), i = scratch(wasm::kI32);
  if (choices_.chance(1, 2)) {
    code_.ref_null(HeapType::concrete(type));
  } else {
    expr(GcTypes::ref(type, true), depth - 1);
  }
  set(object);
  code_.i32_const(3);
  set(i);
  const uint32_t field = choices_.below(static_cast<uint32_t>(program_.types[type].fields.size()));
  code_.block(Opcode::Loop, BlockType{});
  get(object);
  op(Opcode::RefIsNull);
  code_.block(Opcode::If, BlockType{});
  if (choices_.chance(1, 2)) {
    new_struct(type, 1);
    set(object);
  }
  op(Opcode::Else);
  get(object);
  if (choices_.chance(1, 2)) op(Opcode::RefAsNonNull);
  get_field(type, field);
  fold(field_type(type, field));
  code_.end();
  if (choices_.chance(1, 3)) disturb();
  count_down(i);
  code_.end();
  release(i);
  release(object);
}

// br_table with a reference and a number as values of its labels.
void GcBody::branch_table(int depth) {
  const ValType type = choices_.chance(1, 2) ? GcTypes::ref(pick_struct(), true) : wasm::kAnyRef;
  const wasm::TypeIndex label = program_.module.add_func_type({}, {type, wasm::kI32});
  const uint32_t count = 1 + choices_.below(3);
  const uint32_t value = scratch(type), outcome = scratch(wasm::kI32);
  for (uint32_t i = 0; i <= count; ++i) code_.block_of_type(Opcode::Block, label);
  expr(type, depth - 1);
  i32(depth - 1);
  i32(depth - 1);
  if (choices_.chance(1, 2)) {
    code_.i32_const(static_cast<int32_t>(count + 1));
    op(Opcode::I32RemU);
  }
  std::vector<uint32_t> labels;
  for (uint32_t i = 0; i <= count; ++i) labels.push_back(choices_.below(count + 1));
  code_.br_table(labels);
  for (uint32_t i = 0; i <= count; ++i) {
    code_.end();
    // Each landing changes what travels on.
    set(outcome);
    set(value);
    if (choices_.chance(1, 2)) disturb();
    get(outcome);
    fold(wasm::kI32);
    get(value);
    code_.i32_const(static_cast<int32_t>(i));
  }
  op(Opcode::Drop);
  fold(type);
  release(outcome);
  release(value);
}

// Several references through the host, which collects before it gives them back in another order.
void GcBody::host_echo(int depth) {
  if (self_.leaf) return write_call_read(depth);
  const uint32_t type = pick_struct();
  const uint32_t object = scratch(GcTypes::ref(type, true)), any = scratch(wasm::kAnyRef);
  expr(GcTypes::ref(type, false), depth - 1);
  code_.op(Opcode::LocalTee, object);
  expr(wasm::kAnyRef, 2);
  expr(wasm::kExternRef, 1);
  expr(wasm::kEqRef, 1);
  code_.op(Opcode::Call, program_.echo);  // (any, any, extern, eq) -> (eq, extern, any, any)
  code_.op(Opcode::LocalTee, any);
  code_.ref_cast(wasm::kEqRef);
  get(object);
  op(Opcode::RefEq);
  fold(wasm::kI32);
  set(any);
  fold_null_or(any, wasm::kAnyRef);
  op(Opcode::RefIsNull);
  fold(wasm::kI32);
  fold(wasm::kEqRef);
  fold_object(object, type);
  release(any);
  release(object);
}

// An exception that nobody catches here.
void GcBody::uncaught(int depth) {
  const auto& tag = choices_.pick(program_.tags);
  i32(2);
  code_.i32_const(3);
  op(Opcode::I32And);
  op(Opcode::I32Eqz);
  code_.block(Opcode::If, BlockType{});
  for (const ValType param : tag.params) expr(param, depth - 1);
  code_.op(Opcode::Throw, tag.number);
  code_.end();
}

// A conditional return from somewhere inside, with references on the stack below.
void GcBody::early_exit(int depth) {
  const SubType& signature = program_.types[self_.signature];
  expr(GcTypes::ref(pick_struct(), false), depth - 1);
  i32(2);
  code_.i32_const(7);
  op(Opcode::I32And);
  code_.i32_const(5);
  op(Opcode::I32Eq);
  code_.block(Opcode::If, BlockType{});
  for (const ValType result : signature.results) {
    if (result == wasm::kI64) get(digest_);
    else expr(result, 1);
  }
  op(Opcode::Return);
  code_.end();
  fold(wasm::kAnyRef);
}

}  // namespace parallax::fuzz
