// Rejected input as a value: Result<T> is T or an Error with a code, the offset in the input and a message.
//
// TRY(expr) unwraps a Result or returns its error from the enclosing function. Only rejected input travels this
// way; traps and limits of running code are Outcomes (engine/wasm/embed.h), impossible states are CHECKs.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace parallax {

enum class ErrorCode : uint8_t {
  kMalformed,    // the binary format's grammar does not admit these bytes
  kInvalid,      // well-formed, but validation rejects it
  kSyntax,       // the text format's grammar does not admit this text
  kUnlinkable,   // an import does not match what was provided
  kLimit,        // an implementation limit (documented in engine/wasm/limits.h)
  kUnsupported,  // correct, but this build or setting cannot do it; always a counted outcome
  kUsage,        // bad arguments to a command or an API
  kIo,           // the environment failed: file, process, memory
  kInvariant,    // a violated invariant found as a value (compile-time judge)
};

const char* to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kMalformed;
  uint64_t offset = 0;  // byte offset in the module, or in the text; 0 where there is none
  std::string message;

  // "malformed at 0x1f: message"
  std::string to_string() const;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, uint64_t offset, std::string message) {
  return std::unexpected<Error>(Error{code, offset, std::move(message)});
}

}  // namespace parallax

// Evaluates to the value of a Result, or returns its error. Works for Result<void> too.
#define TRY(...)                                              \
  ({                                                          \
    auto try_result_ = (__VA_ARGS__);                         \
    if (!try_result_.has_value()) [[unlikely]]                \
      return std::unexpected(std::move(try_result_).error()); \
    ::parallax::detail::unwrap(std::move(try_result_));       \
  })

namespace parallax::detail {
template <class T, class E>
inline T unwrap(std::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace parallax::detail
