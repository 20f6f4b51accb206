#include "engine/wasm/text/print.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "engine/base/text.h"
#include "engine/wasm/func_walk_rules.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/names.h"
#include "engine/wasm/text/mnemonics.h"
#include "engine/wasm/text/numbers.h"
#include "engine/wasm/text/tokens.h"

namespace parallax::wasm::text {

namespace {

using parallax::text::format;
using parallax::text::quoted;

bool is_plain_id(std::string_view name) {
  constexpr std::string_view kSpecial = "\"(),;[]{}";
  return !name.empty() &&
         std::ranges::all_of(name, [&](char c) { return c > 0x20 && c < 0x7f && kSpecial.find(c) == kSpecial.npos; });
}

// Identifiers of one index space: which indices have one that is unique and can be written.
class Ids {
 public:
  void add(uint32_t index, const std::string& name) {
    if (is_utf8(name)) names_.emplace(index, name);
  }
  // Forgets names of indices that do not exist, which a name section may well contain. Required before any use.
  void settle(size_t count) {
    names_.erase(names_.lower_bound(static_cast<uint32_t>(std::min<size_t>(count, UINT32_MAX))), names_.end());
    std::set<std::string_view> used;
    for (const auto& [index, name] : names_) {
      if (!name.empty() && used.insert(name).second) unique_.insert(index);
    }
  }
  // "$name", or the number.
  std::string use(uint32_t index) const {
    return unique_.contains(index) ? id(names_.at(index)) : std::to_string(index);
  }
  // " $name", " (@name "name")", or nothing: behind the word of a definition.
  std::string definition(uint32_t index) const {
    const auto found = names_.find(index);
    if (found == names_.end()) return "";
    return unique_.contains(index) ? " " + id(found->second) : format(" (@name {})", quoted(found->second));
  }
  bool has(uint32_t index) const { return names_.contains(index); }

  static std::string id(const std::string& name) { return is_plain_id(name) ? "$" + name : "$" + quoted(name); }

 private:
  std::map<uint32_t, std::string> names_;
  std::set<uint32_t> unique_;
};

// Spaces by section id, for the places of custom sections.
const char* section_word(uint32_t id) {
  static constexpr std::array<const char*, 14> kWords = {"first",  "type",   "import",    "func",  "table",
                                                         "memory", "global", "export",    "start", "elem",
                                                         "code",   "data",   "datacount", "tag"};
  return id < kWords.size() ? kWords[id] : "last";
}

class Printer {
 public:
  Printer(const Module& module, const PrintOptions& options) : module_(module), options_(options) {
    const ModuleNames names = read_names(module);
    module_name_ = names.module;
    const auto fill = [](Ids& ids, const std::vector<NameEntry>& entries, size_t count) {
      for (const NameEntry& entry : entries) ids.add(entry.index, entry.name);
      ids.settle(count);
    };
    fill(funcs_, names.funcs, module.funcs.size());
    fill(types_, names.types, module.types.size());
    fill(tables_, names.tables, module.tables.size());
    fill(memories_, names.memories, module.memories.size());
    fill(globals_, names.globals, module.globals.size());
    fill(elems_, names.elems, module.elems.size());
    fill(datas_, names.datas, module.datas.size());
    fill(tags_, names.tags, module.tags.size());
    for (const IndirectNameEntry& entry : names.locals) locals_[entry.outer].add(entry.index, entry.name);
    for (auto& [func, ids] : locals_) ids.settle(local_count(func));
    for (const IndirectNameEntry& entry : names.fields) fields_[entry.outer].add(entry.index, entry.name);
    for (auto& [type, ids] : fields_) ids.settle(field_count(type));
    for (const IndirectNameEntry& entry : names.labels) labels_[entry.outer][entry.index] = entry.name;
  }

  Result<std::string> run() {
    out_ = "(module";
    if (!module_name_.empty() && is_utf8(module_name_)) out_ += " " + Ids::id(module_name_);
    for (const RecGroup& group : module_.rec_groups) print_group(group);
    for (const Import& import : module_.imports) print_import(import);
    for (uint32_t i = module_.imported_tables; i < module_.tables.size(); ++i) TRY(print_table(i));
    for (uint32_t i = module_.imported_memories; i < module_.memories.size(); ++i) print_memory(i);
    for (uint32_t i = module_.imported_tags; i < module_.tags.size(); ++i) print_tag(i);
    for (uint32_t i = module_.imported_globals; i < module_.globals.size(); ++i) TRY(print_global(i));
    for (const Export& entry : module_.exports) print_export(entry);
    if (module_.start) line(1, format("(start {})", funcs_.use(module_.start->raw)));
    for (uint32_t i = 0; i < module_.elems.size(); ++i) TRY(print_elem(i));
    for (uint32_t i = module_.imported_funcs; i < module_.funcs.size(); ++i) TRY(print_func(i));
    for (uint32_t i = 0; i < module_.datas.size(); ++i) TRY(print_data(i));
    if (options_.customs) print_customs();
    out_ += ")\n";
    return std::move(out_);
  }

 private:
  // Deeper nesting is shown at this depth: otherwise the text of n nested blocks has n * n characters.
  static constexpr size_t kMaxIndent = 100;

  void line(size_t indent, std::string_view text) {
    out_ += '\n';
    out_.append(2 * std::min(indent, kMaxIndent), ' ');
    out_ += text;
  }

  // How many locals, parameters included, and fields there are to be named; 0 where there is no such function or type.
  size_t local_count(uint32_t func) const {
    if (func >= module_.funcs.size()) return 0;
    const Func& row = module_.funcs[func];
    size_t count = param_count(row.type);
    if (row.imported) return count;
    Reader in(module_.bytes, row.body);
    const TypeScope scope = TypeScope::of(module_, options_.features);
    for (uint32_t groups = in.u32(); groups > 0 && in.ok(); --groups) {
      count += in.u32();
      read_val_type(in, scope);
    }
    return count;
  }
  size_t param_count(uint32_t type) const {
    if (type >= module_.types.size() || module_.types[type].kind != CompositeKind::kFunc) return 0;
    return module_.types[type].params.size();
  }
  size_t field_count(uint32_t type) const {
    if (type >= module_.types.size() || module_.types[type].kind != CompositeKind::kStruct) return 0;
    return module_.types[type].fields.size();
  }

  // --- Types -------------------------------------------------------------------------------------------------------

  std::string heap_type(HeapType type) const {
    return type.is_concrete() ? types_.use(type.number()) : wasm::to_string(type);
  }
  std::string value_type(ValType type) const {
    if (!type.is_ref() || !type.heap().is_concrete()) return wasm::to_string(type);
    return format("(ref {}{})", type.nullable() ? "null " : "", types_.use(type.heap().number()));
  }
  // Always "(ref ...)", which instructions on reference types want to be told.
  std::string ref_type(ValType type) const {
    return format("(ref {}{})", type.nullable() ? "null " : "", heap_type(type.heap()));
  }
  std::string storage_type(StorageType type) const {
    switch (type.packed) {
      case Packed::kI8: return "i8";
      case Packed::kI16: return "i16";
      case Packed::kNone: break;
    }
    return value_type(type.unpacked);
  }
  std::string field_type(const FieldType& field) const {
    const std::string storage = storage_type(field.storage);
    return field.is_mutable ? format("(mut {})", storage) : storage;
  }

  // " (param i32 i64) (result f32)"; params that have names get a group each.
  std::string signature(const SubType& type, const Ids* names) const {
    std::string out;
    bool open = false;
    const auto close = [&] {
      if (open) out += ')';
      open = false;
    };
    for (uint32_t i = 0; i < type.params.size(); ++i) {
      if (names != nullptr && names->has(i)) {
        close();
        out += format(" (param{} {})", names->definition(i), value_type(type.params[i]));
        continue;
      }
      out += open ? " " : " (param ";
      open = true;
      out += value_type(type.params[i]);
    }
    close();
    for (size_t i = 0; i < type.results.size(); ++i) out += (i == 0 ? " (result " : " ") + value_type(type.results[i]);
    if (!type.results.empty()) out += ')';
    return out;
  }

  std::string type_use(uint32_t type, const Ids* names) const {
    std::string out = format(" (type {})", types_.use(type));
    if (type < module_.types.size() && module_.types[type].kind == CompositeKind::kFunc) {
      out += signature(module_.types[type], names);
    }
    return out;
  }

  std::string composite_type(uint32_t index) const {
    const SubType& type = module_.types[index];
    switch (type.kind) {
      case CompositeKind::kFunc: return format("(func{})", signature(type, nullptr));
      case CompositeKind::kArray: return format("(array {})", field_type(type.fields[0]));
      case CompositeKind::kStruct: break;
    }
    std::string out = "(struct";
    const auto names = fields_.find(index);
    for (uint32_t i = 0; i < type.fields.size(); ++i) {
      out += format(" (field{} {})", names == fields_.end() ? "" : names->second.definition(i),
                    field_type(type.fields[i]));
    }
    return out + ")";
  }

  void print_type(uint32_t index, size_t indent) {
    const SubType& type = module_.types[index];
    std::string body = composite_type(index);
    if (!type.is_final || type.has_super) {
      body = format("(sub {}{}{})", type.is_final ? "final " : "",
                    type.has_super ? types_.use(type.super) + " " : std::string(), body);
    }
    line(indent, format("(type{} {})", definition(types_, index), body));
  }

  void print_group(const RecGroup& group) {
    if (!group.explicit_rec) {
      for (uint32_t i = 0; i < group.count; ++i) print_type(group.first + i, 1);
      return;
    }
    line(1, "(rec");
    for (uint32_t i = 0; i < group.count; ++i) print_type(group.first + i, 2);
    out_ += ')';
  }

  // A definition's name, or its index as a comment.
  static std::string definition(const Ids& ids, uint32_t index) {
    return ids.has(index) ? ids.definition(index) : format(" (;{};)", index);
  }

  std::string limits(const Limits& limits) const {
    std::string out = limits.is_64 ? "i64 " : "";
    out += std::to_string(limits.min);
    if (limits.max) out += format(" {}", *limits.max);
    return out;
  }
  std::string table_type(const TableType& type) const {
    return format("{} {}", limits(type.limits), value_type(type.element));
  }
  std::string global_type(const GlobalType& type) const {
    return type.is_mutable ? format("(mut {})", value_type(type.value)) : value_type(type.value);
  }

  // --- Fields --------------------------------------------------------------------------------------------------------

  void print_import(const Import& import) {
    line(1, format("(import {} {} {})", quoted(import.module), quoted(import.name), import_type(import)));
  }
  std::string import_type(const Import& import) const {
    const uint32_t i = import.index;
    switch (import.kind) {
      case ExternKind::kFunc:
        return format("(func{}{})", definition(funcs_, i), type_use(module_.funcs[i].type, local_names(i)));
      case ExternKind::kTable:
        return format("(table{} {})", definition(tables_, i), table_type(module_.tables[i].type));
      case ExternKind::kMemory:
        return format("(memory{} {})", definition(memories_, i), limits(module_.memories[i].type.limits));
      case ExternKind::kGlobal:
        return format("(global{} {})", definition(globals_, i), global_type(module_.globals[i].type));
      case ExternKind::kTag: return format("(tag{}{})", definition(tags_, i), type_use(module_.tags[i].type, nullptr));
    }
    return "";
  }
  const Ids* local_names(uint32_t func) const {
    const auto found = locals_.find(func);
    return found == locals_.end() ? nullptr : &found->second;
  }

  Result<> print_table(uint32_t index) {
    const Table& table = module_.tables[index];
    std::string init;
    if (table.init) {
      init = " " + TRY(expression(*table.init));
      // In text that would be a table without one.
      if (init == " ") return fail(ErrorCode::kInvalid, table.init->begin, "empty initialiser of a table");
    }
    line(1, format("(table{} {}{})", definition(tables_, index), table_type(table.type), init));
    return {};
  }
  void print_memory(uint32_t index) {
    line(1, format("(memory{} {})", definition(memories_, index), limits(module_.memories[index].type.limits)));
  }
  void print_tag(uint32_t index) {
    line(1, format("(tag{}{})", definition(tags_, index), type_use(module_.tags[index].type, nullptr)));
  }
  Result<> print_global(uint32_t index) {
    const Global& global = module_.globals[index];
    const std::string init = TRY(expression(global.init));
    line(1, format("(global{} {} {})", definition(globals_, index), global_type(global.type), init));
    return {};
  }
  void print_export(const Export& entry) {
    const std::pair<const char*, const Ids*> kinds[] = {
        {"func", &funcs_}, {"table", &tables_}, {"memory", &memories_}, {"global", &globals_}, {"tag", &tags_}};
    const auto& [word, ids] = kinds[static_cast<size_t>(entry.kind)];
    line(1, format("(export {} ({} {}))", quoted(entry.name), word, ids->use(entry.index)));
  }

  Result<> print_elem(uint32_t index) {
    const ElemSegment& segment = module_.elems[index];
    std::string head = "(elem" + definition(elems_, index);
    if (segment.mode == SegmentMode::kDeclarative) head += " declare";
    if (segment.mode == SegmentMode::kActive) {
      if (segment.table.raw != 0) head += format(" (table {})", tables_.use(segment.table.raw));
      head += format(" (offset {})", TRY(expression(segment.offset)));
    }
    if (segment.uses_exprs) {
      head += " " + value_type(segment.type);
      for (const ConstExpr& expr : segment.exprs) head += format(" (item {})", TRY(expression(expr)));
    } else {
      head += " func";
      for (const FuncIndex func : segment.funcs) head += " " + funcs_.use(func.raw);
    }
    line(1, head + ")");
    return {};
  }

  Result<> print_data(uint32_t index) {
    const DataSegment& segment = module_.datas[index];
    std::string head = "(data" + definition(datas_, index);
    if (segment.mode == SegmentMode::kActive) {
      if (segment.memory.raw != 0) head += format(" (memory {})", memories_.use(segment.memory.raw));
      head += format(" (offset {})", TRY(expression(segment.offset)));
    }
    const std::span<const uint8_t> bytes = module_.at(segment.bytes);
    line(1, format("{} {})", head, quoted({reinterpret_cast<const char*>(bytes.data()), bytes.size()})));
    return {};
  }

  // The name section was turned into identifiers; everything else is kept as it is.
  void print_customs() {
    for (const CustomSection& custom : module_.customs) {
      if (custom.name == "name" || !is_utf8(custom.name)) continue;
      const std::span<const uint8_t> bytes = module_.at(custom.content);
      const char* side = custom.after_section == 0 ? "before" : "after";
      line(1, format("(@custom {} ({} {}) {})", quoted(custom.name), side, section_word(custom.after_section),
                     quoted({reinterpret_cast<const char*>(bytes.data()), bytes.size()})));
    }
  }

  // --- Code ------------------------------------------------------------------------------------------------------------

  // What may still come inside an open construct.
  enum class Part : uint8_t {
    kLast,   // end
    kIf,     // else, end
    kTry,    // catch, catch_all, delegate, end
    kCatch,  // catch, catch_all, end
  };
  struct Open {
    std::string name;  // "" without
    Part part = Part::kLast;
  };
  // Where in a body the printer is.
  struct CodeState {
    const Ids* locals = nullptr;
    const std::map<uint32_t, std::string>* label_names = nullptr;
    std::vector<Open> open;  // innermost last
    uint32_t opened = 0;
    bool done = false;  // the end of the body was seen
  };

  // Follows the structure of a body. Text can only say what is nested well: anything else is an error, as it is for
  // a validator.
  static Result<> follow(const Instr& instr, CodeState& state) {
    const auto fail_structure = [&] {
      return fail(ErrorCode::kMalformed, instr.offset, format("misplaced {}", info(instr.op).text));
    };
    if (state.done) return fail_structure();
    Open* const top = state.open.empty() ? nullptr : &state.open.back();
    const bool in_try = top != nullptr && (top->part == Part::kTry || top->part == Part::kCatch);
    switch (instr.op) {
      case Opcode::End: state.done = top == nullptr; return {};
      case Opcode::Else:
        if (top == nullptr || top->part != Part::kIf) return fail_structure();
        top->part = Part::kLast;
        return {};
      case Opcode::Catch:
      case Opcode::CatchAll:
        if (!in_try) return fail_structure();
        top->part = instr.op == Opcode::Catch ? Part::kCatch : Part::kLast;
        return {};
      case Opcode::Delegate:
        if (top == nullptr || top->part != Part::kTry) return fail_structure();
        return {};
      default: return {};
    }
  }

  // A constant expression's instructions on one line, folded if there is only one.
  Result<std::string> expression(ConstExpr expr) {
    CodeState state;
    std::vector<std::string> parts;
    TRY(scan_instrs(module_, expr, options_.features, [&](const Instr& instr) -> Result<> {
      TRY(follow(instr, state));
      if (!state.done) parts.push_back(instruction(instr, state));
      return {};
    }));
    if (parts.size() == 1) return format("({})", parts[0]);
    std::string out;
    for (const std::string& part : parts) out += (out.empty() ? "" : " ") + part;
    return out;
  }

  Result<> print_func(uint32_t index) {
    const Func& func = module_.funcs[index];
    line(1, format("(func{}{}", definition(funcs_, index), type_use(func.type, local_names(index))));
    if (options_.offsets) out_ += format("  (; body at {:#x} ;)", func.body.begin);
    CodeState state;
    state.locals = local_names(index);
    if (const auto found = labels_.find(index); found != labels_.end()) state.label_names = &found->second;
    const Range code = TRY(print_locals(func, state));
    TRY(scan_instrs(module_, code, options_.features, [&](const Instr& instr) -> Result<> {
      TRY(follow(instr, state));
      if (!state.done) print_instruction(instr, state);
      return {};
    }));
    if (!state.done) return fail(ErrorCode::kMalformed, func.body.end, "function body without end");
    out_ += ')';
    return {};
  }

  // Returns the range of the code behind the locals.
  Result<Range> print_locals(const Func& func, const CodeState& state) {
    Reader in(module_.bytes, func.body);
    TypeScope scope = TypeScope::of(module_, options_.features);
    auto next = static_cast<uint32_t>(param_count(func.type));
    const uint32_t groups = in.u32();
    for (uint32_t g = 0; g < groups && in.ok(); ++g) {
      const uint32_t count = in.u32();
      const std::string type = value_type(read_val_type(in, scope));
      if (!in.ok()) break;
      if (count > kMaxLocals || next + count > kMaxLocals + kMaxParams) {
        return fail(ErrorCode::kLimit, in.offset(), "too many locals");
      }
      print_local_group(state, next, count, type);
      next += count;
    }
    if (!in.ok()) return std::unexpected(in.error());
    return Range{in.offset(), func.body.end};
  }

  void print_local_group(const CodeState& state, uint32_t first, uint32_t count, const std::string& type) {
    std::string unnamed;
    const auto flush = [&] {
      if (!unnamed.empty()) line(2, format("(local{})", unnamed));
      unnamed.clear();
    };
    for (uint32_t i = 0; i < count; ++i) {
      if (state.locals == nullptr || !state.locals->has(first + i)) {
        unnamed += " " + type;
        continue;
      }
      flush();
      line(2, format("(local{} {})", state.locals->definition(first + i), type));
    }
    flush();
  }

  void print_instruction(const Instr& instr, CodeState& state) {
    const size_t depth = state.open.size();
    const bool dedents = instr.op == Opcode::Else || instr.op == Opcode::End || instr.op == Opcode::Catch ||
                         instr.op == Opcode::CatchAll || instr.op == Opcode::Delegate;
    line(2 + depth - (dedents && depth > 0 ? 1 : 0), instruction(instr, state));
    if (options_.offsets) out_ += format("  (;{:#x};)", instr.offset);
  }

  std::string label(uint32_t depth, const CodeState& state) const {
    if (depth >= state.open.size()) return std::to_string(depth);
    const std::string& name = state.open[state.open.size() - 1 - depth].name;
    if (name.empty()) return std::to_string(depth);
    for (uint32_t inner = 0; inner < depth; ++inner) {
      if (state.open[state.open.size() - 1 - inner].name == name) return std::to_string(depth);
    }
    return Ids::id(name);
  }

  // The instruction's text; opens and closes blocks in `state`.
  std::string instruction(const Instr& instr, CodeState& state) {
    std::string out = info(instr.op).text;
    switch (info(instr.op).immediates) {
      case ImmKind::None:
        if (instr.op == Opcode::End && !state.open.empty()) state.open.pop_back();
        return out;
      case ImmKind::Block: return out + open_block(instr.op, state) + block_type(instr.block);
      case ImmKind::TryTable: return try_table(instr, state);
      case ImmKind::Label:
        if (instr.op == Opcode::Delegate && !state.open.empty()) state.open.pop_back();
        return out + " " + label(instr.a, state);
      case ImmKind::BrTable:
        for (const uint32_t depth : instr.labels) out += " " + label(depth, state);
        return out;
      case ImmKind::Func: return out + " " + funcs_.use(instr.a);
      case ImmKind::Local:
        return out + " " + (state.locals != nullptr ? state.locals->use(instr.a) : std::to_string(instr.a));
      case ImmKind::Global: return out + " " + globals_.use(instr.a);
      case ImmKind::Table: return out + optional(tables_, instr.a);
      case ImmKind::Memory: return out + optional(memories_, instr.a);
      case ImmKind::Tag: return out + " " + tags_.use(instr.a);
      case ImmKind::Data: return out + " " + datas_.use(instr.a);
      case ImmKind::Elem: return out + " " + elems_.use(instr.a);
      case ImmKind::Type: return out + " " + types_.use(instr.a);
      case ImmKind::MemArg:
      case ImmKind::MemArgLane:
      case ImmKind::Lane: return out + mem_arg(instr);
      case ImmKind::DataMemory: return out + optional(memories_, instr.b) + " " + datas_.use(instr.a);
      case ImmKind::MemoryMemory: return out + optional_pair(memories_, instr);
      case ImmKind::TableTable: return out + optional_pair(tables_, instr);
      case ImmKind::TableElem: return out + optional(tables_, instr.a) + " " + elems_.use(instr.b);
      case ImmKind::CallIndirect: return out + optional(tables_, instr.b) + type_use(instr.a, nullptr);
      case ImmKind::TypeField: return out + format(" {} {}", types_.use(instr.a), field(instr.a, instr.b));
      case ImmKind::TypeCount: return out + format(" {} {}", types_.use(instr.a), instr.b);
      case ImmKind::TypeData: return out + format(" {} {}", types_.use(instr.a), datas_.use(instr.b));
      case ImmKind::TypeElem: return out + format(" {} {}", types_.use(instr.a), elems_.use(instr.b));
      case ImmKind::TypeType: return out + format(" {} {}", types_.use(instr.a), types_.use(instr.b));
      case ImmKind::HeapType: return heap_instruction(instr);
      case ImmKind::BrOnCast:
        return out + format(" {} {} {}", label(instr.a, state), ref_type(instr.type), ref_type(instr.target));
      case ImmKind::SelectTypes: return out + result_types(instr.types);
      case ImmKind::I32: return out + format(" {}", static_cast<int32_t>(instr.bits));
      case ImmKind::I64: return out + format(" {}", static_cast<int64_t>(instr.bits));
      case ImmKind::F32: return out + " " + print_float(instr.bits, FloatWidth::k32);
      case ImmKind::F64: return out + " " + print_float(instr.bits, FloatWidth::k64);
      case ImmKind::V128: return out + v128(instr);
      case ImmKind::Shuffle:
        for (const uint8_t lane : instr.v128) out += format(" {}", lane);
        return out;
    }
    return out;
  }

  std::string open_block(Opcode op, CodeState& state) {
    std::string name;
    if (state.label_names != nullptr) {
      const auto found = state.label_names->find(state.opened);
      if (found != state.label_names->end() && is_utf8(found->second)) name = found->second;
    }
    ++state.opened;
    state.open.push_back({name, op == Opcode::If ? Part::kIf : op == Opcode::Try ? Part::kTry : Part::kLast});
    return name.empty() ? "" : " " + Ids::id(name);
  }

  std::string block_type(const BlockType& type) const {
    switch (type.kind) {
      case BlockTypeKind::kEmpty: return "";
      case BlockTypeKind::kValue: return format(" (result {})", value_type(type.value));
      case BlockTypeKind::kFunc: return type_use(type.type, nullptr);
    }
    return "";
  }

  std::string try_table(const Instr& instr, CodeState& state) {
    // The clauses' labels are counted from outside.
    std::string clauses;
    for (const Catch& clause : instr.catches) {
      switch (clause.kind) {
        case CatchKind::kCatch:
          clauses += format(" (catch {} {})", tags_.use(clause.tag.raw), label(clause.label, state));
          break;
        case CatchKind::kCatchRef:
          clauses += format(" (catch_ref {} {})", tags_.use(clause.tag.raw), label(clause.label, state));
          break;
        case CatchKind::kCatchAll: clauses += format(" (catch_all {})", label(clause.label, state)); break;
        case CatchKind::kCatchAllRef: clauses += format(" (catch_all_ref {})", label(clause.label, state)); break;
      }
    }
    return format("try_table{}{}{}", open_block(instr.op, state), block_type(instr.block), clauses);
  }

  // An index that is left out when it is 0.
  static std::string optional(const Ids& ids, uint32_t index) { return index == 0 ? "" : " " + ids.use(index); }
  static std::string optional_pair(const Ids& ids, const Instr& instr) {
    if (instr.a == 0 && instr.b == 0) return "";
    return format(" {} {}", ids.use(instr.a), ids.use(instr.b));
  }
  std::string field(uint32_t type, uint32_t index) const {
    const auto found = fields_.find(type);
    return found == fields_.end() ? std::to_string(index) : found->second.use(index);
  }
  std::string mem_arg(const Instr& instr) const {
    const ImmKind kind = info(instr.op).immediates;
    std::string out;
    if (kind != ImmKind::Lane) {
      out += optional(memories_, instr.mem.memory.raw);
      if (instr.mem.offset != 0) out += format(" offset={}", instr.mem.offset);
      if (instr.mem.align_log2 != natural_align_log2(instr.op) && instr.mem.align_log2 < 64) {
        out += format(" align={}", uint64_t{1} << instr.mem.align_log2);
      }
    }
    if (kind != ImmKind::MemArg) out += format(" {}", instr.lane);
    return out;
  }
  std::string heap_instruction(const Instr& instr) const {
    if (instr.op == Opcode::RefNull) return format("ref.null {}", heap_type(instr.type.heap()));
    const bool is_test = instr.op == Opcode::RefTest || instr.op == Opcode::RefTestNull;
    return format("{} {}", is_test ? "ref.test" : "ref.cast", ref_type(instr.type));
  }
  std::string result_types(std::span<const ValType> types) const {
    std::string out = " (result";
    for (const ValType type : types) out += " " + value_type(type);
    return out + ")";
  }
  static std::string v128(const Instr& instr) {
    std::string out = " i32x4";
    for (size_t lane = 0; lane < 4; ++lane) {
      uint32_t value = 0;
      for (size_t byte = 0; byte < 4; ++byte) value |= uint32_t{instr.v128[4 * lane + byte]} << (8 * byte);
      out += format(" {:#010x}", value);
    }
    return out;
  }

  const Module& module_;
  const PrintOptions& options_;
  std::string module_name_;
  Ids funcs_, types_, tables_, memories_, globals_, elems_, datas_, tags_;
  std::map<uint32_t, Ids> locals_, fields_;
  std::map<uint32_t, std::map<uint32_t, std::string>> labels_;
  std::string out_;
};

}  // namespace

Result<std::string> print_module(const Module& module, const PrintOptions& options) {
  return Printer(module, options).run();
}

Result<std::string> print_binary(std::vector<uint8_t> bytes, const PrintOptions& options) {
  DecodeOptions decoding;
  decoding.features = options.features;
  decoding.naming = TypeNaming::kModule;
  const Module module = TRY(decode(std::move(bytes), nullptr, decoding));
  return print_module(module, options);
}

}  // namespace parallax::wasm::text
