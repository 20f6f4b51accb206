;; Planted fault OPT4.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $a (array (mut i32)))
  (func (export "f") (result i32) (local $a (ref $a))
    (local.set $a (array.new_default $a (i32.const 4)))
    (array.set $a (local.get $a) (i32.const 1) (i32.const 7))
    (array.fill $a (local.get $a) (i32.const 0) (i32.const 9) (i32.const 4))
    (array.get $a (local.get $a) (i32.const 1))))
