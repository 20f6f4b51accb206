;; Mandelbrot set on a square grid: f64 arithmetic in a tight loop with two exits.
;; Scale: points per side; answers the sum of iterations, at most 100 per point.
(module
  (func $iterations (param $cr f64) (param $ci f64) (result i32)
    (local $zr f64) (local $zi f64) (local $rr f64) (local $ii f64) (local $n i32)
    (block $escaped
      (loop $again
        (local.set $rr (f64.mul (local.get $zr) (local.get $zr)))
        (local.set $ii (f64.mul (local.get $zi) (local.get $zi)))
        (br_if $escaped (f64.gt (f64.add (local.get $rr) (local.get $ii)) (f64.const 4)))
        (local.set $zi
          (f64.add (f64.mul (f64.mul (f64.const 2) (local.get $zr)) (local.get $zi)) (local.get $ci)))
        (local.set $zr (f64.add (f64.sub (local.get $rr) (local.get $ii)) (local.get $cr)))
        (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100)))))
    (local.get $n))
  (func (export "run") (param $scale i32) (result i32)
    (local $x i32) (local $y i32) (local $step f64) (local $sum i32)
    (local.set $step (f64.div (f64.const 3) (f64.convert_i32_u (local.get $scale))))
    (loop $rows
      (local.set $x (i32.const 0))
      (loop $columns
        (local.set $sum
          (i32.add (local.get $sum)
            (call $iterations
              (f64.sub (f64.mul (f64.convert_i32_u (local.get $x)) (local.get $step)) (f64.const 2.25))
              (f64.sub (f64.mul (f64.convert_i32_u (local.get $y)) (local.get $step)) (f64.const 1.5)))))
        (br_if $columns
          (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 1))) (local.get $scale))))
      (br_if $rows (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 1))) (local.get $scale))))
    (local.get $sum)))
