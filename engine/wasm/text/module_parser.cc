// Fields of a module: declaring names in the first round, emitting sections in the second.
#include "engine/wasm/text/module_parser.h"

#include <algorithm>
#include <array>

#include "engine/wasm/text/numbers.h"

namespace parallax::wasm::text {

namespace {

struct Kind {
  std::string_view word;
  ExternKind kind;
};
constexpr Kind kExternKinds[] = {{"func", ExternKind::kFunc},
                                 {"table", ExternKind::kTable},
                                 {"memory", ExternKind::kMemory},
                                 {"global", ExternKind::kGlobal},
                                 {"tag", ExternKind::kTag}};

std::optional<ExternKind> extern_kind(const Token& token) {
  for (const Kind& row : kExternKinds) {
    if (token.is_word(row.word)) return row.kind;
  }
  return std::nullopt;
}

constexpr uint64_t kPageSize = 65536;

}  // namespace

void put_unsigned(Bytes& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7f));
  out += static_cast<char>(value);
}

void put_signed(Bytes& out, int64_t value) {
  while (value < -0x40 || value >= 0x40) {
    out += static_cast<char>(0x80 | (value & 0x7f));
    value >>= 7;
  }
  out += static_cast<char>(value & 0x7f);
}

void put_bytes(Bytes& out, std::string_view bytes) {
  put_unsigned(out, bytes.size());
  out += bytes;
}

void put_opcode(Bytes& out, Opcode op) {
  const OpcodeInfo& row = info(op);
  if (row.prefix != 0) {
    out += static_cast<char>(row.prefix);
    put_unsigned(out, row.code);
  } else {
    out += static_cast<char>(row.code);
  }
}

ModuleParser::ModuleParser(const Tokens& tokens, size_t begin, size_t end, const ParseOptions& options)
    : in_(tokens, begin), end_(end), options_(options), taken_(tokens.annotations().size(), false) {}

Result<std::vector<uint8_t>> ModuleParser::run(std::string_view name) {
  module_name_ = TRY(name_annotation());
  const size_t fields = in_.at();
  // Annotations that stand outside the module are not ours.
  for (size_t i = 0; i < taken_.size(); ++i) {
    const Annotation& annotation = in_.tokens().annotations()[i];
    if (annotation.before < fields || annotation.before > end_) taken_[i] = true;
  }
  TRY(declare_fields());
  TRY(read_types());
  in_.move_to(fields);
  TRY(read_fields());
  TRY(check_all_annotations_taken());
  return write(name);
}

// --- Names and annotations -------------------------------------------------------------------------------------------

std::vector<const Annotation*> ModuleParser::take_annotations(AnnotationKind kind) {
  std::vector<const Annotation*> found;
  const std::span<const Annotation> all = in_.tokens().annotations();
  auto first = std::ranges::lower_bound(all, in_.at(), {}, &Annotation::before);
  for (; first != all.end() && first->before == in_.at(); ++first) {
    const auto index = static_cast<size_t>(first - all.begin());
    if (first->kind != kind || taken_[index]) continue;
    taken_[index] = true;
    found.push_back(&*first);
  }
  return found;
}

Result<std::optional<std::string>> ModuleParser::name_annotation() {
  if (in_.tokens().annotations().empty()) return std::nullopt;
  const std::vector<const Annotation*> found = take_annotations(AnnotationKind::kName);
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) return in_.tokens().fail(found[1]->offset, "@name annotation: multiple names");
  const Annotation& annotation = *found[0];
  if (annotation.body.size() != 1 || annotation.body[0].kind != TokenKind::kString) {
    return in_.tokens().fail(annotation.offset, "@name annotation: string expected");
  }
  const std::string_view text = annotation.body[0].text;
  if (!is_utf8(text)) return in_.tokens().fail(annotation.offset, "@name annotation: malformed UTF-8 encoding");
  return std::string(text);
}

Result<ModuleParser::Name> ModuleParser::optional_name() {
  Name name;
  if (in_.is(TokenKind::kId)) name.id = in_.next().text;
  name.annotated = TRY(name_annotation());
  return name;
}

void ModuleParser::skip_name() {
  if (in_.is(TokenKind::kId)) in_.next();
}

void ModuleParser::note_name(std::vector<NameEntry>& names, uint32_t index, const Name& name) const {
  if (options_.names == NameSection::kOmit || !name.is_given()) return;
  names.push_back({index, name.annotated.value_or(std::string(name.id))});
}

void ModuleParser::move_names(std::vector<NameEntry>& from, uint32_t outer, std::vector<IndirectNameEntry>& to) {
  for (NameEntry& entry : from) to.push_back({outer, entry.index, std::move(entry.name)});
  from.clear();
}

Result<> ModuleParser::declare(IndexSpace& space, const Name& name, const Token& at) {
  const uint32_t index = space.count++;
  if (!name.id.empty() && !space.by_id.emplace(name.id, index).second) {
    return in_.fail(at, parallax::text::format("duplicate {} ${}", space.what, name.id));
  }
  note_name(space.names, index, name);
  return {};
}

Result<> ModuleParser::check_all_annotations_taken() const {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (taken_[i]) continue;
    const Annotation& annotation = in_.tokens().annotations()[i];
    if (annotation.kind == AnnotationKind::kBranchHint) {
      return in_.tokens().fail(annotation.offset, "@metadata.code.branch_hint annotation: not in a function");
    }
    return in_.tokens().fail(annotation.offset,
                             parallax::text::format("misplaced {} annotation", to_string(annotation.kind)));
  }
  return {};
}

// --- First round -----------------------------------------------------------------------------------------------------

Result<> ModuleParser::declare_fields() {
  while (in_.at() < end_) {
    if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
    const size_t field = in_.at();
    const Token& head = in_.peek(1);
    if (head.kind != TokenKind::kWord) return in_.fail(head, "unknown operator " + Cursor::describe(head));
    in_.move_to(field + 2);
    TRY(declare_field(head.text, head));
    in_.move_to(field);
    in_.skip_group();
  }
  return {};
}

Result<> ModuleParser::declare_field(std::string_view kind, const Token& at) {
  // Whether a child "(word" stands directly in the field.
  const auto has_child = [&](std::string_view word) {
    Cursor look = in_;
    while (!look.is(TokenKind::kRight)) {
      if (look.at_group(word)) return true;
      if (look.is(TokenKind::kLeft)) {
        look.skip_group();
      } else {
        look.next();
      }
    }
    return false;
  };
  if (kind == "import") return declare_import(at);
  if (kind == "type" || kind == "rec") {
    type_fields_.push_back(in_.at() - 2);
    in_.move_to(in_.at() - 2);
    return declare_types();
  }
  if (kind == "export" || kind == "start") return {};
  struct Row {
    std::string_view word;
    IndexSpace* space;
    IndexSpace* inline_segment;
    std::string_view segment;
  };
  const Row rows[] = {{"func", &func_space_, nullptr, ""},
                      {"table", &table_space_, &elem_space_, "elem"},
                      {"memory", &memory_space_, &data_space_, "data"},
                      {"global", &global_space_, nullptr, ""},
                      {"tag", &tag_space_, nullptr, ""},
                      {"elem", &elem_space_, nullptr, ""},
                      {"data", &data_space_, nullptr, ""}};
  for (const Row& row : rows) {
    if (kind != row.word) continue;
    TRY(declare(*row.space, TRY(optional_name()), at));
    if (row.inline_segment != nullptr && has_child(row.segment)) TRY(declare(*row.inline_segment, {}, at));
    return {};
  }
  return in_.fail(at, parallax::text::format("unknown operator {}", kind));
}

Result<> ModuleParser::declare_import(const Token& at) {
  TRY(in_.expect_string());
  TRY(in_.expect_string());
  if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
  in_.next();
  const std::optional<ExternKind> kind = extern_kind(in_.peek());
  if (!kind) return in_.unexpected();
  in_.next();
  const std::array<IndexSpace*, 5> spaces = {&func_space_, &table_space_, &memory_space_, &global_space_, &tag_space_};
  return declare(*spaces[static_cast<size_t>(*kind)], TRY(optional_name()), at);
}

Result<> ModuleParser::declare_types() {
  if (in_.at_group("type")) return declare_type();
  const size_t end = in_.peek().match;
  in_.move_to(in_.at() + 2);
  while (in_.at() < end) TRY(declare_type());
  return {};
}

Result<> ModuleParser::declare_type() {
  const size_t begin = in_.at();
  const Token& at = in_.peek();
  TRY(in_.expect_group("type"));
  TRY(declare(type_space_, TRY(optional_name()), at));
  in_.move_to(begin);
  in_.skip_group();
  return {};
}

// --- Second round ----------------------------------------------------------------------------------------------------

Result<> ModuleParser::read_fields() {
  while (in_.at() < end_) {
    TRY(take_customs());
    TRY(read_field());
  }
  return take_customs();
}

Result<> ModuleParser::read_field() {
  struct Row {
    std::string_view word;
    Result<> (ModuleParser::*read)();
  };
  static constexpr Row kRows[] = {
      {"import", &ModuleParser::import_field}, {"func", &ModuleParser::func_field},
      {"table", &ModuleParser::table_field},   {"memory", &ModuleParser::memory_field},
      {"global", &ModuleParser::global_field}, {"tag", &ModuleParser::tag_field},
      {"export", &ModuleParser::export_field}, {"start", &ModuleParser::start_field},
      {"elem", &ModuleParser::elem_field},     {"data", &ModuleParser::data_field},
  };
  for (const Row& row : kRows) {
    if (!in_.take_group(row.word)) continue;
    TRY((this->*row.read)());
    return in_.expect_right();
  }
  in_.skip_group();  // types, read in the first round
  return {};
}

Result<> ModuleParser::begin_import(const Token& at) {
  if (defined_) return in_.fail(at, "import after a definition");
  ++imports_.count;
  return {};
}

Result<> ModuleParser::import_field() {
  TRY(begin_import(in_.peek()));
  put_bytes(imports_.body, TRY(in_.expect_name()));
  put_bytes(imports_.body, TRY(in_.expect_name()));
  in_.next();  // the first round saw "(kind" here
  const ExternKind kind = *extern_kind(in_.next());
  skip_name();
  uint32_t* const next[] = {&next_func_, &next_table_, &next_memory_, &next_global_, &next_tag_};
  TRY(extern_type(kind, (*next[static_cast<size_t>(kind)])++));
  return in_.expect_right();
}

Result<bool> ModuleParser::inline_import() {
  const Token& at = in_.peek();
  if (!in_.take_group("import")) return false;
  TRY(begin_import(at));
  put_bytes(imports_.body, TRY(in_.expect_name()));
  put_bytes(imports_.body, TRY(in_.expect_name()));
  TRY(in_.expect_right());
  return true;
}

Result<> ModuleParser::inline_exports(ExternKind kind, uint32_t index) {
  while (in_.take_group("export")) {
    put_bytes(exports_.body, TRY(in_.expect_name()));
    exports_.body += static_cast<char>(kind);
    put_unsigned(exports_.body, index);
    ++exports_.count;
    TRY(in_.expect_right());
  }
  return {};
}

// The description of an import, behind its name: kind and type.
Result<> ModuleParser::extern_type(ExternKind kind, uint32_t index) {
  Bytes& out = imports_.body;
  out += static_cast<char>(kind);
  switch (kind) {
    case ExternKind::kFunc: {
      IndexSpace params{"local"};
      put_unsigned(out, TRY(resolve(TRY(type_use(&params)))));
      move_names(params.names, index, names_.locals);
      return {};
    }
    case ExternKind::kTable: return table_type(out);
    case ExternKind::kMemory: return memory_type(out);
    case ExternKind::kGlobal: out += TRY(global_type()); return {};
    case ExternKind::kTag: {
      out += '\0';
      IndexSpace params{"local"};
      put_unsigned(out, TRY(resolve(TRY(type_use(&params)))));
      return {};
    }
  }
  return {};
}

Result<> ModuleParser::func_field() {
  const uint32_t index = next_func_++;
  skip_name();
  TRY(inline_exports(ExternKind::kFunc, index));
  if (TRY(inline_import())) return extern_type(ExternKind::kFunc, index);
  begin_definition();
  CodeContext context{.in_func = true};
  const TypeUse use = TRY(type_use(&context.locals));
  const uint32_t type = TRY(resolve(use));
  put_unsigned(funcs_.body, type);
  ++funcs_.count;
  // Parameters of a type that is only referred to have indices, but no names.
  if (use.is_inline_empty()) context.locals.count = param_count(type);
  TRY(func_body(context));
  move_names(context.locals.names, index, names_.locals);
  move_names(context.label_names, index, names_.labels);
  if (!context.hints.empty()) hints_.emplace_back(index, std::move(context.hints));
  return {};
}

uint32_t ModuleParser::param_count(uint32_t type) {
  if (type < types_.size()) return static_cast<uint32_t>(types_[type].signature.params.size());
  if (type < param_counts_.size()) return param_counts_[type];
  has_guessed_ = true;
  return 0;
}

std::vector<uint32_t> ModuleParser::all_param_counts() const {
  std::vector<uint32_t> counts;
  for (const TypeDef& def : types_) counts.push_back(static_cast<uint32_t>(def.signature.params.size()));
  return counts;
}

Result<> ModuleParser::func_body(CodeContext& context) {
  Bytes body = TRY(locals(context.locals));
  TRY(instructions(context, body));
  put_opcode(body, Opcode::End);
  put_bytes(codes_.body, body);
  ++codes_.count;
  return {};
}

Result<Bytes> ModuleParser::locals(IndexSpace& space) {
  std::vector<std::pair<uint32_t, Bytes>> runs;
  const auto add = [&](Bytes type) {
    if (!runs.empty() && runs.back().second == type) {
      ++runs.back().first;
    } else {
      runs.emplace_back(1, std::move(type));
    }
  };
  while (in_.take_group("local")) {
    const Token& at = in_.peek();
    const Name name = TRY(optional_name());
    if (name.is_given()) {
      TRY(declare(space, name, at));
      add(TRY(value_type()));
    } else {
      while (!in_.is(TokenKind::kRight)) {
        TRY(declare(space, {}, at));
        add(TRY(value_type()));
      }
    }
    TRY(in_.expect_right());
  }
  Bytes out;
  put_unsigned(out, runs.size());
  for (const auto& [count, type] : runs) {
    put_unsigned(out, count);
    out += type;
  }
  return out;
}

Result<> ModuleParser::table_field() {
  const uint32_t index = next_table_++;
  skip_name();
  TRY(inline_exports(ExternKind::kTable, index));
  if (TRY(inline_import())) return extern_type(ExternKind::kTable, index);
  begin_definition();
  ++tables_.count;
  return table_definition(index);
}

Result<> ModuleParser::table_definition(uint32_t index) {
  const size_t begin = in_.at();
  const bool is_64 = address_type();
  if (at_ref_type()) {  // reftype (elem ...): the limits follow from the list
    const Bytes element = TRY(ref_type());
    uint64_t count = 0;
    TRY(inline_elems(index, is_64, element, count));
    tables_.body += element;
    tables_.body += is_64 ? '\x05' : '\x01';
    put_unsigned(tables_.body, count);
    put_unsigned(tables_.body, count);
    return {};
  }
  in_.move_to(begin);
  Bytes type;
  TRY(table_type(type));
  if (in_.is(TokenKind::kRight)) {
    tables_.body += type;
    return {};
  }
  tables_.body += '\x40';
  tables_.body += '\0';
  tables_.body += type;
  tables_.body += TRY(expr_until_right());
  return {};
}

Result<> ModuleParser::inline_elems(uint32_t table, bool is_64, const Bytes& element, uint64_t& count) {
  TRY(in_.expect_group("elem"));
  ElemList list;
  if (in_.is(TokenKind::kLeft)) {
    list.uses_exprs = true;
    TRY(elem_exprs(list));
  } else {
    TRY(func_indices(list));
    // The index form suits a table of funcref; for any other element type the functions become expressions.
    if (element != "\x70") name_functions(list);
  }
  list.type = element;
  count = list.count();
  Bytes offset;
  put_opcode(offset, is_64 ? Opcode::I64Const : Opcode::I32Const);
  put_signed(offset, 0);
  put_opcode(offset, Opcode::End);
  put_active_elem(table, offset, list);
  return in_.expect_right();
}

Result<> ModuleParser::memory_field() {
  const uint32_t index = next_memory_++;
  skip_name();
  TRY(inline_exports(ExternKind::kMemory, index));
  if (TRY(inline_import())) return extern_type(ExternKind::kMemory, index);
  begin_definition();
  ++memories_.count;
  const size_t begin = in_.at();
  const bool is_64 = address_type();
  if (in_.at_group("data")) return inline_data(index, is_64);
  in_.move_to(begin);
  return memory_type(memories_.body);
}

Result<> ModuleParser::inline_data(uint32_t memory, bool is_64) {
  in_.take_group("data");
  const Bytes data = TRY(strings());
  TRY(in_.expect_right());
  const uint64_t pages = (data.size() + kPageSize - 1) / kPageSize;
  memories_.body += is_64 ? '\x05' : '\x01';
  put_unsigned(memories_.body, pages);
  put_unsigned(memories_.body, pages);
  ++datas_.count;
  datas_.body += memory == 0 ? '\x00' : '\x02';
  if (memory != 0) put_unsigned(datas_.body, memory);
  put_opcode(datas_.body, is_64 ? Opcode::I64Const : Opcode::I32Const);
  put_signed(datas_.body, 0);
  put_opcode(datas_.body, Opcode::End);
  put_bytes(datas_.body, data);
  return {};
}

Result<> ModuleParser::global_field() {
  const uint32_t index = next_global_++;
  skip_name();
  TRY(inline_exports(ExternKind::kGlobal, index));
  if (TRY(inline_import())) return extern_type(ExternKind::kGlobal, index);
  begin_definition();
  ++globals_.count;
  globals_.body += TRY(global_type());
  globals_.body += TRY(expr_until_right());
  return {};
}

Result<> ModuleParser::tag_field() {
  const uint32_t index = next_tag_++;
  skip_name();
  TRY(inline_exports(ExternKind::kTag, index));
  if (TRY(inline_import())) return extern_type(ExternKind::kTag, index);
  begin_definition();
  ++tags_.count;
  tags_.body += '\0';
  IndexSpace params{"local"};
  put_unsigned(tags_.body, TRY(resolve(TRY(type_use(&params)))));
  return {};
}

Result<> ModuleParser::export_field() {
  put_bytes(exports_.body, TRY(in_.expect_name()));
  if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
  in_.next();
  const std::optional<ExternKind> kind = extern_kind(in_.peek());
  if (!kind) return in_.unexpected();
  in_.next();
  const std::array<const IndexSpace*, 5> spaces = {&func_space_, &table_space_, &memory_space_, &global_space_,
                                                   &tag_space_};
  exports_.body += static_cast<char>(*kind);
  put_unsigned(exports_.body, TRY(index(*spaces[static_cast<size_t>(*kind)])));
  ++exports_.count;
  return in_.expect_right();
}

Result<> ModuleParser::start_field() {
  if (start_) return in_.fail(in_.peek(), "multiple start sections");
  start_ = TRY(index(func_space_));
  return {};
}

// --- Segments --------------------------------------------------------------------------------------------------------

Result<Bytes> ModuleParser::expr_until_right() {
  CodeContext context;
  Bytes out;
  TRY(instructions(context, out));
  put_opcode(out, Opcode::End);
  return out;
}

// (offset instr*), or a single folded instruction.
Result<Bytes> ModuleParser::offset_expr() {
  if (in_.take_group("offset")) {
    Bytes out = TRY(expr_until_right());
    TRY(in_.expect_right());
    return out;
  }
  return single_instruction_expr();
}

Result<Bytes> ModuleParser::single_instruction_expr() {
  CodeContext context;
  Bytes out;
  TRY(folded_instruction(context, out));
  put_opcode(out, Opcode::End);
  return out;
}

Result<Bytes> ModuleParser::strings() {
  Bytes out;
  while (in_.is(TokenKind::kString)) out += in_.next().text;
  return out;
}

Result<> ModuleParser::func_indices(ElemList& list) {
  while (in_.at_index()) { list.funcs.push_back(TRY(index(func_space_))); }
  return {};
}

void ModuleParser::name_functions(ElemList& list) {
  list.uses_exprs = true;
  for (const uint32_t func : list.funcs) {
    Bytes& expr = list.exprs.emplace_back();
    put_opcode(expr, Opcode::RefFunc);
    put_unsigned(expr, func);
    put_opcode(expr, Opcode::End);
  }
}

Result<> ModuleParser::elem_exprs(ElemList& list) {
  while (in_.is(TokenKind::kLeft)) {
    if (in_.take_group("item")) {
      list.exprs.push_back(TRY(expr_until_right()));
      TRY(in_.expect_right());
    } else {
      list.exprs.push_back(TRY(single_instruction_expr()));
    }
  }
  return {};
}

Result<ModuleParser::ElemList> ModuleParser::elem_list(Bare bare) {
  ElemList list;
  if (at_ref_type()) {
    list.uses_exprs = true;
    list.type = TRY(ref_type());
    TRY(elem_exprs(list));
    return list;
  }
  if (!in_.take_word("func") && bare == Bare::kRefused) return in_.unexpected();
  TRY(func_indices(list));
  return list;
}

void ModuleParser::put_elem(uint32_t flags, std::optional<uint32_t> table, const Bytes& offset, const ElemList& list) {
  constexpr uint32_t kNotActive = 1;  // bits of the flags: what is written
  constexpr uint32_t kExplicit = 2;
  constexpr uint32_t kExprs = 4;
  if (list.uses_exprs) flags |= kExprs;
  put_unsigned(elems_.body, flags);
  if (table) put_unsigned(elems_.body, *table);
  elems_.body += offset;
  if ((flags & (kNotActive | kExplicit)) != 0) elems_.body += list.uses_exprs ? list.type : Bytes(1, '\0');
  put_unsigned(elems_.body, list.count());
  if (list.uses_exprs) {
    for (const Bytes& expr : list.exprs) elems_.body += expr;
  } else {
    for (const uint32_t func : list.funcs) put_unsigned(elems_.body, func);
  }
  ++elems_.count;
}

// The short form serves table 0, for function indices or funcref.
void ModuleParser::put_active_elem(uint32_t table, const Bytes& offset, const ElemList& list) {
  const bool is_short = table == 0 && (!list.uses_exprs || list.type == "\x70");
  if (is_short) {
    put_elem(0, std::nullopt, offset, list);
  } else {
    put_elem(2, table, offset, list);
  }
}

Result<> ModuleParser::elem_field() {
  skip_name();
  if (in_.take_word("declare")) {
    put_elem(3, std::nullopt, {}, TRY(elem_list(Bare::kRefused)));
    return {};
  }
  uint32_t table = 0;
  const bool names_table = in_.take_group("table");
  if (names_table) {
    table = TRY(index(table_space_));
    TRY(in_.expect_right());
  }
  if (!names_table && (!in_.is(TokenKind::kLeft) || at_ref_type())) {
    put_elem(1, std::nullopt, {}, TRY(elem_list(Bare::kRefused)));
    return {};
  }
  const Bytes offset = TRY(offset_expr());
  put_active_elem(table, offset, TRY(elem_list(names_table ? Bare::kRefused : Bare::kAdmitted)));
  return {};
}

Result<> ModuleParser::data_field() {
  skip_name();
  Bytes& out = datas_.body;
  ++datas_.count;
  uint32_t memory = 0;
  const bool names_memory = in_.take_group("memory");
  if (names_memory) {
    memory = TRY(index(memory_space_));
    TRY(in_.expect_right());
  }
  if (names_memory || in_.is(TokenKind::kLeft)) {
    out += memory == 0 ? '\x00' : '\x02';
    if (memory != 0) put_unsigned(out, memory);
    out += TRY(offset_expr());
  } else {
    out += '\x01';
  }
  put_bytes(out, TRY(strings()));
  return {};
}

// --- Indices and numbers ---------------------------------------------------------------------------------------------

Result<uint64_t> ModuleParser::u64() {
  if (!in_.at_number()) return in_.unexpected();
  const Number<uint64_t> value = parse_unsigned(in_.peek().text, UINT64_MAX);
  if (!value && value.error() == NumberError::kMalformed) return in_.fail(in_.peek(), "unknown operator");
  if (!value) return in_.fail(in_.peek(), "constant out of range");
  in_.next();
  return *value;
}

Result<uint32_t> ModuleParser::u32() {
  const Token& at = in_.peek();
  const uint64_t value = TRY(u64());
  if (value > UINT32_MAX) return in_.fail(at, "constant out of range");
  return static_cast<uint32_t>(value);
}

Result<uint32_t> ModuleParser::index(const IndexSpace& space) {
  if (!in_.is(TokenKind::kId)) return u32();
  const auto found = space.by_id.find(in_.peek().text);
  if (found == space.by_id.end()) {
    return in_.fail(in_.peek(), parallax::text::format("unknown {} ${}", space.what, in_.peek().text));
  }
  in_.next();
  return found->second;
}

Result<uint32_t> ModuleParser::index_or_zero(const IndexSpace& space) {
  if (!in_.at_index()) return 0;
  return index(space);
}

Result<uint32_t> ModuleParser::field_index(uint32_t type) {
  if (!in_.is(TokenKind::kId)) return u32();
  const std::string_view id = in_.peek().text;
  if (type < types_.size()) {
    const auto found = types_[type].fields.find(id);
    if (found != types_[type].fields.end()) {
      in_.next();
      return found->second;
    }
  }
  return in_.fail(in_.peek(), parallax::text::format("unknown field ${}", id));
}

}  // namespace parallax::wasm::text
