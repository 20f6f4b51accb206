// Texts of the embedding interface's enumerations, and what an executor answers that only runs cases.
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

namespace {

std::unexpected<Error> unsupported(const Embedding& store, const char* what) {
  return fail(ErrorCode::kUnsupported, 0, std::string(store.name()) + " has no " + what);
}

}  // namespace

Result<ExternType> Embedding::type_of(Extern) { return unsupported(*this, "type_of"); }
Result<uint64_t> Embedding::identity_of(Extern) { return unsupported(*this, "identity_of"); }
Result<uint64_t> Embedding::table_grow(Extern, uint64_t, const Value&) { return unsupported(*this, "table_grow"); }
Result<uint64_t> Embedding::memory_grow(Extern, uint64_t) { return unsupported(*this, "memory_grow"); }
Outcome Embedding::make_struct(TypeId, std::span<const Value>) {
  return Outcome::ended(OutcomeKind::kUnsupported, unsupported(*this, "make_struct").error());
}
Outcome Embedding::make_array(TypeId, std::span<const Value>) {
  return Outcome::ended(OutcomeKind::kUnsupported, unsupported(*this, "make_array").error());
}
Result<> Embedding::set_field(const Value&, uint64_t, const Value&) { return unsupported(*this, "set_field"); }

}  // namespace parallax::wasm
