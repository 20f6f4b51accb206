#include "triage/known_failures.h"

#include <charconv>

#include "engine/base/text.h"

namespace parallax::triage {

namespace {

std::string_view take_word(std::string_view& rest) {
  const size_t begin = std::min(rest.find_first_not_of(" \t\r"), rest.size());
  const size_t end = std::min(rest.find_first_of(" \t\r", begin), rest.size());
  const std::string_view word = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return word;
}

Result<KnownFailure> parse_row(std::string_view row, uint64_t number) {
  KnownFailure out;
  out.script = take_word(row);
  const std::string_view line = take_word(row);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), out.line);
  out.where = take_word(row);
  const size_t begin = std::min(row.find_first_not_of(" \t"), row.size());
  out.why = row.substr(begin, row.find_last_not_of(" \t\r") + 1 - begin);
  if (line.empty() || error != std::errc() || end != line.data() + line.size() || out.where.empty() ||
      out.why.empty()) {
    return fail(ErrorCode::kSyntax, 0, text::format("line {}: expected script, line, where and why", number));
  }
  return out;
}

bool is_script(std::string_view path, std::string_view script) {
  return path.ends_with(script) && (path.size() == script.size() || path[path.size() - script.size() - 1] == '/');
}

}  // namespace

Result<std::vector<KnownFailure>> parse_known_failures(std::string_view text) {
  std::vector<KnownFailure> list;
  for (uint64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t first = row.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || row[first] == '#') continue;
    list.push_back(TRY(parse_row(row, number)));
  }
  return list;
}

std::vector<const KnownFailure*> known_failures_of(const std::vector<KnownFailure>& list, std::string_view path,
                                                   std::string_view executor) {
  const bool runs = !executor.empty() && executor != "none";
  std::vector<const KnownFailure*> rows;
  for (const KnownFailure& row : list) {
    const bool applies = row.where == "text" || (runs && (row.where == "run" || row.where == executor));
    if (applies && is_script(path, row.script)) rows.push_back(&row);
  }
  return rows;
}

}  // namespace parallax::triage
