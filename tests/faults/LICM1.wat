;; Planted fault LICM1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $s (struct (field (mut i32))))
  (global $x (mut (ref null $s)) (ref.null $s))
  (global $y (mut (ref null $s)) (ref.null $s))
  (func (export "a") (local $o (ref $s))
    (local.set $o (struct.new $s (i32.const 1)))
    (global.set $x (local.get $o))
    (global.set $y (local.get $o)))
  (func (export "f") (result i32) (local $x (ref $s)) (local $y (ref $s)) (local $i i32) (local $sum i32)
    (local.set $x (ref.as_non_null (global.get $x)))
    (local.set $y (ref.as_non_null (global.get $y)))
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (struct.get $s 0 (local.get $x))))
      (struct.set $s 0 (local.get $y) (i32.add (local.get $i) (i32.const 3)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
    (local.get $sum)))
