// Interpreted IR: agrees with the reference, at every level and after any passes; judges homes.
#include <gtest/gtest.h>

#include "engine/base/faults.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/executors/map_audit.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {
namespace {

struct Planted {
  explicit Planted(const char* name) { EXPECT_TRUE(choose_fault(name)); }
  ~Planted() { g_fault = {}; }
};

Verdict judged(const Case& subject, const char* spec) {
  return judge(subject, {.executors = {{}, parse_spec(spec).value()}});
}

TEST(InterpretedIr, AgreesWithTheReferenceOnGeneratedPrograms) {
  uint32_t agreed = 0;
  for (uint64_t index = 0; index < 40; ++index) {
    const auto subject = generate_at(GeneratorKind::kGc, 5, index);
    ASSERT_TRUE(subject.has_value());
    for (const char* spec : {"ir:O0:armed", "ir:O2:armed", "ir:O2:passes=params+simplify"}) {
      const Verdict seen = judged(*subject, spec);
      EXPECT_NE(seen.kind, VerdictKind::kFinding) << index << " " << spec << ": " << seen.finding.difference;
      agreed += seen.kind == VerdictKind::kAgreed ? 1 : 0;
    }
  }
  EXPECT_GT(agreed, 90u);
}

// For O1: at O2 the call is inlined and no object is made.
constexpr const char* kLiveOverCall = R"((module
  (type $s (struct (field (mut i32))))
  (func $collects (drop (struct.new $s (i32.const 1))))
  (func (export "f") (result i32) (local $r (ref $s))
    (local.set $r (struct.new $s (i32.const 7)))
    (call $collects)
    (struct.get $s 0 (local.get $r)))))";

TEST(InterpretedIr, ASlotThatAMapLacksIsLost) {
  Case subject;
  subject.modules = {wasm::text::parse_module(kLiveOverCall).value()};
  EXPECT_EQ(judged(subject, "ir:O1:armed").kind, VerdictKind::kAgreed);
  const Planted fault("SM1");
  EXPECT_EQ(judged(subject, "ir:O1").kind, VerdictKind::kAgreed);  // values are right: nothing moves
  const Verdict seen = judged(subject, "ir:O1:armed");
  EXPECT_EQ(seen.finding.kind, FindingClass::kInvariant);
  EXPECT_NE(seen.finding.difference.find("I2"), std::string::npos) << seen.finding.difference;
}

TEST(InterpretedIr, AFaultOfTheBackEndIsNotInIt) {
  Case subject;
  subject.modules = {wasm::text::parse_module(R"((module
    (type $s (struct (field (mut i8))))
    (func (export "f") (result i32) (struct.get_u $s 0 (struct.new $s (i32.const 200))))))")
                         .value()};
  const Planted fault("LAY4");
  EXPECT_EQ(judged(subject, "jit:O1").kind, VerdictKind::kFinding);
  EXPECT_EQ(judged(subject, "ir:O1").kind, VerdictKind::kAgreed);
}

std::string pattern_with(const char* fault) {
  Case subject;
  subject.modules = {wasm::text::parse_module(kLiveOverCall).value()};
  const auto loaded = load_case(subject);
  if (fault != nullptr) EXPECT_TRUE(choose_fault(fault));
  MapAudit audit;
  audit_maps(*loaded->modules[0], {.kind = ExecutorKind::kJit, .opt_level = 1}, audit);
  g_fault = {};
  EXPECT_GT(audit.safepoints, 0u);
  return audit.pattern();
}

TEST(MapAudit, TellsHowMapsAreWrong) {
  EXPECT_EQ(pattern_with(nullptr), "");
  EXPECT_EQ(pattern_with("SM1"), "maps of calls are empty");
  EXPECT_NE(pattern_with("SM3"), "");  // this module has one slot and one call: several rules fit
  EXPECT_EQ(pattern_with("SM9"), "maps name slots that are not live");
}

}  // namespace
}  // namespace parallax::fuzz
