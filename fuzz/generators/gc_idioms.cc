// The idioms that generated bodies are made of, one function each: what each aims at stands above it. The families are
// those of docs/faults.md.
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

void GcBody::make(Special special) {
  digest_ = add_local(wasm::kI64, true);
  locals_.back().is_set = false;  // written by fold() alone, read at the end
  for (const ValType type : {wasm::kI32, wasm::kI32, wasm::kI64, wasm::kAnyRef, wasm::kEqRef, wasm::kExternRef, wasm::kI31Ref}) {
    add_local(type, true);
  }
  add_local(GcTypes::ref(choices_.pick(program_.types.signatures())), true);
  for (uint32_t i = self_.leaf ? 1 : 2 + choices_.below(2); i > 0; --i) {
    const uint32_t type = pick_struct();
    add_local(GcTypes::ref(type, true), true);
    const uint32_t sure = add_local(GcTypes::ref(type, false), false);
    expr(GcTypes::ref(type, false), 1);
    set(sure);
    locals_.back().is_set = true;
  }
  if (!self_.leaf) {
    const uint32_t type = pick_array();
    const uint32_t sure = add_local(GcTypes::ref(type, false), false);
    expr(GcTypes::ref(type, false), 1);
    set(sure);
    locals_.back().is_set = true;
  }
  const uint32_t count = self_.leaf ? choices_.below(2) : 3 + choices_.below(6);
  const uint32_t special_at = choices_.below(count + 1);
  for (uint32_t i = 0; i <= count; ++i) {
    if (i == special_at && special == Special::kTrappingDrop) trapping_drop();
    if (i == special_at && special == Special::kExhaust) exhaust();
    if (i == special_at && special == Special::kInvalid) invalid();
    if (i < count && budget_ > 0) statement(3);
  }
  const SubType& signature = program_.types[self_.signature];
  // A tail call with the same results, with what was computed so far logged first.
  if (!self_.leaf && choices_.chance(1, 5)) {
    for (const auto& function : program_.functions) {
      const SubType& other = program_.types[function.signature];
      if (function.number <= self_.number || other.results != signature.results || !choices_.chance(1, 2)) continue;
      get(digest_);
      code_.op(Opcode::Call, program_.log_i64);
      for (const ValType param : other.params) expr(param, 2);
      if (function.leaf && choices_.chance(1, 2)) {
        expr(GcTypes::ref(function.signature, false), 1);
        code_.op(Opcode::ReturnCallRef, function.signature);
      } else {
        code_.op(Opcode::ReturnCall, function.number);
      }
      code_.end();
      return;
    }
  }
  bool digested = false;
  for (const ValType result : signature.results) {
    if (result == wasm::kI64 && !digested) {
      get(digest_);
      digested = true;
    } else if (result == wasm::kI32 && !digested) {
      get(digest_);
      op(Opcode::I32WrapI64);
      digested = true;
    } else {
      expr(result, 2);
    }
  }
  code_.end();
}

void GcBody::statements(uint32_t count, int depth) {
  for (uint32_t i = 0; i < count && budget_ > 0; ++i) statement(depth);
}

void GcBody::statement(int depth) {
  using Idiom = void (GcBody::*)(int);
  static constexpr Idiom kIdioms[] = {
      &GcBody::write_call_read, &GcBody::write_call_read, &GcBody::alias, &GcBody::alias, &GcBody::through_super,
      &GcBody::through_super, &GcBody::nested_loops, &GcBody::nested_loops, &GcBody::loop_retypes, &GcBody::loop_retypes,
      &GcBody::downcast_after_store, &GcBody::select_refs, &GcBody::copy_overlap, &GcBody::segments, &GcBody::call_dynamic,
      &GcBody::call_dynamic, &GcBody::exceptions, &GcBody::overwrite_under_stack, &GcBody::overwrite_under_stack,
      &GcBody::join_null, &GcBody::join_null, &GcBody::tables, &GcBody::globals, &GcBody::identity,
      &GcBody::memory_roundtrip, &GcBody::host, &GcBody::conditional, &GcBody::hoist_bait, &GcBody::packed_fields,
      &GcBody::fill_array, &GcBody::bulk_edges, &GcBody::branch_table, &GcBody::memory_bulk, &GcBody::host_echo,
      &GcBody::type_identity, &GcBody::early_exit};
  const uint32_t pick = choices_.below(static_cast<uint32_t>(std::size(kIdioms)) + 3);
  if (depth <= 0) return disturb();
  if (pick < std::size(kIdioms)) return (this->*kIdioms[pick])(depth);
  if (pick == std::size(kIdioms)) return null_casts();
  if (pick == std::size(kIdioms) + 1) return i31_everywhere();
  switch (choices_.below(24)) {
    case 0:
    case 1:
    case 2: return unguarded(depth);
    case 3: return big_array(depth);
    case 4: return uncaught(depth);
    case 5: return trap_past_catch(depth);
    case 6: return dropped_segments(depth);
    default: break;
  }
  // An assignment to one of the locals.
  std::vector<const Local*> targets;
  for (const Local& local : locals_) {
    if (local.is_set) targets.push_back(&local);
  }
  const Local target = *choices_.pick(targets);
  expr(target.type, depth);
  set(target.number);
}

// Something that may allocate, collect or write: it stands between definitions and uses.
void GcBody::disturb() {
  switch (choices_.below(5)) {
    case 0:
      make_new(HeapType::concrete(pick_struct()), 1);
      return op(Opcode::Drop);
    case 1:
      new_array(pick_array(), 1);
      return op(Opcode::Drop);
    case 2:
      for (const auto& callee : program_.functions) {
        if (self_.leaf || !callee.leaf || !choices_.chance(1, 2)) continue;
        for (const ValType param : program_.types[callee.signature].params) minimal(param);
        code_.op(Opcode::Call, callee.number);
        for (size_t i = program_.types[callee.signature].results.size(); i > 0; --i) op(Opcode::Drop);
        return;
      }
      [[fallthrough]];
    case 3:
      if (!self_.leaf && choices_.chance(1, 3)) return void(code_.op(Opcode::Call, program_.collect));
      [[fallthrough]];
    default: {
      const auto& global = choices_.pick(program_.globals);
      if (!global.is_mutable) return;
      expr(global.type, 1);
      code_.op(Opcode::GlobalSet, global.number);
    }
  }
}

// Write a field, disturb, read it back.
void GcBody::write_call_read(int depth) {
  const uint32_t type = pick_struct();
  const auto& fields = program_.types[type].fields;
  const uint32_t object = scratch(GcTypes::ref(type, choices_.chance(1, 2)));
  expr(GcTypes::ref(type, false), depth - 1);
  set(object);
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (!fields[i].is_mutable || choices_.chance(1, 3)) continue;
    get(object);
    expr(fields[i].storage.unpacked, depth - 1);
    code_.op(Opcode::StructSet, type, i);
  }
  disturb();
  fold_object(object, type);
  release(object);
}

// Two names for one object: write through one, read through the other, which came by way of a wider place.
void GcBody::alias(int depth) {
  const uint32_t type = pick_struct();
  const auto& fields = program_.types[type].fields;
  const uint32_t first = scratch(GcTypes::ref(type, false)), second = scratch(GcTypes::ref(type, true));
  expr(GcTypes::ref(type, false), depth - 1);
  code_.op(Opcode::LocalTee, first);
  const auto* wide = [&]() -> const GcProgram::GlobalSlot* {
    for (const auto& global : program_.globals) {
      if (global.is_mutable && program_.types.matches(GcTypes::ref(type, false), global.type) && choices_.chance(1, 2)) return &global;
    }
    return nullptr;
  }();
  if (wide != nullptr) {
    code_.op(Opcode::GlobalSet, wide->number);
    if (choices_.chance(1, 2)) make_new(HeapType::concrete(pick_struct()), 1), op(Opcode::Drop);
    code_.op(Opcode::GlobalGet, wide->number);
    code_.ref_cast(GcTypes::ref(type, choices_.chance(1, 2)));
  }
  set(second);
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (!fields[i].is_mutable || choices_.chance(1, 3)) continue;
    get(choices_.chance(1, 2) ? first : second);
    expr(fields[i].storage.unpacked, 1);
    code_.op(Opcode::StructSet, type, i);
    get(choices_.chance(1, 2) ? first : second);
    get_field(type, i);
    fold(fields[i].storage.unpacked);
  }
  get(first);
  get(second);
  op(Opcode::RefEq);
  fold(wasm::kI32);
  fold_object(second, type);
  release(second);
  release(first);
}

// A subtype's object, made and read through its supertype: prefix layout, funcref fields included.
void GcBody::through_super(int depth) {
  std::vector<uint32_t> subs;
  for (const uint32_t type : program_.types.structs()) {
    if (program_.types[type].has_super) subs.push_back(type);
  }
  if (subs.empty()) return write_call_read(depth);
  const uint32_t sub = choices_.pick(subs);
  uint32_t super = program_.types[sub].super;
  if (program_.types[super].has_super && choices_.chance(1, 3)) super = program_.types[super].super;
  const uint32_t object = scratch(GcTypes::ref(super, choices_.chance(1, 2)));
  new_struct(sub, depth);
  set(object);
  if (choices_.chance(1, 2)) disturb();
  fold_object(object, super);
  const auto& fields = program_.types[super].fields;
  for (uint32_t i = 0; i < fields.size(); ++i) {
    const ValType field = fields[i].storage.unpacked;
    // A function read through the supertype is called: a wrong one gives another answer.
    if (field.is_ref() && field.heap().is_concrete() && program_.types[field.heap().number()].kind == CompositeKind::kFunc && !self_.leaf) {
      const SubType& signature = program_.types[field.heap().number()];
      const uint32_t function = scratch(field.as_nullable());
      get(object);
      get_field(super, i);
      set(function);
      get(function);
      op(Opcode::RefIsNull);
      op(Opcode::I32Eqz);
      code_.block(Opcode::If, BlockType{});
      for (const ValType param : signature.params) minimal(param);
      get(function);
      code_.op(Opcode::CallRef, field.heap().number());
      for (size_t r = signature.results.size(); r-- > 0;) fold(signature.results[r]);
      code_.end();
      release(function);
    }
    if (fields[i].is_mutable && choices_.chance(1, 2)) {
      get(object);
      expr(field, 1);
      code_.op(Opcode::StructSet, super, i);
    }
  }
  get(object);
  code_.ref_cast(GcTypes::ref(sub, choices_.chance(1, 3)));
  const uint32_t narrow = scratch(GcTypes::ref(sub, true));
  set(narrow);
  fold_object(narrow, sub);
  release(narrow);
  release(object);
}

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
      get(j);
      code_.i32_const(1);
      op(Opcode::I32Sub);
      code_.op(Opcode::LocalTee, j);
      code_.op(Opcode::BrIf, 0);
    }
    code_.end();
    op(Opcode::ArrayLen);
    fold(wasm::kI32);
    get(i);
    code_.i32_const(1);
    op(Opcode::I32Sub);
    code_.op(Opcode::LocalTee, i);
    code_.op(Opcode::BrIf, 0);
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
  const ValType type = choices_.chance(1, 2) ? wasm::kAnyRef : choices_.chance(1, 2) ? wasm::kEqRef : ValType::ref(HeapKind::kStruct, true);
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
  get(i);
  code_.i32_const(1);
  op(Opcode::I32Sub);
  code_.op(Opcode::LocalTee, i);
  code_.op(Opcode::BrIf, 0);
  if (by_parameter) op(Opcode::Drop);
  code_.end();
  release(i);
  release(value);
}

// A struct stored in a wide local, an allocation, then the cast back.
void GcBody::downcast_after_store(int depth) {
  const uint32_t type = pick_struct();
  const ValType wide_type = choices_.chance(1, 2) ? wasm::kAnyRef : wasm::kEqRef;
  const uint32_t wide = scratch(wide_type);
  const uint32_t object = scratch(GcTypes::ref(type, choices_.chance(1, 2)));
  new_struct(type, depth);
  set(wide);
  disturb();
  get(wide);
  code_.ref_cast(GcTypes::ref(type, false));
  set(object);
  fold_object(object, type);
  get(wide);
  if (wide_type == wasm::kAnyRef) code_.ref_cast(wasm::kEqRef);
  get(object);
  op(Opcode::RefEq);
  fold(wasm::kI32);
  release(object);
  release(wide);
}

// Null of every hierarchy through tests, casts and branches.
void GcBody::null_casts() {
  const auto one = [&](ValType source, ValType target) {
    const HeapType null = choices_.chance(1, 2) ? program_.types.bottom(source.heap()) : source.heap();
    switch (choices_.below(3)) {
      case 0:
        code_.ref_null(null);
        code_.ref_test(target);
        return fold(wasm::kI32);
      case 1:
        code_.ref_null(null);
        code_.ref_cast(target.as_nullable());
        op(Opcode::RefIsNull);
        return fold(wasm::kI32);
      default: {
        const uint32_t seen = scratch(wasm::kI32);
        code_.i32_const(static_cast<int32_t>(choices_.below(100)));
        set(seen);
        code_.block(Opcode::Block, target);
        code_.ref_null(null);
        code_.br_on_cast(Opcode::BrOnCast, 0, source, target);
        op(Opcode::Drop);
        code_.i32_const(-1);
        set(seen);
        make_new(target.heap(), 0);
        code_.end();
        op(Opcode::RefIsNull);
        get(seen);
        op(Opcode::I32Add);
        fold(wasm::kI32);
        release(seen);
      }
    }
  };
  one(wasm::kAnyRef, GcTypes::ref(pick_struct(), choices_.chance(1, 2)));
  one(wasm::kAnyRef, ValType::ref(HeapKind::kI31, choices_.chance(1, 2)));
  one(wasm::kEqRef, GcTypes::ref(pick_array(), choices_.chance(1, 2)));
  one(wasm::kFuncRef, GcTypes::ref(choices_.pick(program_.types.signatures()), choices_.chance(1, 2)));
  one(wasm::kExternRef, ValType::ref(HeapKind::kExtern, choices_.chance(1, 2)));
}

// Results of select and of conditionals, live over an allocation.
void GcBody::select_refs(int depth) {
  const uint32_t type = pick_struct();
  const uint32_t object = scratch(GcTypes::ref(type, true));
  expr(GcTypes::ref(type, choices_.chance(1, 3)), depth - 1);
  expr(GcTypes::ref(type, false), depth - 1);
  i32(2);
  const ValType types[] = {GcTypes::ref(type, true)};
  code_.select(types);
  if (choices_.chance(1, 2)) {
    // Live on the operand stack while something is allocated.
    new_struct(pick_struct(), 1);
    op(Opcode::Drop);
  }
  set(object);
  get(object);
  op(Opcode::RefIsNull);
  op(Opcode::I32Eqz);
  code_.block(Opcode::If, BlockType{});
  fold_object(object, type);
  code_.end();
  release(object);
}

// array.copy onto itself, in both directions, then all elements read back.
void GcBody::copy_overlap(int depth) {
  std::vector<uint32_t> fitting;
  for (const uint32_t type : program_.types.arrays()) {
    if (program_.types[type].fields[0].is_mutable) fitting.push_back(type);
  }
  if (fitting.empty()) return;
  const uint32_t type = choices_.pick(fitting);
  const ValType element = field_type(type, 0);
  const uint32_t array = scratch(GcTypes::ref(type, choices_.chance(1, 2)));
  constexpr uint32_t kLength = 5;
  for (uint32_t i = 0; i < kLength; ++i) expr(element, i == 0 ? depth - 1 : 1);
  code_.op(Opcode::ArrayNewFixed, type, kLength);
  set(array);
  if (choices_.chance(1, 2)) disturb();
  const uint32_t to = choices_.below(3), from = choices_.below(3);
  get(array);
  code_.i32_const(static_cast<int32_t>(to));
  get(array);
  code_.i32_const(static_cast<int32_t>(from));
  code_.i32_const(static_cast<int32_t>(choices_.below(4)));
  code_.op(Opcode::ArrayCopy, type, type);
  if (choices_.chance(1, 2)) {
    get(array);
    code_.i32_const(static_cast<int32_t>(choices_.below(kLength)));
    expr(element, 1);
    code_.op(Opcode::ArraySet, type);
  }
  for (uint32_t i = 0; i < kLength; ++i) {
    get(array);
    code_.i32_const(static_cast<int32_t>(i));
    get_element(type);
    fold(element);
  }
  release(array);
}

// Arrays from segments, and segments into arrays.
void GcBody::segments(int depth) {
  const uint32_t type = pick_array();
  const wasm::FieldType& field = program_.types[type].fields[0];
  const ValType element = field.storage.unpacked;
  const uint32_t array = scratch(GcTypes::ref(type, false));
  new_array(type, depth - 1);
  set(array);
  const GcProgram::ElemSlot* elem = nullptr;
  for (const auto& candidate : program_.elems) {
    if (program_.types.matches(candidate.type, element)) elem = &candidate;
  }
  if (field.is_mutable && (elem != nullptr || !element.is_ref())) {
    // As many as both sides have: the length is the array's, or one.
    get(array);
    op(Opcode::ArrayLen);
    code_.block(Opcode::If, BlockType{});
    get(array);
    code_.i32_const(0);
    code_.i32_const(static_cast<int32_t>(element.is_ref() ? choices_.below(elem->size) : choices_.below(program_.data_size - 16)));
    code_.i32_const(1);
    code_.op(element.is_ref() ? Opcode::ArrayInitElem : Opcode::ArrayInitData, type, element.is_ref() ? elem->number : program_.data);
    get(array);
    code_.i32_const(0);
    get_element(type);
    fold(element);
    code_.end();
  }
  if (choices_.chance(1, 2)) disturb();
  get(array);
  op(Opcode::ArrayLen);
  fold(wasm::kI32);
  release(array);
}

// i31 through every kind of slot, and out again with both signs.
void GcBody::i31_everywhere() {
  const uint32_t any = scratch(wasm::kAnyRef), ext = scratch(wasm::kExternRef);
  some_i31(1);
  set(any);
  get(any);
  op(Opcode::ExternConvertAny);
  set(ext);
  for (const auto& global : program_.globals) {
    if (!global.is_mutable || !choices_.chance(1, 2)) continue;
    if (program_.types.matches(ValType::ref(HeapKind::kI31, false), global.type)) {
      some_i31(0);
      code_.op(Opcode::GlobalSet, global.number);
      code_.op(Opcode::GlobalGet, global.number);
      if (global.type != wasm::kI31Ref) code_.ref_cast(wasm::kI31Ref);
      op(Opcode::I31GetS);
      fold(wasm::kI32);
    } else if (global.type == wasm::kExternRef) {
      get(ext);
      code_.op(Opcode::GlobalSet, global.number);
    }
  }
  if (choices_.chance(1, 2)) disturb();
  get(ext);
  op(Opcode::AnyConvertExtern);
  code_.op(Opcode::LocalTee, any);
  code_.ref_test(ValType::ref(HeapKind::kI31, false));
  fold(wasm::kI32);
  fold_null_or(any, wasm::kAnyRef);
  release(ext);
  release(any);
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

// The old value of a local lives on on the operand stack while the local is overwritten and something is allocated.
void GcBody::overwrite_under_stack(int depth) {
  const uint32_t type = pick_struct();
  const auto& fields = program_.types[type].fields;
  const uint32_t object = scratch(GcTypes::ref(type, false));
  expr(GcTypes::ref(type, false), depth - 1);
  set(object);
  get(object);
  if (choices_.chance(1, 2)) get(object);
  else expr(GcTypes::ref(type, false), 1);
  new_struct(type, depth - 1);
  set(object);
  if (choices_.chance(1, 2)) disturb();
  op(Opcode::RefEq);
  fold(wasm::kI32);
  get(object);
  new_struct(type, 1);
  set(object);
  if (choices_.chance(1, 2)) disturb();
  const uint32_t field = choices_.below(static_cast<uint32_t>(fields.size()));
  get_field(type, field);
  fold(fields[field].storage.unpacked);
  fold_object(object, type);
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
    get(i);
    code_.i32_const(1);
    op(Opcode::I32Sub);
    code_.op(Opcode::LocalTee, i);
    code_.op(Opcode::BrIf, 0);
    code_.end();
  }
  release(i);
  release(object);
}

// set, fill, copy, grow, get on tables.
void GcBody::tables(int depth) {
  const auto& table = choices_.pick(program_.tables);
  const auto place = [&] { code_.i32_const(static_cast<int32_t>(choices_.below(table.size))); };
  place();
  expr(table.type, depth - 1);
  code_.op(Opcode::TableSet, table.number);
  switch (choices_.below(4)) {
    case 0:
      code_.i32_const(static_cast<int32_t>(choices_.below(table.size)));
      expr(table.type, 1);
      code_.i32_const(static_cast<int32_t>(choices_.below(2)));
      code_.op(Opcode::TableFill, table.number);
      break;
    case 1:
      code_.i32_const(static_cast<int32_t>(choices_.below(table.size - 1)));
      code_.i32_const(static_cast<int32_t>(choices_.below(table.size - 1)));
      code_.i32_const(static_cast<int32_t>(choices_.below(2)));
      code_.op(Opcode::TableCopy, table.number, table.number);
      break;
    case 2:
      expr(table.type, 1);
      code_.i32_const(static_cast<int32_t>(choices_.below(3)));
      code_.op(Opcode::TableGrow, table.number);
      fold(wasm::kI32);
      break;
    default: disturb(); break;
  }
  for (uint32_t i = 0; i < 2; ++i) {
    place();
    code_.op(Opcode::TableGet, table.number);
    fold(table.type);
  }
}

void GcBody::globals(int depth) {
  const auto& global = choices_.pick(program_.globals);
  if (global.is_mutable) {
    expr(global.type, depth);
    code_.op(Opcode::GlobalSet, global.number);
    if (choices_.chance(1, 2)) disturb();
  }
  code_.op(Opcode::GlobalGet, global.number);
  fold(global.type);
}

// Objects that look the same and are not.
void GcBody::identity(int depth) {
  const uint32_t type = pick_struct();
  const uint32_t first = scratch(GcTypes::ref(type, true)), second = scratch(GcTypes::ref(type, true));
  new_struct(type, depth - 1);
  set(first);
  if (choices_.chance(1, 2)) {
    get(first);
  } else {
    new_struct(type, depth - 1);
  }
  set(second);
  if (choices_.chance(1, 2)) disturb();
  get(first);
  get(second);
  op(Opcode::RefEq);
  fold(wasm::kI32);
  if (has_mutable(type)) {
    const auto& fields = program_.types[type].fields;
    uint32_t field = 0;
    while (!fields[field].is_mutable) ++field;
    get(first);
    expr(fields[field].storage.unpacked, 1);
    code_.op(Opcode::StructSet, type, field);
  }
  fold_object(second, type);
  release(second);
  release(first);
}

void GcBody::memory_roundtrip(int depth) {
  const auto address = static_cast<int32_t>(choices_.below(program_.memory_bytes - 8));
  code_.i32_const(address);
  i64(depth - 1);
  code_.mem(Opcode::I64Store, {.align_log2 = 0});
  disturb();
  code_.i32_const(address);
  code_.mem(choices_.chance(1, 2) ? Opcode::I64Load : Opcode::I64Load16S, {.align_log2 = 0});
  fold(wasm::kI64);
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
  get(i);
  code_.i32_const(1);
  op(Opcode::I32Sub);
  code_.op(Opcode::LocalTee, i);
  code_.op(Opcode::BrIf, 0);
  code_.end();
  release(i);
  release(object);
}

// Packed fields and elements with the sign bit set, written and read with both extensions.
void GcBody::packed_fields(int depth) {
  const auto packed_field = [&](uint32_t type) -> int {
    const auto& fields = program_.types[type].fields;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].storage.packed != wasm::Packed::kNone) return static_cast<int>(i);
    }
    return -1;
  };
  for (const uint32_t type : program_.types.structs()) {
    const int field = packed_field(type);
    if (field < 0) continue;
    const uint32_t object = scratch(GcTypes::ref(type, false));
    const auto at = static_cast<uint32_t>(field);
    expr(GcTypes::ref(type, false), depth - 1);
    set(object);
    if (program_.types[type].fields[at].is_mutable) {
      get(object);
      i32(2);
      code_.i32_const(choices_.chance(1, 2) ? 0x80 : 0xffff8000);
      op(Opcode::I32Or);
      code_.op(Opcode::StructSet, type, at);
    }
    for (const Opcode read : {Opcode::StructGetS, Opcode::StructGetU}) {
      get(object);
      code_.op(read, type, at);
      fold(wasm::kI32);
    }
    release(object);
    return;
  }
  for (const uint32_t type : program_.types.arrays()) {
    if (packed_field(type) < 0) continue;
    i32(2);
    code_.i32_const(0x8080);
    op(Opcode::I32Or);
    code_.op(Opcode::ArrayNewFixed, type, 1);
    code_.i32_const(0);
    code_.op(choices_.chance(1, 2) ? Opcode::ArrayGetS : Opcode::ArrayGetU, type);
    return fold(wasm::kI32);
  }
}

// set, fill, get on arrays.
void GcBody::fill_array(int depth) {
  const uint32_t type = pick_array();
  const wasm::FieldType& field = program_.types[type].fields[0];
  const ValType element = field.storage.unpacked;
  if (!field.is_mutable) return;
  const uint32_t array = scratch(GcTypes::ref(type, true));
  expr(element, depth - 1);
  code_.i32_const(6);
  code_.op(Opcode::ArrayNew, type);
  set(array);
  for (uint32_t round = 0; round < 2; ++round) {
    const uint32_t index = choices_.below(6);
    get(array);
    code_.i32_const(static_cast<int32_t>(index));
    expr(element, 1);
    code_.op(Opcode::ArraySet, type);
    if (choices_.chance(1, 2)) {
      get(array);
      code_.i32_const(static_cast<int32_t>(choices_.below(4)));
      expr(element, 1);
      code_.i32_const(static_cast<int32_t>(choices_.below(3)));
      code_.op(Opcode::ArrayFill, type);
    }
    if (choices_.chance(1, 3)) disturb();
    get(array);
    code_.i32_const(static_cast<int32_t>(index));
    get_element(type);
    fold(element);
  }
  release(array);
}

// Bulk operations at the very end of an array: nothing there is allowed, one more is not; zero lengths everywhere.
void GcBody::bulk_edges(int depth) {
  const uint32_t type = pick_array();
  const wasm::FieldType& field = program_.types[type].fields[0];
  if (!field.is_mutable) return;
  const uint32_t array = scratch(GcTypes::ref(type, choices_.chance(1, 2)));
  const uint32_t length = choices_.below(4);
  for (uint32_t i = 0; i < length; ++i) expr(field.storage.unpacked, depth - 1);
  code_.op(Opcode::ArrayNewFixed, type, length);
  set(array);
  const auto end = static_cast<int32_t>(length);
  const int32_t excess = choices_.chance(1, 24) ? 1 : 0;
  switch (choices_.below(4)) {
    case 0:
      get(array);
      code_.i32_const(end);
      expr(field.storage.unpacked, 1);
      code_.i32_const(excess);
      code_.op(Opcode::ArrayFill, type);
      break;
    case 1:
      get(array);
      code_.i32_const(end);
      get(array);
      code_.i32_const(end);
      code_.i32_const(excess);
      code_.op(Opcode::ArrayCopy, type, type);
      break;
    case 2:
      if (field.storage.unpacked.is_ref()) break;
      get(array);
      code_.i32_const(end);
      code_.i32_const(static_cast<int32_t>(program_.data_size));
      code_.i32_const(excess);
      code_.op(Opcode::ArrayInitData, type, program_.data);
      break;
    default:
      for (const auto& elem : program_.elems) {
        if (!program_.types.matches(elem.type, field.storage.unpacked)) continue;
        get(array);
        code_.i32_const(end);
        code_.i32_const(static_cast<int32_t>(elem.size));
        code_.i32_const(excess);
        code_.op(Opcode::ArrayInitElem, type, elem.number);
        break;
      }
  }
  for (uint32_t i = 0; i < length; ++i) {
    get(array);
    code_.i32_const(static_cast<int32_t>(i));
    get_element(type);
    fold(field.storage.unpacked);
  }
  if (choices_.chance(1, 2)) disturb();
  release(array);
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

// memory.fill, copy, init, grow, size, between stores and loads.
void GcBody::memory_bulk(int depth) {
  const auto at = [&](uint32_t below) { code_.i32_const(static_cast<int32_t>(choices_.below(below))); };
  at(program_.memory_bytes - 8);
  i32(depth - 1);
  code_.mem(Opcode::I32Store16, {.align_log2 = 0, .offset = choices_.below(4)});
  switch (choices_.below(5)) {
    case 0:
      at(40);
      at(256);
      at(20);
      code_.op(Opcode::MemoryFill, 0);
      break;
    case 1:
      at(40);
      at(40);
      at(20);
      code_.op(Opcode::MemoryCopy, 0, 0);
      break;
    case 2:
      at(40);
      at(40);
      at(20);
      code_.op(Opcode::MemoryInit, program_.data, 0);
      break;
    case 3:
      at(2);
      code_.op(Opcode::MemoryGrow, 0);
      fold(wasm::kI32);
      break;
    default: disturb(); break;
  }
  at(program_.memory_bytes - 8);
  code_.mem(choices_.chance(1, 2) ? Opcode::I32Load8S : Opcode::I32Load16U, {.align_log2 = 0, .offset = choices_.below(4)});
  fold(wasm::kI32);
  code_.op(Opcode::MemorySize, 0);
  fold(wasm::kI32);
}

// Segments after their drop: empty, so that length zero is allowed and one traps.
void GcBody::dropped_segments(int) {
  const int32_t excess = choices_.chance(1, 8) ? 1 : 0;
  const bool data = choices_.chance(1, 2);
  if (choices_.chance(2, 3)) {
    if (data) code_.op(Opcode::DataDrop, program_.drop_data);
    else code_.op(Opcode::ElemDrop, program_.drop_elem);
    if (choices_.chance(1, 2)) disturb();
  }
  for (const uint32_t type : program_.types.arrays()) {
    const wasm::FieldType& field = program_.types[type].fields[0];
    const bool fits = data ? !field.storage.unpacked.is_ref() : field.storage.unpacked == wasm::kAnyRef;
    if (!fits) continue;
    code_.i32_const(0);
    code_.i32_const(excess);
    code_.op(data ? Opcode::ArrayNewData : Opcode::ArrayNewElem, type, data ? program_.drop_data : program_.drop_elem);
    op(Opcode::ArrayLen);
    return fold(wasm::kI32);
  }
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

// Types that are the same although written twice, and types that differ in one bit: the program knows the answer.
void GcBody::type_identity(int depth) {
  const auto& twins = program_.types.twins();
  if (twins.empty() || self_.leaf) return write_call_read(depth);
  const auto& twin = choices_.pick(twins);
  const bool swap = choices_.chance(1, 2);
  const uint32_t made = swap ? twin.second : twin.first, tested = swap ? twin.first : twin.second;
  if (choices_.chance(1, 2)) {
    code_.op(Opcode::StructNewDefault, made);
    const uint32_t any = scratch(wasm::kAnyRef);
    set(any);
    get(any);
    code_.ref_test(GcTypes::ref(tested, choices_.chance(1, 2)));
    release(any);
  } else {
    code_.op(Opcode::StructNewDefault, made);
    const uint32_t seen = scratch(wasm::kAnyRef);
    set(seen);
    code_.block(Opcode::Block, wasm::kI32);
    code_.block(Opcode::Block, GcTypes::ref(tested, false));
    get(seen);
    code_.br_on_cast(Opcode::BrOnCast, 0, wasm::kAnyRef, GcTypes::ref(tested, false));
    op(Opcode::Drop);
    code_.i32_const(0);
    code_.op(Opcode::Br, 1);
    code_.end();
    op(Opcode::Drop);
    code_.i32_const(1);
    code_.end();
    release(seen);
  }
  code_.i32_const(twin.same ? 1 : 0);
  code_.op(Opcode::Call, program_.expect);
}

// Arrays of some thousand elements: more than a block, shared, copied by the collector.
void GcBody::big_array(int depth) {
  const uint32_t type = pick_array();
  const wasm::FieldType& field = program_.types[type].fields[0];
  const uint32_t array = scratch(GcTypes::ref(type, true));
  const auto length = static_cast<int32_t>(500 + choices_.below(4000));
  expr(field.storage.unpacked, depth - 1);
  code_.i32_const(length);
  code_.op(Opcode::ArrayNew, type);
  set(array);
  if (field.is_mutable) {
    get(array);
    code_.i32_const(length - 1);
    expr(field.storage.unpacked, 1);
    code_.op(Opcode::ArraySet, type);
  }
  disturb();
  for (const int32_t index : {0, length / 2, length - 1}) {
    get(array);
    code_.i32_const(index);
    get_element(type);
    fold(field.storage.unpacked);
  }
  release(array);
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

// Runs out of fuel, stack or heap: each is an outcome that all executors share.
void GcBody::exhaust() {
  switch (choices_.below(3)) {
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
  trapping_operation();
  op(Opcode::Drop);
}

void GcBody::trapping_operation() {
  switch (choices_.below(12)) {
    case 0:
      code_.ref_null(HeapKind::kI31);
      return op(Opcode::I31GetS);
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
    case 4:
      some_i31(0);
      return void(code_.ref_cast(GcTypes::ref(pick_struct(), false)));
    case 5:
      code_.i32_const(choices_.chance(1, 2) ? 7 : INT32_MIN);
      code_.i32_const(choices_.chance(1, 2) ? 0 : -1);
      op(choices_.chance(1, 2) ? Opcode::I32DivS : Opcode::I32RemU);
      return;
    case 6:
      // Sizes whose product with the element size overflows 32 bits, or all of them.
      code_.i32_const(choices_.chance(1, 3) ? -1 : static_cast<int32_t>(0x80000000u >> choices_.below(4)));
      return void(code_.op(Opcode::ArrayNewDefault, program_.types.arrays()[program_.types.arrays().size() - 1 - choices_.below(2)]));
    case 7:
      code_.i32_const(choices_.chance(1, 2) ? -4 : 10'000'000);
      return void(code_.mem(Opcode::I64Load, {.align_log2 = 0, .offset = choices_.chance(1, 2) ? 0xffffffffu : 0u}));
    case 8:
      code_.f64_const(choices_.chance(1, 2) ? 0x7ff8000000000000ull : 0x47e0000000000000ull);
      return op(choices_.chance(1, 2) ? Opcode::I32TruncF64S : Opcode::I64TruncF64U);
    case 9:
      code_.ref_null(HeapType::concrete(pick_array()));
      return op(Opcode::ArrayLen);
    case 10: {
      // A null element, or one beyond the end, or of another signature.
      const uint32_t signature = program_.types.run_signature();
      code_.i32_const(choices_.chance(1, 3) ? 0 : choices_.chance(1, 2) ? 1000 : 1);
      return void(code_.op(Opcode::CallIndirect, signature, program_.tables.front().number));
    }
    default:
      code_.ref_null(HeapType::concrete(pick_struct()));
      return op(Opcode::RefAsNonNull);
  }
}

// One rule broken, everything else in order: the validator must say no. Each sequence leaves the stack as it was.
void GcBody::invalid() {
  const uint32_t type = choices_.pick(program_.types.structs());
  const auto& fields = program_.types[type].fields;
  switch (choices_.below(14)) {
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
