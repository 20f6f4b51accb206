// ModuleBuilder and CodeWriter: modules made in memory, encoded to the binary format.
//
// Used by the text parser, by generators, reducers and tests. Everything is under TypeNaming::kModule: concrete numbers
// are type indices. Nothing is checked: a builder can make invalid modules on purpose; malformed ones only through
// raw bytes. Imports must be added before definitions of their kind (index spaces put imports first).
//
//   ModuleBuilder m;
//   const TypeIndex t = m.add_func_type({kI32}, {kI32});
//   const FuncIndex f = m.add_func(t, {}, CodeWriter().local_get(0).i32_const(1).op(Opcode::I32Add).end());
//   m.add_export("inc", ExternKind::kFunc, f.raw);
//   std::vector<uint8_t> bytes = m.encode();
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/wasm/encode.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"
#include "engine/wasm/names.h"
#include "engine/wasm/types.h"

namespace parallax::wasm {

// A sequence of instructions as bytes. Every call appends one instruction and returns the writer.
class CodeWriter {
 public:
  // Any instruction, by its immediates in `instr` (instr.offset is ignored).
  CodeWriter& instr(const Instr& instr);

  // By shape. `op(op)`: no immediates; `op(op, a)`: one index (or lane, or the element count of SelectTypes none);
  // `op(op, a, b)`: two, in the order of Instr's members a and b.
  CodeWriter& op(Opcode op);
  CodeWriter& op(Opcode op, uint32_t a);
  CodeWriter& op(Opcode op, uint32_t a, uint32_t b);
  CodeWriter& mem(Opcode op, MemArg mem, uint8_t lane = 0);
  CodeWriter& lane(Opcode op, uint8_t lane);

  CodeWriter& block(Opcode op, BlockType type = {});     // block, loop, if, try
  CodeWriter& block(Opcode op, ValType result);          // one result, no parameters
  CodeWriter& block_of_type(Opcode op, TypeIndex type);  // by function type
  CodeWriter& try_table(BlockType type, std::span<const Catch> catches);
  CodeWriter& br_table(std::span<const uint32_t> labels_default_last);
  CodeWriter& select(std::span<const ValType> types);
  CodeWriter& ref_null(HeapType heap);
  // ref.test, ref.cast (the null forms are chosen by the type's nullness).
  CodeWriter& ref_test(ValType type);
  CodeWriter& ref_cast(ValType type);
  CodeWriter& br_on_cast(Opcode op, uint32_t label, ValType from, ValType to);

  CodeWriter& i32_const(int32_t value);
  CodeWriter& i64_const(int64_t value);
  CodeWriter& f32_const(uint32_t bits);
  CodeWriter& f64_const(uint64_t bits);
  CodeWriter& v128_const(const std::array<uint8_t, 16>& bytes);
  CodeWriter& local_get(uint32_t local) { return op(Opcode::LocalGet, local); }
  CodeWriter& local_set(uint32_t local) { return op(Opcode::LocalSet, local); }
  CodeWriter& call(FuncIndex func) { return op(Opcode::Call, func.raw); }
  CodeWriter& end() { return op(Opcode::End); }

  // Appends bytes as they are.
  CodeWriter& raw(std::span<const uint8_t> bytes);

  void reserve(size_t size) { out_.reserve(size); }
  size_t size() const { return out_.size(); }
  std::span<const uint8_t> bytes() const { return out_.bytes(); }
  std::vector<uint8_t> take() { return std::move(out_).take(); }

 private:
  ByteWriter out_;
};

class ModuleBuilder {
 public:
  // --- Types -----------------------------------------------------------------------------------------------------
  // A rec group; members may name each other by their future indices (next_type() is the first one's).
  TypeIndex add_rec_group(std::vector<SubType> members);
  // A group of one, in the abbreviated encoding.
  TypeIndex add_type(SubType type);
  // A final function type without supertype; the same one is not added twice.
  TypeIndex add_func_type(std::vector<ValType> params, std::vector<ValType> results);
  TypeIndex next_type() const { return TypeIndex(static_cast<uint32_t>(types_.size())); }
  const SubType& type(TypeIndex index) const { return types_[index.index()]; }

  // --- Imports ---------------------------------------------------------------------------------------------------
  FuncIndex import_func(std::string module, std::string name, TypeIndex type);
  TableIndex import_table(std::string module, std::string name, TableType type);
  MemoryIndex import_memory(std::string module, std::string name, MemoryType type);
  GlobalIndex import_global(std::string module, std::string name, GlobalType type);
  TagIndex import_tag(std::string module, std::string name, TypeIndex type);

  // --- Definitions -----------------------------------------------------------------------------------------------
  // `code` is the body after the locals, its last `end` included. Locals are the declared ones, without parameters.
  FuncIndex add_func(TypeIndex type, std::vector<ValType> locals, std::vector<uint8_t> code);
  FuncIndex add_func(TypeIndex type, std::vector<ValType> locals, CodeWriter& code) {
    return add_func(type, std::move(locals), code.take());
  }
  // Declares now, so that bodies can call each other; the body follows with set_body.
  FuncIndex declare_func(TypeIndex type);
  void set_body(FuncIndex func, std::vector<ValType> locals, std::vector<uint8_t> code);
  // `init` (with its `end`) or the default.
  TableIndex add_table(TableType type, std::optional<std::vector<uint8_t>> init = std::nullopt);
  MemoryIndex add_memory(MemoryType type);
  GlobalIndex add_global(GlobalType type, std::vector<uint8_t> init);
  TagIndex add_tag(TypeIndex type);

  void add_export(std::string name, ExternKind kind, uint32_t index);
  void set_start(FuncIndex func) { start_ = func; }

  // --- Segments --------------------------------------------------------------------------------------------------
  struct Elem {
    SegmentMode mode = SegmentMode::kPassive;
    TableIndex table{0};
    std::vector<uint8_t> offset;  // kActive: constant expression with its `end`
    ValType type = kFuncRef;
    bool uses_exprs = false;
    std::vector<FuncIndex> funcs;
    std::vector<std::vector<uint8_t>> exprs;  // each with its `end`
  };
  struct Data {
    SegmentMode mode = SegmentMode::kPassive;
    MemoryIndex memory{0};
    std::vector<uint8_t> offset;
    std::vector<uint8_t> bytes;
  };
  ElemIndex add_elem(Elem elem);
  DataIndex add_data(Data data);
  // Whether to write the data count section. Default: when there is a data segment.
  void set_data_count(bool present) { data_count_ = present; }

  // A custom section, written after the section with id `after_section` (0: first of all; default: at the end).
  static constexpr uint32_t kAtEnd = ~uint32_t{0};
  void add_custom(std::string name, std::vector<uint8_t> content, uint32_t after_section = kAtEnd);
  // The name section; written at the end when it is not empty.
  ModuleNames& names() { return names_; }

  size_t func_count() const { return funcs_.size(); }
  size_t table_count() const { return tables_; }
  size_t memory_count() const { return memories_; }
  size_t global_count() const { return globals_; }
  size_t tag_count() const { return tags_; }
  TypeIndex func_type_of(FuncIndex func) const { return funcs_[func.index()].type; }

  std::vector<uint8_t> encode() const;

 private:
  struct ImportItem {
    std::string module, name;
    ExternKind kind;
    TypeIndex type;
    TableType table;
    MemoryType memory;
    GlobalType global;
  };
  struct FuncItem {
    TypeIndex type;
    bool imported = false;
    std::vector<ValType> locals;
    std::vector<uint8_t> code;
  };
  struct TableItem {
    TableType type;
    std::optional<std::vector<uint8_t>> init;
  };
  struct GlobalItem {
    GlobalType type;
    std::vector<uint8_t> init;
  };
  struct ExportItem {
    std::string name;
    ExternKind kind;
    uint32_t index;
  };
  struct CustomItem {
    std::string name;
    std::vector<uint8_t> content;
    uint32_t after_section;
  };

  std::vector<SubType> types_;
  std::vector<RecGroup> groups_;
  std::vector<uint32_t> lone_funcs_;  // function types that are a group of their own
  std::vector<ImportItem> imports_;
  std::vector<FuncItem> funcs_;
  std::vector<TableItem> defined_tables_;
  std::vector<MemoryType> defined_memories_;
  std::vector<GlobalItem> defined_globals_;
  std::vector<TypeIndex> defined_tags_;
  size_t tables_ = 0, memories_ = 0, globals_ = 0, tags_ = 0;
  std::vector<ExportItem> exports_;
  std::optional<FuncIndex> start_;
  std::vector<Elem> elems_;
  std::vector<Data> datas_;
  std::optional<bool> data_count_;
  std::vector<CustomItem> customs_;
  ModuleNames names_;
};

}  // namespace parallax::wasm
