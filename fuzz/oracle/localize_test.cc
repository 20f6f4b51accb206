// Localisation: rewritten modules behave as before, and a difference is found at its instruction.
#include "fuzz/oracle/localize.h"

#include <gtest/gtest.h>

#include "engine/base/faults.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {
namespace {

Case case_of(std::string_view wat) {
  Case subject;
  subject.modules = {wasm::text::parse_module(std::string(wat)).value()};
  return subject;
}

// Restores that no fault is planted, whatever the test did.
struct Planted {
  explicit Planted(const char* name) { EXPECT_TRUE(choose_fault(name)); }
  ~Planted() { g_fault = {}; }
};

TEST(Localize, RewrittenModulesStillAgree) {
  for (uint64_t index = 0; index < 12; ++index) {
    auto subject = generate_at(GeneratorKind::kGc, 11, index);
    ASSERT_TRUE(subject.has_value());
    if (subject->claims_invalid) continue;
    const Verdict before = judge(*subject, {.executors = {{}, parse_spec("jit").value()}});
    for (auto& bytes : subject->modules) {
      auto traced = trace_module(bytes, TraceDetail::kValues);
      ASSERT_TRUE(traced.has_value()) << traced.error().message;
      EXPECT_FALSE(traced->points.empty());
      bytes = traced->bytes;
    }
    const Verdict after = judge(*subject, {.executors = {{}, parse_spec("jit").value()}});
    EXPECT_EQ(after.kind, before.kind) << index << ": " << after.finding.difference << after.reason;
    EXPECT_EQ(after.calls, before.calls);
  }
}

TEST(Localize, AgreementHasNoEvent) {
  const auto found =
      localize(case_of(R"((module (func (export "f") (result i32) (i32.add (i32.const 1) (i32.const 2)))))"), {},
               parse_spec("jit").value());
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->has_value());
}

TEST(Localize, TheFirstWrongValueIsNamed) {
  const Planted fault("LAY4");
  const Case subject = case_of(R"((module
    (type $s (struct (field (mut i8))))
    (func $read (param (ref $s)) (result i32) (struct.get_u $s 0 (local.get 0)))
    (func (export "f") (result i32)
      (i32.mul (call $read (struct.new $s (i32.const 200))) (i32.const 3)))))");
  const auto found = localize(subject, {}, parse_spec("jit:O1").value());
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ((*found)->operation, "struct.get_u 0 0");
  EXPECT_EQ((*found)->func, 0u);
  EXPECT_EQ((*found)->how, "values");
  EXPECT_EQ((*found)->left, "200 = struct.get_u 0 0(local.get 0)");
  EXPECT_EQ((*found)->right, "-56 = struct.get_u 0 0(local.get 0)");
}

TEST(Localize, ATrapThatOneSideLacksHasItsPlace) {
  const Planted fault("OPT6");
  const Case subject = case_of(R"((module
    (table 1 anyref)
    (func (export "f") (param i32) (drop (table.get 0 (i32.const 7))))))");
  const auto found = localize(subject, {}, parse_spec("jit").value());
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ((*found)->how, "outcome");
  EXPECT_EQ((*found)->operation, "table.get 0");
}

}  // namespace
}  // namespace parallax::fuzz
