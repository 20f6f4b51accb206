// A variation judged in a session, on stores that were rewound, is seen to do what it does alone on new ones.
#include "fuzz/mutators/vary.h"

#include <gtest/gtest.h>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/session.h"

namespace parallax::fuzz {
namespace {

// Keeps what every executor was seen to do.
class Seen final : public Watcher {
 public:
  void loaded(const LoadedCase&) override { all.clear(); }
  void begins(const ExecutorSpec&, wasm::Embedding&) override {}
  void ran(const ExecutorSpec&, wasm::Embedding&, const Observation& seen) override { all.push_back(seen); }
  std::vector<Observation> all;
};

std::vector<ExecutorSpec> specs_of(const Case& subject) {
  const auto specs = executors_of(subject, 1);
  EXPECT_TRUE(specs.has_value());
  return *specs;
}

void expect_same(const Seen& a, const Seen& b, const std::string& what) {
  SCOPED_TRACE(what);
  ASSERT_EQ(a.all.size(), b.all.size());
  for (size_t i = 0; i < a.all.size(); ++i) {
    SCOPED_TRACE(text::format("executor {}", i));
    const Observation& x = a.all[i];
    const Observation& y = b.all[i];
    EXPECT_EQ(x.inconclusive, y.inconclusive);
    EXPECT_EQ(x.fault, y.fault);
    EXPECT_EQ(x.fault_text.substr(0, x.fault_text.find('{')), y.fault_text.substr(0, y.fault_text.find('{')));
    ASSERT_TRUE(x.tokens == y.tokens);
    EXPECT_EQ(x.stats.collections, y.stats.collections);
    EXPECT_EQ(x.stats.live_bytes_after_last, y.stats.live_bytes_after_last);
    EXPECT_EQ(x.stats.allocated_bytes, y.stats.allocated_bytes);
    EXPECT_EQ(x.stats.allocated_objects, y.stats.allocated_objects);
    EXPECT_EQ(x.stats.fuel_used, y.stats.fuel_used);
    ASSERT_EQ(x.places.size(), y.places.size());
    for (size_t p = 0; p < x.places.size(); ++p) {
      EXPECT_EQ(x.places[p].func, y.places[p].func);
      EXPECT_EQ(x.places[p].offset, y.places[p].offset);
    }
  }
}

// Judges `subject` in the session and alone.
Verdict judge_twice(Session& session, const Case& subject, const std::vector<ExecutorSpec>& specs,
                    const std::string& what) {
  Seen in_session, alone;
  const Verdict verdict = session.judge(subject, {.executors = specs, .watcher = &in_session});
  const Verdict other = judge(subject, {.executors = specs, .watcher = &alone});
  EXPECT_EQ(verdict.kind, other.kind) << what;
  EXPECT_EQ(verdict.finding.signature, other.finding.signature) << what;
  expect_same(in_session, alone, what);
  return verdict;
}

void judge_with_variations(GeneratorKind generator, uint64_t seed, uint64_t cases, uint32_t variations) {
  Session session;
  uint64_t judged = 0;
  for (uint64_t index = 0; index < cases && !testing::Test::HasFailure(); ++index) {
    const auto subject = generate_at(generator, seed, index);
    if (!subject) continue;
    const auto specs = draw_executors(seed * 1'000'003 + index);
    const std::string name = text::format("{} {}", to_string(generator), index);
    ++judged;
    if (judge_twice(session, *subject, specs, name).kind != VerdictKind::kAgreed || !session.is_loaded()) continue;
    const std::vector<Step> plan = session.plan();
    for (uint32_t k = 1; k <= variations; ++k) {
      const Case varied = vary(*subject, plan, specs, index * 100 + k);
      ++judged;
      judge_twice(session, varied, specs_of(varied), text::format("{} variation {}", name, k));
    }
  }
  EXPECT_EQ(session.counts().cases, judged);
  EXPECT_LT(session.counts().loaded * 2, judged);
  EXPECT_GT(session.counts().rewound, session.counts().stores) << "most stores go on";
}

TEST(Vary, VariationsDoWhatTheyDoAlone) {
  judge_with_variations(GeneratorKind::kGc, 11, 60, 4);
  judge_with_variations(GeneratorKind::kOp, 12, 40, 4);
}

TEST(Vary, FollowsFromItsArguments) {
  const auto subject = generate_at(GeneratorKind::kGc, 3, 5);
  ASSERT_TRUE(subject.has_value());
  const auto specs = draw_executors(9);
  EXPECT_EQ(vary(*subject, subject->plan, specs, 4), vary(*subject, subject->plan, specs, 4));
  EXPECT_NE(vary(*subject, subject->plan, specs, 4), vary(*subject, subject->plan, specs, 5));
  EXPECT_EQ(vary(*subject, subject->plan, specs, 4).modules, subject->modules);
}

// What is found in a variation is in its case as it stands: read back, it is found again alone.
TEST(Vary, FindingsOfVariationsReproduceAlone) {
  uint32_t found = 0;
  // Faults of the runtime, planted behind the case itself: the first to show them is a variation, on a store that ran without.
  for (const char* fault : {"HOST1", "ARR2", "I31b"}) {
    Session session;
    for (uint64_t index = 0; index < 60 && found < 12; ++index) {
      const auto subject = generate_at(GeneratorKind::kGc, 21, index);
      if (!subject) continue;
      const auto specs = draw_executors(index);
      g_fault = {};
      if (session.judge(*subject, {.executors = specs}).kind != VerdictKind::kAgreed || !session.is_loaded()) continue;
      ASSERT_TRUE(choose_fault(fault)) << fault;
      const std::vector<Step> plan = session.plan();
      for (uint32_t k = 1; k < 6; ++k) {
        Case varied = vary(*subject, plan, specs, index * 10 + k);
        const Verdict verdict = session.judge(varied, {.executors = specs_of(varied)});
        if (verdict.kind != VerdictKind::kFinding) continue;
        ++found;
        varied.configuration.executors = verdict.finding.executors;
        const auto read = read_envelope(write_envelope(varied));
        ASSERT_TRUE(read.has_value());
        const Verdict again = judge(*read, {.executors = specs_of(*read)});
        EXPECT_EQ(again.kind, VerdictKind::kFinding) << fault << " " << index << " variation " << k;
        EXPECT_EQ(again.finding.signature, verdict.finding.signature);
      }
    }
  }
  g_fault = {};
  EXPECT_GT(found, 1u);
}

}  // namespace
}  // namespace parallax::fuzz
