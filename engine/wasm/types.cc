// Canonical types: rec groups interned by structure, and the matching rules.
#include "engine/wasm/types.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/limits.h"

namespace parallax::wasm {
namespace {

// --- Hashing and comparing of rec groups ---------------------------------------------------------------------------

// A number as it stands in a normalised group: references into the group count from kGroupBase.
struct GroupFrame {
  uint32_t first;  // TypeId of the first member
  uint32_t count;
  uint32_t normal(uint32_t number) const {
    return number - first < count ? TypeStore::kGroupBase + (number - first) : number;
  }
  ValType normal(ValType type) const {
    if (!type.is_ref() || !type.heap().is_concrete()) return type;
    return ValType::ref(HeapType::concrete(normal(type.heap().number())), type.nullable());
  }
};

struct Hasher {
  uint64_t state = 0x9e3779b97f4a7c15;
  void mix(uint64_t value) {
    state = (state ^ value) * 0xff51afd7ed558ccd;
    state ^= state >> 32;
  }
};

// Requires a normalised group.
uint64_t hash_group(std::span<const SubType> group) {
  Hasher h;
  h.mix(group.size());
  for (const SubType& type : group) {
    h.mix(static_cast<uint64_t>(type.kind) | (type.is_final ? 8u : 0u) | (type.has_super ? 16u : 0u));
    if (type.has_super) h.mix(type.super);
    h.mix(type.params.size());
    for (const ValType t : type.params) h.mix(t.bits());
    h.mix(type.results.size());
    for (const ValType t : type.results) h.mix(t.bits());
    h.mix(type.fields.size());
    for (const FieldType& f : type.fields) {
      h.mix(uint64_t{f.storage.unpacked.bits()} << 8 | static_cast<uint64_t>(f.storage.packed) << 1 |
            (f.is_mutable ? 1 : 0));
    }
  }
  return h.state;
}

bool same_types(const std::vector<ValType>& normal, const std::vector<ValType>& stored, GroupFrame frame) {
  return std::equal(normal.begin(), normal.end(), stored.begin(), stored.end(),
                    [&](ValType a, ValType b) { return a == frame.normal(b); });
}

// Whether a normalised type equals a stored one, seen from the stored one's group.
bool same_type(const SubType& normal, const SubType& stored, GroupFrame frame) {
  if (normal.kind != stored.kind || normal.is_final != stored.is_final || normal.has_super != stored.has_super) {
    return false;
  }
  if (normal.has_super && normal.super != frame.normal(stored.super)) return false;
  if (!same_types(normal.params, stored.params, frame) || !same_types(normal.results, stored.results, frame))
    return false;
  return std::equal(normal.fields.begin(), normal.fields.end(), stored.fields.begin(), stored.fields.end(),
                    [&](const FieldType& a, const FieldType& b) {
                      return a.is_mutable == b.is_mutable && a.storage.packed == b.storage.packed &&
                             a.storage.unpacked == frame.normal(b.storage.unpacked);
                    });
}

// --- Abstract heap types ---------------------------------------------------------------------------------------------

constexpr size_t kAbstractCount = static_cast<size_t>(HeapKind::kConcrete);

// ORDER: HeapKind.
struct AbstractRow {
  const char* text;       // as heap type
  const char* shorthand;  // of (ref null <text>)
  Hierarchy hierarchy;
  bool is_bottom;
  uint16_t supers;  // bit set of HeapKinds, itself included
};
constexpr uint16_t bit(HeapKind kind) { return static_cast<uint16_t>(1u << static_cast<unsigned>(kind)); }
constexpr uint16_t kUpToEq = bit(HeapKind::kEq) | bit(HeapKind::kAny);
constexpr AbstractRow kAbstract[kAbstractCount] = {
    {"func", "funcref", Hierarchy::kFunc, false, bit(HeapKind::kFunc)},
    {"nofunc", "nullfuncref", Hierarchy::kFunc, true, bit(HeapKind::kNoFunc) | bit(HeapKind::kFunc)},
    {"extern", "externref", Hierarchy::kExtern, false, bit(HeapKind::kExtern)},
    {"noextern", "nullexternref", Hierarchy::kExtern, true, bit(HeapKind::kNoExtern) | bit(HeapKind::kExtern)},
    {"any", "anyref", Hierarchy::kAny, false, bit(HeapKind::kAny)},
    {"eq", "eqref", Hierarchy::kAny, false, kUpToEq},
    {"i31", "i31ref", Hierarchy::kAny, false, bit(HeapKind::kI31) | kUpToEq},
    {"struct", "structref", Hierarchy::kAny, false, bit(HeapKind::kStruct) | kUpToEq},
    {"array", "arrayref", Hierarchy::kAny, false, bit(HeapKind::kArray) | kUpToEq},
    {"none", "nullref", Hierarchy::kAny, true,
     bit(HeapKind::kNone) | bit(HeapKind::kI31) | bit(HeapKind::kStruct) | bit(HeapKind::kArray) | kUpToEq},
    {"exn", "exnref", Hierarchy::kExn, false, bit(HeapKind::kExn)},
    {"noexn", "nullexnref", Hierarchy::kExn, true, bit(HeapKind::kNoExn) | bit(HeapKind::kExn)},
};
const AbstractRow& row(HeapKind kind) { return kAbstract[static_cast<size_t>(kind)]; }
bool is_super(HeapKind sub, HeapKind super) { return (row(sub).supers & bit(super)) != 0; }

// The abstract type directly above a concrete one.
constexpr HeapKind abstract_of(CompositeKind kind) {
  switch (kind) {
    case CompositeKind::kFunc: return HeapKind::kFunc;
    case CompositeKind::kStruct: return HeapKind::kStruct;
    case CompositeKind::kArray: return HeapKind::kArray;
  }
  return HeapKind::kAny;
}

}  // namespace

// Groups by hash. Different groups with one hash stand side by side and are told apart by structure.
struct TypeStore::Groups {
  struct Group {
    uint32_t first;
    uint32_t count;
  };
  std::unordered_multimap<uint64_t, Group> by_hash;
  uint64_t mask;
};

TypeStore::TypeStore(uint64_t hash_mask) : groups_(std::make_unique<Groups>(Groups{{}, hash_mask})) {}
TypeStore::~TypeStore() = default;

TypeId TypeStore::intern(std::vector<SubType> group) {
  const uint64_t hash = hash_group(group) & groups_->mask;
  const auto [begin, end] = groups_->by_hash.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const auto [first, count] = it->second;
    if (count != group.size()) continue;
    bool same = true;
    for (uint32_t i = 0; i < count && same; ++i) same = same_type(group[i], *types_[first + i], {first, count});
    if (same) return TypeId(first);
  }
  const TypeId first = add(std::move(group));
  groups_->by_hash.emplace(hash, Groups::Group{first.raw, static_cast<uint32_t>(size() - first.raw)});
  return first;
}

// Appends a normalised group as new types; from here on its numbers are TypeIds.
TypeId TypeStore::add(std::vector<SubType> group) {
  const auto first = static_cast<uint32_t>(types_.size());
  CHECK(first + group.size() <= kMaxTypes, "types: store is full with {} types", first);
  const auto absolute = [&](uint32_t number) { return number >= kGroupBase ? first + (number - kGroupBase) : number; };
  const auto resolve = [&](ValType& type) {
    if (!type.is_ref() || !type.heap().is_concrete()) return;
    type = ValType::ref(HeapType::concrete(absolute(type.heap().number())), type.nullable());
  };
  for (SubType& type : group) {
    const TypeId id(static_cast<uint32_t>(types_.size()));
    for (ValType& t : type.params) resolve(t);
    for (ValType& t : type.results) resolve(t);
    for (FieldType& f : type.fields) resolve(f.storage.unpacked);
    std::span<const TypeId> above;
    if (type.has_super) {
      type.super = absolute(type.super);
      CHECK(type.super < id.raw, "types: supertype {} of {} is not before it", type.super, id.raw);
      above = ancestors_[type.super];
    }
    CHECK(above.size() <= kMaxSubtypeDepth, "types: {} is too deep", id.raw);
    const std::span<TypeId> line = new_line(above.size() + 1);
    std::copy(above.begin(), above.end(), line.begin());
    line.back() = id;
    ancestors_.push_back(line);
    types_.push_back(std::make_unique<const SubType>(std::move(type)));
  }
  return TypeId(first);
}

std::span<TypeId> TypeStore::new_line(size_t length) {
  constexpr size_t kPiece = 256;
  static_assert(kPiece > kMaxSubtypeDepth);
  if (line_space_ < length) {
    lines_.push_back(std::make_unique<TypeId[]>(kPiece));
    line_space_ = kPiece;
  }
  const std::span<TypeId> line(lines_.back().get() + (kPiece - line_space_), length);
  line_space_ -= length;
  return line;
}

TypeId TypeStore::intern_func(std::vector<ValType> params, std::vector<ValType> results) {
  SubType type;
  type.params = std::move(params);
  type.results = std::move(results);
  std::vector<SubType> group;
  group.push_back(std::move(type));
  return intern(std::move(group));
}

bool TypeStore::is_subtype(TypeId sub, TypeId super) const {
  const std::span<const TypeId> line = ancestors_[sub.index()];
  const size_t depth = ancestors_[super.index()].size() - 1;
  return depth < line.size() && line[depth] == super;
}

bool TypeStore::matches(HeapType sub, HeapType super) const {
  if (sub == super) return true;
  if (sub.is_concrete()) {
    if (super.is_concrete()) return is_subtype(sub.type_id(), super.type_id());
    return is_super(abstract_of(get(sub.type_id()).kind), super.kind());
  }
  // Below a concrete type stand only the types below its kind that are bottoms.
  if (super.is_concrete())
    return row(sub.kind()).is_bottom && is_super(sub.kind(), abstract_of(get(super.type_id()).kind));
  return is_super(sub.kind(), super.kind());
}

bool TypeStore::matches(ValType sub, ValType super) const {
  if (sub == super || sub.is_bottom()) return true;
  if (!sub.is_ref() || !super.is_ref()) return false;
  if (sub == kBottomRef) return true;
  if (sub.nullable() && !super.nullable()) return false;
  return matches(sub.heap(), super.heap());
}

bool TypeStore::matches(const SubType& sub, const SubType& super) const {
  if (sub.kind != super.kind) return false;
  const auto all = [&](const std::vector<ValType>& a, const std::vector<ValType>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [&](ValType x, ValType y) { return matches(x, y); });
  };
  if (sub.kind == CompositeKind::kFunc) return all(super.params, sub.params) && all(sub.results, super.results);
  if (sub.fields.size() < super.fields.size()) return false;  // structs may add fields; arrays have one
  return std::equal(super.fields.begin(), super.fields.end(), sub.fields.begin(),
                    [&](const FieldType& b, const FieldType& a) {
                      if (a.is_mutable != b.is_mutable || a.storage.packed != b.storage.packed) return false;
                      if (a.is_mutable) return a.storage.unpacked == b.storage.unpacked;  // invariant
                      return matches(a.storage.unpacked, b.storage.unpacked);
                    });
}

Hierarchy TypeStore::hierarchy(HeapType heap) const {
  return row(heap.is_concrete() ? abstract_of(get(heap.type_id()).kind) : heap.kind()).hierarchy;
}

HeapType TypeStore::top(HeapType heap) const {
  switch (hierarchy(heap)) {
    case Hierarchy::kAny: return HeapKind::kAny;
    case Hierarchy::kFunc: return HeapKind::kFunc;
    case Hierarchy::kExtern: return HeapKind::kExtern;
    case Hierarchy::kExn: return HeapKind::kExn;
  }
  return HeapKind::kAny;
}

HeapType TypeStore::bottom(HeapType heap) const {
  switch (hierarchy(heap)) {
    case Hierarchy::kAny: return HeapKind::kNone;
    case Hierarchy::kFunc: return HeapKind::kNoFunc;
    case Hierarchy::kExtern: return HeapKind::kNoExtern;
    case Hierarchy::kExn: return HeapKind::kNoExn;
  }
  return HeapKind::kNone;
}

ValType TypeStore::difference(ValType from, ValType minus) const {
  return minus.nullable() ? from.as_non_null() : from;
}

std::string TypeStore::print(ValType type) const { return to_string(type); }

std::string TypeStore::print(const SubType& type) const {
  std::string text = "(sub";
  if (type.is_final) text += " final";
  if (type.has_super) text += text::format(" {}", type.super);
  const auto list = [&](const char* keyword, const std::vector<ValType>& types) {
    for (const ValType t : types) text += text::format(" ({} {})", keyword, to_string(t));
  };
  const auto fields = [&](const char* keyword) {
    for (const FieldType& f : type.fields) {
      const std::string storage = to_string(f.storage);
      text += text::format(" ({} {})", keyword, f.is_mutable ? "(mut " + storage + ")" : storage);
    }
  };
  switch (type.kind) {
    case CompositeKind::kFunc:
      text += " (func";
      list("param", type.params);
      list("result", type.results);
      break;
    case CompositeKind::kStruct:
      text += " (struct";
      fields("field");
      break;
    case CompositeKind::kArray:
      text += " (array";
      for (const FieldType& f : type.fields) {
        text += f.is_mutable ? text::format(" (mut {})", to_string(f.storage)) : " " + to_string(f.storage);
      }
      break;
  }
  return text + "))";
}

std::string to_string(HeapType type) {
  if (type.is_concrete()) return text::format("{}", type.number());
  return static_cast<size_t>(type.kind()) < kAbstractCount ? row(type.kind()).text : "bot";
}

std::string to_string(ValType type) {
  switch (type.kind()) {
    case ValKind::kI32: return "i32";
    case ValKind::kI64: return "i64";
    case ValKind::kF32: return "f32";
    case ValKind::kF64: return "f64";
    case ValKind::kV128: return "v128";
    case ValKind::kBottom: return "bot";
    case ValKind::kRef: break;
  }
  const HeapType heap = type.heap();
  if (type.nullable() && !heap.is_concrete()) return row(heap.kind()).shorthand;
  return text::format("(ref {}{})", type.nullable() ? "null " : "", to_string(heap));
}

std::string to_string(StorageType type) {
  switch (type.packed) {
    case Packed::kI8: return "i8";
    case Packed::kI16: return "i16";
    case Packed::kNone: break;
  }
  return to_string(type.unpacked);
}

}  // namespace parallax::wasm
