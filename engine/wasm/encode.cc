#include "engine/wasm/encode.h"

#include "engine/base/check.h"
#include "engine/wasm/sections.h"
#include "engine/wasm/type_codes.h"

namespace parallax::wasm {

// --- Primitives ------------------------------------------------------------------------------------------------------

void ByteWriter::uleb_slow(uint64_t value) {
  while (value >= 0x80) {
    u8(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  u8(static_cast<uint8_t>(value));
}

void ByteWriter::sleb_slow(int64_t value) {
  while (value < -64 || value > 63) {
    u8(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  u8(static_cast<uint8_t>(value & 0x7f));
}

void ByteWriter::fixed32(uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) u8(static_cast<uint8_t>(value >> shift));
}

void ByteWriter::fixed64(uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) u8(static_cast<uint8_t>(value >> shift));
}

void ByteWriter::name(std::string_view name) {
  sized(std::span(reinterpret_cast<const uint8_t*>(name.data()), name.size()));
}

void ByteWriter::sized(std::span<const uint8_t> bytes) {
  uleb(bytes.size());
  raw(bytes);
}

// --- Types -----------------------------------------------------------------------------------------------------------

void encode(ByteWriter& out, HeapType type) {
  if (type.is_concrete()) {
    out.sleb(type.number());
  } else {
    out.u8(kHeapCodes[static_cast<size_t>(type.kind())]);
  }
}

void encode(ByteWriter& out, ValType type) {
  CHECK(type.kind() <= ValKind::kRef && type != kBottomRef, "encode: {} has no encoding", to_string(type));
  if (!type.is_ref()) {
    out.u8(kNumberCodes[static_cast<size_t>(type.kind())]);
    return;
  }
  const bool is_short = type.nullable() && !type.heap().is_concrete();
  if (!is_short) out.u8(type.nullable() ? kCodeRefNull : kCodeRef);
  encode(out, type.heap());
}

void encode(ByteWriter& out, StorageType type) {
  switch (type.packed) {
    case Packed::kI8: return out.u8(kCodeI8);
    case Packed::kI16: return out.u8(kCodeI16);
    case Packed::kNone: return encode(out, type.unpacked);
  }
}

void encode(ByteWriter& out, const BlockType& type) {
  switch (type.kind) {
    case BlockTypeKind::kEmpty: return out.u8(kCodeEmptyBlock);
    case BlockTypeKind::kValue: return encode(out, type.value);
    case BlockTypeKind::kFunc: return out.sleb(type.type);
  }
}

void encode(ByteWriter& out, const Limits& limits) {
  out.u8(static_cast<uint8_t>((limits.max.has_value() ? 1 : 0) | (limits.is_64 ? 4 : 0)));
  out.uleb(limits.min);
  if (limits.max.has_value()) out.uleb(*limits.max);
}

void encode(ByteWriter& out, const TableType& type) {
  encode(out, type.element);
  encode(out, type.limits);
}

void encode(ByteWriter& out, const MemoryType& type) { encode(out, type.limits); }

void encode(ByteWriter& out, const GlobalType& type) {
  encode(out, type.value);
  out.u8(type.is_mutable ? 1 : 0);
}

namespace {

void encode_types(ByteWriter& out, const std::vector<ValType>& types) {
  out.uleb(types.size());
  for (const ValType type : types) encode(out, type);
}

void encode_field(ByteWriter& out, const FieldType& field) {
  encode(out, field.storage);
  out.u8(field.is_mutable ? 1 : 0);
}

}  // namespace

void encode(ByteWriter& out, const SubType& type) {
  if (!type.is_final || type.has_super) {
    out.u8(type.is_final ? kCodeSubFinal : kCodeSub);
    out.uleb(type.has_super ? 1 : 0);
    if (type.has_super) out.uleb(type.super);
  }
  switch (type.kind) {
    case CompositeKind::kFunc:
      out.u8(kCodeFunc);
      encode_types(out, type.params);
      encode_types(out, type.results);
      return;
    case CompositeKind::kStruct:
      out.u8(kCodeStruct);
      out.uleb(type.fields.size());
      for (const FieldType& field : type.fields) encode_field(out, field);
      return;
    case CompositeKind::kArray:
      out.u8(kCodeArray);
      CHECK(type.fields.size() == 1, "encode: array type with {} fields", type.fields.size());
      encode_field(out, type.fields[0]);
      return;
  }
}

// --- Instructions ------------------------------------------------------------------------------------------------------

namespace {

void encode_mem_arg(ByteWriter& out, const MemArg& mem) {
  const bool has_memory = mem.memory.raw != 0;
  out.uleb(mem.align_log2 | (has_memory ? 0x40 : 0));
  if (has_memory) out.uleb(mem.memory.raw);
  out.uleb(mem.offset);
}

void encode_catches(ByteWriter& out, std::span<const Catch> catches) {
  out.uleb(catches.size());
  for (const Catch& clause : catches) {
    out.u8(static_cast<uint8_t>(clause.kind));
    if (clause.kind == CatchKind::kCatch || clause.kind == CatchKind::kCatchRef) out.uleb(clause.tag.raw);
    out.uleb(clause.label);
  }
}

void encode_immediates(ByteWriter& out, const Instr& instr) {
  switch (info(instr.op).immediates) {
    case ImmKind::None: return;
    case ImmKind::Block: return encode(out, instr.block);
    case ImmKind::Label:
    case ImmKind::Func:
    case ImmKind::Local:
    case ImmKind::Global:
    case ImmKind::Table:
    case ImmKind::Memory:
    case ImmKind::Tag:
    case ImmKind::Data:
    case ImmKind::Elem:
    case ImmKind::Type: return out.uleb(instr.a);
    case ImmKind::BrTable:
      CHECK(!instr.labels.empty(), "encode: br_table without default");
      out.uleb(instr.labels.size() - 1);
      for (const uint32_t label : instr.labels) out.uleb(label);
      return;
    case ImmKind::MemArg: return encode_mem_arg(out, instr.mem);
    case ImmKind::MemArgLane: encode_mem_arg(out, instr.mem); return out.u8(instr.lane);
    case ImmKind::Lane: return out.u8(instr.lane);
    case ImmKind::TableElem:  // binary order: elem, table
      out.uleb(instr.b);
      return out.uleb(instr.a);
    case ImmKind::DataMemory:
    case ImmKind::MemoryMemory:
    case ImmKind::TableTable:
    case ImmKind::CallIndirect:
    case ImmKind::TypeField:
    case ImmKind::TypeCount:
    case ImmKind::TypeData:
    case ImmKind::TypeElem:
    case ImmKind::TypeType: out.uleb(instr.a); return out.uleb(instr.b);
    case ImmKind::HeapType: return encode(out, instr.type.heap());
    case ImmKind::BrOnCast:
      out.u8(static_cast<uint8_t>((instr.type.nullable() ? 1 : 0) | (instr.target.nullable() ? 2 : 0)));
      out.uleb(instr.a);
      encode(out, instr.type.heap());
      return encode(out, instr.target.heap());
    case ImmKind::SelectTypes:
      out.uleb(instr.types.size());
      for (const ValType type : instr.types) encode(out, type);
      return;
    case ImmKind::TryTable: encode(out, instr.block); return encode_catches(out, instr.catches);
    case ImmKind::I32: return out.sleb(static_cast<int32_t>(static_cast<uint32_t>(instr.bits)));
    case ImmKind::I64: return out.sleb(static_cast<int64_t>(instr.bits));
    case ImmKind::F32: return out.fixed32(static_cast<uint32_t>(instr.bits));
    case ImmKind::F64: return out.fixed64(instr.bits);
    case ImmKind::V128:
    case ImmKind::Shuffle: return out.raw(instr.v128);
  }
}

}  // namespace

void encode(ByteWriter& out, const Instr& instr) {
  encode(out, instr.op);
  encode_immediates(out, instr);
}

std::vector<uint8_t> encode_body(std::span<const ValType> locals, std::span<const uint8_t> code) {
  ByteWriter out;
  out.reserve(code.size() + 5 * locals.size() + 8);
  size_t runs = 0;
  for (size_t i = 0; i < locals.size(); ++i) runs += i == 0 || locals[i] != locals[i - 1];
  out.uleb(runs);
  for (size_t i = 0, end = 0; i < locals.size(); i = end) {
    while (end < locals.size() && locals[end] == locals[i]) ++end;
    out.uleb(end - i);
    encode(out, locals[i]);
  }
  out.raw(code);
  return std::move(out).take();
}

// --- Modules -----------------------------------------------------------------------------------------------------------

namespace {

class ModuleEncoder {
 public:
  ModuleEncoder(const Module& module, std::span<const std::vector<uint8_t>> bodies) : m_(module), bodies_(bodies) {}

  std::vector<uint8_t> run() {
    out_.fixed32(0x6d736100);
    out_.fixed32(1);
    customs_after(kCustomSection);
    size_t expected = m_.bytes.size() + 512;
    for (const std::vector<uint8_t>& body : bodies_) expected += body.size() + 2;
    out_.reserve(expected);
    ByteWriter content;
    content.reserve(512);
    for (const SectionRow& row : kSections) {
      content.clear();
      if (section(row.section, content)) {
        out_.u8(row.code);
        out_.sized(content.bytes());
      }
      customs_after(row.code);
    }
    return std::move(out_).take();
  }

 private:
  void customs_after(uint32_t code) {
    for (const CustomSection& custom : m_.customs) {
      if (custom.after_section != code) continue;
      ByteWriter content;
      content.name(custom.name);
      content.raw(m_.at(custom.content));
      out_.u8(kCustomSection);
      out_.sized(content.bytes());
    }
  }

  // Writes the section's content; false when it is empty and is left out.
  bool section(Section section, ByteWriter& out) {
    switch (section) {
      case Section::kType: return types(out);
      case Section::kImport: return vector(out, m_.imports, 0, [&](const Import& i) { import(out, i); });
      case Section::kFunction:
        return vector(out, m_.funcs, m_.imported_funcs, [&](const Func& f) { out.uleb(f.type); });
      case Section::kTable: return vector(out, m_.tables, m_.imported_tables, [&](const Table& t) { table(out, t); });
      case Section::kMemory:
        return vector(out, m_.memories, m_.imported_memories, [&](const Memory& m) { encode(out, m.type); });
      case Section::kTag: return vector(out, m_.tags, m_.imported_tags, [&](const Tag& t) { tag(out, t); });
      case Section::kGlobal:
        return vector(out, m_.globals, m_.imported_globals, [&](const Global& g) {
          encode(out, g.type);
          expr(out, g.init);
        });
      case Section::kExport:
        return vector(out, m_.exports, 0, [&](const Export& e) {
          out.name(e.name);
          out.u8(static_cast<uint8_t>(e.kind));
          out.uleb(e.index);
        });
      case Section::kStart:
        if (m_.start.has_value()) out.uleb(m_.start->raw);
        return m_.start.has_value();
      case Section::kElem: return vector(out, m_.elems, 0, [&](const ElemSegment& e) { elem(out, e); });
      case Section::kDataCount:
        if (m_.data_count.has_value()) out.uleb(m_.datas.size());
        return m_.data_count.has_value();
      case Section::kCode: return codes(out);
      case Section::kData: return vector(out, m_.datas, 0, [&](const DataSegment& d) { data(out, d); });
    }
    return false;
  }

  template <class T, class Each>
  static bool vector(ByteWriter& out, const std::vector<T>& items, size_t first, Each&& each) {
    out.uleb(items.size() - first);
    for (size_t i = first; i < items.size(); ++i) each(items[i]);
    return items.size() > first;
  }

  bool types(ByteWriter& out) {
    out.uleb(m_.rec_groups.size());
    for (const RecGroup& group : m_.rec_groups) {
      if (group.explicit_rec) {
        out.u8(kCodeRec);
        out.uleb(group.count);
      }
      for (uint32_t i = 0; i < group.count; ++i) encode(out, m_.types[group.first + i]);
    }
    return !m_.rec_groups.empty();
  }

  void import(ByteWriter& out, const Import& import) {
    out.name(import.module);
    out.name(import.name);
    out.u8(static_cast<uint8_t>(import.kind));
    switch (import.kind) {
      case ExternKind::kFunc: return out.uleb(m_.funcs[import.index].type);
      case ExternKind::kTable: return encode(out, m_.tables[import.index].type);
      case ExternKind::kMemory: return encode(out, m_.memories[import.index].type);
      case ExternKind::kGlobal: return encode(out, m_.globals[import.index].type);
      case ExternKind::kTag: return tag(out, m_.tags[import.index]);
    }
  }

  void table(ByteWriter& out, const Table& table) {
    if (table.init.has_value()) {
      out.u8(0x40);
      out.u8(0);
    }
    encode(out, table.type);
    if (table.init.has_value()) expr(out, *table.init);
  }

  void tag(ByteWriter& out, const Tag& tag) {
    out.u8(0);
    out.uleb(tag.type);
  }

  void expr(ByteWriter& out, ConstExpr expr) { out.raw(m_.at(expr)); }

  void elem(ByteWriter& out, const ElemSegment& segment) {
    const ValType short_type = segment.uses_exprs ? kFuncRef : kFuncRef.as_non_null();
    const bool active = segment.mode == SegmentMode::kActive;
    const bool second =
        active ? segment.table.raw != 0 || segment.type != short_type : segment.mode == SegmentMode::kDeclarative;
    out.uleb((active ? 0u : 1u) | (second ? 2u : 0u) | (segment.uses_exprs ? 4u : 0u));
    if (active && second) out.uleb(segment.table.raw);
    if (active) expr(out, segment.offset);
    if (!active || second) {
      if (segment.uses_exprs) encode(out, segment.type);
      else out.u8(0);
    }
    out.uleb(segment.size());
    for (const FuncIndex func : segment.funcs) out.uleb(func.raw);
    for (const ConstExpr e : segment.exprs) expr(out, e);
  }

  bool codes(ByteWriter& out) {
    const size_t defined = m_.funcs.size() - m_.imported_funcs;
    CHECK(bodies_.empty() || bodies_.size() == defined, "encode: {} bodies for {} functions", bodies_.size(), defined);
    out.uleb(defined);
    for (size_t i = 0; i < defined; ++i) {
      if (bodies_.empty()) out.sized(m_.at(m_.funcs[m_.imported_funcs + i].body));
      else out.sized(bodies_[i]);
    }
    return defined != 0;
  }

  void data(ByteWriter& out, const DataSegment& segment) {
    if (segment.mode == SegmentMode::kPassive) {
      out.uleb(1);
    } else {
      out.uleb(segment.memory.raw != 0 ? 2 : 0);
      if (segment.memory.raw != 0) out.uleb(segment.memory.raw);
      expr(out, segment.offset);
    }
    out.sized(m_.at(segment.bytes));
  }

  const Module& m_;
  std::span<const std::vector<uint8_t>> bodies_;
  ByteWriter out_;
};

}  // namespace

std::vector<uint8_t> encode(const Module& module, std::span<const std::vector<uint8_t>> bodies) {
  CHECK(module.naming == TypeNaming::kModule, "encode: module with canonical type numbers");
  return ModuleEncoder(module, bodies).run();
}

}  // namespace parallax::wasm
