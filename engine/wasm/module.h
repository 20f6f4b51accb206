// A decoded module: everything but function bodies is parsed; bodies stay byte ranges that FuncWalk reads.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/types.h"

namespace parallax::wasm {

enum class TypeNaming : uint8_t {
  kCanonical,  // concrete numbers are TypeIds of the store given to decode
  kModule,     // concrete numbers are the module's TypeIndices as written
};

enum class ExternKind : uint8_t { kFunc, kTable, kMemory, kGlobal, kTag };

struct Limits {
  uint64_t min = 0;
  std::optional<uint64_t> max;
  bool is_64 = false;  // address type i64
};

struct TableType {
  ValType element;
  Limits limits;
};
struct MemoryType {
  Limits limits;  // in pages of 64 KiB
};
struct GlobalType {
  ValType value;
  bool is_mutable = false;
};

// A byte range of the module.
struct Range {
  WasmOffset begin = 0;
  WasmOffset end = 0;
  uint32_t size() const { return end - begin; }
};

// A constant expression: the byte range includes its `end`.
using ConstExpr = Range;

struct Import {
  std::string module;
  std::string name;
  ExternKind kind;
  uint32_t index = 0;  // in the index space of its kind
  WasmOffset offset = 0;
};
struct Export {
  std::string name;
  ExternKind kind;
  uint32_t index = 0;
  WasmOffset offset = 0;
};

struct Func {
  uint32_t type = 0;  // TypeIndex as declared
  TypeId type_id;     // canonical (invalid under TypeNaming::kModule)
  bool imported = false;
  bool declared_ref = false;  // may be named by ref.func in a body (specification, context C.refs)
  Range body;                 // locals and code, without the size; empty when imported
};
struct Table {
  TableType type;
  bool imported = false;
  std::optional<ConstExpr> init;
  WasmOffset offset = 0;  // of its entry; so for the others
};
struct Memory {
  MemoryType type;
  bool imported = false;
  WasmOffset offset = 0;
};
struct Global {
  GlobalType type;
  bool imported = false;
  ConstExpr init;
  WasmOffset offset = 0;
};
struct Tag {
  uint32_t type = 0;
  TypeId type_id;
  bool imported = false;
  WasmOffset offset = 0;
};

enum class SegmentMode : uint8_t { kPassive, kActive, kDeclarative };
struct ElemSegment {
  SegmentMode mode = SegmentMode::kPassive;
  TableIndex table{0};
  ConstExpr offset;
  ValType type;
  // Either function indices or constant expressions.
  bool uses_exprs = false;
  std::vector<FuncIndex> funcs;
  std::vector<ConstExpr> exprs;
  WasmOffset entry = 0;  // where the segment's entry begins
  size_t size() const { return uses_exprs ? exprs.size() : funcs.size(); }
};
struct DataSegment {
  SegmentMode mode = SegmentMode::kPassive;
  MemoryIndex memory{0};
  ConstExpr offset;
  Range bytes;
  WasmOffset entry = 0;  // where the segment's entry begins
};

struct RecGroup {
  uint32_t first = 0;  // TypeIndex
  uint32_t count = 0;
  bool explicit_rec = false;  // written as (rec ...), even around one type
};

// The type definitions of a module, by TypeIndex. Those of a type store are shared with it, not copied: Module::store keeps
// them. Others are the list's own, and are never changed once they are in it.
class TypeList {
 public:
  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = SubType;
    using difference_type = std::ptrdiff_t;
    using pointer = const SubType*;
    using reference = const SubType&;
    Iterator() = default;
    explicit Iterator(const SubType* const* at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return *at_; }
    reference operator[](difference_type n) const { return *at_[n]; }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator++(int) { return Iterator(at_++); }
    Iterator operator--(int) { return Iterator(at_--); }
    Iterator& operator+=(difference_type n) { return at_ += n, *this; }
    Iterator& operator-=(difference_type n) { return at_ -= n, *this; }
    friend Iterator operator+(Iterator it, difference_type n) { return it += n; }
    friend Iterator operator+(difference_type n, Iterator it) { return it += n; }
    friend Iterator operator-(Iterator it, difference_type n) { return it -= n; }
    friend difference_type operator-(Iterator a, Iterator b) { return a.at_ - b.at_; }
    friend auto operator<=>(Iterator, Iterator) = default;

   private:
    const SubType* const* at_ = nullptr;
  };

  size_t size() const { return types_.size(); }
  bool empty() const { return types_.empty(); }
  const SubType& operator[](size_t index) const { return *types_[index]; }
  const SubType& back() const { return *types_.back(); }
  Iterator begin() const { return Iterator(types_.data()); }
  Iterator end() const { return Iterator(types_.data() + types_.size()); }
  void push_back(SubType type) {
    own_.push_back(std::make_shared<const SubType>(std::move(type)));
    types_.push_back(own_.back().get());
  }
  // `type` must stay where it is as long as this list or a copy of it lives.
  void share(const SubType& type) { types_.push_back(&type); }

 private:
  std::vector<const SubType*> types_;
  std::vector<std::shared_ptr<const SubType>> own_;
};

// Exports by name: open addressing, so that making it costs less than sorting. Speaks of the exports it was made of.
class ExportIndex {
 public:
  // Answers the position of the first export whose name an earlier one has, or their number.
  size_t build(std::span<const Export> exports);
  // Null when there is none.
  const Export* find(std::span<const Export> exports, std::string_view name) const;
  bool is_built() const { return !slots_.empty(); }

 private:
  std::vector<uint32_t> slots_;  // position + 1; 0 is free
};

struct CustomSection {
  std::string name;
  Range content;
  uint32_t after_section = 0;  // id of the last non-custom section before it, 0 for none
};

struct Module {
  std::vector<uint8_t> bytes;  // the whole binary; every Range points here
  TypeNaming naming = TypeNaming::kCanonical;
  std::shared_ptr<TypeStore> store;  // null under kModule

  std::vector<RecGroup> rec_groups;
  TypeList types;                // by TypeIndex, numbers by `naming`
  std::vector<TypeId> type_ids;  // by TypeIndex; empty under kModule

  std::vector<Import> imports;
  std::vector<Func> funcs;  // imports first, in every index space
  std::vector<Table> tables;
  std::vector<Memory> memories;
  std::vector<Global> globals;
  std::vector<Tag> tags;
  std::vector<Export> exports;
  ExportIndex export_index;  // kCanonical only: such a module is not changed any more
  std::optional<FuncIndex> start;
  WasmOffset start_offset = 0;
  std::vector<ElemSegment> elems;
  std::vector<DataSegment> datas;
  std::optional<uint32_t> data_count;
  std::vector<CustomSection> customs;

  uint32_t imported_funcs = 0;
  uint32_t imported_tables = 0;
  uint32_t imported_memories = 0;
  uint32_t imported_globals = 0;
  uint32_t imported_tags = 0;

  std::span<const uint8_t> at(Range range) const { return std::span(bytes).subspan(range.begin, range.size()); }
  // The function type of a function, tag or type index. Requires that it is one (true after validation).
  const SubType& func_type(FuncIndex f) const { return types[funcs[f.index()].type]; }
  const SubType& tag_type(TagIndex t) const { return types[tags[t.index()].type]; }
  const Export* find_export(std::string_view name) const;
  // The function whose body holds this offset; invalid when none does. Logarithmic.
  FuncIndex func_at(WasmOffset offset) const;
};

struct DecodeOptions {
  Features features;
  TypeNaming naming = TypeNaming::kCanonical;
};

// Parses the binary format (specification, chapter "Binary Format"). Total: any bytes give a module or an error with
// offset; time and memory are linear in the input. Under kCanonical `store` must be given, and type definitions are
// validated and interned as they are read; under kModule `store` may be null.
Result<Module> decode(std::vector<uint8_t> bytes, std::shared_ptr<TypeStore> store, const DecodeOptions& options = {});

// Validates everything that decode has not: index spaces, constant expressions, function bodies, segments, exports,
// start. Requires TypeNaming::kCanonical. Errors name the offset and the rule.
Result<> validate(Module& module, const Features& features = {});

// decode under kCanonical, then validate.
Result<Module> load(std::vector<uint8_t> bytes, std::shared_ptr<TypeStore> store, const Features& features = {});

}  // namespace parallax::wasm
