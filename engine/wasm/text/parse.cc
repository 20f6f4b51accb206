#include "engine/wasm/text/parse.h"

#include <utility>

#include "engine/wasm/text/module_parser.h"

namespace parallax::wasm::text {

Result<std::vector<uint8_t>> parse_module(std::string source, const ParseOptions& options) {
  const std::shared_ptr<const Tokens> tokens = TRY(Tokens::lex(std::move(source)));
  if (!Cursor(*tokens, 0).at_group("module")) return parse_fields(*tokens, 0, tokens->size() - 1, options, {});
  const Token& behind = (*tokens)[(*tokens)[0].match + 1];
  if (behind.kind != TokenKind::kEnd) return tokens->fail(behind.offset, "unexpected token behind the module");
  return parse_module_group(*tokens, 0, options);
}

Result<std::vector<uint8_t>> parse_module_group(const Tokens& tokens, size_t group, const ParseOptions& options) {
  Cursor in(tokens, group + 2);
  in.take_word("definition");  // scripts
  std::string_view name;
  if (in.is(TokenKind::kId)) name = in.next().text;
  return parse_fields(tokens, in.at(), tokens[group].match, options, name);
}

Result<std::vector<uint8_t>> parse_fields(const Tokens& tokens, size_t begin, size_t end, const ParseOptions& options,
                                          std::string_view name) {
  ModuleParser first(tokens, begin, end, options);
  auto bytes = first.run(name);
  if (!bytes || !first.has_guessed()) return bytes;
  ModuleParser second(tokens, begin, end, options);
  second.learn(first);
  return second.run(name);
}

}  // namespace parallax::wasm::text
