#include "triage/narrower.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "engine/base/text.h"
#include "fuzz/executors/executors.h"
#include "triage/classify.h"
#include "triage/inspect.h"
#include "triage/rerun.h"
#include "triage/signature.h"

namespace parallax::triage {

using fuzz::Collector;
using fuzz::ExecutorKind;
using fuzz::ExecutorSpec;
using fuzz::FindingClass;
using fuzz::Verdict;
using fuzz::VerdictKind;
using fuzz::Zeal;

namespace {

using Clock = std::chrono::steady_clock;
constexpr uint32_t kStabilityRuns = 3;

class Narrower {
 public:
  Narrower(const fuzz::Case& subject, const NarrowOptions& options)
      : subject_(subject),
        options_(options),
        rerun_({.fault = options.fault, .seconds = options.case_seconds}),
        begin_(Clock::now()) {
    if (options.resume) out_ = *options.resume;
    out_.fault = options.fault;
    earlier_seconds_ = out_.seconds;
  }

  Result<Narrowed> run();

  void stability();
  void vector();
  void weakest();
  void features();
  void judges();
  void passes();
  void maps();
  void evaluator();
  void collection();
  void event();

 private:
  Result<> begin();
  Verdict verdict(const ExecutorSpec& spec) { return verdict(to_string(spec)); }
  Verdict verdict(const std::string& spec);
  bool fails(const ExecutorSpec& spec) { return verdict(spec).kind == VerdictKind::kFinding; }
  bool agrees(const ExecutorSpec& spec) { return verdict(spec).kind == VerdictKind::kAgreed; }
  Setting setting(const std::string& name, const ExecutorSpec& spec);
  void near_miss(const std::string& name, const ExecutorSpec& spec);
  bool try_weaker(ExecutorSpec& spec, const ExecutorSpec& weaker, const std::string& name);
  void note(std::string text) {
    if (std::find(out_.notes.begin(), out_.notes.end(), text) == out_.notes.end())
      out_.notes.push_back(std::move(text));
  }
  void conclude();
  bool over() const { return (options_.stop && options_.stop()) || seconds() - earlier_seconds_ > options_.seconds; }
  double seconds() const { return earlier_seconds_ + std::chrono::duration<double>(Clock::now() - begin_).count(); }
  InspectSettings inspecting() const { return {options_.fault, {.seconds = options_.case_seconds}}; }
  // The weakest executor if it is known and compiles; else the original one.
  ExecutorSpec guilty() const { return fuzz::parse_spec(out_.weakest.empty() ? out_.original : out_.weakest).value(); }
  bool is_jit() const { return other_.kind == ExecutorKind::kJit; }

  const fuzz::Case& subject_;
  const NarrowOptions& options_;
  Rerunner rerun_;
  Clock::time_point begin_;
  double earlier_seconds_ = 0;
  Narrowed out_;
  Verdict found_;
  ExecutorSpec reference_, other_;
  std::map<std::string, Verdict> known_;
};

struct Step {
  const char* name;
  void (Narrower::*take)();
};
constexpr Step kSteps[] = {
    {"stability", &Narrower::stability}, {"vector", &Narrower::vector}, {"weakest", &Narrower::weakest},
    {"features", &Narrower::features},   {"judges", &Narrower::judges}, {"maps", &Narrower::maps},
    {"evaluator", &Narrower::evaluator}, {"passes", &Narrower::passes}, {"collection", &Narrower::collection},
    {"event", &Narrower::event},
};

std::string outcome_of(const Verdict& verdict) {
  switch (verdict.kind) {
    case VerdictKind::kFinding: return verdict.finding.signature;
    case VerdictKind::kAgreed: return "agreed";
    case VerdictKind::kInconclusive: return "inconclusive: " + verdict.reason;
    case VerdictKind::kRejected: return "rejected: " + verdict.reason;
  }
  return "?";
}

// --- Running -------------------------------------------------------------------------------------------------------

Verdict Narrower::verdict(const std::string& spec) {
  const auto known = known_.find(spec);
  if (known != known_.end()) return known->second;
  fuzz::Case subject = subject_;
  subject.configuration.executors = {out_.reference, spec};
  return known_[spec] = rerun_.run(subject);
}

Setting Narrower::setting(const std::string& name, const ExecutorSpec& spec) {
  const Verdict seen = verdict(spec);
  Setting out{.name = name, .spec = to_string(spec), .outcome = outcome_of(seen)};
  if (seen.kind == VerdictKind::kAgreed) out.shown = Shown::kAgrees;
  if (seen.kind == VerdictKind::kFinding) out.shown = same_finding(seen, found_) ? Shown::kShows : Shown::kOther;
  return out;
}

void Narrower::near_miss(const std::string& name, const ExecutorSpec& spec) {
  Setting row = setting(name, spec);
  if (row.shown != Shown::kAgrees) return;
  const auto same = [&](const Setting& other) { return other.spec == row.spec; };
  if (std::none_of(out_.neighbours.begin(), out_.neighbours.end(), same)) out_.neighbours.push_back(std::move(row));
}

// Which two sides: as asked, as the case says, or the first pair that differs.
Result<> Narrower::begin() {
  std::vector<std::string> pair = options_.executors.empty() ? subject_.configuration.executors : options_.executors;
  if (out_.reference.empty() && pair.size() != 2) {
    fuzz::Case all = subject_;
    all.configuration.executors = pair;
    if (pair.empty()) {
      for (const ExecutorSpec& spec : fuzz::standard_executors())
        all.configuration.executors.push_back(to_string(spec));
    }
    const Verdict seen = rerun_.run(all);
    if (seen.reason.starts_with("environment")) return fail(ErrorCode::kUnsupported, 0, seen.reason);
    pair = seen.finding.executors;
    if (pair.size() == 1) pair.push_back(pair.front());
    // A process that died does not say which executor it was running.
    for (size_t i = 1; pair.size() > 2 && i < pair.size(); ++i) {
      out_.reference = pair[0];
      if (verdict(pair[i]).kind == VerdictKind::kFinding) pair = {pair[0], pair[i]};
    }
    if (pair.size() > 2) pair.resize(2);
    if (pair.empty()) pair = {all.configuration.executors.front(), all.configuration.executors.back()};
  }
  if (out_.reference.empty() || out_.original.empty()) {
    out_.reference = pair[0];
    out_.original = pair[1];
  }
  reference_ = TRY(fuzz::parse_spec(out_.reference));
  other_ = TRY(fuzz::parse_spec(out_.original));
  out_.reference = to_string(reference_);
  out_.original = to_string(other_);
  found_ = verdict(other_);
  if (found_.reason.starts_with("environment")) return fail(ErrorCode::kUnsupported, 0, found_.reason);
  return {};
}

Result<Narrowed> Narrower::run() {
  TRY(begin());
  out_.signature = found_.finding.signature;
  bool finished = true;
  for (const Step& step : kSteps) {
    const auto has = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), step.name) != list.end();
    };
    if (has(out_.done) || (!options_.steps.empty() && !has(options_.steps))) continue;
    if (over()) {
      finished = false;
      note(text::format("time ran out before step {}", step.name));
      break;
    }
    if (options_.progress) options_.progress(step.name);
    (this->*step.take)();
    out_.done.push_back(step.name);
    out_.seconds = seconds();
    if (options_.save) options_.save(out_);
    if (out_.stability.runs != 0 && out_.stability.same == 0) break;  // nothing to narrow
  }
  if (finished) std::erase_if(out_.notes, [](const std::string& n) { return n.starts_with("time ran out"); });
  out_.complete = finished;
  conclude();
  out_.seconds = seconds();
  if (options_.save) options_.save(out_);
  return out_;
}

void Narrower::conclude() {
  const BugClass bug = classify(found_.finding.kind, found_.finding.signature, found_.finding.difference, out_);
  out_.bug_class = to_string(bug);
  Signature signature = make_signature(found_.finding.kind, out_);
  out_.id = std::move(signature.id);
  out_.words = std::move(signature.words);
}

// --- Steps ---------------------------------------------------------------------------------------------------------

void Narrower::stability() {
  fuzz::Case subject = subject_;
  subject.configuration.executors = {out_.reference, out_.original};
  out_.stability = {};
  for (uint32_t i = 0; i < kStabilityRuns; ++i) {
    const Verdict again = rerun_.run_fresh(subject);
    ++out_.stability.runs;
    if (i == 0) found_ = known_[out_.original] = again;
    if (again.kind != VerdictKind::kFinding) {
      out_.stability.varies = text::format("whether it shows: {}", outcome_of(again));
    } else if (i == 0 || same_finding(again, found_)) {
      ++out_.stability.same;
    } else {
      out_.stability.varies = text::format("signature: {} / {}", found_.finding.signature, again.finding.signature);
    }
  }
  out_.signature = found_.finding.signature;
}

void Narrower::vector() {
  out_.vector.clear();
  const auto add = [&](const char* name, auto change) {
    ExecutorSpec spec = other_;
    change(spec);
    out_.vector.push_back(setting(name, spec));
  };
  add("as found", [](ExecutorSpec&) {});
  if (is_jit()) {
    const auto collecting = [](Collector collector) {
      return [collector](ExecutorSpec& s) {
        s.collector = collector;
        if (s.zeal == Zeal::kNone) s.zeal = Zeal::kEvery;
      };
    };
    add("no collection",
        [](ExecutorSpec& s) { s.collector = Collector::kNever, s.zeal = Zeal::kNone, s.zeal_flags = 0; });
    add("no zeal", [](ExecutorSpec& s) { s.zeal = Zeal::kNone, s.zeal_flags = 0; });
    add("non-moving", collecting(Collector::kNonMoving));
    add("moving", collecting(Collector::kMoving));
    add("generational", collecting(Collector::kGenerational));
    add("generational, minor collections only", [&](ExecutorSpec& s) {
      collecting(Collector::kGenerational)(s);
      s.zeal_flags = (s.zeal_flags | bit(fuzz::ZealFlag::minor)) & ~bit(fuzz::ZealFlag::full);
    });
    add("generational, full collections only", [&](ExecutorSpec& s) {
      collecting(Collector::kGenerational)(s);
      s.zeal_flags = (s.zeal_flags | bit(fuzz::ZealFlag::full)) & ~bit(fuzz::ZealFlag::minor);
    });
    add("one safepoint", [](ExecutorSpec& s) { s.zeal = Zeal::kOnly, s.zeal_n = 0; });
    for (const uint8_t level : {0, 1, 2}) {
      add(text::format("O{}", level).c_str(), [&](ExecutorSpec& s) { s.opt_level = level; });
    }
    add("no passes", [](ExecutorSpec& s) { s.disabled = fuzz::parse_spec("jit:passes=none")->disabled; });
    add("armed", [](ExecutorSpec& s) { s.armed = true, s.unverified = false; });
    add("armed, no judges of compilation", [](ExecutorSpec& s) { s.armed = true, s.unverified = true; });
    add("plain", [](ExecutorSpec& s) { s.armed = false, s.unverified = false; });
    add("no chaos", [](ExecutorSpec& s) { s.chaos = 0; });
    add("another processor",
        [](ExecutorSpec& s) { s.cpu = s.cpu == fuzz::Cpu::kHost ? fuzz::Cpu::kBaseline : fuzz::Cpu::kHost; });
    add("interpreted IR", [](ExecutorSpec& s) { s = {.kind = ExecutorKind::kIr, .opt_level = s.opt_level}; });
    add("interpreted IR, armed",
        [](ExecutorSpec& s) { s = {.kind = ExecutorKind::kIr, .opt_level = s.opt_level, .armed = true}; });
    add("interpreted IR, no passes", [](ExecutorSpec& s) { s = fuzz::parse_spec("ir:passes=none").value(); });
  }
  add("another interpreter, every allocation", [](ExecutorSpec& s) { s = {.zeal = Zeal::kEvery}; });
}

// Keeps `weaker` if the finding still shows.
bool Narrower::try_weaker(ExecutorSpec& spec, const ExecutorSpec& weaker, const std::string& name) {
  if (weaker == spec) return false;
  if (fails(weaker)) {
    spec = weaker;
    return true;
  }
  near_miss(name, weaker);
  return false;
}

void Narrower::weakest() {
  ExecutorSpec spec = other_;
  const auto weaken = [&](const std::string& name, auto change) {
    ExecutorSpec weaker = spec;
    change(weaker);
    return try_weaker(spec, weaker, name);
  };
  out_.neighbours.clear();
  if (!is_jit()) {
    weaken("no zeal", [](ExecutorSpec& s) { s.zeal = Zeal::kNone, s.zeal_n = 0; });
  } else {
    weaken("with all this processor has", [](ExecutorSpec& s) { s.cpu = fuzz::Cpu::kHost; });
    weaken("without chaos", [](ExecutorSpec& s) { s.chaos = 0; });
    if (!weaken("plain", [](ExecutorSpec& s) { s.armed = s.unverified = false; }))
      weaken("without judges of compilation", [](ExecutorSpec& s) { s.unverified = s.armed; });
    weaken("without flags of zeal", [](ExecutorSpec& s) { s.zeal_flags = 0; });
    if (!weaken("no collection", [](ExecutorSpec& s) { s.collector = Collector::kNever, s.zeal = Zeal::kNone; })) {
      weaken("without zeal", [](ExecutorSpec& s) { s.zeal = Zeal::kNone, s.zeal_n = 0; });
      weaken("non-moving", [](ExecutorSpec& s) { s.collector = Collector::kNonMoving; });
      weaken("moving", [](ExecutorSpec& s) { s.collector = Collector::kMoving; });
    }
    if (!weaken("O0", [](ExecutorSpec& s) { s.opt_level = 0, s.disabled = 0; }))
      weaken("O1", [](ExecutorSpec& s) { s.opt_level = std::min<uint8_t>(s.opt_level, 1); });
  }
  out_.weakest = to_string(spec);
  ExecutorSpec armed = spec, plain = spec;
  armed.armed = true;
  armed.unverified = false;
  plain.armed = plain.unverified = false;
  if (is_jit()) {
    out_.armed = outcome_of(verdict(armed));
    out_.plain = outcome_of(verdict(plain));
  }
}

void Narrower::features() {
  out_.features = needed_features(subject_);
  if (out_.features.empty()) note("features: none beyond the first version are needed, or the module is not valid");
}

// How much a judge's words say about the cause: a judge of compilation that names a pass knows the place; a run-time check
// of I2 knows that the collector missed something; the others saw what came of it.
int rank(const std::string& invariant, const std::string& text) {
  if (invariant.empty()) return 0;
  if (!blamed_pass(text).empty()) return 4;
  if (invariant == "I2" || invariant == "I9") return 3;
  return invariant == "I1" || invariant == "I8" ? 2 : 1;
}

// The invariant that some judge names, under the settings that ask the most judges.
void Narrower::judges() {
  out_.invariant.clear();
  out_.invariant_text.clear();
  std::vector<ExecutorSpec> specs = {other_};
  if (is_jit()) {
    for (const bool zeal : {false, true}) {
      for (const bool unverified : {true, false}) {
        ExecutorSpec spec = guilty();
        spec.armed = true;
        spec.unverified = unverified;
        if (zeal && spec.collector != Collector::kNever) spec.zeal = Zeal::kEvery;
        specs.push_back(spec);
      }
    }
  }
  int best = 0;
  for (const ExecutorSpec& spec : specs) {
    const Verdict seen = verdict(spec);
    const FindingClass kind = seen.finding.kind;
    const bool judged = kind == FindingClass::kInvariant || kind == FindingClass::kAssertion ||
                        kind == FindingClass::kVerify || kind == FindingClass::kMisuse;
    if (seen.kind != VerdictKind::kFinding || !judged) continue;
    const std::string invariant = invariant_in(seen.finding.signature);
    // "spec: I2: ...": the spec is not part of it.
    std::string text = seen.finding.difference.substr(0, seen.finding.difference.find('\n'));
    if (const size_t at = text.find(invariant + ":"); !invariant.empty() && at != std::string::npos) text.erase(0, at);
    if (rank(invariant, text) <= best) continue;
    best = rank(invariant, text);
    out_.invariant = invariant;
    out_.invariant_text = text;
  }
}

void Narrower::maps() {
  if (!is_jit()) return;
  const auto pattern = map_pattern(subject_, guilty(), inspecting());
  if (pattern) {
    out_.map_pattern = *pattern;
  } else {
    note("stack maps: " + pattern.error().message);
  }
}

// The IR after each prefix of the passes, interpreted: which pass first changes what the program does.
void Narrower::evaluator() {
  if (!is_jit()) return;
  ExecutorSpec spec{.kind = ExecutorKind::kIr, .opt_level = guilty().opt_level};
  const std::vector<fuzz::PassName> passes = fuzz::optional_passes(spec.opt_level);
  for (const bool armed : {false, true}) {
    spec.armed = armed;
    spec.disabled = 0;
    const Verdict whole = verdict(spec);
    if (whole.kind == VerdictKind::kInconclusive) {
      out_.evaluator = "cannot interpret this case: " + whole.reason;
      return note("evaluator: " + whole.reason);
    }
    if (whole.kind != VerdictKind::kFinding) continue;
    // From all passes down to none: the last prefix that still fails.
    for (const fuzz::PassName& pass : passes) spec.disabled |= pass.bit;
    // Homes and maps come after all passes, whichever run.
    const bool in_maps = invariant_in(verdict(spec).finding.signature) == "I2";
    out_.evaluator_pass = in_maps ? "safepoints" : "translate";
    if (!fails(spec)) {
      for (const fuzz::PassName& pass : passes) {
        spec.disabled &= ~pass.bit;
        out_.evaluator_pass = pass.name;
        if (fails(spec)) break;
      }
    }
    out_.evaluator = text::format("the IR after {} does something else{}: {}", out_.evaluator_pass,
                                  armed ? " (judged by home slots and the verifier)" : "", outcome_of(verdict(spec)));
    return;
  }
  out_.evaluator_pass.clear();
  out_.evaluator = text::format("the IR does the right thing after every pass of O{}: look behind it", spec.opt_level);
}

// The passes that are needed, the guilty one, and the single rewrite.
void Narrower::passes() {
  if (!is_jit()) return;
  ExecutorSpec spec = guilty();
  const auto names = fuzz::optional_passes(spec.opt_level);
  ExecutorSpec none = spec;
  for (const fuzz::PassName& pass : names) none.disabled |= pass.bit;
  out_.needed_passes.clear();
  out_.guilty_pass.clear();
  out_.rewrite.reset();
  if (names.empty() || !agrees(none)) return;
  near_miss("without passes", none);
  for (const fuzz::PassName& pass : names) {
    ExecutorSpec without = spec;
    without.disabled |= pass.bit;
    if (!try_weaker(spec, without, text::format("without pass {}", pass.name))) out_.needed_passes.push_back(pass.name);
  }
  out_.weakest = to_string(spec);
  // Smallest limit that shows it: first by doubling, then by halving between one that passes and one that fails.
  const auto with_limit = [&](uint64_t limit) {
    ExecutorSpec limited = spec;
    limited.limit = limit;
    return limited;
  };
  uint64_t passing = 0, failing = 1;
  while (failing < (uint64_t{1} << 24) && !fails(with_limit(failing))) {
    passing = failing;
    failing *= 2;
  }
  if (!fails(with_limit(failing))) return note("passes: no limit of rewrites shows it");
  while (failing - passing > 1) {
    const uint64_t middle = passing + (failing - passing) / 2;
    (fails(with_limit(middle)) ? failing : passing) = middle;
  }
  near_miss(text::format("one rewrite less: limit {}", passing), with_limit(passing));
  auto described = describe_rewrite(subject_, spec, passing, inspecting());
  if (!described) return note("rewrite: " + described.error().message);
  out_.rewrite = std::move(*described);
  out_.guilty_pass = out_.rewrite->pass;
  if (const auto total = count_rewrites(subject_, spec, inspecting())) out_.rewrite->total = *total;
}

// The one collection that is enough.
void Narrower::collection() {
  if (!is_jit()) return;
  ExecutorSpec spec = guilty();
  out_.collection.reset();
  if (spec.collector == Collector::kNever) return;
  ExecutorSpec never = spec;
  never.collector = Collector::kNever;
  never.zeal = Zeal::kNone;
  never.zeal_flags = 0;
  if (!agrees(never)) return;
  near_miss("no collection", never);
  const auto total = count_safepoints(subject_, spec, inspecting());
  if (!total) return note("collection: " + total.error().message);
  spec.zeal = Zeal::kOnly;
  for (uint64_t i = 0; i < *total && i < UINT32_MAX; ++i) {
    spec.zeal_n = static_cast<uint32_t>(i);
    if (over()) return note(text::format("collection: time ran out at safepoint {} of {}", i, *total));
    if (!fails(spec)) continue;
    auto described = describe_collection(subject_, spec, i, inspecting());
    out_.collection = described ? std::move(*described) : GuiltyCollection{.index = i};
    out_.collection->total = *total;
    if (!described) note("collection: " + described.error().message);
    out_.weakest = to_string(spec);
    return;
  }
  note(text::format("collection: no single one of {} safepoints is enough", *total));
}

void Narrower::event() {
  ExecutorSpec spec = guilty();
  out_.event.reset();
  // What judges stop early is not traced to its end.
  spec.armed = spec.unverified = false;
  if (!fails(spec)) spec = guilty();
  auto found = first_event(subject_, reference_, spec, inspecting());
  if (!found) return note("event: " + found.error().message);
  out_.event = std::move(*found);
  if (!out_.event) note("event: both sides do the same as far as the trace can tell");
}

}  // namespace

const std::vector<std::string> kBucketSteps = {"stability", "vector", "weakest", "judges", "maps", "passes", "event"};

std::vector<std::string> narrow_steps() {
  std::vector<std::string> names;
  for (const Step& step : kSteps) names.push_back(step.name);
  return names;
}

Result<Narrowed> narrow(const fuzz::Case& subject, const NarrowOptions& options) {
  TRY(check(RerunSettings{.executors = options.executors, .fault = options.fault}));
  for (const std::string& step : options.steps) {
    const auto known = narrow_steps();
    if (std::find(known.begin(), known.end(), step) == known.end())
      return fail(ErrorCode::kUsage, 0, text::format("no such step: '{}'", step));
  }
  return Narrower(subject, options).run();
}

}  // namespace parallax::triage
