;; Counting, rotating and testing bits of i64: a population count of xorshift numbers and a little bit board.
;; Scale: thousands of numbers; answers the mixed counts.
(module
  (func (export "run") (param $scale i32) (result i32)
    (local $n i32) (local $x i64) (local $ones i64) (local $zeros i64) (local $mix i64)
    (local.set $n (i32.mul (local.get $scale) (i32.const 1000)))
    (local.set $x (i64.const 0x9e3779b97f4a7c15))
    (loop $each
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (local.set $ones (i64.add (local.get $ones) (i64.popcnt (local.get $x))))
      (local.set $zeros
        (i64.add (local.get $zeros) (i64.add (i64.clz (local.get $x)) (i64.ctz (local.get $x)))))
      ;; The lowest set bit moves; its neighbours on an 8 x 8 board are added.
      (local.set $mix
        (i64.add
          (i64.rotl (local.get $mix) (i64.const 5))
          (i64.or
            (i64.and (i64.shl (local.get $x) (i64.const 1)) (i64.const 0xfefefefefefefefe))
            (i64.and (local.get $x) (i64.sub (i64.const 0) (local.get $x))))))
      (br_if $each (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.xor
      (i32.add (i32.wrap_i64 (local.get $ones)) (i32.mul (i32.wrap_i64 (local.get $zeros)) (i32.const 3)))
      (i32.xor (i32.wrap_i64 (local.get $mix))
               (i32.wrap_i64 (i64.shr_u (local.get $mix) (i64.const 32)))))))
