;; Planted fault HOST1.
;; judge: jit:O1:moving => .
;; judge: jit:O1:moving:armed => .
(module
  (func (export "f") (param eqref) (result i32) (ref.is_null (local.get 0))))
