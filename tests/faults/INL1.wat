;; Planted fault INL1.
;; judge: jit:O2:moving => divergence
;; judge: jit:O2:moving:armed => I4
(module
  (global $g (export "g") (mut i32) (i32.const 0))
  (func $next (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "f")
    (loop $again
      (global.set $g (call $next (global.get $g)))
      (br $again))))
