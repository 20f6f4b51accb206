#include "engine/base/result.h"

#include "engine/base/text.h"

namespace parallax {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMalformed: return "malformed";
    case ErrorCode::kInvalid: return "invalid";
    case ErrorCode::kSyntax: return "syntax";
    case ErrorCode::kUnlinkable: return "unlinkable";
    case ErrorCode::kLimit: return "limit";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kUsage: return "usage";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kInvariant: return "invariant";
  }
  return "?";
}

std::string Error::to_string() const {
  return text::format("{} at {:#x}: {}", parallax::to_string(code), offset, message);
}

}  // namespace parallax
