// Every planted fault has a witness: a minimal module that shows it, and the judges that must catch it.
//
// tests/faults/<NAME>.wat says in its comments what happens:
//   ;; judge: EXECUTOR => REGEX     with the fault on, comparing the interpreter with EXECUTOR gives a finding whose
//                                   "class: difference" contains REGEX. Several such lines are several judges.
//   ;; plan: STEP | STEP ...        what the embedder does (default: every export once)
//   ;; invalid                      the module breaks one rule of validation
//   ;; types: N                     so many types stand in front of the module's own
// A line ";; --- second module" starts the next module. The control: with the fault off every executor agrees.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {
namespace {

struct Expectation {
  std::string executor;
  std::string pattern;
};

struct Witness {
  Case subject;
  std::vector<Expectation> judges;
};

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// "instantiate 1 link 0", "call 0 f keep", "drop 0", "collect", "release 0", "probe-root 0", "probe-call 0 f",
// "probe-foreign 0 f"
Step parse_step(const std::string& text) {
  const std::vector<std::string> w = words(text);
  const auto number = [&](size_t i) { return static_cast<uint32_t>(std::stoul(w.at(i))); };
  Step step;
  if (w.at(0) == "instantiate") {
    step.kind = StepKind::kInstantiate;
    step.module = number(1);
    if (w.size() > 3) step.links = {number(3)};
  } else if (w[0] == "call" || w[0] == "probe-call" || w[0] == "probe-foreign") {
    step.kind = w[0] == "call"         ? StepKind::kCall
                : w[0] == "probe-call" ? StepKind::kProbeCall
                                       : StepKind::kProbeForeign;
    step.instance = number(1);
    step.name = w.at(2);
    step.keep = w.size() > 3 && w[3] == "keep";
  } else if (w[0] == "drop") {
    step.kind = StepKind::kDropInstance;
    step.instance = number(1);
  } else if (w[0] == "collect") {
    step.kind = StepKind::kCollect;
  } else {
    step.kind = w[0] == "release" ? StepKind::kRelease : StepKind::kProbeRoot;
    step.kept = number(1);
  }
  return step;
}

std::vector<Step> parse_plan(const std::string& text) {
  std::vector<Step> plan;
  std::istringstream in(text);
  for (std::string step; std::getline(in, step, '|');) plan.push_back(parse_step(step));
  return plan;
}

std::string after(const std::string& line, const std::string& prefix) {
  return line.starts_with(prefix) ? line.substr(prefix.size()) : std::string();
}

// So many different types: the members of one rec group are different types.
std::string many_types(uint32_t count) {
  std::string text = "(rec";
  for (uint32_t i = 0; i < count; ++i) text += "(type(struct))";
  return text + ")";
}

Witness read_witness(const std::string& path) {
  Witness witness;
  std::vector<std::string> modules(1);
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  uint32_t types = 0;
  for (std::string line; std::getline(in, line);) {
    if (const std::string judge = after(line, ";; judge: "); !judge.empty()) {
      const size_t arrow = judge.find(" => ");
      witness.judges.push_back({judge.substr(0, arrow), judge.substr(arrow + 4)});
    } else if (const std::string plan = after(line, ";; plan: "); !plan.empty()) {
      witness.subject.plan = parse_plan(plan);
    } else if (line == ";; invalid") {
      witness.subject.claims_invalid = true;
    } else if (const std::string count = after(line, ";; types: "); !count.empty()) {
      types = static_cast<uint32_t>(std::stoul(count));
    } else if (line == ";; --- second module") {
      modules.emplace_back();
    } else if (line == "(module" && types != 0) {
      modules.back() += line + many_types(std::exchange(types, 0)) + "\n";
    } else {
      modules.back() += line + "\n";
    }
  }
  for (const std::string& text : modules) {
    auto bytes = wasm::text::parse_module(text);
    EXPECT_TRUE(bytes) << path << ": " << bytes.error().to_string();
    if (bytes) witness.subject.modules.push_back(std::move(*bytes));
  }
  return witness;
}

std::string judged(const Case& subject, const std::string& executor) {
  const auto spec = parse_spec(executor);
  if (!spec) return spec.error().to_string();
  const Verdict verdict = judge(subject, {.executors = {ExecutorSpec{}, *spec}});
  switch (verdict.kind) {
    case VerdictKind::kAgreed: return "agreed";
    case VerdictKind::kInconclusive: return "inconclusive: " + verdict.reason;
    case VerdictKind::kRejected: return "rejected: " + verdict.reason;
    case VerdictKind::kFinding: break;
  }
  return text::format("{}: {}", to_string(verdict.finding.kind), verdict.finding.difference);
}

std::vector<std::string> all_faults() {
  uint32_t count = 0;
  const FaultInfo* rows = fault_table(count);
  std::vector<std::string> names;
  for (uint32_t i = 0; i < count; ++i) names.emplace_back(rows[i].name);
  return names;
}

class PlantedFault : public testing::TestWithParam<std::string> {
 protected:
  void TearDown() override { g_fault = {}; }
};

TEST_P(PlantedFault, IsCaughtByItsJudgesAndAbsentFromTheControl) {
  const Witness witness = read_witness("tests/faults/" + GetParam() + ".wat");
  ASSERT_FALSE(HasFailure());
  ASSERT_FALSE(witness.judges.empty()) << "a witness names its judges";
  for (const Expectation& expected : witness.judges) {
    g_fault = {};
    EXPECT_EQ(judged(witness.subject, expected.executor), "agreed") << "control on " << expected.executor;
    ASSERT_TRUE(choose_fault(GetParam()));
    const std::string found = judged(witness.subject, expected.executor);
    EXPECT_NE(g_fault.infected, 0u) << "the fault's site was never asked on " << expected.executor;
    EXPECT_TRUE(found != "agreed" && std::regex_search(found, std::regex(expected.pattern)))
        << expected.executor << " should have said " << expected.pattern << ", but: " << found;
    if (std::getenv("PARALLAX_SHOW") != nullptr)
      std::printf("%s | %s | %s\n", GetParam().c_str(), expected.executor.c_str(), found.c_str());
  }
}

INSTANTIATE_TEST_SUITE_P(All, PlantedFault, testing::ValuesIn(all_faults()),
                         [](const auto& fault) { return fault.param; });

}  // namespace
}  // namespace parallax::fuzz
