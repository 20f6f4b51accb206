// Lexing in one pass over the bytes; nesting (comments, annotations, groups) is counted or stacked, never recursed into.
#include "engine/wasm/text/tokens.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "engine/base/text.h"

namespace parallax::wasm::text {

namespace {

constexpr std::array<bool, 256> make_id_chars() {
  std::array<bool, 256> table{};
  for (int c = 0x21; c < 0x7f; ++c) table[static_cast<size_t>(c)] = true;
  for (const char c : {'"', '(', ')', ',', ';', '[', ']', '{', '}'}) table[static_cast<size_t>(c)] = false;
  return table;
}
constexpr std::array<bool, 256> kIdChars = make_id_chars();

bool is_id_char(char c) { return kIdChars[static_cast<uint8_t>(c)]; }
bool is_punctuation(char c) { return c == ',' || c == '[' || c == ']' || c == '{' || c == '}'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct NamedAnnotation {
  std::string_view id;
  AnnotationKind kind;
};
constexpr NamedAnnotation kAnnotations[] = {
    {"custom", AnnotationKind::kCustom},
    {"name", AnnotationKind::kName},
    {"metadata.code.branch_hint", AnnotationKind::kBranchHint},
};

}  // namespace

const char* to_string(AnnotationKind kind) {
  switch (kind) {
    case AnnotationKind::kCustom: return "@custom";
    case AnnotationKind::kName: return "@name";
    case AnnotationKind::kBranchHint: return "@metadata.code.branch_hint";
  }
  return "?";
}

void append_utf8(std::string& out, uint32_t scalar) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (scalar >> shift & 0x3f)); };
  if (scalar < 0x80) {
    out += static_cast<char>(scalar);
  } else if (scalar < 0x800) {
    out += static_cast<char>(0xc0 | scalar >> 6);
    tail(0);
  } else if (scalar < 0x10000) {
    out += static_cast<char>(0xe0 | scalar >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | scalar >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

Position Tokens::position(uint32_t offset) const {
  const auto line = static_cast<uint32_t>(std::ranges::upper_bound(lines_, offset) - lines_.begin());
  return {.line = line, .column = offset - lines_[line - 1] + 1};
}

std::unexpected<Error> Tokens::fail(uint32_t offset, std::string_view message, ErrorCode code) const {
  const Position at = position(offset);
  return parallax::fail(code, offset, parallax::text::format("{}:{}: {}", at.line, at.column, message));
}

class Lexer {
 public:
  explicit Lexer(Tokens& out) : out_(out), source_(out.source_) {}

  Result<> run() {
    TRY(check_utf8());
    while (true) {
      TRY(skip_space());
      if (pos_ == source_.size()) break;
      TRY(lex_one());
    }
    if (!open_.empty()) return close_error();
    out_.tokens_.push_back({.kind = TokenKind::kEnd, .offset = static_cast<uint32_t>(pos_)});
    return {};
  }

 private:
  // An open parenthesis: of a group (index into the tokens), or of an annotation.
  enum class Opened : uint8_t { kGroup, kAnnotation };
  struct Open {
    Opened kind;
    uint32_t offset;
    uint32_t index;                  // kGroup outside annotations: its token
    std::optional<Annotation> kept;  // kAnnotation that is understood
  };

  std::unexpected<Error> fail(size_t offset, std::string_view message) const {
    return out_.fail(static_cast<uint32_t>(offset), message);
  }
  std::unexpected<Error> close_error() const {
    const bool annotation = std::ranges::any_of(open_, [](const Open& o) { return o.kind == Opened::kAnnotation; });
    return fail(open_.back().offset, annotation ? "unclosed annotation" : "unclosed parenthesis");
  }
  char peek(size_t ahead = 0) const { return pos_ + ahead < source_.size() ? source_[pos_ + ahead] : '\0'; }
  std::string_view rest() const { return source_.substr(pos_); }

  // The whole text must be UTF-8; the first line that is not gets the blame.
  Result<> check_utf8() const {
    if (is_utf8(source_)) return {};
    for (const uint32_t begin : out_.lines_) {
      const size_t newline = source_.find('\n', begin);
      if (!is_utf8(source_.substr(begin, newline - begin))) return fail(begin, "malformed UTF-8 encoding");
    }
    return fail(0, "malformed UTF-8 encoding");
  }

  Result<> skip_space() {
    while (pos_ < source_.size()) {
      const char c = source_[pos_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++pos_;
      } else if (rest().starts_with(";;")) {
        while (pos_ < source_.size() && source_[pos_] != '\n' && source_[pos_] != '\r') ++pos_;
      } else if (rest().starts_with("(;")) {
        TRY(skip_block_comment());
      } else {
        break;
      }
    }
    return {};
  }

  Result<> skip_block_comment() {
    const size_t start = pos_;
    size_t depth = 0;
    do {
      if (pos_ >= source_.size()) return fail(start, "unclosed comment");
      if (rest().starts_with("(;")) {
        ++depth;
        pos_ += 2;
      } else if (rest().starts_with(";)")) {
        --depth;
        pos_ += 2;
      } else {
        ++pos_;
      }
    } while (depth != 0);
    return {};
  }

  Result<> lex_one() {
    const char c = source_[pos_];
    // Inside an annotation everything is just tokens and groups.
    if (c == '(') return peek(1) == '@' && !in_annotation() ? open_annotation() : open_group();
    if (c == ')') return close();
    if (c == '"' || c == ';' || is_id_char(c) || is_punctuation(c)) return lex_run();
    return fail(pos_, "illegal character");
  }

  Result<> open_group() {
    open_.push_back({Opened::kGroup, static_cast<uint32_t>(pos_), static_cast<uint32_t>(out_.tokens_.size()), {}});
    emit({.kind = TokenKind::kLeft, .offset = static_cast<uint32_t>(pos_)});
    ++pos_;
    return {};
  }

  Result<> open_annotation() {
    Open open{Opened::kAnnotation, static_cast<uint32_t>(pos_), 0, {}};
    pos_ += 2;
    std::string_view id;
    if (peek() == '"') {
      id = TRY(lex_string());
      if (!is_utf8(id)) return fail(open.offset, "malformed UTF-8 encoding");
    } else {
      const size_t start = pos_;
      while (is_id_char(peek())) ++pos_;
      id = source_.substr(start, pos_ - start);
    }
    if (id.empty()) return fail(open.offset, "empty annotation id");
    annotation_at_ = open_.size();
    for (const NamedAnnotation& known : kAnnotations) {
      if (known.id != id) continue;
      open.kept.emplace();
      open.kept->kind = known.kind;
      open.kept->offset = open.offset;
    }
    open_.push_back(std::move(open));
    return {};
  }

  Result<> close() {
    if (open_.empty()) return fail(pos_, "unexpected token )");
    Open open = std::move(open_.back());
    open_.pop_back();
    const auto at = static_cast<uint32_t>(pos_++);
    if (open.kind == Opened::kGroup) {
      if (!in_annotation()) out_.tokens_[open.index].match = static_cast<uint32_t>(out_.tokens_.size());
      emit({.kind = TokenKind::kRight, .offset = at});
      return {};
    }
    annotation_at_ = kNone;
    if (open.kept) {
      open.kept->before = static_cast<uint32_t>(out_.tokens_.size());
      out_.annotations_.push_back(std::move(*open.kept));
    }
    return {};
  }

  // Into the token array, or into the body of the annotation that is being read, if that one is kept.
  void emit(Token token) {
    if (!in_annotation()) {
      out_.tokens_.push_back(token);
    } else if (open_[annotation_at_].kept) {
      open_[annotation_at_].kept->body.push_back(token);
    }
  }
  bool in_annotation() const { return annotation_at_ != kNone; }

  // A maximal run of identifier characters, strings and punctuation: one token, reserved if no other rule fits.
  Result<> lex_run() {
    const size_t start = pos_;
    size_t strings = 0;
    bool punctuation = false;
    std::string_view string;
    size_t string_at = 0;
    while (pos_ < source_.size()) {
      const char c = source_[pos_];
      if (c == '"') {
        string_at = pos_;
        string = TRY(lex_string());
        ++strings;
      } else if (is_id_char(c)) {
        ++pos_;
      } else if (is_punctuation(c) || (c == ';' && peek(1) != ';')) {
        punctuation = true;
        ++pos_;
      } else {
        break;
      }
    }
    const std::string_view raw = source_.substr(start, pos_ - start);
    const bool string_ends = strings == 1 && source_[pos_ - 1] == '"' && !punctuation;
    Token token{.kind = TokenKind::kReserved, .offset = static_cast<uint32_t>(start), .match = 0, .text = raw};
    if (string_ends && string_at == start) {
      token.kind = TokenKind::kString;
      token.text = string;
    } else if (string_ends && string_at == start + 1 && raw[0] == '$') {
      token.kind = TokenKind::kId;
      token.text = string;
    } else if (strings == 0 && !punctuation) {
      token.kind = raw[0] == '$' ? TokenKind::kId : TokenKind::kWord;
      if (raw[0] == '$') token.text = raw.substr(1);
    }
    if (token.kind == TokenKind::kId && token.text.empty()) return fail(start, "empty identifier");
    if (token.kind == TokenKind::kId && !is_utf8(token.text)) return fail(start, "malformed UTF-8 encoding");
    emit(token);
    return {};
  }

  // Reads a string literal; its value is a view of the source if there is nothing to decode.
  Result<std::string_view> lex_string() {
    const size_t start = ++pos_;
    while (pos_ < source_.size()) {
      const char c = source_[pos_];
      if (c == '"') return source_.substr(start, pos_++ - start);
      if (c == '\\') return lex_escaped_string(start);
      if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) return fail(pos_, "illegal character in string");
      ++pos_;
    }
    return fail(start - 1, "unclosed string");
  }

  Result<std::string_view> lex_escaped_string(size_t start) {
    std::string& value = out_.decoded_.emplace_back(source_.substr(start, pos_ - start));
    while (pos_ < source_.size()) {
      const char c = source_[pos_++];
      if (c == '"') return std::string_view(value);
      if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) return fail(pos_ - 1, "illegal character in string");
      if (c != '\\') {
        value += c;
      } else {
        TRY(lex_escape(value));
      }
    }
    return fail(start - 1, "unclosed string");
  }

  Result<> lex_escape(std::string& value) {
    static constexpr std::pair<char, char> kSimple[] = {{'t', '\t'}, {'n', '\n'},  {'r', '\r'},
                                                        {'"', '"'},  {'\'', '\''}, {'\\', '\\'}};
    const char c = peek();
    for (const auto& [name, meaning] : kSimple) {
      if (c != name) continue;
      value += meaning;
      ++pos_;
      return {};
    }
    if (c == 'u' && peek(1) == '{') return lex_unicode_escape(value);
    const int high = hex_digit(c);
    const int low = high < 0 ? -1 : hex_digit(peek(1));
    if (low < 0) return fail(pos_ - 1, "illegal escape");
    value += static_cast<char>(high << 4 | low);
    pos_ += 2;
    return {};
  }

  Result<> lex_unicode_escape(std::string& value) {
    const size_t start = pos_ - 1;
    pos_ += 2;
    uint32_t scalar = 0;
    bool after_digit = false;
    for (;; ++pos_) {
      const char c = peek();
      if (c == '_' && after_digit) {
        after_digit = false;
        continue;
      }
      const int digit = hex_digit(c);
      if (digit < 0) break;
      scalar = scalar << 4 | static_cast<uint32_t>(digit);
      if (scalar > 0x10ffff) return fail(start, "illegal escape: not a Unicode scalar value");
      after_digit = true;
    }
    if (peek() != '}' || !after_digit) return fail(start, "illegal escape");
    if (scalar >= 0xd800 && scalar < 0xe000) return fail(start, "illegal escape: not a Unicode scalar value");
    ++pos_;
    append_utf8(value, scalar);
    return {};
  }

  Tokens& out_;
  std::string_view source_;
  size_t pos_ = 0;
  std::vector<Open> open_;
  static constexpr size_t kNone = SIZE_MAX;
  size_t annotation_at_ = kNone;  // the open annotation's place in open_
};

Result<std::shared_ptr<const Tokens>> Tokens::lex(std::string source) {
  if (source.size() > UINT32_MAX - 1) return parallax::fail(ErrorCode::kLimit, 0, "text of 4 GiB or more");
  auto tokens = std::make_shared<Tokens>();
  tokens->source_ = std::move(source);
  tokens->lines_.push_back(0);
  for (size_t at = 0; at < tokens->source_.size(); ++at) {
    if (tokens->source_[at] == '\n') tokens->lines_.push_back(static_cast<uint32_t>(at + 1));
  }
  TRY(Lexer(*tokens).run());
  return std::shared_ptr<const Tokens>(std::move(tokens));
}

}  // namespace parallax::wasm::text
