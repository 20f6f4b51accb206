// The end of parsing: sections in their order, with the custom sections that annotations and names ask for.
#include <algorithm>
#include <utility>

#include "engine/wasm/names.h"
#include "engine/wasm/text/module_parser.h"

namespace parallax::wasm::text {

namespace {

// ORDER: the binary format's order of sections; `kFirst` and `kLast` stand around them.
struct SectionKind {
  std::string_view word;
  uint8_t id;
};
constexpr uint8_t kFirst = 254;
constexpr uint8_t kLast = 255;
constexpr SectionKind kSections[] = {
    {"first", kFirst}, {"type", 1},       {"import", 2}, {"func", 3},   {"table", 4},
    {"memory", 5},     {"tag", 13},       {"global", 6}, {"export", 7}, {"start", 8},
    {"elem", 9},       {"datacount", 12}, {"code", 10},  {"data", 11},  {"last", kLast},
};
constexpr uint8_t kCustomSection = 0;

void put_section(Bytes& out, uint8_t id, std::string_view content) {
  out += static_cast<char>(id);
  put_bytes(out, content);
}

void put_custom(Bytes& out, std::string_view name, std::string_view content) {
  Bytes body;
  put_bytes(body, name);
  body += content;
  put_section(out, kCustomSection, body);
}

}  // namespace

// --- Custom sections -------------------------------------------------------------------------------------------------

Result<> ModuleParser::take_customs() {
  if (in_.tokens().annotations().empty()) return {};
  for (const Annotation* annotation : take_annotations(AnnotationKind::kCustom)) {
    customs_.push_back(TRY(custom_annotation(*annotation)));
  }
  return {};
}

// (@custom "name" place? "content"*)
Result<ModuleParser::Custom> ModuleParser::custom_annotation(const Annotation& annotation) const {
  const auto fail = [&](std::string_view what) {
    return in_.tokens().fail(annotation.offset, parallax::text::format("@custom annotation: {}", what));
  };
  const std::vector<Token>& body = annotation.body;
  if (body.empty() || body[0].kind != TokenKind::kString) return fail("missing section name");
  Custom custom{.name = std::string(body[0].text), .content = {}, .place = Custom::Place::kAfter, .section = kLast};
  if (!is_utf8(custom.name)) return fail("malformed UTF-8 encoding");
  for (size_t i = TRY(custom_place(annotation, custom)); i < body.size(); ++i) {
    if (body[i].kind != TokenKind::kString) return fail("unexpected token " + Cursor::describe(body[i]));
    custom.content += body[i].text;
  }
  return custom;
}

// Returns the index of the first token behind the optional (before section) or (after section).
Result<size_t> ModuleParser::custom_place(const Annotation& annotation, Custom& custom) const {
  const std::vector<Token>& body = annotation.body;
  if (body.size() < 2 || body[1].kind != TokenKind::kLeft) return size_t{1};
  const auto fail = [&](std::string_view what) {
    return in_.tokens().fail(annotation.offset, parallax::text::format("@custom annotation: {}", what));
  };
  const Token nothing{};
  const auto at = [&](size_t i) -> const Token& { return i < body.size() ? body[i] : nothing; };
  if (!at(2).is_word("before") && !at(2).is_word("after")) return fail("malformed placement");
  custom.place = at(2).is_word("before") ? Custom::Place::kBefore : Custom::Place::kAfter;
  const auto* row = std::ranges::find_if(kSections, [&](const SectionKind& s) { return at(3).is_word(s.word); });
  if (row == std::end(kSections)) return fail("malformed section kind");
  if (at(4).kind != TokenKind::kRight) return fail("malformed placement");
  custom.section = row->id;
  return size_t{5};
}

Bytes ModuleParser::branch_hint_section() const {
  Bytes out;
  put_unsigned(out, hints_.size());
  for (const auto& [func, hints] : hints_) {
    put_unsigned(out, func);
    put_unsigned(out, hints.size());
    for (const CodeContext::Hint& hint : hints) {
      put_unsigned(out, hint.offset);
      put_bytes(out, std::string_view(reinterpret_cast<const char*>(&hint.value), 1));
    }
  }
  return out;
}

Bytes ModuleParser::name_section(std::string_view name) {
  if (options_.names == NameSection::kOmit) return {};
  names_.module = module_name_.value_or(std::string(name));
  names_.funcs = func_space_.names;
  names_.types = type_space_.names;
  names_.tables = table_space_.names;
  names_.memories = memory_space_.names;
  names_.globals = global_space_.names;
  names_.elems = elem_space_.names;
  names_.datas = data_space_.names;
  names_.tags = tag_space_.names;
  if (names_.empty()) return {};
  ByteWriter out;
  encode(out, names_);
  return Bytes(reinterpret_cast<const char*>(out.bytes().data()), out.size());
}

// --- The module --------------------------------------------------------------------------------------------------------

Result<std::vector<uint8_t>> ModuleParser::write(std::string_view name) {
  Bytes out("\0asm\1\0\0\0", 8);
  const auto put_counted = [&](uint8_t id, const Section& section) {
    if (section.count == 0) return;
    Bytes content;
    put_unsigned(content, section.count);
    content += section.body;
    put_section(out, id, content);
  };
  const auto put_customs = [&](Custom::Place place, uint8_t section) {
    for (const Custom& custom : customs_) {
      if (custom.place == place && custom.section == section) put_custom(out, custom.name, custom.content);
    }
  };
  const auto put_number = [&](uint8_t id, uint32_t number) {
    Bytes content;
    put_unsigned(content, number);
    put_section(out, id, content);
  };
  for (const SectionKind& section : kSections) {
    put_customs(Custom::Place::kBefore, section.id);
    switch (section.id) {
      case 1:
        if (!groups_.empty()) put_section(out, 1, type_section());
        break;
      case 2: put_counted(2, imports_); break;
      case 3: put_counted(3, funcs_); break;
      case 4: put_counted(4, tables_); break;
      case 5: put_counted(5, memories_); break;
      case 13: put_counted(13, tags_); break;
      case 6: put_counted(6, globals_); break;
      case 7: put_counted(7, exports_); break;
      case 8:
        if (start_) put_number(8, *start_);
        break;
      case 9: put_counted(9, elems_); break;
      case 12:
        if (uses_data_index_) put_number(12, datas_.count);
        break;
      case 10:
        if (!hints_.empty()) put_custom(out, "metadata.code.branch_hint", branch_hint_section());
        put_counted(10, codes_);
        break;
      case 11: put_counted(11, datas_); break;
      default: break;
    }
    put_customs(Custom::Place::kAfter, section.id);
  }
  const Bytes names = name_section(name);
  if (!names.empty()) put_custom(out, "name", names);
  return std::vector<uint8_t>(out.begin(), out.end());
}

}  // namespace parallax::wasm::text
