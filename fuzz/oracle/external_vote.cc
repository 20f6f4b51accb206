#include "fuzz/oracle/external_vote.h"

#include <utility>

#include "engine/base/text.h"
#include "fuzz/external/vote.h"
#include "fuzz/oracle/difference.h"

namespace parallax::fuzz {

namespace {

Verdict undecided(std::string reason) { return {.kind = VerdictKind::kInconclusive, .reason = std::move(reason)}; }

Verdict found(FindingClass kind, std::string signature, std::string difference) {
  Verdict verdict{.kind = VerdictKind::kFinding};
  verdict.finding.kind = kind;
  verdict.finding.signature = text::format("{}|{}", to_string(kind), signature);
  verdict.finding.difference = std::move(difference);
  return verdict;
}

}  // namespace

std::optional<std::string> ExternalVote::prepare() {
  if (is_prepared_) return obstacle_;
  is_prepared_ = true;
  if (reference_.kind == ExecutorKind::kExternal) return obstacle_ = "an external engine cannot be the reference";
  auto prepared = make_js_case(subject_);
  if (!prepared) return obstacle_ = prepared.error().message;
  js_ = std::move(*prepared);
  auto loaded = load_case(js_.subject);
  if (!loaded) return obstacle_ = loaded.error().message;
  loaded_ = std::move(*loaded);
  const MakeStore make = [&] { return make_executor(reference_, loaded_.types); };
  auto store = make();
  if (!store) return obstacle_ = store.error().message;
  observe(loaded_, **store, make, ours_);
  if (const std::string limit = own_limit(ours_); !limit.empty()) return obstacle_ = limit;
  project(ours_);
  return {};
}

Verdict ExternalVote::ask(const ExecutorSpec& engine) {
  const std::string name = to_string(engine);
  if (const auto obstacle = prepare()) return undecided(text::format("external: {}", normalise(*obstacle)));
  const auto end = observe_external(js_, engine.external, theirs_);
  if (!end) return undecided(end.error().message);
  if (end->kind == ExternalEnd::Kind::kHung) {
    return found(FindingClass::kHang, name, text::format("{} does not answer", name));
  }
  if (end->kind == ExternalEnd::Kind::kCrashed) {
    return found(FindingClass::kCrash, text::format("{}: {}", name, normalise(end->what)),
                 text::format("{} died: {}", name, one_line(end->what)));
  }
  project(theirs_, &ours_);
  if (const auto difference = find_difference(loaded_, ours_, theirs_, to_string(reference_), name)) {
    const std::string_view component = std::string_view(difference->kind).substr(0, difference->kind.find(':'));
    std::string why = excuse(js_.freedom, component);
    if (component == "exception" && loaded_.modules.size() > 1) why = "one tag may have several labels";
    if (!why.empty()) return undecided(text::format("external: {}", why));
    const std::string said = end->message.empty() ? "" : text::format(" (it says: {})", one_line(end->message));
    return found(FindingClass::kDivergence, text::format("{}: {}", name, difference->kind), difference->text + said);
  }
  if (!theirs_.inconclusive) return {};
  return undecided(text::format("external: {}", normalise(theirs_.inconclusive_reason)));
}

std::string ExternalVote::log(const ExecutorSpec& engine) const {
  if (ours_.tokens.empty() && theirs_.tokens.empty()) return {};
  return text::format("== {}, as JavaScript sees it ==\n{}== {} ==\n{}", to_string(reference_),
                      print_observation(loaded_, ours_), to_string(engine), print_observation(loaded_, theirs_));
}

}  // namespace parallax::fuzz
