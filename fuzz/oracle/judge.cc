#include "fuzz/oracle/judge.h"

#include <algorithm>
#include <iterator>

#include "engine/base/case_clock.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/oracle/external_vote.h"
#include "fuzz/oracle/observe.h"
#include "fuzz/oracle/session.h"

namespace parallax::fuzz {

namespace {

struct FindingInfo {
  const char* name;
  const char* summary;
};
// ORDER: FindingClass.
constexpr FindingInfo kFindings[] = {
#define FINDING(id, name, summary) {name, summary},
#include "fuzz/oracle/findings.def"
#undef FINDING
};
constexpr const char* kStages[] = {"idle", "generate", "load", "execute", "compare", "write"};

FindingClass class_of(FaultClass fault) {
  switch (fault) {
    case FaultClass::kInvariant: return FindingClass::kInvariant;
    case FaultClass::kMisuse: return FindingClass::kMisuse;
    case FaultClass::kVerify: return FindingClass::kVerify;
    case FaultClass::kExpectation: return FindingClass::kExpectation;
    case FaultClass::kNone: break;
  }
  return FindingClass::kInvariant;
}

Verdict found(FindingClass kind, std::string signature, std::string difference) {
  Verdict verdict{.kind = VerdictKind::kFinding};
  verdict.finding.kind = kind;
  verdict.finding.signature = text::format("{}|{}", to_string(kind), signature);
  verdict.finding.difference = std::move(difference);
  return verdict;
}

Verdict judge_rejection(const Case& subject, const Error& error) {
  if (subject.claims_invalid) return {};  // as it must be
  const bool limit = error.code == ErrorCode::kUnsupported || error.code == ErrorCode::kLimit;
  if (!subject.claims_valid || limit) {
    return {.kind = VerdictKind::kRejected,
            .reason = text::format("{}: {}", to_string(error.code), normalise(error.message))};
  }
  return found(FindingClass::kRejected, normalise(error.to_string()),
               text::format("the front end rejects a module that its generator made as valid: {}", error.to_string()));
}

// Buffers that live as long as the process: observations of thousands of cases reuse their memory.
Observation& buffer(size_t index) {
  static thread_local std::vector<std::unique_ptr<Observation>> buffers;
  while (buffers.size() <= index) buffers.push_back(std::make_unique<Observation>());
  return *buffers[index];
}

class Judgement {
 public:
  // `session` may be null.
  Judgement(const Case& subject, const LoadedCase& loaded, const JudgeOptions& options, Session* session)
      : loaded_(loaded), options_(options), session_(session), external_(subject, options.executors.front()) {}

  Verdict all() {
    Verdict verdict;
    const size_t count = options_.executors.size();
    for (size_t i = 0; i < count; ++i) {
      Verdict one = run(i);
      if (CaseClock* clock = CaseClock::current(); clock != nullptr) clock->set_lane(0);
      if (one.kind == VerdictKind::kFinding) return finish(std::move(one), i);
      if (one.kind == VerdictKind::kInconclusive && verdict.kind == VerdictKind::kAgreed) verdict = std::move(one);
    }
    const Observation& reference = buffer(0);
    verdict.calls = reference.calls;
    verdict.returned = reference.returned;
    verdict.trapped = reference.trapped;
    verdict.threw = reference.threw;
    verdict.exhausted = reference.exhausted;
    verdict.objects = reference.objects;
    for (size_t i = 0; i < count; ++i) verdict.collections += buffer(i).stats.collections;
    return verdict;
  }

 private:
  // Runs executor `i` and compares it with the reference.
  Verdict run(size_t i) {
    const ExecutorSpec& spec = options_.executors[i];
    Observation& seen = buffer(i);
    options_.progress.at(Stage::kExecute, static_cast<uint32_t>(i));
    if (spec.kind == ExecutorKind::kExternal) {
      seen.clear();
      return external_.ask(spec);
    }
    const MakeStore other = [&] { return make_executor(spec, loaded_.types); };
    if (CaseClock* clock = CaseClock::current(); clock != nullptr) clock->set_lane(static_cast<uint32_t>(i) + 1);
    {
      InStage stage(CaseStage::kStore);
      auto store = session_ != nullptr ? session_->take(i, spec) : other();
      if (!store) return {.kind = VerdictKind::kInconclusive, .reason = store.error().message};
      const bool decorated = options_.decorate_last && i + 1 == options_.executors.size();
      if (decorated) *store = options_.decorate_last(std::move(*store));
      stage.next(CaseStage::kFeedback);
      if (options_.watcher != nullptr) options_.watcher->begins(spec, **store);
      observe(loaded_, **store, other, seen);
      if (options_.watcher != nullptr) options_.watcher->ran(spec, **store, seen);
      stage.next(CaseStage::kEnd);
      const bool is_sound = seen.fault == FaultClass::kNone && !seen.inconclusive;
      if (session_ != nullptr && is_sound && !decorated) {
        session_->keep(i, spec, std::move(*store));
      } else {
        store->reset();
      }
    }
    if (seen.fault != FaultClass::kNone) {
      return found(class_of(seen.fault), normalise(seen.fault_text),
                   text::format("{}: {}", to_string(spec), seen.fault_text));
    }
    if (i > 0) {
      options_.progress.at(Stage::kCompare);
      const InStage stage(CaseStage::kCompare);
      if (!agree(buffer(0), seen)) {
        const auto difference =
            find_difference(loaded_, buffer(0), seen, to_string(options_.executors[0]), to_string(spec));
        return found(FindingClass::kDivergence, difference->kind, difference->text);
      }
    }
    if (!seen.inconclusive) return {};
    return {.kind = VerdictKind::kInconclusive, .reason = normalise(seen.inconclusive_reason)};
  }

  Verdict finish(Verdict verdict, size_t guilty) {
    verdict.finding.executors.push_back(to_string(options_.executors[0]));
    if (guilty != 0) verdict.finding.executors.push_back(to_string(options_.executors[guilty]));
    const ExecutorSpec& last = options_.executors[guilty];
    if (options_.with_log && last.kind == ExecutorKind::kExternal) {
      verdict.finding.log = external_.log(last);
    } else if (options_.with_log) {
      for (const size_t i : {size_t{0}, guilty}) {
        verdict.finding.log +=
            text::format("== {} ==\n{}", to_string(options_.executors[i]), print_observation(loaded_, buffer(i)));
        if (guilty == 0) break;
      }
    }
    return verdict;
  }

  const LoadedCase& loaded_;
  const JudgeOptions& options_;
  Session* session_;
  ExternalVote external_;
};

}  // namespace

const char* to_string(FindingClass kind) { return kFindings[static_cast<size_t>(kind)].name; }
const char* summary_of(FindingClass kind) { return kFindings[static_cast<size_t>(kind)].summary; }
const char* to_string(Stage stage) { return kStages[static_cast<size_t>(stage)]; }

bool parse_finding_class(std::string_view name, FindingClass& out) {
  for (size_t i = 0; i < std::size(kFindings); ++i) {
    if (name != kFindings[i].name) continue;
    out = static_cast<FindingClass>(i);
    return true;
  }
  return false;
}

static Verdict judge_acceptance() {
  return found(FindingClass::kAccepted, "validation",
               "the front end accepts a module that was made to break one rule of validation");
}

Verdict judge(const Case& subject, const JudgeOptions& options) {
  restart_fault_sites();
  options.progress.at(Stage::kLoad);
  const auto loaded = load_case(subject);
  if (!loaded) return judge_rejection(subject, loaded.error());
  if (subject.claims_invalid) return judge_acceptance();
  if (options.watcher != nullptr) options.watcher->loaded(*loaded);
  return Judgement(subject, *loaded, options, nullptr).all();
}

// --- Sessions ------------------------------------------------------------------------------------------------------

Verdict Session::judge(const Case& subject, const JudgeOptions& options) {
  restart_fault_sites();
  options.progress.at(Stage::kLoad);
  ++counts_.cases;
  const bool again = is_loaded() && subject.modules == modules_;
  if (again) {
    loaded_.configuration = subject.configuration;
    loaded_.claims_valid = subject.claims_valid;
    loaded_.plan = subject.plan.empty() ? default_plan(*loaded_.modules.front(), subject.configuration) : subject.plan;
  } else {
    end();
    ++counts_.loaded;
    auto loaded = load_case(subject);
    if (!loaded) return judge_rejection(subject, loaded.error());
    loaded_ = std::move(*loaded);
    modules_ = subject.modules;
  }
  if (subject.claims_invalid) return judge_acceptance();
  if (options.watcher != nullptr) again ? options.watcher->again(loaded_) : options.watcher->loaded(loaded_);
  return Judgement(subject, loaded_, options, this).all();
}

void Session::end() {
  for (size_t i = 0; i < kept_.size(); ++i) {
    if (CaseClock* clock = CaseClock::current(); clock != nullptr) clock->set_lane(static_cast<uint32_t>(i) + 1);
    const InStage stage(CaseStage::kEnd);
    kept_[i].store.reset();
  }
  if (CaseClock* clock = CaseClock::current(); clock != nullptr) clock->set_lane(0);
  kept_.clear();
  modules_.clear();
  loaded_ = {};
}

Result<std::unique_ptr<wasm::Embedding>> Session::take(size_t i, const ExecutorSpec& spec) {
  if (i < kept_.size() && kept_[i].store != nullptr) {
    auto store = std::move(kept_[i].store);
    if (rewind_executor(*store, kept_[i].spec, spec)) {
      ++counts_.rewound;
      return store;
    }
  }
  ++counts_.stores;
  return make_executor(spec, loaded_.types);
}

void Session::keep(size_t i, const ExecutorSpec& spec, std::unique_ptr<wasm::Embedding> store) {
  if (kept_.size() <= i) kept_.resize(i + 1);
  kept_[i] = {spec, std::move(store)};
}

Result<std::vector<ExecutorSpec>> executors_of(const Case& subject, uint64_t seed) {
  if (subject.configuration.executors.empty()) return draw_executors(seed);
  std::vector<ExecutorSpec> specs;
  for (const std::string& text : subject.configuration.executors) specs.push_back(TRY(parse_spec(text)));
  return specs;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  return text;
}

namespace {

// Types vary between cases of one cause: "(ref null #)" and "anyref" become T.
std::string without_types(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.substr(i).starts_with("(ref ")) {
      const size_t close = text.find(')', i);
      out += 'T';
      i = close == std::string_view::npos ? text.size() : close + 1;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string_view word = text.substr(i, end - i);
    if (word.size() > 3 && word.ends_with("ref") && word.find('_') == std::string_view::npos) {
      out += 'T';
    } else {
      out += end == i ? text.substr(i, 1) : word;
    }
    i = end == i ? i + 1 : end;
  }
  return out;
}

}  // namespace

std::string normalise(std::string_view text) {
  // Words whose digits name something; in all others (v17, s3, 0x1f, 12) they count.
  static constexpr std::string_view kKept[] = {"i8", "i16", "i31", "i32", "i64", "f32", "f64", "v128",
                                               "I1", "I2",  "I3",  "I4",  "I5",  "I6",  "I7",  "I8"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  text = text.substr(0, text.find('\n'));
  text = text.substr(0, text.find(" in function "));
  const std::string plain = without_types(text);
  text = plain;
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]))) ++end;
    if (end == i) {
      out += text[i++];
      continue;
    }
    const std::string_view word = text.substr(i, end - i);
    const bool kept = std::find(std::begin(kKept), std::end(kKept), word) != std::end(kKept);
    if (kept) {
      out += word;
    } else if (is_digit(word[0])) {
      out += '#';
    } else {
      for (const char c : word) {
        if (!is_digit(c)) {
          out += c;
        } else if (out.back() != '#') {
          out += '#';
        }
      }
    }
    i = end;
  }
  if (out.size() > 160) out.resize(160);
  return out;
}

}  // namespace parallax::fuzz
