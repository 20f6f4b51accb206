// The binary format's grammar: bytes to Module.
//
// One pass over the sections. Bodies stay byte ranges; constant expressions are skipped instruction by instruction to
// find their end (and the functions that they name). Counts are checked against the bytes that remain before anything
// is reserved, so that time and memory are linear in the input. Type definitions are validated here, because rec
// groups are interned as they are read; everything else that validation says is in validate.cc.
#include <algorithm>
#include <bit>

#include "engine/base/case_clock.h"
#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/features.h"
#include "engine/wasm/instr_reader.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/module.h"
#include "engine/wasm/reader.h"
#include "engine/wasm/sections.h"
#include "engine/wasm/type_codes.h"
#include "engine/wasm/type_reader.h"

namespace parallax::wasm {
namespace {

// Types of ten thousand fields make long messages.
std::string clip(std::string text) {
  constexpr size_t kLongest = 300;
  if (text.size() > kLongest) text.replace(kLongest, text.npos, "...");
  return text;
}

constexpr uint32_t kMagic = 0x6d736100;  // "\0asm"
constexpr uint32_t kVersion = 1;
constexpr size_t kMaxModuleBytes = size_t{1} << 30;
// Room for so many elements of a section is made at once: more of them grow by themselves, and a count alone costs nothing.
constexpr uint32_t kAhead = 256;

class Decoder {
 public:
  Decoder(std::vector<uint8_t> bytes, std::shared_ptr<TypeStore> store, const DecodeOptions& options)
      : features_(options.features), in_({}, {}) {
    module_.bytes = std::move(bytes);
    module_.naming = options.naming;
    module_.store = options.naming == TypeNaming::kCanonical ? std::move(store) : nullptr;
    in_ = Reader(module_.bytes, Range{0, static_cast<WasmOffset>(std::min(module_.bytes.size(), kMaxModuleBytes))});
  }

  Result<Module> run() {
    if (module_.bytes.size() > kMaxModuleBytes) in_.fail(ErrorCode::kLimit, 0, "module of more than 1 GiB");
    header();
    while (in_.ok() && !in_.at_end()) section();
    check_counts();
    declare_references();
    if (!in_.ok()) return std::unexpected(in_.error());
    return std::move(module_);
  }

 private:
  // --- Structure -------------------------------------------------------------------------------------------------

  void header() {
    if (in_.fixed32() != kMagic && in_.ok()) in_.malformed(0, "magic header not detected");
    if (in_.fixed32() != kVersion && in_.ok()) in_.malformed(4, "unknown binary version");
  }

  void section() {
    const WasmOffset at = in_.offset();
    const uint8_t id = in_.u8();
    const uint32_t size = in_.u32();
    if (!in_.ok()) return;
    const SectionRow* row = find_section(id);
    if (row == nullptr && id != kCustomSection) {
      in_.malformed(at, text::format("malformed section id {}", id));
      return;
    }
    if (size > in_.remaining()) {
      in_.malformed(at, text::format("length out of bounds: section of {} bytes, {} remain", size, in_.remaining()));
      return;
    }
    Reader outer = in_;
    in_ = outer.sub(size);
    if (row == nullptr) {
      custom_section();
    } else {
      known_section(*row, at);
    }
    if (in_.ok() && !in_.at_end())
      in_.malformed(in_.offset(), "section size mismatch: content after the section's last entry");
    outer.adopt(in_);
    in_ = std::move(outer);
  }

  void known_section(const SectionRow& row, WasmOffset at) {
    if (last_section_ != nullptr && row.section <= last_section_->section) {
      in_.malformed(at, text::format("unexpected content after last section: {} section after {} section", row.text,
                                     last_section_->text));
      return;
    }
    last_section_ = &row;
    switch (row.section) {
      case Section::kType: return types();
      case Section::kImport: return imports();
      case Section::kFunction: return functions();
      case Section::kTable: return tables();
      case Section::kMemory: return memories();
      case Section::kTag: return tags();
      case Section::kGlobal: return globals();
      case Section::kExport: return exports();
      case Section::kStart:
        module_.start_offset = in_.offset();
        module_.start = FuncIndex(in_.u32());
        return;
      case Section::kElem: return elems();
      case Section::kDataCount: module_.data_count = in_.u32(); return;
      case Section::kCode: return codes();
      case Section::kData: return datas();
    }
  }

  void custom_section() {
    CustomSection custom;
    custom.name = in_.name();
    custom.content = in_.bytes(in_.remaining());
    custom.after_section = last_section_ != nullptr ? last_section_->code : 0;
    module_.customs.push_back(std::move(custom));
  }

  // What only the whole module shows.
  void check_counts() {
    const size_t defined = module_.funcs.size() - module_.imported_funcs;
    if (bodies_ != defined) {
      in_.malformed(in_.offset(),
                    text::format("function and code section have inconsistent lengths: {} and {}", defined, bodies_));
    }
    if (module_.data_count.has_value() && *module_.data_count != module_.datas.size()) {
      in_.malformed(in_.offset(), text::format("data count and data section have inconsistent lengths: {} and {}",
                                               *module_.data_count, module_.datas.size()));
    }
  }

  // Functions that occur outside of bodies may be named by ref.func in bodies.
  void declare_references() {
    for (const Export& e : module_.exports) {
      if (e.kind == ExternKind::kFunc) referenced_.push_back(e.index);
    }
    for (const uint32_t func : referenced_) {
      if (func < module_.funcs.size()) module_.funcs[func].declared_ref = true;
    }
  }

  // A vector's count, within a limit of this implementation. `have` elements exist already (imports).
  uint32_t count_within(size_t have, uint32_t limit, const char* what) {
    const WasmOffset at = in_.offset();
    const uint32_t n = in_.count();
    if (have + n <= limit) return n;
    in_.fail(ErrorCode::kLimit, at, text::format("more than {} {}", limit, what));
    return 0;
  }

  // --- Types -----------------------------------------------------------------------------------------------------

  TypeScope scope() const {
    TypeScope scope = TypeScope::of(module_, features_);
    scope.ids = module_.type_ids;
    return scope;
  }

  void types() {
    const uint32_t n = count_within(0, kMaxTypes, "types");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      RecGroup group{.first = static_cast<uint32_t>(module_.types.size()), .count = 1};
      const WasmOffset at = in_.offset();
      if (in_.peek() == kCodeRec) {
        in_.u8();
        require(Feature::kGc, at, "a rec group");
        group.explicit_rec = true;
        group.count = count_within(module_.types.size(), kMaxTypes, "types");
      }
      rec_group(group, at);
    }
  }

  void rec_group(const RecGroup& group, WasmOffset at) {
    TypeScope scope = this->scope();
    scope.group_first = group.first;
    scope.count = group.first + group.count;
    std::vector<SubType> members;
    members.reserve(std::min(group.count, kAhead));
    for (uint32_t i = 0; i < group.count && in_.ok(); ++i) members.push_back(sub_type(scope, group.first + i));
    if (!in_.ok()) return;
    module_.rec_groups.push_back(group);
    if (module_.naming == TypeNaming::kModule) {
      for (SubType& member : members) module_.types.push_back(std::move(member));
      return;
    }
    TypeStore& store = *module_.store;
    if (store.size() + group.count > kMaxTypes) {
      in_.fail(ErrorCode::kLimit, at, text::format("more than {} types in one store", kMaxTypes));
      return;
    }
    const TypeId first = store.intern(std::move(members));
    for (uint32_t i = 0; i < group.count; ++i) {
      const TypeId id(first.raw + i);
      module_.type_ids.push_back(id);
      module_.types.share(store.get(id));
      check_super(group.first + i, at);
    }
  }

  // The rule for declared supertypes. Their position and depth are checked before, while reading.
  void check_super(uint32_t index, WasmOffset at) {
    const SubType& type = module_.types[index];
    if (!type.has_super) return;
    const SubType& super = module_.store->get(TypeId(type.super));
    if (!super.is_final && module_.store->matches(type, super)) return;
    const char* why = super.is_final ? "which is final" : "of another structure";
    in_.invalid(at, text::format("sub type {} {} does not match its supertype, {}: {}", index,
                                 clip(module_.store->print(type)), why, clip(module_.store->print(super))));
  }

  SubType sub_type(const TypeScope& scope, uint32_t index) {
    SubType type;
    const WasmOffset at = in_.offset();
    const uint8_t code = in_.peek();
    if (code == kCodeSub || code == kCodeSubFinal) {
      in_.u8();
      require(Feature::kGc, at, "a sub type");
      type.is_final = code == kCodeSubFinal;
      super_type(type, scope, index);
    }
    if (depths_.size() <= index) depths_.resize(index + 1, 0);
    composite_type(type, scope);
    return type;
  }

  void super_type(SubType& type, const TypeScope& scope, uint32_t index) {
    const WasmOffset at = in_.offset();
    const uint32_t n = in_.count();
    if (n > 1) in_.malformed(at, "malformed sub type: more than one supertype");
    if (n != 1 || !in_.ok()) return;
    const uint32_t super = in_.u32();
    if (!in_.ok()) return;
    if (super >= index) {
      in_.invalid(at, text::format("unknown type {}: a supertype must stand before type {}", super, index));
      return;
    }
    type.has_super = true;
    type.super = scope.number(super);
    depths_.resize(index + 1, 0);
    depths_[index] = static_cast<uint8_t>(depths_[super] + 1);
    if (depths_[index] > kMaxSubtypeDepth) {
      in_.fail(ErrorCode::kLimit, at, text::format("sub type hierarchy deeper than {}", kMaxSubtypeDepth));
    }
  }

  void composite_type(SubType& type, const TypeScope& scope) {
    const WasmOffset at = in_.offset();
    const uint8_t code = in_.u8();
    switch (code) {
      case kCodeFunc:
        type.kind = CompositeKind::kFunc;
        type.params = val_types(scope, kMaxParams, "parameters");
        type.results = val_types(scope, kMaxResults, "results");
        if (type.results.size() > 1) require(Feature::kMultiValue, at, "more than one result");
        return;
      case kCodeStruct: {
        require(Feature::kGc, at, "a struct type");
        type.kind = CompositeKind::kStruct;
        const uint32_t n = count_within(0, kMaxFields, "fields");
        type.fields.reserve(n);
        for (uint32_t i = 0; i < n && in_.ok(); ++i) type.fields.push_back(field_type(scope));
        return;
      }
      case kCodeArray:
        require(Feature::kGc, at, "an array type");
        type.kind = CompositeKind::kArray;
        type.fields.push_back(field_type(scope));
        return;
      default:
        if (!in_.ok()) return;
        // Type codes are one-byte signed LEB128 numbers.
        in_.malformed(at, code >= 0x80 ? text::format("integer representation too long: type code {:#04x}", code)
                                       : text::format("malformed definition type: code {:#04x}", code));
    }
  }

  std::vector<ValType> val_types(const TypeScope& scope, uint32_t limit, const char* what) {
    const uint32_t n = count_within(0, limit, what);
    std::vector<ValType> types;
    types.reserve(n);
    for (uint32_t i = 0; i < n && in_.ok(); ++i) types.push_back(read_val_type(in_, scope));
    return types;
  }

  FieldType field_type(const TypeScope& scope) {
    FieldType field;
    field.storage = read_storage_type(in_, scope);
    field.is_mutable = mutability();
    return field;
  }

  bool mutability() {
    const WasmOffset at = in_.offset();
    const uint8_t byte = in_.u8();
    if (byte > 1) in_.malformed(at, text::format("malformed mutability {:#04x}", byte));
    return byte == 1;
  }

  void require(Feature feature, WasmOffset at, const char* what) {
    if (!features_.has(feature))
      in_.malformed(at, text::format("{} needs the feature {}, which is off", what, to_string(feature)));
  }

  // A function type by its index.
  uint32_t func_type_index() {
    const WasmOffset at = in_.offset();
    const uint32_t index = in_.u32();
    if (!in_.ok()) return 0;
    if (index >= module_.types.size()) {
      in_.invalid(at, text::format("unknown type {}: the module has {}", index, module_.types.size()));
    } else if (module_.types[index].kind != CompositeKind::kFunc) {
      in_.invalid(at, text::format("unknown type {}: it is no function type", index));
    }
    return in_.ok() ? index : 0;
  }
  TypeId type_id(uint32_t index) const {
    return in_.ok() && module_.naming == TypeNaming::kCanonical ? module_.type_ids[index] : TypeId();
  }

  // Bit 0: there is a maximum; bit 2: 64-bit addresses.
  Limits limits() {
    const WasmOffset at = in_.offset();
    const uint8_t flags = in_.u8();
    Limits limits;
    if ((flags & ~5) != 0) {
      in_.malformed(at, text::format("malformed limits flags {:#04x}", flags));
      return limits;
    }
    limits.is_64 = (flags & 4) != 0;
    if (limits.is_64) require(Feature::kMemory64, at, "a 64-bit address type");
    limits.min = in_.u64();
    if ((flags & 1) != 0) limits.max = in_.u64();
    return limits;
  }

  TableType table_type() {
    TableType type;
    type.element = read_ref_type(in_, scope());
    type.limits = limits();
    return type;
  }
  GlobalType global_type() {
    GlobalType type;
    type.value = read_val_type(in_, scope());
    type.is_mutable = mutability();
    return type;
  }
  uint32_t tag_type() {
    const WasmOffset at = in_.offset();
    require(Feature::kExceptions, at, "a tag");
    if (in_.u8() != 0 && in_.ok()) in_.malformed(at, "malformed tag attribute");
    return func_type_index();
  }

  // --- Sections --------------------------------------------------------------------------------------------------

  void imports() {
    const uint32_t n = count_within(0, kMaxImports, "imports");
    module_.imports.reserve(std::min(n, kAhead));
    for (uint32_t i = 0; i < n && in_.ok(); ++i) import();
  }

  void import() {
    Import import{.kind = ExternKind::kFunc, .offset = in_.offset()};
    import.module = in_.name();
    import.name = in_.name();
    const WasmOffset at = in_.offset();
    const uint8_t kind = in_.u8();
    if (kind > static_cast<uint8_t>(ExternKind::kTag))
      in_.malformed(at, text::format("malformed import kind {:#04x}", kind));
    if (!in_.ok()) return;
    import.kind = static_cast<ExternKind>(kind);
    switch (import.kind) {
      case ExternKind::kFunc: {
        import.index = module_.imported_funcs++;
        const uint32_t type = func_type_index();
        module_.funcs.push_back({.type = type, .type_id = type_id(type), .imported = true});
        break;
      }
      case ExternKind::kTable:
        import.index = module_.imported_tables++;
        module_.tables.push_back({.type = table_type(), .imported = true, .offset = at});
        break;
      case ExternKind::kMemory:
        import.index = module_.imported_memories++;
        module_.memories.push_back({.type = {limits()}, .imported = true, .offset = at});
        break;
      case ExternKind::kGlobal:
        import.index = module_.imported_globals++;
        module_.globals.push_back({.type = global_type(), .imported = true, .offset = at});
        break;
      case ExternKind::kTag: {
        import.index = module_.imported_tags++;
        const uint32_t type = tag_type();
        module_.tags.push_back({.type = type, .type_id = type_id(type), .imported = true, .offset = at});
        break;
      }
    }
    module_.imports.push_back(std::move(import));
  }

  void functions() {
    const uint32_t n = count_within(module_.funcs.size(), kMaxFuncs, "functions");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      const uint32_t type = func_type_index();
      module_.funcs.push_back({.type = type, .type_id = type_id(type)});
    }
  }

  void tables() {
    const uint32_t n = count_within(module_.tables.size(), kMaxTables, "tables");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      Table table;
      const WasmOffset at = in_.offset();
      const bool has_init = in_.peek() == 0x40;
      if (has_init) {
        in_.u8();
        require(Feature::kTypedFuncRefs, at, "a table with an initialiser");
        if (in_.u8() != 0 && in_.ok()) in_.malformed(at, "malformed table: reserved byte is not zero");
      }
      table.type = table_type();
      if (has_init) table.init = const_expr();
      table.offset = at;
      module_.tables.push_back(std::move(table));
    }
  }

  void memories() {
    const uint32_t n = count_within(module_.memories.size(), kMaxMemories, "memories");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      const WasmOffset at = in_.offset();
      module_.memories.push_back({.type = {limits()}, .offset = at});
    }
  }

  void tags() {
    const uint32_t n = count_within(module_.tags.size(), kMaxTags, "tags");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      const WasmOffset at = in_.offset();
      const uint32_t type = tag_type();
      module_.tags.push_back({.type = type, .type_id = type_id(type), .offset = at});
    }
  }

  void globals() {
    const uint32_t n = count_within(module_.globals.size(), kMaxGlobals, "globals");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      Global global{.offset = in_.offset()};
      global.type = global_type();
      global.init = const_expr();
      module_.globals.push_back(global);
    }
  }

  void exports() {
    const uint32_t n = count_within(0, kMaxExports, "exports");
    module_.exports.reserve(std::min(n, kAhead));
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      Export e{.kind = ExternKind::kFunc, .offset = in_.offset()};
      e.name = in_.name();
      const WasmOffset at = in_.offset();
      const uint8_t kind = in_.u8();
      if (kind > static_cast<uint8_t>(ExternKind::kTag))
        in_.malformed(at, text::format("malformed export kind {:#04x}", kind));
      e.kind = static_cast<ExternKind>(kind);
      e.index = in_.u32();
      if (in_.ok()) module_.exports.push_back(std::move(e));
    }
    if (module_.naming == TypeNaming::kCanonical) (void)module_.export_index.build(module_.exports);
  }

  // Flags: bit 0 passive or declarative, bit 1 explicit table (active) or declarative, bit 2 expressions.
  void elems() {
    const uint32_t n = count_within(0, kMaxSegments, "element segments");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      const WasmOffset at = in_.offset();
      const uint32_t flags = in_.u32();
      if (flags > 7) in_.malformed(at, text::format("malformed elements segment kind {}", flags));
      if (in_.ok()) elem(flags, at);
    }
  }

  void elem(uint32_t flags, WasmOffset at) {
    ElemSegment segment{.entry = at};
    const bool passive = (flags & 1) != 0, second = (flags & 2) != 0;
    segment.uses_exprs = (flags & 4) != 0;
    segment.type = segment.uses_exprs ? kFuncRef : kFuncRef.as_non_null();
    if (passive) {
      segment.mode = second ? SegmentMode::kDeclarative : SegmentMode::kPassive;
    } else {
      segment.mode = SegmentMode::kActive;
      if (second) segment.table = TableIndex(in_.u32());
      segment.offset = const_expr();
    }
    if (passive || second) elem_type(segment);
    const uint32_t n = in_.count();
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      if (segment.uses_exprs) {
        segment.exprs.push_back(const_expr());
      } else {
        segment.funcs.push_back(FuncIndex(in_.u32()));
        referenced_.push_back(segment.funcs.back().raw);
      }
    }
    if (in_.ok()) module_.elems.push_back(std::move(segment));
  }

  void elem_type(ElemSegment& segment) {
    if (segment.uses_exprs) {
      segment.type = read_ref_type(in_, scope());
      return;
    }
    const WasmOffset at = in_.offset();
    const uint8_t kind = in_.u8();
    if (kind != 0) in_.malformed(at, text::format("malformed element kind {:#04x}", kind));
  }

  void codes() {
    const uint32_t n = count_within(0, kMaxFuncs, "function bodies");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      const WasmOffset at = in_.offset();
      const uint32_t size = in_.u32();
      if (in_.ok() && size > in_.remaining()) {
        in_.malformed(at, text::format("unexpected end of section or function: body of {} bytes, {} remain", size,
                                       in_.remaining()));
      }
      const Range body = in_.bytes(size);
      const size_t func = module_.imported_funcs + bodies_;
      if (func < module_.funcs.size()) module_.funcs[func].body = body;
      ++bodies_;
    }
  }

  void datas() {
    const uint32_t n = count_within(0, kMaxSegments, "data segments");
    for (uint32_t i = 0; i < n && in_.ok(); ++i) {
      const WasmOffset at = in_.offset();
      DataSegment segment{.entry = at};
      const uint32_t flags = in_.u32();
      if (flags > 2) in_.malformed(at, text::format("malformed data segment kind {}", flags));
      segment.mode = flags == 1 ? SegmentMode::kPassive : SegmentMode::kActive;
      if (flags == 2) segment.memory = MemoryIndex(in_.u32());
      if (flags != 1) segment.offset = const_expr();
      segment.bytes = in_.bytes(in_.u32());
      if (in_.ok()) module_.datas.push_back(segment);
    }
  }

  // Skips instructions up to the `end` that closes the expression.
  ConstExpr const_expr() {
    ConstExpr range{in_.offset(), in_.offset()};
    InstrReader code(in_, scope());
    Instr instr;
    uint32_t depth = 1;
    while (depth > 0 && code.in().ok()) {
      code.read(instr);
      switch (instr.op) {
        case Opcode::Block:
        case Opcode::Loop:
        case Opcode::If:
        case Opcode::Try:
        case Opcode::TryTable: ++depth; break;
        case Opcode::End:
        case Opcode::Delegate: --depth; break;
        case Opcode::RefFunc: referenced_.push_back(instr.a); break;
        default: break;
      }
    }
    in_ = code.in();
    range.end = in_.offset();
    return range;
  }

  Features features_;
  Module module_;
  Reader in_;
  const SectionRow* last_section_ = nullptr;
  uint32_t bodies_ = 0;
  std::vector<uint8_t> depths_;       // of type definitions, by index
  std::vector<uint32_t> referenced_;  // functions named outside of bodies
};

}  // namespace

namespace {

uint64_t hash_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash ^ hash >> 32;
}

}  // namespace

size_t ExportIndex::build(std::span<const Export> exports) {
  slots_.assign(std::bit_ceil(exports.size() * 2 + 1), 0);
  const size_t mask = slots_.size() - 1;
  size_t twice = exports.size();
  for (size_t i = 0; i < exports.size(); ++i) {
    size_t at = hash_of(exports[i].name) & mask;
    while (slots_[at] != 0 && exports[slots_[at] - 1].name != exports[i].name) at = (at + 1) & mask;
    if (slots_[at] == 0) {
      slots_[at] = static_cast<uint32_t>(i + 1);
    } else {
      twice = std::min(twice, i);
    }
  }
  return twice;
}

const Export* ExportIndex::find(std::span<const Export> exports, std::string_view name) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash_of(name) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const Export& found = exports[slots_[at] - 1];
    if (found.name == name) return &found;
  }
  return nullptr;
}

const Export* Module::find_export(std::string_view name) const {
  if (export_index.is_built()) return export_index.find(exports, name);
  for (const Export& e : exports) {
    if (e.name == name) return &e;
  }
  return nullptr;
}

FuncIndex Module::func_at(WasmOffset offset) const {
  const auto own = std::span(funcs).subspan(imported_funcs);  // in the order of their bodies
  const auto at = std::ranges::upper_bound(own, offset, {}, [](const Func& f) { return f.body.begin; });
  if (at == own.begin() || offset >= std::prev(at)->body.end) return {};
  return FuncIndex(static_cast<uint32_t>(std::prev(at) - own.begin()) + imported_funcs);
}

Result<Module> decode(std::vector<uint8_t> bytes, std::shared_ptr<TypeStore> store, const DecodeOptions& options) {
  const InStage stage(CaseStage::kDecode);
  CHECK(options.naming == TypeNaming::kModule || store != nullptr,
        "I7: decode with canonical types needs a type store");
  return Decoder(std::move(bytes), std::move(store), options).run();
}

}  // namespace parallax::wasm
