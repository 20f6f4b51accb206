// What two findings share if they are the same bug: a short list of words about cause and symptom, and its hash.
//
// The symptom alone (which token differed first) is coarse and fickle: one bug shows as a trap in one case and as a wrong
// field in the next, and two bugs as the same trap. So the words speak of the cause as far as narrowing found it, and of
// the symptom only where nothing better is known. The first rule that applies decides:
//
//   maps         the rule by which stack maps are wrong (fuzz/executors/map_audit.h)
//   compiler     the pass after which the verifier first found the IR broken
//   optimiser    pass and kind of the guilty rewrite, if the interpreted IR is wrong too
//   handles      how handles of the embedder were misjudged
//   collection   needs a collection: which collectors, and what kind of place held something wrong
//   check        the run-time check of a name (I1, I2, I8) that failed
//   expectation  what a program that knows its answer found wrong;  budget: an exhaustion that only one side has
//   operation    the family of the first differing operation, and the layer: translation or runtime, or back end
//   symptom      class and the finding's own signature
//
// No addresses, indices, offsets or names; types only by kind. Ids are stable between runs, machines and versions that do
// not change the words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/oracle/judge.h"
#include "triage/narrow.h"

namespace parallax::triage {

struct Signature {
  std::vector<std::string> words;
  std::string id;  // "stack-map-coverage-1a2b3c4d5e6f"
};

Signature make_signature(fuzz::FindingClass kind, const Narrowed& narrowed);

// Operations that a bug rarely tells apart: "packed get", "cast", "call", ...; the operation's own name for the others.
// Indices behind the name are dropped.
std::string family_of(std::string_view operation);

// The pass that a judge of compilation names ("I3: after simplify: ..."); empty for translation, safepoints and others,
// which are no optimisation.
std::string blamed_pass(std::string_view text);

// The form that crash deduplicators read: an assertion line and a stack of three frames made of the words.
std::string to_crash_text(const Signature& signature);

}  // namespace parallax::triage
