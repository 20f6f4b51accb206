#include "engine/wasm/reader.h"

#include <bit>
#include <cstring>

#include "engine/base/text.h"

namespace parallax::wasm {

void Reader::fail(ErrorCode code, WasmOffset offset, std::string message) {
  if (failed_) return;
  failed_ = true;
  error_ = Error{code, offset, std::move(message)};
  p_ = end_;
}

Result<> Reader::result() const {
  if (failed_) return std::unexpected(error_);
  return {};
}

uint8_t Reader::end_of_input() {
  malformed(offset(), "unexpected end of section or function");
  return 0;
}

// LEB128: at most ceil(bits/7) bytes, and the bits of the last byte beyond `bits` must be zero. The order of the two
// checks is the reference interpreter's, because the suite tells them apart.
uint64_t Reader::unsigned_slow(int bits) {
  const WasmOffset start = offset();
  uint64_t value = 0;
  for (int shift = 0; shift < bits; shift += 7) {
    const uint8_t byte = u8();
    const int left = bits - shift;
    if (left < 7 && (byte & 0x7f) >> left != 0) {
      malformed(start, text::format("integer too large: more than {} bits", bits));
      return 0;
    }
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  malformed(start,
            text::format("integer representation too long: more than {} bytes for {} bits", (bits + 6) / 7, bits));
  return 0;
}

// As above, signed: the surplus bits of the last byte must repeat the sign.
int64_t Reader::signed_slow(int bits) {
  const WasmOffset start = offset();
  uint64_t value = 0;
  for (int shift = 0; shift < bits; shift += 7) {
    const uint8_t byte = u8();
    const int left = bits - shift;
    if (left < 7) {
      const uint8_t mask = static_cast<uint8_t>(0x7f & (0xff << (left - 1)));
      if ((byte & mask) != 0 && (byte & mask) != mask) {
        malformed(start, text::format("integer too large: more than {} bits, signed", bits));
        return 0;
      }
    }
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) {
      const int used = shift + 7;
      if (used >= 64) return static_cast<int64_t>(value);
      return static_cast<int64_t>(value << (64 - used)) >> (64 - used);
    }
  }
  malformed(start,
            text::format("integer representation too long: more than {} bytes for {} bits", (bits + 6) / 7, bits));
  return 0;
}

uint32_t Reader::fixed32() {
  const Range range = bytes(4);
  if (!ok()) return 0;
  uint32_t value;
  std::memcpy(&value, base_ + range.begin, 4);
  return value;
}

uint64_t Reader::fixed64() {
  const Range range = bytes(8);
  if (!ok()) return 0;
  uint64_t value;
  std::memcpy(&value, base_ + range.begin, 8);
  return value;
}
static_assert(std::endian::native == std::endian::little);

uint32_t Reader::count() {
  const WasmOffset start = offset();
  const uint32_t n = u32();
  if (n > remaining()) {
    malformed(start, text::format("unexpected end of section or function: {} elements in {} bytes", n, remaining()));
    return 0;
  }
  return n;
}

Range Reader::bytes(uint64_t size) {
  if (size > remaining()) {
    end_of_input();
    return {offset(), offset()};
  }
  const Range range{offset(), static_cast<WasmOffset>(offset() + size)};
  p_ += size;
  return range;
}

std::string_view Reader::name() {
  const WasmOffset start = offset();
  const uint32_t size = u32();
  if (!ok()) return {};
  if (size > remaining()) {
    malformed(start, text::format("length out of bounds: name of {} bytes, {} remain", size, remaining()));
    return {};
  }
  const std::string_view name(reinterpret_cast<const char*>(p_), size);
  p_ += size;
  if (!is_utf8(name)) {
    malformed(start, "malformed UTF-8 encoding");
    return {};
  }
  return name;
}

Reader Reader::sub(uint64_t size) {
  Reader inner = *this;
  const Range range = bytes(size);
  inner.p_ = base_ + range.begin;
  inner.end_ = base_ + range.end;
  inner.failed_ = failed_;
  return inner;
}

void Reader::adopt(const Reader& sub) {
  if (!sub.ok()) fail(sub.error_.code, static_cast<WasmOffset>(sub.error_.offset), sub.error_.message);
}

bool is_utf8(std::string_view bytes) {
  size_t i = 0;
  const auto byte = [&](size_t at) { return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : uint8_t{0}; };
  while (i < bytes.size()) {
    const uint8_t lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4) return false;
    uint32_t point = lead & (0x3fu >> extra);
    for (int k = 1; k <= extra; ++k) {
      const uint8_t next = byte(i + k);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[extra] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += 1 + extra;
  }
  return true;
}

}  // namespace parallax::wasm
