// Which kind of bug a finding is: one class, from its symptom, the invariant that a judge named, and the settings under
// which it shows and vanishes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/oracle/judge.h"
#include "triage/narrow.h"

namespace parallax::triage {

enum class BugClass : uint8_t {
#define BUG_CLASS(id, name, summary) id,
#include "triage/classes.def"
#undef BUG_CLASS
};
const char* to_string(BugClass bug);
const char* summary_of(BugClass bug);
bool parse_bug_class(std::string_view name, BugClass& out);

// The invariant that a text names at its start or behind "ASSERTION FAILED: ", "jit:...: " and the like: "I2"; else empty.
std::string invariant_in(std::string_view text);

// Of a symptom alone. `text` is the finding's difference or the armed run's.
BugClass classify(fuzz::FindingClass kind, std::string_view signature, std::string_view text);

// With what narrowing knows: the invariant that an armed run or the evaluator named decides, if one did.
BugClass classify(fuzz::FindingClass kind, std::string_view signature, std::string_view text, const Narrowed& narrowed);

}  // namespace parallax::triage
