// Texts of the embedding interface's enumerations.
#include "engine/wasm/embed.h"

namespace parallax::wasm {

const char* to_string(TrapKind kind) {
  static constexpr const char* kTexts[] = {
#define TRAP(id, text) text,
#include "engine/wasm/traps.def"
#undef TRAP
  };
  return kTexts[static_cast<size_t>(kind)];
}

const char* to_string(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kReturned: return "returned";
    case OutcomeKind::kTrapped: return "trapped";
    case OutcomeKind::kThrew: return "threw";
    case OutcomeKind::kFuelExhausted: return "fuel exhausted";
    case OutcomeKind::kStackExhausted: return "call stack exhausted";
    case OutcomeKind::kHeapExhausted: return "heap exhausted";
    case OutcomeKind::kRejected: return "rejected";
    case OutcomeKind::kUnlinkable: return "unlinkable";
    case OutcomeKind::kUnsupported: return "unsupported";
    case OutcomeKind::kOutOfMemory: return "out of memory";
    case OutcomeKind::kNativeStack: return "native stack exhausted";
    case OutcomeKind::kMisuse: return "misuse";
    case OutcomeKind::kInvariant: return "invariant violated";
  }
  return "?";
}

}  // namespace parallax::wasm
