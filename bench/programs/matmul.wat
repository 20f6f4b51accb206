;; Product of two square matrices of f64, written the simple way: one scalar product per element.
;; Scale: rows; answers the sum of the product's elements, which are whole numbers.
(module
  (memory 1)
  (func $ensure (param $bytes i32)
    (local $pages i32)
    (local.set $pages (i32.shr_u (i32.add (local.get $bytes) (i32.const 65535)) (i32.const 16)))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then (drop (memory.grow (i32.sub (local.get $pages) (memory.size)))))))
  ;; Element i of the matrix at $at becomes i * $k mod 17.
  (func $fill (param $at i32) (param $count i32) (param $k i32)
    (local $i i32)
    (loop $each
      (f64.store (i32.add (local.get $at) (i32.shl (local.get $i) (i32.const 3)))
        (f64.convert_i32_u (i32.rem_u (i32.mul (local.get $i) (local.get $k)) (i32.const 17))))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count)))))
  ;; Row at $a times the column at $b, whose elements are $stride bytes apart.
  (func $dot (param $a i32) (param $b i32) (param $stride i32) (param $n i32) (result f64)
    (local $sum f64)
    (loop $each
      (local.set $sum
        (f64.add (local.get $sum) (f64.mul (f64.load (local.get $a)) (f64.load (local.get $b)))))
      (local.set $a (i32.add (local.get $a) (i32.const 8)))
      (local.set $b (i32.add (local.get $b) (local.get $stride)))
      (br_if $each (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "run") (param $n i32) (result i32)
    (local $count i32) (local $stride i32) (local $b i32) (local $c i32) (local $i i32) (local $j i32)
    (local $sum f64) (local $x f64)
    (local.set $count (i32.mul (local.get $n) (local.get $n)))
    (local.set $stride (i32.shl (local.get $n) (i32.const 3)))
    (local.set $b (i32.shl (local.get $count) (i32.const 3)))
    (local.set $c (i32.shl (local.get $b) (i32.const 1)))
    (call $ensure (i32.add (local.get $b) (local.get $c)))
    (call $fill (i32.const 0) (local.get $count) (i32.const 7))
    (call $fill (local.get $b) (local.get $count) (i32.const 11))
    (loop $rows
      (local.set $j (i32.const 0))
      (loop $columns
        (local.set $x
          (call $dot (i32.mul (local.get $i) (local.get $stride))
                     (i32.add (local.get $b) (i32.shl (local.get $j) (i32.const 3)))
                     (local.get $stride) (local.get $n)))
        (f64.store
          (i32.add (local.get $c)
            (i32.add (i32.mul (local.get $i) (local.get $stride)) (i32.shl (local.get $j) (i32.const 3))))
          (local.get $x))
        (local.set $sum (f64.add (local.get $sum) (local.get $x)))
        (br_if $columns (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (br_if $rows (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.trunc_sat_f64_u (local.get $sum))))
