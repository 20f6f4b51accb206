;; Longest Collatz chain: 64-bit arithmetic in registers, a branch that nobody predicts.
;; Scale: thousands of starting numbers; answers the best start, mixed with its length.
(module
  (func $length (param $n i64) (result i32)
    (local $steps i32)
    (block $done
      (loop $step
        (br_if $done (i64.eq (local.get $n) (i64.const 1)))
        (local.set $n
          (if (result i64) (i64.eqz (i64.and (local.get $n) (i64.const 1)))
            (then (i64.shr_u (local.get $n) (i64.const 1)))
            (else (i64.add (i64.mul (local.get $n) (i64.const 3)) (i64.const 1)))))
        (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
        (br $step)))
    (local.get $steps))
  (func (export "run") (param $scale i32) (result i32)
    (local $i i32) (local $end i32) (local $best i32) (local $at i32) (local $steps i32)
    (local.set $end (i32.mul (local.get $scale) (i32.const 1000)))
    (local.set $i (i32.const 1))
    (loop $each
      (local.set $steps (call $length (i64.extend_i32_u (local.get $i))))
      (if (i32.gt_u (local.get $steps) (local.get $best))
        (then
          (local.set $best (local.get $steps))
          (local.set $at (local.get $i))))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $end))))
    (i32.add (i32.mul (local.get $at) (i32.const 1000)) (local.get $best))))
