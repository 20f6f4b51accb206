#include "engine/wasm/builder.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "engine/base/check.h"
#include "engine/wasm/sections.h"

namespace parallax::wasm {

// --- CodeWriter --------------------------------------------------------------------------------------------------------
//
// The common shapes are written here as encode() would write them: that takes any instruction, and making one of its kind
// costs more than writing it.

namespace {

// Immediates that are one index, or two in the order of Instr's members.
struct Indices {
  bool is_one = false, are_two = false;
};
constexpr auto kIndices = [] {
  using enum ImmKind;
  std::array<Indices, static_cast<size_t>(Shuffle) + 1> rows{};
  for (const ImmKind kind : {Label, Func, Local, Global, Table, Memory, Tag, Data, Elem, Type})
    rows[static_cast<size_t>(kind)].is_one = true;
  for (const ImmKind kind :
       {DataMemory, MemoryMemory, TableTable, CallIndirect, TypeField, TypeCount, TypeData, TypeElem, TypeType}) {
    rows[static_cast<size_t>(kind)].are_two = true;
  }
  return rows;
}();

}  // namespace

CodeWriter& CodeWriter::instr(const Instr& instr) {
  encode(out_, instr);
  return *this;
}

CodeWriter& CodeWriter::op(Opcode op) {
  if (info(op).immediates != ImmKind::None) return instr({.op = op});
  encode(out_, op);
  return *this;
}
CodeWriter& CodeWriter::op(Opcode op, uint32_t a) {
  if (!kIndices[static_cast<size_t>(info(op).immediates)].is_one) return instr({.op = op, .a = a});
  encode(out_, op);
  out_.uleb(a);
  return *this;
}
CodeWriter& CodeWriter::op(Opcode op, uint32_t a, uint32_t b) {
  if (!kIndices[static_cast<size_t>(info(op).immediates)].are_two) return instr({.op = op, .a = a, .b = b});
  encode(out_, op);
  out_.uleb(a);
  out_.uleb(b);
  return *this;
}
CodeWriter& CodeWriter::mem(Opcode op, MemArg mem, uint8_t lane) { return instr({.op = op, .lane = lane, .mem = mem}); }
CodeWriter& CodeWriter::lane(Opcode op, uint8_t lane) { return instr({.op = op, .lane = lane}); }

CodeWriter& CodeWriter::block(Opcode op, BlockType type) {
  encode(out_, op);
  encode(out_, type);
  return *this;
}
CodeWriter& CodeWriter::block(Opcode op, ValType result) {
  return block(op, BlockType{.kind = BlockTypeKind::kValue, .value = result});
}
CodeWriter& CodeWriter::block_of_type(Opcode op, TypeIndex type) {
  return block(op, BlockType{.kind = BlockTypeKind::kFunc, .type = type.raw});
}
CodeWriter& CodeWriter::try_table(BlockType type, std::span<const Catch> catches) {
  return instr({.op = Opcode::TryTable, .block = type, .catches = catches});
}
CodeWriter& CodeWriter::br_table(std::span<const uint32_t> labels_default_last) {
  return instr({.op = Opcode::BrTable, .labels = labels_default_last});
}
CodeWriter& CodeWriter::select(std::span<const ValType> types) {
  return instr({.op = Opcode::SelectTyped, .types = types});
}
CodeWriter& CodeWriter::ref_null(HeapType heap) {
  encode(out_, Opcode::RefNull);
  encode(out_, heap);
  return *this;
}
CodeWriter& CodeWriter::ref_test(ValType type) {
  encode(out_, type.nullable() ? Opcode::RefTestNull : Opcode::RefTest);
  encode(out_, type.heap());
  return *this;
}
CodeWriter& CodeWriter::ref_cast(ValType type) {
  encode(out_, type.nullable() ? Opcode::RefCastNull : Opcode::RefCast);
  encode(out_, type.heap());
  return *this;
}
CodeWriter& CodeWriter::br_on_cast(Opcode op, uint32_t label, ValType from, ValType to) {
  return instr({.op = op, .a = label, .type = from, .target = to});
}

CodeWriter& CodeWriter::i32_const(int32_t value) {
  encode(out_, Opcode::I32Const);
  out_.sleb(value);
  return *this;
}
CodeWriter& CodeWriter::i64_const(int64_t value) {
  encode(out_, Opcode::I64Const);
  out_.sleb(value);
  return *this;
}
CodeWriter& CodeWriter::f32_const(uint32_t bits) { return instr({.op = Opcode::F32Const, .bits = bits}); }
CodeWriter& CodeWriter::f64_const(uint64_t bits) { return instr({.op = Opcode::F64Const, .bits = bits}); }
CodeWriter& CodeWriter::v128_const(const std::array<uint8_t, 16>& bytes) {
  return instr({.op = Opcode::V128Const, .v128 = bytes});
}
CodeWriter& CodeWriter::raw(std::span<const uint8_t> bytes) {
  out_.raw(bytes);
  return *this;
}

// --- Types -------------------------------------------------------------------------------------------------------------

TypeIndex ModuleBuilder::add_rec_group(std::vector<SubType> members) {
  const TypeIndex first = next_type();
  const auto count = static_cast<uint32_t>(members.size());
  if (count == 1 && members[0].kind == CompositeKind::kFunc) lone_funcs_.push_back(first.raw);
  std::move(members.begin(), members.end(), std::back_inserter(types_));
  groups_.push_back({first.raw, count, true});
  return first;
}

TypeIndex ModuleBuilder::add_type(SubType type) {
  const TypeIndex index = next_type();
  if (type.kind == CompositeKind::kFunc) lone_funcs_.push_back(index.raw);
  types_.push_back(std::move(type));
  groups_.push_back({index.raw, 1, false});
  return index;
}

TypeIndex ModuleBuilder::add_func_type(std::vector<ValType> params, std::vector<ValType> results) {
  SubType type;
  type.params = std::move(params);
  type.results = std::move(results);
  for (const uint32_t i : lone_funcs_) {
    if (types_[i] == type) return TypeIndex(i);
  }
  return add_type(std::move(type));
}

// --- Imports and definitions -------------------------------------------------------------------------------------------

FuncIndex ModuleBuilder::import_func(std::string module, std::string name, TypeIndex type) {
  CHECK(funcs_.empty() || funcs_.back().imported, "builder: function import after a definition");
  imports_.push_back({.module = std::move(module), .name = std::move(name), .kind = ExternKind::kFunc, .type = type});
  funcs_.push_back({.type = type, .imported = true});
  return FuncIndex(funcs_.size() - 1);
}

TableIndex ModuleBuilder::import_table(std::string module, std::string name, TableType type) {
  CHECK(defined_tables_.empty(), "builder: table import after a definition");
  imports_.push_back({.module = std::move(module), .name = std::move(name), .kind = ExternKind::kTable, .table = type});
  return TableIndex(tables_++);
}

MemoryIndex ModuleBuilder::import_memory(std::string module, std::string name, MemoryType type) {
  CHECK(defined_memories_.empty(), "builder: memory import after a definition");
  imports_.push_back(
      {.module = std::move(module), .name = std::move(name), .kind = ExternKind::kMemory, .memory = type});
  return MemoryIndex(memories_++);
}

GlobalIndex ModuleBuilder::import_global(std::string module, std::string name, GlobalType type) {
  CHECK(defined_globals_.empty(), "builder: global import after a definition");
  imports_.push_back(
      {.module = std::move(module), .name = std::move(name), .kind = ExternKind::kGlobal, .global = type});
  return GlobalIndex(globals_++);
}

TagIndex ModuleBuilder::import_tag(std::string module, std::string name, TypeIndex type) {
  CHECK(defined_tags_.empty(), "builder: tag import after a definition");
  imports_.push_back({.module = std::move(module), .name = std::move(name), .kind = ExternKind::kTag, .type = type});
  return TagIndex(tags_++);
}

FuncIndex ModuleBuilder::add_func(TypeIndex type, std::vector<ValType> locals, std::vector<uint8_t> code) {
  funcs_.push_back({.type = type, .imported = false, .locals = std::move(locals), .code = std::move(code)});
  return FuncIndex(funcs_.size() - 1);
}

FuncIndex ModuleBuilder::declare_func(TypeIndex type) { return add_func(type, {}, std::vector<uint8_t>()); }

void ModuleBuilder::set_body(FuncIndex func, std::vector<ValType> locals, std::vector<uint8_t> code) {
  FuncItem& item = funcs_[func.index()];
  CHECK(!item.imported, "builder: body for imported function {}", func.raw);
  item.locals = std::move(locals);
  item.code = std::move(code);
}

TableIndex ModuleBuilder::add_table(TableType type, std::optional<std::vector<uint8_t>> init) {
  defined_tables_.push_back({type, std::move(init)});
  return TableIndex(tables_++);
}

MemoryIndex ModuleBuilder::add_memory(MemoryType type) {
  defined_memories_.push_back(type);
  return MemoryIndex(memories_++);
}

GlobalIndex ModuleBuilder::add_global(GlobalType type, std::vector<uint8_t> init) {
  defined_globals_.push_back({type, std::move(init)});
  return GlobalIndex(globals_++);
}

TagIndex ModuleBuilder::add_tag(TypeIndex type) {
  defined_tags_.push_back(type);
  return TagIndex(tags_++);
}

void ModuleBuilder::add_export(std::string name, ExternKind kind, uint32_t index) {
  exports_.push_back({std::move(name), kind, index});
}

ElemIndex ModuleBuilder::add_elem(Elem elem) {
  elems_.push_back(std::move(elem));
  return ElemIndex(elems_.size() - 1);
}

DataIndex ModuleBuilder::add_data(Data data) {
  datas_.push_back(std::move(data));
  return DataIndex(datas_.size() - 1);
}

void ModuleBuilder::add_custom(std::string name, std::vector<uint8_t> content, uint32_t after_section) {
  customs_.push_back({std::move(name), std::move(content), after_section});
}

// --- Encoding ----------------------------------------------------------------------------------------------------------

// Lays the items out as a Module whose ranges point into one pool of bytes, and encodes that: sections are written in
// one place only (encode.cc).
std::vector<uint8_t> ModuleBuilder::encode() const {
  Module m;
  m.naming = TypeNaming::kModule;
  const auto keep = [&m](std::span<const uint8_t> bytes) {
    const Range range{static_cast<WasmOffset>(m.bytes.size()), static_cast<WasmOffset>(m.bytes.size() + bytes.size())};
    m.bytes.insert(m.bytes.end(), bytes.begin(), bytes.end());
    return range;
  };

  m.imports.reserve(imports_.size());
  m.funcs.reserve(funcs_.size());
  m.globals.reserve(globals_);
  m.exports.reserve(exports_.size());
  m.elems.reserve(elems_.size());
  m.bytes.reserve(512);
  m.rec_groups = groups_;
  for (const SubType& type : types_) m.types.share(type);
  for (const ImportItem& item : imports_) {
    Import import{.module = item.module, .name = item.name, .kind = item.kind};
    switch (item.kind) {
      case ExternKind::kFunc:
        import.index = m.imported_funcs++;
        m.funcs.push_back({.type = item.type.raw, .imported = true});
        break;
      case ExternKind::kTable:
        import.index = m.imported_tables++;
        m.tables.push_back({.type = item.table, .imported = true});
        break;
      case ExternKind::kMemory:
        import.index = m.imported_memories++;
        m.memories.push_back({.type = item.memory, .imported = true});
        break;
      case ExternKind::kGlobal:
        import.index = m.imported_globals++;
        m.globals.push_back({.type = item.global, .imported = true});
        break;
      case ExternKind::kTag:
        import.index = m.imported_tags++;
        m.tags.push_back({.type = item.type.raw, .imported = true});
        break;
    }
    m.imports.push_back(std::move(import));
  }

  std::vector<std::vector<uint8_t>> bodies;
  bodies.reserve(funcs_.size());
  for (const FuncItem& item : funcs_) {
    if (item.imported) continue;
    m.funcs.push_back({.type = item.type.raw});
    bodies.push_back(encode_body(item.locals, item.code));
  }
  for (const TableItem& item : defined_tables_) {
    Table table{.type = item.type};
    if (item.init.has_value()) table.init = keep(*item.init);
    m.tables.push_back(table);
  }
  for (const MemoryType& type : defined_memories_) m.memories.push_back({.type = type});
  for (const GlobalItem& item : defined_globals_) m.globals.push_back({.type = item.type, .init = keep(item.init)});
  for (const TypeIndex type : defined_tags_) m.tags.push_back({.type = type.raw});
  for (const ExportItem& item : exports_) m.exports.push_back({item.name, item.kind, item.index});
  m.start = start_;
  for (const Elem& item : elems_) {
    ElemSegment segment{.mode = item.mode,
                        .table = item.table,
                        .offset = keep(item.offset),
                        .type = item.type,
                        .uses_exprs = item.uses_exprs,
                        .funcs = item.funcs};
    if (!segment.uses_exprs) segment.type = kFuncRef.as_non_null();
    for (const auto& expr : item.exprs) segment.exprs.push_back(keep(expr));
    m.elems.push_back(std::move(segment));
  }
  for (const Data& item : datas_) {
    m.datas.push_back(
        {.mode = item.mode, .memory = item.memory, .offset = keep(item.offset), .bytes = keep(item.bytes)});
  }
  if (data_count_.value_or(!datas_.empty())) m.data_count = static_cast<uint32_t>(datas_.size());

  constexpr uint32_t kLast = code_of(Section::kData);
  for (const CustomItem& item : customs_) {
    m.customs.push_back({item.name, keep(item.content), item.after_section == kAtEnd ? kLast : item.after_section});
  }
  if (!names_.empty()) {
    ByteWriter content;
    wasm::encode(content, names_);
    m.customs.push_back({"name", keep(content.bytes()), kLast});
  }
  return wasm::encode(m, bodies);
}

}  // namespace parallax::wasm
