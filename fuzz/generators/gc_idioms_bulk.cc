// Idioms on arrays, tables, globals, memory and segments: bulk operations, their edges, packed elements.
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
  if (choices_.chance(1, 2)) {
    // Overwritten by the copy: what is read below must not be this.
    get(array);
    code_.i32_const(static_cast<int32_t>(to));
    expr(element, 1);
    code_.op(Opcode::ArraySet, type);
  }
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
    if (choices_.chance(1, 2)) {
      get(array);
      code_.i32_const(0);
      expr(element, 1);
      code_.op(Opcode::ArraySet, type);
    }
    get(array);
    code_.i32_const(0);
    code_.i32_const(
        static_cast<int32_t>(element.is_ref() ? choices_.below(elem->size) : choices_.below(program_.data_size - 16)));
    code_.i32_const(1);
    code_.op(element.is_ref() ? Opcode::ArrayInitElem : Opcode::ArrayInitData, type,
             element.is_ref() ? elem->number : program_.data);
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

// set, fill, copy, grow, get on tables.
void GcBody::tables(int depth) {
  const auto& table = choices_.pick(program_.tables);
  const auto place = [&] { code_.i32_const(static_cast<int32_t>(choices_.below(table.size))); };
  place();
  expr(table.type, depth - 1);
  code_.op(Opcode::TableSet, table.number);
  switch (choices_.below(5)) {
    case 4:
      for (const auto& elem : program_.elems) {
        if (!program_.types.matches(elem.type, table.type) || choices_.chance(1, 3)) continue;
        code_.i32_const(static_cast<int32_t>(choices_.below(table.size - 1)));
        code_.i32_const(static_cast<int32_t>(choices_.below(elem.size)));
        code_.i32_const(static_cast<int32_t>(choices_.below(2)));
        code_.op(Opcode::TableInit, table.number, elem.number);
        break;
      }
      break;
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

void GcBody::memory_roundtrip(int depth) {
  const uint32_t at = choices_.below(program_.memory_bytes - 8);
  address(at);
  i64(depth - 1);
  code_.mem(Opcode::I64Store, {.align_log2 = 0});
  disturb();
  address(at);
  code_.mem(choices_.chance(1, 2) ? Opcode::I64Load : Opcode::I64Load16S, {.align_log2 = 0});
  fold(wasm::kI64);
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

// memory.fill, copy, init, grow, size, between stores and loads.
void GcBody::memory_bulk(int depth) {
  // Addresses and lengths in memory are of its address type, what a segment gives is i32.
  const auto at = [&](uint32_t below) { address(choices_.below(below)); };
  const auto number = [&](uint32_t below) { code_.i32_const(static_cast<int32_t>(choices_.below(below))); };
  at(program_.memory_bytes - 8);
  i32(depth - 1);
  code_.mem(Opcode::I32Store16, {.align_log2 = 0, .offset = choices_.below(4)});
  switch (choices_.below(5)) {
    case 0:
      at(40);
      number(256);
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
      number(40);
      number(20);
      code_.op(Opcode::MemoryInit, program_.data, 0);
      break;
    case 3:
      at(2);
      code_.op(Opcode::MemoryGrow, 0);
      fold(address_type());
      break;
    default: disturb(); break;
  }
  at(program_.memory_bytes - 8);
  code_.mem(choices_.chance(1, 2) ? Opcode::I32Load8S : Opcode::I32Load16U,
            {.align_log2 = 0, .offset = choices_.below(4)});
  fold(wasm::kI32);
  code_.op(Opcode::MemorySize, 0);
  fold(address_type());
}

// Segments after their drop: empty, so that length zero is allowed and one traps.
void GcBody::dropped_segments(int) {
  const int32_t excess = choices_.chance(1, 3) ? 1 : 0;
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

}  // namespace parallax::fuzz
