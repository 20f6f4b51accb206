;; Planted fault I31c.
;; judge: jit:O1:moving => divergence
;; judge: jit:O2:moving:armed => .
(module
  (func (export "f") (param i32) (result externref) (extern.convert_any (ref.i31 (i32.const 5)))))
