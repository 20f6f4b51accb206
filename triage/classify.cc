#include "triage/classify.h"

#include <iterator>

namespace parallax::triage {

using fuzz::FindingClass;

namespace {

struct Row {
  const char* name;
  const char* summary;
};
// ORDER: BugClass.
constexpr Row kRows[] = {
#define BUG_CLASS(id, name, summary) {name, summary},
#include "triage/classes.def"
#undef BUG_CLASS
};

// What a divergence's component says: "divergence|outcome: ...".
struct Component {
  std::string_view name;
  BugClass bug;
};
constexpr Component kComponents[] = {
    {"outcome", BugClass::kTrap},          {"trap", BugClass::kTrap},
    {"exception", BugClass::kTrap},        {"result", BugClass::kResult},
    {"number", BugClass::kResult},         {"host call", BugClass::kHostTrace},
    {"global", BugClass::kState},          {"table", BugClass::kState},
    {"memory", BugClass::kState},          {"graph", BugClass::kObjectGraph},
    {"type", BugClass::kObjectGraph},      {"field", BugClass::kObjectGraph},
    {"identity", BugClass::kObjectGraph},  {"root", BugClass::kObjectGraph},
    {"reference", BugClass::kObjectGraph}, {"function", BugClass::kObjectGraph},
    {"misuse", BugClass::kSlabProvenance},
};

BugClass of_invariant(std::string_view invariant, BugClass otherwise) {
  if (invariant == "I1" || invariant == "I8") return BugClass::kSlabProvenance;
  if (invariant == "I2") return BugClass::kStackMapCoverage;
  if (invariant == "I9") return BugClass::kBarrier;
  if (invariant == "I3" || invariant == "I4") return BugClass::kIrInvariant;
  return otherwise;
}

BugClass of_divergence(std::string_view signature) {
  const size_t bar = signature.find('|');
  const std::string_view component = signature.substr(bar + 1, signature.find(':', bar) - bar - 1);
  for (const Component& row : kComponents) {
    if (component == row.name) return row.bug;
  }
  return BugClass::kResult;
}

}  // namespace

const char* to_string(BugClass bug) { return kRows[static_cast<size_t>(bug)].name; }
const char* summary_of(BugClass bug) { return kRows[static_cast<size_t>(bug)].summary; }

bool parse_bug_class(std::string_view name, BugClass& out) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (name != kRows[i].name) continue;
    out = static_cast<BugClass>(i);
    return true;
  }
  return false;
}

std::string invariant_in(std::string_view text) {
  for (size_t at = text.find('I'); at != std::string_view::npos; at = text.find('I', at + 1)) {
    const bool starts = at == 0 || text[at - 1] == ' ' || text[at - 1] == '|';
    const bool is_id = at + 2 < text.size() && text[at + 1] >= '1' && text[at + 1] <= '8' && text[at + 2] == ':';
    if (starts && is_id) return std::string(text.substr(at, 2));
  }
  return {};
}

BugClass classify(FindingClass kind, std::string_view signature, std::string_view text) {
  const std::string invariant = invariant_in(signature).empty() ? invariant_in(text) : invariant_in(signature);
  switch (kind) {
    case FindingClass::kDivergence: return of_divergence(signature);
    case FindingClass::kInvariant:
    case FindingClass::kAssertion: return of_invariant(invariant, BugClass::kSignal);
    case FindingClass::kVerify: return of_invariant(invariant, BugClass::kSlabProvenance);
    case FindingClass::kMisuse: return BugClass::kSlabProvenance;
    case FindingClass::kRejected:
    case FindingClass::kAccepted: return BugClass::kAcceptance;
    case FindingClass::kExpectation: return BugClass::kResult;
    case FindingClass::kSanitizer: return BugClass::kSanitizer;
    case FindingClass::kCrash: return BugClass::kSignal;
    case FindingClass::kHang: return BugClass::kHang;
    case FindingClass::kMemory: return BugClass::kMemory;
  }
  return BugClass::kResult;
}

BugClass classify(FindingClass kind, std::string_view signature, std::string_view text, const Narrowed& narrowed) {
  const BugClass symptom = classify(kind, signature, text);
  // A judge that speaks up under another setting knows more than the symptom; a sanitizer knows best.
  if (symptom == BugClass::kSanitizer || symptom == BugClass::kAcceptance) return symptom;
  return of_invariant(narrowed.invariant, symptom);
}

}  // namespace parallax::triage
