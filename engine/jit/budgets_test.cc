// Inlined and devirtualised calls, and objects that became values, count like real ones: the interpreter and compiled code
// end alike under every small budget.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/text.h"
#include "engine/jit/compiler.h"
#include "engine/runtime/store.h"
#include "engine/wasm/text/parse.h"
#include "interp/interp.h"

namespace parallax::jit {
namespace {

using runtime::EngineOptions;
using wasm::Outcome;
using wasm::Value;

// What one call under one budget came to, as text: outcome, place of a trap, what the global "g" holds afterwards.
std::string result_of(wasm::Embedding& store, wasm::InstanceId instance, uint32_t arg, wasm::Budget budget) {
  store.set_budget(budget);
  const Value args[] = {Value::i32(arg)};
  const Outcome outcome = store.call(*store.find_export(instance, "f"), args);
  std::string out = to_string(outcome.kind);
  if (outcome.kind == wasm::OutcomeKind::kTrapped) {
    out += text::format(" {} in {} at {:#x}", to_string(outcome.trap), outcome.func.raw, outcome.offset);
  }
  for (const Value& v : outcome.values) out += text::format(" {:#x}", v.low);
  store.set_budget({});
  const Outcome global = store.call(*store.find_export(instance, "g"), {});
  for (const Value& v : global.values) out += text::format(" g={:#x}", v.low);
  return out;
}

struct Sides {
  explicit Sides(const std::string& source, const EngineOptions& options) {
    auto bytes = wasm::text::parse_module(source);
    EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().to_string());
    auto module = wasm::load(std::move(*bytes), types);
    EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().to_string());
    shared = std::make_shared<wasm::Module>(std::move(*module));
    auto made = std::make_unique<JitCompiler>(options);
    compiler = made.get();
    jit = std::make_unique<runtime::Store>(types, options, std::move(made));
    interp = interp::make_interpreter(types, {});
    EXPECT_TRUE(jit->instantiate(shared, {}, jit_instance).returned());
    EXPECT_TRUE(interp->instantiate(shared, {}, interp_instance).returned());
  }
  uint64_t count(opt::Rewrite rewrite) const { return compiler->gate().by_rewrite[static_cast<size_t>(rewrite)]; }

  std::shared_ptr<wasm::TypeStore> types = std::make_shared<wasm::TypeStore>();
  std::shared_ptr<const wasm::Module> shared;
  JitCompiler* compiler = nullptr;
  std::unique_ptr<wasm::Embedding> jit;
  std::unique_ptr<wasm::Embedding> interp;
  wasm::InstanceId jit_instance = 0;
  wasm::InstanceId interp_instance = 0;
};

const EngineOptions kBudgetConfigurations[] = {
    {.level = runtime::OptLevel::kO2, .verify = true, .heap_bytes = 1 << 24},
    {.level = runtime::OptLevel::kO2,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .armed = true,
     .heap_bytes = 1 << 24},
    {.level = runtime::OptLevel::kO2, .verify = true, .chaos_seed = 7, .heap_bytes = 1 << 24},
};

// Every fuel up to `fuel` and every depth up to `depth`, for arguments 0 to 3.
void same_under_all_budgets(const std::string& source, uint64_t fuel, uint32_t depth, uint64_t least_inlined) {
  for (const EngineOptions& options : kBudgetConfigurations) {
    Sides sides(source, options);
    for (uint32_t arg = 0; arg < 4; ++arg) {
      for (uint64_t f = 0; f <= fuel; ++f) {
        for (uint32_t d = 0; d <= depth; ++d) {
          const wasm::Budget budget{.fuel = f, .call_depth = d};
          const std::string expected = result_of(*sides.interp, sides.interp_instance, arg, budget);
          const std::string got = result_of(*sides.jit, sides.jit_instance, arg, budget);
          ASSERT_EQ(got, expected) << "argument " << arg << " fuel " << f << " depth " << d;
        }
      }
    }
    EXPECT_GE(sides.count(opt::Rewrite::kInline), least_inlined);
  }
}

constexpr const char* kGlobal =
    R"((global $g (mut i32) (i32.const 0)) (func (export "g") (result i32) (global.get $g)))";

std::string module_of(const std::string& rest) { return std::string("(module ") + kGlobal + rest + ")"; }

// Every heap of these sizes, for arguments 0 to 3; `least` objects become values.
void same_under_all_heaps(const std::string& source, uint64_t most, uint64_t least) {
  for (const EngineOptions& options : kBudgetConfigurations) {
    Sides sides(source, options);
    for (uint32_t arg = 0; arg < 4; ++arg) {
      for (uint64_t bytes = 0; bytes <= most; ++bytes) {
        const wasm::Budget budget{.fuel = 1000, .allocated_bytes = bytes};
        const std::string expected = result_of(*sides.interp, sides.interp_instance, arg, budget);
        const std::string got = result_of(*sides.jit, sides.jit_instance, arg, budget);
        ASSERT_EQ(got, expected) << "argument " << arg << " heap of " << bytes;
      }
    }
    EXPECT_GE(sides.count(opt::Rewrite::kScalars), least);
  }
}

// --- Inlining

TEST(Inline, NestedCallsCountDepthAndFuelBeforeTheirEffects) {
  same_under_all_budgets(module_of(R"(
    (func $c (param i32) (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (local.get 0))
    (func $b (param i32) (result i32) (i32.add (call $c (local.get 0)) (call $c (i32.const 7))))
    (func $a (param i32) (result i32) (i32.mul (call $b (local.get 0)) (call $c (i32.const 3))))
    (func (export "f") (param i32) (result i32) (i32.sub (call $a (local.get 0)) (call $b (i32.const 100)))))"),
                         12, 6, 5);
}

TEST(Inline, RecursionEndsWhereItWould) {
  same_under_all_budgets(module_of(R"(
    (func $f (export "f") (param i32) (result i32)
      (global.set $g (i32.add (global.get $g) (i32.const 1)))
      (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
        (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))))"),
                         20, 6, 2);
}

TEST(Inline, LoopsInBodiesAndAroundCalls) {
  same_under_all_budgets(module_of(R"(
    (func $sum (param $n i32) (result i32) (local $s i32)
      (loop $again
        (local.set $s (i32.add (local.get $s) (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
      (global.set $g (local.get $s))
      (local.get $s))
    (func (export "f") (param i32) (result i32) (local $t i32)
      (loop $again
        (local.set $t (i32.add (local.get $t) (call $sum (local.get 0))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
      (local.get $t)))"),
                         16, 3, 1);
}

TEST(Inline, TrapsNameTheirFunction) {
  same_under_all_budgets(module_of(R"(
    (func $div (param i32 i32) (result i32) (global.set $g (i32.const 5)) (i32.div_u (local.get 0) (local.get 1)))
    (func $never (result i32) unreachable)
    (func (export "f") (param i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 3)) (then (drop (call $never))))
      (call $div (i32.const 100) (local.get 0))))"),
                         4, 3, 2);
}

TEST(Inline, ThrowsInBodiesFindHandlersOfTheirCallers) {
  same_under_all_budgets(module_of(R"(
    (tag $e (param i32)) (tag $other)
    (func $deep (param i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (i32.const 11))))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $other)))
      (i32.const 1))
    (func $middle (param i32) (result i32)
      (block $h
        (return (i32.add (try_table (result i32) (catch $other $h) (call $deep (local.get 0))) (call $deep (i32.const 0)))))
      (i32.add (call $deep (i32.const 1)) (i32.const 5)))
    (func (export "f") (param i32) (result i32)
      (block $h (result i32)
        (try_table (result i32) (catch $e $h) (call $middle (local.get 0)))
        (global.set $g (i32.const 77))
        (return))
      (i32.add (i32.const 1000))))"),
                         10, 5, 3);
}

// What is too large to be inlined is called from inside inlined bodies, at the depth that it would find.
TEST(Inline, RealCallsInBodiesFindTheirDepth) {
  std::string large = "(func $large (param i32) (result i32) ";
  for (int i = 0; i < 700; ++i) large += "(global.set $g (i32.add (global.get $g) (i32.const 1)))";
  large +=
      "(if (i32.eq (local.get 0) (i32.const 2)) (then (throw $e))) (if (result i32) (local.get 0) (then (call $b "
      "(i32.const 0))) (else (i32.const 4))))";
  same_under_all_budgets(module_of("(tag $e)" + large + R"(
    (func $c (param i32) (result i32) (return_call $large (local.get 0)))
    (func $b (param i32) (result i32) (i32.add (call $large (local.get 0)) (i32.const 1)))
    (func $a (param i32) (result i32) (i32.add (call $b (local.get 0)) (call $c (local.get 0))))
    (func (export "f") (param i32) (result i32)
      (block $h
        (return (i32.add (try_table (result i32) (catch $e $h) (call $a (local.get 0))) (call $c (i32.const 0)))))
      (call $b (i32.const 1))))"),
                         14, 7, 4);
}

TEST(Inline, TailCallsLeaveTheirFrame) {
  same_under_all_budgets(module_of(R"(
    (type $f (func (param i32) (result i32)))
    (table $t funcref (elem $down $leaf))
    (func $leaf (type $f) (global.set $g (i32.add (global.get $g) (i32.const 1))) (i32.const 9))
    (func $down (type $f)
      (if (i32.eqz (local.get 0)) (then (return_call $leaf (i32.const 0))))
      (return_call_indirect $t (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
    (func $start (type $f) (return_call $down (local.get 0)))
    (func (export "f") (param i32) (result i32)
      (i32.add (call $start (local.get 0)) (call $down (i32.const 1)))))"),
                         14, 5, 3);
}

// --- Devirtualisation

TEST(Devirtualise, ReferencesNameFunctionsThatWereGuessedAndOthers) {
  same_under_all_budgets(module_of(R"(
    (type $f (func (param i32) (result i32)))
    (tag $e (param i32))
    (elem declare func $double $throws $deep)
    (func $double (type $f) (global.set $g (local.get 0)) (i32.mul (local.get 0) (i32.const 2)))
    (func $throws (type $f) (throw $e (local.get 0)))
    (func $deep (type $f) (call $apply (ref.func $double) (i32.const 9)))
    (func $apply (param (ref null $f) i32) (result i32) (call_ref $f (local.get 1) (local.get 0)))
    (func $tail (param (ref null $f) i32) (result i32) (return_call_ref $f (local.get 1) (local.get 0)))
    (func $pick (param i32) (result (ref null $f))
      (if (i32.eqz (local.get 0)) (then (return (ref.func $double))))
      (if (i32.eq (local.get 0) (i32.const 1)) (then (return (ref.func $throws))))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (return (ref.func $deep))))
      (ref.null $f))
    (func (export "f") (param i32) (result i32)
      (block $h (result i32)
        (return (i32.add
          (try_table (result i32) (catch $e $h) (call $apply (call $pick (local.get 0)) (i32.const 3)))
          (call $tail (call $pick (local.get 0)) (i32.const 4)))))
      (i32.add (i32.const 1000))))"),
                         12, 5, 3);
}

TEST(Devirtualise, ConstantTablesTrapAsCallsThroughThemDo) {
  same_under_all_budgets(module_of(R"(
    (type $f (func (param i32) (result i32)))
    (type $other (func (result i32)))
    (table $t 4 funcref)
    (elem (i32.const 1) $double $mismatch)
    (func $double (type $f) (global.set $g (i32.const 5)) (i32.mul (local.get 0) (i32.const 2)))
    (func $mismatch (type $other) (i32.const 1))
    (func $tail (param i32) (result i32)
      (return_call_indirect $t (type $f) (i32.const 4) (i32.sub (i32.const 4) (local.get 0))))
    (func (export "f") (param i32) (result i32)
      (global.set $g (i32.const 1))
      (i32.add (call_indirect $t (type $f) (i32.const 3) (i32.add (i32.const 1) (i32.shr_u (local.get 0) (i32.const 2))))
        (i32.add (call $tail (local.get 0)) (call_indirect $t (type $f) (i32.const 3) (local.get 0))))))"),
                         8, 3, 2);
}

// A table that the module writes, or that others see, is read at run time.
TEST(Devirtualise, TablesThatChangeAreNotTakenForConstant) {
  same_under_all_budgets(module_of(R"(
    (type $f (func (param i32) (result i32)))
    (table $t 2 funcref)
    (elem (i32.const 0) $double $triple)
    (func $double (type $f) (i32.mul (local.get 0) (i32.const 2)))
    (func $triple (type $f) (i32.mul (local.get 0) (i32.const 3)))
    (func $through (param i32 i32) (result i32) (call_indirect $t (type $f) (local.get 0) (local.get 1)))
    (func (export "f") (param i32) (result i32) (local $first i32)
      (local.set $first (call $through (i32.const 10) (i32.const 0)))
      (if (i32.and (local.get 0) (i32.const 1))
        (then (table.set $t (i32.const 0) (ref.func $triple)))
        (else (table.set $t (i32.const 0) (ref.func $double))))
      (global.set $g (local.get $first))
      (i32.add (i32.mul (local.get $first) (i32.const 100)) (call $through (i32.const 10) (i32.const 0)))))"),
                         8, 3, 1);
}

// --- Objects that become values

TEST(Objects, FieldsAreFollowedThroughBranchesAndLoops) {
  same_under_all_heaps(module_of(R"(
    (type $s (struct (field (mut i32)) (field (mut i8)) (field (mut i16))))
    (func (export "f") (param i32) (result i32) (local $o (ref $s)) (local $i i32)
      (local.set $o (struct.new $s (i32.const 3) (i32.const 200) (i32.const 40000)))
      (if (i32.and (local.get 0) (i32.const 1))
        (then (struct.set $s 1 (local.get $o) (i32.const 0x1ff)))
        (else (struct.set $s 2 (local.get $o) (i32.const -1))))
      (loop $again
        (global.set $g (i32.add (global.get $g) (struct.get $s 0 (local.get $o))))
        (struct.set $s 0 (local.get $o) (i32.add (struct.get $s 0 (local.get $o)) (local.get 0)))
        (struct.set $s 1 (local.get $o) (i32.mul (struct.get_s $s 1 (local.get $o)) (i32.const 3)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 5))))
      (i32.add (i32.add (struct.get $s 0 (local.get $o)) (struct.get_u $s 1 (local.get $o)))
               (i32.sub (struct.get_s $s 2 (local.get $o)) (struct.get_u $s 2 (local.get $o))))))"),
                       30, 1);
}

TEST(Objects, EveryIterationHasItsOwn) {
  same_under_all_heaps(module_of(R"(
    (type $s (struct (field (mut i32)) (field (mut (ref null $s)))))
    (func (export "f") (param i32) (result i32) (local $o (ref null $s)) (local $n i32)
      (loop $again
        (local.set $o (struct.new_default $s))
        (global.set $g (i32.add (global.get $g) (struct.get $s 0 (local.get $o))))
        (if (i32.and (local.get $n) (local.get 0)) (then (struct.set $s 0 (local.get $o) (local.get $n))))
        (local.set $n (i32.add (local.get $n) (struct.get $s 0 (local.get $o))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 6))))
      (i32.add (local.get $n) (ref.is_null (struct.get $s 1 (struct.new_default $s))))))"),
                       240, 1);
}

TEST(Objects, OneInAnotherFollowsIt) {
  same_under_all_heaps(module_of(R"(
    (type $leaf (struct (field (mut i64))))
    (type $pair (struct (field (mut (ref $leaf))) (field (mut (ref null $leaf)))))
    (func (export "f") (param i32) (result i32) (local $p (ref $pair)) (local $q (ref $leaf))
      (local.set $q (struct.new $leaf (i64.const 3)))
      (local.set $p (struct.new $pair (struct.new $leaf (i64.extend_i32_u (local.get 0))) (local.get $q)))
      (struct.set $leaf 0 (struct.get $pair 0 (local.get $p)) (i64.const 0x100000005))
      (if (local.get 0) (then (struct.set $pair 0 (local.get $p) (local.get $q))))
      (global.set $g (i32.const 9))
      (i32.wrap_i64 (i64.add (struct.get $leaf 0 (struct.get $pair 0 (local.get $p))) (struct.get $leaf 0 (local.get $q))))))"),
                       110, 1);
}

TEST(Objects, ArraysOfConstantLength) {
  same_under_all_heaps(module_of(R"(
    (type $a (array (mut i16)))
    (func (export "f") (param i32) (result i32) (local $o (ref $a)) (local $p (ref $a))
      (local.set $o (array.new_fixed $a 3 (i32.const 70000) (local.get 0) (i32.const -1)))
      (local.set $p (array.new $a (i32.const 0x18001) (i32.const 4)))
      (if (local.get 0) (then (array.set $a (local.get $p) (i32.const 3) (array.get_s $a (local.get $o) (i32.const 0)))))
      (global.set $g (array.len (local.get $p)))
      (i32.add (array.get_s $a (local.get $p) (i32.const 3))
               (i32.add (array.get_u $a (local.get $p) (i32.const 2)) (array.get_u $a (local.get $o) (i32.const 2))))))"),
                       60, 1);
}

TEST(Objects, ConstantIndicesOutsideStillTrap) {
  same_under_all_heaps(module_of(R"(
    (type $a (array (mut i32)))
    (func (export "f") (param i32) (result i32) (local $o (ref $a))
      (local.set $o (array.new_default $a (i32.const 2)))
      (if (local.get 0) (then (drop (array.get $a (local.get $o) (i32.const 2)))))
      (array.get $a (local.get $o) (i32.const 1))))"),
                       30, 0);
}

// What an inlined callee makes and its caller looks into.
TEST(Objects, ResultsOfInlinedCalls) {
  same_under_all_heaps(module_of(R"(
    (type $pair (struct (field i32) (field i32)))
    (func $divide (param i32 i32) (result (ref $pair))
      (struct.new $pair (i32.div_u (local.get 0) (local.get 1)) (i32.rem_u (local.get 0) (local.get 1))))
    (func $sum (param $p (ref null $pair)) (result i32)
      (i32.add (struct.get $pair 0 (local.get $p)) (struct.get $pair 1 (local.get $p))))
    (func (export "f") (param i32) (result i32) (call $sum (call $divide (i32.const 17) (local.get 0)))))"),
                       30, 1);
}

}  // namespace
}  // namespace parallax::jit
