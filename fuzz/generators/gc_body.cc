// Expressions, folding and locals of generated bodies; the idioms are in gc_idioms.cc.
#include "fuzz/generators/gc_body.h"

#include <algorithm>

#include "engine/base/check.h"

namespace parallax::fuzz {

using wasm::BlockType;
using wasm::BlockTypeKind;
using wasm::CompositeKind;
using wasm::FieldType;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::Packed;
using wasm::SubType;
using wasm::ValKind;
using wasm::ValType;

namespace {

constexpr int32_t kInteresting32[] = {0,       1,          -1,        2,        7,      127,   128,   -128,
                                      255,     256,        32767,     32768,    -32768, 65535, 65536, (1 << 30) - 1,
                                      1 << 30, -(1 << 30), INT32_MAX, INT32_MIN};
constexpr int64_t kInteresting64[] = {0, 1, -1, 0x100000000, INT64_MAX, INT64_MIN, 0x80000000, -2147483648ll};

}  // namespace

GcBody::GcBody(ChoiceStream& choices, GcProgram& program, const GcProgram::Function& self, uint32_t budget)
    : choices_(choices), program_(program), self_(self), budget_(budget) {
  params_ = program_.types[self.signature].params;
  code_.reserve(256);
  locals_.reserve(32);
  declared_.reserve(32);
  for (size_t i = 0; i < params_.size(); ++i) locals_.push_back({static_cast<uint32_t>(i), params_[i], true});
}

// --- Locals ------------------------------------------------------------------------------------------------------------

uint32_t GcBody::add_local(ValType type, bool is_set) {
  const auto number = static_cast<uint32_t>(params_.size() + declared_.size());
  declared_.push_back(type);
  locals_.push_back({number, type, is_set || type.is_defaultable()});
  return number;
}

// A local for a moment: not visible to expressions, so that nothing overwrites it before it is released.
uint32_t GcBody::scratch(ValType type) {
  for (size_t i = free_scratch_.size(); i-- > 0;) {
    if (free_scratch_[i].type != type) continue;
    const uint32_t number = free_scratch_[i].number;
    free_scratch_.erase(free_scratch_.begin() + static_cast<std::ptrdiff_t>(i));
    return number;
  }
  const auto number = static_cast<uint32_t>(params_.size() + declared_.size());
  declared_.push_back(type);
  return number;
}

void GcBody::release(uint32_t local) { free_scratch_.push_back({local, declared_[local - params_.size()], false}); }

uint32_t GcBody::pick_struct() { return choices_.pick(program_.types.structs()); }
uint32_t GcBody::pick_array() { return choices_.pick(program_.types.arrays()); }

bool GcBody::has_mutable(uint32_t type) const {
  const auto& fields = program_.types[type].fields;
  return std::any_of(fields.begin(), fields.end(), [](const FieldType& f) { return f.is_mutable; });
}

// --- Numbers -----------------------------------------------------------------------------------------------------------

void GcBody::expr(ValType type, int depth) {
  --budget_;
  if (type.is_ref()) return reference(type, depth);
  number(type, depth);
}

void GcBody::number(ValType type, int depth) {
  switch (type.kind()) {
    case ValKind::kI32: return i32(depth);
    case ValKind::kI64: return i64(depth);
    case ValKind::kF32:
      if (choices_.chance(1, 2)) {
        code_.f32_const(choices_.u32() & 0xff7fffffu);
      } else {
        i32(depth - 1);
        op(choices_.chance(1, 2) ? Opcode::F32ConvertI32S : Opcode::F32ConvertI32U);
      }
      return;
    case ValKind::kF64:
      if (choices_.chance(1, 2)) {
        code_.f64_const(uint64_t{choices_.u32()} << 32 & ~(uint64_t{1} << 62));
      } else {
        i64(depth - 1);
        op(choices_.chance(1, 2) ? Opcode::F64ConvertI64S : Opcode::F64ConvertI64U);
      }
      return;
    default: UNREACHABLE("gc_program: no expression for {}", wasm::to_string(type));
  }
}

void GcBody::i32(int depth) {
  if (depth <= 0 || budget_ <= 0) {
    if (choices_.chance(1, 3) && from_local(wasm::kI32)) return;
    code_.i32_const(choices_.chance(1, 2) ? choices_.pick(kInteresting32) : static_cast<int32_t>(choices_.below(100)));
    return;
  }
  static constexpr Opcode kBinary[] = {Opcode::I32Add, Opcode::I32Sub, Opcode::I32Mul,  Opcode::I32Xor,  Opcode::I32And,
                                       Opcode::I32Or,  Opcode::I32Shl, Opcode::I32ShrS, Opcode::I32ShrU, Opcode::I32LtS,
                                       Opcode::I32GtU, Opcode::I32Eq,  Opcode::I32Rotl};
  switch (choices_.below(14)) {
    case 0:
    case 1:
    case 2:
      i32(depth - 1);
      i32(depth - 1);
      return op(choices_.pick(kBinary));
    case 3: i64(depth - 1); return op(Opcode::I32WrapI64);
    case 4:
      expr(wasm::kAnyRef, depth - 1);
      code_.ref_test(choices_.chance(1, 2)
                         ? GcTypes::ref(pick_struct(), choices_.chance(1, 2))
                         : ValType::ref(choices_.chance(1, 2) ? HeapKind::kI31 : HeapKind::kEq, choices_.chance(1, 2)));
      return;
    case 5: expr(choices_.chance(1, 2) ? wasm::kAnyRef : wasm::kExternRef, depth - 1); return op(Opcode::RefIsNull);
    case 6:
      expr(wasm::kEqRef, depth - 1);
      expr(wasm::kEqRef, depth - 1);
      return op(Opcode::RefEq);
    case 7: some_i31(depth - 1); return op(choices_.chance(1, 2) ? Opcode::I31GetS : Opcode::I31GetU);
    case 8: expr(GcTypes::ref(pick_array(), false), depth - 1); return op(Opcode::ArrayLen);
    case 9:
      if (from_field(wasm::kI32, depth)) return;
      break;
    case 10:
      if (from_element(wasm::kI32, depth)) return;
      break;
    case 11:
      if (from_call(wasm::kI32, depth)) return;
      break;
    case 12: code_.op(Opcode::TableSize, choices_.pick(program_.tables).number); return;
    default: break;
  }
  from_choice(wasm::kI32, depth);
}

void GcBody::i64(int depth) {
  if (depth <= 0 || budget_ <= 0) {
    if (choices_.chance(1, 3) && from_local(wasm::kI64)) return;
    code_.i64_const(choices_.chance(1, 2) ? choices_.pick(kInteresting64) : static_cast<int64_t>(choices_.below(1000)));
    return;
  }
  static constexpr Opcode kBinary[] = {Opcode::I64Add, Opcode::I64Sub, Opcode::I64Mul,  Opcode::I64Xor,
                                       Opcode::I64And, Opcode::I64Shl, Opcode::I64ShrU, Opcode::I64Rotl};
  switch (choices_.below(8)) {
    case 0:
    case 1:
      i64(depth - 1);
      i64(depth - 1);
      return op(choices_.pick(kBinary));
    case 2:
    case 3: i32(depth - 1); return op(choices_.chance(1, 2) ? Opcode::I64ExtendI32S : Opcode::I64ExtendI32U);
    case 4:
      if (from_field(wasm::kI64, depth)) return;
      break;
    case 5:
      if (from_call(wasm::kI64, depth)) return;
      break;
    case 6:
      if (from_element(wasm::kI64, depth)) return;
      break;
    default: break;
  }
  from_choice(wasm::kI64, depth);
}

// One of two expressions, by select or if.
void GcBody::from_choice(ValType type, int depth) {
  if (choices_.chance(1, 2)) {
    expr(type, depth - 1);
    expr(type, depth - 1);
    i32(1);
    const ValType types[] = {type};
    code_.select(types);
    return;
  }
  i32(1);
  code_.block(Opcode::If, type);
  expr(type, depth - 1);
  op(Opcode::Else);
  expr(type, depth - 1);
  code_.end();
}

// --- References --------------------------------------------------------------------------------------------------------

void GcBody::reference(ValType type, int depth) {
  if (depth <= 0 || budget_ <= 0) return minimal(type);
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (try_reference(type, depth)) return;
  }
  if (type.nullable() && choices_.chance(1, 4)) {
    code_.ref_null(choices_.chance(1, 2) && program_.types.matches(program_.types.bottom(type.heap()), type.heap())
                       ? program_.types.bottom(type.heap())
                       : type.heap());
    return;
  }
  make_new(type.heap(), depth);
}

// One way to make a reference; false, with nothing written, when it does not apply.
bool GcBody::try_reference(ValType type, int depth) {
  switch (choices_.below(16)) {
    case 0:
    case 1:
    case 2: return from_local(type);
    case 3: return from_global(type);
    case 4: return from_table(type);
    case 5:
    case 6: return from_field(type, depth);
    case 7: return from_element(type, depth);
    case 8: return from_call(type, depth);
    case 9: return from_exception(type, depth);
    case 10: return from_cast(type, depth);
    case 11:
      if (type.heap() == HeapKind::kExn || type.heap() == HeapKind::kNoExn) return false;
      coalesce(type.heap(), depth);
      return true;
    case 12: from_choice(type, depth); return true;
    default: make_new(type.heap(), depth); return true;
  }
}

// The cheapest value: what ends recursion.
void GcBody::minimal(ValType type) {
  if (!type.is_ref()) return number(type, 0);
  if (choices_.chance(1, 2) && from_local(type)) return;
  if (type.nullable() && (budget_ <= 0 || choices_.chance(2, 3))) {
    code_.ref_null(type.heap());
    return;
  }
  make_new(type.heap(), 0);
}

bool GcBody::from_local(ValType type) {
  std::vector<uint32_t>& fitting = program_.fitting;
  fitting.clear();
  for (const Local& local : locals_) {
    if (local.is_set && program_.types.matches(local.type, type)) fitting.push_back(local.number);
  }
  if (fitting.empty()) return false;
  get(choices_.pick(fitting));
  return true;
}

bool GcBody::from_global(ValType type) {
  for (const auto& global : program_.globals) {
    if (!program_.types.matches(global.type, type) || !choices_.chance(1, 2)) continue;
    code_.op(Opcode::GlobalGet, global.number);
    return true;
  }
  return false;
}

bool GcBody::from_table(ValType type) {
  for (const auto& table : program_.tables) {
    if (!program_.types.matches(table.type, type) || !choices_.chance(1, 2)) continue;
    code_.i32_const(static_cast<int32_t>(choices_.below(table.size)));
    code_.op(Opcode::TableGet, table.number);
    return true;
  }
  return false;
}

void GcBody::some_i31(int depth) {
  if (choices_.chance(1, 2)) {
    code_.i32_const(choices_.pick(kInteresting32));
  } else {
    i32(depth);
  }
  op(Opcode::RefI31);
}

// A function of the signature (or any) that may be referred to.
bool GcBody::new_func(HeapType type) {
  std::vector<uint32_t>& fitting = program_.fitting;
  fitting.clear();
  for (const auto& function : program_.functions) {
    if (function.leaf && program_.types.matches(HeapType::concrete(function.signature), type))
      fitting.push_back(function.number);
  }
  if (fitting.empty()) return false;
  code_.op(Opcode::RefFunc, choices_.pick(fitting));
  return true;
}

// Leaves a non-null reference to something of the heap type.
void GcBody::make_new(HeapType type, int depth) {
  --budget_;
  if (type.is_concrete()) {
    switch (program_.types[type.number()].kind) {
      case CompositeKind::kStruct: {
        // At the bottom exactly this type: its non-null fields name lower ones, so this ends.
        if (depth <= 0 || choices_.chance(1, 2)) return new_struct(type.number(), depth);
        return new_struct(choices_.pick(program_.types.structs_below(type.number())), depth);
      }
      case CompositeKind::kArray: return new_array(type.number(), depth);
      case CompositeKind::kFunc:
        CHECK(new_func(type), "gc_program: no function of signature {}", type.number());
        return;
    }
  }
  switch (type.kind()) {
    case HeapKind::kStruct: return new_struct(pick_struct(), depth);
    case HeapKind::kArray: return new_array(pick_array(), depth);
    case HeapKind::kI31: return some_i31(depth - 1);
    case HeapKind::kFunc: CHECK(new_func(type), "gc_program: no function to refer to"); return;
    case HeapKind::kExtern:
      if (choices_.chance(1, 3)) {
        some_i31(depth - 1);
      } else {
        make_new(HeapKind::kAny, depth - 1);
      }
      return op(Opcode::ExternConvertAny);
    case HeapKind::kAny:
    case HeapKind::kEq:
      switch (depth <= 0 ? 0 : choices_.below(4)) {
        case 0: return some_i31(depth - 1);
        case 1: return new_array(pick_array(), depth);
        default: return new_struct(pick_struct(), depth);
      }
    default: UNREACHABLE("gc_program: nothing to make for {}", wasm::to_string(type));
  }
}

void GcBody::new_struct(uint32_t type, int depth) {
  const auto& fields = program_.types[type].fields;
  const bool defaultable =
      std::all_of(fields.begin(), fields.end(), [](const FieldType& f) { return f.storage.unpacked.is_defaultable(); });
  if (defaultable && choices_.chance(1, depth <= 0 ? 2 : 8)) {
    code_.op(Opcode::StructNewDefault, type);
    return;
  }
  for (const FieldType& field : fields) {
    if (choices_.chance(2, 3)) {
      expr(field.storage.unpacked, depth - 1);
    } else {
      minimal(field.storage.unpacked);
    }
  }
  code_.op(Opcode::StructNew, type);
}

void GcBody::new_array(uint32_t type, int depth) {
  const wasm::StorageType element = program_.types[type].fields[0].storage;
  const auto length = static_cast<int32_t>(choices_.chance(1, 48) ? 0 : 1 + choices_.below(8));
  const bool numeric = !element.unpacked.is_ref();
  switch (choices_.below(6)) {
    case 0:
      if (!element.unpacked.is_defaultable()) break;
      code_.i32_const(length);
      code_.op(Opcode::ArrayNewDefault, type);
      return;
    case 1:
      expr(element.unpacked, depth - 1);
      code_.i32_const(length);
      code_.op(Opcode::ArrayNew, type);
      return;
    case 2:
      if (numeric) {
        // At most 8 elements of 8 bytes each from a segment that is longer.
        code_.i32_const(static_cast<int32_t>(choices_.below(program_.data_size - 64)));
        code_.i32_const(length);
        code_.op(Opcode::ArrayNewData, type, program_.data);
        return;
      }
      for (const auto& elem : program_.elems) {
        if (!program_.types.matches(elem.type, element.unpacked)) continue;
        const uint32_t offset = choices_.below(elem.size);
        code_.i32_const(static_cast<int32_t>(offset));
        code_.i32_const(static_cast<int32_t>(1 + choices_.below(elem.size - offset)));
        code_.op(Opcode::ArrayNewElem, type, elem.number);
        return;
      }
      break;
    default: break;
  }
  const int32_t fixed = std::min(length, depth <= 0 ? 2 : 5);
  for (int32_t i = 0; i < fixed; ++i) {
    if (choices_.chance(1, 2)) {
      expr(element.unpacked, depth - 1);
    } else {
      minimal(element.unpacked);
    }
  }
  code_.op(Opcode::ArrayNewFixed, type, static_cast<uint32_t>(fixed));
}

// A nullable value, or a fresh one where it was null.
void GcBody::coalesce(HeapType heap, int depth) {
  code_.block(Opcode::Block, ValType::ref(heap, false));
  expr(ValType::ref(heap, true), depth - 1);
  code_.op(Opcode::BrOnNonNull, 0);
  make_new(heap, depth - 2);
  code_.end();
}

// A wider value, cast if it is of the type, replaced if not.
bool GcBody::from_cast(ValType type, int depth) {
  const HeapType top = program_.types.top(type.heap());
  if (top == HeapKind::kExn) return false;
  ValType from = ValType::ref(top, true);
  if (top == HeapKind::kAny && choices_.chance(1, 2)) from = wasm::kEqRef;
  if (type.heap() == HeapKind::kAny) from = wasm::kAnyRef;
  code_.block(Opcode::Block, type);
  if (choices_.chance(1, 2)) {
    expr(from, depth - 1);
    code_.br_on_cast(Opcode::BrOnCast, 0, from, type);
    op(Opcode::Drop);
  } else {
    code_.block(Opcode::Block, from);
    expr(from, depth - 1);
    code_.br_on_cast(Opcode::BrOnCastFail, 0, from, type);
    code_.op(Opcode::Br, 1);
    code_.end();
    op(Opcode::Drop);
  }
  expr(type, depth - 2);
  code_.end();
  return true;
}

void GcBody::get_field(uint32_t type, uint32_t field) {
  const Packed packed = program_.types[type].fields[field].storage.packed;
  const Opcode plain = Opcode::StructGet;
  code_.op(packed == Packed::kNone ? plain
           : choices_.chance(1, 2) ? Opcode::StructGetS
                                   : Opcode::StructGetU,
           type, field);
}

void GcBody::get_element(uint32_t type) {
  const Packed packed = program_.types[type].fields[0].storage.packed;
  const Opcode plain = Opcode::ArrayGet;
  code_.op(packed == Packed::kNone ? plain : choices_.chance(1, 2) ? Opcode::ArrayGetS : Opcode::ArrayGetU, type);
}

bool GcBody::from_field(ValType type, int depth) {
  const auto fitting = program_.types.fields_of(type);
  if (fitting.empty()) return false;
  const auto [of, field] = choices_.pick(fitting);
  expr(GcTypes::ref(of, false), depth - 1);
  get_field(of, field);
  return true;
}

// Array, index modulo length: traps for empty arrays only.
void GcBody::array_read(uint32_t type, int depth) {
  const uint32_t array = scratch(GcTypes::ref(type, true));
  expr(GcTypes::ref(type, false), depth - 1);
  code_.op(Opcode::LocalTee, array);
  i32(depth - 1);
  get(array);
  op(Opcode::ArrayLen);
  op(Opcode::I32RemU);
  get_element(type);
  release(array);
}

bool GcBody::from_element(ValType type, int depth) {
  const auto fitting = program_.types.arrays_of(type);
  if (fitting.empty()) return false;
  array_read(choices_.pick(fitting), depth);
  return true;
}

bool GcBody::from_call(ValType type, int depth) {
  if (self_.leaf) return false;
  std::vector<uint32_t>& fitting = program_.fitting;
  fitting.clear();
  for (uint32_t i = 0; i < program_.functions.size(); ++i) {
    const GcProgram::Function& function = program_.functions[i];
    if (function.number <= self_.number && !function.leaf) continue;
    const SubType& signature = program_.types[function.signature];
    if (signature.results.size() == 1 && program_.types.matches(signature.results[0], type)) fitting.push_back(i);
  }
  if (fitting.empty()) return false;
  const GcProgram::Function& callee = program_.functions[choices_.pick(fitting)];
  for (const ValType param : program_.types[callee.signature].params) expr(param, depth - 2);
  if (callee.leaf && choices_.chance(1, 2)) {
    // Through a reference of this or a wider signature, whose parameters and results are the same or wider.
    expr(GcTypes::ref(callee.signature, false), depth - 1);
    code_.op(Opcode::CallRef, callee.signature);
  } else {
    code_.op(Opcode::Call, callee.number);
  }
  return true;
}

// Thrown and caught at once: the value travels through an exception object.
bool GcBody::from_exception(ValType type, int depth) {
  for (const auto& tag : program_.tags) {
    if (tag.params.size() != 1 || !program_.types.matches(tag.params[0], type)) continue;
    code_.block(Opcode::Block, tag.params[0]);
    const wasm::Catch clause{wasm::CatchKind::kCatch, wasm::TagIndex(tag.number), 0};
    code_.try_table({.kind = BlockTypeKind::kValue, .value = tag.params[0]}, {&clause, 1});
    expr(tag.params[0], depth - 1);
    code_.op(Opcode::Throw, tag.number);
    code_.end();
    code_.end();
    return true;
  }
  return false;
}

// --- Folding -----------------------------------------------------------------------------------------------------------

// Takes a value from the stack into the digest.
void GcBody::fold(ValType type) {
  switch (type.kind()) {
    case ValKind::kI32: op(Opcode::I64ExtendI32S); break;
    case ValKind::kI64: break;
    case ValKind::kF32:
      op(Opcode::I32ReinterpretF32);
      op(Opcode::I64ExtendI32U);
      break;
    case ValKind::kF64: op(Opcode::I64ReinterpretF64); break;
    case ValKind::kRef:
      if (program_.types.top(type.heap()) == HeapKind::kAny && choices_.chance(2, 3)) {
        code_.ref_test(choices_.chance(2, 3)
                           ? GcTypes::ref(choices_.chance(2, 3) ? pick_struct() : pick_array(), choices_.chance(1, 3))
                           : ValType::ref(HeapKind::kI31, choices_.chance(1, 2)));
      } else {
        op(Opcode::RefIsNull);
      }
      op(Opcode::I64ExtendI32U);
      break;
    default: UNREACHABLE("gc_program: cannot fold {}", wasm::to_string(type));
  }
  get(digest_);
  code_.i64_const(7);
  op(Opcode::I64Rotl);
  op(Opcode::I64Xor);
  set(digest_);
}

// The fields of the struct in `local`, which must not be null.
void GcBody::fold_object(uint32_t local, uint32_t type) {
  const auto& fields = program_.types[type].fields;
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (fields.size() > 4 && choices_.chance(1, 3)) continue;
    get(local);
    get_field(type, i);
    fold(fields[i].storage.unpacked);
  }
}

// The value of a nullable local: which of null, i31 (with its number) and struct it is.
void GcBody::fold_null_or(uint32_t local, ValType type) {
  if (!program_.types.matches(HeapKind::kI31, type.heap())) {
    get(local);
    return fold(type);
  }
  code_.block(Opcode::Block, BlockType{});
  code_.block(Opcode::Block, ValType::ref(HeapKind::kI31, false));
  get(local);
  code_.br_on_cast(Opcode::BrOnCast, 0, type, ValType::ref(HeapKind::kI31, false));
  fold(type);
  code_.op(Opcode::Br, 1);
  code_.end();
  op(choices_.chance(1, 2) ? Opcode::I31GetS : Opcode::I31GetU);
  fold(wasm::kI32);
  code_.end();
}

}  // namespace parallax::fuzz
