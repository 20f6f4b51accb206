#include "triage/inspect.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "fuzz/executors/map_audit.h"
#include "fuzz/executors/probe.h"
#include "fuzz/oracle/localize.h"
#include "fuzz/oracle/observe.h"
#include "triage/isolate.h"

namespace parallax::triage {

using fuzz::ExecutorSpec;
using nlohmann::json;

namespace {

// Follows the plan on one executor and tells the probe. Empty: done; else why not.
std::string run(const fuzz::Case& subject, const ExecutorSpec& spec, fuzz::Probe& probe,
                const std::function<void(wasm::Embedding&)>& after = {}) {
  const auto loaded = fuzz::load_case(subject);
  if (!loaded) return loaded.error().to_string();
  const fuzz::MakeStore other = [&] { return fuzz::make_executor(spec, loaded->types); };
  auto store = fuzz::make_executor(spec, loaded->types, probe);
  if (!store) return store.error().message;
  fuzz::Observation seen;
  fuzz::observe(*loaded, **store, other, seen);
  if (after) after(**store);
  return {};
}

Result<json> ask(const std::function<json()>& body, const InspectSettings& settings) {
  const std::string text = TRY(isolated([&] { return body().dump(-1, ' ', false, json::error_handler_t::replace); },
                                        settings.fault, settings.limits));
  json answer = json::parse(text, nullptr, false);
  if (!answer.is_object()) return fail(ErrorCode::kInvariant, 0, "the inspecting process gave no answer");
  if (answer.contains("error")) return fail(ErrorCode::kUnsupported, 0, answer.value("error", ""));
  return answer;
}

// Keeps, of every stage of every function, what is needed to show one rewrite.
struct RewriteWatch {
  uint64_t number;
  std::optional<fuzz::RewriteEvent> event;
  std::map<uint32_t, std::string> last;  // by function: its text after the latest stage
  std::string text;
  bool waiting = false;

  void hear(const fuzz::RewriteEvent& e) {
    if (e.number != number) return;
    event = e;
    waiting = true;
  }
  void stage(uint32_t func, const std::string& stage, const std::string& now) {
    if (stage == "translate" || !waiting || func != event->func) {
      last[func] = now;
      return;
    }
    // A pass that changed nothing tells no stage: then the function is as the stage before left it.
    text = stage == event->pass ? now : last[func];
    waiting = false;
    last[func] = now;
  }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// The lines that differ, three around them, "..." for the rest.
void window(const std::string& before, const std::string& after, GuiltyRewrite& out) {
  const auto a = lines_of(before), b = lines_of(after);
  size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail + head < a.size() && tail + head < b.size() && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  constexpr size_t kAround = 3, kMost = 60;
  const auto cut = [&](const std::vector<std::string>& lines) {
    const size_t from = head > kAround ? head - kAround : 0;
    const size_t to = std::min({lines.size(), lines.size() - tail + kAround, from + kMost});
    std::string text = from > 0 ? lines.front() + "\n  ...\n" : "";
    for (size_t i = from; i < to; ++i) text += lines[i] + "\n";
    return text + (to < lines.size() ? "  ...\n" : "");
  };
  out.ir_before = cut(a);
  out.ir_after = cut(b);
}

// The line that defines the value, and the offset behind its '@'.
void find_definition(const std::string& text, uint32_t value, GuiltyRewrite& out) {
  const std::string name = text::format("v{}:", value);
  for (const std::string& line : lines_of(text)) {
    const size_t at = line.find(name);
    if (at == std::string::npos || (at > 0 && line[at - 1] != ' ' && line[at - 1] != '(')) continue;
    out.text = line.substr(line.find_first_not_of(' '));
    if (const size_t sign = line.rfind(" @"); sign != std::string::npos) {
      std::from_chars(line.data() + sign + 2, line.data() + line.size(), out.offset);
    }
    return;
  }
}

json rewrite_with_limit(const fuzz::Case& subject, ExecutorSpec spec, uint64_t number, uint64_t limit) {
  spec.limit = limit;
  RewriteWatch watch{.number = number};
  fuzz::Probe probe{.on_stage = [&](uint32_t f, const char* s, const std::string& t) { watch.stage(f, s, t); },
                    .on_rewrite = [&](const fuzz::RewriteEvent& e) { watch.hear(e); }};
  const std::string why = run(subject, spec, probe);
  if (!why.empty()) return {{"error", why}};
  if (!watch.event) return {{"error", "the rewrite was not asked for"}};
  return {{"text", watch.text},        {"kind", watch.event->rewrite}, {"summary", watch.event->summary},
          {"pass", watch.event->pass}, {"func", watch.event->func},    {"value", watch.event->value}};
}

}  // namespace

Result<uint64_t> count_rewrites(const fuzz::Case& subject, const ExecutorSpec& spec, const InspectSettings& settings) {
  const json answer = TRY(ask(
      [&]() -> json {
        uint64_t count = 0;
        fuzz::Probe probe{.on_rewrite = [&](const fuzz::RewriteEvent& e) { count = e.number + 1; }};
        const std::string why = run(subject, spec, probe);
        if (!why.empty()) return {{"error", why}};
        return {{"count", count}};
      },
      settings));
  return answer.value("count", uint64_t{0});
}

Result<GuiltyRewrite> describe_rewrite(const fuzz::Case& subject, ExecutorSpec spec, uint64_t number,
                                       const InspectSettings& settings) {
  // The judges would end a compilation before its text is complete.
  spec.armed = false;
  const json without = TRY(ask([&] { return rewrite_with_limit(subject, spec, number, number); }, settings));
  const auto with = ask([&] { return rewrite_with_limit(subject, spec, number, number + 1); }, settings);
  GuiltyRewrite out{.number = number,
                    .kind = without.value("kind", ""),
                    .summary = without.value("summary", ""),
                    .pass = without.value("pass", ""),
                    .func = without.value("func", 0u)};
  const std::string before = without.value("text", "");
  find_definition(before, without.value("value", 0u), out);
  window(before, with ? with->value("text", "") : std::string(), out);
  return out;
}

Result<uint64_t> count_safepoints(const fuzz::Case& subject, ExecutorSpec spec, const InspectSettings& settings) {
  // Counted only under zeal: one so rare that it never comes.
  spec.zeal = fuzz::Zeal::kOnly;
  spec.zeal_n = UINT32_MAX;
  const json answer = TRY(ask(
      [&]() -> json {
        uint64_t count = 0;
        fuzz::Probe probe;
        const std::string why =
            run(subject, spec, probe, [&](wasm::Embedding& store) { count = fuzz::safepoints_passed(spec, store); });
        if (!why.empty()) return {{"error", why}};
        return {{"count", count}};
      },
      settings));
  return answer.value("count", uint64_t{0});
}

Result<GuiltyCollection> describe_collection(const fuzz::Case& subject, ExecutorSpec spec, uint64_t index,
                                             const InspectSettings& settings) {
  spec.zeal = fuzz::Zeal::kOnly;
  spec.zeal_n = static_cast<uint32_t>(index);
  const std::string text = TRY(isolated(
      [&] {
        std::optional<fuzz::FramesEvent> at;
        fuzz::Probe probe{.on_frames = [&](const fuzz::FramesEvent& e) {
          if (!at && e.safepoints == index + 1) at = e;
        }};
        run(subject, spec, probe);
        return at ? text::format("{} {}", at->func, at->offset) : std::string("none");
      },
      settings.fault, settings.limits));
  GuiltyCollection out{.index = index};
  uint32_t func = ~0u;
  const char* end = text.data() + text.size();
  const auto [space, error] = std::from_chars(text.data(), end, func);
  if (error != std::errc{} || func == ~0u) return out;
  out.func = func;
  std::from_chars(space + 1, end, out.offset);
  out.operation = fuzz::instruction_at(subject, out.func, out.offset);
  // Polls belong to no instruction.
  if (out.operation == "?") out.operation = "entry or head of a loop";
  return out;
}

Result<std::optional<DifferingEvent>> first_event(const fuzz::Case& subject, const ExecutorSpec& reference,
                                                  const ExecutorSpec& other, const InspectSettings& settings) {
  const json answer = TRY(ask(
      [&]() -> json {
        const auto found = fuzz::localize(subject, reference, other);
        if (!found) return {{"error", found.error().to_string()}};
        if (!*found) return {{"none", true}};
        const fuzz::Localized& l = **found;
        return {{"number", l.number}, {"func", l.func},   {"offset", l.offset},  {"operation", l.operation},
                {"left", l.left},     {"right", l.right}, {"of_null", l.of_null}};
      },
      settings));
  if (answer.contains("none")) return std::optional<DifferingEvent>();
  return DifferingEvent{.number = answer.value("number", uint64_t{0}),
                        .func = answer.value("func", 0u),
                        .offset = answer.value("offset", 0u),
                        .operation = answer.value("operation", ""),
                        .left = answer.value("left", ""),
                        .right = answer.value("right", ""),
                        .of_null = answer.value("of_null", false)};
}

Result<std::string> map_pattern(const fuzz::Case& subject, const ExecutorSpec& spec, const InspectSettings& settings) {
  return isolated(
      [&] {
        const auto loaded = fuzz::load_case(subject);
        if (!loaded) return std::string();
        fuzz::MapAudit audit;
        for (const auto& module : loaded->modules) fuzz::audit_maps(*module, spec, audit);
        return audit.pattern();
      },
      settings.fault, settings.limits);
}

std::vector<std::string> needed_features(const fuzz::Case& subject) {
  struct Row {
    wasm::Feature feature;
    const char* name;
  };
  static constexpr Row kRows[] = {
#define FEATURE(id, name, on) {wasm::Feature::id, name},
#include "engine/wasm/features.def"
#undef FEATURE
  };
  std::vector<std::string> needed;
  for (const Row& row : kRows) {
    if (row.feature == wasm::Feature::kMvp) continue;
    wasm::Features without;
    if (!without.has(row.feature)) continue;
    without.set(row.feature, false);
    if (!fuzz::load_case(subject, without)) needed.push_back(row.name);
  }
  return needed;
}

}  // namespace parallax::triage
