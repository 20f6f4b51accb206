#include "triage/report/observed.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace parallax::triage {

using fuzz::Tok;
using nlohmann::json;

namespace {

constexpr uint32_t kToks = 0
#define TOKEN(id, component) +1
#include "fuzz/oracle/tokens.def"
#undef TOKEN
    ;

std::string string_at(const json& from, const char* key) {
  const auto it = from.find(key);
  return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool is_heading(Tok tok) {
  return tok == Tok::kStep || tok == Tok::kGlobal || tok == Tok::kTable || tok == Tok::kMemory || tok == Tok::kRoot ||
         tok == Tok::kContents;
}

}  // namespace

std::string to_json(const Observed& seen) {
  json tokens = json::array();
  for (const fuzz::Token& token : seen.tokens) {
    tokens.push_back({static_cast<uint32_t>(token.tok), token.aux, token.value});
  }
  return json({{"executor", seen.executor},
               {"tokens", tokens},
               {"lines", seen.lines},
               {"inconclusive", seen.inconclusive},
               {"fault", seen.fault},
               {"died", seen.died}})
             .dump(-1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

Result<Observed> observed_from_json(std::string_view text) {
  const json from = json::parse(text, nullptr, false);
  const auto tokens = from.is_object() ? from.find("tokens") : from.end();
  if (!from.is_object() || tokens == from.end() || !tokens->is_array()) {
    return fail(ErrorCode::kSyntax, 0, "not an observation");
  }
  Observed seen{.executor = string_at(from, "executor"),
                .inconclusive = string_at(from, "inconclusive"),
                .fault = string_at(from, "fault"),
                .died = string_at(from, "died")};
  for (const json& row : *tokens) {
    const bool well_formed = row.is_array() && row.size() == 3 && row[0].is_number_unsigned() &&
                             row[1].is_number_unsigned() && row[2].is_number_unsigned();
    if (!well_formed || row[0].get<uint64_t>() >= kToks) return fail(ErrorCode::kSyntax, 0, "not a token");
    seen.tokens.push_back({static_cast<Tok>(row[0].get<uint32_t>()), row[1].get<uint32_t>(), row[2].get<uint64_t>()});
  }
  if (const auto lines = from.find("lines"); lines != from.end() && lines->is_array()) {
    for (const json& line : *lines) seen.lines.push_back(line.is_string() ? line.get<std::string>() : std::string());
  }
  seen.lines.resize(seen.tokens.size());
  return seen;
}

size_t common_prefix(const Observed& left, const Observed& right) {
  const auto [l, r] = std::ranges::mismatch(left.tokens, right.tokens);
  return static_cast<size_t>(l - left.tokens.begin());
}

bool differ(const Observed& left, const Observed& right) {
  const size_t common = common_prefix(left, right);
  if (common < left.tokens.size() && common < right.tokens.size()) return true;
  return left.complete() && right.complete() && left.tokens.size() != right.tokens.size();
}

std::string place_of(const Observed& seen, size_t at) {
  for (size_t i = std::min(at + 1, seen.tokens.size()); i-- > 0;) {
    if (is_heading(seen.tokens[i].tok)) return seen.lines[i];
  }
  return "";
}

}  // namespace parallax::triage
