// The lexer of the WebAssembly text format: source text to a flat array of tokens.
//
// Tokens follow the specification's chapter "Text Format / Lexical Format": maximal munch, reserved tokens included, so
// that `0drop` and `"a""b"` are one (unknown) token each. Strings and identifiers are decoded here. Parentheses are
// matched here as well: every later stage may step over a group in one move, and unbalanced text never reaches them.
//
// Annotations are skipped, as the specification asks for unknown ones, except those that Parallax understands: they are
// kept beside the tokens, with the token that they stand before, and whoever understands the place takes them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/reader.h"

namespace parallax::wasm::text {

enum class TokenKind : uint8_t {
  kLeft,      // (
  kRight,     // )
  kWord,      // keyword, number, or anything else made of identifier characters
  kString,    // text is the decoded bytes
  kId,        // text is the decoded name, without the $
  kReserved,  // no rule of the grammar admits it
  kEnd,       // after the last token
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t offset = 0;         // in the source
  uint32_t match = 0;          // kLeft: index of its kRight
  std::string_view text = {};  // kLeft, kRight: empty

  bool is_word(std::string_view word) const { return kind == TokenKind::kWord && text == word; }
};

// The annotations that Parallax understands.
enum class AnnotationKind : uint8_t { kCustom, kName, kBranchHint };
const char* to_string(AnnotationKind kind);  // "@custom"

struct Annotation {
  AnnotationKind kind = AnnotationKind::kCustom;
  uint32_t offset = 0;
  uint32_t before = 0;      // index of the next token that is not part of an annotation
  std::vector<Token> body;  // what stands between the id and the closing parenthesis
};

struct Position {
  uint32_t line = 1;
  uint32_t column = 1;  // in bytes
};

class Tokens {
 public:
  // Requires: source below 4 GiB (kLimit otherwise). Ensures: parentheses are balanced, the last token is kEnd.
  static Result<std::shared_ptr<const Tokens>> lex(std::string source);

  const Token& operator[](size_t index) const { return tokens_[index]; }
  size_t size() const { return tokens_.size(); }
  std::span<const Annotation> annotations() const { return annotations_; }
  std::string_view source() const { return source_; }

  Position position(uint32_t offset) const;
  // An error that says where: "12:7: message".
  std::unexpected<Error> fail(uint32_t offset, std::string_view message, ErrorCode code = ErrorCode::kSyntax) const;

 private:
  friend class Lexer;
  std::string source_;
  std::deque<std::string> decoded_;  // strings that differ from their source; a deque, so that views stay valid
  std::vector<Token> tokens_;
  std::vector<Annotation> annotations_;
  std::vector<uint32_t> lines_;  // offsets of their first bytes
};

// Appends the UTF-8 form of a scalar value.
void append_utf8(std::string& out, uint32_t scalar);

}  // namespace parallax::wasm::text
