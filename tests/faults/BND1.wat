;; Planted fault BND1.
;; plan: instantiate 0 | call 0 make keep | probe-foreign 0 take
;; judge: jit:O1:moving => a reference of another store was accepted
;; judge: jit:O1:moving:armed => a reference of another store was accepted
(module
  (type $s (struct (field i32)))
  (func (export "make") (result anyref) (struct.new $s (i32.const 7)))
  (func (export "take") (param anyref) (result i32) (ref.is_null (local.get 0))))
