;; Planted fault VAL1.
;; invalid
;; judge: jit:O1:moving => accepted
(module
  (global $g i32 (i32.const 1))
  (func (export "f") (global.set $g (i32.const 2))))
