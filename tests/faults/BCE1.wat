;; Planted fault BCE1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $a (array (mut i32)))
  (func (export "f") (result i32) (local $a (ref $a)) (local $i i32) (local $sum i32)
    (local.set $a (array.new_default $a (i32.const 4)))
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (array.get $a (local.get $a) (local.get $i))))
      (br_if $l (i32.le_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (local.get $sum)))
