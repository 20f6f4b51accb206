// The idioms that generated bodies are made of, one function each: what each aims at stands above it. Here are those on
// objects; gc_idioms_bulk.cc, gc_idioms_control.cc and gc_idioms_traps.cc have the others. The families are
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
  for (const ValType type :
       {wasm::kI32, wasm::kI32, wasm::kI64, wasm::kAnyRef, wasm::kEqRef, wasm::kExternRef, wasm::kI31Ref}) {
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
  if (self_.leaf && choices_.chance(1, 2)) {
    // Which argument is which shows in the result.
    for (uint32_t i = 0; i < params_.size(); ++i) {
      get(i);
      fold(params_[i]);
    }
  }
  const uint32_t count = self_.leaf ? choices_.below(2) : 3 + choices_.below(6);
  const uint32_t special_at = choices_.below(count + 1);
  for (uint32_t i = 0; i <= count; ++i) {
    if (i == special_at && special == Special::kTrappingDrop) trapping_drop();
    if (i == special_at && special == Special::kExhaust) exhaust();
    if (i == special_at && special == Special::kInvalid) invalid();
    if (i >= count || budget_ <= 0) continue;
    // Small programs have few statements: their first is one that lives in the heap, by preference.
    if (i == 0 && !self_.leaf && choices_.chance(1, 3)) {
      write_call_read(2);
    } else {
      statement(3);
    }
  }
  const SubType& signature = program_.types[self_.signature];
  // A tail call with the same results, with what was computed so far logged first.
  if (!self_.leaf && choices_.chance(1, 5)) {
    for (const auto& function : program_.functions) {
      const SubType& other = program_.types[function.signature];
      if (function.number <= self_.number || other.results != signature.results || !choices_.chance(1, 2)) continue;
      get(digest_);
      code_.op(Opcode::Call, program_.log_i64);
      const bool indirect = function.leaf && choices_.chance(1, 3);
      if (indirect) {
        code_.i32_const(2);
        expr(GcTypes::ref(function.signature, false), 1);
        code_.op(Opcode::TableSet, program_.tables.front().number);
      }
      for (const ValType param : other.params) minimal(param);
      if (indirect) {
        code_.i32_const(2);
        code_.op(Opcode::ReturnCallIndirect, function.signature, program_.tables.front().number);
      } else if (function.leaf && choices_.chance(1, 2)) {
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
  static constexpr Idiom kIdioms[] = {&GcBody::write_call_read,
                                      &GcBody::write_call_read,
                                      &GcBody::alias,
                                      &GcBody::alias,
                                      &GcBody::through_super,
                                      &GcBody::through_super,
                                      &GcBody::nested_loops,
                                      &GcBody::nested_loops,
                                      &GcBody::loop_retypes,
                                      &GcBody::loop_retypes,
                                      &GcBody::downcast_after_store,
                                      &GcBody::select_refs,
                                      &GcBody::copy_overlap,
                                      &GcBody::segments,
                                      &GcBody::call_dynamic,
                                      &GcBody::call_dynamic,
                                      &GcBody::exceptions,
                                      &GcBody::overwrite_under_stack,
                                      &GcBody::overwrite_under_stack,
                                      &GcBody::join_null,
                                      &GcBody::join_null,
                                      &GcBody::tables,
                                      &GcBody::globals,
                                      &GcBody::identity,
                                      &GcBody::memory_roundtrip,
                                      &GcBody::host,
                                      &GcBody::conditional,
                                      &GcBody::hoist_bait,
                                      &GcBody::packed_fields,
                                      &GcBody::fill_array,
                                      &GcBody::bulk_edges,
                                      &GcBody::branch_table,
                                      &GcBody::memory_bulk,
                                      &GcBody::host_echo,
                                      &GcBody::type_identity,
                                      &GcBody::dropped_segments,
                                      &GcBody::early_exit,
                                      &GcBody::by_constants,
                                      &GcBody::address_sums,
                                      &GcBody::read_under_write,
                                      &GcBody::walk_array,
                                      &GcBody::bulk_into_old,
                                      &GcBody::floats_to_memory};
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
    case 0: make_new(HeapType::concrete(pick_struct()), 1); return op(Opcode::Drop);
    case 1: new_array(pick_array(), 1); return op(Opcode::Drop);
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
      if (global.is_mutable && program_.types.matches(GcTypes::ref(type, false), global.type) && choices_.chance(1, 2))
        return &global;
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
    if (field.is_ref() && field.heap().is_concrete() &&
        program_.types[field.heap().number()].kind == CompositeKind::kFunc && !self_.leaf) {
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

}  // namespace parallax::fuzz
