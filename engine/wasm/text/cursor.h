// A place in a token array, with the small questions and steps that every parser asks and takes.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/text.h"
#include "engine/wasm/text/tokens.h"

namespace parallax::wasm::text {

class Cursor {
 public:
  Cursor(const Tokens& tokens, size_t begin) : tokens_(tokens), at_(begin) {}

  const Tokens& tokens() const { return tokens_; }
  size_t at() const { return at_; }
  void move_to(size_t index) { at_ = index; }
  // Requires that the end was not passed; the last token repeats.
  const Token& peek(size_t ahead = 0) const {
    return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
  }
  const Token& next() {
    const Token& token = peek();
    if (token.kind != TokenKind::kEnd) ++at_;
    return token;
  }

  bool is(TokenKind kind) const { return peek().kind == kind; }
  bool at_word(std::string_view word) const { return peek().is_word(word); }
  // At "(word".
  bool at_group(std::string_view word) const { return is(TokenKind::kLeft) && peek(1).is_word(word); }
  // At an index: an identifier, or a word that starts like a number.
  bool at_index() const { return is(TokenKind::kId) || at_number(); }
  bool at_number() const {
    const Token& token = peek();
    return token.kind == TokenKind::kWord && token.text[0] >= '0' && token.text[0] <= '9';
  }

  bool take_word(std::string_view word) {
    if (!at_word(word)) return false;
    ++at_;
    return true;
  }
  // Steps behind "(word".
  bool take_group(std::string_view word) {
    if (!at_group(word)) return false;
    at_ += 2;
    return true;
  }
  // Requires to be at a kLeft.
  void skip_group() { at_ = peek().match + 1; }

  Result<> expect_right() {
    if (!is(TokenKind::kRight)) return unexpected();
    ++at_;
    return {};
  }
  Result<> expect_group(std::string_view word) {
    if (!take_group(word)) return unexpected();
    return {};
  }
  Result<std::string_view> expect_string() {
    if (!is(TokenKind::kString)) return unexpected();
    return next().text;
  }
  // A string that must be UTF-8.
  Result<std::string> expect_name() {
    const Token& token = peek();
    const std::string_view name = TRY(expect_string());
    if (!is_utf8(name)) return fail(token, "malformed UTF-8 encoding");
    return std::string(name);
  }

  std::unexpected<Error> fail(const Token& token, std::string_view message, ErrorCode code = ErrorCode::kSyntax) const {
    return tokens_.fail(token.offset, message, code);
  }
  std::unexpected<Error> unexpected() const { return fail(peek(), "unexpected token " + describe(peek())); }
  static std::string describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::kLeft: return "(";
      case TokenKind::kRight: return ")";
      case TokenKind::kEnd: return "(end of text)";
      case TokenKind::kId: return "$" + std::string(token.text);
      case TokenKind::kString: return parallax::text::quoted(token.text);
      case TokenKind::kWord:
      case TokenKind::kReserved: return std::string(token.text);
    }
    return "?";
  }

 private:
  const Tokens& tokens_;
  size_t at_;
};

}  // namespace parallax::wasm::text
