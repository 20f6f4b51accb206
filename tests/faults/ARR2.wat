;; Planted fault ARR2.
;; judge: jit:O1:moving => divergence: .*trap|divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (type $a (array (mut i32)))
  (func (export "f") (array.fill $a (array.new_default $a (i32.const 4)) (i32.const 4) (i32.const 9) (i32.const 0))))
