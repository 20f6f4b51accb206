// Inlined and devirtualised calls count like real ones: the interpreter and compiled code end alike under every small
// budget.
#include "engine/jit/budgets_test.h"

namespace parallax::jit {
namespace {

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
                         10, 5, 4);
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

}  // namespace
}  // namespace parallax::jit
