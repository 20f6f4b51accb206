// Stack maps against the interpreter's frames: agreement on generated programs, and every planted fault of a map found.
#include "fuzz/oracle/roots.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/base/faults.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/liveness.h"

namespace parallax::fuzz {
namespace {

Result<LoadedCase> load_text(const char* text) {
  Case subject;
  subject.modules.push_back(TRY(wasm::text::parse_module(text)));
  return load_case(subject);
}

constexpr const char* kProgram = R"((module
  (type $s (struct (field i32)))
  (tag $e (param (ref $s)))
  (func $g (drop (struct.new $s (i32.const 1))))
  (func $t (param $x (ref $s)) (throw $e (local.get $x)))
  (func (export "f") (result i32) (local $x (ref null $s)) (local $y (ref null $s)) (local $i i32)
    (local.set $x (struct.new $s (i32.const 7)))
    (local.set $y (struct.new $s (i32.const 9)))
    (local.get $x)
    (loop $l
      (call $g)
      (local.set $y (struct.new $s (struct.get $s 0 (local.get $y))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3))))
    (local.set $x (block $h (result (ref $s))
      (try_table (catch $e $h) (call $t (struct.new $s (i32.const 3))))
      (unreachable)))
    (call $g)
    (i32.add (struct.get $s 0) (struct.get $s 0 (local.get $x))))))";

TEST(Roots, MapsOfASoundCompilerListWhatTheInterpreterHolds) {
  const auto loaded = load_text(kProgram);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  const RootsReport report = compare_roots(*loaded);
  EXPECT_EQ(report.problem, "");
  EXPECT_EQ(report.refused, "");
  EXPECT_GE(report.events, 10u);
  EXPECT_GT(report.listed, 10u);
  EXPECT_GT(report.live, 10u);
}

TEST(Roots, EveryPlantedFaultOfAMapIsFound) {
  const auto loaded = load_text(kProgram);
  ASSERT_TRUE(loaded);
  for (const char* fault : {"SM1", "SM3", "SM8", "BAS1"}) {
    ASSERT_TRUE(choose_fault(fault));
    const RootsReport report = compare_roots(*loaded);
    g_fault = {};
    EXPECT_NE(report.problem.find("is live and not listed by the stack map"), std::string::npos)
        << fault << ": " << report.problem << report.refused;
  }
}

TEST(Liveness, CopiesAreNoUsesAndEveryWayOutCounts) {
  const auto loaded = load_text(R"((module
    (type $s (struct (field i32)))
    (func $g)
    (func (param $a (ref $s)) (param $b (ref $s)) (param $c i32) (local $d (ref null $s))
      (local.set $d (local.get $a))
      (call $g)
      (drop (local.get $b))
      (if (local.get $c) (then (return (drop (struct.get $s 0 (local.get $d)))))))))");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  const auto live = live_references(*loaded->modules[0], wasm::FuncIndex(1));
  ASSERT_TRUE(live) << live.error().to_string();
  ASSERT_EQ(live->size(), 1u);
  EXPECT_EQ(live->begin()->second, (LiveSlots{3}));
}

TEST(Roots, GeneratedProgramsAgree) {
  uint64_t events = 0, listed = 0, live = 0;
  const char* more = std::getenv("PARALLAX_ROOTS_CASES");  // for long runs by hand
  const uint64_t cases = more != nullptr ? std::strtoull(more, nullptr, 10) : 150;
  for (uint64_t index = 0; index < cases; ++index) {
    const auto subject = generate_at(GeneratorKind::kGc, 3, index);
    if (!subject || subject->claims_invalid) continue;
    const auto loaded = load_case(*subject);
    if (!loaded) continue;
    const RootsReport report = compare_roots(*loaded, {.max_events = 500});
    EXPECT_EQ(report.problem, "") << "case " << index;
    events += report.events;
    listed += report.listed;
    live += report.live;
  }
  RecordProperty("events", std::to_string(events));
  RecordProperty("listed", std::to_string(listed));
  RecordProperty("live", std::to_string(live));
  EXPECT_GT(events, 1000u);
  EXPECT_GT(listed, 1000u);
  EXPECT_GT(live, 1000u);
}

}  // namespace
}  // namespace parallax::fuzz
