#include "triage/signature.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>

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
    {"array.new", "array bulk"},
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

// What a failed check is about, without the state it happened to be in: up to the first detail, and the slab's name.
std::string short_check(const std::string& text) {
  std::string out = fuzz::normalise(text.substr(0, std::min(text.find(';'), text.find(", used at"))));
  if (out.find("is not visited by the collector") != std::string::npos) return "a root is not visited";
  const size_t detail = out.find(": {");
  if (detail == std::string::npos) return out;
  const size_t slab = out.find("slab '", detail);
  const size_t end = slab == std::string::npos ? slab : out.find('\'', slab + 6);
  return out.substr(0, detail) + (end == std::string::npos ? "" : " " + out.substr(slab, end + 1 - slab));
}

// Which kind of place was found to hold something wrong after a collection: by what any judge said of it.
std::string place_of(const Narrowed& n) {
  const std::string text = fuzz::normalise(n.invariant_text);
  if (text.find("stale reference") != std::string::npos) return "stale reference";
  for (const std::string& said : {n.signature, text}) {
    if (said.find(" field ") != std::string::npos || said.find(" object #") != std::string::npos) return "objects";
  }
  return "roots and names";
}

// Both sides read the same bits of a packed field and widen them differently.
bool differs_in_extension(const DifferingEvent& event) {
  int64_t left = 0, right = 0;
  const auto number = [](const std::string& text, int64_t& out) {
    return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc{};
  };
  return number(event.left, left) && number(event.right, right) && left != right && (left - right) % 256 == 0;
}

bool is_wrong_in_ir(const Narrowed& n) {
  return fails(shown_in(n, "interpreted IR")) || fails(shown_in(n, "interpreted IR, armed"));
}

std::vector<std::string> words_of(fuzz::FindingClass kind, const Narrowed& n) {
  if (!n.map_pattern.empty()) return {"stack maps", n.map_pattern};
  if (const std::string pass = blamed_pass(n.invariant_text); !pass.empty()) return {"compiler", n.invariant, pass};
  if (n.rewrite && is_wrong_in_ir(n)) return {"optimiser", n.rewrite->pass, n.rewrite->kind};
  const bool needs_collection = shown_in(n, "no collection") == Shown::kAgrees;
  if (needs_collection) {
    const bool any = fails(shown_in(n, "non-moving"));
    if (!any) return {"collection", "moving only"};
    return {"collection", "any collector", place_of(n)};
  }
  // A wrong name is found wherever it happens to be used first; other misjudged handles are about handles.
  const bool is_name = n.invariant_text.find("is not the name of an object") != std::string::npos;
  if (kind == fuzz::FindingClass::kMisuse && !is_name) return {"handles", short_check(n.signature)};
  // A program that knows its answer says more than where two executors part; so does a budget that was not kept.
  if (kind == fuzz::FindingClass::kExpectation) return {"expectation", fuzz::normalise(n.signature)};
  if (n.signature.find("exhausted") != std::string::npos) return {"budget", layer_of(n)};
  // What a wrong write left in the heap is a symptom of the write.
  const bool is_content = (n.invariant_text.find(" holds ") != std::string::npos ||
                           n.invariant_text.find("(expected ") != std::string::npos) &&
                          n.invariant_text.find("is not visited") == std::string::npos &&
                          n.invariant_text.find("is not remembered") == std::string::npos && n.event;
  const bool names =
      !is_content && (n.invariant == "I1" || n.invariant == "I2" || n.invariant == "I8" || n.invariant == "I9");
  if (names) return {"check", short_check(n.invariant_text), layer_of(n)};
  std::string event = n.event ? family_of(n.event->operation) : "";
  if (event == "cast" && n.event->of_null) event = "cast of null";
  if (event == "packed get") event = differs_in_extension(*n.event) ? "extension of a packed get" : "field get";
  // A bounds check too strict is another bug than one that is missing.
  if (event.ends_with(" bulk")) {
    if (n.event->left.starts_with("trap")) event += " that must trap";
    if (n.event->right.starts_with("trap")) event += " that must not trap";
  }
  if (!event.empty()) return {"operation", event, layer_of(n)};
  if (!n.invariant.empty()) return {"check", short_check(n.invariant_text), layer_of(n)};
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

std::string blamed_pass(std::string_view text) {
  const size_t at = text.find(": after ");
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + 8);
  const std::string pass(rest.substr(0, rest.find(':')));
  return pass == "translate" || pass == "safepoints" ? "" : pass;
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
