;; Planted fault MEM1.
;; judge: jit:O2:guard => trap
(module
  (memory 1)
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "f") (result i32) (call $load (i32.const 65536))))
