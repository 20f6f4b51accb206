// The script runner's judges, each seen to pass what is right and to fail what is wrong.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/text/script_runner.h"
#include "fuzz/executors/executors.h"

namespace parallax {
namespace {

using ::testing::HasSubstr;
using wasm::text::ScriptReport;

wasm::text::MakeStore interpreter() {
  return [](std::shared_ptr<wasm::TypeStore> types) {
    return fuzz::make_executor({.kind = fuzz::ExecutorKind::kInterp}, std::move(types));
  };
}

ScriptReport run(const std::string& script) { return wasm::text::run_script_text(script, interpreter()); }

// What the judge says about a command behind this module; "" when it passes.
std::string verdict(const std::string& command) {
  const ScriptReport report = run(R"((module
    (type $s (struct (field i32)))
    (type $a (array i8))
    (global (export "g") i64 (i64.const 7))
    (tag $e)
    (func $f)
    (elem declare func $f)
    (func (export "i32") (param i32) (result i32) (local.get 0))
    (func (export "pair") (result i32 i64) (i32.const 1) (i64.const 2))
    (func (export "f32") (param f32) (result f32) (local.get 0))
    (func (export "nan") (result f64) (f64.const nan:0x8000000000001))
    (func (export "canonical") (result f64) (f64.const -nan))
    (func (export "signalling") (result f64) (f64.const nan:0x1))
    (func (export "v128") (result v128) (v128.const f32x4 1 nan:0x400001 nan -0))
    (func (export "extern") (param externref) (result externref) (local.get 0))
    (func (export "internal") (param externref) (result anyref) (any.convert_extern (local.get 0)))
    (func (export "struct") (result anyref) (struct.new $s (i32.const 1)))
    (func (export "array") (result eqref) (array.new_default $a (i32.const 1)))
    (func (export "external") (result externref) (extern.convert_any (struct.new $s (i32.const 1))))
    (func (export "i31") (result i31ref) (ref.i31 (i32.const 5)))
    (func (export "func") (result funcref) (ref.func $f))
    (func (export "null") (result anyref) (ref.null any))
    (func (export "nothing"))
    (func (export "trap") unreachable)
    (func (export "throw") (throw $e))
    (func $deep (export "deep") (call $deep))
  ) )" + command);
  if (report.failed() == 0) return "";
  return report.failures[0].what;
}

void expect_pass(const std::string& command) { EXPECT_EQ(verdict(command), "") << command; }
void expect_fail(const std::string& command, const std::string& says) {
  EXPECT_THAT(verdict(command), HasSubstr(says)) << command;
}

TEST(ScriptRunner, ComparesNumbers) {
  expect_pass("(assert_return (invoke \"i32\" (i32.const -1)) (i32.const 0xffffffff))");
  expect_fail("(assert_return (invoke \"i32\" (i32.const 1)) (i32.const 2))",
              "expected (i32.const 2), got i32 0x1 (1)");
  expect_fail("(assert_return (invoke \"i32\" (i32.const 1)) (i64.const 1))", "got i32");
  expect_fail("(assert_return (invoke \"i32\" (i32.const 1)))", "expected nothing");
  expect_fail("(assert_return (invoke \"nothing\") (i32.const 1))", "got nothing");
  expect_pass("(assert_return (invoke \"pair\") (i32.const 1) (i64.const 2))");
  expect_fail("(assert_return (invoke \"pair\") (i32.const 1) (i64.const 3))", "got i32 0x1 (1), i64 0x2");
  expect_fail("(assert_return (invoke \"f32\" (f32.const -0)) (f32.const 0))", "got f32 0x80000000");
  expect_pass("(assert_return (get \"g\") (i64.const 7))");
  expect_fail("(assert_return (get \"g\") (i64.const 8))", "got i64 0x7");
}

TEST(ScriptRunner, TellsNansApart) {
  expect_pass("(assert_return (invoke \"canonical\") (f64.const nan:canonical))");
  expect_pass("(assert_return (invoke \"canonical\") (f64.const nan:arithmetic))");
  expect_pass("(assert_return (invoke \"nan\") (f64.const nan:arithmetic))");
  expect_fail("(assert_return (invoke \"nan\") (f64.const nan:canonical))", "got f64 0x7ff8000000000001");
  expect_fail("(assert_return (invoke \"signalling\") (f64.const nan:arithmetic))", "got f64 0x7ff0000000000001");
  expect_fail("(assert_return (invoke \"canonical\") (f64.const nan))", "got f64 0xfff8000000000000");
  expect_fail("(assert_return (invoke \"f32\" (f32.const 1)) (f32.const nan:arithmetic))", "got f32");
}

TEST(ScriptRunner, ComparesVectorsByLane) {
  expect_pass("(assert_return (invoke \"v128\") (v128.const f32x4 1 nan:arithmetic nan:canonical -0))");
  expect_fail("(assert_return (invoke \"v128\") (v128.const f32x4 1 nan:canonical nan:canonical -0))", "got v128");
  expect_fail("(assert_return (invoke \"v128\") (v128.const f32x4 1 nan:arithmetic nan:canonical 0))", "got v128");
}

TEST(ScriptRunner, ComparesReferences) {
  expect_pass("(assert_return (invoke \"extern\" (ref.extern 3)) (ref.extern 3))");
  expect_fail("(assert_return (invoke \"extern\" (ref.extern 3)) (ref.extern 4))", "got ref host 3");
  expect_pass("(assert_return (invoke \"internal\" (ref.extern 3)) (ref.host 3))");
  expect_pass("(assert_return (invoke \"internal\" (ref.extern 3)) (ref.any))");
  expect_fail("(assert_return (invoke \"internal\" (ref.extern 3)) (ref.eq))", "got ref host 3");
  expect_pass("(assert_return (invoke \"null\") (ref.null any))");
  expect_pass("(assert_return (invoke \"null\") (ref.null))");
  expect_fail("(assert_return (invoke \"null\") (ref.any))", "got ref null");
  expect_fail("(assert_return (invoke \"struct\") (ref.null))", "got ref struct");
  for (const auto& [name, fits, not_fits] :
       {std::tuple("struct", "ref.struct", "ref.array"), std::tuple("struct", "ref.eq", "ref.i31"),
        std::tuple("array", "ref.array", "ref.struct"), std::tuple("i31", "ref.i31", "ref.struct"),
        std::tuple("func", "ref.func", "ref.any"), std::tuple("external", "ref.extern", "ref.any")}) {
    expect_pass(std::string("(assert_return (invoke \"") + name + "\") (" + fits + "))");
    expect_fail(std::string("(assert_return (invoke \"") + name + "\") (" + not_fits + "))", "got ref");
  }
}

TEST(ScriptRunner, AdmitsAnyOfEither) {
  expect_pass("(assert_return (invoke \"i32\" (i32.const 2)) (either (i32.const 1) (i32.const 2)))");
  expect_fail("(assert_return (invoke \"i32\" (i32.const 3)) (either (i32.const 1) (i32.const 2)))", "got i32 0x3");
}

TEST(ScriptRunner, WantsTheRightTrap) {
  expect_pass("(assert_trap (invoke \"trap\") \"unreachable\")");
  expect_fail("(assert_trap (invoke \"trap\") \"integer overflow\")", "got trap \"unreachable\"");
  expect_fail("(assert_trap (invoke \"nothing\") \"unreachable\")", "expected trap \"unreachable\", got returned");
  expect_fail("(assert_return (invoke \"trap\"))", "got trapped");
  expect_fail("(invoke \"trap\")", "got trapped");
  expect_pass("(assert_trap (module (func $s unreachable) (start $s)) \"unreachable\")");
  expect_fail("(assert_trap (module (func $s) (start $s)) \"unreachable\")", "got returned");
}

TEST(ScriptRunner, OtherDialectsLeaveWordsOut) {
  const std::string script =
      "(module $m (func (export \"f\") unreachable) (func (export \"g\") (i32.load (i32.const -1)) drop)"
      " (memory 0)) (module (import \"m\" \"f\" (func)) (import \"wasmtime\" \"gc\" (func $gc)) (start $gc))"
      "(assert_trap (invoke $m \"g\") \"out of memory access\")"
      "(assert_trap (invoke $m \"g\") \"out of table access\")";
  const ScriptReport report =
      wasm::text::run_script_text(script, interpreter(), {.dialect = wasm::text::Dialect::kWasmtime});
  ASSERT_EQ(report.failed(), 1u);
  EXPECT_THAT(report.failures[0].what, HasSubstr("expected trap \"out of table access\""));
  EXPECT_EQ(run(script).failed(), 3u);  // the specification wants register, and the trap's text
}

TEST(ScriptRunner, WantsExceptionsAndExhaustion) {
  expect_pass("(assert_exception (invoke \"throw\"))");
  expect_fail("(assert_exception (invoke \"trap\"))", "expected an exception, got trapped");
  expect_pass("(assert_exhaustion (invoke \"deep\") \"call stack exhausted\")");
  expect_fail("(assert_exhaustion (invoke \"nothing\") \"call stack exhausted\")", "got returned");
}

TEST(ScriptRunner, WantsTheRightStageToRefuse) {
  expect_pass("(assert_malformed (module quote \"(func\") \"\")");
  expect_pass("(assert_malformed (module binary \"\\00asm\\02\\00\\00\\00\") \"\")");
  expect_pass("(assert_invalid (module (func (result i32))) \"\")");
  expect_fail("(assert_malformed (module quote \"(func (result i32))\") \"bad\")",
              "expected malformed (\"bad\"), got invalid");
  expect_fail("(assert_invalid (module quote \"(func\") \"bad\")", "expected invalid (\"bad\"), got syntax");
  expect_fail("(assert_malformed (module quote \"(func)\") \"bad\")", "got a module");
  expect_fail("(assert_invalid (module (func)) \"bad\")", "got a valid module");
  expect_fail("(module (func (result i32)))", "invalid");
}

TEST(ScriptRunner, WantsLinkingToFail) {
  expect_pass("(assert_unlinkable (module (import \"no\" \"thing\" (func))) \"unknown import\")");
  expect_pass("(assert_unlinkable (module (import \"spectest\" \"print_i32\" (func (param i64)))) \"\")");
  expect_fail("(assert_unlinkable (module (import \"spectest\" \"print_i32\" (func (param i32)))) \"bad\")",
              "expected unlinkable (\"bad\"), got returned");
}

TEST(ScriptRunner, KeepsInstancesApart) {
  const std::string module =
      "(module definition $M (global (export \"g\") (mut i32) (i32.const 0))"
      " (func (export \"set\") (global.set 0 (i32.const 1))))"
      "(module instance $A $M) (module instance $B $M) (invoke $A \"set\")";
  expect_pass(module + "(assert_return (get $A \"g\") (i32.const 1)) (assert_return (get $B \"g\") (i32.const 0))");
  expect_fail(module + "(assert_return (get $B \"g\") (i32.const 1))", "got i32 0x0");
}

TEST(ScriptRunner, CountsWhatItCannotJudge) {
  const ScriptReport report = run("(module (memory 1 1 shared)) (invoke \"f\") (thread $t)");
  EXPECT_EQ(report.failed(), 0u);
  EXPECT_EQ(report.passed, 0u);
  EXPECT_EQ(report.skipped_total(), 3u);
  EXPECT_TRUE(report.skipped.contains("unsupported: shared memories (threads)"));
  EXPECT_TRUE(report.skipped.contains("command thread"));
}

TEST(ScriptRunner, AFailedModuleFailsOnceAndSkipsItsUsers) {
  const ScriptReport report = run("(module (func (result i32))) (assert_return (invoke \"f\"))");
  EXPECT_EQ(report.failed(), 1u);
  EXPECT_EQ(report.skipped.at("module failed"), 1u);
}

TEST(ScriptRunner, AScriptThatIsNoneIsOneFailure) {
  EXPECT_EQ(run("(module").failed(), 1u);
  EXPECT_EQ(run("(assert_return)").failed(), 1u);
}

}  // namespace
}  // namespace parallax
