;; Planted fault DIV1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
(module
  (global $x (mut i32) (i32.const 21))
  (func (export "f") (result i32) (i32.div_s (global.get $x) (i32.const 7))))
