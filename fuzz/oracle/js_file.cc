#include "fuzz/oracle/js_file.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "engine/base/text.h"
#include "fuzz/external/engines.h"
#include "fuzz/external/js_case.h"
#include "fuzz/external/vote.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

namespace {

// Text as a literal of JavaScript, which JSON is but for two separators of lines.
std::string literal(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "'";
}

// Tokens of these kinds, the first to differ, say nothing about an engine that is free in this.
std::string excused_tokens(const Freedom& freedom) {
  std::string out = "[";
#define TOKEN(id, component) \
  if (!excuse(freedom, component).empty()) out += text::format("{},", static_cast<uint32_t>(Tok::id));
#include "fuzz/oracle/tokens.def"
#undef TOKEN
  return out + "]";
}

// Memory is hashed there and text here: all that both can say is whether a piece is zero.
uint64_t comparable(const Token& token) {
  static const std::vector<uint8_t> kZeros(kMemoryChunk, 0);
  static const uint64_t kZeroHash = XXH3_64bits(kZeros.data(), kZeros.size());
  if (token.tok != Tok::kMemoryChunk) return token.value;
  return token.value == kZeroHash ? 0 : 1;
}

// The reference's tokens as a list of JavaScript; "null" when nothing can be expected.
Result<std::string> expected_tokens(const JsCase& subject, const ExecutorSpec& reference) {
  const LoadedCase loaded = TRY(load_case(subject.subject));
  const MakeStore make = [&] { return make_executor(reference, loaded.types); };
  const auto store = TRY(make());
  Observation seen;
  observe(loaded, *store, make, seen);
  // Another engine counts neither fuel nor depth, and would run until somebody stops it.
  if (seen.exhausted > 0) return fail(ErrorCode::kUnsupported, 0, "the reference ran out of its budget");
  if (!own_limit(seen).empty()) return "null";
  const auto is_hash = [](const Token& token) { return token.tok == Tok::kTraceHash; };
  if (std::ranges::any_of(seen.tokens, is_hash)) return "null";
  project(seen);
  std::string out = "[";
  for (const Token& token : seen.tokens) {
    out += text::format("{},{},\"{}\",", static_cast<uint32_t>(token.tok), token.aux, comparable(token));
  }
  return out + "]";
}

}  // namespace

Result<JsFile> make_js_file(const Case& subject, const ExecutorSpec& reference) {
  const JsCase prepared = TRY(make_js_case(subject));
  const std::string expected = TRY(expected_tokens(prepared, reference));
  JsFile out;
  out.expects = expected != "null";
  out.text =
      text::format("globalThis.parallaxCase = {{ lines: [\n{},\n{}],\nexpected: {},\nexcused: {}, manyTags: {} }};\n",
                   literal(driver_greeting()), literal(prepared.text), expected, excused_tokens(prepared.freedom),
                   subject.modules.size() > 1);
  out.text += self_check_script();
  out.text += driver_script();
  return out;
}

}  // namespace parallax::fuzz
