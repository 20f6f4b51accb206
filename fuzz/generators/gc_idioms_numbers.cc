// Idioms on numbers, memory and the order of effects: what instruction selection, strength reduction, loop passes, inlining
// and the elimination of stores and checks are made for. Numbers come from the digest, which no compiler can know.
#include "fuzz/generators/gc_body.h"

namespace parallax::fuzz {

using wasm::BlockType;
using wasm::HeapType;
using wasm::Opcode;
using wasm::ValType;

// A number that was computed from everything before: its low `bits` bits.
void GcBody::unknown(uint32_t bits) {
  get(digest_);
  op(Opcode::I32WrapI64);
  if (bits >= 32) return;
  code_.i32_const(static_cast<int32_t>((uint32_t{1} << bits) - 1));
  op(Opcode::I32And);
}

// Zero, from where nothing is ever written.
void GcBody::unknown_zero() {
  address(60'000);
  code_.mem(Opcode::I32Load, {.align_log2 = 2});
}

// Divisions, remainders, products and shifts by constants; half of the time of multiples of the constant.
void GcBody::by_constants(int) {
  static constexpr int32_t kConstants[] = {3, 5,  6,  7,  9,  10,  25,  100,  125,   641,     1000,      2,        4,
                                           1, 64, -2, -3, -7, -10, -64, -125, -1000, 1 << 30, INT32_MAX, INT32_MIN};
  static constexpr Opcode kNarrow[] = {Opcode::I32DivS, Opcode::I32DivU, Opcode::I32RemS, Opcode::I32RemU,
                                       Opcode::I32Mul,  Opcode::I32Shl,  Opcode::I32ShrS, Opcode::I32Rotl};
  static constexpr Opcode kWide[] = {Opcode::I64DivS, Opcode::I64DivU, Opcode::I64RemS, Opcode::I64RemU,
                                     Opcode::I64Mul,  Opcode::I64Shl,  Opcode::I64ShrU, Opcode::I64Rotr};
  const int32_t constant = choices_.pick(kConstants);
  const uint32_t x = scratch(wasm::kI32);
  unknown(choices_.chance(1, 2) ? 8 : 32);
  if (choices_.chance(1, 2)) {
    code_.i32_const(constant);
    op(Opcode::I32Mul);
  }
  set(x);
  for (uint32_t i = 1 + choices_.below(3); i > 0; --i) {
    const bool wide = choices_.chance(1, 4);
    get(x);
    if (wide) {
      op(choices_.chance(1, 2) ? Opcode::I64ExtendI32S : Opcode::I64ExtendI32U);
      code_.i64_const(constant);
      op(choices_.pick(kWide));
    } else {
      code_.i32_const(constant);
      op(choices_.pick(kNarrow));
    }
    fold(wide ? wasm::kI64 : wasm::kI32);
  }
  release(x);
}

// Addresses that are sums and products, some of which wrap around at 32 bits; what is not constant goes around a loop.
void GcBody::address_sums(int depth) {
  if (program_.memory64) return by_constants(depth);
  static constexpr uint32_t kParts[] = {8, 16, 104, 0x8000, 0x7fff'fff8, 0x8000'0000, 0xffff'fff0, 0xffff'0000};
  static constexpr Opcode kLoads[] = {Opcode::I32Load, Opcode::I32Load8S, Opcode::I32Load8U, Opcode::I32Load16S,
                                      Opcode::I32Load16U};
  static constexpr Opcode kStores[] = {Opcode::I32Store, Opcode::I32Store8, Opcode::I32Store16};
  const uint32_t part = choices_.pick(kParts), scale = choices_.below(4);
  const uint32_t offset = choices_.chance(1, 2) ? choices_.below(16) : 0;
  const uint32_t index = scratch(wasm::kI32), rounds = scratch(wasm::kI32);
  const auto place = [&] {
    get(index);
    if (scale != 0) {
      code_.i32_const(static_cast<int32_t>(scale));
      op(Opcode::I32Shl);
    }
    code_.i32_const(static_cast<int32_t>(part));
    op(Opcode::I32Add);
  };
  // index * 2^scale + part is 0 to 40 in every round.
  unknown(2);
  code_.i32_const(static_cast<int32_t>((0u - part) >> scale));
  op(Opcode::I32Add);
  set(index);
  code_.i32_const(static_cast<int32_t>(1 + choices_.below(3)));
  set(rounds);
  code_.block(Opcode::Loop, BlockType{});
  place();
  unknown(32);
  code_.mem(choices_.pick(kStores), {.align_log2 = 0, .offset = offset});
  place();
  code_.mem(choices_.pick(kLoads), {.align_log2 = 0, .offset = offset});
  fold(wasm::kI32);
  get(index);
  code_.i32_const(1);
  op(Opcode::I32Add);
  set(index);
  count_down(rounds);
  code_.end();
  release(rounds);
  release(index);
}

// An operand is read, its place is written, and only then the operation is done.
void GcBody::read_under_write(int depth) {
  static constexpr Opcode kNarrow[] = {Opcode::I32Add, Opcode::I32Sub, Opcode::I32And, Opcode::I32Or, Opcode::I32Xor};
  static constexpr Opcode kWide[] = {Opcode::I64Add, Opcode::I64Sub, Opcode::I64And, Opcode::I64Or, Opcode::I64Xor};
  const bool wide = choices_.chance(1, 3);
  const ValType type = wide ? wasm::kI64 : wasm::kI32;
  if (wide) {
    get(digest_);
  } else {
    unknown(32);
  }
  if (!field_under_write(type, depth)) {
    const uint32_t at = choices_.below(program_.memory_bytes - 16);
    address(at);
    code_.mem(wide ? Opcode::I64Load : Opcode::I32Load, {.align_log2 = 0});
    address(at + choices_.below(4));
    number(type, depth - 1);
    code_.mem(wide ? Opcode::I64Store : Opcode::I32Store, {.align_log2 = 0});
  }
  op(wide ? choices_.pick(kWide) : choices_.pick(kNarrow));
  fold(type);
}

// Reads a field of that type and writes it, leaving what it read; false, with nothing written, when there is none.
bool GcBody::field_under_write(ValType type, int depth) {
  for (const uint32_t candidate : program_.types.structs()) {
    const auto& fields = program_.types[candidate].fields;
    for (uint32_t i = 0; i < fields.size(); ++i) {
      const bool fits = fields[i].is_mutable && fields[i].storage.unpacked == type;
      if (!fits || choices_.chance(1, 2)) continue;
      const uint32_t object = scratch(GcTypes::ref(candidate, false));
      expr(GcTypes::ref(candidate, false), 1);
      set(object);
      get(object);
      get_field(candidate, i);
      get(object);
      number(type, depth - 1);
      code_.op(Opcode::StructSet, candidate, i);
      release(object);
      return true;
    }
  }
  return false;
}

// A store, a trap, a store to the same place: the first one is what remains.
void GcBody::store_trap_store() {
  std::vector<const GcProgram::GlobalSlot*> places;
  for (const auto& global : program_.globals) {
    if (global.is_mutable) places.push_back(&global);
  }
  if (places.empty()) return trapping_drop();
  const auto& place = *choices_.pick(places);
  const auto store = [&] {
    expr(place.type, 1);
    code_.op(Opcode::GlobalSet, place.number);
  };
  store();
  switch (choices_.below(4)) {
    case 0:
      unknown(32);
      unknown_zero();
      op(choices_.chance(1, 2) ? Opcode::I32DivU : Opcode::I32RemS);
      break;
    case 1:
      unknown_zero();
      code_.i32_const(1000);
      op(Opcode::I32Add);
      code_.op(Opcode::TableGet, program_.tables.front().number);
      break;
    case 2:
      new_array(pick_array(), 1);
      op(Opcode::ArrayLen);
      op(Opcode::Drop);
      new_array(program_.types.arrays().back(), 0);
      unknown_zero();
      code_.i32_const(1000);
      op(Opcode::I32Add);
      get_element(program_.types.arrays().back());
      break;
    default: trapping_operation(); break;
  }
  op(Opcode::Drop);
  store();
}

// All elements of an array by a counting loop; seldom one too many, which traps.
void GcBody::walk_array(int depth) {
  const uint32_t type = pick_array();
  const ValType element = field_type(type, 0);
  const uint32_t array = scratch(GcTypes::ref(type, false)), i = scratch(wasm::kI32);
  const bool too_far = choices_.chance(1, 12), from_end = choices_.chance(1, 4);
  new_array(type, depth - 1);
  set(array);
  if (from_end) {
    get(array);
    op(Opcode::ArrayLen);
  } else {
    code_.i32_const(0);
  }
  set(i);
  code_.block(Opcode::Block, BlockType{});
  code_.block(Opcode::Loop, BlockType{});
  if (from_end) {
    get(i);
    op(Opcode::I32Eqz);
    code_.op(Opcode::BrIf, 1);
    get(i);
    code_.i32_const(too_far ? 0 : 1);
    op(Opcode::I32Sub);
    set(i);
  } else {
    static constexpr Opcode kEnds[] = {Opcode::I32GeU, Opcode::I32GeS, Opcode::I32GtU, Opcode::I32GtS};
    get(i);
    get(array);
    op(Opcode::ArrayLen);
    op(kEnds[choices_.below(2) + (too_far ? 2 : 0)]);
    code_.op(Opcode::BrIf, 1);
  }
  if (choices_.chance(1, 3)) {
    if (program_.types[type].fields[0].is_mutable) {
      get(array);
      get(i);
      expr(element, 1);
      code_.op(Opcode::ArraySet, type);
    }
  }
  get(array);
  get(i);
  get_element(type);
  fold(element);
  if (!from_end) {
    get(i);
    code_.i32_const(1);
    op(Opcode::I32Add);
    set(i);
  }
  // From the end and too far, the index stays where it is and traps at once.
  code_.op(Opcode::Br, 0);
  code_.end();
  code_.end();
  release(i);
  release(array);
}

// So many small objects that a small young generation fills up.
void GcBody::churn() {
  const uint32_t rounds = scratch(wasm::kI32);
  code_.i32_const(static_cast<int32_t>(20 + choices_.below(40)));
  set(rounds);
  code_.block(Opcode::Loop, BlockType{});
  code_.i32_const(static_cast<int32_t>(8 + choices_.below(120)));
  code_.op(Opcode::ArrayNewDefault, program_.types.arrays().back());
  op(Opcode::Drop);
  count_down(rounds);
  code_.end();
  release(rounds);
}

// An array that has become old gets young references by bulk operations, and keeps them over the next collection.
void GcBody::bulk_into_old(int) {
  std::vector<uint32_t> fitting;
  for (const uint32_t type : program_.types.arrays()) {
    const auto& field = program_.types[type].fields[0];
    if (field.is_mutable && field.storage.unpacked.is_ref() && field.storage.unpacked.nullable())
      fitting.push_back(type);
  }
  if (fitting.empty()) return;
  const uint32_t type = choices_.pick(fitting);
  const ValType element = field_type(type, 0);
  const uint32_t array = scratch(GcTypes::ref(type, false));
  constexpr int32_t kLength = 6;
  code_.i32_const(choices_.chance(1, 8) ? 3000 : kLength);  // large objects are old from the beginning
  code_.op(Opcode::ArrayNewDefault, type);
  set(array);
  if (!self_.leaf && choices_.chance(1, 3)) {
    code_.op(Opcode::Call, program_.collect);
  } else {
    churn();
  }
  get(array);
  if (choices_.chance(1, 2)) {
    code_.i32_const(static_cast<int32_t>(choices_.below(3)));
    expr(element.as_non_null(), 2);
    code_.i32_const(3);
    code_.op(Opcode::ArrayFill, type);
  } else {
    code_.i32_const(1);
    expr(element.as_non_null(), 2);
    code_.i32_const(3);
    code_.op(Opcode::ArrayNew, type);
    code_.i32_const(0);
    code_.i32_const(3);
    code_.op(Opcode::ArrayCopy, type, type);
  }
  churn();
  for (int32_t i = 0; i < kLength; ++i) {
    get(array);
    code_.i32_const(i);
    get_element(type);
    fold(element);
  }
  release(array);
}

// What floating point makes, NaN among it, through memory.
void GcBody::floats_to_memory(int depth) {
  static constexpr Opcode kNarrow[] = {Opcode::F32Add, Opcode::F32Sub, Opcode::F32Mul,
                                       Opcode::F32Div, Opcode::F32Min, Opcode::F32Max};
  static constexpr Opcode kWide[] = {Opcode::F64Add, Opcode::F64Sub, Opcode::F64Mul,
                                     Opcode::F64Div, Opcode::F64Min, Opcode::F64Max};
  static constexpr uint32_t kSpecial32[] = {0x7f800000, 0xff800000, 0, 0x80000000, 0x7fc00000, 0xffc12345, 0x7fa00001};
  static constexpr uint64_t kSpecial64[] = {0x7ff0000000000000, 0xfff0000000000000, 0,
                                            0x8000000000000000, 0x7ff8000000000000, 0xfff8123400000001,
                                            0x7ff4000000000001};
  const bool wide = choices_.chance(1, 2);
  const ValType type = wide ? wasm::kF64 : wasm::kF32;
  const uint32_t at = choices_.below(program_.memory_bytes - 8);
  const auto operand = [&] {
    if (choices_.chance(1, 2)) return number(type, depth - 1);
    // A special value that no compiler knows: its bits, through a number that is zero.
    unknown_zero();
    if (wide) {
      op(Opcode::I64ExtendI32U);
      code_.i64_const(static_cast<int64_t>(choices_.pick(kSpecial64)));
      op(Opcode::I64Or);
      op(Opcode::F64ReinterpretI64);
    } else {
      code_.i32_const(static_cast<int32_t>(choices_.pick(kSpecial32)));
      op(Opcode::I32Or);
      op(Opcode::F32ReinterpretI32);
    }
  };
  address(at);
  operand();
  operand();
  op(wide ? choices_.pick(kWide) : choices_.pick(kNarrow));
  if (choices_.chance(1, 3)) op(wide ? Opcode::F64Sqrt : Opcode::F32Sqrt);
  code_.mem(wide ? Opcode::F64Store : Opcode::F32Store, {.align_log2 = 0});
  address(at);
  code_.mem(wide ? Opcode::I64Load : Opcode::I32Load, {.align_log2 = 0});
  fold(wide ? wasm::kI64 : wasm::kI32);
}

}  // namespace parallax::fuzz
