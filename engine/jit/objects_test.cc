// Objects that become values: same results, and the allocations count as before.
#include "engine/jit/budgets_test.h"

namespace parallax::jit {
namespace {

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
