#include "engine/base/text.h"

namespace parallax::text {

std::string quoted(std::string_view raw) {
  std::string out = "\"";
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += format("\\{:02x}", byte);
    }
  }
  out += '"';
  return out;
}

}  // namespace parallax::text
