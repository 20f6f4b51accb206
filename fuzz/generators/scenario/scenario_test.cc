// Scenarios agree, and each judge is seen to fail.
#include "fuzz/generators/scenario/scenario.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "engine/base/faults.h"

namespace parallax::fuzz {
namespace {

// The judge that finds the fault first, within so many scenarios.
std::string judge_of(const char* fault, uint64_t most, uint64_t& at) {
  EXPECT_TRUE(choose_fault(fault));
  std::string judge;
  for (at = 0; at < most && judge.empty(); ++at) {
    restart_fault_sites();
    judge = judge_scenario(scenario_at(1, at)).judge;
  }
  g_fault.active = Fault::kNone;
  return judge;
}

void count(const std::vector<Action>& actions, std::set<Act>& acts, std::set<parallax_error_t>& errors,
           std::set<int>& ends) {
  for (const Action& action : actions) {
    acts.insert(action.act);
    ends.insert(static_cast<int>(action.expected.end));
    if (action.expected.end == Expected::End::kRefused) errors.insert(action.expected.error);
    count(action.inside, acts, errors, ends);
  }
}

TEST(Scenarios, TheSameChoicesMakeTheSameScenario) {
  EXPECT_EQ(describe(scenario_at(3, 14)), describe(scenario_at(3, 14)));
  EXPECT_NE(describe(scenario_at(3, 14)), describe(scenario_at(3, 15)));
}

TEST(Scenarios, EveryActionAndEveryEndOccurs) {
  std::set<Act> acts;
  std::set<parallax_error_t> errors;
  std::set<int> ends;
  for (uint64_t i = 0; i < 400; ++i) count(scenario_at(5, i).actions, acts, errors, ends);
  EXPECT_EQ(acts.size(), static_cast<size_t>(Act::kCloseScope) + 1);
  EXPECT_EQ(ends.size(), 5u);
  for (const parallax_error_t error :
       {PARALLAX_ERROR_NULL_HANDLE, PARALLAX_ERROR_DELETED, PARALLAX_ERROR_WRONG_KIND, PARALLAX_ERROR_OTHER_STORE,
        PARALLAX_ERROR_STORE_GONE, PARALLAX_ERROR_ARITY, PARALLAX_ERROR_MISMATCH, PARALLAX_ERROR_BOUNDS,
        PARALLAX_ERROR_REJECTED, PARALLAX_ERROR_UNLINKABLE}) {
    EXPECT_TRUE(errors.contains(error)) << parallax_error_text(error);
  }
}

TEST(Scenarios, BothExecutorsDoWhatTheModelSays) {
  // PARALLAX_SCENARIOS=FIRST:COUNT: others, for long runs under sanitizers.
  const char* const others = std::getenv("PARALLAX_SCENARIOS");
  unsigned long first = 0, count = 400;
  if (others != nullptr) ASSERT_EQ(std::sscanf(others, "%lu:%lu", &first, &count), 2);
  for (uint64_t i = first; i < first + count; ++i) {
    const ScenarioVerdict verdict = judge_scenario(scenario_at(2, i));
    ASSERT_EQ(verdict.judge, "") << "index " << i << "\n" << verdict.text;
    ASSERT_EQ(parallax_live_handles(), 0u) << i;
  }
}

TEST(Scenarios, PlantedFaultsAreFound) {
  uint64_t at = 0;
  EXPECT_NE(judge_of("BND1", 300, at), "") << "the border does not ask for the store";
  EXPECT_NE(judge_of("SL1", 300, at), "") << "function references with a wrong tag";
  EXPECT_NE(judge_of("SL2", 300, at), "") << "deleted handles are followed";
}

TEST(Scenarios, ADifferenceOfLogsIsFound) {
  Played jit = play(scenario_at(2, 7), PARALLAX_JIT);
  const Played interp = play(scenario_at(2, 7), PARALLAX_INTERPRETER);
  EXPECT_EQ(judge_plays(jit, interp).judge, "");
  jit.log[jit.log.size() / 2] += "!";
  EXPECT_EQ(judge_plays(jit, interp).judge, "executors");
}

TEST(Scenarios, AWrongExpectationIsFound) {
  Scenario scenario = scenario_at(2, 7);
  scenario.actions[0].expected = {.end = Expected::End::kRefused, .error = PARALLAX_ERROR_DELETED};
  EXPECT_EQ(judge_scenario(scenario).judge, "model");
}

TEST(Scenarios, AHandleThatTheModelDoesNotKnowIsFound) {
  Scenario scenario = scenario_at(2, 7);
  Action leak{.act = Act::kNewStore, .makes = 1000, .makes_count = 2};
  scenario.actions = {leak};
  EXPECT_EQ(judge_scenario(scenario).judge, "model");
}

}  // namespace
}  // namespace parallax::fuzz
