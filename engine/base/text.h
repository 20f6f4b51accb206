// Text formatting: the only door to fmt, so that a change of library is a change of one file.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace parallax::text {

using fmt::format;
using fmt::format_to;

// Bytes of `raw` as a double-quoted, escaped string (printable ASCII kept, the rest as \hh).
std::string quoted(std::string_view raw);

}  // namespace parallax::text
