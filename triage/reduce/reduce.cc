#include "triage/reduce/reduce.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "engine/base/text.h"
#include "triage/reduce/coverage.h"
#include "triage/reduce/operators.h"

namespace parallax::triage::reduce {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Operator kOperators[] = {
#define REDUCER(id, name, subject, shape, summary) \
  {name, Subject::subject, Shape::shape, summary, sites_##id, apply_##id},
#include "triage/reduce/reducers.def"
#undef REDUCER
};

std::vector<uint8_t> envelope_of(const State& state, const fuzz::Case& encoded) {
  return state.plain ? encoded.modules.front() : write_envelope(encoded);
}

}  // namespace

const Operator* operator_table(size_t& count) {
  count = std::size(kOperators);
  return kOperators;
}

void Test::interesting(std::span<const fuzz::Case> subjects, std::vector<bool>& answers) {
  answers.clear();
  for (const fuzz::Case& subject : subjects) answers.push_back(interesting(subject));
}

// --- The test of a finding ----------------------------------------------------------------------------------------------

FindingTest::FindingTest(RerunSettings settings, fuzz::Verdict wanted)
    : rerunner_(std::move(settings)), wanted_(std::move(wanted)) {}

bool FindingTest::interesting(const fuzz::Case& subject) {
  // A child that has run many cases may be damaged.
  constexpr uint32_t kRunsOfAChild = 1000;
  if (++since_fresh_ >= kRunsOfAChild) {
    since_fresh_ = 0;
    return confirm(subject);
  }
  return same_finding(rerunner_.run(subject), wanted_);
}

bool FindingTest::confirm(const fuzz::Case& subject) { return same_finding(rerunner_.run_fresh(subject), wanted_); }

// --- The engine ---------------------------------------------------------------------------------------------------------

namespace {

struct Candidate {
  State state;
  fuzz::Case encoded;
  uint64_t hash = 0;
  uint64_t cost = 0;
};

class Reducer {
 public:
  Reducer(Test& test, const Options& options) : test_(test), options_(options) {
    for (const Operator& row : kOperators) out_.operators.push_back({.name = row.name});
  }

  Result<Reduced> run(const fuzz::Case& start) {
    original_ = XXH64(start.modules.front().data(), start.modules.front().size(), 0);
    state_ = TRY(lift_case(start, options_.plain));
    encoded_ = TRY(encode_case(state_));
    out_.before = measured();
    resume();
    // Writing it again may lose the finding (longer encodings, the order of things): then nothing can be done.
    if (!ask(encoded_, true)) {
      return fail(ErrorCode::kUnsupported, 0,
                  "the finding does not survive decoding and encoding the modules anew: nothing can be reduced");
    }
    cost_ = cost(state_, encoded_);
    learn_to_tidy();
    while (!over()) {
      if (!round()) break;
    }
    if (out_.ended.empty()) out_.ended = "minimal";
    out_.subject = encoded_;
    out_.after = measured();
    out_.seconds = seconds();
    if (!options_.state_file.empty()) {
      if (out_.ended == "minimal") std::remove(options_.state_file.c_str());
      else write_state();
    }
    return std::move(out_);
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count() + earlier_seconds_; }

  bool over() {
    if (!out_.ended.empty()) return true;
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) out_.ended = "stopped";
    else if (options_.seconds > 0 && seconds() - earlier_seconds_ > options_.seconds) out_.ended = "time";
    else if (options_.max_runs > 0 && out_.runs >= options_.max_runs) out_.ended = "runs";
    return !out_.ended.empty();
  }

  Size measured() {
    Size size = size_of(state_, encoded_);
    size.executed = count_executed(state_).executed;
    return size;
  }

  bool ask(const fuzz::Case& subject, bool surely) {
    ++out_.runs;
    return surely ? test_.confirm(subject) : test_.interesting(subject);
  }

  // Whether what nobody names can always go at once, or is part of the finding.
  void learn_to_tidy() {
    State tidied = state_;
    tidy(tidied);
    tidies_ = true;
    auto candidate = candidate_of(std::move(tidied), nullptr);
    if (!candidate) {
      // Nothing to tidy costs nothing: keep the habit.
      return;
    }
    if (ask(candidate->encoded, true)) accept(std::move(*candidate), nullptr);
    else tidies_ = false;
  }

  // A changed copy as a candidate; empty when it is not cheaper, already refused, or refused by the encoder.
  std::optional<Candidate> candidate_of(State state, OperatorCount* count) {
    ++out_.candidates;
    if (count != nullptr) ++count->tried;
    if (tidies_) tidy(state);
    auto encoded = encode_case(state);
    if (!encoded) {
      ++out_.invalid;
      if (count != nullptr) ++count->invalid;
      return {};
    }
    Candidate candidate{std::move(state), std::move(*encoded)};
    candidate.cost = cost(candidate.state, candidate.encoded);
    if (candidate.cost >= cost_) {
      ++out_.dearer;
      return {};
    }
    const std::vector<uint8_t> bytes = envelope_of(candidate.state, candidate.encoded);
    candidate.hash = XXH64(bytes.data(), bytes.size(), 0);
    if (refused_.contains(candidate.hash)) {
      ++out_.known;
      return {};
    }
    auto again = lift_again(candidate.state, candidate.encoded);
    if (!again) {
      ++out_.invalid;
      if (count != nullptr) ++count->invalid;
      refused_.insert(candidate.hash);
      return {};
    }
    candidate.state = std::move(*again);
    return candidate;
  }

  void accept(Candidate candidate, OperatorCount* count) {
    state_ = std::move(candidate.state);
    encoded_ = std::move(candidate.encoded);
    cost_ = candidate.cost;
    ++out_.accepted;
    if (count != nullptr) ++count->accepted;
    report(count != nullptr ? count->name.c_str() : "");
    if (!options_.state_file.empty() && seconds() - last_written_ > 0.5) write_state();
  }

  // The first of the candidates, in order, that still shows the finding, takes the case's place.
  bool try_all(std::vector<Candidate> candidates, OperatorCount& count) {
    std::vector<bool> answers;
    if (candidates.size() == 1) {
      answers.push_back(ask(candidates[0].encoded, false));
    } else {
      std::vector<fuzz::Case> cases;
      for (const Candidate& candidate : candidates) cases.push_back(candidate.encoded);
      out_.runs += cases.size();
      test_.interesting(cases, answers);
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (answers[i] && ask(candidates[i].encoded, true)) {
        accept(std::move(candidates[i]), &count);
        return true;
      }
      if (answers[i]) ++out_.doubtful;
      refused_.insert(candidates[i].hash);
    }
    return false;
  }

  std::vector<Site> sites_of(const Operator& row) const {
    std::vector<Site> sites;
    if (options_.plain && row.subject != Subject::kModule) return sites;
    row.sites(state_, sites);
    return sites;
  }

  // One candidate from the sites [from, from + size); empty when none of them applies.
  std::optional<Candidate> make(const Operator& row, const std::vector<Site>& sites, size_t from, size_t size,
                                OperatorCount& count) {
    State copy = state_;
    bool any = false;
    for (size_t i = from; i < std::min(from + size, sites.size()); ++i) {
      if (i % 64 == 63 && over()) return {};
      if (size == 1) {
        any = row.apply(copy, sites[i]);
        continue;
      }
      if (row.shape != Shape::kCareful) {
        any = row.apply(copy, sites[i]) || any;
        continue;
      }
      // One that fails must not spoil the others.
      State before = copy;
      if (row.apply(copy, sites[i])) any = true;
      else copy = std::move(before);
    }
    if (!any) return {};
    return candidate_of(std::move(copy), &count);
  }

  // All chunks of one size; successes do not move the position, because what stood there is gone.
  bool chunks(const Operator& row, size_t size, OperatorCount& count) {
    bool any = false;
    std::vector<Site> sites = sites_of(row);
    for (size_t at = 0; at < sites.size() && !over();) {
      std::vector<Candidate> batch;
      size_t next = at;
      while (next < sites.size() && batch.size() < test_.width()) {
        if (auto candidate = make(row, sites, next, size, count)) batch.push_back(std::move(*candidate));
        next += size;
        ++tried_in_round_;
        if (batch.empty() && over()) return any;
      }
      if (!batch.empty() && try_all(std::move(batch), count)) {
        any = true;
        success_in_round_ = true;
        sites = sites_of(row);
        continue;
      }
      at = next;
    }
    return any;
  }

  // One round over all operators; false when nothing succeeded.
  bool round() {
    ++out_.rounds;
    success_in_round_ = false;
    skipped_in_round_ = false;
    tried_in_round_ = 0;
    uint64_t with_sites = 0;
    for (size_t i = 0; i < std::size(kOperators) && !over(); ++i) {
      const Operator& row = kOperators[i];
      OperatorCount& count = out_.operators[i];
      // One chosen collection stands in the way of whatever moves safepoints: that is settled last.
      if (row.sites == sites_schedule && success_in_round_) continue;
      const size_t sites = sites_of(row).size();
      if (sites == 0) continue;
      ++with_sites;
      if (row.shape != Shape::kSingle && (out_.rounds == 1 || sites > 24)) {
        for (size_t size = sites; size > 1; size = (size + 1) / 2) {
          if (takes_too_long(sites / size)) break;
          chunks(row, size, count);
          if (over()) break;
        }
      }
      if (!takes_too_long(sites)) chunks(row, 1, count);
      report(row.name);
    }
    if (success_in_round_ || !out_.ended.empty()) return success_in_round_;
    // Only a round that left nothing out says something.
    if (skipped_in_round_) return patient_ = true;
    out_.certificate = {true, with_sites, tried_in_round_};
    return false;
  }

  // Where one candidate costs a second, a pass over thousands of sites is left for later: other operators come first.
  bool takes_too_long(size_t candidates) {
    constexpr double kShareOfTime = 0.1;
    if (patient_ || options_.seconds <= 0 || out_.candidates < 10) return false;
    const double each = (seconds() - earlier_seconds_) / static_cast<double>(out_.candidates);
    const bool too_long = each * static_cast<double>(candidates) > kShareOfTime * options_.seconds;
    skipped_in_round_ = skipped_in_round_ || too_long;
    return too_long;
  }

  void report(const char* name) {
    if (!options_.progress) return;
    Progress progress{.operator_name = name,
                      .size = size_of(state_, encoded_),
                      .runs = out_.runs,
                      .accepted = out_.accepted,
                      .round = out_.rounds,
                      .seconds = seconds()};
    options_.progress(progress);
  }

  // --- the state file: the best so far as an envelope, behind a line that says whose it is ---
  void write_state() {
    last_written_ = seconds();
    const std::vector<uint8_t> bytes = write_envelope(encoded_);
    const std::string temporary = options_.state_file + ".tmp";
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << text::format("parallax-reduce 1 {:016x} {:.3f} {} {}\n", original_, seconds(), out_.runs, out_.accepted);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (out) std::rename(temporary.c_str(), options_.state_file.c_str());
    else std::remove(temporary.c_str());
  }

  void resume() {
    if (options_.state_file.empty()) return;
    std::ifstream in(options_.state_file, std::ios::binary);
    std::string line;
    if (!in || !std::getline(in, line)) return;
    unsigned long long hash = 0, runs = 0, accepted = 0;
    double spent = 0;
    if (std::sscanf(line.c_str(), "parallax-reduce 1 %llx %lf %llu %llu", &hash, &spent, &runs, &accepted) != 4) return;
    if (hash != original_) return;
    const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto subject = fuzz::read_envelope(bytes);
    if (!subject) return;
    auto state = lift_case(*subject, options_.plain);
    if (!state) return;
    auto encoded = encode_case(*state);
    if (!encoded || !ask(*encoded, true)) return;
    state_ = std::move(*state);
    encoded_ = std::move(*encoded);
    earlier_seconds_ = spent;
    out_.runs += runs;
    out_.accepted += accepted;
    out_.resumed = true;
  }

  Test& test_;
  const Options& options_;
  Reduced out_;
  State state_;
  fuzz::Case encoded_;
  uint64_t cost_ = 0;
  uint64_t original_ = 0;
  bool tidies_ = true;
  std::unordered_set<uint64_t> refused_;  // asked about only, never walked
  bool success_in_round_ = false, skipped_in_round_ = false;
  bool patient_ = false;  // nothing is left for later any more
  uint64_t tried_in_round_ = 0;
  Clock::time_point begin_ = Clock::now();
  double earlier_seconds_ = 0, last_written_ = 0;
};

nlohmann::json json_of(const Size& size) {
  return {{"bytes", size.bytes},       {"instructions", size.instructions},
          {"executed", size.executed}, {"functions", size.functions},
          {"types", size.types},       {"steps", size.steps}};
}

}  // namespace

Result<Reduced> reduce(const fuzz::Case& start, Test& test, const Options& options) {
  return Reducer(test, options).run(start);
}

std::string to_json(const Reduced& reduced, const std::string& signature) {
  nlohmann::json operators = nlohmann::json::array();
  for (const OperatorCount& row : reduced.operators) {
    if (row.tried == 0) continue;
    operators.push_back(
        {{"name", row.name}, {"tried", row.tried}, {"invalid", row.invalid}, {"accepted", row.accepted}});
  }
  const nlohmann::json out = {{"schema", 1},
                              {"signature", signature},
                              {"before", json_of(reduced.before)},
                              {"after", json_of(reduced.after)},
                              {"seconds", reduced.seconds},
                              {"runs", reduced.runs},
                              {"candidates", reduced.candidates},
                              {"invalid", reduced.invalid},
                              {"accepted", reduced.accepted},
                              {"unconfirmed", reduced.doubtful},
                              {"rounds", reduced.rounds},
                              {"ended", reduced.ended},
                              {"resumed", reduced.resumed},
                              {"executors", reduced.subject.configuration.executors},
                              {"certificate",
                               {{"one_minimal", reduced.certificate.holds},
                                {"operators", reduced.certificate.operators},
                                {"sites", reduced.certificate.sites}}},
                              {"operators", operators}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace parallax::triage::reduce
