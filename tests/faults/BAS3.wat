;; Planted fault BAS3.
;; judge: jit:O0:moving => divergence
;; judge: jit:O0:moving:zeal=every:armed => .
(module
  (func $id (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "f") (result i32) (local $x i32)
    (local.set $x (i32.add (call $id (i32.const 5)) (i32.const 1)))
    (i32.sub (call $id (i32.const 100)) (local.get $x))))
