;; Planted fault SCCP1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (global $n (mut i32) (i32.const 5))
  (func (export "f") (result i32) (local $i i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $sum) (global.get $n))))
    (local.get $sum)))
