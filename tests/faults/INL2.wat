;; Planted fault INL2.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => divergence
;; judge: ir:O2 => divergence
(module
  (func $sub (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
  (func (export "f") (result i32) (call $sub (i32.const 50) (i32.const 8))))
