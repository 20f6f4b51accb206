#include "fuzz/generators/gc_types.h"

#include <iterator>

namespace parallax::fuzz {

using wasm::CompositeKind;
using wasm::FieldType;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Packed;
using wasm::StorageType;
using wasm::SubType;
using wasm::ValKind;
using wasm::ValType;

namespace {

constexpr HeapKind kAbstract[] = {HeapKind::kAny,   HeapKind::kEq,     HeapKind::kI31,  HeapKind::kStruct,
                                  HeapKind::kArray, HeapKind::kExtern, HeapKind::kFunc, HeapKind::kAny};

bool is_any_hierarchy(HeapKind kind) {
  return kind == HeapKind::kAny || kind == HeapKind::kEq || kind == HeapKind::kI31 || kind == HeapKind::kStruct ||
         kind == HeapKind::kArray || kind == HeapKind::kNone;
}

}  // namespace

GcTypes::GcTypes(ChoiceStream& choices, wasm::ModuleBuilder& module, Count count) : choices_(choices) {
  if (count == Count::kAny && choices.chance(1, 250) && choices.chance(1, 10)) draw_many(module);
  types_.reserve(types_.size() + 32);
  kin_.reserve(types_.size() + 32);
  const uint32_t groups = 2 + choices.below(3);
  for (uint32_t group = 0; group < groups; ++group) {
    const auto begin = static_cast<uint32_t>(types_.size());
    // The kinds of a group's members are fixed before their contents, so that members can name later ones.
    const uint32_t count = 2 + choices.below(5);
    std::vector<CompositeKind> kinds;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t kind = choices.below(8);
      kinds.push_back(kind < 4 ? CompositeKind::kStruct : kind < 6 ? CompositeKind::kArray : CompositeKind::kFunc);
    }
    if (group == 0) {
      kinds[0] = CompositeKind::kStruct;
      kinds[1] = CompositeKind::kStruct;
    }
    const uint32_t end = begin + count;
    for (const CompositeKind kind : kinds) {
      if (kind == CompositeKind::kStruct) draw_struct(end);
      if (kind == CompositeKind::kArray) draw_array(end);
      if (kind == CompositeKind::kFunc) draw_signature(end);
    }
    if (group + 1 == groups) {
      // Every program has arrays of references and of bytes, and something to call through.
      add({.kind = CompositeKind::kArray, .fields = {{{wasm::kAnyRef, Packed::kNone}, true}}});
      add({.kind = CompositeKind::kArray, .fields = {{{wasm::kI32, Packed::kI8}, true}}});
      add({.kind = CompositeKind::kFunc, .params = {wasm::kI32, ref(structs_[0])}, .results = {wasm::kI64}});
      add({.kind = CompositeKind::kFunc, .results = {wasm::kI64}});
      const auto last = static_cast<uint32_t>(types_.size());
      arrays_.insert(arrays_.end(), {last - 4, last - 3});
      signatures_.push_back(last - 2);
      run_signature_ = last - 1;
    }
    add_group(module, begin);
  }
  draw_twins(module);
}

// More types than sixteen bits can number, all different: kinds of fields are the digits of their numbers.
void GcTypes::draw_many(wasm::ModuleBuilder& module) {
  constexpr uint32_t kMany = 66'000;
  static constexpr StorageType kDigits[] = {{wasm::kI32, Packed::kI8},      {wasm::kI32, Packed::kI16},
                                            {wasm::kI32, Packed::kNone},    {wasm::kI64, Packed::kNone},
                                            {wasm::kF32, Packed::kNone},    {wasm::kF64, Packed::kNone},
                                            {wasm::kI31Ref, Packed::kNone}, {wasm::kExternRef, Packed::kNone}};
  for (uint32_t i = 0; i < kMany; ++i) {
    SubType type{.kind = CompositeKind::kStruct};
    type.fields.reserve(6);
    for (uint32_t number = i, digit = 0; digit < 6; number /= std::size(kDigits), ++digit) {
      type.fields.push_back({kDigits[number % std::size(kDigits)], true});
    }
    add(std::move(type));
    add_group(module, i);
  }
  first_ = kMany;
}

// The types from `begin` on are a rec group.
void GcTypes::add_group(wasm::ModuleBuilder& module, uint32_t begin) {
  groups_.emplace_back(begin, static_cast<uint32_t>(types_.size()));
  module.add_rec_group({types_.begin() + begin, types_.end()});
}

ValType GcTypes::shifted(ValType type) const {
  if (!type.is_ref() || !type.heap().is_concrete()) return type;
  return ref(type.heap().number() + shift_, type.nullable());
}

GcTypes::GcTypes(const GcTypes& other, ChoiceStream& choices, wasm::ModuleBuilder& module) : choices_(choices) {
  const uint32_t own = 1 + choices.below(3);
  for (uint32_t i = 0; i < own; ++i) {
    add({.kind = CompositeKind::kStruct,
         .fields = {{{wasm::kF64, Packed::kNone}, i % 2 == 0}, {{wasm::kI64, Packed::kNone}, true}}});
    add_group(module, i);
  }
  shift_ = own;
  first_ = other.first_ + own;
  for (const auto& [begin, end] : other.groups_) {
    for (uint32_t i = begin; i < end; ++i) {
      SubType type = other.types_[i];
      if (type.has_super) type.super += shift_;
      for (ValType& param : type.params) param = shifted(param);
      for (ValType& result : type.results) result = shifted(result);
      for (FieldType& field : type.fields) field.storage.unpacked = shifted(field.storage.unpacked);
      add(std::move(type));
    }
    add_group(module, begin + shift_);
  }
  const auto renumber = [&](std::vector<uint32_t> numbers) {
    for (uint32_t& number : numbers) number += shift_;
    return numbers;
  };
  structs_ = renumber(other.structs_);
  arrays_ = renumber(other.arrays_);
  signatures_ = renumber(other.signatures_);
  twins_ = other.twins_;
  for (Twins& twin : twins_) {
    twin.first += shift_;
    twin.second += shift_;
  }
  run_signature_ = other.run_signature_ + shift_;
}

// A small rec group written again, word for word or with one property changed. Its members take no part in anything but
// type_identity: neither is a declared subtype of the other.
void GcTypes::draw_twins(wasm::ModuleBuilder& module) {
  const auto first = static_cast<uint32_t>(types_.size());
  const auto group = [&](uint32_t self) {
    std::vector<SubType> members = {
        {.kind = CompositeKind::kStruct,
         .is_final = false,
         .fields = {{{wasm::kI32, Packed::kI8}, true},
                    {{ref(self + 1), Packed::kNone}, true},
                    {{wasm::kAnyRef, Packed::kNone}, false}}},
        {.kind = CompositeKind::kStruct,
         .is_final = true,
         .fields = {{{ref(self), Packed::kNone}, false}, {{ref(structs_[0]), Packed::kNone}, true}}}};
    return members;
  };
  const auto add = [&](const std::vector<SubType>& members) {
    const auto begin = static_cast<uint32_t>(types_.size());
    for (const SubType& member : members) this->add(member);
    add_group(module, begin);
  };
  add(group(first));
  const uint32_t second = first + 2;
  std::vector<SubType> again = group(second);
  const uint32_t change = choices_.below(8);
  switch (change) {
    case 0: again[0].is_final = true; break;
    case 1: again[0].fields[1].is_mutable = false; break;
    case 2: again[0].fields[0].storage.packed = Packed::kI16; break;
    case 3: again[0].fields[2].storage.unpacked = wasm::kEqRef; break;
    case 4: again[1].fields[0].storage.unpacked = ref(first); break;  // out of the group instead of into it
    default: break;
  }
  add(again);
  twins_.push_back({first, second, change > 4});
  twins_.push_back({first + 1, second + 1, change > 4});
}

ValType GcTypes::draw_ref(uint32_t below, uint32_t group_end) {
  if (choices_.chance(2, 5)) return ValType::ref(kAbstract[choices_.below(8)], true);
  // A concrete type: an earlier one, possibly non-null, or a later member of the group, nullable. Which kind a later member
  // has does not matter to a field.
  if (below > first_ && choices_.chance(3, 5))
    return ref(first_ + choices_.below(below - first_), !choices_.chance(1, 8));
  return ref(first_ + choices_.below(group_end - first_), true);
}

StorageType GcTypes::draw_storage(uint32_t below, uint32_t group_end) {
  switch (choices_.below(12)) {
    case 0: return {wasm::kI32, Packed::kI8};
    case 1: return {wasm::kI32, Packed::kI16};
    case 2:
    case 3: return {wasm::kI32, Packed::kNone};
    case 4: return {wasm::kI64, Packed::kNone};
    case 5: return {choices_.chance(1, 2) ? wasm::kF64 : wasm::kF32, Packed::kNone};
    default: return {draw_ref(below, group_end), Packed::kNone};
  }
}

void GcTypes::draw_struct(uint32_t group_end) {
  const auto number = static_cast<uint32_t>(types_.size());
  SubType type{.kind = CompositeKind::kStruct, .is_final = choices_.chance(1, 8)};
  std::vector<uint32_t> open;
  for (const uint32_t other : structs_) {
    if (!types_[other].is_final && types_[other].fields.size() < 9) open.push_back(other);
  }
  if (!open.empty() && choices_.chance(3, 4)) {
    type.has_super = true;
    type.super = choices_.pick(open);
    type.fields = types_[type.super].fields;
    // Immutable reference fields may be narrower in a subtype.
    for (FieldType& field : type.fields) {
      if (field.is_mutable || !field.storage.unpacked.is_ref() || !choices_.chance(1, 2)) continue;
      const ValType old = field.storage.unpacked;
      for (const uint32_t candidate : structs_) {
        if (!matches(ref(candidate), old.as_nullable()) || !choices_.chance(1, 2)) continue;
        field.storage.unpacked = ref(candidate, old.nullable());
      }
    }
  }
  const uint32_t added = (type.has_super ? 0 : 1) + choices_.below(4);
  for (uint32_t i = 0; i < added; ++i) {
    type.fields.push_back({draw_storage(number, group_end), choices_.chance(4, 5)});
  }
  structs_.push_back(number);
  add(std::move(type));
}

void GcTypes::draw_array(uint32_t group_end) {
  const auto number = static_cast<uint32_t>(types_.size());
  arrays_.push_back(number);
  add({.kind = CompositeKind::kArray,
       .is_final = choices_.chance(1, 2),
       .fields = {{draw_storage(number, group_end), choices_.chance(9, 10)}}});
}

void GcTypes::draw_signature(uint32_t group_end) {
  const auto number = static_cast<uint32_t>(types_.size());
  SubType type{.kind = CompositeKind::kFunc, .is_final = choices_.chance(1, 3)};
  const auto value = [&] {
    switch (choices_.below(5)) {
      case 0: return wasm::kI32;
      case 1: return wasm::kI64;
      default: return draw_ref(number, group_end).as_nullable();
    }
  };
  std::vector<uint32_t> open;
  for (const uint32_t other : signatures_) {
    if (!types_[other].is_final) open.push_back(other);
  }
  if (!open.empty() && choices_.chance(1, 2)) {
    // A subtype: the same parameters and results, so that a call through the supertype meets it.
    type.has_super = true;
    type.super = choices_.pick(open);
    type.params = types_[type.super].params;
    type.results = types_[type.super].results;
    for (ValType& result : type.results) {
      if (result.is_ref() && result.heap() == HeapKind::kAny && choices_.chance(1, 2)) result = wasm::kEqRef;
    }
  } else {
    for (uint32_t i = choices_.below(4); i > 0; --i) type.params.push_back(value());
    for (uint32_t i = choices_.below(3); i > 0; --i) type.results.push_back(value());
  }
  signatures_.push_back(number);
  add(std::move(type));
}

std::span<const uint32_t> GcTypes::structs_below(uint32_t type) const {
  return structs_below_.of(type, [&](std::vector<uint32_t>& found) {
    for (const uint32_t other : structs_) {
      if (is_below(other, type)) found.push_back(other);
    }
  });
}

std::span<const GcTypes::Field> GcTypes::fields_of(ValType type) const {
  return fields_of_.of(type.bits(), [&](std::vector<Field>& found) {
    for (const uint32_t candidate : structs_) {
      const auto& fields = types_[candidate].fields;
      for (uint32_t i = 0; i < fields.size(); ++i) {
        if (matches(fields[i].storage.unpacked, type)) found.push_back({candidate, i});
      }
    }
  });
}

std::span<const uint32_t> GcTypes::arrays_of(ValType type) const {
  return arrays_of_.of(type.bits(), [&](std::vector<uint32_t>& found) {
    for (const uint32_t candidate : arrays_) {
      if (matches(types_[candidate].fields[0].storage.unpacked, type)) found.push_back(candidate);
    }
  });
}

bool GcTypes::is_below(uint32_t sub, uint32_t super) const {
  while (sub != super) {
    if (sub >= kin_.size()) return false;
    sub = kin_[sub].super;
  }
  return true;
}

bool GcTypes::matches(HeapType sub, HeapType super) const {
  if (sub == super) return true;
  if (sub.is_concrete()) {
    if (super.is_concrete()) return is_below(sub.number(), super.number());
    if (sub.number() >= kin_.size()) return false;  // a later member of a group being drawn
    switch (kin_[sub.number()].kind) {
      case CompositeKind::kFunc: return super == HeapKind::kFunc;
      case CompositeKind::kStruct:
        return super == HeapKind::kStruct || super == HeapKind::kEq || super == HeapKind::kAny;
      case CompositeKind::kArray: return super == HeapKind::kArray || super == HeapKind::kEq || super == HeapKind::kAny;
    }
  }
  switch (sub.kind()) {
    case HeapKind::kNone:
      if (super.is_concrete()) return super.number() < kin_.size() && kin_[super.number()].kind != CompositeKind::kFunc;
      return is_any_hierarchy(super.kind());
    case HeapKind::kNoFunc:
      if (super.is_concrete()) return super.number() < kin_.size() && kin_[super.number()].kind == CompositeKind::kFunc;
      return super == HeapKind::kFunc;
    case HeapKind::kNoExtern: return super == HeapKind::kExtern;
    case HeapKind::kNoExn: return super == HeapKind::kExn;
    case HeapKind::kI31:
    case HeapKind::kStruct:
    case HeapKind::kArray: return super == HeapKind::kEq || super == HeapKind::kAny;
    case HeapKind::kEq: return super == HeapKind::kAny;
    default: return false;
  }
}

HeapType GcTypes::top(HeapType heap) const {
  if (heap.is_concrete()) return types_[heap.number()].kind == CompositeKind::kFunc ? HeapKind::kFunc : HeapKind::kAny;
  if (is_any_hierarchy(heap.kind())) return HeapKind::kAny;
  if (heap == HeapKind::kFunc || heap == HeapKind::kNoFunc) return HeapKind::kFunc;
  if (heap == HeapKind::kExn || heap == HeapKind::kNoExn) return HeapKind::kExn;
  return HeapKind::kExtern;
}

HeapType GcTypes::bottom(HeapType heap) const {
  const HeapType of = top(heap);
  if (of == HeapKind::kFunc) return HeapKind::kNoFunc;
  if (of == HeapKind::kExtern) return HeapKind::kNoExtern;
  if (of == HeapKind::kExn) return HeapKind::kNoExn;
  return HeapKind::kNone;
}

}  // namespace parallax::fuzz
