// The reducer: it ends, keeps what the test wants, and every operator shrinks its witness.
#include "triage/reduce/reduce.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/testing.h"
#include "engine/wasm/text/print.h"
#include "fuzz/generators/generators.h"
#include "triage/reduce/coverage.h"
#include "triage/reduce/operators.h"

namespace parallax::triage::reduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using wasm::testing::wat;

std::string text_of(const std::vector<uint8_t>& bytes) { return wasm::text::print_binary(bytes).value_or("?"); }

// Keeps what a piece of the printed text says.
class TextTest : public reduce::Test {
 public:
  explicit TextTest(std::vector<std::string> wanted) : wanted_(std::move(wanted)) {}
  using reduce::Test::interesting;
  bool interesting(const fuzz::Case& subject) override {
    std::string all;
    for (const auto& bytes : subject.modules) {
      if (wasm::testing::verdict_of(bytes) != "") ADD_FAILURE() << "an invalid module was tested: " << text_of(bytes);
      all += text_of(bytes);
    }
    for (const std::string& spec : subject.configuration.executors) all += spec + "\n";
    for (const fuzz::Step& step : subject.plan) all += describe(step) + "\n";
    return std::all_of(wanted_.begin(), wanted_.end(),
                       [&](const std::string& piece) { return all.find(piece) != std::string::npos; });
  }

 private:
  std::vector<std::string> wanted_;
};

fuzz::Case case_of(const char* source) {
  fuzz::Case subject;
  subject.modules.push_back(wat(source));
  return subject;
}

Reduced reduced(const fuzz::Case& subject, std::vector<std::string> wanted, bool plain = true) {
  TextTest test(std::move(wanted));
  auto result = reduce(subject, test, {.plain = plain});
  EXPECT_TRUE(result) << result.error().to_string();
  return result ? std::move(*result) : Reduced();
}

TEST(Reduce, KeepsWhatTheTestWantsAndNothingElse) {
  const Reduced r = reduced(case_of(R"((module
    (type $s (sub (struct (field i32) (field (mut (ref null $s))))))
    (type $t (sub $s (struct (field i32) (field (mut (ref null $s))) (field i64))))
    (memory 3) (data (i32.const 5) "hello") (global $g (mut i32) (i32.const 1000))
    (func $helper (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "run") (param i32) (result i32) (local $x (ref null $t))
      (local.set $x (struct.new $t (call $helper (i32.const 4) (i32.const 5)) (ref.null $s) (i64.const 9)))
      (block $b (br_if $b (local.get 0)) (global.set $g (i32.const 3)))
      (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
        (else (drop (ref.test (ref $t) (local.get $x))) (i32.const 2))))))"),
                            {"ref.test"});
  EXPECT_TRUE(r.certificate.holds);
  EXPECT_EQ(r.ended, "minimal");
  EXPECT_LE(r.after.bytes, 40u) << text_of(r.subject.modules[0]);
  EXPECT_LE(r.after.instructions, 4u) << text_of(r.subject.modules[0]);
  EXPECT_THAT(text_of(r.subject.modules[0]), HasSubstr("ref.test"));
}

// A generated case whose first module says `wanted`.
fuzz::Case generated(const char* wanted) {
  for (uint64_t index = 0; index < 200; ++index) {
    auto subject = fuzz::generate_at(fuzz::GeneratorKind::kGc, 11, index);
    if (subject && text_of(subject->modules[0]).find(wanted) != std::string::npos) return std::move(*subject);
  }
  ADD_FAILURE() << "no generated case with " << wanted;
  return case_of("(module)");
}

TEST(Reduce, TwiceTheSameGivesTheSame) {
  const fuzz::Case subject = generated("struct.set");
  const Reduced a = reduced(subject, {"struct.set"});
  const Reduced b = reduced(subject, {"struct.set"});
  EXPECT_EQ(a.subject.modules, b.subject.modules);
  EXPECT_EQ(a.runs, b.runs);
  EXPECT_EQ(a.candidates, b.candidates);
}

TEST(Reduce, GeneratedProgramsShrinkToAHandfulOfInstructions) {
  for (const char* wanted : {"array.new", "br_on_cast", "call_ref"}) {
    const Reduced r = reduced(generated(wanted), {wanted});
    EXPECT_TRUE(r.certificate.holds);
    if (!r.subject.modules.empty()) EXPECT_LE(r.after.instructions, 8u) << text_of(r.subject.modules[0]);
  }
}

TEST(Reduce, ACaseThatIsNotInterestingWhenEncodedAnewIsAnError) {
  class Never : public reduce::Test {
   public:
    using reduce::Test::interesting;
    bool interesting(const fuzz::Case&) override { return false; }
  } never;
  EXPECT_FALSE(reduce(case_of("(module (func))"), never, {}));
}

TEST(Reduce, InvalidModulesAreAnError) {
  fuzz::Case subject;
  subject.modules.push_back({0, 'a', 's', 'm', 1, 0, 0, 0, 1});
  TextTest test({});
  EXPECT_FALSE(reduce(subject, test, {}));
}

TEST(Reduce, StopsWhenToldAndGoesOnFromTheStateFile) {
  const std::string path = ::testing::TempDir() + "reduce_state_" + std::to_string(::getpid());
  const fuzz::Case subject = generated("struct.new");
  TextTest test({"struct.new"});
  const auto first = reduce(subject, test, {.max_runs = 12, .plain = true, .state_file = path});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->ended, "runs");
  EXPECT_FALSE(first->certificate.holds);
  ASSERT_EQ(::access(path.c_str(), R_OK), 0) << "what was reached is kept";
  const auto second = reduce(subject, test, {.plain = true, .state_file = path});
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->resumed);
  EXPECT_EQ(second->ended, "minimal");
  EXPECT_NE(::access(path.c_str(), R_OK), 0) << "finished work leaves no state";
}

TEST(Reduce, PlansAndSettingsShrinkToo) {
  fuzz::Case subject = case_of(R"((module (func (export "one")) (func (export "two") (param i32))))");
  subject.plan = {{.kind = fuzz::StepKind::kInstantiate},
                  {.kind = fuzz::StepKind::kCall, .keep = true, .name = "one"},
                  {.kind = fuzz::StepKind::kCollect},
                  {.kind = fuzz::StepKind::kCall, .name = "two", .args = {{fuzz::ArgKind::kNumber, 77, 0}}},
                  {.kind = fuzz::StepKind::kRelease}};
  subject.configuration.executors = {"interp", "jit:O1", "jit:O2:moving:zeal=every:armed:chaos=77"};
  const Reduced r = reduced(subject, {"instantiate", "call \"two\"", "jit"}, false);
  EXPECT_EQ(r.subject.plan.size(), 2u);
  EXPECT_TRUE(r.subject.plan[1].args.empty());
  ASSERT_EQ(r.subject.configuration.executors.size(), 2u);
  EXPECT_THAT(r.subject.configuration.executors[1], Not(HasSubstr("chaos")));
  EXPECT_THAT(r.subject.configuration.executors[1], Not(HasSubstr("zeal")));
}

TEST(Reduce, ManyModulesBecomeOne) {
  fuzz::Case subject = case_of(R"((module (func (export "f"))))");
  subject.modules.push_back(wat(R"((module (import "m" "f" (func)) (func (export "g") (call 0) (nop))))"));
  subject.plan = {{.kind = fuzz::StepKind::kInstantiate},
                  {.kind = fuzz::StepKind::kInstantiate, .module = 1, .links = {0}},
                  {.kind = fuzz::StepKind::kCall, .instance = 1, .name = "g"}};
  const Reduced r = reduced(subject, {"nop", "call \""}, false);
  EXPECT_EQ(r.subject.modules.size(), 1u);
  EXPECT_EQ(r.subject.plan.size(), 2u);
}

// --- Every operator by itself ---------------------------------------------------------------------------------------------

struct Witness {
  const char* source;
  std::vector<std::string> kept;  // what must not go
  std::string gone;               // what must
};

// One module for each operator, which it must make smaller; "-" where a plan or settings are its matter (tested above).
const std::map<std::string, Witness>& witnesses() {
  static const std::map<std::string, Witness> kAll = {
      {"decoration", {R"((module $named (@custom "c" "x") (func)))", {}, "@custom"}},
      {"unused", {R"((module (type (struct)) (global i32 (i32.const 1)) (func (export "f"))))", {"export"}, "global"}},
      {"exports", {R"((module (func (export "f")) (func (export "g"))))", {"\"f\""}, "\"g\""}},
      {"unexecuted",
       {R"((module (func (export "f") (if (i32.const 0) (then (drop (i32.const 77)))))))", {"export"}, "77"}},
      {"bodies", {R"((module (func (export "f") (drop (i32.const 77)))))", {"export"}, "77"}},
      {"functions", {R"((module (func (export "f") (call $g)) (func $g (drop (i32.const 77)))))", {"export"}, "77"}},
      {"start", {R"((module (func $f (export "f")) (start $f)))", {"export"}, "(start"}},
      {"segments", {R"((module (memory (export "m") 1) (data (i32.const 0) "x")))", {"memory"}, "(data"}},
      {"entities",
       {R"((module (global $g (mut i32) (i32.const 5)) (func (export "f") (global.set $g (i32.const 1)) (nop))))",
        {"nop"},
        "global"}},
      {"hollow", {R"((module (type (struct (field f32))) (func (export "f"))))", {"export"}, "f32"}},
      {"types", {R"((module (type (struct (field f32))) (func (export "f"))))", {"export"}, "f32"}},
      {"statements", {R"((module (func (export "f") (nop) (drop (i32.const 77)))))", {"nop"}, "77"}},
      {"arms",
       {R"((module (func (export "f") (param i32) (if (local.get 0) (then (nop)) (else (drop (i32.const 7)))))))",
        {"nop"},
        "if"}},
      {"defaults",
       {R"((module (func (export "f") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))))",
        {"result"},
        "i32.mul"}},
      {"hoist",
       {R"((module (func (export "f") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))))",
        {"local.get"},
        "i32.mul"}},
      {"dropped",
       {R"((module (memory 1) (func (export "f") (i32.store (i32.const 3) (memory.grow (i32.const 0))))))",
        {"memory.grow"},
        "i32.store"}},
      {"unreachable",
       {R"((module (func (export "f") (result i32) (memory.size)) (memory 1)))", {"result"}, "memory.size"}},
      {"neutral",
       {R"((module (memory 1) (func (export "f") (i32.store (i32.const 3) (memory.grow (i32.const 0))))))",
        {"memory.grow"},
        "i32.store"}},
      {"dead-code", {R"((module (func (export "f") (return) (drop (i32.const 77)))))", {"return"}, "77"}},
      {"inlining", {R"((module (func (export "f") (call $g)) (func $g (nop))))", {"nop"}, "call"}},
      {"forms",
       {R"((module (type $a (array i32)) (func (export "f") (drop (array.new $a (i32.const 77) (i32.const 3))))))",
        {"array.new_fixed"},
        "77"}},
      {"locals",
       {R"((module (func (export "f") (local i32) (local.set 0 (memory.grow (i32.const 0)))) (memory 1)))",
        {"memory.grow"},
        "local.set"}},
      {"forwarding",
       {R"((module (memory 1) (func (export "f") (local i32) (local.set 0 (memory.grow (i32.const 0)))
          (drop (local.get 0)))))",
        {"memory.grow"},
        "local.set"}},
      {"params", {R"((module (func (export "f") (param i32) (drop (local.get 0)) (nop))))", {"nop"}, "param"}},
      {"results", {R"((module (func (export "f") (result i32) (nop) (i32.const 5))))", {"nop"}, "result"}},
      {"imports", {R"((module (import "m" "n" (func $i)) (func (export "f") (call $i))))", {"call"}, "import"}},
      {"fields",
       {R"((module (type $s (struct (field i32) (field i64))) (func (export "f") (result i64)
          (struct.get $s 1 (struct.new $s (i32.const 1) (i64.const 5))))))",
        {"struct.get", "i64.const 5"},
        "field i32"}},
      {"field-types",
       {R"((module (type $s (struct (field (mut i64)))) (func (export "f") (drop (struct.new_default $s)))))",
        {"struct.new_default"},
        "mut"}},
      {"supers",
       {R"((module (type $s (sub (struct))) (type $t (sub $s (struct)))
          (func (export "f") (drop (struct.new_default $t)))))",
        {"struct.new_default"},
        "(sub "}},
      {"groups",
       {R"((module (rec (type $s (struct)) (type $t (struct)))
          (func (export "f") (drop (struct.new_default $s)) (drop (struct.new_default $t)))))",
        {"struct.new_default 0", "struct.new_default 1"},
        "(rec"}},
      {"merges",
       {R"((module (type $s (struct)) (type $t (struct (field i32)))
          (func (export "f") (drop (struct.new_default $s)) (drop (struct.new_default $t)))))",
        {"(struct)"},
        "field i32"}},
      {"heap-types",
       {R"((module (type $s (struct)) (func (export "f") (local (ref null $s)) (drop (ref.is_null (local.get 0))))))",
        {"ref.is_null"},
        "ref null 0"}},
      {"value-types", {R"((module (global (export "g") (mut i32) (i32.const 3))))", {"i32.const 3"}, "mut"}},
      {"limits", {R"((module (memory (export "m") 77 99)))", {"memory"}, "77"}},
      {"contents", {R"((module (memory (export "m") 1) (data (i32.const 0) "abcdef")))", {"\"a"}, "f\""}},
      {"windows",
       {R"((module (type $a (array i8)) (data $d "abcdefgh") (func (export "f")
          (drop (array.new_data $a $d (i32.const 6) (i32.const 2))))))",
        {"array.new_data", "gh"},
        "abc"}},
      {"literals", {R"((module (func (export "f") (result i32) (i32.const 77777))))", {"i32.const"}, "7777"}},
      {"block-types",
       {R"((module (type $t (func)) (func (export "f") (block (type $t) (nop) (br 0)))))",
        {"block", "br", "nop"},
        "(type 1"}},
  };
  return kAll;
}

// What the operator alone makes of it, applied wherever it is valid and keeps what it must.
std::string alone(const Operator& row, const Witness& witness, uint64_t& invalid) {
  State state = *lift_case(case_of(witness.source), false);
  for (int progress = 0; progress < 50; ++progress) {
    std::vector<Site> sites;
    row.sites(state, sites);
    bool any = false;
    for (const Site& site : sites) {
      State copy = state;
      if (!row.apply(copy, site)) continue;
      tidy(copy);
      auto encoded = encode_case(copy);
      auto again = encoded ? lift_again(copy, *encoded) : Result<State>(fail(ErrorCode::kInvalid, 0, ""));
      if (!again) {
        ++invalid;
        continue;
      }
      const std::string text = text_of(encoded->modules[0]);
      const auto before = encode_case(state);
      if (cost(copy, *encoded) >= cost(state, *before)) continue;
      const bool keeps = std::all_of(witness.kept.begin(), witness.kept.end(),
                                     [&](const std::string& piece) { return text.find(piece) != std::string::npos; });
      if (!keeps) continue;
      state = std::move(*again);
      any = true;
      break;
    }
    if (!any) break;
  }
  return text_of(encode_case(state)->modules[0]);
}

TEST(ReduceOperators, EachShrinksItsWitnessByItself) {
  size_t count = 0;
  const Operator* rows = operator_table(count);
  for (size_t i = 0; i < count; ++i) {
    if (rows[i].subject != Subject::kModule) continue;
    const auto found = witnesses().find(rows[i].name);
    ASSERT_NE(found, witnesses().end()) << "no witness for operator " << rows[i].name;
    uint64_t invalid = 0;
    const std::string text = alone(rows[i], found->second, invalid);
    EXPECT_EQ(text.find(found->second.gone), std::string::npos) << rows[i].name << " leaves\n" << text;
  }
}

TEST(ReduceOperators, MostOfWhatTheyMakeIsValid) {
  size_t count = 0, applied = 0, invalid = 0;
  const Operator* rows = operator_table(count);
  for (uint64_t index = 0; index < 3; ++index) {
    const auto subject = fuzz::generate_at(fuzz::GeneratorKind::kGc, 21, index);
    if (!subject) continue;
    const auto state = lift_case(*subject, false);
    ASSERT_TRUE(state);
    for (size_t i = 0; i < count; ++i) {
      std::vector<Site> sites;
      rows[i].sites(*state, sites);
      const size_t step = std::max<size_t>(1, sites.size() / 20);
      for (size_t s = 0; s < sites.size(); s += step) {
        State copy = *state;
        if (!rows[i].apply(copy, sites[s])) continue;
        ++applied;
        const auto encoded = encode_case(copy);
        if (!encoded || !lift_again(copy, *encoded)) ++invalid;
      }
    }
  }
  EXPECT_GT(applied, 300u);
  EXPECT_LT(invalid * 3, applied) << invalid << " of " << applied;
}

// A wrong operator, as someone might write it: the parameter goes from the type, and nobody tells the callers.
TEST(ReduceOperators, AWrongOneIsCaughtByTheValidator) {
  const State state =
      *lift_case(case_of(R"((module (func $f (param i32)) (func (export "g") (call $f (i32.const 1)))))"), false);
  State copy = state;
  copy.modules[0].types[copy.modules[0].funcs[0].type].def.params.clear();
  const auto encoded = encode_case(copy);
  ASSERT_TRUE(encoded);
  EXPECT_FALSE(lift_again(copy, *encoded));
}

TEST(Coverage, CountsWhatRuns) {
  const State state = *lift_case(case_of(R"((module (func (export "f") (local i32)
    (loop $l (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if $l (i32.lt_s (local.get 0) (i32.const 5))))
    (if (i32.const 0) (then (unreachable))))))"),
                                 false);
  const Coverage coverage = count_executed(state);
  ASSERT_TRUE(coverage.known);
  // loop; five times four, one, three; the condition and the if.
  EXPECT_EQ(coverage.executed, 1u + 5 * (4 + 4) + 2);
}

// A folder for candidates that no other test writes into.
class Predicate : public ::testing::Test {
 protected:
  Predicate() {
    std::string name = ::testing::TempDir() + "/candidates-XXXXXX";
    folder = ::mkdtemp(name.data());
  }
  ~Predicate() override { std::filesystem::remove_all(folder); }
  std::string folder;
};

TEST_F(Predicate, CommandsDecide) {
  CommandTest test({.command = "grep -q hello", .jobs = 3, .folder = folder});
  const fuzz::Case with = case_of(R"((module (memory 1) (data (i32.const 0) "hello") (func (nop) (nop))))");
  EXPECT_TRUE(test.interesting(with));
  EXPECT_FALSE(test.interesting(case_of("(module)")));
  const auto r = reduce(with, test, {.plain = true});
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_LE(r->after.bytes, 30u);
  CommandTest placed({.command = "grep -q hello {} && test -s {}", .folder = folder});
  EXPECT_TRUE(placed.interesting(with));
}

TEST_F(Predicate, SlowCommandsSayNo) {
  CommandTest test({.command = "sleep 5; true", .seconds = 0.2, .folder = folder});
  EXPECT_FALSE(test.interesting(case_of("(module)")));
  EXPECT_EQ(test.timeouts(), 1u);
}

}  // namespace
}  // namespace parallax::triage::reduce
