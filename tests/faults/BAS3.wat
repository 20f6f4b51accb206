;; Planted fault BAS3.
;; judge: jit:O0:moving => divergence
(module
  (func $id (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "f") (result i32) (local $x i32) (local $y i32)
    (local.set $x (i32.add (call $id (i32.const 5)) (i32.const 1)))
    (local.set $y (call $id (i32.const 100)))
    (i32.add (local.get $x) (i32.mul (local.get $y) (i32.const 1000)))))
