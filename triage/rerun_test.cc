// Verdicts of cases run again, from children that serve, hang and end.
#include "triage/rerun.h"

#include <gtest/gtest.h>

#include "engine/wasm/builder.h"

namespace parallax::triage {
namespace {

using fuzz::VerdictKind;
using wasm::CodeWriter;
using wasm::Opcode;

fuzz::Case loop_case() {
  wasm::ModuleBuilder m;
  const auto type = m.add_func_type({}, {wasm::kI32});
  const auto f = m.add_func(type, {}, CodeWriter().i32_const(7).end());
  m.add_export("f", wasm::ExternKind::kFunc, f.raw);
  fuzz::Case subject;
  subject.modules.push_back(m.encode());
  subject.configuration.executors = {"interp", "interp:zeal=every"};
  return subject;
}

TEST(Rerun, AgreementIsAnswered) {
  for (const Isolation isolation : {Isolation::kChild, Isolation::kInProcess}) {
    Rerunner rerun({.isolation = isolation});
    const fuzz::Verdict verdict = rerun.run(loop_case());
    EXPECT_EQ(verdict.kind, VerdictKind::kAgreed) << verdict.reason;
    EXPECT_GT(verdict.calls, 0u);
    EXPECT_EQ(rerun.deaths(), 0u);
  }
}

TEST(Rerun, OneChildServesManyRuns) {
  Rerunner rerun({});
  for (int i = 0; i < 200; ++i) EXPECT_EQ(rerun.run(loop_case()).kind, VerdictKind::kAgreed);
  EXPECT_EQ(rerun.runs(), 200u);
  EXPECT_EQ(rerun.deaths(), 0u);
}

TEST(Rerun, RunsThatTakeTooLongAreHangs) {
  wasm::ModuleBuilder m;
  const auto type = m.add_func_type({}, {});
  const auto f = m.add_func(type, {}, CodeWriter().block(Opcode::Loop).op(Opcode::Br, 0).end().end());
  m.add_export("f", wasm::ExternKind::kFunc, f.raw);
  fuzz::Case subject;
  subject.modules.push_back(m.encode());
  subject.configuration.executors = {"interp", "interp"};
  subject.configuration.fuel = UINT64_MAX;
  Rerunner rerun({.seconds = 0.2});
  const fuzz::Verdict verdict = rerun.run(subject);
  ASSERT_EQ(verdict.kind, VerdictKind::kFinding);
  EXPECT_EQ(verdict.finding.kind, fuzz::FindingClass::kHang);
  EXPECT_EQ(rerun.run(loop_case()).kind, VerdictKind::kAgreed) << "the next run gets another child";
}

TEST(Rerun, UnknownSettingsAreRefused) {
  EXPECT_FALSE(check({.executors = {"interp", "nonsense"}}));
  EXPECT_FALSE(check({.executors = {"interp"}}));
  EXPECT_FALSE(check({.fault = "no such fault"}));
  EXPECT_TRUE(check({.executors = {"interp", "jit:O1"}}));
}

TEST(Rerun, SameFindingNeedsClassAndSignature) {
  fuzz::Verdict a{.kind = VerdictKind::kFinding};
  a.finding.signature = "x";
  fuzz::Verdict b = a;
  EXPECT_TRUE(same_finding(a, b));
  b.finding.signature = "y";
  EXPECT_FALSE(same_finding(a, b));
  b = a;
  b.kind = VerdictKind::kAgreed;
  EXPECT_FALSE(same_finding(a, b));
}

}  // namespace
}  // namespace parallax::triage
