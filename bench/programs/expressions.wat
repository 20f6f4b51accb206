;; Symbolic expressions: trees of five node classes are built, differentiated, simplified and evaluated by casts.
;; Scale: rounds; answers the sum of the values.
(module
  (rec
    (type $expr (sub (struct)))
    (type $const (sub final $expr (struct (field $value i32))))
    (type $var (sub final $expr (struct (field $name i32))))
    (type $binary (sub $expr (struct (field $a (ref $expr)) (field $b (ref $expr)))))
    (type $sum (sub final $binary (struct (field $a (ref $expr)) (field $b (ref $expr)))))
    (type $product (sub final $binary (struct (field $a (ref $expr)) (field $b (ref $expr))))))
  (global $zero (ref $const) (struct.new $const (i32.const 0)))
  (global $one (ref $const) (struct.new $const (i32.const 1)))
  ;; A tree of the given depth, with a shape that follows from the seed.
  (func $build (param $depth i32) (param $seed i32) (result (ref $expr))
    (if (i32.eqz (local.get $depth))
      (then
        (return
          (if (result (ref $expr)) (i32.and (local.get $seed) (i32.const 4))
            (then (struct.new $var (i32.and (local.get $seed) (i32.const 3))))
            (else (struct.new $const (i32.and (local.get $seed) (i32.const 3))))))))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (call $build (local.get $depth) (i32.shr_u (local.get $seed) (i32.const 3)))
    (call $build (local.get $depth) (i32.shr_u (local.get $seed) (i32.const 5)))
    (if (param (ref $expr) (ref $expr)) (result (ref $expr)) (i32.and (local.get $seed) (i32.const 0x100))
      (then (struct.new $sum))
      (else (struct.new $product))))
  (func $is_const (param $e (ref $expr)) (param $value i32) (result i32)
    (block $other (result (ref $expr))
      (return
        (i32.eq (struct.get $const $value (br_on_cast_fail $other (ref $expr) (ref $const) (local.get $e)))
                (local.get $value))))
    (drop)
    (i32.const 0))
  ;; The derivative by variable $x.
  (func $derive (param $e (ref $expr)) (param $x i32) (result (ref $expr))
    (local $s (ref $sum)) (local $p (ref $product))
    (block $is_product (result (ref $product))
      (block $is_sum (result (ref $sum))
        (block $is_var (result (ref $var))
          (br_on_cast $is_var (ref $expr) (ref $var) (local.get $e))
          (br_on_cast $is_sum (ref $expr) (ref $sum))
          (br_on_cast $is_product (ref $expr) (ref $product))
          (drop)
          (return (global.get $zero)))
        (return
          (if (result (ref $expr)) (i32.eq (struct.get $var $name) (local.get $x))
            (then (global.get $one))
            (else (global.get $zero)))))
      (local.set $s)
      (return
        (struct.new $sum
          (call $derive (struct.get $sum $a (local.get $s)) (local.get $x))
          (call $derive (struct.get $sum $b (local.get $s)) (local.get $x)))))
    (local.set $p)
    (struct.new $sum
      (struct.new $product
        (call $derive (struct.get $product $a (local.get $p)) (local.get $x)) (struct.get $product $b (local.get $p)))
      (struct.new $product
        (struct.get $product $a (local.get $p)) (call $derive (struct.get $product $b (local.get $p)) (local.get $x)))))
  ;; Without sums and products with zero and one.
  (func $simplify (param $e (ref $expr)) (result (ref $expr))
    (local $a (ref $expr)) (local $b (ref $expr)) (local $both (ref $binary))
    (block $leaf (result (ref $expr))
      (local.set $both (br_on_cast_fail $leaf (ref $expr) (ref $binary) (local.get $e)))
      (local.set $a (call $simplify (struct.get $binary $a (local.get $both))))
      (local.set $b (call $simplify (struct.get $binary $b (local.get $both))))
      (if (ref.test (ref $sum) (local.get $both))
        (then
          (if (call $is_const (local.get $a) (i32.const 0)) (then (return (local.get $b))))
          (if (call $is_const (local.get $b) (i32.const 0)) (then (return (local.get $a))))
          (return (struct.new $sum (local.get $a) (local.get $b)))))
      (if (call $is_const (local.get $a) (i32.const 0)) (then (return (global.get $zero))))
      (if (call $is_const (local.get $b) (i32.const 0)) (then (return (global.get $zero))))
      (if (call $is_const (local.get $a) (i32.const 1)) (then (return (local.get $b))))
      (if (call $is_const (local.get $b) (i32.const 1)) (then (return (local.get $a))))
      (return (struct.new $product (local.get $a) (local.get $b)))))
  ;; With every variable v standing for v + 2.
  (func $value (param $e (ref $expr)) (result i32)
    (local $both (ref $binary)) (local $a i32) (local $b i32)
    (block $is_binary (result (ref $binary))
      (block $is_var (result (ref $var))
        (br_on_cast $is_binary (ref $expr) (ref $binary) (local.get $e))
        (br_on_cast $is_var (ref $expr) (ref $var))
        (return (struct.get $const $value (ref.cast (ref $const)))))
      (return (i32.add (struct.get $var $name) (i32.const 2))))
    (local.set $both)
    (local.set $a (call $value (struct.get $binary $a (local.get $both))))
    (local.set $b (call $value (struct.get $binary $b (local.get $both))))
    (if (result i32) (ref.test (ref $sum) (local.get $both))
      (then (i32.add (local.get $a) (local.get $b)))
      (else (i32.mul (local.get $a) (local.get $b)))))
  (func (export "run") (param $scale i32) (result i32)
    (local $sum i32) (local $tree (ref null $expr))
    (loop $rounds
      (local.set $tree (call $build (i32.const 9) (local.get $scale)))
      (local.set $sum
        (i32.add (i32.rotl (local.get $sum) (i32.const 1))
          (call $value
            (call $simplify
              (call $derive (ref.as_non_null (local.get $tree)) (i32.and (local.get $scale) (i32.const 3)))))))
      (br_if $rounds (local.tee $scale (i32.sub (local.get $scale) (i32.const 1)))))
    (local.get $sum)))
