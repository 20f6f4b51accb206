#include "fuzz/executors/spec/spec.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <iterator>
#include <optional>

#include "engine/base/text.h"
#include "engine/opt/gate.h"
#include "fuzz/external/engines.h"

#if __has_include("engine/jit/engine.h")
#define PARALLAX_HAVE_JIT 1
#else
#define PARALLAX_HAVE_JIT 0
#endif

namespace parallax::fuzz {

namespace {

// ORDER: matches ExecutorKind.
constexpr ExecutorInfo kExecutors[] = {
    {ExecutorKind::kInterp, "interp", "reference interpreter: objects of its own, non-moving collector"},
    {ExecutorKind::kJit, "jit",
     "optimizing x86-64 compiler, O0 to O2, moving, non-moving, generational or no collection, armed or plain"},
    {ExecutorKind::kIr, "ir", "the compiler's IR interpreted after its passes: slow, for diagnosis; no v128"},
    {ExecutorKind::kExternal, "external", "another engine, in a process of its own: v8, jsc, sm and their tiers"},
};
// ORDER: matches Cpu.
constexpr const char* kMemoryChecks[] = {"", "guard", "explicit"};  // ORDER: MemoryChecks
constexpr const char* kCpus[] = {"host", "sse4", "baseline"};
// ORDER: matches Collector.
constexpr const char* kCollectors[] = {"moving", "nonmoving", "never", "gen"};

bool read_number(std::string_view text, uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool apply_zeal(std::string_view value, ExecutorSpec& spec) {
  uint64_t n = 0;
  if (value == "none") {
    spec.zeal = Zeal::kNone;
  } else if (value == "every") {
    spec.zeal = Zeal::kEvery;
  } else if (value == "alloc" && spec.kind == ExecutorKind::kJit) {
    spec.zeal = Zeal::kAlloc;
  } else if (value.starts_with("only") && spec.kind == ExecutorKind::kJit && read_number(value.substr(4), n) &&
             n <= UINT32_MAX) {
    spec.zeal = Zeal::kOnly;
    spec.zeal_n = static_cast<uint32_t>(n);
  } else if (read_number(value, n) && n > 0 && n <= UINT32_MAX) {
    spec.zeal = Zeal::kNth;
    spec.zeal_n = static_cast<uint32_t>(n);
  } else {
    return false;
  }
  return true;
}

// ORDER: ZealFlag.
constexpr const char* kZealFlags[] = {
#define ZEAL_MODE(id, text, summary)
#define ZEAL_FLAG(member, text, summary) text,
#include "engine/gc/zeal.def"
#undef ZEAL_MODE
#undef ZEAL_FLAG
};

bool apply_zeal_flag(std::string_view part, ExecutorSpec& spec) {
  for (size_t i = 0; i < std::size(kZealFlags); ++i) {
    if (part != kZealFlags[i]) continue;
    spec.zeal_flags |= 1u << i;
    return true;
  }
  return false;
}

// Names and levels of the passes, in their order; the compiler's own table also knows their functions.
struct PassRow {
  const char* name;
  uint8_t level;
};
constexpr PassRow kPasses[opt::kPassCount] = {
#define PASS(id, name, function, level, needs, summary) {name, level},
#include "engine/opt/passes.def"
#undef PASS
};

// Passes that can be switched off.
constexpr uint64_t kOptionalPasses = (~uint64_t{0} >> (64 - opt::kPassCount)) & ~opt::bit(opt::PassId::kSafepoints);

std::string pass_names() {
  std::string out;
  for (uint32_t pass = 0; pass < opt::kPassCount; ++pass) {
    if ((kOptionalPasses >> pass & 1u) != 0) out += (out.empty() ? "" : ", ") + std::string(kPasses[pass].name);
  }
  return out;
}

// Takes the next pass name off `list`; its bit, or 0 when there is no such optional pass.
uint64_t take_pass(std::string_view& list, char separator) {
  const size_t end = std::min(list.find(separator), list.size());
  const std::string_view name = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  uint32_t pass = 0;
  while (pass < opt::kPassCount && name != kPasses[pass].name) ++pass;
  return pass < opt::kPassCount ? (uint64_t{1} << pass) & kOptionalPasses : 0;
}

// "none", "all", "values+dce" or "-loads-facts".
bool apply_passes(std::string_view value, ExecutorSpec& spec) {
  if (value == "none" || value == "all") {
    spec.disabled = value == "none" ? kOptionalPasses : 0;
    return true;
  }
  const bool without = value.starts_with('-');
  const char separator = without ? '-' : '+';
  if (without) value.remove_prefix(1);
  if (value.empty() || value.ends_with(separator)) return false;
  uint64_t named = 0;
  while (!value.empty()) {
    const uint64_t pass = take_pass(value, separator);
    if (pass == 0) return false;
    named |= pass;
  }
  spec.disabled = without ? named : kOptionalPasses & ~named;
  return true;
}

// The shorter of both ways to say it.
std::string passes_text(uint64_t disabled) {
  if (disabled == kOptionalPasses) return "none";
  const uint64_t enabled = kOptionalPasses & ~disabled;
  const bool without = std::popcount(disabled) <= std::popcount(enabled);
  std::string out;
  for (uint32_t pass = 0; pass < opt::kPassCount; ++pass) {
    if (((without ? disabled : enabled) >> pass & 1u) == 0) continue;
    if (without || !out.empty()) out += without ? '-' : '+';
    out += kPasses[pass].name;
  }
  return out;
}

// What a word of a spec chooses; each may be chosen once.
enum class Choice : uint8_t {
  kZeal,
  kZealFlag,
  kLevel,
  kArmed,
  kPasses,
  kLimit,
  kUnverified,
  kChaos,
  kMemory,
  kCpu,
  kCollector
};
constexpr const char* kChoices[] = {"when to collect",
                                    "",
                                    "the level",
                                    "whether it is armed",
                                    "the passes",
                                    "the limit",
                                    "whether it verifies",
                                    "the chaos",
                                    "the checks of memory",
                                    "the processor",
                                    "the collector"};  // ORDER: Choice

// Applies one word; nothing when no executor of this kind has it.
std::optional<Choice> apply_word(std::string_view part, ExecutorSpec& spec) {
  const auto if_so = [](bool applied, Choice choice) { return applied ? std::optional(choice) : std::nullopt; };
  const bool compiles = spec.kind != ExecutorKind::kInterp;
  if (spec.kind != ExecutorKind::kIr && part.starts_with("zeal="))
    return if_so(apply_zeal(part.substr(5), spec), Choice::kZeal);
  if (!compiles) return {};
  if (part.size() == 2 && part[0] == 'O' && part[1] >= '0' && part[1] <= '2') {
    spec.opt_level = static_cast<uint8_t>(part[1] - '0');
    return Choice::kLevel;
  }
  if (part == "armed" || part == "plain") {
    spec.armed = part == "armed";
    return Choice::kArmed;
  }
  if (part.starts_with("passes=")) return if_so(apply_passes(part.substr(7), spec), Choice::kPasses);
  if (part.starts_with("limit=")) return if_so(read_number(part.substr(6), spec.limit), Choice::kLimit);
  if (spec.kind != ExecutorKind::kJit) return {};
  if (part == "unverified") {
    spec.unverified = true;
    return Choice::kUnverified;
  }
  if (apply_zeal_flag(part, spec)) return Choice::kZealFlag;
  if (part.starts_with("chaos=")) return if_so(read_number(part.substr(6), spec.chaos), Choice::kChaos);
  for (size_t i = 1; i < std::size(kMemoryChecks); ++i) {
    if (part != kMemoryChecks[i]) continue;
    spec.memory = static_cast<MemoryChecks>(i);
    return Choice::kMemory;
  }
  for (size_t i = 0; i < std::size(kCpus); ++i) {
    if (!part.starts_with("cpu=") || part.substr(4) != kCpus[i]) continue;
    spec.cpu = static_cast<Cpu>(i);
    return Choice::kCpu;
  }
  for (size_t i = 0; i < std::size(kCollectors); ++i) {
    if (part != kCollectors[i]) continue;
    spec.collector = static_cast<Collector>(i);
    return Choice::kCollector;
  }
  return {};
}

// The error about a word that no executor of this kind has.
std::unexpected<Error> unknown_word(std::string_view part, std::string_view whole, bool has_passes) {
  if (has_passes && part.starts_with("passes=")) {
    return fail(ErrorCode::kUsage, 0,
                text::format("'{}' in executor '{}': expected none, all, NAME+NAME... or -NAME-NAME... of {}", part,
                             whole, pass_names()));
  }
  return fail(
      ErrorCode::kUsage, 0,
      text::format("'{}' in executor '{}' is unknown; expected interp[:zeal=none|every|N] or "
                   "jit[:O0|O1|O2][:moving|nonmoving|never|gen][:zeal=none|every|alloc|N|onlyN][:move][:poison][:"
                   "protect][:pages]"
                   "[:zap][:minor][:full][:tiny][:verify-before][:verify-after][:armed|plain][:unverified][:chaos="
                   "N][:cpu=host|sse4|baseline]"
                   "[:guard|explicit][:passes=none|NAME+NAME...|-NAME...][:limit=N] or "
                   "ir[:O0|O1|O2][:armed][:passes=...][:limit=N] "
                   "or an external engine (parallax engines)",
                   part, whole));
}

// Takes the word up to the next colon off `text`; `text` is empty without data behind the last.
std::string_view take_word(std::string_view& text) {
  const size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  text = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  return word;
}

// All words of `words`, which stand in `whole`; none may choose again what another chose.
Result<> apply_words(std::string_view words, std::string_view whole, ExecutorSpec& spec) {
  uint32_t chosen = 0;
  for (bool more = true; more;) {
    more = words.find(':') != std::string_view::npos;
    const std::string_view word = take_word(words);
    const auto choice = apply_word(word, spec);
    if (!choice) return unknown_word(word, whole, spec.kind != ExecutorKind::kInterp);
    const uint32_t bit = *choice == Choice::kZealFlag ? 0 : 1u << static_cast<uint32_t>(*choice);
    if ((chosen & bit) != 0) {
      return fail(
          ErrorCode::kUsage, 0,
          text::format("'{}' in executor '{}' chooses {} again", word, whole, kChoices[static_cast<size_t>(*choice)]));
    }
    chosen |= bit;
  }
  return {};
}

}  // namespace

Result<ExecutorSpec> parse_spec(std::string_view text) {
  ExecutorSpec spec;
  if (const auto external = find_external(text)) {
    spec.kind = ExecutorKind::kExternal;
    spec.external = *external;
    return spec;
  }
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto row = std::ranges::find_if(
      kExecutors, [&](const ExecutorInfo& info) { return name == info.name && info.kind != ExecutorKind::kExternal; });
  if (row == std::end(kExecutors)) return unknown_word(name, text, false);
  spec.kind = row->kind;
  if (spec.kind == ExecutorKind::kJit) spec.collector = Collector::kGenerational;  // what is fastest
  if (colon != std::string_view::npos) TRY(apply_words(text.substr(colon + 1), text, spec));
  return spec;
}

Result<ExecutorSpec> with_words(ExecutorSpec spec, std::string_view words) {
  if (words.empty()) return spec;
  if (spec.kind == ExecutorKind::kExternal)
    return fail(ErrorCode::kUsage, 0, text::format("'{}' has no settings: {}", to_string(spec), words));
  TRY(apply_words(words, words, spec));
  return spec;
}

std::string to_string(const ExecutorSpec& spec) {
  if (spec.kind == ExecutorKind::kExternal) return std::string(external_engines()[spec.external].name);
  std::string out = kExecutors[static_cast<size_t>(spec.kind)].name;
  if (spec.kind == ExecutorKind::kJit) {
    out += text::format(":O{}:{}", spec.opt_level, kCollectors[static_cast<size_t>(spec.collector)]);
  }
  if (spec.kind == ExecutorKind::kIr) out += text::format(":O{}", spec.opt_level);
  if (spec.zeal == Zeal::kEvery) out += ":zeal=every";
  if (spec.zeal == Zeal::kAlloc) out += ":zeal=alloc";
  if (spec.zeal == Zeal::kNth) out += text::format(":zeal={}", spec.zeal_n);
  if (spec.zeal == Zeal::kOnly) out += text::format(":zeal=only{}", spec.zeal_n);
  for (size_t i = 0; i < std::size(kZealFlags); ++i) {
    if ((spec.zeal_flags >> i & 1u) != 0) out += text::format(":{}", kZealFlags[i]);
  }
  if (spec.armed) out += ":armed";
  if (spec.unverified) out += ":unverified";
  if (spec.chaos != 0) out += text::format(":chaos={}", spec.chaos);
  if (spec.cpu != Cpu::kHost) out += text::format(":cpu={}", kCpus[static_cast<size_t>(spec.cpu)]);
  if (spec.memory != MemoryChecks::kDefault)
    out += text::format(":{}", kMemoryChecks[static_cast<size_t>(spec.memory)]);
  if (spec.disabled != 0) out += ":passes=" + passes_text(spec.disabled);
  if (spec.limit != ExecutorSpec::kNoLimit) out += text::format(":limit={}", spec.limit);
  return out;
}

ExecutorSpec fastest(ExecutorSpec spec) {
  const bool is_plain = spec.kind == ExecutorKind::kJit && spec.opt_level == 2 && !spec.armed &&
                        spec.zeal == Zeal::kNone && spec.zeal_flags == 0;
  if (is_plain && spec.memory == MemoryChecks::kDefault) spec.memory = MemoryChecks::kGuard;
  return spec;
}

bool available(ExecutorKind kind, std::string* why) {
  switch (kind) {
    case ExecutorKind::kInterp: return true;
    case ExecutorKind::kExternal: return true;  // each engine is there or not: external_program()
    case ExecutorKind::kJit:
    case ExecutorKind::kIr:
      if (PARALLAX_HAVE_JIT) return true;
      if (why != nullptr) *why = "this build has no compiler for this machine";
      return false;
  }
  return false;
}

std::vector<PassName> optional_passes(uint8_t level) {
  std::vector<PassName> out;
  for (uint32_t pass = 0; pass < opt::kPassCount; ++pass) {
    const uint64_t mask = uint64_t{1} << pass;
    if (kPasses[pass].level <= level && (mask & kOptionalPasses) != 0) out.push_back({kPasses[pass].name, mask});
  }
  return out;
}

const ExecutorInfo* executor_table(size_t& count) {
  count = std::size(kExecutors);
  return kExecutors;
}

}  // namespace parallax::fuzz
