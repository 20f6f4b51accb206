#include "triage/report/report.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/text.h"
#include "engine/wasm/text/parse.h"
#include "engine/wasm/text/script_runner.h"
#include "fuzz/executors/executors.h"
#include "fuzz/oracle/difference.h"
#include "fuzz/oracle/observe.h"
#include "triage/report/regression.h"

namespace parallax::triage {
namespace {

using fuzz::Tok;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// What the interpreter does with a module, as report gets it from its child.
Observed observed(const fuzz::Case& subject) {
  const auto loaded = fuzz::load_case(subject);
  EXPECT_TRUE(loaded) << loaded.error().to_string();
  const fuzz::MakeStore make = [&] { return fuzz::make_executor({}, loaded->types); };
  auto store = make();
  fuzz::Observation seen;
  fuzz::observe(*loaded, **store, make, seen);
  Observed out{.executor = "interp", .tokens = seen.tokens};
  const std::string lines = fuzz::print_observation(*loaded, seen);
  for (size_t at = 0; at < lines.size();) {
    const size_t end = lines.find('\n', at), begin = lines.find_first_not_of(' ', at);
    out.lines.push_back(lines.substr(begin, end - begin));
    at = end + 1;
  }
  out.lines.resize(out.tokens.size());
  return out;
}

fuzz::Case case_of(const char* wat) {
  const auto bytes = wasm::text::parse_module(wat);
  EXPECT_TRUE(bytes) << bytes.error().to_string();
  fuzz::Case subject;
  subject.modules = {*bytes};
  return subject;
}

constexpr const char* kShared = R"((module
  (type $t (struct (field (mut i32)) (field (ref null $t))))
  (global (export "a") (mut (ref null $t)) (ref.null $t))
  (global (export "b") (mut (ref null $t)) (ref.null $t))
  (func (export "make") (local $x (ref $t))
    (local.set $x (struct.new $t (i32.const 7) (ref.null $t)))
    (global.set 0 (local.get $x)) (global.set 1 (local.get $x)))))";
constexpr const char* kSplit = R"((module
  (type $t (struct (field (mut i32)) (field (ref null $t))))
  (global (export "a") (mut (ref null $t)) (ref.null $t))
  (global (export "b") (mut (ref null $t)) (ref.null $t))
  (func (export "make")
    (global.set 0 (struct.new $t (i32.const 7) (ref.null $t)))
    (global.set 1 (struct.new $t (i32.const 7) (ref.null $t))))))";

TEST(HeapPicture, EqualHeapsHaveNoMarks) {
  const HeapGraph heap = read_heap(observed(case_of(kShared)));
  ASSERT_EQ(heap.objects.size(), 1u);
  EXPECT_EQ(heap.roots.size(), 2u);
  EXPECT_EQ(heap.objects[0].fields.size(), 2u);
  EXPECT_TRUE(compare_heaps(heap, heap).equal());
}

TEST(HeapPicture, IdentityIsADifference) {
  const HeapGraph one = read_heap(observed(case_of(kShared))), two = read_heap(observed(case_of(kSplit)));
  ASSERT_EQ(two.objects.size(), 2u);
  const HeapComparison marks = compare_heaps(one, two);
  EXPECT_FALSE(marks.left.roots[0]);
  EXPECT_TRUE(marks.left.roots[1]);
  EXPECT_TRUE(marks.right.roots[1]);
  EXPECT_FALSE(marks.right.objects[0]);
  EXPECT_TRUE(marks.right.objects[1]);  // nothing belongs to it
  const std::string svg = draw_heap(two, marks.right, "a <title>");
  EXPECT_THAT(svg, HasSubstr("data-box=\"object-1\""));
  EXPECT_THAT(svg, HasSubstr("a &lt;title&gt;"));
}

TEST(HeapPicture, HostileObservationsDrawSomething) {
  Observed seen;
  for (const Tok tok :
       {Tok::kField, Tok::kContents, Tok::kObject, Tok::kGlobal, Tok::kSeen, Tok::kLength, Tok::kV128High,
        Tok::kContents, Tok::kType, Tok::kField, Tok::kObject, Tok::kTruncated, Tok::kTableElement}) {
    seen.tokens.push_back({tok, UINT32_MAX, tok == Tok::kObject ? UINT64_MAX : 3});
    seen.lines.emplace_back();
  }
  const HeapGraph heap = read_heap(seen);
  const HeapComparison marks = compare_heaps(heap, {});
  EXPECT_THAT(draw_heap(heap, marks.left, ""), HasSubstr("</svg>"));
  EXPECT_THAT(draw_heap({}, {}, ""), HasSubstr("</svg>"));
}

TEST(Observations, TravelAsJson) {
  const Observed seen = observed(case_of(kSplit));
  const auto again = observed_from_json(to_json(seen));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->tokens, seen.tokens);
  EXPECT_EQ(again->lines, seen.lines);
  for (const char* bad :
       {"", "[]", "{}", R"({"tokens": [[1]]})", R"({"tokens": [[99999,0,0]]})", R"({"tokens": [[-1,0,0]]})"}) {
    EXPECT_FALSE(observed_from_json(bad)) << bad;
  }
  EXPECT_TRUE(observed_from_json(R"({"tokens": [[1,0,0]], "lines": 7})"));
}

TEST(SpecRules, EveryInstructionAndTrapHasOne) {
  const std::vector<std::string> structural = {"nop",   "else",    "end",      "drop",     "try",
                                               "catch", "rethrow", "delegate", "catch_all"};
  const auto check = [&](const std::string& text) {
    if (std::find(structural.begin(), structural.end(), text) != structural.end()) return;
    EXPECT_NE(rule_of_instruction(text), nullptr) << text;
  };
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) check(text);
#include "engine/wasm/opcodes.def"
#undef OPCODE
#define TRAP(id, text) \
  if (std::string(text) != "trap raised by the host") EXPECT_NE(rule_of_trap(text), nullptr) << text;
#include "engine/wasm/traps.def"
#undef TRAP
  EXPECT_STREQ(rule_of_instruction("struct.get_s 3 1")->about, "struct.get");
  EXPECT_STREQ(rule_of_instruction("array.new_default 0")->about, "array.new_default");
  EXPECT_EQ(rule_of_instruction("no such thing"), nullptr);
}

TEST(SpecRules, EveryComponentOfADifferenceHasOne) {
#define TOKEN(id, component)                                                  \
  if (std::string(component) != "misuse" && std::string(component) != "root") \
    EXPECT_NE(rule_of_topic(component), nullptr) << component;
#include "fuzz/oracle/tokens.def"
#undef TOKEN
}

TEST(Severity, FollowsTheEnginesPolicies) {
  using fuzz::FindingClass;
  EXPECT_EQ(assess(FindingClass::kDivergence, "", "v8", false).harm, Harm::kWrongBehaviour);
  EXPECT_EQ(assess(FindingClass::kDivergence, "", "v8", true).harm, Harm::kMemoryUnsafety);
  EXPECT_EQ(assess(FindingClass::kInvariant, "I2", "jit", false).harm, Harm::kMemoryUnsafety);
  EXPECT_EQ(assess(FindingClass::kInvariant, "I3", "jit", false).harm, Harm::kDenialOfService);
  const auto route = [](const char* engine, Harm harm) { return policy_of(engine)->route(harm); };
  EXPECT_EQ(route("wasmtime:cranelift", Harm::kMemoryUnsafety), Route::kPrivate);
  EXPECT_EQ(route("wasmtime", Harm::kDenialOfService), Route::kPrivate);
  EXPECT_EQ(route("wasmtime", Harm::kWrongBehaviour), Route::kPublic);
  EXPECT_EQ(route("v8:liftoff", Harm::kDenialOfService), Route::kPublic);
  EXPECT_STREQ(policy_of("jit:O2:moving")->name, "Parallax");
  EXPECT_EQ(policy_of("unheard-of"), nullptr);
}

constexpr const char* kCalls = R"((module
  (import "fuzzing-support" "log-i32" (func $log (param i32)))
  (type $t (struct (field i32)))
  (global (export "g") (mut i64) (i64.const 9))
  (func (export "add") (param i32) (result i32) (call $log (i32.const 1)) (i32.add (local.get 0) (i32.const 4)))
  (func (export "pair") (result f64 (ref null $t)) (f64.const -nan:0x8000000000000) (struct.new $t (i32.const 1)))
  (func (export "trap") (result i32) (i32.div_s (i32.const 1) (i32.const 0)))
  (func (export "null") (param (ref null $t)) (result anyref) (local.get 0))
  (global (export "outside") externref (extern.convert_any (ref.i31 (i32.const 3))))
  (func (export "wrapped") (result externref) (extern.convert_any (struct.new $t (i32.const 1))))))";

wasm::text::ScriptReport run(const std::string& script) {
  return wasm::text::run_script_text(
      script, [](std::shared_ptr<wasm::TypeStore> types) { return fuzz::make_executor({}, std::move(types)); });
}

TEST(RegressionTests, PassOnTheReferenceAndFailWhereTheAnswerIsAnother) {
  const fuzz::Case subject = case_of(kCalls);
  Observed seen = observed(subject);
  auto tests = regression_tests(subject, seen, fuzz::FindingClass::kDivergence, "about");
  ASSERT_EQ(tests.size(), 3u);
  ASSERT_NE(tests[0].text, "") << tests[0].remark;
  const auto report = run(tests[0].text);
  EXPECT_EQ(report.failed(), 0u) << tests[0].text << report.failures[0].what;
  EXPECT_GT(report.passed, 6u);
  EXPECT_THAT(tests[1].text, HasSubstr("returns(\"add\", () => i0.exports[\"add\"](0), [['number', 4]]);"));
  EXPECT_THAT(tests[1].text, HasSubstr("fails(\"trap\""));
  EXPECT_THAT(tests[2].text, HasSubstr(";; CHECK: [fuzz-exec] note result: add => 4"));
  for (fuzz::Token& token : seen.tokens) {
    if (token.tok == Tok::kI32 && token.value == 4) token.value = 5;
  }
  tests = regression_tests(subject, seen, fuzz::FindingClass::kDivergence, "about");
  EXPECT_EQ(run(tests[0].text).failed(), 1u);
}

TEST(RegressionTests, ReferencesThatAScriptCannotWriteGoThroughModules) {
  fuzz::Case subject = case_of(R"((module
    (type $t (sub (struct (field (mut i32)))))
    (type $u (sub $t (struct (field (mut i32)) (field i64))))
    (func (export "make") (param i32) (result i64 (ref $t)) (i64.const 3) (struct.new $u (local.get 0) (i64.const 1)))
    (func (export "bump") (param (ref null $t) i31ref externref) (result i32)
      (struct.set $t 0 (local.get 0) (i32.add (i31.get_s (local.get 1)) (struct.get $t 0 (local.get 0))))
      (struct.get $t 0 (local.get 0)))))");
  using fuzz::ArgKind;
  const fuzz::Step bump{
      .kind = fuzz::StepKind::kCall,
      .name = "bump",
      .args = {
          {.kind = ArgKind::kKept, .low = 0}, {.kind = ArgKind::kI31, .low = 5}, {.kind = ArgKind::kHost, .low = 7}}};
  subject.plan = {
      {.kind = fuzz::StepKind::kInstantiate},
      {.kind = fuzz::StepKind::kCall, .keep = true, .name = "make", .args = {{.kind = ArgKind::kNumber, .low = 40}}},
      bump,
      bump,
      {.kind = fuzz::StepKind::kRelease, .kept = 0},
      bump};
  const auto tests = regression_tests(subject, observed(subject), fuzz::FindingClass::kDivergence, "about");
  ASSERT_NE(tests[0].text, "") << tests[0].remark;
  const auto report = run(tests[0].text);
  EXPECT_EQ(report.failed(), 0u) << tests[0].text << (report.failed() != 0 ? report.failures[0].what : "");
  EXPECT_THAT(tests[0].text, HasSubstr("\"run\" (ref.extern 7)) (i32.const 50)"));
  EXPECT_THAT(tests[0].text, HasSubstr("\"null structure reference\""));
  EXPECT_THAT(tests[1].text, HasSubstr("const kept0 = returns(\"make\", () => i0.exports[\"make\"](40), "
                                       "[['bigint', 3n], ['object']])[1];"));
  EXPECT_THAT(tests[1].text, HasSubstr("(kept0, 5, host(7))"));
}

TEST(RegressionTests, WhatCannotBeSaidIsNotSaid) {
  fuzz::Case subject = case_of(kCalls);
  subject.plan = {{.kind = fuzz::StepKind::kInstantiate},
                  {.kind = fuzz::StepKind::kSetGlobal, .name = "g", .args = {{}}}};
  const auto tests = regression_tests(subject, observed(subject), fuzz::FindingClass::kDivergence, "about");
  EXPECT_EQ(tests[0].text, "");
  EXPECT_THAT(tests[0].remark, HasSubstr("sets a global"));
}

TEST(RegressionTests, ValidationIsTestedByBytes) {
  const auto tests = regression_tests(case_of("(module)"), {}, fuzz::FindingClass::kRejected, "about");
  EXPECT_EQ(run(tests[0].text).failed(), 0u);
  const auto wrong = regression_tests(case_of("(module)"), {}, fuzz::FindingClass::kAccepted, "about");
  EXPECT_EQ(run(wrong[0].text).failed(), 1u);
  EXPECT_THAT(wrong[1].text, HasSubstr("!== false"));
}

Report sample() {
  Report report{.id = "divergence-1", .verdict = "the JIT has `5` | 6 where <x>"};
  report.record.signature = "divergence|identity";
  report.record.executors = {"interp", "jit:O2:moving"};
  report.wasm = {0, 1, 2, 255};
  report.commands = {"parallax replay reproducer.wasm"};
  report.left = observed(case_of(kShared));
  report.right = observed(case_of(kSplit));
  report.votes = {{.executor = "interp", .outcome = "the reference"},
                  {.executor = "jit", .outcome = "other", .group = 1}};
  report.expected = {{rule_of_topic("identity"), "what differs first"}};
  report.severity = assess(fuzz::FindingClass::kDivergence, "", "jit", false);
  report.narrowed = Narrowed{.guilty_pass = "loads"};
  report.listings = {{"IR", "```\n", "ir"}};
  report.tests = {{"a.wast", "script", "(module)", "tried"}};
  report.duplicates = {{"divergence-2", "the same signature", 3}};
  report.environment = {{"version", "1"}};
  report.unknown = {"much"};
  return report;
}

// Checks the part of JSON Schema that docs/report.schema.json uses.
class SchemaCheck {
 public:
  explicit SchemaCheck(const json& root) : root_(root) {}
  std::string check(const json& schema, const json& value, const std::string& at) const {
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      return check(root_.at(json::json_pointer(ref->get<std::string>().substr(1))), value, at);
    }
    if (const auto it = schema.find("const"); it != schema.end() && *it != value) return at + ": not the constant";
    if (const auto it = schema.find("enum");
        it != schema.end() && std::find(it->begin(), it->end(), value) == it->end()) {
      return at + ": not among the names: " + value.dump();
    }
    if (const auto it = schema.find("type"); it != schema.end()) {
      const json types = it->is_array() ? *it : json::array({*it});
      if (std::none_of(types.begin(), types.end(), [&](const json& type) { return is(value, type); }))
        return at + ": wrong type";
    }
    if (value.is_object()) {
      for (const json& name : schema.value("required", json::array())) {
        if (!value.contains(name)) return at + ": no " + name.get<std::string>();
      }
      const json properties = schema.value("properties", json::object());
      for (const auto& [name, part] : properties.items()) {
        if (!value.contains(name)) continue;
        if (auto wrong = check(part, value.at(name), at + "." + name); !wrong.empty()) return wrong;
      }
    }
    if (value.is_array() && schema.contains("items")) {
      for (const json& item : value) {
        if (auto wrong = check(schema["items"], item, at + "[]"); !wrong.empty()) return wrong;
      }
    }
    return "";
  }

 private:
  static bool is(const json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_number_integer();
    if (type == "boolean") return value.is_boolean();
    return type == "null" && value.is_null();
  }
  const json& root_;
};

TEST(Reports, JsonKeepsToItsSchema) {
  std::ifstream file("docs/report.schema.json");
  const json schema = json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
  const SchemaCheck checker(schema);
  const json full = json::parse(to_report_json(sample()));
  EXPECT_EQ(checker.check(schema, full, "report"), "");
  EXPECT_EQ(checker.check(schema, json::parse(to_report_json({})), "report"), "");
  // The judge is seen to fail.
  json broken = full;
  broken["votes"][0]["group"] = "one";
  EXPECT_EQ(checker.check(schema, broken, "report"), "report.votes[].group: wrong type");
  broken = full;
  broken.erase("severity");
  EXPECT_EQ(checker.check(schema, broken, "report"), "report: no severity");
  EXPECT_EQ(full["heaps"]["right"]["roots"][1]["differs"], true);
  EXPECT_EQ(full["reproducer"]["wasm_base64"], "AAEC/w==");
}

TEST(Reports, SarifHasWhatCollectorsRead) {
  const json sarif = json::parse(to_sarif(sample()));
  EXPECT_EQ(sarif["version"], "2.1.0");
  const json& run = sarif["runs"][0];
  EXPECT_EQ(run["tool"]["driver"]["name"], "parallax");
  const json& result = run["results"][0];
  EXPECT_EQ(run["tool"]["driver"]["rules"][result["ruleIndex"].get<size_t>()]["id"], result["ruleId"]);
  EXPECT_EQ(result["level"], "error");
  EXPECT_EQ(result["partialFingerprints"]["parallaxSignature/v1"], "divergence|identity");
  Report planted = sample();
  planted.record.fault = "SM1";
  EXPECT_EQ(json::parse(to_sarif(planted))["runs"][0]["results"][0]["level"], "note");
}

TEST(Reports, MarkdownKeepsTablesAndFencesWhole) {
  const std::string text = to_markdown(sample());
  EXPECT_THAT(text, HasSubstr("## Votes"));
  EXPECT_THAT(text, HasSubstr("````ir\n```\n"));  // a fence longer than the one inside
  EXPECT_THAT(text, HasSubstr("![heap of interp](heap-left.svg)"));
  EXPECT_THAT(text, HasSubstr("guilty pass | loads"));
  EXPECT_THAT(text, HasSubstr("- much"));
}

TEST(Reports, AnEmptyOneIsSaidToKnowNothing) {
  EXPECT_THAT(to_markdown({}), HasSubstr("one side left no observation"));
  EXPECT_THAT(to_html({}), HasSubstr("one side left no observation"));
  EXPECT_THAT(to_html({}), Not(HasSubstr("<svg")));
}

}  // namespace
}  // namespace parallax::triage
