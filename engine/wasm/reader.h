// Reader: bounds-checked access to a byte range of a module, with errors that stick.
//
// No read fails on its own. The first mistake is remembered (code, offset, message), the reader jumps to its end, and
// every later read gives zeros; callers ask ok() once per construct. So that loops over counts end, a count is checked
// against the bytes that remain before it is trusted (every element takes at least one byte).
// Messages start with the wording of the specification's test suite.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/wasm/module.h"

namespace parallax::wasm {

class Reader {
 public:
  // Reads `bytes` from `range`; offsets are positions in `bytes`. Requires range within bytes.
  Reader(std::span<const uint8_t> bytes, Range range)
      : base_(bytes.data()), p_(base_ + range.begin), end_(base_ + range.end) {}

  bool ok() const { return !failed_; }
  const Error& error() const { return error_; }
  // Records the first error only. Later reads give zeros.
  void fail(ErrorCode code, WasmOffset offset, std::string message);
  void malformed(WasmOffset offset, std::string message) { fail(ErrorCode::kMalformed, offset, std::move(message)); }
  void invalid(WasmOffset offset, std::string message) { fail(ErrorCode::kInvalid, offset, std::move(message)); }
  Result<> result() const;

  WasmOffset offset() const { return static_cast<WasmOffset>(p_ - base_); }
  size_t remaining() const { return static_cast<size_t>(end_ - p_); }
  bool at_end() const { return p_ == end_; }
  // What was read since an earlier offset.
  std::span<const uint8_t> since(WasmOffset start) const { return {base_ + start, p_}; }
  // For loops that read by themselves: where we are, and going on elsewhere. Requires: within what remains.
  const uint8_t* position() const { return p_; }
  WasmOffset offset_of(const uint8_t* position) const { return static_cast<WasmOffset>(position - base_); }
  void jump(const uint8_t* position) { p_ = position; }
  // The next byte without reading it; 0 at the end.
  uint8_t peek() const { return p_ != end_ ? *p_ : 0; }

  uint8_t u8() {
    if (p_ == end_) return end_of_input();
    return *p_++;
  }
  // LEB128. One byte is the common case by far.
  uint32_t u32() {
    if (p_ != end_ && *p_ < 0x80) return *p_++;
    return static_cast<uint32_t>(unsigned_slow(32));
  }
  uint64_t u64() {
    if (p_ != end_ && *p_ < 0x80) return *p_++;
    return unsigned_slow(64);
  }
  int32_t s32() { return static_cast<int32_t>(signed_number(32)); }
  int64_t s33() { return signed_number(33); }
  int64_t s64() { return signed_number(64); }
  uint32_t fixed32();
  uint64_t fixed64();
  // A count of elements that follow; at most remaining().
  uint32_t count();
  // The next `size` bytes as a range.
  Range bytes(uint64_t size);
  // A length and so many bytes, which must be UTF-8.
  std::string_view name();

  // A reader of the next `size` bytes, which this reader skips.
  Reader sub(uint64_t size);
  // Takes over the error of a reader made by sub().
  void adopt(const Reader& sub);

 private:
  uint8_t end_of_input();
  int64_t signed_number(int bits) {
    if (p_ != end_ && *p_ < 0x80) return static_cast<int64_t>(uint64_t{*p_++} << 57) >> 57;
    return signed_slow(bits);
  }
  int64_t signed_slow(int bits);
  uint64_t unsigned_slow(int bits);

  const uint8_t* base_;
  const uint8_t* p_;
  const uint8_t* end_;
  bool failed_ = false;
  Error error_;
};

// Whether `bytes` is UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view bytes);

}  // namespace parallax::wasm
