// Cases for JavaScript, votes and their policy: judged with engines that lie, die or do not start, and with real ones where
// they are on the machine.
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/executors/executors.h"
#include "fuzz/external/engines.h"
#include "fuzz/external/js_case.h"
#include "fuzz/external/vote.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/difference.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {
namespace {

using ::testing::HasSubstr;

Case case_of(const std::string& source) {
  const auto bytes = wasm::text::parse_module(source);
  EXPECT_TRUE(bytes) << bytes.error().to_string();
  Case subject;
  subject.modules.push_back(*bytes);
  return subject;
}

Observation observe_ours(const JsCase& subject) {
  Observation out;
  const auto loaded = load_case(subject.subject);
  EXPECT_TRUE(loaded) << loaded.error().to_string();
  const MakeStore make = [&] { return make_executor(*parse_spec("interp"), loaded->types); };
  auto store = make();
  EXPECT_TRUE(store);
  observe(*loaded, **store, make, out);
  return out;
}

// What the engine saw differently; "agreed", "inconclusive: why", or how the engine ended.
std::string vote(const Case& subject, uint32_t engine) {
  const auto prepared = make_js_case(subject);
  if (!prepared) return "inconclusive: " + prepared.error().message;
  const auto loaded = load_case(prepared->subject);
  Observation ours = observe_ours(*prepared), theirs;
  if (const std::string limit = own_limit(ours); !limit.empty()) return "inconclusive: " + limit;
  const auto end = observe_external(*prepared, engine, theirs);
  if (!end) return end.error().message;
  if (end->kind != ExternalEnd::Kind::kDone) return "ended: " + end->what;
  project(ours);
  project(theirs, &ours);
  const auto difference = find_difference(*loaded, ours, theirs, "interp", "external");
  if (difference) {
    const std::string component = difference->kind.substr(0, difference->kind.find(':'));
    const std::string why = excuse(prepared->freedom, component);
    if (!why.empty()) return "inconclusive: " + why;
    return difference->kind + ": " + difference->text + " " + end->message;
  }
  return theirs.inconclusive ? "inconclusive: " + theirs.inconclusive_reason : "agreed";
}

constexpr const char* kEverything = R"(
(module
  (rec (type $node (sub (struct (field (mut (ref null $node))) (field i8) (field (mut f64)) (field (mut anyref)))))
       (type $leaf (sub final $node (struct (field (mut (ref null $node))) (field i8) (field (mut f64)) (field (mut anyref))
                                            (field v128) (field funcref) (field f32)))))
  (type $bytes (array (mut i16)))
  (type $refs (array (mut (ref null eq))))
  (import "fuzzing-support" "log-i32" (func $log (param i32)))
  (import "fuzzing-support" "log-any" (func $log_any (param anyref)))
  (import "fuzzing-support" "throw" (func $throw (param i32)))
  (import "fuzzing-support" "wasmtag" (tag $w (param i32)))
  (import "parallax" "echo" (func $echo (param anyref externref) (result externref anyref)))
  (import "m" "g" (global $g externref))
  (tag $own (param i64 anyref))
  (table $t (export "table") 3 funcref)
  (table (export "refs") 2 4 anyref)
  (memory (export "memory") 1)
  (data (i32.const 4090) "crosses a chunk")
  (elem (table $t) (i32.const 1) func $hidden $log)
  (global $ring (export "ring") (mut (ref null $node)) (ref.null $node))
  (global (export "vector") v128 (v128.const i64x2 1 2))
  (func $hidden (result i32) (i32.const 7))
  (func $make (export "make") (param i32) (result (ref $node))
    (local $n (ref $node))
    (local.set $n (struct.new $leaf (global.get $ring) (i32.const -1) (f64.const -0.0) (ref.i31 (i32.const -5))
      (v128.const i64x2 3 -4) (ref.func $hidden) (f32.const nan:0x200001)))
    (global.set $ring (local.get $n))
    (call $log_any (local.get $n))
    (local.get $n))
  (func (export "circle")
    (struct.set $node 0 (call $make (i32.const 0)) (call $make (i32.const 1)))
    (struct.set $node 3 (ref.as_non_null (global.get $ring))
      (array.new_fixed $refs 3 (global.get $ring) (ref.null eq) (array.new $bytes (i32.const 65535) (i32.const 4))))
    (table.set 1 (i32.const 1) (any.convert_extern (extern.convert_any (ref.i31 (i32.const 3))))))
  (func (export "catch") (result i32)
    (block $b (result i32)
      (try_table (catch $w $b) (call $throw (i32.const 42)))
      (i32.const 0)))
  (func (export "throws") (throw $own (i64.const -1) (global.get $ring)))
  (func (export "null") (result f64) (struct.get $node 2 (ref.null $node)))
  (func (export "cast") (result (ref $bytes)) (ref.cast (ref $bytes) (global.get $ring)))
  (func (export "divide") (param i32 i64) (result i64) (i64.div_s (i64.const 1) (local.get 1)))
  (func (export "bounds") (result i32) (i32.load (i32.const 65533)))
  (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (func (export "stop") unreachable)
  (func (export "vectors") (param v128) (result v128) (local.get 0))
  (func (export "echoes") (result externref anyref)
    (call $echo (global.get $ring) (global.get $g)))
  (func $trap (param i32) unreachable)
  (elem declare func $trap)
  (func (export "many") (result i32 i64 f32 f64 funcref)
    (i32.const -1) (i64.const -2) (f32.const -0) (f64.const nan) (ref.func $hidden))
  (func (export "store") (i64.store (i32.const 65000) (i64.const 0x123456789abcdef0)) (call $log (i32.const -7)))
))";

TEST(JsCase, ProbesKeepModulesValid) {
  for (uint64_t index = 0; index < 30; ++index) {
    const auto subject = generate_at(GeneratorKind::kGc, 3, index);
    ASSERT_TRUE(subject);
    if (!load_case(*subject)) continue;  // broken on purpose
    const auto prepared = make_js_case(*subject);
    if (!prepared) {
      EXPECT_EQ(prepared.error().code, ErrorCode::kUnsupported) << prepared.error().to_string();
      continue;
    }
    EXPECT_TRUE(load_case(prepared->subject)) << index;
  }
}

TEST(JsCase, CallsThatJavaScriptCannotMakeAreLeftOut) {
  const auto prepared = make_js_case(case_of(kEverything));
  ASSERT_TRUE(prepared) << prepared.error().to_string();
  for (const Step& step : prepared->subject.plan) EXPECT_NE(step.name, "vectors");
  EXPECT_FALSE(prepared->freedom.growth);
  const auto vector = make_js_case(case_of(R"((module (import "m" "f" (func (param v128)))))"));
  ASSERT_FALSE(vector);
  EXPECT_EQ(vector.error().code, ErrorCode::kUnsupported);
}

TEST(Policy, TrapsThatMessagesDoNotTellApartAreOne) {
  Observation ours, theirs;
  ours.put(Tok::kTrap, static_cast<uint64_t>(wasm::TrapKind::kNullStructureReference));
  theirs.put(Tok::kTrap, static_cast<uint64_t>(wasm::TrapKind::kNullReference));
  project(ours);
  project(theirs, &ours);
  EXPECT_EQ(ours.tokens, theirs.tokens);
  Observation other;
  other.put(Tok::kTrap, static_cast<uint64_t>(wasm::TrapKind::kUnreachable));
  project(other, &ours);
  EXPECT_NE(ours.tokens, other.tokens);
}

TEST(Policy, WhatTheSpecificationLeavesOpenIsExcused) {
  EXPECT_EQ(excuse({}, "number"), "");
  EXPECT_NE(excuse({.nan_bits = true}, "number"), "");
  EXPECT_EQ(excuse({.nan_bits = true}, "type"), "");
  EXPECT_NE(excuse({.growth = true}, "type"), "");
  EXPECT_NE(excuse({}, "trap"), "");
  EXPECT_EQ(excuse({}, "outcome"), "");
}

TEST(Policy, LimitsOfOurOwnAreNotAskedOfOthers) {
  Observation ours;
  EXPECT_EQ(own_limit(ours), "");
  ours.put(Tok::kTrap, static_cast<uint64_t>(wasm::TrapKind::kAllocationSizeTooLarge));
  EXPECT_EQ(own_limit(ours), "allocation limit");
}

// Puts a program of this name first in the search path.
class FakeEngine : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const char* set = std::getenv("PARALLAX_PEERS")) before_ = set;
    char name[] = "/tmp/parallax-fake-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ::setenv("PARALLAX_PEERS", folder_.c_str(), 1);
  }
  void TearDown() override {
    stop_externals();
    ::unlink((folder_ + "/bun").c_str());
    ::rmdir(folder_.c_str());
    before_.empty() ? ::unsetenv("PARALLAX_PEERS") : ::setenv("PARALLAX_PEERS", before_.c_str(), 1);
  }
  std::string run(const std::string& script, const Case& subject) {
    const std::string path = folder_ + "/bun";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    ::chmod(path.c_str(), 0755);
    return vote(subject, *find_external("jsc"));
  }

 private:
  std::string folder_, before_;
};

constexpr const char* kReady = "read a; echo '{\"ready\":true}'; ";

TEST_F(FakeEngine, ThatDoesNotStartIsAnError) {
  EXPECT_THAT(run("echo broken engine >&2; exit 3", case_of("(module)")), HasSubstr("broken engine"));
}

TEST_F(FakeEngine, ThatDiesIsSaidToHaveDied) {
  const std::string script = std::string(kReady) + "read b; echo assertion >&2; kill -9 $$";
  EXPECT_THAT(run(script, case_of("(module)")), HasSubstr("ended: signal 9: assertion"));
}

TEST_F(FakeEngine, ThatAnswersSomethingElseIsSaidToBeBroken) {
  EXPECT_THAT(run(std::string(kReady) + "read b; echo hello", case_of("(module)")), HasSubstr("no answer: hello"));
}

TEST_F(FakeEngine, ThatSawSomethingElseIsReported) {
  const std::string tokens = text::format("{},0,0,{},0,0,{},0,0,-1,0,0,{},0,0,{},0,2", int(Tok::kStep),
                                          int(Tok::kOutcome), int(Tok::kValues), int(Tok::kGlobal), int(Tok::kI32));
  const std::string answer =
      text::format(R"({{"tokens":[{}],"chunks":[],"inconclusive":null,"conclusive":6}})", tokens);
  const std::string script = kReady + text::format("while read b; do echo '{}'; done", answer);
  EXPECT_THAT(run(script, case_of("(module (global (export \"g\") i32 (i32.const 1)))")), HasSubstr("number"));
}

class RealEngine : public ::testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    const auto program = external_program(external_engines()[GetParam()]);
    if (!program) GTEST_SKIP() << program.error().message << " (scripts/fetch-peers)";
    // A machine's own node may be older than garbage collection.
    const std::string vote_of_gc = vote(case_of("(module (type (struct)) (rec (type (struct))))"), GetParam());
    if (vote_of_gc != "agreed") GTEST_SKIP() << vote_of_gc;
  }
};

TEST_P(RealEngine, AgreesOnEverythingThatJavaScriptCanSee) {
  EXPECT_EQ(vote(case_of(kEverything), GetParam()), "agreed");
}

TEST_P(RealEngine, AgreesOnGeneratedPrograms) {
  if (external_engines()[GetParam()].name == "sm:ion") GTEST_SKIP() << "known to differ: docs/external.md";
  size_t agreed = 0;
  for (uint64_t index = 0; index < 40; ++index) {
    auto subject = generate_at(GeneratorKind::kMix, 5, index);
    if (!subject || !load_case(*subject)) continue;
    const std::string said = vote(*subject, GetParam());
    agreed += said == "agreed" ? 1 : 0;
    EXPECT_TRUE(said == "agreed" || said.starts_with("inconclusive")) << index << ": " << said;
  }
  EXPECT_GT(agreed, 10u);
}

INSTANTIATE_TEST_SUITE_P(All, RealEngine, ::testing::Range(0u, static_cast<uint32_t>(external_engines().size())),
                         [](const auto& info) {
                           std::string name(external_engines()[info.param].name);
                           std::ranges::replace(name, ':', '_');
                           return name;
                         });

}  // namespace
}  // namespace parallax::fuzz
