;; Planted fault DSE1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (global $g (mut i32) (i32.const 0))
  (global $zero (mut i32) (i32.const 0))
  (func (export "f")
    (global.set $g (i32.const 1))
    (drop (i32.div_u (i32.const 1) (global.get $zero)))
    (global.set $g (i32.const 2)))
  (func (export "g") (result i32) (global.get $g)))
