// WebAssembly types, and the store that makes them canonical.
//
// A heap type is an abstract one or a concrete one, a reference type adds nullness, a value type is a number, vector or
// reference type. All are small values of 32 bits, compared by ==.
//
// Concrete heap types carry a number. In a module decoded with TypeNaming::kCanonical (validation, execution) it is a
// TypeId of the TypeStore: two types of any modules are the same type exactly if their TypeIds are equal. In a module
// decoded with TypeNaming::kModule (printing, mutation, reduction, encoding) it is the TypeIndex as written.
//
// Canonicalisation is iso-recursive and by rec group (specification, "Type equivalence"; matching is
// section "Matching" of the validation chapter): a group is hashed with its inner references relative to the group.
// Every group is compared structurally, never by hash alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/ids.h"

namespace parallax::wasm {

using TypeIndex = Id<struct TypeIndexTag>;  // position in a module's type section (flattened over rec groups)
using TypeId = Id<struct TypeIdTag>;        // canonical, from a TypeStore

// ORDER: abstract heap types first, kConcrete last; is_abstract and the subtype table rely on it.
enum class HeapKind : uint8_t {
  kFunc,
  kNoFunc,
  kExtern,
  kNoExtern,
  kAny,
  kEq,
  kI31,
  kStruct,
  kArray,
  kNone,
  kExn,
  kNoExn,
  kConcrete,
};

// The four disjoint hierarchies of references. A value of one is never a value of another, except through
// any.convert_extern and extern.convert_any.
enum class Hierarchy : uint8_t { kAny, kFunc, kExtern, kExn };

class HeapType {
 public:
  constexpr HeapType() = default;
  constexpr HeapType(HeapKind kind) : kind_(kind) {}  // NOLINT: implicit on purpose, abstract kinds are heap types
  static constexpr HeapType concrete(uint32_t number) {
    HeapType type(HeapKind::kConcrete);
    type.number_ = number;
    return type;
  }
  static constexpr HeapType concrete(TypeId id) { return concrete(id.raw); }

  constexpr HeapKind kind() const { return kind_; }
  constexpr bool is_concrete() const { return kind_ == HeapKind::kConcrete; }
  // TypeId or TypeIndex by the module's naming. Requires is_concrete().
  constexpr uint32_t number() const { return number_; }
  constexpr TypeId type_id() const { return TypeId(number_); }

  friend constexpr bool operator==(HeapType, HeapType) = default;

 private:
  HeapKind kind_ = HeapKind::kAny;
  uint32_t number_ : 24 = 0;
};

// At most this many distinct types in one TypeStore (the specification's suite and engines use 1,000,000).
inline constexpr uint32_t kMaxTypes = 1'000'000;

enum class ValKind : uint8_t {
  kI32,
  kI64,
  kF32,
  kF64,
  kV128,
  kRef,
  kBottom,  // only during validation: a value of unreachable code, a subtype of everything
};

class ValType {
 public:
  constexpr ValType() = default;
  constexpr ValType(ValKind kind) : bits_(static_cast<uint32_t>(kind)) {}  // NOLINT: implicit on purpose
  static constexpr ValType ref(HeapType heap, bool nullable) {
    ValType type(ValKind::kRef);
    type.bits_ |=
        (nullable ? 8u : 0u) | static_cast<uint32_t>(heap.kind()) << 4 | (heap.is_concrete() ? heap.number() : 0u) << 8;
    return type;
  }

  constexpr ValKind kind() const { return static_cast<ValKind>(bits_ & 7u); }
  constexpr bool is_ref() const { return kind() == ValKind::kRef; }
  constexpr bool is_num() const { return kind() <= ValKind::kF64; }
  constexpr bool is_bottom() const { return kind() == ValKind::kBottom; }
  // The next ones require is_ref().
  constexpr bool nullable() const { return (bits_ & 8u) != 0; }
  constexpr HeapType heap() const {
    const auto kind = static_cast<HeapKind>(bits_ >> 4 & 15u);
    return kind == HeapKind::kConcrete ? HeapType::concrete(bits_ >> 8) : HeapType(kind);
  }
  constexpr ValType as_non_null() const { return ref(heap(), false); }
  constexpr ValType as_nullable() const { return ref(heap(), true); }
  // Whether a variable of this type has a default value (numbers, vectors, nullable references).
  constexpr bool is_defaultable() const { return !is_ref() || nullable(); }

  constexpr uint32_t bits() const { return bits_; }
  friend constexpr bool operator==(ValType, ValType) = default;

 private:
  uint32_t bits_ = 0;  // kind:3 nullable:1 heap kind:4 number:24
};

inline constexpr ValType kI32{ValKind::kI32};
inline constexpr ValType kI64{ValKind::kI64};
inline constexpr ValType kF32{ValKind::kF32};
inline constexpr ValType kF64{ValKind::kF64};
inline constexpr ValType kV128{ValKind::kV128};
inline constexpr ValType kBottom{ValKind::kBottom};
// Only during validation, in unreachable code: a reference of unknown type, subtype of every reference.
inline constexpr ValType kBottomRef = ValType::ref(static_cast<HeapKind>(15), false);
inline constexpr ValType kFuncRef = ValType::ref(HeapKind::kFunc, true);
inline constexpr ValType kExternRef = ValType::ref(HeapKind::kExtern, true);
inline constexpr ValType kAnyRef = ValType::ref(HeapKind::kAny, true);
inline constexpr ValType kEqRef = ValType::ref(HeapKind::kEq, true);
inline constexpr ValType kI31Ref = ValType::ref(HeapKind::kI31, true);
inline constexpr ValType kExnRef = ValType::ref(HeapKind::kExn, true);

enum class Packed : uint8_t { kNone, kI8, kI16 };

// What a field or array element holds: a value type, or a packed integer that reads as i32.
struct StorageType {
  ValType unpacked;  // kI32 when packed
  Packed packed = Packed::kNone;
  friend constexpr bool operator==(StorageType, StorageType) = default;
};

struct FieldType {
  StorageType storage;
  bool is_mutable = false;
  friend constexpr bool operator==(FieldType, FieldType) = default;
};

enum class CompositeKind : uint8_t { kFunc, kStruct, kArray };

// A sub type definition: composite type, declared supertype, finality.
struct SubType {
  CompositeKind kind = CompositeKind::kFunc;
  bool is_final = true;
  bool has_super = false;
  uint32_t super = 0;             // TypeId or TypeIndex by naming; only when has_super
  std::vector<ValType> params;    // functions
  std::vector<ValType> results;   // functions
  std::vector<FieldType> fields;  // structs; one element for arrays
  friend bool operator==(const SubType&, const SubType&) = default;
};

// Canonical types of one engine. Types are added by decoding and are immutable afterwards; nothing is ever removed, so
// a long-running process makes a new store per case. Not synchronised: one thread adds, and no one reads meanwhile.
class TypeStore {
 public:
  // `hash_mask` is for tests: bits of the structural hash that are used. With 0 every group collides with every other,
  // and nothing else may change.
  explicit TypeStore(uint64_t hash_mask = ~uint64_t{0});
  ~TypeStore();
  TypeStore(const TypeStore&) = delete;
  TypeStore& operator=(const TypeStore&) = delete;

  // Adds a rec group, or finds the equal one. In `group`, concrete numbers below `kGroupBase` are TypeIds of this
  // store; kGroupBase + i names member i of the group itself. Returns the TypeId of the first member; members are
  // consecutive. Requires: numbers name types, a supertype stands before its subtype, depths are within
  // kMaxSubtypeDepth, size() + group.size() <= kMaxTypes. Whether a type matches its supertype is the caller's to
  // check (decode does, with the interned types).
  static constexpr uint32_t kGroupBase = 1u << 23;
  TypeId intern(std::vector<SubType> group);
  // A group of one final function type.
  TypeId intern_func(std::vector<ValType> params, std::vector<ValType> results);

  size_t size() const { return types_.size(); }
  const SubType& get(TypeId id) const { return *types_[id.index()]; }

  // Declared ancestry: depth 0 is a type without supertype; ancestors(id)[d] is its ancestor at depth d, itself last.
  uint32_t depth(TypeId id) const { return static_cast<uint32_t>(ancestors_[id.index()].size() - 1); }
  // Stays where it is as long as the store lives.
  std::span<const TypeId> ancestors(TypeId id) const { return ancestors_[id.index()]; }
  bool is_subtype(TypeId sub, TypeId super) const;

  // Matching (specification, validation: "Matching"). Numbers are TypeIds.
  bool matches(HeapType sub, HeapType super) const;
  bool matches(ValType sub, ValType super) const;
  bool matches(const SubType& sub,
               const SubType& super) const;  // composite types only: the rule for declared supertypes
  Hierarchy hierarchy(HeapType heap) const;
  HeapType top(HeapType heap) const;
  HeapType bottom(HeapType heap) const;
  // Greatest lower bound and difference used by typing of casts ("diff" in the specification).
  ValType difference(ValType from, ValType minus) const;

  // Text of types, e.g. "(ref null $3)", with TypeIds as numbers.
  std::string print(ValType type) const;
  std::string print(const SubType& type) const;

 private:
  struct Groups;
  TypeId add(std::vector<SubType> group);
  std::span<TypeId> new_line(size_t length);

  std::vector<std::unique_ptr<const SubType>> types_;
  std::vector<std::span<const TypeId>> ancestors_;
  std::vector<std::unique_ptr<TypeId[]>> lines_;  // what those point into, piece by piece
  size_t line_space_ = 0;                         // at the end of the last piece
  std::unique_ptr<Groups> groups_;
};

// "i32", "(ref null 3)", "anyref": the text format's spelling; concrete numbers are printed as they are.
std::string to_string(ValType type);
std::string to_string(HeapType type);
std::string to_string(StorageType type);

}  // namespace parallax::wasm
