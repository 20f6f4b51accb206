// Bytes as text of 64 letters (RFC 4648, section 4), for JSON and for addresses that hold data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace parallax {

std::string to_base64(std::span<const uint8_t> bytes);
// Letters outside the alphabet count as "A", padding ends the text: what is read comes from programs of our own.
std::vector<uint8_t> from_base64(std::string_view text);

}  // namespace parallax
