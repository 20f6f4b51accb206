;; Planted fault SEL1.
;; judge: jit:O1 => has i32 6
;; judge: jit:O2 => has i32 6
(module
  (memory 1)
  (global $at (mut i32) (i32.const 8))
  (func (export "f") (result i32)
    (i32.load (global.get $at))
    (i32.store (i32.const 8) (i32.const 5))
    (i32.add (i32.clz (global.get $at)))
    (i32.sub (i32.const 27))))
