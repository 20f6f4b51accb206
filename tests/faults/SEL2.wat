;; Planted fault SEL2: 2^32 - 8 and 16 are 8.
;; judge: jit:O1 => trap
;; judge: jit:O2:guard => trap
(module
  (memory 1)
  (global $at (mut i32) (i32.const -8))
  (func (export "f") (result i32) (i32.load (i32.add (global.get $at) (i32.const 16)))))
