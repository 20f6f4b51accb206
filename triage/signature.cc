#include "triage/signature.h"

#include <xxhash.h>

#include <algorithm>

#include "engine/base/text.h"
#include "triage/classify.h"

namespace parallax::triage {

namespace {

// The first word of an operation decides, the longest prefix first.
struct Family {
  std::string_view prefix;
  std::string_view name;
};
constexpr Family kFamilies[] = {
    {"struct.get_", "packed get"},
    {"array.get_", "packed get"},
    {"struct.get", "field get"},
    {"ref.test", "cast"},
    {"ref.cast", "cast"},
    {"br_on_cast", "cast"},
    {"call", "call"},
    {"return_call", "call"},
    {"i31.get", "i31.get"},
    {"array.new", "array.new"},
    {"struct.new", "struct.new"},
    {"array.init", "array bulk"},
    {"array.copy", "array bulk"},
    {"array.fill", "array bulk"},
    {"memory.init", "memory bulk"},
    {"memory.copy", "memory bulk"},
    {"memory.fill", "memory bulk"},
    {"table.init", "table bulk"},
    {"table.copy", "table bulk"},
    {"table.fill", "table bulk"},
};

Shown shown_in(const Narrowed& narrowed, std::string_view name) {
  for (const Setting& row : narrowed.vector) {
    if (row.name == name) return row.shown;
  }
  return Shown::kUnknown;
}

bool fails(Shown shown) { return shown == Shown::kShows || shown == Shown::kOther; }

std::string layer_of(const Narrowed& narrowed) {
  if (fails(shown_in(narrowed, "interpreted IR, no passes"))) return "translation or runtime";
  if (shown_in(narrowed, "interpreted IR, no passes") == Shown::kAgrees) return "back end or collector";
  return "any layer";
}

std::vector<std::string> words_of(fuzz::FindingClass kind, const Narrowed& n) {
  const bool optimiser = n.rewrite.has_value();
  if (optimiser) return {"optimiser", n.rewrite->pass, n.rewrite->kind};
  if (!n.map_pattern.empty()) return {"stack maps", n.map_pattern};
  const std::string judged = fuzz::normalise(n.invariant_text);
  const bool compile_time = n.invariant_text.find(": after ") != std::string::npos;
  if (compile_time) return {"compiler", judged};
  const std::string event = n.event ? family_of(n.event->operation) : "";
  const bool needs_collection = shown_in(n, "no collection") == Shown::kAgrees;
  if (needs_collection) {
    const bool any = fails(shown_in(n, "non-moving"));
    return {"collection", any ? "any collector" : "moving only", n.invariant.empty() ? event : judged};
  }
  if (!event.empty()) return {"operation", event, layer_of(n)};
  if (!judged.empty()) return {"check", judged, layer_of(n)};
  return {"symptom", to_string(kind), n.signature};
}

}  // namespace

std::string family_of(std::string_view operation) {
  const std::string_view name = operation.substr(0, operation.find(' '));
  for (const Family& row : kFamilies) {
    if (name.starts_with(row.prefix)) return std::string(row.name);
  }
  return std::string(name);
}

Signature make_signature(fuzz::FindingClass kind, const Narrowed& narrowed) {
  Signature out{.words = words_of(kind, narrowed)};
  std::string text;
  for (const std::string& word : out.words) text += word + "\n";
  out.id = text::format("{}-{:012x}", out.words.front() == "symptom" ? narrowed.bug_class : out.words.front(),
                        XXH64(text.data(), text.size(), 0) >> 16);
  std::replace(out.id.begin(), out.id.end(), ' ', '-');
  return out;
}

std::string to_crash_text(const Signature& signature) {
  std::string out = text::format("ASSERTION FAILED: {}\n", signature.id);
  for (size_t i = 0; i < signature.words.size(); ++i) {
    std::string frame = signature.words[i];
    for (char& c : frame) {
      if (c == ' ' || c == ':' || c == '|') c = '_';
    }
    out += text::format("    #{} 0x{:012x} in {} parallax\n", i, i + 1, frame);
  }
  return out;
}

}  // namespace parallax::triage
